package alert

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// Verb is what somebody answers to an alarm.
type Verb string

// The verbs.
const (
	Take    Verb = "take"
	Refuse  Verb = "decline"
	PutOff  Verb = "snooze"
	GiveOn  Verb = "hand_on"
	Nothing Verb = "" // no answer that counts
)

// The bounds of putting an alarm off.
const (
	MinSnooze     = time.Minute
	MaxSnooze     = 8 * time.Hour
	DefaultSnooze = 15 * time.Minute
)

// Errors of answers.
var (
	ErrNotTold  = fault.New(fault.Conflict, "alert.not_told")
	ErrSnooze   = fault.New(fault.Invalid, "alert.bad_snooze").Field("minutes", "alert.bad_snooze")
	ErrHandOn   = fault.New(fault.Invalid, "alert.bad_hand_on").Field("to", "alert.bad_hand_on")
	ErrNoAnswer = fault.New(fault.Invalid, "alert.bad_answer")
)

// Answer does what a person answered by a way on which we know them: a text
// message from their number, the button of a push message. It acts like the link
// in their mail.
func (r *Room) Answer(ctx context.Context, person identity.PersonID, id ID, v Verb) error {
	p, err := r.o.People.Person(ctx, person)
	if err != nil {
		return fmt.Errorf("alert: answer: %w", err)
	}
	if p.Blocked {
		return ErrForbidden
	}
	ctx = ident.WithActor(ctx, ident.Actor{Kind: ident.KindLink, Person: string(p.ID), Name: p.Name})
	switch v {
	case Take:
		_, err = r.Acknowledge(ctx, id)
	case Refuse:
		_, err = r.Decline(ctx, id)
	case PutOff:
		_, err = r.Snooze(ctx, id, DefaultSnooze)
	default:
		err = ErrNoAnswer
	}
	return err
}

// act runs one answer of whoever acts to an alert that is not over.
func (r *Room) act(ctx context.Context, id ID, do func(ctx context.Context, t turn, a *Alert, actor ident.Actor) error) (Alert, error) {
	actor := ident.ActorOf(ctx)
	var a Alert
	err := r.inTurn(ctx, func(ctx context.Context, t turn) error {
		var err error
		if a, err = t.full(ctx, id); err != nil {
			return err
		}
		if err := t.mayAcknowledge(ctx, actor, id); err != nil {
			return err
		}
		if a.State == StateClosed {
			return ErrClosed
		}
		if err := do(ctx, t, &a, actor); err != nil {
			return err
		}
		r.changed(ctx, id)
		return t.update(ctx, a)
	})
	return a, err
}

// Decline says that whoever acts cannot look after the alert. When nobody is left
// who was asked and could, the next in line are told at once. Who has put the alarm
// off and declines takes that back; who has not leaves it put off.
func (r *Room) Decline(ctx context.Context, id ID) (Alert, error) {
	return r.act(ctx, id, func(ctx context.Context, t turn, a *Alert, actor ident.Actor) error {
		row, err := t.page(ctx, id, actor.Person)
		if err != nil {
			return err
		}
		if row == nil {
			return ErrNotTold
		}
		if row.State == declined {
			return nil
		}
		row.State, row.DueAt = declined, time.Time{}
		if err := t.keepPage(ctx, row); err != nil {
			return err
		}
		if err := t.note(ctx, id, Course{What: Declined, Person: actor.Person, Name: actor.Name}); err != nil {
			return err
		}
		if err := r.spare(ctx, t, a, channel.NoLongerAnswered, actor.Person); err != nil {
			return err
		}
		if err := r.audit(ctx, "alert.declined", *a); err != nil {
			return err
		}
		if a.State == StateAcknowledged {
			if a.AcknowledgedBy != actor.Person {
				return nil
			}
			if err := r.reopen(ctx, t, a); err != nil { // who gives it back leaves it to the others
				return err
			}
			if err := t.resume(ctx, id); err != nil {
				return err
			}
			a.NextAt = t.now
		}
		rn, err := t.run(ctx, id)
		if err != nil {
			return err
		}
		off := rn != nil && !rn.SnoozedUntil.IsZero()
		if off && rn.SnoozedBy != actor.Person {
			return nil // who put it off gets it back at its time
		}
		pages, err := t.pages(ctx, id)
		if err != nil {
			return err
		}
		for _, p := range pages {
			if p.State != declined && p.State != unreached && (rn == nil || rn.Done || p.Step == rn.Step) {
				if off {
					a.NextAt = t.now // nobody looks after it any more: back to those who may
				}
				return nil // somebody else was asked and may still answer
			}
		}
		if off {
			if err := r.awake(ctx, t, a, rn); err != nil {
				return err
			}
		}
		if rn != nil && len(rn.chain.Steps) > 0 && rn.Step < len(rn.chain.Steps) {
			rn.Told, rn.Done = chain.MaxRepeat+1, false
			if err := t.keepRun(ctx, rn); err != nil {
				return err
			}
		}
		a.NextAt = t.now
		return nil
	})
}

