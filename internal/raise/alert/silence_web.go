package alert

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// silenceRoutes are the pages of silences.
func (r *Room) silenceRoutes(s *web.Site) {
	s.Handle("GET /alert/silence", web.Staff(r.pageSilences))
	s.Handle("GET /alert/silence/new", web.Staff(r.pageSilence))
	s.Handle("POST /alert/silence/new", web.Staff(r.postSilence))
	s.Handle("POST /alert/silence/{id}/end", web.Staff(r.postUnsilence))
}

// localTime is how a browser writes date and time into a form.
const localTime = "2006-01-02T15:04"

// silenceItem is one silence of the list.
type silenceItem struct {
	Silence
	State web.State
	Word  string // text key
	Open  bool   // it can still be lifted
	Keeps []Alert
	Name  string // of the service
}

// silencesView is the page of all silences.
type silencesView struct {
	Items  []silenceItem
	Next   SilenceID
	First  bool
	MayAct bool
}

func (r *Room) pageSilences(w http.ResponseWriter, req *http.Request) error {
	ctx, now := req.Context(), r.o.Clock.Now()
	after := SilenceID(req.FormValue("after"))
	all, err := r.Silences(ctx, SilenceFilter{After: after, Limit: perPage + 1})
	if err != nil {
		return err
	}
	v := silencesView{First: after == "", MayAct: ident.ActorOf(ctx).Has(mayAct...)}
	if len(all) > perPage {
		all = all[:perPage]
		v.Next = all[perPage-1].ID
	}
	kept, err := r.kept(ctx)
	if err != nil {
		return err
	}
	for _, s := range all {
		it := silenceItem{Silence: s, State: web.Unknown, Word: "alert.silence.over", Open: s.ended().After(now), Keeps: kept[s.ID]}
		switch {
		case s.Active(now):
			it.State, it.Word = web.Pending, "alert.silence.active"
		case it.Open:
			it.State, it.Word = web.Checking, "alert.silence.planned"
		}
		if s.Match.Service != "" {
			svc, err := r.service(ctx, s.Match.Service)
			if err != nil {
				return err
			}
			it.Name = svc.Name
		}
		v.Items = append(v.Items, it)
	}
	return web.Render(w, req, silenceList(v))
}

// kept are the alerts that each silence holds back now.
func (r *Room) kept(ctx context.Context) (map[SilenceID][]Alert, error) {
	db, tenant := r.o.Store.Read(ctx), ident.TenantOf(ctx)
	var rows []holdRow
	err := db.NewSelect().Model(&rows).ColumnExpr("DISTINCT alert_id, ref").
		Where("tenant_id = ? AND reason = ?", tenant, Silenced).OrderExpr("alert_id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("alert: holds: %w", err)
	}
	out, seen := map[SilenceID][]Alert{}, map[ID]Alert{}
	for _, h := range rows {
		a, ok := seen[h.AlertID]
		if !ok {
			if a, err = get(ctx, db, tenant, h.AlertID); err != nil {
				return nil, err
			}
			seen[h.AlertID] = a
		}
		out[SilenceID(h.Ref)] = append(out[SilenceID(h.Ref)], a)
	}
	return out, nil
}

// silenceForm is the page on which a silence is entered.
type silenceForm struct {
	Form     *web.Form
	Services []web.Option
	About    Alert // the alert from which the reader came; empty: none
}

func (r *Room) pageSilence(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if !ident.ActorOf(ctx).Has(mayAct...) {
		return ErrForbidden
	}
	f := web.NewForm(nil)
	f.Values.Set("until", r.o.Clock.Now().Add(2*time.Hour).In(i18n.Of(ctx).Zone).Format(localTime))
	v := silenceForm{Form: f}
	if id := ID(req.FormValue("alert")); id != "" {
		a, err := r.Get(ctx, id)
		if err != nil {
			return err
		}
		v.About = a
		m := matchOf(a)
		f.Values.Set("service", m.Service)
		f.Values.Set("source", m.Source)
		f.Values.Set("monitor", m.Monitor)
		f.Values.Set("labels", labelLines(m.Labels))
	}
	return r.showSilence(w, req, http.StatusOK, v)
}

