package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/seal"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// server is a PostgreSQL schema, looked at with SQL of its own.
type server struct {
	t   *testing.T
	url string
}

// layServer lays down what an earlier release left on PostgreSQL.
func layServer(t *testing.T, base, name string) server {
	t.Helper()
	s := server{t, storetest.Schema(t, base)}
	c, err := pgx.Connect(t.Context(), s.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	// The file is many statements, as psql takes them.
	if _, err := c.PgConn().Exec(t.Context(), string(frozen(t, name, "tuermer.sql"))).ReadAll(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s server) columns() map[string][]string {
	s.t.Helper()
	return columnsIn(s.t, lookInto(s.t, "pgx", s.url), `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position`)
}

// seenBy quotes as SQLite does, so that both are compared alike.
func (s server) seenBy(columns map[string][]string) map[string][]string {
	s.t.Helper()
	return seenIn(s.t, columns, lookInto(s.t, "pgx", s.url), `coalesce('''' || replace("%s"::text, '''', '''''') || '''', 'NULL')`)
}

// names says which tables name a text, in whatever case.
func names(rows map[string][]string, text string) (tables []string) {
	for table, lines := range rows {
		if strings.Contains(strings.ToLower(strings.Join(lines, "\n")), text) {
			tables = append(tables, table)
		}
	}
	slices.Sort(tables)
	return tables
}

// What release 2 left on PostgreSQL opens with nothing lost, its addresses are
// sealed, and after a step back that release reads all it wrote and all that
// was written since, every word of it in the clear. Forward again goes too.
func TestReleaseBackOnPostgreSQL(t *testing.T) {
	base := os.Getenv("TUERMER_TEST_DATABASE")
	if base == "" {
		t.Skip("needs PostgreSQL: set TUERMER_TEST_DATABASE, as script/test does")
	}
	const ada, bert = "ada.beispiel@musterstadt.example", "bert.neu@musterstadt.example"
	dir, pg := layKey(t, "release2"), layServer(t, base, "release2")
	old := pg.columns()
	was := pg.seenBy(old)
	for table, least := range map[string]int{"identity_person": 300, "incident_entry": 20, "publish_statement": 5, "publish_delivery": 2000, "audit_entry": 400} {
		if n := len(was[table]); n < least {
			t.Fatalf("%s has only %d rows", table, n)
		}
	}
	if where := names(was, ada); !slices.Contains(where, "identity_person") || !slices.Contains(where, "channel_outbox") {
		t.Fatal("the old data name nobody", where)
	}
	if number := "'2'"; !strings.Contains(strings.Join(was["keep_release"], "\n"), number) {
		t.Fatal("not the data of release 2", was["keep_release"])
	}
	open := func() *App {
		t.Helper()
		a, err := New(t.Context(), Options{Dir: dir, Database: pg.url, Version: "test", Log: slog.New(slog.DiscardHandler), Simulated: true})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}

	a := open()
	sameRows(t, "after the update", was, unsealed(t, a, pg.seenBy(old)), "keep_release")
	if where := names(pg.seenBy(pg.columns()), ada); len(where) > 0 {
		t.Errorf("not sealed: %v", where)
	}
	if saved, err := filepath.Glob(filepath.Join(dir, beforeUpdate, "*.backup")); err != nil || len(saved) != 1 {
		t.Errorf("saved before the update: %v, %v", saved, err)
	}
	town := writeSince(t, a, bert)
	if where := names(pg.seenBy(pg.columns()), bert); len(where) > 0 {
		t.Errorf("written in the clear: %v", where)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if n := pg.release(); n <= before1 {
		t.Errorf("release %d would be opened by the one before, which sees no addresses", n)
	}

	op := newOperator(t)
	if err := (Commands{}).MigrateBack(t.Context(), op.at(dir, pg.url)); err != nil {
		t.Fatal(err)
	}
	if n := pg.release(); n > before1 {
		t.Errorf("the release before still refuses data of release %d", n)
	}
	now := pg.seenBy(old)
	if where := names(now, seal.Mark); len(where) > 0 {
		t.Errorf("the release before meets sealed words in %v", where)
	}
	more := map[string]int{}
	for table, rows := range now {
		// What is new apart, all is as that release left it.
		kept, fresh := 0, 0
		for _, row := range rows {
			if _, is := slices.BinarySearch(was[table], row); is {
				kept++
			} else {
				fresh++
			}
		}
		more[table] = fresh
		if kept != len(was[table]) && table != "audit_head" && table != "keep_release" {
			t.Errorf("%s: of %d rows %d are left as they were", table, len(was[table]), kept)
		}
	}
	for _, table := range []string{"identity_person", "channel_outbox", "incident_entry", "publish_statement", "audit_entry"} {
		if more[table] == 0 {
			t.Errorf("nothing new in %s", table)
		}
	}
	if where := names(now, bert); !slices.Contains(where, "identity_person") || !slices.Contains(where, "channel_outbox") {
		t.Errorf("what was written since is in the clear only in %v", where)
	}
	// The release before knows no key for columns; the chain holds for it too.
	plain, err := store.Open(t.Context(), store.Options{URL: pg.url})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = plain.Close() }()
	if err := audit.New(audit.Options{Store: plain, Clock: clock.System{}}).Verify(town); err != nil {
		t.Errorf("the audit log for the release before: %v", err)
	}

	again := open()
	sameRows(t, "forward again", now, unsealed(t, again, pg.seenBy(old)), "keep_release")
	if where := append(names(pg.seenBy(pg.columns()), ada), names(pg.seenBy(pg.columns()), bert)...); len(where) > 0 {
		t.Errorf("not sealed again: %v", where)
	}
	if err := errors.Join(again.audit.Verify(town), again.Close()); err != nil {
		t.Error(err)
	}
}

// release is the newest that is noted.
func (s server) release() (n int) {
	s.t.Helper()
	for _, r := range s.seenBy(map[string][]string{"keep_release": {"number"}})["keep_release"] {
		var got int
		if _, err := fmt.Sscan(strings.Trim(r, "'"), &got); err != nil {
			s.t.Fatal(r, err)
		}
		n = max(n, got)
	}
	return n
}

// writeSince writes what a town would: a person, a message to them, an incident
// and a statement that waits for its approval.
func writeSince(t *testing.T, a *App, address string) (town context.Context) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := ident.WithActor(context.Background(), ident.System)
	towns, err := a.identity.Tenants(ident.AcrossTenants(ctx))
	if err != nil || len(towns) != 1 {
		t.Fatal(towns, err)
	}
	ctx = ident.WithTenant(ctx, towns[0].ID)
	must(a.audit.Verify(ctx))
	as := func(role identity.Role) context.Context {
		t.Helper()
		people, err := a.identity.People(ctx, identity.Filter{Role: role, Active: true})
		if err != nil || len(people) == 0 {
			t.Fatal(role, people, err)
		}
		p := people[0]
		return ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: string(p.ID), Name: p.Name, Roles: []string{string(role)}})
	}
	_, err = a.identity.SavePerson(ctx, identity.Person{Name: "Bert Neu", Email: address, Roles: []identity.Role{identity.RoleReader}})
	must(err)
	must(a.channel.Send(ctx, channel.Message{ID: "since", Kind: channel.Mail, Class: channel.Alarm, To: address, Subject: "seitdem", Text: "An " + address}))
	inc, err := a.incident.Open(as(identity.RoleIT), incident.OpenRequest{Title: "Seit dem Wechsel", Confirmed: true})
	must(err)
	audiences, err := a.plan.Audiences(ctx)
	if err != nil || len(audiences) == 0 {
		t.Fatal(audiences, err)
	}
	_, err = a.publish.CreateAndSubmit(as(identity.RolePublisher), inc.ID, publish.Content{
		Kind: template.Holding, Audiences: []string{audiences[0].Slug}, Facts: template.Facts{},
	}, "", false)
	must(err)
	return ctx
}
