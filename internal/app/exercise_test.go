package app

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/learn/exercise"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// drillTown is an app whose every call out is counted, with a real mail server
// in its configuration.
func drillTown(t *testing.T) (a *App, ctx context.Context, calls *atomic.Int64) {
	t.Helper()
	calls = &atomic.Int64{}
	c, _, err := ParseConfig("tuermer.yaml", []byte(`
town: {name: Musterstadt, slug: musterstadt, domains: [musterstadt.example]}
urls: {staff: "http://lage.example", public: "http://status.example"}
smtp: [{name: primary, host: mail.example, port: 25, from: lage@tuermer.example, tls: none}]
people:
  - {name: Ada Beispiel, email: ada@musterstadt.example, alternative: ada@posteo.example, roles: [it, publisher]}
  - {name: Bert Kern, email: bert@musterstadt.example, alternative: bert@posteo.example, roles: [admin, approver]}
services:
  - {slug: buergerportal, name: Bürgerportal, article: das, public: true, owner: ada@musterstadt.example, workaround: "Telefon 0611 000", audiences: [citizens, staff, press, leadership]}
audiences:
  - {slug: citizens, name: Bürgerinnen und Bürger, recipients: [liste@musterstadt.example, zwei@musterstadt.example]}
  - {slug: staff, name: Beschäftigte, recipients: [alle@musterstadt.example]}
  - {slug: press, name: Presse, recipients: [presse@zeitung.example]}
  - {slug: leadership, name: Leitung, recipients: [leitung@musterstadt.example]}
`))
	if err != nil {
		t.Fatal(err)
	}
	a, err = New(t.Context(), Options{
		Dir: t.TempDir(), Config: c, Version: "test",
		Dial: func(context.Context, string, string) (net.Conn, error) {
			calls.Add(1)
			return nil, net.ErrClosed
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	if err := a.Declare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ctx, err = a.inTown(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a, ctx, calls
}

// I4: a rehearsal of every scenario plays from the first short message to the
// closing one over the same code, marks every text, reaches every recipient of
// the plan in simulated channels, and opens no socket.
func TestI4_RehearsalOpensNoSocket(t *testing.T) {
	a, ctx, calls := drillTown(t)
	scenarios := a.exercise.Scenarios()
	if len(scenarios) < 12 {
		t.Fatalf("only %d scenarios", len(scenarios))
	}
	if testing.Short() {
		scenarios = scenarios[:3]
	}
	for _, s := range scenarios {
		e, err := a.exercise.Begin(ctx, exercise.Rehearsal, s.Scenario)
		if err != nil {
			t.Errorf("%s: %v", s.Scenario, err)
			continue
		}
		rec := e.Record
		if e.State != exercise.Ended || len(rec.Findings) > 0 || rec.Unmarked != 0 || rec.Marked < 20 {
			t.Errorf("%s: %+v", s.Scenario, rec)
		}
		kinds := map[string]bool{}
		for _, m := range rec.Messages {
			kinds[string(m.Kind)] = true
			if m.Accepted != m.Recipients || m.Recipients == 0 {
				t.Errorf("%s: %+v", s.Scenario, m)
			}
		}
		for _, k := range []string{"holding", "first", "update", "recovery", "closing"} {
			if !kinds[k] {
				t.Errorf("%s: nothing of kind %s was sent", s.Scenario, k)
			}
		}
		i, err := a.incident.Get(ctx, e.Incident)
		if err != nil || i.Realm != incident.Exercise || i.Phase != incident.Closed {
			t.Errorf("%s: %+v, %v", s.Scenario, i, err)
		}
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("%d sockets were opened", n)
	}
	all, err := a.channel.Simulated(ctx, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.Realm != channel.Exercise {
			t.Errorf("%s went out as %s", m.ID, m.Realm)
		}
		if !strings.Contains(m.Subject+m.Text, "ÜBUNG") {
			t.Errorf("a message does not say that it is an exercise: %s\n%s", m.Subject, m.Text)
		}
	}
	queued, err := a.channel.List(ctx, channel.Filter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range queued {
		if m.Realm != channel.Exercise {
			t.Errorf("a real mail waits: %+v", m)
		}
	}
}

// A drill is played by people: the incident opens, what happens is told at its
// times, and the end writes a record that never changes.
func TestDrill(t *testing.T) {
	a, ctx, calls := drillTown(t)
	e, err := a.exercise.Begin(ctx, exercise.Drill, "flood")
	if err != nil || e.State != exercise.Running {
		t.Fatalf("%+v, %v", e, err)
	}
	if _, err := a.exercise.Begin(ctx, exercise.Drill, "gibt-es-nicht"); err == nil {
		t.Errorf("an unknown scenario: %v", err)
	}
	ada := ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: "ada", Name: "Ada", Roles: []string{string(identity.RolePublisher)}})
	bert := ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: "bert", Name: "Bert", Roles: []string{string(identity.RoleApprover)}})
	s, err := a.publish.Rehearse(ada, e.Incident, "holding", e.Scenario)
	if err == nil {
		_, err = a.publish.Approve(bert, s.ID, publish.Consent{Revision: s.Revision})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := a.publish.DeliverNow(ctx, incident.Exercise); err != nil {
		t.Fatal(err)
	}
	if e, err = a.exercise.End(ada, e.ID); err != nil || e.State != exercise.Ended || len(e.Record.Messages) == 0 || e.Record.Unmarked != 0 {
		t.Fatalf("%+v, %v", e, err)
	}
	if _, err := a.exercise.End(ada, e.ID); err == nil {
		t.Error("it ended twice")
	}
	if again, err := a.exercise.Get(ctx, e.ID); err != nil || len(again.Record.Messages) != len(e.Record.Messages) || again.EndedAt.After(time.Now()) {
		t.Errorf("%+v, %v", again, err)
	}
	live, err := a.incident.Open(ada, incident.OpenRequest{Title: "Echt", Confirmed: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.publish.Rehearse(ada, live.ID, "holding", ""); err == nil {
		t.Error("a real incident was rehearsed")
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("%d sockets were opened", n)
	}
}
