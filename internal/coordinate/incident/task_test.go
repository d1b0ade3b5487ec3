package incident_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
)

// planned is a plan, a catalogue and an outbox.
type planned struct {
	services
	audiences []plan.Audience
	sent      []channel.Message
}

func (p *planned) Audiences(context.Context) ([]plan.Audience, error) { return p.audiences, nil }
func (p *planned) Send(_ context.Context, m channel.Message) error {
	p.sent = append(p.sent, m)
	return nil
}

func (p *planned) Get(ctx context.Context, slug string) (service.Service, error) {
	if slug == "netz" {
		return service.Service{Slug: slug, Name: "Netz"}, nil
	}
	return p.services.Get(ctx, slug)
}

func (p *planned) List(context.Context) ([]service.Service, error) {
	return []service.Service{{Slug: "netz", Audiences: []string{"staff"}}, {Slug: "portal", Public: true, DependsOn: []string{"netz"}, Audiences: []string{"citizens"}}}, nil
}

// R1.3: on an incident each owner gets a task, once; what nobody owns is seen.
func TestEachOwnerGetsATask(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		_, w := setup(t, sw)
		p := &planned{audiences: []plan.Audience{
			{Slug: "citizens", Kind: plan.Citizens, Name: "Alle", Owner: "petra@m.example", Deputy: "dirk@m.example", Profile: plan.Profile{First: 10}},
			{Slug: "rat", Kind: plan.Council, Name: "Rat"},
			{Slug: "staff", Kind: plan.Staff, Name: "Beschäftigte", Deputy: "dirk@m.example"},
		}}
		r := incident.New(incident.Options{
			Store: sw.Store, Clock: w, Hints: sw.Hints, Audit: w, Alerts: alerts{w}, Services: p, Town: w, Gate: w, Crisis: w, Plan: p, Outbox: p,
		})
		ctx := as(sw.Ctx, "it")
		i := open(t, r, ctx, incident.OpenRequest{Title: "Netz gestört", Services: []string{"netz"}})
		give := func() []incident.Task {
			t.Helper()
			if err := incident.GiveTasks(r, sw.Ctx, i.ID); err != nil {
				t.Fatal(err)
			}
			return must[[]incident.Task](t)(r.Tasks(ctx, i.ID))
		}
		if got := give(); len(got) != 0 {
			t.Fatal("a suspicion gives tasks:", got)
		}
		if err := r.Advance(ctx, i.ID, incident.Confirmed, ""); err != nil {
			t.Fatal(err)
		}
		got := give()
		// Citizens are concerned through the portal that stands on the network.
		if len(got) != 2 || got[0].Audience != "citizens" || got[0].Owner != "petra@m.example" || !got[0].Due.Equal(w.now.Add(10*time.Minute)) || got[1].Owner != "" {
			t.Fatal(got)
		}
		if again := give(); len(again) != 2 || len(p.sent) != 2 {
			t.Fatal("given twice:", again, p.sent)
		}
		if p.sent[0].To != "petra@m.example" || p.sent[1].To != "dirk@m.example" || !strings.Contains(p.sent[0].Text, "/incident/"+string(i.ID)) || p.sent[0].Realm != channel.Live {
			t.Fatal(p.sent)
		}
		if err := r.SetLevel(ctx, i.ID, incident.Emergency); err != nil {
			t.Fatal(err)
		}
		if got = give(); len(got) != 3 || !slices.ContainsFunc(got, func(k incident.Task) bool { return k.Audience == "rat" && k.Owner == "" }) {
			t.Fatal("an emergency concerns all:", got)
		}
		if err := r.FinishTask(as(sw.Ctx, "reader"), i.ID, got[0].ID); fault.KindOf(err) != fault.Forbidden {
			t.Fatal(err)
		}
		for range 2 {
			if err := r.FinishTask(ctx, i.ID, got[0].ID); err != nil {
				t.Fatal(err)
			}
		}
		own := must[incident.Task](t)(r.AddTask(ctx, i.ID, incident.Task{Title: " Aushang drucken ", Owner: "petra@m.example"}))
		if got = must[[]incident.Task](t)(r.Tasks(ctx, i.ID)); len(got) != 4 || got[3].Open() || own.Title != "Aushang drucken" {
			t.Fatal(got)
		}
		if mine := must[[]incident.Task](t)(r.TasksOf(ctx, "petra@m.example")); len(mine) != 1 || mine[0].ID != own.ID {
			t.Fatal(mine)
		}
		if err := r.FinishTask(ctx, i.ID, "nichts"); fault.KindOf(err) != fault.NotFound {
			t.Fatal(err)
		}
		if _, err := r.AddTask(ctx, i.ID, incident.Task{}); fault.KindOf(err) != fault.Invalid {
			t.Fatal(err)
		}
		other := ident.WithTenant(ctx, "t2") // I19
		if all := must[[]incident.Task](t)(r.Tasks(other, i.ID)); len(all) != 0 {
			t.Fatal(all)
		}
		if err := r.FinishTask(other, i.ID, own.ID); fault.KindOf(err) != fault.NotFound {
			t.Fatal(err)
		}
	})
}

// I17: of a private incident the public's owners get no task that leads them to
// speak. I4: an exercise's letters go to its own realm and say so.
func TestI17_PrivateGivesNoPublicTask(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	_, w := setup(t, sw)
	p := &planned{audiences: []plan.Audience{
		{Slug: "citizens", Kind: plan.Citizens, Name: "Alle", Owner: "petra@m.example"},
		{Slug: "staff", Kind: plan.Staff, Name: "Beschäftigte", Owner: "dirk@m.example"},
	}}
	r := incident.New(incident.Options{
		Store: sw.Store, Clock: w, Hints: sw.Hints, Audit: w, Alerts: alerts{w}, Services: p, Town: w, Gate: w, Crisis: w, Plan: p, Outbox: p,
	})
	ctx := as(sw.Ctx, "it")
	i := open(t, r, ctx, incident.OpenRequest{Title: "x", Private: true, Confirmed: true, Level: incident.Emergency, Realm: incident.Exercise})
	if err := incident.GiveTasks(r, sw.Ctx, i.ID); err != nil {
		t.Fatal(err)
	}
	if got := must[[]incident.Task](t)(r.Tasks(ctx, i.ID)); len(got) != 1 || got[0].Audience != "staff" {
		t.Fatal(got)
	}
	if len(p.sent) != 1 || p.sent[0].Realm != channel.Exercise || !strings.HasPrefix(p.sent[0].Subject, "ÜBUNG") {
		t.Fatal(p.sent)
	}
}
