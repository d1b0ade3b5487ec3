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

// An end that silence made is told as one: nobody reads that it works again, neither in
// a letter nor in a text message nor in the course. One more word alarms anew, and an
// end that somebody says is an end.
func TestI20_EndBySilenceIsToldAsOne(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		quiet := resolved("bma:7", "portal", 2)
		quiet.QuietSince, quiet.At = noon, noon.Add(30*time.Minute+20*time.Second)
		fold(t, r, sw.Ctx, firing("bma:7", "portal", 1))
		fold(t, r, sw.Ctx, firing("bma:8", "portal", 1))
		w.now, w.sent = quiet.At, nil
		fold(t, r, sw.Ctx, quiet)
		if len(w.sent) != 0 {
			t.Fatal("the other still fires:", w.to())
		}
		fold(t, r, sw.Ctx, resolved("bma:8", "portal", 2)) // and this one says so
		for _, m := range w.sent {
			if !strings.HasPrefix(m.Subject, "keine Meldung mehr: Bürgerportal") || strings.Contains(m.Text, "läuft wieder.") || !strings.Contains(m.Text, "niemand hat gemeldet") {
				t.Fatalf("%s\n%s", m.Subject, m.Text)
			}
		}
		if len(w.to()) == 0 {
			t.Fatal("nobody hears of the end")
		}
		a := list(t, r, sw.Ctx, alert.Filter{})[0]
		if a.State != alert.StateClosed || !a.Quiet() {
			t.Fatalf("%+v", a)
		}
		course, err := r.Course(sw.Ctx, a.ID, alert.CourseFilter{})
		i := slices.IndexFunc(course, func(c alert.Course) bool { return c.What == alert.FellQuiet })
		if err != nil || i < 0 || course[i].Word != "1800" || course[i].Name != quiet.Title {
			t.Fatalf("%+v %v", course, err)
		}

		fold(t, r, sw.Ctx, firing("bma:7", "portal", 3))
		again := list(t, r, sw.Ctx, alert.Filter{Current: true})
		if len(again) != 1 || again[0].ID == a.ID || len(w.to()) == 0 {
			t.Fatalf("it speaks again, and nobody is woken: %+v", again)
		}
		// Inside an open alert the next word takes the guess back.
		fold(t, r, sw.Ctx, firing("bma:9", "portal", 1))
		quiet.Seq = 4
		fold(t, r, sw.Ctx, quiet)
		fold(t, r, sw.Ctx, firing("bma:7", "portal", 5))
		fold(t, r, sw.Ctx, resolved("bma:7", "portal", 6))
		fold(t, r, sw.Ctx, resolved("bma:9", "portal", 2))
		if got := w.to(); len(got) == 0 || !strings.Contains(got[0], "läuft wieder: Bürgerportal") {
			t.Fatalf("every end was said: %q", got)
		}
		if a, err := r.Get(sw.Ctx, again[0].ID); err != nil || a.Quiet() || a.Signals[0].State != signal.Resolved {
			t.Fatalf("%+v %v", a, err)
		}
	})
}
