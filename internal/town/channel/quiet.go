package channel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// People set quiet hours. What says of itself that it may wait ([Message.MayWait])
// waits in the outbox until they are over, or until its reader is on duty:
//
//   - an alarm never does, whatever it says;
//   - what is held has its end written down when it is held, and goes then
//     whatever happens meanwhile; its end only ever comes nearer;
//   - an answer that cannot be had, or that makes no sense, holds nothing (I20).

// Quiet tells until when a message may wait for its reader; zero: it goes now. It
// is asked inside the transaction that sends.
type Quiet func(ctx context.Context, m Message) (until time.Time, err error)

const (
	// MaxQuiet is the longest that a message is held: a night that the change of
	// clocks makes longer.
	MaxQuiet = 25 * time.Hour
	// reasonQuiet is why it waits, until its due time.
	reasonQuiet = "quiet"
	// reconsider is how often we look whether a reader has come on duty since.
	reconsider = 5 * time.Minute
)

// quietUntil is until when m is held; zero: it goes now.
func (r *Room) quietUntil(ctx context.Context, m Message, now time.Time) time.Time {
	if r.o.Quiet == nil || !m.MayWait || m.Class != Single || m.Realm != Live {
		return time.Time{}
	}
	until, err := r.o.Quiet(ctx, m)
	if err != nil {
		r.o.Log.WarnContext(ctx, "nobody can tell whether a message may wait, so it goes", "id", m.ID, "err", err)
		return time.Time{}
	}
	if !until.After(now) || until.After(now.Add(MaxQuiet)) {
		return time.Time{}
	}
	return clock.Cut(until)
}

// Reconsider looks at once whether what waits for the end of quiet hours still
// has to.
func (r *Room) Reconsider() { r.quiet.Kick() }

// reviewQuiet lets go what need not wait any more: its reader has come on duty, or
// has other quiet hours. Nothing is ever put off further here.
func (r *Room) reviewQuiet(ctx context.Context, now time.Time) (next time.Time, err error) {
	var rows []outboxRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("state = ? AND reason = ? AND due_at > ?", Queued, reasonQuiet, now).
		OrderExpr("due_at").Limit(1000).Scan(ident.AcrossTenants(ctx))
	if err != nil {
		return next, fmt.Errorf("channel: quiet: %w", err)
	}
	var failed error
	for _, row := range rows {
		ctx := ident.WithActor(ident.WithTenant(ctx, row.TenantID), ident.System)
		due := now
		if m, err := r.message(row); err == nil {
			if until := r.quietUntil(ctx, m, now); !until.IsZero() {
				due = until
			}
		}
		if !due.Before(row.DueAt) {
			continue
		}
		failed = errors.Join(failed, r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			_, err := db.NewUpdate().Model((*outboxRow)(nil)).Set("due_at = ?", due).
				Where("tenant_id = ? AND id = ? AND state = ? AND reason = ? AND due_at > ?", row.TenantID, row.ID, Queued, reasonQuiet, due).Exec(ctx)
			r.o.Store.AfterCommit(ctx, func() { r.changed(row.TenantID, row.ID); r.sweep.Kick() })
			return err
		}))
	}
	if len(rows) > 0 {
		next = now.Add(reconsider)
	}
	return next, failed
}
