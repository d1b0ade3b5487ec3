package replica

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/benbjohnson/litestream"
	"github.com/superfly/ltx"
	"pgregory.net/rapid"
)

// Whatever litestream writes and thins out, and wherever a transfer stops: what
// lies on a host can be restored to the last transaction that it reaches, that is
// never less than before, and in the end it is all.
func TestAlwaysRestorable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(1)
		made := func(level int, from, to ltx.TXID) file {
			at = at.Add(time.Second)
			return file{Level: level, Min: from, Max: to, Made: at.UTC(), Plain: int64(to)}
		}
		ours, had := []file{made(0, 1, 1)}, map[string]bool{}
		last := func(level int) (m ltx.TXID) {
			for _, f := range ours {
				if f.Level == level {
					m = max(m, f.Max)
				}
			}
			return m
		}
		reach := ltx.TXID(0)
		carry := func(steps int) {
			for range steps {
				f, ok := next(ours, had)
				if !ok {
					for name := range had {
						if !slices.ContainsFunc(ours, func(f file) bool { return f.name() == name }) {
							delete(had, name)
						}
					}
					if now := reachOf(had); now != last(0) {
						t.Fatalf("all was carried, and it reaches %d of %d", now, last(0))
					}
					break
				}
				had[f.name()] = true
			}
			now := reachOf(had)
			if now < reach {
				t.Fatalf("the host reached %d and reaches %d", reach, now)
			}
			if reach = now; reach == 0 {
				return
			}
			plan, err := litestream.CalcRestorePlan(t.Context(), &list{files: named(had)}, 0, time.Time{}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatalf("with %v: %v", had, err)
			}
			if got := plan[len(plan)-1].MaxTXID; got != reach {
				t.Fatalf("restored to %d, reached %d", got, reach)
			}
		}
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			switch rapid.SampledFrom([]string{"write", "write", "compact", "snapshot", "thin", "carry"}).Draw(t, "event") {
			case "write":
				ours = append(ours, made(0, last(0)+1, last(0)+1))
			case "compact":
				level := rapid.IntRange(1, 3).Draw(t, "level")
				if from, to := last(level)+1, last(level-1); from <= to && slices.ContainsFunc(ours, func(f file) bool { return f.Level == level-1 && f.Min == from }) {
					ours = append(ours, made(level, from, to))
				}
			case "snapshot":
				ours = append(ours, made(litestream.SnapshotLevel, 1, last(0)))
			case "thin":
				level := rapid.IntRange(0, 3).Draw(t, "of")
				above := last(level + 1)
				if level == 3 {
					above = last(litestream.SnapshotLevel)
				}
				newest := last(level)
				ours = slices.DeleteFunc(ours, func(f file) bool { return f.Level == level && f.Max <= above && f.Max < newest })
			case "carry":
				carry(rapid.IntRange(1, 6).Draw(t, "steps"))
			}
		}
		carry(1000)
	})
}

// A name says all that was put into it, and nothing else is taken for one.
func TestNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.Uint64Range(1, 1<<62).Draw(t, "from")
		f := file{
			Level: rapid.IntRange(0, 9).Draw(t, "level"), Min: ltx.TXID(from), Max: ltx.TXID(from + rapid.Uint64Range(0, 1<<60).Draw(t, "more")),
			Made: time.UnixMilli(rapid.Int64Range(0, 1<<44).Draw(t, "made")).UTC(), Plain: rapid.Int64Range(0, 1<<50).Draw(t, "plain"),
		}
		got, ok := parseName(f.Level, f.name()[2:])
		if !ok || got != f {
			t.Fatalf("%v became %v", f, got)
		}
	})
}

func FuzzParseName(f *testing.F) {
	f.Add("0000000000000001-0000000000000001-1764187200000-512.age")
	f.Add("../../etc/passwd.age")
	f.Fuzz(func(t *testing.T, name string) {
		if got, ok := parseName(3, name); ok && got.name() != "3/"+name {
			t.Errorf("%q was taken for %q", name, got.name())
		}
	})
}
