package monitor

import (
	"net/netip"
	"time"
)

// State is what a monitor is held to be.
type State string

// The states.
const (
	Unknown     State = "unknown"     // never judged
	Up          State = "up"          // the last look was healthy
	Degraded    State = "degraded"    // it answers, outside a soft limit, confirmed
	Suspect     State = "suspect"     // failing, not yet confirmed: nobody is woken
	Down        State = "down"        // failing, confirmed
	Flapping    State = "flapping"    // now healthy, now failing, see [Turns]
	Maintenance State = "maintenance" // an announced window is open
	Unreachable State = "unreachable" // failing, and a parent is confirmed down
	Blind       State = "blind"       // failing, and our own uplink is confirmed lost
)

// Transition is the only thing that alarms.
type Transition string

// The transitions.
const (
	None     Transition = ""
	WentDown Transition = "went_down" // a failure is confirmed: an episode begins, or gets worse
	CameUp   Transition = "came_up"   // the episode is over
	// WentDegraded and StartedFlapping begin an episode of lower severity; a
	// failure that is confirmed in it alarms like any other.
	WentDegraded    Transition = "went_degraded"
	StartedFlapping Transition = "started_flapping"
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
	// Mild says that the open episode has been a warning only so far: whoever
	// was told of it was not woken, so a confirmed failure still alarms.
	Mild bool `json:"mild,omitempty"`
	// Episode counts the episodes since the monitor was made. With the
	// monitor's id it names an alert: repeats fold, the next failure is new.
	Episode int64 `json:"episode,omitempty"`
	// Limited says that the soft limits are missed, confirmed; Turning counts the
	// healthy results in a row that say the opposite of it.
	Limited bool `json:"limited,omitempty"`
	Turning int  `json:"turning,omitempty"`
	// Turns remembers how often health changed lately; Flaps is its verdict.
	Turns Turns `json:"turns,omitempty"`
	Flaps bool  `json:"flaps,omitempty"`
	// Held says why an alarm is being withheld; its zero value: none is.
	Held Held `json:"held,omitzero"`
	// Asking is since when a failure that would be certain waits for what its
	// parent or our uplink turn out to be, see [MaxAsking].
	Asking time.Time `json:"asking,omitzero"`
	// Addr is the address at which the target answered last.
	Addr netip.Addr `json:"addr,omitzero"`
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
	spec  *Spec
	phase time.Duration
	dates *calendar // only so that the same is not worked out again and again
}

// NewMachine makes the rule for a normal spec. The id only decides the phase,
// the place of this monitor's checks within the interval.
func NewMachine(id string, s Spec) Machine { return newMachine(id, &s) }

// newMachine shares s, which nobody may change any more.
func newMachine(id string, s *Spec) Machine {
	return Machine{spec: s, phase: Phase(id, s.Interval.D()), dates: newCalendar(s.MaintenanceRules)}
}

// Confirmation is how long to wait for the probe that confirms the n-th failure
// in a row: 2 s, 4 s, 8 s and so on, never longer than the interval.
func Confirmation(n int, interval time.Duration) time.Duration {
	d := 2 * time.Second << min(max(n, 1)-1, 20)
	return min(d, interval)
}

// Step judges one result at now. Of a row of failures exactly the one that
// completes the spec's confirmation goes down; one success recovers, unless the
// monitor is flapping. Inside a maintenance window nothing alarms and nothing
// counts: what is down when the window ends is confirmed afresh, and an episode
// that was open before ends with the first success behind the window. The same
// holds for failures while a parent is down or our uplink is lost.
//
// Whenever a failure is known and yet gives no alarm of its own, Held says why.
//
// A result that says nothing about health changes the schedule at most.
func (m Machine) Step(st Status, r Result, a Around, now time.Time) (Status, Transition) {
	now = stamp(now)
	if st.State == "" {
		st = NewStatus(now)
	}
	if m.spec.Kind == Heartbeat {
		st.hear(r, now)
	}
	if r.Reason.Neutral() {
		tr := None
		if _, closed := m.inMaintenance(now); st.State == Maintenance && !closed {
			if m.spec.Kind == Heartbeat && st.Held.Reason == HeldMaintenance {
				// The job's last word was a failure, and the next may be a day away.
				tr = m.fail(&st, st.Last, a, now)
				st.hold(m, a, now)
			} else {
				st.resume(now)
			}
		}
		st.NextAt = m.next(st, now)
		return st, tr
	}
	st.Last = r
	if r.OK && r.Addr.IsValid() {
		st.Addr = r.Addr
	}
	tr := None
	_, closed := m.inMaintenance(now)
	switch {
	case closed:
		st.Fails, st.Turning, st.Asking = 0, 0, time.Time{}
		st.become(Maintenance, now)
	case r.OK:
		st.count(m, r)
		tr = m.good(&st, r, now)
	case st.alarmed():
		st.count(m, r)
		tr = m.fail(&st, r, a, now)
	case a.Parent != "":
		st.excuse(Unreachable, now)
	case a.Blind:
		st.excuse(Blind, now)
	default:
		st.count(m, r)
		tr = m.fail(&st, r, a, now)
	}
	st.hold(m, a, now)
	st.NextAt = m.next(st, now)
	return st, tr
}

