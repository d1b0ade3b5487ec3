package monitor

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/idna"

	"tuermer/internal/platform/fence"
	"tuermer/internal/platform/ident"
)

// Kind names how a monitor looks: which [Prober] serves it.
type Kind string

// The kinds of the main job; probe_kinds.go has the others.
const (
	HTTP      Kind = "http"      // one request, with conditions on the answer
	TCP       Kind = "tcp"       // connect, optionally send and expect bytes
	Heartbeat Kind = "heartbeat" // not probed: the job itself pings us
)

// Limits of a Spec. They keep one wrong line of configuration from turning into
// a flood against a target or into a check that never ends.
const (
	MinInterval     = time.Second
	MaxInterval     = 7 * 24 * time.Hour
	MaxBeatInterval = 366 * 24 * time.Hour // a yearly job may have a heartbeat
	MinTimeout      = 50 * time.Millisecond
	MaxTimeout      = 5 * time.Minute
	MaxConfirm      = 10
	MaxRedirects    = 10
	maxPattern      = 2000 // bytes of an expected text or pattern
	maxPayload      = 64 << 10
)

// The defaults that Normalize fills in.
const (
	DefaultInterval  = time.Minute
	DefaultTimeout   = 10 * time.Second
	DefaultConfirm   = 3
	DefaultRedirects = 5
	DefaultGrace     = 5 * time.Minute
)

// Duration is a time span that is written "60s" or "5m" in YAML and JSON. A
// text that is no span decodes without an error and is named by
// [Spec.Normalize], so that the caller can report it with its key like every
// other wrong value.
type Duration time.Duration

const badDuration = Duration(math.MinInt64)

// UnmarshalText reads Go's notation of a span; a bare number means seconds.
func (d *Duration) UnmarshalText(b []byte) error {
	s := strings.TrimSpace(string(b))
	if v, err := ParseSpan(s); err == nil {
		*d = Duration(v)
	} else if n, err := strconv.ParseInt(s, 10, 32); err == nil {
		*d = Duration(time.Duration(n) * time.Second)
	} else {
		*d = badDuration
	}
	return nil
}

// ParseSpan reads Go's notation of a span, and whole days: "30d".
func ParseSpan(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * day, err
	}
	return time.ParseDuration(s)
}

// UnmarshalJSON takes a string like "60s" or a number of seconds.
func (d *Duration) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	return d.UnmarshalText(unquoted(b))
}

// MarshalText writes the span as UnmarshalText reads it.
func (d Duration) MarshalText() ([]byte, error) {
	return []byte(time.Duration(d).String()), nil
}

// D is the span as Go's type.
func (d Duration) D() time.Duration { return time.Duration(d) }

// StatusRange is an inclusive range of HTTP status codes, written 200,
// "200-299" or "2xx". What is none of these becomes an invalid range that
// Normalize names.
type StatusRange struct{ From, To int }

// UnmarshalText reads one of the three forms.
func (r *StatusRange) UnmarshalText(b []byte) error {
	*r = StatusRange{-1, -1}
	s := strings.ToLower(strings.TrimSpace(string(b)))
	if len(s) == 3 && s[1:] == "xx" && s[0] >= '1' && s[0] <= '5' {
		n := int(s[0]-'0') * 100
		*r = StatusRange{n, n + 99}
		return nil
	}
	from, to, isRange := strings.Cut(strings.ReplaceAll(s, "–", "-"), "-")
	a, err := strconv.Atoi(strings.TrimSpace(from))
	if err != nil {
		return nil
	}
	z := a
	if isRange {
		if z, err = strconv.Atoi(strings.TrimSpace(to)); err != nil {
			return nil
		}
	}
	*r = StatusRange{a, z}
	return nil
}

// UnmarshalJSON takes a number or a string.
func (r *StatusRange) UnmarshalJSON(b []byte) error { return r.UnmarshalText(unquoted(b)) }

// ParseStatusSet reads several ranges: "200-299,401". It is false when one of
// them is none.
func ParseStatusSet(s string) (set []StatusRange, ok bool) {
	ok = true
	for part := range strings.FieldsFuncSeq(s, func(c rune) bool { return c == ',' || c == ';' || c == ' ' }) {
		var r StatusRange
		_ = r.UnmarshalText([]byte(part))
		ok = ok && r.valid()
		set = append(set, r)
	}
	return set, ok
}

