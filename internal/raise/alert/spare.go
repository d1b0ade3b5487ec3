package alert

import (
	"context"
	"fmt"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// What has not left the house yet when nobody needs it any more is withdrawn, so
// that nobody is called at four for what was settled at two:
//
//   - somebody took the alert, and nobody else must: every alarm, and what follows
//     to those who would hear of it for the first time;
//   - somebody answered for themselves alone (one of "everybody must", a refusal,
//     handing on, putting off): their own alarms, nobody else's;
//   - it is over: everything but the word that it is;
//   - it is given back: the word that somebody has it.
//
// Doubt never silences (I20): an alert that fires and that nobody has taken keeps
// every other alarm; what is under way counts as sent; and whose alarm was
// withdrawn counts as not told, so that they are told when the alert is open again.

// Receipts of what was withdrawn.
const (
	receiptWithdrawn = "withdrawn"  // it never left
	receiptBrokenOff = "broken_off" // it is not tried again, and a try may have come through
)

// needless reports whether the message has lost its point. alarmed: its reader was
// to get the alarm itself.
func needless(n Notified, why channel.Why, alarmed bool) bool {
	switch n.Kind {
	case Alarm:
		return why != channel.NoLongerTrue
	case Grown:
		return why == channel.NoLongerOver || alarmed && why != channel.NoLongerTrue
	case Taken:
		return why == channel.NoLongerOver || why == channel.NoLongerTrue
	case Over:
	}
	return false
}

// spare withdraws what has not left and has lost its point, of one person or, when
// none is named, of everybody. Webhooks are systems that keep count: they hear all.
func (r *Room) spare(ctx context.Context, t turn, a *Alert, why channel.Why, person string) error {
	all, err := t.notified(ctx, a.ID)
	if err != nil {
		return err
	}
	alarmed := map[string]bool{}
	for _, n := range all {
		alarmed[n.PersonID] = alarmed[n.PersonID] || n.Kind == Alarm
	}
	byID := map[string]Notified{}
	var ids []string
	for _, n := range all {
		if n.PersonID == "" || n.Receipt != "" || person != "" && n.PersonID != person || !needless(n, why, alarmed[n.PersonID]) {
			continue
		}
		byID[n.MessageID] = n
		ids = append(ids, n.MessageID)
	}
	gone, err := r.o.Sender.Withdraw(ctx, ids, why)
	if err != nil {
		return fmt.Errorf("alert: withdraw: %w", err)
	}
	slept := false
	for _, g := range gone {
		unheard, err := t.withdrawn(ctx, a.ID, byID[g.ID], why, g.Doubtful)
		if err != nil {
			return err
		}
		slept = slept || unheard
	}
	if !slept {
		return nil
	}
	told, err := t.told(ctx, a.ID)
	if err != nil {
		return err
	}
	// Whoever answered knows of it: an alert that is taken or put off is no alert of
	// which nobody heard.
	a.Woken = len(told)
	if a.State != StateClosed {
		a.Woken = max(a.Woken, 1)
	}
	return nil
}

// withdrawn notes that a message was withdrawn. unheard: its reader has heard
// nothing of the alarm since they were last to be told.
func (t turn) withdrawn(ctx context.Context, id ID, n Notified, why channel.Why, doubtful bool) (unheard bool, err error) {
	receipt, what, reason := receiptWithdrawn, WayWithdrawn, NotNeeded
	if doubtful {
		receipt, what, reason = receiptBrokenOff, WayBrokenOff, NotAgain
	}
	if err := t.receipt(ctx, n.MessageID, receipt, t.now); err != nil || n.Kind != Alarm {
		return false, err
	}
	way := n.Way
	var sent courseRow
	err = t.db.NewSelect().Model(&sent).Where("tenant_id = ? AND message_id = ? AND what = ?", t.tenant, n.MessageID, WaySent).Limit(1).Scan(ctx)
	switch {
	case err == nil:
		way = sent.Way
	case !store.NotFound(err):
		return false, fmt.Errorf("alert: course: %w", err)
	}
	if err := t.noted(ctx, id, Course{What: what, Person: n.PersonID, Name: n.Name, Way: way, Word: string(why)}, n.MessageID); err != nil {
		return false, err
	}
	var d decisionRow
	err = t.db.NewSelect().Model(&d).Where("tenant_id = ? AND alert_id = ? AND person_id = ? AND woken", t.tenant, id, n.PersonID).Scan(ctx)
	if store.NotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("alert: decision: %w", err)
	}
	var rows []notifiedRow
	err = t.db.NewSelect().Model(&rows).Column("receipt").Where("tenant_id = ? AND alert_id = ? AND person_id = ? AND kind = ?", t.tenant, id, n.PersonID, Alarm).
		Where("at >= ?", d.At).Scan(ctx)
	if err != nil {
		return false, fmt.Errorf("alert: receipts: %w", err)
	}
	for _, row := range rows {
		switch row.Receipt {
		case receiptWithdrawn, string(channel.Failed):
		case receiptBrokenOff:
			reason = NotAgain
		default: // it is there, or still under way
			return false, nil
		}
	}
	d.Woken, d.Reason = false, reason
	if _, err := t.db.NewUpdate().Model(&d).Column("woken", "reason").WherePK().Exec(ctx); err != nil {
		return false, fmt.Errorf("alert: decision: %w", err)
	}
	return true, nil
}

