package intake

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	unicode16 "golang.org/x/text/encoding/unicode"

	"tuermer/internal/notice/signal"
)

// Format names how a source writes.
type Format string

// The formats.
const (
	PRTG         Format = "prtg"
	Alertmanager Format = "alertmanager" // webhook, version 4
	Alerts       Format = "alerts"       // what Prometheus sends to an Alertmanager
	Grafana      Format = "grafana"
	Kuma         Format = "kuma"
	Gatus        Format = "gatus"
	Zabbix       Format = "zabbix"
	Icinga       Format = "icinga"
	Checkmk      Format = "checkmk" // and Zammad's form
	Healthchecks Format = "healthchecks"
	Sentry       Format = "sentry"
	PagerDuty    Format = "pagerduty" // Events v2
	Mail         Format = "mail"
	Generic      Format = "generic"
)

// Formats lists every format.
func Formats() []Format {
	return []Format{PRTG, Alertmanager, Alerts, Grafana, Kuma, Gatus, Zabbix, Icinga, Checkmk, Healthchecks, Sentry, PagerDuty, Mail, Generic}
}

// Body is what a source sent.
type Body struct {
	ContentType string
	Data        []byte
	Query       url.Values // of the address
	Asked       string     // the same as it came
	Path        []string   // behind the format
	Event       string     // the header Sentry-Hook-Resource
	Cut         bool       // it was longer than [MaxBody], this is its beginning
}

// Report is what a body says about one thing.
type Report struct {
	// Key is what it is about, stable over repeats and unlike that of any other
	// thing of the source.
	Key string
	// Episode is this occurrence as the source names it; empty where it names
	// none, then the first report opens one and the recovery ends it.
	Episode  string
	State    signal.State
	Severity signal.Severity
	Title    string
	Detail   string
	Since    time.Time // by the source's clock; zero when it says none
	// Host and Site are the machine and the place or group that it belongs to.
	Host, Site string
	Link       string // to the source's own page, http or https
	// Note says that nothing has changed: a comment, a test, an acknowledgement.
	Note bool

	ends   time.Time // of what is over by then; see [Report.over]
	former string    // the key that an earlier version gave it; see [Room.former]
	number string    // of the mail; the very same one brought again says nothing new
}

// Errors of parsers. The body is kept whatever they say.
var (
	ErrEmpty   = errors.New("intake: empty body")
	ErrForm    = errors.New("intake: not in this format")
	ErrKeyless = errors.New("intake: names nothing that it is about")
	ErrCut     = errors.New("intake: longer than what is read of a body")
)

// Zone is the time zone of clocks that do not name theirs.
type Zone = *time.Location

// Parser reads the reports of a body. It answers at least one report or an
// error, keeps nothing of the body, and never panics.
type Parser func(b Body, in Zone) ([]Report, error)

var parsers = map[Format]Parser{
	PRTG: parsePRTG, Alertmanager: parseAlertmanager, Alerts: parseAlerts, Grafana: parseGrafana, Kuma: parseKuma,
	Gatus: parseGatus, Zabbix: parseZabbix, Icinga: parseIcinga, Checkmk: parseCheckmk, Healthchecks: parseHealthchecks,
	Sentry: parseSentry, PagerDuty: parsePagerDuty,
}

// Parse reads the reports of a body in a format. A generic source needs its
// [Mapping].
func Parse(f Format, m Mapping, b Body, in Zone) ([]Report, error) {
	if in == nil {
		in = time.UTC
	}
	p := parsers[f]
	switch f {
	case Generic:
		p = m.parse
	case Mail:
		p = m.mail
	}
	if p == nil {
		return nil, fmt.Errorf("intake: no format %q", f)
	}
	if b.Cut && f != Mail { // of a mail the beginning tells
		return nil, ErrCut
	}
	if f != Mail { // a mail says itself how it is written
		b = b.readable()
	}
	rs, err := p(b, in)
	if err == nil && len(rs) == 0 {
		err = ErrForm
	}
	if err != nil {
		return nil, err
	}
	for i := range rs {
		if err := rs[i].tidy(); err != nil {
			return nil, err
		}
	}
	return rs, nil
}

// Limits of a report, in bytes; what is longer is cut.
const (
	maxKey    = 200
	maxTitle  = 180
	maxDetail = 1500
)

// tidy brings a report into the form in which it is used.
func (r *Report) tidy() error {
	r.Key = key(r.Key)
	if r.Key == "" {
		return ErrKeyless
	}
	r.Episode, r.former = key(r.Episode), key(r.former)
	r.Title = line(r.Title, maxTitle)
	if r.Title == "" {
		r.Title = r.Key
	}
	r.Detail = line(r.Detail, maxDetail)
	r.Host, r.Site = line(r.Host, maxKey), line(r.Site, maxKey)
	if r.State != signal.Resolved {
		r.State = signal.Firing // doubt never silences (I20)
	}
	switch r.Severity {
	case signal.Info, signal.Warning, signal.Critical:
	default:
		r.Severity = signal.Critical
	}
	if u, err := url.Parse(r.Link); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || len(r.Link) > 500 {
		r.Link = ""
	}
	return nil
}

// labels are the marks by which people choose among what a source reports.
func (r *Report) labels() map[string]string {
	out := map[string]string{}
	for name, value := range map[string]string{"host": r.Host, "site": r.Site} {
		if value != "" {
			out[name] = value
		}
	}
	return out
}

