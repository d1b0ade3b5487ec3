package roster_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"
	_ "time/tzdata"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
	"tuermer/internal/raise/roster"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/vault"
)

// town is a room with people, and everything that it sent.
type town struct {
	*roster.Room
	w      *storetest.World
	clock  *hand
	people []identity.Person
	mu     sync.Mutex // a sweep may send while a test counts
	sent   []channel.Message
}

// mails counts what was sent.
func (t *town) mails() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.sent)
}

// hand is a clock that the test sets.
type hand struct{ at time.Time }

func (h *hand) Now() time.Time { return h.at }

func (t *town) People(_ context.Context, f identity.Filter) ([]identity.Person, error) {
	var out []identity.Person
	for _, p := range t.people {
		if (!f.Active || !p.Blocked) && (f.Role == "" || p.Has(f.Role)) {
			out = append(out, p)
		}
	}
	return out, nil
}

func (t *town) Current(context.Context) (identity.Tenant, error) {
	return identity.Tenant{ID: storetest.Tenant, Name: "Musterstadt", Land: "HE", Zone: "Europe/Berlin", Language: "de", StaffURL: "http://lage.example"}, nil
}

func (t *town) Tenants(ctx context.Context) ([]identity.Tenant, error) {
	c, err := t.Current(ctx)
	return []identity.Tenant{c}, err
}

func (t *town) Send(_ context.Context, m channel.Message) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent = append(t.sent, m)
	return nil
}

func (t *town) block(mail string) {
	for i := range t.people {
		if t.people[i].Email == mail {
			t.people[i].Blocked = true
		}
	}
}

// as is somebody who acts.
func (t *town) as(mail string) context.Context {
	for _, p := range t.people {
		if p.Email == mail {
			a := ident.Actor{Kind: ident.KindPerson, Person: string(p.ID), Name: p.Name}
			for _, r := range p.Roles {
				a.Roles = append(a.Roles, string(r))
			}
			return ident.WithActor(t.w.Ctx, a)
		}
	}
	panic(mail)
}

const (
	ada  = "ada@musterstadt.example"
	bert = "bert@musterstadt.example"
	cleo = "cleo@musterstadt.example"
	dora = "dora@musterstadt.example"
)

func each(t *testing.T, fn func(t *testing.T, x *town)) {
	storetest.Each(t, []store.Migrations{audit.Migrations(), roster.Migrations()}, func(t *testing.T, w *storetest.World) {
		fn(t, newTown(t, w))
	})
}

func newTown(t *testing.T, w *storetest.World) *town {
	t.Helper()
	return newTownAt(t, w, nil)
}

// newTownAt is a town by a clock of its own; nil: one that the test sets.
func newTownAt(t *testing.T, w *storetest.World, c clock.Clock) *town {
	t.Helper()
	catalog, err := i18n.NewCatalog(web.Texts(), roster.Texts())
	if err != nil {
		t.Fatal(err)
	}
	x := &town{w: w, clock: &hand{berlin(t, "2027-05-20 10:00")}, people: []identity.Person{
		{ID: "p1", Name: "Ada Beispiel", Email: ada, Alternative: "ada@posteo.example", Mobile: "+491700000001", Roles: []identity.Role{identity.RolePublisher}},
		{ID: "p2", Name: "Bert Kern", Email: bert, Alternative: "bert@posteo.example", Roles: []identity.Role{identity.RoleAdmin}},
		{ID: "p3", Name: "Cleo Stern", Email: cleo, Roles: []identity.Role{identity.RolePublisher}},
		{ID: "p4", Name: "Dora Dach", Email: dora, Roles: []identity.Role{identity.RoleReader}},
	}}
	if c == nil {
		c = x.clock
	}
	key, err := vault.New(make([]byte, vault.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	x.Room = roster.New(roster.Options{
		Store: w.Store, Clock: c, Log: slog.New(slog.DiscardHandler), Hints: w.Hints, Catalog: catalog,
		Audit: audit.New(audit.Options{Store: w.Store, Clock: c}), People: x, Outbox: x, Vault: key,
	})
	return x
}

func berlin(t testing.TB, s string) time.Time {
	t.Helper()
	z, err := clock.Zone("")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", s, z)
	if err != nil {
		t.Fatal(err)
	}
	return clock.Cut(at)
}

func day(t testing.TB, s string) roster.Date {
	t.Helper()
	d, ok := roster.ParseDate(s)
	if !ok {
		t.Fatal(s)
	}
	return d
}

// press is the roster of the contract.
func press(t testing.TB) roster.Roster {
	return roster.Roster{Slug: "presse", Name: "Pressestelle", Lead: cleo, Plan: roster.Plan{
		Template: roster.Essen, Lines: [][]string{{ada, bert}}, Every: 7, Start: day(t, "2027-01-04"),
	}}
}

func (t *town) duty(tb testing.TB, at string) string {
	tb.Helper()
	who, err := t.OnDuty(t.w.Ctx, "presse", berlin(tb, at))
	if err != nil {
		tb.Fatal(err)
	}
	out := ""
	for _, p := range who {
		out += p.Email
	}
	return out
}

// Who is on duty follows rotation and template, a blocked person leaves a gap,
// and no roster is a fault of its own.
func TestOnDuty(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		if err := x.Save(x.as(bert), press(t), true); err != nil {
			t.Fatal(err)
		}
		for at, want := range map[string]string{
			"2027-01-03 10:00": "",   // before the first turn
			"2027-01-04 06:59": "",   // before seven
			"2027-01-04 07:00": ada,  // first week
			"2027-01-10 16:59": ada,  // Sunday
			"2027-01-10 17:00": "",   // closed
			"2027-01-11 07:00": bert, // second week
			"2027-05-27 08:59": "",   // Fronleichnam in Hessen: from nine
			"2027-05-27 09:00": ada,
			"2027-05-27 17:00": "",
			"2027-05-28 21:59": ada,
		} {
			if got := x.duty(t, at); got != want {
				t.Errorf("%s: %q, want %q", at, got, want)
			}
		}
		x.block(ada)
		if got := x.duty(t, "2027-05-28 10:00"); got != "" {
			t.Errorf("a blocked person is on duty: %q", got)
		}
		if _, err := x.OnDuty(x.w.Ctx, "gibt-es-nicht", x.clock.at); fault.KindOf(err) != fault.NotFound {
			t.Errorf("no roster: %v", err)
		}
	})
}

