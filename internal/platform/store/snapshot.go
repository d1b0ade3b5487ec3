package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Snapshot runs fn in a transaction that sees one moment of the whole database,
// over all tenants, and writes nothing; others go on writing meanwhile. It is
// for backups alone.
func (s *Store) Snapshot(ctx context.Context, fn func(ctx context.Context, tx *sql.Tx) error) error {
	opts := &sql.TxOptions{ReadOnly: true}
	if s.Postgres() {
		opts.Isolation = sql.LevelRepeatableRead
	}
	tx, err := s.read.DB.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("store: snapshot: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	if !s.Postgres() {
		// SQLite takes its moment with the first look, not with BEGIN.
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master`).Scan(&n); err != nil {
			return fmt.Errorf("store: snapshot: %w", err)
		}
	}
	return fn(ctx, tx)
}

// CountAll counts the rows of a table over all tenants; name comes from this
// program's own schema. It is for looking at a restored database.
func (s *Store) CountAll(ctx context.Context, name string) (n int64, err error) {
	if err := s.read.DB.QueryRowContext(ctx, `SELECT count(*) FROM "`+name+`"`).Scan(&n); err != nil {
		return 0, fmt.Errorf("store: count %s: %w", name, err)
	}
	return n, nil
}
