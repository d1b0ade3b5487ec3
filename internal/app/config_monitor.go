package app

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"tuermer/internal/notice/monitor"
)

// MonitorConfig is one check. Everything about the check itself is the
// monitors' own [monitor.Spec]; only credentials are written differently here:
// the file names files that hold them, so that it can live in git.
type MonitorConfig struct {
	Slug    string
	Name    string // default: the slug
	Service string // slug
	Spec    monitor.Spec
	Files   MonitorFiles
	// Maintenance are announced windows, once or again and again, in local time.
	Maintenance []MaintenanceConfig
}

// MonitorFiles are the files that hold what must not stand in tuermer.yaml.
// Paths are relative to its folder.
type MonitorFiles struct {
	Password, Bearer, Community, ProxyPassword string
	CA, Cert, Key                              string            // PEM
	Headers                                    map[string]string // header → file
}

func (f MonitorFiles) any() bool {
	return f.Password+f.Bearer+f.Community+f.ProxyPassword+f.CA+f.Cert+f.Key != "" || len(f.Headers) > 0
}

// maxPEM bounds a file of certificates in bytes.
const maxPEM = 256 << 10

// monitor lists the keys of one check.
func (r *configReader) monitor(m *MonitorConfig) setter {
	s, e := &m.Spec, &m.Spec.Expect
	return r.object(1, append(fields(
		field{"slug", scalar(r, &m.Slug, parseSlug)},
		field{"url", scalar(r, &s.URL, parseTarget)},
		field{"name", scalar(r, &m.Name, parseLine)},
		field{"service", scalar(r, &m.Service, parseSlug)},
		field{"kind", scalar(r, &s.Kind, oneKind)},
		field{"host", scalar(r, &s.Host, parseLine)},
		field{"port", r.number(&s.Port, 1, 65535)},
		field{"interval", scalar(r, &s.Interval, spanBetween(time.Second, 24*time.Hour))},
		field{"timeout", scalar(r, &s.Timeout, spanBetween(100*time.Millisecond, 2*time.Minute))},
		field{"grace", scalar(r, &s.Grace, spanBetween(time.Second, 7*24*time.Hour))},
		field{"expect", r.object(0,
			field{"status", r.statusSet(&e.Status)},
			field{"body", scalar(r, &e.Body, parseText)},
			field{"regex", scalar(r, &e.Regex, parseText)},
			field{"json", mapOf(r, &e.JSON, parseText)},
			field{"headers", mapOf(r, &e.Headers, parseText)},
			field{"within", scalar(r, &e.Within, spanBetween(time.Millisecond, 2*time.Minute))},
			field{"certificate", scalar(r, &e.Certificate, spanBetween(time.Hour, 366*24*time.Hour))},
			field{"records", r.each(&e.Records, parseLine)},
			field{"rcode", scalar(r, &e.RCode, parseLine)},
			field{"domain", scalar(r, &e.Domain, spanBetween(time.Hour, 366*24*time.Hour))},
		)},
		field{"confirm", r.number(&s.Confirm, 1, 10)},
		field{"method", scalar(r, &s.Method, parseLine)},
		field{"headers", mapOf(r, &s.Headers, parseLine)},
		field{"header_files", mapOf(r, &m.Files.Headers, parseLine)},
		field{"body", scalar(r, &s.Body, parseRaw)},
		field{"redirects", r.redirects(s)},
		field{"same_host", r.flag(&s.SameHost)},
		field{"proxy", scalar(r, &s.Proxy, parseRaw)},
		field{"proxy_username", scalar(r, &s.ProxyUsername, parseLine)},
		field{"proxy_password_file", scalar(r, &m.Files.ProxyPassword, parseLine)},
		field{"http2", r.flag(&s.HTTP2)},
		field{"username", scalar(r, &s.Username, parseLine)},
		field{"password_file", scalar(r, &m.Files.Password, parseLine)},
		field{"bearer_file", scalar(r, &m.Files.Bearer, parseLine)},
		field{"tls", r.object(0,
			field{"mode", scalar(r, &s.TLS.Mode, parseLine)},
			field{"min", scalar(r, &s.TLS.Min, parseLine)},
			field{"server_name", scalar(r, &s.TLS.ServerName, parseLine)},
			field{"insecure", r.flag(&s.TLS.Insecure)},
			field{"ca_file", scalar(r, &m.Files.CA, parseLine)},
			field{"cert_file", scalar(r, &m.Files.Cert, parseLine)},
			field{"key_file", scalar(r, &m.Files.Key, parseLine)},
		)},
		field{"send", scalar(r, &s.Send, parseRaw)},
		field{"dns", r.object(0,
			field{"server", scalar(r, &s.DNS.Server, parseLine)},
			field{"type", scalar(r, &s.DNS.Type, parseLine)},
			field{"dnssec", r.flag(&s.DNS.DNSSEC)},
			field{"tcp", r.flag(&s.DNS.TCP)},
		)},
		field{"snmp", r.object(0,
			field{"oid", scalar(r, &s.SNMP.OID, parseLine)},
			field{"community", scalar(r, &s.SNMP.Community, parseLine)},
			field{"community_file", scalar(r, &m.Files.Community, parseLine)},
		)},
		field{"grpc_service", scalar(r, &s.Service, parseLine)},
		field{"vantage", r.object(1,
			field{"sondes", r.each(&s.Vantage.Sondes, parseSlug)},
			field{"agree", r.number(&s.Vantage.Agree, 1, monitor.MaxSondes+1)},
			field{"escalate", scalar(r, &s.Vantage.Escalate, spanBetween(time.Second, monitor.MaxEscalate))},
			field{"credentials", r.flag(&s.Vantage.Credentials)},
		)},
	), r.states(m)...)...)
}

