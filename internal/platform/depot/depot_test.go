package depot_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tuermer/internal/platform/depot"
	"tuermer/internal/platform/depottest"
)

// places are one of each kind, on real servers.
func places() map[depot.Kind]func(t *testing.T) (depot.Place, string) {
	return map[depot.Kind]func(t *testing.T) (depot.Place, string){
		depot.SFTP: depottest.SSHD, depot.WebDAV: depottest.Nginx,
		depot.Directory: func(t *testing.T) (depot.Place, string) {
			dir := t.TempDir()
			return depot.Place{Kind: depot.Directory, Address: dir}, dir
		},
	}
}

// What was laid down is listed, is read back as it was, replaces by a rename, and
// is gone when it was removed; folders that are not there are empty.
func TestPlaces(t *testing.T) {
	large := bytes.Repeat([]byte("Türmer\x00"), 400_000)
	for kind, start := range places() {
		t.Run(string(kind), func(t *testing.T) {
			place, _ := start(t)
			s, err := place.Open(t.Context(), (&net.Dialer{}).DialContext)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			check := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			if got, err := s.List(t.Context(), "a/b"); err != nil || len(got) != 0 {
				t.Fatal("a folder that is not there:", got, err)
			}
			check(s.Mkdir(t.Context(), "a"))
			check(s.Mkdir(t.Context(), "a/b"))
			check(s.Mkdir(t.Context(), "a/b"))
			check(s.Mkdir(t.Context(), "a/leer"))
			check(s.PutFrom(t.Context(), "a/neu", bytes.NewReader(large), int64(len(large))))
			check(s.Put(t.Context(), "a/groß & klein", []byte("alt")))
			check(s.Rename(t.Context(), "a/neu", "a/groß & klein"))
			check(s.PutFrom(t.Context(), "a/b/nichts", strings.NewReader(""), 0))
			got, err := s.List(t.Context(), "a")
			check(err)
			slices.SortFunc(got, func(a, b depot.Entry) int { return strings.Compare(a.Name, b.Name) })
			for i := range got {
				if got[i].Dir {
					got[i].Size = 0
				}
			}
			if want := []depot.Entry{{Name: "b", Dir: true}, {Name: "groß & klein", Size: int64(len(large))}, {Name: "leer", Dir: true}}; !slices.Equal(got, want) {
				t.Errorf("lies there: %v, want %v", got, want)
			}
			if got, err := s.List(t.Context(), ""); err != nil || len(got) != 1 || got[0].Name != "a" || !got[0].Dir {
				t.Errorf("at the root: %v, %v", got, err)
			}
			var back bytes.Buffer
			check(s.Get(t.Context(), "a/groß & klein", &back))
			if !bytes.Equal(back.Bytes(), large) {
				t.Errorf("%d bytes came back, %d went", back.Len(), len(large))
			}
			back.Reset()
			check(s.Get(t.Context(), "a/b/nichts", &back))
			if back.Len() > 0 {
				t.Error("nothing became something")
			}
			check(s.Remove(t.Context(), "a/groß & klein"))
			if err := s.Get(t.Context(), "a/groß & klein", io.Discard); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("what was removed: %v", err)
			}
		})
	}
}

// A large file may take as long as it goes on, but no standstill is longer than
// one step's time.
func TestStandstill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		got := make(chan int, 1)
		go func() {
			n, buf := 0, make([]byte, 64)
			for n < 600 { // a slow line, and then none
				m, err := there.Read(buf)
				if err != nil {
					break
				}
				n += m
				time.Sleep(10 * time.Second)
			}
			got <- n
		}()
		defer there.Close()
		s, err := depot.Place{Kind: depot.WebDAV, Address: "http://host/x"}.Open(t.Context(), func(context.Context, string, string) (net.Conn, error) { return here, nil })
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		start := time.Now()
		err = s.PutFrom(t.Context(), "groß", io.LimitReader(zeros{}, 1<<20), 1<<20)
		f, ok := errors.AsType[*depot.Failure](err)
		if !ok || f.Reason != "hang" || time.Since(start) < 90*time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		if n := <-got; n < 600 {
			t.Errorf("given up after %d bytes on a slow line", n)
		}
	})
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b[:min(len(b), 16)]); return min(len(b), 16), nil }

// A server that says no to PROPFIND has no empty folder.
func TestListRefused(t *testing.T) {
	for code, want := range map[int]string{405: "denied", 401: "login", 500: "write", 200: "write"} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(code)
		}))
		s, err := depot.Place{Kind: depot.WebDAV, Address: srv.URL}.Open(t.Context(), (&net.Dialer{}).DialContext)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.List(t.Context(), "")
		if f, ok := errors.AsType[*depot.Failure](err); !ok || f.Reason != want {
			t.Errorf("%d: %v, want %s", code, err, want)
		}
		s.Close()
		srv.Close()
	}
}
