package publish

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/channel"
)

// publish writes all that makes a statement public, inside the open
// transaction. The preview is ready and the approval decided.
func (r *Room) publish(ctx context.Context, db bun.IDB, enqueue store.Enqueue, p Preview, approval Approval, now time.Time) (Statement, error) {
	tenant := ident.TenantOf(ctx)
	s := p.Statement
	seen, state := s.Revision, s.State
	s.State, s.Approval, s.PublishedAt, s.UpdatedAt, s.Revision = StatePublished, approval, now, now, seen+1
	s.Facts = p.telling.fill(s, now)
	s.Next = map[string]time.Time{}
	for _, reach := range p.Reach {
		if !reach.Next.IsZero() {
			s.Next[reach.Audience] = reach.Next
		}
	}
	if s.SubmittedAt.IsZero() {
		s.SubmittedAt = now
	}
	if s.seenAt.IsZero() {
		s.seenAt = now
	}
	if err := r.save(ctx, db, s, seen, state); err != nil {
		return s, err
	}
	rows := make([]variantRow, 0, len(p.Variants))
	for _, v := range p.Variants {
		rows = append(rows, v.row(tenant, s.ID))
	}
	if _, err := db.NewInsert().Model(&rows).Exec(ctx); err != nil {
		return s, fmt.Errorf("publish: variants: %w", err)
	}
	if s.Corrects != "" {
		if err := r.linkCorrection(ctx, db, s); err != nil {
			return s, err
		}
	}
	count, err := r.fillLedger(ctx, db, p, s, now)
	if err != nil {
		return s, err
	}
	if err := r.movePromises(ctx, db, s, p, now); err != nil {
		return s, err
	}
	if err := r.takePromises(ctx, s, p); err != nil {
		return s, err
	}
	if err := r.tellOthers(ctx, s); err != nil {
		return s, err
	}
	if err := r.steer(ctx, s, p); err != nil {
		return s, err
	}
	if err := r.noteRelease(ctx, s, approval); err != nil {
		return s, err
	}
	if err := r.note(ctx, s, "publish.journal_published", s.Kind.Title(), count, approval.ByName); err != nil {
		return s, err
	}
	if err := r.confirm(ctx, s); err != nil {
		return s, err
	}
	detail := map[string]string{
		"incident": string(s.Incident), "kind": string(s.Kind), "way": string(approval.Way),
		"approver": approval.ByName, "recipients": strconv.Itoa(count), "version": strconv.Itoa(s.Version),
	}
	if approval.Reason != "" {
		detail["reason"] = approval.Reason
	}
	if c := approval.Phone; c != nil {
		detail["phone"] = c.Name + ", " + c.Number + ", " + c.At.Format(time.RFC3339)
	}
	if err := r.record(ctx, "publish.statement.published", string(s.ID), detail); err != nil {
		return s, err
	}
	if err := Approved.Tell(ctx, enqueue, now, ApprovedEvent{ID: s.ID, Incident: s.Incident, Way: approval.Way, By: approval.ByName}); err != nil {
		return s, err
	}
	if err := Published.Tell(ctx, enqueue, now, PublishedEvent{
		Statement: s.ID, Incident: s.Incident, Kind: s.Kind, Audiences: s.Audiences, Corrects: s.Corrects,
	}); err != nil {
		return s, err
	}
	r.changed(ctx, s.ID, s.Incident)
	r.o.Store.AfterCommit(ctx, func() { r.ledger.Kick(); r.rhythm.Kick() })
	return s, nil
}

