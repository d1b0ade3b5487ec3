package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Migrations is a room's schema: numbered SQL files in schema/sqlite and
// schema/postgres, embedded by the room. The names of the twins are equal.
type Migrations struct {
	Room string
	FS   fs.FS // holds schema/{sqlite,postgres}
}

// Migrate brings the rooms' tables up to date, in the given (floor) order.
// Each room counts its versions in its own table <room>_schema_version.
func (s *Store) Migrate(ctx context.Context, rooms ...Migrations) error {
	for _, m := range rooms {
		if err := s.migrateRoom(ctx, m); err != nil {
			return fmt.Errorf("store: schema of %s: %w", m.Room, err)
		}
	}
	return nil
}

func (s *Store) migrateRoom(ctx context.Context, m Migrations) error {
	dialect, dir := goose.DialectSQLite3, "schema/sqlite"
	if s.Postgres() {
		dialect, dir = goose.DialectPostgres, "schema/postgres"
	}
	sub, err := fs.Sub(m.FS, dir)
	if err != nil {
		return err
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
			return err
		}
		options = append(options, goose.WithSessionLocker(turns))
	}
	p, err := goose.NewProvider(dialect, s.write.DB, sub, options...)
	if errors.Is(err, goose.ErrNoMigrations) {
		return nil
	}
	if err != nil {
		return err
	}
	done, err := p.Up(ctx)
	for _, r := range done {
		s.log.InfoContext(ctx, "schema changed", "of", m.Room, "version", r.Source.Version)
	}
	return err
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
