package alert_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/identity"
)

// visit is a browser without script in front of the room's pages.
type visit struct {
	t     *testing.T
	site  http.Handler
	actor *ident.Actor
}

func browser(t *testing.T, r *alert.Room, w *world) *visit {
	t.Helper()
	catalog, err := i18n.NewCatalog(fs.FS(web.Texts()), alert.Texts())
	if err != nil {
		t.Fatal(err)
	}
	v := &visit{t: t, actor: &ident.Actor{Kind: ident.KindPublic}}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	s := web.NewSite(web.Options{
		Catalog: catalog, Clock: w, SignIn: "/identity/sign-in",
		Locale: func(*http.Request) (i18n.Lang, *time.Location) { return i18n.DE, zone },
		Authenticate: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
				ctx := ident.WithActor(ident.WithTenant(req.Context(), storetest.Tenant), *v.actor)
				next.ServeHTTP(rw, req.WithContext(ctx))
			})
		},
	})
	r.Routes(s)
	r.API(web.NewAPI(s, "test"))
	v.site = s.Handler()
	return v
}

func (v *visit) do(method, path, contentType, body string) *httptest.ResponseRecorder {
	v.t.Helper()
	req := httptest.NewRequestWithContext(context.Background(), method, "http://lage.example"+path, strings.NewReader(body))
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	rec := httptest.NewRecorder()
	v.site.ServeHTTP(rec, req)
	return rec
}

