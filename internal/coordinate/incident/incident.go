package incident

import (
	"slices"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/fault"
)

// ID names an incident.
type ID string

// Realm keeps exercises apart from reality (I4); it never changes.
type Realm string

// The realms.
const (
	Live     Realm = "live"
	Exercise Realm = "exercise"
)

// Level says how far the authority can still act. It says nothing about danger
// to life.
type Level string

// Störung, Notfall, Krise.
const (
	Disruption Level = "disruption"
	Emergency  Level = "emergency"
	Crisis     Level = "crisis"
)

// Levels lists them, mildest first.
func Levels() []Level { return []Level{Disruption, Emergency, Crisis} }

// Impact is the level in the words of public status pages.
type Impact string

// The impacts.
const (
	None     Impact = "none"
	Minor    Impact = "minor"
	Major    Impact = "major"
	Critical Impact = "critical"
)

// Impact maps the level; what is no level is none.
func (l Level) Impact() Impact {
	switch l {
	case Disruption:
		return Minor
	case Emergency:
		return Major
	case Crisis:
		return Critical
	default:
		return None
	}
}

// Phase is where the handling stands.
type Phase string

// The phases, and the two side exits.
const (
	Candidate  Phase = "candidate"  // somebody thinks so
	Confirmed  Phase = "confirmed"  // it is so
	Identified Phase = "identified" // the cause is known
	Monitoring Phase = "monitoring" // mended, being watched
	Restored   Phase = "restored"   // works again
	Closed     Phase = "closed"     // everybody was told
	Reviewed   Phase = "reviewed"   // learned from
	Dismissed  Phase = "dismissed"  // false alarm
	Merged     Phase = "merged"     // part of another incident
)

// Phases lists them in order, side exits last.
func Phases() []Phase {
	return []Phase{Candidate, Confirmed, Identified, Monitoring, Restored, Closed, Reviewed, Dismissed, Merged}
}

// Active reports whether people still work on it: before restored.
func (p Phase) Active() bool {
	return slices.Contains([]Phase{Candidate, Confirmed, Identified, Monitoring}, p)
}

// Ended reports whether nothing more will be done.
func (p Phase) Ended() bool {
	return slices.Contains([]Phase{Closed, Reviewed, Dismissed, Merged}, p)
}

// Public is a phase in the words of public status pages.
type Public string

// The public phases.
const (
	Investigating    Public = "investigating"
	PublicIdentified Public = "identified"
	PublicMonitoring Public = "monitoring"
	Resolved         Public = "resolved"
	Postmortem       Public = "postmortem"
)

// Public projects the phase; ok is false for what the public does not see: a
// candidate and the side exits.
func (p Phase) Public() (state Public, ok bool) {
	switch p {
	case Confirmed:
		return Investigating, true
	case Identified:
		return PublicIdentified, true
	case Monitoring:
		return PublicMonitoring, true
	case Restored, Closed:
		return Resolved, true
	case Reviewed:
		return Postmortem, true
	default:
		return "", false
	}
}

// Incident / Vorfall is trouble that a team handles.
type Incident struct {
	ID       ID
	Title    string
	Realm    Realm
	Level    Level
	Phase    Phase
	Private  bool     // shown on no public page or feed (I17)
	Services []string // slugs, in order
	Alerts   []Linked
	// MergedInto is the incident that took this one over.
	MergedInto ID

	Since time.Time // when the trouble began, as far as known
	// FirstSignalAt and FirstPath: when and by whom we learned of it (R0.1);
	// zero when a person opened it without an alert.
	FirstSignalAt time.Time
	FirstPath     signal.Source
	OpenedAt      time.Time
	OpenedName    string
	ConfirmedAt   time.Time // zero: not yet; the first time counts
	RestoredAt    time.Time // zero: not yet, or opened again
	ClosedAt      time.Time // zero: not yet, or opened again
	PhaseAt       time.Time // when the phase last changed
}

// Impact is the incident's level in public words.
func (i Incident) Impact() Impact { return i.Level.Impact() }

// Public is the public projection; ok is false for what the public must not
// see: a private incident (I17), a candidate, a side exit. The realm is for the
// asker to check: an exercise has pages of its own.
func (i Incident) Public() (state Public, ok bool) {
	if i.Private {
		return "", false
	}
	return i.Phase.Public()
}

// DetectedAfter is the time from the beginning of the trouble to our learning
// of it; ok is false when that is not known.
func (i Incident) DetectedAfter() (d time.Duration, ok bool) {
	if i.FirstSignalAt.IsZero() {
		return 0, false
	}
	d = i.FirstSignalAt.Sub(i.Since)
	return d, d > 0
}

// Linked is an alert that belongs to the incident.
type Linked struct {
	Alert    string
	ClosedAt time.Time // zero: still going on
}

// Quiet reports whether every linked alert is over; false without alerts.
func (i Incident) Quiet() bool {
	for _, a := range i.Alerts {
		if a.ClosedAt.IsZero() {
			return false
		}
	}
	return len(i.Alerts) > 0
}

// Happened is what the event that opens an incident says.
type Happened struct {
	ID       ID
	Title    string
	Services []string
	Level    Level
	Phase    Phase
	Realm    Realm
	Private  bool
}

// PhaseChange is a move from one phase to another.
type PhaseChange struct {
	ID       ID
	From, To Phase
	Realm    Realm
	Reason   string
	Into     ID // set when To is Merged
}

// LevelChange is a change of level.
type LevelChange struct {
	ID       ID
	From, To Level
	Realm    Realm
}

// What happens to incidents. Changed is told for title, services and privacy.
var (
	Opened       = bus.Topic[Happened]("incident.opened")
	PhaseChanged = bus.Topic[PhaseChange]("incident.phase_changed")
	LevelChanged = bus.Topic[LevelChange]("incident.level_changed")
	Changed      = bus.Topic[Happened]("incident.changed")
)

// Errors of the room.
var (
	ErrNotFound  = fault.New(fault.NotFound, "incident.not_found")
	ErrForbidden = fault.New(fault.Forbidden, "incident.forbidden")
	ErrMove      = fault.New(fault.Conflict, "incident.move")
	ErrEnded     = fault.New(fault.Conflict, "incident.ended")
	ErrNoGate    = fault.New(fault.Unavailable, "incident.no_gate")
	ErrNoReason  = fault.New(fault.Invalid, "incident.reason_missing")
	ErrNoTitle   = fault.New(fault.Invalid, "incident.title_missing")
	ErrBadLevel  = fault.New(fault.Invalid, "incident.bad_level")
	ErrBadRealm  = fault.New(fault.Invalid, "incident.bad_realm")
	ErrBadPhase  = fault.New(fault.Invalid, "incident.bad_phase")
	ErrNoText    = fault.New(fault.Invalid, "incident.text_missing")
	ErrBadFact   = fault.New(fault.Invalid, "incident.bad_certainty")
	ErrNoFact    = fault.New(fault.NotFound, "incident.fact_not_found")
	ErrOldFact   = fault.New(fault.Conflict, "incident.fact_changed")
	ErrMerge     = fault.New(fault.Conflict, "incident.merge")
	ErrTaken     = fault.New(fault.Conflict, "incident.alert_taken")
)
