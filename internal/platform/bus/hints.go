package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tuermer/internal/platform/ident"
)

// Hint says that something of a tenant changed: Topic is the room's noun
// ("alert", "incident"), ID the row.
type Hint struct {
	Tenant ident.Tenant `json:"t"`
	Topic  string       `json:"p"`
	ID     string       `json:"i"`
}

// Hints passes hints to whoever is looking. With PostgreSQL it reaches the
// other nodes too, by LISTEN/NOTIFY; without, it stays inside the process.
type Hints struct {
	pool *pgxpool.Pool
	log  *slog.Logger

	mu     sync.Mutex
	subs   map[*Subscription]struct{}
	cancel context.CancelFunc
	done   chan struct{}
}

// notifyChannel is the PostgreSQL channel of this product.
const notifyChannel = "tuermer_hint"

// NewHints makes a hub; pool may be nil.
func NewHints(pool *pgxpool.Pool, log *slog.Logger) *Hints {
	return &Hints{pool: pool, log: log, subs: map[*Subscription]struct{}{}}
}

// Subscription receives hints on C. C holds a few; when it is full the hint is
// dropped, since one waiting hint already makes the receiver look.
type Subscription struct {
	C     chan Hint
	hints *Hints
	want  func(Hint) bool
}

// Subscribe starts listening; want filters (nil: everything).
func (h *Hints) Subscribe(want func(Hint) bool) *Subscription {
	s := &Subscription{C: make(chan Hint, 32), hints: h, want: want}
	h.mu.Lock()
	h.subs[s] = struct{}{}
	h.mu.Unlock()
	return s
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.hints.mu.Lock()
	delete(s.hints.subs, s)
	s.hints.mu.Unlock()
}

// Publish passes the hint on. It never blocks on a slow receiver.
func (h *Hints) Publish(hint Hint) {
	h.local(hint)
	if h.pool == nil {
		return
	}
	body, err := json.Marshal(hint)
	if err != nil {
		return // three short strings always marshal
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if _, err := h.pool.Exec(ctx, "SELECT pg_notify($1, $2)", notifyChannel, string(body)); err != nil {
		h.log.DebugContext(ctx, "hint lost, pages will catch up by themselves", "room", "bus", "err", err)
	}
}

func (h *Hints) local(hint Hint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		if s.want != nil && !s.want(hint) {
			continue
		}
		select {
		case s.C <- hint:
		default:
		}
	}
}

// Start listens to other nodes; without PostgreSQL it does nothing.
func (h *Hints) Start(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pool == nil || h.cancel != nil {
		return
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	h.cancel, h.done = cancel, make(chan struct{})
	go func() {
		defer close(h.done)
		for run.Err() == nil {
			if err := h.listen(run); err != nil && run.Err() == nil {
				h.log.WarnContext(run, "no hints from other nodes for a moment", "room", "bus", "err", err)
				wait(run, 2*time.Second)
			}
		}
	}()
}

// Stop ends listening.
func (h *Hints) Stop() {
	h.mu.Lock()
	cancel, done := h.cancel, h.done
	h.cancel = nil
	h.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

func (h *Hints) listen(ctx context.Context) error {
	conn, err := h.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("bus: listen: %w", err)
	}
	// A connection that listens must not go back into the pool.
	raw := conn.Hijack()
	defer func() { _ = raw.Close(context.WithoutCancel(ctx)) }()
	if _, err := raw.Exec(ctx, "LISTEN "+notifyChannel); err != nil {
		return fmt.Errorf("bus: listen: %w", err)
	}
	self := raw.PgConn().PID()
	for {
		n, err := raw.WaitForNotification(ctx)
		if err != nil {
			return fmt.Errorf("bus: listen: %w", err)
		}
		if n.PID == self {
			continue
		}
		var hint Hint
		if json.Unmarshal([]byte(n.Payload), &hint) == nil {
			h.local(hint)
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
