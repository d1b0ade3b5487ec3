package publish

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/inform/template"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/plan"
)

// The rule: the next way is the first one in the plan's order behind the failed
// one that is not known to be down; following it ends, and visits no way twice.
func TestNextStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := plan.Audience{Kind: rapid.SampledFrom(plan.Kinds()).Draw(t, "kind")}
		a.Profile.Ways = rapid.SliceOfNDistinct(rapid.SampledFrom(plan.Ways()), 0, 6, rapid.ID).Draw(t, "order")
		down := map[string]bool{}
		for _, w := range rapid.SliceOfDistinct(rapid.SampledFrom(plan.Ways()), rapid.ID).Draw(t, "down") {
			down[w] = true
		}
		order := a.Profile.Ways
		at, seen := "mail", []string{}
		for {
			x := nextStep(a, at, down, false)
			if x.Way == "" {
				break
			}
			if down[x.Way] || slices.Contains(seen, x.Way) || !slices.Contains(order, x.Way) || x.Way == "mail" {
				t.Fatalf("%v, down %v: from %s to %s after %v", order, down, at, x.Way, seen)
			}
			if x.Hand == carriedBy(x.Way, a.Kind, false) {
				t.Fatalf("%s by hand: %v", x.Way, x.Hand)
			}
			for _, between := range order[slices.Index(order, at)+1 : slices.Index(order, x.Way)] {
				if !down[between] && between != "mail" && (between != "page" || a.Kind == plan.Citizens) {
					t.Fatalf("%v: %s was passed over on the way to %s", order, between, x.Way)
				}
			}
			seen = append(seen, x.Way)
			at = x.Way
		}
		if x, ok := firstStep(a, false); ok && (carriedBy(x.Way, a.Kind, false) || !slices.Contains(order, x.Way)) {
			t.Fatalf("%v begins with %s", order, x.Way)
		}
	})
}

