package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

type withheldRow struct {
	bun.BaseModel `bun:"table:monitor_withheld,alias:w"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Slug          string       `bun:"slug,pk"`
	Since         time.Time    `bun:"since,pk"`
	Reason        HeldReason   `bun:"reason"`
	Cause         string       `bun:"cause"`
	EndedAt       time.Time    `bun:"ended_at,nullzero"`
}

// keepHeld notes in the transaction of the result that an alarm is withheld, or
// no longer is.
func (r *Room) keepHeld(ctx context.Context, db bun.IDB, slug string, o Observation) error {
	if o.Status.Held == o.Before {
		return nil
	}
	if o.Before.Reason != "" {
		if err := r.endHeld(ctx, db, slug); err != nil {
			return err
		}
	}
	h := o.Status.Held
	if h.Reason == "" {
		return nil
	}
	row := withheldRow{TenantID: ident.TenantOf(ctx), Slug: slug, Since: h.Since, Reason: h.Reason, Cause: h.Cause}
	if _, err := db.NewInsert().Model(&row).On("CONFLICT DO NOTHING").Exec(ctx); err != nil {
		return fmt.Errorf("monitor: withhold: %w", err)
	}
	r.o.Log.WarnContext(ctx, "alarm withheld", "room", "monitor", "tenant", row.TenantID, "monitor", slug, "reason", h.Reason, "cause", h.Cause)
	return nil
}

// endHeld notes that no alarm of the monitor is withheld any more.
func (r *Room) endHeld(ctx context.Context, db bun.IDB, slug string) error {
	_, err := db.NewUpdate().Model((*withheldRow)(nil)).Set("ended_at = ?", r.o.Clock.Now()).
		Where("tenant_id = ? AND slug = ? AND ended_at IS NULL", ident.TenantOf(ctx), slug).Exec(ctx)
	if err != nil {
		return fmt.Errorf("monitor: end of withholding: %w", err)
	}
	return nil
}

// HeldGroup are the withheld alarms with one cause.
type HeldGroup struct {
	Reason HeldReason
	Cause  string // name of the parent, or what the maintenance is for
	// Parent is the slug behind Cause for [HeldParent].
	Parent   string
	Since    time.Time // of the oldest
	EndedAt  time.Time // zero: still so
	Count    int
	Monitors []HeldMonitor // by name, at most [maxHeldNames]
}

// HeldMonitor is one monitor whose alarm is or was withheld.
type HeldMonitor struct {
	Slug, Title string
	Since       time.Time
}

// maxHeldNames bounds the names of one group; the list of monitors has them all.
const maxHeldNames = 250

// Withheld lists the alarms that are being withheld, and those for which that
// ended at or after since; by cause, what is still so first.
func (r *Room) Withheld(ctx context.Context, since time.Time) ([]HeldGroup, error) {
	var rows []struct {
		withheldRow `bun:",extend"`
		Name        string `bun:"name"`
	}
	err := r.o.Store.Read(ctx).NewSelect().Model((*withheldRow)(nil)).
		Column("w.slug", "w.since", "w.reason", "w.cause", "w.ended_at").ColumnExpr("e.name AS name").
		Join("JOIN monitor_entry AS e ON e.tenant_id = w.tenant_id AND e.slug = w.slug").
		Where("w.tenant_id = ? AND (w.ended_at IS NULL OR w.ended_at >= ?)", ident.TenantOf(ctx), clock.Cut(since)).
		OrderExpr("w.since DESC").Limit(20_000).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("monitor: withheld: %w", err)
	}
	names, err := r.names(ctx)
	if err != nil {
		return nil, err
	}
	type key struct {
		reason HeldReason
		cause  string
		over   bool
	}
	at := map[key]int{}
	var out []HeldGroup
	for _, row := range rows {
		k := key{row.Reason, row.Cause, !row.EndedAt.IsZero()}
		i, known := at[k]
		if !known {
			i = len(out)
			at[k] = i
			g := HeldGroup{Reason: row.Reason, Cause: row.Cause, Since: row.Since}
			if row.Reason == HeldParent {
				g.Parent = row.Cause
				if n := names[row.Cause]; n != "" {
					g.Cause = n
				}
			}
			out = append(out, g)
		}
		g := &out[i]
		g.Count++
		if row.Since.Before(g.Since) {
			g.Since = row.Since
		}
		if row.EndedAt.After(g.EndedAt) {
			g.EndedAt = clock.Cut(row.EndedAt)
		}
		if len(g.Monitors) < maxHeldNames {
			title := row.Name
			if title == "" {
				title = row.Slug
			}
			g.Monitors = append(g.Monitors, HeldMonitor{row.Slug, title, clock.Cut(row.Since)})
		}
	}
	for i := range out {
		out[i].Since = clock.Cut(out[i].Since)
		slices.SortFunc(out[i].Monitors, func(a, b HeldMonitor) int { return strings.Compare(a.Title, b.Title) })
	}
	slices.SortStableFunc(out, func(a, b HeldGroup) int {
		switch {
		case a.EndedAt.IsZero() == b.EndedAt.IsZero():
			return b.Since.Compare(a.Since)
		case a.EndedAt.IsZero():
			return -1
		}
		return 1
	})
	return out, nil
}

// names are the names of the monitors that are parents, by slug.
func (r *Room) names(ctx context.Context) (map[string]string, error) {
	kin, err := r.kin(ctx)
	if err != nil || len(kin) == 0 {
		return nil, err
	}
	var slugs []string
	for _, k := range kin {
		slugs = append(slugs, k.parents...)
	}
	var rows []entryRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).Column("slug", "name").
		Where("tenant_id = ? AND slug IN (?)", ident.TenantOf(ctx), bun.List(slugs)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("monitor: names: %w", err)
	}
	out := map[string]string{}
	for _, row := range rows {
		out[row.Slug] = row.Name
	}
	return out, nil
}

// relative is a monitor that names parents.
type relative struct {
	slug, title string
	state       State
	parents     []string
}

// kin lists the monitors that name parents, by slug.
func (r *Room) kin(ctx context.Context) ([]relative, error) {
	var rows []entryRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Column("slug", "name", "state", "parents").
		Where("tenant_id = ? AND parents <> ?", ident.TenantOf(ctx), "[]").Order("slug").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("monitor: relatives: %w", err)
	}
	out := make([]relative, len(rows))
	for i, row := range rows {
		out[i] = relative{slug: row.Slug, title: Monitor{Slug: row.Slug, Name: row.Name}.Title(), state: row.State}
		if err := json.Unmarshal([]byte(row.Parents), &out[i].parents); err != nil {
			out[i].parents = nil // it alarms by itself
		}
	}
	return out, nil
}

// descendants are those of kin that cannot be reached without slug, in order.
func descendants(kin []relative, slug string) []relative {
	behind := map[string]bool{slug: true}
	for grown := true; grown; {
		grown = false
		for _, k := range kin {
			if !behind[k.slug] && slices.ContainsFunc(k.parents, func(p string) bool { return behind[p] }) {
				behind[k.slug], grown = true, true
			}
		}
	}
	var out []relative
	for _, k := range kin {
		if k.slug != slug && behind[k.slug] {
			out = append(out, k)
		}
	}
	return out
}

// forgetHeld drops what was withheld long ago.
func (r *Room) forgetHeld(ctx context.Context, before time.Time) error {
	return r.o.Store.InTx(ident.AcrossTenants(ctx), func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewDelete().Model((*withheldRow)(nil)).Where("ended_at < ?", before).Exec(ctx)
		return err
	})
}

// Impaired names the services that answer badly, as their users notice it, and
// those that cannot be reached because a parent is down.
func (r *Room) Impaired(ctx context.Context) (limited, unclear map[string]bool, err error) {
	var rows []entryRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).Column("service", "state", "status").
		Where("tenant_id = ? AND service <> '' AND paused = ? AND state IN (?, ?, ?)", ident.TenantOf(ctx), false, Degraded, Flapping, Unreachable).Scan(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("monitor: impaired: %w", err)
	}
	limited, unclear = map[string]bool{}, map[string]bool{}
	for _, row := range rows {
		var st Status
		known := json.Unmarshal([]byte(row.Status), &st) == nil
		switch {
		case row.State == Unreachable:
			unclear[row.Service] = true
		case !known || !st.Last.Reason.Inward():
			limited[row.Service] = true
		}
	}
	return limited, unclear, nil
}
