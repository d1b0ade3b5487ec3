package publish

import (
	"context"
	"slices"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
)

// Catalogue is the optional ability of [Services] to tell of all of them, so
// that those who suffer through another service are thought of.
type Catalogue interface {
	List(ctx context.Context) ([]service.Service, error)
}

// concerned are the audiences of the incident's services and of those that
// depend on them (R1.7), see [plan.Concerned]. An incident that names no service
// concerns everybody from an emergency on, as those who look after an audience are
// given the task then.
func (r *Room) concerned(ctx context.Context, in incident.Incident, all []plan.Audience) ([]string, error) {
	if everybody(in) {
		out := make([]string, len(all))
		for i, a := range all {
			out[i] = a.Slug
		}
		return out, nil
	}
	var catalogue []service.Service
	if c, ok := r.o.Services.(Catalogue); ok {
		var err error
		if catalogue, err = c.List(ctx); err != nil {
			return nil, err
		}
		return plan.Concerned(catalogue, in.Services, all), nil
	}
	for _, slug := range in.Services {
		sv, err := r.o.Services.Get(ctx, slug)
		switch {
		case err == nil:
			catalogue = append(catalogue, sv)
		case fault.KindOf(err) != fault.NotFound: // removed from the catalogue since
			return nil, err
		}
	}
	return plan.Concerned(catalogue, in.Services, all), nil
}

func everybody(in incident.Incident) bool {
	return len(in.Services) == 0 && slices.Contains([]incident.Level{incident.Emergency, incident.Crisis}, in.Level)
}

// whyThese says why audiences are chosen beforehand; empty where the services say
// so themselves.
func (v composing) whyThese() string {
	switch {
	case v.Preview != nil || len(v.Incident.Services) > 0:
		return ""
	case everybody(v.Incident):
		return "publish.audiences_level"
	default:
		return "publish.audiences_none"
	}
}

// spoken are the languages that the plan names for these audiences; all where
// it leaves it open.
func spoken(slugs []string, all []plan.Audience) []template.Language {
	mine := slices.DeleteFunc(slices.Clone(all), func(a plan.Audience) bool { return !slices.Contains(slugs, a.Slug) })
	var out []template.Language
	for _, l := range plan.Speak(mine) {
		out = append(out, template.Language(l))
	}
	if len(out) == 0 {
		return template.Languages()
	}
	return out
}
