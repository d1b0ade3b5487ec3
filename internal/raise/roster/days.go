package roster

import (
	"context"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// maxDays bounds a town's own days.
const maxDays = 100

type dayRow struct {
	bun.BaseModel `bun:"table:roster_day"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Name          string       `bun:"name"`
	Rule          string       `bun:"rule"`
	Half          bool         `bun:"half"`
	Declared      bool         `bun:"declared"`
}

// Days are the town's own days, as they were entered.
func (r *Room) Days(ctx context.Context) ([]Day, error) {
	var rows []dayRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Order("id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("roster: days: %w", err)
	}
	out := make([]Day, len(rows))
	for i, row := range rows {
		out[i] = Day{row.ID, row.Name, row.Rule, row.Half, row.Declared}
	}
	return out, nil
}

// check says what is wrong with a day.
func (d Day) check() error {
	bad := fault.New(fault.Invalid, "roster.invalid_day")
	if !plain(d.Name, maxName) {
		return bad.Field("day_name", "roster.bad_name")
	}
	if !d.Valid() {
		return bad.Field("rule", "roster.bad_rule")
	}
	return nil
}

// AddDay adds a day of the town's own.
func (r *Room) AddDay(ctx context.Context, d Day) (Day, error) {
	if err := mayChange(ctx); err != nil {
		return d, err
	}
	if err := d.check(); err != nil {
		return d, err
	}
	err := r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		all, err := r.Days(ctx)
		if err != nil {
			return err
		}
		if len(all) >= maxDays {
			return fault.New(fault.Conflict, "roster.many_days", maxDays)
		}
		if slices.ContainsFunc(all, func(o Day) bool { return o.Rule == d.Rule }) {
			return fault.New(fault.Conflict, "roster.day_twice").Field("rule", "roster.day_twice")
		}
		d.ID, d.Declared = ident.NewID(r.o.Clock.Now()), false
		return r.putDay(ctx, d, "roster.day_added")
	})
	return d, err
}

// RemoveDay takes one away again.
func (r *Room) RemoveDay(ctx context.Context, id string) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		all, err := r.Days(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(d Day) bool { return d.ID == id })
		if i < 0 {
			return fault.New(fault.NotFound, "roster.no_day")
		}
		if all[i].Declared {
			return errDeclared
		}
		return r.dropDay(ctx, all[i])
	})
}

func (r *Room) putDay(ctx context.Context, d Day, action string) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row := dayRow{TenantID: tenant, ID: d.ID, Name: d.Name, Rule: d.Rule, Half: d.Half, Declared: d.Declared}
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("roster: day: %w", err)
		}
		r.changed(ctx, tenant, d.ID)
		return r.o.Audit.Record(ctx, audit.Entry{Action: action, Subject: "day:" + d.ID, Detail: map[string]string{"name": d.Name, "rule": d.Rule}})
	})
}

func (r *Room) dropDay(ctx context.Context, d Day) error {
	tenant := ident.TenantOf(ctx)
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewDelete().Model((*dayRow)(nil)).Where("tenant_id = ? AND id = ?", tenant, d.ID).Exec(ctx); err != nil {
			return fmt.Errorf("roster: day: %w", err)
		}
		r.changed(ctx, tenant, d.ID)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "roster.day_removed", Subject: "day:" + d.ID, Detail: map[string]string{"name": d.Name, "rule": d.Rule}})
	})
}

// declareDays makes the declared days follow the configuration.
func (r *Room) declareDays(ctx context.Context, days []Day) error {
	known, err := r.Days(ctx)
	if err != nil {
		return err
	}
	is := func(a Day) func(Day) bool {
		return func(b Day) bool { return b.Declared && b.Name == a.Name && b.Rule == a.Rule && b.Half == a.Half }
	}
	for _, d := range days {
		if d.Declared = true; !slices.ContainsFunc(known, is(d)) {
			d.ID = ident.NewID(r.o.Clock.Now())
			if err := r.putDay(ctx, d, "roster.day_added"); err != nil {
				return err
			}
		}
	}
	for _, d := range known {
		want := is(d)
		if d.Declared && !slices.ContainsFunc(days, func(o Day) bool { o.Declared = true; return want(o) }) {
			if err := r.dropDay(ctx, d); err != nil {
				return err
			}
		}
	}
	return nil
}
