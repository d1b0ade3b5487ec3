package monitor

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"
)

// Item is one monitor as its owner hands it to the engine.
type Item struct {
	ID   string
	Spec Spec // normal
	// Status is what was stored last. The engine takes it for a monitor that it
	// does not know yet; afterwards its own is the truth. The zero value counts
	// as made now, so store [NewStatus] with a new heartbeat: its first due time
	// counts from there.
	Status Status
}

// Observation is one result and what it made of the monitor.
type Observation struct {
	ID         string
	Result     Result
	Status     Status     // after the result
	From       State      // before it
	Transition Transition // WentDown and CameUp alarm, in the transaction that stores them
	// Late is how long after its due time the probe began, because a cap was
	// reached or the machine was busy.
	Late time.Duration
	// Moved says that the result changed something of Status that outlives it.
	Moved bool
	// Before is what was withheld before the result.
	Before Held
	// Uplink is set, and ID empty, for the transitions of our own line.
	Uplink *UplinkState
}

// Sink takes observations, in order, one batch at a time. When it answers an
// error the same batch comes again, so it must be idempotent by (ID,
// Result.At), and it must answer nil for what it will never be able to store,
// such as a monitor that was deleted meanwhile. The batch is lent until it
// answers. It may take its time: probes go on. ctx ends after SinkTimeout, and is not cut short by Stop.
type Sink func(ctx context.Context, batch []Observation) error

// EngineOptions configure an Engine. Probers, Now and Sink are required.
type EngineOptions struct {
	Probers Probers
	Now     func() time.Time
	Sink    Sink
	// Unstored is told, after each time the sink failed, of everything that waits
	// and alarms, oldest first. It must return soon. Optional.
	Unstored func(ctx context.Context, waiting []Observation)
	// OnResult is told every result of a probe, for figures; it must return at
	// once. Optional.
	OnResult func(id string, r Result)
	// References are looked at to know whether our own line works (see
	// [Reference]); Behind tells whether a monitor's target at an address lies
	// behind it. Behind must return at once. Optional.
	References []Spec
	Behind     func(id string, a netip.Addr) bool
	Log        *slog.Logger // nil discards

	InFlight int // probes at once, default 2048
	PerHost  int // probes at once to one host and port, default 64

	FlushAfter  time.Duration // how long a healthy result may wait for company, default 1 s
	FlushSize   int           // results in one batch, default 256
	Backlog     int           // results kept while the sink fails, default 20,000
	SinkTimeout time.Duration // default 30 s
}

// The engine's errors.
var (
	ErrUnknown = errors.New("monitor: the engine does not know this monitor")
	ErrStopped = errors.New("monitor: the engine has stopped")
)

// Engine looks at every monitor when its time has come, feeds the results
// through its [Machine], and hands them to the [Sink].
//
// It keeps due times in a wheel that turns by a monotonic stopwatch, so that
// setting the machine's clock neither fires nor stalls it. Goroutines exist for probes in
// flight, a few idle ones aside, and one each for the schedule and the sink.
// When a cap is reached, due probes wait in line, confirmations first.
type Engine struct {
	o     EngineOptions
	watch stopwatch
	wake  chan struct{} // the earliest due time has changed
	out   *outlet
	wg    sync.WaitGroup

	mu    sync.Mutex
	items map[string]*item
	forms forms
	// children are the monitors that name one as a parent.
	children map[string][]*item
	up       uplink
	due      *wheel
	hosts    map[string]*host // with a probe in flight or in line
	line     lane             // due, waiting for the global cap
	idle     []chan *flight   // workers without a probe
	flying   int
	ctx      context.Context // of the probes; nil before Start
	cancel   context.CancelFunc
	stopped  bool
}

// item is a monitor inside the engine. Exactly one of these holds: it waits in
// the wheel, is in line, or is in flight (cancel set).
type item struct {
	id      string
	form    // what is looked at
	machine Machine
	status  Status
	host    string

	at         time.Duration // due, on the stopwatch
	tick       int64         // of the wheel, at which it starts
	prev, next *item         // in its slot of the wheel
	waits      bool          // in the wheel

	inLine bool
	cancel context.CancelFunc
	// turn tells a probe whether its result is still wanted: a reload that
	// changes or removes the monitor begins a new one.
	turn uint64
	// beatDue says that the next wake-up of a heartbeat means "missed".
	beatDue bool
	asked   bool // somebody waits for the next look
	// reference: it serves the uplink and is no monitor.
	reference bool
}

