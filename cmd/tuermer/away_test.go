//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// away: the database server is stopped while the program runs.
var awayDays = []badDay{{"database away", databaseAway}}

// server is a PostgreSQL of the test's own, which it can stop and start. It runs
// as somebody else where we are root, as script/postgres does.
type server struct {
	t        *testing.T
	bin, dir string
	port     string
	word     string // its password
	as       *syscall.SysProcAttr
	cmd      *exec.Cmd
}

func newServer(t *testing.T) *server {
	t.Helper()
	if os.Getenv("TUERMER_TEST_DATABASE") == "" {
		t.Skip("needs PostgreSQL's programs: script/test sets TUERMER_TEST_DATABASE where they are")
	}
	s := &server{t: t, as: &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT}}
	for _, v := range []string{"15", "16", "17", "18"} {
		if _, err := os.Stat("/usr/lib/postgresql/" + v + "/bin/initdb"); err == nil && s.bin == "" {
			s.bin = "/usr/lib/postgresql/" + v + "/bin"
		}
	}
	if s.bin == "" {
		t.Skip("PostgreSQL's programs are somewhere else")
	}
	dir, err := os.MkdirTemp("/tmp", "tuermer-away-pg")
	if err != nil {
		t.Fatal(err)
	}
	s.dir = dir
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.ParseUint(u.Uid, 10, 32)
		gid, _ := strconv.ParseUint(u.Gid, 10, 32)
		s.as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			t.Fatal(err)
		}
	}
	password := rand.Text()
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte(password+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	init := exec.Command(filepath.Join(s.bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "tuermer", "-A", "scram-sha-256",
		"--pwfile", filepath.Join(dir, "password"), "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions")
	init.Dir, init.SysProcAttr = dir, s.as
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	l, err := listenSteady(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, s.port, _ = strings.Cut(l.Addr().String(), ":")
	_ = l.Close()
	s.word = password
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *server) url() string {
	return fmt.Sprintf("postgres://tuermer:%s@127.0.0.1:%s/postgres?sslmode=disable", s.word, s.port)
}

// start runs the server, on the data that it had.
func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command(filepath.Join(s.bin, "postgres"), "-D", filepath.Join(s.dir, "data"), "-p", s.port,
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "log_min_messages=fatal")
	s.cmd.Dir, s.cmd.SysProcAttr = s.dir, s.as
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	within(s.t, 60*time.Second, "PostgreSQL answers", func() bool {
		c, err := pgx.Connect(s.t.Context(), s.url())
		if err != nil {
			return false
		}
		return c.Close(context.Background()) == nil
	})
}

// stop ends it as an administrator would who does not wait: sessions are cut.
func (s *server) stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGINT)
	_ = s.cmd.Wait()
	s.cmd = nil
}

