package sonde

import (
	"sync"
	"time"
)

// pacer lets each key ask burst times at once and then once every step (the
// generic cell rate algorithm: a key holds the time at which all is paid off).
// It counts in memory, each node for itself.
type pacer struct {
	burst int
	step  time.Duration

	mu   sync.Mutex
	paid map[string]time.Time
}

// pacerKeys is how many keys are held before paid ones are thrown out.
const pacerKeys = 10_000

// take charges one request to the key; wait is how long until it may ask again.
func (p *pacer) take(now time.Time, key string) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	paid := p.paid[key]
	if paid.Before(now) {
		paid = now
	}
	if wait := paid.Sub(now) - time.Duration(p.burst-1)*p.step; wait > 0 {
		return wait
	}
	if p.paid == nil {
		p.paid = map[string]time.Time{}
	}
	if len(p.paid) >= pacerKeys {
		for k, t := range p.paid {
			if !t.After(now) {
				delete(p.paid, k)
			}
		}
	}
	p.paid[key] = paid.Add(p.step)
	return 0
}
