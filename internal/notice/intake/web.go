package intake

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// MaxBody bounds what a source may send at once: a group of some thousand
// alerts.
const MaxBody = 2 << 20

// Routes hangs the sources' pages into the console; the addresses to which
// sources post are the [Room.Gate]'s.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /source", web.Staff(r.pageList))
	s.Handle("POST /source", web.Staff(r.postNew))
	s.Handle("GET /source/{name}", web.Staff(r.pageOne))
	s.Handle("POST /source/{name}", web.Staff(r.postChange))
	s.Handle("POST /source/{name}/signature", web.Staff(r.postSignature))
	s.Handle("POST /source/{name}/mailbox", web.Staff(r.postMailbox))
	s.Handle("GET /source/{name}/revoke", web.Staff(r.pageRevoke))
	s.Handle("POST /source/{name}/revoke", web.Staff(r.postRevoke))
}

// Mark is the shape that stands for the state.
func (s State) Mark() web.State {
	switch s {
	case Heard:
		return web.OK
	case Silent:
		return web.Down
	case Unread:
		return web.Degraded
	case Waiting:
		return web.Pending
	default:
		return web.Unknown
	}
}

func formatName(f Format) string {
	names := map[Format]string{
		PRTG: "PRTG", Alertmanager: "Alertmanager", Alerts: "Prometheus (ohne Alertmanager)", Grafana: "Grafana", Kuma: "Uptime Kuma", Gatus: "Gatus",
		Zabbix: "Zabbix", Icinga: "Icinga 2", Checkmk: "Checkmk, Zammad", Healthchecks: "Healthchecks", Sentry: "Sentry", PagerDuty: "PagerDuty Events v2", Mail: "E-Mail", Generic: "JSON / Form",
	}
	return names[f]
}

func formatOptions() []web.Option {
	var out []web.Option
	for _, f := range Formats() {
		out = append(out, web.Option{Value: string(f), Text: formatName(f)})
	}
	return out
}

// mapped reports whether a source of this format has a mapping.
func (f Format) mapped() bool { return f == Generic || f == Mail }

// rareFields of a mapping are shown where somebody asks for them or has used one.
var rareFields = []string{"severity", "host", "site", "link", "time", "episode", "list", "pattern", "body"}

func rareMapping(f *web.Form) bool {
	return slices.ContainsFunc(rareFields, func(name string) bool { return f.Get(name) != "" || f.Errors[name] != "" })
}

func presetOptions(ctx context.Context) []web.Option {
	out := []web.Option{{Value: "", Text: i18n.T(ctx, "intake.preset_any")}}
	for _, p := range Presets() {
		out = append(out, web.Option{Value: p, Text: i18n.T(ctx, "intake.preset_"+p)})
	}
	return out
}

// listing is what the page of all sources shows.
type listing struct {
	Sources   []Source
	Silent    int
	Unread    int
	Form      *web.Form
	Services  []web.Option
	MayChange bool
}

func (r *Room) services(ctx context.Context) ([]web.Option, error) {
	all, err := r.o.Services.List(ctx)
	out := []web.Option{{Value: "", Text: i18n.T(ctx, "intake.no_service")}}
	for _, s := range all {
		out = append(out, web.Option{Value: s.Slug, Text: s.Name})
	}
	return out, err
}

func (r *Room) listing(ctx context.Context) (l listing, err error) {
	if err := mayRead(ctx); err != nil {
		return l, err
	}
	l.Form, l.MayChange = web.NewForm(nil), mayChange(ctx) == nil
	if l.Sources, err = r.List(ctx); err != nil {
		return l, err
	}
	for _, s := range l.Sources {
		switch s.State() {
		case Silent:
			l.Silent++
		case Unread:
			l.Unread++
		case Waiting, Heard, Revoked:
		}
	}
	l.Services, err = r.services(ctx)
	return l, err
}

func (r *Room) pageList(w http.ResponseWriter, req *http.Request) error {
	l, err := r.listing(req.Context())
	if err != nil {
		return err
	}
	l.Form.Values.Set("rhythm", hours(DefaultRhythm))
	return web.Render(w, req, listPage(l))
}

// hours is a rhythm as forms write it.
func hours(d time.Duration) string {
	return strconv.FormatFloat(d.Hours(), 'f', -1, 64)
}

// minutes is when silence is an end, as forms write it; what an API has set to the
// second is shown as no less than it is.
func minutes(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return strconv.FormatInt(int64((d+time.Minute-1)/time.Minute), 10)
}

