package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"tuermer/bench/rig"
)

// storm lets PRTG report n sensors in ten seconds (R4.14), and times each report from
// its acceptance until the mail arrives that tells a responsible person of it: the
// alarm for the first, the letter that counts it for the others.
func storm(ctx context.Context, bin, dir string, n int) error {
	post := &sink{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &sinkTalk{sink: post}, nil }))
	srv.Domain = "bench"
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	defer func() { _ = srv.Close(); <-done }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	home := filepath.Join(dir, "storm")
	p, err := rig.Serve(bin, home, rig.Town+fmt.Sprintf("smtp:\n  - {name: post, host: 127.0.0.1, port: %s, from: lage@benchstadt.example, tls: none}\n", port))
	if err != nil {
		return err
	}
	defer p.Stop()
	out, err := exec.CommandContext(ctx, bin, "source", "add", "--format", "prtg", "--name", "PRTG", "--data", p.Data, "--config", filepath.Join(home, "tuermer.yaml")).Output()
	if err != nil {
		return fmt.Errorf("source add: %w", err)
	}
	_, path, ok := strings.Cut(strings.TrimSpace(string(out)), "/in/")
	if !ok {
		return errors.New("source add told no address")
	}
	b := newBench(p.Staff+"/in/"+path, 16)
	defer b.client.CloseIdleConnections()
	var mu sync.Mutex
	var taken []time.Time
	var first error
	var wg sync.WaitGroup
	every := time.NewTicker(10 * time.Second / time.Duration(n))
	defer every.Stop()
	for i := range n {
		<-every.C
		wg.Go(func() {
			status, err := b.post(fmt.Sprintf("id=%d&device=SRV%d&sensor=Ping&group=Rathaus&status=Down&lastmessage=Timeout", i, i%100))
			mu.Lock()
			defer mu.Unlock()
			if err == nil && status != 200 {
				err = fmt.Errorf("answer %d", status)
			}
			taken, first = append(taken, time.Now()), errors.Join(first, err)
		})
	}
	wg.Wait()
	if first != nil {
		return first
	}
	for end := time.Now().Add(3 * time.Minute); post.counted() < n; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("after three minutes %d of %d are told", post.counted(), n)
		}
	}
	slices.SortFunc(taken, time.Time.Compare)
	var took []time.Duration
	for i, at := range taken {
		took = append(took, post.when(i+1).Sub(at))
	}
	fmt.Printf("\nR4.14, a storm of %d in ten seconds\n  first alarm %v after its report; report to notice p50 %v, p95 %v; %d mails to the one who is responsible\n",
		n, took[0].Round(time.Millisecond), rig.Quantile(took, 0.5).Round(10*time.Millisecond), rig.Quantile(took, 0.95).Round(10*time.Millisecond), post.mails())
	return nil
}

// sink takes mails and notes when how many things were told to Ada.
type sink struct {
	mu   sync.Mutex
	told []notice
}

type notice struct {
	at  time.Time
	all int // how many things it tells of, those before among them
}

// allDown is the line of a letter that counts.
var allDown = regexp.MustCompile(`Zurzeit gestört: (\d+)`)

func (s *sink) take(to string, raw string) {
	if !strings.HasPrefix(to, "ada@benchstadt") {
		return
	}
	m, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		return
	}
	body := m.Body
	if strings.EqualFold(m.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	text, _ := io.ReadAll(body)
	subject, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	n := notice{time.Now(), 1}
	if found := allDown.FindStringSubmatch(subject + "\n" + string(text)); found != nil {
		n.all, _ = strconv.Atoi(found[1])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, n)
}

func (s *sink) counted() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.told {
		n = max(n, x.all)
	}
	return n
}

func (s *sink) mails() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.told)
}

// when is the first mail that tells of the first k things.
func (s *sink) when(k int) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.told {
		if x.all >= k {
			return x.at
		}
	}
	return time.Time{}
}

type sinkTalk struct {
	sink *sink
	to   []string
}

func (t *sinkTalk) Mail(string, *smtp.MailOptions) error      { t.to = nil; return nil }
func (t *sinkTalk) Rcpt(to string, _ *smtp.RcptOptions) error { t.to = append(t.to, to); return nil }
func (t *sinkTalk) Reset()                                    {}
func (t *sinkTalk) Logout() error                             { return nil }

func (t *sinkTalk) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	for _, to := range t.to {
		t.sink.take(to, string(raw))
	}
	return err
}
