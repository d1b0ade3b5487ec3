package chain

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

// Routes adds this room's pages.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /chain", web.Staff(r.pageList))
	s.Handle("GET /chain/new", web.Staff(r.pageNew))
	s.Handle("POST /chain/new", web.Staff(r.postNew))
	s.Handle("GET /chain/{slug}", web.Staff(r.pageOne))
	s.Handle("GET /chain/{slug}/edit", web.Staff(r.pageEdit))
	s.Handle("POST /chain/{slug}/edit", web.Staff(r.postEdit))
	s.Handle("POST /chain/{slug}/remove", web.Staff(r.postRemove))
}

// listed is one chain in the list.
type listed struct {
	Chain
	Findings []Finding
	Names    []string // of its services
}

// state is how the chain stands: its shape and the key of its word.
func (l listed) state() (web.State, string) {
	switch {
	case l.Resting:
		return web.Unknown, "chain.draft"
	case slices.ContainsFunc(l.Findings, func(f Finding) bool { return f.Serious }):
		return web.Down, "chain.broken"
	case len(l.Findings) > 0:
		return web.Degraded, "chain.flawed"
	default:
		return web.OK, "chain.sound"
	}
}

type listView struct {
	Chains    []listed
	Bare      []string // names of services that no chain is for
	MayChange bool
}

func (r *Room) listed(ctx context.Context, c Chain, all []Chain, services []service.Service) (listed, error) {
	found, err := r.lint(ctx, c, all)
	l := listed{Chain: c, Findings: found}
	for _, slug := range c.Services {
		l.Names = append(l.Names, nameOf(services, slug))
	}
	return l, err
}

func nameOf(all []service.Service, slug string) string {
	for _, s := range all {
		if s.Slug == slug {
			return s.Name
		}
	}
	return slug
}

func (r *Room) pageList(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	all, err := r.List(ctx)
	if err != nil {
		return err
	}
	services, err := r.o.Services.List(ctx)
	if err != nil {
		return err
	}
	v := listView{MayChange: mayChange(ctx) == nil}
	for _, c := range all {
		l, err := r.listed(ctx, c, all, services)
		if err != nil {
			return err
		}
		v.Chains = append(v.Chains, l)
	}
	for _, s := range services {
		if _, ok := right(all, s.Slug); !ok {
			v.Bare = append(v.Bare, s.Name)
		}
	}
	return web.Render(w, req, chainList(v))
}

// chainView is the page of one chain: the ladder, what is wrong with it, and who
// would be woken at a moment.
type chainView struct {
	listed
	Rungs     []Rung
	Otherwise []identity.Person // told where a step names nobody, and at the end
	Services  []web.Option
	Dry       *web.Form
	At        time.Time
	MayChange bool
}

func (r *Room) pageOne(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	all, err := r.List(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(c Chain) bool { return c.Slug == req.PathValue("slug") })
	if i < 0 {
		return ErrNotFound
	}
	services, err := r.o.Services.List(ctx)
	if err != nil {
		return err
	}
	v := chainView{MayChange: mayChange(ctx) == nil, Dry: web.NewForm(nil), At: r.o.Clock.Now()}
	if v.listed, err = r.listed(ctx, all[i], all, services); err != nil {
		return err
	}
	about := req.FormValue("about")
	if !req.Form.Has("about") {
		if about, _, err = r.example(ctx, v.Chain, all); err != nil {
			return err
		}
	}
	if at := req.FormValue("at"); at != "" {
		if t, err := time.ParseInLocation(localTime, at, i18n.Of(ctx).Zone); err == nil {
			v.At = t.UTC()
		} else {
			v.Dry.Fail("at", "chain.bad_time")
		}
	}
	v.Dry.Values.Set("about", about)
	v.Dry.Values.Set("at", v.At.In(i18n.Of(ctx).Zone).Format(localTime))
	for _, s := range services {
		if slices.Contains(v.Chain.Services, s.Slug) || v.Default {
			v.Services = append(v.Services, web.Option{Value: s.Slug, Text: s.Name})
		}
	}
	if v.Default {
		v.Services = append(v.Services, web.Option{Value: "", Text: i18n.T(ctx, "chain.unknown_service")})
	}
	if v.Rungs, err = r.Ladder(ctx, v.Chain, about, v.At); err != nil {
		return err
	}
	if r.o.Otherwise != nil {
		if v.Otherwise, err = r.o.Otherwise(ctx, about); err != nil {
			return err
		}
	}
	return web.Render(w, req, chainPage(v))
}

