package mail

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"tuermer/internal/town/channel"
)

// This file is the in-memory network of the tests: buffered connections with a
// latency, which also work in a synctest bubble.

type chunk struct {
	data []byte
	due  <-chan time.Time // nil: at once
}

// half is one direction of a connection.
type half struct {
	mu     sync.Mutex
	cond   *sync.Cond
	queue  []chunk
	closed bool
}

func newHalf() *half {
	h := &half{}
	h.cond = sync.NewCond(&h.mu)
	return h
}

func (h *half) write(p []byte, latency time.Duration) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return 0, net.ErrClosed
	}
	c := chunk{data: append([]byte(nil), p...)}
	if latency > 0 {
		c.due = time.NewTimer(latency).C
	}
	h.queue = append(h.queue, c)
	h.cond.Broadcast()
	return len(p), nil
}

func (h *half) read(p []byte, abort <-chan struct{}) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.queue) == 0 {
		if h.closed {
			return 0, io.EOF
		}
		h.cond.Wait()
	}
	if due := h.queue[0].due; due != nil {
		h.mu.Unlock()
		select {
		case <-due:
		case <-abort:
			h.mu.Lock()
			return 0, net.ErrClosed
		}
		h.mu.Lock()
		h.queue[0].due = nil
	}
	n := copy(p, h.queue[0].data)
	if h.queue[0].data = h.queue[0].data[n:]; len(h.queue[0].data) == 0 {
		h.queue = h.queue[1:]
	}
	return n, nil
}

func (h *half) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.cond.Broadcast()
}

type memConn struct {
	in, out *half
	latency time.Duration
	once    sync.Once
	gone    chan struct{}
}

func pipe(latency time.Duration) (net.Conn, net.Conn) {
	a, b := newHalf(), newHalf()
	return &memConn{in: a, out: b, latency: latency, gone: make(chan struct{})},
		&memConn{in: b, out: a, latency: latency, gone: make(chan struct{})}
}

func (c *memConn) Read(p []byte) (int, error) {
	select {
	case <-c.gone:
		return 0, net.ErrClosed
	default:
	}
	return c.in.read(p, c.gone)
}
func (c *memConn) Write(p []byte) (int, error) { return c.out.write(p, c.latency) }
func (c *memConn) Close() error {
	c.once.Do(func() { close(c.gone); c.in.close(); c.out.close() })
	return nil
}

func (c *memConn) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (c *memConn) RemoteAddr() net.Addr             { return c.LocalAddr() }
func (c *memConn) SetDeadline(time.Time) error      { return nil }
func (c *memConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }

// network is a listener and its dialer.
type network struct {
	latency time.Duration
	accept  chan net.Conn
	closed  chan struct{}
	once    sync.Once
	mu      sync.Mutex
	dialed  []string
	open    int // connections that the client holds
	most    int
	conns   []net.Conn
}

func newNetwork(latency time.Duration) *network {
	return &network{latency: latency, accept: make(chan net.Conn), closed: make(chan struct{})}
}

type counted struct {
	net.Conn
	n    *network
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.n.mu.Lock(); c.n.open--; c.n.mu.Unlock() })
	return c.Conn.Close()
}

func (n *network) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	client, server := pipe(n.latency)
	select {
	case n.accept <- server:
	case <-n.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dialed = append(n.dialed, addr)
	n.conns = append(n.conns, server)
	n.open++
	n.most = max(n.most, n.open)
	return &counted{Conn: client, n: n}, nil
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.accept:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}
func (n *network) Close() error   { n.once.Do(func() { close(n.closed) }); return nil }
func (n *network) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 25} }

// dials is how often the client connected.
func (n *network) dials() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.dialed)
}

// serve runs handle on every connection until the test ends, and waits.
func (n *network) serve(t testing.TB, handle func(c net.Conn)) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := n.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer c.Close(); handle(c) })
		}
	})
	t.Cleanup(func() {
		n.Close()
		n.mu.Lock()
		for _, c := range n.conns {
			c.Close()
		}
		n.mu.Unlock()
		wg.Wait()
	})
}

