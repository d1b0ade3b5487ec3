package monitor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/service"
)

// masked is what [Spec.Redacted] puts in the place of a secret. Written back,
// it means that the secret stays.
const masked = "•••"

// monitorBody is a monitor as the API speaks of it.
type monitorBody struct {
	Slug     string `json:"slug" required:"false" doc:"Names the monitor; made of the name when it is left out"`
	Name     string `json:"name" required:"false"`
	Service  string `json:"service" required:"false" doc:"Slug of the service that it watches"`
	Kind     string `json:"kind" required:"false" doc:"http, tcp, heartbeat and the others of tuermer.yaml"`
	URL      string `json:"url,omitempty" doc:"What kind http asks"`
	Host     string `json:"host,omitempty" doc:"What the other kinds ask"`
	Port     int    `json:"port,omitempty"`
	Interval int    `json:"interval_seconds" required:"false" minimum:"0"`
	Timeout  int    `json:"timeout_seconds,omitempty" minimum:"0"`
	Grace    int    `json:"grace_seconds,omitempty" minimum:"0" doc:"How late a heartbeat may be"`
	YAMLWords
	Confirm int `json:"confirm,omitempty" minimum:"0" doc:"So many failures in a row are an outage"`
	// Expect and Spec are read by this room: their fields take numbers and texts.
	Expect json.RawMessage `json:"expect,omitempty" doc:"What a healthy answer looks like; keys as in tuermer.yaml"`
	Spec   json.RawMessage `json:"spec,omitempty" doc:"Everything about the check, keys as in tuermer.yaml, secrets masked; the fields above win where they differ from what is stored"`

	Paused      bool         `json:"paused" readOnly:"true" required:"false" doc:"See the operations pause and resume"`
	Target      string       `json:"target" readOnly:"true" required:"false" doc:"Where the check goes, for people"`
	State       string       `json:"state" readOnly:"true" required:"false" doc:"up, degraded, suspect, down, flapping, maintenance, unreachable, blind or unknown"`
	Since       *time.Time   `json:"since,omitempty" readOnly:"true"`
	Last        *resultBody  `json:"last,omitempty" readOnly:"true"`
	Results     []resultBody `json:"results,omitempty" readOnly:"true" doc:"Newest first; in the answer for one monitor"`
	Maintenance []windowBody `json:"maintenance,omitempty" readOnly:"true" doc:"Announced in the console or by the API"`
	Rules       []ruleBody   `json:"maintenance_rules,omitempty" readOnly:"true" doc:"Recurring ones, announced in the console or by the API"`
	Withheld    *heldBody    `json:"withheld,omitempty" readOnly:"true" doc:"Why this monitor gives no alarm of its own right now"`
	Parents     []string     `json:"parents,omitempty" readOnly:"true" doc:"Slugs of monitors without which it cannot be reached; set them in spec"`
	PingURL     string       `json:"ping_url,omitempty" readOnly:"true" doc:"Where a heartbeat reports; for administrators and IT"`
	Unreadable  []string     `json:"unreadable,omitempty" readOnly:"true" doc:"Parts of what is stored that cannot be read: spec, status, maintenance, maintenance_rules, standing. With spec among them the check is not carried out and alarms"`
	Declared    bool         `json:"declared" readOnly:"true" required:"false" doc:"Stands in tuermer.yaml and is changed there"`
}

// resultBody is what one look saw.
type resultBody struct {
	At     time.Time `json:"at"`
	OK     bool      `json:"ok"`
	Reason string    `json:"reason" doc:"Stable word: ok, timeout, dns, status …"`
	Text   string    `json:"text" doc:"The reason in the reader's language"`
	Code   int       `json:"code,omitempty"`
	TookMS int64     `json:"took_ms"`
	Detail string    `json:"detail,omitempty"`
}

// windowBody is one announced maintenance.
type windowBody struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Reason string    `json:"reason"`
}

func resultOf(ctx context.Context, s Spec, r Result) resultBody {
	return resultBody{
		At: r.At, OK: r.OK, Reason: string(r.Reason), Text: Explain(i18n.Of(ctx), s, r), Code: r.Code,
		TookMS: r.Took.Milliseconds(), Detail: r.Detail,
	}
}

func (r *Room) bodyOf(ctx context.Context, m Monitor) (monitorBody, error) {
	s := m.Spec
	b := monitorBody{
		Slug: m.Slug, Name: m.Name, Service: m.Service, Kind: string(s.Kind), URL: s.URL, Host: s.Host, Port: s.Port,
		Interval: seconds(s.Interval), Timeout: seconds(s.Timeout), Grace: seconds(s.Grace), Confirm: s.Confirm,
		Paused: m.Paused, Target: s.Target(), State: string(m.Held()), Declared: m.Declared, Unreadable: m.Unreadable,
	}
	var err error
	if b.Spec, err = json.Marshal(s.Redacted()); err != nil {
		return b, err
	}
	if b.Expect, err = json.Marshal(s.Expect); err != nil {
		return b, err
	}
	if !m.Status.Since.IsZero() {
		b.Since = &m.Status.Since
	}
	if !m.Status.Last.At.IsZero() {
		last := resultOf(ctx, s, m.Status.Last)
		b.Last = &last
	}
	for _, w := range m.Windows {
		b.Maintenance = append(b.Maintenance, windowBody(w))
	}
	r.statesOf(ctx, m, &b)
	if s.Kind == Heartbeat && mayOperate(ctx) == nil {
		b.PingURL = r.pingURL(ctx, m)
	}
	return b, nil
}