// localTime is how a browser writes date and time into a form.
const localTime = "2006-01-02T15:04"

// editing is the form of a chain.
type editing struct {
	Slug     string // empty: a new one
	Form     *web.Form
	Steps    []int // numbers of the steps that are shown
	Who      []web.Option
	Services []web.Option
}

// few services stand open; more are folded, so that the steps are in sight.
const few = 8

// slots is how many names and ways a step of the form holds at least.
const slots = 3

// slotsOf counts the boxes for a step's names, or ways.
func (e editing) slotsOf(field string, step int) []int {
	n := slots
	for e.Form.Get(boxOf(field, step, n)) != "" {
		n++
	}
	out := make([]int, n)
	for i := range out {
		out[i] = i + 1
	}
	return out
}

func boxOf(field string, step, n int) string {
	return field + "_" + strconv.Itoa(step) + "_" + strconv.Itoa(n)
}

func at(field string, step int) string { return field + "_" + strconv.Itoa(step) }

func wayOptions(ctx context.Context) []web.Option {
	out := []web.Option{{Value: "", Text: i18n.T(ctx, "chain.any_way")}}
	for _, w := range Ways() {
		out = append(out, web.Option{Value: string(w), Text: i18n.T(ctx, "chain.way_"+string(w))})
	}
	return out
}

func (r *Room) editing(ctx context.Context, slug string, f *web.Form) (editing, error) {
	e := editing{Slug: slug, Form: f}
	steps := slots
	for s := 1; s <= MaxSteps; s++ {
		if f.Get(boxOf("who", s, 1)) != "" {
			steps = max(steps, s+1)
		}
	}
	for s := 1; s <= min(steps, MaxSteps); s++ {
		e.Steps = append(e.Steps, s)
	}
	services, err := r.o.Services.List(ctx)
	if err != nil {
		return e, err
	}
	for _, s := range services {
		e.Services = append(e.Services, web.Option{Value: s.Slug, Text: s.Name})
	}
	e.Who = []web.Option{{Value: "", Text: "–"}, {Value: string(Owner), Text: i18n.T(ctx, "chain.who_owner")}, {Value: string(All), Text: i18n.T(ctx, "chain.who_all")}}
	if r.o.Rosters != nil {
		rosters, err := r.o.Rosters(ctx)
		if err != nil {
			return e, err
		}
		for _, x := range rosters {
			e.Who = append(e.Who, web.Option{Value: RosterKind + ":" + x[0], Text: i18n.T(ctx, "chain.who_roster", x[1])})
		}
	}
	for _, role := range identity.Roles() {
		e.Who = append(e.Who, web.Option{Value: RoleKind + ":" + string(role), Text: i18n.T(ctx, "chain.who_role", i18n.T(ctx, "identity.role_"+string(role)))})
	}
	people, err := r.o.People.People(ctx, identity.Filter{Active: true})
	if err != nil {
		return e, err
	}
	for _, p := range people {
		e.Who = append(e.Who, web.Option{Value: PersonKind + ":" + p.Email, Text: p.Name})
	}
	// What stands there already stays a choice, even when it has left.
	for _, s := range e.Steps {
		for _, n := range e.slotsOf("who", s) {
			if w := f.Get(boxOf("who", s, n)); w != "" && !slices.ContainsFunc(e.Who, func(o web.Option) bool { return o.Value == w }) {
				e.Who = append(e.Who, web.Option{Value: w, Text: WhoWord(i18n.Of(ctx), Who(w))})
			}
		}
	}
	return e, nil
}

// fillForm shows a chain in the form.
func fillForm(c Chain) *web.Form {
	f := web.NewForm(map[string]string{"slug": c.Slug, "name": c.Name, "receipt": minutes(c.Receipt)})
	f.Values["services"] = c.Services
	if c.Default {
		f.Values.Set("default", "yes")
	}
	if !c.Resting {
		f.Values.Set("active", "yes")
	}
	for i, s := range c.Steps {
		for n, w := range s.Notify {
			f.Values.Set(boxOf("who", i+1, n+1), string(w))
		}
		for n, w := range s.By {
			f.Values.Set(boxOf("by", i+1, n+1), string(w))
		}
		f.Values.Set(at("wait", i+1), minutes(s.WaitFor()))
		f.Values.Set(at("repeat", i+1), strconv.Itoa(s.Repeat))
		if s.Everyone {
			f.Values.Set(at("everyone", i+1), "yes")
		}
	}
	return f
}

