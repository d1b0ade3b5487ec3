package alert_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
)

func ofGroup(key, group string, seq int64) signal.Signal {
	s := firing(key, "", seq)
	s.Source, s.Group, s.Title, s.Detail = signal.Intake, group, "Sensor "+key, ""
	return s
}

// A storm of a thousand: everybody gets one alarm, one letter that names the
// others, and one end; the second system's storm is another's.
func TestStormIsOneBundle(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		const n = 300
		for i := range n {
			fold(t, r, sw.Ctx, ofGroup(fmt.Sprintf("prtg:%03d", i), "intake:prtg", 1))
			w.now = w.now.Add(10 * time.Millisecond)
		}
		fold(t, r, sw.Ctx, ofGroup("zabbix:1", "intake:zabbix", 1))
		if open := list(t, r, sw.Ctx, alert.Filter{Current: true}); len(open) != 2 {
			t.Fatalf("%d alerts", len(open))
		}
		if got := w.to(); len(got) != 6 { // two people, one with two addresses, twice
			t.Fatalf("%q", got)
		}
		next, err := alert.Bundles(r, sw.Ctx, w.now)
		if err != nil || len(w.sent) != 0 || next.Sub(w.now) > 10*time.Second {
			t.Fatal(next, len(w.sent), err)
		}
		w.now = next
		for range 2 {
			if _, err := alert.Bundles(r, sw.Ctx, w.now); err != nil {
				t.Fatal(err)
			}
		}
		if len(w.sent) != 3 || !strings.Contains(w.sent[0].Text, "Sensor prtg:019") || !strings.Contains(w.sent[0].Text, "und 280 weitere") {
			t.Fatalf("%d: %s", len(w.sent), w.sent[0].Text)
		}
		if got := w.to(); !strings.HasPrefix(got[0], "ada@posteo.example ▲ 299 weitere") {
			t.Fatalf("%q", got)
		}
		for i := range n {
			s := ofGroup(fmt.Sprintf("prtg:%03d", i), "intake:prtg", 2)
			s.State = signal.Resolved
			fold(t, r, sw.Ctx, s)
		}
		if got := w.to(); len(got) != 3 {
			t.Fatalf("%q", got)
		}
	})
}

// What comes after a quiet minute is trouble of its own, and wakes.
func TestGroupEnds(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	r, w := setup(t, sw)
	fold(t, r, sw.Ctx, ofGroup("prtg:1", "intake:prtg", 1))
	w.now = w.now.Add(61 * time.Second)
	w.to()
	fold(t, r, sw.Ctx, ofGroup("prtg:2", "intake:prtg", 1))
	if got := w.to(); len(got) != 3 {
		t.Fatalf("%q", got)
	}
}

// Whoever got the alarm hears of everything that joined it, at the latest a minute
// and a rest later, however the storm is spread: no signal waits for ever.
func TestI20_WhatJoinsIsTold(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	r, w := setup(t, sw)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		ctx := ident.WithTenant(sw.Ctx, ident.Tenant(fmt.Sprint("g", round)))
		w.sent = nil
		heard := func(title string) bool {
			for _, m := range w.sent {
				if m.To == "bert@town.example" && strings.Contains(m.Subject+"\n"+m.Text, title) {
					return true
				}
			}
			return false
		}
		n := rapid.IntRange(1, 6).Draw(rt, "n")
		for i := range n {
			fold(t, r, ctx, ofGroup(fmt.Sprintf("prtg:%02d.", i), "intake:prtg", 1))
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 70).Draw(rt, "pause")) * time.Second)
			if rapid.Bool().Draw(rt, "look") {
				if _, err := alert.Bundles(r, ctx, w.now); err != nil {
					rt.Fatal(err)
				}
			}
		}
		w.now = w.now.Add(6 * time.Minute)
		if next, err := alert.Bundles(r, ctx, w.now); err != nil || !next.IsZero() {
			rt.Fatal(next, err)
		}
		for i := range n {
			if title := fmt.Sprintf("prtg:%02d.", i); !heard("Sensor " + title) {
				rt.Fatalf("nobody heard of %s", title)
			}
		}
	})
}
