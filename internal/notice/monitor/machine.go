package monitor

import "time"

// State is what a monitor is held to be.
type State string

// The states.
const (
	Unknown     State = "unknown"     // never judged
	Up          State = "up"          // the last look was healthy
	Suspect     State = "suspect"     // failing, not yet confirmed: nobody is woken
	Down        State = "down"        // failing, confirmed
	Maintenance State = "maintenance" // an announced window is open
)

// Transition is the only thing that alarms.
type Transition string

// The transitions.
const (
	None     Transition = ""
	WentDown Transition = "went_down" // a failure is confirmed: an episode begins
	CameUp   Transition = "came_up"   // the episode is over
)

// Status is all that a monitor remembers between two looks. It is a plain
// value that its owner stores with every observation and hands back at start.
type Status struct {
	State State     `json:"state"`
	Since time.Time `json:"since"` // when State began
	// Fails counts the failures in a row outside maintenance.
	Fails int `json:"fails,omitempty"`
	// FailingSince is the first failure of the row that is running, or that led
	// to the last episode: what "seit 14:02 Uhr" shows.
	FailingSince time.Time `json:"failing_since,omitzero"`
	// Open is true from WentDown to CameUp. It outlives a maintenance window, so
	// that an alarm is never given twice for one episode, and never forgotten.
	Open bool `json:"open,omitempty"`
	// Episode counts the confirmed failures since the monitor was made. With the
	// monitor's id it names an alert: repeats fold, the next failure is new.
	Episode int64 `json:"episode,omitempty"`
	// Last is the latest result that said something about health.
	Last Result `json:"last,omitzero"`
	// NextAt is when to look again: in the future, at most an interval away
	// (for a heartbeat, interval and grace).
	NextAt time.Time `json:"next_at,omitzero"`

	// Seen and Started belong to heartbeats: the last success, and a start that
	// no success has followed yet.
	Seen    time.Time `json:"seen,omitzero"`
	Started time.Time `json:"started,omitzero"`
}

// NewStatus is the status of a monitor that was made at now.
func NewStatus(now time.Time) Status {
	return Status{State: Unknown, Since: stamp(now)}
}

// Machine is the pure rule of one monitor: what the next result makes of its
// status. It is a value without memory; everything it knows of the past is in
// the Status, and everything it knows of time is an argument.
type Machine struct {
	spec  Spec
	phase time.Duration
}

// NewMachine makes the rule for a normal spec. The id only decides the phase,
// the place of this monitor's checks within the interval.
func NewMachine(id string, s Spec) Machine {
	return Machine{spec: s, phase: Phase(id, s.Interval.D())}
}

// Confirmation is how long to wait for the probe that confirms the n-th failure
// in a row: 2 s, 4 s, 8 s and so on, never longer than the interval.
func Confirmation(n int, interval time.Duration) time.Duration {
	d := 2 * time.Second << min(max(n, 1)-1, 20)
	return min(d, interval)
}

// Step judges one result at now. Of a row of failures exactly the one that
// completes the spec's confirmation goes down; one success recovers. Inside a
// maintenance window nothing alarms and nothing counts: what is down when the
// window ends is confirmed afresh, and an episode that was open before ends
// with the first success behind the window.
//
// A result that says nothing about health changes the schedule at most.
func (m Machine) Step(st Status, r Result, now time.Time) (Status, Transition) {
	now = stamp(now)
	if st.State == "" {
		st = NewStatus(now)
	}
	if m.spec.Kind == Heartbeat {
		st.hear(r, now)
	}
	if r.Reason.Neutral() {
		if _, closed := m.spec.InMaintenance(now); st.State == Maintenance && !closed {
			st.resume(now)
		}
		st.NextAt = m.next(st, now)
		return st, None
	}
	st.Last = r
	tr := None
	if _, closed := m.spec.InMaintenance(now); closed {
		st.Fails = 0
		st.become(Maintenance, now)
	} else if r.OK {
		st.Fails = 0
		if st.Open {
			st.Open, tr = false, CameUp
		}
		st.become(Up, now)
	} else {
		tr = m.fail(&st, r, now)
	}
	st.NextAt = m.next(st, now)
	return st, tr
}

func (m Machine) fail(st *Status, r Result, now time.Time) Transition {
	st.Fails++
	if st.Open { // known and told; only its end is news
		st.become(Down, now)
		return None
	}
	if st.Fails == 1 {
		st.FailingSince = r.At
	}
	if st.Fails < max(m.spec.Confirm, 1) {
		st.become(Suspect, now)
		return None
	}
	st.Open = true
	st.Episode++
	st.become(Down, now)
	return WentDown
}

func (st *Status) become(s State, now time.Time) {
	if st.State != s {
		st.State, st.Since = s, now
	}
}

// resume leaves maintenance without a new look, for a heartbeat that is not due
// yet when the window ends.
func (st *Status) resume(now time.Time) {
	switch {
	case st.Open:
		st.become(Down, now)
	case !st.Seen.IsZero():
		st.become(Up, now)
	default:
		st.become(Unknown, now)
	}
}

// hear notes what a ping says about the job itself. Times that lie ahead, as
// after a clock was set back, are pulled to now: else the next miss would be
// noticed late by as much.
func (st *Status) hear(r Result, now time.Time) {
	defer func() {
		for _, t := range []*time.Time{&st.Seen, &st.Started, &st.Since} {
			if t.After(now) {
				*t = now
			}
		}
	}()
	switch {
	case r.OK:
		st.Seen, st.Started = r.At, time.Time{}
	case r.Reason == ReasonStarted:
		st.Started = r.At
	case r.Reason == ReasonFailed:
		// The job ran and says so: it is not missing as well.
		st.Seen, st.Started = r.At, time.Time{}
	}
}

// next is when to look again after now. Every answer is relative to now, so a
// clock that was set lets at most one interval pass.
func (m Machine) next(st Status, now time.Time) time.Time {
	var at time.Time
	switch {
	case m.spec.Kind == Heartbeat:
		at = m.nextBeat(st, now)
	case st.State == Suspect:
		at = now.Add(Confirmation(st.Fails, m.spec.Interval.D()))
	default:
		at = NextSlot(now, m.phase, m.spec.Interval.D())
	}
	// The end of a window is looked at promptly: what is still broken then must
	// be told now and not an interval later.
	if until, closed := m.spec.InMaintenance(now); closed && until.Before(at) {
		at = until
	}
	return at
}

// nextBeat is when a heartbeat is due. One that is overdue already is looked
// at once per interval, so that its history goes on.
func (m Machine) nextBeat(st Status, now time.Time) time.Time {
	at := Due(st, m.spec)
	if !at.After(now) {
		at = now.Add(m.spec.Interval.D())
	}
	if latest := now.Add(m.spec.Interval.D() + m.spec.Grace.D()); at.After(latest) {
		at = latest // Seen lies in the future: the clock was set back
	}
	return at
}

// stamp is the form in which times are kept: UTC, milliseconds.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
