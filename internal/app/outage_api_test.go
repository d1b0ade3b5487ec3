package app

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tuermer/internal/platform/ident"
	"tuermer/internal/town/service"
)

// Programs report outages on the public listener by the rules of the form: services of
// this town that are public alone, no token, no cookie, no trace of who it was, and
// not without end. What it is described as names nothing else.
func TestProgramsReportOutages(t *testing.T) {
	in := newInstall(t)
	ctx := ident.WithActor(context.Background(), ident.System)
	for _, w := range in.towns {
		for _, s := range []service.Service{{Slug: "portal-" + w.host[5:8], Name: "Portal " + w.mark, Public: true}, {Slug: "intern-" + w.host[5:8], Name: "Verfahren " + w.mark}} {
			if err := in.app.service.Save(ident.WithTenant(ctx, w.id), s); err != nil {
				t.Fatal(err)
			}
		}
		if err := in.app.statuspage.Rebuild(ident.WithTenant(ctx, w.id)); err != nil {
			t.Fatal(err)
		}
	}
	const from = "203.0.113.77"
	ask := func(method, path, kind, body, from string) *httptest.ResponseRecorder {
		req := httptest.NewRequest(method, "http://status.adorf.example"+path, strings.NewReader(body))
		req.RemoteAddr = from + ":4711"
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Accept-Language", "en")
		rec := httptest.NewRecorder()
		in.app.public.ServeHTTP(rec, req)
		if len(rec.Result().Cookies()) > 0 || rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %s: %v", method, path, rec.Header())
		}
		return rec
	}
	for body, want := range map[string]struct {
		code int
		says string
	}{
		`{"service":"portal-ado","what":"gone"}`:                    {202, ""},
		`{"service":"portal-bes","what":"gone"}`:                    {422, "choose what does not work"},
		`{"service":"intern-ado","what":"gone"}`:                    {422, "choose what does not work"},
		`{"service":"portal-ado","what":"kaputt"}`:                  {422, "body.what"},
		`{"service":"portal-ado","what":"gone","who":"Eva"}`:        {422, "body.who"},
		`{"service":"portal-ado"`:                                   {400, ""},
		``:                                                          {400, ""},
		`{"service":"` + strings.Repeat("x", 5000) + `","what":""}`: {413, ""},
	} {
		if rec := ask(http.MethodPost, "/api/v1/outages", "application/json", body, from); rec.Code != want.code || !strings.Contains(rec.Body.String(), want.says) {
			t.Errorf("%.60s: %d %s, want %+v", body, rec.Code, rec.Body, want)
		}
	}
	// A page elsewhere can have a browser send a form or a text, but no JSON.
	for _, kind := range []string{"application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", ""} {
		if rec := ask(http.MethodPost, "/api/v1/outages", kind, `{"service":"portal-ado","what":"gone"}`, "203.0.113.80"); rec.Code != http.StatusUnsupportedMediaType {
			t.Errorf("%q: %d", kind, rec.Code)
		}
	}
	if rec := ask(http.MethodOptions, "/api/v1/outages", "", "", "203.0.113.80"); rec.Code < 400 {
		t.Errorf("a browser that asks first is told %d", rec.Code)
	}
	if rec := ask(http.MethodGet, "/api/v1/people", "", "", "203.0.113.80"); rec.Code != http.StatusNotFound {
		t.Errorf("the console's API on the public listener: %d", rec.Code)
	}
	last := 0
	for range 20 {
		last = ask(http.MethodPost, "/api/v1/outages", "application/json", `{"service":"portal-ado","what":"slow"}`, from).Code
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("without end: %d", last)
	}
	if rec := ask(http.MethodPost, "/api/v1/outages", "application/json", `{"service":"portal-ado","what":"slow"}`, "203.0.113.78"); rec.Code != http.StatusAccepted {
		t.Errorf("somebody else: %d", rec.Code)
	}

	rows := in.rows(in.towns[0].id)
	if n := strings.Count(rows["intake_outage"], "portal-ado"); n != 2 {
		t.Errorf("%d reports are kept, want one of each sender:\n%s", n, rows["intake_outage"])
	}
	for table, text := range rows {
		if strings.Contains(text, "203.0.113") {
			t.Errorf("%s tells who it was", table)
		}
	}
	if text := in.rows(in.towns[1].id)["intake_outage"]; text != "" {
		t.Errorf("the other town: %s", text)
	}

	var doc struct {
		OpenAPI  string                    `json:"openapi"`
		Paths    map[string]map[string]any `json:"paths"`
		Security []any                     `json:"security"`
	}
	rec := ask(http.MethodGet, "/api/openapi.json", "", "", from)
	if err := json.Unmarshal(rec.Body.Bytes(), &doc); err != nil || !strings.HasPrefix(doc.OpenAPI, "3.1") || len(doc.Paths) != 1 || doc.Paths["/api/v1/outages"]["post"] == nil || len(doc.Security) > 0 {
		t.Errorf("%v %.500s", err, rec.Body)
	}
}
