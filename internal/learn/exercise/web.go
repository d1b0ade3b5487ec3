package exercise

import (
	"context"
	"net/http"
	"net/url"

	"tuermer/internal/inform/template"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

// Routes hangs the room's pages into the console.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /exercise", web.Staff(r.pageList))
	s.Handle("POST /exercise", web.Staff(r.postBegin))
	s.Handle("GET /exercise/{id}", web.Staff(r.pageOne))
	s.Handle("POST /exercise/{id}/take", web.Staff(r.postTake))
	s.Handle("POST /exercise/{id}/end", web.Staff(r.postEnd))
}

func href(id ID) string { return "/exercise/" + url.PathEscape(string(id)) }

type listView struct {
	All       []Exercise
	Form      *web.Form
	Scenarios []web.Option
	MayAct    bool
}

func (r *Room) pageList(w http.ResponseWriter, req *http.Request) error {
	return r.showList(w, req, http.StatusOK, web.NewForm(map[string]string{"type": string(Rehearsal)}))
}

func (r *Room) showList(w http.ResponseWriter, req *http.Request, status int, f *web.Form) error {
	ctx := req.Context()
	all, err := r.List(ctx, "", 100)
	if err != nil {
		return err
	}
	v := listView{All: all, Form: f, MayAct: mayAct(ctx)}
	for _, s := range r.Scenarios() {
		title := s.Title
		if i18n.Of(ctx).Lang == i18n.EN {
			title = s.TitleEN
		}
		v.Scenarios = append(v.Scenarios, web.Option{Value: string(s.Scenario), Text: title})
	}
	return web.RenderStatus(w, req, status, listPage(v))
}

func (r *Room) postBegin(w http.ResponseWriter, req *http.Request) error {
	if !mayAct(req.Context()) {
		return ErrForbidden
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	e, err := r.Begin(req.Context(), Type(f.Get("type")), template.Scenario(f.Get("scenario")))
	if err != nil {
		if f.Take(err) {
			return r.showList(w, req, http.StatusUnprocessableEntity, f)
		}
		return err
	}
	return web.SeeOther(w, req, href(e.ID))
}

func (r *Room) pageOne(w http.ResponseWriter, req *http.Request) error {
	e, err := r.Get(req.Context(), ID(req.PathValue("id")))
	if err != nil {
		return err
	}
	return web.Render(w, req, onePage(e, mayAct(req.Context())))
}

// postTake leads on to the incident: whoever took it begins to work.
func (r *Room) postTake(w http.ResponseWriter, req *http.Request) error {
	e, err := r.Take(req.Context(), ID(req.PathValue("id")))
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, "/incident/"+url.PathEscape(string(e.Incident)))
}

func (r *Room) postEnd(w http.ResponseWriter, req *http.Request) error {
	e, err := r.End(req.Context(), ID(req.PathValue("id")))
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, href(e.ID))
}

func (e Exercise) look() web.State {
	switch {
	case e.State == Running:
		return web.Pending
	case len(e.Record.Findings) > 0:
		return web.Degraded
	default:
		return web.OK
	}
}

func (e Exercise) word(ctx context.Context) string {
	switch {
	case e.State == Running:
		return i18n.T(ctx, "exercise.state.running")
	case len(e.Record.Findings) > 0:
		return i18n.N(ctx, "exercise.state.findings", len(e.Record.Findings))
	default:
		return i18n.T(ctx, "exercise.state.ended")
	}
}
