package web_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

var person = ident.Actor{Kind: ident.KindPerson, Name: "Ada"}

func site(t *testing.T, a ident.Actor, hints *bus.Hints) *web.Site {
	t.Helper()
	c, err := i18n.NewCatalog(web.Texts())
	if err != nil {
		t.Fatal(err)
	}
	return web.NewSite(web.Options{
		Catalog: c, Clock: clock.System{}, SignIn: "/identity/sign-in", Hints: hints,
		Authenticate: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r.WithContext(ident.WithActor(ident.WithTenant(r.Context(), "t1"), a)))
			})
		},
		Shell: func(*http.Request) web.Shell {
			return web.Shell{Town: "Musterstadt", Nav: []web.NavItem{{ID: "a", Href: "/a", Text: "A"}}}
		},
	})
}

func do(t *testing.T, s *web.Site, r *http.Request) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	res := w.Result()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func document(t *testing.T, body string) *goquery.Document {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// Each kind of error has a status, words, and nothing of the inside.
func TestErrors(t *testing.T) {
	s := site(t, person, nil)
	cases := map[string]struct {
		err  error
		want int
	}{
		"/gone":   {fault.New(fault.NotFound, "web.not_found"), 404},
		"/no":     {fault.New(fault.Forbidden, "web.scope", "x"), 403},
		"/broken": {errors.New("disk secret-path is full"), 500},
	}
	for path, c := range cases {
		s.Handle("GET "+path, func(http.ResponseWriter, *http.Request) error { return c.err })
	}
	s.Handle("GET /panic", func(http.ResponseWriter, *http.Request) error { panic("secret-path") })
	for path, c := range cases {
		res, body := do(t, s, httptest.NewRequest("GET", path, nil))
		if res.StatusCode != c.want || strings.Contains(body, "secret-path") {
			t.Errorf("%s: status %d, want %d; %s", path, res.StatusCode, c.want, body)
		}
		if h := document(t, body).Find("h1").Text(); h == "" || strings.HasPrefix(h, "web.") {
			t.Errorf("%s: headline %q", path, h)
		}
	}
	for _, c := range []struct {
		method, path string
		want         int
	}{{"GET", "/nowhere", 404}, {"POST", "/gone", 405}, {"GET", "/panic", 500}} {
		if res, body := do(t, s, httptest.NewRequest(c.method, c.path, nil)); res.StatusCode != c.want || strings.Contains(body, "secret-path") {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, res.StatusCode, c.want)
		}
	}
}

// A stranger is sent to sign in and comes back to where he wanted to go.
func TestStranger(t *testing.T) {
	s := site(t, ident.Actor{Kind: ident.KindPublic}, nil)
	s.Handle("GET /x", web.Staff(func(http.ResponseWriter, *http.Request) error { return nil }))
	res, _ := do(t, s, httptest.NewRequest("GET", "/x?q=1", nil))
	if got, want := res.Header.Get("Location"), "/identity/sign-in?next=%2Fx%3Fq%3D1"; got != want {
		t.Errorf("sent to %q, want %q", got, want)
	}
	r := httptest.NewRequest("GET", "/x", nil)
	r.Header.Set("Accept", "application/json")
	if res, body := do(t, s, r); res.StatusCode != 401 || !strings.Contains(body, "melden Sie sich an") {
		t.Errorf("program got %d %s", res.StatusCode, body)
	}
}

func TestLocal(t *testing.T) {
	for in, want := range map[string]string{
		"/a?b=c": "/a?b=c", "//evil.example/": "/", "https://evil.example": "/", "/\\evil": "/", "javascript:x": "/", "": "/", "a": "/",
	} {
		if got := web.Local(in, "/"); got != want {
			t.Errorf("Local(%q) = %q, want %q", in, got, want)
		}
	}
}

