package signal_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/storetest"
)

// What Troubles reads from its index is what a walk over all firing signals finds,
// after any history of services, sources and severities.
func TestTroublesAreWhatFires(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		r, _ := room(t, w)
		if all, err := r.Troubles(w.Ctx); err != nil || len(all) != 0 {
			t.Fatalf("before anything: %v, %v", all, err)
		}
		rapid.Check(t, func(rt *rapid.T) {
			for range rapid.IntRange(1, 6).Draw(rt, "reports") {
				s := sig(rapid.SampledFrom([]signal.State{signal.Firing, signal.Firing, signal.Resolved}).Draw(rt, "state"), "", noon)
				s.Key = rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "key")
				s.Service = rapid.SampledFrom([]string{"", "portal", "kfz"}).Draw(rt, "service")
				s.Source = rapid.SampledFrom([]signal.Source{signal.Monitor, signal.Intake, signal.Citizen}).Draw(rt, "source")
				s.Severity = rapid.SampledFrom([]signal.Severity{signal.Info, signal.Warning, signal.Critical}).Draw(rt, "severity")
				record(t, r, w.Ctx, s)
			}
			firing, err := r.Firing(w.Ctx)
			if err != nil {
				rt.Fatal(err)
			}
			want := map[signal.Trouble]bool{}
			for _, s := range firing {
				if s.Service != "" {
					want[signal.Trouble{s.Service, s.Source, s.Severity}] = true
				}
				if yes, err := r.IsFiring(w.Ctx, s.Key); err != nil || !yes {
					rt.Fatalf("%s is firing, but %v, %v", s.Key, yes, err)
				}
			}
			got, err := r.Troubles(w.Ctx)
			if err != nil || len(got) != len(want) || slices.ContainsFunc(got, func(x signal.Trouble) bool { return !want[x] }) {
				rt.Fatalf("%v, %v; firing are %v", got, err, want)
			}
			if n, err := r.FiringCount(w.Ctx); err != nil || n != len(firing) {
				rt.Fatalf("%d, %v; firing are %d", n, err, len(firing))
			}
		})
		if yes, err := r.IsFiring(w.Ctx, "never heard of"); err != nil || yes {
			t.Errorf("a key nobody knows: %v, %v", yes, err)
		}
	})
}