func seconds(d Duration) int { return int(d.D() / time.Second) }

// over puts what the API was sent over the old monitor; a field that repeats
// what is stored changes nothing, so what was read can be written back.
func (b monitorBody) over(old Monitor) (Monitor, error) {
	m := old
	if err := b.asInYAML(); err != nil {
		return m, err
	}
	m.Name, m.Service = b.Name, b.Service
	for _, raw := range []*json.RawMessage{&b.Spec, &b.Expect} {
		if string(*raw) == "null" {
			*raw = nil
		}
	}
	was := old.Spec
	if k := Kind(b.Kind); k != "" && k != was.Kind && len(b.Spec) == 0 {
		m.Spec = Spec{Kind: k} // nothing of another kind fits
	}
	bad := fault.New(fault.Invalid, "monitor.invalid")
	if len(b.Spec) > 0 {
		m.Spec = Spec{}
		if err := strict(b.Spec, &m.Spec); err != nil {
			return m, bad.Field("spec", "monitor.bad_spec").With(err)
		}
		m.given = given(m.Spec)
		m.Spec = unmasked(m.Spec, was)
	}
	s := &m.Spec
	if len(b.Expect) > 0 {
		var e Expect
		if err := strict(b.Expect, &e); err != nil {
			return m, bad.Field("expect", "monitor.bad_expect").With(err)
		}
		if !reflect.DeepEqual(e, was.Expect) {
			s.Expect = e
		}
	}
	if k := Kind(b.Kind); k != "" && k != was.Kind {
		s.Kind = k
	}
	if b.URL != "" && b.URL != was.URL {
		s.URL = b.URL
	}
	if b.Host != "" && b.Host != was.Host {
		s.Host = b.Host
	}
	if b.Port != 0 && b.Port != was.Port {
		s.Port = b.Port
	}
	if b.Confirm != 0 && b.Confirm != was.Confirm {
		s.Confirm = b.Confirm
	}
	for _, f := range []struct {
		sent int
		was  Duration
		to   *Duration
	}{{b.Interval, was.Interval, &s.Interval}, {b.Timeout, was.Timeout, &s.Timeout}, {b.Grace, was.Grace, &s.Grace}} {
		if f.sent != 0 && f.sent != seconds(f.was) {
			*f.to = Duration(time.Duration(f.sent) * time.Second)
		}
	}
	return m, nil
}

