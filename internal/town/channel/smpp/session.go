package smpp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	writeWait = 5 * time.Second // a peer that reads nothing any more
	inboxSize = 256             // what came in and is not written down yet
	maxLate   = 1000            // answers that are still heard after their time
)

// errGone says that a line has ended.
var errGone = errors.New("the line to the message centre is gone")

// session is one bound line. Three goroutines belong to it: one reads, one asks
// whether the other side still lives, one hands in what came; run waits for all.
type session struct {
	conn    net.Conn
	enquire time.Duration // how long the line may be silent
	answer  time.Duration // how long an answer may take
	handle  func(context.Context, PDU) Status

	writing sync.Mutex
	inbox   chan PDU
	heard   chan struct{} // something came
	doubted chan struct{} // an answer did not come
	bound   chan struct{} // closed once handling may begin

	mu      sync.Mutex
	seq     uint32
	waiting map[uint32]func(PDU)
	gone    chan struct{}
	why     error
}

func newSession(conn net.Conn, enquire, answer time.Duration, handle func(context.Context, PDU) Status) *session {
	return &session{
		conn: conn, enquire: enquire, answer: answer, handle: handle, inbox: make(chan PDU, inboxSize),
		heard: make(chan struct{}, 1), doubted: make(chan struct{}, 1), bound: make(chan struct{}), waiting: map[uint32]func(PDU){}, gone: make(chan struct{}),
	}
}

// end breaks the line off, once.
func (s *session) end(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.gone:
		return
	default:
	}
	s.why = why
	close(s.gone)
	_ = s.conn.Close()
}

// ended is why the line has ended.
func (s *session) ended() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == nil {
		return errGone
	}
	return fmt.Errorf("%w: %w", errGone, s.why)
}

// run serves the line until it ends or ctx does.
func (s *session) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	all.Go(s.read)
	all.Go(func() { s.watch(ctx) })
	all.Go(func() { s.hand(ctx) })
	select {
	case <-s.gone:
	case <-ctx.Done():
		s.end(ctx.Err())
	}
	cancel()
	all.Wait()
}

func (s *session) read() {
	for {
		p, err := Read(s.conn)
		broken := errors.Is(err, ErrPDU)
		if err != nil && !broken {
			s.end(err)
			return
		}
		select {
		case s.heard <- struct{}{}:
		default:
		}
		if broken && !p.Command.answers() {
			_ = s.write(PDU{Command: GenericNack, Status: InvalidLength, Seq: p.Seq})
		} else {
			s.got(p) // of an answer its status is enough
		}
		select {
		case <-s.gone:
			return
		default:
		}
	}
}

// got does what one PDU asks for.
func (s *session) got(p PDU) {
	switch {
	case p.Command.answers():
		s.mu.Lock()
		defer s.mu.Unlock()
		if done := s.waiting[p.Seq]; done != nil {
			delete(s.waiting, p.Seq)
			done(p) // it takes no lock of ours and waits for nothing
		}
	case p.Command == EnquireLink:
		_ = s.write(PDU{Command: EnquireLink.Answer(), Seq: p.Seq})
	case p.Command == Unbind:
		_ = s.write(PDU{Command: Unbind.Answer(), Seq: p.Seq})
		s.end(errors.New("the message centre ended it"))
	case p.Command == DeliverSM:
		select {
		case s.inbox <- p:
		default:
			_ = s.write(PDU{Command: DeliverSM.Answer(), Status: QueueFull, Seq: p.Seq})
		}
	default:
		_ = s.write(PDU{Command: GenericNack, Status: InvalidCommand, Seq: p.Seq})
	}
}

// hand hands in what came, one after the other, and only then says that we have it.
func (s *session) hand(ctx context.Context) {
	select {
	case <-s.bound:
	case <-ctx.Done():
		return
	}
	for {
		select {
		case p := <-s.inbox:
			status := s.handle(ctx, p)
			if ctx.Err() != nil {
				return // unanswered: it comes again over the next line
			}
			_ = s.write(PDU{Command: DeliverSM.Answer(), Status: status, Seq: p.Seq})
		case <-ctx.Done():
			return
		}
	}
}

// watch asks the other side whether it lives whenever it has been silent, and ends
// a line that does not answer: half of it may be gone without a word.
func (s *session) watch(ctx context.Context) {
	silence := time.NewTimer(s.enquire)
	defer silence.Stop()
	for {
		select {
		case <-s.heard:
			silence.Reset(s.enquire)
			continue
		case <-ctx.Done():
			return
		case <-s.doubted:
		case <-silence.C:
		}
		if err := s.alive(ctx); err != nil {
			s.end(err)
			return
		}
		silence.Reset(s.enquire)
	}
}

func (s *session) alive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.answer)
	defer cancel()
	if _, err := s.ask(ctx, PDU{Command: EnquireLink}, nil); err != nil {
		return fmt.Errorf("enquire_link: %w", err)
	}
	return nil
}

// doubt has the line tried now.
func (s *session) doubt() {
	select {
	case s.doubted <- struct{}{}:
	default:
	}
}

// write sends one PDU. A peer that does not read ends the line.
func (s *session) write(p PDU) error {
	raw, err := Encode(p)
	if err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	slow := time.AfterFunc(writeWait, func() { s.end(errors.New("the message centre reads nothing any more")) })
	defer slow.Stop()
	if _, err := s.conn.Write(raw); err != nil {
		s.end(err)
		return err
	}
	return nil
}

// ask sends a request and waits for its answer. One that comes too late is told to
// late, which may be nil.
func (s *session) ask(ctx context.Context, p PDU, late func(PDU)) (PDU, error) {
	got := make(chan PDU, 1)
	s.mu.Lock()
	for s.seq++; s.seq == 0 || s.seq > 0x7fffffff || s.waiting[s.seq] != nil; s.seq++ {
		if s.seq >= 0x7fffffff {
			s.seq = 0
		}
	}
	p.Seq = s.seq
	s.waiting[p.Seq] = func(a PDU) { got <- a }
	s.mu.Unlock()
	forget := func(keep bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.waiting[p.Seq] == nil {
			return
		}
		if delete(s.waiting, p.Seq); keep && late != nil && len(s.waiting) < maxLate {
			s.waiting[p.Seq] = late
		}
	}
	if err := s.write(p); err != nil {
		forget(false)
		return PDU{}, err
	}
	select {
	case a := <-got:
		return a, nil
	case <-s.gone:
		select {
		case a := <-got:
			return a, nil
		default:
		}
		return PDU{}, s.ended()
	case <-ctx.Done():
		forget(true)
		select { // it came while we gave up
		case a := <-got:
			return a, nil
		default:
			return PDU{}, ctx.Err()
		}
	}
}

// unbind says goodbye and ends the line.
func (s *session) unbind(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, _ = s.ask(ctx, PDU{Command: Unbind}, nil)
	s.end(errors.New("we ended it"))
}
