package plan_test

import (
	"testing"
	"time"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/plan"
)

func TestAudiences(t *testing.T) {
	storetest.Each(t, []store.Migrations{audit.Migrations(), plan.Migrations()}, func(t *testing.T, w *storetest.World) {
		r := plan.New(plan.Options{Store: w.Store, Clock: clock.System{}, Audit: audit.New(audit.Options{Store: w.Store, Clock: clock.System{}})})
		citizens := plan.Audience{Slug: "citizens", Kind: plan.Citizens, Name: "Bürgerinnen und Bürger", Recipients: []string{"liste@musterstadt.example"}}
		if err := r.Declare(w.Ctx, []plan.Audience{citizens}); err != nil {
			t.Fatal(err)
		}
		if err := r.Save(w.Ctx, plan.Audience{Slug: "rat", Kind: plan.Council, Name: "Rat", Cadence: 2 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		all, err := r.Audiences(w.Ctx)
		if err != nil || len(all) != 2 || all[0].Recipients[0] != "liste@musterstadt.example" || all[1].Every() != 2*time.Hour {
			t.Fatal(all, err)
		}
		bad := plan.Audience{Slug: "x", Kind: "nobody", Name: "X", Recipients: []string{"kein-at"}}
		if f := fault.As(r.Save(w.Ctx, bad)); f.Fields["kind"] == "" || f.Fields["recipients"] == "" {
			t.Fatal(f.Fields)
		}
		if err := r.Save(w.Ctx, citizens); fault.KindOf(err) != fault.Conflict {
			t.Fatal(err)
		}
		if all, err := r.Audiences(ident.WithTenant(w.Ctx, "t2")); err != nil || len(all) != 0 { // I19
			t.Fatal(all, err)
		}
		if err := r.Declare(w.Ctx, nil); err != nil {
			t.Fatal(err)
		}
		if all, err := r.Audiences(w.Ctx); err != nil || len(all) != 1 || all[0].Slug != "rat" {
			t.Fatal(all, err)
		}
	})
}
