package identity_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/identity"
)

// browser is somebody at the town's pages.
type browser struct {
	t    *testing.T
	base string
	http.Client
	token string // bearer
}

// site serves the room's pages and API.
func (h *house) site(t *testing.T) *browser {
	t.Helper()
	catalog, err := i18n.NewCatalog(web.Texts(), identity.Texts())
	if err != nil {
		t.Fatal(err)
	}
	s := web.NewSite(web.Options{
		Catalog: catalog, Clock: h, Authenticate: h.Middleware, Locale: h.Locale, SignIn: identity.SignInPath,
		Shell: func(*http.Request) web.Shell { return web.Shell{} },
	})
	h.fail = s.Fail
	h.Routes(s)
	h.API(web.NewAPI(s, "test"))
	s.Handle("GET /{$}", web.Staff(func(w http.ResponseWriter, r *http.Request) error {
		_, err := io.WriteString(w, "Lagebild")
		return err
	}))
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	return newBrowser(t, srv.URL)
}

func newBrowser(t *testing.T, base string) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, base: base, Client: http.Client{Jar: jar}}
}

func (b *browser) do(method, path, kind, body string) (int, *goquery.Document, http.Header) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if b.token != "" {
		req.Header.Set("Authorization", "Bearer "+b.token)
	}
	res, err := b.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	doc, err := goquery.NewDocumentFromReader(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if m := regexp.MustCompile(`identity\.[a-z_]+|web\.[a-z_]+`).FindString(doc.Find("body").Text()); m != "" && res.Header.Get("Content-Type") == "text/html; charset=utf-8" {
		b.t.Errorf("%s %s shows a key without a text: %s", method, path, m)
	}
	doc.Url = res.Request.URL
	return res.StatusCode, doc, res.Header
}

func (b *browser) get(path string) (int, *goquery.Document) {
	b.t.Helper()
	code, doc, _ := b.do("GET", path, "", "")
	return code, doc
}

func (b *browser) post(path string, values ...string) (int, *goquery.Document, http.Header) {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(values); i += 2 {
		form.Add(values[i], values[i+1])
	}
	return b.do("POST", path, "application/x-www-form-urlencoded", form.Encode())
}

func (b *browser) json(method, path, body string) (int, map[string]any) {
	b.t.Helper()
	code, doc, _ := b.do(method, path, "application/json", body)
	var out map[string]any
	if text := doc.Find("body").Text(); text != "" {
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			b.t.Fatalf("%s %s: %v in %q", method, path, err, text)
		}
	}
	return code, out
}

func (b *browser) signIn(mail string) {
	b.t.Helper()
	if code, doc, _ := b.post("/anmelden", "email", mail, "password", goodPassword, "next", "/"); code != 200 || doc.Url.Path != "/" {
		b.t.Fatalf("sign-in: %d at %s: %s", code, doc.Url, doc.Find("main").Text())
	}
}

func TestPagesFirstAdministrator(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t, rooms...))
	bert := h.add(t, person("Bert", identity.RoleAdmin))
	link, ok, err := h.FirstAdmin(h.ctx)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	b := h.site(t)
	if code, doc := b.get("/identity/people?pq=x"); code != 200 || doc.Url.Path != "/anmelden" || doc.Url.Query().Get("next") != "/identity/people?pq=x" {
		t.Fatalf("a stranger is at %s (%d)", doc.Url, code)
	}
	path := strings.TrimPrefix(link, "https://lage.t1.example")
	for range 2 {
		if code, doc := b.get(path); code != 200 || doc.Find("form[method=post] button").Length() != 1 || !strings.Contains(doc.Text(), bert.Name) {
			t.Fatalf("%d %s", code, doc.Text())
		}
	}
	code, doc, _ := b.post(path)
	if code != 200 || doc.Url.Path != "/identity/profile" {
		t.Fatalf("after the link: %d at %s", code, doc.Url)
	}
	if code, _ := newBrowser(t, b.base).get(path); code != http.StatusNotFound {
		t.Errorf("the link works twice: %d", code)
	}
	code, doc, _ = b.post("/identity/profile/password", "password", "kurz", "again", "kurz")
	if code != 422 || doc.Find("#password-error").Length() != 1 {
		t.Errorf("short password: %d", code)
	}
	if code, doc, _ = b.post("/identity/profile/password", "password", goodPassword, "again", goodPassword+"x"); code != 422 || doc.Find("#again-error").Length() != 1 {
		t.Errorf("passwords differ: %d", code)
	}
	if code, doc, _ = b.post("/identity/profile/password", "password", goodPassword, "again", goodPassword); code != 200 || doc.Find(".kern-alert--success").Length() != 1 {
		t.Errorf("password: %d %s", code, doc.Find("main").Text())
	}
	b.post("/identity/sign-out")
	if _, doc := b.get("/"); doc.Url.Path != "/anmelden" {
		t.Errorf("signed out but at %s", doc.Url)
	}
	code, doc, _ = b.post("/anmelden", "email", bert.Email, "password", "falsch")
	if code != 422 || doc.Find("#email").AttrOr("value", "") != bert.Email || doc.Find("#password").AttrOr("value", "") != "" || doc.Find(".kern-alert--danger").Length() != 1 {
		t.Errorf("wrong password: %d %s", code, doc.Find("main").Text())
	}
	for range 4 {
		b.post("/anmelden", "email", bert.Email, "password", "falsch")
	}
	code, _, head := b.post("/anmelden", "email", bert.Email, "password", goodPassword)
	if code != http.StatusTooManyRequests || head.Get("Retry-After") != "60" {
		t.Errorf("too many: %d, %q", code, head.Get("Retry-After"))
	}
	h.now = h.now.Add(time.Minute)
	b.signIn(bert.Email)
}

