package plan_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
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
	"tuermer/internal/town/plan"
)

// newDesk puts the room behind a real site; the headers of a request say who
// comes.
func newDesk(t *testing.T) (*plan.Room, *storetest.World, func(tenant, role, method, path, body string) *httptest.ResponseRecorder) {
	t.Helper()
	w := storetest.SQLite(t, audit.Migrations(), plan.Migrations())
	cat, err := i18n.NewCatalog(web.Texts(), plan.Texts())
	if err != nil {
		t.Fatal(err)
	}
	r := plan.New(plan.Options{
		Store: w.Store, Clock: clock.System{}, Audit: audit.New(audit.Options{Store: w.Store, Clock: clock.System{}}),
		People:   func(context.Context) ([]string, error) { return []string{"ada@musterstadt.example"}, nil },
		Services: func(context.Context, string) ([]string, error) { return []string{"Bürgerportal"}, nil },
	})
	site := web.NewSite(web.Options{Catalog: cat, Clock: clock.System{}, Authenticate: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := ident.WithTenant(r.Context(), ident.Tenant(r.Header.Get("X-Tenant")))
			if role := r.Header.Get("X-Role"); role != "" {
				ctx = ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: "p", Name: "P", Roles: []string{role}})
			}
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}})
	r.Routes(site)
	r.API(web.NewAPI(site, "test"))
	h := site.Handler()
	return r, w, func(tenant, role, method, path, body string) *httptest.ResponseRecorder {
		req := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
		req.Header.Set("X-Tenant", tenant)
		req.Header.Set("X-Role", role)
		switch {
		case strings.HasPrefix(body, "{"):
			req.Header.Set("Content-Type", "application/json")
		case body != "":
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		out := httptest.NewRecorder()
		h.ServeHTTP(out, req)
		return out
	}
}

func TestPages(t *testing.T) {
	r, w, ask := newDesk(t)
	page := func(role, method, path, body string, status int) *goquery.Document {
		t.Helper()
		out := ask("t1", role, method, path, body)
		if out.Code != status {
			t.Fatalf("%s %s: %d, want %d\n%s", method, path, out.Code, status, out.Body)
		}
		if html := out.Body.String(); strings.Contains(html, "<script>alert") || strings.Contains(html, " style=") {
			t.Errorf("%s %s lets markup through", method, path)
		}
		doc, err := goquery.NewDocumentFromReader(out.Body)
		if err != nil {
			t.Fatal(err)
		}
		if text := doc.Find("main").Text(); strings.Contains(text, "plan.") || strings.Contains(text, "{0}") {
			t.Errorf("%s %s shows a text key: %s", method, path, text)
		}
		return doc
	}
	if doc := page("publisher", "GET", "/plan", "", 200); doc.Find(".tm-empty a").AttrOr("href", "") != "/plan/new" {
		t.Error("the empty page does not lead on")
	}
	page("reader", "GET", "/plan/new", "", 403)
	f := url.Values{"name": {"Rat <script>alert(1)</script>"}, "kind": {"council"}, "recipients": {"kein-at"}, "cadence": {"oft"}}
	doc := page("publisher", "POST", "/plan/new", f.Encode(), 422)
	if doc.Find("#cadence-error").Length() != 1 || doc.Find("#recipients").Text() != "kein-at" {
		t.Error("the refused form lost what was typed")
	}
	f.Set("cadence", "120")
	if doc = page("publisher", "POST", "/plan/new", f.Encode(), 422); doc.Find("#recipients-error").Length() != 1 {
		t.Error("a wrong address is taken")
	}
	f.Set("recipients", " a@rat.example\r\nb@rat.example; a@rat.example\r\n\r\n")
	if out := ask("t1", "publisher", "POST", "/plan/new", f.Encode()); out.Code != 303 || out.Header().Get("Location") != "/plan/council" {
		t.Fatal(out.Code, out.Body)
	}
	a, err := r.Audience(w.Ctx, "council")
	if err != nil || !slices.Equal(a.Recipients, []string{"a@rat.example", "b@rat.example"}) || a.Cadence != 2*time.Hour {
		t.Fatal(a, err)
	}
	if doc = page("publisher", "POST", "/plan/new", f.Encode(), 422); doc.Find("#slug-error").Length() != 1 {
		t.Error("an audience was made twice")
	}
	if text := page("reader", "GET", "/plan", "", 200).Find("tbody").Text(); !strings.Contains(text, "alle 2 Stunden") || !strings.Contains(text, "Rat und Gremien") {
		t.Error(text)
	}
	if text := page("it", "GET", "/plan/council", "", 200).Find("main").Text(); !strings.Contains(text, "a@rat.example") || !strings.Contains(text, "Bürgerportal") {
		t.Error(text)
	}
	if text := page("reader", "GET", "/plan/council", "", 200).Find("main").Text(); strings.Contains(text, "a@rat.example") {
		t.Error("a reader sees the addresses")
	}
	if got := page("publisher", "GET", "/plan/council/edit", "", 200).Find("#recipients").Text(); got != "a@rat.example\nb@rat.example" {
		t.Errorf("%q", got)
	}
	f.Set("owner", "ada@musterstadt.example")
	if out := ask("t1", "publisher", "POST", "/plan/council/edit", f.Encode()); out.Code != 303 {
		t.Fatal(out.Code, out.Body)
	}
	if err := r.Declare(w.Ctx, []plan.Audience{{Slug: "citizens", Kind: plan.Citizens, Name: "Alle"}}); err != nil {
		t.Fatal(err)
	}
	if doc := page("admin", "GET", "/plan/citizens", "", 200); doc.Find(".tm-locked").Length() != 1 || !strings.Contains(doc.Find("main").Text(), "Eine zweite Person gibt frei") {
		t.Error("a declared audience is not shown as such")
	}
	if doc := page("admin", "GET", "/plan/citizens/edit", "", 200); doc.Find(".tm-locked").Length() != 1 || doc.Find("fieldset[disabled] input[name=name]").AttrOr("value", "") != "Alle" {
		t.Error("the form of a declared audience is not shown, or not locked")
	}
	if out := ask("t1", "admin", "POST", "/plan/citizens/edit", "name=X"); out.Code != 409 {
		t.Errorf("a declared audience was changed: %d", out.Code)
	}
	page("admin", "GET", "/plan/citizens/remove", "", 409)
	page("publisher", "GET", "/plan/council/remove", "", 403)
	if text := page("admin", "GET", "/plan/council/remove", "", 200).Find("main").Text(); !strings.Contains(text, "2 Empfänger bekommen") {
		t.Error(text)
	}
	if ask("t2", "admin", "GET", "/plan/council", "").Code != 404 { // I19
		t.Error("another tenant sees the audience")
	}
	if out := ask("t1", "admin", "POST", "/plan/council/remove", "x="); out.Code != 303 {
		t.Fatal(out.Code)
	}
}

