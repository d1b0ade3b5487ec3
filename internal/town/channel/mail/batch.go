package mail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"tuermer/internal/town/channel"
)

// perConn is how many messages make it worth opening one more connection: a
// greeting costs about as many round trips.
const perConn = 4

// SendBatch delivers ms over at most [Options].MaxConns connections and answers
// one Outcome per message, in order. It ends when every message has a fate:
// taken, refused, or untried because the route broke or ctx ended.
//
// A connection that breaks after it delivered something is opened anew, since
// servers count messages per connection; messages whose body was not sent yet
// go on, the one whose final dot was not answered does not ([ErrUnconfirmed]).
func (a *Adapter) SendBatch(ctx context.Context, ms []channel.Message) []channel.Outcome {
	b := newBatch(a, ms)
	b.bulk = true
	conns := min(a.o.MaxConns, (b.left+perConn-1)/perConn)
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			select {
			case a.sem <- struct{}{}:
				defer func() { <-a.sem }()
				b.work(ctx)
			case <-ctx.Done():
			}
		})
	}
	wg.Wait()
	b.settle(ctx)
	return b.out
}

// batch hands the messages of one call to its connections and gathers their
// fates.
type batch struct {
	a   *Adapter
	ms  []channel.Message
	out []channel.Outcome // each element is written once, by whoever took it

	bulk bool // its connections leave when a single message needs the room

	mu     sync.Mutex
	next   int              // ms[next:] were never taken
	left   int              // how many of them can be sent at all
	back   []int            // taken, but not sent: to be taken again
	strike map[int]struct{} // were in back before: a second time is their end
	done   []bool
	broken *channel.Failure // why the last connection gave up
}

// newBatch sorts out at once what no server may see or could take, so that a
// message of the wrong realm opens no connection at all.
func newBatch(a *Adapter, ms []channel.Message) *batch {
	b := &batch{a: a, ms: ms, out: make([]channel.Outcome, len(ms)), done: make([]bool, len(ms))}
	for i := range ms {
		if err := a.refuse(&ms[i]); err != nil {
			b.decide(i, channel.Receipt{}, err)
			continue
		}
		b.left++
	}
	return b
}

func (a *Adapter) refuse(m *channel.Message) error {
	if err := channel.Refuse(a, *m); err != nil {
		return err
	}
	if _, err := CheckAddress(m.To); err != nil {
		return &channel.Failure{Permanent: true, Reason: "mailbox", Err: err}
	}
	if _, _, err := checkUnsubscribe(m.ListUnsubscribe); err != nil {
		return &channel.Failure{Permanent: true, Reason: "config", Err: err}
	}
	return nil
}

// run delivers over a single connection at a time, for Send.
func (b *batch) run(ctx context.Context) {
	b.work(ctx)
	b.settle(ctx)
}

// work opens connections one after the other as long as each of them brings
// the batch forward.
func (b *batch) work(ctx context.Context) {
	s := session{b: b}
	for b.waiting() {
		c, err := b.a.open(ctx)
		if err != nil {
			b.giveUp(err)
			return
		}
		s.conn, s.progress = c, false
		err = s.deliver()
		if err == nil {
			c.quit()
			if !s.leaving {
				return
			}
			s.leaving = false
			b.a.room.left(ctx)
			continue
		}
		c.close()
		if ctx.Err() != nil || !s.progress {
			b.giveUp(err)
			return
		}
	}
}

// waiting says whether there is anything left to take.
func (b *batch) waiting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.back) > 0 || b.left > 0
}

func (b *batch) take() (int, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.back); n > 0 {
		i := b.back[n-1]
		b.back = b.back[:n-1]
		return i, true
	}
	for b.left > 0 {
		i := b.next
		b.next++
		if !b.done[i] {
			b.left--
			return i, true
		}
	}
	return 0, false
}

// putBack returns a message that was announced but not sent. The second time
// it answers false: then it may be the message that breaks the connection, and
// it must not break one after the other.
func (b *batch) putBack(i int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, again := b.strike[i]; again {
		return false
	}
	if b.strike == nil {
		b.strike = map[int]struct{}{}
	}
	b.strike[i] = struct{}{}
	b.back = append(b.back, i)
	return true
}

func (b *batch) giveUp(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.broken = channel.AsFailure(err)
}

func (b *batch) decide(i int, r channel.Receipt, err error) {
	b.out[i] = channel.Outcome{Receipt: r, Err: err}
	b.done[i] = true
}

// settle gives the untried messages their temporary failure, each its own.
func (b *batch) settle(ctx context.Context) {
	for i, done := range b.done {
		if done {
			continue
		}
		f := channel.Failure{Reason: "connect", Err: errors.New("not tried")}
		switch {
		case b.broken != nil:
			f = *b.broken
		case ctx.Err() != nil:
			f = *canceled(ctx)
		}
		b.out[i].Err = &f
	}
}

