package mail

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"tuermer/internal/town/channel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNewNamesWhatIsWrong(t *testing.T) {
	n := newNetwork(0)
	for _, c := range []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.Name = "" }, "name"},
		{func(o *Options) { o.From = "kein Absender" }, "from"},
		{func(o *Options) { o.From = "a@b\r\nBcc: c@d" }, "from"},
		{func(o *Options) { o.Host = "" }, "host"},
		{func(o *Options) { o.Host = "a b" }, "host"},
		{func(o *Options) { o.Port = 70000 }, "port"},
		{func(o *Options) { o.TLS = "ssl" }, "none, starttls, tls"},
		{func(o *Options) { o.HelloName = "a\r\nQUIT" }, "hello name"},
		{func(o *Options) { o.IDDomain = "a>b" }, "message id domain"},
		{func(o *Options) { o.Username = "u" }, "password"},
		{func(o *Options) { o.Now = nil }, "clock"},
		{func(o *Options) { o.MaxConns = -1 }, "max connections"},
		{func(o *Options) { o.Timeouts.Step = -1 }, "timeout"},
		{func(o *Options) {
			o.TLS, o.Username, o.Password = TLSNone, "u", func() ([]byte, error) { return nil, nil }
		}, "in clear"},
	} {
		_, err := New(options(n, c.change))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want something about %q", err, c.want)
		}
	}
	a := adapter(t, n, func(o *Options) { o.Port, o.TLS = 0, TLSImplicit })
	if a.o.Port != 465 || a.Realm() != channel.Live || a.Kind() != channel.Mail || a.Route() != "primary" {
		t.Errorf("defaults: %+v", a.o)
	}
}

// TestReplies walks through every refusal that the package comment lists, with
// and without pipelining.
func TestReplies(t *testing.T) {
	for _, c := range []struct{ verb, answer, reason, flags string }{
		{"GREETING", "554 no", "connect", "R"},
		{"GREETING", "421 later", "throttled", "R"},
		{"GREETING", "HTTP/1.1 400 Bad Request", "protocol", "R"},
		{"GREETING", "close", "connect", "R"},
		{"EHLO", "421 later", "throttled", "R"},
		{"EHLO", "450 no", "connect", "R"},
		{"MAIL", "550 5.1.8 who are you", "rejected", "P"},
		{"MAIL", "451 4.3.0 later", "throttled", ""},
		{"MAIL", "452 4.3.1 disk", "throttled", ""},
		{"MAIL", "421 4.3.0 later", "throttled", "R"},
		{"MAIL", "530 5.7.0 authentication required", "auth", "R"},
		{"MAIL", "552 5.3.4 too large", "too_large", "P"},
		{"MAIL", "close", "connect", "R"},
		{"RCPT", "550 5.1.1 unknown", "mailbox", "P"},
		{"RCPT", "554 5.7.1 relay access denied", "rejected", "P"},
		{"RCPT", "450 4.2.0 greylisted", "mailbox", ""},
		{"RCPT", "452 4.2.2 full", "mailbox", ""},
		{"RCPT", "552 5.2.2 full", "mailbox", "P"},
		{"RCPT", "421 4.7.0 later", "throttled", "R"},
		{"RCPT", "close", "connect", "R"},
		{"DATA", "554 5.5.1 no", "rejected", "P"},
		{"DATA", "451 4.3.0 later", "rejected", ""},
		{"DATA", "250 ok?", "protocol", ""},
		{"DATA", "close", "connect", "R"},
		{".", "554 5.6.0 spam", "rejected", "P"},
		{".", "552 5.3.4 too large", "too_large", "P"},
		{".", "451 4.3.0 later", "rejected", ""},
		{".", "421 4.3.0 later", "throttled", "R"},
		{".", "close", "connect", "RU"},
		{".", "250-a\r\n251 b", "protocol", "RU"},
	} {
		for _, ehlo := range [][]string{nil, {"PIPELINING"}} {
			t.Run(fmt.Sprint(c.verb, " ", c.answer, ehlo), func(t *testing.T) {
				n := newNetwork(0)
				s := &script{ehlo: ehlo, answers: map[string][]string{c.verb: {c.answer}}}
				n.serve(t, s.handle)
				_, err := adapter(t, n).Send(t.Context(), message(1))
				want(t, err, c.reason, c.flags)
				// The other way in says the same.
				out := adapter(t, n).SendBatch(t.Context(), messages(1))
				want(t, out[0].Err, c.reason, c.flags)
			})
		}
	}
}

