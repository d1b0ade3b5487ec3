package statuspage

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a-h/templ"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
)

// echo is a guest that says what it got.
type echo struct{ got []string }

func (e *echo) Answer(ctx context.Context, req *http.Request) (GuestPage, error) {
	if req.Method == http.MethodPost {
		if err := req.ParseForm(); err != nil {
			return GuestPage{}, fault.New(fault.Invalid, "statuspage.guest_failed").With(err)
		}
		e.got = append(e.got, string(ident.TenantOf(ctx))+" "+req.PostForm.Get("text"))
		return GuestPage{To: req.URL.Path + "/danke"}, nil
	}
	return GuestPage{Title: "Frage <1>", Body: templ.Raw("<p>Formular</p>")}, nil
}

// A guest's form stands in the town's frame, takes a POST without a session,
// sets no cookie, is never cached, and cannot be flooded by one sender.
func TestGuest(t *testing.T) {
	r, _ := built(t, newAround())
	g := &echo{}
	r.AddGuest("frage", g)
	h := r.Handler()
	ask := func(method, path, body, from string) *httptest.ResponseRecorder {
		req := httptest.NewRequest(method, path, strings.NewReader(body))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if from != "" {
			req.RemoteAddr = from
		}
		out := httptest.NewRecorder()
		h.ServeHTTP(out, req)
		return out
	}
	out := ask("GET", "/frage/x", "", "")
	if out.Code != 200 || !strings.Contains(out.Body.String(), "Formular") || !strings.Contains(out.Body.String(), "Frage &lt;1&gt;") {
		t.Fatalf("%d %s", out.Code, out.Body)
	}
	if out.Header().Get("Cache-Control") != "no-store" || len(out.Result().Cookies()) != 0 || out.Header().Get("Content-Security-Policy") == "" {
		t.Errorf("%v", out.Header())
	}
	if en := ask("GET", "/en/frage/x", "", ""); en.Code != 200 || !strings.Contains(en.Body.String(), `lang="en"`) {
		t.Errorf("%d %s", en.Code, en.Body)
	}
	if out := ask("POST", "/frage/x", "text=hallo", "192.0.2.1:5"); out.Code != http.StatusSeeOther || out.Header().Get("Location") != "/frage/x/danke" {
		t.Errorf("%d %v", out.Code, out.Header())
	}
	if len(g.got) != 1 || !strings.HasSuffix(g.got[0], " hallo") || strings.HasPrefix(g.got[0], " ") {
		t.Errorf("%q", g.got)
	}
	if out := ask("POST", "/frage/x", "text="+strings.Repeat("a", GuestBody), "192.0.2.1:5"); out.Code != http.StatusUnprocessableEntity && out.Code != http.StatusBadRequest && out.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body that is too large: %d", out.Code)
	}
	last := 0
	for range guestBurst + 1 {
		last = ask("POST", "/frage/x", "text=a", "192.0.2.7:5").Code
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("a flood ends with %d", last)
	}
	if out := ask("POST", "/frage/x", "text=a", "192.0.2.8:5"); out.Code != http.StatusSeeOther {
		t.Errorf("somebody else pays for it: %d", out.Code)
	}
	if out := ask("DELETE", "/frage/x", "", ""); out.Code != http.StatusMethodNotAllowed {
		t.Errorf("%d", out.Code)
	}
	if out := ask("POST", "/", "text=a", ""); out.Code != http.StatusMethodNotAllowed {
		t.Errorf("the page itself takes a POST: %d", out.Code)
	}
}