// session is one worker: its connection at the moment and the memory that it
// keeps from one connection to the next.
type session struct {
	b        *batch
	conn     *conn
	progress bool      // this connection has decided a message
	leaving  bool      // it makes room, after the mail that is under way
	w        [2]writer // the mail being sent and the one announced behind it
	flip     int
	cmds     []byte
}

// job is a composed message on its way.
type job struct {
	i int
	w *writer
	// abandon says that the server said "go ahead" although it took no
	// recipient; then only the dot follows (RFC 2920, 3.1).
	abandon bool
}

// pick takes the next message that can be sent at all; the others get their
// permanent failure on the way. It must know what the server offers.
func (s *session) pick() (j job, ok bool) {
	for !s.leaving {
		i, ok := s.b.take()
		if !ok {
			return job{}, false
		}
		w := &s.w[s.flip]
		if err := s.prepare(w, &s.b.ms[i]); err != nil {
			s.b.decide(i, channel.Receipt{}, err)
			continue
		}
		s.flip ^= 1
		return job{i: i, w: w}, true
	}
	return job{}, false
}

// prepare composes m into w and writes the commands that announce it.
func (s *session) prepare(w *writer, m *channel.Message) error {
	a := s.b.a
	to, err := CheckAddress(m.To)
	if err != nil { // newBatch looked already
		return &channel.Failure{Permanent: true, Reason: "mailbox", Err: err}
	}
	eight := s.conn.offers("8BITMIME")
	if err := w.compose(a.from, m, to, eight, a.o.Now()); err != nil {
		return &channel.Failure{Permanent: true, Reason: "config", Err: err}
	}
	size, hasSize := s.conn.ext["SIZE"]
	if limit, err := strconv.ParseInt(size, 10, 64); err == nil && limit > 0 && int64(len(w.buf)) > limit {
		return &channel.Failure{
			Permanent: true, Reason: "too_large",
			Err: fmt.Errorf("the mail has %d bytes, the server takes %d", len(w.buf), limit),
		}
	}
	s.cmds = append(s.cmds[:0], "MAIL FROM:<"...)
	s.cmds = append(s.cmds, a.from.address...)
	s.cmds = append(s.cmds, '>')
	if hasSize {
		s.cmds = strconv.AppendInt(append(s.cmds, " SIZE="...), int64(len(w.buf)), 10)
	}
	if eight && w.eight {
		s.cmds = append(s.cmds, " BODY=8BITMIME"...)
	}
	s.cmds = append(s.cmds, "\r\nRCPT TO:<"...)
	s.cmds = append(s.cmds, to...)
	s.cmds = append(s.cmds, ">\r\nDATA\r\n"...)
	return nil
}

// deliver sends messages until none is left or the connection breaks. Its
// error is the connection's; what became of the messages is in the batch.
//
// Each turn writes the body of the message that the server is ready for and,
// behind its final dot, the announcement of the next one. RFC 2920 allows that,
// and allows nothing behind DATA, so a round trip a message is what there is to
// have.
func (s *session) deliver() error {
	c := s.conn
	together := c.offers("PIPELINING")
	var open *job  // the server waits for its body
	reset := false // the last announcement failed halfway
	for {
		var next *job
		s.leaving = s.leaving || s.b.bulk && s.b.a.room.claim()
		if open == nil || together {
			if j, ok := s.pick(); ok {
				next = &j
			} else if open == nil {
				return nil
			}
		}
		c.out = c.out[:0]
		if open != nil {
			if !open.abandon {
				c.out = appendStuffed(c.out, open.w.buf)
			}
			c.out = append(c.out, ".\r\n"...)
		}
		if next != nil && together {
			if reset {
				c.out = append(c.out, "RSET\r\n"...)
			}
			c.out = append(c.out, s.cmds...)
		}
		if len(c.out) > 0 {
			if err := c.flush(s.b.a.o.Timeouts.Final); err != nil {
				// Part of it may have arrived, so the dot may have as well.
				s.unconfirmed(open, err)
				s.untried(next, err)
				return err
			}
		}
		if open != nil {
			r, err := c.reply(s.b.a.o.Timeouts.Final)
			if err != nil {
				s.unconfirmed(open, err)
				s.untried(next, err)
				return err
			}
			if !open.abandon {
				s.decide(open.i, r, "dot")
			}
			open = nil
			if r.code == 421 {
				s.untried(next, c.refused("after the mail", r, ""))
				return c.refused("after the mail", r, "")
			}
		}
		if next == nil {
			continue
		}
		ready, err := s.announced(next, together, reset)
		if err != nil {
			return err
		}
		if reset = !ready; ready {
			open = next
		}
	}
}