// awayFor is how long the database is away at the least; TUERMER_AWAY makes it
// ten minutes, or what one likes.
func awayFor(t *testing.T) time.Duration {
	d := 15 * time.Second
	if s := os.Getenv("TUERMER_AWAY"); s != "" {
		var err error
		if d, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

var ackLink = regexp.MustCompile(`http://lage\.example(/a/\S+)`)

// databaseAway: outages that begin while the database is away wake people within
// a minute, past a kill -9 and a start without it; who takes one by the link is
// written down; the public page stands; and when the database is back, everything
// is told with its true times, and nobody is woken twice.
func databaseAway(t *testing.T, r *built) {
	pg := newServer(t)
	mails, tg := newPost(t), newTargets(t)
	h := r.house(t, townYAML+smtpYAML(mails)+servicesYAML(4, tg.addr, once))
	h.database = pg.url()
	p := h.serve()
	token := h.token(bert)
	arrived := func(i int, word string) int {
		n := 0
		for _, a := range adas {
			n += len(mails.find(a, word, dienst(i)))
		}
		return n
	}
	// One is known before, so that its alert is open when the database goes.
	tg.fail("/01")
	within(t, 30*time.Second, "the alarm before", func() bool { return p.told(token, 1) == len(adas) })
	away := filepath.Join(h.data, "away")
	within(t, 90*time.Second, "the node remembers", func() bool {
		for _, name := range []string{"monitors", "people", "ways"} {
			if _, err := os.Stat(filepath.Join(away, name)); err != nil {
				return false
			}
		}
		return true
	})
	pause(t, 20*time.Second) // and the open alert too
	for _, name := range []string{"monitors", "people"} {
		raw, err := os.ReadFile(filepath.Join(away, name))
		if err != nil || strings.Contains(string(raw), "ada@") || strings.Contains(string(raw), "Dienst") {
			t.Errorf("%s can be read by anybody who finds the disk (%v)", name, err)
		}
	}

	pg.stop()
	gone := time.Now()
	tg.fail("/02")
	within(t, time.Minute, "the alarm while the database is away", func() bool { return arrived(2, "gestört") == len(adas) })
	t.Logf("an outage while the database is away: people told after %s", time.Since(gone).Round(100*time.Millisecond))
	status, page, err := fetch(t.Context(), p.staff+"/identity/sign-in")
	if err != nil || status != http.StatusServiceUnavailable || !strings.Contains(page, "Die Datenbank antwortet seit") || !strings.Contains(page, "öffentliche Seite steht") {
		t.Errorf("sign-in: %d %v\n%s", status, err, page)
	}
	public := func(p *process) {
		t.Helper()
		status, page, err := fetch(t.Context(), p.public+"/")
		if err != nil || status != http.StatusOK || !strings.Contains(page, "Dienst 03") || !strings.Contains(page, "Stand") {
			t.Errorf("public page: %d %v", status, err)
		}
	}
	public(p)
	link := ackLink.FindStringSubmatch(mails.find(ada, "gestört", dienst(2))[0].text)
	if link == nil {
		t.Fatal("the alarm has no link to take it")
	}
	post := func(p *process) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.staff+link[1], nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := freshConn.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		status, page, err := fetch(t.Context(), p.staff+link[1])
		if err != nil || status != http.StatusOK {
			t.Errorf("link: %d %v", status, err)
		}
		return res.StatusCode, page
	}
	if status, page, err := fetch(t.Context(), p.staff+link[1]); err != nil || status != http.StatusOK || !strings.Contains(page, "zählt, sobald die Datenbank wieder antwortet") {
		t.Errorf("link: %d %v\n%s", status, err, page)
	}
	if status, page := post(p); status != http.StatusSeeOther || !strings.Contains(page, "Das ist aufgeschrieben") {
		t.Errorf("taken by link: %d\n%s", status, page)
	}
	took := time.Now()

	// kill -9, and a start without the database.
	p.kill()
	p.quiet()
	mails.next()
	p = h.serve()
	public(p)
	if status, page, err := fetch(t.Context(), p.staff+link[1]); err != nil || status != http.StatusOK || !strings.Contains(page, "Das ist aufgeschrieben") {
		t.Errorf("link after the start: %d %v", status, err)
	}
	begin := time.Now()
	tg.fail("/03")
	within(t, time.Minute, "the alarm after a start without the database", func() bool { return arrived(3, "gestört") == len(adas) })
	t.Logf("an outage after a start without it: people told after %s", time.Since(begin).Round(100*time.Millisecond))
	for left := awayFor(t) - time.Since(gone); left > 0; left = awayFor(t) - time.Since(gone) {
		pause(t, min(left, 20*time.Second))
		if status, _, err := fetch(t.Context(), p.staff+"/healthz"); err != nil || status != http.StatusOK {
			t.Fatalf("after %s: %d %v", time.Since(gone), status, err)
		}
	}

	pg.start()
	back := time.Now()
	t.Logf("the database was away for %s", back.Sub(gone).Round(time.Second))
	within(t, time.Minute, "the console after the database is back", func() bool {
		status, _, err := p.call(token, "GET", "/api/v1/alerts?limit=1", "")
		return err == nil && status == http.StatusOK
	})
	for i := 1; i <= 3; i++ {
		within(t, time.Minute, "the receipts of "+dienst(i), func() bool { return p.told(token, i) >= len(adas) }) // after five minutes others too
	}
	// One more, as on any day.
	tg.fail("/04")
	within(t, time.Minute, "the alarm afterwards", func() bool { return p.told(token, 4) == len(adas) })
	for i := 1; i <= 4; i++ {
		list := itemsOf(p.must(token, "GET", fmt.Sprintf("/api/v1/alerts?service=d%02d", i), "", 200))
		if len(list) != 1 || arrived(i, "gestört") != len(adas) {
			t.Errorf("%s: %d alerts, %d alarms", dienst(i), len(list), arrived(i, "gestört"))
			continue
		}
		opened, err := time.Parse(time.RFC3339, fmt.Sprint(list[0]["opened_at"]))
		if while := opened.After(gone) && opened.Before(back); err != nil || while != (i == 2 || i == 3) {
			t.Errorf("%s: opened at %v (%v), the database was away from %s to %s", dienst(i), opened, err, gone, back)
		}
		detail := p.must(token, "GET", fmt.Sprintf("/api/v1/alerts/%v", list[0]["id"]), "", 200)
		if i == 2 {
			at, err := time.Parse(time.RFC3339, fmt.Sprint(detail["acknowledged_at"]))
			if err != nil || detail["acknowledged_by"] != "Ada Beispiel" || at.After(took.Add(time.Second)) {
				t.Errorf("%s was taken by %v at %v (%v)", dienst(i), detail["acknowledged_by"], at, err)
			}
		}
		if i == 2 || i == 3 {
			messages, _ := detail["messages"].([]any)
			for _, raw := range messages {
				m, _ := raw.(map[string]any)
				at, err := time.Parse(time.RFC3339, fmt.Sprint(m["at"]))
				if m["kind"] == "alarm" && (err != nil || !at.Before(back)) {
					t.Errorf("%s: the alarm to %v was written at %v (%v), after the database was back", dienst(i), m["address"], m["at"], err)
				}
			}
		}
	}
	journaled := 0
	for _, m := range itemsOf(p.must(token, "GET", "/api/v1/outbox?limit=1000", "", 200)) {
		subject, _ := m["subject"].(string)
		if to, _ := m["to"].(string); !slices.Contains(adas, to) || !strings.Contains(subject, "gestört") || !strings.Contains(subject, dienst(2)) && !strings.Contains(subject, dienst(3)) {
			continue
		}
		at, err := time.Parse(time.RFC3339, fmt.Sprint(m["settled_at"]))
		if err != nil || m["state"] != "accepted" || m["route"] != "route1" || !at.After(gone) || !at.Before(back) {
			t.Errorf("outbox: %v to %v is %v over %v at %v, the database was away from %s to %s", subject, m["to"], m["state"], m["route"], m["settled_at"], gone, back)
		}
		journaled++
	}
	if journaled != 2*len(adas) {
		t.Errorf("%d of %d alarms stand in the outbox", journaled, 2*len(adas))
	}
	tg.heal()
	for i := 1; i <= 4; i++ {
		within(t, 30*time.Second, "recovery of "+dienst(i), func() bool { return arrived(i, "läuft wieder") == len(adas) })
	}
	holds(t, h, p, token)
}
