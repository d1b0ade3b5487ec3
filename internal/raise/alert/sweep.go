package alert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// sweep looks for more people where nobody could be told, or nobody answered.
// One alert that fails keeps none of the others waiting.
func (r *Room) sweep(ctx context.Context, now time.Time) (time.Time, error) {
	all := ident.AcrossTenants(ctx)
	var due []alertRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&due).Where("retry_at <= ?", now).OrderExpr("retry_at").Limit(500).Scan(all)
	if err != nil {
		return time.Time{}, fmt.Errorf("alert: look for alerts that wait: %w", err)
	}
	var errs []error
	for _, row := range due {
		errs = append(errs, r.further(ident.WithActor(ident.WithTenant(ctx, row.TenantID), ident.System), row.ID, now))
	}
	nextPage, more := r.sweepPages(ctx, now)
	errs = append(errs, more...)
	nextSilence, err := r.sweepSilences(ctx, now)
	errs = append(errs, err)
	nextHold, more := r.sweepHolds(ctx, now)
	if err := errors.Join(append(errs, more...)...); err != nil {
		return time.Time{}, err
	}
	nextPage = earliest(nextPage, nextSilence, nextHold)
	var next alertRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&next).Where("retry_at IS NOT NULL").OrderExpr("retry_at").Limit(1).Scan(all)
	if store.NotFound(err) {
		return nextPage, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("alert: look for alerts that wait: %w", err)
	}
	return earliest(nextPage, clock.Cut(next.RetryAt)), nil
}

// further takes the next step for an alert that waits.
func (r *Room) further(ctx context.Context, id ID, now time.Time) error {
	return r.inTurn(ctx, func(ctx context.Context, t turn) error {
		a, err := t.full(ctx, id)
		if err != nil {
			return err
		}
		rn, err := t.run(ctx, id)
		if err != nil {
			return err
		}
		switch {
		case a.NextAt.IsZero() || a.NextAt.After(now):
			return nil // another node was here
		case a.State == StateOpen && a.Held != "":
			a.NextAt = time.Time{} // what holds it back has a time of its own
		case a.State != StateClosed && rn != nil && a.Woken > 0 && (!rn.Done || !rn.SnoozedUntil.IsZero()):
			if err := r.climbOn(ctx, t, &a, rn); err != nil {
				return err
			}
		case a.State == StateClosed || a.State == StateAcknowledged && a.Woken > 0:
			a.NextAt = time.Time{}
		case a.Woken == 0:
			t.again = true
			if err := r.wake(ctx, t, &a, false); err != nil {
				return err
			}
			if err := r.unheard(ctx, t, a); err != nil {
				return err
			}
		default:
			if _, err := r.askMore(ctx, t, &a); err != nil {
				return err
			}
		}
		r.changed(ctx, id)
		return t.update(ctx, a)
	})
}