func (r *Room) reopen(ctx context.Context, t turn, a *Alert) error {
	was := a.State
	a.State, a.AcknowledgedAt, a.AcknowledgedBy, a.AcknowledgedName = StateOpen, time.Time{}, "", ""
	if was != StateAcknowledged {
		return nil
	}
	return r.spare(ctx, t, a, channel.NoLongerTrue, "")
}

// HandOn gives the alert to somebody, who is alarmed at once and has as long to
// answer as anybody on the step.
func (r *Room) HandOn(ctx context.Context, id ID, to identity.PersonID) (Alert, error) {
	return r.act(ctx, id, func(ctx context.Context, t turn, a *Alert, actor ident.Actor) error {
		p, err := r.o.People.Person(ctx, to)
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return fmt.Errorf("alert: hand on: %w", err)
		}
		if err != nil || p.Blocked || string(p.ID) == actor.Person {
			return ErrHandOn
		}
		svc, err := r.service(ctx, a.Service)
		if err != nil {
			return err
		}
		rn, err := t.run(ctx, id)
		if err != nil {
			return err
		}
		step, wait, receipt := -1, r.o.AnswerWithin, chain.DefaultReceipt
		if rn != nil && rn.Step >= 0 && rn.Step < len(rn.chain.Steps) {
			step, wait, receipt = rn.Step, rn.chain.Steps[rn.Step].WaitFor(), rn.chain.ReceiptFor()
			rn.Told, rn.Done = chain.MaxRepeat+1, false // the step after this one comes when they do not answer
		}
		if rn != nil {
			if err := r.awake(ctx, t, a, rn); err != nil {
				return err
			}
			if err := t.keepRun(ctx, rn); err != nil {
				return err
			}
		}
		if err := r.reopen(ctx, t, a); err != nil {
			return err
		}
		// Who hands it on wants somebody woken, whatever held it back.
		a.Held = ""
		if err := t.dropHolds(ctx, id); err != nil {
			return err
		}
		if err := t.unlist(ctx, id); err != nil {
			return err
		}
		if err := t.calm(ctx, id); err != nil {
			return err
		}
		if err := t.note(ctx, id, Course{What: HandedOn, Person: actor.Person, Name: actor.Name, Word: p.Name}); err != nil {
			return err
		}
		if row, err := t.page(ctx, id, actor.Person); err != nil {
			return err
		} else if row != nil {
			row.State, row.DueAt = declined, time.Time{}
			if err := t.keepPage(ctx, row); err != nil {
				return err
			}
		}
		if err := r.spare(ctx, t, a, channel.NoLongerAnswered, actor.Person); err != nil {
			return err
		}
		m := mailing{r: r, t: t, alert: *a, service: svc}
		if err := m.prepare(ctx); err != nil {
			return err
		}
		c := chosen{p, HandedToThem, true}
		ok, err := m.call(ctx, c, nil, step, nil, receipt)
		if err != nil {
			return err
		}
		if !ok {
			return ErrHandOn // nothing leads to them: the alert stays where it was
		}
		told, err := t.told(ctx, id)
		if err != nil {
			return err
		}
		told[p.ID] = true
		a.Woken = len(told)
		if err := t.decide(ctx, id, c); err != nil {
			return err
		}
		a.NextAt = t.now.Add(wait)
		if wait <= 0 {
			a.NextAt = time.Time{}
		}
		return r.audit(ctx, "alert.handed_on", *a, "to", p.Name)
	})
}

