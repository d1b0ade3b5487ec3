package alert

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// Reconcile tells the database what the spool did while it was away: the alerts
// with the times at which they were raised, who was told on which way and when,
// and who took them. What comes after it in the same transaction finds the
// alerts open and joins them, so that nobody is woken twice. It may be run
// again: what is there already stays.
func (r *Room) Reconcile(ctx context.Context) error {
	p := r.spool
	if p == nil {
		return nil
	}
	p.mu.Lock()
	list := make([]spooled, len(p.alarms))
	for i, a := range p.alarms {
		list[i] = *a
		list[i].Mails = append([]spooledMail(nil), a.Mails...)
	}
	p.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	for _, a := range list {
		ctx := ident.WithActor(ident.WithTenant(ctx, a.Tenant), ident.System)
		err := r.inTurn(ctx, func(ctx context.Context, t turn) error { return r.reconcileOne(ctx, t, a) })
		if err != nil {
			return fmt.Errorf("alert: reconcile: %w", err)
		}
	}
	r.o.Store.AfterCommit(ctx, func() { r.reconciled(list) })
	return nil
}

// reconciled forgets what is in the database now. What was added meanwhile, an
// outcome or somebody who took an alarm, stays for the next time.
func (r *Room) reconciled(list []spooled) {
	p := r.spool
	p.mu.Lock()
	defer p.mu.Unlock()
	told := map[ID]int{}
	for _, a := range list {
		told[a.Alert.ID] = a.weight()
	}
	kept := p.alarms[:0:0]
	for _, a := range p.alarms {
		if w, ok := told[a.Alert.ID]; !ok || w != a.weight() {
			kept = append(kept, a)
		}
	}
	p.alarms = kept
	if len(kept) > 0 {
		p.keeper.Kick()
		return
	}
	if p.log != nil {
		if err := p.log.Clear(); err != nil {
			r.o.Log.Warn("the spool could not be cleared", "err", err)
		}
	}
}

// weight changes whenever something is added that the database should know.
func (a *spooled) weight() int {
	n := len(a.Mails)
	for _, m := range a.Mails {
		if !m.waits() {
			n += 1000
		}
	}
	if a.Taken.Person != "" {
		n += 1_000_000
	}
	return n
}

func (r *Room) reconcileOne(ctx context.Context, t turn, a spooled) error {
	id := a.Alert.ID
	if !a.Known {
		have, err := t.open(ctx, a.Alert.Key)
		if err != nil {
			return err
		}
		_, err = t.get(ctx, id)
		switch {
		case err == nil: // this was told before
		case fault.KindOf(err) != fault.NotFound:
			return err
		case have != "":
			id = have // another node was faster, or the database before it went
		default:
			if err := r.openSpooled(ctx, t, a); err != nil {
				return err
			}
		}
		for _, m := range a.Mails {
			if err := r.journal(ctx, t, id, m); err != nil {
				return err
			}
		}
	}
	if a.Taken.Person == "" {
		return nil
	}
	al, err := t.get(ctx, id)
	if fault.KindOf(err) == fault.NotFound || err == nil && al.State != StateOpen {
		return nil // gone, over, or somebody took it before
	}
	if err != nil {
		return err
	}
	ctx = ident.WithActor(ctx, ident.Actor{Kind: ident.KindLink, Person: a.Taken.Person, Name: a.Taken.Name})
	_, err = r.acknowledge(ctx, id, a.Taken.At)
	if fault.KindOf(err) == fault.Forbidden {
		return nil // the link was not theirs
	}
	return err
}

// openSpooled writes an alert that the spool raised, as of then.
func (r *Room) openSpooled(ctx context.Context, t turn, a spooled) error {
	al := a.Alert
	told := map[identity.PersonID]bool{}
	for _, m := range a.Mails {
		told[m.Person] = true
	}
	al.Woken = len(told)
	switch {
	case al.Woken == 0:
		al.NextAt = t.now
	case r.o.AnswerWithin > 0:
		al.NextAt = t.now.Add(r.o.AnswerWithin)
	}
	al.Signals = nil
	if _, err := t.db.NewInsert().Model(rowOf(t.tenant, al)).Exec(ctx); err != nil {
		return fmt.Errorf("alert: open: %w", err)
	}
	if err := r.audit(ctx, "alert.opened", al, "people", fmt.Sprint(al.Woken), "way", "spool", "node_at", al.OpenedAt.Format(time.RFC3339)); err != nil {
		return err
	}
	if err := Opened.Tell(ctx, t.enqueue, t.now, happened(al)); err != nil {
		return err
	}
	r.changed(ctx, al.ID)
	return nil
}

// journal notes a mail of the spool: in the alert, and in the outbox with what
// became of it. One that nobody has taken yet goes on from there.
func (r *Room) journal(ctx context.Context, t turn, id ID, m spooledMail) error {
	c := chosen{identity.Person{ID: m.Person, Name: m.Message.ToName}, m.Reason, true}
	if err := t.decide(ctx, id, c); err != nil {
		return err
	}
	var err error
	if m.waits() {
		err = r.o.Sender.Send(ctx, m.Message)
	} else {
		err = r.o.Journal.Journal(ctx, m.Message, m.Past)
	}
	if fault.KindOf(err) == fault.Invalid {
		r.o.Log.WarnContext(ctx, "address is not taken by the outbox", "alert", id, "person", m.Person, "err", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("alert: journal: %w", err)
	}
	row := notifiedRow{
		TenantID: t.tenant, MessageID: m.Message.ID, AlertID: id, PersonID: string(m.Person), Name: m.Message.ToName,
		Address: m.Message.To, Language: m.Message.Language, Way: string(channel.Mail), Kind: Alarm, At: m.Message.Date,
	}
	if !m.waits() {
		row.Receipt, row.ReceiptAt = string(m.Past.State), m.Past.At
	}
	q := t.db.NewInsert().Model(&row).On("CONFLICT (tenant_id, message_id) DO NOTHING")
	if _, err := q.Exec(ctx); err != nil {
		return fmt.Errorf("alert: notified: %w", err)
	}
	return nil
}

// keepSpool reconciles when nothing else does: on a node that watches nothing.
func (r *Room) keepSpool(ctx context.Context, _ time.Time) (time.Time, error) {
	r.spool.mu.Lock()
	n := len(r.spool.alarms)
	r.spool.mu.Unlock()
	if n == 0 {
		return time.Time{}, nil
	}
	return time.Time{}, r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error { return r.Reconcile(ctx) })
}