// host counts what one target bears.
type host struct {
	flying int
	line   lane
}

// NewEngine makes an engine that is not running yet.
func NewEngine(o EngineOptions) *Engine {
	if o.Now == nil || o.Sink == nil {
		panic("monitor: EngineOptions.Now and Sink are required")
	}
	set := func(n *int, def int) {
		if *n <= 0 {
			*n = def
		}
	}
	set(&o.InFlight, 2048)
	set(&o.PerHost, 64)
	set(&o.FlushSize, 256)
	set(&o.Backlog, 20_000)
	if o.FlushAfter <= 0 {
		o.FlushAfter = time.Second
	}
	if o.SinkTimeout <= 0 {
		o.SinkTimeout = 30 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{
		o: o, watch: newStopwatch(), wake: make(chan struct{}, 1), out: newOutlet(o),
		items: map[string]*item{}, children: map[string][]*item{}, hosts: map[string]*host{}, due: newWheel(),
	}
	e.addReferences(o.References)
	return e
}

// Start begins probing and returns at once. Values of ctx reach the probes and
// the sink; its end stops probing, but only Stop waits. A second Start does
// nothing.
func (e *Engine) Start(ctx context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx != nil || e.stopped {
		return
	}
	e.ctx, e.cancel = context.WithCancel(ctx)
	e.out.start(context.WithoutCancel(ctx))
	e.wg.Go(func() { e.run(e.ctx) })
}

// Stop breaks off the probes in flight, hands the results that are still here
// to the sink, and returns when all goroutines are gone. It may be called
// twice, and without Start.
func (e *Engine) Stop() {
	e.mu.Lock()
	e.stopped = true
	if e.cancel != nil {
		e.cancel()
	}
	for _, worker := range e.idle {
		close(worker)
	}
	e.idle = nil
	e.mu.Unlock()
	e.wg.Wait()
	e.out.stop()
}

// Set makes list the monitors that are watched. Only the difference is
// applied: an equal spec leaves its monitor untouched, a changed one keeps its
// status and is probed soon, a missing one is forgotten with its probe.
func (e *Engine) Set(list []Item) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.o.Now()
	keep := make(map[string]bool, len(list))
	var soon []*item
	for _, in := range list {
		if keep[in.ID] {
			continue
		}
		keep[in.ID] = true
		if it, first := e.admit(in, now); first {
			soon = append(soon, it)
		}
	}
	for id, it := range e.items {
		if !keep[id] {
			e.withdraw(it)
			delete(e.items, id)
		}
	}
	e.relate()
	e.planSoon(soon)
}

// planRestored goes on where the stored status left off. It answers false for
// a monitor that should be looked at soon: never judged, or overdue.
func (e *Engine) planRestored(it *item, now time.Time) bool {
	interval := it.spec.Interval.D()
	if it.spec.Kind != Heartbeat {
		wait := it.status.NextAt.Sub(now)
		if it.status.State == Unknown || wait <= 0 {
			return false
		}
		e.plan(it, min(wait, interval))
		return true
	}
	grace := it.spec.Grace.D()
	wait := Due(it.status, *it.spec).Sub(now)
	it.beatDue = true
	if wait <= 0 && it.status.Open {
		wait = interval // told already
	}
	// Nobody could reach us while we were away; jobs that retry get a moment.
	wait = max(wait, min(grace, time.Minute))
	e.plan(it, min(wait, interval+grace))
	return true
}

// Report feeds a result that the engine did not probe for itself, such as a
// heartbeat's ping ([Ping.Result]), and returns when the sink has taken it.
func (e *Engine) Report(ctx context.Context, id string, r Result) error {
	taken := make(chan struct{})
	e.mu.Lock()
	it := e.items[id]
	switch {
	case e.stopped:
		e.mu.Unlock()
		return ErrStopped
	case it == nil:
		e.mu.Unlock()
		return ErrUnknown
	}
	r.Detail = plain(r.Detail)
	e.judge(it, r, 0, taken)
	e.mu.Unlock()
	select {
	case <-taken:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-e.out.gone:
		select {
		case <-taken: // with the last batch
			return nil
		default:
			return ErrStopped
		}
	}
}

