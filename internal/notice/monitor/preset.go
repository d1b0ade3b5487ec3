package monitor

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/service"
)

// A Preset leads through few questions to the monitors that something a town
// has needs. It is only a way of filling in: what it makes are monitors like
// all others.
type Preset struct {
	ID     string
	fields []presetField
	// build makes the monitors out of the answers.
	build func(v answers) []built
}

// presetField is one question.
type presetField struct {
	name     string
	typ      string // of the input; "lines" and "choice" besides
	required bool
	options  []string
	value    string // shown at first
}

// answers are what was filled in.
type answers map[string]string

// lines are the non-empty lines of an answer.
func (a answers) lines(name string) []string {
	return strings.FieldsFunc(a[name], func(c rune) bool { return c == '\n' || c == ',' || c == ';' || c == ' ' || c == '\r' })
}

// built is one monitor of a preset. Its text key names it, and asked says
// which question each key of its spec came from.
type built struct {
	key   string // "" for the main one, else "certificate" …
	label string // of several alike
	spec  Spec
	asked map[string]string
}

// Presets lists them in the order of the page.
func Presets() []Preset {
	return []Preset{
		{"website", []presetField{{name: "url", typ: "url", required: true, value: "https://"}, {name: "text"}}, presetWebsite},
		{"online", []presetField{{name: "url", typ: "url", required: true, value: "https://"}, {name: "text"}, {name: "health", typ: "url"}}, presetOnline},
		{"mail", []presetField{{name: "host", required: true}, {name: "imap"}, {name: "domain"}}, presetMail},
		{"dns", []presetField{{name: "domain", required: true}, {name: "servers", typ: "lines", required: true}}, presetDNS},
		{"vpn", []presetField{{name: "host", required: true}, {name: "port", typ: "number"}, {name: "portal", typ: "url"}}, presetVPN},
		{"app", []presetField{{name: "url", required: true}, {name: "text"}, {name: "database", typ: "choice", options: []string{"", "postgres", "mysql", "mssql"}}, {name: "database_host"}}, presetApp},
		{"phone", []presetField{{name: "host", required: true}, {name: "mode", typ: "choice", options: []string{"none", "tcp", "tls"}, value: "none"}}, presetPhone},
		{"certificates", []presetField{{name: "hosts", typ: "lines", required: true}, {name: "days", typ: "number", required: true, value: "21"}}, presetCertificates},
		{"backup", []presetField{{name: "rhythm", typ: "choice", required: true, options: []string{"hourly", "daily", "weekly"}, value: "daily"}, {name: "grace", required: true, value: "2h"}}, presetBackup},
	}
}

// presetOf finds a preset.
func presetOf(id string) (Preset, bool) {
	all := Presets()
	i := slices.IndexFunc(all, func(p Preset) bool { return p.ID == id })
	if i < 0 {
		return Preset{}, false
	}
	return all[i], true
}

// webCheck asks for a page with the text on it.
func webCheck(raw, text string) Spec {
	return Spec{Kind: HTTP, URL: raw, Expect: Expect{Body: text}}
}

var askedURL = map[string]string{"url": "url", "expect.body": "text"}

func presetWebsite(v answers) []built {
	out := []built{{spec: webCheck(v["url"], v["text"]), asked: askedURL}}
	u, err := url.Parse(v["url"])
	if err != nil || u.Hostname() == "" {
		return out
	}
	if u.Scheme == "https" {
		out = append(out, built{key: "certificate", spec: certCheck(u.Hostname(), portOf(u), 21), asked: map[string]string{"host": "url"}})
	}
	// DENIC tells nobody when a .de domain ends: such a check could only fail.
	if labels := strings.Split(strings.TrimSuffix(u.Hostname(), "."), "."); len(labels) > 1 {
		if tld := labels[len(labels)-1]; tld != "de" && strings.Trim(tld, "0123456789]") != "" && tld != "example" {
			out = append(out, built{key: "domain", spec: Spec{Kind: Domain, Host: strings.Join(labels[len(labels)-2:], "."), Interval: Duration(6 * time.Hour), Timeout: Duration(30 * time.Second)}, asked: map[string]string{"host": "url"}})
		}
	}
	return out
}

