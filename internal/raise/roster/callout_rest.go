package roster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// warnAhead is how long before work begins the rest of a call-out that still runs is
// warned of; one that has ended is told at once.
const warnAhead = time.Hour

// calloutMemory is how long a call-out may still be warned of.
const calloutMemory = 3 * 24 * time.Hour

// warnOfRest tells people and their leads when a call-out leaves no eleven hours of
// rest before the next work, once for each; and answers when to look again.
func (r *Room) warnOfRest(ctx context.Context, now time.Time) (next time.Time, err error) {
	rows, err := r.untold(ctx, now)
	if err != nil || len(rows) == 0 {
		return next, err
	}
	rules, err := r.rules(ctx, "")
	if err != nil {
		return next, err
	}
	var failed error
	for _, row := range rows {
		at, err := r.warnOne(ctx, row, rules, now)
		failed = errors.Join(failed, err)
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, failed
}

// untold are the call-outs of the last days whose rest nobody was warned of.
func (r *Room) untold(ctx context.Context, now time.Time) ([]calloutRow, error) {
	var rows []calloutRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).
		Where("tenant_id = ? AND begin_at > ? AND told_at IS NULL AND NOT void", ident.TenantOf(ctx), now.Add(-calloutMemory)).Order("begin_at", "id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("roster: callouts: %w", err)
	}
	return rows, nil
}

func (r *Room) warnOne(ctx context.Context, row calloutRow, rules Rules, now time.Time) (next time.Time, err error) {
	c := row.callout()
	if c.Open() && c.Alert != "" && r.o.Ended != nil {
		// The alarm may have ended before we heard that it was taken over.
		end, err := r.o.Ended(ctx, c.Alert)
		if err != nil {
			return next, err
		}
		if !end.IsZero() {
			return now, r.CallOver(ctx, c.Alert, end) // the look that the change asks for tells it
		}
	}
	var near []calloutRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&near).Where("tenant_id = ? AND person = ? AND begin_at > ? AND NOT void", row.TenantID, r.sealedPerson(row.Person), c.Begin.Add(-calloutMemory)).Scan(ctx)
	if err != nil {
		return next, fmt.Errorf("roster: callouts: %w", err)
	}
	rest, err := r.restOf(ctx, c, stretchesOf(near, now)[c.Person], rules, now)
	if err != nil || !rest.Broken() {
		return next, err
	}
	if at := rest.Free.To.Add(-warnAhead); c.Open() && at.After(now) {
		return at, nil
	}
	return next, r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		res, err := db.NewUpdate().Model((*calloutRow)(nil)).Set("told_at = ?", now).
			Where("tenant_id = ? AND id = ? AND told_at IS NULL", row.TenantID, row.ID).Exec(ctx)
		if err != nil {
			return fmt.Errorf("roster: callout: %w", err)
		}
		n, err := res.RowsAffected()
		if err != nil || n == 0 || !c.Open() && !rest.Free.To.After(now) {
			return err // told elsewhere, or the work has begun long ago: it stands in the record
		}
		return r.tellRest(ctx, c, rest, now)
	})
}

// tellRest writes to the person, and to the lead of the roster.
func (r *Room) tellRest(ctx context.Context, c Callout, rest Rest, now time.Time) error {
	people, err := r.crew(ctx)
	if err != nil {
		return err
	}
	to := []string{c.Person}
	if c.Roster != "" {
		if ro, err := r.Get(ctx, c.Roster); err == nil && ro.Lead != "" && ro.Lead != c.Person {
			to = append(to, ro.Lead)
		}
	}
	for _, mail := range to {
		if _, fit := people.fit(mail); !fit {
			continue
		}
		p := people[mail]
		l, town, err := r.locale(ctx, p.Language, now)
		if err != nil {
			return err
		}
		say := func(key string, args ...any) string { return l.Catalog.Text(l.Lang, key, args...) }
		lines := []string{say("roster.mail_rest_lead", people.name(c.Person)), ""}
		if c.Open() {
			lines = append(lines, "- "+say("roster.callout_runs_since", l.Stand(c.Begin)))
		} else {
			lines = append(lines, "- "+say("roster.callout_was", span(l, c.Begin, c.End)))
		}
		lines = append(lines, "- "+say("roster.rest_next", l.Stand(rest.Free.To), hoursText(rest.After)), "- "+say("roster.rest_longest", hoursText(rest.Longest)))
		if !c.Open() {
			lines = append(lines, "- "+say("roster.rest_earliest", l.Stand(rest.Earliest)))
		}
		lines = append(lines, "", say("roster.mail_rest_do"), town.StaffURL+"/roster/callouts", "")
		if err := r.post(ctx, p, p.Email, say("roster.mail_rest", people.name(c.Person), l.Stand(rest.Free.To)), strings.Join(lines, "\n"), l.Lang, false); err != nil {
			return err
		}
	}
	return nil
}
