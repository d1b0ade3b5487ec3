package signal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/storetest"
)

// problem is one that a system numbers, as Zabbix does.
func problem(state signal.State, number string, since time.Time) signal.Signal {
	return signal.Signal{
		Source: signal.Intake, Key: "intake:zabbix:event " + number, Episode: number, State: state,
		Severity: signal.Critical, Title: "Disk full", Since: since,
	}
}

// A system that numbers its problems leaves nothing behind of those that are over for
// long. What is open stays, and so does what an incident that is open may need.
func TestKeepForgetsKeys(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		_, c := room(t, w)
		var needed time.Time
		var away error
		r := signal.New(signal.Options{Store: w.Store, Clock: c, Keep: 24 * time.Hour, Needed: func(context.Context) (time.Time, error) { return needed, away }})
		rows := func(want int64) {
			t.Helper()
			for _, table := range []string{"signal_key", "signal_episode"} {
				if n, err := w.Store.CountAll(w.Ctx, table); err != nil || n != want {
					t.Errorf("%d rows in %s, want %d, %v", n, table, want, err)
				}
			}
		}
		sweep := func() {
			t.Helper()
			if err := signal.Sweep(r, w.Ctx, c.t); err != nil {
				t.Fatal(err)
			}
		}
		var all []signal.Signal
		for i := range 1100 { // more than go at once
			all = append(all, problem(signal.Firing, fmt.Sprint(i), noon), problem(signal.Resolved, fmt.Sprint(i), noon))
		}
		if err := r.RecordAll(w.Ctx, all); err != nil {
			t.Fatal(err)
		}
		record(t, r, w.Ctx, problem(signal.Resolved, "unseen", noon)) // its beginning got lost
		record(t, r, w.Ctx, problem(signal.Firing, "open", noon))
		c.t = noon.Add(23 * time.Hour)
		sweep()
		rows(1102)
		record(t, r, w.Ctx, problem(signal.Resolved, "0", noon)) // said once more
		c.t = noon.Add(25 * time.Hour)
		needed = noon.Add(-time.Hour)
		sweep()
		rows(1102)
		needed, away = time.Time{}, errors.New("the database of incidents is away")
		if err := signal.Sweep(r, w.Ctx, c.t); !errors.Is(err, away) {
			t.Error(err)
		}
		rows(1102)
		away = nil
		sweep()
		rows(2)
		if got := firing(t, r, w.Ctx); !slices.Equal(got, []string{"intake:zabbix:event open open"}) {
			t.Errorf("firing: %q", got)
		}
		c.t = c.t.Add(400 * 24 * time.Hour)
		sweep()
		rows(1)
		if got := firing(t, r, w.Ctx); !slices.Equal(got, []string{"intake:zabbix:event open open"}) {
			t.Errorf("what is open is never forgotten: %q", got)
		}
		// Who set up Zabbix anew begins with its numbers at the front.
		before := record(t, r, w.Ctx, problem(signal.Firing, "7", c.t))
		if before.Seq <= 2 {
			t.Errorf("number %d was told of it before", before.Seq)
		}
		if after := record(t, r, w.Ctx, problem(signal.Resolved, "7", c.t)); after.Seq <= before.Seq {
			t.Errorf("%d after %d", after.Seq, before.Seq)
		}
	})
}

// Whenever keys are forgotten: what fires goes on, every change has a higher number than
// all before, a new trouble opens, its end ends it, and a late word about one that has
// ended within the time opens nothing.
func TestI20_ForgottenKeysEndRight(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		r, c := room(t, w) // keeps for a day
		round, episode := 0, 0
		rapid.Check(t, func(t *rapid.T) {
			round++
			type trouble struct {
				key, number string
				source      signal.Source
			}
			var over []trouble
			ended := map[trouble]time.Time{}
			seq := map[string]int64{}
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			fires := func(key string) bool {
				t.Helper()
				yes, err := r.IsFiring(w.Ctx, key)
				must(err)
				return yes
			}
			say := func(x trouble, state signal.State) {
				t.Helper()
				must(r.RecordAll(w.Ctx, []signal.Signal{{Source: x.source, Key: x.key, Episode: x.number, State: state, Severity: signal.Warning, Since: c.t}}))
				list, err := r.List(w.Ctx, signal.Filter{Key: x.key})
				must(err)
				top := seq[x.key]
				for _, s := range list {
					if s.Seq > 0 && s.At.Equal(c.t) && s.Episode == x.number && s.State == state && s.Seq <= top {
						t.Fatalf("%s %s %s has the number %d, and %d was told", x.key, x.number, state, s.Seq, top)
					}
					seq[x.key] = max(seq[x.key], s.Seq)
				}
			}
			for range rapid.IntRange(1, 8).Draw(t, "steps") {
				c.t = c.t.Add(time.Minute + time.Duration(rapid.IntRange(0, 40).Draw(t, "hours"))*time.Hour)
				switch rapid.SampledFrom([]string{"sweep", "trouble", "late"}).Draw(t, "step") {
				case "sweep":
					before := firingKeys(t, r, w)
					must(signal.Sweep(r, w.Ctx, c.t))
					if after := firingKeys(t, r, w); !slices.Equal(before, after) {
						t.Fatalf("fired: %q, fires: %q", before, after)
					}
				case "trouble":
					episode++
					x := trouble{fmt.Sprintf("r%d:%s", round, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key")), fmt.Sprint(episode), rapid.SampledFrom([]signal.Source{signal.Intake, signal.Monitor}).Draw(t, "source")}
					say(x, signal.Firing)
					if !fires(x.key) {
						t.Fatalf("%s %s is new and opens nothing", x.key, x.number)
					}
					c.t = c.t.Add(time.Minute)
					if rapid.Bool().Draw(t, "forget while it lasts") {
						must(signal.Sweep(r, w.Ctx, c.t.Add(48*time.Hour)))
						over = nil
					}
					say(x, signal.Resolved)
					if fires(x.key) {
						t.Fatalf("%s %s has ended", x.key, x.number)
					}
					over, ended[x] = append(over, x), c.t
				case "late":
					if len(over) == 0 {
						continue
					}
					x := rapid.SampledFrom(over).Draw(t, "of")
					if c.t.Sub(ended[x]) >= 24*time.Hour {
						continue // who says it after the time is heard
					}
					c.t = c.t.Add(time.Second)
					must(signal.Sweep(r, w.Ctx, c.t))
					was := fires(x.key)
					say(x, signal.Firing)
					if now := fires(x.key); now != was {
						t.Fatalf("%s %s ended %s ago: fired %t, fires %t", x.key, x.number, c.t.Sub(ended[x]), was, now)
					}
					ended[x] = c.t
				}
			}
		})
	})
}

// firingKeys are the keys that fire.
func firingKeys(t *rapid.T, r *signal.Room, w *storetest.World) []string {
	t.Helper()
	list, err := r.Firing(w.Ctx)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range list {
		out = append(out, s.Key)
	}
	slices.Sort(out)
	return out
}
