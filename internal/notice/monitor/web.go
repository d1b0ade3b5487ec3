package monitor

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/service"
)

// Sizes of the pages: rows of a list, bars of a chart, rows of its table.
const (
	pageSize   = 50
	chartBars  = 90
	fewResults = 20
	allResults = 500
)

// maxNote is how much of a ping's body is read, in bytes; the rest of a job's
// log must not keep its report from counting.
const maxNote = 10 << 10

// Routes hangs the monitors' pages into the console, and the address to which
// heartbeats report. Whoever knows a ping key may use it: it needs no sign-in.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /monitor", web.Staff(r.pageList))
	s.Handle("GET /monitor/new", web.Staff(r.pageNew))
	s.Handle("POST /monitor/new", web.Staff(r.postNew))
	s.Handle("GET /monitor/{slug}", web.Staff(r.pageOne))
	s.Handle("GET /monitor/{slug}/edit", web.Staff(r.pageEdit))
	s.Handle("POST /monitor/{slug}/edit", web.Staff(r.postEdit))
	s.Handle("POST /monitor/{slug}/check", web.Staff(r.postCheck))
	s.Handle("POST /monitor/{slug}/pause", web.Staff(r.postPause(true)))
	s.Handle("POST /monitor/{slug}/resume", web.Staff(r.postPause(false)))
	s.Handle("POST /monitor/{slug}/maintenance", web.Staff(r.postMaintenance))
	s.Handle("POST /monitor/{slug}/maintenance/end", web.Staff(r.postMaintenanceEnd))
	s.Handle("GET /monitor/{slug}/remove", web.Staff(r.pageRemove))
	s.Handle("POST /monitor/{slug}/remove", web.Staff(r.postRemove))

	s.Handle("GET /ping/{key}", r.ping) // and HEAD
	s.Handle("POST /ping/{key}", r.ping)
	s.Handle("GET /ping/{key}/{suffix...}", r.ping)
	s.Handle("POST /ping/{key}/{suffix...}", r.ping)
}

// ping takes a heartbeat's report. The sender is a script: it gets plain words
// and 200 only when the report is stored.
func (r *Room) ping(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	note := ""
	if req.Method == http.MethodPost {
		b, err := io.ReadAll(io.LimitReader(req.Body, maxNote))
		if err != nil {
			return fault.New(fault.Invalid, "monitor.bad_ping").With(err)
		}
		note = strings.ToValidUTF8(string(b), "\uFFFD")
	}
	status, words := http.StatusOK, "OK"
	if err := r.Ping(ctx, req.PathValue("key"), req.PathValue("suffix"), note); err != nil {
		f := fault.As(err)
		switch f.Kind {
		case fault.Invalid:
			status = http.StatusBadRequest
		case fault.NotFound, fault.Unavailable:
			status = fault.Status(f.Kind)
		default:
			return err
		}
		words = i18n.T(ctx, f.Key, f.Args...)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, words+"\n") // the script may be gone; its report is stored
	return nil
}

// Mark is the shape that stands for the state.
func (s State) Mark() web.State {
	switch s {
	case Up:
		return web.OK
	case Suspect:
		return web.Checking
	case Down:
		return web.Down
	case Maintenance:
		return web.Maintenance
	default:
		return web.Unknown
	}
}

// ServiceStates are the shapes of [Room.ByService], for the catalogue's pages.
func (r *Room) ServiceStates(ctx context.Context) (map[string]web.State, error) {
	states, err := r.ByService(ctx)
	out := make(map[string]web.State, len(states))
	for slug, s := range states {
		out[slug] = s.Mark()
	}
	return out, err
}

// shownStates is the order of the filter chips, the most urgent first.
var shownStates = []State{Down, Suspect, Maintenance, Unknown, Paused, Up}

// listing is what the page of all monitors shows.
type listing struct {
	Filter    Filter
	Monitors  []Monitor
	Counts    map[State]int
	Total     int
	Services  []service.Service
	Next      string
	MayCreate bool
}

// url is the list with this filter and another state.
func (l listing) url(s State, after string) string {
	v := url.Values{}
	for _, p := range [][2]string{{"q", l.Filter.Query}, {"service", l.Filter.Service}, {"state", string(s)}, {"after", after}} {
		if p[1] != "" {
			v.Set(p[0], p[1])
		}
	}
	if len(v) == 0 {
		return "/monitor"
	}
	return "/monitor?" + v.Encode()
}

// serviceName is the name behind a slug.
func (l listing) serviceName(slug string) string {
	for _, s := range l.Services {
		if s.Slug == slug {
			return s.Name
		}
	}
	return slug
}

