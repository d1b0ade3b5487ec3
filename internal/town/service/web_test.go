package service_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/service"
)

// desk is the room behind a real site; the headers say who comes.
type desk struct {
	t    *testing.T
	w    *storetest.World
	room *service.Room
	h    http.Handler
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	w := storetest.SQLite(t, audit.Migrations(), service.Migrations())
	cat, err := i18n.NewCatalog(web.Texts(), service.Texts())
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, w: w, room: service.New(service.Options{
		Store: w.Store, Clock: clock.System{}, Audit: audit.New(audit.Options{Store: w.Store, Clock: clock.System{}}),
		People:    func(context.Context) ([]string, error) { return []string{"ada@musterstadt.example"}, nil },
		Audiences: func(context.Context) ([][2]string, error) { return [][2]string{{"staff", "Beschäftigte"}}, nil },
		States: func(context.Context) (map[string]web.State, error) {
			return map[string]web.State{"portal": web.Down}, nil
		},
		Watchers: func(context.Context, string) (int, error) { return 3, nil },
	})}
	site := web.NewSite(web.Options{Catalog: cat, Clock: clock.System{}, Authenticate: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := ident.WithTenant(r.Context(), ident.Tenant(r.Header.Get("X-Tenant")))
			if role := r.Header.Get("X-Role"); role != "" {
				ctx = ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: "p", Name: "P", Roles: []string{role}})
			}
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}})
	d.room.Routes(site)
	d.room.API(web.NewAPI(site, "test"))
	d.h = site.Handler()
	return d
}

// ask sends one request as role of tenant t1; form and JSON bodies tell
// themselves apart.
func (d *desk) ask(role, method, path, body string) *httptest.ResponseRecorder {
	return d.askAs("t1", role, method, path, body)
}

func (d *desk) askAs(tenant, role, method, path, body string) *httptest.ResponseRecorder {
	d.t.Helper()
	r := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	r.Header.Set("X-Tenant", tenant)
	r.Header.Set("X-Role", role)
	switch {
	case strings.HasPrefix(body, "{"):
		r.Header.Set("Content-Type", "application/json")
	case body != "":
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	out := httptest.NewRecorder()
	d.h.ServeHTTP(out, r)
	return out
}

// page asks for a page and reads it; status and leftovers of texts are checked.
func (d *desk) page(role, method, path, body string, status int) *goquery.Document {
	d.t.Helper()
	out := d.ask(role, method, path, body)
	if out.Code != status {
		d.t.Fatalf("%s %s: %d, want %d\n%s", method, path, out.Code, status, out.Body)
	}
	html := out.Body.String()
	for _, bad := range []string{"<script>alert", " style=", "<style", "onclick="} {
		if strings.Contains(html, bad) {
			d.t.Errorf("%s %s contains %q", method, path, bad)
		}
	}
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(html))
	if err != nil {
		d.t.Fatal(err)
	}
	if text := doc.Find("main").Text(); strings.Contains(text, "service.") || strings.Contains(text, "{0}") {
		d.t.Errorf("%s %s shows a text key: %s", method, path, text)
	}
	return doc
}

func (d *desk) save(ss ...service.Service) {
	d.t.Helper()
	for _, s := range ss {
		if err := d.room.Save(d.w.Ctx, s); err != nil {
			d.t.Fatal(err)
		}
	}
}

func TestPages(t *testing.T) {
	d := newDesk(t)
	if doc := d.page("admin", "GET", "/service", "", 200); doc.Find(".tm-empty a").AttrOr("href", "") != "/service/new" {
		t.Error("the empty page does not lead on")
	}
	d.save(
		service.Service{
			Slug: "portal", Name: "Bürgerportal", Article: "das", Public: true, Owner: "ada@musterstadt.example",
			Provider:   service.Provider{Name: "Anbieter", Hotline: "(0611) 000-12 (24 h)"},
			Workaround: service.Workaround{Text: "Telefon 0611 000", ValidUntil: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)},
			FirstSteps: "Anrufen\nWarten", Audiences: []string{"staff"},
		},
		service.Service{Slug: "kita", Name: "Kita-Portal <script>alert(1)</script>", Public: true, DependsOn: []string{"portal"}},
	)
	doc := d.page("reader", "GET", "/service", "", 200)
	if got := doc.Find("tbody tr").Length(); got != 2 {
		t.Fatal(got)
	}
	if got := doc.Find("tbody tr").First().Text(); !strings.Contains(got, "gestört") || !strings.Contains(got, "Telefon 0611 000") {
		t.Error(got)
	}
	if got := doc.Find(".tm-head__say").Text(); !strings.Contains(got, "2 Dienste, 2 davon öffentlich") || !strings.Contains(got, "Bei 1 Dienst fehlen") {
		t.Error(got)
	}
	if doc.Find("main a[href='/service/new']").Length() != 0 {
		t.Error("a reader is offered to add services")
	}
	if got := d.page("reader", "GET", "/service?q=kita", "", 200).Find("tbody tr").Length(); got != 1 {
		t.Error(got)
	}
	doc = d.page("it", "GET", "/service/portal", "", 200)
	if got := doc.Find("a.tm-tel").AttrOr("href", ""); got != "tel:061100012" {
		t.Error(got)
	}
	text := doc.Find("main").Text()
	for _, want := range []string{"dem Bürgerportal", "abgelaufen am", "Beschäftigte", "3 Prüfungen", "Kita-Portal", "„wird geprüft“, sobald"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if d.ask("reader", "GET", "/service/nothing", "").Code != 404 || d.askAs("t2", "admin", "GET", "/service/portal", "").Code != 404 {
		t.Error("a service that is not there was shown")
	}
	if d.ask("", "GET", "/service", "").Code != 401 {
		t.Error("a stranger sees the services")
	}
}

