package exercise_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/learn/exercise"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
)

type handClock struct{ now time.Time }

func (c *handClock) Now() time.Time { return c.now }

// town stands in for what the room asks besides incidents. It wakes Ada for the
// portal and nobody for anything else; nothing was said in it.
type town struct {
	exercise.Statements // what a drill does not ask is not there
	slugs               []string
	mails               []channel.Message
	missed              int
}

var ada = identity.Person{ID: "ada", Name: "Ada Beispiel", Email: "ada@musterstadt.example", Alternative: "ada@posteo.example", Language: "en"}

func (*town) Current(context.Context) (identity.Tenant, error) {
	return identity.Tenant{Language: "de", Zone: "Europe/Berlin", StaffURL: "http://lage.example"}, nil
}

func (*town) WouldWake(_ context.Context, slug string) ([]identity.Person, error) {
	if slug != "portal" {
		return nil, nil
	}
	return []identity.Person{ada}, nil
}

func (t *town) Send(_ context.Context, m channel.Message) error {
	t.mails = append(t.mails, m)
	return nil
}

func (t *town) List(context.Context, publish.Filter) ([]publish.Statement, error) { return nil, nil }

func (t *town) Adherence(context.Context, incident.ID) (int, int, error) { return 3, t.missed, nil }

func (*town) Audiences(context.Context) ([]plan.Audience, error) { return nil, nil }

type services struct{ *town }

func (s services) List(context.Context) ([]service.Service, error) {
	var out []service.Service
	for _, slug := range s.slugs {
		out = append(out, service.Service{Slug: slug, Name: slug, Public: true})
	}
	return out, nil
}

func (services) Get(_ context.Context, slug string) (service.Service, error) {
	return service.Service{Slug: slug, Name: slug}, nil
}

type alerts struct{}

func (alerts) Get(context.Context, alert.ID) (alert.Alert, error) {
	return alert.Alert{}, alert.ErrNotFound
}
func (alerts) List(context.Context, alert.Filter) ([]alert.Alert, error) { return nil, nil }
func (alerts) Link(context.Context, alert.ID, string) error              { return nil }
func (alerts) Relink(context.Context, alert.ID, string) error            { return nil }

type rig struct {
	*exercise.Room
	town     *town
	clock    *handClock
	incident *incident.Room
	ctx      context.Context
}

func rooms() []store.Migrations {
	return []store.Migrations{audit.Migrations(), incident.Migrations(), exercise.Migrations()}
}

func newRig(t *testing.T, w *storetest.World, slugs ...string) *rig {
	t.Helper()
	catalog, err := i18n.NewCatalog(exercise.Texts())
	if err != nil {
		t.Fatal(err)
	}
	library, err := template.Default()
	if err != nil {
		t.Fatal(err)
	}
	g := &rig{clock: &handClock{now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}, town: &town{slugs: slugs}}
	g.ctx = ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPerson, Person: "bert", Name: "Bert Kern", Roles: []string{"admin"}})
	a := audit.New(audit.Options{Store: w.Store, Clock: g.clock})
	g.incident = incident.New(incident.Options{Store: w.Store, Clock: g.clock, Audit: a, Alerts: alerts{}, Services: services{g.town}, Town: g.town})
	g.Room = exercise.New(exercise.Options{
		Store: w.Store, Clock: g.clock, Catalog: catalog, Audit: a, Incidents: g.incident, Statements: g.town, Services: services{g.town},
		Audiences: g.town, Alarms: g.town, Outbox: g.town, Town: g.town, Library: library,
	})
	if err := w.Jobs.Open(false); err != nil {
		t.Fatal(err)
	}
	return g
}

