//go:build linux

package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"tuermer/internal/town/identity"
)

// badDays: everything around the program that may be wrong. Those that abuse
// its web pages stand in abuse_test.go.
var badDays = append([]badDay{
	{"mail servers away", routesAway},
	{"stop in the middle", stopMidway},
	{"targets from hell", hostileTargets},
	{"full disk", fullDisk},
	{"wrong files", wrongFiles},
	{"wrong places", wrongPlaces},
	{"beside a running one", besideRunning},
}, abuses...)

func once(int) int { return 1 }

// wrongFiles: a configuration that cannot be meant is refused whole, with file,
// line and what was expected, before anything is created.
func wrongFiles(t *testing.T, r *built) {
	h := r.house(t, "")
	for _, c := range []struct{ file, says string }{
		{"town: {name: X, slug: x}\nmonitors:\n  - {slug: p, url: \"keine Adresse\"}\n", "tuermer.yaml:3:20: monitors[0].url: „keine Adresse“"},
		{"monitors:\n  - {slug: p, url: \"http://[::1\"}\n", "tuermer.yaml:2:20: monitors[0].url"},
		{"town:\n\tname: X\n", "tuermer.yaml:2:1: "},
		{"town: {name: X\nsmtp: [\n", "tuermer.yaml:2:1: "},
		{"town: {name: X}\nstadt: {}\n", "tuermer.yaml:2:1: "},
		{"town: {name: \"\xff\xfe\"}\n", "tuermer.yaml:1:15: "},
		{"a: &a [x, x]\ntown: *a\n", "tuermer.yaml:1:4: "},
		{strings.Repeat("[", 100_000), "tuermer.yaml:1:25: "},
		{strings.Repeat("# groß\n", 400_000), "2 MiB"},
		{"\x00\x01\x02", "tuermer.yaml:1:1: "},
	} {
		h.configure(c.file)
		for _, command := range []string{"serve", "migrate"} {
			code, out, errs := h.once(command)
			if code != exitFailure || !strings.Contains(errs, c.says) || out != "" || len(errs) > 2000 {
				t.Errorf("%s on %.40q: code %d, stdout %q, stderr %q, want %q", command, c.file, code, out, errs, c.says)
			}
		}
		if _, err := os.Stat(h.data); err == nil {
			t.Errorf("%.40q was refused, and the data folder made all the same", c.file)
		}
	}
}

// wrongPlaces: where the data cannot be written, or a port is taken, the
// program ends at once, says which, and leaves everything as it was.
func wrongPlaces(t *testing.T, r *built) {
	h := r.house(t, townYAML)
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	anywhere := []string{"--staff", "127.0.0.1:0", "--public", "127.0.0.1:0"}
	refused := func(what, says, where string, args ...string) {
		t.Helper()
		code, out, errs := h.once(append([]string{"serve"}, args...)...)
		if code != exitFailure || !strings.Contains(errs, says) || !strings.Contains(errs, where) || out != "" {
			t.Errorf("%s: code %d, stdout %q, stderr %q, want %q and %q", what, code, out, errs, says, where)
		}
	}
	taken := l.Addr().String()
	refused("staff port taken", "hört schon ein anderes Programm", taken, "--staff", taken, "--public", "127.0.0.1:0")
	refused("public port taken", "hört schon ein anderes Programm", taken, "--public", taken, "--staff", "127.0.0.1:0")
	p := h.serve() // a refused start leaves nothing that is in the way
	refused("second serve", "läuft schon ein Türmer", "", anywhere...)
	if status, _, err := fetch(t.Context(), p.staff+"/readyz"); err != nil || status != http.StatusOK {
		t.Errorf("the first one after the second was refused: %d %v", status, err)
	}
	p.endsWell()

	file := filepath.Join(h.dir, "datei")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	whole := h.data
	h.data = filepath.Join(file, "data")
	refused("a file in the place of the folder", "Datenordner", file, anywhere...)

	// Root may write anywhere, so somebody else tries.
	h.asNobody = os.Getuid() == 0
	h.readable()
	h.data = filepath.Join(h.dir, "nur-lesen")
	if err := os.Mkdir(h.data, 0o555); err != nil {
		t.Fatal(err)
	}
	refused("an empty folder without write permission", "Datenordner", h.data, anywhere...)
	h.data = filepath.Join(h.data, "neu")
	refused("a folder that cannot be made", "Datenordner", h.data, anywhere...)
	if h.asNobody {
		h.data = whole
		if err := os.Chmod(whole, 0o755); err != nil {
			t.Fatal(err)
		}
		refused("somebody else's data", "Datenordner", h.data, anywhere...)
	}
}

