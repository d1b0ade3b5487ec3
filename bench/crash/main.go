// Command crash kills the real program with kill -9 at random moments of
// mailings to 2,000 recipients and counts who got nothing and who got it twice
// (row I5 of the goals).
//
//	go run ./bench/crash
//	script/postgres run -- go run ./bench/crash     the same on PostgreSQL, afterwards
//
// Each round is one mailing and one kill: when a number of messages has been
// taken that is drawn evenly, or, once in ten, at a random moment of the approval
// itself. The receiver is a
// mail server of its own that writes every message down and waits for the disk
// before it answers 250, so what it says it has taken, it has. Counting reads
// that file, and nothing that the program says about itself.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
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
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"tuermer/bench/rig"
)

// batch is what the ledger claims at once (publish.batchSize): the most that may
// go out twice after a crash.
const batch = 200

// lists is so large that nobody hears from us more than six times an hour (I10).
const lists = 5

// said is what was measured elsewhere, for Debian has no listmonk and it is no
// Go module that builds by itself (its database and page assets belong to it).
const said = "listmonk, mailings of 20,000: 2,203 to 3,000 lost"

func main() {
	rounds := flag.Int("rounds", 20, "mailings, each killed once; 24 at most")
	recipients := flag.Int("recipients", 2000, "recipients of a mailing")
	seed := flag.Uint64("seed", rand.Uint64(), "of the dice")
	flag.Parse()
	rig.Main(func(ctx context.Context, dir string) error {
		if *rounds < 1 || *rounds > lists*5-1 {
			return errors.New("1 to 24 rounds: nobody hears from us more than six times an hour")
		}
		bin, err := rig.Build(ctx, dir)
		if err != nil {
			return err
		}
		fmt.Printf("# seed %d\n", *seed)
		databases, err := rig.Databases(ctx)
		if err != nil {
			return err
		}
		failed := false
		for i, url := range databases {
			b := &bench{
				bin: bin, dir: filepath.Join(dir, fmt.Sprint(i)), database: url,
				recipients: *recipients, dice: rand.New(rand.NewPCG(*seed, uint64(i))),
			}
			ok, err := b.run(ctx, *rounds)
			if err != nil {
				return err
			}
			failed = failed || !ok
		}
		fmt.Printf("# beside it: %s\n", said)
		if failed {
			return errors.New("the goal is missed: lost 0, twice at most one batch")
		}
		return nil
	})
}

type bench struct {
	bin, dir, database string
	recipients         int
	dice               *rand.Rand

	post                *post
	p                   *rig.Process
	publisher, approver string
	yaml                string
}

func (b *bench) name() string { return rig.DatabaseName(b.database) }

func (b *bench) run(ctx context.Context, rounds int) (ok bool, err error) {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return false, err
	}
	if b.post, err = newPost(filepath.Join(b.dir, "accepted")); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, b.post.close()) }()
	b.yaml = b.config(rounds)
	if err := b.start(); err != nil {
		return false, err
	}
	defer func() { b.p.Kill() }()
	for who, to := range map[string]*string{"ada": &b.publisher, "bert": &b.approver} {
		if *to, err = b.token(who); err != nil {
			return false, err
		}
	}
	whole, err := b.undisturbed()
	if err != nil {
		return false, err
	}
	fmt.Printf("\n%s: an undisturbed mailing to %d: the first has it %s after the release, the last %s, and the ledger says so after %s\n",
		b.name(), b.recipients, whole.first, whole.last, whole.ledger)
	fmt.Printf("%5s  %-16s  %9s  %5s  %5s  %9s\n", "round", "killed", "out then", "lost", "twice", "all after")
	lost, twice, most := 0, 0, 0
	for round := 1; round <= rounds; round++ {
		r, err := b.killed(round)
		if err != nil {
			return false, fmt.Errorf("round %d: %w", round, err)
		}
		fmt.Printf("%5d  %-16s  %9d  %5d  %5d  %9s\n", round, r.at, r.out, r.lost, r.twice, r.took.Round(10*time.Millisecond))
		lost, twice, most = lost+r.lost, twice+r.twice, max(most, r.twice)
	}
	fmt.Printf("%s: %d kills in mailings to %d: lost %d, twice %d in all and at most %d after one kill (a batch is %d)\n",
		b.name(), rounds, b.recipients, lost, twice, most, batch)
	return lost == 0 && most <= batch, nil
}

func (b *bench) config(rounds int) string {
	var y strings.Builder
	y.WriteString(rig.Town)
	// Without an address of its own the town has that of its listener, another one
	// after each start, and the words that name it would have to be read again.
	y.WriteString("urls: {public: \"http://status.benchstadt.example\"}\n")
	fmt.Fprintf(&y, "smtp:\n  - {name: post, host: 127.0.0.1, port: %s, from: lage@benchstadt.example, tls: none}\nservices:\n", b.post.port())
	for i := 0; i <= rounds; i++ {
		fmt.Fprintf(&y, "  - {slug: d%02d, name: Dienst %02d, article: der, public: true, owner: ada@benchstadt.example, workaround: Telefon, auto_public: checking}\n", i, i)
	}
	y.WriteString("audiences:\n")
	for l := range lists {
		fmt.Fprintf(&y, "  - {slug: liste%d, kind: citizens, name: Liste %d, recipients: [", l, l)
		for i := range b.recipients {
			fmt.Fprintf(&y, "b%d-%05d@wohnort.example, ", l, i)
		}
		y.WriteString("]}\n")
	}
	return y.String()
}

