package app

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tuermer/internal/town/identity"
)

// everything is a body with which most operations would do something; what an
// operation does not know is left out by whoever sends it.
func bodies(in *install, c call, mine, other *testTown) []any {
	if c.method == http.MethodGet || c.method == http.MethodDelete {
		return []any{nil}
	}
	if !c.api {
		f := url.Values{
			"reason": {"x"}, "text": {"x"}, "note": {"x"}, "name": {"x"}, "title": {"x"}, "incident": {other.incident}, "into": {other.incident},
			"alerts": {other.alert}, "services": {other.service}, "service": {other.service}, "phase": {"identified"}, "level": {"emergency"},
			"act": {"approve"}, "revision": {"0"}, "slug": {other.service}, "hold": {"maintenance"}, "state": {"down"},
			"kind": {"holding"}, "way": {"publish"}, "correction": {"x"}, "email": {"x@" + other.host}, "confirm": {"yes"},
		}
		out := []any{f}
		if strings.HasPrefix(c.pattern, "/publish/{id}") {
			for _, act := range []string{"return", "confirm", "withdraw", "correct", "break_glass", "submit", "publish"} {
				g := maps.Clone(f)
				g.Set("act", act)
				out = append(out, g)
			}
		}
		return out
	}
	return []any{in.sample(c, other)}
}

// I19: no page and no operation shows or changes another town's rows, whoever
// asks and whichever ids they know.
func TestI19_NoTownReachesAnother(t *testing.T) {
	in := newInstall(t)
	mine, other := in.towns[0], in.towns[1]
	before := in.rows(other.id)
	askers := map[string]caller{
		"admin":     mine.by(identity.RoleAdmin),
		"it":        mine.by(identity.RoleIT),
		"approver":  mine.by(identity.RoleApprover),
		"publisher": mine.by(identity.RolePublisher),
		"script":    mine.script(identity.RoleAdmin),
		"stranger":  {host: mine.host},
		// Another town's people with their own keys at our address.
		"their session": {host: mine.host, cookie: other.cookies[identity.RoleAdmin]},
		"their token":   {host: mine.host, token: other.tokens[identity.RoleAdmin]},
	}
	seen := 0
	for _, c := range in.calls() {
		for _, path := range other.fill(in, c) {
			for who, asker := range askers {
				for _, body := range bodies(in, c, mine, other) {
					code, head, text := in.ask(asker, c.method, path, body)
					seen++
					if at := strings.Index(text, other.mark); at >= 0 {
						t.Errorf("%s as %s: shows the other town's %q", c, who, text[max(0, at-60):min(len(text), at+60)])
					}
					if strings.Contains(head.Get("Location"), other.mark) {
						t.Errorf("%s as %s: leads to %s", c, who, head.Get("Location"))
					}
					if strings.Contains(c.pattern, "{") && code < 300 {
						t.Errorf("%s as %s: answers %d to the other town's id", c, who, code)
					}
					if code >= 500 {
						t.Errorf("%s as %s: %d %s", c, who, code, text)
					}
				}
			}
		}
	}
	after := in.rows(other.id)
	for table, was := range before {
		if after[table] != was {
			t.Errorf("%s of the other town was changed:\n%s\nis\n%s", table, was, after[table])
		}
	}
	if seen < 500 {
		t.Errorf("only %d requests were tried", seen)
	}
}