// readable lets somebody else enter the test's folders.
func (h *house) readable() {
	h.t.Helper()
	for _, leaf := range []string{h.dir, h.bin} {
		for d := leaf; strings.HasPrefix(d, os.TempDir()) && d != os.TempDir(); d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o755); err != nil {
				h.t.Fatal(err)
			}
		}
	}
}

// besideRunning: every other command works while serve runs, and what it makes
// is there at once.
func besideRunning(t *testing.T, r *built) {
	mails := newPost(t)
	h := r.house(t, townYAML+smtpYAML(mails))
	p := h.serve()
	admin := h.token(bert) // checks that standard output is the token alone
	code, out, errs := h.once("user", "add", "eva@musterstadt.example", "--name", "Eva Neu", "--role", "reader")
	if code != 0 || strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, "http://lage.example/identity/link/") {
		t.Errorf("user add: %d %q %q", code, out, errs)
	}
	link := strings.TrimPrefix(strings.TrimSpace(out), "http://lage.example")
	if status, body, err := fetch(t.Context(), p.staff+link); err != nil || status != http.StatusOK || !strings.Contains(body, "Eva Neu") {
		t.Errorf("the new person's link: %d %v", status, err)
	}
	if list := itemsOf(p.must(admin, "GET", "/api/v1/people", "", 200)); len(list) != 3 {
		t.Errorf("people: %v", list)
	}
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"user reset eva@musterstadt.example", 0, "http://lage.example/identity/link/"},
		{"user reset nobody@musterstadt.example", 1, "gibt es hier nicht"},
		{"user add eva@musterstadt.example --name Nochmal", 1, ""},
		{"token create --person nobody@musterstadt.example --name x", 1, "gibt es hier nicht"},
		{"migrate", 0, ""},
		{"version", 0, "tuermer "},
	} {
		code, out, errs := h.once(strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out+errs, c.says) || (code != 0 && out != "") {
			t.Errorf("%s: %d %q %q", c.args, code, out, errs)
		}
	}
	// Without network the lookups of `check` fail; they must say so and end.
	if code, out, errs := h.once("check"); code > 1 || out+errs == "" {
		t.Errorf("check: %d %q %q", code, out, errs)
	}
	if v := p.must(admin, "GET", "/api/v1/audit/verify", "", 200); v["ok"] != true {
		t.Errorf("two writers broke the audit chain: %v", v)
	}
	p.endsWell()
}

// blackHole takes connections and never says a word.
type blackHole struct {
	l    net.Listener
	wg   sync.WaitGroup
	mu   sync.Mutex
	held []net.Conn
}

func newBlackHole(t *testing.T, addr string) *blackHole {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	b := &blackHole{l: l}
	b.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			b.held = append(b.held, c)
			b.mu.Unlock()
		}
	})
	t.Cleanup(b.close)
	return b
}

func (b *blackHole) close() {
	_ = b.l.Close() // twice does no harm
	b.wg.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.held {
		_ = c.Close()
	}
	b.held = nil
}

// pulse notes when a path was probed.
type pulse struct {
	http.Handler
	path string
	mu   sync.Mutex
	at   []time.Time
}

func (x *pulse) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == x.path {
		x.mu.Lock()
		x.at = append(x.at, time.Now())
		x.mu.Unlock()
	}
	x.Handler.ServeHTTP(w, r)
}

// gap is the longest time between two probes since begin.
func (x *pulse) gap(begin time.Time) (longest time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	last := begin
	for _, at := range x.at {
		if at.After(begin) {
			longest, last = max(longest, at.Sub(last)), at
		}
	}
	return longest
}

// routesAway: a mail server that takes connections and then is silent costs an
// alarm less than 30 s when there is a second one; when both are away for 20 s,
// the alarm waits for them; and no check is ever late because of it.
func routesAway(t *testing.T, r *built) {
	first, second, tg := newPost(t), newPost(t), newTargets(t)
	beat := &pulse{Handler: tg, path: "/03"}
	tg.srv.Handler = beat
	h := r.house(t, townYAML+smtpYAML(first, second)+servicesYAML(3, tg.addr, once))
	first.down()
	hole := newBlackHole(t, first.addr)
	p := h.serve()
	within(t, 30*time.Second, "the first probe", func() bool { return beat.gap(time.Time{}) > 0 })
	begin := time.Now()
	both := func(i int) func() bool {
		return func() bool {
			return len(second.find(adas[0], "gestört", dienst(i))) > 0 && len(second.find(adas[1], "gestört", dienst(i))) > 0
		}
	}
	tg.fail("/01")
	within(t, 30*time.Second, "the alarm over the second route", both(1))
	t.Logf("over the second route after %s", time.Since(begin))

	hole.close()
	second.down()
	seen := tg.fail("/02")
	within(t, 30*time.Second, "the outage is seen", func() bool { return isClosed(seen) })
	pause(t, 20*time.Second)
	second.up(t)
	back := time.Now()
	within(t, 30*time.Second, "the alarm after 20 s without any route", both(2))
	t.Logf("%s after the server was back", time.Since(back))
	if g := beat.gap(begin); g > 5*time.Second {
		t.Errorf("a service that is looked at every second was not for %s", g)
	}
	for i := 1; i <= 2; i++ {
		for _, a := range adas {
			if n := len(second.find(a, "gestört", dienst(i))) + len(first.find(a, "gestört", dienst(i))); n != 1 {
				t.Errorf("%s came %d times at %s", dienst(i), n, a)
			}
		}
	}
	p.endsWell()
}

