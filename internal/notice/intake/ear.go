package intake

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// Silence tells something only where somebody was listening. So every node that
// listens writes down, twice a minute, since when it has done so without a break
// and up to when; what it could not take in between breaks it off. A restart, a
// machine that slept, a clock that was set, a database that was away: the count
// begins anew, and what nobody could hear is never taken for silence (I20).

const (
	// beatEvery is how often a node notes that it listens.
	beatEvery = 30 * time.Second
	// deafAfter is how far apart two notes may be until nobody listened between.
	deafAfter = 2 * time.Minute
	// nodeGone is how long a node may be away until nobody waits for it. Sources
	// may have its address alone, so until then nothing ends.
	nodeGone = 24 * time.Hour
)

type earRow struct {
	bun.BaseModel `bun:"table:intake_ear"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Node          string       `bun:"node,pk"`
	Since         time.Time    `bun:"since"`
	At            time.Time    `bun:"at"`
}

// listening is the time in which somebody could have heard.
type listening struct{ Since, Until time.Time }

// beat goes on listening until a moment not after now; deaf is the last time
// that something could not be taken.
func (l listening) beat(now, until, deaf time.Time) listening {
	if d := now.Sub(l.Until); l.Until.IsZero() || d > deafAfter || d < 0 || l.Since.After(now) {
		l.Since = now
	}
	return listening{latest(l.Since, deaf), until}
}

// both is when two have listened.
func (l listening) both(o listening) listening {
	if o.Until.Before(l.Until) {
		l.Until = o.Until
	}
	l.Since = latest(l.Since, o.Since)
	return l
}

// silentFor is the latest moment of a last word after which silence has been heard
// for n; ok tells whether there is one.
func (l listening) silentFor(n time.Duration) (before time.Time, ok bool) {
	before = l.Until.Add(-n)
	return before, n > 0 && !before.Before(l.Since)
}

func latest(all ...time.Time) (out time.Time) {
	for _, t := range all {
		if t.After(out) {
			out = t
		}
	}
	return out
}

// ears is what a node knows of its own hearing since it last wrote it down.
type ears struct {
	mu     sync.Mutex
	all    time.Time              // it could not take something, no matter of whom
	of     map[sourceOf]time.Time // or of this source
	inHand map[*kept]time.Time    // on the way into the store
}

// missed notes that something could not be taken; whose is zero where nobody knows.
func (e *ears) missed(now time.Time, whose sourceOf) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if whose == (sourceOf{}) {
		e.all = latest(e.all, now)
		return
	}
	if e.of == nil {
		e.of = map[sourceOf]time.Time{}
	}
	e.of[whose] = latest(e.of[whose], now)
}

// hold notes a body that has come and is not stored yet.
func (e *ears) hold(k *kept) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.inHand == nil {
		e.inHand = map[*kept]time.Time{}
	}
	e.inHand[k] = k.body.FirstAt
}

// letGo notes that it is stored, or refused.
func (e *ears) letGo(k *kept) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.inHand, k)
}

// take is all that has been missed and is not written yet, and until when
// everything is stored that came.
func (e *ears) take(now time.Time) (until, all time.Time, of map[sourceOf]time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	until = now
	for _, at := range e.inHand {
		if !at.After(until) {
			until = at.Add(-time.Millisecond)
		}
	}
	all, of = e.all, e.of
	e.all, e.of = time.Time{}, nil
	return until, all, of
}

// back takes again what could not be written.
func (e *ears) back(all time.Time, of map[sourceOf]time.Time) {
	e.missed(all, sourceOf{})
	for whose, at := range of {
		e.missed(at, whose)
	}
}

// beat writes down that this node listens, and answers town by town when all nodes
// did.
func (r *Room) beat(ctx context.Context, towns []ident.Tenant, now time.Time) (heard map[ident.Tenant]listening, err error) {
	if r.o.Cut != nil && r.o.Cut() {
		r.ears.missed(now, sourceOf{})
	}
	until, all, of := r.ears.take(now)
	defer func() {
		if err != nil {
			r.ears.back(all, of)
		}
	}()
	for whose, at := range of { // one by one: bodies that are stored meanwhile hold these rows, too
		err := r.o.Store.InTx(ident.WithTenant(ctx, whose.tenant), func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			_, err := db.NewUpdate().Model((*sourceRow)(nil)).Set("quiet_from = ?", at).
				Where("tenant_id = ? AND name = ? AND resolve_after > 0 AND (quiet_from IS NULL OR quiet_from < ?)", whose.tenant, whose.name, at).Exec(ctx)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("intake: ears: %w", err)
		}
	}
	heard = map[ident.Tenant]listening{}
	for _, town := range towns {
		if heard[town], err = r.beatFor(ident.WithTenant(ctx, town), now, until, all); err != nil {
			return nil, fmt.Errorf("intake: ears: %w", err)
		}
	}
	return heard, nil
}

func (r *Room) beatFor(ctx context.Context, now, until, deaf time.Time) (heard listening, err error) {
	town := ident.TenantOf(ctx)
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var rows []earRow
		if _, err := db.NewDelete().Model((*earRow)(nil)).Where("tenant_id = ? AND at < ?", town, now.Add(-nodeGone)).Exec(ctx); err != nil {
			return err
		}
		if err := db.NewSelect().Model(&rows).Where("tenant_id = ?", town).Scan(ctx); err != nil {
			return err
		}
		var mine listening
		for _, row := range rows {
			if row.Node == r.o.Node {
				mine = listening{when(row.Since), when(row.At)}
			}
		}
		heard = mine.beat(now, until, deaf)
		row := earRow{TenantID: town, Node: r.o.Node, Since: heard.Since, At: heard.Until}
		if _, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, node) DO UPDATE").Set("since = EXCLUDED.since, at = EXCLUDED.at").Exec(ctx); err != nil {
			return err
		}
		for _, row := range rows {
			if row.Node != r.o.Node {
				heard = heard.both(listening{when(row.Since), when(row.At)})
			}
		}
		return nil
	})
	return heard, err
}