// Nobody is led to a foreign site, and cookies are as tight as they can be.
func TestPagesSignInIsTight(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t, rooms...))
	ada := h.add(t, person("Ada", identity.RoleAdmin))
	h.signedIn(t, ada)
	b := h.site(t)
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, next := range []string{"https://evil.example/", "//evil.example", "/\\evil.example", "evil", "/ok?x=1"} {
		_, _, head := b.post("/anmelden", "email", ada.Email, "password", goodPassword, "next", next)
		want := "/"
		if next == "/ok?x=1" {
			want = next
		}
		if got := head.Get("Location"); got != want {
			t.Errorf("next %q leads to %q", next, got)
		}
		for _, c := range head.Values("Set-Cookie") {
			if !strings.Contains(c, "HttpOnly") || !strings.Contains(c, "SameSite=Lax") {
				t.Errorf("loose cookie %q", c)
			}
		}
	}
	req := httptest.NewRequestWithContext(t.Context(), "POST", "https://lage.t1.example/anmelden", strings.NewReader(url.Values{
		"email": {ada.Email}, "password": {goodPassword},
	}.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Forwarded-Proto", "https")
	rec := httptest.NewRecorder()
	b.serve(t, h, rec, req)
	if cs := rec.Result().Cookies(); len(cs) == 0 || cs[0].Name != "__Host-tuermer" || !cs[0].Secure {
		t.Errorf("over TLS: %+v", cs)
	}
	// Another site cannot post with our cookies.
	req = httptest.NewRequestWithContext(t.Context(), "POST", "https://lage.t1.example/identity/sign-out", nil)
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	rec = httptest.NewRecorder()
	b.serve(t, h, rec, req)
	if rec.Code != http.StatusForbidden {
		t.Errorf("cross-site post: %d", rec.Code)
	}
}

func (b *browser) serve(t *testing.T, h *house, w http.ResponseWriter, req *http.Request) {
	t.Helper()
	catalog, err := i18n.NewCatalog(web.Texts(), identity.Texts())
	if err != nil {
		t.Fatal(err)
	}
	s := web.NewSite(web.Options{Catalog: catalog, Clock: h, Authenticate: h.Middleware, Locale: h.Locale, SignIn: identity.SignInPath})
	h.Routes(s)
	s.Handler().ServeHTTP(w, req)
}

func TestPagesPeople(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t, rooms...))
	ada := h.add(t, person("Ada", identity.RoleAdmin))
	h.signedIn(t, ada)
	yaml := person("Yaml", identity.RoleIT)
	if err := h.Declare(h.ctx, []identity.Person{yaml}); err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		h.add(t, identity.Person{Name: fmt.Sprintf("Person %02d", i), Email: fmt.Sprintf("p%d@t1.example", i), Roles: []identity.Role{identity.RoleReader}})
	}
	b := h.site(t)
	b.signIn(ada.Email)
	_, doc := b.get("/identity/people")
	if n := doc.Find("tbody tr").Length(); n != 50 || !strings.Contains(doc.Find(".tm-head__say").Text(), "62 Personen") {
		t.Errorf("%d rows, %q", n, doc.Find(".tm-head__say").Text())
	}
	next, _ := doc.Find("a[rel=next]").Attr("href")
	if _, doc = b.get(next); doc.Find("tbody tr").Length() != 12 {
		t.Errorf("second page has %d rows", doc.Find("tbody tr").Length())
	}
	if _, doc = b.get("/identity/people?pq=person+07"); doc.Find("tbody tr").Length() != 1 {
		t.Error("search")
	}
	if _, doc = b.get("/identity/people?pq=%3Cscript%3E"); doc.Find(".tm-empty").Length() != 1 || doc.Find("main script").Length() != 0 {
		t.Error("empty search")
	}

	// A refused form comes back as it was typed, with a summary that leads to the field.
	code, doc, _ := b.post("/identity/people/new", "name", "Neu <b>", "email", "neu@t1.example", "alternative", "neu@t1.example", "roles", "it", "language", "de")
	if code != 422 || doc.Find("#name").AttrOr("value", "") != "Neu <b>" || doc.Find(".kern-alert--danger a[href='#alternative']").Length() != 1 ||
		doc.Find("input[name=roles][value=it]").AttrOr("checked", "no") == "no" {
		t.Errorf("%d %s", code, doc.Find("main").Text())
	}
	code, doc, _ = b.post("/identity/people/new", "name", "Neu <b>", "email", "neu@t1.example", "alternative", "neu@posteo.example", "roles", "it", "language", "de")
	if code != 200 || doc.Find("h1").Text() != "Neu <b>" || doc.Find(".kern-alert--success").Length() != 1 {
		t.Fatalf("%d %s", code, doc.Find("main").Text())
	}
	page := doc.Url.Path
	_, doc, _ = b.post(page + "/link")
	if link := doc.Find("code").Text(); !strings.Contains(link, "/identity/link/") {
		t.Errorf("link %q", link)
	}
	if _, doc, _ = b.post(page + "/confirm"); doc.Find(".kern-alert--success").Length() != 1 || len(h.letters) != 1 {
		t.Errorf("confirm: %s", doc.Find("main").Text())
	}
	confirm := regexp.MustCompile(`/identity/confirm/\S+`).FindString(h.letters[0].Body)
	stranger := newBrowser(t, b.base)
	if code, doc := stranger.get(confirm); code != 200 || doc.Find("form button").Length() != 1 {
		t.Errorf("confirm page: %d", code)
	}
	if code, doc, _ := stranger.post(confirm); code != 200 || doc.Find(".tm-state--ok").Length() != 1 {
		t.Errorf("confirmed: %d", code)
	}

	y, err := h.PersonByEmail(h.ctx, yaml.Email)
	if err != nil {
		t.Fatal(err)
	}
	_, doc = b.get("/identity/people/" + string(y.ID))
	if doc.Find(".tm-locked").Length() != 1 || doc.Find("#name[readonly]").Length() != 1 {
		t.Errorf("declared: %s", doc.Find("main").Text())
	}
	if code, _, _ = b.post("/identity/people/"+string(y.ID), "language", "de", "blocked", "yes"); code != 200 {
		t.Errorf("block: %d", code)
	}
	if y, _ = h.Person(h.ctx, y.ID); !y.Blocked || y.Name != yaml.Name {
		t.Errorf("%+v", y)
	}

	// Somebody without the role sees names, not private ways, and no forms.
	reader, err := h.PersonByEmail(h.ctx, "p1@t1.example")
	if err != nil {
		t.Fatal(err)
	}
	h.signedIn(t, reader)
	other := newBrowser(t, b.base)
	other.signIn(reader.Email)
	if code, doc := other.get("/identity/people"); code != 200 || strings.Contains(doc.Text(), "posteo") {
		t.Errorf("reader: %d", code)
	}
	for _, path := range []string{"/identity/people/new", page, "/identity/import", "/identity/people.csv"} {
		if code, _ := other.get(path); code != http.StatusForbidden {
			t.Errorf("reader at %s: %d", path, code)
		}
	}
}