// MarshalText writes the shortest form that reads back the same.
func (r StatusRange) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String is the form shown to people.
func (r StatusRange) String() string {
	if r.From == r.To {
		return strconv.Itoa(r.From)
	}
	return strconv.Itoa(r.From) + "-" + strconv.Itoa(r.To)
}

// Has tells whether the code lies in the range.
func (r StatusRange) Has(code int) bool { return r.From <= code && code <= r.To }

func (r StatusRange) valid() bool { return 100 <= r.From && r.From <= r.To && r.To <= 999 }

func unquoted(b []byte) []byte {
	var s string
	if json.Unmarshal(b, &s) == nil {
		return []byte(s)
	}
	return b
}

// Spec says what to probe, how often, and what counts as healthy. Fields that
// the kind does not use stay empty. A Spec is a plain value: two specs that are
// deeply equal probe alike, and a reload leaves such a monitor untouched.
type Spec struct {
	Kind     Kind     `yaml:"kind,omitempty" json:"kind,omitempty"`
	URL      string   `yaml:"url,omitempty" json:"url,omitempty"`
	Interval Duration `yaml:"interval,omitempty" json:"interval,omitempty"`
	Timeout  Duration `yaml:"timeout,omitempty" json:"timeout,omitempty"`
	// Confirm is how many failing probes in a row make a failure certain.
	Confirm int `yaml:"confirm,omitempty" json:"confirm,omitempty"`

	// Method, Headers and Body describe an HTTP request.
	Method  string            `yaml:"method,omitempty" json:"method,omitempty"`
	Headers map[string]string `yaml:"headers,omitempty" json:"headers,omitempty"`
	Body    string            `yaml:"body,omitempty" json:"body,omitempty"`
	// Redirects is how many a check follows; nil means DefaultRedirects, and
	// with 0 the redirect itself is judged.
	Redirects *int `yaml:"redirects,omitempty" json:"redirects,omitempty"`
	// SameHost refuses redirects to another host.
	SameHost bool `yaml:"same_host,omitempty" json:"same_host,omitempty"`
	// Proxy is the address of a forward proxy: http://, https:// or socks5://.
	// ProxyUsername and ProxyPassword sign in to it.
	Proxy         string `yaml:"proxy,omitempty" json:"proxy,omitempty"`
	ProxyUsername string `yaml:"proxy_username,omitempty" json:"proxy_username,omitempty"`
	ProxyPassword string `yaml:"proxy_password,omitempty" json:"proxy_password,omitempty"`
	// HTTP2 asks the server for h2; without it a check speaks HTTP/1.1.
	HTTP2 bool `yaml:"http2,omitempty" json:"http2,omitempty"`

	// Username and Password sign in with basic authentication, Bearer with a
	// token. They are sent only to the host of URL, never behind a redirect.
	Username string `yaml:"username,omitempty" json:"username,omitempty"`
	Password string `yaml:"password,omitempty" json:"password,omitempty"`
	Bearer   string `yaml:"bearer,omitempty" json:"bearer,omitempty"`
	// TLS changes how certificates are judged.
	TLS TLSSpec `yaml:"tls,omitempty" json:"tls,omitzero"`

	// Host and Port are the target of every kind but http; an IP address or a
	// name. Send is written after connecting (tcp).
	Host string `yaml:"host,omitempty" json:"host,omitempty"`
	Port int    `yaml:"port,omitempty" json:"port,omitempty"`
	Send string `yaml:"send,omitempty" json:"send,omitempty"`

	// DNS, SNMP and Service belong to the kinds dns, snmp and grpc.
	DNS     DNSSpec  `yaml:"dns,omitempty" json:"dns,omitzero"`
	SNMP    SNMPSpec `yaml:"snmp,omitempty" json:"snmp,omitzero"`
	Service string   `yaml:"grpc_service,omitempty" json:"grpc_service,omitempty"`

	// Grace is how long a heartbeat may be late before it counts as missed.
	Grace Duration `yaml:"grace,omitempty" json:"grace,omitempty"`

	Expect Expect `yaml:"expect,omitempty" json:"expect,omitzero"`
	// Degraded lists soft limits: who misses one is shown and told of, but
	// nobody is woken.
	Degraded Soft `yaml:"degraded,omitempty" json:"degraded,omitzero"`
	// Parents are slugs of monitors without which this one cannot be reached.
	// While one of them is down, this one gives no alarm of its own.
	Parents []string `yaml:"parents,omitempty" json:"parents,omitempty"`
	// Flapping: false lets every outage of a restless target alarm for itself.
	Flapping *bool `yaml:"flapping,omitempty" json:"flapping,omitempty"`

	// Vantage says from where it is looked at.
	Vantage Vantage `yaml:"vantage,omitempty" json:"vantage,omitzero"`

	// Maintenance lists announced one-off windows: no alarms inside.
	Maintenance []Window `yaml:"maintenance,omitempty" json:"maintenance,omitempty"`
	// MaintenanceRules are windows that come again and again.
	MaintenanceRules []Recurring `yaml:"maintenance_rules,omitempty" json:"maintenance_rules,omitempty"`

	// By is the tenant whose people entered the check; empty: the operator. The
	// room sets it for the engine, and [Guard] asks for it. It is no setting.
	By ident.Tenant `yaml:"-" json:"-"`
	// Within holds the check to these networks wherever it is made, whatever the
	// guard says: a sonde does not know the tenants' lists. Nil: the guard alone.
	Within *fence.List `yaml:"-" json:"-"`
}

