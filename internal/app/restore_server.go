package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"tuermer/internal/platform/ident"
)

// intoServer is a PostgreSQL database: the install is built in a schema of its
// own, whose objects then take the place of the old ones in one transaction.
// The old ones stay in a schema beside.
type intoServer struct {
	o      Options
	schema string
}

func (t *intoServer) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, t.o.Database)
}

// landmark is a table that every install has.
const landmark = "audit_head"

func (t *intoServer) occupied(ctx context.Context) (bool, error) {
	c, err := t.connect(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	var there bool
	err = c.QueryRow(ctx, `SELECT to_regclass(quote_ident(current_schema()) || '.`+landmark+`') IS NOT NULL`).Scan(&there)
	return there, err
}

// schemaPrefix names schemas under construction; what a kill left of them is
// dropped by the next restore.
const schemaPrefix = "tuermer_restore_"

func (t *intoServer) stage(ctx context.Context) (string, error) {
	c, err := t.connect(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	var here string
	if err := c.QueryRow(ctx, `SELECT coalesce(current_schema(), '')`).Scan(&here); err != nil {
		return "", err
	}
	t.schema = schemaPrefix + strings.ToLower(ident.NewID(t.o.Clock.Now()))
	if _, err := c.Exec(ctx, `CREATE SCHEMA `+t.schema); err != nil {
		return "", fmt.Errorf("app: restore: %w", err)
	}
	u, err := url.Parse(t.o.Database)
	if err != nil {
		return "", fmt.Errorf("app: restore: %w", err)
	}
	q := u.Query()
	q.Set("search_path", t.schema)
	u.RawQuery = q.Encode()
	return u.String(), nil
}

func (t *intoServer) unstage(ctx context.Context) error {
	if t.schema == "" {
		return nil
	}
	c, err := t.connect(ctx)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, `DROP SCHEMA IF EXISTS `+t.schema+` CASCADE`)
	return errors.Join(err, c.Close(ctx))
}

func (t *intoServer) commit(ctx context.Context, stage string, replace bool) (moved string, err error) {
	if t.o.KeyFile != "" {
		if err := placeKey(stage, t.o.KeyFile); err != nil {
			return "", err
		}
	}
	// The key is on the disk before the database counts, and takes its place after
	// it: the database says whether it did.
	stamp := stampOf(t.o.Clock)
	if err := sealStage(stage, filepath.Join(t.o.Dir, readyPrefix+stamp)); err != nil {
		return "", err
	}
	c, err := t.connect(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	tx, err := c.Begin(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	var here string
	if err := tx.QueryRow(ctx, `SELECT quote_ident(current_schema())`).Scan(&here); err != nil {
		return "", err
	}
	if replace {
		moved = "tuermer_before_" + strings.ToLower(ident.NewID(t.o.Clock.Now()))
		if _, err := tx.Exec(ctx, `CREATE SCHEMA `+moved); err != nil {
			return "", err
		}
		if err := carry(ctx, tx, strings.Trim(here, `"`), moved); err != nil {
			return "", err
		}
	}
	if err := carry(ctx, tx, t.schema, here); err != nil {
		return "", err
	}
	if _, err := tx.Exec(ctx, `COMMENT ON TABLE `+landmark+` IS '`+readyPrefix+stamp+`'`); err != nil {
		return "", err
	}
	if err := tx.Commit(ctx); err != nil {
		return "", fmt.Errorf("app: restore: %w", err)
	}
	if _, err := settleRestore(t.o.Dir); err != nil {
		return "", err
	}
	return moved, nil
}

// carry moves everything of one schema into another: tables with what hangs on
// them, then functions and types, but nothing that belongs to an extension.
func carry(ctx context.Context, tx pgx.Tx, from, to string) error {
	const own = ` AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = o.oid AND d.deptype IN ('e', 'i'))`
	for _, q := range []string{
		`SELECT 'TABLE ' || o.oid::regclass FROM pg_class o JOIN pg_namespace n ON n.oid = o.relnamespace
			WHERE n.nspname = $1 AND o.relkind IN ('r', 'p')` + own,
		`SELECT 'VIEW ' || o.oid::regclass FROM pg_class o JOIN pg_namespace n ON n.oid = o.relnamespace
			WHERE n.nspname = $1 AND o.relkind = 'v'` + own,
		`SELECT 'SEQUENCE ' || o.oid::regclass FROM pg_class o JOIN pg_namespace n ON n.oid = o.relnamespace
			WHERE n.nspname = $1 AND o.relkind = 'S' AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = o.oid AND d.deptype IN ('a', 'e', 'i'))`,
		`SELECT 'FUNCTION ' || o.oid::regprocedure FROM pg_proc o JOIN pg_namespace n ON n.oid = o.pronamespace
			WHERE n.nspname = $1` + own,
		`SELECT 'TYPE ' || o.oid::regtype FROM pg_type o JOIN pg_namespace n ON n.oid = o.typnamespace
			WHERE n.nspname = $1 AND o.typtype IN ('e', 'd')` + own,
	} {
		rows, err := tx.Query(ctx, q, from)
		if err != nil {
			return fmt.Errorf("app: restore: %w", err)
		}
		things, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("app: restore: %w", err)
		}
		for _, thing := range things {
			if _, err := tx.Exec(ctx, `ALTER `+thing+` SET SCHEMA `+to); err != nil {
				return fmt.Errorf("app: restore: %s: %w", thing, err)
			}
		}
	}
	return nil
}

// settleServer decides what a kill left of a restore into a server: the key
// takes its place only when the database says that it counts.
func (a *App) settleServer(ctx context.Context) error {
	all, err := filepath.Glob(filepath.Join(a.o.Dir, readyPrefix+"*"))
	if err != nil || len(all) == 0 {
		return err
	}
	var said *string
	err = a.store.Pool().QueryRow(ctx, `SELECT obj_description(to_regclass(quote_ident(current_schema()) || '.`+landmark+`'))`).Scan(&said)
	if err != nil {
		return err
	}
	for _, ready := range all {
		if said == nil || *said != filepath.Base(ready) {
			if err := os.RemoveAll(ready); err != nil {
				return err
			}
		}
	}
	_, err = settleRestore(a.o.Dir)
	return err
}
