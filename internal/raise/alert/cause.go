package alert

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/service"
)

// What depends on a service that has an alarm is an effect of it: it is named
// under the cause and wakes nobody by itself. A cause is an alert that is awake:
// critical, not held back itself, and told to somebody or taken. So of services
// that depend on each other in a circle one always alarms, and a cause that
// somebody has silenced silences nothing else (I20).

// releaseAfter is how long effects may take to recover once their cause is over,
// before they alarm by themselves.
const releaseAfter = 2 * time.Minute

// deps are the services on which slug depends, directly or over others, without
// itself.
func deps(all []service.Service, slug string) []string {
	by := map[string][]string{}
	for _, s := range all {
		by[s.Slug] = s.DependsOn
	}
	return reach(slug, func(s string) []string { return by[s] })
}

// dependents are the services that depend on slug, directly or over others,
// without itself.
func dependents(all []service.Service, slug string) []string {
	by := map[string][]string{}
	for _, s := range all {
		for _, d := range s.DependsOn {
			by[d] = append(by[d], s.Slug)
		}
	}
	return reach(slug, func(s string) []string { return by[s] })
}

func reach(from string, next func(string) []string) []string {
	var out []string
	seen, todo := map[string]bool{from: true}, []string{from}
	for len(todo) > 0 {
		s := todo[0]
		todo = todo[1:]
		for _, n := range next(s) {
			if !seen[n] {
				seen[n] = true
				out, todo = append(out, n), append(todo, n)
			}
		}
	}
	return out
}

func (r *Room) catalogue(ctx context.Context) ([]service.Service, error) {
	if r.o.Catalogue == nil {
		return nil, nil
	}
	all, err := r.o.Catalogue(ctx)
	if err != nil {
		return nil, fmt.Errorf("alert: services: %w", err)
	}
	return all, nil
}

// mild are the severities that are nobody's cause.
var mild = []signal.Severity{signal.Info, signal.Warning}

// cause finds the alert that explains trouble with the service; empty: none.
func (r *Room) cause(ctx context.Context, t turn, slug string) (ID, error) {
	if slug == "" {
		return "", nil
	}
	all, err := r.catalogue(ctx)
	if err != nil {
		return "", err
	}
	on := deps(all, slug)
	if len(on) == 0 {
		return "", nil
	}
	var row alertRow
	err = t.db.NewSelect().Model(&row).Where("tenant_id = ? AND state <> ? AND held = ''", t.tenant, StateClosed).
		Where("severity NOT IN (?) AND service IN (?)", bun.List(mild), bun.List(on)).
		Where("(woken > 0 OR state = ?)", StateAcknowledged).OrderExpr("opened_at, id").Limit(1).Scan(ctx)
	if err != nil && !store.NotFound(err) {
		return "", fmt.Errorf("alert: cause: %w", err)
	}
	return row.ID, nil
}

