package monitor

import (
	"container/heap"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// The wheel against an oracle that asks everybody every time: whatever is put
// in, moved and taken out, nobody fires early, nobody is overlooked, and whoever
// sleeps as long as the wheel allows is never later than a tick.
func TestWheelFiresLikeTheOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWheel()
		items := make([]*item, 12)
		for i := range items {
			items[i] = &item{id: fmt.Sprint(i)}
		}
		due := map[*item]time.Duration{} // the oracle
		var now, sleep time.Duration     // sleep is what the last turn allowed
		span := rapid.OneOf(
			rapid.Int64Range(0, int64(50*time.Millisecond)), rapid.Int64Range(0, int64(90*time.Second)),
			rapid.Int64Range(0, int64(48*time.Hour)), rapid.SampledFrom([]int64{0, int64(tick), int64(wheelSlots * tick), int64(wheelSlots*tick) - 1}),
		)
		put := func(it *item, wait time.Duration) {
			it.at = now + wait
			due[it] = it.at
			if early := w.put(it); early {
				sleep = 0 // the owner is woken
			} else if time.Duration(w.wake)*tick-it.at > tick {
				t.Fatal("a wake-up too late was not told")
			}
		}
		turn := func(again bool) {
			fired := map[*item]bool{}
			wait, some := w.turn(now, func(it *item) {
				at, waits := due[it]
				if !waits || at > now {
					t.Fatalf("%s fires at %v, due %v (%v)", it.id, now, at, waits)
				}
				delete(due, it)
				if fired[it] = true; again {
					put(it, time.Duration(1+rapid.Int64Range(0, int64(3*time.Minute)).Draw(t, "next")))
				}
			})
			for it, at := range due {
				if at <= now-tick && !fired[it] {
					t.Fatalf("%s was due at %v and is overlooked at %v", it.id, at, now)
				}
				if late := now + wait - at; some && late > tick {
					t.Fatalf("%s would be %v late", it.id, late)
				}
			}
			if some != (len(due) > 0) {
				t.Fatalf("turn says %v with %d waiting", some, len(due))
			}
			sleep = wait
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				put(rapid.SampledFrom(items).Draw(t, "item"), time.Duration(span.Draw(t, "wait")))
			},
			"take": func(t *rapid.T) {
				it := rapid.SampledFrom(items).Draw(t, "item")
				w.take(it)
				delete(due, it)
			},
			"turn": func(t *rapid.T) {
				now += time.Duration(span.Draw(t, "passes"))
				turn(rapid.Bool().Draw(t, "again"))
			},
			"sleep": func(t *rapid.T) {
				now += sleep
				turn(rapid.Bool().Draw(t, "again"))
			},
			"": func(t *rapid.T) {
				var in []*item
				for s, it := range w.slots {
					if (it != nil) != (w.used[s/64]>>(s%64)&1 == 1) {
						t.Fatalf("slot %d: %v, bit says otherwise", s, it)
					}
					for ; it != nil; it = it.next {
						in = append(in, it)
					}
				}
				for _, it := range items {
					if _, waits := due[it]; waits != it.waits || waits != slices.Contains(in, it) {
						t.Fatalf("%s: the oracle says %v, itself %v", it.id, waits, it.waits)
					}
				}
				if len(in) != len(due) {
					t.Fatalf("%d in the slots, %d expected", len(in), len(due))
				}
			},
		})
	})
}

// Whoever waits is never touched before its round: a monitor of a day among
// those of a minute costs nothing.
func TestWheelSleepsFromOneToTheNext(t *testing.T) {
	w := newWheel()
	w.put(&item{at: 24 * time.Hour})
	turns := 0
	for now, some := time.Duration(0), true; some; turns++ {
		var wait time.Duration
		wait, some = w.turn(now, func(*item) {
			if now != 24*time.Hour {
				t.Errorf("fired at %v", now)
			}
		})
		now += wait
	}
	if rounds := int(24*time.Hour/(wheelSlots*tick)) + 2; turns > rounds {
		t.Errorf("%d wake-ups for a day with one monitor, at most one a round (%d) are needed", turns, rounds)
	}
}

// The engine against an oracle of what it is told: monitors come, change and go
// while probes fly, the wall clock jumps, and it may stop at any moment. Nobody
// is looked at early or twice at once, and everybody within an interval.
func TestEngineUnderChange(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		var said []string
		synctest.Test(t, func(t *testing.T) { said = underChange(t, rand.New(rand.NewPCG(seed, 1))) })
		if len(said) > 0 {
			rt.Fatal(strings.Join(said, "\n"))
		}
	})
}

