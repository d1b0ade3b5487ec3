package channel

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"tuermer/internal/platform/clock"
)

// routePause is how long a route that failed as a whole is passed over while
// another one works. With a single attempt bounded by sendTimeout it keeps the
// change to the second relay under 30 s.
const (
	routePause  = 30 * time.Second
	sendTimeout = 12 * time.Second
	batchPer    = 5 * time.Second // added for each 100 messages of a batch
)

// errNoRoute says that nobody configured a way for this kind of message.
var errNoRoute = &Failure{RouteDown: true, Reason: "config", Err: errors.New("no route is configured")}

// breaker remembers which routes are down. It is memory only: after a restart
// every route deserves a try.
type breaker struct {
	clock clock.Clock
	mu    sync.Mutex
	until map[Adapter]time.Time
	why   map[Adapter]string
}

func newBreaker(c clock.Clock) *breaker {
	return &breaker{clock: c, until: map[Adapter]time.Time{}, why: map[Adapter]string{}}
}

func (b *breaker) fail(a Adapter, f *Failure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.until[a] = b.clock.Now().Add(max(routePause, f.RetryAfter))
	b.why[a] = f.Reason
}

func (b *breaker) ok(a Adapter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.until, a)
	delete(b.why, a)
}

func (b *breaker) open(a Adapter) bool {
	if s, ok := a.(Standing); ok && s.Down() != nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.clock.Now().Before(b.until[a])
}

// reason is why a route is passed over.
func (b *breaker) reason(a Adapter) string {
	b.mu.Lock()
	why := b.why[a]
	b.mu.Unlock()
	if s, ok := a.(Standing); ok && why == "" {
		if f := s.Down(); f != nil {
			why = f.Reason
		}
	}
	return why
}

// order puts working routes first, each group in configured order. Routes that
// are down stay at the end: when all are, trying beats waiting.
func (b *breaker) order(as []Adapter) []Adapter {
	up, down := make([]Adapter, 0, len(as)), []Adapter(nil)
	for _, a := range as {
		if b.open(a) {
			down = append(down, a)
		} else {
			up = append(up, a)
		}
	}
	return append(up, down...)
}

// one sends m over the first route that takes it. doubt: none did, and one may
// have all the same.
func (r *Room) one(ctx context.Context, m Message) (rc Receipt, doubt bool, err error) {
	routes := r.routes.order(leading(r.adapters(ctx, m.Realm, m.Kind), m.To))
	if len(routes) == 0 {
		return Receipt{}, false, errNoRoute
	}
	var (
		last  error
		first Adapter // that could be waited for
		wait  time.Duration
	)
	for _, a := range routes {
		// A provider that takes no more just now is passed over: the next one may.
		if w := r.pace.take(a, m.Class, m.ID, false); w > 0 {
			if first == nil || w < wait {
				first, wait = a, w
			}
			continue
		}
		try, cancel := context.WithTimeout(ctx, sendTimeout)
		rc, err := a.Send(try, m)
		cancel()
		r.pace.learn(a, rc.Allowance, err)
		if err == nil {
			r.routes.ok(a)
			rc.Route = a.Route()
			return rc, false, nil
		}
		doubt = doubt || !untaken(err)
		f := AsFailure(err)
		// A route that hangs is down for us, whatever it would have said.
		if errors.Is(err, context.DeadlineExceeded) || f.Reason == "timeout" {
			f.RouteDown = true
		}
		// "rejected" may be this relay's own refusal ("relaying denied"); an
		// address that does not exist is refused by every relay.
		if (f.Permanent && f.Reason != "rejected") || ctx.Err() != nil {
			return Receipt{}, doubt, err
		}
		if f.RouteDown {
			r.routes.fail(a, f)
		}
		// Temporary refusals (greylisting, throttling) too: another relay may take
		// it. While one may take it later, the refusal of another ends nothing.
		if last == nil || AsFailure(last).Permanent {
			last = err
		}
	}
	switch {
	case first == nil:
		return Receipt{}, doubt, last
	case last == nil || AsFailure(last).Permanent:
		return Receipt{}, doubt, &Failure{Reason: "paced", RetryAfter: r.pace.take(first, m.Class, m.ID, true)}
	}
	return Receipt{}, doubt, last
}

// leading are the routes that lead to an address.
func leading(as []Adapter, to string) []Adapter {
	return slices.DeleteFunc(as, func(a Adapter) bool {
		c, ok := a.(Choosing)
		return ok && !c.Takes(to)
	})
}

// Leads reports whether the town in ctx has a way of this kind to the address.
func (r *Room) Leads(ctx context.Context, realm Realm, kind Kind, to string) bool {
	return len(leading(r.adapters(ctx, realm, kind), to)) > 0
}

// Deliver sends a bulk batch at once over the routes of the kind; what the
// first route could not take because it is down goes to the next. It answers
// one [Outcome] per message. The caller owns the ledger.
func (r *Room) Deliver(ctx context.Context, realm Realm, kind Kind, ms []Message) []Outcome {
	out := make([]Outcome, len(ms))
	todo := make([]int, len(ms))
	for i := range ms {
		out[i].Err, todo[i] = errNoRoute, i
	}
	for _, a := range r.routes.order(r.adapters(ctx, realm, kind)) {
		if len(todo) == 0 || ctx.Err() != nil {
			break
		}
		var part []Message
		var again, now []int
		for _, at := range todo {
			if wait := r.pace.take(a, Bulk, ms[at].ID, false); wait > 0 {
				out[at].Err = &Failure{Reason: "paced", RetryAfter: wait}
				again = append(again, at)
				continue
			}
			part, now = append(part, ms[at]), append(now, at)
		}
		if len(part) == 0 {
			continue
		}
		for i, o := range sendPart(ctx, a, part) {
			at := now[i]
			out[at] = o
			r.pace.learn(a, o.Receipt.Allowance, o.Err)
			if o.Err == nil {
				r.routes.ok(a)
				out[at].Receipt.Route = a.Route()
				continue
			}
			f := AsFailure(o.Err)
			if f.RouteDown {
				r.routes.fail(a, f)
			}
			if !f.Permanent {
				again = append(again, at)
			}
		}
		todo = again
	}
	return out
}

func sendPart(ctx context.Context, a Adapter, ms []Message) []Outcome {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout+time.Duration(1+len(ms)/100)*batchPer)
	defer cancel()
	if b, ok := a.(BatchSender); ok {
		return b.SendBatch(ctx, ms)
	}
	out := make([]Outcome, len(ms))
	for i, m := range ms {
		out[i].Receipt, out[i].Err = a.Send(ctx, m)
	}
	return out
}

// WayState tells how one way out stands, for settings and self-check.
type WayState struct {
	Kind  Kind
	Realm Realm
	Name  string
	Down  bool
	Why   string
}

// Ways lists the tenant's ways out.
func (r *Room) Ways(ctx context.Context) []WayState {
	var out []WayState
	for _, a := range r.o.Adapters(ctx) {
		s := WayState{Kind: a.Kind(), Realm: a.Realm(), Name: a.Route(), Down: r.routes.open(a)}
		if s.Down {
			s.Why = r.routes.reason(a)
		}
		out = append(out, s)
	}
	return out
}

// adapters are the tenant's routes for a kind. The realm decides (I4): an
// exercise never sees a live route.
func (r *Room) adapters(ctx context.Context, realm Realm, kind Kind) []Adapter {
	var out []Adapter
	for _, a := range r.o.Adapters(ctx) {
		if a.Kind() == kind && a.Realm() == realm {
			out = append(out, a)
		}
	}
	return out
}
