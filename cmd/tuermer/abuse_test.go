//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// abuses: what arrives at the two listeners and is no honest request.
var abuses = []badDay{
	{"slow and greedy visitors", slowVisitors},
	{"rude requests", rudeRequests},
	{"many event streams", manyStreams},
}

// at is a listener's bare address.
func at(listener string) string { return strings.TrimPrefix(listener, "http://") }

// halfOpen is how long raw waits with a request that is never finished.
const halfOpen = time.Second

// raw sends bytes as they are and answers what came back: the status of the
// first answer (0: none) and everything that followed.
func raw(t *testing.T, addr string, request []byte) (status int, answer string) {
	t.Helper()
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Errorf("it takes no connections any more: %v", err)
		return 0, ""
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(15 * time.Second))
	// Only after a while does it say that nothing more will come: a server in Go
	// takes that for the end of the conversation and drops what it was doing.
	over := time.AfterFunc(halfOpen, func() {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
	})
	defer over.Stop()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = c.Write(request) // it may be refused halfway
	}()
	all, err := io.ReadAll(c)
	_ = c.Close()
	<-sent
	if err != nil && errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%.60q: no end after 15 s", request)
	}
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(all)), nil)
	if err != nil {
		return 0, string(all)
	}
	_ = res.Body.Close()
	return res.StatusCode, string(all)
}

// load is what a process holds.
type load struct{ goroutines, files float64 }

func (p *process) load() load {
	return load{p.figure("go_goroutines"), p.figure("process_open_fds")}
}

// settles waits until the process holds no more than before, give or take what
// a database pool keeps.
func (p *process) settles(before load) {
	p.t.Helper()
	const slack = 30
	var now load
	defer func() { p.t.Logf("before %+v, after %+v", before, now) }()
	within(p.t, 40*time.Second, "the end of all that was opened", func() bool {
		now = p.load()
		return now.goroutines <= before.goroutines+slack && now.files <= before.files+slack
	})
}

// calm are the two listeners of a house without trouble, warmed up.
func calm(t *testing.T, r *built) (h *house, p *process, admin string, before load) {
	t.Helper()
	tg := newTargets(t)
	h = r.house(t, townYAML+smtpYAML(newPost(t))+servicesYAML(3, tg.addr, once))
	p = h.serve()
	admin = h.token(bert)
	var crowd sync.WaitGroup
	for range 30 { // pools open what they keep anyway
		crowd.Go(func() {
			for range 5 {
				if status, _, err := p.call(admin, "GET", "/api/v1/alerts", ""); err != nil || status != 200 {
					t.Errorf("warming up: %d %v", status, err)
				}
			}
		})
	}
	crowd.Wait()
	return h, p, admin, p.load()
}

// slowVisitors: a hundred who never finish their headers on either listener,
// and a few who send a body byte by byte, keep nobody waiting, and are shown
// the door.
func slowVisitors(t *testing.T, r *built) {
	_, p, _, before := calm(t, r)
	var visitors sync.WaitGroup
	var open atomic.Int64
	begin := time.Now()
	for _, listener := range []string{p.staff, p.public} {
		for i := range 100 {
			c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", at(listener))
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			open.Add(1)
			visitors.Go(func() {
				defer open.Add(-1)
				defer func() { _ = c.Close() }()
				_, _ = io.WriteString(c, []string{"GET / HTTP/1.1\r\nHost: x\r\n", "", "GET /"}[i%3])
				left := make(chan struct{})
				visitors.Go(func() {
					defer close(left)
					_, _ = io.Copy(io.Discard, c)
				})
				drop := time.NewTicker(500 * time.Millisecond)
				defer drop.Stop()
				for n := 0; ; n++ {
					select {
					case <-left:
						return
					case <-drop.C:
						if i%3 != 1 { // those say nothing at all
							_, _ = fmt.Fprintf(c, "X-%d: y\r\n", n)
						}
					}
				}
			})
		}
	}
	for open.Load() > 0 && time.Since(begin) < 30*time.Second {
		for _, u := range []string{p.staff + "/healthz", p.public + "/"} {
			asked := time.Now()
			if status, _, err := fetch(t.Context(), u); err != nil || status != 200 || time.Since(asked) > 2*time.Second {
				t.Fatalf("%s meanwhile: %d %v after %s", u, status, err, time.Since(asked))
			}
		}
		pause(t, 200*time.Millisecond)
	}
	t.Logf("the last one left after %s", time.Since(begin))
	if n := open.Load(); n > 0 {
		t.Errorf("%d are still connected after 30 s", n)
	}
	visitors.Wait()
	p.settles(before)
	p.endsWell()
}

