package voice

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/channel"
)

// errAside ends the waiting for an answer of somebody who was never heard of.
var errAside = sipgo.WaitAnswerForceCancelErr

// How long it is tried to note what became of a call, while the database
// is away.
const (
	tellFor  = 2 * time.Minute
	noteTime = 10 * time.Second // of one try
	lastTime = 4 * time.Second  // for the far side to confirm that it is over
)

// call is one call to one person.
type call struct {
	a     *Adapter
	m     channel.Message
	id    string
	begun chan error // nil: the far side rings; told once

	told   sync.Once
	heard  chan struct{} // any sign of life
	alive  sync.Once
	keys   chan byte
	hung   chan struct{} // the far side hung up
	hangUp sync.Once
}

func newCall(a *Adapter, m channel.Message) *call {
	return &call{
		a: a, m: m, begun: make(chan error, 1), heard: make(chan struct{}), keys: make(chan byte, 32), hung: make(chan struct{}),
	}
}

// begin tells, once, whether the call counts as taken.
func (c *call) begin(err error) (first bool) {
	c.told.Do(func() { first = true; c.begun <- err })
	return first
}

// do is the whole call. Before it was taken its end is the answer of Send,
// afterwards a report.
func (c *call) do(ctx context.Context) {
	err := c.talk(ctx)
	if err == nil {
		return // the key is told already, while the person listened
	}
	f := channel.AsFailure(err)
	if c.begin(f) || ctx.Err() != nil {
		return // never taken, or we are stopping: nobody knows, so nothing is said
	}
	if terr := c.tell(ctx, channel.Report{ID: c.m.ID, Arrival: channel.Lost, Reason: f.Reason}); terr != nil {
		c.a.o.Log.WarnContext(ctx, "the end of a call could not be noted", "route", c.a.o.Name, "id", c.m.ID, "err", terr)
	}
}

// tell notes what became of the call, again while that fails; at least once, even if
// we are stopping.
func (c *call) tell(ctx context.Context, rep channel.Report) error {
	ctx, cancel := context.WithTimeout(ctx, tellFor)
	defer cancel()
	for {
		try, end := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
		err := c.a.o.Report(try, rep)
		end()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return err
		}
	}
}

// ended is that nobody pressed a key.
func ended(reason string) error { return &channel.Failure{Permanent: true, Reason: reason} }

// talk calls, speaks, and tells the key that was pressed.
func (c *call) talk(ctx context.Context) error {
	l, err := c.a.line(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	over := make(chan struct{})
	defer close(over)
	defer context.AfterFunc(ctx, func() { // a trunk that does not answer holds up no end
		select {
		case <-time.After(lastTime):
			_ = l.ua.Close()
		case <-over:
		}
	})()
	c.id = l.callID
	c.answer(l)
	if c.a.o.Register {
		if _, err := l.register(ctx, registered); err != nil {
			return err
		}
		defer func() { _, _ = l.register(context.WithoutCancel(ctx), 0) }()
	}
	sound, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(l.local, 0)))
	if err != nil {
		return failed(err)
	}
	defer sound.Close()
	speaking, hush := context.WithCancel(ctx)
	defer hush()
	words := c.words(speaking)
	s, err := c.invite(ctx, l, sound)
	if err != nil {
		hush()
		<-words
		return err
	}
	defer c.bye(ctx, s)
	far, err := parseAnswer(s.InviteResponse.Body())
	if err != nil {
		hush()
		<-words
		return &channel.Failure{Reason: "protocol", RouteDown: true, Err: err}
	}
	from := []netip.Addr{far.to.Addr()}
	if at, err := netip.ParseAddrPort(s.InviteResponse.Source()); err == nil {
		from = append(from, at.Addr().Unmap())
	}
	md := newMedia(sound, far, from, c.press)
	defer md.stop()
	return c.speak(ctx, md, <-words)
}

