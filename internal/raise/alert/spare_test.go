package alert_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

func (w *world) clog() {
	w.stuck, w.waiting, w.flying, w.marked, w.back = true, map[string]bool{}, map[string]bool{}, map[string]channel.Why{}, nil
}

// Somebody takes the alarm while the text messages of the others wait for a dead
// gateway: they are withdrawn, the page says so, and nobody is told the end of what
// they never heard of. Who was reached is.
func TestNobodyIsCalledForWhatIsTaken(t *testing.T) {
	storetest.Each(t, chained(), func(t *testing.T, sw *storetest.World) {
		r, w, _ := withChain(t, sw)
		declare(t, sw.Ctx, w, chain.Chain{Slug: "edv", Name: "EDV", Services: []string{"portal"}, Steps: []chain.Step{
			{Notify: []chain.Who{"person:ada@town.example", "person:bert@town.example", "person:cem@town.example"}, By: []chain.Way{chain.SMS, chain.Mail}, Wait: 5 * time.Minute},
		}})
		w.hook = []alert.Hook{{URL: "https://chat.example/x"}}
		w.clog()
		fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1))
		id := list(t, r, sw.Ctx, alert.Filter{})[0].ID
		same(t, w.calls(), "+491 sms", "+492 sms", "cem@town.example mail")
		// Cem's mail is there; Bert's message is being tried.
		all, err := r.Notified(sw.Ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		var bert string
		for _, n := range all {
			switch n.PersonID {
			case "cem":
				delete(w.waiting, n.MessageID)
				if err := alert.Settle(r, sw.Ctx, w.now, channel.SettledEvent{ID: n.MessageID, State: channel.Accepted}); err != nil {
					t.Fatal(err)
				}
			case "bert":
				bert, w.flying[n.MessageID] = n.MessageID, true
			}
		}
		if _, err := r.Acknowledge(as(sw.Ctx, "cem", "Cem", "publisher"), id); err != nil {
			t.Fatal(err)
		}
		same(t, w.calls(), "+492 sms") // who has it: Bert's phone may ring any moment
		why := func(person string) alert.Decision {
			t.Helper()
			d, err := r.Why(sw.Ctx, id, person)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		if d := why("ada"); d.Woken || d.Reason != alert.NotNeeded {
			t.Errorf("ada: %+v", d)
		}
		if d := why("bert"); !d.Woken {
			t.Errorf("bert: %+v", d)
		}
		delete(w.flying, bert)
		for range 2 { // the bus tells at least once
			if err := alert.Settle(r, sw.Ctx, w.now, channel.SettledEvent{ID: bert, State: channel.Withdrawn, Reason: string(channel.NoLongerTaken), Doubtful: true}); err != nil {
				t.Fatal(err)
			}
		}
		if d := why("bert"); d.Woken || d.Reason != alert.NotAgain {
			t.Errorf("bert: %+v", d)
		}
		course, err := r.Course(sw.Ctx, id, alert.CourseFilter{})
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, c := range course {
			if c.What == alert.WayWithdrawn || c.What == alert.WayBrokenOff {
				lines = append(lines, c.Name+" "+c.Way+" "+string(c.What)+" "+c.Word)
			}
		}
		same(t, lines, "Ada sms withdrawn acknowledged", "Bert sms broken_off acknowledged")
		// Cem gives it back: those who heard nothing are told now.
		if _, err := r.Decline(as(sw.Ctx, "cem", "Cem", "publisher"), id); err != nil {
			t.Fatal(err)
		}
		w.pass(t, r, sw.Ctx, time.Second)
		got := w.calls()
		for _, want := range []string{"+491 sms", "+492 sms"} {
			if !slices.Contains(got, want) && !slices.Contains(got, map[string]string{"+491 sms": "ada@town.example mail", "+492 sms": "bert@town.example mail"}[want]) {
				t.Errorf("%s heard nothing: %q", want, got)
			}
		}
	})
}

