package monitor

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// manner is how a target behaves instead of answering.
type manner struct {
	say   []byte
	piece int           // bytes that come at once
	pause time.Duration // before each piece
	ends  bool          // it closes its half when all is said, else it hangs
	deaf  bool          // it takes nothing of what we say
}

// hangman is a connection to such a target, in virtual time.
type hangman struct {
	manner
	packets bool
	once    sync.Once
	dead    chan struct{} // our patience, or the connection, has ended
}

func (m manner) conn(packets bool) *hangman {
	return &hangman{manner: m, packets: packets, dead: make(chan struct{})}
}

func (h *hangman) Read(b []byte) (int, error) {
	select {
	case <-h.dead:
		return 0, os.ErrDeadlineExceeded
	default:
	}
	if len(h.say) > 0 {
		if h.pause > 0 {
			timer := time.NewTimer(h.pause)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-h.dead:
				return 0, os.ErrDeadlineExceeded
			}
		}
		piece := len(h.say)
		if h.piece > 0 {
			piece = min(piece, h.piece)
		}
		n := copy(b, h.say[:piece])
		if h.packets {
			n = min(n, piece) // what does not fit is lost
			h.say = h.say[piece:]
		} else {
			h.say = h.say[n:]
		}
		return n, nil
	}
	if h.ends {
		return 0, io.EOF
	}
	<-h.dead
	return 0, os.ErrDeadlineExceeded
}

func (h *hangman) Write(b []byte) (int, error) {
	select {
	case <-h.dead:
		return 0, os.ErrDeadlineExceeded
	default:
	}
	if h.deaf {
		<-h.dead
		return 0, os.ErrDeadlineExceeded
	}
	return len(b), nil
}

func (h *hangman) kill()                { h.once.Do(func() { close(h.dead) }) }
func (h *hangman) Close() error         { h.kill(); return nil }
func (h *hangman) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 1} }
func (h *hangman) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }
func (h *hangman) SetDeadline(t time.Time) error {
	if !t.IsZero() && !t.After(time.Now()) {
		h.kill()
	}
	return nil
}
func (h *hangman) SetReadDeadline(t time.Time) error  { return h.SetDeadline(t) }
func (h *hangman) SetWriteDeadline(t time.Time) error { return h.SetDeadline(t) }

// For ICMP the same target is a socket.
func (h *hangman) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := h.Read(b)
	return n, &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1)}, err
}
func (h *hangman) WriteTo(b []byte, _ net.Addr) (int, error) { return h.Write(b) }

// TestHangingTargets: whatever the kind and however the target hangs, there is a
// verdict within the timeout, to the millisecond; it names its reason, says at
// which step where that is known, and leaves no goroutine behind (the bubble
// would not end).
func TestHangingTargets(t *testing.T) {
	const timeout = 5 * time.Second
	flood := bytes.Repeat([]byte("x"), 10<<20)
	manners := []struct {
		name string
		of   func(answer []byte) manner
		// hangs: nothing but our patience can end it. udp: packets can do it too.
		hangs, udp bool
	}{
		{"accepts and says nothing", func([]byte) manner { return manner{} }, true, true},
		{"takes nothing in", func([]byte) manner { return manner{deaf: true} }, true, true},
		{"half an answer", func(a []byte) manner { return manner{say: a[:len(a)/2]} }, false, true},
		{"half an answer and the end", func(a []byte) manner { return manner{say: a[:len(a)/2], ends: true} }, false, false},
		{"closes its half at once", func([]byte) manner { return manner{ends: true} }, false, false},
		{"a byte a second", func(a []byte) manner { return manner{say: a, piece: 1, pause: time.Second} }, false, true},
		{"10 MB", func(a []byte) manner { return manner{say: slices.Concat(a, flood), piece: 1400} }, false, true},
		{"10 MB of nothing it should say", func([]byte) manner { return manner{say: flood, piece: 64 << 10, ends: true} }, false, true},
		{"10 MB of lines", func([]byte) manner { return manner{say: bytes.Repeat([]byte("250-x\r\n"), 10<<20/7), piece: 1400} }, false, true},
	}
	known := Reasons()
	check := func(t *testing.T, name string, hangs bool, r Result) {
		t.Helper()
		switch {
		case r.Took > timeout:
			t.Errorf("%s: a verdict after %v", name, r.Took)
		case !slices.Contains(known, r.Reason) || r.Reason == ReasonCanceled || r.Reason == ReasonInvalid:
			t.Errorf("%s: no reason of a target: %q %s", name, r.Reason, r.Detail)
		case hangs && (r.Reason != ReasonTimeout || r.Took != timeout):
			t.Errorf("%s: %s after %v", name, r.Reason, r.Took)
		case r.Reason == ReasonTimeout && (r.Took != timeout || !strings.Contains(r.Detail, ": ")):
			t.Errorf("%s: given up after %v, %q does not say where", name, r.Took, r.Detail)
		}
	}
	specs, answers := talks(), sayings()
	kinds := map[Kind]bool{Heartbeat: true, ICMP: true}
	for i := range specs {
		s := specs[i]
		s.Timeout = Duration(timeout)
		s.Expect.Regex = strings.Replace(s.Expect.Regex, "^a", "^aaaa$", 1) // or the first byte would do
		s = good(t, s)
		kinds[s.Kind] = true
		for _, m := range manners {
			name := fmt.Sprintf("%d %s %s: %s", i, s.Kind, s.TLS.Mode, m.name)
			synctest.Test(t, func(t *testing.T) {
				p := NewProbers(Options{
					Now: time.Now, Resolver: names{"a.example": {netip.MustParseAddr("192.0.2.1")}},
					DialContext: func(_ context.Context, network, _ string) (net.Conn, error) {
						h := m.of([]byte(answers[i])).conn(network == "udp")
						if network == "udp" && h.ends {
							h.ends = false // there is no such thing
						}
						return h, nil
					},
				})
				check(t, name, m.hangs, p[s.Kind].Probe(t.Context(), s))
			})
		}
	}
	for _, m := range manners {
		if !m.udp {
			continue
		}
		for _, addr := range []string{"192.0.2.1", "2001:db8::1"} {
			synctest.Test(t, func(t *testing.T) {
				to := netip.MustParseAddr(addr)
				request, err := echo(to, make([]byte, 24))
				if err != nil {
					t.Fatal(err)
				}
				h := m.of(request).conn(true)
				h.ends = false
				w := newWire(Options{Now: time.Now})
				r := w.run(t.Context(), Spec{Kind: ICMP, Timeout: Duration(timeout)}, func(ctx context.Context, _ *Result) error {
					defer h.Close()
					return askEcho(ctx, h, &net.UDPAddr{}, to)
				})
				check(t, "icmp "+addr+": "+m.name, true, r) // never was it our own request
			})
		}
	}
	for _, k := range Kinds() {
		if !kinds[k] {
			t.Errorf("nobody lets %s hang", k)
		}
	}
}