// linkCorrection makes the version before name the one after, once.
func (r *Room) linkCorrection(ctx context.Context, db bun.IDB, s Statement) error {
	res, err := db.NewUpdate().Model((*statementRow)(nil)).Set("corrected_by = ?", s.ID).
		Where("tenant_id = ?", ident.TenantOf(ctx)).Where("id = ?", s.Corrects).Where("corrected_by = ''").Exec(ctx)
	if err != nil {
		return fmt.Errorf("publish: correct: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return ErrState // another correction was faster
	}
	return nil
}

// confirm takes the incident at the town's word: who says that a service is
// disturbed no longer only suspects it. The short message says "we are looking
// into it", so it leaves a candidate one.
func (r *Room) confirm(ctx context.Context, s Statement) error {
	if s.Kind == template.Holding || toOne(s.Kind) {
		return nil
	}
	tenant, err := r.o.People.Current(ctx)
	if err != nil {
		return err
	}
	return r.o.Incidents.Confirm(ctx, s.Incident, r.o.Catalog.Text(langOf(tenant.Language), "publish.reason_said", s.Kind.Title()))
}

// note writes into the incident's journal.
func (r *Room) note(ctx context.Context, s Statement, key string, args ...any) error {
	tenant, err := r.o.People.Current(ctx)
	if err != nil {
		return err
	}
	return r.o.Incidents.Record(ctx, s.Incident, "publish.statement", r.o.Catalog.Text(langOf(tenant.Language), key, args...), string(s.ID))
}

// noteRelease names in the journal by which function of the staff a public text
// was released in a crisis, or that nobody held one.
func (r *Room) noteRelease(ctx context.Context, s Statement, a Approval) error {
	switch a.Function {
	case "":
		return nil
	case NoFunction:
		return r.note(ctx, s, "publish.journal_no_function", a.ByName)
	}
	tenant, err := r.o.People.Current(ctx)
	if err != nil {
		return err
	}
	return r.note(ctx, s, "publish.journal_function", a.ByName, r.o.Catalog.Text(langOf(tenant.Language), "plan.function."+string(a.Function)))
}

// fillLedger queues one row per recipient and channel and tells how many. A
// recovery or correction also goes to everybody who got what it answers, on the
// same channels (I1).
func (r *Room) fillLedger(ctx context.Context, db bun.IDB, p Preview, s Statement, now time.Time) (int, error) {
	before, err := r.reached(ctx, s.Incident)
	if err != nil {
		return 0, err
	}
	targets := p.targets
	if !toOne(s.Kind) && (overSays(s.Kind) || s.Corrects != "") {
		more := slices.Clone(before)
		for i, t := range more {
			if !slices.Contains(s.Audiences, t.Audience) {
				more[i].Audience = mailAudience(p, s)
			}
		}
		targets = merge(targets, more...)
	}
	addresses := make([]string, len(targets))
	for i, t := range targets {
		addresses[i] = t.Recipient
	}
	refused := map[string]string{}
	if r.o.Refusals != nil && len(addresses) > 0 {
		if refused, err = r.o.Refusals.Refused(ctx, addresses); err != nil {
			return 0, err
		}
	}
	known := make(map[targetKey]bool, len(before))
	for _, t := range before {
		known[t.key()] = true
	}
	tenant := ident.TenantOf(ctx)
	rows := make([]deliveryRow, 0, len(targets))
	queued := 0
	for _, t := range targets {
		row := deliveryRow{
			TenantID: tenant, ID: ident.NewID(now), Statement: s.ID, Incident: s.Incident, Kind: s.Kind,
			Audience: t.Audience, Recipient: t.Recipient, Channel: t.Channel, Realm: s.Realm, ChannelRealm: channel.Realm(s.Realm),
			Language: template.Language(p.telling.tenant.Language), First: !known[t.key()],
			State: Queued, NextAt: now, CreatedAt: now, UpdatedAt: now,
		}
		if row.Language == "" {
			row.Language = template.DE
		}
		if reason := refused[t.Recipient]; reason != "" {
			row.State, row.Reason = Skipped, reason
		} else {
			queued++
		}
		rows = append(rows, row)
	}
	if !lasting(s.Kind) || overSays(s.Kind) {
		if err := r.supersede(ctx, db, s, now); err != nil {
			return 0, err
		}
	}
	for chunk := range slices.Chunk(rows, 500) {
		if _, err := db.NewInsert().Model(&chunk).Exec(ctx); err != nil {
			return 0, fmt.Errorf("publish: ledger: %w", err)
		}
	}
	return queued, nil
}

// mailAudience picks the words for somebody whose own audience is no longer
// told: those for the public if there are any, else the first.
func mailAudience(p Preview, s Statement) string {
	for _, reach := range p.Reach {
		if reach.Page {
			return reach.Audience
		}
	}
	return s.Audiences[0]
}

// reached lists who has been written to about the incident, in any state.
func (r *Room) reached(ctx context.Context, in incident.ID) ([]target, error) {
	var rows []deliveryRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).ColumnExpr("DISTINCT recipient, channel, audience").
		Where("tenant_id = ?", ident.TenantOf(ctx)).Where("incident_id = ?", in).
		Where("kind NOT IN (?)", bun.List(toOneKinds)). // who got an answer is no reader of the rest
		Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("publish: reached: %w", err)
	}
	slices.SortFunc(rows, func(a, b deliveryRow) int {
		return cmp.Or(cmp.Compare(a.Audience, b.Audience), cmp.Compare(a.Recipient, b.Recipient), cmp.Compare(a.Channel, b.Channel))
	})
	out := make([]target, len(rows))
	for i, row := range rows {
		out[i] = row.target()
	}
	return merge(nil, out...), nil
}

// supersede lets go of older messages about the incident that still wait for
// the cap: nobody should read old words after new ones.
func (r *Room) supersede(ctx context.Context, db bun.IDB, s Statement, now time.Time) error {
	if toOne(s.Kind) {
		return nil
	}
	_, err := db.NewUpdate().Model((*deliveryRow)(nil)).
		Set("state = ?", Expired).Set("reason = ?", ReasonSuperseded).Set("updated_at = ?", now).
		Where("tenant_id = ?", ident.TenantOf(ctx)).Where("incident_id = ?", s.Incident).
		Where("state = ?", Queued).Where("reason = ?", ReasonCap).
		Where("kind NOT IN (?)", bun.List(append([]template.Kind{template.Recovery, template.Closing, template.Correction, template.AllClear, template.MaintenanceEnded}, toOneKinds...))).
		Exec(ctx)
	if err != nil {
		return fmt.Errorf("publish: supersede: %w", err)
	}
	return nil
}

