package monitor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tuermer/internal/platform/ident"
)

// Paused is no state of the machine: it is how lists and counts name a monitor
// that rests, whatever it saw last.
const Paused State = "paused"

// Filter limits [Room.List].
type Filter struct {
	Query   string // part of name, slug, service or target
	Service string // slug
	State   State  // as [Monitor.Shown] says it; empty: all
	Down    bool   // only those that are not up and not at rest
	After   string // slug of the last one seen
	Limit   int    // 0: all
}

// Shown is the state that people see: what the machine holds, or [Paused].
func (m Monitor) Shown() State {
	if m.Paused {
		return Paused
	}
	return m.Held()
}

// List lists monitors by slug.
func (r *Room) List(ctx context.Context, f Filter) ([]Monitor, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	var rows []entryRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", tenant).Order("slug")
	if f.Service != "" {
		q = q.Where("service = ?", f.Service)
	}
	if f.After != "" {
		q = q.Where("slug > ?", f.After)
	}
	if f.Query != "" {
		q = q.Where("search LIKE ? ESCAPE '!'", "%"+likeEscape.Replace(strings.ToLower(f.Query))+"%")
	}
	switch f.State {
	case "":
	case Paused:
		q = q.Where("paused = ?", true)
	default:
		q = q.Where("paused = ? AND state = ?", false, f.State)
	}
	if f.Down {
		q = q.Where("paused = ? AND state <> ?", false, Up)
	}
	if f.Limit > 0 {
		q = q.Limit(int64(f.Limit))
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("monitor: list: %w", err)
	}
	out := make([]Monitor, len(rows))
	for i, row := range rows {
		out[i] = r.monitor(row)
	}
	return out, nil
}

// likeEscape takes the meaning from the signs of LIKE.
var likeEscape = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

// Counts tells how many monitors are in each state; those that rest count as
// [Paused] alone. The states are the stored ones: they follow the engine within
// one batch.
func (r *Room) Counts(ctx context.Context) (map[State]int, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	var rows []struct {
		Paused bool
		State  State
		N      int
	}
	err = r.o.Store.Read(ctx).NewSelect().Model((*entryRow)(nil)).Column("paused", "state").ColumnExpr("count(*) AS n").
		Where("tenant_id = ?", tenant).Group("paused", "state").Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("monitor: counts: %w", err)
	}
	out := map[State]int{}
	for _, row := range rows {
		if row.Paused {
			row.State = Paused
		}
		out[row.State] += row.N
	}
	return out, nil
}

// worse orders states for [Room.ByService], the worst last.
var worse = []State{Unknown, Up, Maintenance, Blind, Degraded, Suspect, Unreachable, Flapping, Down}

// ByService tells the worst state among the monitors of each service; a
// service without monitors is missing.
func (r *Room) ByService(ctx context.Context) (map[string]State, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	var rows []struct {
		Service string
		State   State
	}
	err = r.o.Store.Read(ctx).NewSelect().Model((*entryRow)(nil)).Column("service", "state").
		Where("tenant_id = ? AND service <> '' AND paused = ?", tenant, false).Group("service", "state").Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("monitor: by service: %w", err)
	}
	out := map[string]State{}
	for _, row := range rows {
		if was, ok := out[row.Service]; !ok || slices.Index(worse, row.State) > slices.Index(worse, was) {
			out[row.Service] = row.State
		}
	}
	return out, nil
}

// Watchers counts the monitors that watch a service.
func (r *Room) Watchers(ctx context.Context, service string) (int, error) {
	n, err := r.o.Store.Read(ctx).NewSelect().Model((*entryRow)(nil)).
		Where("tenant_id = ? AND service = ?", ident.TenantOf(ctx), service).Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("monitor: watchers: %w", err)
	}
	return int(n), nil
}
