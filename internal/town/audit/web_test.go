package audit_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/audit"
)

func TestPage(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	r := room(w)
	write(t, ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPublic}), r, 60)
	catalog, err := i18n.NewCatalog(web.Texts(), audit.Texts())
	if err != nil {
		t.Fatal(err)
	}
	actor := ident.Actor{Kind: ident.KindPerson, Person: "p", Roles: []string{"admin"}}
	s := web.NewSite(web.Options{
		Catalog: catalog, Clock: clock.System{},
		Authenticate: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
				next.ServeHTTP(rw, req.WithContext(ident.WithActor(ident.WithTenant(req.Context(), storetest.Tenant), actor)))
			})
		},
	})
	r.Routes(s)
	r.API(web.NewAPI(s, "test"))
	visit := func(method, path string) (int, *goquery.Document) {
		t.Helper()
		rec := httptest.NewRecorder()
		s.Handler().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, path, nil))
		doc, err := goquery.NewDocumentFromReader(rec.Body)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(doc.Find("main").Text(), "audit.") {
			t.Errorf("%s shows a key without a text: %s", path, doc.Find("main").Text())
		}
		return rec.Code, doc
	}
	_, doc := visit("GET", "/audit")
	if doc.Find("tbody tr").Length() != 50 || !strings.Contains(doc.Find("tbody tr").First().Text(), "jemand ohne Anmeldung") {
		t.Errorf("%s", doc.Find("main").Text())
	}
	next, _ := doc.Find("a[rel=next]").Attr("href")
	if _, doc = visit("GET", next); doc.Find("tbody tr").Length() != 10 {
		t.Errorf("second page: %d", doc.Find("tbody tr").Length())
	}
	if _, doc = visit("GET", "/audit?subject=s7"); doc.Find("tbody tr").Length() != 1 {
		t.Error("by subject")
	}
	ctx := ident.WithActor(w.Ctx, actor)
	if err := r.Record(ctx, audit.Entry{Action: "service.declared", Subject: "service:kfz", Detail: map[string]string{"name": "Kfz"}}); err != nil {
		t.Fatal(err)
	}
	if _, doc = visit("GET", "/audit?subject=service:kfz"); !strings.Contains(doc.Find("tbody").Text(), "Dienst aus tuermer.yaml übernommen") || !strings.Contains(doc.Find("tbody").Text(), "Name: Kfz") {
		t.Errorf("not in words: %s", doc.Find("tbody").Text())
	}
	if _, doc = visit("GET", "/audit?subject=none"); doc.Find(".tm-empty").Length() != 1 {
		t.Error("empty")
	}
	if code, _ := visit("GET", "/audit?after=x"); code != http.StatusNotFound {
		t.Errorf("garbage: %d", code)
	}
	if _, doc = visit("POST", "/audit/verify"); doc.Find(".kern-alert--success").Length() != 1 {
		t.Errorf("%s", doc.Find("main").Text())
	}
	_, doc = visit("GET", "/api/v1/audit?limit=20&room=test")
	var got struct {
		Items []map[string]any `json:"items"`
		Next  string           `json:"next"`
	}
	if err := json.Unmarshal([]byte(doc.Text()), &got); err != nil || len(got.Items) != 20 || got.Next != "41" {
		t.Errorf("%d items, next %q, %v", len(got.Items), got.Next, err)
	}
	err = w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewRaw("DELETE FROM audit_entry WHERE tenant_id = ? AND seq = 7", storetest.Tenant).Exec(ctx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, doc = visit("POST", "/audit/verify"); !strings.Contains(doc.Find(".kern-alert--danger").Text(), "7") {
		t.Errorf("%s", doc.Find("main").Text())
	}
	if _, doc = visit("GET", "/api/v1/audit/verify"); !strings.Contains(doc.Text(), `"missing"`) {
		t.Errorf("%s", doc.Text())
	}
	actor.Roles = []string{"it"}
	for _, path := range []string{"/audit", "/api/v1/audit", "/api/v1/audit/verify"} {
		if code, _ := visit("GET", path); code != http.StatusForbidden {
			t.Errorf("it at %s: %d", path, code)
		}
	}
}