// Expect lists what a healthy answer looks like; every condition must hold.
type Expect struct {
	// Status lists the accepted codes; empty means 200–399.
	Status []StatusRange `yaml:"status,omitempty" json:"status,omitempty"`
	// Body must occur in the answer, Regex must match it (RE2 syntax).
	Body  string `yaml:"body,omitempty" json:"body,omitempty"`
	Regex string `yaml:"regex,omitempty" json:"regex,omitempty"`
	// JSON maps a path in gjson's notation to the value that must stand there;
	// an empty value only asks that the path exists.
	JSON map[string]string `yaml:"json,omitempty" json:"json,omitempty"`
	// Headers maps a header's name to a text that must occur in its value.
	Headers map[string]string `yaml:"headers,omitempty" json:"headers,omitempty"`
	// Within is the longest healthy duration of a check; zero: only the timeout.
	Within Duration `yaml:"within,omitempty" json:"within,omitempty"`
	// Certificate is how long the certificate must still be valid; zero means
	// [DefaultCertificate]. One that ends earlier makes the target degraded.
	Certificate Duration `yaml:"certificate,omitempty" json:"certificate,omitempty"`
	// Records must all be among the records that a name server answers, as text
	// ("192.0.2.7", "10 mail.example."); RCode is the answer's code, NOERROR
	// unless given.
	Records []string `yaml:"records,omitempty" json:"records,omitempty"`
	RCode   string   `yaml:"rcode,omitempty" json:"rcode,omitempty"`
	// Domain is how long a domain must still be registered; default 30 days.
	Domain Duration `yaml:"domain,omitempty" json:"domain,omitempty"`
}

// TLSSpec changes how certificates are judged.
type TLSSpec struct {
	// Mode is when the kinds smtp, imap, ldap, grpc, sip and tls speak TLS: "none",
	// "tls" from the first byte, or "starttls". Empty means what is usual on the
	// port. The kind tls takes "smtp" and "imap" here: STARTTLS of that protocol.
	Mode string `yaml:"mode,omitempty" json:"mode,omitempty"`
	// Min is the oldest version that is accepted: "1.2" unless given; "1.0" and
	// "1.1" are for devices that know nothing better.
	Min string `yaml:"min,omitempty" json:"min,omitempty"`
	// ServerName overrides the name that is sent and verified.
	ServerName string `yaml:"server_name,omitempty" json:"server_name,omitempty"`
	// Insecure accepts any certificate; its expiry is recorded all the same.
	Insecure bool `yaml:"insecure,omitempty" json:"insecure,omitempty"`
	// CA is a PEM bundle that is trusted instead of the system's.
	CA string `yaml:"ca,omitempty" json:"ca,omitempty"`
	// Cert and Key are the client's certificate and key in PEM.
	Cert string `yaml:"cert,omitempty" json:"cert,omitempty"`
	Key  string `yaml:"key,omitempty" json:"key,omitempty"`
}

// Window is one announced maintenance, from inclusive, to exclusive.
type Window struct {
	From   time.Time `yaml:"from" json:"from"`
	To     time.Time `yaml:"to" json:"to"`
	Reason string    `yaml:"reason,omitempty" json:"reason,omitempty"`
}

// Problem names one wrong value: where it stands and what was expected. Key is
// a message key of this room ("monitor.problem.url"), Args its values; the
// caller writes the sentence.
type Problem struct {
	Path string // "expect.status[0]"
	Key  string
	Args map[string]any
}

