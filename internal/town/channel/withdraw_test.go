package channel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"pgregory.net/rapid"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
)

// moody is a way out that takes, refuses or loses the answer, as the test says.
type moody struct {
	mood  string
	taken map[string]int
}

func (m *moody) Kind() Kind    { return SMS }
func (m *moody) Route() string { return "gateway" }
func (m *moody) Realm() Realm  { return Live }

func (m *moody) Send(_ context.Context, msg Message) (Receipt, error) {
	switch m.mood {
	case "dead":
		return Receipt{}, &Failure{RouteDown: true, Reason: "connect", Err: &net.OpError{Op: "dial", Err: errors.New("refused")}}
	case "mute": // it takes the message, and its answer is lost
		m.taken[msg.ID]++
		return Receipt{}, &Failure{RouteDown: true, Reason: "timeout", Err: errors.New("no answer")}
	case "half": // as a message centre that takes the first part and no second one
		m.taken[msg.ID]++
		return Receipt{}, &Failure{Reason: "throttled", Partly: true, Err: errors.New("status 0x14")}
	case "never":
		return Receipt{}, &Failure{Permanent: true, Reason: "mailbox", Err: errors.New("no such number")}
	}
	m.taken[msg.ID]++
	return Receipt{Reference: "r-" + msg.ID}, nil
}

// Whatever happens to messages and whenever some of them are withdrawn: what nobody
// withdrew goes out or has failed for good; what is said to be withdrawn is handed
// to nobody from then on; and where it says so without a doubt, it never was.
func TestI20_OnlyWhatWasWithdrawnStays(t *testing.T) {
	storetest.Each(t, []store.Migrations{Migrations()}, func(t *testing.T, w *storetest.World) {
		if err := w.Jobs.Open(false); err != nil {
			t.Fatal(err)
		}
		round := 0
		rapid.Check(t, func(t *rapid.T) {
			round++
			ctx := ident.WithTenant(w.Ctx, ident.Tenant(fmt.Sprint("w", round)))
			clock := &nightClock{now: time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)}
			way := &moody{mood: "dead", taken: map[string]int{}}
			open := func() *Room {
				return New(Options{Store: w.Store, Clock: clock, Sole: true, Adapters: func(context.Context) []Adapter { return []Adapter{way} }})
			}
			r := open()
			check := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			var ids []string
			asked := map[string]bool{} // somebody wants it back
			stays := map[string]int{}  // said to be withdrawn, and how often it had been handed on by then
			var flying []outboxRow
			claim := func() {
				rows, err := r.claim(ident.AcrossTenants(w.Ctx), lane{Kind: SMS, Class: Alarm}, clock.now, 100)
				check(err)
				flying = append(flying, rows...)
			}
			land := func() {
				for _, row := range flying {
					check(r.try(ident.WithActor(ident.WithTenant(w.Ctx, row.TenantID), ident.System), row))
				}
				flying = nil
			}
			look := func() {
				for _, id := range ids {
					item, err := r.Get(ctx, id)
					check(err)
					before, stayed := stays[id]
					switch {
					case item.State == Withdrawn && !asked[id]:
						t.Fatalf("%s is withdrawn, and nobody wanted that", id)
					case item.State == Withdrawn && !item.Doubtful && way.taken[id] > 0:
						t.Fatalf("%s is said never to have left, and was handed on %d times", id, way.taken[id])
					case stayed && (item.State != Withdrawn || way.taken[id] != before):
						t.Fatalf("%s was said to be withdrawn and is %s, handed on %d times and not %d", id, item.State, way.taken[id], before)
					case item.State == Withdrawn:
						stays[id] = way.taken[id]
					}
				}
			}
			for range rapid.IntRange(3, 25).Draw(t, "steps") {
				switch rapid.IntRange(0, 6).Draw(t, "what") {
				case 0:
					id := fmt.Sprint(round, "-", len(ids))
					check(r.Send(ctx, Message{ID: id, Kind: SMS, Class: Alarm, To: "+491", Text: "t"}))
					ids = append(ids, id)
				case 1:
					way.mood = rapid.SampledFrom([]string{"dead", "mute", "half", "never", "well"}).Draw(t, "mood")
				case 2:
					claim()
				case 3:
					land()
				case 4:
					if len(ids) == 0 {
						continue
					}
					some := rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 1, len(ids), rapid.ID[string]).Draw(t, "which")
					gone, err := r.Withdraw(ctx, some, NoLongerTaken)
					check(err)
					for _, id := range some {
						asked[id] = true
					}
					for _, g := range gone {
						if slices.ContainsFunc(flying, func(row outboxRow) bool { return row.ID == g.ID }) {
							t.Fatalf("%s is under way and is said to be withdrawn", g.ID)
						}
						if item, err := r.Get(ctx, g.ID); err != nil || item.State != Withdrawn || item.Doubtful != g.Doubtful || item.Why != NoLongerTaken {
							t.Fatalf("%+v: %+v %v", g, item, err)
						}
					}
				case 5:
					// kill -9 amid a try: it may have come through.
					for _, row := range flying {
						if rapid.Bool().Draw(t, "came through") {
							way.taken[row.ID]++
						}
					}
					flying = nil
					r = open()
					check(r.TakeUp(w.Ctx, everyNode))
				case 6:
					clock.now = clock.now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "pass")) * time.Second)
				}
				look()
			}
			// In the end the way works again, and what is still wanted goes out.
			way.mood = "well"
			land()
			for range 3 {
				clock.now = clock.now.Add(5 * time.Minute)
				claim()
				land()
			}
			look()
			for _, id := range ids {
				item, err := r.Get(ctx, id)
				check(err)
				switch item.State {
				case Accepted:
					if way.taken[id] == 0 {
						t.Fatalf("%s counts as taken, and nobody took it", id)
					}
				case Failed:
					if item.Reason != "mailbox" {
						t.Fatalf("%s is given up: %+v", id, item)
					}
				case Withdrawn:
				default:
					t.Fatalf("%s is still %s: %+v", id, item.State, item)
				}
				if !asked[id] && item.State == Withdrawn {
					t.Fatalf("%s never goes out", id)
				}
			}
			counts, err := r.Counts(ctx)
			check(err)
			for _, s := range outboxStates {
				some, err := r.List(ctx, Filter{State: s, Limit: 100})
				check(err)
				if len(some) != counts[s] {
					t.Fatalf("%d are %s, counted %d", len(some), s, counts[s])
				}
			}
		})
	})
}

