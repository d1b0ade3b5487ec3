// Package smpptest is a provider's message centre for tests: it takes what SMPP 3.4
// allows and nothing else, joins the parts of a text, tells what became of them,
// and can be slow, full, deaf or gone.
package smpptest

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"tuermer/internal/town/channel/smpp"
)

// Mode is how the centre behaves.
type Mode string

// The modes.
const (
	Fine      Mode = ""
	Throttled Mode = "throttled" // every message: ESME_RTHROTTLED
	Full      Mode = "full"      // every message: ESME_RMSGQFUL
	Hanging   Mode = "hanging"   // nothing is answered any more
	Deaf      Mode = "deaf"      // only messages are not answered
)

// Text is a message that came whole.
type Text struct {
	From, To string
	Text     string
	IDs      []string // of its parts
	Priority byte
	Validity string
	Coding   byte
}

// Centre is the message centre. Its zero value takes everybody.
type Centre struct {
	SystemID, Password string // empty: everybody may

	mu     sync.Mutex
	mode   Mode
	refuse int // as many messages are refused as throttled, then none
	status smpp.Status
	lines  []*line
	seq    uint32
	ids    int
	parts  map[string][]smpp.Piece
	names  map[string][]string
	taken  []*Text
	waits  map[uint32]chan smpp.PDU
	faults []error
	asked  int // enquire_links
	binds  int
	byes   int
	before func()
	held   []func() // answers that wait for Free; nil: nothing is held
	all    sync.WaitGroup
}

// Before is called before each message is judged.
func (c *Centre) Before(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.before = f
}

// Hold keeps the answers to messages back until Free.
func (c *Centre) Hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = []func(){}
}

// Free gives the oldest answer that is held; false: there is none.
func (c *Centre) Free() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.held) == 0 {
		return false
	}
	c.held[0]()
	c.held = c.held[1:]
	return true
}

// line is one connection; a goroutine of its own writes, so that neither side
// waits for the other.
type line struct {
	conn  net.Conn
	out   chan smpp.PDU
	gone  chan struct{}
	once  sync.Once
	bound bool
}

func (l *line) end() {
	l.once.Do(func() {
		close(l.gone)
		_ = l.conn.Close()
	})
}

// Set changes how the centre behaves.
func (c *Centre) Set(m Mode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mode = m
}

// Refuse answers the next n messages with a status.
func (c *Centre) Refuse(n int, s smpp.Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse, c.status = n, s
}

// Serve takes connections until the listener ends.
func (c *Centre) Serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		c.Take(conn)
	}
}

// Take serves one connection in the background.
func (c *Centre) Take(conn net.Conn) {
	l := &line{conn: conn, out: make(chan smpp.PDU, 1000), gone: make(chan struct{})}
	c.mu.Lock()
	c.lines = append(c.lines, l)
	c.mu.Unlock()
	c.all.Go(func() { c.read(l) })
	c.all.Go(func() {
		for {
			select {
			case p := <-l.out:
				raw, err := smpp.Encode(p)
				if err == nil {
					_, err = l.conn.Write(raw)
				}
				if err != nil {
					l.end()
				}
				if p.Command == smpp.Unbind.Answer() {
					l.end()
				}
			case <-l.gone:
				return
			}
		}
	})
}

// Drop breaks every connection off, and serves the next ones.
func (c *Centre) Drop() {
	c.mu.Lock()
	lines := c.lines
	c.lines = nil
	c.mu.Unlock()
	for _, l := range lines {
		l.end()
	}
}

// Close breaks every connection off and waits until nothing runs.
func (c *Centre) Close() {
	c.Drop()
	c.all.Wait()
}

func (c *Centre) read(l *line) {
	defer l.end()
	for {
		p, err := smpp.Read(l.conn)
		if errors.Is(err, smpp.ErrPDU) {
			c.fault(err)
		}
		if err != nil {
			return
		}
		c.got(l, p)
	}
}

func (c *Centre) fault(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, err)
}