// key makes a key of bounded length; a long one keeps its identity by a hash.
func key(s string) string {
	clean := line(s, 1<<20)
	if len(clean) <= maxKey {
		return clean
	}
	sum := sha256.Sum256([]byte(clean))
	return line(clean, maxKey-18) + " " + hex.EncodeToString(sum[:8])
}

// line is text on one line without control and direction marks, at most n bytes.
func line(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return -1
		case unicode.IsControl(r) || r == 0x2028 || r == 0x2029:
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= n {
		return s
	}
	cut := n - len("…")
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// Marks of the byte order before a body.
const (
	markUTF8    = "\xef\xbb\xbf"
	markUTF16   = "\xfe\xff"
	markReverse = "\xff\xfe"
)

// utf8Of is a body as UTF-8, without a mark of the byte order. What a mark says is
// UTF-16 is read so; a byte that is no UTF-8 comes from an older Windows.
func utf8Of(b []byte) []byte {
	if bytes.HasPrefix(b, []byte(markUTF16)) || bytes.HasPrefix(b, []byte(markReverse)) {
		if s, err := unicode16.UTF16(unicode16.BigEndian, unicode16.ExpectBOM).NewDecoder().Bytes(b); err == nil {
			return s
		}
	}
	b = bytes.TrimPrefix(b, []byte(markUTF8))
	if utf8.Valid(b) {
		return b
	}
	out := make([]byte, 0, len(b)+len(b)/8)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			r = charmap.Windows1252.DecodeByte(b[0])
		}
		out, b = utf8.AppendRune(out, r), b[n:]
	}
	return out
}

// readable is the body with all that it says in UTF-8.
func (b Body) readable() Body {
	b.Data, b.Path = utf8Of(b.Data), slices.Clone(b.Path)
	for i, p := range b.Path {
		b.Path[i] = text([]byte(p))
	}
	q := make(url.Values, len(b.Query))
	for name, all := range b.Query {
		for _, v := range all {
			q.Add(text([]byte(name)), text([]byte(v)))
		}
	}
	b.Query = q
	return b
}

// text is a body as UTF-8; see [utf8Of].
func text(b []byte) string { return string(utf8Of(b)) }

// first is the first that is not empty.
func first(s ...string) string {
	if i := slices.IndexFunc(s, func(x string) bool { return strings.TrimSpace(x) != "" }); i >= 0 {
		return strings.TrimSpace(s[i])
	}
	return ""
}

// join puts what is not empty together.
func join(sep string, s ...string) string {
	return strings.Join(slices.DeleteFunc(s, func(x string) bool { return strings.TrimSpace(x) == "" }), sep)
}

// severityOf reads the words that monitoring systems have for how bad it is.
// A word that it does not know is critical.
func severityOf(word string) signal.Severity {
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "info", "information", "informational", "ok", "none", "debug", "not classified", "notice", "low":
		return signal.Info
	case "warning", "warn", "minor", "average", "medium", "unknown", "degraded":
		return signal.Warning
	}
	return signal.Critical
}

// clocks are the forms in which sources write a moment.
var clocks = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05.999999999 -0700 MST", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05", "2006-01-02T15:04:05",
	"02.01.2006 15:04:05", "2.1.2006 15:04:05", "02.01.2006 15:04", "1/2/2006 3:04:05 PM", "1/2/2006 15:04:05", "2006.01.02 15:04:05",
	"Mon Jan _2 15:04:05 MST 2006", "2006-01-02 15:04:05.000",
}

// moment reads a point in time; zero when it cannot, or when it might be another.
func moment(s string, in Zone) time.Time {
	s = strings.TrimSpace(s)
	for _, form := range clocks {
		t, err := time.ParseInLocation(form, s, in)
		if err != nil || t.Year() < 2000 || t.Year() >= 2200 {
			continue
		}
		if strings.HasPrefix(form, "1/2/") && t.Day() <= 12 && t.Day() != int(t.Month()) {
			return time.Time{} // which of the two is the month?
		}
		if zoned := strings.Contains(form, "07") || strings.Contains(form, "MST"); !zoned && twice(t) {
			return time.Time{}
		}
		return t.UTC()
	}
	return time.Time{}
}

// twice tells whether clocks show a moment's time twice, as in the night in which
// summer ends. It may be the later one, and then what happens between the two would
// pass for old.
func twice(t time.Time) bool {
	_, before := t.Add(-3 * time.Hour).Zone()
	_, after := t.Add(3 * time.Hour).Zone()
	d := time.Duration(before-after) * time.Second
	for _, other := range []time.Time{t.Add(d), t.Add(-d)} {
		if d > 0 && other.Format(time.DateTime) == t.Format(time.DateTime) {
			return true
		}
	}
	return false
}

// over tells at a moment whether a report that names its own end has come to it.
func (r *Report) over(now time.Time) {
	if !r.ends.IsZero() && !r.ends.After(now) {
		r.State = signal.Resolved
	}
}

// Word is what people are told of a report: note, over, or its severity.
func (r Report) Word() string {
	switch {
	case r.Note:
		return "note"
	case r.State == signal.Resolved:
		return "over"
	}
	return string(r.Severity)
}
