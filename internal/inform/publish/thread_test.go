package publish

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/storetest"
)

// The thread of an outage: submitted, approved by a second person, delivered,
// updated, recovered, closed.
func TestThread(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		in := g.opened("i1", "portal")
		if err := g.follow(g.ctx, in.ID, true); err != nil {
			t.Fatal(err)
		}
		ps, err := g.Promises(g.ctx, in.ID)
		if err != nil || len(ps) != 2 || !ps[0].Due.Equal(noon.Add(15*time.Minute)) {
			t.Fatalf("after confirmation: %v, %+v", err, ps)
		}
		s, err := g.Create(g.as("ada"), in.ID, Content{Kind: template.First, Facts: first()})
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Audiences) != 2 || s.Audiences[0] != "citizens" || s.Audiences[1] != "staff" {
			t.Fatalf("audiences: %v", s.Audiences)
		}
		if _, err := g.Approve(g.as("ada"), s.ID, Consent{}); !errors.Is(err, ErrSecondPerson) {
			t.Fatalf("alone: %v", err)
		}
		if s, err = g.Submit(g.as("ada"), s.ID, s.Revision, ""); err != nil {
			t.Fatal(err)
		}
		mail := g.mailsTo("bert@musterstadt.example")
		if len(mail) != 1 || !strings.Contains(mail[0].Text, "https://lage.example/p/") || !strings.Contains(mail[0].Text, "Das Portal antwortet nicht") {
			t.Fatalf("Bert's mail: %+v", mail)
		}
		if len(g.mailsTo("ada@posteo.example")) != 0 {
			t.Fatal("the author was asked")
		}
		p, err := g.Look(g.as("bert"), s.ID)
		if err != nil || p.Recipients() != 6 || !p.FourEyes || !p.OnPage() {
			t.Fatalf("%v: %d recipients, %+v", err, p.Recipients(), p.Reach)
		}
		if s, err = g.Approve(g.as("bert"), s.ID, Consent{Revision: s.Revision}); err != nil {
			t.Fatal(err)
		}
		if s.Approval.Way != WaySecond || s.Approval.ByName != "Bert Kern" || s.State != StatePublished {
			t.Fatalf("%+v", s)
		}
		g.sweep(t)
		c, err := g.Counts(g.ctx, s.ID)
		if err != nil || c != (Counts{Total: 6, Accepted: 6}) {
			t.Fatalf("%v: %+v", err, c)
		}
		list, err := g.Deliveries(g.ctx, s.ID, DeliveryFilter{})
		if err != nil || len(list) != 6 || list[0].Route != "primary" || !strings.HasPrefix(list[0].Reference, "q'") || list[0].Attempts != 1 {
			t.Fatalf("%v: %+v", err, list)
		}
		if m := g.town.sent[0]; !strings.Contains(m.Text, "in der Liste „") || m.Thread != "i1" || !m.FirstOfThread || m.Language != "de" {
			t.Fatalf("%+v", m)
		}
		if err := g.MayRestore(g.ctx, in.ID); !errors.Is(err, ErrNoRecovery) {
			t.Fatalf("restored without a word: %v", err)
		}
		g.clock.pass(30 * time.Minute)
		rec := g.say(t, in.ID, template.Recovery, recovered())
		if err := g.MayRestore(g.ctx, in.ID); err != nil {
			t.Fatal(err)
		}
		if err := g.MayClose(g.ctx, in.ID); !errors.Is(err, ErrNoClosing) {
			t.Fatalf("closed without a word: %v", err)
		}
		g.sweep(t)
		if c, _ := g.Counts(g.ctx, rec.ID); c.Accepted != 6 {
			t.Fatalf("recovery: %+v", c)
		}
		in.Phase, in.RestoredAt = incident.Restored, g.clock.Now()
		g.set(in)
		if err := g.follow(g.ctx, in.ID, false); err != nil {
			t.Fatal(err)
		}
		g.say(t, in.ID, template.Closing, recovered(), "citizens", "staff")
		if err := g.MayClose(g.ctx, in.ID); err != nil {
			t.Fatal(err)
		}
		if open, _ := g.Due(g.ctx); len(open) != 0 {
			t.Fatalf("still owed: %+v", open)
		}
		if notes := g.town.notes[in.ID]; len(notes) != 3 || !strings.Contains(notes[0], "Erstmeldung") {
			t.Fatalf("journal: %q", notes)
		}
	})
}
