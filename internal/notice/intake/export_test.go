package intake

import "time"

// Sweep finds what is silent at a moment, and forgets.
var Sweep = (*Room).sweep

// OptionsOf is what the room was made with.
func OptionsOf(r *Room) Options { return r.o }

// Pacer is a pacer for tests.
type Pacer struct{ p pacer }

// NewPacer makes one.
func NewPacer() *Pacer { return &Pacer{pacer{left: map[pacing]*allowance{}}} }

// Allow takes a body of a source of one town.
func (p *Pacer) Allow(name string, public bool, now time.Time) bool {
	return p.p.allow(pacing{sourceOf{"t1", name}, public}, now)
}
