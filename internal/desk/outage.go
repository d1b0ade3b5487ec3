package desk

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"tuermer/internal/inform/statuspage"
	"tuermer/internal/notice/intake"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/identity"
)

// Outages takes what citizens report; it is [intake.Room].
type Outages interface {
	Outage(ctx context.Context, service string, what intake.Symptom, from string) error
}

// Outage is the form on the public page on which citizens report that a service
// does not work.
func (d *Desk) Outage(to Outages) statuspage.Guest { return outage{d, to} }

type outage struct {
	d  *Desk
	to Outages
}

// outageView is what the form shows.
type outageView struct {
	Services [][2]string // slug and name
	Typed    url.Values
	Wrong    map[string]string // by field: what to mend
}

// bait is a field that people do not see; whoever fills it in is a machine.
const bait = "url"

// Answer implements statuspage.Guest. A GET changes nothing.
func (o outage) Answer(ctx context.Context, req *http.Request) (statuspage.GuestPage, error) {
	head, rest, _ := strings.Cut(req.URL.Path, statuspage.ReportElement)
	title := i18n.T(ctx, "desk.outage_title")
	switch rest {
	case "", "/":
	case "/danke":
		return statuspage.GuestPage{Title: i18n.T(ctx, "desk.outage_thanks"), Body: outageThanks(head)}, nil
	default:
		return statuspage.GuestPage{}, fault.New(fault.NotFound, "web.not_found")
	}
	v := outageView{Typed: url.Values{}, Wrong: map[string]string{}}
	all, err := o.d.o.Service.List(ctx)
	if err != nil {
		return statuspage.GuestPage{}, err
	}
	for _, s := range all {
		if !s.Public {
			continue
		}
		name := s.Name
		if i18n.Of(ctx).Lang == i18n.EN && s.NameEN != "" {
			name = s.NameEN
		}
		v.Services = append(v.Services, [2]string{s.Slug, name})
	}
	if req.Method != http.MethodPost {
		v.Typed.Set("service", req.URL.Query().Get("service"))
		return statuspage.GuestPage{Title: title, Body: outagePage(v)}, nil
	}
	if err := req.ParseForm(); err != nil {
		return statuspage.GuestPage{}, fault.New(fault.Invalid, "web.bad_form").With(err)
	}
	v.Typed = req.PostForm
	thanks := statuspage.GuestPage{To: head + statuspage.ReportElement + "/danke"}
	if v.Typed.Get(bait) != "" {
		return thanks, nil
	}
	err = o.to.Outage(ctx, v.Typed.Get("service"), intake.Symptom(v.Typed.Get("what")), identity.ClientOf(req).Address)
	if f := fault.As(err); err != nil && f.Kind == fault.Invalid {
		for name, key := range f.Fields {
			v.Wrong[name] = i18n.T(ctx, key)
		}
		return statuspage.GuestPage{Status: http.StatusUnprocessableEntity, Title: title, Body: outagePage(v)}, nil
	}
	return thanks, err
}
