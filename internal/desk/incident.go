package desk

import (
	"context"
	"net/http"
	"slices"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/coordinate/onsite"
	"tuermer/internal/coordinate/staff"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/learn/review"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/identity"
)

// room is the Einsatzraum: everything that the team of one incident needs.
type room struct {
	Incident   incident.Incident
	Facts      []incident.Fact
	Journal    []incident.Entry
	Tasks      []incident.Task
	Others     []incident.Incident
	Alerts     []alert.Alert
	Promises   []due
	Legal      []review.Lined
	Statements []said
	ETAs       []publish.ETA
	// Commitments are what was promised about it.
	Commitments []incident.Commitment
	Kept        int
	Missed      int
	MayWrite    bool
	// Staffed: there is a board of the crisis staff to look at.
	Staffed bool
	// Onsite are the newest reports from the spot.
	Onsite []onsite.Report
	// Waiver says that the closing words are waived, and why; nil: they are not.
	Waiver   *publish.Waiver
	MayWaive bool
	// Next are the kinds of statement that fit the phase, the likeliest first.
	Next []template.Kind
	// Form keeps what was typed when an act was refused.
	Form *web.Form
}

// said is a statement with how far it has come.
type said struct {
	publish.Statement
	Counts publish.Counts
}

func (d *Desk) incident(w http.ResponseWriter, r *http.Request) error {
	v, err := d.room(r.Context(), incident.ID(r.PathValue("id")))
	if err != nil {
		return err
	}
	return web.Render(w, r, incidentPage(v))
}

func (d *Desk) room(ctx context.Context, id incident.ID) (v room, err error) {
	v.Form = web.NewForm(nil)
	if v.Incident, err = d.o.Incident.Get(ctx, id); err != nil {
		return v, err
	}
	if v.Facts, err = d.o.Incident.Facts(ctx, id); err != nil {
		return v, err
	}
	if v.Journal, err = d.o.Incident.Journal(ctx, id); err != nil {
		return v, err
	}
	if v.Tasks, err = d.o.Incident.Tasks(ctx, id); err != nil {
		return v, err
	}
	if v.Alerts, err = d.o.Alert.List(ctx, alert.Filter{Incident: string(id), Limit: 50}); err != nil {
		return v, err
	}
	others, err := d.o.Incident.List(ctx, incident.Filter{Active: true, Realm: v.Incident.Realm, Limit: 50})
	if err != nil {
		return v, err
	}
	v.Others = slices.DeleteFunc(others, func(o incident.Incident) bool { return o.ID == id })
	all, err := d.due(ctx)
	if err != nil {
		return v, err
	}
	v.Promises = slices.DeleteFunc(all, func(p due) bool { return p.Incident != id })
	if v.Legal, err = d.o.Review.Running(ctx, id); err != nil {
		return v, err
	}
	if v.Kept, v.Missed, err = d.o.Publish.Adherence(ctx, id); err != nil {
		return v, err
	}
	statements, err := d.o.Publish.List(ctx, publish.Filter{Incident: id, Limit: 50})
	if err != nil {
		return v, err
	}
	v.ETAs = publish.ETAHistory(statements)
	if v.Commitments, err = d.o.Incident.Commitments(ctx, incident.CommitmentFilter{Incident: id, Limit: 1000}); err != nil {
		return v, err
	}
	for _, s := range statements {
		if s.State == publish.StateWithdrawn {
			continue
		}
		n, err := d.o.Publish.Counts(ctx, s.ID)
		if err != nil {
			return v, err
		}
		v.Statements = append(v.Statements, said{s, n})
	}
	v.MayWrite = ident.ActorOf(ctx).Has(string(identity.RolePublisher), string(identity.RoleApprover), string(identity.RoleAdmin), string(identity.RoleIT))
	v.MayWaive = ident.ActorOf(ctx).Has(string(identity.RolePublisher), string(identity.RoleApprover), string(identity.RoleAdmin))
	if w, ok, err := d.o.Publish.Waived(ctx, id); err != nil {
		return v, err
	} else if ok {
		v.Waiver = &w
	}
	seats, err := d.o.Staff.Seats(ctx, id)
	if err != nil {
		return v, err
	}
	if v.Onsite, err = d.o.Onsite.Reports(ctx, onsite.Filter{Incident: id, Limit: 5}); err != nil {
		return v, err
	}
	v.Staffed = staff.Open(v.Incident) || len(seats) > 0
	v.Next = nextKinds(v.Incident, v.Statements)
	return v, nil
}

// nextKinds says what the town would say next, by phase and by what was said. A
// first message that is being written or waits for approval is not offered again.
func nextKinds(i incident.Incident, told []said) []template.Kind {
	spoken := func(kinds ...template.Kind) bool {
		return slices.ContainsFunc(told, func(s said) bool {
			return s.State == publish.StatePublished && slices.Contains(kinds, s.Kind)
		})
	}
	begun := func(k template.Kind) bool {
		return slices.ContainsFunc(told, func(s said) bool { return s.Kind == k })
	}
	switch {
	case i.Phase.Ended():
		return nil
	case i.Phase == incident.Restored:
		return []template.Kind{template.Closing, template.Update}
	case !spoken(template.First, template.Holding) && begun(template.First):
		return nil
	case !spoken(template.First, template.Holding) && begun(template.Holding):
		return []template.Kind{template.First}
	case !spoken(template.First, template.Holding):
		return []template.Kind{template.Holding, template.First}
	case !spoken(template.First) && !begun(template.First):
		return []template.Kind{template.First, template.NoChange, template.Recovery}
	case i.Quiet() || i.Phase == incident.Monitoring:
		return []template.Kind{template.Recovery, template.Update, template.NoChange}
	default:
		return []template.Kind{template.Update, template.NoChange, template.ETAChange, template.Recovery}
	}
}

func composeHref(id incident.ID, k template.Kind) string {
	return "/publish/new?incident=" + string(id) + "&kind=" + string(k)
}
