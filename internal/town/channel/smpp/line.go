package smpp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"tuermer/internal/town/channel"
)

// Start keeps a line open until Stop.
func (a *Adapter) Start(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cancel != nil {
		return
	}
	ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	a.done = done
	go func() {
		defer close(done)
		a.keep(ctx)
	}()
}

// Stop says goodbye to the centre. It may be called twice.
func (a *Adapter) Stop() {
	a.mu.Lock()
	cancel, done := a.cancel, a.done
	a.cancel = nil
	a.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

// keep opens the line again and again.
func (a *Adapter) keep(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		a.mu.Lock()
		a.tried, a.trying = a.o.Now(), true
		a.mu.Unlock()
		s, end, err := a.open(ctx)
		if a.settle(s, err); err == nil {
			up := a.o.Now()
			select {
			case <-s.gone:
			case <-ctx.Done():
				a.settle(nil, errGone) // nothing new goes over it
				s.unbind(context.WithoutCancel(ctx))
			}
			if a.o.Now().Sub(up) > pause {
				pause = firstPause // it held longer than we had waited for it
			}
			end()
			if ctx.Err() != nil {
				return
			}
			a.o.Log.WarnContext(ctx, "the line to a message centre has ended", "route", a.o.Name, "err", s.ended())
			a.settle(nil, s.ended())
		} else if ctx.Err() == nil {
			a.o.Log.WarnContext(ctx, "no line to a message centre", "route", a.o.Name, "err", err, "again_in", pause)
		}
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-a.hurry:
		case <-ctx.Done():
		}
		wait.Stop()
		pause = min(2*pause, maxPause)
	}
}

// settle notes how a try ended and wakes who waits for that.
func (a *Adapter) settle(s *session, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now, a.why, a.trying = s, nil, false
	if err != nil {
		f := channel.AsFailure(err)
		if f.Reason == "unknown" {
			f = &channel.Failure{RouteDown: true, Reason: "connect", Err: err}
		}
		a.now, a.why = nil, f
	}
	close(a.turn)
	a.turn = make(chan struct{})
}

// line is the one that is open, or why there is none; the caller releases it. With
// urgent, opening it does not wait for its pause to end.
func (a *Adapter) line(ctx context.Context, urgent bool) (*session, func(), error) {
	a.mu.Lock()
	s, why, turn, trying, running := a.now, a.why, a.turn, a.trying, a.cancel != nil
	rested := a.o.Now().Sub(a.tried) >= rest
	a.mu.Unlock()
	nothing := func() {}
	if !running {
		a.binding.Lock()
		s, end, err := a.open(ctx)
		if err != nil {
			a.binding.Unlock()
			return nil, nothing, err
		}
		return s, func() {
			s.unbind(context.WithoutCancel(ctx))
			end()
			a.binding.Unlock()
		}, nil
	}
	if s != nil {
		return s, nothing, nil
	}
	if why != nil && !trying {
		if !urgent || !rested {
			return nil, nothing, why
		}
		select {
		case a.hurry <- struct{}{}:
		default:
		}
	}
	select {
	case <-turn:
	case <-ctx.Done():
		return nil, nothing, gaveUp(ctx, ctx.Err())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now != nil {
		return a.now, nothing, nil
	}
	return nil, nothing, a.why
}

// open connects and binds; end breaks off what is left and waits for it.
func (a *Adapter) open(ctx context.Context) (s *session, end func(), err error) {
	inner, cancel := context.WithTimeout(ctx, a.o.Timeout)
	defer cancel()
	conn, err := a.o.DialContext(inner, "tcp", a.o.Addr)
	if err != nil {
		return nil, nil, broken(ctx, inner, err)
	}
	if a.o.TLS {
		secure := tls.Client(conn, a.o.TLSConfig)
		if err := secure.HandshakeContext(inner); err != nil {
			_ = conn.Close()
			f := broken(ctx, inner, err)
			if f.Reason == "connect" {
				f.Reason = "tls"
			}
			return nil, nil, f
		}
		conn = secure
	}
	s = newSession(conn, a.o.Enquire, a.o.Timeout, a.came)
	var all sync.WaitGroup
	serve, stop := context.WithCancel(context.WithoutCancel(ctx))
	all.Go(func() { s.run(serve) })
	end = func() {
		stop()
		all.Wait()
	}
	bind := Bind{SystemID: a.o.SystemID, SystemType: a.o.SystemType, Version: 0x34}
	if a.o.Secret != nil {
		bind.Password = a.o.Secret()
	}
	answer, err := s.ask(inner, PDU{Command: BindTransceiver, Bind: &bind}, nil)
	switch {
	case err != nil:
		err = broken(ctx, inner, err)
	case answer.Status != OK || answer.Command != BindTransceiver.Answer():
		err = failure(answer.Status)
	default:
		close(s.bound)
		return s, end, nil
	}
	end()
	return nil, nil, err
}

// broken names why there is no line.
func broken(ctx, inner context.Context, err error) *channel.Failure {
	f := &channel.Failure{Reason: "connect", RouteDown: true, Err: err}
	var cert *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		f.Reason, f.RouteDown = "canceled", false
	case inner.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		f.Reason = "timeout"
	case errors.As(err, &cert):
		f.Reason = "tls"
	}
	return f
}

// came writes down what the centre tells. Nothing of it can be lost: what is not
// written down is not answered with yes.
func (a *Adapter) came(ctx context.Context, p PDU) Status {
	var err error
	if r, ok := ReadReceipt(p); ok {
		if r.Arrival != "" && r.Reference != "" && a.o.Reported != nil {
			err = a.o.Reported(ctx, r)
		}
	} else if r, ok := ReadReply(p); ok && a.o.Replied != nil {
		err = a.o.Replied(ctx, r)
	}
	if err != nil {
		a.o.Log.WarnContext(ctx, "what a message centre told is not written down yet", "route", a.o.Name, "err", err)
		return TryAgain
	}
	return OK
}