// Requeue hands observations of an earlier run to the sink, before all others.
// It is for before Start.
func (e *Engine) Requeue(list []Observation) {
	for _, o := range list {
		e.out.add(parcel{o: o})
	}
}

// ProbeNow looks at a monitor at once, whatever its schedule says. It answers
// false for one that cannot be probed or is in flight already.
func (e *Engine) ProbeNow(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	it := e.items[id]
	if it == nil || it.spec.Kind == Heartbeat || !it.waits {
		return false
	}
	it.asked = true
	e.plan(it, 0)
	return true
}

// Status is what the engine holds a monitor to be right now.
func (e *Engine) Status(id string) (Status, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	it := e.items[id]
	if it == nil {
		return Status{}, false
	}
	return it.status, true
}

// Stats are figures about the engine itself.
type Stats struct {
	Monitors int
	InFlight int
	InLine   int // due, but waiting for a cap
	Unsaved  int // results that the sink has not taken yet
	States   map[State]int
	Withheld int   // alarms, for a reason
	Stored   int64 // results that the sink has taken
	Dropped  int64 // results given up because the sink failed for too long; never a transition
}

// Stats answers the figures of this moment.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	s := Stats{Monitors: len(e.items), InFlight: e.flying, InLine: e.line.len(), States: map[State]int{}}
	for _, it := range e.items {
		s.States[it.status.State]++
		if it.status.Held.Reason != "" {
			s.Withheld++
		}
	}
	for _, h := range e.hosts {
		s.InLine += h.line.len()
	}
	e.mu.Unlock()
	s.Unsaved, s.Stored, s.Dropped = e.out.stats()
	return s
}

// run is the schedule's goroutine.
func (e *Engine) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		e.mu.Lock()
		if ctx.Err() != nil {
			e.mu.Unlock()
			return
		}
		// One reading for both questions: what falls due in between must be
		// waited for, not overlooked.
		now := e.watch.elapsed()
		wait, some := e.due.turn(now, e.fire)
		if !some {
			wait = time.Hour
		}
		e.mu.Unlock()
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-e.wake:
		case <-ctx.Done():
			return
		}
	}
}

// nudge makes the schedule look at its wheel again.
func (e *Engine) nudge() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// The functions below are called with e.mu held.

// plan makes it due after wait.
func (e *Engine) plan(it *item, wait time.Duration) {
	it.at = e.watch.elapsed() + max(wait, 0)
	if e.due.put(it) {
		e.nudge()
	}
}

// withdraw takes it off the schedule; a probe in flight is broken off and its
// result will not be wanted.
func (e *Engine) withdraw(it *item) {
	it.turn++
	it.inLine = false // lanes drop whoever is not in line any more
	e.due.take(it)
	if it.cancel != nil {
		it.cancel()
		it.cancel = nil
	}
}

// fire is called when the time of an item has come.
func (e *Engine) fire(it *item) {
	if it.spec.Kind == Heartbeat {
		r := Result{At: stamp(e.o.Now()), Reason: ReasonCanceled} // a window ended: no verdict
		if it.beatDue {
			r = Missed(it.status, e.o.Now())
		}
		e.judge(it, r, 0, nil)
		return
	}
	it.inLine = true
	e.line.push(it)
	e.dispatch(false)
}

// dispatch launches whoever is in line while the caps allow. With reuse, the
// first of them is answered instead of launched, for the goroutine that has
// just become free.
func (e *Engine) dispatch(reuse bool) *flight {
	for e.flying < e.o.InFlight {
		it := e.line.pop()
		if it == nil {
			break
		}
		h := e.hosts[it.host]
		if h == nil {
			h = &host{}
			e.hosts[it.host] = h
		}
		if h.flying >= e.o.PerHost {
			h.line.push(it)
			continue
		}
		it.inLine = false
		e.flying++
		h.flying++
		ctx, cancel := context.WithTimeout(e.ctx, it.spec.Timeout.D())
		it.cancel = cancel
		f := &flight{it: it, turn: it.turn, form: it.form, host: it.host, ctx: timed{ctx}, cancel: cancel, late: e.watch.elapsed() - it.at}
		if reuse {
			return f
		}
		if n := len(e.idle); n > 0 {
			e.idle[n-1] <- f // has room for one
			e.idle = e.idle[:n-1]
			continue
		}
		e.wg.Go(func() { e.work(f) })
	}
	return nil
}

