package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// world is a fake of what the engine looks at: each monitor answers as its
// mood says, and every look is noted.
type world struct {
	mu     sync.Mutex
	mood   map[string]func(ctx context.Context) Result // by host; nil is healthy
	looks  map[string][]time.Time
	flying int
	most   int
	got    []Observation
	refuse error        // what the sink answers
	shift  atomic.Int64 // how far the wall clock was set
}

func newWorld() *world {
	return &world{mood: map[string]func(context.Context) Result{}, looks: map[string][]time.Time{}}
}

func (w *world) Probe(ctx context.Context, s Spec) Result {
	w.mu.Lock()
	w.flying++
	w.most = max(w.most, w.flying)
	w.looks[s.Host] = append(w.looks[s.Host], time.Now())
	mood := w.mood[s.Host]
	w.mu.Unlock()
	r := Result{OK: true, Reason: ReasonOK}
	if mood != nil {
		r = mood(ctx)
	}
	if r.At.IsZero() {
		r.At = stamp(w.now())
	}
	w.mu.Lock()
	w.flying--
	w.mu.Unlock()
	return r
}

func (w *world) now() time.Time { return stamp(time.Now().Add(time.Duration(w.shift.Load()))) }

func (w *world) sink(_ context.Context, b []Observation) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return w.refuse
	}
	w.got = append(w.got, b...)
	return nil
}

func (w *world) set(host string, mood func(context.Context) Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mood[host] = mood
}

func (w *world) seen(host string) []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.looks[host])
}

func (w *world) observations() []Observation {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.got)
}

func (w *world) transitions() (out []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.got {
		if o.Transition != None {
			out = append(out, o.ID+" "+string(o.Transition))
		}
	}
	return out
}

func fails(context.Context) Result { return Result{Reason: ReasonRefused} }

// hangs answers like a target that accepts and stays silent.
func hangs(d time.Duration) func(context.Context) Result {
	return func(ctx context.Context) Result {
		select {
		case <-time.After(d):
			return Result{Reason: ReasonTimeout, Took: d}
		case <-ctx.Done():
			return Result{Reason: ReasonCanceled}
		}
	}
}

func (w *world) engine(o EngineOptions) *Engine {
	o.Probers = Probers{TCP: w}
	o.Now = w.now
	o.Sink = w.sink
	return NewEngine(o)
}

func tcpItem(t *testing.T, id string) Item {
	return Item{ID: id, Spec: good(t, Spec{Kind: TCP, Host: id + ".example", Port: 1})}
}

func TestEngineConfirmsWithinSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		e := w.engine(EngineOptions{})
		e.Set([]Item{tcpItem(t, "portal")})
		e.Start(t.Context())
		defer e.Stop()
		time.Sleep(90 * time.Second)
		w.set("portal.example", fails)
		before := len(w.seen("portal.example"))
		time.Sleep(66*time.Second + 10*time.Millisecond)
		if tr := w.transitions(); !slices.Equal(tr, []string{"portal went_down"}) {
			t.Fatalf("within an interval and the confirmation: %v", tr)
		}
		l := w.seen("portal.example")[before:]
		if l[1].Sub(l[0]) != 2*time.Second || l[2].Sub(l[1]) != 4*time.Second {
			t.Errorf("confirmed at %v", l)
		}
		w.set("portal.example", nil)
		time.Sleep(time.Minute)
		if tr := w.transitions(); len(tr) != 2 || tr[1] != "portal came_up" {
			t.Errorf("recovery: %v", tr)
		}
	})
}

func TestEngineKeepsItsPhaseForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		w := newWorld()
		e := w.engine(EngineOptions{})
		var list []Item
		for i := range n {
			list = append(list, tcpItem(t, fmt.Sprintf("m%d", i)))
		}
		begin := time.Now()
		e.Set(list)
		e.Start(t.Context())
		time.Sleep(time.Hour)
		e.Stop()
		for host, looks := range w.looks {
			if first := looks[0].Sub(begin); first > 30*time.Second {
				t.Fatalf("%s is first looked at after %v", host, first)
			}
			if len(looks) < 60 || len(looks) > 62 {
				t.Fatalf("%s was looked at %d times", host, len(looks))
			}
			for i := 2; i < len(looks); i++ { // the first look is not on the grid
				if gap := looks[i].Sub(looks[i-1]); gap != time.Minute {
					t.Fatalf("%s has a gap of %v", host, gap)
				}
			}
		}
		if len(w.looks) != n || len(w.transitions()) != 0 {
			t.Errorf("%d monitors, %v", len(w.looks), w.transitions())
		}
		if w.most > 200 {
			t.Errorf("%d at once", w.most)
		}
	})
}

func TestEngineHalfHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		e := w.engine(EngineOptions{})
		var list []Item
		for i := range 120 {
			it := tcpItem(t, fmt.Sprintf("m%d", i))
			it.Spec.Host = "one.example" // one host bears them all
			if i%2 == 0 {
				it.Spec.Host = "hang.example"
			}
			list = append(list, it)
		}
		e.Set(list)
		e.Start(t.Context())
		time.Sleep(2 * time.Minute)
		w.set("hang.example", hangs(10*time.Second))
		begin := w.now()
		time.Sleep(100 * time.Second)
		var first, last time.Duration
		down := 0
		for _, o := range w.observations() {
			if o.Transition == WentDown {
				down++
				first = min(cmpOr(first, time.Hour), o.Status.Since.Sub(begin))
				last = max(last, o.Status.Since.Sub(begin))
			}
			if o.Result.OK && o.Late > time.Second {
				t.Errorf("%s was %v late", o.ID, o.Late)
			}
		}
		e.Stop()
		if down != 60 || first > 50*time.Second || last > 100*time.Second {
			t.Errorf("%d down, first after %v, last after %v", down, first, last)
		}
	})
}

func cmpOr(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

func TestEngineCaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		e := w.engine(EngineOptions{InFlight: 10, PerHost: 3})
		var list []Item
		for i := range 40 {
			it := tcpItem(t, fmt.Sprintf("m%d", i))
			it.Spec.Host = fmt.Sprintf("h%d.example", i%8)
			w.set(it.Spec.Host, hangs(10*time.Second))
			list = append(list, it)
		}
		e.Set(list)
		e.Start(t.Context())
		time.Sleep(5 * time.Second)
		if s := e.Stats(); s.InFlight != 10 || s.InLine != 30 || s.Monitors != 40 {
			t.Errorf("%+v", s)
		}
		time.Sleep(2 * time.Minute) // three looks each, confirmations first
		w.mu.Lock()
		if w.most != 10 {
			t.Errorf("%d at once", w.most)
		}
		w.mu.Unlock()
		seen := map[string]bool{}
		for _, o := range w.observations() {
			seen[o.ID] = true
		}
		if len(seen) != 40 {
			t.Errorf("only %d of 40 had their turn", len(seen))
		}
		e.Stop()
		e.Stop()
		if s := e.Stats(); s.InFlight != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestEngineOneHostDoesNotStarveAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		e := w.engine(EngineOptions{InFlight: 20, PerHost: 5})
		var list []Item
		for i := range 100 {
			it := tcpItem(t, fmt.Sprintf("m%d", i))
			it.Spec.Host = "hang.example"
			list = append(list, it)
		}
		w.set("hang.example", hangs(10*time.Second))
		e.Set(append(list, tcpItem(t, "gut")))
		e.Start(t.Context())
		time.Sleep(5 * time.Minute)
		e.Stop()
		if n := len(w.looks["gut.example"]); n < 5 {
			t.Errorf("the healthy one was looked at %d times", n)
		}
		for _, o := range w.got {
			if o.ID == "gut" && o.Late > time.Second {
				t.Errorf("%v late", o.Late)
			}
		}
	})
}

func TestSetAppliesTheDifference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		e := w.engine(EngineOptions{})
		a, b, c := tcpItem(t, "a"), tcpItem(t, "b"), tcpItem(t, "c")
		a.Status = Status{State: Up, Since: w.now(), NextAt: w.now().Add(10 * time.Second)}
		w.set("b.example", hangs(9*time.Second))
		w.set("c.example", fails)
		e.Set([]Item{a, b, c})
		e.Start(t.Context())
		time.Sleep(8 * time.Second)
		a.Status = Status{State: Down, Open: true} // only a new monitor's status is taken
		c.Spec.Timeout = Duration(5 * time.Second)
		e.Set([]Item{a, c, a})
		time.Sleep(50 * time.Millisecond)
		if st, ok := e.Status("a"); !ok || st.State != Up {
			t.Errorf("a: %+v", st)
		}
		if _, ok := e.Status("b"); ok {
			t.Error("b is still known")
		}
		if st, _ := e.Status("c"); st.State != Down || st.Fails != 4 || st.Episode != 1 {
			t.Errorf("c was not looked at with its new spec: %+v", st)
		}
		time.Sleep(3 * time.Second)
		if n := len(w.seen("a.example")); n != 1 {
			t.Errorf("a was looked at %d times", n)
		}
		for _, o := range w.observations() {
			if o.ID == "b" {
				t.Errorf("result of the removed monitor: %+v", o)
			}
		}
		if tr := w.transitions(); !slices.Equal(tr, []string{"c went_down"}) {
			t.Errorf("%v", tr)
		}
		e.Stop()
	})
}

func TestSinkThatFailsLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.refuse = errors.New("disk full")
		e := w.engine(EngineOptions{Backlog: 600})
		var list []Item
		for i := range 100 {
			list = append(list, tcpItem(t, fmt.Sprintf("m%d", i)))
			w.mood[fmt.Sprintf("m%d.example", i)] = fails
		}
		e.Set(list)
		e.Start(t.Context())
		time.Sleep(10 * time.Minute)
		if s := e.Stats(); s.Unsaved > 600 || s.Dropped == 0 {
			t.Errorf("%+v", s)
		}
		w.mu.Lock()
		w.refuse = nil
		w.mu.Unlock()
		time.Sleep(10 * time.Second)
		if n := len(w.transitions()); n != 100 {
			t.Errorf("%d of 100 transitions arrived", n)
		}
		last := map[string]time.Time{}
		for _, o := range w.observations() {
			if o.Result.At.Before(last[o.ID]) {
				t.Fatal("out of order")
			}
			last[o.ID] = o.Result.At
		}
		w.mu.Lock()
		w.refuse = errors.New("disk full again")
		w.mu.Unlock()
		e.Stop() // must not hang
	})
}

func TestStopHandsOverTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		e := w.engine(EngineOptions{FlushAfter: time.Hour})
		healthy := tcpItem(t, "a")
		healthy.Status = Status{State: Up, Since: w.now(), Turns: windowSeen}
		e.Set([]Item{healthy})
		e.Start(t.Context())
		time.Sleep(time.Second)
		if n := len(w.observations()); n != 0 {
			t.Fatal("handed over early")
		}
		e.Stop()
		if len(w.got) != 1 {
			t.Errorf("%d handed over", len(w.got))
		}
		if err := e.Report(t.Context(), "a", fine(w.now())); !errors.Is(err, ErrStopped) {
			t.Errorf("%v", err)
		}
	})
}

func TestClockThatJumps(t *testing.T) {
	for _, jump := range []time.Duration{48 * time.Hour, -48 * time.Hour, 17 * time.Second, -17 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			e := w.engine(EngineOptions{})
			beat := Item{ID: "beat", Spec: good(t, Spec{Kind: Heartbeat, Interval: Duration(5 * time.Minute), Grace: Duration(time.Minute)})}
			e.Set([]Item{tcpItem(t, "a"), beat})
			e.Start(t.Context())
			defer e.Stop()
			ping := func() {
				if err := e.Report(t.Context(), "beat", fine(w.now())); err != nil {
					t.Error(err)
				}
			}
			for i := range 6 {
				ping()
				if i == 3 {
					w.shift.Store(int64(jump))
				}
				time.Sleep(5 * time.Minute)
			}
			if tr := w.transitions(); len(tr) > 0 {
				t.Errorf("jump of %v: %v", jump, tr)
			}
			looks := w.seen("a.example")
			for i := 1; i < len(looks); i++ {
				if gap := looks[i].Sub(looks[i-1]); gap > time.Minute {
					t.Errorf("jump of %v: gap of %v", jump, gap)
				}
			}
			time.Sleep(61 * time.Second) // now the job does stay away
			if tr := w.transitions(); !slices.Equal(tr, []string{"beat went_down"}) {
				t.Errorf("jump of %v: %v", jump, tr)
			}
		})
	}
}

func TestHeartbeatInTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		e := w.engine(EngineOptions{})
		s := good(t, Spec{Kind: Heartbeat, Interval: Duration(time.Hour), Grace: Duration(10 * time.Minute)})
		s.Maintenance = []Window{{From: w.now().Add(20 * time.Hour), To: w.now().Add(24 * time.Hour)}}
		restored := Status{State: Up, Since: w.now().Add(-time.Hour), Seen: w.now().Add(-5 * time.Hour)}
		e.Set([]Item{{ID: "neu", Spec: s}, {ID: "alt", Spec: s, Status: restored}})
		e.Start(t.Context())
		defer e.Stop()
		if err := e.Report(t.Context(), "fremd", fine(w.now())); !errors.Is(err, ErrUnknown) {
			t.Errorf("%v", err)
		}
		time.Sleep(59 * time.Second)
		if tr := w.transitions(); len(tr) != 0 {
			t.Errorf("no moment for retries: %v", tr)
		}
		time.Sleep(2 * time.Second)
		if tr := w.transitions(); !slices.Equal(tr, []string{"alt went_down"}) {
			t.Errorf("%v", tr)
		}
		time.Sleep(2 * time.Hour)
		if tr := w.transitions(); !slices.Equal(tr, []string{"alt went_down", "neu went_down"}) {
			t.Errorf("%v", tr)
		}
		for _, id := range []string{"alt", "neu"} {
			if err := e.Report(t.Context(), id, fine(w.now())); err != nil {
				t.Error(err)
			}
		}
		if n := len(w.transitions()); n != 4 {
			t.Errorf("Report returned before the sink had it: %v", w.transitions())
		}
		time.Sleep(25 * time.Hour) // through the window, silent
		tr := w.transitions()[4:]
		if len(tr) != 2 {
			t.Errorf("%v", tr)
		}
	})
}

func TestProbeNowAndPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		e := w.engine(EngineOptions{})
		it := tcpItem(t, "a")
		it.Spec.Confirm = 1
		it.Status = Status{State: Up, NextAt: w.now().Add(50 * time.Second)}
		odd := it
		odd.ID, odd.Spec.Kind = "odd", "hellsehen"
		e.Set([]Item{it, odd})
		e.Start(t.Context())
		defer e.Stop()
		w.set("a.example", func(context.Context) Result { panic("kaputt") })
		if !e.ProbeNow("a") || e.ProbeNow("nie") || !e.ProbeNow("odd") {
			t.Error("ProbeNow")
		}
		time.Sleep(time.Second)
		if tr := w.transitions(); len(tr) != 2 {
			t.Errorf("a check that cannot be done must alarm: %v", tr)
		}
		if st, _ := e.Status("a"); st.Last.Reason != ReasonInvalid {
			t.Errorf("%+v", st)
		}
	})
}

// In real time, what falls due while the schedule looks at its wheel must not
// put it to sleep. Synctest cannot show this: there time stands still meanwhile.
func TestScheduleNeverFallsAsleep(t *testing.T) {
	w := newWorld()
	e := w.engine(EngineOptions{})
	var list []Item
	for i := range 300 {
		it := tcpItem(t, fmt.Sprintf("m%d", i))
		it.Spec.Interval = Duration(2 * time.Millisecond)
		list = append(list, it)
	}
	e.Set(list)
	e.Start(t.Context())
	defer e.Stop()
	looks := func() (n int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, l := range w.looks {
			n += len(l)
		}
		return n
	}
	end := time.After(10 * time.Second)
	for looks() < 60_000 {
		before := looks()
		select {
		case <-time.After(200 * time.Millisecond):
		case <-end:
			return // a slow machine; it was awake all the time
		}
		if looks() == before {
			t.Fatalf("asleep after %d looks", before)
		}
	}
}

// An alarm is handed over at once, what people see change promptly, and the
// healthy rest in company.
func TestOutletKnowsWhatIsUrgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // the sink has a goroutine of its own
		at := map[string]time.Time{}
		batches := 0
		u := newOutlet(EngineOptions{FlushAfter: time.Second, FlushSize: 256, Backlog: 1000, SinkTimeout: time.Second, Sink: func(_ context.Context, b []Observation) error {
			mu.Lock()
			defer mu.Unlock()
			batches++
			for _, o := range b {
				at[o.ID] = time.Now()
			}
			return nil
		}})
		after := func(id string, begin time.Time) time.Duration {
			mu.Lock()
			defer mu.Unlock()
			return at[id].Sub(begin)
		}
		u.start(t.Context())
		put := func(id string, p parcel) {
			p.o.ID = id
			u.add(p)
		}
		healthy := time.Now()
		put("healthy", parcel{})
		time.Sleep(2 * time.Second)
		before := time.Now()
		put("before", parcel{})
		for range 10 {
			time.Sleep(10 * time.Millisecond)
			put("changed", parcel{prompt: true}) // each comes soon after the last
		}
		time.Sleep(2 * time.Second)
		alarm := time.Now()
		put("first", parcel{})
		put("alarm", parcel{o: Observation{Transition: WentDown}})
		put("after", parcel{})
		synctest.Wait()
		if a, f := after("alarm", alarm), after("first", alarm); a != 0 || f != 0 {
			t.Errorf("the alarm waited: %v, %v", a, f)
		}
		time.Sleep(2 * time.Second)
		u.stop()
		if h, b, a := after("healthy", healthy), after("before", before), after("after", alarm); h != time.Second || b != 60*time.Millisecond || a < 0 || a > time.Second {
			t.Errorf("%v, %v, %v", h, b, a)
		}
		if batches > 7 {
			t.Errorf("%d batches", batches)
		}
	})
}
