package incident

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
)

type ruleRow struct {
	bun.BaseModel `bun:"table:incident_rule"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Service       string       `bun:"service,pk"`
	AfterSeconds  int64        `bun:"after_seconds"`
}

func (r ruleRow) rule() Rule {
	if r.AfterSeconds < 0 {
		return Rule{Service: r.Service, Never: true}
	}
	return Rule{Service: r.Service, After: time.Duration(r.AfterSeconds) * time.Second}
}

// Rules lists the tenant's rules. Without one, no incident opens by itself.
func (r *Room) Rules(ctx context.Context) ([]Rule, error) {
	var rows []ruleRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).OrderExpr("service").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("incident: rules: %w", err)
	}
	out := make([]Rule, 0, len(rows))
	for _, row := range rows {
		out = append(out, row.rule())
	}
	return out, nil
}

// SetRule sets the rule of one service, or of all others; administrators only.
func (r *Room) SetRule(ctx context.Context, rule Rule) error {
	if !ident.ActorOf(ctx).Has(string(identity.RoleAdmin)) {
		return ErrForbidden
	}
	if rule.After < 0 || rule.After > 24*time.Hour {
		return fault.New(fault.Invalid, "incident.bad_after").Field("after", "incident.bad_after")
	}
	if _, err := r.services(ctx, []string{rule.Service}); err != nil {
		return err
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	row := &ruleRow{TenantID: tenant, Service: rule.Service, AfterSeconds: int64(rule.After / time.Second)}
	if rule.Never {
		row.AfterSeconds = -1
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewInsert().Model(row).On("CONFLICT (tenant_id, service) DO UPDATE").
			Set("after_seconds = EXCLUDED.after_seconds").Exec(ctx)
		if err != nil {
			return fmt.Errorf("incident: rule: %w", err)
		}
		r.o.Store.AfterCommit(ctx, r.sweeper.Kick)
		return r.o.Audit.Record(ctx, audit.Entry{
			Action: "incident.rule_set", Subject: rule.Service,
			Detail: map[string]string{"after": rule.After.String(), "never": fmt.Sprint(rule.Never)},
		})
	})
}

// DropRule removes the rule of one service, so that the one for all others
// counts; administrators only.
func (r *Room) DropRule(ctx context.Context, service string) error {
	if !ident.ActorOf(ctx).Has(string(identity.RoleAdmin)) {
		return ErrForbidden
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewDelete().Model(&ruleRow{TenantID: tenant, Service: service}).WherePK().Exec(ctx); err != nil {
			return fmt.Errorf("incident: rule: %w", err)
		}
		r.o.Store.AfterCommit(ctx, r.sweeper.Kick)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "incident.rule_dropped", Subject: service})
	})
}

// pick finds the rule for a service; ok is false when none applies.
func pick(rules []Rule, service string) (after time.Duration, ok bool) {
	for _, r := range rules {
		if r.Service == service {
			return r.After, !r.Never
		}
		if r.Service == "" {
			after, ok = r.After, !r.Never
		}
	}
	return after, ok
}

// sweep opens what the rules demand, for every tenant that has one.
func (r *Room) sweep(ctx context.Context, now time.Time) (time.Time, error) {
	var rows []ruleRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("after_seconds >= 0").Scan(ident.AcrossTenants(ctx))
	if err != nil {
		return time.Time{}, fmt.Errorf("incident: rules: %w", err)
	}
	var next time.Time
	seen := map[ident.Tenant]bool{}
	for _, row := range rows {
		if seen[row.TenantID] {
			continue
		}
		seen[row.TenantID] = true
		due, err := r.byRule(ident.WithActor(ident.WithTenant(ctx, row.TenantID), ident.System), now)
		if err != nil {
			return time.Time{}, err
		}
		if !due.IsZero() && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	return next, nil
}

// byRule opens incidents for one tenant and tells when the next one is due.
func (r *Room) byRule(ctx context.Context, now time.Time) (next time.Time, err error) {
	rules, err := r.Rules(ctx)
	if err != nil {
		return next, err
	}
	alerts, err := r.o.Alerts.List(ctx, alert.Filter{Current: true, Limit: 1000})
	if err != nil {
		return next, err
	}
	for _, a := range alerts {
		if a.IncidentID != "" || a.Service == "" || a.Held != "" || a.Severity != signal.Critical {
			continue
		}
		after, ok := pick(rules, a.Service)
		if !ok {
			continue
		}
		svc, err := r.o.Services.Get(ctx, a.Service)
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return next, fmt.Errorf("incident: service %s: %w", a.Service, err)
		}
		if err != nil || !svc.Public {
			continue
		}
		if due := a.OpenedAt.Add(after); due.After(now) {
			if next.IsZero() || due.Before(next) {
				next = due
			}
			continue
		}
		_, err = r.Open(ctx, OpenRequest{Alerts: []string{string(a.ID)}})
		if err != nil && !errors.Is(err, ErrTaken) {
			return next, err
		}
	}
	return next, nil
}