func (b *bench) start() (err error) {
	var env []string
	if b.database != "" {
		env = []string{"TUERMER_DATABASE=" + b.database}
	}
	b.p, err = rig.Serve(b.bin, b.dir, b.yaml, env...)
	return err
}

func (b *bench) token(who string) (string, error) {
	cmd := exec.Command(b.bin, "token", "create", "--person", who+"@benchstadt.example", "--name", "bench",
		"--config", filepath.Join(b.dir, "tuermer.yaml"), "--data", b.p.Data)
	cmd.Env = append(os.Environ(), "TUERMER_DATABASE="+b.database)
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// submit lays a statement about service i before the approver.
func (b *bench) submit(i int) (id string, err error) {
	in, err := b.call(b.publisher, "POST", "/api/v1/incidents", fmt.Sprintf(`{"title":"Ausfall %02d","services":["d%02d"],"confirmed":true}`, i, i), http.StatusCreated)
	if err != nil {
		return "", err
	}
	s, err := b.call(b.publisher, "POST", fmt.Sprintf("/api/v1/incidents/%v/statements", in["id"]), fmt.Sprintf(
		`{"kind":"first","facts":{"what_happened":"Dienst %02d antwortet nicht","severity":"minor","measures":"die Prüfung","impact":null},"audiences":["liste%d"],"languages":["de"]}`, i, i%lists), http.StatusCreated)
	if err != nil {
		return "", err
	}
	if s["state"] != "submitted" || s["recipients"] != float64(b.recipients) {
		return "", fmt.Errorf("statement: %v to %v", s["state"], s["recipients"])
	}
	id, _ = s["id"].(string)
	return id, nil
}

func (b *bench) approve(id string) error {
	_, err := b.call(b.approver, "POST", "/api/v1/statements/"+id+"/approve", "", http.StatusOK)
	return err
}

// ends waits until the ledger says that everybody has it.
func (b *bench) ends(id string) error {
	for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		s, err := b.call(b.publisher, "GET", "/api/v1/statements/"+id, "", http.StatusOK)
		if err != nil {
			return err
		}
		d, _ := s["delivery"].(map[string]any)
		if s["state"] == "published" && d["accepted"] == float64(b.recipients) {
			return nil
		}
		if s["state"] == "published" && d["waiting"] == 0.0 {
			return fmt.Errorf("the ledger ended with %v", d)
		}
	}
	return errors.New("no end after ten minutes")
}

// whole is how long after its release a mailing is with the first recipient, with
// the last, and at its end in the ledger.
type whole struct{ first, last, ledger time.Duration }

// undisturbed is a mailing that nobody kills (R2.3).
func (b *bench) undisturbed() (w whole, err error) {
	id, err := b.submit(0)
	if err != nil {
		return w, err
	}
	begin := time.Now()
	if err := errors.Join(b.approve(id), b.ends(id)); err != nil {
		return w, err
	}
	w.ledger = time.Since(begin).Round(time.Millisecond)
	if lost, twice, err := b.count(0); err != nil || lost+twice > 0 {
		return w, fmt.Errorf("undisturbed, and yet %d lost and %d twice (%w)", lost, twice, err)
	}
	all, err := b.post.got(subject(0))
	if err != nil {
		return w, err
	}
	early, late := all[0].At, all[0].At
	for _, a := range all {
		if a.At.Before(early) {
			early = a.At
		}
		if a.At.After(late) {
			late = a.At
		}
	}
	w.first, w.last = early.Sub(begin).Round(time.Millisecond), late.Sub(begin).Round(time.Millisecond)
	return w, nil
}

type round struct {
	at               string
	took             time.Duration
	out, lost, twice int
}

func (b *bench) killed(i int) (r round, err error) {
	id, err := b.submit(i)
	if err != nil {
		return r, err
	}
	gone := make(chan struct{})
	if b.dice.IntN(10) == 0 {
		after := time.Duration(b.dice.Int64N(int64(200 * time.Millisecond)))
		r.at = after.Round(time.Millisecond).String() + " after OK"
		time.AfterFunc(after, func() { defer close(gone); b.p.Kill() })
	} else {
		n := b.dice.IntN(b.recipients) + 1
		r.at = fmt.Sprintf("at mail %d", n)
		taken := b.post.reaches(n)
		go func() { defer close(gone); <-taken; b.p.Kill() }()
	}
	begin := time.Now()
	// Whether the answer still came is told by the statement itself.
	approval := b.approve(id)
	<-gone
	got, err := b.post.got(subject(i))
	if err != nil {
		return r, err
	}
	r.out = len(got)
	if err := b.start(); err != nil {
		return r, err
	}
	s, err := b.call(b.publisher, "GET", "/api/v1/statements/"+id, "", http.StatusOK)
	if err != nil {
		return r, err
	}
	if s["state"] == "submitted" {
		if approval == nil {
			return r, errors.New("approved and told so, then forgotten")
		}
		if err := b.approve(id); err != nil {
			return r, err
		}
	}
	if err := b.ends(id); err != nil {
		return r, err
	}
	r.took = time.Since(begin)
	r.lost, r.twice, err = b.count(i)
	return r, err
}