// stopMidway: SIGTERM while a probe hangs, a mail server hangs, a page is being
// streamed and a request arrives drop by drop ends the program in time, and the
// alarm that was under way goes out after the next start. A second signal ends
// it at once.
func stopMidway(t *testing.T, r *built) {
	mails, tg := newPost(t), newTargets(t)
	hung := newBlackHole(t, "127.0.0.1:0")
	h := r.house(t, townYAML+smtpYAML(mails)+servicesYAML(2, tg.addr, once)+fmt.Sprintf(
		"  - {slug: hangs, service: d02, url: \"http://%s/\", interval: 120s, timeout: 60s, confirm: 1}\n", hung.l.Addr()))
	mails.down()
	silent := newBlackHole(t, mails.addr)
	midway := func(p *process, token, cookie string) {
		streams := openStreams(t, p, cookie, 3)
		t.Cleanup(func() { streams.close() })
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(p.staff, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		fmt.Fprintf(c, "POST /api/v1/incidents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\n{", token)
		within(t, 30*time.Second, "a mail under way", func() bool {
			silent.mu.Lock()
			defer silent.mu.Unlock()
			return len(silent.held) > 0
		})
	}
	p := h.serve()
	token, cookie := h.token(bert), h.session(p, bert)
	seen := tg.fail("/01")
	within(t, 30*time.Second, "the outage is seen", func() bool { return isClosed(seen) })
	midway(p, token, cookie)
	code, took := p.end(syscall.SIGTERM)
	if t.Logf("SIGTERM took %s", took); code != 0 || took > 25*time.Second {
		t.Errorf("SIGTERM: code %d after %s", code, took)
	}

	p = h.serve()
	midway(p, token, cookie)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	within(t, 30*time.Second, "it stops listening", func() bool {
		_, _, err := fetch(t.Context(), p.public+"/")
		return err != nil || isClosed(p.done)
	})
	if !isClosed(p.done) {
		if _, took := p.end(syscall.SIGTERM); took > 5*time.Second {
			t.Errorf("after the second SIGTERM it went on for %s", took)
		}
	}

	silent.close()
	mails.up(t)
	p = h.serve()
	for _, a := range adas {
		within(t, 30*time.Second, "the alarm that the stop cut off", func() bool { return len(mails.find(a, "gestört", dienst(1))) > 0 })
	}
	p.endsWell()
}

// hell answers every path wrongly in its own way.
var hell = map[string]func(c net.Conn){
	"/big": func(c net.Conn) { // fine in itself: nobody asked for words in it
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 10<<20)
		_, _ = io.CopyN(c, endless('x'), 10<<20)
	},
	"/odd": func(c net.Conn) { // fine as well: what is expected stands among rubbish
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=klingon\r\nConnection: close\r\n\r\n\xff\xfe\x00 Willkommen \xc3\x28")
	},
	"/big-words": func(c net.Conn) {
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 10<<20)
		_, _ = io.CopyN(c, endless('x'), 10<<20)
	},
	"/bomb": func(c net.Conn) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.CopyN(z, endless(0), 64<<20)
		_ = z.Close()
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", b.Len())
		_, _ = c.Write(b.Bytes())
	},
	"/drip": func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
		drip(c, "Willkommen, aber bitte mit viel Geduld")
	},
	"/drip-head": func(c net.Conn) { drip(c, "HTTP/1.1 200 OK\r\nX-Geduld: ja\r\n\r\nWillkommen") },
	"/latin1": func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nGr\xfc\xdfe, nicht \xf0\x28\x8c\xbc")
	},
	"/headers": func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for i := range 40_000 {
			if _, err := fmt.Fprintf(c, "X-%d: %s\r\n", i, strings.Repeat("h", 100)); err != nil {
				return
			}
		}
		_, _ = io.WriteString(c, "\r\nWillkommen")
	},
	"/half": func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nWill")
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
		_, _ = io.Copy(io.Discard, c) // until the prober hangs up
	},
	"/garbage": func(c net.Conn) { _, _ = io.WriteString(c, "\x16\x03\x01\x02\x00\x01\xff\xfe nicht HTTP\r\n\r\n") },
	"/status": func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 999999 \xff<script>alert(1)</script>\r\n\r\n")
	},
	"/loop": func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	},
	"/reset": func(c net.Conn) {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	},
	"/silent": func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
}