// A drill begins with an alarm of its own realm to each address of whoever would
// be woken, in their language; taking it confirms the incident, once.
func TestAlarmOfADrill(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		g := newRig(t, w, "portal", "kita")
		e, err := g.Begin(g.ctx, exercise.Drill, "ransomware")
		if err != nil || !slices.Equal(e.Alarm.Told, []string{"Ada Beispiel"}) {
			t.Fatalf("%+v, %v", e, err)
		}
		i, err := g.incident.Get(g.ctx, e.Incident)
		if err != nil || i.Phase != incident.Candidate || i.Level != incident.Disruption || i.Realm != incident.Exercise {
			t.Errorf("%+v, %v", i, err)
		}
		if len(g.town.mails) != 2 {
			t.Fatalf("%d mails", len(g.town.mails))
		}
		for _, m := range g.town.mails {
			if m.Realm != channel.Exercise || m.Class != channel.Alarm || !strings.Contains(m.Subject, "ÜBUNG") || !strings.Contains(m.Text, "/exercise/"+string(e.ID)) || !strings.Contains(m.Text, "In earnest") {
				t.Errorf("%+v", m)
			}
		}
		g.clock.now = g.clock.now.Add(4 * time.Minute)
		if e, err = g.Take(g.ctx, e.ID); err != nil || e.Alarm.Took(g.clock.now) != 4*time.Minute || e.Alarm.TakenBy.Name != "Bert Kern" {
			t.Errorf("%+v, %v", e.Alarm, err)
		}
		g.clock.now = g.clock.now.Add(time.Hour)
		if e, err = g.Take(g.ctx, e.ID); err != nil || e.Alarm.Took(g.clock.now) != 4*time.Minute {
			t.Errorf("taken twice: %+v, %v", e.Alarm, err)
		}
		if i, err = g.incident.Get(g.ctx, e.Incident); err != nil || i.Phase != incident.Confirmed {
			t.Errorf("%+v, %v", i, err)
		}
		if e, err = g.End(g.ctx, e.ID); err != nil || len(e.Record.Findings) != 0 || e.Record.Alarm == nil || !e.Record.Alarm.Taken() {
			t.Errorf("%+v, %v", e.Record, err)
		}
		if _, err := g.Take(g.ctx, e.ID); !errors.Is(err, exercise.ErrEnded) {
			t.Errorf("taken after the end: %v", err)
		}
		if again, err := g.Get(g.ctx, e.ID); err != nil || again.Alarm.TakenAt != e.Alarm.TakenAt {
			t.Errorf("%+v, %v", again.Alarm, err)
		}
	})
}

// What would have gone wrong in earnest is a finding: nobody to wake, nobody who
// answers, an answer that comes late, and a promise that was not kept.
func TestFindingsOfADrill(t *testing.T) {
	for name, c := range map[string]struct {
		slug   string
		take   time.Duration // zero: nobody does
		missed int
		want   string // part of the only finding
	}{
		"nobody to wake":     {"kita", time.Minute, 0, "niemanden geweckt"},
		"nobody answers":     {"portal", 0, 0, "niemand übernommen"},
		"somebody is late":   {"portal", 6 * time.Minute, 0, "erst nach 6 Minuten"},
		"a promise is late":  {"portal", time.Minute, 2, "2 von 5 zugesagten"},
		"everything is well": {"portal", 5 * time.Minute, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, storetest.SQLite(t, rooms()...), c.slug)
			g.town.missed = c.missed
			e, err := g.Begin(g.ctx, exercise.Drill, "flood")
			if err != nil {
				t.Fatal(err)
			}
			if c.take > 0 {
				g.clock.now = g.clock.now.Add(c.take)
				if _, err = g.Take(g.ctx, e.ID); err != nil {
					t.Fatal(err)
				}
			}
			g.clock.now = g.clock.now.Add(time.Hour)
			if e, err = g.End(g.ctx, e.ID); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(e.Record.Findings, "\n"); !strings.Contains(got, c.want) || (c.want == "") != (got == "") || len(e.Record.Findings) > 1 {
				t.Errorf("findings %q, want one that says %q", got, c.want)
			}
		})
	}
}

// Only a drill has an alarm.
func TestNoAlarm(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms()...), "portal")
	e, err := g.Begin(g.ctx, exercise.Tabletop, "flood")
	if err != nil || len(g.town.mails) != 0 {
		t.Fatalf("%+v, %v", e, err)
	}
	if _, err := g.Take(g.ctx, e.ID); !errors.Is(err, exercise.ErrNoAlarm) {
		t.Errorf("%v", err)
	}
	citizen := ident.WithActor(g.ctx, ident.Actor{Kind: ident.KindPublic})
	if _, err := g.Take(citizen, e.ID); !errors.Is(err, exercise.ErrForbidden) {
		t.Errorf("anybody takes an alarm: %v", err)
	}
}