// Whatever people do while nothing, or not everything, leaves the house: an alarm is
// withdrawn only when its reader has answered, or when nobody needs it any more; who
// is said to be told was; and who was not is told when the alert is open.
func TestI20_WhatIsStillNeededIsKept(t *testing.T) {
	storetest.Each(t, chained(), func(t *testing.T, sw *storetest.World) {
		r, w, again := withChain(t, sw)
		round := 0
		names := []string{"ada", "bert", "cem"}
		rapid.Check(t, func(rt *rapid.T) {
			round++
			w.now, w.sent, w.hook = noon, nil, nil
			w.clog()
			ctx := ident.WithTenant(sw.Ctx, ident.Tenant(fmt.Sprint("s", round)))
			check := func(err error) {
				rt.Helper()
				if err != nil {
					rt.Fatal(err)
				}
			}
			everyone := false // then the chain ends with some who still must
			if rapid.Bool().Draw(rt, "chain") {
				var steps []chain.Step
				for i := range rapid.IntRange(1, 3).Draw(rt, "steps") {
					var who []chain.Who
					for _, n := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 3, rapid.ID[string]).Draw(rt, fmt.Sprint("who", i)) {
						who = append(who, chain.Who("person:"+n+"@town.example"))
					}
					steps = append(steps, chain.Step{
						Notify: who, Wait: time.Duration(rapid.IntRange(1, 9).Draw(rt, "wait")) * time.Minute, Repeat: rapid.IntRange(0, 1).Draw(rt, "repeat"),
						By:       rapid.SliceOfNDistinct(rapid.SampledFrom([]chain.Way{chain.Mail, chain.SMS, chain.Voice}), 0, 3, rapid.ID[chain.Way]).Draw(rt, "by"),
						Everyone: rapid.Bool().Draw(rt, "everyone"),
					})
				}
				everyone = slices.ContainsFunc(steps, func(s chain.Step) bool { return s.Everyone })
				declare(rt, ctx, w, chain.Chain{Slug: "edv", Name: "EDV", Services: []string{"portal"}, Steps: steps})
			}
			seq := int64(1)
			s := firing("monitor:portal", "portal", seq)
			s.Severity = rapid.SampledFrom([]signal.Severity{signal.Critical, signal.Critical, signal.Warning}).Draw(rt, "severity")
			check(alert.Fold(r, ctx, s))
			all, err := r.List(ctx, alert.Filter{})
			check(err)
			id := all[0].ID
			answers := map[string]bool{} // who has ever answered
			var taken []string
			arrived, lost := map[string]bool{}, map[string]bool{}
			sweep := func() {
				for range 40 {
					next, err := alert.Sweep(r, ctx, w.now)
					check(err)
					if next.IsZero() || next.After(w.now) {
						return
					}
				}
			}
			settle := func(mid string, e channel.SettledEvent) {
				delete(w.waiting, mid)
				delete(w.flying, mid)
				e.ID = mid
				check(alert.Settle(r, ctx, w.now, e))
			}
			look := func(before int) {
				rt.Helper()
				a, err := r.Get(ctx, id)
				check(err)
				told, err := r.Notified(ctx, id)
				check(err)
				by := map[string]alert.Notified{}
				for _, n := range told {
					by[n.MessageID] = n
				}
				climbs, err := alert.Climbs(r, ctx, id)
				check(err)
				free := a.State == alert.StateClosed || a.State == alert.StateAcknowledged && !climbs
				for _, mid := range w.back[before:] {
					n := by[mid]
					switch {
					case n.PersonID == "":
						rt.Fatalf("a webhook was withdrawn: %+v", n)
					case n.Kind == alert.Alarm && !free && !answers[n.PersonID]:
						rt.Fatalf("%s fires, is %s, and the alarm to %s was withdrawn", id, a.State, n.PersonID)
					case n.Kind == alert.Over:
						rt.Fatal("the word that it is over was withdrawn")
					}
				}
				for mid := range w.waiting {
					n := by[mid]
					if n.PersonID == "" || w.flying[mid] {
						continue
					}
					if free && !everyone && n.Kind == alert.Alarm || a.State == alert.StateClosed && n.Kind != alert.Over || a.State == alert.StateOpen && n.Kind == alert.Taken {
						rt.Fatalf("pointless, and it still goes out: %+v of an alert that is %s", n, a.State)
					}
				}
				decided, err := r.Decisions(ctx, id)
				check(err)
				for _, d := range decided {
					said := d.Woken
					reached := slices.ContainsFunc(told, func(n alert.Notified) bool {
						return n.PersonID == d.PersonID && n.Kind == alert.Alarm && !n.At.Before(d.At) && n.Receipt != "withdrawn" && n.Receipt != "broken_off"
					})
					if said && !reached {
						rt.Fatalf("%s is said to be told and is not: %+v", d.PersonID, told)
					}
					spared, heard := false, false
					for _, n := range told {
						if n.PersonID != d.PersonID || n.Kind != alert.Alarm {
							continue
						}
						now := !n.At.Before(d.At)
						spared = spared || now && (n.Receipt == "withdrawn" || n.Receipt == "broken_off")
						heard = heard || now && (n.Receipt == "" || arrived[n.MessageID] || n.Way == "mail" && n.Receipt == "accepted" && !lost[n.MessageID])
					}
					if said && spared && !heard {
						rt.Fatalf("%s is said to be told, an alarm to them was withdrawn, and that they heard another is not proven: %+v", d.PersonID, told)
					}
				}
			}
			for range rapid.IntRange(4, 16).Draw(rt, "acts") {
				before, who := len(w.back), rapid.SampledFrom(names).Draw(rt, "by")
				me := as(ctx, who, who, "publisher")
				stuck := slices.Sorted(maps.Keys(w.waiting))
				switch rapid.IntRange(0, 10).Draw(rt, "act") {
				case 0, 1:
					for _, mid := range stuck {
						if rapid.Bool().Draw(rt, "tried") {
							w.flying[mid] = true
						}
					}
				case 2, 3:
					for _, mid := range slices.Sorted(maps.Keys(w.flying)) {
						switch why := w.marked[mid]; {
						case rapid.Bool().Draw(rt, "taken"):
							settle(mid, channel.SettledEvent{State: channel.Accepted, Route: "g"})
							taken = append(taken, mid)
						case why != "":
							settle(mid, channel.SettledEvent{State: channel.Withdrawn, Reason: string(why), Doubtful: rapid.Bool().Draw(rt, "doubtful")})
						default:
							delete(w.flying, mid) // it is tried again later
						}
					}
				case 10:
					if len(taken) == 0 {
						break
					}
					mid := rapid.SampledFrom(taken).Draw(rt, "of which is news")
					how := channel.Arrived
					if rapid.Bool().Draw(rt, "lost") {
						how = channel.Lost
					}
					arrived[mid], lost[mid] = arrived[mid] || how == channel.Arrived, lost[mid] || how == channel.Lost
					check(alert.Receive(r, ctx, w.now, channel.ReceivedEvent{ID: mid, Arrival: how}))
				case 4:
					_, err := r.Acknowledge(me, id)
					answers[who] = answers[who] || err == nil
				case 5:
					_, err := r.Decline(me, id)
					answers[who] = answers[who] || err == nil
				case 6:
					_, err := r.Snooze(me, id, 15*time.Minute)
					answers[who] = answers[who] || err == nil
				case 7:
					to := rapid.SampledFrom(names).Draw(rt, "to")
					_, err := r.HandOn(me, id, identity.PersonID(to))
					answers[who] = answers[who] || err == nil
				case 8:
					if rapid.IntRange(0, 3).Draw(rt, "over") == 0 {
						seq++
						check(alert.Fold(r, ctx, resolved("monitor:portal", "portal", seq)))
					} else {
						r = again()
					}
				default:
					w.now = w.now.Add(time.Duration(rapid.IntRange(0, 400).Draw(rt, "pause")) * time.Second)
				}
				sweep()
				look(before)
			}
			// Left alone: what was marked and is not taken ends withdrawn, and then
			// everybody who may still be needed has an alarm on its way.
			for _, mid := range slices.Sorted(maps.Keys(w.flying)) {
				if why := w.marked[mid]; why != "" {
					settle(mid, channel.SettledEvent{State: channel.Withdrawn, Reason: string(why)})
				}
			}
			for range 200 {
				next, err := alert.Sweep(r, ctx, w.now)
				check(err)
				if next.IsZero() {
					break
				}
				if next.After(w.now) {
					w.now = next
				}
			}
			a, err := r.Get(ctx, id)
			check(err)
			look(len(w.back))
			if a.State != alert.StateOpen {
				return
			}
			decided, err := r.Decisions(ctx, id)
			check(err)
			for _, d := range decided {
				if (d.Reason == alert.NotNeeded || d.Reason == alert.NotAgain) && !answers[d.PersonID] {
					rt.Fatalf("the alert is open, and %s was spared: %+v", d.PersonID, d)
				}
			}
		})
	})
}
