package incident_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/storetest"
)

// However an incident goes on, what it was at an earlier moment stays what it
// was: level, phase, services and facts as of then are those that were read then.
func TestAsOfNeverChanges(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		ctx := as(sw.Ctx, "it")
		type stand struct {
			at       time.Time
			incident incident.Incident
			facts    []incident.Fact
		}
		rapid.Check(t, func(rt *rapid.T) {
			i := open(t, r, ctx, incident.OpenRequest{Title: "Bürgerportal", Services: []string{"portal"}})
			var known []incident.FactID
			var seen []stand
			for range rapid.IntRange(1, 6).Draw(rt, "acts") {
				w.now = w.now.Add(time.Duration(rapid.IntRange(1, 90).Draw(rt, "minutes")) * time.Minute)
				// Some acts are refused in some phases; then nothing changes.
				switch rapid.SampledFrom([]string{"level", "phase", "say", "change"}).Draw(rt, "act") {
				case "level":
					_ = r.SetLevel(ctx, i.ID, rapid.SampledFrom(incident.Levels()).Draw(rt, "level"))
				case "phase":
					_ = r.Advance(ctx, i.ID, rapid.SampledFrom(incident.Phases()).Draw(rt, "phase"), "")
				case "say":
					f, err := r.AddFact(ctx, i.ID, incident.Fact{Text: "Es ist so.", Certainty: incident.FactAssumed})
					if err == nil {
						known = append(known, f.ID)
					}
				case "change":
					if len(known) > 0 {
						_, _ = r.UpdateFact(ctx, i.ID, incident.Fact{ID: known[0], Text: "Es ist anders.", Certainty: incident.FactConfirmed})
					}
				}
				now, err := r.Get(ctx, i.ID)
				if err != nil {
					rt.Fatal(err)
				}
				facts, err := r.Facts(ctx, i.ID)
				if err != nil {
					rt.Fatal(err)
				}
				seen = append(seen, stand{w.now, now, facts})
			}
			for _, s := range seen {
				then, err := r.AsOf(ctx, i.ID, s.at)
				if err != nil || then.Level != s.incident.Level || then.Phase != s.incident.Phase || !slices.Equal(then.Services, s.incident.Services) {
					rt.Fatalf("as of %s it is %s, %s; it was %s, %s (%v)", s.at, then.Level, then.Phase, s.incident.Level, s.incident.Phase, err)
				}
				facts, err := r.FactsAsOf(ctx, i.ID, s.at)
				if err != nil || !slices.Equal(facts, s.facts) {
					rt.Fatalf("as of %s the facts are %+v; they were %+v (%v)", s.at, facts, s.facts, err)
				}
			}
		})
	})
}
