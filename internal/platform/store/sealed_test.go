package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/seal"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
)

type letterRow struct {
	bun.BaseModel `bun:"table:demo_letter"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Recipient     string       `bun:"recipient"`
	Body          string       `bun:"body"`
	Note          string       `bun:"note"`
}

func letters() []store.Migrations {
	sql := &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE demo_letter (tenant_id TEXT NOT NULL, id TEXT NOT NULL, recipient TEXT NOT NULL, body TEXT NOT NULL, note TEXT NOT NULL, PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, recipient));\n")}
	return []store.Migrations{{
		Room: "demo", FS: fstest.MapFS{"schema/sqlite/0001_letter.sql": sql, "schema/postgres/0001_letter.sql": sql},
		Ways: []string{"demo_letter.recipient"}, Words: []string{"demo_letter.body"},
	}}
}

func boxOf(t *testing.T, fill byte) *seal.Box {
	t.Helper()
	key := make([]byte, 32)
	key[0] = fill
	b, err := seal.New(key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// raw are the values as the database holds them.
func raw(t *testing.T, w *storetest.World, column string) (out []string) {
	t.Helper()
	rows, err := w.Store.Read(w.Ctx).QueryContext(w.Ctx, "SELECT "+column+" FROM demo_letter WHERE tenant_id = 't1' ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func write(w *storetest.World, fn func(ctx context.Context, db bun.IDB) error) error {
	return w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error { return fn(ctx, db) })
}

// A room writes and reads what it means, the database holds what is sealed, and
// still compares, counts and refuses a second one.
func TestSealedColumns(t *testing.T) {
	storetest.Each(t, letters(), func(t *testing.T, w *storetest.World) {
		rows := []letterRow{
			{TenantID: "t1", ID: "1", Recipient: "ada@example.org", Body: "an ada@example.org", Note: "offen"},
			{TenantID: "t1", ID: "2", Recipient: "", Body: "", Note: ""},
			{TenantID: "t2", ID: "3", Recipient: "ada@example.org", Body: "'; -- \u00e4", Note: "x"},
		}
		if err := write(w, func(ctx context.Context, db bun.IDB) error {
			_, err := db.NewInsert().Model(&rows).Exec(ctx)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if got := raw(t, w, "recipient || '|' || body || '|' || note"); strings.Contains(strings.Join(got, " "), "example.org") ||
			!strings.HasPrefix(got[0], seal.Mark) || !strings.HasSuffix(got[0], "|offen") || got[1] != "||" {
			t.Errorf("%q", got)
		}
		read := func(where string, args ...any) (out []letterRow) {
			t.Helper()
			if err := w.Store.Read(w.Ctx).NewSelect().Model(&out).Where("tenant_id = 't1'").Where(where, args...).Order("id").Scan(w.Ctx); err != nil {
				t.Fatal(err)
			}
			return out
		}
		if got := read("TRUE"); len(got) != 2 || got[0] != rows[0] || got[1] != rows[1] {
			t.Errorf("%+v", got)
		}
		if got := read("recipient = ?", w.Store.Sealed("demo_letter.recipient", "ada@example.org")); len(got) != 1 || got[0] != rows[0] {
			t.Errorf("%+v", got)
		}
		if w.Store.Sealed("demo_letter.note", "offen") != "offen" {
			t.Error("a column that nobody named is sealed")
		}
		if err := write(w, func(ctx context.Context, db bun.IDB) error {
			_, err := db.NewInsert().Model(&letterRow{TenantID: "t1", ID: "4", Recipient: "ada@example.org"}).Exec(ctx)
			return err
		}); !store.UniqueViolation(err) {
			t.Errorf("a second one is taken: %v", err)
		}
		back := letterRow{TenantID: "t1", ID: "2", Recipient: "bert@example.org"}
		if err := write(w, func(ctx context.Context, db bun.IDB) error {
			return db.NewUpdate().Model(&back).Column("recipient").WherePK().Returning("*").Scan(ctx)
		}); err != nil || back.Recipient != "bert@example.org" || strings.Contains(raw(t, w, "recipient")[1], "bert") {
			t.Errorf("%+v %v", back, err)
		}
		w.Store.SealWith(boxOf(t, 9), letters()...)
		var got letterRow
		if err := w.Store.Read(w.Ctx).NewSelect().Model(&got).Where("tenant_id = 't1' AND id = '1'").Scan(w.Ctx); !errors.Is(err, seal.ErrSealed) {
			t.Errorf("another key opens: %+v, %v", got, err)
		}
		w.Store.SealWith(nil, letters()...)
		if err := write(w, func(ctx context.Context, db bun.IDB) error {
			_, err := db.NewInsert().Model(&letterRow{TenantID: "t1", ID: "5", Recipient: "cem@example.org"}).Exec(ctx)
			return err
		}); err == nil {
			t.Error("written in the clear for want of a key")
		}
	})
}

// What was stored in the clear is sealed by and by: every mixture reads alike, a
// stop in between is taken up, nothing of the old text stays in the file, and
// the way back gives every byte again.
func TestSealRows(t *testing.T) {
	storetest.Each(t, letters(), func(t *testing.T, w *storetest.World) {
		const n = 1201
		err := write(w, func(ctx context.Context, db bun.IDB) error {
			for i := range n {
				if _, err := db.ExecContext(ctx, fmt.Sprintf("INSERT INTO demo_letter (tenant_id, id, recipient, body, note) VALUES ('t1', '%05d', 'citizen%d@example.org', 'to citizen%d@example.org', '')", i, i, i)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		before := raw(t, w, "recipient || ' ' || body")
		seen := 0
		same := func() {
			t.Helper()
			var rows []letterRow
			if err := w.Store.Read(w.Ctx).NewSelect().Model(&rows).Where("tenant_id = 't1'").Order("id").Scan(w.Ctx); err != nil || len(rows) != n {
				t.Fatal(len(rows), err)
			}
			for i, r := range rows {
				if r.Recipient+" "+r.Body != before[i] {
					t.Fatalf("%d: %+v", i, r)
				}
			}
		}
		// As a kill leaves it: some rows are sealed, of one only one column.
		err = write(w, func(ctx context.Context, db bun.IDB) error {
			for i := 0; i < 700; i += 3 {
				if _, err := db.ExecContext(ctx, "UPDATE demo_letter SET recipient = ? WHERE tenant_id = 't1' AND id = ?",
					w.Store.Sealed("demo_letter.recipient", fmt.Sprintf("citizen%d@example.org", i)), fmt.Sprintf("%05d", i)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		same()
		got, err := w.Store.SealRows(w.Ctx)
		if err != nil || got != n {
			t.Fatal(got, err)
		}
		for _, text := range raw(t, w, "recipient || ' ' || body") {
			if strings.Contains(text, "@") || strings.Count(text, seal.Mark) != 2 {
				t.Fatal(text)
			}
			seen++
		}
		same()
		if again, err := w.Store.SealRows(w.Ctx); err != nil || again != 0 || seen != n {
			t.Error(again, err, seen)
		}
		if err := w.Store.Compact(w.Ctx); err != nil {
			t.Fatal(err)
		}
		if !w.Store.Postgres() {
			var path string
			if err := w.Store.Read(w.Ctx).NewRaw("SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(ident.AcrossTenants(w.Ctx), &path); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{path, path + "-wal"} {
				data, err := os.ReadFile(filepath.Clean(name))
				if err != nil || strings.Contains(string(data), "@example.org") {
					t.Errorf("%s still holds an address (%v)", name, err)
				}
			}
		}
		if back, err := w.Store.UnsealRows(w.Ctx); err != nil || back != n {
			t.Fatal(back, err)
		}
		for i, text := range raw(t, w, "recipient || ' ' || body") {
			if text != before[i] {
				t.Fatalf("%d came back as %q, was %q", i, text, before[i])
			}
		}
	})
}
