package signal_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/storetest"
)

// Many at once leave every key as one after another does, whatever they are and
// in whichever order and portions they come.
func TestRecordAllAsOneByOne(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		r, c := room(t, w)
		round := 0
		rapid.Check(t, func(t *rapid.T) {
			round++
			one, many := fmt.Sprintf("one-%d:", round), fmt.Sprintf("many-%d:", round)
			all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) signal.Signal {
				return signal.Signal{
					Source: signal.Intake, Key: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key"),
					Episode:  rapid.SampledFrom([]string{"", "e1", "e2"}).Draw(t, "episode"),
					State:    rapid.SampledFrom([]signal.State{signal.Firing, signal.Resolved}).Draw(t, "state"),
					Severity: rapid.SampledFrom([]signal.Severity{signal.Info, signal.Warning, signal.Critical}).Draw(t, "severity"),
					Since:    c.t.Add(-time.Duration(rapid.IntRange(0, 3).Draw(t, "since")) * time.Minute),
				}
			}), 1, 8).Draw(t, "signals")
			for _, s := range all {
				s.Key = one + s.Key
				if _, err := r.Record(w.Ctx, s); err != nil {
					t.Fatal(err)
				}
			}
			for portion := range slices.Chunk(all, rapid.IntRange(1, len(all)).Draw(t, "portion")) {
				portion = slices.Clone(portion)
				for i := range portion {
					portion[i].Key = many + portion[i].Key
				}
				if err := r.RecordAll(w.Ctx, portion); err != nil {
					t.Fatal(err)
				}
			}
			for _, key := range []string{"a", "b", "c"} {
				if got, want := told(t, w, r, many+key), told(t, w, r, one+key); !slices.Equal(got, want) {
					t.Fatalf("%s at once:\n%q\none by one:\n%q", key, got, want)
				}
			}
		})
	})
}

// told is what was told or ignored of a key, in the order of its changes.
func told(t *rapid.T, w *storetest.World, r *signal.Room, key string) []string {
	list, err := r.List(w.Ctx, signal.Filter{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range list {
		episode := "named"
		if s.Episode != "e1" && s.Episode != "e2" {
			episode = "its own"
		}
		out = append(out, fmt.Sprintf("%03d %s %s %s %s", s.Seq, episode, s.State, s.Severity, s.Since.Format("15:04")))
	}
	slices.Sort(out)
	firing, err := r.Firing(w.Ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range firing {
		if s.Key == key {
			out = append(out, fmt.Sprintf("stands %d %s", s.Seq, s.State))
		}
	}
	return out
}
