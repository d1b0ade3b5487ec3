package monitor

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
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

// lookWithin is how long a page waits for the check that somebody asked for.
const lookWithin = 3 * time.Second

// maxNote is how much of a ping's body is read, in bytes; the rest of a job's
// log must not keep its report from counting.
const maxNote = 10 << 10

// Routes hangs the monitors' pages into the console, and the address to which
// heartbeats report. Whoever knows a ping key may use it: it needs no sign-in.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /monitor", web.Staff(r.pageList))
	s.Handle("GET /monitor/new", web.Staff(r.pageNew))
	s.Handle("POST /monitor/new", web.Staff(r.postNew))
	s.Handle("GET /monitor/new/from", web.Staff(r.pagePresets))
	s.Handle("GET /monitor/new/from/{preset}", web.Staff(r.pagePreset))
	s.Handle("POST /monitor/new/from/{preset}", web.Staff(r.postPreset))
	s.Handle("GET /monitor/new/import", web.Staff(r.pageImport))
	s.Handle("POST /monitor/new/import", web.Staff(r.postImport))
	s.Handle("GET /monitor/{slug}", web.Staff(r.pageOne))
	s.Handle("GET /monitor/{slug}/edit", web.Staff(r.pageEdit))
	s.Handle("POST /monitor/{slug}/edit", web.Staff(r.postEdit))
	s.Handle("POST /monitor/{slug}/check", web.Staff(r.postCheck))
	s.Handle("POST /monitor/{slug}/pause", web.Staff(r.postPause(true)))
	s.Handle("POST /monitor/{slug}/resume", web.Staff(r.postPause(false)))
	s.Handle("POST /monitor/{slug}/maintenance", web.Staff(r.postMaintenance))
	s.Handle("POST /monitor/{slug}/maintenance/end", web.Staff(r.postMaintenanceEnd))
	s.Handle("POST /monitor/{slug}/rule", web.Staff(r.postRule))
	s.Handle("POST /monitor/{slug}/rule/end", web.Staff(r.postRuleEnd))
	s.Handle("GET /monitor/{slug}/remove", web.Staff(r.pageRemove))
	s.Handle("POST /monitor/{slug}/remove", web.Staff(r.postRemove))

	r.historyRoutes(s)

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
	case Degraded, Flapping:
		return web.Degraded
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
var shownStates = []State{Down, Flapping, Degraded, Suspect, Unreachable, Blind, Maintenance, Unknown, Paused, Up}

// listing is what the page of all monitors shows.
type listing struct {
	Filter    Filter
	Groups    []group
	Counts    map[State]int
	Total     int
	Services  []service.Service
	Next      string
	MayCreate bool
	Uplink    UplinkView
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
	l := listing{MayCreate: mayChange(ctx) == nil, Uplink: r.Uplink(ctx), Filter: Filter{
		Query: strings.TrimSpace(req.FormValue("q")), Service: req.FormValue("service"),
		After: req.FormValue("after"), Limit: pageSize,
	}}
	var err error
	if l.Counts, err = r.Counts(ctx); err != nil {
		return err
	}
	if s := State(req.FormValue("state")); slices.Contains(stateOrder(l.Counts), s) {
		l.Filter.State = s
	}
	for _, n := range l.Counts {
		l.Total += n
	}
	if l.Services, err = r.o.Services.List(ctx); err != nil {
		return err
	}
	next := ""
	if l.Groups, next, err = r.groups(ctx, l.Filter, l.Counts); err != nil {
		return err
	}
	if next != "" {
		l.Next = l.url(l.Filter.State, next)
	}
	return web.Render(w, req, listPage(l))
}

// view is what the page of one monitor shows.
type view struct {
	Monitor
	Service service.Service // without slug: none
	Results []Result        // newest first
	Shown   int             // how many of them the table shows
	Uptimes []Uptime
	Range   Range
	Points  []Point // of the chart
	Kept    int     // results that are kept, on the page that asks before deleting them
	PingURL string  // of a heartbeat, for those who may see it
	Windows []window
	kinView
	Window     *web.Form // the form of a new maintenance
	Said       string    // what was just done
	Seen       *Result   // what the check that was asked for has seen
	Vantage    []point   // vantage points; one alone is none
	MayChange  bool
	MayOperate bool
}

