package monitor

import (
	"context"
	"sync"
	"time"
)

// outlet carries observations to the sink, in order and many at a time: a
// transition at once, with all that waits before it; what people see change, or
// have asked for, promptly; and the healthy rest, which is only history, after
// FlushAfter. While the sink fails it keeps them and tries again.
type outlet struct {
	o    EngineOptions
	kick chan struct{} // something is waiting
	soon chan struct{} // something should not wait long for company
	rush chan struct{} // something must not wait for company
	quit chan struct{}
	gone chan struct{}
	once sync.Once

	mu      sync.Mutex
	started bool
	queue   []parcel
	lent    []Observation // what batch answers, used again and again
	hasty   int           // parcels in queue that must not wait for company
	prompt  int           // parcels in queue that should not wait long
	stored  int64
	dropped int64
}

// parcel is an observation and whoever waits for its being stored.
type parcel struct {
	o      Observation
	taken  chan struct{}
	prompt bool // a person may be looking
}

// promptly is how long such a parcel waits for company.
const promptly = 50 * time.Millisecond

// hasty tells whether the parcel alarms, or a program waits for it.
func (p parcel) hasty() bool { return p.taken != nil || p.o.Transition != None }

func newOutlet(o EngineOptions) *outlet {
	return &outlet{
		o: o, kick: make(chan struct{}, 1), soon: make(chan struct{}, 1), rush: make(chan struct{}, 1),
		quit: make(chan struct{}), gone: make(chan struct{}),
	}
}

func (u *outlet) start(ctx context.Context) {
	u.mu.Lock()
	u.started = true
	u.mu.Unlock()
	go u.run(ctx) // stop waits for gone
}

// stop hands over what is left and waits for the end.
func (u *outlet) stop() {
	u.once.Do(func() { close(u.quit) })
	u.mu.Lock()
	if !u.started { // nobody will ever run
		u.started = true
		close(u.gone)
	}
	u.mu.Unlock()
	<-u.gone
}

func (u *outlet) stats() (unsaved int, stored, dropped int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.queue), u.stored, u.dropped
}

func (u *outlet) add(p parcel) {
	u.mu.Lock()
	u.queue = append(u.queue, p)
	u.count(p, 1)
	if len(u.queue) > u.o.Backlog {
		u.shed()
	}
	u.nudge()
	u.mu.Unlock()
}

// count keeps the two counts of what is in queue; u.mu is held.
func (u *outlet) count(p parcel, by int) {
	if p.hasty() {
		u.hasty += by
	}
	if p.prompt {
		u.prompt += by
	}
}

// nudge tells run how urgent what waits is; u.mu is held.
func (u *outlet) nudge() {
	nudgeChan(u.kick)
	switch {
	case u.full():
		nudgeChan(u.rush)
	case u.prompt > 0:
		nudgeChan(u.soon)
	}
}

// full tells whether the next batch should go at once; u.mu is held.
func (u *outlet) full() bool { return u.hasty > 0 || len(u.queue) >= u.o.FlushSize }

func nudgeChan(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// shed gives up the oldest of what is only history, as many as a half. What
// alarms, and what somebody waits for, is never given up.
func (u *outlet) shed() {
	kept := make([]parcel, 0, len(u.queue))
	drop := len(u.queue) / 2
	for i, p := range u.queue {
		// The first batch may be in the sink's hands right now.
		if drop == 0 || i < u.o.FlushSize || p.hasty() {
			kept = append(kept, p)
		} else {
			u.count(p, -1)
			u.dropped++
			drop--
		}
	}
	u.queue = kept
}

// batch answers the oldest observations without taking them off. They are lent
// until the next batch.
func (u *outlet) batch() ([]Observation, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := min(len(u.queue), u.o.FlushSize)
	if n == 0 {
		return nil, false
	}
	if cap(u.lent) < n {
		u.lent = make([]Observation, u.o.FlushSize)
	}
	b := u.lent[:n]
	for i := range b {
		b[i] = u.queue[i].o
	}
	return b, true
}

// done takes the n oldest off: the sink has them.
func (u *outlet) done(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range n {
		if c := u.queue[i].taken; c != nil {
			close(c)
		}
		u.count(u.queue[i], -1)
	}
	left := copy(u.queue, u.queue[n:])
	clear(u.queue[left:])
	u.queue = u.queue[:left]
	u.stored += int64(n)
	// What was urgent is stored; whether something still is, the counts say.
	for _, c := range []chan struct{}{u.soon, u.rush} {
		select {
		case <-c:
		default:
		}
	}
	if left == 0 {
		if cap(u.queue) > 4*u.o.FlushSize {
			u.queue = nil // let go of the memory of a burst
		}
		return
	}
	u.nudge()
}

func (u *outlet) run(ctx context.Context) {
	defer close(u.gone)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-u.kick:
		case <-u.quit:
			u.last(ctx)
			return
		}
		if !u.wait(timer) || !u.drain(ctx, timer) {
			u.last(ctx)
			return
		}
	}
}

// wait lets company come to what is there. It answers false at the end.
func (u *outlet) wait(timer *time.Timer) bool {
	timer.Reset(u.o.FlushAfter)
	for soon := u.soon; ; {
		select {
		case <-soon:
			soon = nil // the first one counts
			timer.Reset(min(promptly, u.o.FlushAfter))
		case <-timer.C:
			return true
		case <-u.rush:
			return true
		case <-u.quit:
			return false
		}
	}
}

// drain hands over one batch, as often as it takes. It answers false when the
// engine stops while the sink fails. What came meanwhile waits for company
// again, so that a busy sink gets few large batches and not many small ones.
func (u *outlet) drain(ctx context.Context, timer *time.Timer) bool {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		b, ok := u.batch()
		if !ok {
			return true
		}
		err := u.hand(ctx, b)
		if err == nil {
			return true
		}
		u.o.Log.Warn("results could not be stored, trying again", "room", "monitor", "results", len(b), "in", pause, "err", err)
		if u.o.Unstored != nil {
			u.o.Unstored(ctx, u.alarming())
		}
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-u.quit:
			return false
		}
	}
}

// alarming answers what waits and alarms, oldest first.
func (u *outlet) alarming() []Observation {
	u.mu.Lock()
	defer u.mu.Unlock()
	var out []Observation
	for _, p := range u.queue {
		if p.o.Transition != None {
			out = append(out, p.o)
		}
	}
	return out
}

func (u *outlet) hand(ctx context.Context, b []Observation) error {
	ctx, cancel := context.WithTimeout(ctx, u.o.SinkTimeout)
	defer cancel()
	if err := u.o.Sink(ctx, b); err != nil {
		return err
	}
	u.done(len(b))
	return nil
}

// last tries once more for each batch; after the first failure it gives up,
// and the next start sees the monitors as they were stored.
func (u *outlet) last(ctx context.Context) {
	for {
		b, ok := u.batch()
		if !ok {
			return
		}
		if err := u.hand(ctx, b); err != nil {
			unsaved, _, _ := u.stats()
			u.o.Log.Error("results could not be stored before stopping", "room", "monitor", "results", unsaved, "err", err)
			return
		}
	}
}
