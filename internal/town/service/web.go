package service

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

// pageSize is how many services one page lists.
const pageSize = 50

// Routes hangs the catalogue's pages into the console.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /service", web.Staff(r.pageList))
	s.Handle("GET /service/new", web.Staff(r.pageNew))
	s.Handle("POST /service/new", web.Staff(r.postNew))
	s.Handle("POST /service/preview", web.Staff(r.postPreview))
	s.Handle("GET /service/{slug}", web.Staff(r.pageOne))
	s.Handle("GET /service/{slug}/edit", web.Staff(r.pageEdit))
	s.Handle("POST /service/{slug}/edit", web.Staff(r.postEdit))
	s.Handle("GET /service/{slug}/remove", web.Staff(r.pageRemove))
	s.Handle("POST /service/{slug}/remove", web.Staff(r.postRemove))
}

// listing is what the page of all services shows.
type listing struct {
	Query              string
	Services           []Service
	States             map[string]web.State
	All, Public, Holes int // of the whole catalogue
	From, Found        int // place of this page among those found
	Next               string
	MayChange          bool
}

func (r *Room) pageList(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	all, err := r.List(ctx)
	if err != nil {
		return err
	}
	l := listing{Query: strings.TrimSpace(req.FormValue("q")), All: len(all), MayChange: mayChange(ctx) == nil}
	if l.States, err = r.states(ctx); err != nil {
		return err
	}
	found := make([]Service, 0, len(all))
	for _, s := range all {
		if s.Public {
			l.Public++
		}
		if s.Missing() {
			l.Holes++
		}
		if s.matches(l.Query) {
			found = append(found, s)
		}
	}
	var next string
	l.Services, l.From, next = page(found, req.FormValue("after"), pageSize)
	l.Found = len(found)
	if next != "" {
		l.Next = "/service?" + query("q", l.Query, "after", next)
	}
	return web.Render(w, req, listPage(l))
}

// matches reports whether the service has what somebody looks for in one of its
// names or in the address of its owner.
func (s Service) matches(query string) bool {
	query = strings.ToLower(query)
	return slices.ContainsFunc([]string{s.Name, s.Slug, s.Short, s.NameEN, s.Owner}, func(v string) bool {
		return strings.Contains(strings.ToLower(v), query)
	})
}

// page cuts the part of all that follows the slug after; next is the last slug
// of it when more follow.
func page(all []Service, after string, size int) (part []Service, from int, next string) {
	if i := slices.IndexFunc(all, func(s Service) bool { return s.Slug == after }); i >= 0 {
		from = i + 1
	}
	part = all[from:]
	if len(part) > size {
		part = part[:size]
		next = part[size-1].Slug
	}
	return part, from, next
}

// states asks the port; without one nothing is known.
func (r *Room) states(ctx context.Context) (map[string]web.State, error) {
	if r.o.States == nil {
		return map[string]web.State{}, nil
	}
	return r.o.States(ctx)
}

// view is what the page of one service shows.
type view struct {
	Service
	State                                  web.State
	Nominative, WithDative, WithAccusative string
	Needs, Dependents                      []Service
	Told                                   []string // names
	Watchers                               int
	MayChange, MayRemove                   bool
}

func (r *Room) view(ctx context.Context, slug string) (view, error) {
	s, err := r.Get(ctx, slug)
	if err != nil {
		return view{}, err
	}
	v := view{Service: s, MayChange: mayChange(ctx) == nil && !s.Declared, MayRemove: mayRemove(ctx) == nil && !s.Declared}
	v.Nominative, v.WithDative, v.WithAccusative = r.forms(s)
	all, err := r.List(ctx)
	if err != nil {
		return v, err
	}
	for _, o := range all {
		if slices.Contains(s.DependsOn, o.Slug) {
			v.Needs = append(v.Needs, o)
		}
	}
	v.Dependents = dependents(all, slug)
	states, err := r.states(ctx)
	if err != nil {
		return v, err
	}
	v.State = states[slug]
	audiences, err := r.audiences(ctx)
	if err != nil {
		return v, err
	}
	for _, a := range s.Audiences {
		name := a
		for _, known := range audiences {
			if known[0] == a {
				name = known[1]
			}
		}
		v.Told = append(v.Told, name)
	}
	if r.o.Watchers != nil {
		if v.Watchers, err = r.o.Watchers(ctx, slug); err != nil {
			return v, err
		}
	}
	return v, nil
}