// strict decodes one JSON value and refuses keys that it does not know.
func strict(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// unmasked is s with every masked secret as it was.
func unmasked(s, was Spec) Spec {
	old := was.secretFields()
	for i, p := range s.secretFields() {
		if *p == masked {
			*p = *old[i]
		}
	}
	s.Headers = maps.Clone(s.Headers)
	for k, v := range s.Headers {
		if v == masked {
			s.Headers[k] = was.Headers[k]
		}
	}
	return s
}

type apiListInput struct {
	web.Paging
	Query   string `query:"q" doc:"Part of name, slug, service or target"`
	Service string `query:"service" doc:"Slug of a service"`
	State   string `query:"state" enum:"up,degraded,suspect,down,flapping,maintenance,unreachable,blind,unknown,paused" doc:"Only those in this state"`
}

type apiSlugInput struct {
	Slug string `path:"slug"`
}

type apiGetInput struct {
	Slug    string `path:"slug"`
	Results int    `query:"results" default:"100" minimum:"0" maximum:"10000" doc:"At most so many results"`
}

type apiCreateInput struct{ Body monitorBody }

type apiSaveInput struct {
	Slug string `path:"slug"`
	Body monitorBody
}

type apiWindowInput struct {
	Slug string `path:"slug"`
	Body windowBody
}

// API hangs the monitors into /api/v1.
func (r *Room) API(a *web.API) {
	const scope = "monitors"
	op := func(id, method, path, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/monitors" + path, Summary: summary, Tags: []string{"monitors"}, DefaultStatus: status}
	}
	web.Operation(a, op("list-monitors", http.MethodGet, "", "List the monitors by slug", 200), scope, r.apiList)
	web.Operation(a, op("get-monitor", http.MethodGet, "/{slug}", "Show one monitor with its latest results", 200), scope, r.apiGet)
	web.Operation(a, op("create-monitor", http.MethodPost, "", "Create a monitor", 201), scope, r.apiCreate)
	web.Operation(a, op("list-monitor-presets", http.MethodGet, "/new/presets", "List what a town has, and what is asked about it", 200), scope, r.apiPresets)
	web.Operation(a, op("create-monitors-from-preset", http.MethodPost, "/new/from/{preset}", "Create the monitors of a preset, all or none", 201), scope, r.apiBegin)
	web.Operation(a, op("import-monitors", http.MethodPost, "/new/import", "Take the monitors of Uptime Kuma or Gatus over, or see what would become of them", 200), scope, r.apiImport)
	web.Operation(a, op("save-monitor", http.MethodPut, "/{slug}", "Change a monitor", 200), scope, r.apiSave)
	web.Operation(a, op("remove-monitor", http.MethodDelete, "/{slug}", "Delete a monitor and its results", 204), scope, r.apiRemove)
	web.Operation(a, op("check-monitor", http.MethodPost, "/{slug}/check", "Look at once; the result follows", 202), scope, r.apiCheck)
	web.Operation(a, op("pause-monitor", http.MethodPost, "/{slug}/pause", "Let a monitor rest", 200), scope, r.apiPause(true))
	web.Operation(a, op("resume-monitor", http.MethodPost, "/{slug}/resume", "Let a monitor go on", 200), scope, r.apiPause(false))
	r.stateAPI(a, scope)
	web.Operation(a, op("announce-maintenance", http.MethodPost, "/{slug}/maintenance", "Announce one maintenance: nothing alarms inside", 201), scope, r.apiMaintain)
	r.historyAPI(a)
}

func (r *Room) apiList(ctx context.Context, in *apiListInput) (*web.List[monitorBody], error) {
	ms, err := r.List(ctx, Filter{Query: in.Query, Service: in.Service, State: State(in.State), After: in.After, Limit: in.Limit + 1})
	if err != nil {
		return nil, err
	}
	next := ""
	if len(ms) > in.Limit {
		ms = ms[:in.Limit]
		next = ms[in.Limit-1].Slug
	}
	items := make([]monitorBody, len(ms))
	for i, m := range ms {
		if items[i], err = r.bodyOf(ctx, m); err != nil {
			return nil, err
		}
	}
	return web.NewList(items, next), nil
}

// one answers with a monitor as it stands.
func (r *Room) one(ctx context.Context, slug string) (*web.One[monitorBody], error) {
	m, err := r.Get(ctx, slug)
	if err != nil {
		return nil, err
	}
	b, err := r.bodyOf(ctx, m)
	return &web.One[monitorBody]{Body: b}, err
}

func (r *Room) apiGet(ctx context.Context, in *apiGetInput) (*web.One[monitorBody], error) {
	out, err := r.one(ctx, in.Slug)
	if err != nil || in.Results == 0 {
		return out, err
	}
	m, err := r.Get(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	results, err := r.Results(ctx, in.Slug, time.Time{}, in.Results)
	for _, res := range results {
		out.Body.Results = append(out.Body.Results, resultOf(ctx, m.Spec, res))
	}
	return out, err
}

func (r *Room) apiCreate(ctx context.Context, in *apiCreateInput) (*web.One[monitorBody], error) {
	if err := mayChange(ctx); err != nil {
		return nil, err
	}
	m, err := in.Body.over(Monitor{Slug: in.Body.Slug})
	if err != nil {
		return nil, err
	}
	if m.Slug == "" {
		m.Slug = service.SlugFor(m.Name)
	}
	m.Name = cmp.Or(m.Name, m.Slug)
	if err := r.Create(ctx, m); err != nil {
		return nil, err
	}
	return r.one(ctx, m.Slug)
}

func (r *Room) apiSave(ctx context.Context, in *apiSaveInput) (*web.One[monitorBody], error) {
	if err := mayChange(ctx); err != nil {
		return nil, err
	}
	if in.Body.Slug != "" && in.Body.Slug != in.Slug {
		return nil, fault.New(fault.Invalid, "monitor.invalid").Field("slug", "monitor.slug_stays")
	}
	old, err := r.Get(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	m, err := in.Body.over(old)
	if err != nil {
		return nil, err
	}
	if err := r.Save(ctx, m); err != nil {
		return nil, err
	}
	return r.one(ctx, in.Slug)
}

func (r *Room) apiRemove(ctx context.Context, in *apiSlugInput) (*struct{}, error) {
	return nil, r.Remove(ctx, in.Slug)
}

func (r *Room) apiCheck(ctx context.Context, in *apiSlugInput) (*web.One[monitorBody], error) {
	if err := r.Probe(ctx, in.Slug); err != nil {
		return nil, err
	}
	return r.one(ctx, in.Slug)
}

func (r *Room) apiPause(paused bool) func(context.Context, *apiSlugInput) (*web.One[monitorBody], error) {
	return func(ctx context.Context, in *apiSlugInput) (*web.One[monitorBody], error) {
		if err := r.Pause(ctx, in.Slug, paused); err != nil {
			return nil, err
		}
		return r.one(ctx, in.Slug)
	}
}

func (r *Room) apiMaintain(ctx context.Context, in *apiWindowInput) (*web.One[monitorBody], error) {
	if err := r.Maintain(ctx, in.Slug, Window(in.Body)); err != nil {
		return nil, err
	}
	return r.one(ctx, in.Slug)
}