// words prepares what is said while it rings: the message and the thanks. What
// cannot be spoken is a tone.
func (c *call) words(ctx context.Context) chan [2][]int16 {
	out := make(chan [2][]int16, 1)
	go func() {
		var said [2][]int16
		defer func() { out <- said }()
		var err error
		if said[0], err = c.a.o.Speak(ctx, c.m.Text, c.m.Language); err != nil {
			if ctx.Err() == nil {
				c.a.o.Log.ErrorContext(ctx, "a call could not be spoken, an alarm tone is heard instead", "route", c.a.o.Name, "id", c.m.ID, "err", err)
			}
			said = [2][]int16{alarmTone(), tone(880, 0.2)}
			return
		}
		if said[1], err = c.a.o.Speak(ctx, c.a.o.Thanks(i18n.Parse(c.m.Language)), c.m.Language); err != nil {
			said[1] = tone(880, 0.2)
		}
	}()
	return out
}

// speak says the message again and again until a key is pressed that means
// something, the far side hangs up, or it is enough.
func (c *call) speak(ctx context.Context, md *media, said [2][]int16) error {
	playing, enough := context.WithTimeout(ctx, c.a.o.Talk)
	defer enough()
	var over sync.WaitGroup
	over.Go(func() {
		md.play(playing, quiet(0.6)) // until the telephone is at the ear
		for playing.Err() == nil {
			md.play(playing, said[0])
			md.play(playing, quiet(1.5))
		}
	})
	stop := func() { enough(); over.Wait() }
	for {
		select {
		case key := <-c.keys:
			if channel.Meaning(string(key)) == channel.Unclear {
				continue // the message goes on
			}
			stop()
			if err := c.tell(ctx, channel.Report{ID: c.m.ID, Arrival: channel.Arrived, Key: string(key)}); err != nil {
				// Whoever hears no thanks knows that it was not taken.
				return fmt.Errorf("voice: %w", err)
			}
			md.play(ctx, said[1])
			md.play(ctx, quiet(0.3))
			return nil
		case <-c.hung:
			stop()
			return ended("no_key")
		case <-playing.Done():
			stop()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return ended("no_key")
		}
	}
}

// press takes a key; what nobody fetches any more is let go.
func (c *call) press(key byte) {
	select {
	case c.keys <- key:
	default:
	}
}

// answer sets what we answer to the far side during the call.
func (c *call) answer(l *line) {
	mine := func(h func(*sip.Request) (int, string)) sipgo.RequestHandler {
		return func(req *sip.Request, tx sip.ServerTransaction) {
			status, word := 481, "Call/Transaction Does Not Exist"
			tag := ""
			if to := req.To(); to != nil {
				tag, _ = to.Params.Get("tag")
			}
			if id := req.CallID(); id != nil && string(*id) == l.callID && tag == l.tag {
				status, word = h(req)
			}
			_ = tx.Respond(sip.NewResponseFromRequest(req, status, word, nil))
		}
	}
	l.server.OnBye(mine(func(*sip.Request) (int, string) {
		c.hangUp.Do(func() { close(c.hung) })
		return 200, "OK"
	}))
	l.server.OnInfo(mine(func(req *sip.Request) (int, string) {
		kind := ""
		if h := req.GetHeader("Content-Type"); h != nil {
			kind = h.Value()
		}
		if key, ok := infoKey(kind, req.Body()); ok {
			c.press(key)
		}
		return 200, "OK"
	}))
	// Nothing of the call changes: the far side goes on with what was agreed.
	stays := mine(func(*sip.Request) (int, string) { return 488, "Not Acceptable Here" })
	l.server.OnInvite(stays)
	l.server.OnUpdate(stays)
	l.server.OnOptions(mine(func(*sip.Request) (int, string) { return 200, "OK" }))
}

