package alert

import (
	"context"
	"fmt"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
)

// A warning wakes nobody: between NightBegins and NightEnds, by the clock of the
// town, its mail waits, and the alert is listed as withheld meanwhile (I20). It
// is on the Lagebild at once, and webhooks hear of it at once. What gets worse
// than a warning alarms immediately.
const (
	NightBegins = 20
	NightEnds   = 7
)

// morning is when the night ends in which t lies; zero: it is day.
func morning(t time.Time, zone *time.Location) time.Time {
	local := t.In(zone)
	day := local.Day()
	switch h := local.Hour(); {
	case h >= NightBegins:
		day++
	case h >= NightEnds:
		return time.Time{}
	}
	return time.Date(local.Year(), local.Month(), day, NightEnds, 0, 0, 0, zone).UTC()
}

// restsUntil is when the people responsible for a may be told; zero: now.
func (r *Room) restsUntil(ctx context.Context, t turn, a Alert) (time.Time, error) {
	if a.Severity == signal.Critical {
		return time.Time{}, nil
	}
	town, err := r.o.Town.Current(ctx)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return time.Time{}, fmt.Errorf("alert: town: %w", err)
	}
	zone, err := clock.Zone(town.Zone)
	if err != nil {
		return time.Time{}, nil // a wrong zone is no reason to be silent
	}
	return morning(t.now, zone), nil
}

// rest opens a warning in the night without telling anybody yet.
func (r *Room) rest(ctx context.Context, t turn, a *Alert, s signal.Signal, until time.Time) error {
	a.NextAt = until
	if err := t.withhold(ctx, s, Night, a.ID, false); err != nil {
		return err
	}
	m := mailing{r: r, t: t, alert: *a}
	if err := m.prepare(ctx); err != nil {
		return err
	}
	return m.hooks(ctx, Alarm)
}

// worsen alarms for an alert that was a warning so far: whoever was told was not
// woken, and whoever has taken it has taken less than this.
func (r *Room) worsen(ctx context.Context, t turn, a Alert, s signal.Signal) error {
	a.Severity, a.Title, a.Detail = s.Severity, s.Title, s.Detail
	if err := r.reopen(ctx, t, &a); err != nil {
		return err
	}
	if err := t.endNobody(ctx, a.ID); err != nil {
		return err
	}
	if err := r.wake(ctx, t, &a, true); err != nil {
		return err
	}
	if a.Woken == 0 {
		if err := t.withhold(ctx, s, Nobody, a.ID, false); err != nil {
			return err
		}
	}
	if err := t.update(ctx, a); err != nil {
		return err
	}
	if err := r.audit(ctx, "alert.worsened", a, "people", fmt.Sprint(a.Woken)); err != nil {
		return err
	}
	r.changed(ctx, a.ID)
	return Opened.Tell(ctx, t.enqueue, t.now, happened(a))
}

// ease makes an alert milder when its source says so, and no other that still
// fires says worse: it stays open, and nobody further is disturbed for a warning.
// Where nobody has heard of it yet, people are looked for as before (I20).
func (r *Room) ease(ctx context.Context, t turn, a *Alert, s signal.Signal) error {
	all, err := t.full(ctx, a.ID)
	if err != nil {
		return err
	}
	for _, x := range all.Signals {
		if x.State == signal.Firing && x.Severity.WorseThan(s.Severity) {
			return nil
		}
	}
	a.Severity, a.Title = s.Severity, s.Title
	rn, err := t.run(ctx, a.ID)
	if err != nil {
		return err
	}
	if off := rn != nil && !rn.SnoozedUntil.IsZero(); a.Woken > 0 && a.Held == "" && !off {
		a.NextAt = time.Time{}
		if rn != nil && !rn.Done {
			rn.Done = true
			if err := t.keepRun(ctx, rn); err != nil {
				return err
			}
		}
		if err := t.calm(ctx, a.ID); err != nil {
			return err
		}
	}
	if err := t.note(ctx, a.ID, Course{What: Eased}); err != nil {
		return err
	}
	if err := r.audit(ctx, "alert.eased", *a); err != nil {
		return err
	}
	if err := t.update(ctx, *a); err != nil {
		return err
	}
	return r.letGo(ctx, t, string(a.ID)) // a warning is nobody's cause
}

// unheard ends what was listed because nobody had been told yet, or, when still
// nobody can be, lists that.
func (r *Room) unheard(ctx context.Context, t turn, a Alert) error {
	if a.Woken > 0 {
		return t.endNobody(ctx, a.ID)
	}
	listed, err := t.isListed(ctx, a.ID, Nobody)
	if err != nil || listed {
		return err
	}
	if err := t.endNobody(ctx, a.ID); err != nil {
		return err
	}
	return t.withhold(ctx, signal.Signal{Key: a.Key, Service: a.Service, Title: a.Title, Detail: a.Detail}, Nobody, a.ID, false)
}

// isListed tells whether the alert is listed as withheld for the reason.
func (t turn) isListed(ctx context.Context, id ID, why Reason) (bool, error) {
	n, err := t.db.NewSelect().Model((*withheldRow)(nil)).
		Where("tenant_id = ? AND alert_id = ? AND ended_at IS NULL AND reason = ?", t.tenant, id, why).Count(ctx)
	if err != nil {
		return false, fmt.Errorf("alert: withheld: %w", err)
	}
	return n > 0, nil
}
