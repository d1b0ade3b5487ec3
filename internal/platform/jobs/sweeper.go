package jobs

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"tuermer/internal/platform/clock"
)

// Sweep does everything that is due at now and tells when the next thing will
// be (zero: nothing is planned). It must be safe to run on several nodes.
type Sweep func(ctx context.Context, now time.Time) (next time.Time, err error)

// SweeperOptions configures [NewSweeper].
type SweeperOptions struct {
	Name  string // room and noun, for the log: "channel.outbox"
	Clock clock.Clock
	Log   *slog.Logger
	Sweep Sweep
	// Idle is the longest pause; it heals a lost kick. Zero means a minute.
	Idle time.Duration
	// Retry is the pause after an error. Zero means five seconds.
	Retry time.Duration
}

// Sweeper looks for due rows: at once when kicked, otherwise at the next due
// time, and now and then anyway.
type Sweeper struct {
	o    SweeperOptions
	wake chan struct{}

	mu     sync.Mutex
	cancel context.CancelFunc
	done   chan struct{}
}

// NewSweeper makes a sweeper that does not run yet.
func NewSweeper(o SweeperOptions) *Sweeper {
	if o.Idle == 0 {
		o.Idle = time.Minute
	}
	if o.Retry == 0 {
		o.Retry = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Sweeper{o: o, wake: make(chan struct{}, 1)}
}

// Kick makes it look now. It never blocks and may be called at any time.
func (s *Sweeper) Kick() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Start begins sweeping in the background until Stop.
func (s *Sweeper) Start(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		return
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel, s.done = cancel, make(chan struct{})
	go func() {
		defer close(s.done)
		s.loop(run)
	}()
}

// Stop ends sweeping and waits for the sweep at hand.
func (s *Sweeper) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel == nil {
		return
	}
	s.cancel()
	<-s.done
	s.cancel = nil
}

func (s *Sweeper) loop(ctx context.Context) {
	for ctx.Err() == nil {
		pause := s.o.Idle
		now := s.o.Clock.Now()
		next, err := s.o.Sweep(ctx, now)
		switch {
		case err != nil && ctx.Err() != nil:
			return
		case err != nil:
			s.o.Log.ErrorContext(ctx, "sweep failed, will be tried again", "room", "jobs", "sweep", s.o.Name, "err", err)
			pause = s.o.Retry
		case !next.IsZero():
			pause = min(pause, max(0, next.Sub(s.o.Clock.Now())))
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-s.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}
