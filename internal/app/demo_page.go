package app

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

// demoRoutes are the pages that only the demo has.
func (a *App) demoRoutes(s *web.Site) {
	s.Handle("GET /demo", web.Staff(a.demoShow))
	s.Handle("POST /demo/break", web.Staff(a.demoBreak))
	s.Handle("POST /demo/repair", web.Staff(a.demoRepair))
	s.Handle("POST /demo/as", web.Staff(a.demoAs))
}

// demoView is what the page shows.
type demoView struct {
	Form     *web.Form
	Services []service.Service
	Broken   []demoBroken
	People   []identity.Person
	Me       identity.PersonID
	Public   string // address of the public page
}

// demoBroken is a target that fails.
type demoBroken struct {
	Service service.Service
	How     breakage
	State   monitor.State
	Alert   alert.ID // empty: not yet
}

func (a *App) demoView(ctx context.Context, form *web.Form) (v demoView, err error) {
	v.Form = form
	if v.Services, err = a.service.List(ctx); err != nil {
		return v, err
	}
	open, err := a.alert.List(ctx, alert.Filter{Current: true})
	if err != nil {
		return v, err
	}
	states, err := a.monitor.ByService(ctx)
	if err != nil {
		return v, err
	}
	broken := a.demo.targets.broken()
	for _, s := range v.Services {
		how, ok := broken[s.Slug]
		if !ok {
			continue
		}
		b := demoBroken{Service: s, How: how, State: states[s.Slug]}
		if i := slices.IndexFunc(open, func(x alert.Alert) bool { return x.Service == s.Slug }); i >= 0 {
			b.Alert = open[i].ID
		}
		v.Broken = append(v.Broken, b)
	}
	for _, p := range a.demo.town.config.People {
		person, err := a.identity.PersonByEmail(ctx, p.Email)
		if err != nil {
			return v, err
		}
		v.People = append(v.People, person)
	}
	v.Me = identity.PersonID(ident.ActorOf(ctx).Person)
	t, err := a.identity.Current(ctx)
	v.Public = t.PublicURL
	return v, err
}

func (a *App) demoShow(w http.ResponseWriter, r *http.Request) error {
	v, err := a.demoView(r.Context(), web.NewForm(map[string]string{"service": "buergerportal", "how": string(errors5)}))
	if err != nil {
		return err
	}
	return web.Render(w, r, demoPage(v))
}

func (a *App) demoBreak(w http.ResponseWriter, r *http.Request) error {
	form, err := web.ReadForm(r)
	if err != nil {
		return err
	}
	form.Require("service", "how")
	how := breakage(form.Get("how"))
	if form.OK() && !slices.Contains(breakages(), how) {
		form.Fail("how", "app.demo_no_such_way")
	}
	if form.OK() && !a.demo.targets.set(form.Get("service"), how) {
		form.Fail("service", "app.demo_no_target")
	}
	if !form.OK() {
		v, err := a.demoView(r.Context(), form)
		if err != nil {
			return err
		}
		return web.RenderStatus(w, r, http.StatusUnprocessableEntity, demoPage(v))
	}
	return a.demoLook(w, r, form.Get("service"))
}

func (a *App) demoRepair(w http.ResponseWriter, r *http.Request) error {
	form, err := web.ReadForm(r)
	if err != nil {
		return err
	}
	if !a.demo.targets.set(form.Get("service"), works) {
		return fault.New(fault.NotFound, "app.demo_no_target")
	}
	return a.demoLook(w, r, form.Get("service"))
}

// demoLook lets the check look at once, since nobody at a demo likes to wait
// for its turn. The alarm still comes from the check itself. Whoever took the
// check out of the console sees the target fail and nothing happen.
func (a *App) demoLook(w http.ResponseWriter, r *http.Request, slug string) error {
	if err := a.monitor.Probe(ident.WithActor(r.Context(), ident.System), slug); err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	return web.SeeOther(w, r, "/demo")
}

// demoAs signs in as somebody else of the town, so that one visitor can play
// both of four eyes.
func (a *App) demoAs(w http.ResponseWriter, r *http.Request) error {
	form, err := web.ReadForm(r)
	if err != nil {
		return err
	}
	link, err := a.demoLink(r.Context(), identity.PersonID(form.Get("person")))
	if err != nil {
		return err
	}
	u, err := url.Parse(link)
	if err != nil {
		return err
	}
	// By its path alone: the visitor may have come by another name than the link's.
	return web.SeeOther(w, r, u.RequestURI())
}

func demoOptions(v demoView) (out []web.Option) {
	for _, s := range v.Services {
		out = append(out, web.Option{Value: s.Slug, Text: s.Name})
	}
	return out
}

func demoWays(ctx context.Context) (out []web.Option) {
	for _, b := range breakages() {
		out = append(out, web.Option{Value: string(b), Text: i18n.T(ctx, "app.demo_how_"+string(b))})
	}
	return out
}

func demoSay(ctx context.Context, v demoView) string {
	if len(v.Broken) == 0 {
		return i18n.T(ctx, "app.demo_say_well", len(v.Services))
	}
	return i18n.N(ctx, "app.demo_say_broken", len(v.Broken))
}
