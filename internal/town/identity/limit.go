package identity

import (
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// pace allows burst tries at once and then one every step.
type pace struct {
	burst int
	step  time.Duration
}

// The paces of failed sign-ins. None of them ever closes an account: after the
// burst there is always a next try, and one-time links are not counted at all.
var (
	// pairPace is for one account from one place.
	pairPace = pace{5, time.Minute}
	// accountPace is for one account from everywhere; a browser that signed in
	// before does not pay it, so that strangers cannot keep its owner out.
	accountPace = pace{20, 2 * time.Minute}
	// addressPace is for one place and all accounts; a town hall shares one.
	addressPace = pace{30, 10 * time.Second}
)

// limiter counts in memory, each node for itself, by the generic cell rate
// algorithm: a key holds the time at which all its tries are paid off.
type limiter struct {
	mu   sync.Mutex
	paid map[string]time.Time
}

// limiterKeys is how many keys are held before paid ones are thrown out.
const limiterKeys = 20_000

// take charges one try to every key, or to none: then wait is how long until
// all of them allow one again.
func (l *limiter) take(now time.Time, keys map[string]pace) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, p := range keys {
		if w := later(l.paid[k], now).Sub(now) - time.Duration(p.burst-1)*p.step; w > wait {
			wait = w
		}
	}
	if wait > 0 {
		return wait
	}
	if l.paid == nil {
		l.paid = map[string]time.Time{}
	}
	if len(l.paid) > limiterKeys {
		for k, t := range l.paid {
			if !t.After(now) {
				delete(l.paid, k)
			}
		}
	}
	for k, p := range keys {
		l.paid[k] = later(l.paid[k], now).Add(p.step)
	}
	return 0
}

// refund takes one try back from each key: it was no failure.
func (l *limiter) refund(keys map[string]pace) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, p := range keys {
		if t, ok := l.paid[k]; ok {
			l.paid[k] = t.Add(-p.step)
		}
	}
}

// left is how many tries the key has now.
func (l *limiter) left(now time.Time, key string, p pace) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	debt := later(l.paid[key], now).Sub(now)
	if debt <= 0 {
		return p.burst
	}
	return max(0, p.burst-int((debt+p.step-1)/p.step))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// place is the part of an address that one customer of a provider has: a whole
// IPv4 address, a /64 of IPv6.
func place(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if a = a.Unmap(); a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// LimitedError says when the next try is allowed; it is the cause of a fault
// of kind TooMany.
type LimitedError struct{ After time.Duration }

func (e *LimitedError) Error() string { return fmt.Sprintf("identity: next try in %s", e.After) }
