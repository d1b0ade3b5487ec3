package twin

import (
	"context"
	"errors"
	"strconv"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/ident"
)

// alarms raises a signal for each target that has failed for too long, and ends
// it when the target takes copies again. A copy that nobody needs tonight waits
// for the morning as a warning; while citizens are told of an open incident, they
// read it, and it is critical.
//
//	fine ──► failing ──► AlarmAfter ───────────► warning ◄─┐ nobody is told of
//	            │                                   │      │ an incident any more
//	            └──► hurry, an incident is public ──┴► critical
//
// The database is asked without the lock.
func (r *Room) alarms(ctx context.Context, id ident.Tenant, now time.Time) error {
	type news struct {
		p      *place
		signal signal.Signal
	}
	r.mu.Lock()
	t := r.towns[id]
	ask := false
	for _, p := range t.places {
		ask = ask || p.Alarmed || !p.FailingSince.IsZero()
	}
	r.mu.Unlock()
	if !ask {
		return nil
	}
	read, unsure := r.relied(ctx)
	var all []news
	l := r.o.Locale(ctx)
	r.mu.Lock()
	for name, p := range t.places {
		urgent := read
		if unsure != nil {
			urgent = p.Urgent // as it was known last
		}
		s := signal.Signal{Source: signal.Monitor, Key: "twin:" + name, Severity: severity(urgent), At: now, Since: now}
		switch {
		case p.rises(urgent, now, t.settings.AlarmAfter):
			s.State, s.Since, s.Episode = signal.Firing, p.FailingSince, strconv.FormatInt(p.FailingSince.UnixMilli(), 10)
			if p.Alarmed {
				s.Episode, s.Eased = p.Episode, !urgent
			}
			s.Title = l.Catalog.Text(l.Lang, "twin.signal_failing", name)
			s.Detail = l.Catalog.Text(l.Lang, "depot.fail_"+p.reason()) + " " + lastDone(l, p)
			if urgent {
				s.Labels = map[string]string{signal.LabelReason: signal.ReadOutside}
				s.Detail = l.Catalog.Text(l.Lang, "twin.signal_read") + " " + s.Detail
			}
		case p.Alarmed && p.FailingSince.IsZero():
			s.State, s.Severity, s.Episode = signal.Resolved, severity(p.Urgent), p.Episode
			s.Title = l.Catalog.Text(l.Lang, "twin.signal_back", name)
		default:
			continue
		}
		all = append(all, news{p, s})
	}
	r.mu.Unlock()
	errs := []error{unsure}
	for _, n := range all {
		if _, err := r.o.Signals.Record(ctx, n.signal); err != nil {
			errs = append(errs, err) // it is told as soon as somebody can hear it
			continue
		}
		r.mu.Lock()
		n.p.Alarmed, n.p.Episode = n.signal.State == signal.Firing, n.signal.Episode
		n.p.Urgent = n.p.Alarmed && n.signal.Severity == signal.Critical
		errs = append(errs, r.save(id, t))
		r.mu.Unlock()
	}
	return errors.Join(errs...)
}

// rises tells whether a target's trouble is to be told: for the first time, or
// because it weighs more or less than when it was told.
func (p *place) rises(urgent bool, now time.Time, patience time.Duration) bool {
	if p.FailingSince.IsZero() {
		return false
	}
	if p.Alarmed {
		return p.Urgent != urgent
	}
	if urgent {
		patience = min(patience, hurry)
	}
	return now.Sub(p.FailingSince) >= patience
}

func severity(urgent bool) signal.Severity {
	if urgent {
		return signal.Critical
	}
	return signal.Warning
}

func (r *Room) relied(ctx context.Context) (bool, error) {
	if r.o.Relied == nil {
		return false, nil
	}
	return r.o.Relied(ctx)
}
