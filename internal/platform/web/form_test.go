package web_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

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

// Who is signed in may take longer for an upload over the API than for anything else;
// nobody else may, and nothing else. The server here waits for a second, and the line is
// slower.
func TestUploadsOverTheAPIMayTakeTime(t *testing.T) {
	s := web.NewSite(web.Options{
		Catalog: &i18n.Catalog{}, Clock: clock.System{}, Large: map[string]int64{"/api/v1/up": 4 << 20},
		Authenticate: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "" {
					r = r.WithContext(ident.WithActor(r.Context(), ident.Actor{Kind: ident.KindToken, Scopes: []string{"up"}}))
				}
				next.ServeHTTP(w, r)
			})
		},
	})
	a := web.NewAPI(s, "test")
	for _, at := range []string{"/api/v1/up", "/api/v1/names"} {
		web.Operation(a, huma.Operation{OperationID: "post-" + at[8:], Method: "POST", Path: at}, "up",
			func(_ context.Context, in *named) (*web.One[string], error) {
				return &web.One[string]{Body: in.Body.Name}, nil
			})
	}
	srv := httptest.NewUnstartedServer(s.Handler())
	srv.Config.ReadTimeout, srv.Config.WriteTimeout = time.Second, time.Minute
	srv.Config.ReadHeaderTimeout = time.Minute
	srv.Start()
	defer srv.Close()
	const first, rest = `{"name":`, `"Ada"}`
	for name, c := range map[string]struct {
		at, token string
		taken     bool
	}{
		"an upload":           {"/api/v1/up", "Bearer x", true},
		"a stranger's":        {"/api/v1/up", "", false},
		"something else":      {"/api/v1/names", "Bearer x", false},
		"a longer address":    {"/api/v1/up/", "Bearer x", false},
		"something by nobody": {"/api/v1/names", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			head := "POST " + c.at + " HTTP/1.1\r\nHost: lage.example\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(first+rest)) + "\r\n"
			if c.token != "" {
				head += "Authorization: " + c.token + "\r\n"
			}
			if _, err := io.WriteString(conn, head+"\r\n"+first); err != nil {
				t.Fatal(err)
			}
			if c.taken {
				time.Sleep(3 * time.Second)
				if _, err := io.WriteString(conn, rest); err != nil {
					t.Fatal(err)
				}
			} // otherwise the rest never comes, and the server has to give up by itself
			if err := conn.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal("no answer: ", err)
			}
			defer func() { _ = res.Body.Close() }()
			if (res.StatusCode == http.StatusOK) != c.taken {
				t.Error(res.Status)
			}
		})
	}
}
