package monitor

import (
	"context"
	"fmt"
	"strings"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/i18n"
)

// raise turns a transition into a signal, inside the transaction that stores
// it: an alarm exists exactly when its reason does.
func (r *Room) raise(ctx context.Context, m Monitor, o Observation) error {
	l := r.o.Locale(ctx)
	name, err := r.publicName(ctx, m)
	if err != nil {
		return err
	}
	s := r.worded(l, m, name, o)
	if o.Transition == WentDown {
		behind, err := r.sayBehind(ctx, l, m.Slug)
		if err != nil {
			return err
		}
		s.Detail = strings.TrimSpace(s.Detail + " " + behind)
	}
	if _, err = r.o.Signals.Record(ctx, s); err != nil || o.Transition != WentDown && o.Transition != CameUp {
		return err
	}
	// It may have begun while several vantage points looked.
	return r.endSoft(ctx, m, o, l.Catalog.Text(l.Lang, "monitor.signal_soft_over", name))
}

// worded is the signal of a transition. It asks nobody.
func (r *Room) worded(l i18n.Locale, m Monitor, name string, o Observation) signal.Signal {
	s := signal.Signal{
		Source: signal.Monitor, Key: signalKey(m.Slug), Episode: fmt.Sprint(o.Status.Episode), Service: m.Service,
		State: signal.Firing, Severity: signal.Warning, Since: o.Result.At, At: r.o.Clock.Now(),
	}
	say := func(key string, args ...any) string { return l.Catalog.Text(l.Lang, key, args...) }
	switch o.Transition {
	case WentDown:
		s.Severity, s.Since = signal.Critical, o.Status.FailingSince
		s.Title = say("monitor.signal_down", name)
		s.Detail = r.detail(l, m, o)
	case WentDegraded:
		s.Title, s.Detail = say("monitor.signal_degraded", name), Explain(l, m.Spec, o.Result)
		if o.Result.Reason.Inward() {
			s.Title = say("monitor.signal_ends_soon", name)
		}
	case StartedFlapping:
		s.Title = say("monitor.signal_flapping", name)
		s.Detail = say("monitor.signal_flapping_detail", o.Status.Turns.Changes(), windowSize)
	default:
		s.State, s.Severity = signal.Resolved, signal.Critical
		s.Title, s.Detail = say("monitor.signal_up", name), Explain(l, m.Spec, o.Result)
	}
	return s
}

// raiseSoft is [Room.raise] for a monitor about whose outages several vantage
// points decide: that it answers badly is what this machine alone sees. It has a
// key of its own, since the outage's episodes are theirs.
func (r *Room) raiseSoft(ctx context.Context, slug string, o Observation) error {
	if o.Transition == None {
		return nil
	}
	m, err := r.Get(ctx, slug)
	if err != nil {
		return err
	}
	name, err := r.publicName(ctx, m)
	if err != nil {
		return err
	}
	l := r.o.Locale(ctx)
	s := signal.Signal{
		Source: signal.Monitor, Key: signalKey(slug) + ":soft", Episode: fmt.Sprint(o.Status.Episode), Service: m.Service,
		State: signal.Firing, Severity: signal.Warning, Since: o.Result.At, At: r.o.Clock.Now(), Detail: Explain(l, m.Spec, o.Result),
	}
	switch o.Transition {
	case WentDegraded:
		s.Title = l.Catalog.Text(l.Lang, "monitor.signal_degraded", name)
	case StartedFlapping:
		s.Title = l.Catalog.Text(l.Lang, "monitor.signal_flapping", name)
	default: // it is well again, or worse, which the others' rule tells
		s.State, s.Title = signal.Resolved, l.Catalog.Text(l.Lang, "monitor.signal_soft_over", name)
		if !m.Standing.Open { // it may have begun while this machine looked alone
			plain := s
			plain.Key = signalKey(slug)
			if _, err := r.o.Signals.Record(ctx, plain); err != nil {
				return err
			}
		}
	}
	_, err = r.o.Signals.Record(ctx, s)
	return err
}

// endSoft ends what [Room.raiseSoft] may have raised before the sondes were
// taken away. An episode ends under the key where it began: one that has ended
// never begins again under another.
func (r *Room) endSoft(ctx context.Context, m Monitor, o Observation, title string) error {
	if m.Standing.State == "" {
		return nil // nobody else ever looked
	}
	_, err := r.o.Signals.Record(ctx, signal.Signal{
		Source: signal.Monitor, Key: signalKey(m.Slug) + ":soft", Episode: fmt.Sprint(o.Status.Episode), Service: m.Service,
		State: signal.Resolved, Severity: signal.Warning, Since: o.Result.At, At: r.o.Clock.Now(), Title: title,
	})
	return err
}

// dropSoft ends what tells that a monitor answers badly, under whichever key it
// began, for one that is deleted. Outages are for [Room.drop].
func (r *Room) dropSoft(ctx context.Context, m Monitor) error {
	if m.Standing.State == "" || !m.Status.Mild {
		return nil
	}
	l, now := r.o.Locale(ctx), r.o.Clock.Now()
	keys := []string{signalKey(m.Slug) + ":soft"}
	if m.watched() && !m.Standing.Open {
		keys = append(keys, signalKey(m.Slug))
	}
	for _, key := range keys {
		_, err := r.o.Signals.Record(ctx, signal.Signal{
			Source: signal.Monitor, Key: key, Episode: fmt.Sprint(m.Status.Episode), State: signal.Resolved,
			Service: m.Service, Severity: signal.Warning, Since: now, At: now, Title: l.Catalog.Text(l.Lang, "monitor.signal_removed", m.Title()),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// detail says what was seen, and how often.
func (r *Room) detail(l i18n.Locale, m Monitor, o Observation) string {
	seen := Explain(l, m.Spec, o.Status.Last)
	if m.Spec.Kind == Heartbeat {
		return seen
	}
	return l.Catalog.Text(l.Lang, counted("monitor.signal_detail", o.Status.Fails), seen, o.Status.Fails, m.Spec.Confirm)
}

// maxNamed is how many monitors an alarm names before it only counts.
const maxNamed = 10

// sayBehind names the monitors that give no alarm of their own meanwhile.
func (r *Room) sayBehind(ctx context.Context, l i18n.Locale, slug string) (string, error) {
	kin, err := r.kin(ctx)
	if err != nil {
		return "", err
	}
	var names []string
	for _, k := range descendants(kin, slug) {
		names = append(names, k.title)
	}
	if len(names) == 0 {
		return "", nil
	}
	return sayN(l, "monitor.signal_behind", len(names), listed(l, names)), nil
}

// sayN is the sentence for a count.
func sayN(l i18n.Locale, key string, n int, more ...any) string {
	key += ".other"
	if n == 1 {
		key = strings.TrimSuffix(key, "other") + "one"
	}
	return l.Catalog.Text(l.Lang, key, append([]any{n}, more...)...)
}

// listed joins the first names and counts the rest.
func listed(l i18n.Locale, names []string) string {
	if rest := len(names) - maxNamed; rest > 1 {
		return strings.Join(names[:maxNamed], ", ") + " " + l.Catalog.Text(l.Lang, "monitor.and_more", rest)
	}
	return strings.Join(names, ", ")
}
