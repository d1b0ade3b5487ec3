package plan

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

// Routes hangs the audiences' pages into the console.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /plan", web.Staff(r.pageList))
	s.Handle("GET /plan/new", web.Staff(r.pageNew))
	s.Handle("POST /plan/new", web.Staff(r.postNew))
	s.Handle("GET /plan/{slug}", web.Staff(r.pageOne))
	s.Handle("GET /plan/{slug}/edit", web.Staff(r.pageEdit))
	s.Handle("POST /plan/{slug}/edit", web.Staff(r.postEdit))
	s.Handle("GET /plan/{slug}/remove", web.Staff(r.pageRemove))
	s.Handle("POST /plan/{slug}/remove", web.Staff(r.postRemove))
	r.kitRoutes(s)
}

func (r *Room) pageList(w http.ResponseWriter, req *http.Request) error {
	all, err := r.Audiences(req.Context())
	if err != nil {
		return err
	}
	return web.Render(w, req, listPage(all, mayChange(req.Context()) == nil))
}

// view is what the page of one audience shows.
type view struct {
	Audience
	Services                     []string // names of those that tell it
	MayRead, MayChange, MayErase bool
}

func (r *Room) view(ctx context.Context, slug string) (view, error) {
	a, err := r.Audience(ctx, slug)
	if err != nil {
		return view{}, err
	}
	v := view{
		Audience: a, MayRead: mayRead(ctx),
		MayChange: mayChange(ctx) == nil && !a.Declared, MayErase: mayRemove(ctx) == nil && !a.Declared,
	}
	if r.o.Services != nil {
		v.Services, err = r.o.Services(ctx, slug)
	}
	return v, err
}

func (r *Room) pageOne(w http.ResponseWriter, req *http.Request) error {
	v, err := r.view(req.Context(), req.PathValue("slug"))
	if err != nil {
		return err
	}
	return web.Render(w, req, onePage(v))
}

// editing is what the form shows beside what was typed.
type editing struct {
	Slug, Title string // Slug empty: a new one
	Form        *web.Form
	People      []web.Option
}

func (r *Room) pageNew(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	return r.showForm(w, req, http.StatusOK, "", fillForm(Audience{Kind: Staff}))
}

func (r *Room) showForm(w http.ResponseWriter, req *http.Request, status int, slug string, f *web.Form) error {
	ctx := req.Context()
	e := editing{Slug: slug, Form: f, Title: i18n.T(ctx, "plan.new_title")}
	if slug != "" {
		e.Title = i18n.T(ctx, "plan.edit_title", f.Get("name"))
	}
	var err error
	if e.People, err = r.people(ctx, f); err != nil {
		return err
	}
	return web.RenderStatus(w, req, status, formPage(e))
}

// people are the choices for owner and deputy. Whoever is entered stays a
// choice, even when the person has left.
func (r *Room) people(ctx context.Context, f *web.Form) ([]web.Option, error) {
	var all []string
	if r.o.People != nil {
		var err error
		if all, err = r.o.People(ctx); err != nil {
			return nil, err
		}
	}
	for _, field := range []string{"owner", "deputy"} {
		if who := f.Get(field); who != "" && !slices.Contains(all, who) {
			all = append(all, who)
		}
	}
	out := []web.Option{{Text: i18n.T(ctx, "plan.nobody")}}
	for _, p := range all {
		out = append(out, web.Option{Value: p, Text: p})
	}
	return out, nil
}

// changeable is the audience of the address, when the actor may change it.
func (r *Room) changeable(req *http.Request) (Audience, error) {
	if err := mayChange(req.Context()); err != nil {
		return Audience{}, err
	}
	a, err := r.Audience(req.Context(), req.PathValue("slug"))
	if err == nil && a.Declared {
		err = fault.New(fault.Conflict, "plan.declared")
	}
	return a, err
}

// pageEdit shows the form; of a declared audience it shows what the file says,
// locked.
func (r *Room) pageEdit(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	a, err := r.Audience(req.Context(), req.PathValue("slug"))
	if err != nil {
		return err
	}
	f := fillForm(a)
	f.Locked = a.Declared
	return r.showForm(w, req, http.StatusOK, a.Slug, f)
}

func (r *Room) postNew(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	return r.save(w, req, "")
}

func (r *Room) postEdit(w http.ResponseWriter, req *http.Request) error {
	a, err := r.changeable(req)
	if err != nil {
		return err
	}
	return r.save(w, req, a.Slug)
}

// save stores what was typed, or shows it again with what is wrong.
func (r *Room) save(w http.ResponseWriter, req *http.Request, slug string) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	a := readForm(f)
	put := r.Create
	if slug != "" {
		a.Slug, put = slug, r.Save
	}
	if !f.OK() {
		return r.showForm(w, req, http.StatusUnprocessableEntity, slug, f)
	}
	if err := put(req.Context(), a); err != nil {
		if f.Take(err) {
			return r.showForm(w, req, http.StatusUnprocessableEntity, slug, f)
		}
		return err
	}
	return web.SeeOther(w, req, "/plan/"+a.Slug)
}

func (r *Room) pageRemove(w http.ResponseWriter, req *http.Request) error {
	if err := mayRemove(req.Context()); err != nil {
		return err
	}
	v, err := r.view(req.Context(), req.PathValue("slug"))
	if err == nil && v.Declared {
		err = fault.New(fault.Conflict, "plan.declared")
	}
	if err != nil {
		return err
	}
	return web.Render(w, req, removePage(v))
}

func (r *Room) postRemove(w http.ResponseWriter, req *http.Request) error {
	if err := r.Remove(req.Context(), req.PathValue("slug")); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/plan")
}

// fillForm shows an audience in the form.
func fillForm(a Audience) *web.Form {
	f := web.NewForm(map[string]string{
		"slug": a.Slug, "kind": string(a.Kind), "name": a.Name, "recipients": strings.Join(a.Recipients, "\n"),
		"owner": a.Owner, "deputy": a.Deputy,
	})
	if a.Cadence > 0 {
		f.Values.Set("cadence", strconv.Itoa(int(a.Cadence/time.Minute)))
	}
	return f
}

// readForm is the way back. Without a slug the kind is it, as in tuermer.yaml.
func readForm(f *web.Form) Audience {
	a := Audience{
		Slug: f.Get("slug"), Kind: Kind(f.Get("kind")), Name: f.Get("name"), Recipients: addresses(f.Get("recipients")),
		Owner: f.Get("owner"), Deputy: f.Get("deputy"),
	}
	if a.Slug == "" {
		a.Slug = string(a.Kind)
	}
	if v := f.Get("cadence"); v != "" {
		n, err := strconv.ParseUint(v, 10, 16)
		if err != nil {
			f.Fail("cadence", "plan.bad_minutes")
		}
		a.Cadence = time.Duration(n) * time.Minute
	}
	return a
}

// addresses reads one address a line, as people paste them: with commas,
// semicolons, blanks around and repeats.
func addresses(text string) []string {
	var out []string
	for part := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == '\n' || c == ',' || c == ';' }) {
		if part = strings.TrimSpace(part); part != "" && !slices.Contains(out, part) {
			out = append(out, part)
		}
	}
	return out
}
