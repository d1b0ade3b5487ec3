package review

import (
	"context"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
)

// Figures are what an incident's course says about us (R1.1). A duration below
// zero is not known.
type Figures struct {
	Detect    time.Duration // from the beginning of the trouble to our learning of it
	First     time.Duration // from confirmation to the first statement
	FirstGoal time.Duration
	Restore   time.Duration // from the beginning to the recovery
	Kept      int           // promised next messages that came in time
	Missed    int
	Audiences []publish.Heard
}

// Adherence is the share of promises kept, 0 to 1; ok is false without any.
func (f Figures) Adherence() (share float64, ok bool) {
	if f.Kept+f.Missed == 0 {
		return 0, false
	}
	return float64(f.Kept) / float64(f.Kept+f.Missed), true
}

// Reached is the share of recipients whose message was taken, over all
// audiences; ok is false when nobody was to be told by message.
func (f Figures) Reached() (share float64, ok bool) {
	total, got := 0, 0
	for _, a := range f.Audiences {
		total, got = total+a.Recipients, got+a.Accepted
	}
	if total == 0 {
		return 0, false
	}
	return float64(got) / float64(total), true
}

// firstGoal is the clock of the first statement (domain.md, Clocks).
const firstGoal = 15 * time.Minute

// Figures of one incident.
func (r *Room) Figures(ctx context.Context, i incident.Incident) (Figures, error) {
	f := Figures{Detect: -1, First: -1, Restore: -1, FirstGoal: firstGoal}
	if d, ok := i.DetectedAfter(); ok {
		f.Detect = d
	} else if !i.FirstSignalAt.IsZero() {
		f.Detect = 0
	}
	said, err := r.o.Statements.List(ctx, publish.Filter{Incident: i.ID, States: []publish.State{publish.StatePublished}, Limit: 1000})
	if err != nil {
		return f, err
	}
	var first, recovered time.Time
	for _, s := range said {
		if first.IsZero() || s.PublishedAt.Before(first) {
			first = s.PublishedAt
		}
		if s.Kind == template.Recovery && s.PublishedAt.After(recovered) {
			recovered = s.PublishedAt
		}
	}
	if !first.IsZero() && !i.ConfirmedAt.IsZero() {
		f.First = max(0, first.Sub(i.ConfirmedAt)) // a holding statement may come before
	}
	switch {
	case !i.RestoredAt.IsZero():
		f.Restore = i.RestoredAt.Sub(i.Since)
	case !recovered.IsZero():
		f.Restore = recovered.Sub(i.Since)
	}
	if f.Kept, f.Missed, err = r.o.Statements.Adherence(ctx, i.ID); err != nil {
		return f, err
	}
	f.Audiences, err = r.o.Statements.Heard(ctx, i.ID)
	return f, err
}
