package trial

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// Weekly lets a run of the target begin every week at a civil hour.
func (r *Room) Weekly(ctx context.Context, t Target, day time.Weekday, hour int) (Plan, error) {
	if err := mayLook(ctx); err != nil {
		return Plan{}, err
	}
	if day < time.Sunday || day > time.Saturday || hour < 0 || hour > 23 {
		return Plan{}, ErrHour
	}
	if _, err := r.asChain(ctx, t); err != nil {
		return Plan{}, err
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Target: t, Weekday: day, Hour: hour}
	row := planRow{TenantID: tenant, Target: t, Weekday: int(day), Hour: hour, NextAt: p.next(r.o.Clock.Now(), r.o.Locale(ctx).Zone)}
	return row.plan(), r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, target) DO UPDATE").
			Set("weekday = EXCLUDED.weekday").Set("hour = EXCLUDED.hour").Set("next_at = EXCLUDED.next_at").
			Set("skipped_at = NULL").Set("skipped_why = ''").Exec(ctx)
		if err != nil {
			return fmt.Errorf("trial: plan: %w", err)
		}
		r.changed(ctx, "")
		r.o.Store.AfterCommit(ctx, r.sweep.Kick)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "trial.weekly", Subject: "trial:" + string(t), Detail: map[string]string{"weekday": strconv.Itoa(int(day)), "hour": strconv.Itoa(hour)}})
	})
}

// NotWeekly ends that. A target that nothing is planned for is [ErrNotFound].
func (r *Room) NotWeekly(ctx context.Context, t Target) error {
	if err := mayLook(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		res, err := db.NewDelete().Model((*planRow)(nil)).Where("tenant_id = ? AND target = ?", ident.TenantOf(ctx), t).Exec(ctx)
		if err != nil {
			return fmt.Errorf("trial: plan: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return ErrNotFound.With(err)
		}
		r.changed(ctx, "")
		return r.o.Audit.Record(ctx, audit.Entry{Action: "trial.not_weekly", Subject: "trial:" + string(t)})
	})
}

// due ends runs and begins weekly ones, for every town.
func (r *Room) due(ctx context.Context, now time.Time) (next time.Time, err error) {
	towns, err := r.o.People.Tenants(ident.AcrossTenants(ident.WithActor(ctx, ident.System)))
	if err != nil {
		return next, err
	}
	var failed error
	for _, t := range towns {
		at, err := r.dueIn(ident.WithTenant(ident.WithActor(ctx, ident.System), t.ID), now)
		failed = errors.Join(failed, err)
		if next.IsZero() || !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	return next, failed
}

func (r *Room) dueIn(ctx context.Context, now time.Time) (next time.Time, err error) {
	var runs []runRow
	var plans []planRow
	db, tenant := r.o.Store.Read(ctx), ident.TenantOf(ctx)
	err1 := db.NewSelect().Model(&runs).Where("tenant_id = ? AND ended_at IS NULL", tenant).Order("due_at").Scan(ctx)
	err2 := db.NewSelect().Model(&plans).Where("tenant_id = ?", tenant).Order("next_at").Scan(ctx)
	if err := errors.Join(err1, err2); err != nil {
		return next, fmt.Errorf("trial: due: %w", err)
	}
	soonest := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	for _, row := range runs {
		if at := when(row.DueAt); at.After(now) {
			soonest(at)
			continue
		}
		err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error { return r.finish(ctx, db, row.ID, now) })
		if err != nil {
			return next, err
		}
	}
	for _, row := range plans {
		at := when(row.NextAt)
		if !at.After(now) {
			if at, err = r.week(ctx, row, now); err != nil {
				return next, err
			}
		}
		soonest(at)
	}
	if len(runs) == 0 {
		err = r.forget(ctx, now)
	}
	return next, err
}

// week begins the weekly run of a plan, or leaves it out and says why; at is when
// the next one is due.
func (r *Room) week(ctx context.Context, row planRow, now time.Time) (at time.Time, err error) {
	was := when(row.NextAt)
	skip := func(why string) { row.SkippedAt, row.SkippedWhy = now, why }
	row.NextAt = row.plan().next(now, r.o.Locale(ctx).Zone)
	begin, said := now.Sub(was) <= late, row.SkippedWhy == "busy" && !when(row.SkippedAt).Before(was)
	busy, err := r.busy(ctx)
	switch {
	case err != nil:
		return at, err
	case !begin && said:
		// An alert has held it up for its whole hour, and that is said already.
	case !begin:
		skip("late")
	case busy:
		// It is tried again within its hour; was stays what that hour counts from.
		begin = false
		if !said {
			skip("busy")
		}
		row.NextAt = was
		at = now.Add(again)
	default:
		row.SkippedAt, row.SkippedWhy = time.Time{}, ""
	}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		// Only who moves the plan begins its run: another node may be as fast.
		res, err := db.NewUpdate().Model((*planRow)(nil)).Set("next_at = ?", row.NextAt).Set("skipped_why = ?", row.SkippedWhy).Set("skipped_at = ?", bun.NullTime{Time: row.SkippedAt}).
			Where("tenant_id = ? AND target = ? AND next_at = ?", row.TenantID, row.Target, was).Exec(ctx)
		if err != nil {
			return fmt.Errorf("trial: plan: %w", err)
		}
		r.changed(ctx, "")
		if n, err := res.RowsAffected(); err != nil || n == 0 || !begin {
			return err
		}
		_, err = r.begin(ctx, row.Target, true)
		return err
	})
	if key := fault.As(err); err != nil && (key.Key == ErrTarget.Key || key.Key == ErrSoon.Key || key.Key == ErrBusy.Key) {
		why := "gone"
		switch key.Key {
		case ErrSoon.Key:
			why = "soon"
		case ErrBusy.Key:
			why = "busy"
		}
		err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			_, err := db.NewUpdate().Model((*planRow)(nil)).Set("next_at = ?", row.NextAt).Set("skipped_why = ?", why).Set("skipped_at = ?", now).
				Where("tenant_id = ? AND target = ? AND next_at = ?", row.TenantID, row.Target, was).Exec(ctx)
			return err
		})
	}
	if at.IsZero() {
		at = row.NextAt
	}
	return at, err
}
