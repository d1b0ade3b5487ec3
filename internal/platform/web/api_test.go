package web_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/web"
)

type named struct {
	Body struct {
		Name string `json:"name"`
	}
}

// Many programs show nothing but the detail of a problem, so it says what is
// wrong: in the request as such, and in what the room refused.
func TestAPIProblemsInWords(t *testing.T) {
	s := site(t, person, nil)
	a := web.NewAPI(s, "test")
	web.Operation(a, huma.Operation{OperationID: "name", Method: "POST", Path: "/api/v1/names"}, "names",
		func(_ context.Context, in *named) (*web.One[string], error) {
			return nil, fault.New(fault.Invalid, "web.scope", in.Body.Name).Field("name", "web.scope")
		})
	for _, c := range []struct {
		body string
		code int
		says []string
	}{
		{`{}`, 422, []string{"/api/openapi.json", "expected required property name"}},
		{`{"name":"x","title":"y"}`, 422, []string{"/api/openapi.json", "body.title: unexpected property"}},
		{`{"name":`, 400, []string{"/api/openapi.json"}},
		{``, 400, []string{"/api/openapi.json"}},
		{`{"name":"Ada"}`, 422, []string{`"message":"Dieses Zugriffstoken darf das nicht. Nötig ist der Bereich „Ada“."`}},
	} {
		req := httptest.NewRequestWithContext(t.Context(), "POST", "/api/v1/names", strings.NewReader(c.body))
		req.Header.Set("Content-Type", "application/json")
		res, body := do(t, s, req)
		if res.StatusCode != c.code || res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", c.body, res.StatusCode, res.Header.Get("Content-Type"))
		}
		for _, part := range c.says {
			if !strings.Contains(body, part) {
				t.Errorf("%s: %q is missing in %s", c.body, part, body)
			}
		}
	}
}