// A post from another site, or one that is too large, reaches no handler.
func TestRefused(t *testing.T) {
	s := site(t, person, nil)
	called := false
	s.Handle("POST /x", func(_ http.ResponseWriter, r *http.Request) error {
		_, err := web.ReadForm(r)
		called = err == nil
		return err
	})
	r := httptest.NewRequest("POST", "/x", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if res, _ := do(t, s, r); res.StatusCode != 403 || called {
		t.Errorf("cross site: status %d, handler called: %v", res.StatusCode, called)
	}
	r = httptest.NewRequest("POST", "/x", strings.NewReader("a="+strings.Repeat("x", 2<<20)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if res, _ := do(t, s, r); res.StatusCode != 413 || called {
		t.Errorf("too large: status %d, handler called: %v", res.StatusCode, called)
	}
}

// A refused form comes back with what was typed, its error, and a summary that
// leads to the field; what was typed cannot become markup.
func TestFormKeeps(t *testing.T) {
	s := site(t, person, nil)
	s.Handle("POST /f", func(w http.ResponseWriter, r *http.Request) error {
		f, err := web.ReadForm(r)
		if err != nil {
			return err
		}
		f.Require("name", "mail")
		return web.RenderStatus(w, r, 422, web.FormPageForTest(f))
	})
	typed := `"><script>alert(1)</script>`
	r := httptest.NewRequest("POST", "/f", strings.NewReader(url.Values{"name": {typed}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, body := do(t, s, r)
	doc := document(t, body)
	if v, _ := doc.Find("#name").Attr("value"); v != typed || res.StatusCode != 422 {
		t.Errorf("kept %q, status %d", v, res.StatusCode)
	}
	if doc.Find("main script").Length() != 0 {
		t.Error("typed text became markup")
	}
	if doc.Find(`#mail[aria-invalid="true"]`).Length() != 1 || doc.Find(`.kern-alert a[href="#mail"]`).Length() != 1 {
		t.Errorf("error is not shown: %s", body)
	}
	if got := res.Header.Get("Content-Security-Policy"); got != web.Policy {
		t.Errorf("policy %q", got)
	}
}

// ?lang= switches the language and keeps it for the next page.
func TestLanguage(t *testing.T) {
	s := site(t, person, nil)
	s.Handle("GET /x", func(w http.ResponseWriter, r *http.Request) error {
		return web.Render(w, r, web.FormPageForTest(web.NewForm(nil)))
	})
	res, body := do(t, s, httptest.NewRequest("GET", "/x?lang=en", nil))
	if document(t, body).Find("html").AttrOr("lang", "") != "en" || len(res.Cookies()) != 1 {
		t.Fatal("not English, or not kept")
	}
	r := httptest.NewRequest("GET", "/x", nil)
	r.AddCookie(res.Cookies()[0])
	if _, body := do(t, s, r); document(t, body).Find("html").AttrOr("lang", "") != "en" {
		t.Error("the choice was forgotten")
	}
}

// The cookie that keeps it is no script's, comes along on no foreign form, and
// over TLS never in the clear; what docs/security-scan.md says of it.
func TestLanguageCookie(t *testing.T) {
	s := site(t, person, nil)
	s.Handle("GET /x", func(http.ResponseWriter, *http.Request) error { return nil })
	for address, secure := range map[string]bool{"http://desk.example/x?lang=en": false, "https://desk.example/x?lang=en": true} {
		res, _ := do(t, s, httptest.NewRequest("GET", address, nil))
		if len(res.Cookies()) != 1 {
			t.Fatalf("%s: %d cookies", address, len(res.Cookies()))
		}
		if c := res.Cookies()[0]; !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure != secure {
			t.Errorf("%s: %s", address, c)
		}
	}
}

// The event stream sends one refresh for a handful of hints of the own tenant.
func TestLive(t *testing.T) {
	hints := bus.NewHints(nil, nil)
	srv := httptest.NewServer(site(t, person, hints).Handler())
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "retry:") {
		t.Fatalf("stream begins with %q", lines.Text())
	}
	hints.Publish(bus.Hint{Tenant: "t2", Topic: "alert", ID: "foreign"})
	for range 3 {
		hints.Publish(bus.Hint{Tenant: "t1", Topic: "alert", ID: "a"})
	}
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "event:") {
			break
		}
	}
	if lines.Text() != "event: refresh" {
		t.Fatalf("got %q", lines.Text())
	}
}

// A stream ends with the session that opened it, at the next thing it would say.
func TestLiveEndsWithItsSession(t *testing.T) {
	hints := bus.NewHints(nil, nil)
	var out atomic.Bool
	s := web.NewSite(web.Options{
		Catalog: &i18n.Catalog{}, Clock: clock.System{}, Hints: hints,
		Authenticate: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r.WithContext(ident.WithActor(ident.WithTenant(r.Context(), "t1"), person)))
			})
		},
		StillIn: func(*http.Request) bool { return !out.Load() },
	})
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	res, err := srv.Client().Get(srv.URL + "/live")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	if !lines.Scan() {
		t.Fatal("no stream")
	}
	out.Store(true)
	hints.Publish(bus.Hint{Tenant: "t1", Topic: "person", ID: "ada"})
	for lines.Scan() {
		if lines.Text() != "" {
			t.Errorf("somebody who was blocked still reads %q", lines.Text())
		}
	}
}

