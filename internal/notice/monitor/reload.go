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
	})
}

// renew hands one monitor to the engine as it is stored now, or takes it away.
func (r *Room) renew(ctx context.Context, t ident.Tenant, slug string) error {
	// Whoever reads later puts later: what is older never overwrites.
	r.loading.Lock()
	defer r.loading.Unlock()
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
	it, err := r.item(row)
	if err != nil {
		return err
	}
	r.engine.Put(it)
	return nil
}

// reload hands every tenant's monitors to the engine.
func (r *Room) reload(ctx context.Context) error {
	r.loading.Lock()
	defer r.loading.Unlock()
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
		it, err := r.item(row)
		if err != nil {
			return err
		}
		items = append(items, it)
	}
	r.engine.Set(items)
	return nil
}

// item is a stored monitor as the engine takes it.
func (r *Room) item(row entryRow) (Item, error) {
	m, err := r.monitor(row)
	if err != nil {
		return Item{}, err
	}
	spec := m.effective()
	if !m.Declared {
		spec.By = row.TenantID // held to the tenant's reach
	}
	return Item{ID: engineID(row.TenantID, row.Slug), Spec: spec, Status: m.Status}, nil
}

// catchUp loads all that an earlier change could not.
func (r *Room) catchUp(ctx context.Context, _ time.Time) (time.Time, error) {
	if !r.stale.Swap(false) {
		return time.Time{}, nil
	}
	if err := r.reload(ctx); err != nil {
		r.stale.Store(true)
		return time.Time{}, err
	}
	return time.Time{}, nil
}
