package chain_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// chatty is Ada with an address in a messenger, too.
var chatty = func() identity.Person { p := ada; p.Chat = "signal:+491700000009"; return p }()

// ordered is a room for somebody with that order of ways; everything is carried.
func ordered(t *testing.T, sw *storetest.World, own func() ([]string, error)) *chain.Room {
	t.Helper()
	w := &world{now: noon, people: []identity.Person{chatty}}
	return chain.New(chain.Options{
		Store: sw.Store, Clock: w, Audit: w, People: w, Services: w,
		Carries: func(context.Context, channel.Kind) bool { return true },
		Address: func(_ context.Context, p identity.Person, w chain.Way) (string, error) {
			return string(p.ID) + string(w), nil
		},
		Order: func(context.Context, identity.PersonID) ([]string, error) { return own() },
	})
}

func words(all []chain.Contact) string {
	var out []string
	for _, c := range all {
		out = append(out, string(c.Way))
	}
	return strings.Join(out, " ")
}

// Where the step names no ways, the person's own order is the order; where it
// does, the step's comes first. One that cannot be read is the usual one.
func TestOwnOrder(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	own, broken := []string{"voice", "sms"}, error(nil)
	r := ordered(t, sw, func() ([]string, error) { return own, broken })
	for _, c := range []struct {
		by    []chain.Way
		want  string
		order chain.Order
	}{
		{nil, "voice sms mail alternative push chat", chain.OwnOrder},
		{[]chain.Way{chain.Mail}, "mail alternative sms push voice chat", chain.StepOrder},
	} {
		got, err := r.Contacts(sw.Ctx, chatty, c.by)
		if err != nil || words(got) != c.want || got[0].Order != c.order {
			t.Errorf("by %v: %s %q %v", c.by, words(got), got[0].Order, err)
		}
	}
	own = nil
	if got, err := r.Contacts(sw.Ctx, chatty, nil); err != nil || words(got) != "mail alternative sms push voice chat" || got[0].Order != chain.UsualOrder {
		t.Error(words(got), err)
	}
	own, broken = []string{"voice"}, errors.New("the disk is on fire")
	if got, err := r.Contacts(sw.Ctx, chatty, nil); err != nil || words(got) != "mail alternative sms push voice chat" {
		t.Error("doubt about an order silences nobody:", words(got), err)
	}
}

// Whatever somebody orders, be it words that nobody knows, every way that leads to
// them is tried, and tried once (I20).
func TestI20_OwnOrderLosesNoWay(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	var own []string
	r := ordered(t, sw, func() ([]string, error) { return own, nil })
	all := []string{"mail", "alternative", "sms", "push", "voice", "chat", "telegraph", "x", ""}
	rapid.Check(t, func(t *rapid.T) {
		own = rapid.SliceOfN(rapid.SampledFrom(all), 0, 12).Draw(t, "own")
		by := rapid.SliceOfN(rapid.SampledFrom(chain.Ways()), 0, 4).Draw(t, "by")
		got, err := r.Contacts(sw.Ctx, chatty, by)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range chain.Ways() {
			n := 0
			for _, c := range got {
				if c.Way == w && c.Lacking == "" {
					n++
				}
			}
			if n != 1 {
				t.Fatalf("%v %v: %s is tried %d times in %s", own, by, w, n, words(got))
			}
		}
		first := by
		if len(by) == 0 {
			for _, w := range own {
				first = append(first, chain.Way(w))
			}
		}
		last := -1
		for _, c := range got {
			if i := slices.Index(first, c.Way); i >= 0 {
				if i < last {
					t.Fatalf("%v %v: %s", own, by, words(got))
				}
				last = i
			}
		}
	})
}

// The linter says when somebody's own order tries what is independent of the town
// only after the next step has begun.
func TestLintOwnOrder(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	if err := sw.Jobs.Open(false); err != nil {
		t.Fatal(err)
	}
	own := []string{"mail", "chat", "sms"}
	r := ordered(t, sw, func() ([]string, error) { return own, nil })
	late := func(wait time.Duration, by ...chain.Way) bool {
		t.Helper()
		found, err := r.Lint(sw.Ctx, chain.Chain{Slug: "edv", Services: []string{"portal"}, Steps: []chain.Step{{Notify: []chain.Who{"person:ada@stadt.example"}, Wait: wait, By: by}}})
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(found, func(f chain.Finding) bool { return f.Flaw == chain.OwnLate })
	}
	if !late(4*time.Minute) || late(5*time.Minute) || late(4*time.Minute, chain.SMS) {
		t.Error(late(4*time.Minute), late(5*time.Minute), late(4*time.Minute, chain.SMS))
	}
	own = []string{"sms", "mail"}
	if late(time.Minute) {
		t.Error("a text message comes first")
	}
}
