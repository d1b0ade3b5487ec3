package monitor

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// Put makes one monitor watched, or takes its change over, as [Engine.Set] with
// a list of which only this one differs; no other monitor is looked at for it.
func (e *Engine) Put(in Item) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if it := e.items[in.ID]; it != nil {
		e.disown(it)
	}
	it, first := e.admit(in, e.o.Now())
	for _, p := range it.spec.Parents {
		id := sibling(it.id, p)
		e.children[id] = append(e.children[id], it)
	}
	if first {
		e.planSoon([]*item{it})
	}
}

// Drop forgets one monitor with its probe, as [Engine.Set] with a list without
// it. One that is not known is none the less gone.
func (e *Engine) Drop(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	it := e.items[id]
	if it == nil {
		return
	}
	e.disown(it)
	e.withdraw(it)
	delete(e.items, id)
}

// The functions below are called with e.mu held.

// admit takes over what its owner says of one monitor. soon asks for a look: it
// is new and was never judged, or it has changed. Who stands behind it is the
// caller's business.
func (e *Engine) admit(in Item, now time.Time) (it *item, soon bool) {
	it = e.items[in.ID]
	switch {
	case it == nil:
		it = &item{id: in.ID, status: in.Status}
		if it.status.State == "" {
			it.status = NewStatus(now)
		}
		e.items[in.ID] = it
		e.adopt(it, in.Spec)
		return it, !e.planRestored(it, now)
	case !reflect.DeepEqual(it.whole(), in.Spec):
		e.withdraw(it)
		e.adopt(it, in.Spec)
		return it, it.spec.Kind != Heartbeat || !e.planRestored(it, now)
	}
	return it, false
}

// adopt takes over a spec.
func (e *Engine) adopt(it *item, s Spec) {
	it.form = e.forms.of(s)
	it.machine = newMachine(it.id, it.spec)
	it.host = strings.ToLower(s.Target())
	if u, key := parseTarget(s.URL); key == "" {
		it.host = joinHostPort(strings.ToLower(u.Hostname()), portOf(u))
	}
}

// planSoon plans the first looks at the listed. Many at once are spread, a
// single one happens at once.
func (e *Engine) planSoon(soon []*item) {
	spread := min(30*time.Second, time.Duration(len(soon))*3*time.Millisecond)
	for _, it := range soon {
		within := min(spread, it.spec.Interval.D())
		if it.status.State == Suspect {
			within = min(within, time.Second) // somebody may be waiting for this certainty
		}
		e.plan(it, Phase(it.id, within))
	}
}

// disown takes it out of the lists of its parents.
func (e *Engine) disown(it *item) {
	for _, p := range it.spec.Parents {
		id := sibling(it.id, p)
		e.children[id] = slices.DeleteFunc(e.children[id], func(c *item) bool { return c == it })
		if len(e.children[id]) == 0 {
			delete(e.children, id)
		}
	}
}
