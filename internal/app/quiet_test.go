package app

import (
	"testing"
	"time"

	"tuermer/internal/platform/ident"
	"tuermer/internal/raise/roster"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// What may wait does so until the end of its reader's quiet hours, or until they
// are on duty; for whoever is on duty nothing waits, nor for an address that
// somebody reads with others who are awake.
func TestQuietUntilDuty(t *testing.T) {
	in := newInstall(t)
	town, a := in.towns[0], in.app
	ctx := ident.WithTenant(ident.WithActor(t.Context(), ident.System), town.id)
	people := map[string]identity.Person{}
	for _, role := range []identity.Role{identity.RoleAdmin, identity.RoleIT, identity.RoleReader} {
		people[town.people[role].Email] = town.people[role]
	}
	now := a.o.Clock.Now()
	// Quiet from an hour ago until in two hours, in a town that lives in UTC.
	home, err := a.identity.Current(ctx)
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation(home.Zone)
	if err != nil {
		t.Fatal(err)
	}
	from, to := now.Add(-time.Hour).In(zone), now.Add(2*time.Hour).In(zone)
	quiet := identity.Quiet{
		From: from.Hour()*60 + from.Minute(), To: to.Hour()*60 + to.Minute(),
		Days: []time.Weekday{time.Sunday, time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday},
	}
	ask := func(mail string) time.Time {
		t.Helper()
		until, err := a.quietUntil(ctx, channel.Message{Kind: channel.Mail, Class: channel.Single, To: mail, MayWait: true})
		if err != nil {
			t.Fatal(err)
		}
		return until
	}
	on, err := a.roster.OnDuty(ctx, town.roster, now)
	if err != nil || len(on) != 1 {
		t.Fatal(on, err)
	}
	for mail, p := range people {
		if !ask(mail).IsZero() {
			t.Fatalf("%s has no quiet hours", mail)
		}
		me := ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: string(p.ID), Name: p.Name})
		if err := a.identity.KeepQuiet(me, quiet); err != nil {
			t.Fatal(err)
		}
		until := ask(mail)
		if mail == on[0].Email {
			if until.After(a.o.Clock.Now()) {
				t.Errorf("%s is on duty, and waits until %s", mail, until)
			}
			continue
		}
		if end := now.Add(2 * time.Hour); until.IsZero() || until.After(end) || mail == town.people[identity.RoleReader].Email && until.Before(end.Add(-2*time.Minute)) {
			t.Errorf("%s: until %s", mail, until)
		}
	}
	// The reader comes on duty in an hour, by an override: until then it waits.
	reader := town.people[identity.RoleReader]
	begins := now.Add(time.Hour).Truncate(time.Minute).UTC()
	boss := town.people[identity.RoleAdmin]
	admin := ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: string(boss.ID), Name: boss.Name, Roles: []string{"admin"}})
	if _, err := a.roster.Cover(admin, roster.Override{Roster: town.roster, From: begins, To: begins.Add(time.Hour), Person: reader.Email}); err != nil {
		t.Fatal(err)
	}
	if until := ask(reader.Email); !until.Equal(begins) {
		t.Errorf("on duty at %s, waits until %s", begins, until)
	}
	if until := ask("fremd@anderswo.example"); !until.IsZero() {
		t.Errorf("nobody's address waits until %s", until)
	}
}