func TestAPI(t *testing.T) {
	_, _, ask := newDesk(t)
	call := func(role, method, path, body string, status int) map[string]any {
		t.Helper()
		out := ask("t1", role, method, "/api/v1/audiences"+path, body)
		if out.Code != status {
			t.Fatalf("%s %s: %d, want %d: %s", method, path, out.Code, status, out.Body)
		}
		m := map[string]any{}
		if err := json.NewDecoder(out.Body).Decode(&m); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		return m
	}
	staff := `{"kind":"staff","name":"Beschäftigte","recipients":["alle@musterstadt.example"]}`
	call("reader", "POST", "", staff, 403)
	call("", "GET", "", "", 401)
	if got := call("publisher", "POST", "", staff, 201); got["slug"] != "staff" || got["every_minutes"] != 60.0 || got["recipients_count"] != 1.0 {
		t.Fatal(got)
	}
	call("publisher", "POST", "", staff, 409)
	call("publisher", "POST", "", `{"kind":"press","name":"Presse","recipients":["kein-at"]}`, 422)
	call("publisher", "POST", "", `{"kind":"it","name":"IT","cadence_minutes":15}`, 201)
	one := call("publisher", "GET", "/staff", "", 200)
	one["name"] = "Alle"
	raw, err := json.Marshal(one)
	if err != nil {
		t.Fatal(err)
	}
	if got := call("publisher", "PUT", "/staff", string(raw), 200); got["name"] != "Alle" || got["recipients_count"] != 1.0 {
		t.Fatal("what was read cannot be written back:", got)
	}
	if got := call("reader", "GET", "/staff", "", 200); len(got["recipients"].([]any)) != 0 || got["recipients_count"] != 1.0 {
		t.Fatal("a reader sees the addresses:", got)
	}
	call("reader", "GET", "/none", "", 404)
	list := call("reader", "GET", "?limit=1", "", 200)
	if items := list["items"].([]any); len(items) != 1 || list["next"] != "staff" {
		t.Fatal(list)
	}
	if list = call("reader", "GET", "?limit=1&after=staff", "", 200); list["next"] != nil || len(list["items"].([]any)) != 1 {
		t.Fatal(list)
	}
	call("publisher", "DELETE", "/it", "", 403)
	call("admin", "DELETE", "/it", "", 204)
	if out := ask("t2", "admin", "GET", "/api/v1/audiences", ""); !strings.Contains(out.Body.String(), `"items":[]`) { // I19
		t.Fatal(out.Body)
	}
}
