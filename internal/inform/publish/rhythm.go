package publish

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/plan"
)

// askAgainAfter is how long an approver may be silent before others are asked.
const askAgainAfter = 5 * time.Minute

// rhythmAfter makes the sweeper look again, since a new time may be the next.
func (r *Room) rhythmAfter(ctx context.Context) { r.o.Store.AfterCommit(ctx, r.rhythm.Kick) }

// follow keeps an incident's promises in step with its phase: a live public
// incident has one open promise per audience (I6), one that has ended has none.
// Again is set when it became live (confirmed, or reopened), so that audiences
// whose last promise was kept are owed a first word anew.
func (r *Room) follow(ctx context.Context, id incident.ID, again bool) error {
	in, err := r.o.Incidents.Get(ctx, id)
	if fault.KindOf(err) == fault.NotFound && err != nil {
		return nil
	}
	if err != nil {
		return err
	}
	now := r.o.Clock.Now()
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		switch {
		case in.Private || in.Phase.Ended():
			return r.dropPromises(ctx, db, id, false, now)
		case in.Phase == incident.Restored:
			return r.dropPromises(ctx, db, id, true, now)
		case !live(in.Phase):
			return nil // a candidate: nothing is certain enough to promise
		}
		return r.owe(ctx, db, in, again, now)
	})
}

// owe opens the promises that a live incident lacks: the first word is due as
// soon after confirmation as the plan says, a quarter of an hour by default
// (R1.7).
func (r *Room) owe(ctx context.Context, db bun.IDB, in incident.Incident, again bool, now time.Time) error {
	all, err := r.o.Audiences.Audiences(ctx)
	if err != nil {
		return err
	}
	slugs, err := r.concerned(ctx, in, all)
	if err != nil {
		return err
	}
	had, err := r.promises(ctx, in.ID)
	if err != nil {
		return err
	}
	var rows []promiseRow
	for _, slug := range slugs {
		mine := slices.DeleteFunc(slices.Clone(had), func(p Promise) bool { return p.Audience != slug })
		open := slices.ContainsFunc(mine, func(p Promise) bool { return p.State == PromiseOpen })
		if open || (len(mine) > 0 && !again) {
			continue
		}
		within := plan.FirstWithin
		if i := slices.IndexFunc(all, func(a plan.Audience) bool { return a.Slug == slug }); i >= 0 {
			within = all[i].First()
		}
		due := now.Add(within)
		if !in.ConfirmedAt.IsZero() && (!again || in.ConfirmedAt.After(now.Add(-within))) {
			due = in.ConfirmedAt.Add(within)
		}
		rows = append(rows, Promise{
			ID: ident.NewID(now), Incident: in.ID, Audience: slug, Realm: in.Realm, Due: due, State: PromiseOpen, CreatedAt: now,
		}.row(ident.TenantOf(ctx)))
	}
	return r.addPromises(ctx, db, rows, in.ID)
}

func (r *Room) addPromises(ctx context.Context, db bun.IDB, rows []promiseRow, in incident.ID) error {
	if len(rows) == 0 {
		return nil
	}
	// Two handlers may run at once; the index keeps one open promise.
	if _, err := db.NewInsert().Model(&rows).On("CONFLICT DO NOTHING").Exec(ctx); err != nil {
		return fmt.Errorf("publish: promise: %w", err)
	}
	r.changed(ctx, "", in)
	r.rhythmAfter(ctx)
	return nil
}

// dropPromises withdraws what is no longer owed. With keepCause the time until
// which the cause will be named stays.
func (r *Room) dropPromises(ctx context.Context, db bun.IDB, id incident.ID, keepCause bool, now time.Time) error {
	q := db.NewUpdate().Model((*promiseRow)(nil)).Set("state = ?", PromiseWithdrawn).Set("settled_at = ?", now).
		Where("tenant_id = ?", ident.TenantOf(ctx)).Where("incident_id = ?", id).Where("state = ?", PromiseOpen)
	if keepCause {
		q = q.Where("after_recovery = ?", false)
	}
	if _, err := q.Exec(ctx); err != nil {
		return fmt.Errorf("publish: withdraw promise: %w", err)
	}
	r.changed(ctx, "", id)
	r.rhythmAfter(ctx)
	return nil
}