func (r *Room) audiences(ctx context.Context) ([][2]string, error) {
	if r.o.Audiences == nil {
		return nil, nil
	}
	return r.o.Audiences(ctx)
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
	Slug      string // empty: a new one
	Title     string
	Form      *web.Form
	Preview   preview
	People    []web.Option
	Services  []web.Option
	Audiences []web.Option
}

// preview is how texts will name the service.
type preview struct{ Nominative, Dative, Accusative, Short string }

func (r *Room) preview(s Service) preview {
	if s.Name == "" {
		return preview{}
	}
	p := preview{Short: s.ShortName()}
	p.Nominative, p.Dative, p.Accusative = r.forms(s)
	return p
}

// editing gathers the choices of the form.
func (r *Room) editing(ctx context.Context, slug string, f *web.Form) (editing, error) {
	typed, _ := readForm(f, i18n.Of(ctx).Zone)
	e := editing{Slug: slug, Form: f, Title: i18n.T(ctx, "service.new_title"), Preview: r.preview(typed)}
	if slug != "" {
		e.Title = i18n.T(ctx, "service.edit_title", f.Get("name"))
	}
	all, err := r.List(ctx)
	if err != nil {
		return e, err
	}
	for _, s := range all {
		if s.Slug != slug {
			e.Services = append(e.Services, web.Option{Value: s.Slug, Text: s.Name})
		}
	}
	var people []string
	if r.o.People != nil {
		if people, err = r.o.People(ctx); err != nil {
			return e, err
		}
	}
	// Whoever is entered stays a choice, even when the person has left.
	if owner := f.Get("owner"); owner != "" && !slices.Contains(people, owner) {
		people = append(people, owner)
	}
	e.People = []web.Option{{Value: "", Text: i18n.T(ctx, "service.nobody")}}
	for _, p := range people {
		e.People = append(e.People, web.Option{Value: p, Text: p})
	}
	audiences, err := r.audiences(ctx)
	for _, a := range audiences {
		e.Audiences = append(e.Audiences, web.Option{Value: a[0], Text: a[1]})
	}
	return e, err
}

func (r *Room) pageNew(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	return r.showForm(w, req, http.StatusOK, "", fillForm(Service{Public: true, Article: "das"}, i18n.Of(req.Context()).Zone))
}

func (r *Room) showForm(w http.ResponseWriter, req *http.Request, status int, slug string, f *web.Form) error {
	e, err := r.editing(req.Context(), slug, f)
	if err != nil {
		return err
	}
	return web.RenderStatus(w, req, status, formPage(e))
}

// pageEdit shows the form; of a declared service it shows what the file says,
// locked.
func (r *Room) pageEdit(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	s, err := r.Get(req.Context(), req.PathValue("slug"))
	if err != nil {
		return err
	}
	f := fillForm(s, i18n.Of(req.Context()).Zone)
	f.Locked = s.Declared
	return r.showForm(w, req, http.StatusOK, s.Slug, f)
}

// changeable is the service of the address, when the actor may change it.
func (r *Room) changeable(req *http.Request) (Service, error) {
	if err := mayChange(req.Context()); err != nil {
		return Service{}, err
	}
	s, err := r.Get(req.Context(), req.PathValue("slug"))
	if err == nil && s.Declared {
		err = fault.New(fault.Conflict, "service.declared")
	}
	return s, err
}

func (r *Room) postNew(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	return r.save(w, req, "")
}

func (r *Room) postEdit(w http.ResponseWriter, req *http.Request) error {
	s, err := r.changeable(req)
	if err != nil {
		return err
	}
	return r.save(w, req, s.Slug)
}

// save stores what was typed, or shows it again with what is wrong.
func (r *Room) save(w http.ResponseWriter, req *http.Request, slug string) error {
	ctx := req.Context()
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	if f.Get("act") == "preview" {
		return r.showForm(w, req, http.StatusOK, slug, f)
	}
	s, problems := readForm(f, i18n.Of(ctx).Zone)
	for _, p := range problems {
		f.Fail(p[0], p[1])
	}
	put := r.Save
	if slug == "" {
		put = r.Create
		if s.Slug == "" {
			s.Slug = SlugFor(s.Name)
		}
	} else {
		s.Slug = slug
	}
	if !f.OK() {
		return r.showForm(w, req, http.StatusUnprocessableEntity, slug, f)
	}
	if err := put(ctx, s); err != nil {
		if f.Take(err) {
			return r.showForm(w, req, http.StatusUnprocessableEntity, slug, f)
		}
		return err
	}
	return web.SeeOther(w, req, "/service/"+s.Slug)
}