func (r *Room) pageList(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	l := listing{MayCreate: mayChange(ctx) == nil, Filter: Filter{
		Query: strings.TrimSpace(req.FormValue("q")), Service: req.FormValue("service"),
		After: req.FormValue("after"), Limit: pageSize + 1, // one more tells whether a page follows
	}}
	if s := State(req.FormValue("state")); slices.Contains(shownStates, s) {
		l.Filter.State = s
	}
	var err error
	if l.Counts, err = r.Counts(ctx); err != nil {
		return err
	}
	for _, n := range l.Counts {
		l.Total += n
	}
	if l.Services, err = r.o.Services.List(ctx); err != nil {
		return err
	}
	if l.Monitors, err = r.List(ctx, l.Filter); err != nil {
		return err
	}
	if len(l.Monitors) > pageSize {
		l.Monitors = l.Monitors[:pageSize]
		l.Next = l.url(l.Filter.State, l.Monitors[pageSize-1].Slug)
	}
	return web.Render(w, req, listPage(l))
}

// view is what the page of one monitor shows.
type view struct {
	Monitor
	Service    service.Service // without slug: none
	Results    []Result        // newest first
	Shown      int             // how many of them the table shows
	Uptime     Uptime
	PingURL    string // of a heartbeat, for those who may see it
	Windows    []window
	Window     *web.Form // the form of a new maintenance
	Said       string    // what was just done
	MayChange  bool
	MayOperate bool
}

// window is a maintenance that is announced or running.
type window struct {
	Window
	Ours bool // announced in the console, so it can be ended there
}

func (r *Room) view(ctx context.Context, slug string) (view, error) {
	m, err := r.Get(ctx, slug)
	if err != nil {
		return view{}, err
	}
	v := view{Monitor: m, Shown: fewResults, MayChange: mayChange(ctx) == nil && !m.Declared, MayOperate: mayOperate(ctx) == nil}
	if m.Service != "" {
		v.Service, err = r.o.Services.Get(ctx, m.Service)
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return v, err
		}
	}
	if v.Results, err = r.Results(ctx, slug, time.Time{}, allResults); err != nil {
		return v, err
	}
	if v.Uptime, err = r.Uptime(ctx, slug); err != nil {
		return v, err
	}
	if m.Spec.Kind == Heartbeat && v.MayOperate {
		v.PingURL = r.pingURL(ctx, m)
	}
	now := r.o.Clock.Now()
	for _, o := range m.effective().Maintenance {
		if o.To.After(now) {
			v.Windows = append(v.Windows, window{o, slices.Contains(m.Windows, o)})
		}
	}
	zone := i18n.Of(ctx).Zone
	v.Window = web.NewForm(map[string]string{
		"from": now.In(zone).Format(localTime), "to": now.Add(time.Hour).In(zone).Format(localTime),
	})
	return v, nil
}

// pingURL is where a heartbeat reports.
func (r *Room) pingURL(ctx context.Context, m Monitor) string {
	base := "/ping"
	if r.o.PingURL != nil {
		base = r.o.PingURL(ctx)
	}
	return base + "/" + m.PingKey
}

func (r *Room) pageOne(w http.ResponseWriter, req *http.Request) error {
	v, err := r.view(req.Context(), req.PathValue("slug"))
	if err != nil {
		return err
	}
	if req.FormValue("results") == "all" {
		v.Shown = allResults
	}
	if said := req.FormValue("said"); slices.Contains([]string{"checked", "paused", "resumed", "maintenance", "saved"}, said) {
		v.Said = said
	}
	return web.Render(w, req, onePage(v))
}

func (r *Room) postCheck(w http.ResponseWriter, req *http.Request) error {
	if err := r.Probe(req.Context(), req.PathValue("slug")); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/monitor/"+req.PathValue("slug")+"?said=checked")
}

func (r *Room) postPause(paused bool) web.Handler {
	said := "resumed"
	if paused {
		said = "paused"
	}
	return func(w http.ResponseWriter, req *http.Request) error {
		if err := r.Pause(req.Context(), req.PathValue("slug"), paused); err != nil {
			return err
		}
		return web.SeeOther(w, req, "/monitor/"+req.PathValue("slug")+"?said="+said)
	}
}

func (r *Room) postMaintenance(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	slug, zone := req.PathValue("slug"), i18n.Of(ctx).Zone
	from, errFrom := time.ParseInLocation(localTime, f.Get("from"), zone)
	to, errTo := time.ParseInLocation(localTime, f.Get("to"), zone)
	if errFrom != nil {
		f.Fail("from", "monitor.window_from")
	}
	if errTo != nil {
		f.Fail("to", "monitor.window_to")
	}
	if f.OK() {
		err := r.Maintain(ctx, slug, Window{From: from, To: to, Reason: f.Get("reason")})
		if err == nil {
			return web.SeeOther(w, req, "/monitor/"+slug+"?said=maintenance")
		}
		if !f.Take(err) {
			return err
		}
	} else if err := mayOperate(ctx); err != nil {
		return err
	}
	v, err := r.view(ctx, slug)
	if err != nil {
		return err
	}
	v.Window = f
	return web.RenderStatus(w, req, http.StatusUnprocessableEntity, onePage(v))
}

func (r *Room) postMaintenanceEnd(w http.ResponseWriter, req *http.Request) error {
	if err := mayOperate(req.Context()); err != nil {
		return err
	}
	from, err := time.Parse(time.RFC3339Nano, req.FormValue("from"))
	if err != nil {
		return fault.New(fault.NotFound, "monitor.no_window").With(err)
	}
	if err := r.EndMaintenance(req.Context(), req.PathValue("slug"), from); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/monitor/"+req.PathValue("slug")+"#maintenance")
}

