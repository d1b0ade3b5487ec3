package alert_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
)

func warning(key, service string, seq int64) signal.Signal {
	s := firing(key, service, seq)
	s.Severity, s.Title = signal.Warning, "Bürgerportal antwortet nur eingeschränkt"
	return s
}

// A warning in the night wakes nobody, is listed, and its mail goes out in the
// morning. By day it goes out at once, and nobody further is asked.
func TestWarningWaitsForTheMorning(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		w.now = time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC) // 3 a.m. in the town
		fold(t, r, sw.Ctx, warning("monitor:portal", "portal", 1))
		if got := w.to(); len(got) != 0 {
			t.Fatalf("woken in the night: %v", got)
		}
		held, err := r.Withheld(sw.Ctx, w.now)
		if err != nil || len(held) != 1 || held[0].Reason != alert.Night || !held[0].EndedAt.IsZero() {
			t.Fatalf("%+v %v", held, err)
		}
		next, err := alert.Sweep(r, sw.Ctx, w.now)
		if err != nil || !next.Equal(time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)) {
			t.Fatalf("the morning is %v, %v", next, err)
		}
		w.now = next
		if next, err = alert.Sweep(r, sw.Ctx, w.now); err != nil || !next.IsZero() {
			t.Fatalf("somebody further is asked for a warning: %v %v", next, err)
		}
		if got := w.to(); len(got) == 0 {
			t.Fatal("no mail in the morning")
		}
		if held, err = r.Withheld(sw.Ctx, w.now.Add(time.Hour)); err != nil || len(held) != 0 {
			t.Fatalf("still listed: %+v %v", held, err)
		}
	})
}

// A warning that gets worse alarms at once, at night too, whoever has taken it.
func TestI20_WarningThatGetsWorseAlarms(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		fold(t, r, sw.Ctx, warning("monitor:portal", "portal", 1))
		id := list(t, r, sw.Ctx, alert.Filter{})[0].ID
		if _, err := r.Acknowledge(as(sw.Ctx, "bert", "B. Kern", "it"), id); err != nil {
			t.Fatal(err)
		}
		first := w.to()
		w.now = time.Date(2026, 11, 22, 23, 0, 0, 0, time.UTC)
		s := firing("monitor:portal", "portal", 2)
		fold(t, r, sw.Ctx, s)
		again := w.to()
		if len(again) == 0 || !slices.ContainsFunc(again, func(m string) bool { return strings.Contains(m, "gestört") || strings.Contains(m, "down") }) {
			t.Fatalf("first %v, then %v", first, again)
		}
		a, err := r.Get(sw.Ctx, id)
		if err != nil || a.State != alert.StateOpen || a.Severity != signal.Critical || a.Title != s.Title || a.AcknowledgedName != "" || a.NextAt.IsZero() {
			t.Fatalf("%+v %v", a, err)
		}
		if n := len(list(t, r, sw.Ctx, alert.Filter{})); n != 1 {
			t.Errorf("%d alerts", n)
		}
	})
}
