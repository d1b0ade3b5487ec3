package app

import (
	"context"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/retain"
)

// keeper is a room that says how long it keeps what.
type keeper interface{ Retention() []retain.Rule }

// retention is what all rooms keep how long, in floor order. A table that a room
// forgets to name fails a test.
func (a *App) retention() []retain.Rule {
	out := []retain.Rule{{Name: "bus.handled", Table: "bus_handled", Act: retain.Own, For: keepHandled, Age: "at"}}
	out = append(out, retain.Kept("jobs", retain.Plain, "jobs_lease")...)
	for _, k := range []keeper{
		a.audit, a.identity, a.service, a.plan, a.channel, a.papers, a.keep, a.contact, a.deletion, a.signal, a.monitor, a.sonde, a.pulse, a.intake,
		a.roster, a.chain, a.alert, a.trial, a.incident, a.board, a.onsite, a.template, a.publish, a.statuspage, a.editorial, a.review, a.exercise,
	} {
		out = append(out, k.Retention()...)
	}
	return out
}

// storyBegins is how long before an incident was noticed its story may have begun.
const storyBegins = 24 * time.Hour

// openTimes are the times of the incidents that are not over, in the town in ctx:
// whatever came about since then may be asked for.
func (a *App) openTimes(ctx context.Context) ([]retain.Span, error) {
	var out []retain.Span
	f := incident.Filter{Current: true, Limit: 1000}
	for {
		all, err := a.incident.List(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, in := range all {
			from := in.OpenedAt
			for _, t := range []time.Time{in.Since, in.FirstSignalAt} {
				if !t.IsZero() && t.Before(from) {
					from = t
				}
			}
			out = append(out, retain.Span{From: from.Add(-storyBegins)})
		}
		if len(all) < f.Limit {
			return out, nil
		}
		f.After = all[len(all)-1].ID
	}
}

// storyFrom is when the oldest of these times begins; zero: nothing is open.
func (a *App) storyFrom(ctx context.Context) (from time.Time, err error) {
	spans, err := a.openTimes(ctx)
	for _, s := range spans {
		if from.IsZero() || s.From.Before(from) {
			from = s.From
		}
	}
	return from, err
}
