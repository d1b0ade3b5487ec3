package incident

import (
	"context"
	"errors"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/ident"
	"tuermer/internal/raise/alert"
)

// onAlertOpened links a new alert to the incident that handles its service, and
// lets the rules look.
func (r *Room) onAlertOpened(ctx context.Context, e bus.Event[alert.Happened]) error {
	r.o.Store.AfterCommit(ctx, r.sweeper.Kick)
	if e.Data.Service == "" {
		return nil
	}
	now, err := r.List(ctx, Filter{Current: true, Realm: Live, Service: e.Data.Service})
	if err != nil || len(now) != 1 {
		return err // none, or more than one: a person decides
	}
	ctx = ident.WithActor(ctx, ident.System)
	err = r.locked(ctx, now[0].ID, func(ctx context.Context, t *tx) error {
		return r.join(ctx, t, string(e.Data.ID))
	})
	if errors.Is(err, ErrTaken) || errors.Is(err, ErrEnded) {
		return nil // somebody linked it, or the incident ended, in the meantime
	}
	return err
}

func (r *Room) onAlertAcknowledged(ctx context.Context, e bus.Event[alert.Happened]) error {
	id, err := r.handles(ctx, e.Data.ID)
	if err != nil || id == "" {
		return err
	}
	return r.locked(ctx, id, func(ctx context.Context, t *tx) error {
		return t.entry(ctx, EntryAlert, t.say("alert_taken", e.Data.Name, e.Data.Title), string(e.Data.ID))
	})
}

// onAlertClosed notes that the service answers again. The phase stays: that it
// works again must be said in words, by people.
func (r *Room) onAlertClosed(ctx context.Context, e bus.Event[alert.Happened]) error {
	id, err := r.handles(ctx, e.Data.ID)
	if err != nil || id == "" {
		return err
	}
	return r.locked(ctx, id, func(ctx context.Context, t *tx) error {
		if err := t.alertClosed(ctx, e.Data.ID, e.At); err != nil {
			return err
		}
		said := t.say("alert_over", r.name(ctx, e.Data))
		if e.Data.Quiet {
			said = t.say("alert_quiet", r.name(ctx, e.Data))
		}
		if e.Data.Name != "" {
			said = t.say("alert_closed", e.Data.Name, e.Data.Title)
		}
		return t.entry(ctx, EntryAlert, said, string(e.Data.ID))
	})
}

// name is what an alert is about, in words.
func (r *Room) name(ctx context.Context, a alert.Happened) string {
	if a.Service != "" {
		if s, err := r.o.Services.Get(ctx, a.Service); err == nil {
			return s.Name
		}
	}
	return a.Title
}