// moved tells whether something changed that the next results do not tell by
// themselves, so that it must be stored.
func (st Status) moved(before Status) bool {
	return st.State != before.State || st.Fails != before.Fails || st.Turns != before.Turns || st.Flaps != before.Flaps ||
		st.Limited != before.Limited || st.Turning != before.Turning || st.Held != before.Held || st.Addr != before.Addr ||
		st.Open != before.Open || !st.Seen.Equal(before.Seen) || !st.Started.Equal(before.Started)
}

// alarmed tells whether somebody was woken for the episode that is open.
func (st Status) alarmed() bool { return st.Open && !st.Mild }

// open begins an episode, or makes an open one worse.
func (st *Status) open(mild bool) {
	if !st.Open {
		st.Episode++
	}
	st.Open, st.Mild = true, mild
}

// good judges a target that answers.
func (m Machine) good(st *Status, r Result, now time.Time) Transition {
	st.Fails, st.Asking = 0, time.Time{}
	if soft := r.Soft(); soft == st.Limited {
		st.Turning = 0
	} else if st.Turning++; st.Turning >= m.confirm() {
		st.Limited, st.Turning = soft, 0
	}
	tr := None
	switch {
	case st.Flaps:
		if !st.Open {
			st.open(true)
			tr = StartedFlapping
		}
	case st.alarmed():
		// Whether it is well or only answers is judged afresh.
		st.Open, st.Limited, st.Turning = false, false, 0
		tr = CameUp
	case st.Open && !st.Limited:
		st.Open, st.Mild = false, false
		tr = CameUp
	case !st.Open && st.Limited:
		st.open(true)
		tr = WentDegraded
	}
	switch {
	case st.Flaps:
		st.become(Flapping, now)
	case st.Limited:
		st.become(Degraded, now)
	default:
		st.become(Up, now)
	}
	return tr
}

// fail judges a failure that counts.
func (m Machine) fail(st *Status, r Result, a Around, now time.Time) Transition {
	st.Fails++
	st.Turning = 0
	if st.alarmed() { // known and told; only its end is news
		if st.Flaps && st.Fails < m.confirm() {
			st.become(Flapping, now)
		} else {
			st.become(Down, now)
		}
		return None
	}
	if st.Fails == 1 {
		st.FailingSince = r.At
	}
	if st.Fails < m.confirm() || st.asks(a, now) {
		// That it is restless is told with the next success, if it is no outage.
		if st.Flaps {
			st.become(Flapping, now)
		} else {
			st.become(Suspect, now)
		}
		return None
	}
	st.Asking = time.Time{}
	st.open(false)
	st.become(Down, now)
	return WentDown
}

// maintenance is the window that is open at now.
func (m Machine) maintenance(now time.Time) Window {
	w, _ := m.spec.window(m.dates, now)
	return w
}

func (m Machine) inMaintenance(now time.Time) (until time.Time, ok bool) {
	w, ok := m.spec.window(m.dates, now)
	return w.To, ok
}

// confirm is how many results in a row make certain.
func (m Machine) confirm() int { return max(m.spec.Confirm, 1) }

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
	case !st.Asking.IsZero():
		at = now.Add(Confirmation(1, m.spec.Interval.D()))
	case st.State == Suspect, st.State == Flapping && st.Fails > 0 && !st.alarmed():
		at = now.Add(Confirmation(st.Fails, m.spec.Interval.D()))
	default:
		at = NextSlot(now, m.phase, m.spec.Interval.D())
	}
	// The end of a window is looked at promptly: what is still broken then must
	// be told now and not an interval later.
	if until, closed := m.inMaintenance(now); closed && until.Before(at) {
		at = until
	}
	return at
}

// nextBeat is when a heartbeat is due. One that is overdue already is looked
// at once per interval, so that its history goes on.
func (m Machine) nextBeat(st Status, now time.Time) time.Time {
	at := Due(st, *m.spec)
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
