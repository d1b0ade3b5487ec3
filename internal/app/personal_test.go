package app

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/personal"
	"tuermer/internal/town/identity"
)

// TestErasePerson erases somebody who has worked in two incidents: what is found
// about them afterwards is a proof, named with its reason, no chain breaks, and
// nothing of theirs stands where a rule says that it goes.
func TestErasePerson(t *testing.T) {
	d, s := newDemo(t), demoSettings(t)
	if err := d.settle(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	ctx, a := d.look(t, s)
	admins, err := a.identity.People(ctx, identity.Filter{Role: identity.RoleAdmin, Active: true})
	if err != nil || len(admins) == 0 {
		t.Fatal(err)
	}
	boss := ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: string(admins[0].ID), Name: admins[0].Name, Roles: []string{"admin"}})
	p := busiest(t, a, d)

	// Nobody goes whom the operator's file names, nor for whom nobody takes over.
	if _, err := a.ErasePerson(boss, p); fault.As(err).Key != "identity.erase_declared" {
		t.Fatalf("declared: %v", err)
	}
	conf := *a.config()
	conf.People = slices.DeleteFunc(slices.Clone(conf.People), func(x PersonConfig) bool { return x.Email == p.Email })
	if err := a.identity.Declare(ident.WithActor(ctx, ident.System), people(conf.People)); err != nil {
		t.Fatal(err)
	}
	a.conf.put(&conf, nil)
	if p, err = a.identity.Person(ctx, p.ID); err != nil || p.Declared {
		t.Fatal(p.Declared, err)
	}
	if _, err := a.ErasePerson(ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: "x", Roles: []string{"it"}}), p); fault.As(err).Kind != fault.Forbidden {
		t.Fatalf("only administrators: %v", err)
	}
	conf.Heartbeats = append(conf.Heartbeats, HeartbeatConfig{URL: p.Email})
	a.conf.put(&conf, nil)
	if _, err := a.ErasePerson(boss, p); fault.As(err).Key != "app.erase_in_file" {
		t.Fatalf("in the file: %v", err)
	}
	conf.Heartbeats = nil
	a.conf.put(&conf, nil)
	if _, err := a.ErasePerson(boss, p); err == nil || !strings.Contains(explained{err}.In(i18n.DE), "Geoportal") {
		t.Fatalf("somebody is responsible for services: %v", err)
	}
	system := ident.WithActor(ctx, ident.System)
	owned, err := a.service.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, sv := range owned {
		if sv.Owner == p.Email {
			sv.Owner = ""
			if err := a.service.Save(system, sv); err != nil {
				t.Fatal(err)
			}
		}
	}

	before, err := a.ExportPerson(boss, p)
	if err != nil || len(before.Places) < 5 {
		t.Fatalf("%d places, %v", len(before.Places), err)
	}
	text := before.In(a.catalog, i18n.DE, time.UTC)
	for _, other := range admins {
		if other.ID != p.ID && strings.Contains(text, other.Email) {
			t.Errorf("the export tells %s's address", other.Email)
		}
	}
	if !strings.Contains(text, p.Email) || !strings.Contains(text, "Konto und Anmeldung") {
		t.Error(text[:min(len(text), 2000)])
	}

	e, err := a.ErasePerson(boss, p)
	if err != nil {
		t.Fatal(explained{err}.In(i18n.DE))
	}
	if len(e.Gone) == 0 || len(e.Kept) == 0 {
		t.Fatalf("%+v", e)
	}
	hits, err := personal.Find(ctx, a.store, p.Subject(), impersonal...)
	if err != nil {
		t.Fatal(err)
	}
	rules := a.personalRules()
	for _, h := range hits {
		switch why := keptFor(rules, p.Subject(), h); why {
		case "proof", "chain", "number":
		default:
			t.Errorf("%s is still there, reason %q: %v", h.Table, why, h.Fields)
		}
		if h.Table == "identity_person" {
			body, _ := json.Marshal(h.Fields)
			for _, gone := range []string{p.Name, p.Email, p.Alternative} {
				if gone != "" && strings.Contains(string(body), gone) {
					t.Errorf("the account still says %s: %s", gone, body)
				}
			}
		}
	}
	if err := a.audit.Verify(boss); err != nil {
		t.Error(err)
	}
	all, err := a.incident.List(ctx, incident.Filter{})
	if err != nil || len(all) == 0 {
		t.Fatal(len(all), err)
	}
	for _, in := range all {
		if err := a.incident.VerifyJournal(ctx, in.ID); err != nil {
			t.Error(err)
		}
	}
	now, err := a.identity.Person(ctx, p.ID)
	if err != nil || !now.Erased() || !now.Blocked || len(now.Roles) != 0 || !strings.HasPrefix(now.Name, "Gelöschte Person ") {
		t.Errorf("%+v %v", now, err)
	}
	if _, err := a.ErasePerson(boss, now); fault.As(err).Key != "identity.erased_already" {
		t.Error(err)
	}
	if err := a.identity.MayErase(boss, admins[0]); err == nil || errors.Is(err, identity.ErrForbidden) {
		t.Errorf("nobody erases themselves: %v", err)
	}
}

// busiest is a declared person, no administrator, about whom most tables speak.
func busiest(t *testing.T, a *App, d *demo) (out identity.Person) {
	t.Helper()
	ctx, err := a.inTown(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	most := 0
	for _, c := range d.town.config.People {
		p, err := a.identity.PersonByEmail(ctx, c.Email)
		if err != nil || p.Has(identity.RoleAdmin) || len(p.Roles) == 1 && p.Has(identity.RoleReader) {
			continue
		}
		hits, err := personal.Find(ctx, a.store, p.Subject(), impersonal...)
		if err != nil {
			t.Fatal(err)
		}
		tables := map[string]bool{}
		for _, h := range hits {
			tables[h.Table] = true
		}
		if len(tables) > most {
			most, out = len(tables), p
		}
	}
	return out
}

// TestPersonalRights: what is held about somebody is told to administrators alone,
// and a token needs the scope, too.
func TestPersonalRights(t *testing.T) {
	for _, c := range []struct {
		actor ident.Actor
		ok    bool
	}{
		{ident.Actor{Kind: ident.KindPerson, Roles: []string{"admin"}}, true},
		{ident.Actor{Kind: ident.KindPerson, Roles: []string{"dpo", "it"}}, false},
		{ident.Actor{Kind: ident.KindToken, Roles: []string{"admin"}, Scopes: []string{"read", "people"}}, false},
		{ident.Actor{Kind: ident.KindToken, Roles: []string{"admin"}, Scopes: []string{"admin"}}, true},
		{ident.System, true},
	} {
		if err := mayTell(ident.WithActor(t.Context(), c.actor)); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.actor, err)
		}
	}
}