// movePromises settles what the statement keeps and opens what it promises, for
// each of its audiences.
func (r *Room) movePromises(ctx context.Context, db bun.IDB, s Statement, p Preview, now time.Time) error {
	in := p.telling.incident
	if in.Private || toOne(s.Kind) || s.Kind == template.Survey || s.Kind == template.Report {
		return nil // a question and a look back tell nothing of how things stand (I6)
	}
	open, err := r.openPromises(ctx, s.Incident)
	if err != nil {
		return err
	}
	tenant := ident.TenantOf(ctx)
	var rows []promiseRow
	for _, reach := range p.Reach {
		for _, old := range open {
			if old.Audience != reach.Audience {
				continue
			}
			row := old.settle(s.ID, now).row(tenant)
			_, err := db.NewUpdate().Model(&row).Column("state", "settled_at", "statement_id").WherePK().
				Where("tenant_id = ?", tenant).Where("state = ?", PromiseOpen).Exec(ctx)
			if err != nil {
				return fmt.Errorf("publish: settle promise: %w", err)
			}
		}
		if reach.Next.IsZero() || s.Kind == template.Closing || in.Phase.Ended() {
			continue
		}
		rows = append(rows, Promise{
			ID: ident.NewID(now), Incident: s.Incident, Audience: reach.Audience, Realm: s.Realm, Due: reach.Next,
			State: PromiseOpen, CreatedAt: now, AfterRecovery: s.Kind == template.Recovery,
		}.row(tenant))
	}
	return r.addPromises(ctx, db, rows, s.Incident)
}

// Promises lists all promised times of an incident, the oldest first.
func (r *Room) Promises(ctx context.Context, in incident.ID) ([]Promise, error) {
	return r.promises(ctx, in)
}

func (r *Room) promises(ctx context.Context, in incident.ID) ([]Promise, error) {
	return r.scanPromises(ctx, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("incident_id = ?", in).Order("created_at", "id")
	})
}

func (r *Room) openPromises(ctx context.Context, in incident.ID) ([]Promise, error) {
	return r.scanPromises(ctx, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("incident_id = ?", in).Where("state = ?", PromiseOpen).Order("due_at", "id")
	})
}

// Due lists every open promise of the town, the next one first. It is what the
// console shows as "als Nächstes fällig", and what the page says it owes.
func (r *Room) Due(ctx context.Context) ([]Promise, error) {
	return r.scanPromises(ctx, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("state = ?", PromiseOpen).Order("due_at", "id").Limit(1000)
	})
}

func (r *Room) scanPromises(ctx context.Context, with func(*bun.SelectQuery) *bun.SelectQuery) ([]Promise, error) {
	var rows []promiseRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx))
	if err := with(q).Scan(ctx); err != nil {
		return nil, fmt.Errorf("publish: promises: %w", err)
	}
	out := make([]Promise, len(rows))
	for i, row := range rows {
		out[i] = row.promise()
	}
	return out, nil
}

// Adherence tells how many promises of an incident were kept and how many came
// late or are overdue at this moment.
func (r *Room) Adherence(ctx context.Context, in incident.ID) (kept, missed int, err error) {
	ps, err := r.promises(ctx, in)
	now := r.o.Clock.Now()
	for _, p := range ps {
		switch {
		case p.State == PromiseKept:
			kept++
		case p.State == PromiseMissed || p.Overdue(now):
			missed++
		}
	}
	return kept, missed, err
}

// Kept counts promised times: how many were kept, and how many came late or are
// overdue at this moment.
type Kept struct{ Kept, Missed int }

// Share is the adherence in percent; ok is false while nothing has come due.
func (k Kept) Share() (percent int, ok bool) {
	if k.Kept+k.Missed == 0 {
		return 0, false
	}
	return (100*k.Kept + (k.Kept+k.Missed)/2) / (k.Kept + k.Missed), true
}

// AdherenceSince counts the promised times of all real incidents that came due
// at or after a moment, all together and by audience.
func (r *Room) AdherenceSince(ctx context.Context, from time.Time) (all Kept, by map[string]Kept, err error) {
	if err := mayRead(ctx); err != nil {
		return all, nil, err
	}
	var rows []promiseRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).Column("audience", "state", "due_at").Where("tenant_id = ?", ident.TenantOf(ctx)).
		Where("realm = ?", incident.Live).Where("due_at >= ?", cut(from)).Where("state <> ?", PromiseWithdrawn).Scan(ctx)
	if err != nil {
		return all, nil, fmt.Errorf("publish: adherence: %w", err)
	}
	by, now := map[string]Kept{}, r.o.Clock.Now()
	for _, row := range rows {
		p, k := row.promise(), by[row.Audience]
		switch {
		case p.State == PromiseKept:
			all.Kept, k.Kept = all.Kept+1, k.Kept+1
		case p.State == PromiseMissed || p.Overdue(now):
			all.Missed, k.Missed = all.Missed+1, k.Missed+1
		default:
			continue
		}
		by[row.Audience] = k
	}
	return all, by, nil
}

