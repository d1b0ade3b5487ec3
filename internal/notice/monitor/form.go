package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

// formKinds are the kinds that the console can edit, the usual ones first.
var formKinds = []Kind{HTTP, TLS, TCP, ICMP, DNS, SMTP, IMAP, Heartbeat, Domain, LDAP, SIP, SNMP, Postgres, MySQL, MSSQL, GRPC}

// isFormField tells whether a problem can stand at the field.
func isFormField(name string) bool {
	switch name {
	case "slug", "name", "service", "interval", "timeout", "confirm", "grace", "parents", "degraded.within",
		"vantage.sondes", "vantage.agree", "vantage.escalate", "vantage.credentials":
		return true
	}
	return slices.ContainsFunc(checkFields, func(f formField) bool { return f.name == name })
}

// localTime is how a browser writes date and time into a form.
const localTime = "2006-01-02T15:04"

const day = 24 * time.Hour

// spanText writes a span as the form takes it: "60s", "5m", "24h".
func spanText(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0 && d > time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d%time.Second == 0:
		return fmt.Sprintf("%ds", d/time.Second)
	default:
		return d.String()
	}
}

// fillForm shows a monitor in the form. The password is never shown.
func fillForm(m Monitor) *web.Form {
	s := m.Spec
	f := web.NewForm(map[string]string{
		"slug": m.Slug, "name": m.Name, "service": m.Service, "kind": string(s.Kind),
		"interval": spanText(s.Interval.D()), "timeout": spanText(s.Timeout.D()), "grace": spanText(s.Grace.D()),
		"confirm": strconv.Itoa(s.Confirm),
	})
	fillStates(f, s)
	fillCheck(f, s)
	if v := s.Vantage; len(v.Sondes) > 0 {
		f.Values["vantage.sondes"] = slices.Clone(v.Sondes)
		f.Values.Set("vantage.agree", strconv.Itoa(v.Agree))
		f.Values.Set("vantage.escalate", spanText(v.Escalate.D()))
		if v.Credentials {
			f.Values.Set("vantage.credentials", "yes")
		}
	}
	return f
}

// readForm puts what was typed over the old monitor: what the form does not
// show stays.
func readForm(f *web.Form, old Monitor) Monitor {
	m := old
	m.Name, m.Service = f.Get("name"), f.Get("service")
	if m.Slug == "" {
		m.Slug = f.Get("slug")
	}
	s := &m.Spec
	readStates(f, s)
	s.Interval = readSpan(f, "interval")
	if s.Kind == Heartbeat {
		s.Grace = readSpan(f, "grace")
		return m
	}
	s.Vantage = readVantage(f)
	s.Timeout = readSpan(f, "timeout")
	s.Confirm = readNumber(f, "confirm", "monitor.problem.range")
	m.given = typed(f, s.Kind)
	readCheck(f, s)
	return m
}

// readVantage takes what was chosen; without a sonde the rest means nothing.
func readVantage(f *web.Form) Vantage {
	if len(f.All("vantage.sondes")) == 0 {
		return Vantage{}
	}
	return Vantage{
		Sondes: f.All("vantage.sondes"), Agree: readNumber(f, "vantage.agree", ProblemRange), Escalate: readSpan(f, "vantage.escalate"),
		Credentials: f.Has("vantage.credentials", "yes"),
	}
}

func readSpan(f *web.Form, name string) (d Duration) {
	if v := f.Get(name); v != "" {
		_ = d.UnmarshalText([]byte(v)) // what is none becomes a problem in Normalize
	}
	return d
}

func readNumber(f *web.Form, name, key string) int {
	v := f.Get(name)
	if v == "" {
		return 0
	}
	n, err := strconv.ParseUint(v, 10, 16)
	if err != nil {
		f.Fail(name, key)
	}
	return int(n)
}

// takeProblems puts the problems of a spec to the fields they are about;
// problems of what the form does not show stand above it.
func takeProblems(f *web.Form, err error) bool {
	e := fault.As(err)
	if len(e.Fields) == 0 {
		return f.Take(err)
	}
	if e.Kind != fault.Invalid && e.Kind != fault.Conflict {
		return false
	}
	for _, path := range slices.Sorted(maps.Keys(e.Fields)) {
		name, _, _ := strings.Cut(path, "[")
		if !isFormField(name) { // "headers.Accept" stands at "headers"
			name, _, _ = strings.Cut(name, ".")
		}
		if f.Get("kind") == string(Domain) && name == "url" {
			name = "rdap"
		}
		if !isFormField(name) {
			name = ""
		}
		f.Fail(name, e.Fields[path])
	}
	return true
}

