package mail

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/town/channel"
)

// moody is a server whose mood is the local part of the recipient: "ok.7@…" is
// taken, "rcpt550.7@…" gets that reply at RCPT, "drop.7" loses the connection.
type moody struct {
	pipelining bool
	perConn    int  // mails a connection may bring before 421; 0: any number
	goAhead    bool // answers DATA with 354 even when it took no recipient

	mu    sync.Mutex
	taken map[string]int // by recipient, those whose mail arrived whole
	conns int
}

func (s *moody) handle(c net.Conn) {
	s.mu.Lock()
	s.conns++
	s.mu.Unlock()
	r := bufio.NewReader(c)
	// Replies to commands that came together leave together, as RFC 2920 wants.
	w := bufio.NewWriter(c)
	defer w.Flush()
	say := func(format string, args ...any) {
		fmt.Fprintf(w, format+"\r\n", args...)
		if r.Buffered() == 0 {
			w.Flush()
		}
	}
	say("220 moody")
	mails, mail, rcpt := 0, false, ""
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		switch verb, rest, _ := strings.Cut(line, " "); verb {
		case "EHLO":
			if s.pipelining {
				say("250-moody\r\n250 PIPELINING")
			} else {
				say("250 moody")
			}
		case "MAIL":
			if mail {
				say("503 5.5.1 nested MAIL")
				continue
			}
			if s.perConn > 0 && mails == s.perConn {
				say("421 4.7.0 enough for one connection")
				return
			}
			mail, rcpt = true, ""
			say("250 ok")
		case "RCPT":
			to := strings.Trim(strings.TrimPrefix(rest, "TO:"), "<>")
			mood, _, _ := strings.Cut(to, ".")
			switch {
			case !mail:
				say("503 5.5.1 MAIL first")
			case mood == "drop":
				return
			case strings.HasPrefix(mood, "rcpt"):
				say("%s no", mood[4:])
				if mood == "rcpt421" {
					return
				}
			default:
				rcpt = to
				say("250 ok")
			}
		case "DATA":
			mood, _, _ := strings.Cut(rcpt, ".")
			switch {
			case rcpt == "" && !s.goAhead || !mail:
				say("554 5.5.1 no valid recipients")
				continue
			case strings.HasPrefix(mood, "data"):
				say("%s no", mood[4:])
				continue
			}
			say("354 go")
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
			}
			to := rcpt
			mail, rcpt = false, ""
			mails++
			switch {
			case to == "":
				say("554 5.5.1 no valid recipients")
			case mood == "gone": // taken, and never said
				s.take(to)
				return
			case strings.HasPrefix(mood, "dot"):
				say("%s no", mood[3:])
				if mood == "dot421" {
					return
				}
			default:
				s.take(to)
				say("250 2.0.0 Ok: queued as %s", to)
			}
		case "NOOP":
			say("250 ok")
		case "RSET":
			mail, rcpt = false, ""
			say("250 ok")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("500 what")
		}
	}
}

func (s *moody) take(to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken == nil {
		s.taken = map[string]int{}
	}
	s.taken[to]++
}

func moods(list ...string) []channel.Message {
	ms := make([]channel.Message, len(list))
	for i, mood := range list {
		ms[i] = message(i)
		ms[i].To = fmt.Sprintf("%s.%d@musterstadt.example", mood, i)
	}
	return ms
}

func oneConn(o *Options) { o.MaxConns = 1 }

func TestBatchOutcomesAreExact(t *testing.T) {
	for _, pipelining := range []bool{false, true} {
		for _, goAhead := range []bool{false, true} {
			t.Run(fmt.Sprint(pipelining, goAhead), func(t *testing.T) {
				s := &moody{pipelining: pipelining, goAhead: goAhead}
				n := newNetwork(0)
				n.serve(t, s.handle)
				ms := moods("ok", "rcpt550", "ok", "rcpt450", "rcpt550", "ok", "data554", "dot451", "ok", "dot554", "data451", "ok")
				ms[2].To = "keine Adresse"
				out := adapter(t, n, oneConn).SendBatch(t.Context(), ms)
				for i, w := range []string{
					"", "mailbox P", "mailbox P", "mailbox ", "mailbox P", "", "rejected P", "rejected ", "", "rejected P", "rejected ", "",
				} {
					if w == "" {
						if out[i].Err != nil || out[i].Receipt.Reference != ms[i].To || out[i].Receipt.Route != "primary" {
							t.Errorf("%d: %+v", i, out[i])
						}
						continue
					}
					reason, flags, _ := strings.Cut(w, " ")
					want(t, out[i].Err, reason, flags)
				}
				if len(s.taken) != 4 || s.conns != 1 {
					t.Error(s.taken, s.conns)
				}
			})
		}
	}
}

func TestBatchGoesOnWhereAConnectionEnds(t *testing.T) {
	for _, pipelining := range []bool{false, true} {
		s := &moody{pipelining: pipelining, perConn: 7}
		n := newNetwork(0)
		n.serve(t, s.handle)
		ms := moods(slices.Repeat([]string{"ok"}, 50)...)
		ms[20].To, ms[30].To, ms[40].To = "gone.20@x.example", "dot421.30@x.example", "drop.40@x.example"
		out := adapter(t, n, oneConn).SendBatch(t.Context(), ms)
		for i, o := range out {
			switch i {
			case 20:
				want(t, o.Err, "connect", "RU")
			case 30:
				want(t, o.Err, "throttled", "R")
			case 40:
				want(t, o.Err, "connect", "R")
			default:
				if o.Err != nil || s.taken[ms[i].To] != 1 {
					t.Errorf("%d: %v, taken %d times", i, o.Err, s.taken[ms[i].To])
				}
			}
		}
	}
}