func (v *visit) page(path string, status int) *goquery.Document {
	v.t.Helper()
	rec := v.do(http.MethodGet, path, "", "")
	if rec.Code != status {
		v.t.Fatalf("GET %s: %d\n%s", path, rec.Code, rec.Body)
	}
	doc, err := goquery.NewDocumentFromReader(rec.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	if strings.Contains(doc.Find("main").Text(), "alert.") {
		v.t.Errorf("GET %s: a text is missing: %s", path, doc.Find("main").Text())
	}
	return doc
}

func (v *visit) post(path string, form url.Values, status int) *httptest.ResponseRecorder {
	v.t.Helper()
	rec := v.do(http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode())
	if rec.Code != status {
		v.t.Fatalf("POST %s: %d\n%s", path, rec.Code, rec.Body)
	}
	return rec
}

func text(s *goquery.Selection) string { return strings.Join(strings.Fields(s.Text()), " ") }

func TestPages(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	r, w := setup(t, sw)
	v := browser(t, r, w)
	if rec := v.do(http.MethodGet, "/alert", "", ""); rec.Code != http.StatusSeeOther {
		t.Fatal("a stranger is asked to sign in:", rec.Code)
	}
	*v.actor = ident.Actor{Kind: ident.KindPerson, Person: "bert", Name: "Bert Kern", Roles: []string{"it"}}
	if got := text(v.page("/alert", 200).Find("main")); !strings.Contains(got, "Keine Alarme") {
		t.Fatal(got)
	}
	s := firing("monitor:portal", "portal", 1)
	s.Title = `<script>alert(1)</script>`
	fold(t, r, sw.Ctx, s)
	info := firing("b", "", 1)
	info.Severity = signal.Info
	fold(t, r, sw.Ctx, info)
	id := string(list(t, r, sw.Ctx, alert.Filter{})[0].ID)

	doc := v.page("/alert", 200)
	if doc.Find("main script").Length() != 0 || text(doc.Find("h1")) != "Alarme" || doc.Find(`a[href="/alert/`+id+`"]`).Length() != 1 {
		t.Fatal(text(doc.Find("main")))
	}
	if got := text(doc.Find("#withheld")); !strings.Contains(got, "nur zur Information") {
		t.Fatal(got)
	}
	doc = v.page("/alert/"+id, 200)
	for _, want := range []string{
		"seit 14:02 Uhr · noch von niemandem übernommen", "Zuletzt gesehen: Zeitüberschreitung nach 10 s",
		"Erkannt nach 10 Sekunden durch: eigene Prüfung.", "Ada Beispiel", "unterwegs", "ada@posteo.example, ada@town.example",
		"Andere sind näher zuständig", "Vertrag 4711, erreichbar 24 h",
	} {
		if !strings.Contains(text(doc.Find("main")), want) {
			t.Errorf("no %q in %s", want, text(doc.Find("main")))
		}
	}
	if href, _ := doc.Find("a.tm-tel").Attr("href"); href != "tel:0611000" {
		t.Error(href)
	}
	if doc.Find("details ol li").Length() != 2 || text(doc.Find("form.tm-act button").First()) != "Übernehmen" {
		t.Error(text(doc.Find("form")))
	}
	// Informing citizens shows a page first; opening an incident is a form.
	if doc.Find(`a[href="/alert/`+id+`/inform"]`).Length() != 1 || doc.Find(`[formaction="/alert/`+id+`/inform"]`).Length() != 0 ||
		doc.Find(`button[formaction="/alert/`+id+`/incident"]`).Length() != 1 {
		t.Error("the ways on are wrong")
	}
	// A reader sees it and has no button; posting by hand is refused.
	*v.actor = ident.Actor{Kind: ident.KindPerson, Person: "cora", Name: "Cora", Roles: []string{"reader"}}
	if n := v.page("/alert/"+id, 200).Find("main form").Length(); n != 0 {
		t.Error("forms for a reader:", n)
	}
	v.post("/alert/"+id+"/acknowledge", nil, 403)
	v.page("/alert/none", 404)
	*v.actor = ident.Actor{Kind: ident.KindPerson, Person: "bert", Name: "Bert Kern", Roles: []string{"it"}}
	rec := v.post("/alert/"+id+"/acknowledge", nil, 303)
	if rec.Header().Get("Location") != "/alert/"+id {
		t.Fatal(rec.Header())
	}
	if got := text(v.page("/alert/"+id, 200).Find(".tm-head")); !strings.Contains(got, "übernommen") || !strings.Contains(got, "Bert Kern kümmert sich seit 14:02 Uhr") {
		t.Fatal(got)
	}
	rec = v.post("/alert/"+id+"/close", url.Values{"reason": {" "}}, 422)
	if !strings.Contains(rec.Body.String(), "Bitte nennen Sie einen Grund.") {
		t.Fatal(rec.Body)
	}
	v.post("/alert/"+id+"/close", url.Values{"reason": {"Prüfung abgebaut"}}, 303)
	if got := text(v.page("/alert/"+id, 200).Find("main")); !strings.Contains(got, "Von Hand geschlossen durch Bert Kern. Grund: Prüfung abgebaut") {
		t.Fatal(got)
	}
	if got := text(v.page("/alert?all=1", 200).Find("main")); !strings.Contains(got, "vorbei") {
		t.Fatal(got)
	}
	v.post("/alert/"+id+"/acknowledge", nil, 303)
}

// A mail scanner that follows the link changes nothing; the button does, once.
func TestLinkPage(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	r, w := setup(t, sw)
	v := browser(t, r, w)
	fold(t, r, sw.Ctx, firing("monitor:mail", "mail", 1))
	a := list(t, r, sw.Ctx, alert.Filter{})[0]
	link := func(who identity.PersonID) string { return "/a/" + alert.Token(r, a.ID, who, noon) }
	state := func() alert.State {
		t.Helper()
		a, err := r.Get(sw.Ctx, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		return a.State
	}
	for range 3 {
		doc := v.page(link("ada"), 200)
		if text(doc.Find("form.tm-act button")) != "Übernehmen" || !strings.Contains(text(doc.Find("main")), "Sie sind Ada Beispiel") {
			t.Fatal(text(doc.Find("main")))
		}
	}
	if state() != alert.StateOpen {
		t.Fatal("looking changed something")
	}
	v.post(link("ada"), nil, 303)
	if state() != alert.StateAcknowledged {
		t.Fatal(state())
	}
	if got := text(v.page(link("ada"), 200).Find("main")); !strings.Contains(got, "Ada Beispiel, Sie haben den Alarm übernommen.") {
		t.Fatal(got)
	}
	v.post(link("bert"), nil, 303)
	if got := text(v.page(link("bert"), 200).Find("main")); !strings.Contains(got, "Ada Beispiel kümmert sich seit 14:02 Uhr.") || strings.Contains(got, "Übernehmen") {
		t.Fatal(got)
	}
	fold(t, r, sw.Ctx, resolved("monitor:mail", "mail", 2))
	if got := text(v.page(link("bert"), 200).Find("main")); !strings.Contains(got, "Die Störung ist vorbei.") {
		t.Fatal(got)
	}
	v.post(link("bert"), nil, 303)
	v.page("/a/nonsense", 404)
	v.post("/a/nonsense", nil, 404)
	w.now = noon.Add(25 * time.Hour)
	if got := text(v.page(link("ada"), 410).Find("main")); !strings.Contains(got, "abgelaufen") {
		t.Fatal(got)
	}
}

// Whoever was woken by SMS alone calls the provider with one tap, without signing in,
// before and after taking the alarm; once it is over there is nobody to call.
func TestLinkPageCalls(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	r, w := setup(t, sw)
	v := browser(t, r, w)
	fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1))
	link := "/a/" + alert.Token(r, list(t, r, sw.Ctx, alert.Filter{})[0].ID, "ada", noon)
	called := func() {
		t.Helper()
		doc := v.page(link, 200)
		if href, _ := doc.Find("main a.tm-tel").Attr("href"); href != "tel:0611000" || !strings.Contains(text(doc.Find("main")), "Vertrag 4711, erreichbar 24 h") {
			t.Error(href, text(doc.Find("main")))
		}
	}
	called()
	v.post(link, nil, 303)
	called()
	fold(t, r, sw.Ctx, resolved("monitor:portal", "portal", 2))
	if doc := v.page(link, 200); !strings.Contains(text(doc.Find("main")), "Die Störung ist vorbei.") || doc.Find(".tm-tel").Length() != 0 {
		t.Error(text(doc.Find("main")))
	}
}