// invite rings until somebody answers.
func (c *call) invite(ctx context.Context, l *line, sound *net.UDPConn) (*sipgo.DialogClientSession, error) {
	at, err := netip.ParseAddrPort(sound.LocalAddr().String())
	if err != nil {
		return nil, failed(err)
	}
	to := l.uri(c.m.To)
	req := l.request(sip.INVITE, to, to)
	me := l.me
	req.AppendHeader(&me)
	if c.a.o.From != "" && c.a.o.From != c.a.o.User {
		req.AppendHeader(sip.NewHeader("P-Preferred-Identity", "<sip:"+c.a.o.From+"@"+to.Host+">"))
	}
	req.AppendHeader(sip.NewHeader("Allow", "INVITE, ACK, CANCEL, BYE, INFO, OPTIONS"))
	req.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	req.SetBody(offer(netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), uint32(at.Port())))
	waiting, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	dialing, dialed := context.WithTimeout(ctx, dialTime)
	ua := sipgo.DialogUA{Client: l.client, ContactHDR: l.me}
	s, err := ua.WriteInvite(dialing, req)
	dialed()
	if err != nil {
		return nil, failed(err)
	}
	stop := c.clock(waiting, giveUp, l)
	defer stop()
	for {
		err = s.WaitAnswer(waiting, sipgo.AnswerOptions{Username: c.a.o.User, Password: l.secret(), OnResponse: c.progress})
		// The library gives up waiting after eleven answers; a long ringing has more.
		if err == nil || waiting.Err() != nil || !strings.HasPrefix(err.Error(), "more than 10 responses") {
			break
		}
	}
	if err == nil {
		c.begin(nil)
		if err := s.Ack(ctx); err != nil {
			return nil, failed(err)
		}
		return s, nil
	}
	if s.InviteResponse != nil && s.InviteResponse.IsSuccess() { // answered in the moment in which we gave up
		if s.Ack(context.WithoutCancel(ctx)) == nil {
			c.bye(ctx, s)
		}
	}
	var no *sipgo.ErrDialogResponse
	switch cause := context.Cause(waiting); {
	case errors.As(err, &no):
		return nil, refused(no.Res)
	case ctx.Err() != nil:
		return nil, &channel.Failure{Reason: "canceled", Err: ctx.Err()}
	case errors.Is(cause, errAside):
		return nil, &channel.Failure{Reason: "timeout", RouteDown: true, Err: errors.New("the trunk does not answer")}
	case errors.Is(cause, errRings):
		return nil, ended("unanswered")
	}
	return nil, failed(err)
}

// aside is why a call is ended from our side. A call of which nothing was heard cannot
// be taken back, so it is left.
func (c *call) aside() error {
	select {
	case <-c.heard:
		return context.Canceled
	default:
		return errAside
	}
}

var errRings = errors.New("voice: nobody answers")

// progress hears the answers to our call as they come.
func (c *call) progress(res *sip.Response) error {
	c.alive.Do(func() { close(c.heard) })
	if res.StatusCode > 100 && res.StatusCode < 300 {
		c.begin(nil)
	}
	return nil
}

// clock ends the ringing: soon when nobody is heard of, else when nobody answers.
// Whoever looks for the person longer than others may wait counts as ringing.
func (c *call) clock(ctx context.Context, giveUp context.CancelCauseFunc, l *line) (stop func()) {
	done := make(chan struct{})
	var w sync.WaitGroup
	w.Go(func() {
		silent, searching, rings := time.After(heardWithin), time.After(begunWithin), time.After(c.a.o.Ring)
		heard := c.heard
		for {
			select {
			case <-heard:
				heard, silent = nil, nil
			case <-silent:
				giveUp(errAside)
				return
			case <-searching:
				c.begin(nil)
			case <-rings:
				giveUp(errRings)
				select { // a trunk that does not confirm the end does not hold up the next way
				case <-time.After(lastTime):
					_ = l.ua.Close()
				case <-done:
				}
				return
			case <-ctx.Done():
				return
			case <-done:
				return
			}
		}
	})
	return func() { close(done); w.Wait() }
}

// bye hangs up, also while we are stopping.
func (c *call) bye(ctx context.Context, s *sipgo.DialogClientSession) {
	select {
	case <-c.hung:
	default:
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		_ = s.Bye(ctx) // the far side's own clock ends it else
	}
	_ = s.Close()
}
