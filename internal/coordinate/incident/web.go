package incident

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

// Catalogue is the optional ability of [Services] to list them, for the form
// that opens an incident.
type Catalogue interface {
	List(ctx context.Context) ([]service.Service, error)
}

// Routes adds this room's pages. The incident's own page, which shows several
// rooms, is desk's; the forms on it lead here.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /incident", web.Staff(r.pageList))
	s.Handle("GET /incident/new", web.Staff(r.pageNew))
	s.Handle("POST /incident", web.Staff(r.postOpen))
	s.Handle("GET /incident/rules", web.Staff(r.pageRules))
	s.Handle("POST /incident/rules", web.Staff(r.postRule))
	s.Handle("POST /incident/rules/drop", web.Staff(r.postDropRule))
	s.Handle("POST /incident/{id}/phase", web.Staff(r.postPhase))
	s.Handle("POST /incident/{id}/level", web.Staff(r.postLevel))
	s.Handle("POST /incident/{id}/dismiss", web.Staff(r.postDismiss))
	s.Handle("POST /incident/{id}/reopen", web.Staff(r.postReopen))
	s.Handle("POST /incident/{id}/merge", web.Staff(r.postMerge))
	s.Handle("GET /incident/{id}/journal", web.Staff(r.pageJournal))
	s.Handle("POST /incident/{id}/journal", web.Staff(r.postNote))
	r.commitmentRoutes(s)
	s.Handle("GET /incident/{id}/facts/{fact}", web.Staff(r.pageFact))
	s.Handle("POST /incident/{id}/facts/{fact}", web.Staff(r.postFact))
	r.taskRoutes(s)
}

const perPage = 50

// listView is the page of all incidents.
type listView struct {
	Incidents []Incident
	All       bool
	Ended     bool
	Next      ID
	First     bool
}

func (v listView) say(ctx context.Context) string {
	if v.All {
		return i18n.T(ctx, "incident.page.list_all")
	}
	if v.Ended {
		return i18n.T(ctx, "incident.page.list_ended")
	}
	if len(v.Incidents) == 0 {
		return i18n.T(ctx, "incident.page.list_quiet")
	}
	return i18n.N(ctx, "incident.page.list_say", len(v.Incidents))
}

func (v listView) links(ctx context.Context) []web.PageLink {
	q := url.Values{}
	if v.All {
		q.Set("all", "1")
	}
	if v.Ended {
		q.Set("ended", "1")
	}
	out := []web.PageLink{}
	if !v.First {
		out = append(out, web.PageLink{Href: "/incident?" + q.Encode(), Text: i18n.T(ctx, "incident.page.newest")})
	}
	if v.Next != "" {
		q.Set("after", string(v.Next))
		out = append(out, web.PageLink{Href: "/incident?" + q.Encode(), Text: i18n.T(ctx, "incident.page.older"), Rel: "next"})
	}
	return out
}

func (r *Room) pageList(w http.ResponseWriter, req *http.Request) error {
	v := listView{All: req.FormValue("all") != "", Ended: req.FormValue("ended") != "", First: req.FormValue("after") == ""}
	var err error
	v.Incidents, err = r.List(req.Context(), Filter{Current: !v.All && !v.Ended, Ended: v.Ended, After: ID(req.FormValue("after")), Limit: perPage + 1})
	if err != nil {
		return err
	}
	if len(v.Incidents) > perPage {
		v.Incidents = v.Incidents[:perPage]
		v.Next = v.Incidents[perPage-1].ID
	}
	return web.Render(w, req, listPage(v))
}

func (r *Room) pageNew(w http.ResponseWriter, req *http.Request) error {
	if err := allowed(req.Context()); err != nil {
		return err
	}
	return r.showNew(w, req, http.StatusOK, web.NewForm(map[string]string{"level": string(Disruption)}))
}

func (r *Room) showNew(w http.ResponseWriter, req *http.Request, status int, f *web.Form) error {
	options, err := r.catalogue(req.Context())
	if err != nil {
		return err
	}
	return web.RenderStatus(w, req, status, newPage(f, options))
}

// catalogue are the services to choose from.
func (r *Room) catalogue(ctx context.Context) ([]web.Option, error) {
	c, ok := r.o.Services.(Catalogue)
	if !ok {
		return nil, nil
	}
	all, err := c.List(ctx)
	if err != nil {
		return nil, err
	}
	var out []web.Option
	for _, s := range all {
		out = append(out, web.Option{Value: s.Slug, Text: s.Name})
	}
	return out, nil
}

