package backup

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
)

// Progress is told now and then how far a long work is.
type Progress func(table string, rows int64)

// tick is how many rows pass between two reports.
const tick = 10_000

// Dump writes all that the database holds at one moment. begin makes the writer,
// once the versions of the schema are known, and adds the files; Dump closes it.
// total counts the rows.
func Dump(ctx context.Context, s *store.Store, begin func(Head) (*Writer, error), progress Progress, total *int64) error {
	return s.Snapshot(ctx, func(ctx context.Context, tx *sql.Tx) error {
		h := Head{Kind: "sqlite"}
		if s.Postgres() {
			h.Kind = "postgres"
		}
		tables, versions, err := tablesOf(ctx, tx, s.Postgres())
		if err != nil {
			return err
		}
		h.Schema = versions
		w, err := begin(h)
		if err != nil {
			return err
		}
		waiting, err := jobs.Waiting(ctx, tx, s.Postgres())
		if err != nil {
			return err
		}
		for _, j := range waiting {
			if err := w.line(j); err != nil {
				return err
			}
			w.end.Jobs++
		}
		for _, t := range tables {
			if err := w.table(ctx, tx, s.Postgres(), t, progress); err != nil {
				return err
			}
			*total += w.end.Rows[t.Name]
		}
		return w.Close()
	})
}

// apart are tables that are not copied row by row: the queue's own, whose open
// jobs stand in the backup by themselves, and the counters of the schema, which
// stand in the head; and what has to be gone within a day ("_fleeting"), which a
// backup would keep for weeks.
func apart(name string) bool {
	return strings.HasPrefix(name, "river_") || strings.HasSuffix(name, "_fleeting") || strings.HasSuffix(name, "_schema_version")
}

// namesOf lists the tables in the order in which they were made.
func namesOf(ctx context.Context, tx *sql.Tx, postgres bool) ([]string, error) {
	q := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite@_%' ESCAPE '@' AND name NOT LIKE '@_litestream@_%' ESCAPE '@' ORDER BY rowid`
	if postgres {
		q = `SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname = current_schema() AND c.relkind = 'r' ORDER BY c.oid`
	}
	return strs(ctx, tx, q)
}

// versionsOf are the versions of the rooms' schemas.
func versionsOf(ctx context.Context, tx *sql.Tx, names []string) (map[string]int64, error) {
	versions := map[string]int64{}
	for _, name := range names {
		if room, ok := strings.CutSuffix(name, "_schema_version"); ok {
			var v sql.NullInt64
			if err := tx.QueryRowContext(ctx, `SELECT max(version_id) FROM `+quote(name)).Scan(&v); err != nil {
				return nil, fmt.Errorf("backup: %s: %w", name, err)
			}
			versions[room] = v.Int64
		}
	}
	return versions, nil
}

// tablesOf lists the tables in the order in which they were made, so that what
// others refer to comes first, and the version of every room's schema.
func tablesOf(ctx context.Context, tx *sql.Tx, postgres bool) (tables []Table, versions map[string]int64, err error) {
	names, err := namesOf(ctx, tx, postgres)
	if err != nil {
		return nil, nil, err
	}
	if versions, err = versionsOf(ctx, tx, names); err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		if apart(name) {
			continue
		}
		t := Table{Name: name}
		if t.Columns, err = columnsOf(ctx, tx, name, postgres); err != nil {
			return nil, nil, err
		}
		if !t.sound() {
			return nil, nil, fmt.Errorf("backup: table %q has a name that this program never gives", name)
		}
		tables = append(tables, t)
	}
	return tables, versions, nil
}

func strs(ctx context.Context, tx *sql.Tx, q string, args ...any) (out []string, err error) {
	rows, err := tx.QueryContext(ctx, q, args...)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	defer func() { _ = rows.Close() }() // read to the end, or failed already
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, fmt.Errorf("backup: %w", err)
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

func columnsOf(ctx context.Context, tx *sql.Tx, table string, postgres bool) (out []Column, err error) {
	q := `SELECT name || ' ' || type FROM pragma_table_info(?) ORDER BY cid`
	if postgres {
		q = `SELECT column_name || ' ' || data_type FROM information_schema.columns
			WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position`
	}
	lines, err := strs(ctx, tx, q, table)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		name, decl, _ := strings.Cut(l, " ")
		kind, err := columnType(decl)
		if err != nil {
			return nil, fmt.Errorf("%w in %s.%s", err, table, name)
		}
		out = append(out, Column{name, kind})
	}
	return out, nil
}

// quote is for names that [isName] let pass.
func quote(name string) string { return `"` + name + `"` }

func (w *Writer) table(ctx context.Context, tx *sql.Tx, postgres bool, t Table, progress Progress) error {
	if err := w.line(t); err != nil {
		return err
	}
	w.end.Rows[t.Name] = 0
	exprs := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		exprs[i] = quote(c.Name)
		if !postgres {
			// The sign takes the declared type away: the driver then answers what
			// really stands there, and reads no time by guess.
			exprs[i] = "+" + exprs[i]
		}
	}
	rows, err := tx.QueryContext(ctx, `SELECT `+strings.Join(exprs, ", ")+` FROM `+quote(t.Name))
	if err != nil {
		return fmt.Errorf("backup: %s: %w", t.Name, err)
	}
	defer func() { _ = rows.Close() }()
	values, line := make([]any, len(t.Columns)), make([]any, len(t.Columns))
	into := make([]any, len(t.Columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("backup: %s: %w", t.Name, err)
		}
		for i, c := range t.Columns {
			if line[i], err = encode(values[i], c); err != nil {
				return fmt.Errorf("backup: %s: %w", t.Name, err)
			}
		}
		if err := w.line(line); err != nil {
			return err
		}
		if w.end.Rows[t.Name]++; progress != nil && w.end.Rows[t.Name]%tick == 0 {
			progress(t.Name, w.end.Rows[t.Name])
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("backup: %s: %w", t.Name, err)
	}
	return nil
}

// Rooms are the rooms of a head by name, sorted.
func (h Head) Rooms() []string {
	out := make([]string, 0, len(h.Schema))
	for room := range h.Schema {
		out = append(out, room)
	}
	slices.Sort(out)
	return out
}

// Versions are those of every room's schema as it stands; empty for a database
// that nobody has used.
func Versions(ctx context.Context, s *store.Store) (out map[string]int64, err error) {
	err = s.Snapshot(ctx, func(ctx context.Context, tx *sql.Tx) error {
		names, err := namesOf(ctx, tx, s.Postgres())
		if err != nil {
			return err
		}
		out, err = versionsOf(ctx, tx, names)
		return err
	})
	return out, err
}
