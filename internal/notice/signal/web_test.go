package signal_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
)

func TestSignalPageAndAPI(t *testing.T) {
	w := storetest.SQLite(t, signal.Migrations())
	w.Start(t)
	r := signal.New(signal.Options{Store: w.Store, Clock: clock.System{}})
	cat, err := i18n.NewCatalog(web.Texts(), signal.Texts())
	if err != nil {
		t.Fatal(err)
	}
	site := web.NewSite(web.Options{Catalog: cat, Clock: clock.System{}, Authenticate: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := ident.WithTenant(r.Context(), ident.Tenant(r.Header.Get("X-Tenant")))
			if role := r.Header.Get("X-Role"); role != "" {
				ctx = ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Name: "P", Roles: []string{role}})
			}
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}})
	r.Routes(site)
	r.API(web.NewAPI(site, "test"))
	h := site.Handler()
	ask := func(tenant, role, path string) *httptest.ResponseRecorder {
		req := httptest.NewRequestWithContext(context.Background(), "GET", path, http.NoBody)
		req.Header.Set("X-Tenant", tenant)
		req.Header.Set("X-Role", role)
		out := httptest.NewRecorder()
		h.ServeHTTP(out, req)
		return out
	}
	page := func(path string) *goquery.Document {
		t.Helper()
		out := ask("t1", "reader", path)
		if out.Code != 200 || strings.Contains(out.Body.String(), "<script>alert") {
			t.Fatal(out.Code, out.Body)
		}
		doc, err := goquery.NewDocumentFromReader(out.Body)
		if err != nil {
			t.Fatal(err)
		}
		if text := doc.Find("main").Text(); strings.Contains(text, "signal.") || strings.Contains(text, "{0}") {
			t.Errorf("a text key is shown: %s", text)
		}
		return doc
	}
	if page("/signal").Find(".tm-empty").Length() != 1 {
		t.Error("the empty page does not teach")
	}
	for i := range 60 {
		_, err := r.Record(w.Ctx, signal.Signal{
			Source: signal.Monitor, Key: fmt.Sprintf("monitor:m%d", i), Episode: "1", State: signal.Firing, Severity: signal.Critical,
			Service: "portal", Title: "Titel <script>alert(1)</script>", Detail: "Zeitüberschreitung",
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	for path := "/signal?service=portal"; path != ""; {
		doc := page(path)
		seen += doc.Find("tbody tr").Length()
		path = doc.Find("a[rel=next]").AttrOr("href", "")
	}
	if seen != 60 {
		t.Fatal(seen)
	}
	if doc := page("/signal?key=monitor:m7"); doc.Find("tbody a").First().AttrOr("href", "") != "/monitor/m7" || !strings.Contains(doc.Find(".tm-head__say").Text(), "60 dauern an") {
		t.Error(doc.Find("main").Text())
	}
	var list struct {
		Items []map[string]any
		Next  string
	}
	if err := json.Unmarshal(ask("t1", "reader", "/api/v1/signals?limit=59").Body.Bytes(), &list); err != nil || len(list.Items) != 59 || list.Next == "" {
		t.Fatal(list, err)
	}
	if out := ask("t1", "reader", "/api/v1/signals?limit=59&after="+list.Next).Body.String(); strings.Count(out, `"key"`) != 1 || strings.Contains(out, `"next"`) {
		t.Fatal(out)
	}
	if out := ask("t2", "admin", "/api/v1/signals").Body.String(); !strings.Contains(out, `"items":[]`) { // I19
		t.Fatal(out)
	}
	if ask("t1", "", "/signal").Code != 401 || ask("t1", "", "/api/v1/signals").Code != 401 {
		t.Error("a stranger sees the signals")
	}
}
