package identity

import (
	"net/http"

	"tuermer/internal/platform/web"
)

// setupRoutes adds the page behind the printed link of a first start.
func (r *Room) setupRoutes(s *web.Site) {
	s.Handle("GET "+BeginPath+"{token}", r.pageBegin)
	s.Handle("POST "+BeginPath+"{token}", r.postBegin)
}

// GET shows a form and changes nothing: chats and scanners follow links.
func (r *Room) pageBegin(w http.ResponseWriter, req *http.Request) error {
	if err := r.SetupOpen(req.Context(), req.PathValue("token")); err != nil {
		return err
	}
	return web.Render(w, req, beginPage(web.NewForm(nil)))
}

func (r *Room) postBegin(w http.ResponseWriter, req *http.Request) error {
	ctx, token := req.Context(), req.PathValue("token")
	if err := r.SetupOpen(ctx, token); err != nil {
		return err // before the form: a used link says nothing about what is typed
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	if f.Values.Get("password") != f.Values.Get("again") {
		f.Fail("again", "identity.password_differs")
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, beginPage(f))
	}
	s, err := r.BeginSetup(ctx, token, Beginning{
		Town: f.Get("town"), Slug: townSlug(f.Get("town")), Domain: f.Get("domain"), Land: f.Get("land"), Password: f.Values.Get("password"),
		Person: Person{Name: f.Get("name"), Email: f.Get("email"), Language: requestOf(ctx).tenant.Language},
	}, ClientOf(req))
	if f.Take(err) {
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, beginPage(f))
	}
	if err != nil {
		return err
	}
	return r.entered(w, req, s, SetupPath+"/"+string(StepMail))
}

// ClientOf reads from where a request comes; see [Client]. A proxy is believed
// only on the same machine.
func ClientOf(req *http.Request) Client { return clientOf(req) }

// townSlug is a short name for addresses made of the town's name; empty where it
// has no letters.
func townSlug(name string) string {
	out := make([]rune, 0, len(name))
	for _, c := range fold(name) {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			out = append(out, c)
		case len(out) > 0 && out[len(out)-1] != '-':
			out = append(out, '-')
		}
	}
	const most = 60
	for len(out) > most || len(out) > 0 && out[len(out)-1] == '-' {
		out = out[:len(out)-1]
	}
	return string(out)
}
