package intake

import (
	"sync"
	"time"
)

// pace is how fast one source may speak: so many bodies a second, and so many at
// once after a quiet time. What is beyond is told to come again; see [Room.Gate].
type pace struct{ rate, burst float64 }

// The paces of a source. On the public listener everybody may try.
var (
	innerPace  = pace{5000, 20_000}
	publicPace = pace{100, 2000}
)

// maxSourceWaiting is how much of the queue one source may fill, so that the storm
// of one keeps none of the others out.
const maxSourceWaiting = maxWaiting / 2

// pacer counts what sources say.
type pacer struct {
	mu   sync.Mutex
	left map[pacing]*allowance
}

type pacing struct {
	source sourceOf
	public bool
}

type allowance struct {
	left float64
	at   time.Time
}

// allow takes one body of a source, and answers false when it is too many. The
// map holds at most two entries for each source that exists.
func (p *pacer) allow(of pacing, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := innerPace
	if of.public {
		at = publicPace
	}
	a := p.left[of]
	if a == nil {
		a = &allowance{at.burst, now}
		p.left[of] = a
	}
	if d := now.Sub(a.at); d > 0 {
		a.left = min(at.burst, a.left+d.Seconds()*at.rate)
	}
	a.at = now
	if a.left < 1 {
		return false
	}
	a.left--
	return true
}