// judge lets the machine judge a result, plans the next look and passes the
// observation on.
func (e *Engine) judge(it *item, r Result, late time.Duration, taken chan struct{}) {
	now := e.o.Now()
	before := it.status
	var tr Transition
	it.status, tr = it.machine.Step(it.status, r, e.around(it, r), now)
	if it.spec.Kind == Heartbeat {
		it.beatDue = !it.status.NextAt.Before(Due(it.status, *it.spec))
	}
	// Only the difference counts: what the wall clock says is the machine's
	// business, when to wake up is the stopwatch's.
	if it.cancel == nil && !it.inLine {
		e.plan(it, max(it.status.NextAt.Sub(stamp(now)), time.Millisecond))
	}
	if it.reference {
		e.judgeReference(it, now)
		return
	}
	moved := it.status.moved(before)
	e.out.add(parcel{taken: taken, prompt: moved || it.asked, o: Observation{
		ID: it.id, Result: r, Status: it.status, From: before.State, Transition: tr, Late: late,
		Moved: moved, Before: before.Held,
	}})
	it.asked = false
	e.echo(it, before.State)
}

// flight is one probe under way.
type flight struct {
	it     *item
	turn   uint64
	form   form
	host   string
	ctx    context.Context
	cancel context.CancelFunc
	late   time.Duration
}

// maxIdle is how many workers stay for the next probe. A fresh goroutine pays
// for growing its stack with a tenth of a check.
const maxIdle = 64

// work probes, and goes on with whoever waited for the place.
func (e *Engine) work(f *flight) {
	more := make(chan *flight, 1)
	for f != nil {
		r := e.probe(f)
		f.cancel()
		var stay bool
		if f, stay = e.land(f, r, more); stay {
			f = <-more // nil when the engine stops
		}
	}
}

func (e *Engine) probe(f *flight) (r Result) {
	defer func() {
		if p := recover(); p != nil {
			// One broken check must not take the watch over all others down.
			e.o.Log.Error("a probe panicked", "room", "monitor", "monitor", f.it.id, "panic", p, "stack", string(debug.Stack()))
			r = Result{At: stamp(e.o.Now()), Reason: ReasonInvalid, Detail: "internal error of the check"}
		}
	}()
	p := e.o.Probers[f.form.spec.Kind]
	if p == nil {
		return Result{At: stamp(e.o.Now()), Reason: ReasonInvalid, Detail: "no probe for kind " + string(f.form.spec.Kind)}
	}
	return p.Probe(f.ctx, f.form.whole())
}

// land takes the result of a probe in and answers the next one for its worker.
// Without one the worker may stay: then more will bring the next.
func (e *Engine) land(f *flight, r Result, more chan *flight) (next *flight, stay bool) {
	e.mu.Lock()
	wanted := f.turn == f.it.turn && e.ctx.Err() == nil
	if r.Reason == ReasonCanceled && errors.Is(f.ctx.Err(), context.DeadlineExceeded) {
		// Nobody broke it off: a prober that cannot tell must not hide a target that hangs.
		r.Reason, r.Detail = ReasonTimeout, "no verdict in time"
	}
	e.flying--
	if h := e.hosts[f.host]; h != nil {
		h.flying--
		if it := h.line.pop(); it != nil {
			e.line.pushFirst(it)
		} else if h.flying == 0 {
			delete(e.hosts, f.host)
		}
	}
	if f.turn == f.it.turn {
		f.it.cancel = nil
	}
	if wanted {
		e.judge(f.it, r, f.late, nil)
	}
	if e.ctx.Err() == nil {
		next = e.dispatch(true)
		e.dispatch(false)
		if next == nil && !e.stopped && len(e.idle) < maxIdle {
			e.idle, stay = append(e.idle, more), true
		}
	}
	e.mu.Unlock()
	if wanted && e.o.OnResult != nil && !f.it.reference {
		e.o.OnResult(f.it.id, r)
	}
	return next, stay
}
