package intake

import (
	"context"
	"time"
)

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

// Receive looks at a letter as if it had been fetched.
func Receive(r *Room, ctx context.Context, source string, data []byte, arrived time.Time) error {
	row, err := r.box(ctx, r.o.Store.Read(ctx), source)
	if err != nil {
		return err
	}
	src, err := r.get(ctx, r.o.Store.Read(ctx), source)
	if err != nil {
		return err
	}
	return r.receive(ctx, src, row.reception(), row.Login, Body{ContentType: MailType, Data: data}, arrived)
}

// Penned reads a letter: whom an answer goes to, its number, why there is none.
func Penned(data []byte) (to, id string, refused Outcome) {
	p := readPenned(data)
	return p.from, p.id, p.refusal
}
