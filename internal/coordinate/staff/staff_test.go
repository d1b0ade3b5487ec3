package staff_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/coordinate/staff"
	"tuermer/internal/platform/fault"
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

func (c *handClock) Now() time.Time       { return c.now }
func (c *handClock) pass(d time.Duration) { c.now = c.now.Add(d) }

// town stands in for what the room asks besides incidents.
type town struct {
	people []identity.Person
	crew   plan.Crew
	mails  []channel.Message
}

func (t *town) Current(context.Context) (identity.Tenant, error) {
	return identity.Tenant{Language: "de", Zone: "Europe/Berlin", StaffURL: "http://lage.example"}, nil
}

func (t *town) People(context.Context, identity.Filter) ([]identity.Person, error) {
	return t.people, nil
}

func (t *town) Person(_ context.Context, id identity.PersonID) (identity.Person, error) {
	for _, p := range t.people {
		if p.ID == id {
			return p, nil
		}
	}
	return identity.Person{}, fault.New(fault.NotFound, "identity.no_person")
}

func (t *town) Document(context.Context) (plan.Document, plan.Stand, error) {
	return plan.Document{Board: t.crew}, plan.Stand{}, nil
}

func (t *town) Send(_ context.Context, m channel.Message) error {
	t.mails = append(t.mails, m)
	return nil
}

type alerts struct{}

func (alerts) Get(context.Context, alert.ID) (alert.Alert, error) {
	return alert.Alert{}, alert.ErrNotFound
}
func (alerts) List(context.Context, alert.Filter) ([]alert.Alert, error) { return nil, nil }
func (alerts) Link(context.Context, alert.ID, string) error              { return nil }
func (alerts) Relink(context.Context, alert.ID, string) error            { return nil }

type services struct{}

func (services) Get(context.Context, string) (service.Service, error) {
	return service.Service{}, fault.New(fault.NotFound, "service.not_found")
}

type rig struct {
	*staff.Room
	town     *town
	clock    *handClock
	incident *incident.Room
	ctx      context.Context
}

func rooms() []store.Migrations {
	return []store.Migrations{audit.Migrations(), incident.Migrations(), staff.Migrations()}
}

func newRig(t testing.TB, w *storetest.World) *rig {
	t.Helper()
	catalog, err := i18n.NewCatalog(staff.Texts(), plan.Texts())
	if err != nil {
		t.Fatal(err)
	}
	person := func(id, name string, roles ...identity.Role) identity.Person {
		return identity.Person{ID: identity.PersonID(id), Name: name, Email: id + "@musterstadt.example", Alternative: id + "@posteo.example", Roles: roles, Language: "de"}
	}
	g := &rig{clock: &handClock{now: time.Date(2026, 11, 22, 13, 0, 0, 0, time.UTC)}, ctx: w.Ctx, town: &town{people: []identity.Person{
		person("ada", "Ada Beispiel", identity.RoleIT), person("bert", "Bert Kern", identity.RoleApprover),
		person("petra", "Petra Presse", identity.RolePublisher), person("rita", "Rita Leser", identity.RoleReader),
	}}}
	a := audit.New(audit.Options{Store: w.Store, Clock: g.clock})
	g.incident = incident.New(incident.Options{Store: w.Store, Clock: g.clock, Audit: a, Alerts: alerts{}, Services: services{}, Town: g.town})
	g.Room = staff.New(staff.Options{
		Store: w.Store, Clock: g.clock, Catalog: catalog, Audit: a, Incidents: g.incident, People: g.town, Plan: g.town, Outbox: g.town,
	})
	return g
}

// as acts as one of the town's people.
func (g *rig) as(id string) context.Context {
	p, err := g.town.Person(g.ctx, identity.PersonID(id))
	if err != nil {
		panic(err)
	}
	roles := make([]string, len(p.Roles))
	for i, r := range p.Roles {
		roles[i] = string(r)
	}
	return ident.WithActor(g.ctx, ident.Actor{Kind: ident.KindPerson, Person: id, Name: p.Name, Roles: roles})
}

