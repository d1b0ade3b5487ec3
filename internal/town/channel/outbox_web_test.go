package channel_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
)

// desk puts the room behind a real site; the headers of a request say who comes.
func desk(t *testing.T, r *channel.Room) func(tenant, role, method, path string, body ...string) *httptest.ResponseRecorder {
	t.Helper()
	cat, err := i18n.NewCatalog(web.Texts(), channel.Texts())
	if err != nil {
		t.Fatal(err)
	}
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
	r.WayRoutes(site)
	r.API(web.NewAPI(site, "test"))
	h := site.Handler()
	return func(tenant, role, method, path string, body ...string) *httptest.ResponseRecorder {
		req := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(strings.Join(body, "")))
		if len(body) > 0 {
			req.Header.Set("Content-Type", "application/json")
		}
		req.Header.Set("X-Tenant", tenant)
		req.Header.Set("X-Role", role)
		out := httptest.NewRecorder()
		h.ServeHTTP(out, req)
		return out
	}
}

// read is a page that must come with the given status and without leftovers.
func read(t *testing.T, out *httptest.ResponseRecorder, status int) *goquery.Document {
	t.Helper()
	if out.Code != status {
		t.Fatalf("%d, want %d\n%s", out.Code, status, out.Body)
	}
	if html := out.Body.String(); strings.Contains(html, "<script>alert") || strings.Contains(html, " style=") {
		t.Error("the page lets markup through")
	}
	doc, err := goquery.NewDocumentFromReader(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	if text := doc.Find("main").Text(); strings.Contains(text, "channel.") || strings.Contains(text, "{0}") {
		t.Errorf("a text key is shown: %s", text)
	}
	return doc
}

func TestOutboxPages(t *testing.T) {
	w := storetest.SQLite(t, audit.Migrations(), channel.Migrations())
	a := &relay{name: "erster", realm: channel.Live, say: func(m channel.Message) error {
		if m.To == "fort@example" {
			return &channel.Failure{Permanent: true, Reason: "mailbox"}
		}
		return nil
	}}
	r := room(w, a)
	ends := settled(w)
	w.Start(t)
	ask := desk(t, r)
	if doc := read(t, ask("t1", "reader", "GET", "/channel/outbox"), 200); doc.Find(".tm-empty").Length() != 1 {
		t.Error("the empty outbox does not teach")
	}
	token := strings.Repeat("geheim", 6)
	good, bad := alarm("alarm:1/x"), alarm("m2")
	good.Subject = "▲ <script>alert(1)</script>"
	good.Text = "Guten Tag\n<script>alert(2)</script>\nhttps://lage.musterstadt-an-der-musterach.example/a/" + token + "?t=" + token + "\nEnde"
	bad.To, bad.Class = "fort@example", channel.Single
	for _, m := range []channel.Message{good, bad} {
		if err := r.Send(w.Ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	start(t, w, r)
	wait(t, ends)
	wait(t, ends)
	doc := read(t, ask("t1", "it", "GET", "/channel/outbox"), 200)
	if got := doc.Find("tbody tr").Length(); got != 2 {
		t.Fatal(got)
	}
	text := doc.Find("main").Text()
	for _, want := range []string{"0 unterwegs, 1 nicht angenommen", "Aufgegeben nach 1 Versuch. Grund: Adresse abgelehnt", "vom Mailserver angenommen", "E-Mail (erster)", "bereit"} {
		if !strings.Contains(text, want) {
			t.Errorf("the outbox lacks %q: %s", want, text)
		}
	}
	if got := doc.Find("form[action='/channel/outbox/m2/again']").Length(); got != 1 {
		t.Error("a failed message cannot be sent again")
	}
	if read(t, ask("t1", "reader", "GET", "/channel/outbox?state=failed"), 200).Find("form[action$='/again']").Length() != 0 {
		t.Error("a reader is offered to send again")
	}
	one, _ := doc.Find("tbody th a").Last().Attr("href")
	if doc = read(t, ask("t1", "it", "GET", one), 200); strings.Contains(doc.Text(), "geheim") {
		t.Error("the link of somebody else can be read")
	}
	if text := doc.Find("article").Text(); !strings.Contains(text, "https://lage.musterstadt-an-der-musterach.example/a/•••?t=•••") || !strings.Contains(text, "Ende") {
		t.Error(text)
	}
	if doc = read(t, ask("t1", "reader", "GET", one), 200); strings.Contains(doc.Text(), "Guten Tag") {
		t.Error("a reader reads alarms")
	}
	read(t, ask("t1", "reader", "POST", "/channel/outbox/m2/again"), 403)
	if out := ask("t1", "it", "POST", "/channel/outbox/m2/again"); out.Code != 303 {
		t.Fatal(out.Code, out.Body)
	}
	wait(t, ends)
	read(t, ask("t2", "admin", "GET", "/channel/outbox/m2"), 404) // I19
	if ask("t1", "", "GET", "/channel/outbox").Code != 401 {
		t.Error("a stranger sees the outbox")
	}
}

func TestLetters(t *testing.T) {
	w := storetest.SQLite(t, audit.Migrations(), channel.Migrations())
	r := room(w)
	ask := desk(t, r)
	if doc := read(t, ask("t1", "admin", "GET", "/channel/simulated"), 200); doc.Find(".tm-empty").Length() != 1 {
		t.Error("the empty page does not teach")
	}
	for i := range 45 {
		m := channel.Message{
			ID: fmt.Sprintf("s%02d", i), Kind: channel.Mail, Class: channel.Bulk, Realm: channel.Live, To: "alle@example",
			Subject: "Meldung <script>alert(1)</script>", Text: "Guten Tag,\n\nbitte hier: https://lage.example/a/" + strings.Repeat("x", 40) + ".",
		}
		if i == 44 {
			m.Kind, m.Payload = channel.Webhook, []byte(`{"a":"<script>alert(2)</script>"}`)
		}
		if err := r.RecordSimulated(w.Ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for path := "/channel/simulated"; path != ""; {
		doc := read(t, ask("t1", "publisher", "GET", path), 200)
		doc.Find("article").Each(func(_ int, s *goquery.Selection) { seen[s.AttrOr("id", "")] = true })
		if links := doc.Find("article a[href='https://lage.example/a/" + strings.Repeat("x", 40) + "']"); links.Length() == 0 {
			t.Error("the links of letters cannot be followed")
		}
		path = doc.Find("a[rel=next]").AttrOr("href", "")
	}
	if len(seen) != 45 {
		t.Fatalf("%d of 45 letters were shown", len(seen))
	}
	read(t, ask("t1", "reader", "GET", "/channel/simulated"), 403)
	if doc := read(t, ask("t2", "admin", "GET", "/channel/simulated"), 200); doc.Find("article").Length() != 0 { // I19
		t.Error("another tenant reads the letters")
	}
	if doc := read(t, ask("t1", "admin", "GET", "/channel/outbox"), 200); !strings.Contains(doc.Find("main").Text(), "Kein Weg nach draußen") {
		t.Error("a town without a mail server is not warned")
	}
}

func TestOutboxAPI(t *testing.T) {
	w := storetest.SQLite(t, audit.Migrations(), channel.Migrations())
	r := room(w)
	ask := desk(t, r)
	call := func(role, method, path string, status int) map[string]any {
		t.Helper()
		out := ask("t1", role, method, "/api/v1"+path)
		if out.Code != status {
			t.Fatalf("%s %s: %d, want %d: %s", method, path, out.Code, status, out.Body)
		}
		m := map[string]any{}
		if err := json.NewDecoder(out.Body).Decode(&m); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		return m
	}
	for i := range 3 {
		if err := r.Send(w.Ctx, alarm(fmt.Sprintf("m%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	for after := ""; ; {
		list := call("reader", "GET", "/outbox?limit=2&state=queued&after="+after, 200)
		for _, i := range list["items"].([]any) {
			if item := i.(map[string]any); item["text"] != nil || item["next_at"] == nil {
				t.Fatal(item)
			}
			seen++
		}
		next, more := list["next"].(string)
		if !more {
			break
		}
		after = next
	}
	if seen != 3 {
		t.Fatal(seen)
	}
	if got := call("reader", "GET", "/outbox/m1", 200); got["to"] != "a@example" || got["state"] != "queued" {
		t.Fatal(got)
	}
	call("reader", "GET", "/outbox/none", 404)
	call("reader", "POST", "/outbox/m1/again", 403)
	call("it", "POST", "/outbox/m1/again", 409)
	call("", "GET", "/outbox", 401)
	m := channel.Message{ID: "s", Kind: channel.Mail, Class: channel.Single, To: "a@example", Text: "Wort"}
	if err := r.RecordSimulated(w.Ctx, m); err != nil {
		t.Fatal(err)
	}
	call("reader", "GET", "/simulated", 403)
	if items := call("it", "GET", "/simulated", 200)["items"].([]any); len(items) != 1 || items[0].(map[string]any)["text"] != "Wort" {
		t.Fatal(items)
	}
	if out := ask("t2", "admin", "GET", "/api/v1/outbox"); !strings.Contains(out.Body.String(), `"items":[]`) { // I19
		t.Fatal(out.Body)
	}
}