// Whoever changes the plan changes what comes, never what was.
func TestPastStays(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		admin := x.as(bert)
		if err := x.Save(admin, press(t), true); err != nil {
			t.Fatal(err)
		}
		was := x.duty(t, "2027-05-19 10:00")
		p := press(t)
		p.Plan.Lines = [][]string{{cleo}}
		if err := x.Save(admin, p, false); err != nil {
			t.Fatal(err)
		}
		if got := x.duty(t, "2027-05-19 10:00"); got != was || was != bert {
			t.Errorf("yesterday is %q, was %q", got, was)
		}
		if got := x.duty(t, "2027-05-20 10:00"); got != cleo {
			t.Errorf("now is %q", got)
		}
	})
}

// What the file declares follows the file; what people made stays.
func TestDeclare(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		ctx, admin := x.w.Ctx, x.as(bert)
		own := press(t)
		own.Slug = "eigen"
		if err := x.Save(admin, own, true); err != nil {
			t.Fatal(err)
		}
		days := []roster.Day{{Name: "Friedensfest", Rule: "08-08"}}
		for range 2 {
			if err := x.Declare(ctx, []roster.Roster{press(t)}, days); err != nil {
				t.Fatal(err)
			}
		}
		if err := x.Save(admin, press(t), false); fault.As(err).Key != "roster.declared" {
			t.Errorf("a declared roster was changed: %v", err)
		}
		if err := x.Remove(admin, "presse"); fault.As(err).Key != "roster.declared" {
			t.Errorf("a declared roster was removed: %v", err)
		}
		got, err := x.Days(ctx)
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		if err := x.RemoveDay(admin, got[0].ID); fault.As(err).Key != "roster.declared" {
			t.Errorf("a declared day was removed: %v", err)
		}
		if err := x.Declare(ctx, nil, nil); err != nil {
			t.Fatal(err)
		}
		all, err := x.List(ctx)
		if err != nil || len(all) != 1 || all[0].Slug != "eigen" {
			t.Errorf("left are %v, %v", all, err)
		}
		if got, _ := x.Days(ctx); len(got) != 0 {
			t.Errorf("left are %v", got)
		}
	})
}

func TestRights(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		if err := x.Save(x.as(ada), press(t), true); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("a publisher made a roster: %v", err)
		}
		bad := press(t)
		bad.Slug, bad.Plan.Lines = "Presse!", [][]string{{ada, ada}}
		if f := fault.As(x.Save(x.as(bert), bad, true)); f.Fields["slug"] == "" || f.Fields["people"] == "" {
			t.Errorf("refused as %v", f.Fields)
		}
	})
}

// id is a person's.
func (t *town) id(mail string) string {
	for _, p := range t.people {
		if p.Email == mail {
			return string(p.ID)
		}
	}
	panic(mail)
}
