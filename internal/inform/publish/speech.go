package publish

import (
	"context"
	"slices"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/coordinate/staff"
	"tuermer/internal/platform/fault"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

// NoFunction marks a public text that was released in a crisis while nobody held
// press and media or led the staff.
const NoFunction plan.StaffFunction = "none"

// ErrStaffSpeaks says that in this crisis somebody else releases public words.
var ErrStaffSpeaks = fault.New(fault.Forbidden, "publish.staff_speaks")

// speech is the rule of a crisis about public words (R3.11): whoever holds press
// and media (S5, BuMA) or leads the staff releases them. It tightens I3 and lifts
// none of it: nobody releases words of their own.
//
// With nobody in these functions, or with nobody there who did not write the text,
// approvers and admins release it, and the journal names who did. Break-glass
// stays, so an empty or silent chair never silences the town (I20).
type speech struct {
	applies  bool // level crisis, and the public reads it
	speakers []staff.Speaker
}

// able are the speakers who did not write s.
func (sp speech) able(s Statement) []staff.Speaker {
	if !sp.applies {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(sp.speakers), func(x staff.Speaker) bool { return s.WrittenBy(x.Person) })
}

// staffed reports whether somebody is there who releases s.
func (sp speech) staffed(s Statement) bool { return len(sp.able(s)) > 0 }

// function is that by which p releases s; empty where the rule does not apply.
func (sp speech) function(s Statement, p identity.PersonID) plan.StaffFunction {
	if !sp.applies {
		return ""
	}
	for _, x := range sp.able(s) {
		if x.Person == p {
			return x.Function
		}
	}
	return NoFunction
}

// may tells whether a person, who is asked or was telephoned, can release s.
func (sp speech) may(s Statement, p identity.Person) bool {
	switch {
	case sp.staffed(s):
		return slices.ContainsFunc(sp.able(s), func(x staff.Speaker) bool { return x.Person == p.ID })
	case sp.applies:
		return p.Has(identity.RoleApprover) || p.Has(identity.RoleAdmin)
	}
	return p.Has(identity.RoleApprover)
}

// mayRelease is [speech.may] for whoever acts.
func (d decision) mayRelease() bool {
	a := d.actor
	switch {
	case d.speech.staffed(d.statement):
		return slices.ContainsFunc(d.speech.able(d.statement), func(x staff.Speaker) bool { return x.Person == a.person })
	case d.speech.applies:
		return a.approver || a.admin
	}
	return a.approver
}

// speechOf asks who releases words about an incident that kinds of audiences read.
func (r *Room) speechOf(ctx context.Context, in incident.Incident, kinds []plan.Kind) (speech, error) {
	if r.o.Staff == nil || in.ID == "" || in.Level != incident.Crisis || !slices.ContainsFunc(kinds, plan.Kind.Public) {
		return speech{}, nil
	}
	speakers, err := r.o.Staff.Speakers(ctx, in.ID)
	return speech{applies: true, speakers: speakers}, err
}

// speechFor is [Room.speechOf] for a statement of which nothing is rendered.
func (r *Room) speechFor(ctx context.Context, s Statement) (speech, error) {
	in, err := r.o.Incidents.Get(ctx, s.Incident)
	if err != nil {
		return speech{}, err
	}
	all, err := r.o.Audiences.Audiences(ctx)
	if err != nil {
		return speech{}, err
	}
	var kinds []plan.Kind
	for _, a := range all {
		if slices.Contains(s.Audiences, a.Slug) {
			kinds = append(kinds, a.Kind)
		}
	}
	return r.speechOf(ctx, in, kinds)
}

// releasers lists who can release s: everybody with the role approver, or whom a
// crisis puts in their place.
func (r *Room) releasers(ctx context.Context, s Statement, sp speech) ([]identity.Person, error) {
	people, err := r.holders(ctx, identity.RoleApprover, identity.RoleAdmin, identity.RolePublisher)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(people, func(p identity.Person) bool { return s.WrittenBy(p.ID) || !sp.may(s, p) }), nil
}
