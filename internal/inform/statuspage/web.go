package statuspage

import (
	"context"
	"net/http"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// Routes adds the console's view of the public page.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /statuspage", web.Staff(r.pageComponents))
	s.Handle("GET /statuspage/{service}", web.Staff(r.pageHold))
	s.Handle("POST /statuspage/{service}/hold", web.Staff(r.postHold))
	s.Handle("POST /statuspage/{service}/release", web.Staff(r.postRelease))
}

func (r *Room) pageComponents(w http.ResponseWriter, req *http.Request) error {
	list, err := r.Components(req.Context())
	if err != nil {
		return err
	}
	_, refused := mayHold(req.Context())
	return web.Render(w, req, staffPage(list, refused == nil, r.address(ident.TenantOf(req.Context()))))
}

// address is where the tenant's public page is; empty: not known yet.
func (r *Room) address(t ident.Tenant) string {
	if p := r.site.Load().towns[t]; p != nil && p.model.Town.URL != "" {
		return p.model.Town.URL + "/"
	}
	return ""
}

func (r *Room) component(ctx context.Context, slug string) (Component, error) {
	list, err := r.Components(ctx)
	if err != nil {
		return Component{}, err
	}
	for _, c := range list {
		if c.Service.Slug == slug {
			return c, nil
		}
	}
	return Component{}, ErrNotPublic
}

func (r *Room) pageHold(w http.ResponseWriter, req *http.Request) error {
	if _, err := mayHold(req.Context()); err != nil {
		return err
	}
	c, err := r.component(req.Context(), req.PathValue("service"))
	if err != nil {
		return err
	}
	form := web.NewForm(map[string]string{"state": string(c.State)})
	if c.Hold != nil {
		form.Values.Set("reason", c.Hold.Reason)
	}
	return web.Render(w, req, holdPage(c, form))
}

func (r *Room) postHold(w http.ResponseWriter, req *http.Request) error {
	slug := req.PathValue("service")
	form, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	err = r.Hold(req.Context(), slug, State(form.Get("state")), form.Get("reason"))
	if err == nil {
		return web.SeeOther(w, req, "/statuspage")
	}
	if !form.Take(err) {
		return err
	}
	c, err := r.component(req.Context(), slug)
	if err != nil {
		return err
	}
	return web.RenderStatus(w, req, http.StatusUnprocessableEntity, holdPage(c, form))
}

func (r *Room) postRelease(w http.ResponseWriter, req *http.Request) error {
	if err := r.Release(req.Context(), req.PathValue("service")); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/statuspage")
}

// why says for colleagues what the state comes from.
func why(ctx context.Context, c Component) string {
	switch {
	case c.Source == ByHand && c.Hold != nil:
		return i18n.T(ctx, "statuspage.why_hand", c.Hold.Name, c.Hold.Reason)
	case c.Source == ByDefault && c.Firing && c.Suspected:
		return i18n.T(ctx, "statuspage.why_suspected")
	case c.Source == ByDefault && c.Firing:
		return i18n.T(ctx, "statuspage.why_silent")
	default:
		return i18n.T(ctx, "statuspage.why_"+string(c.Source))
	}
}

func options(ctx context.Context) []web.Option {
	var out []web.Option
	for _, s := range States() {
		out = append(out, web.Option{Value: string(s), Text: i18n.T(ctx, "statuspage.state_"+string(s))})
	}
	return out
}