// MayRestore is I1: an incident about which people were told is not called
// restored before they are told that it works again. It implements incident's
// port.
func (r *Room) MayRestore(ctx context.Context, id incident.ID) error {
	list, err := r.list(ctx, Filter{Incident: id, States: []State{StatePublished}, Limit: 1000})
	if err != nil || len(list) == 0 {
		return err // nobody was told anything, nobody needs to be told more
	}
	var recovery *Statement
	for i, s := range list {
		if overSays(s.Kind) && (recovery == nil || s.PublishedAt.After(recovery.PublishedAt)) {
			recovery = &list[i]
		}
	}
	if recovery == nil {
		return ErrNoRecovery
	}
	for _, s := range list {
		if !lastWords(s.Kind) && s.Kind.TellsState() && s.Corrects == "" && s.PublishedAt.After(recovery.PublishedAt) {
			return ErrNoRecovery // it broke again since
		}
	}
	var rows []deliveryRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).Column("recipient", "channel", "audience", "statement_id", "created_at").
		Where("tenant_id = ?", ident.TenantOf(ctx)).Where("incident_id = ?", id).Scan(ctx)
	if err != nil {
		return fmt.Errorf("publish: recovery: %w", err)
	}
	var before, after []target
	for _, row := range rows {
		switch {
		case row.Statement == recovery.ID:
			after = append(after, row.target())
		case !cut(row.CreatedAt).After(recovery.PublishedAt):
			before = append(before, row.target())
		}
	}
	if left := missing(before, after); len(left) > 0 {
		return ErrNoRecovery.With(fmt.Errorf("%d earlier recipients are not in the recovery's ledger", len(left)))
	}
	return nil
}

// MayClose is I2: an incident is closed with closing words or with a reason why
// there are none. It implements incident's port.
func (r *Room) MayClose(ctx context.Context, id incident.ID) error {
	db := r.o.Store.Read(ctx)
	said, err := db.NewSelect().Model((*statementRow)(nil)).Where("tenant_id = ?", ident.TenantOf(ctx)).
		Where("incident_id = ?", id).Where("state = ?", StatePublished).Where("kind = ?", template.Closing).Exists(ctx)
	if err != nil {
		return fmt.Errorf("publish: closing: %w", err)
	}
	if said {
		return nil
	}
	waived, err := db.NewSelect().Model((*waiverRow)(nil)).Where("tenant_id = ?", ident.TenantOf(ctx)).
		Where("incident_id = ?", id).Exists(ctx)
	if err != nil {
		return fmt.Errorf("publish: waiver: %w", err)
	}
	if !waived {
		return ErrNoClosing
	}
	return nil
}

// Waiver is the reason why an incident is closed without closing words.
type Waiver struct {
	Incident incident.ID
	Reason   string
	By       string
	At       time.Time
}

// Waive lets an incident be closed without a closing statement.
func (r *Room) Waive(ctx context.Context, id incident.ID, reason string) error {
	a := whoActs(ctx)
	if !a.writer {
		return ErrForbidden
	}
	if len([]rune(reason)) < 3 {
		return fault.New(fault.Invalid, "publish.waiver_reason").Field("reason", "publish.waiver_reason")
	}
	if _, err := r.o.Incidents.Get(ctx, id); err != nil {
		return err
	}
	row := waiverRow{TenantID: ident.TenantOf(ctx), Incident: id, Reason: reason, Person: string(a.person), PersonName: a.name, At: r.o.Clock.Now()}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, incident_id) DO UPDATE").
			Set("reason = EXCLUDED.reason").Set("person = EXCLUDED.person").Set("person_name = EXCLUDED.person_name").Set("at = EXCLUDED.at").Exec(ctx)
		if err != nil {
			return fmt.Errorf("publish: waive: %w", err)
		}
		if err := r.note(ctx, Statement{Incident: id}, "publish.journal_waived", reason); err != nil {
			return err
		}
		return r.record(ctx, "publish.closing.waived", string(id), map[string]string{"reason": reason})
	})
}

// Waived tells the waiver of an incident, if there is one.
func (r *Room) Waived(ctx context.Context, id incident.ID) (Waiver, bool, error) {
	var row waiverRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ?", ident.TenantOf(ctx)).
		Where("incident_id = ?", id).Scan(ctx)
	if store.NotFound(err) {
		return Waiver{}, false, nil
	}
	if err != nil {
		return Waiver{}, false, fmt.Errorf("publish: waiver: %w", err)
	}
	return Waiver{Incident: row.Incident, Reason: row.Reason, By: row.PersonName, At: cut(row.At)}, true, nil
}