func (g *rig) crisis(t testing.TB) incident.ID {
	t.Helper()
	i, err := g.incident.Open(g.as("ada"), incident.OpenRequest{Title: "Schadsoftware", Confirmed: true, Level: incident.Crisis})
	if err != nil {
		t.Fatal(err)
	}
	return i.ID
}

func (g *rig) journal(t testing.TB, in incident.ID) string {
	t.Helper()
	all, err := g.incident.Journal(g.ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range all {
		out = append(out, e.Text)
	}
	if err := g.incident.VerifyJournal(g.ctx, in); err != nil {
		t.Error(err)
	}
	return strings.Join(out, "\n")
}

func says(t testing.TB, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q is missing in:\n%s", w, text)
		}
	}
}

// Functions are filled, relieved and left; who held what since when stays
// readable, and the journal tells it.
func TestSeats(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		if err := w.Jobs.Open(false); err != nil {
			t.Fatal(err)
		}
		in := g.crisis(t)
		if _, err := g.Fill(g.as("ada"), in, staff.Place{Function: plan.S2, Name: "Major Meier, Kreis"}); err != nil {
			t.Fatal(err)
		}
		// Nobody makes herself the one who releases.
		if _, err := g.Fill(g.as("petra"), in, staff.Place{Function: plan.S5, Person: "petra"}); !errors.Is(err, staff.ErrPlace) {
			t.Errorf("a publisher took S5 by herself: %v", err)
		}
		if _, err := g.Fill(g.as("bert"), in, staff.Place{Function: plan.S5, Person: "rita"}); !errors.Is(err, staff.ErrNoSpeaker) {
			t.Errorf("a reader became S5: %v", err)
		}
		if _, err := g.Fill(g.as("bert"), in, staff.Place{Function: plan.S5, Name: "Jemand vom Kreis"}); !errors.Is(err, staff.ErrNoSpeaker) {
			t.Errorf("somebody without an account became S5: %v", err)
		}
		if _, err := g.Fill(g.as("rita"), in, staff.Place{Function: plan.S2, Person: "rita"}); !errors.Is(err, staff.ErrForbidden) {
			t.Errorf("a reader acted: %v", err)
		}
		if _, err := g.Fill(g.as("bert"), in, staff.Place{Function: plan.BuMA, Person: "petra"}); !errors.Is(err, staff.ErrFunction) {
			t.Errorf("a function of the other form was filled: %v", err)
		}
		s5, err := g.Fill(g.as("bert"), in, staff.Place{Function: plan.S5, Person: "petra"})
		if err != nil || !s5.Since.Equal(g.clock.now) || s5.ByName != "Bert Kern" {
			t.Fatalf("%+v, %v", s5, err)
		}
		if again, err := g.Fill(g.as("bert"), in, staff.Place{Function: plan.S5, Person: "petra"}); err != nil || again.ID != s5.ID {
			t.Errorf("the same person took it twice: %+v, %v", again, err)
		}
		speak, err := g.Speakers(g.ctx, in)
		if err != nil || len(speak) != 1 || speak[0].Person != "petra" || speak[0].Function != plan.S5 {
			t.Fatalf("%+v, %v", speak, err)
		}
		// The holder plans her relief, and it comes.
		if err := g.PlanRelief(g.as("petra"), in, s5.ID, staff.Relief{Person: "bert", At: g.clock.now}); err == nil {
			t.Error("a relief in the past was taken")
		}
		at := g.clock.now.Add(8 * time.Hour)
		if err := g.PlanRelief(g.as("petra"), in, s5.ID, staff.Relief{Person: "bert", At: at}); err != nil {
			t.Fatal(err)
		}
		due, err := g.Due(g.ctx)
		if err != nil || len(due) != 1 || !due[0].At.Equal(at) || due[0].Seat.Relief.Name != "Bert Kern" {
			t.Fatalf("%+v, %v", due, err)
		}
		g.clock.pass(8 * time.Hour)
		if _, err := g.Relieve(g.as("petra"), in, s5.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Relieve(g.as("petra"), in, s5.ID); !errors.Is(err, staff.ErrLeft) {
			t.Errorf("relieved twice: %v", err)
		}
		if speak, err = g.Speakers(g.ctx, in); err != nil || len(speak) != 1 || speak[0].Person != "bert" {
			t.Fatalf("%+v, %v", speak, err)
		}
		g.town.people[1].Blocked = true
		if speak, err = g.Speakers(g.ctx, in); err != nil || len(speak) != 0 {
			t.Errorf("a blocked account speaks: %+v, %v", speak, err)
		}
		g.town.people[1].Blocked = false
		// Two advisers at once, one leaves.
		for _, name := range []string{"Forensik GmbH", "Datenschutz"} {
			if _, err := g.Fill(g.as("ada"), in, staff.Place{Function: plan.Adviser, Name: name}); err != nil {
				t.Fatal(err)
			}
		}
		all, err := g.Seats(g.ctx, in)
		if err != nil || len(all) != 5 {
			t.Fatalf("%+v, %v", all, err)
		}
		if err := g.Leave(g.as("ada"), in, all[3].ID); err != nil {
			t.Fatal(err)
		}
		says(t, g.journal(t, in), "S2 – Lage besetzt mit Major Meier, Kreis", "besetzt mit Petra Presse", "Bert Kern löst bei S5", "Bert Kern übernimmt S5 – Presse- und Medienarbeit von Petra Presse", "Forensik GmbH verlässt Fachberatung")
	})
}