// A message is marked while its try is under way, and the try is refused for good, or
// was the last one that the message had. It is told as withdrawn, as the page says, so
// that its asker does not wait for another way that nobody takes.
func TestMarkedAndRefusedIsWithdrawn(t *testing.T) {
	for _, mood := range []string{"never", "dead"} {
		storetest.Each(t, []store.Migrations{Migrations()}, func(t *testing.T, w *storetest.World) {
			told := make(chan SettledEvent, 9)
			bus.On(w.Bus, Settled, "test", func(_ context.Context, e bus.Event[SettledEvent]) error { told <- e.Data; return nil })
			w.Start(t)
			ctx := ident.WithTenant(w.Ctx, "w1")
			clock := &nightClock{now: time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)}
			way := &moody{mood: mood, taken: map[string]int{}}
			r := New(Options{Store: w.Store, Clock: clock, Sole: true, Adapters: func(context.Context) []Adapter { return []Adapter{way} }})
			if err := r.Send(ctx, Message{ID: "m1", Kind: SMS, Class: Alarm, To: "+491", Text: "t"}); err != nil {
				t.Fatal(err)
			}
			if mood == "dead" {
				clock.now = clock.now.Add(100 * time.Hour) // past the end of its tries
			}
			rows, err := r.claim(ident.AcrossTenants(w.Ctx), lane{Kind: SMS, Class: Alarm}, clock.now, 10)
			if err != nil || len(rows) != 1 {
				t.Fatal(rows, err)
			}
			if gone, err := r.Withdraw(ctx, []string{"m1"}, NoLongerTaken); err != nil || len(gone) != 0 {
				t.Fatal(gone, err)
			}
			if err := r.try(ident.WithActor(ctx, ident.System), rows[0]); err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"never": "mailbox", "dead": "connect"}[mood]
			if item, err := r.Get(ctx, "m1"); err != nil || item.State != Withdrawn || item.Reason != want || item.Doubtful {
				t.Errorf("%s: %+v %v", mood, item, err)
			}
			select {
			case e := <-told:
				if e.State != Withdrawn || e.Reason != string(NoLongerTaken) || e.Doubtful {
					t.Errorf("%s: %+v", mood, e)
				}
			case <-time.After(time.Minute):
				t.Error(mood, ": nobody is told")
			}
		})
	}
}

// What was withdrawn is not sent again by hand, another town's message is nobody's
// to withdraw, and a reason must be named.
func TestWithdrawnIsOver(t *testing.T) {
	storetest.Each(t, []store.Migrations{Migrations()}, func(t *testing.T, w *storetest.World) {
		if err := w.Jobs.Open(false); err != nil {
			t.Fatal(err)
		}
		r := New(Options{Store: w.Store, Clock: &nightClock{now: time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)}})
		if err := r.Send(w.Ctx, Message{ID: "m", Kind: SMS, Class: Alarm, To: "+491", Text: "t"}); err != nil {
			t.Fatal(err)
		}
		if gone, err := r.Withdraw(ident.WithTenant(w.Ctx, "elsewhere"), []string{"m"}, NoLongerOver); err != nil || len(gone) > 0 {
			t.Fatal(gone, err)
		}
		if _, err := r.Withdraw(w.Ctx, []string{"m"}, ""); err == nil {
			t.Fatal("withdrawn without a reason")
		}
		no := errors.New("no")
		err := w.Store.InTx(w.Ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
			_, err := r.Withdraw(ctx, []string{"m"}, NoLongerOver)
			return errors.Join(err, no)
		})
		if item, getErr := r.Get(w.Ctx, "m"); !errors.Is(err, no) || getErr != nil || item.State != Queued {
			t.Fatal(item, err, getErr)
		}
		if gone, err := r.Withdraw(w.Ctx, []string{"m", "unknown"}, NoLongerOver); err != nil || len(gone) != 1 || gone[0].Doubtful {
			t.Fatal(gone, err)
		}
		if gone, err := r.Withdraw(w.Ctx, []string{"m"}, NoLongerTaken); err != nil || len(gone) > 0 {
			t.Fatal("withdrawn twice", gone, err)
		}
		admin := ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPerson, Person: "p", Roles: []string{"admin"}})
		if err := r.Again(admin, "m"); err == nil {
			t.Fatal("what was withdrawn goes out again")
		}
	})
}
