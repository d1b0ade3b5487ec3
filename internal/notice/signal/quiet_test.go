package signal_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/storetest"
)

// reported is what another system says about one of its things.
func reported(key string, state signal.State, episode string, since time.Time) signal.Signal {
	return signal.Signal{Source: signal.Intake, Key: "intake:" + key, Episode: episode, State: state, Severity: signal.Critical, Title: key, Service: "portal", Since: since}
}

// unheard names what has been silent since before a moment.
func unheard(t *testing.T, r *signal.Room, ctx context.Context, prefix string, until time.Time) []string {
	t.Helper()
	all, err := r.Unheard(ctx, prefix, noon.Add(-time.Hour), until, 10)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, s := range all {
		out = append(out, fmt.Sprintf("%s %s %s", s.Key, s.Episode, s.QuietSince.Sub(noon)))
	}
	return out
}

// What says nothing for long is found by source and by its last word, whichever
// episode it was about, and ends unless a word comes first. The next word opens it
// again, also one whose clock is behind, as what begins now.
func TestI20_SilenceEndsUntilTheNextWord(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		r, c := room(t, w)
		is := func(what string, got []string, want string) {
			t.Helper()
			if fmt.Sprint(got) != want {
				t.Fatalf("%s: %v, want %s", what, got, want)
			}
		}
		at := func(d time.Duration) { c.t = noon.Add(d) }
		record(t, r, w.Ctx, reported("bma:7", signal.Firing, "e1", noon))
		record(t, r, w.Ctx, reported("bma:8", signal.Firing, "", noon))
		record(t, r, w.Ctx, reported("bma-2:7", signal.Firing, "e1", noon))
		record(t, r, w.Ctx, reported("bma:9", signal.Firing, "e1", noon))
		record(t, r, w.Ctx, reported("bma:9", signal.Resolved, "e1", noon))
		at(10 * time.Minute)
		record(t, r, w.Ctx, reported("bma:8", signal.Firing, "", noon)) // a repeat is a word
		is("all", unheard(t, r, w.Ctx, "intake:bma:", noon.Add(9*time.Minute)), "[intake:bma:7 e1 0s]")
		if err := r.Mentioned(w.Ctx, []string{"intake:bma:7", "intake:bma:9"}); err != nil {
			t.Fatal(err)
		}
		is("mentioned", unheard(t, r, w.Ctx, "intake:bma:", noon.Add(9*time.Minute)), "[]")

		// A word that came between the look and the end.
		at(40 * time.Minute)
		quiet := func(until time.Duration) signal.Signal {
			s := reported("bma:7", signal.Resolved, "e1", time.Time{})
			s.QuietSince = noon.Add(until)
			return record(t, r, w.Ctx, s)
		}
		if got := quiet(9 * time.Minute); got.State != signal.Firing {
			t.Fatalf("ended although it was mentioned: %+v", got)
		}
		got := quiet(11 * time.Minute)
		if got.State != signal.Resolved || got.Seq != 2 {
			t.Fatalf("%+v", got)
		}
		if again := quiet(30 * time.Minute); again.ID != got.ID {
			t.Fatalf("ended twice: %+v", again)
		}
		is("firing", firing(t, r, w.Ctx)[:1], "[intake:bma-2:7 e1]")

		at(50 * time.Minute)
		back := record(t, r, w.Ctx, reported("bma:7", signal.Firing, "e1", noon))
		if back.State != signal.Firing || back.Seq != 3 || !back.Since.Equal(c.t) {
			t.Fatalf("it spoke again: %+v", back)
		}
		// Again silence, and then an occurrence that says it began before.
		at(90 * time.Minute)
		quiet(60 * time.Minute)
		older := record(t, r, w.Ctx, reported("bma:7", signal.Firing, "e0", noon.Add(-30*time.Minute)))
		if older.State != signal.Firing || older.Seq != 5 || older.Episode != "e0" {
			t.Fatalf("one with an older clock: %+v", older)
		}
		// The other one still speaks, so the thing is not silent.
		at(120 * time.Minute)
		record(t, r, w.Ctx, reported("bma:7", signal.Firing, "e1", noon))
		is("another episode speaks", unheard(t, r, w.Ctx, "intake:bma:7", noon.Add(110*time.Minute)), "[]")

		// An end that is said at last makes the guess true.
		at(180 * time.Minute)
		s := reported("bma:8", signal.Resolved, "", time.Time{})
		s.QuietSince = noon.Add(170 * time.Minute)
		ended := record(t, r, w.Ctx, s)
		record(t, r, w.Ctx, reported("bma:8", signal.Resolved, ended.Episode, noon))
		if got := record(t, r, w.Ctx, reported("bma:8", signal.Firing, ended.Episode, noon)); got.State == signal.Firing && got.Seq != 0 {
			t.Fatalf("it had ended by a word: %+v", got)
		}
	})
}
