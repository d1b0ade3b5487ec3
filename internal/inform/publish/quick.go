package publish

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/store"
)

// HoldingRequest asks for the first short message ("Bürger informieren"): about an
// incident, or about services whose incident will be opened in the same act.
type HoldingRequest struct {
	Incident  incident.ID
	Services  []string  // without Incident
	Since     time.Time // without Incident
	Audiences []string  // empty: those of the services
}

// QuickHolding shows the short message that was approved beforehand, and how
// many will get it, before anything is sent. It writes nothing.
func (r *Room) QuickHolding(ctx context.Context, h HoldingRequest) (Preview, error) {
	author, err := mayWrite(ctx)
	if err != nil {
		return Preview{}, err
	}
	now := r.o.Clock.Now()
	in := incident.Incident{
		Services: h.Services, Realm: incident.Live, Level: incident.Disruption, Phase: incident.Confirmed,
		Since: clock.Cut(h.Since), ConfirmedAt: now,
	}
	if h.Since.IsZero() {
		in.Since = now
	}
	if h.Incident != "" {
		if in, err = r.o.Incidents.Get(ctx, h.Incident); err != nil {
			return Preview{}, err
		}
	}
	s := Statement{Incident: in.ID, State: StateDraft, Version: 1, Realm: in.Realm, Level: in.Level, UpdatedAt: now}.withAuthor(author)
	if s, err = r.fillIn(ctx, s, Content{Kind: template.Holding, Audiences: h.Audiences}, in); err != nil {
		return Preview{}, err
	}
	t, err := r.lookAt(ctx, s, in)
	if err != nil {
		return Preview{}, err
	}
	return r.render(ctx, s, t, now)
}

// PublishHolding writes and publishes the short message in one act. It needs no
// second person when the text was approved beforehand; otherwise the error is
// [ErrSecondPerson] and nothing has happened.
func (r *Room) PublishHolding(ctx context.Context, in incident.ID, audiences []string, c Consent) (Statement, error) {
	var out Statement
	err := r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		s, err := r.Create(ctx, in, Content{Kind: template.Holding, Audiences: audiences})
		if err != nil {
			return err
		}
		c.Revision = s.Revision
		out, err = r.Approve(ctx, s.ID, c)
		return err
	})
	return out, err
}

// NoChange publishes or submits "no news" to everybody whose next message is
// due, with one click (R1.13a): what was said before still holds. Where a
// second person is needed it is submitted.
func (r *Room) NoChange(ctx context.Context, in incident.ID, audiences []string) (Statement, error) {
	var out Statement
	err := r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		c, err := r.Prefill(ctx, in, template.NoChange)
		if err != nil {
			return err
		}
		if len(audiences) > 0 {
			c.Audiences = audiences
		}
		s, err := r.Create(ctx, in, c)
		if err != nil {
			return err
		}
		out, err = r.Finish(ctx, s)
		return err
	})
	return out, err
}

// Finish publishes a draft of the actor's where the rules let one person do so,
// and submits it otherwise.
func (r *Room) Finish(ctx context.Context, s Statement) (Statement, error) {
	p, err := r.preview(ctx, s, r.o.Clock.Now())
	if err != nil {
		return s, err
	}
	d := decision{statement: s, actor: whoActs(ctx), fourEyes: p.FourEyes, now: r.o.Clock.Now(), pre: p.pre, speech: p.speech}
	if _, err := decide(d); err == nil {
		return r.Approve(ctx, s.ID, Consent{Revision: s.Revision})
	} else if fault.KindOf(err) != fault.Forbidden {
		return s, err
	}
	return r.Submit(ctx, s.ID, s.Revision, "")
}
