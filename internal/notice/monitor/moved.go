package monitor

import (
	"maps"
	"slices"
	"strings"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/web"
)

// ProblemSecretAgain: a stored secret would go where it never went, and whoever
// wants that must know it.
const ProblemSecretAgain = "monitor.problem.secret_again"

// secrets are what a spec holds that nobody gets to see, by the key where it
// stands.
func (s Spec) secrets() map[string]string {
	out := map[string]string{}
	for path, v := range map[string]string{
		"password": s.Password, "bearer": s.Bearer, "tls.key": s.TLS.Key, "snmp.community": s.SNMP.Community, "proxy_password": s.ProxyPassword,
	} {
		if v != "" && v != masked && (path != "snmp.community" || v != "public") {
			out[path] = v
		}
	}
	for k, v := range s.Headers {
		if secretName(k) && v != "" && v != masked {
			out["headers."+k] = v
		}
	}
	return out
}

// given names the secrets of a spec, for [Monitor.given].
func given(s Spec) []string { return slices.Sorted(maps.Keys(s.secrets())) }

// typed names the secrets that were typed into the form, as against those that
// were left as they are.
func typed(f *web.Form, k Kind) []string {
	s := Spec{Kind: k}
	for _, field := range checkFields {
		v := f.Values.Get(field.name)
		if slices.Contains(field.kinds, k) && v != "" && (field.input == secret || field.input == secretLines || field.name == "headers") {
			field.take(&s, v) // what is wrong is said elsewhere
		}
	}
	return given(s)
}

// checkMoved refuses to send a stored secret where it did not go before: to
// another machine or port, through another proxy, or to another sonde. Whoever
// may change a monitor may use its secrets and not read them, and a target of
// one's own reads them. Who enters the secret again may send it anywhere.
func checkMoved(m Monitor, old Spec) error {
	bad := fault.New(fault.Invalid, "monitor.invalid")
	was := old.secrets()
	for path, v := range m.Spec.secrets() {
		if was[path] == v && !slices.Contains(m.given, path) && movedFor(path, old, m.Spec) {
			bad = bad.Field(path, ProblemSecretAgain)
		}
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

// movedFor tells whether the secret at path would go elsewhere than before.
func movedFor(path string, old, s Spec) bool {
	if s.Vantage.Credentials && slices.ContainsFunc(s.Vantage.Sondes, func(n string) bool {
		return !old.Vantage.Credentials || !slices.Contains(old.Vantage.Sondes, n)
	}) {
		return true
	}
	if placeOf(old.Proxy, "", 0) != placeOf(s.Proxy, "", 0) {
		return true // a proxy reads what goes through it
	}
	return path != "proxy_password" && placeOf(old.URL, old.Host, old.Port) != placeOf(s.URL, s.Host, s.Port)
}

// placeOf is the machine, port and manner of an address.
func placeOf(raw, host string, port int) string {
	u, problem := parseTarget(raw)
	switch {
	case raw == "":
		return joinHostPort(strings.ToLower(host), port)
	case problem != "":
		return raw
	}
	return strings.ToLower(u.Scheme) + "://" + joinHostPort(strings.ToLower(u.Hostname()), portOf(u))
}