func TestPagesProfileAndTokens(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t, rooms...))
	ada := h.add(t, person("Ada", identity.RoleIT))
	h.signedIn(t, ada)
	b := h.site(t)
	b.signIn(ada.Email)
	if _, doc := b.get("/identity/profile"); doc.Find("#sessions-h").Length() != 1 || doc.Find("section .tm-item").Length() != 2 {
		t.Errorf("%s", doc.Find("main").Text())
	}
	if code, doc, _ := b.post("/identity/profile", "language", "de", "alternative", "x@t1.example"); code != 422 || doc.Find("#alternative").AttrOr("value", "") != "x@t1.example" {
		t.Errorf("own alternative: %d", code)
	}
	if _, doc, _ := b.post("/identity/profile", "language", "en", "alternative", "x@other.example"); doc.Find("html").AttrOr("lang", "") != "en" || doc.Find("h1").Text() != "My profile" {
		t.Errorf("language: %s", doc.Find("h1").Text())
	}
	if _, doc, _ := b.post("/identity/profile/sign-out-everywhere"); doc.Find("section .tm-item").Length() != 1 {
		t.Errorf("sessions: %s", doc.Find("main").Text())
	}
	if code, doc, _ := b.post("/identity/tokens", "name", "x", "limit", "some"); code != 422 || doc.Find("#scopes .kern-error").Length() != 1 {
		t.Errorf("no scope: %d", code)
	}
	_, doc, _ := b.post("/identity/tokens", "name", "PRTG", "limit", "some", "scopes", "read", "scopes", "alerts")
	token := doc.Find("code").First().Text()
	if !strings.HasPrefix(token, "tuermer_") || !strings.Contains(doc.Find("#tokens-h").Parent().Text(), "read everything, alerts") {
		t.Fatalf("%s", doc.Find("main").Text())
	}
	api := newBrowser(t, b.base)
	api.token = token
	if code, out := api.json("GET", "/api/v1/people", ""); code != 200 || len(out["items"].([]any)) != 1 {
		t.Errorf("%d %v", code, out)
	}
	revoke, _ := doc.Find(".tm-item:contains(PRTG) form").Attr("action")
	b.post(revoke)
	if code, _ := api.json("GET", "/api/v1/people", ""); code != http.StatusUnauthorized {
		t.Errorf("revoked: %d", code)
	}
}

