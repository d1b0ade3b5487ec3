package sonde_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/notice/sonde"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/storetest"
)

// wire carries requests to the site without a socket, and can be cut.
type wire struct {
	site http.Handler
	cut  atomic.Bool
	lost atomic.Int32 // so many answers will be lost on their way back
	seen atomic.Int32
}

var errCut = errors.New("the line is cut")

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.cut.Load() {
		return nil, errCut
	}
	w.seen.Add(1)
	out := httptest.NewRecorder()
	w.site.ServeHTTP(out, r)
	if w.cut.Load() || w.lost.Load() > 0 && w.lost.Add(-1) >= 0 {
		return nil, errCut
	}
	return out.Result(), nil
}

// eye is a prober whose verdict a test sets; it counts.
type eye struct {
	mu     sync.Mutex
	broken bool
	looks  []time.Time
	now    func() time.Time
}

func (e *eye) Probe(context.Context, monitor.Spec) monitor.Result {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	e.looks = append(e.looks, now)
	if e.broken {
		return monitor.Result{At: now, Took: time.Millisecond, Reason: monitor.ReasonRefused}
	}
	return monitor.Result{At: now, Took: time.Millisecond, OK: true, Reason: monitor.ReasonOK}
}

func (e *eye) see(broken bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.broken = broken
}

func (e *eye) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.looks)
}

// ahead is a clock that is wrong.
type ahead struct{ by time.Duration }

func (a ahead) Now() time.Time { return clock.System{}.Now().Add(a.by) }

// outpost is a sonde that runs in the test.
type outpost struct {
	t    *testing.T
	dir  string
	wire *wire
	eye  *eye
	key  ed25519.PrivateKey
	by   time.Duration
	stop context.CancelFunc
	end  chan error
}

func (o *outpost) start(token string) {
	ctx, cancel := context.WithCancel(o.t.Context())
	o.stop, o.end = cancel, make(chan error, 1)
	go func() {
		o.end <- sonde.Run(ctx, sonde.RunOptions{
			Server: "https://lage.example", Dir: o.dir, Key: o.key, Token: token, Version: "test",
			HTTP: &http.Client{Transport: o.wire}, Probers: monitor.Probers{monitor.HTTP: o.eye}, Clock: ahead{o.by},
		})
	}()
}

func (o *outpost) halt() {
	o.t.Helper()
	o.stop()
	if err := <-o.end; err != nil {
		o.t.Fatal(err)
	}
}

// A sonde in virtual time: a wrong clock, a line that is cut for a day, answers
// that get lost, a restart without the server, and a revoked key.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, storetest.SQLite(t, rooms...))
		w.clock.now = time.Now()
		real := &wire{site: w.site}
		tick := func(d time.Duration) { // both clocks of the test go together
			for step := time.Second; d > 0; d -= step {
				time.Sleep(step)
				w.clock.pass(step)
			}
			synctest.Wait()
		}
		token, err := w.sondes.Add(w.ctx, "a")
		w.must(err)
		o := &outpost{t: t, dir: t.TempDir(), wire: real, key: newKey(t), by: -3 * time.Hour}
		o.eye = &eye{now: ahead{o.by}.Now}
		w.watch("portal", monitor.Vantage{Sondes: []string{"a"}, Agree: 1})
		real.lost.Store(2) // of the join and of what follows it
		o.start(token)
		tick(2 * time.Minute)
		results := func() []sonde.Result {
			t.Helper()
			rs, err := w.sondes.Results(w.ctx, "a", "portal", time.Time{}, "", 10_000)
			w.must(err)
			return rs
		}
		got := results()
		if len(got) != o.eye.count() || len(got) < 2 {
			t.Fatalf("%d results of %d looks", len(got), o.eye.count())
		}
		if d := w.clock.Now().Sub(got[0].At); d < 0 || d > 70*time.Second {
			t.Fatalf("the newest result is %s old", d)
		}
		s, err := w.sondes.Get(w.ctx, "a")
		if w.must(err); (s.Clock-3*time.Hour).Abs() > 10*time.Second || s.Version != "test" {
			t.Fatalf("%+v", s)
		}

		// The line is cut for two hours; there is an outage and its end in it.
		real.cut.Store(true)
		tick(30 * time.Minute)
		o.eye.see(true)
		tick(30 * time.Minute)
		o.halt()
		o.start("") // it starts again while the server is away, and goes on looking
		before := o.eye.count()
		tick(30 * time.Minute)
		if o.eye.count() < before+25 {
			t.Fatal("it does not look without the server")
		}
		o.eye.see(false)
		tick(30 * time.Minute)
		real.lost.Store(3)
		real.cut.Store(false)
		tick(3 * time.Minute)
		got = results()
		if len(got) != o.eye.count() {
			t.Fatalf("%d results of %d looks", len(got), o.eye.count())
		}
		bad := 0
		for _, r := range got {
			if !r.OK {
				bad++
			}
		}
		if bad < 55 {
			t.Fatalf("the outage is not in the history: %d", bad)
		}

		// Only the difference of an assignment is applied: the portal is not looked
		// at out of turn.
		looks := o.eye.count()
		w.watch("other", monitor.Vantage{Sondes: []string{"a"}, Agree: 1})
		tick(3 * time.Second)
		if n := o.eye.count() - looks; n < 1 || n > 2 {
			t.Fatalf("%d looks because of a new monitor", n)
		}
		raw, err := os.ReadFile(filepath.Join(o.dir, "assignment.json"))
		if w.must(err); !strings.Contains(string(raw), "other") {
			t.Fatalf("%s", raw)
		}

		w.must(w.sondes.Revoke(w.ctx, "a"))
		select {
		case err := <-o.end:
			if !errors.Is(err, sonde.ErrRevoked) {
				t.Fatal(err)
			}
		case <-time.After(2 * time.Second):
			t.Fatal("a revoked sonde goes on")
		}
		// A key that nobody knows ends at once, too, and says so.
		o.key = newKey(t)
		o.start("")
		if err := <-o.end; !errors.Is(err, sonde.ErrUnknown) {
			t.Fatal(err)
		}
		o.start(sonde.TokenPrefix + "no")
		if err := <-o.end; !errors.Is(err, sonde.ErrBadToken) {
			t.Fatal(err)
		}
	})
}

// The key is made once, for its owner alone; what is none is left alone.
func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "sonde.key")
	one, err := sonde.LoadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	two, err := sonde.LoadKey(path)
	if err != nil || !slices.Equal(one, two) {
		t.Fatal("another key", err)
	}
	if i, err := os.Stat(path); err != nil || i.Mode().Perm() != 0o600 {
		t.Fatal(i.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("the instance key of a server"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sonde.LoadKey(path); err == nil {
		t.Fatal("taken for a key")
	}
	if raw, err := os.ReadFile(path); err != nil || string(raw) != "the instance key of a server" {
		t.Fatal("written over", err)
	}
}
