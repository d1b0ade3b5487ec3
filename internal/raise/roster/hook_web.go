package roster

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/channel"
)

const hooksPage = "/roster/messenger"

func (r *Room) hookRoutes(s *web.Site) {
	s.Handle("GET "+hooksPage, web.Staff(r.pageHooks))
	s.Handle("POST "+hooksPage, web.Staff(r.postHook))
	s.Handle("POST "+hooksPage+"/{id}/secret", web.Staff(r.postHookSecret))
	s.Handle("POST "+hooksPage+"/{id}/revoke", web.Staff(r.postHookRevoke))
}

// hooksView is the page of the messenger commands.
type hooksView struct {
	Hooks []Hook
	Form  *web.Form
	Of    string // id of the hook whose secret was typed wrongly; empty: the form makes one
	URL   string // of the one just made
	Made  Hook
}

func (r *Room) showHooks(w http.ResponseWriter, req *http.Request, status int, v hooksView) error {
	var err error
	if v.Hooks, err = r.Hooks(req.Context()); err != nil {
		return err
	}
	if v.URL != "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	return web.RenderStatus(w, req, status, hooksTempl(v))
}

func newHookForm() *web.Form {
	return web.NewForm(map[string]string{"hook_product": string(channel.Mattermost)})
}

func (r *Room) pageHooks(w http.ResponseWriter, req *http.Request) error {
	return r.showHooks(w, req, http.StatusOK, hooksView{Form: newHookForm()})
}

func (r *Room) postHook(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if err := mayChange(ctx); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	h, url, err := r.MakeHook(ctx, channel.Form(f.Get("hook_product")), f.Get("hook_name"), "")
	if err == nil {
		return r.showHooks(w, req, http.StatusOK, hooksView{Form: newHookForm(), URL: url, Made: h})
	}
	if f.Take(err) {
		return r.showHooks(w, req, http.StatusUnprocessableEntity, hooksView{Form: f})
	}
	return err
}

func (r *Room) postHookSecret(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if err := mayChange(ctx); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	id := req.PathValue("id")
	err = r.SetHookSecret(ctx, id, f.Get("hook_secret"))
	if err == nil {
		return web.SeeOther(w, req, hooksPage)
	}
	if f.Take(err) {
		return r.showHooks(w, req, http.StatusUnprocessableEntity, hooksView{Form: f, Of: id})
	}
	return err
}

func (r *Room) postHookRevoke(w http.ResponseWriter, req *http.Request) error {
	if err := r.RevokeHook(req.Context(), req.PathValue("id")); err != nil {
		return err
	}
	return web.SeeOther(w, req, hooksPage)
}

// formOf is the form of a hook's secret: the one that was refused, or an empty one.
func (v hooksView) formOf(id string) *web.Form {
	if v.Of == id {
		return v.Form
	}
	return web.NewForm(nil)
}

// mark is the shape of how a hook stands, and word what it is.
func (h Hook) mark() web.State {
	switch {
	case !h.Ready:
		return web.Pending
	case !h.RefusedAt.IsZero():
		return web.Down
	case h.UsedAt.IsZero():
		return web.Pending
	}
	return web.OK
}

func (h Hook) word(ctx context.Context) string {
	switch {
	case !h.Ready:
		return i18n.T(ctx, "roster.hook_waits")
	case !h.RefusedAt.IsZero():
		return i18n.T(ctx, "roster.hook_refused", i18n.Short(ctx, h.RefusedAt))
	case h.UsedAt.IsZero():
		return i18n.T(ctx, "roster.hook_unused")
	}
	return i18n.T(ctx, "roster.hook_used", i18n.Short(ctx, h.UsedAt))
}

// productName is what its makers call it.
func productName(ctx context.Context, p channel.Form) string {
	return i18n.T(ctx, "channel.form_"+string(p))
}

// dutyHookBody is a messenger command, for programs.
type dutyHookBody struct {
	ID        string     `json:"id"`
	Product   string     `json:"product" doc:"mattermost, slack or rocketchat"`
	Name      string     `json:"name"`
	Ready     bool       `json:"ready" doc:"The messenger's token is entered"`
	MadeAt    time.Time  `json:"made_at"`
	UsedAt    *time.Time `json:"used_at,omitempty"`
	RefusedAt *time.Time `json:"refused_at,omitempty" doc:"Since then none proved itself"`
	URL       string     `json:"url,omitempty" doc:"Told once, when it is made"`
}

func dutyHookBodyOf(h Hook) dutyHookBody {
	b := dutyHookBody{ID: h.ID, Product: string(h.Product), Name: h.Name, Ready: h.Ready, MadeAt: h.At}
	if !h.UsedAt.IsZero() {
		b.UsedAt = &h.UsedAt
	}
	if !h.RefusedAt.IsZero() {
		b.RefusedAt = &h.RefusedAt
	}
	return b
}

// ByHook names a messenger command in an address.
type ByHook struct {
	ID string `path:"id"`
}

func (r *Room) apiHooks(a *web.API, op func(id, method, path, summary string) huma.Operation) {
	const scope = "people"
	status := func(o huma.Operation, code int) huma.Operation { o.DefaultStatus = code; return o }
	web.Operation(a, op("list-duty-hooks", http.MethodGet, "/duty/hooks", "The messenger commands that work"), scope, func(ctx context.Context, _ *struct{}) (*web.List[dutyHookBody], error) {
		all, err := r.Hooks(ctx)
		return web.NewList(each(all, dutyHookBodyOf), ""), err
	})
	web.Operation(a, status(op("make-duty-hook", http.MethodPost, "/duty/hooks", "Make the address of a messenger command; it is told this once"), http.StatusCreated), scope, func(ctx context.Context, in *struct {
		Body struct {
			Product string `json:"product" doc:"mattermost, slack or rocketchat"`
			Name    string `json:"name"`
			Secret  string `json:"secret,omitempty" writeOnly:"true" doc:"The messenger's token, for Slack its signing secret; it may be entered later"`
		}
	},
	) (*web.One[dutyHookBody], error) {
		h, url, err := r.MakeHook(ctx, channel.Form(in.Body.Product), in.Body.Name, in.Body.Secret)
		if err != nil {
			return nil, err
		}
		b := dutyHookBodyOf(h)
		b.URL = url
		return &web.One[dutyHookBody]{Body: b}, nil
	})
	web.Operation(a, status(op("set-duty-hook-secret", http.MethodPut, "/duty/hooks/{id}/secret", "Enter the token by which the messenger proves itself"), http.StatusNoContent), scope, func(ctx context.Context, in *struct {
		ByHook
		Body struct {
			Secret string `json:"secret" writeOnly:"true" doc:"Told to nobody again"`
		}
	},
	) (*struct{}, error) {
		return nil, r.SetHookSecret(ctx, in.ID, in.Body.Secret)
	})
	web.Operation(a, status(op("revoke-duty-hook", http.MethodDelete, "/duty/hooks/{id}", "Revoke a messenger command, and disconnect who confirmed by it"), http.StatusNoContent), scope, func(ctx context.Context, in *ByHook) (*struct{}, error) {
		return nil, r.RevokeHook(ctx, in.ID)
	})
}