func TestForm(t *testing.T) {
	d := newDesk(t)
	f := url.Values{"name": {"Bürgerbüro, Termine"}, "article": {"plural"}, "short": {"viel zu langer Kurzname"}, "workaround": {"<b>vor Ort</b>"}, "auto_public": {"never"}, "workaround_until": {"2099-05-01T18:00"}}
	doc := d.page("it", "POST", "/service/new", f.Encode(), 422)
	if doc.Find("#short-error").Length() != 1 || doc.Find("#name").AttrOr("value", "") != "Bürgerbüro, Termine" || doc.Find("#workaround").Text() != "<b>vor Ort</b>" {
		t.Error("the refused form lost what was typed")
	}
	if doc.Find(".kern-alert--danger a[href='#short']").Length() != 1 {
		t.Error("the summary does not lead to the field")
	}
	f.Set("act", "preview")
	if got := d.page("it", "POST", "/service/new", f.Encode(), 200).Find("#preview").Text(); !strings.Contains(got, "bei den Bürgerbüro, Termine") {
		t.Error(got)
	}
	if got := d.page("it", "POST", "/service/preview", f.Encode(), 200).Find("#preview").Text(); !strings.Contains(got, "für die Bürgerbüro, Termine") {
		t.Error(got)
	}
	f.Set("act", "save")
	f.Set("short", "Termine")
	if out := d.ask("it", "POST", "/service/new", f.Encode()); out.Code != 303 || out.Header().Get("Location") != "/service/buergerbuero-termine" {
		t.Fatal(out.Code, out.Header(), out.Body)
	}
	s, err := d.room.Get(d.w.Ctx, "buergerbuero-termine")
	if err != nil || s.Public || s.Workaround.Text != "<b>vor Ort</b>" || s.Workaround.ValidUntil.Year() != 2099 {
		t.Fatal(s, err)
	}
	if doc := d.page("it", "POST", "/service/new", f.Encode(), 422); doc.Find("#slug-error").Length() != 1 {
		t.Error("a service was made twice")
	}
	doc = d.page("it", "GET", "/service/buergerbuero-termine/edit", "", 200)
	if doc.Find("#workaround_until").AttrOr("value", "") != "2099-05-01T18:00" || doc.Find("#article option[selected]").AttrOr("value", "") != "plural" {
		t.Error("the form does not show what is stored")
	}
	f.Set("public", "yes")
	if out := d.ask("it", "POST", "/service/buergerbuero-termine/edit", f.Encode()); out.Code != 303 {
		t.Fatal(out.Code, out.Body)
	}
	for _, path := range []string{"/service/new", "/service/buergerbuero-termine/edit"} {
		if d.ask("reader", "GET", path, "").Code != 403 || d.ask("reader", "POST", path, f.Encode()).Code != 403 {
			t.Errorf("a reader reaches %s", path)
		}
	}
	if err := d.room.Declare(d.w.Ctx, []service.Service{{Slug: "fest", Name: "Fest"}}); err != nil {
		t.Fatal(err)
	}
	doc = d.page("admin", "GET", "/service/fest", "", 200)
	if doc.Find(".tm-locked").Length() != 1 || doc.Find("a[href='/service/fest/edit']").Length() != 0 {
		t.Error("a declared service is not shown as such")
	}
	doc = d.page("admin", "GET", "/service/fest/edit", "", 200)
	if doc.Find(".tm-locked").Length() != 1 || doc.Find("fieldset[disabled] input[name=name]").AttrOr("value", "") != "Fest" || doc.Find("main button").Not("fieldset[disabled] button").Length() != 0 {
		t.Error("the form of a declared service is not shown, or not locked")
	}
	if out := d.ask("admin", "POST", "/service/fest/edit", f.Encode()); out.Code != 409 {
		t.Errorf("a declared service was changed: %d", out.Code)
	}
	d.page("admin", "GET", "/service/fest/remove", "", 409)
}

