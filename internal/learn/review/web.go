package review

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/identity"
)

// Routes hangs the room's pages into the console.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /review", web.Staff(r.pageList))
	s.Handle("GET /review/{id}", web.Staff(r.pageOne))
	s.Handle("POST /review/{id}/clock", web.Staff(r.postClock))
	s.Handle("GET /review/{id}/draft/{clock}", web.Staff(r.pageDraft))
	s.Handle("POST /review/{id}/clock/{clock}", web.Staff(r.postSettle))
	s.Handle("POST /review/{id}/improvement", web.Staff(r.postImprovement))
	s.Handle("POST /review/{id}/improvement/{improvement}", web.Staff(r.postClose))
}

func href(id incident.ID) string { return "/review/" + url.PathEscape(string(id)) }

// listView is the page of everything that is still to be done.
type listView struct {
	Clocks       []Lined
	Improvements []improvementView
	Waiting      []incident.Incident // closed, not yet reviewed
	Now          time.Time
}

// Lined is a clock with its rule and its incident's title.
type Lined struct {
	Clock
	Rule  Rule
	Title string
	Late  bool
}

type improvementView struct {
	Improvement
	Title string
	Late  bool
}

func (r *Room) lined(all []Clock, titles map[incident.ID]string) []Lined {
	now := r.o.Clock.Now()
	out := make([]Lined, 0, len(all))
	for _, c := range all {
		x, err := r.rule(c.Rule)
		if err != nil {
			x = Rule{ID: c.Rule, Name: c.Rule, NameEN: c.Rule} // a rule that a later version no longer has
		}
		out = append(out, Lined{Clock: c, Rule: x, Title: titles[c.Incident], Late: c.Late(now)})
	}
	return out
}

// titles are the names of incidents, for lists over several of them.
func (r *Room) titles(ctx context.Context, ids ...incident.ID) (map[incident.ID]string, error) {
	out := map[incident.ID]string{}
	for _, id := range ids {
		if _, known := out[id]; known {
			continue
		}
		i, err := r.o.Incidents.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		out[id] = i.Title
	}
	return out, nil
}

// Running lists the open legal clocks, of one incident or of all.
func (r *Room) Running(ctx context.Context, in incident.ID) ([]Lined, error) {
	all, err := r.Clocks(ctx, in)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(c Clock) bool { return c.State != ClockOpen })
	var ids []incident.ID
	for _, c := range all {
		ids = append(ids, c.Incident)
	}
	titles, err := r.titles(ctx, ids...)
	return r.lined(all, titles), err
}

func (r *Room) pageList(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	v := listView{Now: r.o.Clock.Now()}
	clocks, err := r.Clocks(ctx, "")
	if err != nil {
		return err
	}
	improvements, err := r.Improvements(ctx, "")
	if err != nil {
		return err
	}
	var ids []incident.ID
	for _, c := range clocks {
		ids = append(ids, c.Incident)
	}
	for _, i := range improvements {
		ids = append(ids, i.Incident)
	}
	titles, err := r.titles(ctx, ids...)
	if err != nil {
		return err
	}
	_, zone, err := r.home(ctx)
	if err != nil {
		return err
	}
	v.Clocks = r.lined(clocks, titles)
	for _, i := range improvements {
		v.Improvements = append(v.Improvements, improvementView{i, titles[i.Incident], i.Overdue(v.Now, zone)})
	}
	for _, phase := range []incident.Phase{incident.Restored, incident.Closed} {
		list, err := r.o.Incidents.List(ctx, incident.Filter{Phase: phase, Limit: 50})
		if err != nil {
			return err
		}
		v.Waiting = append(v.Waiting, list...)
	}
	return web.Render(w, req, listPage(v))
}

// oneView is the page of one incident's review.
type oneView struct {
	Incident     incident.Incident
	Figures      Figures
	Names        map[string]string // of audiences
	Journal      []incident.Entry
	Clocks       []Lined
	Rules        []Rule // that could still be started
	Improvements []improvementView
	Opinions     []Opinion
	Links        []surveyOf
	Form         *web.Form
	People       []web.Option
	MayAct       bool
	Failed       string // which form was refused
}

type surveyOf struct{ Name, URL string }

func (r *Room) pageOne(w http.ResponseWriter, req *http.Request) error {
	return r.showOne(w, req, http.StatusOK, "", web.NewForm(nil))
}