// oneKind takes a kind of check.
func oneKind(s string) (monitor.Kind, *complaint) {
	var names []string
	for _, k := range monitor.Kinds() {
		names = append(names, string(k))
	}
	k, wrong := oneOf(names)(s)
	return monitor.Kind(k), wrong
}

// spanBetween is [between] for the monitors' own type, which knows days too.
func spanBetween(lowest, highest time.Duration) func(string) (monitor.Duration, *complaint) {
	return func(s string) (monitor.Duration, *complaint) {
		d, err := monitor.ParseSpan(s)
		if err != nil || d < lowest || d > highest {
			return 0, sorry("config.duration", shorten(s), brief(lowest), brief(highest))
		}
		return monitor.Duration(d), nil
	}
}

// parseRaw takes a text as it is, blanks at its ends too: it goes on the wire.
func parseRaw(s string) (string, *complaint) {
	if n := len(s); n > 60_000 {
		return "", sorry("config.long", n, 60_000)
	}
	return s, nil
}

// statusSet reads the accepted codes: a list of numbers and ranges, or one
// text such as "200-299,401".
func (r *configReader) statusSet(dst *[]monitor.StatusRange) setter {
	one := func(s *monitor.StatusRange) setter {
		return func(n ast.Node, path string) {
			_, number := n.(*ast.IntegerNode)
			text, ok := n.(*ast.StringNode)
			switch {
			case number:
				_ = s.UnmarshalText([]byte(n.GetToken().Value)) // what is none is out of range below
			case ok:
				_ = s.UnmarshalText([]byte(text.Value))
			}
			if s.From < 100 || s.To > 599 || s.To < s.From {
				r.refuse(placeOf(n), path, "config.status")
			}
		}
	}
	list := listOf(r, dst, one)
	return func(n ast.Node, path string) {
		text, ok := n.(*ast.StringNode)
		if !ok {
			if _, number := n.(*ast.IntegerNode); number {
				*dst = make([]monitor.StatusRange, 1)
				one(&(*dst)[0])(n, path)
				return
			}
			list(n, path)
			return
		}
		set, good := monitor.ParseStatusSet(text.Value)
		for _, s := range set {
			good = good && s.From >= 100 && s.To <= 599
		}
		if !good || len(set) == 0 {
			r.refuse(placeOf(n), path, "config.status")
			return
		}
		*dst = set
	}
}

// redirects reads how many are followed; 0 judges the redirect itself.
func (r *configReader) redirects(s *monitor.Spec) setter {
	return func(n ast.Node, path string) {
		i := 0
		r.number(&i, 0, monitor.MaxRedirects)(n, path)
		s.Redirects = &i
	}
}

// mapOf reads a mapping whose keys are free.
func mapOf(r *configReader, dst *map[string]string, parse func(string) (string, *complaint)) setter {
	return func(n ast.Node, path string) {
		mapping, ok := n.(ast.MapNode)
		if !ok {
			r.refuse(placeOf(n), path, "config.want_map")
			return
		}
		*dst = map[string]string{}
		for it := mapping.MapRange(); it.Next(); {
			key := it.Key().GetToken().Value
			sub := join(path, key)
			if _, twice := (*dst)[key]; twice {
				r.refuse(placeOf(it.Key()), sub, "config.key_twice", r.where(sub).line)
				continue
			}
			r.at[sub] = placeOf(it.Key())
			value := ""
			if b, ok := it.Value().(*ast.BoolNode); ok {
				value = b.GetToken().Value // of JSON: true
			} else if !isNull(it.Value()) {
				scalar(r, &value, parse)(it.Value(), sub)
			}
			(*dst)[key] = value
		}
	}
}