func TestAPI(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	r, w := setup(t, sw)
	v := browser(t, r, w)
	if rec := v.do(http.MethodGet, "/api/v1/alerts", "", ""); rec.Code != 401 {
		t.Fatal(rec.Code)
	}
	*v.actor = ident.Actor{Kind: ident.KindToken, Person: "bert", Name: "Bert Kern", Roles: []string{"it"}, Scopes: []string{"alerts"}}
	get := func(path string, status int, into any) {
		t.Helper()
		rec := v.do(http.MethodGet, path, "", "")
		if rec.Code != status {
			t.Fatalf("%s: %d %s", path, rec.Code, rec.Body)
		}
		if into != nil {
			if err := json.Unmarshal(rec.Body.Bytes(), into); err != nil {
				t.Fatal(err)
			}
		}
	}
	var items struct {
		Items []map[string]any
		Next  string
	}
	get("/api/v1/alerts", 200, &items)
	if items.Items == nil || len(items.Items) != 0 {
		t.Fatal(items)
	}
	fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1))
	w.now = w.now.Add(time.Second)
	fold(t, r, sw.Ctx, firing("monitor:mail", "mail", 1))
	get("/api/v1/alerts?limit=1", 200, &items)
	if len(items.Items) != 1 || items.Items[0]["service"] != "mail" || items.Items[0]["state"] != "open" || items.Next == "" {
		t.Fatal(items)
	}
	get("/api/v1/alerts?limit=1&after="+items.Next, 200, &items)
	if len(items.Items) != 1 || items.Items[0]["service"] != "portal" {
		t.Fatal(items)
	}
	id, _ := items.Items[0]["id"].(string)
	var one map[string]any
	get("/api/v1/alerts/"+id, 200, &one)
	decisions, _ := one["decisions"].([]any)
	if one["title"] != "Bürgerportal antwortet nicht" || len(decisions) == 0 || one["url"] != "https://lage.example/alert/"+id {
		t.Fatal(one)
	}
	for range 2 {
		if rec := v.do(http.MethodPost, "/api/v1/alerts/"+id+"/acknowledge", "", ""); rec.Code != 200 || !strings.Contains(rec.Body.String(), `"acknowledged_by":"Bert Kern"`) {
			t.Fatal(rec.Code, rec.Body)
		}
	}
	get("/api/v1/alerts/none", 404, nil)
	get("/api/v1/alerts/withheld", 200, &items)
	if rec := v.do(http.MethodPost, "/api/v1/alerts/"+id+"/close", "application/json", `{"reason":"weg"}`); rec.Code != 200 {
		t.Fatal(rec.Code, rec.Body)
	}
	if rec := v.do(http.MethodPost, "/api/v1/alerts/"+id+"/close", "application/json", `{"reason":"weg"}`); rec.Code != 409 {
		t.Fatal(rec.Code, rec.Body)
	}
	v.actor.Scopes = []string{"read"}
	get("/api/v1/alerts", 200, nil)
	if rec := v.do(http.MethodPost, "/api/v1/alerts/"+id+"/acknowledge", "", ""); rec.Code != 403 {
		t.Fatal(rec.Code, rec.Body)
	}
	var api struct {
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	get("/api/openapi.json", 200, &api)
	if p := api.Components.Schemas["AlertBody"].Properties; p["service"] == nil || p["decisions"] == nil {
		t.Fatal(p)
	}
}