func subject(i int) string { return fmt.Sprintf("Dienst %02d", i) }

// count reads what the receiver took. A double with another Message-ID could not
// be recognised by anybody's mail program, which is an error.
func (b *bench) count(i int) (lost, twice int, err error) {
	all, err := b.post.got(subject(i))
	if err != nil {
		return 0, 0, err
	}
	ids := map[string]string{}
	for _, a := range all {
		switch before, again := ids[a.To]; {
		case !again:
			ids[a.To] = a.ID
		case before != a.ID || a.ID == "":
			return 0, 0, fmt.Errorf("the double for %s has another Message-ID: %q and %q", a.To, before, a.ID)
		default:
			twice++
		}
	}
	for n := range b.recipients {
		if ids[fmt.Sprintf("b%d-%05d@wohnort.example", i%lists, n)] == "" {
			lost++
		}
	}
	return lost, twice, nil
}

func (b *bench) call(token, method, path, body string, want int) (out map[string]any, err error) {
	req, err := http.NewRequest(method, b.p.Staff+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != want {
		return nil, fmt.Errorf("%s %s: %d\n%s", method, path, res.StatusCode, raw)
	}
	return out, json.Unmarshal(raw, &out)
}

// client opens a connection per request, for the program dies in between.
var client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}

// accepted is one line of the receiver's file.
type accepted struct {
	To, Subject, ID string
	At              time.Time // when its last byte had come
}

// post is a mail server that keeps what it accepts.
type post struct {
	l    net.Listener
	srv  *smtp.Server
	done chan struct{}
	path string

	mu    sync.Mutex
	f     *os.File
	want  int // so many more, and reach is closed
	reach chan struct{}
}

func newPost(path string) (*post, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	x := &post{l: l, done: make(chan struct{}), path: path, f: f}
	x.srv = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{x: x}, nil }))
	x.srv.Domain, x.srv.ErrorLog = "mail.example", silence{}
	go func() {
		defer close(x.done)
		_ = x.srv.Serve(l) // ends with close
	}()
	return x, nil
}

func (x *post) port() string { _, p, _ := net.SplitHostPort(x.l.Addr().String()); return p }

func (x *post) close() error {
	_ = x.l.Close() // the server may have closed it
	_ = x.srv.Close()
	<-x.done
	return x.f.Close()
}

// keep writes a message down; when it returns, the disk has it.
func (x *post) keep(lines []byte) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, err := x.f.Write(lines); err != nil {
		return err
	}
	if x.want--; x.want == 0 {
		close(x.reach)
	}
	return x.f.Sync()
}

// reaches tells when n more messages were written down, before the last of them
// is answered.
func (x *post) reaches(n int) <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.want, x.reach = n, make(chan struct{})
	return x.reach
}

// got reads the file: what was taken whose subject names the service.
func (x *post) got(subject string) ([]accepted, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	raw, err := os.ReadFile(x.path)
	if err != nil {
		return nil, err
	}
	var out []accepted
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		var a accepted
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return nil, err
		}
		if strings.Contains(a.Subject, subject) {
			out = append(out, a)
		}
	}
	return out, lines.Err()
}

type session struct {
	x  *post
	to []string
}

func (s *session) Mail(string, *smtp.MailOptions) error      { s.to = nil; return nil }
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = append(s.to, to); return nil }
func (s *session) Reset()                                    { s.to = nil }
func (s *session) Logout() error                             { return nil }

func (s *session) Data(r io.Reader) error {
	msg, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, msg.Body); err != nil {
		return err
	}
	var lines []byte
	for _, to := range slices.Compact(s.to) {
		line, err := json.Marshal(accepted{To: to, Subject: plain(msg.Header.Get("Subject")), ID: msg.Header.Get("Message-ID"), At: time.Now()})
		if err != nil {
			return err
		}
		lines = append(append(lines, line...), '\n')
	}
	return s.x.keep(lines)
}

// plain undoes the encoding of a subject as far as counting needs it.
func plain(subject string) string {
	s, err := (&mime.WordDecoder{}).DecodeHeader(subject)
	if err != nil {
		return subject
	}
	return s
}

type silence struct{}

func (silence) Printf(string, ...any) {}
func (silence) Println(...any)        {}