func TestPagesImport(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t, rooms...))
	ada := h.add(t, person("Ada", identity.RoleAdmin))
	h.signedIn(t, ada)
	b := h.site(t)
	b.signIn(ada.Email)
	if code, doc, _ := b.post("/identity/import"); code != 422 || doc.Find("#file-error").Length() != 1 {
		t.Errorf("nothing sent: %d", code)
	}
	send := func(file, text, apply string) *goquery.Document {
		var body bytes.Buffer
		m := multipart.NewWriter(&body)
		if file != "" {
			f, _ := m.CreateFormFile("file", "personen.csv")
			_, _ = io.WriteString(f, file)
		}
		_ = m.WriteField("text", text)
		_ = m.WriteField("apply", apply)
		_ = m.Close()
		code, doc, _ := b.do("POST", "/identity/import", m.FormDataContentType(), body.String())
		if code != 200 {
			t.Fatalf("%d %s", code, doc.Find("main").Text())
		}
		return doc
	}
	doc := send("Name;E-Mail\r\nJ\xf6rg;joerg@t1.example\r\nFalsch;\r\n", "", "")
	if doc.Find(".tm-state--ok").Length() != 1 || doc.Find(".tm-state--down").Length() != 1 {
		t.Errorf("dry run: %s", doc.Find("main").Text())
	}
	if n, _ := h.Count(h.ctx, identity.Filter{}); n != 1 {
		t.Fatalf("the dry run left %d people", n)
	}
	text := doc.Find("textarea[name=text]").Text()
	send("", text, "yes")
	if p, err := h.PersonByEmail(h.ctx, "joerg@t1.example"); err != nil || p.Name != "Jörg" {
		t.Errorf("%+v, %v", p, err)
	}
	code, doc := b.get("/identity/people.csv")
	if code != 200 || !strings.Contains(doc.Text(), "Jörg;joerg@t1.example;;;reader;") {
		t.Errorf("export: %d %s", code, doc.Text())
	}
}