// minutes writes a span for a box of minutes; parts of one with a point.
func minutes(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return strconv.FormatFloat(d.Minutes(), 'f', -1, 64)
}

func readMinutes(s string) (time.Duration, bool) {
	if s == "" {
		return 0, true
	}
	m, err := strconv.ParseFloat(s, 64)
	if err != nil || m <= 0 || m > 24*60 {
		return 0, false
	}
	return time.Duration(m * float64(time.Minute)).Round(time.Second), true
}

// readForm is the way back. A step without anybody is left out.
func readForm(f *web.Form) Chain {
	c := Chain{
		Slug: f.Get("slug"), Name: f.Get("name"), Services: f.All("services"), Default: f.Has("default", "yes"), Resting: !f.Has("active", "yes"),
	}
	var ok bool
	if c.Receipt, ok = readMinutes(f.Get("receipt")); !ok {
		f.Fail("receipt", "chain.bad_wait")
	}
	for i := 1; i <= MaxSteps; i++ {
		s := Step{Everyone: f.Has(at("everyone", i), "yes")}
		for n := 1; n <= MaxNotify; n++ {
			if w := f.Get(boxOf("who", i, n)); w != "" {
				s.Notify = append(s.Notify, Who(w))
			}
			if w := Way(f.Get(boxOf("by", i, n))); w != "" && !slices.Contains(s.By, w) {
				s.By = append(s.By, w)
			}
		}
		if len(s.Notify) == 0 {
			continue
		}
		if s.Wait, ok = readMinutes(f.Get(at("wait", i))); !ok {
			f.Fail(at("wait", i), "chain.bad_wait")
		}
		var err error
		if s.Repeat, err = strconv.Atoi(cmp.Or(f.Get(at("repeat", i)), "0")); err != nil {
			f.Fail(at("repeat", i), "chain.bad_repeat")
		}
		c.Steps = append(c.Steps, s)
	}
	return c
}

func (r *Room) pageNew(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	return r.showForm(w, req, http.StatusOK, "", fillForm(Chain{}))
}

func (r *Room) showForm(w http.ResponseWriter, req *http.Request, status int, slug string, f *web.Form) error {
	e, err := r.editing(req.Context(), slug, f)
	if err != nil {
		return err
	}
	return web.RenderStatus(w, req, status, chainForm(e))
}

// pageEdit shows the form; of a declared chain it shows what the file says, locked.
func (r *Room) pageEdit(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	c, err := r.Get(req.Context(), req.PathValue("slug"))
	if err != nil {
		return err
	}
	f := fillForm(c)
	f.Locked = c.Declared
	return r.showForm(w, req, http.StatusOK, c.Slug, f)
}

func (r *Room) postNew(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	return r.save(w, req, "")
}

func (r *Room) postEdit(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	c, err := r.Get(req.Context(), req.PathValue("slug"))
	if err != nil {
		return err
	}
	if c.Declared {
		return ErrDeclared
	}
	return r.save(w, req, c.Slug)
}

func (r *Room) save(w http.ResponseWriter, req *http.Request, slug string) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	c, put := readForm(f), r.Save
	if slug == "" {
		put = r.Create
		c.Slug = cmp.Or(c.Slug, service.SlugFor(c.Name))
	} else {
		c.Slug = slug
	}
	if f.OK() {
		err := put(req.Context(), c)
		if err == nil {
			return web.SeeOther(w, req, "/chain/"+url.PathEscape(c.Slug))
		}
		if !f.Take(err) {
			return err
		}
	}
	return r.showForm(w, req, http.StatusUnprocessableEntity, slug, f)
}

func (r *Room) postRemove(w http.ResponseWriter, req *http.Request) error {
	if err := r.Remove(req.Context(), req.PathValue("slug")); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/chain")
}

// isMe marks the reader's own name.
func isMe(ctx context.Context, p identity.Person) bool {
	return ident.ActorOf(ctx).Person == string(p.ID)
}

var errBadSpan = fault.New(fault.Invalid, "chain.bad_wait")

// WhoText is a name as people read it.
func WhoText(ctx context.Context, w Who) string { return WhoWord(i18n.Of(ctx), w) }
