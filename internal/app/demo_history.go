package app

import (
	"context"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/channel"
)

// demoStory is one outage of the past, see demo/history.yaml.
type demoStory struct {
	Service string
	Ago     int
	At      string
	Seen    string
	Steps   []demoStep
}

// demoStep is something that was done back then.
type demoStep struct {
	After    time.Duration
	Do       string
	By       string
	Kind     template.Kind
	Approved string
	Phase    incident.Phase
	Why      string
	Facts    map[string]string
}

// datedStory is a story with its beginning.
type datedStory struct {
	demoStory
	at time.Time
}

// demoClock tells the time of the history: set to a moment, it runs on from
// there. The zero value tells the present.
type demoClock struct{ behind atomic.Int64 }

// Now implements [clock.Clock].
func (c *demoClock) Now() time.Time {
	return clock.Cut(clock.System{}.Now().Add(-time.Duration(c.behind.Load())))
}

func (c *demoClock) set(t time.Time) { c.behind.Store(int64(clock.System{}.Now().Sub(t))) }

// tale dates the stories, the oldest first as the file has them.
func (t demoTown) tale(now time.Time) ([]datedStory, error) {
	zone, err := clock.Zone(t.config.Town.Timezone)
	if err != nil {
		return nil, err
	}
	out := make([]datedStory, len(t.history))
	for i, s := range t.history {
		hour, err := time.Parse("15:04", s.At)
		if err != nil {
			return nil, fmt.Errorf("app: demo history: %w", err)
		}
		day := now.In(zone).AddDate(0, 0, -s.Ago)
		for day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
			day = day.AddDate(0, 0, -1)
		}
		at := time.Date(day.Year(), day.Month(), day.Day(), hour.Hour(), hour.Minute(), 0, 0, zone)
		out[i] = datedStory{s, at}
	}
	return out, nil
}

// live plays the stories through the rooms. Only those that carry them run;
// nothing is probed in the past.
func (t demoTown) live(ctx context.Context, a *App, c *demoClock, tale []datedStory) error {
	a.hints.Start(ctx)
	a.onStop(func(context.Context) error { a.hints.Stop(); return nil })
	if err := a.jobs.Start(ctx); err != nil {
		return err
	}
	a.onStop(a.jobs.Stop)
	for _, r := range []starter{a.channel, a.signal, a.alert, a.incident, a.publish} {
		if err := r.Start(ident.WithActor(ctx, ident.System)); err != nil {
			return err
		}
		a.onStop(func(context.Context) error { r.Stop(); return nil })
	}
	for _, s := range tale {
		p := play{town: t, app: a, story: s}
		for i, step := range s.Steps {
			c.set(s.at.Add(step.After))
			if err := p.step(ctx, step); err != nil {
				return fmt.Errorf("app: demo history of %s, step %d: %w", s.Service, i+1, err)
			}
			if err := a.calm(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// play is one story under way.
type play struct {
	town     demoTown
	app      *App
	story    datedStory
	alert    alert.ID
	incident incident.ID
}

func (p *play) step(ctx context.Context, s demoStep) (err error) {
	a := p.app
	who := ctx
	if s.By != "" {
		if who, err = a.as(ctx, p.town.email(s.By)); err != nil {
			return err
		}
	}
	switch s.Do {
	case "fails":
		if err := p.record(ctx, signal.Firing); err != nil {
			return err
		}
		return until(ctx, func() (bool, error) {
			open, err := a.alert.List(ctx, alert.Filter{Current: true, Service: p.story.Service})
			if len(open) > 0 {
				p.alert = open[0].ID
			}
			return len(open) > 0, err
		})
	case "works":
		if err := p.record(ctx, signal.Resolved); err != nil {
			return err
		}
		return until(ctx, func() (bool, error) {
			got, err := a.alert.Get(ctx, p.alert)
			return err == nil && !got.ClosedAt.IsZero(), err
		})
	case "takes":
		_, err = a.alert.Acknowledge(who, p.alert)
		return err
	case "opens":
		in, err := a.incident.Open(who, incident.OpenRequest{Alerts: []string{string(p.alert)}, Confirmed: true})
		p.incident = in.ID
		return err
	case "moves":
		return a.incident.Advance(who, p.incident, s.Phase, s.Why)
	case "says":
		return p.say(ctx, who, s)
	}
	return fmt.Errorf("no such step: %q", s.Do)
}

func (p *play) record(ctx context.Context, state signal.State) error {
	sv, err := p.app.service.Get(ctx, p.story.Service)
	if err != nil {
		return err
	}
	l := p.app.townLocale(ctx)
	key := map[signal.State]string{signal.Firing: "monitor.signal_down", signal.Resolved: "monitor.signal_up"}[state]
	_, err = p.app.signal.Record(ctx, signal.Signal{
		Source: signal.Monitor, Key: "monitor:" + p.story.Service, Episode: "past", State: state, Service: p.story.Service,
		Severity: signal.Critical, Title: l.Catalog.Text(l.Lang, key, sv.Name), Detail: p.story.Seen, Since: clock.Cut(p.story.at),
	})
	return err
}

// say publishes: alone what was released beforehand, else with a second person.
func (p *play) say(ctx, who context.Context, s demoStep) error {
	a := p.app
	if s.Kind == template.Holding {
		_, err := a.publish.PublishHolding(who, p.incident, nil, publish.Consent{})
		return err
	}
	facts, err := a.facts(ctx, s.Facts)
	if err != nil {
		return err
	}
	content, err := a.publish.Prefill(who, p.incident, s.Kind)
	if err != nil {
		return err
	}
	if content.Facts == nil {
		content.Facts = template.Facts{}
	}
	maps.Copy(content.Facts, facts)
	draft, err := a.publish.Create(who, p.incident, content)
	if err != nil {
		return err
	}
	second, err := a.as(ctx, p.town.email(s.Approved))
	if err != nil {
		return err
	}
	approver, err := a.identity.PersonByEmail(ctx, p.town.email(s.Approved))
	if err != nil {
		return err
	}
	if draft, err = a.publish.Submit(who, draft.ID, draft.Revision, approver.ID); err != nil {
		return err
	}
	_, err = a.publish.Approve(second, draft.ID, publish.Consent{Revision: draft.Revision})
	return err
}

// calm waits until what a step set off has happened, so that it happens at its
// own time and not at that of the next step.
func (a *App) calm(ctx context.Context) error {
	return until(ctx, func() (bool, error) {
		n, err := a.channel.Counts(ctx)
		if err != nil || n[channel.Queued]+n[channel.Sending] > 0 {
			return false, err
		}
		list, err := a.publish.List(ctx, publish.Filter{Limit: 3})
		if err != nil {
			return false, err
		}
		for _, s := range list {
			counts, err := a.publish.Counts(ctx, s.ID)
			if err != nil || counts.Waiting > 0 {
				return false, err
			}
		}
		return true, nil
	})
}

// demoPatience bounds how long one step of the history may take.
const demoPatience = 30 * time.Second

// until asks again and again whether something has come about.
func until(ctx context.Context, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, demoPatience, fmt.Errorf("nothing came of it within %s", demoPatience))
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
