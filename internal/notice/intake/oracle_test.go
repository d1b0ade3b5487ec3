package intake_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"pgregory.net/rapid"

	"tuermer/internal/notice/intake"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
)

// stepping is a clock that never says the same moment twice.
type stepping struct{ n *atomic.Int64 }

func (c stepping) Now() time.Time {
	return time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC).Add(time.Duration(c.n.Add(1)) * 10 * time.Millisecond)
}

// saying is what one system says once: about which thing, of which occurrence.
type saying struct {
	source, thing, episode int
	over                   bool
}

// system is how one says it, and whether it names the occurrence and its beginning.
type system struct {
	format intake.Format
	names  bool
	apart  bool // each occurrence is a thing of its own
	body   func(s saying, id int) string
}

var systems = []system{
	{intake.PRTG, false, false, func(s saying, _ int) string {
		return fmt.Sprintf("id=%d&device=D&sensor=S&status=%s", s.thing, map[bool]string{false: "Down", true: "Down ended (now: Up)"}[s.over])
	}},
	{intake.Alertmanager, true, false, func(s saying, _ int) string {
		status := map[bool]string{false: "firing", true: "resolved"}[s.over]
		return fmt.Sprintf(`{"version":"4","groupKey":"g","status":%q,"alerts":[{"status":%q,"labels":{"alertname":"A"},"startsAt":"2026-11-26T11:%02d:00Z","fingerprint":"f%d"}]}`,
			status, status, s.episode, s.thing)
	}},
	{intake.Gatus, false, false, func(s saying, _ int) string {
		return url.Values{"state": {map[bool]string{false: "TRIGGERED", true: "RESOLVED"}[s.over]}, "group": {"g"}, "name": {fmt.Sprint("n", s.thing)}}.Encode()
	}},
	{intake.Mail, false, false, func(s saying, id int) string {
		return mailOf(fmt.Sprint(id), fmt.Sprintf("[PRTG] srv%d Ping %s (x)", s.thing, map[bool]string{false: "Down", true: "Down ended (now: Up)"}[s.over]))
	}},
	{intake.Zabbix, true, true, func(s saying, _ int) string {
		return fmt.Sprintf(`{"event_id":"%d%d","event_value":"%d","event_name":"A","trigger_id":"%d","event_nseverity":"4"}`, s.thing, s.episode, map[bool]int{false: 1}[s.over], s.thing)
	}},
}

// oracle is how a thing stands by the simplest reading: of a system that names its
// occurrences the newest one counts, and it is over once that was said; of any other
// the last word counts.
func oracle(said []saying) map[[2]int]signal.State {
	out := map[[2]int]signal.State{}
	newest := map[[2]int]int{}
	ended := map[[3]int]bool{}
	for _, s := range said {
		of := [2]int{s.source, s.thing}
		if systems[s.source].apart {
			of[1] = s.thing*10 + s.episode
			s.thing = of[1]
		}
		state := signal.Firing
		if s.over {
			state = signal.Resolved
		}
		if !systems[s.source].names {
			out[of] = state
			continue
		}
		newest[of] = max(newest[of], s.episode)
		if s.over {
			ended[[3]int{s.source, s.thing, s.episode}] = true
		}
		out[of] = signal.Firing
		if ended[[3]int{s.source, s.thing, newest[of]}] {
			out[of] = signal.Resolved
		}
	}
	return out
}

// Whatever several systems say, twice, late, in any order, with recoveries before
// their beginnings, from two machines at once, and over restarts of ours: each thing
// ends as the simplest reading of it does. Nothing that is down counts as up (I20).
func TestI20_HistoriesEndAsTheOracleSays(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		b := newBench(t, w)
		o := intake.OptionsOf(b.room)
		now := stepping{new(atomic.Int64)}
		o.Clock, o.Signals, o.Vault = now, signal.New(signal.Options{Store: w.Store, Clock: now}), sealer{}
		run := 0
		rapid.Check(t, func(t *rapid.T) {
			run++
			room := intake.New(o)
			defer func() { room.Stop() }()
			b.room = room
			var tokens []string
			for i, s := range systems {
				tokens = append(tokens, b.add(intake.Source{Name: fmt.Sprintf("r%d-%d", run, i), Title: "X", Format: s.format}))
			}
			var said []saying
			mails := 0
			say := func(s saying, body string) error {
				f, ct := systems[s.source].format, "application/x-www-form-urlencoded"
				if f == intake.Mail {
					ct = intake.MailType
				}
				return room.Take(context.Background(), tokens[s.source], f, intake.Body{ContentType: ct, Data: []byte(body)})
			}
			take := func(s saying, body string) {
				if err := say(s, body); err != nil {
					t.Fatal(err)
				}
			}
			var sent []string // of mails, which their server may bring again
			steps := rapid.IntRange(1, 15).Draw(t, "steps")
			for range steps {
				s := saying{
					source: rapid.IntRange(0, len(systems)-1).Draw(t, "source"), thing: rapid.IntRange(1, 2).Draw(t, "thing"),
					episode: rapid.IntRange(1, 3).Draw(t, "episode"), over: rapid.Bool().Draw(t, "over"),
				}
				mails++
				body := systems[s.source].body(s, run*1000+mails)
				switch rapid.SampledFrom([]string{"once", "once", "twice", "both", "restart", "again"}).Draw(t, "how") {
				case "twice":
					take(s, body)
				case "both": // two machines of a system say it in the same moment
					var wg sync.WaitGroup
					var other error
					wg.Go(func() { other = say(s, body) })
					take(s, body)
					if wg.Wait(); other != nil {
						t.Fatal(other)
					}
				case "restart":
					room.Stop()
					room = intake.New(o)
					b.room = room
				case "again":
					if len(sent) > 0 {
						take(saying{source: slices.IndexFunc(systems, isMail)}, rapid.SampledFrom(sent).Draw(t, "mail"))
					}
				}
				take(s, body)
				said = append(said, s)
				if systems[s.source].format == intake.Mail {
					sent = append(sent, body)
				}
			}
			var rows []struct {
				Key   string
				State signal.State
			}
			err := w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
				return db.NewRaw("SELECT key, state FROM signal_key WHERE tenant_id = 't1' AND key LIKE ?", fmt.Sprintf("intake:r%d-%%", run)).Scan(ctx, &rows)
			})
			if err != nil {
				t.Fatal(err)
			}
			got := map[[2]int]signal.State{}
			for _, row := range rows {
				var of [2]int
				_, rest, _ := strings.Cut(row.Key, fmt.Sprintf("intake:r%d-", run))
				src, key, _ := strings.Cut(rest, ":")
				_, _ = fmt.Sscan(src, &of[0])
				_, _ = fmt.Sscan(strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(key, "g_n"), "event "), "fsrv"), &of[1])
				got[of] = row.State
			}
			want := oracle(said)
			if len(got) != len(want) {
				t.Fatalf("%v, want %v", rows, want)
			}
			for of, state := range want {
				if got[of] != state {
					t.Fatalf("%v is %s, want %s\n%v", of, got[of], state, said)
				}
			}
		})
	})
}

func isMail(s system) bool { return s.format == intake.Mail }
