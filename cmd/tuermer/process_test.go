//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net"
	"net/http"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// TestRealProgram starts the built binary as a process of its own, on real
// sockets and in real time, and treats it badly. That takes minutes, so it runs
// only when asked for; script/test does. TUERMER_SEED repeats a run's dice.
func TestRealProgram(t *testing.T) {
	if os.Getenv("TUERMER_CRASH") == "" || testing.Short() {
		t.Skip("takes minutes of real time; TUERMER_CRASH=1 runs it, as script/test does")
	}
	seed := rand.Uint64()
	if s := os.Getenv("TUERMER_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("TUERMER_SEED=%d", seed)
	r := &built{bin: filepath.Join(t.TempDir(), "tuermer"), seed: seed}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", r.bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, c := range slices.Concat(crashes, climbing, theTelephone, lostReports, foreignPeers, badDays, farAway, days, awayDays, keeping, carried, updates, several, reloads) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, r)
		})
	}
}

// badDay is one thing that may go wrong.
type badDay struct {
	name string
	run  func(t *testing.T, r *built)
}

// built is the program as it is delivered.
type built struct {
	bin  string
	seed uint64
}

// dice are the test's own, so that the order of the tests changes nothing.
func (r *built) dice(t *testing.T) *rand.Rand {
	var n uint64
	for _, c := range t.Name() {
		n = n*31 + uint64(c)
	}
	return rand.New(rand.NewPCG(r.seed, n))
}

// house is one installation: configuration and data.
type house struct {
	t        *testing.T
	bin      string
	dir      string // holds tuermer.yaml and the data folder
	data     string
	database string
	env      []string // more of it
	asNobody bool
	last     *process // for the end of the test
}

// house lays down a configuration.
func (r *built) house(t *testing.T, yaml string) *house {
	t.Helper()
	h := &house{t: t, bin: r.bin, dir: t.TempDir()}
	h.data = filepath.Join(h.dir, "data")
	h.configure(yaml)
	t.Cleanup(func() {
		if h.last == nil {
			return
		}
		h.last.kill()
		if t.Failed() {
			t.Logf("the program's log ends with:\n%s", h.last.log.tail(4000))
		}
	})
	return h
}

