package monitor

import (
	"hash/fnv"
	"time"
)

// Phase is the place of a monitor's checks within its interval, spread by a
// hash of its id: a thousand monitors of one interval do not fire at once, and
// a restart does not move them.
func Phase(id string, interval time.Duration) time.Duration {
	if interval <= 0 {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(id))
	x := h.Sum64()
	// FNV alone leaves ids that differ in the last byte close together.
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return time.Duration(x % uint64(interval)).Truncate(time.Millisecond)
}

// NextSlot is the first moment after now that lies at phase within an interval
// counted from the Unix epoch: in (now, now+interval]. The interval is in whole
// milliseconds.
func NextSlot(now time.Time, phase, interval time.Duration) time.Time {
	// Milliseconds and not nanoseconds: years far away must not overflow.
	since := time.Duration(now.UnixMilli()%interval.Milliseconds()) * time.Millisecond
	if since < 0 { // before 1970
		since += interval
	}
	wait := (phase - since + interval) % interval
	if wait <= 0 {
		wait += interval
	}
	return now.Add(wait)
}
