package alert_test

import (
	"slices"
	"testing"
	"time"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/channel"
)

// adaAndBert are called by text message and then by mail; nothing leaves the outbox.
func adaAndBert(t *testing.T, sw *storetest.World) (*alert.Room, *world, alert.ID) {
	t.Helper()
	r, w, _ := withChain(t, sw)
	declare(t, sw.Ctx, w, chain.Chain{Slug: "edv", Name: "EDV", Services: []string{"portal"}, Steps: []chain.Step{
		{Notify: []chain.Who{"person:ada@town.example", "person:bert@town.example"}, By: []chain.Way{chain.SMS, chain.Mail}, Wait: time.Hour},
	}})
	w.clog()
	fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1))
	id := list(t, r, sw.Ctx, alert.Filter{})[0].ID
	same(t, w.calls(), "+491 sms", "+492 sms")
	return r, w, id
}

// Bert's text message was taken by the provider, and whether he has it is not known,
// or it is known that he has not. His mail waits when Ada takes the alert, and is
// withdrawn. When she gives it back, he is told anew: only what is proven was heard.
func TestI20_OnlyProofIsHearing(t *testing.T) {
	type step func(t *testing.T, r *alert.Room, w *world, sw *storetest.World, sms string)
	settle := func(e channel.SettledEvent) step {
		return func(t *testing.T, r *alert.Room, w *world, sw *storetest.World, sms string) {
			t.Helper()
			e.ID = sms
			delete(w.waiting, sms)
			delete(w.flying, sms)
			if err := alert.Settle(r, sw.Ctx, w.now, e); err != nil {
				t.Fatal(err)
			}
		}
	}
	receive := func(how channel.Arrival) step {
		return func(t *testing.T, r *alert.Room, w *world, sw *storetest.World, sms string) {
			t.Helper()
			if err := alert.Receive(r, sw.Ctx, w.now, channel.ReceivedEvent{ID: sms, Arrival: how, Reason: "absent subscriber"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	both := func(all ...step) step {
		return func(t *testing.T, r *alert.Room, w *world, sw *storetest.World, sms string) {
			t.Helper()
			for _, do := range all {
				do(t, r, w, sw, sms)
			}
		}
	}
	nothing := both()
	fly := func(_ *testing.T, _ *alert.Room, w *world, _ *storetest.World, sms string) { w.flying[sms] = true }
	accepted := settle(channel.SettledEvent{State: channel.Accepted, Route: "g"})
	for _, c := range []struct {
		name                 string
		before, taken, given step // before Ada takes it, while she has it, and after she gave it back
		told                 bool // Bert counts as told while she has it
	}{
		{"lost", both(accepted, receive(channel.Lost)), nothing, nothing, false},
		{"silent", accepted, nothing, nothing, false},
		{"taken under her hands", fly, accepted, nothing, false},
		{"taken afterwards", fly, nothing, accepted, true},
		{"refused for good afterwards", fly, nothing, settle(channel.SettledEvent{State: channel.Withdrawn, Reason: string(channel.NoLongerTaken)}), true},
		{"lost afterwards", accepted, nothing, receive(channel.Lost), false},
	} {
		storetest.Each(t, chained(), func(t *testing.T, sw *storetest.World) {
			r, w, id := adaAndBert(t, sw)
			sms := lastTo(t, r, sw.Ctx, id, "bert")
			c.before(t, r, w, sw, sms)
			w.pass(t, r, sw.Ctx, 10*time.Minute)
			if mail := lastTo(t, r, sw.Ctx, id, "bert"); mail == sms || !w.waiting[mail] {
				t.Fatal(c.name, ": his mail should wait")
			}
			if _, err := r.Acknowledge(as(sw.Ctx, "ada", "Ada", "publisher"), id); err != nil {
				t.Fatal(err)
			}
			if len(w.back) == 0 {
				t.Fatal(c.name, ": nothing is withdrawn")
			}
			c.taken(t, r, w, sw, sms)
			d, err := r.Why(sw.Ctx, id, "bert")
			if err != nil || d.Woken != c.told || !d.Woken && d.Reason != alert.NotAgain {
				t.Errorf("%s: %+v %v", c.name, d, err)
			}
			if _, err := r.Decline(as(sw.Ctx, "ada", "Ada", "publisher"), id); err != nil {
				t.Fatal(err)
			}
			w.calls()
			c.given(t, r, w, sw, sms)
			w.pass(t, r, sw.Ctx, 3*time.Hour)
			if got := w.calls(); !slices.Contains(got, "+492 sms") && !slices.Contains(got, "bert@town.example mail") {
				d, err := r.Why(sw.Ctx, id, "bert")
				t.Errorf("%s: open for three hours, and Bert is not told: %q %+v %v", c.name, got, d, err)
			}
		})
	}
}

// What proves that Bert heard of it keeps him told, also when it comes late.
func TestProvenIsHeard(t *testing.T) {
	for _, late := range []bool{false, true} {
		storetest.Each(t, chained(), func(t *testing.T, sw *storetest.World) {
			r, w, id := adaAndBert(t, sw)
			sms := lastTo(t, r, sw.Ctx, id, "bert")
			arrives := func() {
				if err := alert.Receive(r, sw.Ctx, w.now, channel.ReceivedEvent{ID: sms, Arrival: channel.Arrived}); err != nil {
					t.Fatal(err)
				}
			}
			delete(w.waiting, sms)
			if err := alert.Settle(r, sw.Ctx, w.now, channel.SettledEvent{ID: sms, State: channel.Accepted, Route: "g"}); err != nil {
				t.Fatal(err)
			}
			w.pass(t, r, sw.Ctx, 10*time.Minute)
			if !late {
				arrives()
			}
			if _, err := r.Acknowledge(as(sw.Ctx, "ada", "Ada", "publisher"), id); err != nil {
				t.Fatal(err)
			}
			if d, err := r.Why(sw.Ctx, id, "bert"); err != nil || d.Woken == late {
				t.Fatalf("late %v: %+v %v", late, d, err)
			}
			if late {
				arrives()
			}
			if d, err := r.Why(sw.Ctx, id, "bert"); err != nil || !d.Woken || d.Reason != alert.ByChain {
				t.Fatalf("late %v: %+v %v", late, d, err)
			}
		})
	}
}

// A program, which is nobody's person, hands the alert on or puts it off: nobody has
// taken it, and everybody's alarm stays.
func TestI20_ProgramAnswersForNobody(t *testing.T) {
	for verb, do := range map[string]func(*alert.Room, *storetest.World, alert.ID) error{
		"hand on": func(r *alert.Room, sw *storetest.World, id alert.ID) error {
			_, err := r.HandOn(ident.WithActor(sw.Ctx, ident.Actor{Kind: ident.KindToken, Name: "Leitstand", Roles: []string{"it"}}), id, "cem")
			return err
		},
		"put off": func(r *alert.Room, sw *storetest.World, id alert.ID) error {
			_, err := r.Snooze(ident.WithActor(sw.Ctx, ident.Actor{Kind: ident.KindToken, Name: "Leitstand", Roles: []string{"it"}}), id, 15*time.Minute)
			return err
		},
	} {
		storetest.Each(t, chained(), func(t *testing.T, sw *storetest.World) {
			r, w, id := adaAndBert(t, sw)
			if err := do(r, sw, id); err != nil {
				t.Fatal(err)
			}
			if len(w.back) > 0 {
				t.Errorf("%s: %d alarms of people who answered nothing are withdrawn", verb, len(w.back))
			}
		})
	}
}

// The source fell silent while the gateway was dead. Nobody has said that it is over:
// who never heard of the alarm keeps it, and an end that somebody says withdraws it.
func TestI20_GuessWithdrawsNoAlarm(t *testing.T) {
	for _, guess := range []bool{true, false} {
		storetest.Each(t, chained(), func(t *testing.T, sw *storetest.World) {
			r, w, id := adaAndBert(t, sw)
			w.now = w.now.Add(20 * time.Minute)
			over := resolved("monitor:portal", "portal", 2)
			if guess {
				over.QuietSince = w.now.Add(-20 * time.Minute)
			}
			fold(t, r, sw.Ctx, over)
			a, err := r.Get(sw.Ctx, id)
			if err != nil || a.State != alert.StateClosed || a.Quiet() != guess {
				t.Fatalf("%+v %v", a, err)
			}
			want, woken := 2, 0
			if guess {
				want, woken = 0, 2
			}
			if len(w.back) != want || a.Woken != woken {
				t.Errorf("guess %v: %d alarms are withdrawn, %d people told", guess, len(w.back), a.Woken)
			}
		})
	}
}

// Ada's alarm of the cause was withdrawn. She has not heard of it, and hears of what
// it does to her own service as everybody else.
func TestEffectIsToldToWhoWasSpared(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		network(w)
		fold(t, r, sw.Ctx, about("netz", 1))
		id := list(t, r, sw.Ctx, alert.Filter{})[0].ID
		bert := as(sw.Ctx, "bert", "Bert", "it")
		w.clog()
		if _, err := r.HandOn(bert, id, "ada"); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Acknowledge(bert, id); err != nil {
			t.Fatal(err)
		}
		if len(w.back) == 0 {
			t.Fatal("nothing is withdrawn")
		}
		w.to()
		fold(t, r, sw.Ctx, about("portal", 1))
		w.now = w.now.Add(time.Minute)
		for range 2 {
			if _, err := alert.Bundles(r, sw.Ctx, w.now); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.to(); !slices.ContainsFunc(got, func(s string) bool { return len(s) > 4 && s[:4] == "ada@" }) {
			t.Errorf("%q", got)
		}
	})
}
