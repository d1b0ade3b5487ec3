package desk

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/town/plan"
)

// The editions for the management come at their own rhythm: one always holds,
// it is never older than a rhythm while the incident goes on, and the numbers
// only grow (R1.16).
func TestEditionsKeepTheirRhythm(t *testing.T) {
	start := time.Date(2027, 3, 1, 13, 7, 0, 0, time.UTC)
	rapid.Check(t, func(rt *rapid.T) {
		every := time.Duration(rapid.IntRange(5, 240).Draw(rt, "every")) * time.Minute
		i := incident.Incident{OpenedAt: start, ConfirmedAt: start.Add(time.Duration(rapid.IntRange(0, 90).Draw(rt, "confirmed")) * time.Minute)}
		if rapid.Bool().Draw(rt, "restored") {
			i.RestoredAt = i.ConfirmedAt.Add(time.Duration(rapid.IntRange(1, 3000).Draw(rt, "after")) * time.Minute)
		}
		last := edition{}
		now := i.ConfirmedAt
		for _, step := range rapid.SliceOfN(rapid.IntRange(0, 300), 1, 20).Draw(rt, "steps") {
			now = now.Add(time.Duration(step) * time.Minute)
			e := editionAt(i, every, now)
			over := !i.RestoredAt.IsZero() && !now.Before(i.RestoredAt)
			switch {
			case e.At.After(now) || e.Number < 1:
				rt.Fatalf("edition %d is of %s, it is %s", e.Number, e.At, now)
			case e.Number < last.Number:
				rt.Fatalf("edition %d after %d", e.Number, last.Number)
			case over && (!e.Next.IsZero() || !e.At.Equal(i.RestoredAt)):
				rt.Fatalf("the last edition promises another one: %+v", e)
			case !over && (now.Sub(e.At) >= every || !e.Next.Equal(e.At.Add(every))):
				rt.Fatalf("edition %+v is older than %s at %s", e, every, now)
			}
			last = e
		}
	})
	if got := briefEvery([]plan.Audience{{Kind: plan.Leadership, Cadence: 20 * time.Minute}}); got != 20*time.Minute {
		t.Error(got)
	}
	if got := briefEvery(nil); got != 30*time.Minute {
		t.Error(got)
	}
}