// fact is one line of what a monitor checks.
type fact struct{ Label, Value string }

// facts describe a spec in the reader's words. What has no words of its own is
// named as in tuermer.yaml, so that nothing stays hidden but secrets.
func facts(ctx context.Context, s Spec) []fact {
	var out []fact
	add := func(key, value string) {
		if value != "" {
			out = append(out, fact{i18n.T(ctx, key), value})
		}
	}
	l := i18n.Of(ctx)
	add("monitor.fact_kind", kindWord(ctx, s.Kind))
	add("monitor.fact_target", s.Target())
	add("monitor.fact_interval", every(ctx, s.Interval.D()))
	if s.Kind == Heartbeat {
		add("monitor.fact_grace", l.Span(s.Grace.D()))
	} else {
		add("monitor.fact_timeout", l.Span(s.Timeout.D()))
		add("monitor.fact_confirm", i18n.N(ctx, "monitor.fact_confirm_n", s.Confirm))
	}
	status := make([]string, len(s.Expect.Status))
	for i, r := range s.Expect.Status {
		status[i] = r.String()
	}
	add("monitor.fact_status", strings.Join(status, ", "))
	add("monitor.fact_body", s.Expect.Body)
	if s.Expect.Certificate > 0 {
		add("monitor.fact_certificate", l.Span(s.Expect.Certificate.D()))
	}
	if s.Username != "" {
		add("monitor.fact_login", s.Username)
	}
	return append(out, otherFacts(ctx, s)...)
}

// otherFacts are the keys of a spec that [facts] has no words for.
func otherFacts(ctx context.Context, s Spec) []fact {
	s = s.Redacted()
	s.Kind, s.URL, s.Host, s.Port, s.Interval, s.Timeout, s.Confirm, s.Grace, s.Username, s.Maintenance = "", "", "", 0, 0, 0, 0, 0, "", nil
	s.MaintenanceRules, s.Parents = nil, nil // have cards of their own
	s.Expect.Status, s.Expect.Body, s.Expect.Certificate = nil, "", 0
	s.Vantage = Vantage{} // has a card of its own
	raw, err := json.Marshal(s)
	if err != nil {
		return nil // a spec that was stored can be written again
	}
	var tree map[string]any
	if json.Unmarshal(raw, &tree) != nil {
		return nil
	}
	var out []fact
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				walk(strings.TrimPrefix(path+"."+k, "."), v[k])
			}
		case []any:
			for i, e := range v {
				walk(fmt.Sprintf("%s[%d]", path, i), e)
			}
		default:
			// A span of nothing is written "0s".
			if text := fmt.Sprint(v); text != "0s" && text != "" {
				label, key := path, "monitor.field."+strings.ReplaceAll(path, ".", "_")
				if i18n.Of(ctx).Catalog.Has(key) {
					label = i18n.T(ctx, key)
				}
				out = append(out, fact{label, text})
			}
		}
	}
	walk("", tree)
	return out
}

func kindWord(ctx context.Context, k Kind) string { return i18n.T(ctx, "monitor.kind_"+string(k)) }

// every is an interval in words: "alle 60 s", "alle 5 min".
func every(ctx context.Context, d time.Duration) string {
	unit, n := "s", d.Seconds()
	switch {
	case d >= 2*day && d%day == 0:
		unit, n = "d", float64(d/day)
	case d >= time.Hour && d%time.Hour == 0:
		unit, n = "h", d.Hours()
	case d > time.Minute && d%time.Minute == 0:
		unit, n = "m", d.Minutes()
	}
	return i18n.T(ctx, "monitor.every_"+unit, strconv.FormatFloat(n, 'f', -1, 64))
}

// took is a duration in milliseconds: "1.204 ms".
func took(ctx context.Context, d time.Duration) string {
	return i18n.Number(ctx, int(d.Milliseconds())) + " ms"
}
