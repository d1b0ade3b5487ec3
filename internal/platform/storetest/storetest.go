// Package storetest opens throw-away databases for the rooms' tests: each test
// runs once on SQLite and, when TUERMER_TEST_DATABASE names a PostgreSQL, once
// there, in a schema of its own. With TUERMER_TEST_REHEARSE every transaction is
// taken back once and run again, as after a deadlock. Only tests import it.
package storetest

import (
	"context"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/seal"
	"tuermer/internal/platform/store"
)

// World is what a room needs to run: store, queue and bus, opened and migrated.
type World struct {
	Store *store.Store
	Jobs  *jobs.Jobs
	Bus   *bus.Bus
	Hints *bus.Hints
	// Ctx acts for tenant "t1" as the system.
	Ctx context.Context
}

// Tenant is the tenant of [World.Ctx].
const Tenant ident.Tenant = "t1"

// Each runs fn on every database that is at hand, with the rooms' tables.
func Each(t *testing.T, rooms []store.Migrations, fn func(t *testing.T, w *World)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, open(t, store.Options{Dir: t.TempDir()}, rooms)) })
	base := os.Getenv("TUERMER_TEST_DATABASE")
	if base == "" {
		return // `make test` starts a PostgreSQL and sets it
	}
	t.Run("postgres", func(t *testing.T) { fn(t, open(t, store.Options{URL: Schema(t, base)}, rooms)) })
}

// SQLite opens one SQLite world, for tests that need no second database.
func SQLite(t testing.TB, rooms ...store.Migrations) *World {
	t.Helper()
	return open(t, store.Options{Dir: t.TempDir()}, rooms)
}

// Schema makes a fresh PostgreSQL schema and returns an address that uses it.
func Schema(t testing.TB, base string) string {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		t.Fatalf("TUERMER_TEST_DATABASE: %v", err)
	}
	name := "t_" + strings.ToLower(ident.NewID(clock.System{}.Now()))
	if _, err := conn.Exec(ctx, "CREATE SCHEMA "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if _, err := conn.Exec(c, "DROP SCHEMA "+name+" CASCADE"); err != nil {
			t.Logf("drop schema: %v", err)
		}
		_ = conn.Close(c)
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}

func open(t testing.TB, o store.Options, rooms []store.Migrations) *World {
	t.Helper()
	ctx := ident.WithActor(ident.WithTenant(context.Background(), Tenant), ident.System)
	o.Rehearse = os.Getenv("TUERMER_TEST_REHEARSE") != ""
	s, err := store.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	log := testLog(t)
	j := jobs.New(jobs.Options{Store: s, Clock: clock.System{}, Log: log})
	w := &World{Store: s, Jobs: j, Bus: bus.New(s, j, clock.System{}, log), Hints: bus.NewHints(nil, log), Ctx: ctx}
	if err := j.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(ctx, append([]store.Migrations{bus.Migrations()}, rooms...)...); err != nil {
		t.Fatal(err)
	}
	box, err := seal.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	s.SealWith(box, rooms...)
	return w
}

// Start opens the queue for work and runs it until the test ends; call it after
// all handlers are registered.
func (w *World) Start(t testing.TB) {
	t.Helper()
	if err := w.Jobs.Open(true); err != nil {
		t.Fatal(err)
	}
	if err := w.Jobs.Start(w.Ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := w.Jobs.Stop(c); err != nil {
			t.Errorf("stop jobs: %v", err)
		}
	})
}
