package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Migrations is a room's schema: numbered SQL files in schema/sqlite and
// schema/postgres, embedded by the room. The names of the twins are equal.
type Migrations struct {
	Room string
	FS   fs.FS // holds schema/{sqlite,postgres}
	// Ways are the columns that hold one address or number of a person each, and
	// Words those of longer texts in which such may stand, as "table.column". Both
	// are stored sealed, see [Store.SealWith].
	Ways, Words []string
}

// Migrate brings the rooms' tables up to date, in the given (floor) order.
// Each room counts its versions in its own table <room>_schema_version.
func (s *Store) Migrate(ctx context.Context, rooms ...Migrations) error {
	for _, m := range rooms {
		p, err := s.provider(m)
		if err == nil && p != nil {
			err = s.up(ctx, m.Room, p.Up)
		}
		if err != nil {
			return fmt.Errorf("store: schema of %s: %w", m.Room, err)
		}
	}
	return nil
}

// MigrateTo is Migrate up to the given versions and no further, for filling the
// tables with what was saved when they stood so. A room that is not named is
// left out.
func (s *Store) MigrateTo(ctx context.Context, versions map[string]int64, rooms ...Migrations) error {
	for _, m := range rooms {
		to := versions[m.Room]
		if to == 0 {
			continue
		}
		p, err := s.provider(m)
		if err == nil && p != nil {
			err = s.up(ctx, m.Room, func(ctx context.Context) ([]*goose.MigrationResult, error) { return p.UpTo(ctx, to) })
		}
		if err != nil {
			return fmt.Errorf("store: schema of %s: %w", m.Room, err)
		}
	}
	return nil
}

// Newest are the versions to which Migrate brings the rooms' tables.
func Newest(rooms ...Migrations) (map[string]int64, error) {
	out := map[string]int64{}
	for _, m := range rooms {
		files, err := fs.Glob(m.FS, "schema/sqlite/*.sql")
		if err != nil {
			return nil, fmt.Errorf("store: schema of %s: %w", m.Room, err)
		}
		for _, f := range files {
			v, err := goose.NumericComponent(path.Base(f))
			if err != nil {
				return nil, fmt.Errorf("store: schema of %s: %w", m.Room, err)
			}
			out[m.Room] = max(out[m.Room], v)
		}
	}
	return out, nil
}

func (s *Store) up(ctx context.Context, room string, up func(context.Context) ([]*goose.MigrationResult, error)) error {
	done, err := up(ctx)
	for _, r := range done {
		s.log.InfoContext(ctx, "schema changed", "of", room, "version", r.Source.Version)
	}
	return err
}

// provider reads a room's migrations; nil for a room without any.
func (s *Store) provider(m Migrations) (*goose.Provider, error) {
	dialect, dir := goose.DialectSQLite3, "schema/sqlite"
	if s.Postgres() {
		dialect, dir = goose.DialectPostgres, "schema/postgres"
	}
	sub, err := fs.Sub(m.FS, dir)
	if err != nil {
		return nil, err
	}
	options := []goose.ProviderOption{
		goose.WithTableName(m.Room + "_schema_version"),
		goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(slog.New(slog.DiscardHandler)),
	}
	if s.Postgres() {
		// Two nodes that start at once take turns.
		turns, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(turns))
	}
	p, err := goose.NewProvider(dialect, s.write.DB, sub, options...)
	if errors.Is(err, goose.ErrNoMigrations) {
		return nil, nil //nolint:nilnil // nothing to do is no failure
	}
	return p, err
}

// UniqueViolation reports whether err says that a row with that key exists.
func UniqueViolation(err error) bool {
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return false
	}
	var pg interface{ SQLState() string }
	if errors.As(err, &pg) {
		return pg.SQLState() == "23505"
	}
	var lite interface{ Code() int }
	if errors.As(err, &lite) {
		return lite.Code() == sqliteConstraintUnique || lite.Code() == sqliteConstraintPrimary
	}
	return false
}

// Extended result codes of https://sqlite.org/rescode.html.
const (
	sqliteConstraintUnique  = 2067
	sqliteConstraintPrimary = 1555
)
