package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/schema"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/seal"
)

// sealing is what a store seals, and with which box. It is there before the box
// is, for the key can only be judged by what the database says of it.
type sealing struct {
	box    atomic.Pointer[seal.Box]
	places atomic.Pointer[map[string]map[string]bool] // table → column → holds longer texts
}

// ErrNoBox is the cause when a personal column is written before a key is there.
var ErrNoBox = errors.New("store: a sealed column, but no key to seal with")

// SealWith says which columns of the rooms are sealed from now on, and by which
// box. Models of bun then need not know of it: what a room writes is sealed, and
// what it reads is opened. A value in a condition has to be sealed by
// [Store.Sealed].
func (s *Store) SealWith(box *seal.Box, rooms ...Migrations) {
	places := map[string]map[string]bool{}
	for _, m := range rooms {
		for words, list := range map[bool][]string{false: m.Ways, true: m.Words} {
			for _, place := range list {
				table, column, _ := strings.Cut(place, ".")
				if places[table] == nil {
					places[table] = map[string]bool{}
				}
				places[table][column] = words
			}
		}
	}
	s.sealing.places.Store(&places)
	s.sealing.box.Store(box)
}

// SealedColumns are the sealed columns of a table; true is the value of those
// that hold longer texts and so cannot be compared as a whole.
func (s *Store) SealedColumns(table string) map[string]bool {
	if p := s.sealing.places.Load(); p != nil {
		return (*p)[table]
	}
	return nil
}

// Sealed is a value as the column of that place ("table.column") holds it, for
// conditions.
func (s *Store) Sealed(place, value string) string {
	box := s.sealing.box.Load()
	table, column, _ := strings.Cut(place, ".")
	if _, ok := s.SealedColumns(table)[column]; !ok || box == nil {
		return value
	}
	return box.Seal(place, value)
}

// Opened is what a value of that place means.
func (s *Store) Opened(place, value string) (string, error) {
	if box := s.sealing.box.Load(); box != nil {
		return box.Open(place, value)
	}
	return value, nil
}

// sealed is a dialect whose models seal and open those columns.
type sealed struct {
	schema.Dialect
	store  *Store
	tables *schema.Tables
}

func (s *Store) sealed(d schema.Dialect) schema.Dialect {
	out := &sealed{Dialect: d, store: s}
	out.tables = schema.NewTables(out)
	return out
}

func (d *sealed) Tables() *schema.Tables { return d.tables }

func (d *sealed) OnTable(t *schema.Table) {
	d.Dialect.OnTable(t)
	for _, f := range t.FieldMap {
		if f.IndirectType.Kind() == reflect.String && !f.IsPtr {
			d.onField(t.Name, f)
		}
	}
}

// onField wraps every text field, for a model may be met before [Store.SealWith]
// has said what is sealed.
func (d *sealed) onField(table string, f *schema.Field) {
	add, scan, column, place := f.Append, f.Scan, f.Name, table+"."+f.Name
	is := func() bool { _, ok := d.store.SealedColumns(table)[column]; return ok }
	f.Append = func(gen schema.QueryGen, b []byte, v reflect.Value) []byte {
		if !is() || v.String() == "" {
			return add(gen, b, v)
		}
		box := d.store.sealing.box.Load()
		if box == nil {
			return dialect.AppendError(b, ErrNoBox)
		}
		return d.AppendString(b, box.Seal(place, v.String()))
	}
	f.Scan = func(dest reflect.Value, src any) error {
		text, ok := src.(string)
		if raw, isBytes := src.([]byte); isBytes {
			text, ok = string(raw), true
		}
		if !ok || !strings.HasPrefix(text, seal.Mark) || !is() {
			return scan(dest, src)
		}
		plain, err := d.store.Opened(place, text)
		if err != nil {
			return err
		}
		return scan(dest, plain)
	}
}

// sealBatch is how many rows one transaction seals.
const sealBatch = 500

// SealRows seals what was stored before its column was sealed, and answers how
// many rows it changed. It goes on where a crash left it. Nobody else may write
// meanwhile.
func (s *Store) SealRows(ctx context.Context) (int64, error) {
	box := s.sealing.box.Load()
	if box == nil {
		return 0, ErrNoBox
	}
	return s.turnRows(ctx, "NOT LIKE", func(place, text string) (string, error) { return box.Seal(place, text), nil })
}