func TestAPI(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t, rooms...))
	ada := h.add(t, person("Ada", identity.RoleAdmin, identity.RoleIT))
	_, _, token := h.signedIn(t, ada)
	b := h.site(t)
	if code, out := b.json("GET", "/api/v1/people", ""); code != http.StatusUnauthorized || out["detail"] == "" {
		t.Errorf("nobody: %d %v", code, out)
	}
	b.token = token
	code, out := b.json("POST", "/api/v1/people", `{"name":"Bert","email":"Bert@T1.example","alternative":"b@t1.example","roles":["it"]}`)
	if code != 422 || !strings.Contains(fmt.Sprint(out["errors"]), "body.alternative") {
		t.Errorf("refused: %d %v", code, out)
	}
	code, out = b.json("POST", "/api/v1/people", `{"name":"Bert","email":"Bert@T1.example","alternative":"b@posteo.example","roles":["it"]}`)
	if code != http.StatusCreated || out["email"] != "bert@t1.example" || out["declared"] != false {
		t.Fatalf("%d %v", code, out)
	}
	id := fmt.Sprint(out["id"])
	if code, out = b.json("PATCH", "/api/v1/people/"+id, `{"blocked":true}`); code != 200 || out["blocked"] != true || out["name"] != "Bert" {
		t.Errorf("patch: %d %v", code, out)
	}
	if code, _ = b.json("PATCH", "/api/v1/people/"+id, `{"blocked":`); code != 400 && code != 422 {
		t.Errorf("broken body: %d", code)
	}
	if code, out = b.json("GET", "/api/v1/people?limit=1", ""); code != 200 || len(out["items"].([]any)) != 1 || out["next"] == nil {
		t.Fatalf("%d %v", code, out)
	}
	if code, out = b.json("GET", "/api/v1/people?limit=1&after="+fmt.Sprint(out["next"]), ""); code != 200 || len(out["items"].([]any)) != 1 || out["next"] != nil {
		t.Errorf("%d %v", code, out)
	}
	if code, _ = b.json("GET", "/api/v1/people/nobody", ""); code != http.StatusNotFound {
		t.Errorf("nobody: %d", code)
	}
	code, out = b.json("POST", "/api/v1/tokens", `{"name":"klein","scopes":["alerts"]}`)
	if code != http.StatusCreated {
		t.Fatalf("%d %v", code, out)
	}
	small := newBrowser(t, b.base)
	small.token = fmt.Sprint(out["secret"])
	for _, try := range [][2]string{{"GET", "/api/v1/people"}, {"POST", "/api/v1/people"}, {"GET", "/api/v1/tokens"}} {
		if code, _ := small.json(try[0], try[1], `{"name":"x","email":"x@t1.example"}`); code != http.StatusForbidden {
			t.Errorf("small token %v: %d", try, code)
		}
	}
	// Only the API takes tokens; on pages they would be a second way to sign in.
	if _, doc := b.get("/identity/people"); doc.Url.Path != "/anmelden" {
		t.Errorf("a token opened %s", doc.Url)
	}
	// A reader does not see private addresses of others.
	rita := h.add(t, person("Rita", identity.RoleReader))
	_, _, token = h.signedIn(t, rita)
	reader := newBrowser(t, b.base)
	reader.token = token
	if _, out = reader.json("GET", "/api/v1/people/"+string(ada.ID), ""); out["alternative"] != nil || out["name"] != ada.Name {
		t.Errorf("%v", out)
	}
	if _, out = reader.json("GET", "/api/v1/people/"+string(rita.ID), ""); out["alternative"] == nil {
		t.Errorf("%v", out)
	}
}

// Every key that the code names has a text.
func TestTexts(t *testing.T) {
	catalog, err := i18n.NewCatalog(web.Texts(), identity.Texts())
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*")
	if err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(`"(identity\.[a-z_]*[a-z])"`)
	// purposes and names that are no texts; mails have _subject and _body
	other := map[string]bool{"identity.device": true, "identity.confirm": true, "identity.independence": true}
	for _, f := range files {
		// Names of rules stand in retention.go; the room deletion has their words.
		if ext := filepath.Ext(f); ext != ".go" && ext != ".templ" || strings.HasSuffix(f, "_test.go") || f == "retention.go" {
			continue
		}
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range key.FindAllStringSubmatch(string(src), -1) {
			k := m[1]
			if !catalog.Has(k) && !catalog.Has(k+".one") && !catalog.Has(k+"_subject") && !other[k] {
				t.Errorf("%s: %s has no text", f, k)
			}
		}
	}
	for _, r := range identity.Roles() {
		for _, k := range []string{"identity.role_" + string(r), "identity.role_" + string(r) + "_hint"} {
			if !catalog.Has(k) {
				t.Errorf("%s has no text", k)
			}
		}
	}
	for _, s := range identity.Scopes() {
		if !catalog.Has("identity.scope_" + s) {
			t.Errorf("scope %s has no text", s)
		}
	}
	for _, c := range []identity.Cause{
		identity.CauseMissing, identity.CauseSameDomain, identity.CauseSharedMX, identity.CauseSharedZone,
		identity.CauseSharedHost, identity.CauseNoAnswer, identity.CauseUnverified,
	} {
		if f := (identity.Finding{Cause: c}); !catalog.Has(f.Key()) {
			t.Errorf("cause %s has no text", c)
		}
	}
}
