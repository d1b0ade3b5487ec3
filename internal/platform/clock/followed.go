package clock

import (
	"sync/atomic"
	"time"
)

// Followed is a clock that is brought to another's time, as the nodes on one
// database are to the database's: what one of them calls due is due for all.
type Followed struct {
	Base   Clock
	offset atomic.Int64 // nanoseconds
}

// Now implements [Clock].
func (f *Followed) Now() time.Time {
	return Cut(f.Base.Now().Add(time.Duration(f.offset.Load())))
}

// slack is a difference that is left alone: machines that keep their clocks well
// never step.
const slack = 500 * time.Millisecond

// Follow says what the other clock showed a moment ago, and how long asking took.
func (f *Followed) Follow(there time.Time, took time.Duration) {
	off := there.Add(took / 2).Sub(f.Base.Now())
	if d := off - time.Duration(f.offset.Load()); d.Abs() > max(slack, took) {
		f.offset.Store(int64(off))
	}
}