// readSource reads the form of a source.
func readSource(f *web.Form) Source {
	s := Source{Title: f.Get("title"), Format: Format(f.Get("format")), Service: f.Get("service")}
	if v := strings.ReplaceAll(f.Get("rhythm"), ",", "."); v != "" {
		h, err := strconv.ParseFloat(v, 64)
		if err != nil || h < 0 || h > MaxRhythm.Hours() {
			f.Fail("rhythm", "intake.rhythm_bad")
		} else {
			s.Rhythm = time.Duration(h * float64(time.Hour)).Round(time.Second)
		}
	}
	if v := f.Get("resolve_after"); v != "" {
		m, err := strconv.Atoi(v)
		if err != nil || m < 0 || m > int(MaxResolveAfter/time.Minute) {
			f.Fail("resolve_after", "intake.resolve_bad")
		} else {
			s.ResolveAfter = time.Duration(m) * time.Minute
		}
	}
	s.Mapping = Mapping{
		Key: f.Get("key"), Episode: f.Get("episode"), State: f.Get("state"), Severity: f.Get("severity"), Title: f.Get("map_title"), Text: f.Get("text"),
		Host: f.Get("host"), Site: f.Get("site"), Link: f.Get("link"), Time: f.Get("time"), Pattern: f.Get("pattern"), Body: f.Get("body"), List: f.Get("list"),
		Preset: f.Get("preset"),
	}
	for u := range strings.SplitSeq(f.Get("up"), ",") {
		if u = strings.TrimSpace(u); u != "" {
			s.Mapping.Up = append(s.Mapping.Up, u)
		}
	}
	return s
}

// fillMapping puts a mapping into the form.
func fillMapping(f *web.Form, s Source) {
	m := s.Mapping
	for name, v := range map[string]string{
		"title": s.Title, "service": s.Service, "rhythm": hours(s.Rhythm), "resolve_after": minutes(s.ResolveAfter),
		"key": m.Key, "episode": m.Episode, "state": m.State, "severity": m.Severity, "map_title": m.Title, "text": m.Text, "host": m.Host,
		"site": m.Site, "link": m.Link, "time": m.Time, "pattern": m.Pattern, "body": m.Body, "list": m.List, "preset": m.Preset, "up": strings.Join(m.Up, ", "),
	} {
		f.Values.Set(name, v)
	}
}

func (r *Room) postNew(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if err := mayChange(ctx); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	f.Require("title", "format")
	s := readSource(f)
	if f.OK() {
		s, err := r.check(ctx, s) // its name is made of the title
		if err == nil {
			var url string
			if url, err = r.Add(ctx, s); err == nil {
				return web.Render(w, req, welcomePage(welcome{s, url, howTo(s.Format, url)}))
			}
		}
		if bad := fault.As(err).Fields["name"]; bad != "" {
			f.Fail("title", bad) // of which the name is made
		} else if !f.Take(err) {
			return err
		}
	}
	l, err := r.listing(ctx)
	if err != nil {
		return err
	}
	l.Form = f
	return web.RenderStatus(w, req, http.StatusUnprocessableEntity, listPage(l))
}

// welcome shows the address of a source, this once.
type welcome struct {
	Source
	URL   string
	Paste []paste
}

// view is what the page of one source shows.
type view struct {
	Source
	Seen      []Seen
	List      string // path to the list by which Seen is read
	Form      *web.Form
	Services  []web.Option
	Preview   bool // Seen is read by what stands in the form, which is not stored
	MayChange bool
	Box       Mailbox // of a source that writes mails
	HasBox    bool
	BoxForm   *web.Form
	Letters   []Letter
	Channels  []string // of the duty rosters
	SignForm  *web.Form
}

func (r *Room) view(ctx context.Context, name string) (v view, err error) {
	if err := mayRead(ctx); err != nil {
		return v, err
	}
	if err := r.countUnsigned(ctx, ident.TenantOf(ctx), name, true); err != nil {
		return v, err
	}
	if v.Source, err = r.Get(ctx, name); err != nil {
		return v, err
	}
	v.SignForm = web.NewForm(nil)
	v.MayChange, v.Form, v.BoxForm = mayChange(ctx) == nil && v.State() != Revoked, web.NewForm(nil), web.NewForm(nil)
	fillMapping(v.Form, v.Source)
	if v.Format == Mail {
		if v.Box, v.HasBox, err = r.Mailbox(ctx, name); err != nil {
			return v, err
		}
		if v.HasBox {
			for name, value := range map[string]string{
				"box_host": v.Box.Host, "box_port": strconv.Itoa(v.Box.Port), "box_security": v.Box.Security, "box_login": v.Box.Login, "box_folder": v.Box.Folder,
				"box_channel": v.Box.Reception.Channel, "box_route": v.Box.Reception.Route, "box_urgent": strings.Join(v.Box.Reception.Urgent, ", "),
			} {
				v.BoxForm.Values.Set(name, value)
			}
		}
	}
	if v.Box.Reception.On() {
		if v.Letters, err = r.Letters(ctx, name); err != nil {
			return v, err
		}
	}
	if r.o.Channels != nil && v.Format == Mail {
		if v.Channels, err = r.o.Channels(ctx); err != nil {
			return v, err
		}
	}
	if v.Services, err = r.services(ctx); err != nil {
		return v, err
	}
	v.List = v.Mapping.List
	v.Seen, err = r.Seen(ctx, v.Source)
	return v, err
}