// overshadow holds back what nobody has taken yet and what a, which is awake,
// explains.
func (r *Room) overshadow(ctx context.Context, t turn, a Alert) error {
	if a.Service == "" || a.Woken == 0 || slices.Contains(mild, a.Severity) {
		return nil
	}
	open, err := r.effectsOf(ctx, t.db, t.tenant, a.Service, true)
	if err != nil {
		return err
	}
	for _, e := range open {
		// Read anew: what happened to the one before may have changed it.
		if e, err = t.full(ctx, e.ID); err != nil {
			return err
		}
		if e.State != StateOpen || e.Held != "" {
			continue
		}
		held, err := t.holds(ctx, e.ID)
		if err != nil {
			return err
		}
		for _, s := range e.Signals {
			if _, ok := held[s.Key]; s.State == signal.Firing && !ok {
				if err := t.putHold(ctx, e.ID, s.Key, hold{Reason: Behind, Ref: string(a.ID)}); err != nil {
					return err
				}
			}
		}
		if err := r.settle(ctx, t, &e); err != nil {
			return err
		}
		if err := t.update(ctx, e); err != nil {
			return err
		}
		if e.Held == Behind {
			if err := r.shadowed(ctx, t, a.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// effectsOf are the open alerts of services that depend on slug; awake: only those
// that nothing holds back.
func (r *Room) effectsOf(ctx context.Context, db bun.IDB, tenant ident.Tenant, slug string, awake bool) ([]Alert, error) {
	all, err := r.catalogue(ctx)
	if err != nil {
		return nil, err
	}
	on := dependents(all, slug)
	if len(on) == 0 {
		return nil, nil
	}
	var rows []alertRow
	q := db.NewSelect().Model(&rows).Where("tenant_id = ? AND state = ? AND service IN (?)", tenant, StateOpen, bun.List(on)).OrderExpr("id")
	if awake {
		q = q.Where("held = ''")
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("alert: effects: %w", err)
	}
	return filled(ctx, db, tenant, rows)
}

func filled(ctx context.Context, db bun.IDB, tenant ident.Tenant, rows []alertRow) ([]Alert, error) {
	out, refs := make([]Alert, len(rows)), make([]*Alert, len(rows))
	for i, row := range rows {
		out[i] = row.alert()
		refs[i] = &out[i]
	}
	return out, fill(ctx, db, tenant, refs)
}

// Effects are the alerts that are held back because of the alerts named, by them.
func (r *Room) Effects(ctx context.Context, ids ...ID) (map[ID][]Alert, error) {
	out := map[ID][]Alert{}
	if len(ids) == 0 {
		return out, nil
	}
	return effects(ctx, r.o.Store.Read(ctx), ident.TenantOf(ctx), ids)
}

func effects(ctx context.Context, db bun.IDB, tenant ident.Tenant, ids []ID) (map[ID][]Alert, error) {
	var holds []holdRow
	err := db.NewSelect().Model(&holds).ColumnExpr("DISTINCT alert_id, ref").
		Where("tenant_id = ? AND reason = ? AND ref IN (?)", tenant, Behind, bun.List(ids)).OrderExpr("alert_id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("alert: effects: %w", err)
	}
	out := map[ID][]Alert{}
	if len(holds) == 0 {
		return out, nil
	}
	want := make([]ID, len(holds))
	for i, h := range holds {
		want[i] = h.AlertID
	}
	var rows []alertRow
	err = db.NewSelect().Model(&rows).Where("tenant_id = ? AND held = ? AND id IN (?)", tenant, Behind, bun.List(want)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("alert: effects: %w", err)
	}
	by := map[ID]Alert{}
	for _, row := range rows {
		by[row.ID] = row.alert()
	}
	for _, h := range holds {
		if a, ok := by[h.AlertID]; ok {
			out[ID(h.Ref)] = append(out[ID(h.Ref)], a)
		}
	}
	return out, nil
}

// shadowed lets one letter name what the cause explains.
func (r *Room) shadowed(ctx context.Context, t turn, cause ID) error {
	g, ok, err := t.groupWhere(ctx, "alert_id = ?", cause)
	if err != nil {
		return err
	}
	if !ok {
		g = groupRow{TenantID: t.tenant, AlertID: cause, Name: "cause:" + string(cause), OpenedAt: t.now}
	}
	return t.keepGroup(ctx, g.joined(t.now))
}

// causeOver lets the effects of an alert that is over recover for a while, then
// alarm by themselves.
func (t turn) causeOver(ctx context.Context, cause ID) error {
	_, err := t.db.NewUpdate().Model((*holdRow)(nil)).Set("due_at = ?", t.now.Add(releaseAfter)).
		Where("tenant_id = ? AND reason = ? AND ref = ?", t.tenant, Behind, cause).Exec(ctx)
	if err != nil {
		return fmt.Errorf("alert: effects: %w", err)
	}
	return nil
}

// explained are the titles of what the alert explains: what is held back because
// of it, and what is about to be.
func (r *Room) explained(ctx context.Context, t turn, a Alert) ([]string, error) {
	if a.Service == "" || slices.Contains(mild, a.Severity) {
		return nil, nil
	}
	all, err := r.effectsOf(ctx, t.db, t.tenant, a.Service, false)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range all {
		if e.Held != Silenced {
			out = append(out, e.Title)
		}
	}
	return out, nil
}

// tellEffects writes once to those who are responsible for an effect and were not
// told of its cause: they are not woken, and know who is at it.
func (r *Room) tellEffects(ctx context.Context, t turn, a Alert) error {
	if a.Service == "" {
		return nil
	}
	under, err := effects(ctx, t.db, t.tenant, []ID{a.ID})
	if err != nil || len(under[a.ID]) == 0 {
		return err
	}
	told, err := t.notified(ctx, a.ID)
	if err != nil {
		return err
	}
	heard := map[string]bool{}
	for _, n := range told {
		if n.Receipt == receiptWithdrawn || n.Receipt == receiptBrokenOff {
			continue // it never left, or nobody knows
		}
		heard[n.PersonID] = true
	}
	svc, err := r.service(ctx, a.Service)
	if err != nil {
		return err
	}
	m := mailing{r: r, t: t, alert: a, service: svc}
	if err := m.prepare(ctx); err != nil {
		return err
	}
	l := letter{kind: Grown, alert: a, service: svc, town: m.town, page: m.page(), effects: m.effects}
	for _, e := range under[a.ID] {
		of, err := r.service(ctx, e.Service)
		if err != nil {
			return err
		}
		levels, err := r.levels(ctx, of, t.now)
		if err != nil {
			return err
		}
		for _, p := range wakes(levels) {
			if heard[string(p.ID)] {
				continue
			}
			heard[string(p.ID)] = true
			at := m.locale(p.Language)
			subject, text := l.write(at)
			for _, address := range p.Addresses() {
				_, err := m.send(ctx, Notified{
					PersonID: string(p.ID), Name: p.Name, Address: address, Language: string(at.Lang), Kind: Grown,
				}, subject, text)
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}
