package statuspage

import (
	"time"

	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
)

// The slots in which a message about a maintenance says when.
const (
	slotBegins template.Slot = "Beginn"
	slotEnds   template.Slot = "Ende"
)

// maintaining reports whether messages of kind k are about planned work.
func maintaining(k template.Kind) bool {
	return k == template.MaintenanceAnnounced || k == template.MaintenanceStarted || k == template.MaintenanceEnded
}

// span is when the planned work of a statement begins and ends, as its public
// words say it; zero where they do not. Of other statements nothing is taken.
func spanOf(s publish.Statement) (begins, ends time.Time) {
	if !maintaining(s.Kind) {
		return time.Time{}, time.Time{}
	}
	return s.Facts[slotBegins].At, s.Facts[slotEnds].At
}

// planned reports whether the story is about planned work alone: an outage during
// a maintenance is an outage.
func (s story) planned() bool {
	for _, m := range s.current() {
		if !maintaining(m.Kind) {
			return false
		}
	}
	return true
}

// when is the newest word about begin and end of the work.
func (s story) when() (begins, ends time.Time) {
	for _, m := range s.current() { // newest first
		if begins.IsZero() {
			begins = m.Begins
		}
		if ends.IsZero() {
			ends = m.Ends
		}
	}
	if begins.IsZero() { // begun without having been announced
		begins = s.first().FirstAt
	}
	return begins, ends
}

// The states of planned work in the words of other programs.
const (
	workScheduled = "scheduled"
	workOngoing   = "in_progress"
	workVerifying = "verifying" // the end has passed, nobody has said so yet
	workCompleted = "completed"
)

// work is how far planned work is at now: what was said wins over the clock.
func (s story) work(now time.Time) string {
	begins, ends := s.when()
	started := false
	for _, m := range s.current() {
		started = started || m.Kind == template.MaintenanceStarted
	}
	switch {
	case s.resolved() || !s.Open:
		return workCompleted
	case !ends.IsZero() && !now.Before(ends):
		return workVerifying
	case started || !now.Before(begins):
		return workOngoing
	default:
		return workScheduled
	}
}

type apiMaintenance struct {
	apiIncident
	ScheduledFor   *time.Time `json:"scheduled_for"`
	ScheduledUntil *time.Time `json:"scheduled_until"`
}

// maintenance is a story of planned work in Statuspage's shape.
func (v *view) maintenance(s story, components map[string]apiComponent) apiMaintenance {
	in := v.incident(s, components)
	in.Status, in.Impact = s.work(v.now), "maintenance"
	for i, m := range s.current() {
		switch m.Kind {
		case template.MaintenanceEnded:
			in.Updates[i].Status = workCompleted
		case template.MaintenanceStarted:
			in.Updates[i].Status = workOngoing
		default:
			in.Updates[i].Status = workScheduled
		}
	}
	out := apiMaintenance{apiIncident: in}
	begins, ends := s.when()
	out.ScheduledFor = &begins
	if !ends.IsZero() {
		out.ScheduledUntil = &ends
	}
	return out
}