// TestBatchProperty lets a server do anything to anybody: every message has one
// fate, the fate is true, and nobody gets a mail twice.
func TestBatchProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := &moody{
			pipelining: rapid.Bool().Draw(r, "pipelining"),
			goAhead:    rapid.Bool().Draw(r, "goAhead"),
			perConn:    rapid.IntRange(0, 5).Draw(r, "perConn"),
		}
		ms := moods(rapid.SliceOfN(rapid.SampledFrom([]string{
			"ok", "ok", "ok", "rcpt550", "rcpt450", "rcpt421", "data554", "dot451", "dot554", "dot421", "drop", "gone",
		}), 0, 40).Draw(r, "moods")...)
		n := newNetwork(0)
		var servers sync.WaitGroup
		servers.Go(func() {
			for {
				c, err := n.Accept()
				if err != nil {
					return
				}
				servers.Go(func() { defer c.Close(); s.handle(c) })
			}
		})
		a, err := New(options(n, func(o *Options) { o.MaxConns = rapid.IntRange(1, 4).Draw(r, "conns") }))
		if err != nil {
			r.Fatal(err)
		}
		out := a.SendBatch(context.Background(), ms)
		n.Close()
		servers.Wait()
		if len(out) != len(ms) {
			r.Fatalf("%d fates for %d messages", len(out), len(ms))
		}
		for i, o := range out {
			to := ms[i].To
			mood, _, _ := strings.Cut(to, ".")
			f := channel.AsFailure(o.Err)
			switch taken := s.taken[to]; {
			case taken > 1:
				r.Fatalf("%s got it %d times", to, taken)
			case o.Err == nil && (taken != 1 || mood != "ok"):
				r.Fatalf("%s succeeded, taken %d", to, taken)
			case o.Err == nil && o.Receipt.Reference != to:
				r.Fatalf("%s has the receipt of %s", to, o.Receipt.Reference)
			case o.Err != nil && taken == 1 && !errors.Is(f, ErrUnconfirmed):
				r.Fatalf("%s failed with %v, but was taken", to, f)
			case f.Permanent && !strings.Contains(mood, "55"):
				r.Fatalf("%s failed for ever: %v", to, f)
			case mood == "ok" && o.Err != nil && !f.RouteDown:
				r.Fatalf("%s: %v", to, f)
			}
		}
		if n.open != 0 || n.most > cap(a.sem) {
			r.Fatalf("%d open, at most %d", n.open, n.most)
		}
	})
}

// TestBatchWritesOnce holds what the speed rests on: behind the last dot the
// next announcement, in one write and so in one round trip.
func TestBatchWritesOnce(t *testing.T) {
	const latency = 10 * time.Millisecond // one way
	for pipelining, trips := range map[bool]int{true: 1, false: 4} {
		synctest.Test(t, func(t *testing.T) {
			s := &moody{pipelining: pipelining}
			n := newNetwork(latency)
			n.serve(t, s.handle)
			start := time.Now()
			out := adapter(t, n, oneConn).SendBatch(t.Context(), messages(100))
			for _, o := range out {
				if o.Err != nil {
					t.Fatal(o.Err)
				}
			}
			// Greeting (half), EHLO, the first announcement, QUIT besides.
			got, limit := time.Since(start), time.Duration(100*trips+4)*2*latency
			if got > limit {
				t.Errorf("pipelining %v: took %v, want at most %v", pipelining, got, limit)
			}
		})
	}
}

func TestBatchesShareTheConnectionsAndAlarmsDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &moody{pipelining: true}
		n := newNetwork(time.Second)
		n.serve(t, s.handle)
		a := adapter(t, n, func(o *Options) { o.MaxConns = 2 })
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for _, o := range a.SendBatch(t.Context(), messages(40)) {
					if o.Err != nil {
						t.Error(o.Err)
					}
				}
			})
		}
		<-time.After(3 * time.Second)
		start := time.Now()
		if _, err := a.Send(t.Context(), message(1)); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d > 12*time.Second {
			t.Errorf("the alarm took %v", d)
		}
		wg.Wait()
		if n.most != 3 { // two of the batches and the alarm's own
			t.Errorf("%d connections at once", n.most)
		}
	})
}

func TestBatchCanceledInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &moody{pipelining: true}
		n := newNetwork(time.Second)
		n.serve(t, s.handle)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Second+time.Millisecond, cancel)
		ms := moods(slices.Repeat([]string{"ok"}, 100)...)
		out := adapter(t, n, oneConn).SendBatch(ctx, ms)
		sent, unconfirmed := 0, 0
		for i, o := range out {
			f := channel.AsFailure(o.Err)
			switch {
			case o.Err == nil:
				sent++
			case errors.Is(f, ErrUnconfirmed):
				unconfirmed++
			case f.Permanent || f.RouteDown || f.Reason != "canceled":
				t.Errorf("%d: %v", i, f)
			case s.taken[ms[i].To] != 0:
				t.Errorf("%d was taken", i)
			}
		}
		if sent == 0 || unconfirmed != 1 || sent == len(ms) {
			t.Errorf("%d sent, %d unconfirmed", sent, unconfirmed)
		}
	})
}

func TestEmptyBatch(t *testing.T) {
	if out := adapter(t, newNetwork(0)).SendBatch(t.Context(), nil); len(out) != 0 {
		t.Error(out)
	}
}
