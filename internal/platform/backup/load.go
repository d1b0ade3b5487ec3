package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"

	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
)

// Loaded is what [Load] found.
type Loaded struct {
	Rows int64
	Jobs []jobs.Raw // to be told to the queue once it is open
}

// Load fills an empty database with the tables of r, in one transaction, after
// next, the part that was read last. It reads r to its end: an error of any
// kind, even at the last byte, leaves the database as it was.
func Load(ctx context.Context, s *store.Store, r *Reader, next any, progress Progress) (l Loaded, err error) {
	var in inserter = &intoSQLite{s: s}
	if s.Postgres() {
		in = &intoPostgres{s: s}
	}
	if err := in.begin(ctx); err != nil {
		return l, err
	}
	defer func() { in.rollback(ctx) }()
	for {
		switch p := next.(type) {
		case jobs.Raw:
			l.Jobs = append(l.Jobs, p)
		case Table:
			if err := in.table(ctx, p); err != nil {
				return l, fmt.Errorf("backup: %s: %w", p.Name, err)
			}
		case []any:
			if err := in.row(ctx, p); err != nil {
				return l, fmt.Errorf("backup: %s: %w", r.table, err)
			}
			if l.Rows++; progress != nil && l.Rows%tick == 0 {
				progress(r.table, l.Rows)
			}
		case nil:
		default:
			return l, fmt.Errorf("%w: a %T among the rows", ErrDamaged, p)
		}
		if next, err = r.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return l, err
		}
	}
	return l, in.commit(ctx)
}

// inserter takes rows; a new table ends the one before.
type inserter interface {
	begin(ctx context.Context) error
	table(ctx context.Context, t Table) error
	row(ctx context.Context, row []any) error
	commit(ctx context.Context) error
	rollback(ctx context.Context)
}

// checkColumns refuses a table that this program's schema, brought to the
// backup's version, does not know: then the backup is not what its head says.
func checkColumns(known []Column, t Table) error {
	have := map[string]string{}
	for _, c := range known {
		have[c.Name] = c.Type
	}
	for _, c := range t.Columns {
		if have[c.Name] != c.Type {
			return fmt.Errorf("%w: column %s %s is not in the schema", ErrNewer, c.Name, c.Type)
		}
	}
	return nil
}

func columnList(t Table) string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = quote(c.Name)
	}
	return strings.Join(names, ", ")
}

// intoPostgres copies in batches, the quickest way in.
type intoPostgres struct {
	s    *store.Store
	tx   pgx.Tx
	now  Table
	rows [][]any
}

// batch is how many rows are copied at once.
const batch = 1000

func (p *intoPostgres) begin(ctx context.Context) (err error) {
	p.tx, err = p.s.Pool().Begin(ctx)
	return err
}

func (p *intoPostgres) table(ctx context.Context, t Table) error {
	if err := p.flush(ctx); err != nil {
		return err
	}
	rows, err := p.tx.Query(ctx, `SELECT column_name, data_type FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name = $1`, t.Name)
	if err != nil {
		return err
	}
	known, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (c Column, err error) {
		var decl string
		if err := r.Scan(&c.Name, &decl); err != nil {
			return c, err
		}
		c.Type, err = columnType(decl)
		return c, err
	})
	if err != nil {
		return err
	}
	p.now = t
	if err := checkColumns(known, t); err != nil {
		return err
	}
	_, err = p.tx.Exec(ctx, `DELETE FROM `+quote(t.Name)) // what a migration put there
	return err
}

func (p *intoPostgres) row(ctx context.Context, row []any) error {
	for i, v := range row {
		if s, ok := v.(string); ok { // what SQLite bears and PostgreSQL does not
			row[i] = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
		}
	}
	if p.rows = append(p.rows, row); len(p.rows) < batch {
		return nil
	}
	return p.flush(ctx)
}

func (p *intoPostgres) flush(ctx context.Context) error {
	if len(p.rows) == 0 {
		return nil
	}
	names := make([]string, len(p.now.Columns))
	for i, c := range p.now.Columns {
		names[i] = c.Name
	}
	_, err := p.tx.CopyFrom(ctx, pgx.Identifier{p.now.Name}, names, pgx.CopyFromRows(p.rows))
	p.rows = p.rows[:0]
	return err
}

func (p *intoPostgres) commit(ctx context.Context) error {
	if err := p.flush(ctx); err != nil {
		return fmt.Errorf("backup: %s: %w", p.now.Name, err)
	}
	return p.tx.Commit(ctx)
}

func (p *intoPostgres) rollback(ctx context.Context) {
	_ = p.tx.Rollback(context.WithoutCancel(ctx)) // after a commit it does nothing
}