func (h *house) configure(yaml string) {
	h.t.Helper()
	if err := os.WriteFile(h.config(), []byte(yaml), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) config() string { return filepath.Join(h.dir, "tuermer.yaml") }

// command prepares one command line on this house's data. It dies with the
// test, even when that is killed.
func (h *house) command(args ...string) *exec.Cmd {
	args = append(args, "--config", h.config(), "--data", h.data)
	if h.database != "" {
		args = append(args, "--database", h.database)
	}
	c := exec.Command(h.bin, args...)
	c.Env = []string{"TUERMER_LANG=de", "HOME=" + h.dir, "PATH=" + os.Getenv("PATH"), "TZ=UTC"}
	c.Env = append(c.Env, h.env...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if h.asNobody {
		c.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	return c
}

// once runs a command that ends by itself.
func (h *house) once(args ...string) (code int, stdout, stderr string) {
	h.t.Helper()
	var out, errs bytes.Buffer
	c := h.command(args...)
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Start(); err != nil {
		h.t.Fatal(err)
	}
	stuck := time.AfterFunc(30*time.Second, func() { _ = c.Process.Kill() })
	err := c.Wait()
	if !stuck.Stop() {
		h.t.Fatalf("%v did not end within 30 s\n%s%s", args, out.String(), errs.String())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// process is a running `tuermer serve`.
type process struct {
	t             *testing.T
	cmd           *exec.Cmd
	staff, public string // http://127.0.0.1:port
	log           *logbook
	done          chan struct{} // closed when it has ended
}

// serve starts the program and waits for its two addresses.
func (h *house) serve(more ...string) *process {
	h.t.Helper()
	p, err := h.tryServe(more...)
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

func (h *house) tryServe(more ...string) (*process, error) {
	p := &process{t: h.t, log: &logbook{}, done: make(chan struct{})}
	p.cmd = h.command(append([]string{"serve", "--staff", "127.0.0.1:0", "--public", "127.0.0.1:0"}, more...)...)
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan struct{})
	go func() {
		defer close(p.done)
		lines, found := bufio.NewScanner(out), 0
		for lines.Scan() {
			fmt.Fprintln(p.log, lines.Text())
			if at := strings.Index(lines.Text(), "http://127.0.0.1:"); at >= 0 && found < 2 {
				*[]*string{&p.staff, &p.public}[found] = strings.TrimSpace(lines.Text()[at:])
				if found++; found == 2 {
					close(ready)
				}
			}
		}
		_ = p.cmd.Wait() // the code is asked for by those who care
	}()
	h.last = p
	late := time.NewTimer(90 * time.Second)
	defer late.Stop()
	select {
	case <-ready:
		return p, nil
	case <-p.done:
		return nil, fmt.Errorf("serve ended with %d:\n%s", p.cmd.ProcessState.ExitCode(), p.log.tail(4000))
	case <-late.C:
		return nil, fmt.Errorf("serve was not up after 90 s:\n%s", p.log.tail(4000))
	}
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be gone
	<-p.done
}

// end asks it to stop and answers how it ended and how long that took.
func (p *process) end(s os.Signal) (code int, took time.Duration) {
	p.t.Helper()
	begin := time.Now()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	late := time.NewTimer(40 * time.Second)
	defer late.Stop()
	select {
	case <-p.done:
	case <-late.C:
		p.t.Fatalf("it did not end after %s", s)
	}
	return p.cmd.ProcessState.ExitCode(), time.Since(begin)
}

// endsWell is the orderly stop that every test that did not kill ends with.
func (p *process) endsWell() {
	p.t.Helper()
	if code, took := p.end(syscall.SIGTERM); code != 0 || took > 25*time.Second {
		p.t.Errorf("SIGTERM: exit code %d after %s", code, took)
	}
	p.quiet()
}

// quiet fails when the log tells of a fault of ours.
func (p *process) quiet() {
	p.t.Helper()
	for _, word := range []string{"panic", "query without tenant", "DATA RACE", "fatal error"} {
		if text := p.log.tail(1 << 20); strings.Contains(text, word) {
			p.t.Errorf("the log speaks of %q", word)
		}
	}
}

// logbook gathers what a process says.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logbook) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buf.Bytes()
	return string(b[max(0, len(b)-n):])
}

// token makes an API token for somebody, beside a running serve.
func (h *house) token(person string) string {
	h.t.Helper()
	code, out, errs := h.once("token", "create", "--person", person, "--name", "Probe")
	token, rest, ok := strings.Cut(out, "\n")
	if code != 0 || !ok || rest != "" || token == "" {
		h.t.Fatalf("token create: code %d, stdout %q, stderr %q", code, out, errs)
	}
	return token
}

// session signs somebody in by a one-time link and answers the cookie.
func (h *house) session(p *process, person string) string {
	h.t.Helper()
	code, link, errs := h.once("user", "reset", person)
	if code != 0 {
		h.t.Fatalf("user reset: %d %s", code, errs)
	}
	path := strings.TrimPrefix(strings.TrimSpace(link), "http://lage.example")
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, p.staff+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	res, err := freshConn.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	cookies := res.Cookies()
	if res.StatusCode != http.StatusSeeOther || len(cookies) == 0 {
		h.t.Fatalf("%s: %d, cookies %v", path, res.StatusCode, cookies)
	}
	return cookies[0].Name + "=" + cookies[0].Value
}

// freshConn opens a connection per request, as after a restart.
var freshConn = &http.Client{
	Timeout:       20 * time.Second,
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// call asks the API. The answer's body is in out where it is an object.
func (p *process) call(token, method, path, body string) (status int, out map[string]any, err error) {
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.staff+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := freshConn.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, err
	}
	_ = json.Unmarshal(raw, &out) // other things have no fields
	return res.StatusCode, out, nil
}

// must calls the API and fails on any other status.
func (p *process) must(token, method, path, body string, want int) map[string]any {
	p.t.Helper()
	status, out, err := p.call(token, method, path, body)
	if err != nil || status != want {
		p.t.Fatalf("%s %s: %d %v, want %d\n%v", method, path, status, err, want, out)
	}
	return out
}

// itemsOf are the lines of a list answer.
func itemsOf(list map[string]any) []map[string]any {
	raw, _ := list["items"].([]any)
	out := make([]map[string]any, 0, len(raw))
	for _, x := range raw {
		if m, ok := x.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// fetch gets a page of any kind.
func fetch(ctx context.Context, address string) (status int, body string, err error) {
	return fetchAs(ctx, "", address)
}

// fetchAs gets a page with somebody's session.
func fetchAs(ctx context.Context, cookie, address string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, "", err
	}
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	res, err := freshConn.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	return res.StatusCode, string(raw), err
}

// figure reads one value of /metrics.
func (p *process) figure(name string) float64 {
	p.t.Helper()
	status, text, err := fetch(p.t.Context(), p.staff+"/metrics")
	if err != nil || status != http.StatusOK {
		p.t.Fatalf("/metrics: %d %v", status, err)
	}
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return v
		}
	}
	p.t.Fatalf("/metrics has no %s", name)
	return 0
}

// within waits until ok says yes. Its last words tell what is still missing.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	end := time.NewTimer(limit)
	defer end.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-t.Context().Done():
			t.Fatalf("given up waiting for: %s", what)
		case <-end.C:
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// pause lets real time pass.
func pause(t *testing.T, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// piece is one mail in the sink.
type piece struct {
	to, subject, text string
	id, refs          string // Message-ID and References
	life              int    // of the program, when its connection was opened
	at                time.Time
}

// post is a mail server on a real socket.
type post struct {
	addr string
	// slow is asked how long the answer to each mail takes.
	slow func() time.Duration

	mu   sync.Mutex
	srv  *smtp.Server
	l    net.Listener
	done chan struct{}
	got  []piece
	life int
}

// newPost opens a mail server on a free port.
func newPost(t *testing.T) *post {
	t.Helper()
	s := &post{}
	s.up(t)
	t.Cleanup(s.down)
	return s
}

func (s *post) port() string { _, port, _ := net.SplitHostPort(s.addr); return port }

// up opens it, again on the same port.
func (s *post) up(t *testing.T) {
	t.Helper()
	var l net.Listener
	var err error
	if s.addr != "" {
		l, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", s.addr)
	} else {
		l, err = listenSteady(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return &postSession{s: s, life: s.life}, nil
	}))
	srv.Domain, srv.ReadTimeout, srv.WriteTimeout, srv.ErrorLog = "mail.example", time.Minute, time.Minute, quiet{}
	s.srv, s.l, s.done = srv, l, make(chan struct{})
	done := s.done
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
}

// steady counts the ports that listenSteady gave away; other runs on this
// machine begin elsewhere.
var steady = sync.OnceValue(func() *atomic.Uint32 {
	n := new(atomic.Uint32)
	n.Store(rand.Uint32())
	return n
})

// listenSteady listens on a port that can be closed and opened again: below the
// range from which the kernel gives ports to whoever calls out meanwhile.
func listenSteady(ctx context.Context) (net.Listener, error) {
	const low, count = 10000, 10000
	var err error
	for range 100 {
		var l net.Listener
		port := low + steady().Add(1)%count
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return l, nil
		}
	}
	return nil, err
}

// down closes it and its connections.
func (s *post) down() {
	if s.srv == nil {
		return
	}
	_ = s.l.Close() // Serve may not have told the server of it yet
	_ = s.srv.Close()
	<-s.done
	s.srv = nil
}

// next begins a new life of the program.
func (s *post) next() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life++
}

// find lists the mails to an address whose subject has all the words.
func (s *post) find(to string, words ...string) []piece {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []piece
	for _, p := range s.got {
		if (to == "" || p.to == to) && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(p.subject, w) }) {
			out = append(out, p)
		}
	}
	return out
}