func TestRemove(t *testing.T) {
	d := newDesk(t)
	d.save(service.Service{Slug: "a", Name: "A", Public: true}, service.Service{Slug: "b", Name: "B", DependsOn: []string{"a"}})
	if doc := d.page("admin", "GET", "/service/a/remove", "", 200); doc.Find("form.tm-act").Length() != 0 {
		t.Error("a service that others need can be deleted")
	}
	d.page("admin", "POST", "/service/a/remove", "x=", 409)
	d.page("it", "POST", "/service/b/remove", "x=", 403)
	if got := d.page("admin", "GET", "/service/b/remove", "", 200).Find("main").Text(); !strings.Contains(got, "3 Prüfungen laufen weiter") {
		t.Error(got)
	}
	if out := d.ask("admin", "POST", "/service/b/remove", "x="); out.Code != 303 {
		t.Fatal(out.Code)
	}
}

func TestPaging(t *testing.T) {
	d := newDesk(t)
	all := make([]service.Service, 120)
	for i := range all {
		all[i] = service.Service{Slug: fmt.Sprintf("s%03d", i), Name: fmt.Sprintf("Dienst %03d", i)}
	}
	if err := d.room.Declare(d.w.Ctx, all); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for path := "/service"; path != ""; {
		doc := d.page("reader", "GET", path, "", 200)
		seen += doc.Find("tbody tr").Length()
		path = doc.Find("a[rel=next]").AttrOr("href", "")
	}
	if seen != 120 {
		t.Fatal(seen)
	}
}

func TestAPI(t *testing.T) {
	d := newDesk(t)
	call := func(role, method, path, body string, status int) map[string]any {
		t.Helper()
		out := d.ask(role, method, "/api/v1"+path, body)
		if out.Code != status {
			t.Fatalf("%s %s: %d, want %d: %s", method, path, out.Code, status, out.Body)
		}
		m := map[string]any{}
		if err := json.NewDecoder(out.Body).Decode(&m); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		return m
	}
	portal := `{"slug":"portal","name":"Bürgerportal","article":"das","public":true,"owner":"ada@musterstadt.example","workaround":"Telefon","depends_on":[],"audiences":["staff"],"auto_public":"confirmed"}`
	call("reader", "POST", "/services", portal, 403)
	call("", "GET", "/services", "", 401)
	if got := call("admin", "POST", "/services", portal, 201); got["state"] != "down" || got["auto_public"] != "confirmed" || got["declared"] != false {
		t.Fatal(got)
	}
	call("admin", "POST", "/services", portal, 409)
	call("it", "POST", "/services", `{"name":"Kita","short":"dieser Name ist viel zu lang"}`, 422)
	if got := call("it", "POST", "/services", `{"name":"Kita"}`, 201); got["slug"] != "kita" {
		t.Fatal(got)
	}
	one := call("reader", "GET", "/services/portal", "", 200)
	one["name"] = "Bürger-Portal"
	again, err := json.Marshal(one)
	if err != nil {
		t.Fatal(err)
	}
	if got := call("it", "PUT", "/services/portal", string(again), 200); got["name"] != "Bürger-Portal" || got["workaround"] != "Telefon" {
		t.Fatal("what was read cannot be written back:", got)
	}
	call("it", "PUT", "/services/none", `{"name":"X"}`, 404)
	call("it", "PUT", "/services/portal", `{"slug":"other","name":"X"}`, 422)
	list := call("reader", "GET", "/services?limit=1", "", 200)
	if items := list["items"].([]any); len(items) != 1 || list["next"] == nil {
		t.Fatal(list)
	}
	list = call("reader", "GET", "/services?limit=1&after="+list["next"].(string), "", 200)
	if items := list["items"].([]any); len(items) != 1 || list["next"] != nil {
		t.Fatal(list)
	}
	call("it", "DELETE", "/services/kita", "", 403)
	call("admin", "DELETE", "/services/kita", "", 204)
	if out := d.askAs("t2", "admin", "GET", "/api/v1/services", ""); !strings.Contains(out.Body.String(), `"items":[]`) { // I19
		t.Fatal(out.Body)
	}
}