// editing is what the form shows beside what was typed.
type editing struct {
	Slug     string // empty: a new one
	Title    string
	Kind     Kind
	Form     *web.Form
	Services []web.Option
	Secret   bool // a password is stored
}

func (r *Room) pageNew(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	kind := Kind(req.FormValue("kind"))
	if !slices.Contains(formKinds, kind) {
		kind = HTTP
	}
	return r.showForm(w, req, http.StatusOK, "", Spec{Kind: kind}, fillForm(starting(kind, req.FormValue("service"))))
}

// starting is a new monitor with the usual values.
func starting(kind Kind, service string) Monitor {
	m := Monitor{Service: service, Spec: Spec{Kind: kind, Interval: Duration(DefaultInterval), Timeout: Duration(DefaultTimeout), Confirm: DefaultConfirm}}
	switch kind {
	case Heartbeat:
		m.Spec.Interval, m.Spec.Grace = Duration(24*time.Hour), Duration(time.Hour)
	case HTTP:
		m.Spec.URL = "https://"
		m.Spec.Expect.Status = []StatusRange{{200, 399}}
	}
	return m
}

func (r *Room) showForm(w http.ResponseWriter, req *http.Request, status int, slug string, old Spec, f *web.Form) error {
	ctx := req.Context()
	e := editing{Slug: slug, Kind: old.Kind, Form: f, Title: i18n.T(ctx, "monitor.new_title"), Secret: old.Password != ""}
	if slug != "" {
		e.Title = i18n.T(ctx, "monitor.edit_title", slug)
	}
	all, err := r.o.Services.List(ctx)
	if err != nil {
		return err
	}
	e.Services = []web.Option{{Text: i18n.T(ctx, "monitor.no_service")}}
	for _, s := range all {
		e.Services = append(e.Services, web.Option{Value: s.Slug, Text: s.Name})
	}
	return web.RenderStatus(w, req, status, formPage(e))
}

// changeable is the monitor of the address, when the actor may change it here.
func (r *Room) changeable(req *http.Request) (Monitor, error) {
	if err := mayChange(req.Context()); err != nil {
		return Monitor{}, err
	}
	m, err := r.Get(req.Context(), req.PathValue("slug"))
	if err == nil && m.Declared {
		err = fault.New(fault.Conflict, "monitor.declared")
	}
	return m, err
}

// editable is [Room.changeable] for kinds that have a form.
func (r *Room) editable(req *http.Request) (Monitor, error) {
	m, err := r.changeable(req)
	if err == nil && !slices.Contains(formKinds, m.Spec.Kind) {
		err = fault.New(fault.Conflict, "monitor.no_form")
	}
	return m, err
}

// pageEdit shows the form; of a declared monitor it shows what the file says,
// locked.
func (r *Room) pageEdit(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	m, err := r.Get(req.Context(), req.PathValue("slug"))
	if err == nil && !slices.Contains(formKinds, m.Spec.Kind) {
		err = fault.New(fault.Conflict, "monitor.no_form")
	}
	if err != nil {
		return err
	}
	f := fillForm(m)
	f.Locked = m.Declared
	return r.showForm(w, req, http.StatusOK, m.Slug, m.Spec, f)
}

func (r *Room) postNew(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	kind := Kind(f.Get("kind"))
	if !slices.Contains(formKinds, kind) {
		return fault.New(fault.Invalid, "monitor.invalid").Field("kind", ProblemKind)
	}
	return r.save(w, req, "", Monitor{Spec: Spec{Kind: kind}}, f)
}

func (r *Room) postEdit(w http.ResponseWriter, req *http.Request) error {
	m, err := r.editable(req)
	if err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	return r.save(w, req, m.Slug, m, f)
}

// save stores what was typed, or shows it again with what is wrong.
func (r *Room) save(w http.ResponseWriter, req *http.Request, slug string, old Monitor, f *web.Form) error {
	m := readForm(f, old)
	put := r.Save
	if slug == "" {
		put = r.Create
		if m.Slug == "" {
			m.Slug = service.SlugFor(m.Name)
		}
	}
	if !f.OK() {
		return r.showForm(w, req, http.StatusUnprocessableEntity, slug, old.Spec, f)
	}
	if err := put(req.Context(), m); err != nil {
		if takeProblems(f, err) {
			return r.showForm(w, req, http.StatusUnprocessableEntity, slug, old.Spec, f)
		}
		return err
	}
	return web.SeeOther(w, req, "/monitor/"+m.Slug+"?said=saved")
}

func (r *Room) pageRemove(w http.ResponseWriter, req *http.Request) error {
	if _, err := r.changeable(req); err != nil {
		return err
	}
	v, err := r.view(req.Context(), req.PathValue("slug"))
	if err != nil {
		return err
	}
	return web.Render(w, req, removePage(v))
}

func (r *Room) postRemove(w http.ResponseWriter, req *http.Request) error {
	if err := r.Remove(req.Context(), req.PathValue("slug")); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/monitor")
}