// The log: what was decided never changes, what came of it is said once, also
// after the crisis, when nothing else can be written.
func TestDecisions(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		if err := w.Jobs.Open(false); err != nil {
			t.Fatal(err)
		}
		in := g.crisis(t)
		d := staff.Decision{
			Situation: "Alle Server im Netz der Verwaltung sind verdächtig.", Options: "Netz trennen; abwarten.", Decision: "Netz trennen.",
			Checker: "Ada Beispiel", CheckBy: g.clock.now.Add(time.Hour),
		}
		for field, bad := range map[string]func(staff.Decision) staff.Decision{
			"situation": func(d staff.Decision) staff.Decision { d.Situation = " "; return d },
			"options":   func(d staff.Decision) staff.Decision { d.Options = ""; return d },
			"decision":  func(d staff.Decision) staff.Decision { d.Decision = strings.Repeat("a", 4001); return d },
			"checker":   func(d staff.Decision) staff.Decision { d.Checker = ""; return d },
			"check_by":  func(d staff.Decision) staff.Decision { d.CheckBy = g.clock.now.Add(-time.Minute); return d },
		} {
			if _, err := g.Decide(g.as("ada"), in, bad(d)); fault.As(err).Fields[field] == "" {
				t.Errorf("without %s: %v", field, err)
			}
		}
		one, err := g.Decide(g.as("ada"), in, d)
		if err != nil || one.Number != 1 || one.ByName != "Ada Beispiel" {
			t.Fatalf("%+v, %v", one, err)
		}
		d.Decision = "Netz wieder verbinden."
		if two, err := g.Decide(g.as("bert"), in, d); err != nil || two.Number != 2 {
			t.Fatalf("%+v, %v", two, err)
		}
		due, err := g.Due(g.ctx)
		if err != nil || len(due) != 2 || due[0].Decision.ID != one.ID {
			t.Fatalf("%+v, %v", due, err)
		}
		if one.Overdue(g.clock.now) || !one.Overdue(g.clock.now.Add(61*time.Minute)) {
			t.Error("overdue at the wrong time")
		}
		// The database itself keeps the words.
		for _, q := range []string{
			"UPDATE staff_decision SET decision = 'anders' WHERE tenant_id = 't1'", "DELETE FROM staff_decision WHERE tenant_id = 't1'",
		} {
			if _, err := w.Store.Writer().ExecContext(g.ctx, strings.ReplaceAll(q, "t1", string(ident.TenantOf(g.ctx)))); err == nil {
				t.Errorf("%s was done", q)
			}
		}
		g.clock.pass(2 * time.Hour)
		if err := g.incident.SetLevel(g.as("ada"), in, incident.Emergency); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Decide(g.as("ada"), in, d); !errors.Is(err, staff.ErrShut) {
			t.Errorf("decided after the crisis: %v", err)
		}
		if _, err := g.Fill(g.as("bert"), in, staff.Place{Function: plan.S2, Person: "ada"}); !errors.Is(err, staff.ErrShut) {
			t.Errorf("filled after the crisis: %v", err)
		}
		if _, err := g.Check(g.as("ada"), in, one.ID, " "); !errors.Is(err, staff.ErrNoResult) {
			t.Errorf("checked without a word: %v", err)
		}
		if one, err = g.Check(g.as("ada"), in, one.ID, "Getrennt seit 15:10 Uhr."); err != nil || one.Open() || !one.Late() {
			t.Fatalf("%+v, %v", one, err)
		}
		if _, err := g.Check(g.as("ada"), in, one.ID, "Doch nicht."); !errors.Is(err, staff.ErrChecked) {
			t.Errorf("checked twice: %v", err)
		}
		says(t, g.journal(t, in), "Entscheidung Nr. 1 des Stabs.", "Lage: Alle Server", "Möglichkeiten: Netz trennen; abwarten.", "Kontrolle: Ada Beispiel bis", "Kontrolle zu Entscheidung Nr. 1 des Stabs: Getrennt seit 15:10 Uhr.")
		// I19: another town finds none of it.
		other := ident.WithTenant(g.as("bert"), "t2")
		if all, err := g.Decisions(other, staff.Filter{}); err != nil || len(all) != 0 {
			t.Errorf("%v, %v", all, err)
		}
		if _, err := g.Check(other, in, one.ID, "x"); err == nil {
			t.Error("checked by another town")
		}
	})
}

