package monitor

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// Keep is how long history is kept, in days; zero: as [DefaultKeep] says.
type Keep struct {
	Results int // single results
	Figures int // figures of hours and days
}

// DefaultKeep keeps single results for a quarter, which covers every inquiry
// into an outage, and figures for three years, which compares this winter with
// the last.
var DefaultKeep = Keep{Results: 90, Figures: 1100}

// Bounds of [Keep]: a day, and ten years.
const (
	MinKeep = 1
	MaxKeep = 3660
)

// keeping answers what holds for a tenant: the word of tuermer.yaml, then the
// console's, then the default.
func (r *Room) keeping(ctx context.Context, t ident.Tenant) (k Keep, declared bool, err error) {
	var row historyRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ?", t).Scan(ctx)
	if err != nil && !store.NotFound(err) {
		return k, false, fmt.Errorf("monitor: retention: %w", err)
	}
	r.mu.Lock()
	file, declared := r.keep[t]
	r.mu.Unlock()
	k.Results = cmp.Or(file.Results, row.KeepResults, DefaultKeep.Results)
	k.Figures = max(cmp.Or(file.Figures, row.KeepFigures, DefaultKeep.Figures), k.Results)
	return k, declared, nil
}

// DeclareKeeping takes what the configuration says about the tenant in ctx; the
// zero value leaves it to the console.
func (r *Room) DeclareKeeping(ctx context.Context, k Keep) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if delete(r.keep, ident.TenantOf(ctx)); k != (Keep{}) {
		r.keep[ident.TenantOf(ctx)] = k
	}
}

// Keeping answers how long history of the tenant in ctx is kept. declared says
// that tuermer.yaml decides.
func (r *Room) Keeping(ctx context.Context) (k Keep, declared bool, err error) {
	return r.keeping(ctx, ident.TenantOf(ctx))
}

// SetKeeping says how long history is kept; only administrators may.
func (r *Room) SetKeeping(ctx context.Context, k Keep) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	switch _, declared, err := r.Keeping(ctx); {
	case err != nil:
		return err
	case declared:
		return fault.New(fault.Conflict, "monitor.keep_declared")
	}
	bad := fault.New(fault.Invalid, "monitor.keep_invalid")
	if k.Results < MinKeep || k.Results > MaxKeep {
		bad = bad.Field("results", "monitor.keep_days")
	}
	if k.Figures < MinKeep || k.Figures > MaxKeep {
		bad = bad.Field("figures", "monitor.keep_days")
	} else if k.Figures < k.Results {
		bad = bad.Field("figures", "monitor.keep_shorter")
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row := historyRow{TenantID: tenant, KeepResults: k.Results, KeepFigures: k.Figures}
		_, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id) DO UPDATE").
			Set("keep_results = EXCLUDED.keep_results").Set("keep_figures = EXCLUDED.keep_figures").Exec(ctx)
		if err != nil {
			return fmt.Errorf("monitor: retention: %w", err)
		}
		r.o.Store.AfterCommit(ctx, r.sweeper.Kick)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "monitor.keep_changed", Subject: "monitor:-", Detail: map[string]string{
			"results_days": fmt.Sprint(k.Results), "figures_days": fmt.Sprint(k.Figures),
		}})
	})
}

// keptSince is before when nothing single is shown any more, although the chunk
// that holds it may still be there.
func (r *Room) keptSince(ctx context.Context, t ident.Tenant) (time.Time, error) {
	k, _, err := r.keeping(ctx, t)
	return r.o.Clock.Now().AddDate(0, 0, -k.Results), err
}

// forget drops what is older than it is kept: whole chunks whose last result is,
// and days of figures. It does so a slice at a time, each in a transaction of
// its own, so that results and alarms find the write connection free.
func (r *Room) forget(ctx context.Context, now time.Time) (time.Time, error) {
	var tenants []ident.Tenant
	err := r.o.Store.Read(ctx).NewSelect().Model((*entryRow)(nil)).Distinct().Column("tenant_id").Scan(ident.AcrossTenants(ctx), &tenants)
	if err != nil {
		return time.Time{}, fmt.Errorf("monitor: retention: %w", err)
	}
	for _, t := range tenants {
		k, _, err := r.keeping(ctx, t)
		if err != nil {
			return time.Time{}, err
		}
		before := now.AddDate(0, 0, -k.Results).UnixMilli()
		day := dayOf(hourOf(now.AddDate(0, 0, -k.Figures)))
		for _, step := range []func() (int, error){
			func() (int, error) { return forgetSlice(ctx, r, []chunkRow{}, t, "ends < ?", before) },
			func() (int, error) { return forgetSlice(ctx, r, []openRow{}, t, "ends < ?", before) },
			func() (int, error) { return forgetSlice(ctx, r, []rollupRow{}, t, "day < ?", day) },
		} {
			for n := deleteSlice; n == deleteSlice; {
				if n, err = step(); err != nil {
					return time.Time{}, fmt.Errorf("monitor: retention: %w", err)
				}
			}
		}
	}
	// What was withheld is told as long as results are by default.
	if err := r.forgetHeld(ctx, now.AddDate(0, 0, -DefaultKeep.Results)); err != nil {
		return time.Time{}, fmt.Errorf("monitor: retention: %w", err)
	}
	return now.Add(time.Hour), nil
}

// forgetSlice deletes at most deleteSlice rows and tells how many it met.
func forgetSlice[T any](ctx context.Context, r *Room, rows []T, t ident.Tenant, old string, limit int64) (int, error) {
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).ExcludeColumn("data").Where("tenant_id = ?", t).Where(old, limit).Limit(deleteSlice).Scan(ctx)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	return len(rows), r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		// Again by age: what was written meanwhile stays.
		_, err := db.NewDelete().Model(&rows).WherePK().Where(old, limit).Exec(ctx)
		return err
	})
}
