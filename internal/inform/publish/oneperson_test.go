package publish

import (
	"slices"
	"testing"

	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/plan"
)

// An answer goes to the one who asked and to nobody else: not to the list, not
// onto the page, into no chat; and the recovery does not go to that person (I1).
func TestAnswerReachesOnePerson(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		g.opened("i1", "portal")
		g.say(t, "i1", template.First, first(), "citizens")
		before, err := g.openPromises(g.ctx, "i1")
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range toOneKinds {
			facts := template.Facts{}
			for _, slot := range MustAnswer(k) {
				facts[slot] = template.Filled("Nein, alles bleibt erhalten")
			}
			for _, bad := range []string{"", "kein-at", "Eva <eva@wohnort.example>", "a@b.example, c@d.example"} {
				p, err := g.Try(g.as("ada"), "i1", Content{Kind: k, Facts: facts.With(template.SlotTo, template.Filled(bad)), Audiences: []string{"citizens"}})
				if err != nil || fault.As(p.Ready()).Key != ErrNobody.Key {
					t.Fatalf("%s to %q: %v, %v", k, bad, err, p.Ready())
				}
			}
			s := g.say(t, "i1", k, facts.With(template.SlotTo, template.Filled("Eva@Wohnort.example")), "citizens", "staff")
			if !slices.Equal(s.Audiences, []string{"citizens"}) || len(s.Next) != 0 {
				t.Errorf("%s: to %v, promises %v", k, s.Audiences, s.Next)
			}
			vs, err := g.Variants(g.as("ada"), s.ID)
			if err != nil || len(vs) == 0 {
				t.Fatal(vs, err)
			}
			for _, v := range vs {
				if v.Format != template.Mail || v.Kind != plan.Citizens {
					t.Errorf("%s has words for %s %s", k, v.Kind, v.Format)
				}
			}
			ds, err := g.Deliveries(g.as("ada"), s.ID, DeliveryFilter{Limit: 100})
			if err != nil || len(ds) != 1 || ds[0].Recipient != "eva@wohnort.example" {
				t.Fatalf("%s went to %+v (%v)", k, ds, err)
			}
		}
		after, err := g.openPromises(g.ctx, "i1")
		if err != nil || len(after) != len(before) || !after[0].Due.Equal(before[0].Due) {
			t.Errorf("an answer moved what is promised: %+v, %+v (%v)", before, after, err)
		}
		recovery := g.say(t, "i1", template.Recovery, recovered(), "citizens")
		ds, err := g.Deliveries(g.as("ada"), recovery.ID, DeliveryFilter{Limit: 100})
		if err != nil || len(ds) != 5 || slices.ContainsFunc(ds, func(d Delivery) bool { return d.Recipient == "eva@wohnort.example" }) {
			t.Errorf("the recovery went to %+v (%v)", ds, err)
		}
	})
}
