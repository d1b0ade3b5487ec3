package intake_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"tuermer/internal/notice/intake"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
)

// Who knocks is not silent. A source that repeats its alarm every minute and is sent
// away, for whatever reason, has spoken: nothing of it ends. What strangers knock
// holds nothing back.
func TestI20_WhoKnocksIsNotSilent(t *testing.T) {
	const body, right, host = `{"key":"1","state":"down"}`, "/generic", "lage.example"
	cut := io.MultiReader(strings.NewReader(body[:9]), iotest.ErrReader(errors.New("the line broke")))
	for name, k := range map[string]struct {
		method, host, format, token string
		body                        io.Reader
		shut, ends                  bool
		want                        int
	}{
		"the outer door is closed": {shut: true, want: http.StatusNotFound},
		"the format is another":    {format: "/kuma", want: http.StatusNotFound},
		"it has no format":         {format: "/", want: http.StatusNotFound},
		"the method is none":       {method: http.MethodPatch, want: http.StatusMethodNotAllowed},
		"a redirect lost the word": {method: http.MethodGet, body: http.NoBody, want: http.StatusMethodNotAllowed},
		"another town's name":      {host: "lage.other.example", want: http.StatusNotFound},
		"nobody's name":            {host: "nowhere.example", want: http.StatusNotFound},
		"the line breaks":          {body: cut, want: http.StatusServiceUnavailable},
		"a stranger":               {token: intake.TokenPrefix + strings.Repeat("a", 26), want: http.StatusNotFound, ends: true},
		"a stranger, outside":      {token: intake.TokenPrefix + strings.Repeat("a", 26), shut: true, want: http.StatusNotFound, ends: true},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
				s, open := newStill(t, w), true
				o := intake.OptionsOf(s.room)
				o.Public = func(context.Context) bool { return open }
				o.TenantByHost = func(_ context.Context, h string) (ident.Tenant, error) {
					switch h {
					case host:
						return "t1", nil
					case "lage.other.example":
						return "t2", nil
					}
					return "", fault.New(fault.NotFound, "identity.unknown_host")
				}
				s.room.Stop()
				s.room = intake.New(o)
				t.Cleanup(s.room.Stop)
				intake.Miss(s.room, "", s.Now()) // as Start does
				token := s.add(intake.Source{Name: "bma", Title: "BMA", Format: intake.Generic, ResolveAfter: 30 * time.Minute})
				gate := s.room.Gate(http.NotFoundHandler(), true)
				knock := func(method, at string, b io.Reader, want int) {
					t.Helper()
					req := httptest.NewRequest(method, at, b)
					req.Header.Set("Content-Type", "application/json")
					rec := httptest.NewRecorder()
					gate.ServeHTTP(rec, req)
					if rec.Code != want {
						t.Fatalf("%s %s: %d %s", method, at, rec.Code, rec.Body)
					}
				}
				or := func(s, other string) string {
					if s == "" {
						return other
					}
					return s
				}
				knock(http.MethodPost, "http://"+host+intake.GatePath+token+right, strings.NewReader(body), http.StatusOK)
				s.want("at first", true, "1")
				s.listen(time.Minute)
				// The program starts anew, and knows nobody by heart.
				s.room.Stop()
				s.room = intake.New(o)
				gate = s.room.Gate(http.NotFoundHandler(), true)
				open = !k.shut
				for range 35 {
					b := k.body
					if b == nil {
						b = strings.NewReader(body)
					}
					s.listen(time.Minute)
					knock(or(k.method, http.MethodPost), "http://"+or(k.host, host)+intake.GatePath+or(k.token, token)+or(k.format, right), b, k.want)
				}
				s.listen(time.Minute)
				s.want("after 35 minutes of knocking", !k.ends, "1")
				s.listen(31 * time.Minute)
				s.want("nobody knocks any more", false, "1")
			})
		})
	}
}