func TestKnownDown(t *testing.T) {
	good, bad := plan.Tested{Last: plan.Test{ID: "1", OK: true}}, plan.Tested{Last: plan.Test{ID: "1"}}
	for name, c := range map[string]struct {
		tested map[string]plan.Tested
		mail   bool
	}{
		"never tried":   {nil, false},
		"one of two":    {map[string]plan.Tested{"mail/a": good, "mail/b": bad}, false},
		"both":          {map[string]plan.Tested{"mail/a": bad, "mail/b": bad}, true},
		"another way":   {map[string]plan.Tested{"phone": bad}, false},
		"good a moment": {map[string]plan.Tested{"mail/a": good}, false},
	} {
		if got := knownDown(c.tested)["mail"]; got != c.mail {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Whatever mail does, the next way is asked for once per statement and audience,
// exactly when somebody there is not reached; the ledger keeps one row per
// recipient (I8), and mail is tried on.
func TestI8_NextWayOnce(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		id := g.fresh(n)
		g.opened(id, "portal")
		ways := rapid.SampledFrom([][]string{{"mail", "phone", "notice"}, {"mail"}, {"mail", "page", "phone"}, {"phone", "mail", "vehicle"}, nil}).Draw(rt, "order")
		for i := range g.town.plan {
			g.town.plan[i].Profile.Ways = ways
		}
		dead, never := map[string]int{}, map[string]bool{}
		for _, a := range g.town.plan {
			for _, to := range a.Recipients {
				switch rapid.IntRange(0, 3).Draw(rt, to) {
				case 1:
					dead[strings.ToLower(to)] = rapid.IntRange(1, 7).Draw(rt, "tries")
				case 2:
					never[strings.ToLower(to)] = true
				}
			}
		}
		g.town.mu.Lock()
		g.town.sent = nil
		g.town.deliver = func(m channel.Message) error {
			switch {
			case never[m.To]:
				return &channel.Failure{Permanent: true, Reason: "rejected"}
			case dead[m.To] > 0:
				dead[m.To]--
				return &channel.Failure{RouteDown: true, Reason: "connect"}
			}
			return nil
		}
		g.town.mu.Unlock()
		late := map[string]bool{} // recipients whom mail did not reach in time
		for to, tries := range dead {
			late[to] = tries >= lostAfter
		}
		s := g.say(t, id, template.First, first(), "citizens", "staff")
		for range 40 {
			g.clock.pass(30 * time.Second)
			if _, err := g.deliverDue(ident.AcrossTenants(g.ctx), g.clock.Now()); err != nil {
				rt.Fatal(err)
			}
		}
		rows, err := g.Deliveries(g.as("ada"), s.ID, DeliveryFilter{Limit: 1000})
		if err != nil {
			rt.Fatal(err)
		}
		perPerson, notReached, stillNot := map[string]int{}, map[string]int{}, map[string]int{}
		for _, d := range rows {
			perPerson[d.Recipient]++
			if !never[d.Recipient] && d.State != Accepted {
				rt.Fatalf("mail was not tried on: %+v", d)
			}
			if never[d.Recipient] {
				stillNot[d.Audience]++
			}
			if never[d.Recipient] || late[d.Recipient] {
				notReached[d.Audience]++
			}
		}
		for to, k := range perPerson {
			if k != 1 {
				rt.Fatalf("%s has %d rows", to, k)
			}
		}
		tasks := map[string]int{}
		for _, k := range g.town.tasks[id] {
			tasks[k.Title]++
		}
		for title, k := range tasks {
			if k != 1 {
				rt.Fatalf("%q was asked for %d times", title, k)
			}
		}
		handed, err := g.Handed(g.as("ada"), s.ID)
		if err != nil {
			rt.Fatal(err)
		}
		for _, slug := range []string{"citizens", "staff"} {
			i := slices.IndexFunc(g.town.plan, func(a plan.Audience) bool { return a.Slug == slug })
			a := g.town.plan[i]
			want := 0
			if _, ok := firstStep(a, false); ok {
				want++
			}
			x := nextStep(a, "mail", nil, false)
			if notReached[slug] > 0 && x.Hand {
				want++
			}
			got := 0
			for title := range tasks {
				if strings.HasPrefix(title, a.Name+" über") {
					got++
				}
			}
			if got != want {
				rt.Fatalf("%s by %v, %d not reached: %d tasks, want %d: %v", slug, ways, notReached[slug], got, want, tasks)
			}
			said := slices.ContainsFunc(handed, func(h Handed) bool { return h.Audience == slug && h.Next == x.Way && h.Lost == stillNot[slug] })
			if (stillNot[slug] > 0 && len(ways) > 0) != said {
				rt.Fatalf("%s: the page says %+v of %d not reached", slug, handed, stillNot[slug])
			}
		}
	})
}

// A way that is known to be down hands on at once, in the journal and by mail to
// the owner; without another way the journal says that there is none.
func TestKnownDownHandsOn(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		for i := range g.town.plan {
			g.town.plan[i].Profile.Ways = []string{"mail", "phone"}
			if g.town.plan[i].Slug == "leadership" {
				g.town.plan[i].Profile.Ways = []string{"mail"}
			}
		}
		g.town.tested = map[string]plan.Tested{"mail/primary": {Last: plan.Test{ID: "1", OK: false}}}
		in := g.opened("i1", "portal")
		g.say(t, in.ID, template.First, first(), "staff", "leadership")
		if k := g.town.tasks[in.ID]; len(k) != 1 || k[0].Owner != "ada@musterstadt.example" || !strings.Contains(k[0].Title, "Beschäftigte über Telefonzentrale informieren: Erstmeldung") || !k[0].Due.After(g.clock.Now()) {
			t.Fatalf("%+v", k)
		}
		notes := strings.Join(g.town.notes[in.ID], "\n")
		for _, words := range []string{"Der letzte Test der E-Mail ist misslungen. Zielgruppe „Beschäftigte“ auch über", "der Plan hat für „Leitung“ keinen weiteren Weg"} {
			if !strings.Contains(notes, words) {
				t.Errorf("%q is missing in:\n%s", words, notes)
			}
		}
		told := 0
		for _, m := range g.mailsTo("ada@posteo.example") {
			if strings.Contains(m.Subject, "Auftrag: Beschäftigte über") {
				told++
			}
		}
		if told != 1 {
			t.Errorf("the owner was told %d times", told)
		}
		// It is mailed all the same, and that works: nothing more is asked for.
		for range 3 {
			g.clock.pass(time.Minute)
			g.sweep(t)
		}
		if len(g.town.sent) != 2 || len(g.town.tasks[in.ID]) != 1 {
			t.Errorf("%d mails, %s", len(g.town.sent), fmt.Sprint(g.town.tasks[in.ID]))
		}
	})
}