func underChange(t *testing.T, dice *rand.Rand) (said []string) {
	w := newWorld()
	e := w.engine(EngineOptions{InFlight: 50})
	const n = 12
	begin := time.Now()
	there := map[string]Item{}
	since := map[string]time.Time{} // known, or changed, since
	e.Start(t.Context())
	for round := range 40 {
		changed := false
		for range dice.IntN(4) {
			id := fmt.Sprintf("m%d", dice.IntN(n))
			it, known := there[id]
			switch {
			case known && dice.IntN(3) == 0:
				delete(there, id)
				delete(since, id)
			case known:
				it.Spec.Timeout = Duration(time.Duration(1+dice.IntN(9)) * time.Second)
				there[id], since[id] = it, time.Now()
			default:
				it = tcpItem(t, id)
				it.Spec.Interval = Duration([]time.Duration{10 * time.Second, time.Minute, 5 * time.Minute}[dice.IntN(3)])
				there[id], since[id] = it, time.Now()
			}
			changed = true
		}
		if changed || dice.IntN(3) == 0 {
			var list []Item
			for _, it := range there {
				list = append(list, it)
			}
			e.Set(list)
		}
		switch dice.IntN(5) {
		case 0:
			w.shift.Add(dice.Int64N(int64(4*time.Hour)) - int64(2*time.Hour))
		case 1:
			w.set(fmt.Sprintf("m%d.example", dice.IntN(n)), hangs(time.Duration(dice.Int64N(int64(9*time.Second)))))
		case 2:
			w.set(fmt.Sprintf("m%d.example", dice.IntN(n)), nil)
		case 3:
			e.ProbeNow(fmt.Sprintf("m%d", dice.IntN(n)))
		}
		time.Sleep(time.Duration(dice.Int64N(int64(time.Minute))))
		for id, it := range there {
			looks := w.seen(id + ".example")
			last := since[id]
			if len(looks) > 0 && looks[len(looks)-1].After(last) {
				last = looks[len(looks)-1]
			}
			// A hanging probe takes up to 9 s, and the first looks are spread.
			if idle := time.Since(last); idle > it.Spec.Interval.D()+9*time.Second+tick {
				said = append(said, fmt.Sprintf("round %d: %s was not looked at for %v of %v", round, id, idle, it.Spec.Interval.D()))
			}
		}
		if s := e.Stats(); s.Monitors != len(there) || s.InLine != 0 {
			said = append(said, fmt.Sprintf("round %d: %+v, %d expected", round, s, len(there)))
		}
	}
	var calls sync.WaitGroup // Stop meets everything else
	calls.Go(func() { e.Set(nil) })
	calls.Go(func() { e.ProbeNow("m1") })
	calls.Go(func() { _ = e.Report(t.Context(), "m2", fine(w.now())) })
	calls.Go(e.Stop)
	calls.Wait()
	e.Stop()
	if s := e.Stats(); s.InFlight != 0 || s.Unsaved != 0 {
		said = append(said, fmt.Sprintf("after Stop: %+v", s))
	}
	if w.flying != 0 {
		said = append(said, fmt.Sprintf("%d probes outlive Stop", w.flying))
	}
	for host, looks := range w.looks {
		for i := 1; i < len(looks); i++ {
			if !looks[i].After(looks[i-1]) && looks[i].After(begin) {
				said = append(said, fmt.Sprintf("%s is looked at twice at %v", host, looks[i]))
			}
		}
	}
	return said
}

// A day is the same at its end as at its beginning: every look at its time, no
// line, nothing unsaved. Virtual time, no sockets; bench/soak does an hour of
// real time with ten thousand.
func TestEngineKeepsItsPhaseForADay(t *testing.T) {
	monitors := 1000
	if testing.Short() {
		monitors = 50
	}
	synctest.Test(t, func(t *testing.T) { soak(t, monitors, 24*time.Hour) })
}

// counter is a prober that only counts, so that millions of looks cost seconds.
type counter struct {
	mu    sync.Mutex
	looks map[string]*count
}

type count struct {
	n     int
	first time.Time
	last  time.Time
	off   int // gaps that are not one interval
}

func (c *counter) Probe(_ context.Context, s Spec) Result {
	now := time.Now()
	c.mu.Lock()
	l := c.looks[s.Host]
	switch {
	case l == nil:
		l = &count{first: now}
		c.looks[s.Host] = l
	case l.n > 1 && now.Sub(l.last) != s.Interval.D():
		l.off++
	}
	l.n, l.last = l.n+1, now
	c.mu.Unlock()
	return Result{At: stamp(now), OK: true, Reason: ReasonOK}
}

// seen is a copy of what was counted so far.
func (c *counter) seen() map[string]count {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[string]count, len(c.looks))
	for host, l := range c.looks {
		out[host] = *l
	}
	return out
}

