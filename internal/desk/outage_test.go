package desk

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"tuermer/internal/inform/statuspage"
	"tuermer/internal/notice/intake"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/service"
)

// reports remembers what the form hands on.
type reports struct{ got []string }

func (r *reports) Outage(_ context.Context, slug string, what intake.Symptom, from string) error {
	if slug == "" {
		return fault.New(fault.Invalid, "intake.outage_incomplete").Field("service", "intake.outage_which")
	}
	r.got = append(r.got, slug+" "+string(what)+" "+from)
	return nil
}

// The form shows public services alone, changes nothing when it is looked at,
// keeps what was chosen, and takes nothing from machines that fill in everything.
func TestOutageForm(t *testing.T) {
	w := storetest.SQLite(t, audit.Migrations(), service.Migrations())
	catalog, err := i18n.NewCatalog(texts, intake.Texts())
	if err != nil {
		t.Fatal(err)
	}
	ctx := i18n.With(w.Ctx, i18n.Locale{Catalog: catalog, Lang: i18n.EN})
	sv := service.New(service.Options{Store: w.Store, Clock: clock.System{}, Audit: audit.New(audit.Options{Store: w.Store, Clock: clock.System{}})})
	for _, s := range []service.Service{{Slug: "portal", Name: "Bürgerportal", NameEN: "citizens' portal", Public: true}, {Slug: "intern", Name: "Fachverfahren"}} {
		if err := sv.Save(w.Ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	to := &reports{}
	g := (&Desk{o: Options{Service: sv}}).Outage(to)
	ask := func(method, path string, form url.Values) (statuspage.GuestPage, string) {
		t.Helper()
		req := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		page, err := g.Answer(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if page.Body != nil {
			if err := page.Body.Render(ctx, &b); err != nil {
				t.Fatal(err)
			}
		}
		return page, b.String()
	}
	page, html := ask(http.MethodGet, "/en/stoerung?service=portal", nil)
	if page.Status != 0 || !strings.Contains(html, "citizens&#39; portal") || strings.Contains(html, "Fachverfahren") || strings.Contains(html, "<script") || len(to.got) > 0 {
		t.Errorf("%+v %v\n%s", page, to.got, html)
	}
	if !strings.Contains(html, `value="portal" checked`) {
		t.Error("a link may name the service")
	}
	if page, html := ask(http.MethodPost, "/en/stoerung", url.Values{"what": {"slow"}}); page.Status != http.StatusUnprocessableEntity ||
		!strings.Contains(html, "Please choose what does not work.") || !strings.Contains(html, `value="slow" checked`) {
		t.Errorf("%+v\n%s", page, html)
	}
	full := url.Values{"service": {"portal"}, "what": {"slow"}}
	if page, _ := ask(http.MethodPost, "/en/stoerung", full); page.To != "/en/stoerung/danke" || len(to.got) != 1 || !strings.HasPrefix(to.got[0], "portal slow 192.0.2.1") {
		t.Errorf("%+v %v", page, to.got)
	}
	full.Set(bait, "http://spam.example")
	if page, _ := ask(http.MethodPost, "/en/stoerung", full); page.To != "/en/stoerung/danke" || len(to.got) != 1 {
		t.Errorf("%+v %v", page, to.got)
	}
	if _, html := ask(http.MethodGet, "/en/stoerung/danke", nil); !strings.Contains(html, "Thank you") || !strings.Contains(html, `href="/en/"`) {
		t.Error(html)
	}
	// Of many services one is chosen from a list.
	for i := range manyServices {
		if err := sv.Save(w.Ctx, service.Service{Slug: fmt.Sprintf("s%d", i), Name: fmt.Sprintf("Dienst %d", i), Public: true}); err != nil {
			t.Fatal(err)
		}
	}
	if _, html := ask(http.MethodGet, "/en/stoerung?service=portal", nil); !strings.Contains(html, `<option value="portal" selected>`) || strings.Contains(html, `name="service" value=`) {
		t.Error(html)
	}
	if _, err := g.Answer(ctx, httptest.NewRequest(http.MethodGet, "/stoerung/x", nil)); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
}