// announced reads the replies to the announcement of j, or, without pipelining,
// sends it command by command. ready says that the server waits for the body;
// otherwise the message is decided and the next announcement needs a RSET.
func (s *session) announced(j *job, together, reset bool) (ready bool, err error) {
	c := s.conn
	step := s.b.a.o.Timeouts.Step
	rest := s.cmds
	failed := false
	for _, name := range [...]string{"RSET", "MAIL", "RCPT", "DATA"} {
		if name == "RSET" && !reset {
			continue
		}
		if !together {
			c.out = append(c.out[:0], "RSET\r\n"...)
			if name != "RSET" {
				end := bytes.IndexByte(rest, '\n') + 1
				c.out, rest = append(c.out[:0], rest[:end]...), rest[end:]
			}
			if err := c.flush(step); err != nil {
				s.untried(j, err)
				return false, err
			}
		}
		r, err := c.reply(step)
		if err == nil && r.code == 421 {
			err = c.refused(name, r, "")
		}
		if err != nil {
			if !failed {
				s.untried(j, err)
			}
			return false, err
		}
		if name == "DATA" && r.code == 354 {
			j.abandon = failed
			return true, nil
		}
		if !failed && name != "RSET" && (!r.ok() || name == "DATA") {
			failed = true
			s.decide(j.i, r, name)
			if !together {
				return false, nil
			}
		}
	}
	return false, nil
}

// decide turns the server's reply into the fate of message i.
func (s *session) decide(i int, r reply, step string) {
	s.progress = true
	a := s.b.a
	if step == "dot" && r.ok() {
		s.b.decide(i, channel.Receipt{Reference: queueID(r.text), Route: a.o.Name}, nil)
		return
	}
	s.b.decide(i, channel.Receipt{}, failure(r, step))
}

// failure classifies a refusal as the package comment lists it. A code that is
// neither 4xx nor 5xx where one is due counts as temporary.
func failure(r reply, step string) *channel.Failure {
	f := &channel.Failure{Permanent: r.code/100 == 5, Reason: "rejected", Err: fmt.Errorf("%s: %w", step, r)}
	enhanced := r.enhanced()
	_, status, _ := strings.Cut(enhanced, ".")
	switch {
	case r.code == 421:
		f.RouteDown, f.Reason = true, "throttled"
	case r.code == 530 || r.code == 534 || r.code == 535 || r.code == 538:
		// "Authentication required": the route is at fault, not the message.
		f.Permanent, f.RouteDown, f.Reason = false, true, "auth"
	case r.code == 552 && step != "RCPT" || status == "3.4" || status == "2.3":
		f.Reason = "too_large"
	case step == "RCPT" && f.Permanent && strings.HasPrefix(status, "7."):
		// Policy, often "relaying denied": another route may well take it.
	case step == "RCPT":
		f.Reason = "mailbox"
	case step == "MAIL" && !f.Permanent:
		f.Reason = "throttled"
	case r.code/100 < 4:
		f.Reason = "protocol"
	}
	return f
}

// unconfirmed decides the message whose dot was sent and not answered.
func (s *session) unconfirmed(j *job, err error) {
	if j == nil || j.abandon {
		return
	}
	f := *channel.AsFailure(err)
	f.Err = fmt.Errorf("%w: %w", ErrUnconfirmed, f.Err)
	s.b.decide(j.i, channel.Receipt{}, &f)
}

// untried returns a message that was announced but not sent, or ends it when
// this happened to it before.
func (s *session) untried(j *job, err error) {
	if j == nil || s.b.putBack(j.i) {
		return
	}
	f := *channel.AsFailure(err)
	s.b.decide(j.i, channel.Receipt{}, &f)
	s.progress = true
}

// appendStuffed writes a mail with the dots doubled that open a line (RFC 5321,
// 4.5.2). body ends with CRLF.
func appendStuffed(b, body []byte) []byte {
	if len(body) > 0 && body[0] == '.' {
		b = append(b, '.')
	}
	for {
		k := bytes.Index(body, []byte("\r\n."))
		if k < 0 {
			return append(b, body...)
		}
		b = append(append(b, body[:k+3]...), '.')
		body = body[k+3:]
	}
}

// queueID finds the server's own name for a mail in "2.0.0 Ok: queued as
// 4B1C2", or takes the whole line when it reads otherwise.
func queueID(text string) string {
	text = clean(text, 200)
	if _, id, ok := strings.Cut(text, "queued as "); ok {
		id, _, _ = strings.Cut(id, " ")
		return id
	}
	return text
}
