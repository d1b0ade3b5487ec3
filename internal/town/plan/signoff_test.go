package plan_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/plan"
)

// A sign-off holds for its version alone, is taken back with a reason, and stays
// in the list (R3.20).
func TestSignOff(t *testing.T) {
	each(t, func(t *testing.T, w *storetest.World, r *plan.Room, c *moving) {
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		edit := func(text string) {
			_, err := r.Edit(w.Ctx, plan.Questions, -1, func(d *plan.Document) error { d.Lists[plan.Questions] = []string{text}; return nil })
			must(err)
		}
		stands := func(b plan.Backing, version int) {
			t.Helper()
			got, s, err := r.Backing(w.Ctx)
			if err != nil || got != b || s.Version != version {
				t.Fatalf("%s by version %d, want %s by %d (%v)", got, s.Version, b, version, err)
			}
		}
		eva := plan.SignOff{Version: 1, Name: " Eva Vogt ", Function: "Bürgermeisterin", Day: "2027-03-01", Note: "Akte 10"}
		if f := fault.As(second(r.SignOff(w.Ctx, eva))); f.Fields["version"] != "plan.signoff_version" {
			t.Fatal("a version that is not there was signed", f)
		}
		edit("Was?")
		stands(plan.Unsigned, 0)
		for field, change := range map[string]func(*plan.SignOff){
			"name": func(s *plan.SignOff) { s.Name = " " }, "function": func(s *plan.SignOff) { s.Function = "" },
			"day": func(s *plan.SignOff) { s.Day = "2027-03-02" }, "note": func(s *plan.SignOff) { s.Note = strings.Repeat("x", 301) },
			"version": func(s *plan.SignOff) { s.Version = 2 },
		} {
			bad := eva
			change(&bad)
			if f := fault.As(second(r.SignOff(w.Ctx, bad))); f.Fields[field] == "" {
				t.Errorf("%s: %+v is taken: %v", field, bad, f)
			}
		}
		early := eva
		early.Day = "2027-02-28"
		if f := fault.As(second(r.SignOff(w.Ctx, early))); f.Fields["day"] != "plan.signoff_before" {
			t.Error("signed before it was written", f)
		}
		one, err := r.SignOff(w.Ctx, eva)
		must(err)
		if one.Name != "Eva Vogt" || one.ByName == "" {
			t.Fatal(one)
		}
		stands(plan.Signed, 1)
		c.t = c.t.Add(48 * time.Hour)
		edit("Wer?")
		stands(plan.Outdated, 1)
		two, err := r.SignOff(w.Ctx, plan.SignOff{Version: 2, Name: "Max", Function: "Amtsleiter", Day: "2027-03-03"})
		must(err)
		stands(plan.Signed, 2)
		if _, err := r.WithdrawSignOff(w.Ctx, two.ID, "  "); fault.As(err).Fields["reason"] == "" {
			t.Fatal("taken back without a reason", err)
		}
		back, err := r.WithdrawSignOff(w.Ctx, two.ID, "Falsche Person")
		must(err)
		if back.Counts() || back.Reason != "Falsche Person" || !back.Withdrawn.Equal(c.t) {
			t.Fatal(back)
		}
		stands(plan.Outdated, 1)
		if _, err := r.WithdrawSignOff(w.Ctx, two.ID, "noch einmal"); fault.KindOf(err) != fault.NotFound {
			t.Fatal("taken back twice", err)
		}
		all, err := r.SignOffs(w.Ctx)
		if err != nil || len(all) != 2 || all[0].ID != two.ID || all[0].Counts() || !all[1].Counts() {
			t.Fatal(all, err)
		}
		other := ident.WithTenant(w.Ctx, "t2")
		if all, err := r.SignOffs(other); err != nil || len(all) != 0 { // I19
			t.Fatal(all, err)
		}
		if _, err := r.WithdrawSignOff(other, one.ID, "fremd"); fault.KindOf(err) != fault.NotFound {
			t.Fatal("another town's was taken back", err)
		}
		reader := ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPerson, Person: "r", Roles: []string{"reader"}})
		if _, err := r.SignOff(reader, eva); fault.KindOf(err) != fault.Forbidden {
			t.Fatal(err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// Whatever was signed and taken back: the plan counts as signed only by a
// sign-off of just this version that nobody took back, and the score says so.
func TestBackedBySignature(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		version := rapid.IntRange(1, 6).Draw(rt, "version")
		var all []plan.SignOff
		signed, older := false, 0
		for i, v := range rapid.SliceOfN(rapid.IntRange(1, 6), 0, 8).Draw(rt, "signed") {
			s := plan.SignOff{ID: string(rune('a' + i)), Version: v, Day: "2027-03-01"}
			if rapid.Bool().Draw(rt, "back") {
				s.Withdrawn = time.Date(2027, 3, 2, 0, 0, 0, 0, time.UTC)
			} else {
				signed = signed || v == version
				if v < version {
					older = max(older, v)
				}
			}
			all = append(all, s)
		}
		b, s := plan.Backed(all, version)
		want, by := plan.Unsigned, 0
		switch {
		case signed:
			want, by = plan.Signed, version
		case older > 0:
			want, by = plan.Outdated, older
		}
		if b != want || s.Version != by || (by > 0 && !s.Counts()) {
			rt.Fatalf("%s by %+v, want %s by version %d of %+v at %d", b, s, want, by, all, version)
		}
		missing := false
		for _, f := range plan.Assess(plan.Document{}, nil, plan.World{Backing: b, Signed: s, Version: version}).Missing() {
			missing = missing || f.Href == "/kit/signoff"
		}
		if missing == signed {
			rt.Fatalf("signed %t, and the score asks for it: %t", signed, missing)
		}
	})
}