// Whatever people do: a function of one has one holder at most, times of two
// holders never overlap, nobody who may not speak does, decisions are numbered
// without a gap, and after the crisis the board stays as it was.
func TestBoardHolds(t *testing.T) {
	w := storetest.SQLite(t, rooms()...)
	g := newRig(t, w)
	if err := w.Jobs.Open(false); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		in := g.crisis(t)
		who := rapid.SampledFrom([]string{"ada", "bert", "petra", "rita"})
		for range rapid.IntRange(1, 25).Draw(rt, "acts") {
			g.clock.pass(time.Duration(rapid.IntRange(0, 60).Draw(rt, "minutes")) * time.Minute)
			ctx := g.as(who.Draw(rt, "actor"))
			all, err := g.Seats(g.ctx, in)
			if err != nil {
				rt.Fatal(err)
			}
			var some staff.SeatID
			if len(all) > 0 {
				some = rapid.SampledFrom(all).Draw(rt, "seat").ID
			}
			// What is refused is refused; the board is looked at below.
			switch rapid.IntRange(0, 6).Draw(rt, "act") {
			case 0, 1:
				_, _ = g.Fill(ctx, in, staff.Place{Function: rapid.SampledFrom(plan.StaffFunctions(plan.Command)).Draw(rt, "function"), Person: identity.PersonID(who.Draw(rt, "person"))})
			case 2:
				_ = g.Leave(ctx, in, some)
			case 3:
				_ = g.PlanRelief(ctx, in, some, staff.Relief{Person: identity.PersonID(who.Draw(rt, "relief")), At: g.clock.now.Add(time.Hour)})
			case 4:
				_, _ = g.Relieve(ctx, in, some)
			case 5:
				_, _ = g.Decide(ctx, in, staff.Decision{Situation: "L", Options: "M", Decision: "E", Checker: "A", CheckBy: g.clock.now.Add(time.Hour)})
			case 6:
				level := rapid.SampledFrom(incident.Levels()).Draw(rt, "level")
				if err := g.incident.SetLevel(g.as("ada"), in, level); err != nil {
					rt.Fatal(err)
				}
			}
			i, err := g.incident.Get(g.ctx, in)
			if err != nil {
				rt.Fatal(err)
			}
			after, err := g.Seats(g.ctx, in)
			if err != nil {
				rt.Fatal(err)
			}
			if !staff.Open(i) && fmt.Sprint(all) != fmt.Sprint(after) {
				rt.Fatal("the board changed outside a crisis")
			}
			for n, a := range after {
				for _, b := range after[n+1:] {
					if a.Function == b.Function && !a.Function.Many() && (a.Held() || b.Since.Before(a.Until)) {
						rt.Fatalf("two at once: %+v, %+v", a, b)
					}
				}
			}
			speak, err := g.Speakers(g.ctx, in)
			if err != nil {
				rt.Fatal(err)
			}
			for _, s := range speak {
				if !s.Function.Speaks() || s.Person == "ada" || s.Person == "rita" || !staff.Open(i) {
					rt.Fatalf("%+v speaks", s)
				}
			}
			log, err := g.Decisions(g.ctx, staff.Filter{Incident: in})
			if err != nil {
				rt.Fatal(err)
			}
			for n, d := range log {
				if d.Number != n+1 {
					rt.Fatalf("decision %d stands in place %d", d.Number, n+1)
				}
			}
		}
	})
}

