package monitor

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
)

type uplinkRow struct {
	bun.BaseModel `bun:"table:monitor_uplink"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Since         time.Time    `bun:"since"`
	Behind        int          `bun:"behind"`
}

// uplinkKey is what the signals about our own line are about.
const uplinkKey = "uplink"

// Outside tells whether an address lies behind a town's uplink: not on this
// machine, and not in a network that is private or that the town runs.
func Outside(a netip.Addr, own []netip.Prefix) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsUnspecified() || a.IsMulticast() {
		return false
	}
	return !slices.ContainsFunc(own, func(p netip.Prefix) bool { return p.Contains(a) })
}

// behind answers the engine; the networks are those of the last reload.
func (r *Room) behind(id string, a netip.Addr) bool {
	t, _ := splitID(id)
	r.mu.Lock()
	own, known := r.networks[t]
	r.mu.Unlock()
	return known && Outside(a, own)
}

// learnNetworks asks which networks the towns of the monitors run themselves. A
// town that cannot be asked has no monitor behind the uplink: doubt never
// silences (I20). What it knows of other towns it forgets with whole.
func (r *Room) learnNetworks(ctx context.Context, tenants []ident.Tenant, whole bool) {
	if r.o.Networks == nil {
		return
	}
	out := map[ident.Tenant][]netip.Prefix{}
	for _, t := range tenants {
		own, err := r.o.Networks(ident.WithTenant(ctx, t))
		if err != nil {
			r.o.Log.ErrorContext(ctx, "networks of the town are unknown", "room", "monitor", "tenant", t, "err", err)
			continue
		}
		out[t] = own
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !whole && r.networks != nil {
		for _, t := range tenants {
			delete(r.networks, t)
		}
		maps.Copy(r.networks, out)
		return
	}
	r.networks = out
}

// takeUplink tells each town that its monitors behind our line are not judged,
// with one signal, and once more when they are again.
func (r *Room) takeUplink(ctx context.Context, db bun.IDB, o Observation) error {
	if o.Transition == UplinkBack {
		return r.uplinkBack(ctx, db, o)
	}
	behind := map[ident.Tenant][]string{}
	for _, id := range o.Uplink.Behind {
		t, slug := splitID(id)
		behind[t] = append(behind[t], slug)
	}
	for t, slugs := range behind {
		ctx := ident.WithTenant(ctx, t)
		l := r.o.Locale(ctx)
		slices.Sort(slugs)
		names, err := r.titles(ctx, db, slugs)
		if err != nil {
			return err
		}
		row := uplinkRow{TenantID: t, Since: o.Uplink.Since, Behind: len(slugs)}
		_, err = db.NewInsert().Model(&row).On("CONFLICT (tenant_id) DO UPDATE").
			Set("since = EXCLUDED.since").Set("behind = EXCLUDED.behind").Exec(ctx)
		if err != nil {
			return fmt.Errorf("monitor: uplink: %w", err)
		}
		if _, err = r.o.Signals.Record(ctx, r.uplinkSignal(l, o, names)); err != nil {
			return err
		}
		r.o.Store.AfterCommit(ctx, func() { r.hint(t, "") })
	}
	return nil
}

// titles are the names of the first few monitors; the others, which are only
// counted, keep their slugs.
func (r *Room) titles(ctx context.Context, db bun.IDB, slugs []string) ([]string, error) {
	out := slices.Clone(slugs)
	few := slugs[:min(len(slugs), maxNamed+1)]
	var rows []entryRow
	err := db.NewSelect().Model(&rows).Column("slug", "name").
		Where("tenant_id = ? AND slug IN (?)", ident.TenantOf(ctx), bun.List(few)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("monitor: names: %w", err)
	}
	for _, row := range rows {
		if i, found := slices.BinarySearch(few, row.Slug); found {
			out[i] = Monitor{Slug: row.Slug, Name: row.Name}.Title()
		}
	}
	return out, nil
}

func (r *Room) uplinkBack(ctx context.Context, db bun.IDB, o Observation) error {
	var rows []uplinkRow
	if err := db.NewSelect().Model(&rows).Scan(ident.AcrossTenants(ctx)); err != nil {
		return fmt.Errorf("monitor: uplink: %w", err)
	}
	for _, row := range rows {
		ctx := ident.WithTenant(ctx, row.TenantID)
		l := r.o.Locale(ctx)
		_, err := r.o.Signals.Record(ctx, signal.Signal{
			Source: signal.Monitor, Key: uplinkKey, Episode: fmt.Sprint(clock.Cut(row.Since).UnixMilli()), State: signal.Resolved,
			Severity: signal.Critical, Since: o.Result.At, At: r.o.Clock.Now(),
			Title:  sayN(l, "monitor.signal_uplink_back", row.Behind),
			Detail: l.Catalog.Text(l.Lang, "monitor.signal_uplink_back_detail"),
		})
		if err != nil {
			return err
		}
		if _, err := db.NewDelete().Model((*uplinkRow)(nil)).Where("tenant_id = ?", row.TenantID).Exec(ctx); err != nil {
			return fmt.Errorf("monitor: uplink: %w", err)
		}
		r.o.Store.AfterCommit(ctx, func() { r.hint(row.TenantID, "") })
	}
	return nil
}

// UplinkView is our own line as one town sees it.
type UplinkView struct {
	References int
	Proven     bool
	Lost       bool
	Since      time.Time
	Behind     int // monitors of this town that lay behind it when it was lost
}

// Uplink answers how our own line stands for the town in ctx.
func (r *Room) Uplink(ctx context.Context) UplinkView {
	u := r.engine.Uplink()
	v := UplinkView{References: u.References, Proven: u.Proven, Lost: u.Lost, Since: u.Since}
	for _, id := range u.Behind {
		if t, _ := splitID(id); t == ident.TenantOf(ctx) {
			v.Behind++
		}
	}
	return v
}

// UplinkLost tells whether our own line is confirmed lost, for /metrics.
func (r *Room) UplinkLost() bool { return r.engine.Uplink().Lost }

// SetReferences replaces what our own line is judged by.
func (r *Room) SetReferences(specs []Spec) { r.engine.SetReferences(specs) }
