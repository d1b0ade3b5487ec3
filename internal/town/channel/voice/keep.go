package voice

import (
	"context"
	"sync"
	"time"

	"tuermer/internal/town/channel"
)

// A trunk that takes calls from nobody but whom it knows keeps our sign-in, so that a
// changed password or a trunk that is gone is seen before the night in which it
// counts. A call signs in for itself all the same: it speaks from an address of its
// own, and a sign-in that was lost a minute ago must not cost it.
//
//	Start ─► signing in ─ 200 ─► known ─ refreshed in time ─┐
//	            ▲  │               ▲─────────────────────────┘
//	            │  └ no ─► unknown │ no answer, or a no
//	            └── after a pause ─┴──────────────────────────► unknown

// How long a pause is after a sign-in that failed, and how often a sign-in is renewed
// at least: so long a lost one may go unnoticed.
const (
	firstPause   = time.Second
	maxPause     = time.Minute
	renewAtLeast = 4 * time.Minute
	renewAtMost  = 500 * time.Millisecond // whatever a trunk grants
)

// keeper keeps the sign-in.
type keeper struct {
	mu     sync.Mutex
	cancel context.CancelFunc
	done   chan struct{}
	why    *channel.Failure // nil: known, or not tried yet
}

// Start begins to keep the sign-in, where the trunk wants one. It may be called
// twice.
func (a *Adapter) Start(ctx context.Context) {
	k := &a.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	if !a.o.Register || k.cancel != nil {
		return
	}
	ctx, k.cancel = context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	k.done = done
	go func() {
		defer close(done)
		a.keep(ctx)
	}()
}

// Stop signs off. Calls go on; [Adapter.HangUp] ends them. It may be called twice.
func (a *Adapter) Stop() {
	k := &a.keeper
	k.mu.Lock()
	cancel, done := k.cancel, k.done
	k.cancel, k.why = nil, nil
	k.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

// Down tells why the trunk would not take a call now, as far as the sign-in shows;
// nil: nothing speaks against it.
func (a *Adapter) Down() *channel.Failure {
	a.keeper.mu.Lock()
	defer a.keeper.mu.Unlock()
	return a.keeper.why
}

// keep signs in again and again.
func (a *Adapter) keep(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		held, err := a.signedIn(ctx)
		if ctx.Err() != nil {
			return
		}
		f := channel.AsFailure(err)
		if held {
			pause = firstPause
		}
		wait := max(pause, f.RetryAfter)
		a.o.Log.WarnContext(ctx, "a trunk does not know us", "route", a.o.Name, "err", f, "again_in", wait)
		if !sleep(ctx, wait) {
			return
		}
		pause = min(2*pause, maxPause)
	}
}

// signedIn holds one sign-in until it is lost. held: it stood for a while.
func (a *Adapter) signedIn(ctx context.Context) (held bool, err error) {
	l, err := a.line(ctx)
	if err != nil {
		a.known(ctx, err)
		return false, err
	}
	defer l.close()
	for {
		granted, err := l.register(ctx, registered)
		if ctx.Err() != nil {
			break
		}
		a.known(ctx, err)
		if err != nil {
			return held, err
		}
		held = true
		if !sleep(ctx, renewIn(granted)) {
			break
		}
	}
	off, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTime)
	defer cancel()
	_, _ = l.register(off, 0) // it ends by itself, too
	return held, ctx.Err()
}

// renewIn is when a sign-in that lasts so long is renewed: with a third of it left for
// another try.
func renewIn(granted time.Duration) time.Duration {
	return max(min(granted*2/3, renewAtLeast), renewAtMost)
}

// known notes how a sign-in ended, and says so when that is news.
func (a *Adapter) known(ctx context.Context, err error) {
	k := &a.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	was := k.why
	k.why = nil
	if err != nil {
		f := *channel.AsFailure(err)
		f.RouteDown = true
		k.why = &f
	}
	if was != nil && k.why == nil {
		a.o.Log.InfoContext(ctx, "a trunk knows us again", "route", a.o.Name)
	}
}

// sleep is false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
