package intake

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/fault"
)

// Mapping says where in the bodies of a generic source what stands: a path in
// JSON (https://github.com/tidwall/gjson/blob/master/SYNTAX.md), or the name of
// a field of a form; of a name that comes twice the first one counts. Of a mail the fields are subject, from and text.
type Mapping struct {
	Key      string `json:"key,omitempty" yaml:"key"`
	Episode  string `json:"episode,omitempty" yaml:"episode"`
	State    string `json:"state,omitempty" yaml:"state"`
	Severity string `json:"severity,omitempty" yaml:"severity"`
	Title    string `json:"title,omitempty" yaml:"title"`
	Text     string `json:"text,omitempty" yaml:"text"`
	Host     string `json:"host,omitempty" yaml:"host"`
	Site     string `json:"site,omitempty" yaml:"site"`
	Link     string `json:"link,omitempty" yaml:"link"`
	Time     string `json:"time,omitempty" yaml:"time"`
	// Up lists the values of State that mean recovery; all others mean trouble.
	Up []string `json:"up,omitempty" yaml:"up"`
	// Pattern takes Title apart before all else: its groups named key, state,
	// host and text are as good as fields of these names.
	Pattern string `json:"pattern,omitempty" yaml:"pattern"`
	// Body does the same for Text; in a mail that is what stands below the subject.
	Body string `json:"body,omitempty" yaml:"body"`
	// List is a path to the list of which each element is a report.
	List string `json:"list,omitempty" yaml:"list"`
	// Preset names the sender whose mails are meant; see [Presets].
	Preset string `json:"preset,omitempty" yaml:"preset"`
}

// usual are the values that mean recovery where the mapping names none.
var usual = []string{"ok", "up", "resolved", "resolve", "recovery", "recovered", "closed", "close", "0", "false", "behoben", "green", "success"}

// maxPattern bounds [Mapping.Pattern].
const maxPattern = 500

// Check finds what is wrong with a mapping.
func (m Mapping) Check() error {
	bad := fault.New(fault.Invalid, "intake.invalid")
	for name, pattern := range map[string]string{"pattern": m.Pattern, "body": m.Body} {
		if len(pattern) > maxPattern {
			bad = bad.Field(name, "intake.pattern_long")
		} else if _, err := regexp.Compile(pattern); err != nil {
			bad = bad.Field(name, "intake.pattern_bad")
		}
	}
	if m.Preset != "" && !slices.Contains(Presets(), m.Preset) {
		bad = bad.Field("preset", "intake.preset_unknown")
	}
	for name, path := range map[string]string{
		"key": m.Key, "episode": m.Episode, "state": m.State, "severity": m.Severity, "title": m.Title, "text": m.Text,
		"host": m.Host, "site": m.Site, "link": m.Link, "time": m.Time, "list": m.List,
	} {
		// Modifiers may be expensive, and none of them is needed.
		if len(path) > 200 || strings.Contains(path, "|") || strings.Contains(path, "@") {
			bad = bad.Field(name, "intake.path_bad")
		}
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

func (m Mapping) parse(b Body, in Zone) ([]Report, error) {
	raw := strings.TrimSpace(text(b.Data))
	if json.Valid([]byte(raw)) && (strings.HasPrefix(raw, "{") || strings.HasPrefix(raw, "[")) {
		return m.fromJSON(raw, in)
	}
	f, err := fields(b)
	if err != nil {
		return nil, err
	}
	r, err := m.report(func(path string) string { return f[strings.ToLower(path)] }, in)
	return []Report{r.Report}, err
}

// maxReports bounds what one body may hold.
const maxReports = 1000

func (m Mapping) fromJSON(raw string, in Zone) ([]Report, error) {
	doc := gjson.Parse(raw)
	list := []gjson.Result{doc}
	if m.List != "" {
		list = doc.Get(m.List).Array()
	} else if doc.IsArray() {
		list = doc.Array()
	}
	if len(list) == 0 || len(list) > maxReports {
		return nil, ErrForm
	}
	var out []Report
	for _, e := range list {
		r, err := m.report(func(path string) string { return e.Get(path).String() }, in)
		if err != nil {
			return nil, err
		}
		out = append(out, r.Report)
	}
	return out, nil
}

// found is a report, and what of it was really said.
type found struct {
	Report
	told  bool // a state
	named bool // a key
}

// report puts together what the mapping finds; where it names no place, that of
// the same name counts.
func (m Mapping) report(get func(path string) string, in Zone) (found, error) {
	at := func(path, name string) string {
		if path == "" {
			path = name
		}
		return strings.TrimSpace(get(path))
	}
	r := found{Report: Report{
		Key: at(m.Key, "key"), Episode: at(m.Episode, "episode"), Title: at(m.Title, "title"), Detail: at(m.Text, "text"),
		Host: at(m.Host, "host"), Site: at(m.Site, "site"), Link: at(m.Link, "link"), Since: moment(at(m.Time, "time"), in), State: signal.Firing,
	}}
	state, severity := at(m.State, "state"), at(m.Severity, "severity")
	for _, p := range []struct{ pattern, of string }{{m.Pattern, r.Title}, {m.Body, r.Detail}} {
		if p.pattern == "" || len(p.pattern) > maxPattern {
			continue
		}
		re, err := regexp.Compile(p.pattern)
		if err != nil {
			return r, ErrForm
		}
		g := groups(re, p.of)
		if g == nil {
			return r, ErrForm
		}
		r.Key, state, severity = first(g["key"], r.Key), first(g["state"], state), first(g["severity"], severity)
		r.Host, r.Site, r.Detail, r.Episode = first(g["host"], r.Host), first(g["site"], r.Site), first(g["text"], r.Detail), first(g["episode"], r.Episode)
	}
	up := m.Up
	if len(up) == 0 {
		up = usual
	}
	for _, u := range up {
		if strings.EqualFold(strings.TrimSpace(u), state) && state != "" {
			r.State = signal.Resolved
		}
	}
	r.told, r.named = state != "", r.Key != ""
	r.Severity = severityOf(first(severity, "critical"))
	if r.Key == "" {
		r.Key = join(" @ ", r.Title, r.Host)
	}
	if r.Key == "" {
		return r, ErrKeyless
	}
	return r, nil
}