type postSession struct {
	s    *post
	life int
	to   []string
}

func (x *postSession) Mail(string, *smtp.MailOptions) error      { x.to = nil; return nil }
func (x *postSession) Rcpt(to string, _ *smtp.RcptOptions) error { x.to = append(x.to, to); return nil }
func (x *postSession) Reset()                                    { x.to = nil }
func (x *postSession) Logout() error                             { return nil }

// Data keeps the mail and answers later: who is killed in between does not
// know that it was taken.
func (x *postSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	subject, err := (&mime.WordDecoder{}).DecodeHeader(msg.Header.Get("Subject"))
	if err != nil {
		return err
	}
	text, err := plainPart(msg.Header.Get("Content-Type"), msg.Header.Get("Content-Transfer-Encoding"), msg.Body)
	if err != nil {
		return err
	}
	s := x.s
	s.mu.Lock()
	for _, to := range x.to {
		s.got = append(s.got, piece{
			to: to, subject: subject, text: text, life: x.life, at: time.Now(),
			id: msg.Header.Get("Message-ID"), refs: msg.Header.Get("References"),
		})
	}
	slow := s.slow
	s.mu.Unlock()
	if slow != nil {
		timer := time.NewTimer(slow())
		defer timer.Stop()
		<-timer.C
	}
	return nil
}
