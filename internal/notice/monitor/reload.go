package monitor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// changed tells the engine of a change after the commit: of the monitor named
// slug, or of any number of them where slug is empty. Only one row is read for
// one monitor; whoever changes ten thousand one by one would otherwise have all
// of them read ten thousand times.
func (r *Room) changed(ctx context.Context, t ident.Tenant, slug string) {
	r.o.Store.AfterCommit(ctx, func() {
		after := context.WithoutCancel(ctx)
		var err error
		if slug == "" {
			err = r.reload(after)
		} else {
			err = r.renew(after, t, slug)
		}
		if err != nil {
			r.o.Log.ErrorContext(ctx, "monitors could not be reloaded, trying again", "room", "monitor", "monitor", slug, "err", err)
			r.stale.Store(true)
			r.loader.Kick()
		}
		r.hint(t, slug)
		r.tellLeader(hintChanged, t, slug)
	})
}

// renew hands one monitor to the engine as it is stored now, or takes it away.
func (r *Room) renew(ctx context.Context, t ident.Tenant, slug string) error {
	// Whoever reads later puts later: what is older never overwrites.
	r.loading.Lock()
	defer r.loading.Unlock()
	if !r.watches() {
		return nil
	}
	var row entryRow
	id := engineID(t, slug)
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ? AND slug = ?", t, slug).Scan(ident.WithTenant(ctx, t))
	switch {
	case store.NotFound(err), err == nil && row.Paused:
		r.engine.Drop(id)
		return nil
	case err != nil:
		return fmt.Errorf("monitor: load %s: %w", slug, err)
	}
	r.learnNetworks(ctx, []ident.Tenant{t}, false)
	r.engine.Put(r.item(ctx, row))
	if r.stale.Load() {
		r.loader.Kick()
	}
	return nil
}

// reload hands every tenant's monitors to the engine.
func (r *Room) reload(ctx context.Context) error {
	r.loading.Lock()
	defer r.loading.Unlock()
	if !r.watches() {
		r.engine.Set(nil)
		return nil
	}
	var rows []entryRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("paused = ?", false).Scan(ident.AcrossTenants(ctx))
	if err != nil {
		return fmt.Errorf("monitor: load: %w", err)
	}
	var tenants []ident.Tenant
	for _, row := range rows {
		if !slices.Contains(tenants, row.TenantID) {
			tenants = append(tenants, row.TenantID)
		}
	}
	r.learnNetworks(ctx, tenants, true)
	items := make([]Item, 0, len(rows))
	for _, row := range rows {
		items = append(items, r.item(ctx, row))
	}
	r.engine.Set(items)
	return nil
}

// item is a stored monitor as the engine takes it.
func (r *Room) item(ctx context.Context, row entryRow) Item {
	m := r.monitor(row)
	if len(m.Unreadable) > 0 {
		r.o.Log.ErrorContext(ctx, "a stored monitor cannot be read", "room", "monitor", "tenant", row.TenantID, "monitor", row.Slug, "parts", m.Unreadable)
	}
	if m.unknown() {
		r.stale.Store(true)
	}
	return Item{ID: engineID(row.TenantID, row.Slug), Spec: r.watchedSpec(row, m), Status: m.Status}
}

// watchedSpec is what the engine looks at for a stored monitor.
func (r *Room) watchedSpec(row entryRow, m Monitor) Spec {
	spec := m.effective()
	if !m.Declared {
		spec.By = row.TenantID // held to the tenant's reach
	}
	if m.unknown() {
		spec = unreadableSpec
	}
	return spec
}

// unreadAgain is after how long rows that could not be read are tried again.
const unreadAgain = 10 * time.Minute

// catchUp loads all that an earlier change could not.
func (r *Room) catchUp(ctx context.Context, now time.Time) (time.Time, error) {
	if !r.stale.Swap(false) {
		return time.Time{}, nil
	}
	if err := r.reload(ctx); err != nil {
		r.stale.Store(true)
		return time.Time{}, err
	}
	if r.stale.Load() {
		return now.Add(unreadAgain), nil
	}
	return time.Time{}, nil
}
