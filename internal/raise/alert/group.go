package alert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// What fails together is one piece of trouble: signals of one group
// ([signal.Signal.Group]) whose service nobody knows join the alert that the first
// of them opened, as long as they follow each other closely. The first one wakes
// people at once. Nobody is silenced by those that follow: whoever got the alarm
// gets one letter that names them, in the same thread.
//
//	first ──► alarm at once
//	others ─► join ──► quiet for bundleAfter, or bundleAtMost ──► one letter names them
const (
	// groupPause is how long a group may be quiet before the next of it is trouble
	// of its own; groupAtMost is how long it grows at all.
	groupPause  = time.Minute
	groupAtMost = 10 * time.Minute

	bundleAfter  = 10 * time.Second
	bundleAtMost = time.Minute
	// bundleRest is the least time between two such letters.
	bundleRest = 5 * time.Minute
)

// groupRow is an alert of a group. Its newest one grows; an older one stays until
// what joined it is told.
type groupRow struct {
	bun.BaseModel `bun:"table:alert_group"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	AlertID       ID           `bun:"alert_id,pk"`
	Name          string       `bun:"name"`
	OpenedAt      time.Time    `bun:"opened_at"`
	LastAt        time.Time    `bun:"last_at"`
	More          int          `bun:"more"`             // joined since the last letter
	WaitingSince  time.Time    `bun:"waiting,nullzero"` // the first of them; zero: none waits
	ToldAt        time.Time    `bun:"told_at,nullzero"` // the last letter
	DueAt         time.Time    `bun:"due_at,nullzero"`  // the next one
}

// grouped reports whether the signal may join others of its group.
func grouped(s signal.Signal) bool {
	return s.Group != "" && s.Service == "" && s.State == signal.Firing && s.Severity != signal.Info
}

// growing reports whether the group still takes up what fails now.
func (g groupRow) growing(now time.Time) bool {
	return now.Sub(g.LastAt) <= groupPause && now.Sub(g.OpenedAt) <= groupAtMost
}

// joined counts one more that joined at a moment, and says when to tell of it.
func (g groupRow) joined(now time.Time) groupRow {
	if g.WaitingSince.IsZero() {
		g.WaitingSince = now
	}
	g.LastAt, g.More = now, g.More+1
	g.DueAt = now.Add(bundleAfter)
	if last := g.WaitingSince.Add(bundleAtMost); last.Before(g.DueAt) {
		g.DueAt = last
	}
	if rest := g.ToldAt.Add(bundleRest); !g.ToldAt.IsZero() && rest.After(g.DueAt) {
		g.DueAt = rest
	}
	return g
}

// group finds the newest alert of a group.
func (t turn) group(ctx context.Context, name string) (groupRow, bool, error) {
	return t.groupWhere(ctx, "name = ?", name)
}

func (t turn) groupWhere(ctx context.Context, where string, arg any) (groupRow, bool, error) {
	var g groupRow
	err := t.db.NewSelect().Model(&g).Where("tenant_id = ?", t.tenant).Where(where, arg).OrderExpr("opened_at DESC, alert_id DESC").Limit(1).Scan(ctx)
	if store.NotFound(err) {
		return g, false, nil
	}
	if err != nil {
		return g, false, fmt.Errorf("alert: group: %w", err)
	}
	g.OpenedAt, g.LastAt, g.WaitingSince = clock.Cut(g.OpenedAt), clock.Cut(g.LastAt), when(g.WaitingSince)
	g.ToldAt, g.DueAt = when(g.ToldAt), when(g.DueAt)
	return g, true, nil
}

func (t turn) keepGroup(ctx context.Context, g groupRow) error {
	_, err := t.db.NewInsert().Model(&g).On("CONFLICT (tenant_id, alert_id) DO UPDATE").
		Set("last_at = EXCLUDED.last_at, more = EXCLUDED.more").
		Set("waiting = EXCLUDED.waiting, told_at = EXCLUDED.told_at, due_at = EXCLUDED.due_at").Exec(ctx)
	if err != nil {
		return fmt.Errorf("alert: keep group: %w", err)
	}
	return nil
}

// place finds the alert, not closed, that the signal belongs to; empty: none yet.
func (t turn) place(ctx context.Context, s signal.Signal) (ID, error) {
	open, err := t.open(ctx, alertKey(s))
	if err != nil || open != "" || !grouped(s) {
		return open, err
	}
	g, ok, err := t.group(ctx, s.Group)
	if err != nil || !ok || !g.growing(t.now) {
		return "", err
	}
	a, err := t.get(ctx, g.AlertID)
	if errors.Is(err, ErrNotFound) || err == nil && a.State == StateClosed {
		return "", nil
	}
	return a.ID, err
}

// formed notes that the signal opened an alert: its group begins anew.
func (t turn) formed(ctx context.Context, s signal.Signal, id ID) error {
	if !grouped(s) {
		return nil
	}
	_, err := t.db.NewDelete().Model((*groupRow)(nil)).Where("tenant_id = ? AND name = ? AND due_at IS NULL", t.tenant, s.Group).Exec(ctx)
	if err != nil {
		return fmt.Errorf("alert: forget groups: %w", err)
	}
	return t.keepGroup(ctx, groupRow{TenantID: t.tenant, Name: s.Group, AlertID: id, OpenedAt: t.now, LastAt: t.now})
}

// grew notes that the signal joined an alert of its group.
func (t turn) grew(ctx context.Context, s signal.Signal, id ID) error {
	if !grouped(s) {
		return nil
	}
	g, ok, err := t.group(ctx, s.Group)
	if err != nil || !ok || g.AlertID != id {
		return err
	}
	t.r.o.Store.AfterCommit(ctx, t.r.bundler.Kick)
	return t.keepGroup(ctx, g.joined(t.now))
}

// bundles tells of what has joined, where it is time to.
func (r *Room) bundles(ctx context.Context, now time.Time) (time.Time, error) {
	all := ident.AcrossTenants(ctx)
	var due []groupRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&due).Where("due_at <= ?", now).OrderExpr("due_at").Limit(500).Scan(all)
	if err != nil {
		return time.Time{}, fmt.Errorf("alert: groups: %w", err)
	}
	var errs []error
	for _, g := range due {
		errs = append(errs, r.bundle(ident.WithActor(ident.WithTenant(ctx, g.TenantID), ident.System), g.AlertID, now))
	}
	if err := errors.Join(errs...); err != nil {
		return time.Time{}, err
	}
	var next groupRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&next).Where("due_at IS NOT NULL").OrderExpr("due_at").Limit(1).Scan(all)
	if store.NotFound(err) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("alert: groups: %w", err)
	}
	return clock.Cut(next.DueAt), nil
}

func (r *Room) bundle(ctx context.Context, id ID, now time.Time) error {
	return r.inTurn(ctx, func(ctx context.Context, t turn) error {
		g, ok, err := t.groupWhere(ctx, "alert_id = ?", id)
		if err != nil || !ok || g.DueAt.IsZero() || g.DueAt.After(now) {
			return err // another node was here
		}
		a, err := t.full(ctx, g.AlertID)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err == nil && a.Held != "" {
			g.DueAt = time.Time{} // told when it alarms; see grewHeld
			return t.keepGroup(ctx, g)
		}
		g.More, g.WaitingSince, g.DueAt = 0, time.Time{}, time.Time{}
		if err == nil && a.State != StateClosed { // its end was told already
			g.ToldAt = t.now
			if err := r.tellAgain(ctx, t, a, Grown, ""); err != nil {
				return err
			}
			if err := r.tellEffects(ctx, t, a); err != nil {
				return err
			}
		}
		return t.keepGroup(ctx, g)
	})
}

// firing counts the sources that see the alert's trouble now.
func (t turn) firing(ctx context.Context, id ID) (int, error) {
	n, err := t.db.NewSelect().Model((*signalRow)(nil)).Where("tenant_id = ? AND alert_id = ? AND state = ?", t.tenant, id, signal.Firing).Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("alert: sources: %w", err)
	}
	return int(n), nil
}

// named is how many sources a letter names.
const named = 20

func (l letter) writeGrown(at i18n.Locale) (subject, text string) {
	a := l.alert
	firing, all := a.Confirmed()
	var names []string
	for _, g := range bySite(a.Signals) {
		for _, s := range g.Sources {
			if s.State == signal.Firing {
				names = append(names, s.Title)
			}
		}
	}
	w := &paper{}
	if len(l.effects) > 0 {
		subject = say(at, "subject_effects", len(l.effects), a.Title)
		w.text(mark(a.Severity) + " " + a.Title)
		w.text(say(at, "since", at.Short(a.Since)))
		w.named(at, "effects", l.effects)
		w.text(say(at, "effects_then"))
	} else {
		subject = say(at, "subject_grown", all-1, a.Title)
		w.text(mark(a.Severity) + " " + say(at, "grown", all-1, a.Title))
		w.text(say(at, "since", at.Short(a.Since)))
		w.gap()
		w.text(say(at, "grown_list", firing))
		w.sites(at, a.Signals)
		for _, s := range names[:min(len(names), named)] {
			w.wrapped("- ", "  ", s)
		}
		if firing > named {
			w.text(say(at, "grown_rest", firing-named))
		}
	}
	if a.AcknowledgedName != "" {
		w.gap()
		w.text(say(at, "taken", a.AcknowledgedName, at.Short(a.AcknowledgedAt)))
	}
	w.gap()
	w.text(say(at, "page"))
	w.line(l.page)
	w.sign(at, l.town)
	return subject, w.String()
}

// sites tells how much fails where, the place that failed first on top.
func (p *paper) sites(at i18n.Locale, all []Source) {
	groups := bySite(all)
	if len(groups) < 2 {
		return
	}
	p.gap()
	for i, g := range groups {
		switch {
		case g.Firing == 0:
		case i >= named:
			p.text(say(at, "site_rest", len(groups)-i))
			p.gap()
			return
		case g.Site == "":
			p.wrapped("- ", "  ", say(at, "no_site", g.Firing, g.First.Title))
		default:
			p.wrapped("- ", "  ", say(at, "site", g.Site, g.Firing, g.First.Title))
		}
	}
	p.gap()
}
