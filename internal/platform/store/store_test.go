package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
)

type noteRow struct {
	bun.BaseModel `bun:"table:demo_note"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	At            time.Time    `bun:"at,nullzero"`
}

func notes() []store.Migrations {
	sql := func(kind string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE demo_note (tenant_id TEXT NOT NULL, id TEXT NOT NULL, at " + kind + ", PRIMARY KEY (tenant_id, id));\n")}
	}
	return []store.Migrations{{Room: "demo", FS: fstest.MapFS{
		"schema/sqlite/0001_note.sql": sql("TIMESTAMP"), "schema/postgres/0001_note.sql": sql("TIMESTAMPTZ(3)"),
	}}}
}

func add(ctx context.Context, db bun.IDB, id string, at time.Time) error {
	_, err := db.NewInsert().Model(&noteRow{TenantID: ident.TenantOf(ctx), ID: id, At: at}).Exec(ctx)
	return err
}

func count(t *testing.T, w *storetest.World) int64 {
	t.Helper()
	n, err := w.Store.Read(w.Ctx).NewSelect().Model((*noteRow)(nil)).Where("tenant_id = ?", ident.TenantOf(w.Ctx)).Count(w.Ctx)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestInTx(t *testing.T) {
	storetest.Each(t, notes(), func(t *testing.T, w *storetest.World) {
		s := w.Store
		no := errors.New("no")
		after := 0
		// An inner transaction joins the outer one: both are undone together, and
		// nothing runs "after" it.
		err := s.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			s.AfterCommit(ctx, func() { after++ })
			if err := add(ctx, db, "outer", time.Time{}); err != nil {
				return err
			}
			err := s.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
				return add(ctx, db, "inner", time.Time{})
			})
			return errors.Join(err, no)
		})
		if !errors.Is(err, no) || count(t, w) != 0 || after != 0 {
			t.Fatalf("%v, %d rows, after %d", err, count(t, w), after)
		}
		at := time.Date(2026, 11, 22, 13, 2, 3, 456e6, time.UTC)
		var outlives context.Context
		err = s.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			outlives = ctx
			s.AfterCommit(ctx, func() { after++ })
			if err := add(ctx, db, "a", at); err != nil {
				return err
			}
			// Inside, reading sees what was written.
			n, err := s.Read(ctx).NewSelect().Model((*noteRow)(nil)).Where("tenant_id = ?", ident.TenantOf(ctx)).Count(ctx)
			if err != nil || n != 1 {
				t.Errorf("inside: %d rows, %v", n, err)
			}
			return nil
		})
		if err != nil || after != 1 {
			t.Fatal(err, after)
		}
		// The context of a transaction that is over reads like any other.
		var row noteRow
		if err := s.Read(outlives).NewSelect().Model(&row).Where("tenant_id = ? AND id = 'a'", ident.TenantOf(w.Ctx)).Scan(outlives); err != nil {
			t.Fatal(err)
		}
		if !row.At.Equal(at) {
			t.Errorf("stored %s, got %s", at, row.At)
		}
		if err := s.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error { return add(ctx, db, "a", at) }); !store.UniqueViolation(err) {
			t.Errorf("twice: %v", err)
		}
		err = s.Read(w.Ctx).NewSelect().Model(&row).Where("tenant_id = ? AND id = 'none'", ident.TenantOf(w.Ctx)).Scan(w.Ctx)
		if !store.NotFound(err) {
			t.Errorf("nothing: %v", err)
		}
	})
}

// Two transactions that wait for each other both end well: the one that
// PostgreSQL takes back is run again, and what it did before does not count.
func TestDeadlock(t *testing.T) {
	storetest.Each(t, notes(), func(t *testing.T, w *storetest.World) {
		if !w.Store.Postgres() {
			t.Skip("SQLite has one writer")
		}
		for _, id := range []string{"a", "b"} {
			if err := w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error { return add(ctx, db, id, time.Time{}) }); err != nil {
				t.Fatal(err)
			}
		}
		var runs, after atomic.Int32
		var both sync.WaitGroup // each holds its first row
		both.Add(2)
		change := func(ids ...string) error {
			met := sync.OnceFunc(func() { both.Done(); both.Wait() })
			return w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
				runs.Add(1)
				w.Store.AfterCommit(ctx, func() { after.Add(1) })
				for _, id := range ids {
					_, err := db.NewUpdate().Model((*noteRow)(nil)).Set("at = COALESCE(at, 'epoch') + INTERVAL '1 second'").
						Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), id).Exec(ctx)
					if err != nil {
						return fmt.Errorf("wrapped: %w", err)
					}
					met()
				}
				return nil
			})
		}
		done := make(chan error)
		go func() { done <- change("a", "b") }()
		go func() { done <- change("b", "a") }()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if runs.Load() < 3 || after.Load() != 2 {
			t.Errorf("%d runs, %d times after the commit", runs.Load(), after.Load())
		}
		var rows []noteRow
		if err := w.Store.Read(w.Ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(w.Ctx)).Scan(w.Ctx); err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if !row.At.Equal(time.Unix(2, 0)) {
				t.Errorf("%s was changed %d times instead of twice", row.ID, row.At.Unix())
			}
		}
	})
}

// A rehearsed transaction leaves what one run leaves.
func TestRehearse(t *testing.T) {
	t.Setenv("TUERMER_TEST_REHEARSE", "1")
	storetest.Each(t, notes(), func(t *testing.T, w *storetest.World) {
		runs, after := 0, 0
		err := w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			runs++
			w.Store.AfterCommit(ctx, func() { after++ })
			return add(ctx, db, "once", time.Time{})
		})
		if err != nil || runs != 2 || after != 1 || count(t, w) != 1 {
			t.Fatal(err, runs, after, count(t, w))
		}
	})
}

// A panic inside a transaction frees the one write connection.
func TestPanicInTx(t *testing.T) {
	w := storetest.SQLite(t, notes()...)
	func() {
		defer func() { _ = recover() }()
		_ = w.Store.InTx(w.Ctx, func(context.Context, bun.IDB, store.Enqueue) error { panic("oops") })
	}()
	if err := w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error { return add(ctx, db, "x", time.Time{}) }); err != nil {
		t.Fatal(err)
	}
}

// I19: a query that forgot its tenant is refused.
func TestI19_QueryWithoutTenant(t *testing.T) {
	storetest.Each(t, notes(), func(t *testing.T, w *storetest.World) {
		var rows []noteRow
		err := w.Store.Read(w.Ctx).NewSelect().Model(&rows).Column("id").Scan(w.Ctx)
		if err == nil {
			t.Fatal("a query over all tenants was answered")
		}
		if err := w.Store.Read(w.Ctx).NewSelect().Model(&rows).Column("id").Scan(ident.AcrossTenants(w.Ctx)); err != nil {
			t.Fatal(err)
		}
		if err := w.Store.Read(w.Ctx).NewSelect().Model(&rows).Column("id").Scan(ident.WithTenant(ident.AcrossTenants(w.Ctx), "t1")); err == nil {
			t.Fatal("back at one tenant, a query over all was answered")
		}
	})
}

// Many writers at once all get through.
func TestManyWriters(t *testing.T) {
	storetest.Each(t, notes(), func(t *testing.T, w *storetest.World) {
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				err := w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
					return add(ctx, db, ident.NewID(time.UnixMilli(int64(i))), time.Time{})
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := count(t, w); n != 40 {
			t.Fatalf("%d of 40 rows", n)
		}
	})
}

// A column that a later release added disturbs no query of this one, also where
// a row comes back whole.
func TestUnknownColumn(t *testing.T) {
	storetest.Each(t, notes(), func(t *testing.T, w *storetest.World) {
		err := w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			if _, err := db.ExecContext(ctx, `ALTER TABLE demo_note ADD COLUMN later TEXT`); err != nil {
				return err
			}
			if err := add(ctx, db, "x", time.Time{}); err != nil {
				return err
			}
			var rows []noteRow
			_, err := db.NewUpdate().Model(&rows).Set("later = 'y'").Where("tenant_id = ?", ident.TenantOf(ctx)).Returning("*").Exec(ctx)
			if err == nil && len(rows) != 1 {
				t.Errorf("%d rows", len(rows))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
