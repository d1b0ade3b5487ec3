package monitor

import "math/bits"

// Turns remembers the last 20 changes between healthy and failing. Bit 0 says
// whether the newest result that counts differs from the one before it.
//
// The rule is that of Nagios ("Detection and Handling of State Flapping",
// https://assets.nagios.com/downloads/nagioscore/docs/nagioscore/3/en/flapping.html):
// a change weighs the more the newer it is, from 0.8 for the oldest to 1.2 for
// the newest, and the sum stands in per cent of 20 changes. Flapping begins at
// [FlappingIn] and ends at [FlappingOut].
//
// Unlike there, the probes that only confirm a failure do not count: they come
// within seconds, and would make every outage look calm.
type Turns uint32

// The limits of flapping, in per cent.
const (
	FlappingIn  = 50
	FlappingOut = 25
)

const (
	windowSize  = 20
	windowMask  = Turns(1)<<windowSize - 1
	windowSeen  = Turns(1) << 30 // a result has counted
	windowFails = Turns(1) << 31 // the newest one was a failure
)

// push counts one result.
func (w Turns) push(ok bool) Turns {
	was, seen := w&windowFails == 0, w&windowSeen != 0
	out := w << 1 & windowMask
	if seen && was != ok {
		out |= 1
	}
	out |= windowSeen
	if !ok {
		out |= windowFails
	}
	return out
}

// Percent is how restless the window is: 0 for no change, 100 for a change with
// every result.
func (w Turns) Percent() float64 {
	sum := 0.0
	for rest := w & windowMask; rest != 0; rest &= rest - 1 {
		age := bits.TrailingZeros32(uint32(rest))
		sum += 1.2 - 0.4*float64(age)/(windowSize-1)
	}
	return sum / windowSize * 100
}

// Changes counts the changes in the window.
func (w Turns) Changes() int { return bits.OnesCount32(uint32(w & windowMask)) }

// count puts a result that is about the target into the window.
func (st *Status) count(m Machine, r Result) {
	if m.spec.Kind == Heartbeat || m.spec.Flapping != nil && !*m.spec.Flapping {
		st.Flaps, st.Turns = false, 0
		return
	}
	if !r.OK && st.Fails > 0 && st.Fails < m.confirm() && !st.alarmed() {
		return // it confirms what was counted
	}
	st.Turns = st.Turns.push(r.OK)
	switch p := st.Turns.Percent(); {
	case p >= FlappingIn:
		st.Flaps = true
	case p <= FlappingOut:
		st.Flaps = false
	}
}
