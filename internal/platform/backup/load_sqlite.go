package backup

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"tuermer/internal/platform/store"
)

// intoSQLite inserts one by one with a prepared statement.
type intoSQLite struct {
	s    *store.Store
	tx   *sql.Tx
	into *sql.Stmt
}

func (l *intoSQLite) begin(ctx context.Context) (err error) {
	l.tx, err = l.s.Writer().BeginTx(ctx, nil)
	return err
}

func (l *intoSQLite) table(ctx context.Context, t Table) error {
	known, err := columnsOf(ctx, l.tx, t.Name, false)
	if err != nil {
		return err
	}
	if err := errors.Join(checkColumns(known, t), l.done()); err != nil {
		return err
	}
	if _, err := l.tx.ExecContext(ctx, `DELETE FROM `+quote(t.Name)); err != nil { // what a migration put there
		return err
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(t.Columns)), ", ")
	l.into, err = l.tx.PrepareContext(ctx, `INSERT INTO `+quote(t.Name)+` (`+columnList(t)+`) VALUES (`+marks+`)`)
	return err
}

func (l *intoSQLite) done() error {
	if l.into == nil {
		return nil
	}
	err := l.into.Close()
	l.into = nil
	return err
}

func (l *intoSQLite) row(ctx context.Context, row []any) error {
	for i, v := range row {
		row[i] = forSQLite(v)
	}
	_, err := l.into.ExecContext(ctx, row...)
	return err
}

func (l *intoSQLite) commit(context.Context) error { return errors.Join(l.done(), l.tx.Commit()) }

func (l *intoSQLite) rollback(context.Context) {
	_ = l.done()
	_ = l.tx.Rollback() // after a commit it does nothing
}
