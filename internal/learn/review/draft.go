package review

import (
	"context"
	"slices"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/town/identity"
)

// Draft is what the journal knows for a report to an authority. What it does not
// know is left open, in words, for a person to fill in.
type Draft struct {
	Incident incident.Incident
	// Certain and Believed are the facts of the incident; what is under
	// investigative hold is among them, since an authority is no public (I11).
	Certain, Believed, Open []incident.Fact
	Measures                []incident.Entry // what people wrote down, in order
	Told                    []publish.Heard
	FirstTold               time.Time // the first message about it; zero: none yet
	// Town is the controller, DPO are those who watch over data protection there
	// and whom the authority asks.
	Town identity.Tenant
	DPO  []identity.Person
}

// Draft gathers it.
func (r *Room) Draft(ctx context.Context, c Clock) (Draft, error) {
	i, err := r.o.Incidents.Get(ctx, c.Incident)
	if err != nil {
		return Draft{}, err
	}
	facts, err := r.o.Incidents.Facts(ctx, c.Incident)
	if err != nil {
		return Draft{}, err
	}
	d := Draft{Incident: i}
	for _, f := range facts {
		switch {
		case f.Withdrawn:
		case f.Certainty == incident.FactConfirmed:
			d.Certain = append(d.Certain, f)
		case f.Certainty == incident.FactAssumed:
			d.Believed = append(d.Believed, f)
		default:
			d.Open = append(d.Open, f)
		}
	}
	journal, err := r.o.Incidents.Journal(ctx, c.Incident)
	if err != nil {
		return Draft{}, err
	}
	d.Measures = slices.DeleteFunc(journal, func(e incident.Entry) bool { return e.Kind != incident.EntryNote && e.Kind != incident.EntryPhase })
	if d.Town, err = r.o.People.Current(ctx); err != nil {
		return d, err
	}
	if d.DPO, err = r.o.People.People(ctx, identity.Filter{Role: identity.RoleDPO, Active: true}); err != nil {
		return d, err
	}
	said, err := r.o.Statements.List(ctx, publish.Filter{Incident: c.Incident, States: []publish.State{publish.StatePublished}, Limit: 1000})
	if err != nil {
		return d, err
	}
	for _, s := range said {
		if d.FirstTold.IsZero() || s.PublishedAt.Before(d.FirstTold) {
			d.FirstTold = s.PublishedAt
		}
	}
	d.Told, err = r.o.Statements.Heard(ctx, c.Incident)
	return d, err
}