// checkMonitor refuses one check that cannot be meant.
func (r *configReader) checkMonitor(path string, m *MonitorConfig) {
	s := &m.Spec
	// Two looks at once would tell nothing more. Who shortens the interval of
	// a file that works means just that, so it is no reason to refuse.
	if s.Kind != monitor.Heartbeat && s.Timeout >= s.Interval {
		was := s.Timeout.D()
		s.Timeout = s.Interval - s.Interval/10
		r.remark(r.where(path+".timeout"), path+".timeout", "config.timeout", was, s.Interval.D(), s.Timeout.D())
	}
	scheme, _, _ := strings.Cut(strings.ToLower(s.URL), ":")
	needsURL := s.Kind == monitor.HTTP || s.Kind == monitor.TCP && s.Host == ""
	switch {
	case s.Kind == monitor.Heartbeat && s.URL != "":
		r.refuse(r.where(path+".url"), path+".url", "config.heartbeat_url")
	case needsURL && s.URL == "":
		r.refuse(r.where(path+".url"), path+".url", "config.missing")
	case s.URL != "" && needsURL && (s.Kind == monitor.TCP) != (scheme == "tcp"):
		r.refuse(r.where(path+".kind"), path+".kind", "config.kind_url", string(s.Kind), scheme)
	}
	r.checkSpec(path, *m)
}

// checkSpec asks the monitors themselves, so that what they would refuse at the
// start is refused here, where the line is known.
func (r *configReader) checkSpec(path string, m MonitorConfig) {
	for _, p := range r.problems {
		if strings.HasPrefix(p.Key, path+".") {
			return // said already, in better words
		}
	}
	_, wrong := m.spec().Normalize()
	for _, p := range wrong {
		key := path + "." + p.Path
		if m.Spec.URL != "" && (p.Path == "port" || p.Path == "host") {
			key = path + ".url" // tcp://host:port
		}
		r.refuse(r.where(key), key, p.Key)
	}
}

// secrets reads the files that a check names, and judges it again with them.
func (r *configReader) secrets(folder, path string, m *MonitorConfig) {
	if !m.Files.any() {
		return
	}
	before := len(r.problems)
	line := func(file, key string, dst *string) {
		var s Secret
		r.secret(folder, file, path+"."+key, &s)
		if s != "" {
			*dst = s.Reveal()
		}
	}
	s, f := &m.Spec, m.Files
	line(f.Password, "password_file", &s.Password)
	line(f.Bearer, "bearer_file", &s.Bearer)
	line(f.Community, "snmp.community_file", &s.SNMP.Community)
	line(f.ProxyPassword, "proxy_password_file", &s.ProxyPassword)
	for _, name := range slices.Sorted(maps.Keys(f.Headers)) {
		value := ""
		line(f.Headers[name], "header_files."+name, &value)
		if s.Headers == nil {
			s.Headers = map[string]string{}
		}
		s.Headers[name] = value
	}
	r.pem(folder, f.CA, path+".tls.ca_file", &s.TLS.CA)
	r.pem(folder, f.Cert, path+".tls.cert_file", &s.TLS.Cert)
	r.pem(folder, f.Key, path+".tls.key_file", &s.TLS.Key)
	if len(r.problems) == before {
		r.checkSpec(path, *m)
	}
}

// pem reads a file of several lines; what it holds is for checkSpec to judge.
func (r *configReader) pem(folder, file, path string, dst *string) {
	if file == "" {
		return
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(folder, file)
	}
	data, err := readBounded(file, maxPEM)
	if err != nil {
		r.refuse(r.at[path], path, "config.secret_unreadable", file, plainError(err))
		return
	}
	*dst = string(data)
}

// spec is the check as the monitors know it: without what the kind does not
// use.
func (m MonitorConfig) spec() monitor.Spec {
	s := m.Spec
	if s.Kind == monitor.Heartbeat {
		s.Timeout, s.Confirm = 0, 0
	}
	return s
}

// monitors are the checks as the monitors know them.
func monitors(in []MonitorConfig) []monitor.Monitor {
	out := make([]monitor.Monitor, len(in))
	for i, m := range in {
		out[i] = monitor.Monitor{Slug: m.Slug, Name: m.Name, Service: m.Service, Spec: m.spec()}
	}
	return out
}

// fill puts the defaults of a check.
func (m *MonitorConfig) fill() {
	s := &m.Spec
	if m.Name == "" {
		m.Name = m.Slug
	}
	if s.Kind == "" {
		s.Kind = monitor.HTTP
		if strings.HasPrefix(strings.ToLower(s.URL), "tcp:") || s.URL == "" && s.Host != "" {
			s.Kind = monitor.TCP
		}
	}
	if s.Interval == 0 {
		s.Interval = monitor.Duration(time.Minute)
		if s.Kind == monitor.Domain {
			s.Interval = monitor.Duration(6 * time.Hour) // registries mind being asked by the minute
		}
	}
	if s.Timeout == 0 {
		s.Timeout = min(monitor.Duration(10*time.Second), s.Interval/2)
	}
	if s.Confirm == 0 {
		s.Confirm = monitor.DefaultConfirm
	}
	if s.Kind == monitor.Heartbeat && s.Grace == 0 {
		s.Grace = s.Interval
	}
}
