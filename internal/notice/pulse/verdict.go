package pulse

import (
	"time"
)

// Reason is something that is wrong with Türmer itself; each has a text
// pulse.ill_REASON.
type Reason string

// What a self-check can find.
const (
	Unwritable Reason = "database" // the database does not take a row
	Stuck      Reason = "outbox"   // alarms wait that should have gone
	Standing   Reason = "engine"   // no result of a check has been stored for long
)

// Verdict is one self-check.
type Verdict struct {
	At  time.Time
	Ill []Reason
	// Alarm is when the last alarm was delivered; zero: none yet.
	Alarm time.Time
}

// OK reports that nothing is wrong.
func (v Verdict) OK() bool { return len(v.Ill) == 0 }

// How long something may take before it counts as wrong.
const (
	writeTime = 10 * time.Second
	alarmTime = 5 * time.Minute  // an alarm that waits longer is stuck
	restMin   = 10 * time.Minute // an engine may always rest that long
	restFirst = time.Hour        // and that long before its rhythm is known
)

// rhythm learns how often the engine stores results, and tells when it has been
// still for much longer than it ever was. No list of checks has to be read.
type rhythm struct {
	stored  int64
	moved   time.Time // when stored last changed
	longest time.Duration
	known   bool // it has moved twice
	began   bool
}

// look takes the engine's figures and answers whether it stands still. An engine
// without checks has nothing to do.
func (r *rhythm) look(now time.Time, checks int, stored int64) bool {
	switch {
	case checks == 0:
		*r = rhythm{}
		return false
	case !r.began || stored < r.stored:
		*r = rhythm{stored: stored, moved: now, began: true}
		return false
	case stored != r.stored:
		r.longest = max(r.longest, now.Sub(r.moved))
		r.known = r.known || r.stored > 0
		r.stored, r.moved = stored, now
		return false
	}
	patience := restFirst
	if r.known {
		patience = max(restMin, 3*r.longest)
	}
	return now.Sub(r.moved) > patience
}
