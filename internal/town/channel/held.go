package channel

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// After a restore the outbox still holds what waited when the backup was made.
// The old machine has most likely sent it since, so it waits for a person: its
// due time is [heldUntil], which no clock reaches, and every other rule stays
// as it is.

// heldUntil is the due time of what only a person lets go.
var heldUntil = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// reasonRestored is why a message waits for a person, and why it ended when
// that person dropped it.
const reasonRestored = "restored"

// HoldAll holds everything that waits or was under way, of all towns. It is for
// a database that was just filled from a backup and that nobody serves yet.
func (r *Room) HoldAll(ctx context.Context) error {
	return r.o.Store.InTx(ident.AcrossTenants(ctx), func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewUpdate().Model((*outboxRow)(nil)).
			Set("state = ?", Queued).Set("lease_until = NULL").Set("due_at = ?", heldUntil).Set("reason = ?", reasonRestored).Set("doubtful = ?", true).
			Where("state IN (?, ?)", Queued, Sending).Exec(ctx)
		if err != nil {
			return fmt.Errorf("channel: hold: %w", err)
		}
		return nil
	})
}

// Held counts the held messages of the tenant in ctx.
func (r *Room) Held(ctx context.Context) (int, error) {
	n, err := r.o.Store.Read(ctx).NewSelect().Model((*outboxRow)(nil)).
		Where("tenant_id = ? AND state = ? AND due_at >= ?", ident.TenantOf(ctx), Queued, heldUntil).Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("channel: held: %w", err)
	}
	return int(n), nil
}

// LetGo sends the held messages of the tenant in ctx, or ends them as not sent.
// The caller has checked who may. It answers how many there were.
func (r *Room) LetGo(ctx context.Context, send bool) (n int, err error) {
	tenant, now := ident.TenantOf(ctx), r.o.Clock.Now()
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, enqueue store.Enqueue) error {
		var rows []outboxRow
		q := db.NewUpdate().Model(&rows).Where("tenant_id = ? AND state = ? AND due_at >= ?", tenant, Queued, heldUntil)
		if send {
			q = q.Set("due_at = ?", now).Set("give_up_at = ?", now.Add(singlePatience)).Set("reason = ''")
		} else {
			q = q.Set("state = ?", Failed).Set("reason = ?", reasonRestored).Set("settled_at = ?", now).Set("due_at = ?", now)
		}
		if _, err := q.Returning("*").Exec(ctx); err != nil {
			return fmt.Errorf("channel: let go: %w", err)
		}
		n = len(rows)
		r.o.Store.AfterCommit(ctx, func() { r.changed(tenant, ""); r.sweep.Kick() })
		if send {
			return nil
		}
		for _, row := range rows {
			if err := Settled.Tell(ctx, enqueue, now, SettledEvent{ID: row.ID, State: Failed, Reason: reasonRestored}); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// held reports whether only a person lets the message go.
func (i Item) held() bool { return i.State == Queued && !i.DueAt.Before(heldUntil) }
