package alert

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

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
//   - it is over: everything but the word that it is; where that is only a guess by
//     silence, whoever has not heard of the alarm keeps it;
//   - it is given back: the word that somebody has it.
//
// Doubt never silences (I20): an alert that fires and that nobody has taken keeps
// every other alarm; what is under way counts as sent; and whose alarm was
// withdrawn counts as not told, unless it is proven that they heard of it by another
// way, so that they are told when the alert is open again.

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
	if why == channel.NoLongerAnswered && person == "" {
		return nil // a program has answered: it speaks for nobody
	}
	all, err := t.notified(ctx, a.ID)
	if err != nil {
		return err
	}
	alarmed := map[string]bool{}
	for _, n := range all {
		alarmed[n.PersonID] = alarmed[n.PersonID] || n.Kind == Alarm
	}
	still, err := t.guessing(ctx, a, why, alarmed)
	if err != nil {
		return err
	}
	byID := map[string]Notified{}
	var ids []string
	for _, n := range all {
		if n.PersonID == "" || n.Receipt != "" || person != "" && n.PersonID != person || !needless(n, why, alarmed[n.PersonID]) {
			continue
		}
		if still[n.PersonID] && n.Kind != Taken {
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

// guessing are those who keep their alarm though the alert counts as over: nobody has
// said that it is (decision 0130), and they have not heard that it began.
func (t turn) guessing(ctx context.Context, a *Alert, why channel.Why, people map[string]bool) (map[string]bool, error) {
	if why != channel.NoLongerOver || a.ClosedName != "" || !a.Quiet() {
		return nil, nil
	}
	still := map[string]bool{}
	for person := range people {
		h, err := t.hearing(ctx, a.ID, person, time.Time{})
		if err != nil {
			return nil, err
		}
		still[person] = !h.heard
	}
	return still, nil
}

// withdrawn notes that a message was withdrawn. unheard: its reader has heard
// nothing of the alarm since they were last to be told.
func (t turn) withdrawn(ctx context.Context, id ID, n Notified, why channel.Why, doubtful bool) (unheard bool, err error) {
	receipt, what := receiptWithdrawn, WayWithdrawn
	if doubtful {
		receipt, what = receiptBrokenOff, WayBrokenOff
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
	return t.judge(ctx, id, n.PersonID)
}

// hearing is what is known of whether somebody has heard of the alarm.
type hearing struct {
	// heard: it is on a device of theirs, or was taken on a way where that is a proof.
	heard     bool
	pending   bool // something is under way to them
	withdrawn bool // something to them was withdrawn
	maybe     bool // something was taken or tried, and whether it arrived is not known
}

// hearing looks at the alarms to somebody since a moment, such as when they were last
// to be told.
func (t turn) hearing(ctx context.Context, id ID, person string, since time.Time) (h hearing, err error) {
	var rows []notifiedRow
	err = t.db.NewSelect().Model(&rows).Where("tenant_id = ? AND alert_id = ? AND person_id = ? AND kind = ?", t.tenant, id, person, Alarm).Scan(ctx)
	if err != nil {
		return h, fmt.Errorf("alert: receipts: %w", err)
	}
	var lines []courseRow
	err = t.db.NewSelect().Model(&lines).Where("tenant_id = ? AND alert_id = ? AND person_id = ? AND message_id <> ''", t.tenant, id, person).
		Where("what IN (?, ?)", WayArrived, WayFailed).Scan(ctx)
	if err != nil {
		return h, fmt.Errorf("alert: course: %w", err)
	}
	arrived, lost := map[string]bool{}, map[string]bool{}
	for _, c := range lines {
		arrived[c.MessageID] = arrived[c.MessageID] || c.What == WayArrived
		lost[c.MessageID] = lost[c.MessageID] || c.What == WayFailed
	}
	for _, n := range rows {
		if n.At.Before(since) {
			continue
		}
		accepted := n.Receipt == string(channel.Accepted)
		proof := arrived[n.MessageID] || accepted && Proves(channel.Kind(n.Way)) && !lost[n.MessageID]
		switch {
		case proof:
			h.heard = true
		case n.Receipt == "":
			h.pending = true
		default:
			h.withdrawn = h.withdrawn || n.Receipt == receiptWithdrawn || n.Receipt == receiptBrokenOff
			h.maybe = h.maybe || accepted || n.Receipt == receiptBrokenOff
		}
	}
	return h, nil
}

// judge says anew whether somebody of whose alarm something was withdrawn has heard
// of it. That another way took it proves nothing where a telephone may be switched
// off: then they count as not told. unheard: so they do from now on.
func (t turn) judge(ctx context.Context, id ID, person string) (unheard bool, err error) {
	var d decisionRow
	err = t.db.NewSelect().Model(&d).Where("tenant_id = ? AND alert_id = ? AND person_id = ?", t.tenant, id, person).Scan(ctx)
	if store.NotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("alert: decision: %w", err)
	}
	if !d.Woken && d.Reason != NotNeeded && d.Reason != NotAgain {
		return false, nil
	}
	h, err := t.hearing(ctx, id, person, d.At)
	if err != nil || d.Woken && (h.heard || h.pending || !h.withdrawn) || !d.Woken && !h.heard {
		return false, err
	}
	if h.heard { // word of it came late
		page, err := t.page(ctx, id, person)
		if err != nil || page == nil {
			return false, err
		}
		d.Woken, d.Reason = true, page.Reason
	} else {
		d.Woken, d.Reason, unheard = false, NotNeeded, true
		if h.maybe {
			d.Reason = NotAgain
		}
	}
	if _, err := t.db.NewUpdate().Model(&d).Column("woken", "reason").WherePK().Exec(ctx); err != nil {
		return false, fmt.Errorf("alert: decision: %w", err)
	}
	return unheard, nil
}

// onNews notes what became of a message. Of an alarm to somebody it may be what
// decides whether they have heard of it.
func (r *Room) onNews(ctx context.Context, message string, note func(ctx context.Context, t turn) error) error {
	tenant := ident.TenantOf(ctx)
	row := notifiedRow{TenantID: tenant, MessageID: message}
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).WherePK().Scan(ctx)
	if err != nil && !store.NotFound(err) {
		return fmt.Errorf("alert: notified: %w", err)
	}
	if err != nil || row.Kind != Alarm || row.PersonID == "" {
		return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			return note(ctx, turn{r: r, db: db, tenant: tenant, now: r.o.Clock.Now()})
		})
	}
	return r.inTurn(ident.WithActor(ctx, ident.System), func(ctx context.Context, t turn) error {
		if err := note(ctx, t); err != nil {
			return err
		}
		unheard, err := t.judge(ctx, row.AlertID, row.PersonID)
		if err != nil || !unheard {
			return err
		}
		r.changed(ctx, row.AlertID)
		return r.tellAfterAll(ctx, t, row.AlertID, row.PersonID)
	})
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
