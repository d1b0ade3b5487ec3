package monitor

import (
	"math/bits"
	"time"
)

// tick is the grain of the schedule: whatever falls due within one tick starts
// together, at its end, so that many share the cost of waking up, which at ten
// milliseconds was a fifth of a check. No citizen's outage is that young.
const tick = 20 * time.Millisecond

// wheelSlots is one round of the wheel, 82 s: longer than the usual interval,
// so that an ordinary monitor is touched only when its time has come. A power
// of two.
const wheelSlots = 4096

// wheel holds the items that wait for their due time: one slot per tick, and
// whoever is due in a later round stays in its slot until then. Putting in and
// taking out cost the same for ten monitors and for a hundred thousand.
//
// It does not turn by itself: a bit per slot says where somebody waits, so that
// its owner sleeps until then and not from tick to tick.
type wheel struct {
	slots [wheelSlots]*item
	used  [wheelSlots / 64]uint64
	now   int64 // the tick up to which it has been turned
	wake  int64 // the tick at which its owner means to look again
}

// never is a tick that does not come.
const never = int64(1) << 62

// tickOf is the first tick that is not before at: nothing fires early.
func tickOf(at time.Duration) int64 { return int64((at + tick - 1) / tick) }

func newWheel() *wheel { return &wheel{wake: never} }

// put makes it wait for its time, it.at, wherever it waited before. It answers
// true when the owner would wake up too late for it.
func (w *wheel) put(it *item) (early bool) {
	w.take(it)
	it.tick = max(tickOf(it.at), w.now)
	s := it.tick % wheelSlots
	it.waits, it.prev, it.next = true, nil, w.slots[s]
	if it.next != nil {
		it.next.prev = it
	}
	w.slots[s] = it
	w.used[s/64] |= 1 << (s % 64)
	return it.tick < w.wake
}

// take makes it wait no longer.
func (w *wheel) take(it *item) {
	if !it.waits {
		return
	}
	s := it.tick % wheelSlots
	if it.prev != nil {
		it.prev.next = it.next
	} else if w.slots[s] = it.next; it.next == nil {
		w.used[s/64] &^= 1 << (s % 64)
	}
	if it.next != nil {
		it.next.prev = it.prev
	}
	it.waits, it.prev, it.next = false, nil, nil
}

// turn goes on to now, fires all that is due by then, and answers how long its
// owner may sleep; some is false when nobody waits. fire may put its own item in
// again, at a time after now.
func (w *wheel) turn(now time.Duration, fire func(*item)) (wait time.Duration, some bool) {
	to := int64(now / tick)
	from := w.now
	w.now = max(from, to)
	// The slot of the last turn is looked at again: who was to start at once was
	// put there. After a long sleep every slot comes once.
	for t := max(from, to-wheelSlots+1); t <= to; t++ {
		s := t % wheelSlots
		if w.used[s/64]>>(s%64) == 0 {
			t += 63 - s%64 // nobody waits in the rest of this word
			continue
		}
		for it := w.slots[s]; it != nil; {
			next := it.next
			if it.tick <= to {
				w.take(it)
				fire(it)
			}
			it = next
		}
	}
	if w.wake = w.nextUsed(); w.wake == never {
		return 0, false
	}
	return max(time.Duration(w.wake)*tick-now, 0), true
}

// nextUsed is the next tick in whose slot somebody waits. It may be for a later
// round; then the owner wakes up for nothing, once a round.
func (w *wheel) nextUsed() int64 {
	for d := int64(1); d <= wheelSlots; {
		s := (w.now + d) % wheelSlots
		if rest := w.used[s/64] >> (s % 64); rest != 0 {
			return w.now + d + int64(bits.TrailingZeros64(rest))
		}
		d += 64 - s%64
	}
	return never
}