// promisesDue reminds and escalates, and asks others where an approver is
// silent. It is the sweep of the rhythm.
func (r *Room) promisesDue(ctx context.Context, now time.Time) (time.Time, error) {
	var rows []promiseRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("state = 'open'").Where("escalated_at IS NULL").
		Order("due_at").Limit(1000).Scan(ident.AcrossTenants(ctx))
	if err != nil {
		return time.Time{}, fmt.Errorf("publish: promises due: %w", err)
	}
	var earliest time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (earliest.IsZero() || t.Before(earliest)) {
			earliest = t
		}
	}
	for _, row := range rows {
		p := row.promise()
		what, again := p.due(now)
		sooner(again)
		if what == stepNone {
			continue
		}
		mine := ident.WithActor(ident.WithTenant(ctx, row.TenantID), ident.System)
		if err := r.press(mine, p, what, now); err != nil {
			return time.Time{}, err
		}
	}
	again, err := r.silent(ctx, now)
	sooner(again)
	return earliest, err
}

// press does what the clock asks for one promise, once.
func (r *Room) press(ctx context.Context, p Promise, what step, now time.Time) error {
	in, err := r.o.Incidents.Get(ctx, p.Incident)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, enqueue store.Enqueue) error {
		if in.ID == "" || in.Private || in.Phase.Ended() {
			// A lost event heals here.
			return r.dropPromises(ctx, db, p.Incident, false, now)
		}
		column := "reminded_at"
		if what == stepEscalate {
			column = "escalated_at"
		}
		res, err := db.NewUpdate().Model((*promiseRow)(nil)).Set("? = ?", bun.Ident(column), now).
			Where("tenant_id = ?", ident.TenantOf(ctx)).Where("id = ?", p.ID).Where("state = ?", PromiseOpen).
			Where("? IS NULL", bun.Ident(column)).Exec(ctx)
		if err != nil {
			return fmt.Errorf("publish: press: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err // kept in this moment, or another node was faster
		}
		r.changed(ctx, "", p.Incident)
		if what == stepRemind {
			return r.remind(ctx, p, in)
		}
		if err := Overdue.Tell(ctx, enqueue, now, OverdueEvent{Promise: p.ID, Incident: p.Incident, Audience: p.Audience}); err != nil {
			return err
		}
		if err := r.record(ctx, "publish.promise.overdue", p.ID, map[string]string{"incident": string(p.Incident), "audience": p.Audience}); err != nil {
			return err
		}
		return r.escalate(ctx, p, in)
	})
}

// silent asks others when an approver has not answered for a while.
func (r *Room) silent(ctx context.Context, now time.Time) (time.Time, error) {
	var rows []statementRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("state = 'submitted'").Where("asked_again_at IS NULL").
		Order("submitted_at").Limit(200).Scan(ident.AcrossTenants(ctx))
	if err != nil {
		return time.Time{}, fmt.Errorf("publish: silent approvers: %w", err)
	}
	for _, row := range rows {
		at := cut(row.SubmittedAt).Add(askAgainAfter)
		if at.After(now) {
			return at, nil
		}
		mine := ident.WithActor(ident.WithTenant(ctx, row.TenantID), ident.System)
		err := r.o.Store.InTx(mine, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			res, err := db.NewUpdate().Model((*statementRow)(nil)).Set("asked_again_at = ?", now).
				Where("tenant_id = ?", row.TenantID).Where("id = ?", row.ID).Where("state = ?", StateSubmitted).
				Where("asked_again_at IS NULL").Exec(ctx)
			if err != nil {
				return fmt.Errorf("publish: ask again: %w", err)
			}
			if n, err := res.RowsAffected(); err != nil || n == 0 {
				return err
			}
			s, err := row.statement()
			if err != nil {
				return err
			}
			_, err = r.askApprovers(ctx, s, true)
			return err
		})
		if err != nil {
			return time.Time{}, err
		}
	}
	return time.Time{}, nil
}
