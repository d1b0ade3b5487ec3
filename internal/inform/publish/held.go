package publish

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// After a restore the ledger still holds what waited when the backup was made.
// The old machine has most likely sent it since (I8: unique by statement,
// recipient and channel), so it waits for a person: its turn is at [heldUntil],
// which no clock reaches.

var heldUntil = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// ReasonRestored is why a delivery waits for a person, and why it was skipped
// when that person dropped it.
const ReasonRestored = "restored"

// HoldAll holds every delivery that has not ended, of all towns. It is for a
// database that was just filled from a backup and that nobody serves yet.
func (r *Room) HoldAll(ctx context.Context) error {
	return r.o.Store.InTx(ident.AcrossTenants(ctx), func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewUpdate().Model((*deliveryRow)(nil)).Set("state = ?", Queued).Set("claim = ''").
			Set("next_at = ?", heldUntil).Set("reason = ?", ReasonRestored).Where("state IN (?, ?)", Queued, Sending).Exec(ctx)
		if err != nil {
			return fmt.Errorf("publish: hold: %w", err)
		}
		return nil
	})
}

// Held counts the held deliveries of the tenant in ctx.
func (r *Room) Held(ctx context.Context) (int, error) {
	n, err := r.o.Store.Read(ctx).NewSelect().Model((*deliveryRow)(nil)).
		Where("tenant_id = ? AND state = ? AND next_at >= ?", ident.TenantOf(ctx), Queued, heldUntil).Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("publish: held: %w", err)
	}
	return int(n), nil
}

// LetGo sends the held deliveries of the tenant in ctx, or ends them as not
// sent, with the reason in the ledger. The caller has checked who may. It
// answers how many there were.
func (r *Room) LetGo(ctx context.Context, send bool) (n int, err error) {
	now := r.o.Clock.Now()
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		q := db.NewUpdate().Model((*deliveryRow)(nil)).Set("next_at = ?", now).Set("updated_at = ?", now).
			Where("tenant_id = ? AND state = ? AND next_at >= ?", ident.TenantOf(ctx), Queued, heldUntil)
		if send {
			q = q.Set("reason = ''")
		} else {
			q = q.Set("state = ?", Skipped)
		}
		res, err := q.Exec(ctx)
		if err != nil {
			return fmt.Errorf("publish: let go: %w", err)
		}
		rows, err := res.RowsAffected()
		n = int(rows)
		r.o.Store.AfterCommit(ctx, r.ledger.Kick)
		return err
	})
	return n, err
}
