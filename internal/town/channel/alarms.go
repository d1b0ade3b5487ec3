package channel

import (
	"context"
	"fmt"
	"time"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// Alarms tells how many live alarms of the town in ctx have been waiting since
// before that moment, and when the last one was delivered (zero: none yet).
func (r *Room) Alarms(ctx context.Context, before time.Time) (waiting int64, delivered time.Time, err error) {
	db := r.o.Store.Read(ctx)
	waiting, err = db.NewSelect().Model((*outboxRow)(nil)).
		Where("tenant_id = ? AND class = ? AND realm = ?", ident.TenantOf(ctx), Alarm, Live).
		Where("state = ? OR state = ?", Queued, Sending).Where("created_at < ?", before).Count(ctx)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("channel: alarms: %w", err)
	}
	var last outboxRow
	err = db.NewSelect().Model(&last).Column("settled_at").
		Where("tenant_id = ? AND class = ? AND realm = ? AND state = ?", ident.TenantOf(ctx), Alarm, Live, Accepted).
		Order("settled_at DESC").Limit(1).Scan(ctx)
	if err != nil && !store.NotFound(err) {
		return waiting, time.Time{}, fmt.Errorf("channel: alarms: %w", err)
	}
	return waiting, clock.Cut(last.SettledAt), nil
}