// UnsealRows puts everything back into the clear, for a program that does not
// know sealing.
func (s *Store) UnsealRows(ctx context.Context) (int64, error) {
	return s.turnRows(ctx, "LIKE", s.Opened)
}

func (s *Store) turnRows(ctx context.Context, like string, turn func(place, text string) (string, error)) (int64, error) {
	ctx = ident.AcrossTenants(ctx)
	var total int64
	places := s.sealing.places.Load()
	if places == nil {
		return 0, nil
	}
	for _, table := range slices.Sorted(maps.Keys(*places)) {
		n, err := s.turnTable(ctx, table, slices.Sorted(maps.Keys((*places)[table])), like, turn)
		if err != nil {
			return total, fmt.Errorf("store: seal %s: %w", table, err)
		}
		total += n
	}
	return total, nil
}

func (s *Store) turnTable(ctx context.Context, table string, columns []string, like string, turn func(place, text string) (string, error)) (total int64, err error) {
	// The row's own address serves every table alike; a row that moves by its
	// change (PostgreSQL) is then as it should be and is not met again.
	at, first, key := "rowid", "-1", "?"
	if s.Postgres() {
		at, first, key = "ctid", "(0,0)", "?::tid"
	}
	var tests, sets []string
	for _, c := range columns {
		tests = append(tests, fmt.Sprintf(`("%s" <> '' AND "%s" %s '%s%%')`, c, c, like, seal.Mark))
		sets = append(sets, fmt.Sprintf(`"%s" = turned."%s"`, c, c))
	}
	names := strings.Join(columns, `", "`)
	pick := fmt.Sprintf(`SELECT CAST(%s AS TEXT) AS place_of_row, "%s" FROM "%s" WHERE %s > %s AND (%s) ORDER BY %s LIMIT %d`,
		at, names, table, at, key, strings.Join(tests, " OR "), at, sealBatch)
	// One statement writes them all: a server may be far away.
	row := "(" + key + strings.Repeat(", ?", len(columns)) + ")"
	put := fmt.Sprintf(`UPDATE "%s" SET %s FROM turned WHERE "%s".%s = turned.place_of_row`, table, strings.Join(sets, ", "), table, at)
	for from := first; ; {
		n, last := 0, from
		err := s.InTx(ctx, func(ctx context.Context, db bun.IDB, _ Enqueue) error {
			rows, err := textRows(ctx, db, pick, len(columns)+1, from)
			if err != nil {
				return err
			}
			if n = len(rows); n == 0 {
				return nil
			}
			args := make([]any, 0, n*(len(columns)+1))
			for _, r := range rows {
				args = append(args, r[0])
				for i, c := range columns {
					text := r[i+1]
					if text != "" && strings.HasPrefix(text, seal.Mark) == (like == "LIKE") {
						if text, err = turn(table+"."+c, text); err != nil {
							return err
						}
					}
					args = append(args, text)
				}
				last = r[0]
			}
			turned := fmt.Sprintf(`WITH turned(place_of_row, "%s") AS (VALUES %s) `, names, strings.Join(slices.Repeat([]string{row}, n), ", "))
			_, err = db.ExecContext(ctx, turned+put, args...)
			return err
		})
		if err != nil {
			return total, err
		}
		total += int64(n)
		if from = last; n < sealBatch {
			return total, nil
		}
	}
}

func textRows(ctx context.Context, db bun.IDB, query string, width int, args ...any) (out [][]string, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		texts, at := make([]sql.NullString, width), make([]any, width)
		for i := range texts {
			at[i] = &texts[i]
		}
		if err := rows.Scan(at...); err != nil {
			return nil, err
		}
		row := make([]string, width)
		for i, t := range texts {
			row[i] = t.String
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

// Compact leaves nothing in the file of what is no longer in a row: SQLite keeps
// the old text in free pages and in its log. On PostgreSQL that is vacuum's.
func (s *Store) Compact(ctx context.Context) error {
	if s.Postgres() {
		return nil
	}
	for _, q := range []string{"VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := s.write.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("store: compact: %w", err)
		}
	}
	return nil
}
