package alert_test

import (
	"testing"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
)

// copyFails is the twin's signal: a warning, critical while citizens read the
// copy, and eased when they no longer do.
func copyFails(seq int64, severity signal.Severity, eased bool) signal.Signal {
	s := firing("twin:web", "", seq)
	s.Source, s.Severity, s.Eased, s.Title = signal.Monitor, severity, eased, "Notfall-Seite: „web“ nimmt keine Kopie mehr an"
	if severity == signal.Critical {
		s.Labels = map[string]string{signal.LabelReason: signal.ReadOutside}
	}
	return s
}

// At two at night a stale copy wakes nobody. An incident is published at three:
// the same alert wakes at once and says why. When the incident closes it is a
// warning again, for which nobody further is asked.
func TestI20_StaleCopyWakesOnlyWhileItIsRead(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		w.now = time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC) // 2 a.m. in the town
		fold(t, r, sw.Ctx, copyFails(1, signal.Warning, false))
		if got := w.to(); len(got) != 0 {
			t.Fatalf("woken for a copy that nobody reads: %v", got)
		}
		id := list(t, r, sw.Ctx, alert.Filter{})[0].ID
		w.now = w.now.Add(time.Hour)
		fold(t, r, sw.Ctx, copyFails(2, signal.Critical, false))
		if got := w.to(); len(got) == 0 {
			t.Fatal("nobody is woken for a copy that citizens read")
		}
		a, err := r.Get(sw.Ctx, id)
		if err != nil || a.Severity != signal.Critical || len(a.Signals) != 1 || a.Signals[0].Labels[signal.LabelReason] != signal.ReadOutside {
			t.Fatalf("%+v %v", a, err)
		}
		if held, err := r.Withheld(sw.Ctx, w.now.Add(time.Second)); err != nil || len(held) != 0 && held[0].EndedAt.IsZero() {
			t.Fatalf("still listed as withheld: %+v %v", held, err)
		}
		w.now = w.now.Add(time.Minute)
		fold(t, r, sw.Ctx, copyFails(3, signal.Warning, true))
		if a, err = r.Get(sw.Ctx, id); err != nil || a.Severity != signal.Warning || a.State != alert.StateOpen || !a.NextAt.IsZero() || len(a.Signals[0].Labels) != 0 {
			t.Fatalf("not eased: %+v %v", a, err)
		}
		w.now = w.now.Add(time.Hour)
		if next, err := alert.Sweep(r, sw.Ctx, w.now); err != nil || !next.IsZero() || len(w.to()) != 0 {
			t.Fatalf("somebody further is asked for a warning: %v %v", next, err)
		}
		// The next incident wakes again.
		fold(t, r, sw.Ctx, copyFails(4, signal.Critical, false))
		if got := w.to(); len(got) == 0 {
			t.Fatal("the second incident wakes nobody")
		}
		if n := len(list(t, r, sw.Ctx, alert.Filter{})); n != 1 {
			t.Errorf("%d alerts", n)
		}
	})
}

// Easing silences nothing else: an alert of which another source still says worse
// stays as it is, and the next person is still asked.
func TestI20_EasingSilencesNothingElse(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, _ := setup(t, sw)
		eased := func(seq int64, severity signal.Severity, is bool) signal.Signal {
			s := copyFails(seq, severity, is)
			s.Service = "portal"
			return s
		}
		fold(t, r, sw.Ctx, eased(1, signal.Critical, false))
		fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1))
		before := list(t, r, sw.Ctx, alert.Filter{})[0]
		fold(t, r, sw.Ctx, eased(2, signal.Warning, true))
		if a, err := r.Get(sw.Ctx, before.ID); err != nil || a.Severity != signal.Critical || !a.NextAt.Equal(before.NextAt) {
			t.Fatalf("another source still fires: %+v %v", a, err)
		}
		// A milder word that nobody vouches for changes nothing either.
		fold(t, r, sw.Ctx, copyFails(1, signal.Critical, false))
		fold(t, r, sw.Ctx, copyFails(2, signal.Warning, false))
		for _, a := range list(t, r, sw.Ctx, alert.Filter{}) {
			if a.Severity != signal.Critical {
				t.Fatalf("%+v", a)
			}
		}
	})
}

// Whoever closed the alert by hand has it closed: that it is milder now opens no
// new one, and that it is worse again does.
func TestEasedAfterItWasClosedByHand(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		fold(t, r, sw.Ctx, copyFails(1, signal.Critical, false))
		id := list(t, r, sw.Ctx, alert.Filter{})[0].ID
		if _, err := r.Close(as(sw.Ctx, "bert", "B. Kern", "it"), id, "bekannt"); err != nil {
			t.Fatal(err)
		}
		fold(t, r, sw.Ctx, copyFails(2, signal.Warning, true))
		if n := len(list(t, r, sw.Ctx, alert.Filter{Current: true})); n != 0 {
			t.Fatalf("%d alerts were opened for good news", n)
		}
		held, err := r.Withheld(sw.Ctx, w.now.Add(time.Second))
		if err != nil || len(held) != 1 || held[0].Reason != alert.ClosedByHand || !held[0].EndedAt.IsZero() {
			t.Fatalf("no longer listed: %+v %v", held, err)
		}
		fold(t, r, sw.Ctx, copyFails(3, signal.Critical, false))
		if n := len(list(t, r, sw.Ctx, alert.Filter{Current: true})); n != 1 {
			t.Fatalf("%d alerts, though it is worse again", n)
		}
	})
}