type ping struct{ web.Paging }

// The API says the same words, as a problem, and scopes limit tokens.
func TestAPI(t *testing.T) {
	for _, c := range []struct {
		actor ident.Actor
		want  int
	}{
		{person, 200},
		{ident.Actor{Kind: ident.KindPublic}, 401},
		{ident.Actor{Kind: ident.KindToken, Scopes: []string{"people"}}, 403},
		{ident.Actor{Kind: ident.KindToken, Scopes: []string{"read"}}, 200},
		{ident.Actor{Kind: ident.KindToken, Scopes: []string{"alerts"}}, 200},
	} {
		s := site(t, c.actor, nil)
		a := web.NewAPI(s, "test")
		web.Operation(a, huma.Operation{OperationID: "list", Method: "GET", Path: "/api/v1/alerts"}, "alerts",
			func(context.Context, *ping) (*web.List[string], error) { return web.NewList[string](nil, ""), nil })
		res, body := do(t, s, httptest.NewRequest("GET", "/api/v1/alerts", nil))
		if res.StatusCode != c.want {
			t.Errorf("%+v: %d %s", c.actor, res.StatusCode, body)
		}
		if c.want == 200 && !strings.Contains(body, `"items":[]`) {
			t.Errorf("list answer: %s", body)
		}
		if c.want != 200 && res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("problem as %s", res.Header.Get("Content-Type"))
		}
		if res, body := do(t, s, httptest.NewRequest("GET", "/api/openapi.json", nil)); res.StatusCode != 200 || !strings.Contains(body, "/api/v1/alerts") {
			t.Errorf("openapi: %d", res.StatusCode)
		}
	}
}

// A request that is cut short, because its sender left or the program stops, is
// neither done nor a fault of ours: nothing is in the log.
func TestCutShort(t *testing.T) {
	var log strings.Builder
	s := web.NewSite(web.Options{
		Clock: clock.System{}, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Authenticate: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r.WithContext(ident.WithActor(r.Context(), person)))
			})
		},
	})
	wait := func(ctx context.Context) error {
		<-ctx.Done()
		return fmt.Errorf("store: begin: %w", ctx.Err())
	}
	s.Handle("POST /page", func(_ http.ResponseWriter, r *http.Request) error { return wait(r.Context()) })
	web.Operation(web.NewAPI(s, "test"), huma.Operation{OperationID: "list", Method: "POST", Path: "/api/v1/alerts"}, "alerts",
		func(ctx context.Context, _ *ping) (*web.List[string], error) { return nil, wait(ctx) })
	for _, path := range []string{"/page", "/api/v1/alerts"} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		res, body := do(t, s, httptest.NewRequestWithContext(ctx, "POST", path, nil))
		if res.StatusCode != http.StatusServiceUnavailable || log.Len() != 0 {
			t.Errorf("%s: %d %s, log %q", path, res.StatusCode, body, log.String())
		}
	}
}