func certCheck(host string, port, days int) Spec {
	return Spec{Kind: TLS, Host: host, Port: port, Interval: Duration(time.Hour), Timeout: Duration(20 * time.Second), Expect: Expect{Certificate: Duration(time.Duration(days) * day)}}
}

func presetOnline(v answers) []built {
	s := webCheck(v["url"], v["text"])
	s.Expect.Within = Duration(8 * time.Second) // people give up sooner than we do
	out := []built{{spec: s, asked: askedURL}}
	if v["health"] != "" {
		out = append(out, built{key: "health", spec: Spec{Kind: HTTP, URL: v["health"], Expect: Expect{Status: []StatusRange{{200, 299}}}}, asked: map[string]string{"url": "health"}})
	}
	return out
}

func presetMail(v answers) []built {
	from := map[string]string{"host": "host", "port": "host"}
	out := []built{
		{key: "smtp", spec: Spec{Kind: SMTP, Host: v["host"], Port: 25, TLS: TLSSpec{Mode: "none"}}, asked: from},
		{key: "certificate", spec: Spec{Kind: TLS, Host: v["host"], Port: 25, Interval: Duration(time.Hour), Timeout: Duration(20 * time.Second), TLS: TLSSpec{Mode: "smtp"}, Expect: Expect{Certificate: Duration(21 * day)}}, asked: from},
	}
	if v["imap"] != "" {
		out = append(out, built{key: "imap", spec: Spec{Kind: IMAP, Host: v["imap"], Port: 993, TLS: TLSSpec{Mode: "tls"}}, asked: map[string]string{"host": "imap", "port": "imap"}})
	}
	if v["domain"] != "" {
		out = append(out, built{key: "mx", spec: Spec{Kind: DNS, Host: v["domain"], DNS: DNSSpec{Type: "MX"}, Interval: Duration(5 * time.Minute)}, asked: map[string]string{"host": "domain"}})
	}
	return out
}

func presetDNS(v answers) []built {
	var out []built
	for _, server := range v.lines("servers") {
		out = append(out, built{
			label: server, spec: Spec{Kind: DNS, Host: v["domain"], DNS: DNSSpec{Server: server, Type: "SOA"}},
			asked: map[string]string{"host": "domain", "dns.server": "servers"},
		})
	}
	return out
}

func presetVPN(v answers) []built {
	out := []built{{key: "ping", spec: Spec{Kind: ICMP, Host: v["host"]}, asked: map[string]string{"host": "host"}}}
	if v["port"] != "" {
		n, _ := strconv.Atoi(v["port"]) // what is none becomes a problem of the port
		out = append(out, built{key: "port", spec: Spec{Kind: TCP, Host: v["host"], Port: n}, asked: map[string]string{"host": "host", "port": "port"}})
	}
	if v["portal"] != "" {
		out = append(out, built{key: "portal", spec: webCheck(v["portal"], ""), asked: map[string]string{"url": "portal"}})
	}
	return out
}

func presetApp(v answers) []built {
	main := built{spec: webCheck(v["url"], v["text"]), asked: askedURL}
	if !strings.Contains(v["url"], "://") { // host:port of a client program
		main.spec = Spec{Kind: TCP, Host: v["url"], Expect: Expect{Body: v["text"]}}
		main.asked = map[string]string{"host": "url", "port": "url", "expect.body": "text"}
	}
	out := []built{main}
	if v["database"] != "" || v["database_host"] != "" {
		k := Kind(v["database"])
		out = append(out, built{key: "database", spec: Spec{Kind: k, Host: v["database_host"]}, asked: map[string]string{"host": "database_host", "port": "database_host", "kind": "database"}})
	}
	return out
}

func presetPhone(v answers) []built {
	from := map[string]string{"host": "host", "port": "host", "tls.mode": "mode"}
	return []built{
		{key: "sip", spec: Spec{Kind: SIP, Host: v["host"], TLS: TLSSpec{Mode: v["mode"]}}, asked: from},
		{key: "ping", spec: Spec{Kind: ICMP, Host: hostOnly(v["host"])}, asked: from},
	}
}

func hostOnly(s string) string {
	if host, _, ok := splitHostPort(s); ok {
		return host
	}
	return s
}