// TestHangsBehindTLS: the same behind a handshake that goes well, and in the
// middle of one.
func TestHangsBehindTLS(t *testing.T) {
	const timeout = 5 * time.Second
	cert, pool := testCert(t)
	tried := 0
	for _, s := range talks() {
		switch {
		case strings.HasPrefix(s.URL, "https:") && s.Proxy == "", s.TLS.Mode == "none", s.TLS.Mode == "tcp" && s.Kind == SIP:
		default:
			continue
		}
		if s.URL == "" {
			s.TLS.Mode = "tls"
		}
		s.TLS.Insecure = true
		s.Timeout = Duration(timeout)
		s = good(t, s)
		for name, talk := range map[string]func(*tls.Conn, net.Conn){
			"silent": func(c *tls.Conn, _ net.Conn) {
				if c.Handshake() == nil {
					_, _ = io.Copy(io.Discard, c)
				}
			},
			"a byte a second": func(c *tls.Conn, _ net.Conn) {
				if c.Handshake() != nil {
					return
				}
				var reads sync.WaitGroup
				reads.Go(func() { _, _ = io.Copy(io.Discard, c) })
				defer reads.Wait()
				for {
					time.Sleep(time.Second)
					if _, err := c.Write([]byte("2")); err != nil {
						return
					}
				}
			},
			"in the handshake": func(_ *tls.Conn, raw net.Conn) {
				_, _ = io.ReadFull(raw, make([]byte, 100))
				_, _ = raw.Write([]byte{22, 3, 3, 0, 100, 2, 0})
				_, _ = io.Copy(io.Discard, raw)
			},
		} {
			tried++
			synctest.Test(t, func(t *testing.T) {
				var served sync.WaitGroup
				defer served.Wait() // it ends when we hang up
				p := NewProbers(Options{
					Now: time.Now, RootCAs: pool, Resolver: names{"a.example": {netip.MustParseAddr("192.0.2.1")}},
					DialContext: func(context.Context, string, string) (net.Conn, error) {
						ours, theirs := net.Pipe()
						served.Go(func() {
							defer theirs.Close()
							talk(tls.Server(theirs, cert), theirs)
						})
						return ours, nil
					},
				})
				r := p[s.Kind].Probe(t.Context(), s)
				// One byte may be enough to know that it is not the protocol.
				early := name == "a byte a second" && r.Reason == ReasonProtocol && r.Took < timeout
				if !early && (r.Reason != ReasonTimeout || r.Took != timeout) {
					t.Errorf("%s %s, %s: %s %q after %v", s.Kind, s.Target(), name, r.Reason, r.Detail, r.Took)
				}
			})
		}
	}
	if tried < 15 {
		t.Errorf("only %d tried", tried)
	}
}
