// Package clock tells the time, and is the only place that asks the machine
// for it.
//
// Rooms are handed a [Clock]; tests hand in their own or run inside a synctest
// bubble, where [System] is virtual. The database never tells the time, since
// inside a bubble it would say another day. Times are UTC and cut to
// milliseconds, so that what is stored is what was meant on both databases.
package clock

import (
	"fmt"
	"time"
)

// Clock tells the present moment in UTC, cut to milliseconds.
type Clock interface {
	Now() time.Time
}

// System is the machine's clock (or the bubble's).
type System struct{}

// Now implements [Clock].
func (System) Now() time.Time { return Cut(time.Now()) }

// Cut brings t into the form that is stored: UTC, whole milliseconds, no
// monotonic reading.
func Cut(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// Steady is right when it is made and then runs by the machine's stopwatch:
// whoever sets the machine's clock meanwhile does not move it.
type Steady struct{ start time.Time }

// NewSteady makes a clock that begins now.
func NewSteady() Steady { return Steady{time.Now()} }

// Now implements [Clock].
func (s Steady) Now() time.Time { return Cut(s.start.Add(time.Since(s.start))) }

// Fixed is a clock that stands still, for tests of pure rules.
type Fixed time.Time

// Now implements [Clock].
func (f Fixed) Now() time.Time { return Cut(time.Time(f)) }

// Zone loads an IANA time zone; "" is Europe/Berlin, the default of a town.
func Zone(name string) (*time.Location, error) {
	if name == "" {
		name = "Europe/Berlin"
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("clock: zone %q: %w", name, err)
	}
	return loc, nil
}
