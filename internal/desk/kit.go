package desk

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"tuermer/internal/inform/template"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
)

// kitRoutes are the pages of the communication plan that need several rooms.
func (d *Desk) kitRoutes(s *web.Site) {
	s.Handle("GET /kit", web.Staff(d.pageKit))
	s.Handle("GET /kit/ways", web.Staff(d.pageWays))
	s.Handle("POST /kit/ways", web.Staff(d.postWay))
	s.Handle("GET /kit/matrix", web.Staff(d.pageMatrix))
	s.Handle("GET /kit/matrix/{scenario}", web.Staff(d.pageScenario))
	s.Handle("POST /kit/matrix/{scenario}", web.Staff(d.postScenario))
	s.Handle("POST /kit/matrix/{scenario}/prepare", web.Staff(d.postPrepare))
	s.Handle("GET /kit/folder", web.Staff(d.sheet(d.folder)))
	s.Handle("GET /kit/folder.pdf", web.Staff(d.pdf(d.folder)))
	s.Handle("GET /kit/car", web.Staff(d.sheet(d.car)))
	s.Handle("GET /kit/car.pdf", web.Staff(d.pdf(d.car)))
	s.Handle("GET /kit/handover", web.Staff(d.pageHandovers))
	s.Handle("GET /kit/handover/{id}", web.Staff(d.sheet(d.handover)))
	s.Handle("GET /kit/handover/{id}/pdf", web.Staff(d.pdf(d.handover)))
	s.Handle("GET /kit/month", web.Staff(d.pageMonths))
	s.Handle("GET /kit/month/{id}", web.Staff(d.sheet(d.month)))
	s.Handle("GET /kit/month/{id}/pdf", web.Staff(d.pdf(d.month)))
	s.Handle("GET /incident/{id}/brief", web.Staff(d.sheet(d.brief)))
	s.Handle("GET /incident/{id}/brief/pdf", web.Staff(d.pdf(d.brief)))
	s.Handle("GET /kit/phone", web.Staff(d.pagePhone))
	s.Handle("POST /kit/links", web.Staff(d.postLink))
	s.Handle("POST /kit/links/{id}/rotate", web.Staff(d.postRotateLink))
	s.Handle("POST /kit/links/{id}/revoke", web.Staff(d.postRevokeLink))
	d.intranetRoutes(s)
	s.Handle("GET /t/{token}", d.pagePhoneLink)
	s.Handle("GET /tp/{token}", d.pagePartnerLink)
}

// kit is what the page of the plan shows.
type kit struct {
	Document   plan.Document
	Stand      plan.Stand
	Audiences  []plan.Audience
	Assessment plan.Assessment
	May        bool
	Incidents  int // that are going on
}

func (d *Desk) pageKit(w http.ResponseWriter, r *http.Request) error {
	k, err := d.kit(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, kitPage(k))
}

func (d *Desk) kit(ctx context.Context) (k kit, err error) {
	if k.Document, k.Stand, err = d.o.Plan.Document(ctx); err != nil {
		return k, err
	}
	if k.Audiences, err = d.o.Plan.Audiences(ctx); err != nil {
		return k, err
	}
	world, err := d.world(ctx, k.Document, k.Audiences)
	if err != nil {
		return k, err
	}
	k.Assessment, k.May = plan.Assess(k.Document, k.Audiences, world), plan.MayChange(ctx)
	return k, nil
}

// world gathers what the other rooms know about the plan's completeness.
func (d *Desk) world(ctx context.Context, doc plan.Document, audiences []plan.Audience) (w plan.World, err error) {
	w.Now = d.o.Clock.Now()
	library, err := d.o.Publish.Library(ctx)
	if err != nil {
		return w, err
	}
	w.Scenarios = scenarios(ctx, library)
	for _, s := range w.Scenarios {
		for _, a := range audiences {
			if c, _ := cellOf(doc, s.Slug, a.Slug); !prepared(library, c, a.Kind) {
				w.NoText = append(w.NoText, plan.NoText{Scenario: s, Audience: a.Name})
			}
		}
	}
	by, err := d.o.Publish.HoldingReleasedBy(ctx)
	if err != nil {
		return w, err
	}
	w.Released = by != ""
	counts, err := d.o.Monitor.Counts(ctx)
	if err != nil {
		return w, err
	}
	for _, n := range counts {
		w.Monitors += n
	}
	services, err := d.o.Service.List(ctx)
	if err != nil {
		return w, err
	}
	for _, s := range services {
		if err := d.lacks(ctx, s, &w); err != nil {
			return w, err
		}
	}
	town, err := d.o.Identity.Current(ctx)
	if err != nil {
		return w, err
	}
	w.PublicURL = town.PublicURL
	if w.Routes, err = d.routes(ctx); err != nil {
		return w, err
	}
	if w.Tested, err = d.o.Plan.TestedWays(ctx); err != nil {
		return w, err
	}
	if w.Backing, w.Signed, err = d.o.Plan.Backing(ctx); err != nil {
		return w, err
	}
	_, stand, err := d.o.Plan.Document(ctx)
	if err != nil {
		return w, err
	}
	w.Version = stand.Number
	people, err := d.o.Identity.People(ctx, identity.Filter{Active: true})
	for _, p := range people {
		w.People = append(w.People, p.Email)
	}
	return w, err
}