// When a crisis begins, whoever the plan means is written to, and nobody is put
// into a function by it.
func TestCall(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		if err := w.Jobs.Open(false); err != nil {
			t.Fatal(err)
		}
		g.town.crew = plan.Crew{Duties: []plan.StaffDuty{{Function: plan.S5, Person: "petra@musterstadt.example", Deputy: "bert@musterstadt.example"}, {Function: plan.S2, Person: "fort@musterstadt.example"}}}
		i, err := g.incident.Open(g.as("ada"), incident.OpenRequest{Title: "Schadsoftware", Confirmed: true, Realm: incident.Exercise})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.incident.SetLevel(g.as("ada"), i.ID, incident.Crisis); err != nil {
			t.Fatal(err)
		}
		if err := g.Call(g.ctx, i.ID, g.clock.now); err != nil {
			t.Fatal(err)
		}
		to := map[string]channel.Message{}
		for _, m := range g.town.mails {
			to[m.To] = m
		}
		if len(to) != 5 || len(g.town.mails) != 5 { // two with two addresses each, and one who has left
			t.Fatalf("%d mails: %+v", len(g.town.mails), g.town.mails)
		}
		m := to["petra@posteo.example"]
		says(t, m.Subject+m.Text, "ÜBUNG", "Der Stab tritt zusammen", "S5 – Presse- und Medienarbeit", "http://lage.example/incident/"+string(i.ID)+"/staff")
		if m.Realm != channel.Exercise {
			t.Errorf("an exercise writes in earnest: %+v", m)
		}
		says(t, to["bert@musterstadt.example"].Text, "Sie lösen laut Plan ab")
		if all, err := g.Seats(g.ctx, i.ID); err != nil || len(all) != 0 {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

// Every function has a name in both languages, and every form can speak.
func TestFunctions(t *testing.T) {
	catalog, err := i18n.NewCatalog(plan.Texts(), staff.Texts())
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range plan.StaffForms() {
		all := plan.StaffFunctions(form)
		if n := len(slices.DeleteFunc(slices.Clone(all), func(f plan.StaffFunction) bool { return !f.Speaks() })); n != 2 {
			t.Errorf("%s: %d functions release public words", form, n)
		}
		for _, f := range all {
			for _, lang := range []i18n.Lang{i18n.DE, i18n.EN} {
				if name := catalog.Text(lang, "plan.function."+string(f)); name == "" || strings.HasPrefix(name, "plan.") {
					t.Errorf("%s has no name in %s", f, lang)
				}
			}
		}
	}
}