// point is what one vantage point says, and whether its voice counts now.
type point struct {
	Sighting
	Voice bool
}

// window is a maintenance that is announced or running.
type window struct {
	Window
	Ours bool // announced in the console, so it can be ended there
}

func (r *Room) view(ctx context.Context, slug string, rg Range) (view, error) {
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
	if err := v.history(ctx, r, rg); err != nil {
		return v, err
	}
	if m.Spec.Kind == Heartbeat && v.MayOperate {
		v.PingURL = r.pingURL(ctx, m)
	}
	now := r.o.Clock.Now()
	if m.watched() {
		seen, err := r.Sightings(ctx, m)
		if err != nil {
			return v, err
		}
		for _, x := range seen {
			_, voice := x.Counts(m.Spec, now)
			v.Vantage = append(v.Vantage, point{x, voice})
		}
	}
	for _, o := range m.effective().Maintenance {
		if o.To.After(now) {
			v.Windows = append(v.Windows, window{o, slices.Contains(m.Windows, o)})
		}
	}
	if v.kinView, err = r.kinView(ctx, m); err != nil {
		return v, err
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
	v, err := r.view(req.Context(), req.PathValue("slug"), readRange(req.FormValue("range")))
	if err != nil {
		return err
	}
	if req.FormValue("results") == "all" {
		v.Shown = allResults
	}
	if said := req.FormValue("said"); slices.Contains([]string{"checked", "paused", "resumed", "maintenance", "saved"}, said) {
		v.Said = said
	}
	if since, err := strconv.ParseInt(req.FormValue("since"), 10, 64); err == nil && v.Said == "checked" && len(v.Results) > 0 && v.Results[0].At.UnixMilli() >= since {
		v.Seen = &v.Results[0]
	}
	return web.Render(w, req, onePage(v))
}

func (r *Room) postCheck(w http.ResponseWriter, req *http.Request) error {
	ctx, slug := req.Context(), req.PathValue("slug")
	before := r.o.Clock.Now()
	seen, err := r.look(ctx, slug)
	if err != nil {
		return err
	}
	// Most targets answer at once: then the page shows what was seen, with or
	// without JavaScript. A slow one comes by itself, or with the next look.
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	select {
	case <-seen:
	case <-ctx.Done():
	}
	return web.SeeOther(w, req, "/monitor/"+slug+"?said=checked&since="+strconv.FormatInt(before.UnixMilli(), 10))
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
	v, err := r.view(ctx, slug, RangeDay)
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
	Kept     []string // secrets that are stored
	Sondes   []web.Option
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
	case DNS:
		m.Spec.DNS.Type = "A"
	case Domain:
		m.Spec.Interval, m.Spec.Expect.Domain = Duration(6*time.Hour), Duration(30*day)
	case TLS:
		m.Spec.Interval, m.Spec.Expect.Certificate = Duration(time.Hour), Duration(DefaultCertificate)
	}
	return m
}

func (r *Room) showForm(w http.ResponseWriter, req *http.Request, status int, slug string, old Spec, f *web.Form) error {
	ctx := req.Context()
	e := editing{Slug: slug, Kind: old.Kind, Form: f, Title: i18n.T(ctx, "monitor.new_title"), Kept: keptSecrets(old)}
	if slug != "" {
		e.Title = i18n.T(ctx, "monitor.edit_title", slug)
	}
	var err error
	if e.Services, err = r.serviceOptions(ctx); err != nil {
		return err
	}
	if r.vantages != nil {
		names, err := r.vantages.Sondes(ctx)
		if err != nil {
			return err
		}
		for _, n := range names {
			e.Sondes = append(e.Sondes, web.Option{Value: n, Text: n})
		}
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

// pageEdit shows the form; of a declared monitor it shows what the file says,
// locked.
func (r *Room) pageEdit(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	m, err := r.Get(req.Context(), req.PathValue("slug"))
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
	m, err := r.changeable(req)
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
	v, err := r.view(req.Context(), req.PathValue("slug"), readRange(req.FormValue("range")))
	if err != nil {
		return err
	}
	if v.Kept, err = r.Kept(req.Context(), v.Slug); err != nil {
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