func (r *Room) postOpen(w http.ResponseWriter, req *http.Request) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	q := OpenRequest{
		Title: f.Get("title"), Services: f.All("services"), Level: Level(f.Get("level")),
		Private: f.Has("flags", "private"), Confirmed: f.Has("flags", "confirmed"),
	}
	if f.Has("flags", "exercise") {
		q.Realm = Exercise
	}
	i, err := r.Open(req.Context(), q)
	if byField(f, err) {
		return r.showNew(w, req, fault.Status(fault.KindOf(err)), f)
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, href(i))
}

// byField reports whether err belongs to a field of the form, which is then
// shown again; other errors have a page of their own, with their details.
func byField(f *web.Form, err error) bool {
	return err != nil && len(fault.As(err).Fields) > 0 && f.Take(err)
}

// act is a form on the incident's page: do it, and go back there; or show the
// form again with what is wrong.
func (r *Room) act(w http.ResponseWriter, req *http.Request, anchor string,
	do func(ctx context.Context, id ID, f *web.Form) error,
	again func(i Incident, f *web.Form) templ.Component,
) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	ctx, id := req.Context(), ID(req.PathValue("id"))
	err = do(ctx, id, f)
	if byField(f, err) || !f.OK() {
		i, e := r.Get(ctx, id)
		if e != nil {
			return e
		}
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, refusedPage(i, again(i, f)))
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, href(Incident{ID: id})+anchor)
}

func (r *Room) postPhase(w http.ResponseWriter, req *http.Request) error {
	return r.act(w, req, "#phase", func(ctx context.Context, id ID, f *web.Form) error {
		return r.Advance(ctx, id, Phase(f.Get("phase")), f.Get("remark"))
	}, func(i Incident, f *web.Form) templ.Component { return PhaseCard(i, f) })
}

func (r *Room) postLevel(w http.ResponseWriter, req *http.Request) error {
	return r.act(w, req, "", func(ctx context.Context, id ID, f *web.Form) error {
		return r.SetLevel(ctx, id, Level(f.Get("level")))
	}, func(i Incident, f *web.Form) templ.Component { return LevelCard(i, f) })
}

func (r *Room) postDismiss(w http.ResponseWriter, req *http.Request) error {
	return r.act(w, req, "", func(ctx context.Context, id ID, f *web.Form) error {
		return r.Dismiss(ctx, id, f.Get("reason"))
	}, func(i Incident, f *web.Form) templ.Component { return EndCard(i, nil, f) })
}

func (r *Room) postReopen(w http.ResponseWriter, req *http.Request) error {
	return r.act(w, req, "", func(ctx context.Context, id ID, f *web.Form) error {
		return r.Reopen(ctx, id, f.Get("reason"))
	}, func(i Incident, f *web.Form) templ.Component { return EndCard(i, nil, f) })
}

func (r *Room) postMerge(w http.ResponseWriter, req *http.Request) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	into := ID(f.Get("into"))
	if err := r.Merge(req.Context(), ID(req.PathValue("id")), into, f.Get("reason")); err != nil {
		return err
	}
	return web.SeeOther(w, req, href(Incident{ID: into}))
}

func (r *Room) postNote(w http.ResponseWriter, req *http.Request) error {
	return r.act(w, req, "#tagebuch", func(ctx context.Context, id ID, f *web.Form) error {
		err := r.Note(ctx, id, f.Get("entry"))
		if errors.Is(err, ErrNoText) {
			f.Fail("entry", ErrNoText.Key)
			return nil
		}
		return err
	}, func(i Incident, f *web.Form) templ.Component { return noteForm(i, f) })
}

func (r *Room) pageJournal(w http.ResponseWriter, req *http.Request) error {
	ctx, id := req.Context(), ID(req.PathValue("id"))
	i, err := r.Get(ctx, id)
	if err != nil {
		return err
	}
	entries, err := r.Journal(ctx, id)
	if err != nil {
		return err
	}
	var broken *Broken
	if err := r.VerifyJournal(ctx, id); err != nil && !errors.As(err, &broken) {
		return err
	}
	return web.Render(w, req, journalPage(i, entries, broken))
}

// newFact stands in an address for a fact that does not exist yet.
const newFact = "new"

func factAction(i Incident, fact FactID) string {
	if fact == "" {
		return href(i, "facts", newFact)
	}
	return href(i, "facts", string(fact))
}

