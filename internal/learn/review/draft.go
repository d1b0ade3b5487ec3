package review

import (
	"context"
	"slices"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
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
	d.Told, err = r.o.Statements.Heard(ctx, c.Incident)
	return d, err
}