// lacks notes what is missing at one service.
func (d *Desk) lacks(ctx context.Context, s service.Service, w *plan.World) error {
	named := plan.Named{Slug: s.Slug, Name: s.Name}
	switch {
	case s.Workaround.Text != "" && !s.Workaround.Works(w.Now):
		w.Expired = append(w.Expired, named)
	case s.Public && s.Workaround.Text == "":
		w.Workless = append(w.Workless, named)
	}
	if !s.Public {
		return nil
	}
	n, err := d.o.Monitor.Watchers(ctx, s.Slug)
	if err == nil && n == 0 {
		w.Unwatched = append(w.Unwatched, named)
	}
	return err
}

// scenarios are those with texts of their own, in the reader's language.
func scenarios(ctx context.Context, l *template.Library) []plan.Named {
	var out []plan.Named
	for _, s := range l.Scenarios() {
		name := s.Title
		if i18n.Of(ctx).Lang == i18n.EN {
			name = cmp.Or(s.TitleEN, s.Title)
		}
		out = append(out, plan.Named{Slug: string(s.Scenario), Name: name})
	}
	return out
}

// prepared reports whether a text stands ready for a cell of the matrix.
func prepared(l *template.Library, c plan.Cell, k plan.Kind) bool {
	if c.Kind == plan.NotTold {
		return true
	}
	_, ok := l.Find(template.Kind(c.Kind), template.AudienceKind(k), template.Mail, template.DE, template.Scenario(c.Scenario))
	return ok
}

// routes are the town's ways out by machine.
func (d *Desk) routes(ctx context.Context) ([]plan.Named, error) {
	var out []plan.Named
	for _, way := range d.o.Channel.Ways(ctx) {
		if way.Realm != channel.Live {
			continue
		}
		if way.Kind == channel.Webhook {
			hooks, err := d.hooks(ctx)
			if err != nil {
				return nil, err
			}
			if len(hooks) == 0 {
				continue // nobody listens
			}
		} else if way.Kind != channel.Mail {
			continue // its own room tells how it stands
		}
		out = append(out, plan.Named{Slug: string(way.Kind) + "/" + way.Name, Name: i18n.T(ctx, "channel.kind_"+string(way.Kind)) + " (" + way.Name + ")"})
	}
	return out, nil
}

func (d *Desk) hooks(ctx context.Context) ([]alert.Hook, error) {
	if d.o.Hooks == nil {
		return nil, nil
	}
	return d.o.Hooks.Hooks(ctx)
}

// system lets a page behind a secret link read what its rules then sift.
func system(ctx context.Context) context.Context { return ident.WithActor(ctx, ident.System) }

// names are the people of the town by mail address.
func (d *Desk) names(ctx context.Context) (map[string]identity.Person, error) {
	people, err := d.o.Identity.People(ctx, identity.Filter{})
	out := map[string]identity.Person{}
	for _, p := range people {
		out[p.Email] = p
	}
	return out, err
}

// standOf is the latest moment at which something that a sheet shows changed.
func (d *Desk) standOf(ctx context.Context, s plan.Stand) (time.Time, error) {
	at, err := d.o.Service.Stand(ctx)
	if err != nil {
		return at, err
	}
	tested, err := d.o.Plan.TestedWays(ctx)
	if err != nil {
		return at, err
	}
	moments := []time.Time{at, s.At}
	for _, t := range tested {
		moments = append(moments, t.Last.At)
	}
	at = slices.MaxFunc(moments, time.Time.Compare)
	if at.IsZero() {
		at = d.o.Clock.Now() // nothing is there yet that could have a Stand
	}
	return at, nil
}
