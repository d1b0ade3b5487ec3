package alert

import (
	"context"
	"errors"
	"strings"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/vault"
)

// The link in an alarm mail is good for one act by one person on one alert.
const (
	ackPurpose = "alert.ack"
	ackValid   = 24 * time.Hour
)

// token is "<tenant> <alert> <person>", signed.
func (r *Room) token(id ID, person identity.PersonID, now time.Time) string {
	return r.o.Signer.Sign(ackPurpose, []byte(string(id)+" "+string(person)), now.Add(ackValid))
}

// ByLink reads the token of a mail's link. The context that it returns acts as
// the person for whom the link was made, by link. The errors are [ErrLink] and
// [ErrLinkOld]; the latter comes with the alert.
func (r *Room) ByLink(ctx context.Context, token string) (context.Context, Alert, error) {
	payload, err := r.o.Signer.Verify(ackPurpose, token, r.o.Clock.Now())
	old := errors.Is(err, vault.ErrExpired)
	if err != nil && !old {
		return ctx, Alert{}, ErrLink.With(err)
	}
	id, person, ok := strings.Cut(string(payload), " ")
	if old {
		return ctx, Alert{}, ErrLinkOld
	}
	if !ok {
		return ctx, Alert{}, ErrLink
	}
	a, err := r.Get(ctx, ID(id))
	if err != nil {
		return ctx, Alert{}, hide(err)
	}
	p, err := r.o.People.Person(ctx, identity.PersonID(person))
	if err != nil {
		return ctx, Alert{}, hide(err)
	}
	if p.Blocked {
		return ctx, Alert{}, ErrLink
	}
	return ident.WithActor(ctx, ident.Actor{Kind: ident.KindLink, Person: person, Name: p.Name}), a, nil
}

// hide answers the same for what is gone and for what never was.
func hide(err error) error {
	if fault.KindOf(err) == fault.NotFound {
		return ErrLink.With(err)
	}
	return err
}

// mayAcknowledge: by role, or by a link for somebody who got this alarm.
func (t turn) mayAcknowledge(ctx context.Context, actor ident.Actor, id ID) error {
	if actor.Kind != ident.KindLink {
		if actor.Has(mayAct...) {
			return nil
		}
		return ErrForbidden
	}
	told, err := t.notified(ctx, id)
	if err != nil {
		return err
	}
	for _, n := range told {
		if n.PersonID == actor.Person && n.Kind == Alarm {
			return nil
		}
	}
	return ErrForbidden
}