func (r *Room) showSilence(w http.ResponseWriter, req *http.Request, status int, v silenceForm) error {
	ctx := req.Context()
	all, err := r.catalogue(ctx)
	if err != nil {
		return err
	}
	v.Services = []web.Option{{Value: "", Text: i18n.T(ctx, "alert.silence.any")}}
	for _, s := range all {
		v.Services = append(v.Services, web.Option{Value: s.Slug, Text: s.Name})
	}
	return web.RenderStatus(w, req, status, silencePage(v))
}

// matchOf proposes what a silence for the alert would name: its service, else the
// system that reports it and what all of it has in common.
func matchOf(a Alert) (m Match) {
	if a.Service != "" {
		return Match{Service: a.Service}
	}
	if len(a.Signals) == 0 {
		return m
	}
	first := a.Signals[0]
	if slug, ok := strings.CutPrefix(first.Key, "monitor:"); ok && first.Path == signal.Monitor {
		slug, _, _ = strings.Cut(slug, ":")
		return Match{Monitor: slug}
	}
	if rest, ok := strings.CutPrefix(first.Key, "intake:"); ok && first.Path == signal.Intake {
		m.Source, _, _ = strings.Cut(rest, ":")
	}
	for name, value := range first.Labels {
		same := true
		for _, s := range a.Signals {
			same = same && s.Labels[name] == value
		}
		if same {
			m.Labels = append(m.Labels, Label{name, value})
		}
	}
	return m.tidy()
}

// labelLines is one label a line, as the form has them.
func labelLines(all []Label) string {
	var out []string
	for _, l := range all {
		out = append(out, l.Name+"="+l.Value)
	}
	return strings.Join(out, "\n")
}

func readLabels(text string) (out []Label) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, _ := strings.Cut(line, "=") // one without a value is refused in words
		out = append(out, Label{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	return out
}

func (r *Room) postSilence(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if !ident.ActorOf(ctx).Has(mayAct...) {
		return ErrForbidden
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	s := Silence{
		Match:  Match{Service: f.Get("service"), Source: f.Get("source"), Monitor: f.Get("monitor"), Labels: readLabels(f.Get("labels"))},
		Reason: f.Get("reason"),
	}
	for name, to := range map[string]*time.Time{"from": &s.From, "until": &s.Until} {
		if f.Get(name) == "" {
			continue
		}
		at, err := time.ParseInLocation(localTime, f.Get(name), i18n.Of(ctx).Zone)
		if err != nil {
			f.Fail(name, "alert.silence_bad_time")
			continue
		}
		*to = at.UTC()
	}
	if f.OK() {
		_, err = r.Silence(ctx, s)
	}
	if !f.OK() || f.Take(err) {
		status := http.StatusUnprocessableEntity
		if err != nil {
			status = fault.Status(fault.KindOf(err))
		}
		return r.showSilence(w, req, status, silenceForm{Form: f})
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, "/alert/silence")
}

func (r *Room) postUnsilence(w http.ResponseWriter, req *http.Request) error {
	_, err := r.Unsilence(req.Context(), SilenceID(req.PathValue("id")))
	if err != nil && fault.KindOf(err) != fault.Conflict { // one that is over shows itself so
		return err
	}
	return web.SeeOther(w, req, "/alert/silence")
}

// what says in words what the silence is about.
func (s silenceItem) what(ctx context.Context) string { return matchText(ctx, s.Match, s.Name) }

func matchText(ctx context.Context, m Match, name string) string {
	var out []string
	if m.Service != "" {
		if name == "" {
			name = m.Service
		}
		out = append(out, i18n.T(ctx, "alert.silence.is_service", name))
	}
	if m.Source != "" {
		out = append(out, i18n.T(ctx, "alert.silence.is_source", m.Source))
	}
	if m.Monitor != "" {
		out = append(out, i18n.T(ctx, "alert.silence.is_monitor", m.Monitor))
	}
	for _, l := range m.Labels {
		out = append(out, l.Name+" = "+l.Value)
	}
	return strings.Join(out, ", ")
}

// newSilenceURL leads from an alert to the form.
func newSilenceURL(a Alert) string {
	return "/alert/silence/new?alert=" + url.QueryEscape(string(a.ID))
}
