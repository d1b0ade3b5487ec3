package monitor

import (
	"strings"
	"time"
)

// The functions below are called with e.mu held.

// relate notes who stands behind whom.
func (e *Engine) relate() {
	clear(e.children)
	for _, it := range e.items {
		for _, p := range it.spec.Parents {
			id := sibling(it.id, p)
			e.children[id] = append(e.children[id], it)
		}
	}
}

// sibling is the engine's id of another monitor of the same tenant.
func sibling(id, slug string) string {
	if i := strings.LastIndexByte(id, '/'); i >= 0 {
		return id[:i+1] + slug
	}
	return slug
}

// around is what is known of the surroundings of it when r is judged.
func (e *Engine) around(it *item, r Result) Around {
	var a Around
	if r.OK || r.Reason.Neutral() || it.reference {
		return a
	}
	first := r.At
	if it.status.Fails > 0 {
		first = it.status.FailingSince
	}
	for _, slug := range it.spec.Parents {
		p := e.items[sibling(it.id, slug)]
		if p == nil {
			continue
		}
		switch p.status.State {
		case Down:
			a.Parent = slug
		case Unreachable:
			a.Parent = p.status.Held.Cause
		case Maintenance, Blind:
		default:
			if p.spec.Kind != Heartbeat && (p.status.State == Suspect || p.status.Last.At.Before(first)) {
				a.Asking = true
			}
		}
		if a.Parent != "" {
			return Around{Parent: a.Parent}
		}
	}
	if e.behind(it) {
		a.Blind = e.up.Lost
		a.Asking = a.Asking || e.up.Proven && e.up.LastUp.Before(first)
	}
	return a
}

// echo tells the surroundings what became of it.
func (e *Engine) echo(it *item, from State) {
	to := it.status.State
	if it.status.Fails > 0 && !it.status.alarmed() {
		for _, slug := range it.spec.Parents {
			p := e.items[sibling(it.id, slug)]
			if p != nil && p.waits && p.spec.Kind != Heartbeat && p.status.State != Suspect && p.status.Last.At.Before(it.status.FailingSince) {
				e.plan(p, 0)
			}
		}
		if e.behind(it) {
			e.askUplink()
		}
	}
	if gone := func(s State) bool { return s == Down || s == Unreachable }; gone(from) && !gone(to) {
		e.lookSoon(e.children[it.id], Unreachable)
	}
}

// wakeAll looks soon at every monitor in a state.
func (e *Engine) wakeAll(s State) {
	var list []*item
	for _, it := range e.items {
		list = append(list, it)
	}
	e.lookSoon(list, s)
}

// lookSoon looks soon at those of the list that are in a state: what excused their
// failure is gone.
func (e *Engine) lookSoon(list []*item, s State) {
	n := 0
	for _, it := range list {
		if it.status.State == s {
			n++
		}
	}
	spread := min(10*time.Second, time.Duration(n)*3*time.Millisecond)
	for _, it := range list {
		if it.status.State == s && it.waits && it.spec.Kind != Heartbeat {
			e.plan(it, Phase(it.id, min(spread, it.spec.Interval.D())))
		}
	}
}