// script is a server that answers each line by its verb; what it lacks gets the
// polite default. An answer "" hangs, "close" closes without a word.
type script struct {
	greeting string
	ehlo     []string // extensions
	answers  map[string][]string
	mu       sync.Mutex
	used     map[string]int
	lines    []string // what clients said
	mails    []string // bodies with their dots still doubled
}

func (s *script) answer(verb, def string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used == nil {
		s.used = map[string]int{}
	}
	list := s.answers[verb]
	if len(list) == 0 {
		return def
	}
	k := min(s.used[verb], len(list)-1)
	s.used[verb]++
	if list[k] == "ok" {
		return def
	}
	return list[k]
}

// handle speaks as scripted. It processes strictly in order, as a server with
// PIPELINING does.
func (s *script) handle(c net.Conn) {
	r := bufio.NewReader(c)
	say := func(line string) bool {
		switch line {
		case "":
			io.Copy(io.Discard, r) // hang until the client leaves
			return false
		case "close":
			return false
		case "drip":
			for range 100_000 {
				<-time.After(time.Second)
				if _, err := c.Write([]byte("2")); err != nil {
					return false
				}
			}
			return false
		}
		_, err := fmt.Fprintf(c, "%s\r\n", line)
		return err == nil && !strings.HasPrefix(line, "421")
	}
	greeting := s.greeting
	if greeting == "" {
		greeting = "220 test ESMTP"
	}
	if !say(s.answer("GREETING", greeting)) {
		return
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		s.mu.Lock()
		s.lines = append(s.lines, line)
		s.mu.Unlock()
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		def := "250 2.0.0 Ok"
		switch verb {
		case "EHLO":
			def = "250-test\r\n"
			for _, e := range s.ehlo {
				def += "250-" + e + "\r\n"
			}
			def += "250 ENHANCEDSTATUSCODES"
		case "DATA":
			def = "354 go ahead"
		case "QUIT":
			def = "221 bye"
		}
		said := s.answer(verb, def)
		if !say(said) || verb == "QUIT" {
			return
		}
		if verb != "DATA" || !strings.HasPrefix(said, "354") {
			continue
		}
		var body strings.Builder
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if line == ".\r\n" {
				break
			}
			body.WriteString(line)
		}
		s.mu.Lock()
		s.mails = append(s.mails, body.String())
		n := len(s.mails)
		s.mu.Unlock()
		if !say(s.answer(".", fmt.Sprintf("250 2.0.0 Ok: queued as Q%d", n))) {
			return
		}
	}
}

func (s *script) said(prefix string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, l := range s.lines {
		if strings.HasPrefix(l, prefix) {
			n++
		}
	}
	return n
}

var testNow = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

func options(n *network, change ...func(*Options)) Options {
	o := Options{
		Name: "primary", Host: "mail.example", Port: 25, From: "lage@tuermer.example", FromName: "Türmer Musterstadt",
		DialContext: n.DialContext, Now: func() time.Time { return testNow },
	}
	for _, f := range change {
		f(&o)
	}
	return o
}

func adapter(t testing.TB, n *network, change ...func(*Options)) *Adapter {
	t.Helper()
	a, err := New(options(n, change...))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func message(i int) channel.Message {
	return channel.Message{
		ID: fmt.Sprintf("m%d", i), Kind: channel.Mail, Class: channel.Alarm, Realm: channel.Live,
		To: fmt.Sprintf("ada%d@musterstadt.example", i), ToName: "Ada Beispiel",
		Subject: "Bürgerportal antwortet nicht", Text: "Seit 09:20 Uhr.\n.punkt\n", Date: testNow,
		Language: "de", Automatic: true,
	}
}

func messages(n int) []channel.Message {
	ms := make([]channel.Message, n)
	for i := range ms {
		ms[i] = message(i)
	}
	return ms
}

// want checks a failure by its flags: P permanent, R route down, U unconfirmed.
func want(t testing.TB, err error, reason, flags string) {
	t.Helper()
	var f *channel.Failure
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a failure %q", err, reason)
	}
	got := ""
	if f.Permanent {
		got += "P"
	}
	if f.RouteDown {
		got += "R"
	}
	if errors.Is(f, ErrUnconfirmed) {
		got += "U"
	}
	if f.Reason != reason || got != flags {
		t.Fatalf("got %q flags %q (%v), want %q flags %q", f.Reason, got, f, reason, flags)
	}
}
