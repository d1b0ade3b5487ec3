package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// bundled is how many facts travel together: a handler hears them in one
// transaction, and nobody else writes while it does.
const bundled = 16

// bundle is the job that carries several facts of one topic, tenant and actor.
type bundle struct {
	Events []envelope `json:"events"`
}

// Kind implements store.Job.
func (bundle) Kind() string { return "bus.events" }

// Storm implements jobs.StormJob.
func (bundle) Storm() {}

// Rests between two bundles, while others want to write: twice as long as the bundle
// held the writer, but no longer than this.
const (
	restTimes  = 2
	restAtMost = 100 * time.Millisecond
)

// rest lets others write before the next bundle, where they wanted to meanwhile.
func (b *Bus) rest(ctx context.Context, held time.Duration, wanted int64) {
	if b.store.Wanted() == wanted || held <= 0 {
		return
	}
	t := time.NewTimer(min(restTimes*held, restAtMost))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// TellAll states several facts inside the open transaction, in their order. Each
// reaches every handler as with [Topic.Tell]; but a handler hears a bundle of them
// in one transaction, so that a storm does not cost a commit for each drop.
func (t Topic[T]) TellAll(ctx context.Context, enqueue store.Enqueue, now time.Time, data []T) error {
	if len(data) == 1 {
		return t.Tell(ctx, enqueue, now, data[0])
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return fmt.Errorf("bus: tell %s: %w", t, err)
	}
	for some := range slices.Chunk(data, bundled) {
		var b bundle
		for _, d := range some {
			e, err := t.envelope(ctx, tenant, now, d)
			if err != nil {
				return err
			}
			b.Events = append(b.Events, e)
		}
		if err := enqueue(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// deliverAll lets every handler hear those of the bundle that it has not heard
// yet. Where one of them fails, each is heard for itself, so that it keeps none of
// the others waiting.
func (b *Bus) deliverAll(ctx context.Context, all bundle) error {
	if len(all.Events) == 0 {
		return nil
	}
	head := all.Events[0]
	b.mu.RLock()
	hs := b.on[head.Topic]
	b.mu.RUnlock()
	ctx = ident.WithActor(ident.WithTenant(ctx, head.Tenant), head.Actor)
	var errs []error
	for _, h := range hs {
		begun, wanted := b.clock.Now(), b.store.Wanted()+1
		if b.together(ctx, all.Events, h) == nil {
			b.rest(ctx, b.clock.Now().Sub(begun), wanted)
			continue
		}
		for _, e := range all.Events {
			if err := b.once(ctx, e, h); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", h.name, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (b *Bus) together(ctx context.Context, all []envelope, h handler) error {
	return b.store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		notes := make([]handled, len(all))
		for i, e := range all {
			notes[i] = handled{TenantID: e.Tenant, EventID: e.ID, Handler: h.name, At: b.clock.Now()}
		}
		var fresh []string
		err := db.NewInsert().Model(&notes).On("CONFLICT DO NOTHING").Returning("event_id").Scan(ctx, &fresh)
		if err != nil && !store.NotFound(err) {
			return fmt.Errorf("bus: note: %w", err)
		}
		for _, e := range all {
			if slices.Contains(fresh, e.ID) {
				if err := h.run(ctx, e); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