func (r *Room) pageOne(w http.ResponseWriter, req *http.Request) error {
	v, err := r.view(req.Context(), req.PathValue("name"))
	if err != nil {
		return err
	}
	return web.Render(w, req, onePage(v))
}

// postChange stores what stands in the form, or only shows what the last bodies
// would be understood as.
func (r *Room) postChange(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if err := mayChange(ctx); err != nil {
		return err
	}
	v, err := r.view(ctx, req.PathValue("name"))
	if err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	s := readSource(f)
	s.Name, s.Format = v.Name, v.Format
	if f.OK() && f.Get("do") != "try" {
		err := r.Change(ctx, s)
		if err == nil {
			return web.SeeOther(w, req, "/source/"+v.Name)
		}
		if !f.Take(err) {
			return err
		}
	}
	if err := s.Mapping.Check(); err != nil && f.OK() && !f.Take(err) {
		return err
	}
	v.Form, v.Preview, v.List = f, f.OK(), s.Mapping.List
	if f.OK() {
		if v.Seen, err = r.Seen(ctx, s); err != nil {
			return err
		}
		return web.Render(w, req, onePage(v))
	}
	return web.RenderStatus(w, req, http.StatusUnprocessableEntity, onePage(v))
}

// postSignature has a source sign what it sends, or no longer.
func (r *Room) postSignature(w http.ResponseWriter, req *http.Request) error {
	ctx, name := req.Context(), req.PathValue("name")
	if err := mayChange(ctx); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	key := f.Get("secret")
	if f.Get("do") == "off" {
		key = ""
	} else {
		f.Require("secret")
	}
	if f.OK() {
		err := r.Sign(ctx, name, key)
		if err == nil {
			return web.SeeOther(w, req, "/source/"+name)
		}
		if !f.Take(err) {
			return err
		}
	}
	v, err := r.view(ctx, name)
	if err != nil {
		return err
	}
	f.Values.Del("secret")
	v.SignForm = f
	return web.RenderStatus(w, req, http.StatusUnprocessableEntity, onePage(v))
}

func securityOptions(ctx context.Context) []web.Option {
	var out []web.Option
	for _, s := range Securities() {
		out = append(out, web.Option{Value: s, Text: i18n.T(ctx, "intake.security_"+s)})
	}
	return out
}

// postMailbox has the mails of a source fetched from a mailbox, or ends that.
func (r *Room) postMailbox(w http.ResponseWriter, req *http.Request) error {
	ctx, name := req.Context(), req.PathValue("name")
	if err := mayChange(ctx); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	if f.Get("do") == "drop" {
		if err := r.DropMailbox(ctx, name); err != nil {
			return err
		}
		return web.SeeOther(w, req, "/source/"+name)
	}
	m := Mailbox{Host: f.Get("box_host"), Security: f.Get("box_security"), Login: f.Get("box_login"), Password: f.Get("box_password"), Folder: f.Get("box_folder")}
	m.Reception = Reception{Channel: f.Get("box_channel"), Route: f.Get("box_route"), Urgent: strings.Split(f.Get("box_urgent"), ",")}
	if p := f.Get("box_port"); p != "" {
		if m.Port, err = strconv.Atoi(p); err != nil || m.Port < 1 {
			f.Fail("box_port", "intake.box_port_bad")
		}
	}
	if f.OK() {
		err := r.SetMailbox(ctx, name, m)
		if err == nil {
			return web.SeeOther(w, req, "/source/"+name)
		}
		if !f.Take(err) {
			return err
		}
	}
	v, err := r.view(ctx, name)
	if err != nil {
		return err
	}
	f.Values.Del("box_password")
	v.BoxForm = f
	return web.RenderStatus(w, req, http.StatusUnprocessableEntity, onePage(v))
}

func (r *Room) pageRevoke(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	v, err := r.view(req.Context(), req.PathValue("name"))
	if err == nil && v.State() == Revoked {
		err = fault.New(fault.Conflict, "intake.is_revoked", v.Name)
	}
	if err != nil {
		return err
	}
	return web.Render(w, req, revokePage(v))
}

func (r *Room) postRevoke(w http.ResponseWriter, req *http.Request) error {
	if err := r.Revoke(req.Context(), req.PathValue("name")); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/source/"+req.PathValue("name"))
}

// reportMark is the shape that stands for what a report says.
func reportMark(x Report) web.State {
	switch {
	case x.Note:
		return web.Unknown
	case x.State == signal.Resolved:
		return web.OK
	case x.Severity == signal.Critical:
		return web.Down
	}
	return web.Degraded
}

func reportWord(ctx context.Context, x Report) string { return i18n.T(ctx, "intake.report_"+x.Word()) }
