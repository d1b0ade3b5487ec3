package service_test

import (
	"testing"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/service"
)

// I3: words that prepared texts print wait for a second person after a change;
// what prints nothing does not reopen them, and the operator's word is settled.
func TestI3_ChangedWordsWaitForASecondPerson(t *testing.T) {
	storetest.Each(t, []store.Migrations{audit.Migrations(), service.Migrations()}, func(t *testing.T, w *storetest.World) {
		r := service.New(service.Options{Store: w.Store, Clock: clock.System{}, Audit: audit.New(audit.Options{Store: w.Store, Clock: clock.System{}})})
		as := func(who string, roles ...string) func(s service.Service) error {
			ctx := ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPerson, Person: who, Name: who, Roles: roles})
			return func(s service.Service) error {
				if s.Slug == "" {
					return r.ReleaseWords(ctx)
				}
				return r.Save(ctx, s)
			}
		}
		open := func(want int) {
			t.Helper()
			if got, err := r.OpenWords(w.Ctx); err != nil || len(got) != want {
				t.Errorf("%d with open words, want %d: %v", len(got), want, err)
			}
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		dirk, bert, cleo := as("dirk", "it"), as("bert", "admin", "approver"), as("cleo", "approver")
		release := service.Service{}

		must(r.Declare(w.Ctx, []service.Service{{Slug: "portal", Name: "Portal", Workaround: service.Workaround{Text: "Telefon"}}}))
		must(r.Save(w.Ctx, service.Service{Slug: "kfz", Name: "Kfz"})) // the system's, as in the demo
		open(0)
		own := service.Service{Slug: "kfz", Name: "Kfz", Workaround: service.Workaround{Text: "Schalter 3"}}
		must(dirk(own))
		open(1)
		if err := dirk(release); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("released without the role: %v", err)
		}
		must(cleo(release))
		open(0)
		own.Owner = "dirk@musterstadt.example"
		must(dirk(own))
		open(0)
		own.Workaround.Short = "Schalter 3"
		own.Worded = service.Worded{} // what a form sends does not settle it
		must(bert(own))
		open(1)
		must(bert(release)) // an approver's own words need another one
		open(1)
		must(cleo(release))
		open(0)
	})
}
