package mail

import (
	"context"
	"sync/atomic"
	"time"
)

// A mail server bounds how many connections one client may hold (Microsoft 365
// three, postfix fifty), and answers 421 to the next. A batch that holds them all
// would keep alarms out until its end; so a single message that was refused asks
// for room, and a connection of a batch leaves after the mail that it is at.
type room struct {
	wanted *atomic.Int32
	freed  chan struct{}
}

const (
	askFor  = 5 * time.Second // how long a single message waits for room
	awayFor = 2 * time.Second // how long the connection that left stays away
)

func newRoom() room { return room{wanted: new(atomic.Int32), freed: make(chan struct{}, 64)} }

// ask waits until a connection of a batch has left, and reports whether one did.
func (r room) ask(ctx context.Context) bool {
	r.wanted.Add(1)
	t := time.NewTimer(askFor)
	defer t.Stop()
	select {
	case <-r.freed:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	// Nobody left, so the wish is taken back; where somebody just took it up, what
	// is freed is the next one's.
	r.claim()
	return false
}

// claim reports whether a connection should leave, and takes up the wish.
func (r room) claim() bool {
	for {
		n := r.wanted.Load()
		if n <= 0 {
			return false
		}
		if r.wanted.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

// left tells that a connection is gone, and keeps its place free for a while.
func (r room) left(ctx context.Context) {
	select {
	case r.freed <- struct{}{}:
	default: // more room than anybody waits for
	}
	t := time.NewTimer(awayFor)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