func (c *Centre) got(l *line, p smpp.PDU) {
	c.mu.Lock()
	if before := c.before; before != nil && p.Command == smpp.SubmitSM {
		c.mu.Unlock()
		before()
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	a := smpp.PDU{Command: p.Command.Answer(), Seq: p.Seq}
	switch p.Command {
	case smpp.BindTransceiver:
		c.binds++
		switch {
		case c.SystemID != "" && p.Bind.SystemID != c.SystemID:
			a.Status = smpp.WrongSystemID
		case c.Password != "" && p.Bind.Password != c.Password:
			a.Status = smpp.WrongPassword
		default:
			l.bound, a.ID = true, "centre"
		}
	case smpp.EnquireLink:
		c.asked++
	case smpp.Unbind:
		c.byes++
		l.bound = false
	case smpp.SubmitSM:
		a.ID, a.Status = c.submit(l, p)
		if c.mode == Deaf {
			return
		}
		if c.held != nil {
			c.held = append(c.held, func() { l.out <- a })
			return
		}
	case smpp.DeliverSM.Answer(), smpp.GenericNack:
		if got := c.waits[p.Seq]; got != nil {
			delete(c.waits, p.Seq)
			got <- p
		}
		return
	case smpp.EnquireLink.Answer(), smpp.Unbind.Answer():
		return
	default:
		a = smpp.PDU{Command: smpp.GenericNack, Status: smpp.InvalidCommand, Seq: p.Seq}
	}
	if c.mode != Hanging {
		l.out <- a
	}
}

// submit judges a message and takes it; c.mu is held.
func (c *Centre) submit(l *line, p smpp.PDU) (string, smpp.Status) {
	s := p.Short
	switch {
	case !l.bound:
		return "", smpp.WrongState
	case c.refuse > 0:
		c.refuse--
		return "", c.status
	case c.mode == Throttled:
		return "", smpp.Throttled
	case c.mode == Full:
		return "", smpp.QueueFull
	case c.mode == Hanging || c.mode == Deaf:
		return "", smpp.OK // nobody hears it
	case s.To.TON != 1 || s.To.NPI != 1 || strings.Trim(s.To.Addr, "0123456789") != "":
		c.faults = append(c.faults, fmt.Errorf("the number %+v is not international", s.To))
		return "", smpp.InvalidNumber
	case s.Registered != 1:
		c.faults = append(c.faults, errors.New("no receipt is asked for"))
	case s.Coding != 0 && s.Coding != 8:
		c.faults = append(c.faults, fmt.Errorf("data_coding %d", s.Coding))
	case s.Coding == 0 && len(s.Text) > 160, s.Coding == 8 && len(s.Text) > 140:
		c.faults = append(c.faults, fmt.Errorf("%d octets are no short message", len(s.Text)))
		return "", smpp.InvalidLength
	}
	c.ids++
	id := fmt.Sprintf("%08X-%d", 0xC0FFEE, c.ids)
	piece := smpp.ReadPiece(p)
	key := fmt.Sprint(s.To.Addr, " ", piece.Ref, " ", piece.Parts)
	if c.parts == nil {
		c.parts, c.names = map[string][]smpp.Piece{}, map[string][]string{}
	}
	c.parts[key], c.names[key] = append(c.parts[key], piece), append(c.names[key], id)
	if len(c.parts[key]) < piece.Parts {
		return id, smpp.OK
	}
	all := c.parts[key]
	slices.SortFunc(all, func(a, b smpp.Piece) int { return a.Number - b.Number })
	t := &Text{From: s.From.Addr, To: "+" + s.To.Addr, IDs: c.names[key], Priority: s.Priority, Validity: s.Validity, Coding: s.Coding}
	for i, one := range all {
		if one.Number != i+1 {
			c.faults = append(c.faults, fmt.Errorf("part %d came as number %d", i+1, one.Number))
		}
		t.Text += one.Text
	}
	delete(c.parts, key)
	delete(c.names, key)
	c.taken = append(c.taken, t)
	return id, smpp.OK
}

// Deliver sends a deliver_sm over a bound line and waits for its answer.
func (c *Centre) Deliver(s smpp.Short, fields ...smpp.TLV) (smpp.PDU, error) {
	c.mu.Lock()
	var over *line
	for _, l := range c.lines {
		select {
		case <-l.gone:
		default:
			if l.bound {
				over = l
			}
		}
	}
	if over == nil {
		c.mu.Unlock()
		return smpp.PDU{}, errors.New("nobody is bound")
	}
	c.seq++
	got := make(chan smpp.PDU, 1)
	if c.waits == nil {
		c.waits = map[uint32]chan smpp.PDU{}
	}
	c.waits[c.seq] = got
	over.out <- smpp.PDU{Command: smpp.DeliverSM, Seq: c.seq, Short: &s, TLVs: fields}
	c.mu.Unlock()
	select {
	case p := <-got:
		return p, nil
	case <-over.gone:
		return smpp.PDU{}, errors.New("the line is gone")
	}
}

// Receipt tells what became of one part, as a text of the usual form.
func (c *Centre) Receipt(t Text, id, stat, code string) error {
	text := fmt.Sprintf("id:%s sub:001 dlvrd:001 submit date:2611261400 done date:2611261401 stat:%s err:%s text:%.20s", id, stat, code, "ALARM stat:DELIVRD")
	p, err := c.Deliver(smpp.Short{From: smpp.Address{TON: 1, NPI: 1, Addr: t.To[1:]}, To: smpp.Address{Addr: t.From}, Class: 4, Text: []byte(text)})
	if err == nil && p.Status != smpp.OK {
		err = fmt.Errorf("the receipt was answered with status %#x", uint32(p.Status))
	}
	return err
}

// Answer brings what somebody wrote back.
func (c *Centre) Answer(from, text string) error {
	pieces, fields, err := smpp.Pieces(text, 7, false)
	for i, s := range pieces {
		if err != nil {
			return err
		}
		s.From = smpp.Address{TON: 1, NPI: 1, Addr: strings.TrimPrefix(from, "+")}
		var p smpp.PDU
		if p, err = c.Deliver(s, fields[i]...); err == nil && p.Status != smpp.OK {
			err = fmt.Errorf("the answer was answered with status %#x", uint32(p.Status))
		}
	}
	return err
}

// Taken are the messages that came whole, in their order.
func (c *Centre) Taken() []*Text {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.taken)
}

// Faults are what was not as it should be.
func (c *Centre) Faults() []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.faults)
}

// Counts are the binds, the questions whether the line lives, and the goodbyes.
func (c *Centre) Counts() (binds, enquiries, unbinds int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.binds, c.asked, c.byes
}
