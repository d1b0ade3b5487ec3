package intake

import (
	"context"
	"time"
)

// Sweep finds what is silent at a moment, and forgets.
var Sweep = (*Room).sweep

// Quieten notes that the node listens, and ends what has been silent for long.
var Quieten = (*Room).quieten

// Miss notes that something of a source of the first town could not be taken; an
// empty name: nobody knows of whom.
func Miss(r *Room, name string, at time.Time) {
	if name == "" {
		r.ears.missed(at, sourceOf{})
		return
	}
	r.ears.missed(at, sourceOf{"t1", name})
}

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

// Looked notes that a mailbox was read, or why not.
func Looked(r *Room, ctx context.Context, source, problem string) error {
	row, err := r.box(ctx, r.o.Store.Read(ctx), source)
	if err != nil {
		return err
	}
	return r.looked(ctx, row, problem)
}

// InHand is how many bodies are on their way into the store.
func InHand(r *Room) int {
	r.ears.mu.Lock()
	defer r.ears.mu.Unlock()
	return len(r.ears.inHand)
}

// HeardUntil is until when everything that came is stored.
func HeardUntil(r *Room, now time.Time) time.Time {
	until, all, of := r.ears.take(now)
	r.ears.back(all, of)
	return until
}