// rudeRequests: too much, malformed, forbidden and forged requests get a clear
// refusal from either listener; none gets a file, a crash, or a 500.
func rudeRequests(t *testing.T, r *built) {
	_, p, admin, before := calm(t, r)
	staff, public := at(p.staff), at(p.public)

	big := strings.Repeat("x", 1<<20+1)
	auth := "Authorization: Bearer " + admin + "\r\n"
	post := func(path, head, body string) []byte {
		return []byte("POST " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + head + "\r\n" + body)
	}
	sized := func(path, head, body string) []byte {
		return post(path, head+fmt.Sprintf("Content-Length: %d\r\n", len(body)), body)
	}
	form, asJSON := "Content-Type: application/x-www-form-urlencoded\r\n", "Content-Type: application/json\r\n"
	for _, c := range []struct {
		what    string
		addr    string
		request []byte
		want    []int
	}{
		{"1 MiB to the API", staff, sized("/api/v1/incidents", auth+asJSON, `{"title":"`+big+`"}`), []int{413}},
		{"1 MiB to the API in chunks", staff, post("/api/v1/incidents", auth+asJSON+"Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n{\"title\":\"%s\r\n0\r\n\r\n", len(big)+10, big)), []int{413}},
		{"1 MiB at the sign-in", staff, sized("/anmelden", form, "email="+big), []int{413}},
		{"1 MiB to the public page", public, sized("/", form, big), []int{405}},
		{"a body that is shorter than promised", staff, post("/api/v1/incidents", auth+asJSON+"Content-Length: 500\r\n", `{"title":`), []int{0, 400, 422, 500, 503}},
		{"no JSON", staff, sized("/api/v1/incidents", auth+asJSON, "{nein"), []int{400, 422}},
		{"JSON that is no text", staff, sized("/api/v1/incidents", auth+asJSON, "{\"title\":\"\xff\xfe\"}"), []int{201, 400, 422}},
		{"deep JSON", staff, sized("/api/v1/incidents", auth+asJSON, strings.Repeat(`{"a":`, 100_000)), []int{400, 413, 422}},
		{"NUL in a title", staff, sized("/api/v1/incidents", auth+asJSON, `{"title":"a\u0000b"}`), []int{201, 400, 422}},
		{"forged token", staff, []byte("GET /api/v1/people HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer tuermer_" + strings.Repeat("A", 43) + "\r\n\r\n"), []int{401}},
		{"no token", staff, []byte("GET /api/v1/people HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), []int{401}},
		{"a form from another site", staff, sized("/anmelden", form+"Origin: https://boese.example\r\nSec-Fetch-Site: cross-site\r\n", "email=a"), []int{403}},
	} {
		status, answer := raw(t, c.addr, c.request)
		ok := false
		for _, w := range c.want {
			ok = ok || status == w
		}
		if !ok {
			t.Errorf("%s: %d, want %v\n%.900s", c.what, status, c.want, answer)
		}
	}

	for _, addr := range []string{staff, public} {
		for _, c := range []struct{ line, head string }{
			// What lies outside, in every spelling.
			{"GET /../../../../etc/passwd HTTP/1.1", ""},
			{"GET /%2e%2e/%2e%2e/%2e%2e/etc/passwd HTTP/1.1", ""},
			{"GET /assets/../../../../etc/passwd HTTP/1.1", ""},
			{"GET /assets/..%2f..%2f..%2f..%2fetc%2fpasswd HTTP/1.1", ""},
			{"GET /static/....//....//etc/passwd HTTP/1.1", ""},
			{"GET /..\\..\\etc\\passwd HTTP/1.1", ""},
			{"GET //etc/passwd HTTP/1.1", ""},
			{"GET file:///etc/passwd HTTP/1.1", ""},
			{"GET /tuermer.db HTTP/1.1", ""},
			{"GET /.env HTTP/1.1", ""},
			{"GET /%00 HTTP/1.1", ""},
			{"GET /alert/%ff%fe HTTP/1.1", ""},
			{"GET /" + strings.Repeat("a/", 8_000) + " HTTP/1.1", ""},
			{"GET /?" + strings.Repeat("q=x&", 4_000) + " HTTP/1.1", ""},
			{"GET /?q=%zz;a&b;lang=%ff HTTP/1.1", ""},
			// Methods that nobody serves.
			{"DELETE / HTTP/1.1", ""},
			{"TRACE / HTTP/1.1", ""},
			{"CONNECT example.org:443 HTTP/1.1", ""},
			{"QUATSCH / HTTP/1.1", ""},
			{"OPTIONS * HTTP/1.1", ""},
			{"PRI * HTTP/2.0", ""},
			// No HTTP, or two readings of one.
			{"GET / HTTP/1.1", "Content-Length: 5\r\nContent-Length: 6\r\n"},
			{"GET / HTTP/1.1", "Content-Length: -1\r\n"},
			{"POST / HTTP/1.1", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"},
			{"GET / HTTP/1.1", "Transfer-Encoding: quatsch\r\n"},
			{"GET / HTTP/1.1", "X-Gross: " + strings.Repeat("g", 64<<10) + "\r\n"},
			{"GET / HTTP/1.1", "Host: zwei\r\n"},
			{"GET / HTTP/1.1", " gefaltet: ja\r\n"},
			{"GET / HTTP/1.1", "Cookie: " + strings.Repeat("tuermer_lang=\xff; ", 100) + "\r\n"},
			{"GET / HTTP/1.1", "Accept-Language: " + strings.Repeat("de;q=0.1,", 2_000) + "\r\n"},
			{"GET / HTTP/1.1", "If-None-Match: " + strings.Repeat("\"x\",", 2_000) + "\r\nRange: bytes=0-0," + strings.Repeat("1-1,", 500) + "\r\n"},
			{"GET / HTTP/1.1", "X-Forwarded-For: " + strings.Repeat("1.2.3.4, ", 1_000) + "\r\nX-Forwarded-Host: boese.example\r\n"},
			{"GET / HTTP/9.9", ""},
			{"GET /", ""},
			{"", ""},
		} {
			status, answer := raw(t, addr, []byte(c.line+"\r\nHost: x\r\nConnection: close\r\n"+c.head+"\r\n"))
			if ours(status, answer) {
				t.Errorf("%.80q %.40q: %d\n%.300s", c.line, c.head, status, answer)
			}
			if strings.Contains(answer, "root:") || strings.Contains(answer, "SQLite format") || strings.Contains(answer, "goroutine ") {
				t.Errorf("%.80q tells too much: %.300s", c.line, answer)
			}
			if strings.Contains(answer, "boese.example") {
				t.Errorf("%.80q: the answer repeats a forged host", c.line)
			}
		}
		for _, path := range []string{"/", "/healthz", "/feed.atom", "/nirgends"} {
			get, full := raw(t, addr, []byte("GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
			head, bare := raw(t, addr, []byte("HEAD "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
			if _, body, _ := strings.Cut(bare, "\r\n\r\n"); head != get || body != "" {
				t.Errorf("HEAD %s: %d, GET %d; body %.100q (%d)", path, head, get, body, len(full))
			}
		}
		status, answer := raw(t, addr, []byte("DELETE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
		if status != http.StatusMethodNotAllowed || !strings.Contains(answer, "\r\nAllow: GET, HEAD") {
			t.Errorf("DELETE /: %d\n%.300s", status, answer)
		}
	}

	// Noise: random bytes, and requests with a few bytes changed.
	dice := r.dice(t)
	good := []byte("POST /api/v1/incidents HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + auth + asJSON + "Content-Length: 13\r\n\r\n{\"title\":\"x\"}")
	var crowd sync.WaitGroup
	slots := make(chan struct{}, 20)
	for range 200 {
		noise := make([]byte, 1+dice.IntN(400))
		for i := range noise {
			noise[i] = byte(dice.Uint32())
		}
		if dice.IntN(2) == 0 {
			noise = mutate(dice, good)
		}
		addr := []string{staff, public}[dice.IntN(2)]
		slots <- struct{}{}
		crowd.Go(func() {
			defer func() { <-slots }()
			if status, answer := raw(t, addr, noise); ours(status, answer) {
				t.Errorf("%q: %d\n%.900s", noise, status, answer)
			}
		})
	}
	crowd.Wait()
	p.settles(before)
	if v := p.must(admin, "GET", "/api/v1/audit/verify", "", 200); v["ok"] != true {
		t.Errorf("audit chain: %v", v)
	}
	p.endsWell()
}

// ours says that an answer admits a fault of the program. A body that ends too
// early is the sender's, though huma calls it a 500; so is hanging up (503).
func ours(status int, answer string) bool {
	switch status {
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusServiceUnavailable:
		return false
	case http.StatusInternalServerError:
		return !strings.Contains(answer, "cannot read request body")
	}
	return status > 500
}

// mutate changes, removes or repeats a few bytes.
func mutate(dice *rand.Rand, good []byte) []byte {
	b := bytes.Clone(good)
	for range 1 + dice.IntN(4) {
		i := dice.IntN(len(b) - 1)
		switch dice.IntN(3) {
		case 0:
			b[i] = byte(dice.Uint32())
		case 1:
			b = append(b[:i], b[i+1:]...)
		case 2:
			b = append(b[:i+1], b[i:]...)
		}
	}
	return b
}

// manyStreams: 200 people watch; all of them learn of a change, nothing stays
// behind when they leave, and a stop sends those away who are there.
func manyStreams(t *testing.T, r *built) {
	h, p, admin, before := calm(t, r)
	const watchers = 200
	cookie := h.session(p, ada)
	first := openStreams(t, p, cookie, watchers)
	p.must(admin, "POST", "/api/v1/incidents", `{"title":"Alle sehen es"}`, http.StatusCreated)
	within(t, 30*time.Second, "everybody hears of a change", func() bool { return first.told.Load() == watchers })
	full := p.load()
	first.close()
	p.settles(before)
	if full.goroutines < before.goroutines+watchers {
		t.Errorf("%v goroutines with %d streams and %v without: nothing was measured", full.goroutines, watchers, before.goroutines)
	}

	second := openStreams(t, p, cookie, watchers)
	code, took := p.end(syscall.SIGTERM)
	if t.Logf("SIGTERM with %d streams took %s", watchers, took); code != 0 || took > 25*time.Second {
		t.Errorf("SIGTERM with %d streams: code %d after %s", watchers, code, took)
	}
	within(t, 30*time.Second, "the end of every stream", func() bool { return second.ended.Load() == watchers })
	second.close()
	p.quiet()
}