func TestSendSaysWhatTheServerSaid(t *testing.T) {
	n := newNetwork(0)
	s := &script{ehlo: []string{"PIPELINING", "8BITMIME", "SIZE 100000"}}
	n.serve(t, s.handle)
	a := adapter(t, n)
	r, err := a.Send(t.Context(), message(1))
	if err != nil || r.Reference != "Q1" || r.Route != "primary" {
		t.Fatalf("%+v %v", r, err)
	}
	if !strings.Contains(s.mails[0], "\r\n..punkt\r\n") {
		t.Errorf("dot not doubled: %q", s.mails[0])
	}
	if s.said("QUIT") != 1 || n.dialed[0] != "mail.example:25" {
		t.Errorf("%q %q", s.lines, n.dialed)
	}
	m := message(2)
	m.Text = strings.Repeat("x\n", 60_000)
	_, err = a.Send(t.Context(), m)
	want(t, err, "too_large", "P")
	if s.said("MAIL") != 1 {
		t.Error("a mail larger than SIZE was announced")
	}
}

func TestHELOForOldServers(t *testing.T) {
	n := newNetwork(0)
	s := &script{answers: map[string][]string{"EHLO": {"502 what"}}}
	n.serve(t, s.handle)
	if _, err := adapter(t, n).Send(t.Context(), message(1)); err != nil {
		t.Fatal(err)
	}
	if s.said("HELO tuermer.example") != 1 || s.said("MAIL FROM:<lage@tuermer.example>") != 1 {
		t.Errorf("%q", s.lines)
	}
}

// TestNothingIsOpenedForTheWrongMessage holds I4: not even a connection.
func TestNothingIsOpenedForTheWrongMessage(t *testing.T) {
	n := newNetwork(0)
	a := adapter(t, n)
	change := []func(*channel.Message){
		func(m *channel.Message) { m.Realm = channel.Exercise },
		func(m *channel.Message) { m.Realm = "" },
		func(m *channel.Message) { m.Kind = channel.Webhook },
		func(m *channel.Message) { m.ID = "" },
	}
	var ms []channel.Message
	for _, f := range change {
		m := message(1)
		f(&m)
		ms = append(ms, m)
		_, err := a.Send(t.Context(), m)
		want(t, err, "config", "P")
	}
	for _, o := range a.SendBatch(t.Context(), ms) {
		want(t, o.Err, "config", "P")
	}
	for _, to := range []string{"keine", "a@", "@b", "a b@c.de", "a@b..c", "a@b\r\nRCPT TO:<x@y>", "ä@b.de", "<a@b.de>", strings.Repeat("a", 65) + "@b.de"} {
		m := message(1)
		m.To = to
		_, err := a.Send(t.Context(), m)
		want(t, err, "mailbox", "P")
	}
	if n.dials() != 0 {
		t.Errorf("%d connections", n.dials())
	}
}

func TestTimeLimits(t *testing.T) {
	for _, c := range []struct {
		verb, answer, flags string
		limit               time.Duration
	}{
		{"GREETING", "", "R", 8 * time.Second},
		{"GREETING", "drip", "R", 8 * time.Second},
		{"EHLO", "", "R", 8 * time.Second},
		{"MAIL", "drip", "R", 8 * time.Second},
		{"RCPT", "", "R", 8 * time.Second},
		{"DATA", "", "R", 8 * time.Second},
		{".", "", "RU", 18 * time.Second}, // Send as a whole
		{".", "drip", "RU", 18 * time.Second},
		{"STARTTLS", "", "R", 8 * time.Second},
		{"STARTTLS", "220 go\r\n", "R", 8 * time.Second}, // then silence instead of a handshake
	} {
		t.Run(c.verb+" "+c.answer, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(0)
				s := &script{ehlo: []string{"PIPELINING"}, answers: map[string][]string{c.verb: {c.answer}}}
				if c.verb == "STARTTLS" {
					s.ehlo = append(s.ehlo, "STARTTLS")
				}
				n.serve(t, s.handle)
				start := time.Now()
				_, err := adapter(t, n).Send(t.Context(), message(1))
				reason := "timeout"
				if strings.HasPrefix(c.answer, "220") {
					// the script answers the ClientHello with words, or the
					// injection guard sees the empty line first
					reason = "tls"
				} else if d := time.Since(start); d != c.limit {
					t.Errorf("took %v, want %v", d, c.limit)
				}
				want(t, err, reason, c.flags)
			})
		})
	}
}

func TestBatchTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(0)
		s := &script{ehlo: []string{"PIPELINING"}, answers: map[string][]string{".": {"ok", "ok", ""}}}
		n.serve(t, s.handle)
		start := time.Now()
		out := adapter(t, n, func(o *Options) { o.MaxConns = 1 }).SendBatch(t.Context(), messages(6))
		if out[0].Err != nil || out[1].Err != nil {
			t.Fatal(out)
		}
		// The third hangs after its dot, and so does the first of the second
		// connection, which then has brought nothing forward.
		want(t, out[2].Err, "timeout", "RU")
		for _, o := range out[3:] {
			f := channel.AsFailure(o.Err)
			if f.Permanent || !f.RouteDown || f.Reason != "timeout" {
				t.Error(f)
			}
		}
		if d := time.Since(start); d != 2*time.Minute {
			t.Errorf("took %v", d)
		}
	})
}

func TestDialTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(0) // nobody accepts
		start := time.Now()
		_, err := adapter(t, n).Send(t.Context(), message(1))
		want(t, err, "timeout", "R")
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

func TestDialFailure(t *testing.T) {
	n := newNetwork(0)
	n.Close()
	a := adapter(t, n)
	_, err := a.Send(t.Context(), message(1))
	want(t, err, "connect", "R")
	want(t, a.Check(t.Context()), "connect", "R")
	out := a.SendBatch(t.Context(), messages(40))
	if len(out) != 40 {
		t.Fatal(len(out))
	}
	for _, o := range out {
		want(t, o.Err, "connect", "R")
	}
}

// TestCancel ends a call in the middle of every step, at once.
func TestCancel(t *testing.T) {
	for verb, flags := range map[string]string{"GREETING": "", "EHLO": "", "MAIL": "", "DATA": "", ".": "U"} {
		t.Run(verb, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(0)
				s := &script{ehlo: []string{"PIPELINING"}, answers: map[string][]string{verb: {""}}}
				n.serve(t, s.handle)
				a := adapter(t, n)
				start := time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				_, err := a.Send(ctx, message(1))
				want(t, err, "canceled", flags)
				for _, o := range a.SendBatch(ctx, messages(3)) {
					want(t, o.Err, "canceled", "")
				}
				// A deadline that the server did not keep is the route's fault.
				ctx, cancel = context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err = a.Send(ctx, message(1))
				want(t, err, "timeout", "R"+flags)
				<-ctx.Done() // the connection's deadline and this one share their instant
				_, err = a.Send(ctx, message(1))
				want(t, err, "canceled", "")
				if d := time.Since(start); d != 2*time.Second {
					t.Errorf("took %v", d)
				}
			})
		})
	}
}

func TestGarbageReplies(t *testing.T) {
	for _, g := range []string{
		strings.Repeat("220-more\r\n", 1000) + "220 end", // endless
		"220 " + strings.Repeat("x", 5000),               // a line without an end
		"220-a\r\n250 b", "220_a", "999 a", "22", "\x00\x01\x02\x03",
	} {
		n := newNetwork(0)
		n.serve(t, (&script{greeting: g}).handle)
		_, err := adapter(t, n).Send(t.Context(), message(1))
		want(t, err, "protocol", "R")
	}
}

func TestFailureTextHoldsOneLine(t *testing.T) {
	n := newNetwork(0)
	n.serve(t, (&script{answers: map[string][]string{"RCPT": {"550-5.1.1 no\x1b[2J\r\n550 5.1.1 \xff user"}}}).handle)
	_, err := adapter(t, n).Send(t.Context(), message(1))
	want(t, err, "mailbox", "P")
	if s := err.Error(); strings.ContainsAny(s, "\r\n\x1b") || !utf8.ValidString(s) {
		t.Errorf("%q", s)
	}
}

func TestNetConnIsClosedByEveryEnd(t *testing.T) {
	n := newNetwork(0)
	s := &script{ehlo: []string{"PIPELINING"}}
	n.serve(t, s.handle)
	a := adapter(t, n)
	a.Send(t.Context(), message(1))
	a.SendBatch(t.Context(), messages(100))
	if err := a.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.open != 0 || n.most > 8 {
		t.Errorf("%d open, at most %d", n.open, n.most)
	}
}

var _ net.Listener = (*network)(nil)