func (r *Room) showOne(w http.ResponseWriter, req *http.Request, status int, failed string, f *web.Form) error {
	ctx, id := req.Context(), incident.ID(req.PathValue("id"))
	v := oneView{Form: f, Failed: failed, MayAct: mayAct(ctx), Names: map[string]string{}}
	var err error
	if v.Incident, err = r.o.Incidents.Get(ctx, id); err != nil {
		return err
	}
	if v.Figures, err = r.Figures(ctx, v.Incident); err != nil {
		return err
	}
	if v.Journal, err = r.o.Incidents.Journal(ctx, id); err != nil {
		return err
	}
	clocks, err := r.Clocks(ctx, id)
	if err != nil {
		return err
	}
	v.Clocks = r.lined(clocks, map[incident.ID]string{id: v.Incident.Title})
	rules, err := r.Rules(ctx)
	if err != nil {
		return err
	}
	v.Rules = slices.DeleteFunc(rules, func(x Rule) bool {
		return x.After != "" || slices.ContainsFunc(clocks, func(c Clock) bool { return c.Rule == x.ID })
	})
	t, zone, err := r.home(ctx)
	if err != nil {
		return err
	}
	improvements, err := r.Improvements(ctx, id)
	if err != nil {
		return err
	}
	for _, i := range improvements {
		v.Improvements = append(v.Improvements, improvementView{i, "", i.Overdue(r.o.Clock.Now(), zone)})
	}
	if v.Opinions, err = r.Opinions(ctx, id); err != nil {
		return err
	}
	audiences, err := r.o.Audiences.Audiences(ctx)
	if err != nil {
		return err
	}
	for _, a := range audiences {
		v.Names[a.Slug] = a.Name
	}
	said, err := r.o.Statements.List(ctx, publish.Filter{Incident: id, States: []publish.State{publish.StatePublished}, Limit: 1000})
	if err != nil {
		return err
	}
	from := linksFrom(said, r.o.Clock.Now())
	for _, h := range v.Figures.Audiences {
		if v.Incident.Private || t.PublicURL == "" {
			break // the form stands on the public listener (I17)
		}
		link, err := r.SurveyLink(ctx, id, h.Audience, from)
		if err != nil {
			return err
		}
		v.Links = append(v.Links, surveyOf{v.name(h.Audience), strings.TrimSuffix(t.PublicURL, "/") + "/" + link})
	}
	people, err := r.o.People.People(ctx, identity.Filter{Active: true, Limit: 1000})
	if err != nil {
		return err
	}
	for _, p := range people {
		v.People = append(v.People, web.Option{Value: p.Email, Text: p.Name})
	}
	return web.RenderStatus(w, req, status, onePage(v))
}

func (v oneView) name(audience string) string {
	if n := v.Names[audience]; n != "" {
		return n
	}
	return audience
}

// form reads a posted form and shows the page again when fn finds it wanting.
func (r *Room) form(w http.ResponseWriter, req *http.Request, which string, fn func(ctx context.Context, f *web.Form) error) error {
	if !mayAct(req.Context()) {
		return ErrForbidden
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	if err = fn(req.Context(), f); err == nil && f.OK() {
		return web.SeeOther(w, req, href(incident.ID(req.PathValue("id"))))
	}
	if err != nil && !f.Take(err) {
		return err
	}
	return r.showOne(w, req, http.StatusUnprocessableEntity, which, f)
}

// inputTime is the form of datetime-local, in the reader's zone.
const inputTime = "2006-01-02T15:04"

func readTime(ctx context.Context, f *web.Form, field string) time.Time {
	v := f.Get(field)
	if v == "" {
		return time.Time{}
	}
	t, err := time.ParseInLocation(inputTime, v, i18n.Of(ctx).Zone)
	if err != nil {
		f.Fail(field, "review.bad_time")
	}
	return t
}

func (r *Room) postClock(w http.ResponseWriter, req *http.Request) error {
	return r.form(w, req, "clock", func(ctx context.Context, f *web.Form) error {
		aware := readTime(ctx, f, "aware")
		if f.Require("rule"); !f.OK() {
			return nil
		}
		_, err := r.StartClock(ctx, incident.ID(req.PathValue("id")), f.Get("rule"), aware)
		return err
	})
}

func (r *Room) postSettle(w http.ResponseWriter, req *http.Request) error {
	id := ClockID(req.PathValue("clock"))
	return r.form(w, req, string(id), func(ctx context.Context, f *web.Form) error {
		if f.Get("act") == "decline" {
			_, err := r.Decline(ctx, id, f.Get("reason"))
			return err
		}
		at := readTime(ctx, f, "at")
		if !f.OK() {
			return nil
		}
		_, err := r.Report(ctx, id, at, f.Get("reference"), f.Get("reason"))
		return err
	})
}

func (r *Room) postImprovement(w http.ResponseWriter, req *http.Request) error {
	return r.form(w, req, "improvement", func(ctx context.Context, f *web.Form) error {
		_, err := r.AddImprovement(ctx, Improvement{Incident: incident.ID(req.PathValue("id")), Text: f.Get("text"), Owner: f.Get("owner"), Due: f.Get("day")})
		return err
	})
}

func (r *Room) postClose(w http.ResponseWriter, req *http.Request) error {
	id := req.PathValue("improvement")
	return r.form(w, req, id, func(ctx context.Context, f *web.Form) error {
		_, err := r.CloseImprovement(ctx, id, ImprovementState(f.Get("act")), f.Get("result"))
		return err
	})
}

// pageDraft is the report as far as the journal can write it, to be read,
// completed and sent by a person.
func (r *Room) pageDraft(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	c, err := r.Clock(ctx, ClockID(req.PathValue("clock")))
	if err != nil {
		return err
	}
	if string(c.Incident) != req.PathValue("id") {
		return ErrNoClock
	}
	x, err := r.rule(c.Rule)
	if err != nil {
		return err
	}
	d, err := r.Draft(ctx, c)
	if err != nil {
		return err
	}
	return web.Render(w, req, draftPage(c, x, d))
}
