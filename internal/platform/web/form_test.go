package web_test

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// What somebody sends in confidence lies in no file of the machine, neither while it
// is read nor afterwards: net/http would not clear it away behind a middleware that
// copies the request.
func TestUploadLiesInNoFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	var got []byte
	s := web.NewSite(web.Options{Catalog: &i18n.Catalog{}, Clock: clock.System{}, Large: map[string]int64{"/up": 40 << 20}})
	s.Handle("POST /up", func(w http.ResponseWriter, r *http.Request) error {
		f, data, err := web.ReadUpload(w, r, "photo")
		if err != nil {
			return err
		}
		if f.Get("text") != "Wasser" {
			t.Errorf("the words are %q", f.Get("text"))
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("while it is read: %v, %v", left, err)
		}
		got = data
		return nil
	})
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	if err := m.WriteField("text", "Wasser"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"photo", "photo", "other"} {
		part, err := m.CreateFormFile(name, "a.jpg")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(bytes.Repeat([]byte{'x'}, 11<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(srv.URL+"/up", m.FormDataContentType(), &body)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || len(got) != 11<<20 {
		t.Errorf("%d, %d bytes", res.StatusCode, len(got))
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("afterwards: %v, %v", left, err)
	}
}

// An address that takes a photo takes it of people, and of nobody else.
func TestStrangersSendLittle(t *testing.T) {
	in := false
	s := web.NewSite(web.Options{
		Catalog: &i18n.Catalog{}, Clock: clock.System{}, Large: map[string]int64{"/api/v1/up": 4 << 20},
		Authenticate: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx := ident.WithTenant(r.Context(), "t1")
				if in {
					ctx = ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: "p", Name: "P"})
				}
				next.ServeHTTP(w, r.WithContext(ctx))
			})
		},
	})
	s.Handle("POST /api/v1/up", func(http.ResponseWriter, *http.Request) error { return nil })
	for _, c := range []struct {
		in   bool
		size int
		want int
	}{{false, 3 << 20, 413}, {false, 1 << 10, 200}, {true, 3 << 20, 200}, {true, 5 << 20, 413}} {
		in = c.in
		req := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "http://lage.example/api/v1/up", strings.NewReader(strings.Repeat("x", c.size)))
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, req)
		if w.Code != c.want {
			t.Errorf("signed in %t, %d bytes: %d, want %d", c.in, c.size, w.Code, c.want)
		}
	}
}