func (r *Room) postPreview(w http.ResponseWriter, req *http.Request) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	s, _ := readForm(f, i18n.Of(req.Context()).Zone)
	return web.Render(w, req, previewBox(r.preview(s)))
}

func (r *Room) pageRemove(w http.ResponseWriter, req *http.Request) error {
	if err := mayRemove(req.Context()); err != nil {
		return err
	}
	v, err := r.view(req.Context(), req.PathValue("slug"))
	if err != nil {
		return err
	}
	if v.Declared {
		return fault.New(fault.Conflict, "service.declared")
	}
	return web.Render(w, req, removePage(v))
}

func (r *Room) postRemove(w http.ResponseWriter, req *http.Request) error {
	if err := r.Remove(req.Context(), req.PathValue("slug")); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/service")
}

// localTime is how a browser writes date and time into a form.
const localTime = "2006-01-02T15:04"

// fillForm shows a service in the form; times in the reader's zone.
func fillForm(s Service, zone *time.Location) *web.Form {
	f := web.NewForm(map[string]string{
		"slug": s.Slug, "name": s.Name, "article": s.Article, "dative": s.Dative, "accusative": s.Accusative,
		"short": s.Short, "name_en": s.NameEN, "name_ls": s.NameLS, "owner": s.Owner,
		"workaround": s.Workaround.Text, "workaround_short": s.Workaround.Short, "workaround_en": s.Workaround.TextEN,
		"workaround_deadline": s.Workaround.Deadline, "workaround_hours": s.Workaround.Hours,
		"provider_name": s.Provider.Name, "provider_hotline": s.Provider.Hotline,
		"provider_contract": s.Provider.Contract, "provider_hours": s.Provider.Hours,
		"first_steps": s.FirstSteps, "auto_public": string(s.Auto()),
	})
	f.Values["depends_on"], f.Values["audiences"] = s.DependsOn, s.Audiences
	if s.Public {
		f.Values.Set("public", "yes")
	}
	if !s.Workaround.ValidUntil.IsZero() {
		f.Values.Set("workaround_until", s.Workaround.ValidUntil.In(zone).Format(localTime))
	}
	if s.Position != 0 {
		f.Values.Set("position", strconv.Itoa(s.Position))
	}
	return f
}

// readForm is the way back; problems are pairs of field and text key.
func readForm(f *web.Form, zone *time.Location) (s Service, problems [][2]string) {
	s = Service{
		Slug: f.Get("slug"), Name: f.Get("name"), Article: f.Get("article"), Dative: f.Get("dative"),
		Accusative: f.Get("accusative"), Short: f.Get("short"), NameEN: f.Get("name_en"), NameLS: f.Get("name_ls"),
		Public: f.Has("public", "yes"), Owner: f.Get("owner"),
		Workaround: Workaround{
			Text: f.Get("workaround"), Short: f.Get("workaround_short"), TextEN: f.Get("workaround_en"),
			Deadline: f.Get("workaround_deadline"), Hours: f.Get("workaround_hours"),
		},
		DependsOn: f.All("depends_on"), Audiences: f.All("audiences"), AutoPublic: AutoPublic(f.Get("auto_public")),
		Provider: Provider{
			Name: f.Get("provider_name"), Hotline: f.Get("provider_hotline"),
			Contract: f.Get("provider_contract"), Hours: f.Get("provider_hours"),
		},
		FirstSteps: f.Get("first_steps"),
	}
	if v := f.Get("workaround_until"); v != "" {
		t, err := time.ParseInLocation(localTime, v, zone)
		if err != nil {
			problems = append(problems, [2]string{"workaround_until", "service.bad_time"})
		}
		s.Workaround.ValidUntil = t
	}
	if v := f.Get("position"); v != "" {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil {
			problems = append(problems, [2]string{"position", "service.bad_position"})
		}
		s.Position = int(n)
	}
	return s, problems
}

// watchersURL lists the monitors of a service; they live a floor up.
func watchersURL(slug string) string { return "/monitor?" + query("service", slug) }

// stateWord says in words how a service stands.
func stateWord(ctx context.Context, s web.State) string {
	if s == "" {
		return i18n.T(ctx, "service.state_unwatched")
	}
	return i18n.T(ctx, "service.state_"+string(s))
}

// shape is the shape of a state; one that nobody watches is unknown.
func shape(s web.State) web.State {
	if s == "" {
		return web.Unknown
	}
	return s
}

func expired(ctx context.Context, w Workaround) bool {
	return w.Text != "" && !w.Works(i18n.Of(ctx).Now)
}