// String is for logs and tests; people read the sentence behind Key.
func (p Problem) String() string {
	if len(p.Args) == 0 {
		return p.Path + ": " + p.Key
	}
	return fmt.Sprintf("%s: %s %v", p.Path, p.Key, p.Args)
}

// The message keys of problems, so that a test can ask for all their sentences.
const (
	ProblemKind      = "monitor.problem.kind"      // {value, known}
	ProblemURL       = "monitor.problem.url"       // expected http:// or https:// with a host
	ProblemURLLogin  = "monitor.problem.url_login" // no name and password inside the URL
	ProblemDuration  = "monitor.problem.duration"  // expected a span such as 60s
	ProblemRange     = "monitor.problem.range"     // {min, max}
	ProblemTimeout   = "monitor.problem.timeout"   // {interval}: must be shorter than the interval
	ProblemMethod    = "monitor.problem.method"
	ProblemHeader    = "monitor.problem.header"
	ProblemStatus    = "monitor.problem.status" // expected 200, "200-299" or "2xx"
	ProblemRegex     = "monitor.problem.regex"  // {why}
	ProblemTooLong   = "monitor.problem.too_long"
	ProblemHost      = "monitor.problem.host"
	ProblemPort      = "monitor.problem.port"
	ProblemWindow    = "monitor.problem.window"     // to must lie after from
	ProblemUnused    = "monitor.problem.unused"     // {kind}: this kind has no such key
	ProblemLogin     = "monitor.problem.login"      // username and bearer exclude each other
	ProblemPEM       = "monitor.problem.pem"        // expected a PEM block
	ProblemBeatAlone = "monitor.problem.beat_alone" // a heartbeat is confirmed by its grace alone
	ProblemProxy     = "monitor.problem.proxy"      // expected http://, https:// or socks5://
	ProblemReach     = "monitor.problem.reach"      // outside of what people may check
	ProblemRequired  = "monitor.problem.required"
	ProblemChoice    = "monitor.problem.choice" // {value, known}
)

// check collects problems while a Spec is made normal.
type check struct{ problems []Problem }

func (c *check) add(path, key string, kv ...any) {
	p := Problem{Path: path, Key: key}
	if len(kv) > 0 {
		p.Args = map[string]any{}
		for i := 0; i+1 < len(kv); i += 2 {
			p.Args[kv[i].(string)] = kv[i+1]
		}
	}
	c.problems = append(c.problems, p)
}

// span fills a default and checks the bounds of one duration.
func (c *check) span(path string, d *Duration, def, low, high time.Duration) {
	switch {
	case *d == badDuration:
		c.add(path, ProblemDuration)
		*d = Duration(def)
	case *d == 0:
		*d = Duration(def)
	case d.D() < low || d.D() > high:
		c.add(path, ProblemRange, "min", low.String(), "max", high.String())
	}
}

func (c *check) text(path, s string, limit int) {
	if len(s) > limit {
		c.add(path, ProblemTooLong, "max", limit)
	}
}

// Normalize fills in the defaults and names everything that is wrong. The
// returned Spec shares nothing with s that a later change could reach. With
// problems it is not fit to be probed.
func (s Spec) Normalize() (Spec, []Problem) {
	var c check
	s.Kind = Kind(strings.ToLower(strings.TrimSpace(string(s.Kind))))
	s.URL = strings.TrimSpace(s.URL)
	s.Host = strings.TrimSpace(s.Host)
	if s.Kind == "" {
		s.Kind = guessKind(s)
	}
	s.Headers = maps.Clone(s.Headers)
	s.Expect.Status = slices.Clone(s.Expect.Status)
	s.Expect.Records = slices.Clone(s.Expect.Records)
	s.Expect.JSON = maps.Clone(s.Expect.JSON)
	s.Expect.Headers = maps.Clone(s.Expect.Headers)
	s.Maintenance = slices.Clone(s.Maintenance)
	if s.Redirects != nil {
		n := *s.Redirects
		s.Redirects = &n
	}

	r, known := kindRules[s.Kind]
	if !known {
		c.add("kind", ProblemKind, "value", string(s.Kind), "known", strings.Join(kindNames(), ", "))
		return s, c.problems
	}
	longest := MaxInterval
	if s.Kind == Heartbeat {
		longest = MaxBeatInterval
	}
	c.span("interval", &s.Interval, DefaultInterval, MinInterval, longest)
	s.Interval = Duration(s.Interval.D().Truncate(time.Millisecond)) // the grid of NextSlot
	if s.Kind == Heartbeat {
		s.normalHeartbeat(&c)
	} else {
		s.normalProbe(&c)
	}
	r(&s, &c)
	s.normalSoft(&c)
	s.normalParents(&c)
	s.normalRules(&c)
	s.checkUnused(&c)
	for i, w := range s.Maintenance {
		if w.From.IsZero() || !w.To.After(w.From) {
			c.add(fmt.Sprintf("maintenance[%d]", i), ProblemWindow)
		}
	}
	return s, c.problems
}