func factFlags(ctx context.Context, fact FactID) []web.Option {
	out := []web.Option{{Value: "hold", Text: i18n.T(ctx, "incident.page.fact_hold"), Hint: i18n.T(ctx, "incident.page.fact_hold_hint")}}
	if fact != "" {
		out = append(out, web.Option{Value: "withdrawn", Text: i18n.T(ctx, "incident.page.fact_withdraw")})
	}
	return out
}

func (r *Room) pageFact(w http.ResponseWriter, req *http.Request) error {
	ctx, fact := req.Context(), FactID(req.PathValue("fact"))
	i, err := r.Get(ctx, ID(req.PathValue("id")))
	if err != nil {
		return err
	}
	if fact == newFact {
		return web.Render(w, req, factPage(i, web.NewForm(map[string]string{"certainty": string(FactConfirmed)}), "", nil))
	}
	history, err := r.FactHistory(ctx, i.ID, fact)
	if err != nil {
		return err
	}
	return web.Render(w, req, factPage(i, factForm(ctx, history[len(history)-1]), fact, history))
}

func (r *Room) postFact(w http.ResponseWriter, req *http.Request) error {
	form, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	ctx, id, fact := req.Context(), ID(req.PathValue("id")), FactID(req.PathValue("fact"))
	if fact == newFact {
		fact = ""
	}
	f := readFact(ctx, form)
	f.ID = fact
	if form.OK() {
		if fact == "" {
			_, err = r.AddFact(ctx, id, f)
		} else {
			_, err = r.UpdateFact(ctx, id, f)
		}
		if err == nil {
			return web.SeeOther(w, req, href(Incident{ID: id})+"#fakten")
		}
		if !form.Take(err) {
			return err
		}
	}
	i, err := r.Get(ctx, id)
	if err != nil {
		return err
	}
	var history []Fact
	if fact != "" {
		if history, err = r.FactHistory(ctx, id, fact); err != nil {
			return err
		}
		// Saved once more, it goes on top of what somebody else wrote meanwhile.
		form.Values.Set("version", number(int64(history[len(history)-1].Version)))
	}
	return web.RenderStatus(w, req, http.StatusUnprocessableEntity, factPage(i, form, fact, history))
}

func (r *Room) pageRules(w http.ResponseWriter, req *http.Request) error {
	return r.showRules(w, req, http.StatusOK, web.NewForm(map[string]string{"minutes": "15", "mode": "after"}))
}

func (r *Room) showRules(w http.ResponseWriter, req *http.Request, status int, f *web.Form) error {
	ctx := req.Context()
	rules, err := r.Rules(ctx)
	if err != nil {
		return err
	}
	services, err := r.catalogue(ctx)
	if err != nil {
		return err
	}
	return web.RenderStatus(w, req, status, rulesPage(rules, services, f))
}

func (r *Room) postRule(w http.ResponseWriter, req *http.Request) error {
	if !isAdmin(req.Context()) {
		return ErrForbidden
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	rule := Rule{Service: f.Get("service"), Never: f.Get("mode") == "never"}
	if !rule.Never {
		minutes, err := strconv.Atoi(f.Get("minutes"))
		if err != nil || minutes < 0 || minutes > 24*60 {
			f.Fail("minutes", "incident.bad_after")
		}
		rule.After = time.Duration(minutes) * time.Minute
	}
	if f.OK() {
		if err = r.SetRule(req.Context(), rule); err == nil {
			return web.SeeOther(w, req, "/incident/rules")
		}
		if !byField(f, err) {
			return err
		}
	}
	return r.showRules(w, req, http.StatusUnprocessableEntity, f)
}

func (r *Room) postDropRule(w http.ResponseWriter, req *http.Request) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	if err := r.DropRule(req.Context(), f.Get("service")); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/incident/rules")
}

// isAdmin reports whether the reader may change rules.
func isAdmin(ctx context.Context) bool { return ident.ActorOf(ctx).Has(string(identity.RoleAdmin)) }

// ruleOf names the services of a rule, and when it opens an incident.
func ruleOf(ctx context.Context, rule Rule, services []web.Option) (what, when string) {
	what = i18n.T(ctx, "incident.rule.all")
	for _, s := range services {
		if s.Value == rule.Service {
			what = s.Text
		}
	}
	if rule.Never {
		return what, i18n.T(ctx, "incident.rule.never")
	}
	return what, i18n.T(ctx, "incident.rule.after", i18n.Span(ctx, rule.After))
}
