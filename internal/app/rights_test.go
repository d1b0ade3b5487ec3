package app

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"tuermer/internal/town/identity"
)

// own are the acts that everybody who signs in may do about themselves, and
// those behind a link or key, which speaks for itself.
var own = []string{
	"/anmelden", "/identity/sign-out", "/identity/profile", "/identity/tokens", "/identity/link/", "/identity/begin/", "/identity/confirm/",
	"/api/v1/tokens", "/a/", "/p/", "/pc/", "/ping/", "/in/", "/sonde/link/", "/pulse/accept/", "/ct/", "/pr/",
	"/reach/", "/api/v1/reach", // the own ways and devices
	"/channel/push/",   // a device's receipt, by its token
	"/service/preview", // shows what was typed, keeps nothing
}

// Whoever may only read changes nothing anywhere, and is told so in words; a
// stranger is asked to sign in. What an act needs besides is asked afterwards.
func TestReaderOnlyReads(t *testing.T) {
	in := newInstall(t)
	town := in.towns[0]
	before := in.rows(town.id)
	for _, c := range in.calls() {
		if c.method == http.MethodGet || matches(c.pattern, own) {
			continue
		}
		for _, path := range town.fill(in, c) {
			for _, body := range bodies(in, c, town, town) {
				asker := town.by(identity.RoleReader)
				code, _, text := in.ask(asker, c.method, path, body)
				if code != http.StatusForbidden {
					t.Errorf("%s as reader with %v: %d", c, body, code)
				} else if len(strings.TrimSpace(text)) < 40 {
					t.Errorf("%s as reader: 403 without words: %q", c, text)
				}
				if code, _, _ := in.ask(caller{host: town.host}, c.method, path, body); code != http.StatusUnauthorized {
					t.Errorf("%s as stranger: %d", c, code)
				}
			}
		}
	}
	after := in.rows(town.id)
	for table, was := range before {
		if after[table] != was {
			t.Errorf("a reader changed %s:\n%s\nis\n%s", table, was, after[table])
		}
	}
}

func matches(path string, begins []string) bool {
	for _, b := range begins {
		if strings.HasPrefix(path, b) {
			return true
		}
	}
	return false
}

// A token does only what its scopes name, however many roles its person has.
func TestTokenStaysInItsScopes(t *testing.T) {
	in := newInstall(t)
	town := in.towns[0]
	for scope, only := range map[string][]string{
		"read":       nil,
		"alerts":     {"/alerts", "/silences", "/signals", "/outbox", "/simulated", "/chains", "/trials"},
		"incidents":  {"/incidents", "/commitments", "/legal-rules", "/clocks", "/improvements", "/exercises", "/onsite-reports", "/identity-checks", "/identity-copies"},
		"statements": {"/statements", "/templates", "/language-check", "/adherence", "/switchboard", "/incidents/{id}/prepared", "/next-updates", "/incidents/{id}/statements", "/incidents/{id}/no-change", "/incidents/{id}/waive-closing", "/incidents/{id}/next-updates", "/posts"},
		"services":   {"/services", "/components", "/audiences", "/twins"},
		"monitors":   {"/monitors", "/signals", "/sondes", "/sources", "/uplink", "/withheld", "/pulse"},
		"people":     {"/people", "/audiences", "/plan", "/papers", "/rosters", "/holidays", "/duty", "/reach", "/contact"},
	} {
		secret := in.limited(town, identity.RoleAdmin, scope)
		before := in.rows(town.id)
		for _, c := range in.calls() {
			path := strings.TrimPrefix(c.pattern, "/api/v1")
			if !c.api || matches(path, only) || (scope == "read" && c.method == http.MethodGet) {
				continue
			}
			for _, p := range town.fill(in, c) {
				for _, body := range bodies(in, c, town, town) {
					if code, _, text := in.ask(caller{host: town.host, token: secret}, c.method, p, body); code != http.StatusForbidden {
						t.Errorf("%s with a token for %s: %d %.200s", c, scope, code, text)
					}
				}
			}
		}
		after := in.rows(town.id)
		for table, was := range before {
			if after[table] != was {
				t.Errorf("a token for %s changed %s", scope, table)
			}
		}
	}
}

// The process's figures are for the machine room, not for who comes by proxy.
func TestMetricsStayInside(t *testing.T) {
	a, err := New(t.Context(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	for _, c := range []struct {
		header string
		want   int
	}{{"", 200}, {"X-Forwarded-For", 404}, {"Forwarded", 404}} {
		req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		if c.header != "" {
			req.Header.Set(c.header, "203.0.113.7")
		}
		w := httptest.NewRecorder()
		a.staff.Handler().ServeHTTP(w, req)
		if w.Code != c.want {
			t.Errorf("with %q: %d, want %d", c.header, w.Code, c.want)
		}
	}
}

// A NUL, which ends a query's text for the database, is refused in words.
func TestNULIsRefused(t *testing.T) {
	in := newInstall(t)
	town := in.towns[0]
	admin := town.by(identity.RoleAdmin)
	for _, c := range in.calls() {
		if c.method != http.MethodGet || strings.Contains(c.pattern, "{") || c.pattern == "/live" {
			continue
		}
		for _, q := range []string{"?after=%00", "?q=a%00b&pq=%00&state=%00&service=%00&role=%00"} {
			if code, _, _ := in.ask(admin, c.method, c.pattern+q, nil); code >= 500 || code < 400 {
				t.Errorf("%s%s: %d", c, q, code)
			}
		}
	}
	code, _, _ := in.ask(admin, http.MethodPost, "/api/v1/people", map[string]any{"name": "a\x00b", "email": "n@post.example", "roles": []string{}})
	if code != http.StatusUnprocessableEntity {
		t.Errorf("in a body: %d", code)
	}
	code, _, _ = in.ask(admin, http.MethodPost, "/identity/people/new", url.Values{"name": {"a\x00b"}, "email": {"n@post.example"}})
	if code != http.StatusSeeOther {
		t.Errorf("in a form: %d", code)
	}
}