// fine are the paths of hell that are no outage.
var fine = map[string]bool{"/big": true, "/odd": true}

type endless byte

func (e endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(e)
	}
	return len(b), nil
}

// drip writes a byte a second until somebody hangs up.
func drip(c net.Conn, text string) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for i := range len(text) {
		if _, err := io.WriteString(c, text[i:i+1]); err != nil {
			return
		}
		<-tick.C
	}
}

// hostileTargets: whatever a target answers, it is judged in time, in few bytes
// of memory, in words that can be read; its neighbours are still looked at
// every second.
func hostileTargets(t *testing.T, r *built) {
	mails, tg := newPost(t), newTargets(t)
	beat := &pulse{Handler: tg, path: "/01"}
	tg.srv.Handler = beat
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	var open atomic.Int64
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Add(1)
			conns.Go(func() {
				defer open.Add(-1)
				defer func() { _ = c.Close() }()
				line, err := bufio.NewReaderSize(c, 64<<10).ReadString('\n')
				if words := strings.Fields(line); err == nil && len(words) > 1 && hell[words[1]] != nil {
					hell[words[1]](c)
				}
			})
		}
	})
	var services, monitors strings.Builder
	services.WriteString("services:\n  - {slug: d01, name: Dienst 01, article: der, owner: " + ada + "}\n")
	fmt.Fprintf(&monitors, "monitors:\n  - {slug: m01, service: d01, url: \"http://%s/01\", interval: 1s, timeout: 500ms, confirm: 1}\n", tg.addr)
	for path := range hell {
		slug, expect := path[1:], "expect: {body: Willkommen}, "
		if path == "/big" {
			expect = ""
		}
		fmt.Fprintf(&services, "  - {slug: %s, name: \"Hölle (%s)\", owner: %s}\n", slug, slug, ada)
		fmt.Fprintf(&monitors, "  - {slug: %s, service: %s, url: \"http://%s%s\", %sinterval: 4s, timeout: 2s, confirm: 1}\n", slug, slug, l.Addr(), path, expect)
	}
	h := r.house(t, townYAML+smtpYAML(mails)+services.String()+monitors.String())
	p := h.serve()
	begin := time.Now()
	within(t, 30*time.Second, "an alarm for each of them", func() bool {
		for path := range hell {
			if !fine[path] && len(mails.find(adas[1], "gestört", "Hölle ("+path[1:]+")")) == 0 {
				return false
			}
		}
		return true
	})
	pause(t, 12*time.Second-time.Since(begin)) // three rounds
	for path := range hell {
		got := mails.find(adas[1], "Hölle ("+path[1:]+")")
		want := 1
		if fine[path] {
			want = 0
		}
		if len(got) != want {
			t.Errorf("%s: %d alarms, want %d", path, len(got), want)
		}
		for _, m := range got {
			if !utf8.ValidString(m.text) || strings.ContainsRune(m.text, utf8.RuneError) && path != "/latin1" && path != "/status" && path != "/garbage" || strings.Contains(m.text, "<script>") || len(m.text) > 3000 {
				t.Errorf("%s: unreadable mail %q", path, m.text)
			}
			if _, seen, ok := strings.Cut(m.text, "Gesehen:"); ok {
				line, _, _ := strings.Cut(seen, "\n")
				t.Logf("%-10s %s", path, strings.TrimSpace(line))
			}
		}
	}
	if g := beat.gap(begin); g > 5*time.Second {
		t.Errorf("a neighbour that is looked at every second was not for %s", g)
	}
	if rss := p.figure("process_resident_memory_bytes"); rss > 300<<20 {
		t.Errorf("%.0f MB of memory", rss/(1<<20))
	}
	p.endsWell()
	_ = l.Close()
	// The prober hangs up: what dripped must not stay connected.
	within(t, 30*time.Second, "the end of all connections", func() bool { return open.Load() == 0 })
	conns.Wait()
}

