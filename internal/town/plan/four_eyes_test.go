package plan_test

import (
	"testing"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/plan"
)

// I3 hangs on the kind: a publisher who calls the citizens "staff" would publish
// to them alone.
func TestI3_PublisherCannotLoosenAnAudience(t *testing.T) {
	storetest.Each(t, []store.Migrations{audit.Migrations(), plan.Migrations()}, func(t *testing.T, w *storetest.World) {
		r := plan.New(plan.Options{Store: w.Store, Clock: clock.System{}, Audit: audit.New(audit.Options{Store: w.Store, Clock: clock.System{}})})
		as := func(role string, kind plan.Kind) error {
			ctx := ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPerson, Person: "p", Roles: []string{role}})
			return r.Save(ctx, plan.Audience{Slug: "leute", Name: "Leute", Kind: kind, Recipients: []string{"liste@post.example"}})
		}
		if err := as("publisher", plan.Citizens); err != nil {
			t.Fatal(err)
		}
		if err := as("publisher", plan.Staff); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("a publisher took the second person away: %v", err)
		}
		if err := as("publisher", plan.Press); err != nil {
			t.Errorf("press needs a second person too: %v", err)
		}
		if err := as("admin", plan.Staff); err != nil {
			t.Errorf("administrator: %v", err)
		}
	})
}