// onWithdrawn notes what was under way when it lost its point and was withdrawn
// since. Where the alert is open again by now, its reader is told once more.
func (r *Room) onWithdrawn(ctx context.Context, e bus.Event[channel.SettledEvent]) error {
	return r.inTurn(ident.WithActor(ctx, ident.System), func(ctx context.Context, t turn) error {
		row := notifiedRow{TenantID: t.tenant, MessageID: e.Data.ID}
		err := t.db.NewSelect().Model(&row).WherePK().Scan(ctx)
		if store.NotFound(err) || err == nil && row.Receipt != "" {
			return nil // none of ours, or noted when it was withdrawn
		}
		if err != nil {
			return fmt.Errorf("alert: notified: %w", err)
		}
		n := Notified{MessageID: row.MessageID, PersonID: row.PersonID, Name: row.Name, Way: row.Way, Kind: row.Kind}
		unheard, err := t.withdrawn(ctx, row.AlertID, n, channel.Why(e.Data.Reason), e.Data.Doubtful)
		if err != nil {
			return err
		}
		r.changed(ctx, row.AlertID)
		if !unheard {
			return nil
		}
		return r.tellAfterAll(ctx, t, row.AlertID, row.PersonID)
	})
}

// tellAfterAll tells somebody whose alarm was withdrawn, if the alert is open and
// they have not answered.
func (r *Room) tellAfterAll(ctx context.Context, t turn, id ID, person string) error {
	a, err := t.full(ctx, id)
	if err != nil || a.State != StateOpen || a.Held != "" {
		return err
	}
	rn, err := t.run(ctx, id)
	if err != nil || rn != nil && !rn.SnoozedUntil.IsZero() {
		return err // it comes back, and so does the alarm
	}
	row, err := t.page(ctx, id, person)
	if err != nil || row != nil && (row.State == answered || row.State == declined) {
		return err
	}
	p, err := r.o.People.Person(ctx, identity.PersonID(person))
	if err != nil && fault.KindOf(err) == fault.NotFound || err == nil && p.Blocked {
		return nil
	}
	if err != nil {
		return fmt.Errorf("alert: person: %w", err)
	}
	svc, err := r.service(ctx, a.Service)
	if err != nil {
		return err
	}
	m := mailing{r: r, t: t, alert: a, service: svc}
	if err := m.prepare(ctx); err != nil {
		return err
	}
	c := chosen{p, NoAnswer, true}
	var ok bool
	if row == nil || a.Severity != signal.Critical {
		ok, err = m.reach(ctx, c, nil)
	} else {
		receipt := chain.DefaultReceipt
		if rn != nil && rn.Chain != "" {
			receipt = rn.chain.ReceiptFor()
		}
		ok, err = m.call(ctx, c, nil, row.Step, nil, receipt)
	}
	if err != nil || !ok {
		return err
	}
	if err := t.decide(ctx, id, c); err != nil {
		return err
	}
	told, err := t.told(ctx, id)
	if err != nil {
		return err
	}
	a.Woken = len(told)
	return t.update(ctx, a)
}

// spared are the people whose alarm was withdrawn and who may be told now.
func (r *Room) spared(ctx context.Context, t turn, id ID, but map[identity.PersonID]bool) ([]identity.Person, error) {
	var rows []decisionRow
	err := t.db.NewSelect().Model(&rows).Where("tenant_id = ? AND alert_id = ?", t.tenant, id).
		Where("reason IN (?, ?)", NotNeeded, NotAgain).OrderExpr("name, person_id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("alert: decisions: %w", err)
	}
	var out []identity.Person
	for _, d := range rows {
		if but[identity.PersonID(d.PersonID)] {
			continue
		}
		p, err := r.o.People.Person(ctx, identity.PersonID(d.PersonID))
		if err != nil && fault.KindOf(err) == fault.NotFound || err == nil && p.Blocked {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("alert: person: %w", err)
		}
		out = append(out, p)
	}
	return out, nil
}
