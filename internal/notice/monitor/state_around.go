package monitor

import "time"

// Around is what is known of a monitor's surroundings when it is judged.
type Around struct {
	// Parent is the slug of a parent that is confirmed down, or that cannot be
	// reached itself; empty: none is.
	Parent string
	// Blind: our own uplink is confirmed lost, and the target lies behind it.
	Blind bool
	// Asking: a parent or our uplink may be the cause, and is being looked at.
	Asking bool
}

// MaxAsking is how long a failure that would be certain waits at most for what
// its surroundings turn out to be. After that it alarms: doubt never silences
// (I20).
const MaxAsking = 15 * time.Second

// HeldReason says in one stable word why an alarm is withheld.
type HeldReason string

// The reasons. Texts: "monitor.held.<reason>".
const (
	HeldMaintenance HeldReason = "maintenance" // it is announced
	HeldParent      HeldReason = "parent"      // a parent is down, and alarms
	HeldBlind       HeldReason = "blind"       // our uplink is lost, and alarms
	HeldFlapping    HeldReason = "flapping"    // one alert stays one, until it is steady
)

// HeldReasons lists every reason, for the test that asks for all sentences.
func HeldReasons() []HeldReason {
	return []HeldReason{HeldMaintenance, HeldParent, HeldBlind, HeldFlapping}
}

// Held is an alarm that is being withheld.
type Held struct {
	Reason HeldReason `json:"reason"`
	// Cause names what stands behind the reason: the parent's slug, or why there
	// is maintenance.
	Cause string    `json:"cause,omitempty"`
	Since time.Time `json:"since"`
}

// excuse leaves a failure to its cause: it does not count, and what still fails
// when the cause is gone is confirmed afresh.
func (st *Status) excuse(s State, now time.Time) {
	st.Fails, st.Turning, st.Asking = 0, 0, time.Time{}
	st.become(s, now)
}

// asks tells whether a certain failure waits for its surroundings. A clock that
// was set back lets it wait no longer.
func (st *Status) asks(a Around, now time.Time) bool {
	if !a.Asking {
		return false
	}
	if st.Asking.IsZero() {
		st.Asking = now
	}
	waited := now.Sub(st.Asking)
	return waited >= 0 && waited < MaxAsking
}

// hold notes whether an alarm is being withheld after the result that was just
// judged, and why.
func (st *Status) hold(m Machine, a Around, now time.Time) {
	h := Held{Since: now}
	switch {
	case st.State == Maintenance:
		if !st.Last.OK && !st.alarmed() {
			h.Reason, h.Cause = HeldMaintenance, m.maintenance(now).Reason
		}
	case st.State == Unreachable:
		h.Reason, h.Cause = HeldParent, a.Parent
	case st.State == Blind:
		h.Reason = HeldBlind
	case st.Flaps:
		h.Reason = HeldFlapping
	}
	switch {
	case h.Reason == "":
		st.Held = Held{}
	case h.Reason != st.Held.Reason || h.Cause != st.Held.Cause:
		st.Held = h
	}
}
