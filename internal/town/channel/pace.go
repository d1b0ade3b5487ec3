package channel

import (
	"math"
	"sync"
	"time"

	"tuermer/internal/platform/clock"
)

// Allowance is what a provider said it would still take: headers such as
// X-RateLimit-Remaining. A zero Limit means that it said nothing.
type Allowance struct {
	Limit     int
	Remaining int
	Reset     time.Duration // until Remaining is Limit again
}

// Pacer is the optional ability of an adapter to lead to one provider with one
// allowance: messages a second, and how many at once. A zero rate knows no limit
// until the provider tells. Adapters without it are never paced: what one
// receiver of mail or of a webhook asks for says nothing about the others.
type Pacer interface {
	Pace() (perSecond float64, burst int)
}

// pace keeps one token bucket per route. It holds a quarter of each bucket for
// alarms: single messages and bulk leave it alone (I10). What a provider asks
// for (Retry-After) or announces (X-RateLimit) is learned on the way.
//
// It is memory only: after a restart the provider tells us again.
type pace struct {
	clock clock.Clock
	mu    sync.Mutex
	of    map[Adapter]*bucket
}

// bucket is how much one route takes.
type bucket struct {
	rate, burst, tokens float64
	at                  time.Time // when tokens was true
	until               time.Time // nobody before
	othersUntil         time.Time // nobody but alarms before
	refused             int       // refusals in a row that named no time
	booked              map[string]time.Time
}

// maxBooked bounds how many alarms wait for a turn of their own; further ones ask
// again.
const maxBooked = 10_000

// reserved is the part of a bucket, and of an announced allowance, that only
// alarms use.
const reserved = 0.25

func newPace(c clock.Clock) *pace { return &pace{clock: c, of: map[Adapter]*bucket{}} }

func (p *pace) bucket(a Adapter) *bucket {
	b := p.of[a]
	if b == nil {
		b = &bucket{booked: map[string]time.Time{}, at: p.clock.Now()}
		if limited, ok := a.(Pacer); ok {
			perSecond, burst := limited.Pace()
			b.rate, b.burst = perSecond, max(float64(burst), 1)
		}
		b.tokens = b.burst
		p.of[a] = b
	}
	return b
}

// take asks whether the message may go over a now, and else how long it should
// wait. With book an alarm gets a turn of its own, which take then honours.
func (p *pace) take(a Adapter, class Class, id string, book bool) time.Duration {
	if _, limited := a.(Pacer); !limited {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	b, now := p.bucket(a), p.clock.Now()
	wait := b.until.Sub(now)
	if class != Alarm {
		wait = max(wait, b.othersUntil.Sub(now))
	}
	if at, ok := b.booked[id]; ok {
		if wait = max(wait, at.Sub(now)); wait <= 0 {
			delete(b.booked, id)
		}
		return max(wait, 0)
	}
	if b.rate <= 0 || wait > 0 {
		return max(wait, 0)
	}
	b.tokens = min(b.burst, b.tokens+now.Sub(b.at).Seconds()*b.rate)
	b.at = now
	need := 1.0
	if class != Alarm {
		need += math.Floor(b.burst * reserved)
	}
	if b.tokens >= need {
		b.tokens--
		return 0
	}
	wait = time.Duration(math.Ceil((need - b.tokens) / b.rate * float64(time.Second)))
	if book && class == Alarm && len(b.booked) < maxBooked {
		b.tokens--
		b.booked[id] = now.Add(wait)
	}
	return max(wait, time.Millisecond)
}

// learn takes up what the provider said with its answer.
func (p *pace) learn(a Adapter, said Allowance, err error) {
	if _, limited := a.(Pacer); !limited {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	b, now := p.bucket(a), p.clock.Now()
	if err != nil {
		f := AsFailure(err)
		if f.Reason != "throttled" {
			return
		}
		wait := f.RetryAfter
		if wait <= 0 { // no word for how long: one second, then two, up to half a minute
			wait = min(time.Second<<min(b.refused, 5), 30*time.Second)
			b.refused++
		}
		b.until = now.Add(wait)
		return
	}
	b.refused = 0
	if said.Limit <= 0 || said.Reset <= 0 {
		return
	}
	reset := now.Add(min(said.Reset, time.Hour))
	switch left := float64(said.Remaining); {
	case left <= 0:
		b.until = reset
	case left <= float64(said.Limit)*reserved:
		b.othersUntil = reset
	}
}