// fullDisk: while nothing can be written, the program stays up, shows the
// public page and says what is wrong; when there is space again, it catches up.
func fullDisk(t *testing.T, r *built) {
	mails, tg := newPost(t), newTargets(t)
	h := r.house(t, townYAML+smtpYAML(mails)+servicesYAML(2, tg.addr, once))
	if err := os.Mkdir(h.data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", h.data, "tmpfs", 0, "size=12m,mode=0700"); err != nil {
		t.Skipf("needs the right to mount a small tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(h.data, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	p := h.serve()
	publisher, admin := h.token(ada), h.token(bert)
	within(t, 30*time.Second, "a page", func() bool {
		status, body, err := fetch(t.Context(), p.public+"/")
		return err == nil && status == http.StatusOK && strings.Contains(body, "Dienst 01")
	})
	filler := filepath.Join(h.data, "voll")
	fill := func() {
		f, err := os.OpenFile(filler, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		for block := make([]byte, 4096); err == nil; {
			_, err = f.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	fill()
	// The last pages of the write-ahead log are used up before it shows.
	within(t, 60*time.Second, "a word about the full disk", func() bool {
		_, _, err := p.call(publisher, "POST", "/api/v1/incidents", fmt.Sprintf(`{"title":%q}`, strings.Repeat("Platz ", 40)))
		return err == nil && strings.Contains(p.log.tail(1<<20), "disk is full")
	})
	seen := tg.fail("/01")
	within(t, 30*time.Second, "the outage is seen", func() bool { return isClosed(seen) })
	status, out, err := p.call(publisher, "POST", "/api/v1/incidents", `{"title":"geht nicht"}`)
	if err != nil || status < 500 || out["detail"] == "" {
		t.Errorf("writing to a full disk: %d %v %v", status, out, err)
	}
	for address, want := range map[string]int{p.staff + "/healthz": 200, p.staff + "/readyz": 503, p.public + "/": 200, p.staff + identity.SignInPath: 200} {
		if status, _, err := fetch(t.Context(), address); err != nil || status != want {
			t.Errorf("%s on a full disk: %d %v, want %d", address, status, err, want)
		}
	}
	early := len(mails.find("", "gestört"))
	t.Logf("%d alarms went out while the disk was full", early)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for _, a := range adas {
		within(t, 40*time.Second, "the alarm", func() bool { return len(mails.find(a, "gestört", dienst(1))) > 0 })
	}
	within(t, 30*time.Second, "readiness", func() bool {
		status, _, err := fetch(t.Context(), p.staff+"/readyz")
		return err == nil && status == http.StatusOK
	})
	tg.heal()
	for _, a := range adas {
		within(t, 30*time.Second, "the recovery", func() bool { return len(mails.find(a, "läuft wieder", dienst(1))) == 1 })
	}
	for _, i := range itemsOf(p.must(publisher, "GET", "/api/v1/incidents?limit=1000", "", 200)) {
		if i["title"] == "geht nicht" {
			t.Error("an incident that was refused is there all the same")
		}
	}
	holds(t, h, p, admin)

	// A start on a full disk says why, or works.
	fill()
	switch p, err := h.tryServe(); {
	case err == nil:
		p.endsWell()
	case !strings.Contains(err.Error(), "voll"):
		t.Errorf("a start on a full disk: %v", err)
	default:
		t.Log("a start on a full disk is refused")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	h.serve().endsWell()
}

// streams are open event streams.
type streams struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
	opened atomic.Int64 // have got their first byte
	told   atomic.Int64 // have got a refresh
	ended  atomic.Int64
}

// openStreams opens n event streams of the console and waits for all of them.
func openStreams(t *testing.T, p *process, cookie string, n int) *streams {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &streams{cancel: cancel}
	conns := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: freshConn.CheckRedirect}
	for range n {
		s.wg.Go(func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.staff+"/live", nil)
			if err != nil {
				return
			}
			req.Header.Set("Cookie", cookie)
			res, err := conns.Do(req)
			if err != nil {
				return
			}
			defer func() { _ = res.Body.Close() }()
			first := make([]byte, 1)
			if _, err := io.ReadFull(res.Body, first); err != nil || res.StatusCode != http.StatusOK {
				return
			}
			s.opened.Add(1)
			defer s.ended.Add(1)
			for lines, told := bufio.NewScanner(res.Body), false; lines.Scan(); {
				if !told && lines.Text() == "event: refresh" {
					told = true
					s.told.Add(1)
				}
			}
		})
	}
	within(t, 30*time.Second, fmt.Sprintf("%d event streams", n), func() bool { return s.opened.Load() == int64(n) })
	return s
}

func (s *streams) close() {
	s.cancel()
	s.wg.Wait()
}
