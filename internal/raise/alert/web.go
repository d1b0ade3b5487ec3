package alert

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// Routes adds this room's pages. /a/… is short because it stands in mails.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /alert", web.Staff(r.pageList))
	s.Handle("GET /alert/{id}", web.Staff(r.pageAlert))
	s.Handle("POST /alert/{id}/acknowledge", web.Staff(r.postAcknowledge))
	s.Handle("POST /alert/{id}/close", web.Staff(r.postClose))
	r.answerRoutes(s)
	r.silenceRoutes(s)
	s.Handle("GET /a/{token}", r.pageLink)
	s.Handle("POST /a/{token}", r.postLink)
}

// perPage is the length of the list's pages.
const perPage = 50

// courseLines is how much of a course one page shows.
const courseLines = 200

// withheldFor is how long a withheld alarm stays listed after its end.
const withheldFor = 24 * time.Hour

func (r *Room) pageList(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	v := listView{All: req.FormValue("all") != "", First: req.FormValue("after") == ""}
	var err error
	v.Alerts, err = r.List(ctx, Filter{Current: !v.All, After: ID(req.FormValue("after")), Limit: perPage + 1})
	if err != nil {
		return err
	}
	if len(v.Alerts) > perPage {
		v.Alerts = v.Alerts[:perPage]
		v.Next = v.Alerts[perPage-1].ID
	}
	if v.Withheld, err = r.Withheld(ctx, r.o.Clock.Now().Add(-withheldFor)); err != nil {
		return err
	}
	return web.Render(w, req, alertList(v))
}

// links lead to the first and the next page.
func (v listView) links(ctx context.Context) []web.PageLink {
	q := url.Values{}
	if v.All {
		q.Set("all", "1")
	}
	out := []web.PageLink{}
	if !v.First {
		out = append(out, web.PageLink{Href: "/alert?" + q.Encode(), Text: i18n.T(ctx, "alert.page.newest")})
	}
	if v.Next != "" {
		q.Set("after", string(v.Next))
		out = append(out, web.PageLink{Href: "/alert?" + q.Encode(), Text: i18n.T(ctx, "alert.page.older"), Rel: "next"})
	}
	return out
}

func (r *Room) pageAlert(w http.ResponseWriter, req *http.Request) error {
	return r.showAlert(w, req, http.StatusOK, web.NewForm(nil))
}

func (r *Room) showAlert(w http.ResponseWriter, req *http.Request, status int, f *web.Form) error {
	ctx, id := req.Context(), ID(req.PathValue("id"))
	a, err := r.Get(ctx, id)
	if err != nil {
		return err
	}
	v := alertView{Alert: a, Form: f, MayAct: ident.ActorOf(ctx).Has(mayAct...)}
	if v.Service, err = r.service(ctx, a.Service); err != nil {
		return err
	}
	if v.Decisions, err = r.Decisions(ctx, id); err != nil {
		return err
	}
	if v.Mine, err = r.Why(ctx, id, ident.ActorOf(ctx).Person); err != nil {
		return err
	}
	all, err := r.Notified(ctx, id)
	if err != nil {
		return err
	}
	v.Told = tell(all)
	if v.Answer, err = r.answerView(ctx, a); err != nil {
		return err
	}
	if v.Course, err = r.Course(ctx, id, CourseFilter{After: req.FormValue("course"), Limit: courseLines + 1}); err != nil {
		return err
	}
	v.CourseFrom = req.FormValue("course") != ""
	if len(v.Course) > courseLines {
		v.Course = v.Course[:courseLines]
		v.CourseNext = v.Course[courseLines-1].ID
	}
	if v.HeldBy, err = r.HeldBy(ctx, a); err != nil {
		return err
	}
	effects, err := r.Effects(ctx, id)
	if err != nil {
		return err
	}
	v.Effects = effects[id]
	v.InformURL, v.OpenURL = with(r.o.InformURL, string(id)), with(r.o.OpenURL, string(id))
	if a.IncidentID != "" {
		v.Incident = with(r.o.IncidentURL, a.IncidentID)
	}
	return web.RenderStatus(w, req, status, alertPage(v))
}

// with puts an id into an address.
func with(address, id string) string { return strings.ReplaceAll(address, "{id}", url.PathEscape(id)) }

func (r *Room) postAcknowledge(w http.ResponseWriter, req *http.Request) error {
	id := req.PathValue("id")
	_, err := r.Acknowledge(req.Context(), ID(id))
	if err != nil && !errors.Is(err, ErrClosed) {
		return err
	}
	// One that is over shows itself so; there is nothing to explain beyond that.
	return web.SeeOther(w, req, "/alert/"+url.PathEscape(id))
}

func (r *Room) postClose(w http.ResponseWriter, req *http.Request) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	id := req.PathValue("id")
	_, err = r.Close(req.Context(), ID(id), f.Get("reason"))
	if f.Take(err) {
		return r.showAlert(w, req, fault.Status(fault.KindOf(err)), f)
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, "/alert/"+url.PathEscape(id))
}

// pageLink changes nothing: mail scanners follow links.
func (r *Room) pageLink(w http.ResponseWriter, req *http.Request) error {
	if r.isAway() {
		return r.awayLink(w, req, false)
	}
	ctx, a, err := r.ByLink(req.Context(), req.PathValue("token"))
	if err != nil {
		return r.gone(w, req, err)
	}
	inform := ""
	if a.IncidentID == "" && a.Service != "" {
		inform = with(r.o.InformURL, string(a.ID))
	}
	v, err := r.answerView(ctx, a)
	if err != nil {
		return err
	}
	of, err := r.service(ctx, a.Service)
	if err != nil {
		return err
	}
	return web.Render(w, req.WithContext(ctx), linkPage(a, of.Provider, ident.ActorOf(ctx).Name, inform, v))
}

func (r *Room) postLink(w http.ResponseWriter, req *http.Request) error {
	if r.isAway() {
		return r.awayLink(w, req, true)
	}
	token := req.PathValue("token")
	ctx, a, err := r.ByLink(req.Context(), token)
	if err != nil {
		return r.gone(w, req, err)
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	if err := r.answerForm(ctx, a.ID, Verb(f.Get("act")), f); err != nil && !errors.Is(err, ErrClosed) {
		return err
	}
	return web.SeeOther(w, req, "/a/"+url.PathEscape(token))
}

// gone explains a link that opens nothing.
func (r *Room) gone(w http.ResponseWriter, req *http.Request, err error) error {
	switch {
	case errors.Is(err, ErrLinkOld):
		return web.RenderStatus(w, req, http.StatusGone, linkGone(ErrLinkOld.Key))
	case errors.Is(err, ErrLink):
		return web.RenderStatus(w, req, http.StatusNotFound, linkGone(ErrLink.Key))
	default:
		return err
	}
}