// Snooze puts the alarm off. It comes back by itself at its time, always, unless
// the trouble is over before; it is listed as withheld meanwhile (I20).
func (r *Room) Snooze(ctx context.Context, id ID, d time.Duration) (Alert, error) {
	if d < MinSnooze || d > MaxSnooze {
		// The right is checked first, so that nobody learns what an alert is by trying.
		return r.act(ctx, id, func(context.Context, turn, *Alert, ident.Actor) error { return ErrSnooze })
	}
	return r.act(ctx, id, func(ctx context.Context, t turn, a *Alert, actor ident.Actor) error {
		rn, err := t.run(ctx, id)
		if err != nil {
			return err
		}
		if rn == nil {
			rn = &runRow{TenantID: t.tenant, AlertID: id, Done: true}
		}
		until := t.now.Add(d)
		rn.SnoozedUntil, rn.SnoozedBy, rn.SnoozedName = until, actor.Person, actor.Name
		if err := t.keepRun(ctx, rn); err != nil {
			return err
		}
		if err := t.calm(ctx, id); err != nil {
			return err
		}
		if row, err := t.page(ctx, id, actor.Person); err != nil {
			return err
		} else if row != nil && row.State == declined {
			row.State = trying // who declined and puts it off looks after it after all
			if err := t.keepPage(ctx, row); err != nil {
				return err
			}
		}
		if err := r.reopen(ctx, t, a); err != nil {
			return err
		}
		if err := r.spare(ctx, t, a, channel.NoLongerAnswered, actor.Person); err != nil {
			return err
		}
		a.NextAt = until
		if err := t.endReason(ctx, id, PutOffByHand); err != nil {
			return err
		}
		if err := t.withhold(ctx, signal.Signal{Key: a.Key, Service: a.Service, Title: a.Title, Detail: a.Detail}, PutOffByHand, id, false); err != nil {
			return err
		}
		if err := t.note(ctx, id, Course{What: Snoozed, Person: actor.Person, Name: actor.Name, Until: until}); err != nil {
			return err
		}
		return r.audit(ctx, "alert.snoozed", *a, "until", until.Format(time.RFC3339))
	})
}

// awake ends what was put off, without an alarm of its own.
func (r *Room) awake(ctx context.Context, t turn, a *Alert, rn *runRow) error {
	if rn.SnoozedUntil.IsZero() {
		return nil
	}
	rn.SnoozedUntil, rn.SnoozedBy, rn.SnoozedName = time.Time{}, "", ""
	if err := t.keepRun(ctx, rn); err != nil {
		return err
	}
	return t.endReason(ctx, a.ID, PutOffByHand)
}

// comeBack alarms again after an alarm was put off: whoever put it off, and
// whoever stands on the present step.
func (r *Room) comeBack(ctx context.Context, t turn, a *Alert, rn *runRow) error {
	by := rn.SnoozedBy
	if err := r.awake(ctx, t, a, rn); err != nil {
		return err
	}
	if err := t.note(ctx, a.ID, Course{What: Returned, Person: by}); err != nil {
		return err
	}
	if rn.Step >= 0 && rn.Step < len(rn.chain.Steps) {
		rn.Done = false
		if err := r.tellStep(ctx, t, a, rn, StepAgain); err != nil {
			return err
		}
	} else {
		a.NextAt = time.Time{}
	}
	if err := r.recall(ctx, t, a, rn, by); err != nil {
		return err
	}
	if a.NextAt.IsZero() && r.o.AnswerWithin > 0 {
		a.NextAt = t.now.Add(r.o.AnswerWithin) // then those next in line
	}
	return t.keepRun(ctx, rn)
}

// recall alarms the person once more who put the alarm off; without a chain all
// who were told before.
func (r *Room) recall(ctx context.Context, t turn, a *Alert, rn *runRow, by string) error {
	pages, err := t.pages(ctx, a.ID)
	if err != nil {
		return err
	}
	svc, err := r.service(ctx, a.Service)
	if err != nil {
		return err
	}
	m := mailing{r: r, t: t, alert: *a, service: svc}
	if err := m.prepare(ctx); err != nil {
		return err
	}
	again := []string{by}
	refused := map[string]bool{}
	for _, p := range pages {
		refused[p.PersonID] = p.State == declined
		if rn.Chain == "" && p.PersonID != by {
			again = append(again, p.PersonID)
		}
	}
	again = slices.DeleteFunc(again, func(id string) bool { return refused[id] })
	for _, id := range again {
		p, err := r.o.People.Person(ctx, identity.PersonID(id))
		if err != nil && fault.KindOf(err) == fault.NotFound || err == nil && p.Blocked {
			continue
		}
		if err != nil {
			return fmt.Errorf("alert: person: %w", err)
		}
		if rn.Chain != "" && rn.Told > 0 && toldJustNow(pages, rn, id) {
			continue // stands on the step and was told with it
		}
		c := chosen{p, BackAgain, true}
		ok, err := m.call(ctx, c, nil, rn.Step, nil, rn.chain.ReceiptFor())
		if err != nil {
			return err
		}
		if !ok {
			c.wake, c.reason = false, NoWay
		}
		if err := t.decide(ctx, a.ID, c); err != nil {
			return err
		}
	}
	return nil
}

func toldJustNow(pages []pageRow, rn *runRow, person string) bool {
	for _, p := range pages {
		if p.PersonID == person && p.Step == rn.Step && p.State == trying {
			return true
		}
	}
	return false
}