func guessKind(s Spec) Kind {
	switch {
	case s.URL != "":
		return HTTP
	case s.Host != "":
		return TCP
	case s.Grace != 0:
		return Heartbeat
	}
	return HTTP // the missing url is what people want to read about
}

// normalProbe checks what all probed kinds share.
func (s *Spec) normalProbe(c *check) {
	def := DefaultTimeout
	if iv := s.Interval.D(); iv > 0 && iv <= def {
		def = iv / 2 // a short interval without a timeout must stay valid
	}
	c.span("timeout", &s.Timeout, def, MinTimeout, MaxTimeout)
	if s.Timeout >= s.Interval {
		c.add("timeout", ProblemTimeout, "interval", s.Interval.D().String())
	}
	if s.Confirm == 0 {
		s.Confirm = DefaultConfirm
	}
	if s.Confirm < 1 || s.Confirm > MaxConfirm {
		c.add("confirm", ProblemRange, "min", 1, "max", MaxConfirm)
	}
	if s.Grace != 0 {
		c.add("grace", ProblemUnused, "kind", string(s.Kind))
	}
	c.span("expect.within", &s.Expect.Within, 0, time.Millisecond, MaxTimeout)
	c.span("expect.certificate", &s.Expect.Certificate, 0, time.Hour, 366*24*time.Hour)
	c.text("expect.body", s.Expect.Body, maxPattern)
	c.text("expect.regex", s.Expect.Regex, maxPattern)
	if s.Expect.Regex != "" {
		if _, err := regexp.Compile(s.Expect.Regex); err != nil {
			c.add("expect.regex", ProblemRegex, "why", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
	}
	if !utf8.ValidString(s.Expect.Body) {
		c.add("expect.body", ProblemRegex, "why", "invalid UTF-8")
	}
	if s.Bearer != "" && s.Username != "" {
		c.add("bearer", ProblemLogin)
	}
	s.checkTLS(c)
	s.normalVantage(c)
}

// normalHeartbeat checks a monitor that is pinged instead of probed.
func (s *Spec) normalHeartbeat(c *check) {
	c.span("grace", &s.Grace, DefaultGrace, time.Second, 30*24*time.Hour)
	if s.Confirm > 1 {
		c.add("confirm", ProblemBeatAlone)
	}
	if len(s.Vantage.Sondes) > 0 {
		c.add("vantage.sondes", ProblemUnused, "kind", string(s.Kind))
	}
	s.Confirm = 1
	s.Timeout = 0
	for _, f := range [...]struct{ path, value string }{{"url", s.URL}, {"host", s.Host}, {"method", s.Method}} {
		if f.value != "" {
			c.add(f.path, ProblemUnused, "kind", string(s.Kind))
		}
	}
}

func normalHTTP(s *Spec, c *check) {
	if _, key := parseTarget(s.URL); key != "" {
		c.add("url", key)
	}
	if s.Method = strings.ToUpper(s.Method); s.Method == "" {
		s.Method = "GET"
		if s.Body != "" {
			s.Method = "POST"
		}
	}
	if !httpguts.ValidHeaderFieldName(s.Method) || len(s.Method) > 20 || s.Method == "CONNECT" {
		c.add("method", ProblemMethod)
	}
	c.text("body", s.Body, maxPayload)
	for _, k := range slices.Sorted(maps.Keys(s.Headers)) {
		v := s.Headers[k]
		if !httpguts.ValidHeaderFieldName(k) || !httpguts.ValidHeaderFieldValue(v) || len(k)+len(v) > 8<<10 || ownHeader(k) {
			c.add("headers."+k, ProblemHeader)
		}
	}
	s.checkStatus(c, StatusRange{200, 399})
	if !httpguts.ValidHeaderFieldValue(s.Bearer) {
		c.add("bearer", ProblemHeader)
	}
	if strings.ContainsAny(s.Username, ":\x00\r\n") {
		c.add("username", ProblemHeader)
	}
	if s.Redirects != nil && (*s.Redirects < 0 || *s.Redirects > MaxRedirects) {
		c.add("redirects", ProblemRange, "min", 0, "max", MaxRedirects)
	}
	if s.Proxy != "" {
		if _, ok := parseProxy(s.Proxy); !ok {
			c.add("proxy", ProblemProxy)
		}
	}
	if s.ProxyUsername != "" && s.Proxy == "" {
		c.add("proxy_username", ProblemUnused, "kind", string(s.Kind))
	}
	if strings.ContainsAny(s.ProxyUsername, ":\x00\r\n") || len(s.ProxyUsername) > 255 || len(s.ProxyPassword) > 255 {
		c.add("proxy_username", ProblemHeader)
	}
	if s.Host != "" {
		c.add("host", ProblemUnused, "kind", string(s.Kind))
	}
	if s.Port != 0 {
		c.add("port", ProblemUnused, "kind", string(s.Kind))
	}
}

// ownHeader names the headers that frame a request; a value from outside could
// make one check speak two requests.
func ownHeader(name string) bool {
	switch strings.ToLower(name) {
	case "content-length", "transfer-encoding", "connection", "upgrade", "trailer", "te", "expect":
		return true
	}
	return false
}

// parseTarget accepts what a check can ask over HTTP. The second value is the
// key of the problem, empty when there is none.
func parseTarget(raw string) (*url.URL, string) {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > 4096 || (u.Scheme != "http" && u.Scheme != "https") || u.Opaque != "" {
		return nil, ProblemURL
	}
	if u.User != nil {
		return nil, ProblemURLLogin // a URL is shown in alarms; a password must not be
	}
	if !validHost(u.Hostname()) {
		return nil, ProblemURL
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return nil, ProblemURL
		}
	} else if strings.HasSuffix(u.Host, ":") {
		return nil, ProblemURL
	}
	return u, ""
}

func validHost(h string) bool {
	if _, err := netip.ParseAddr(h); err == nil {
		return true
	}
	h = strings.TrimSuffix(h, ".")
	if h == "" || len(h) > 253 {
		return false
	}
	a, err := asciiHost(h)
	if err != nil {
		return false
	}
	for label := range strings.SplitSeq(a, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, r := range label {
			switch {
			case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			default:
				return false
			}
		}
	}
	return true
}

// asciiHost is the form of a name that goes on the wire ("bürger.example").
func asciiHost(h string) (string, error) {
	for i := range len(h) {
		if h[i] >= utf8.RuneSelf {
			return idna.Lookup.ToASCII(h)
		}
	}
	return h, nil
}

// redirects is how many redirects a check of s follows.
func (s Spec) redirects() int {
	if s.Redirects == nil {
		return DefaultRedirects
	}
	return *s.Redirects
}

// HasCredentials tells whether the spec carries secrets.
func (s Spec) HasCredentials() bool {
	return s.Password != "" || s.Bearer != "" || s.TLS.Key != "" || s.ProxyPassword != "" || s.secretHeader()
}

func (s Spec) secretHeader() bool {
	for k := range s.Headers {
		if secretName(k) {
			return true
		}
	}
	return false
}

// secretName tells whether a header usually carries a secret.
func secretName(k string) bool {
	k = strings.ToLower(k)
	for _, w := range []string{"authorization", "cookie", "token", "key", "secret", "password"} {
		if strings.Contains(k, w) {
			return true
		}
	}
	return false
}

// Redacted is the spec with every secret replaced, fit to be shown or logged.
func (s Spec) Redacted() Spec {
	const hidden = "•••"
	for _, p := range s.secretFields() {
		if *p != "" {
			*p = hidden
		}
	}
	s.Headers = maps.Clone(s.Headers)
	for k := range s.Headers {
		if secretName(k) {
			s.Headers[k] = hidden
		}
	}
	return s
}

// secretFields are the fields that nobody gets to see.
func (s *Spec) secretFields() []*string {
	return []*string{&s.Password, &s.Bearer, &s.TLS.Key, &s.SNMP.Community, &s.ProxyPassword}
}

// Target is the place that a check goes to, in the form shown to people.
func (s Spec) Target() string {
	switch {
	case s.URL != "":
		return s.URL
	case s.Host != "" && s.Port != 0 && s.Kind != DNS:
		return joinHostPort(s.Host, s.Port)
	}
	return s.Host
}

func joinHostPort(host string, port int) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(port)
}