func soak(t *testing.T, monitors int, span time.Duration) {
	c := &counter{looks: map[string]*count{}}
	var stored, late int
	e := NewEngine(EngineOptions{
		Probers: Probers{TCP: c}, Now: time.Now,
		Sink: func(_ context.Context, b []Observation) error {
			stored += len(b)
			for _, o := range b {
				if o.Late > tick || o.Transition != None {
					late++
				}
			}
			return nil
		},
	})
	list := make([]Item, monitors)
	for i := range list {
		list[i] = tcpItem(t, fmt.Sprintf("m%d", i))
	}
	begin := time.Now()
	e.Set(list)
	e.Start(t.Context())
	time.Sleep(span)
	synctest.Wait()
	if s := e.Stats(); s.Monitors != monitors || s.InLine != 0 || s.Dropped != 0 {
		t.Errorf("%+v", s)
	}
	e.Stop()
	looks := 0
	for host, l := range c.seen() {
		looks += l.n
		if want := int(span / time.Minute); l.off > 0 || l.n < want || l.n > want+2 || l.first.Sub(begin) > 30*time.Second+tick {
			t.Fatalf("%s: %+v, %d looks expected", host, l, want)
		}
	}
	if len(c.looks) != monitors || stored != looks || late > 0 {
		t.Errorf("%d monitors, %d looks, %d stored, %d late or alarming", len(c.looks), looks, stored, late)
	}
}

// A reload of ten thousand monitors of which three change touches these three.
func TestReloadTouchesOnlyWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 10_000
		c := &counter{looks: map[string]*count{}}
		w := newWorld()
		e := NewEngine(EngineOptions{Probers: Probers{TCP: c}, Now: w.now, Sink: func(context.Context, []Observation) error { return nil }})
		list := make([]Item, n)
		for i := range list {
			list[i] = tcpItem(t, fmt.Sprintf("m%d", i))
		}
		e.Set(list)
		e.Start(t.Context())
		defer e.Stop()
		time.Sleep(3 * time.Minute)
		synctest.Wait() // some are due at this very moment
		before := map[string]Status{}
		for _, it := range list {
			before[it.ID], _ = e.Status(it.ID)
		}
		was := c.seen()
		next := slices.Clone(list)
		for i := range next {
			next[i].Status = Status{State: Down, Open: true, Episode: 9} // what the database may say meanwhile
		}
		next[7].Spec.Timeout = Duration(3 * time.Second)
		next[8] = tcpItem(t, "neu")
		e.Set(next) // 7 changed, 8 is gone, one is new
		time.Sleep(2 * tick)
		synctest.Wait()
		looked := c.seen()
		for i, it := range list {
			st, known := e.Status(it.ID)
			looks := looked[it.Spec.Host].n - was[it.Spec.Host].n
			switch {
			case i == 8:
				if known {
					t.Error("the removed one is still known")
				}
			case i == 7:
				if looks != 1 || st.State != Up || st.Episode != 0 {
					t.Errorf("the changed one: %d looks, %+v", looks, st)
				}
			case looks == 0 && !sameStatus(st, before[it.ID]):
				t.Fatalf("%s: %+v was %+v", it.ID, st, before[it.ID])
			case looks > 1:
				t.Fatalf("%s was looked at %d times", it.ID, looks)
			}
		}
		if looked["neu.example"].n == 0 {
			t.Error("the new one was not looked at")
		}
		time.Sleep(3 * time.Minute)
		for host, l := range c.seen() {
			if l.off > 0 && host != "m7.example" {
				t.Fatalf("the reload moved %s: %+v", host, l)
			}
		}
	})
}

func sameStatus(a, b Status) bool {
	return a.State == b.State && a.Since.Equal(b.Since) && a.NextAt.Equal(b.NextAt) && a.Episode == b.Episode && a.Open == b.Open
}

// dueHeap is what the wheel replaced; it stays as the yardstick of
// BenchmarkSchedule.
type dueHeap []*item

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(*item)) }
func (h *dueHeap) Pop() any {
	old := *h
	it := old[len(old)-1]
	*h = old[:len(old)-1]
	return it
}

// BenchmarkSchedule is the schedule alone: taking out whoever is due and putting
// it in again a minute later, with as many wake-ups as that needs. One op is one
// check.
func BenchmarkSchedule(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("heap/%d", n), func(b *testing.B) {
			var h dueHeap
			for i := range n {
				heap.Push(&h, &item{at: Phase(fmt.Sprintf("m%d", i), time.Minute)})
			}
			wakes := 0
			b.ResetTimer()
			for fired := 0; fired < b.N; wakes++ {
				now := h[0].at
				for h[0].at <= now {
					it := heap.Pop(&h).(*item)
					it.at += time.Minute
					heap.Push(&h, it)
					fired++
				}
			}
			b.ReportMetric(float64(wakes)/float64(b.N), "wakes/op")
		})
		b.Run(fmt.Sprintf("wheel/%d", n), func(b *testing.B) {
			w := newWheel()
			for i := range n {
				w.put(&item{at: Phase(fmt.Sprintf("m%d", i), time.Minute)})
			}
			wakes, fired := 0, 0
			var now time.Duration
			b.ResetTimer()
			for ; fired < b.N; wakes++ {
				wait, _ := w.turn(now, func(it *item) {
					it.at += time.Minute
					w.put(it)
					fired++
				})
				now += wait
			}
			b.ReportMetric(float64(wakes)/float64(b.N), "wakes/op")
		})
	}
}
