package service

import (
	"context"
	"fmt"
	"time"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// Stand is when the catalogue last changed; zero while it is empty.
func (r *Room) Stand(ctx context.Context) (time.Time, error) {
	var row entryRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Column("updated_at").
		Where("tenant_id = ?", ident.TenantOf(ctx)).Order("updated_at DESC").Limit(1).Scan(ctx)
	if store.NotFound(err) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("service: stand: %w", err)
	}
	return clock.Cut(row.UpdatedAt), nil
}
