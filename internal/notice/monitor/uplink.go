package monitor

import (
	"time"
)

// The transitions of our own uplink. They come as an [Observation] without ID.
const (
	UplinkLost Transition = "uplink_lost"
	UplinkBack Transition = "uplink_back"
)

// How references are looked at.
const (
	referenceInterval = 15 * time.Second
	referenceTimeout  = 5 * time.Second
	referenceConfirm  = 2
	// askAgain is how soon they are asked again for the sake of a failure.
	askAgain = time.Second
)

// Reference makes the spec of what lies beyond our uplink: an address that
// others run and that answers when our line works.
func Reference(s Spec) (Spec, []Problem) {
	s.Interval, s.Timeout, s.Confirm = Duration(referenceInterval), Duration(referenceTimeout), referenceConfirm
	steady := false
	s.Flapping = &steady
	return s.Normalize()
}

// UplinkState is how our own line to the outside stands.
type UplinkState struct {
	References int // declared; with none, blind never arises
	// Proven: each reference has been seen up since the start. Before that, a
	// reference that fails proves nothing.
	Proven bool
	Lost   bool
	Since  time.Time // of Lost: the first failure that led to it
	// Behind lists the monitors, by the engine's id, that lay behind the line
	// when it was lost.
	Behind []string
	// LastUp is when a reference answered last.
	LastUp time.Time
}

// uplink judges the line by its references; the engine's lock is held.
type uplink struct {
	refs  []*item
	seen  map[*item]bool
	told  bool // its first verdict was passed on
	asked time.Duration
	UplinkState
}

// Uplink answers how our own line stands.
func (e *Engine) Uplink() UplinkState {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.up.UplinkState
}

// addReferences makes the items that only serve the uplink.
func (e *Engine) addReferences(specs []Spec) {
	e.up.seen = map[*item]bool{}
	e.up.References = len(specs)
	now := e.o.Now()
	for i, s := range specs {
		it := &item{id: "/" + s.Target(), status: NewStatus(now), reference: true}
		e.adopt(it, s)
		e.up.refs = append(e.up.refs, it)
		e.plan(it, time.Duration(i)*100*time.Millisecond)
	}
}

// SetReferences looks at others from now on. What the old ones proved is forgotten:
// until each new one was seen up, nothing is withheld, and a line that was held
// lost is told to be back, for doubt never silences (I20).
func (e *Engine) SetReferences(specs []Spec) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ref := range e.up.refs {
		e.withdraw(ref)
	}
	lost := e.up.Lost
	e.up = uplink{}
	e.addReferences(specs)
	if lost {
		e.tellUplink(UplinkBack, e.o.Now())
		e.wakeAll(Blind)
	}
}

// behind tells whether the target of it lies behind our uplink, as far as we
// have seen where it is. Who never answered is not known to: doubt never
// silences (I20).
func (e *Engine) behind(it *item) bool {
	return e.up.References > 0 && e.o.Behind != nil && it.status.Addr.IsValid() && e.o.Behind(it.id, it.status.Addr)
}

// askUplink looks at every reference at once.
func (e *Engine) askUplink() {
	now := e.watch.elapsed()
	if !e.up.Proven || e.up.Lost || e.up.asked > 0 && now-e.up.asked < askAgain {
		return
	}
	e.up.asked = now
	for _, ref := range e.up.refs {
		// One that is being confirmed keeps its pace: two looks within an instant
		// would prove nothing.
		if ref.waits && ref.status.State == Up {
			e.plan(ref, 0)
		}
	}
}

// judgeReference takes the result of a reference in.
func (e *Engine) judgeReference(it *item, now time.Time) {
	up := &e.up
	if it.status.State == Up {
		up.seen[it] = true
		up.Proven = len(up.seen) == len(up.refs)
		up.LastUp = it.status.Last.At
		if up.Lost || !up.told {
			e.tellUplink(UplinkBack, now)
			up.told, up.Lost, up.Since, up.Behind = true, false, time.Time{}, nil
			e.wakeAll(Blind)
		}
		return
	}
	if !up.Proven || up.Lost {
		return
	}
	since := it.status.FailingSince
	for _, ref := range up.refs {
		if ref.status.State != Down {
			return
		}
		if ref.status.FailingSince.Before(since) {
			since = ref.status.FailingSince
		}
	}
	up.Lost, up.Since = true, since
	for id, m := range e.items {
		if e.behind(m) {
			up.Behind = append(up.Behind, id)
		}
	}
	e.tellUplink(UplinkLost, now)
}

// tellUplink passes a change of the line on, in order with everything else.
func (e *Engine) tellUplink(tr Transition, now time.Time) {
	state := e.up.UplinkState
	e.out.add(parcel{o: Observation{Transition: tr, Result: Result{At: stamp(now)}, Uplink: &state}})
}