func presetCertificates(v answers) []built {
	n, _ := strconv.Atoi(v["days"]) // what is none becomes a problem of the days
	if n < 1 {
		n = -1
	}
	var out []built
	for _, host := range v.lines("hosts") {
		s := certCheck(host, 0, n)
		port := 443
		if h, p, ok := splitHostPort(host); ok {
			s.Host, port = h, p
		}
		s.Port = port
		switch port {
		case 25, 587:
			s.TLS.Mode = "smtp"
		case 143:
			s.TLS.Mode = "imap"
		}
		out = append(out, built{label: host, spec: s, asked: map[string]string{"host": "hosts", "port": "hosts", "expect.certificate": "days"}})
	}
	return out
}

func presetBackup(v answers) []built {
	every := map[string]time.Duration{"hourly": time.Hour, "daily": day, "weekly": 7 * day}[v["rhythm"]]
	s := Spec{Kind: Heartbeat, Interval: Duration(every), Grace: typedSpan(v["grace"])}
	if every == 0 {
		s.Interval = badDuration
	}
	return []built{{spec: s, asked: map[string]string{"interval": "rhythm", "grace": "grace"}}}
}

// presetMonitors are the monitors of a preset in their names. The first
// question is blamed for what belongs to none.
func (p Preset) presetMonitors(ctx context.Context, name, svc string, v answers) ([]Monitor, []built, error) {
	bad := fault.New(fault.Invalid, "monitor.invalid")
	if name = strings.TrimSpace(name); name == "" {
		bad = bad.Field("name", ProblemRequired)
	}
	for _, f := range p.fields {
		v[f.name] = strings.TrimSpace(v[f.name])
		if f.required && (v[f.name] == "" || v[f.name] == "https://") {
			bad = bad.Field(f.name, ProblemRequired)
		}
		if f.typ == "choice" && !slices.Contains(f.options, v[f.name]) {
			bad = bad.Field(f.name, ProblemChoice)
		}
	}
	if len(bad.Fields) > 0 {
		return nil, nil, bad
	}
	parts := p.build(v)
	if len(parts) == 0 || len(parts) > 50 {
		return nil, nil, bad.Field(p.fields[0].name, ProblemTooLong)
	}
	var out []Monitor
	for _, b := range parts {
		m := Monitor{Name: name, Service: svc, Spec: b.spec}
		if b.key != "" {
			m.Name += ": " + i18n.T(ctx, "monitor.preset.part_"+b.key)
		}
		if b.label != "" {
			m.Name += ": " + b.label
		}
		m.Slug = service.SlugFor(m.Name)
		out = append(out, m)
	}
	return out, parts, nil
}

// Begin makes the monitors of a preset, all or none, and answers them.
func (r *Room) Begin(ctx context.Context, id, name, svc string, v map[string]string) ([]Monitor, error) {
	if err := mayChange(ctx); err != nil {
		return nil, err
	}
	p, ok := presetOf(id)
	if !ok {
		return nil, fault.New(fault.NotFound, "monitor.preset.unknown")
	}
	given := answers{}
	maps.Copy(given, v)
	drawn, parts, err := p.presetMonitors(ctx, name, svc, given)
	if err != nil {
		return nil, err
	}
	ms := slices.Clone(drawn)
	err = r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		for i, m := range drawn {
			base := m.Slug
			for n := 2; ; n++ {
				_, err := r.Get(ctx, m.Slug)
				if fault.KindOf(err) == fault.NotFound && err != nil {
					break
				}
				if err != nil {
					return err
				}
				suffix := "-" + strconv.Itoa(n)
				m.Slug = strings.TrimRight(base[:min(len(base), 60-len(suffix))], "-") + suffix
			}
			if err := r.Save(ctx, m); err != nil {
				return blame(err, p, parts[i])
			}
			var err error
			if ms[i], err = r.Get(ctx, m.Slug); err != nil {
				return err
			}
		}
		return nil
	})
	return ms, err
}

// blame puts the problems of a monitor to the questions they came from.
func blame(err error, p Preset, b built) error {
	f := fault.As(err)
	if f.Kind != fault.Invalid || len(f.Fields) == 0 {
		return err
	}
	out := fault.New(fault.Invalid, f.Key)
	for path, key := range f.Fields {
		name := b.asked[path]
		switch {
		case name != "":
		case path == "service" || path == "slug":
			name = map[string]string{"service": "service", "slug": "name"}[path]
		default:
			name = p.fields[0].name
		}
		out = out.Field(name, key)
	}
	return out
}
