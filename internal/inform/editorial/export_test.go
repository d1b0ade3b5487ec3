package editorial

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// SendDue is the sweeper's work, at once.
func (r *Room) SendDue(ctx context.Context, now time.Time) (time.Time, error) {
	return r.sendDue(ctx, now)
}

// TakeUp is what the start does with what a crash left.
func (r *Room) TakeUp(ctx context.Context) error { return r.takeUp(ident.AcrossTenants(ctx)) }

// Take marks a post as being sent, as a program does that dies right then.
func (r *Room) Take(ctx context.Context, id ID) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		p, err := r.Get(ctx, id)
		if err != nil {
			return err
		}
		p.State, p.RetryAt = Sending, r.o.Clock.Now().Add(lease)
		return r.update(ctx, db, p)
	})
}
