package alert

import (
	"context"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/identity"
)

// mayAct are the roles that may take and close alerts.
var mayAct = []string{string(identity.RoleIT), string(identity.RolePublisher), string(identity.RoleApprover), string(identity.RoleAdmin)}

// Acknowledge takes the alert for whoever acts. Who comes second gets the alert
// with the name of who was first, and nothing changes. The others who got the
// alarm are told.
func (r *Room) Acknowledge(ctx context.Context, id ID) (Alert, error) {
	return r.acknowledge(ctx, id, time.Time{})
}

// acknowledge is [Room.Acknowledge] as of a moment; zero: now.
func (r *Room) acknowledge(ctx context.Context, id ID, at time.Time) (Alert, error) {
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
		switch {
		case a.State == StateClosed && (a.AcknowledgedBy == "" || a.AcknowledgedBy != actor.Person):
			return ErrClosed
		case a.State == StateClosed:
			return nil
		case a.State != StateOpen:
			// Somebody was first; that this person has it too is noted.
			row, err := t.page(ctx, id, actor.Person)
			if err != nil || row == nil || row.State == answered {
				return err
			}
			if err := r.answeredBy(ctx, t, &a, actor.Person, actor.Name); err != nil {
				return err
			}
			r.changed(ctx, id)
			return t.update(ctx, a)
		}
		if at.IsZero() {
			at = t.now
		}
		a.State, a.AcknowledgedAt = StateAcknowledged, at
		if a.Held != "" { // who takes it takes all of it
			a.Held = ""
			if err := t.dropHolds(ctx, id); err != nil {
				return err
			}
			if err := t.unlist(ctx, id); err != nil {
				return err
			}
		}
		a.AcknowledgedBy, a.AcknowledgedName = actor.Person, actor.Name
		if err := r.answeredBy(ctx, t, &a, actor.Person, actor.Name); err != nil {
			return err
		}
		if err := t.update(ctx, a); err != nil {
			return err
		}
		for _, why := range []Reason{Nobody, Night, PutOffByHand} {
			if err := t.endReason(ctx, id, why); err != nil {
				return err
			}
		}
		if err := r.tellAgain(ctx, t, a, Taken, actor.Person); err != nil {
			return err
		}
		if err := r.audit(ctx, "alert.acknowledged", a); err != nil {
			return err
		}
		r.changed(ctx, id)
		e := happened(a)
		e.Person, e.Name = actor.Person, actor.Name
		return Acknowledged.Tell(ctx, t.enqueue, t.now, e)
	})
	return a, err
}

// Close ends an alert by hand, for a source that will never report its end.
// What is still firing is listed as withheld.
func (r *Room) Close(ctx context.Context, id ID, reason string) (Alert, error) {
	if !ident.ActorOf(ctx).Has(mayAct...) {
		return Alert{}, ErrForbidden
	}
	reason = clip(reason)
	if reason == "" {
		return Alert{}, ErrNoReason.Field("reason", "alert.reason_missing")
	}
	var a Alert
	err := r.inTurn(ctx, func(ctx context.Context, t turn) error {
		var err error
		if a, err = t.full(ctx, id); err != nil {
			return err
		}
		if a.State == StateClosed {
			return ErrClosed
		}
		for _, s := range a.Signals {
			if s.State != signal.Firing {
				continue
			}
			if err := t.withhold(ctx, signal.Signal{
				Key: s.Key, Service: a.Service, Title: s.Title, Detail: s.Detail, At: s.At,
			}, ClosedByHand, id, false); err != nil {
				return err
			}
		}
		if err := t.release(ctx, id); err != nil {
			return err
		}
		a.State, a.ClosedAt, a.NextAt = StateClosed, t.now, time.Time{}
		a.ClosedName, a.ClosedReason = ident.ActorOf(ctx).Name, reason
		return r.close(ctx, t, a)
	})
	return a, err
}

// Link notes that the incident handles the alert. It refuses an alert that
// another incident handles; see [Room.Relink].
func (r *Room) Link(ctx context.Context, id ID, incident string) error {
	return r.link(ctx, id, func(a Alert) (string, error) {
		if a.IncidentID != "" && a.IncidentID != incident {
			return "", ErrLinked
		}
		return incident, nil
	})
}

// Relink hands an alert over to another incident, when two are merged.
func (r *Room) Relink(ctx context.Context, id ID, incident string) error {
	return r.link(ctx, id, func(Alert) (string, error) { return incident, nil })
}

func (r *Room) link(ctx context.Context, id ID, to func(Alert) (string, error)) error {
	if !ident.ActorOf(ctx).Has(mayAct...) {
		return ErrForbidden
	}
	return r.inTurn(ctx, func(ctx context.Context, t turn) error {
		a, err := t.get(ctx, id)
		if err != nil {
			return err
		}
		incident, err := to(a)
		if err != nil || incident == a.IncidentID {
			return err
		}
		a.IncidentID = incident
		if err := t.update(ctx, a); err != nil {
			return err
		}
		r.changed(ctx, id)
		return r.audit(ctx, "alert.linked", a, "incident", incident)
	})
}
