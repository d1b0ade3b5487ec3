package publish

import (
	"context"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/bus"
)

// SubmittedEvent: somebody waits for an approval.
type SubmittedEvent struct {
	ID       ID
	Incident incident.ID
	Kind     template.Kind
	By       string
}

// ApprovedEvent: somebody stands for it now; Way says how.
type ApprovedEvent struct {
	ID       ID
	Incident incident.ID
	Way      Way
	By       string
}

// PublishedEvent: it can be read from now on.
type PublishedEvent struct {
	Statement ID
	Incident  incident.ID
	Kind      template.Kind
	Audiences []string
	Corrects  ID // empty unless it is a new version
}

// OverdueEvent: a promised time passed without a message.
type OverdueEvent struct {
	Promise  string
	Incident incident.ID
	Audience string
}

// What this room tells.
const (
	Submitted = bus.Topic[SubmittedEvent]("publish.submitted")
	Approved  = bus.Topic[ApprovedEvent]("publish.approved")
	Published = bus.Topic[PublishedEvent]("publish.published")
	Overdue   = bus.Topic[OverdueEvent]("publish.overdue")
)

// Subscribe hears of incidents that begin, move on and end, which starts and
// ends the promises (I6).
func (r *Room) Subscribe(b *bus.Bus) {
	r.hearCommitments(b)
	bus.On(b, incident.Opened, "publish.promise.opened", func(ctx context.Context, e bus.Event[incident.Happened]) error {
		return r.follow(ctx, e.Data.ID, false)
	})
	bus.On(b, incident.PhaseChanged, "publish.promise.phase", func(ctx context.Context, e bus.Event[incident.PhaseChange]) error {
		return r.follow(ctx, e.Data.ID, live(e.Data.To) && !live(e.Data.From))
	})
	bus.On(b, incident.Changed, "publish.promise.changed", func(ctx context.Context, e bus.Event[incident.Happened]) error {
		return r.follow(ctx, e.Data.ID, false)
	})
}
