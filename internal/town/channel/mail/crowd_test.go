package mail_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"tuermer/internal/platform/clock"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/mail"
)

// crowded is a mail server that takes three connections at once, as Microsoft 365
// does, and tells the fourth to come back.
type crowded struct {
	net.Listener
	mu   sync.Mutex
	open int
	got  map[string]int // mails by recipient
}

const crowd = 3

func (c *crowded) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		full := c.open >= crowd
		if !full {
			c.open++
		}
		c.mu.Unlock()
		if !full {
			return &crowdConn{Conn: conn, c: c}, nil
		}
		_, _ = io.WriteString(conn, "421 4.3.2 Concurrent connections limit exceeded\r\n")
		_ = conn.Close()
	}
}

type crowdConn struct {
	net.Conn
	c    *crowded
	once sync.Once
}

func (c *crowdConn) Close() error {
	c.once.Do(func() { c.c.mu.Lock(); c.c.open--; c.c.mu.Unlock() })
	return c.Conn.Close()
}

type crowdTalk struct {
	c  *crowded
	to string
}

func (s *crowdTalk) Mail(string, *smtp.MailOptions) error      { return nil }
func (s *crowdTalk) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = to; return nil }
func (s *crowdTalk) Reset()                                    {}
func (s *crowdTalk) Logout() error                             { return nil }
func (s *crowdTalk) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	time.Sleep(2 * time.Millisecond) // it writes the mail down
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.c.got[s.to]++
	return nil
}

// While a batch holds every connection that the server allows, alarms come in
// between, each once; and of the batch nothing is lost or sent twice.
func TestAlarmsComeInBesideABatch(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &crowded{Listener: l, got: map[string]int{}}
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &crowdTalk{c: c}, nil }))
	srv.Domain = "crowded.example"
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(c) })
	t.Cleanup(func() { _ = srv.Close(); serving.Wait() })
	a, err := mail.New(mail.Options{
		Name: "three", Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, From: "lage@tuermer.example",
		TLS: mail.TLSNone, MaxConns: crowd, Now: clock.System{}.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	const many = 3000
	var ms []channel.Message
	for i := range many {
		ms = append(ms, channel.Message{
			ID: fmt.Sprint("bulk-", i), Kind: channel.Mail, Class: channel.Bulk, Realm: channel.Live,
			To: fmt.Sprintf("b%d@x.example", i), Subject: "s", Text: "t",
		})
	}
	var out []channel.Outcome
	ended := make(chan struct{})
	go func() { defer close(ended); out = a.SendBatch(t.Context(), ms) }()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		c.mu.Lock()
		full := c.open == crowd && len(c.got) > 0
		c.mu.Unlock()
		if full {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the batch does not fill the server")
		}
	}
	for i := range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		_, err := a.Send(ctx, channel.Message{
			ID: fmt.Sprint("alarm-", i), Kind: channel.Mail, Class: channel.Alarm, Realm: channel.Live,
			To: fmt.Sprintf("a%d@x.example", i), Subject: "ALARM", Text: "t",
		})
		cancel()
		if err != nil {
			t.Fatalf("alarm %d: %v", i, err)
		}
	}
	select {
	case <-ended:
		t.Error("the batch had ended before the alarms came")
	default:
	}
	<-ended
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, o := range out {
		// Its place may be taken when a connection comes back; then the ledger asks
		// again. What the server took, it took once.
		want := 1
		if o.Err != nil {
			want = 0
			if channel.AsFailure(o.Err).Permanent {
				t.Fatalf("message %d: %v", i, o.Err)
			}
		}
		if n := c.got[ms[i].To]; n != want {
			t.Fatalf("message %d came %d times: %v", i, n, o.Err)
		}
	}
	for i := range 3 {
		if n := c.got[fmt.Sprintf("a%d@x.example", i)]; n != 1 {
			t.Errorf("alarm %d came %d times", i, n)
		}
	}
}
