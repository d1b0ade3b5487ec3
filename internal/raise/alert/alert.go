package alert

import (
	"slices"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/fault"
)

// ID names an alert; it is also the thread of its mails.
type ID string

// State says where an alert stands.
type State string

// The states.
const (
	StateOpen         State = "open"         // nobody has taken it
	StateAcknowledged State = "acknowledged" // somebody has
	StateClosed       State = "closed"       // it is over
)

// Alert / Alarm is trouble that somebody must look after.
type Alert struct {
	ID       ID
	Key      string // "service:<slug>", else the key of the signal that opened it
	Service  string // slug; empty when unknown
	State    State
	Severity signal.Severity
	Title    string
	Detail   string    // what was seen last
	Since    time.Time // when the trouble began, by the first source's clock
	// FirstSignalAt and FirstPath: when and by whom we learned of it (R0.1).
	FirstSignalAt time.Time
	FirstPath     signal.Source

	OpenedAt         time.Time
	AcknowledgedAt   time.Time // zero: not yet
	AcknowledgedBy   string    // id of the person
	AcknowledgedName string
	ClosedAt         time.Time // zero: not yet
	ClosedName       string    // who closed it by hand; empty: its sources recovered
	ClosedReason     string
	IncidentID       string // the incident that it belongs to, empty: none
	// Woken is the number of people told.
	Woken int
	// NextAt is when more people are told unless somebody takes it before;
	// zero: everybody was.
	NextAt time.Time
	// Held is why its alarm is kept back: [Silenced] or [Behind]; empty: it is not.
	Held Reason
	// Signals are its sources, in the order in which they came. Filled by
	// [Room.Get] and [Room.List].
	Signals []Source
}

// DetectedAfter is the time from the beginning of the trouble to our learning
// of it; ok is false when the beginning is not known better than that.
func (a Alert) DetectedAfter() (d time.Duration, ok bool) {
	d = a.FirstSignalAt.Sub(a.Since)
	return d, d > 0
}

// Confirmed counts the sources that see the trouble now, of all that saw it.
func (a Alert) Confirmed() (firing, all int) {
	for _, s := range a.Signals {
		if s.State == signal.Firing {
			firing++
		}
	}
	return firing, len(a.Signals)
}

// Quiet reports whether one of the sources counts as over for its silence.
func (a Alert) Quiet() bool {
	return slices.ContainsFunc(a.Signals, func(s Source) bool { return s.State == signal.Resolved && s.Quiet })
}

// Source is one signal key inside an alert.
type Source struct {
	Key        string
	SignalID   signal.ID
	Path       signal.Source
	State      signal.State
	Severity   signal.Severity
	Title      string
	Detail     string
	Since      time.Time
	At         time.Time // when its first signal reached the alert
	ResolvedAt time.Time // zero: still firing
	Labels     map[string]string
	Quiet      bool // resolved by silence: nobody has said that it is over
}

// Reason is the name of a decision. It is stored, counted and shown.
type Reason string

// Why somebody is woken.
const (
	ByChain Reason = "chain"      // stands in the service's escalation chain
	ByOwner Reason = "owner"      // is the service's owner
	ByRole  Reason = "role_it"    // nobody is named, and has the role it
	ByAdmin Reason = "role_admin" // nobody is named or has the role it, and is an administrator
	// NoAnswer: those who were told before did not take it in time.
	NoAnswer Reason = "no_answer"
	// StepStandIn: a step of the chain named nobody who is there.
	StepStandIn  Reason = "stand_in"
	HandedToThem Reason = "handed_on" // somebody handed the alert on to them
	BackAgain    Reason = "returned"  // they had put it off, and its time has come
)

// Why somebody is not woken.
const (
	PersonBlocked     Reason = "blocked"            // has no access any more
	NoAddress         Reason = "no_address"         // no address is known
	AddressRefused    Reason = "address_refused"    // no address was taken by the outbox
	OthersResponsible Reason = "others_responsible" // somebody closer to the service was told
	NotResponsible    Reason = "not_responsible"    // was never considered
	NoWay             Reason = "no_way"             // none of their ways took anything
	// NotNeeded: the alert was answered or over before anything to them had left;
	// NotAgain: the same, and whether one of the tries came through is not known.
	NotNeeded Reason = "not_needed"
	NotAgain  Reason = "not_again"
)

// Why a firing signal woke nobody (I20).
const (
	OnlyInfo     Reason = "info"           // its severity is info
	AlreadyOver  Reason = "already_over"   // its end had arrived before it
	EpisodeEnded Reason = "ended"          // the same, seen by signal
	EpisodeOlder Reason = "older"          // a newer episode of its key was known
	ClosedByHand Reason = "closed_by_hand" // somebody closed the alert while it was firing
	Nobody       Reason = "nobody"         // an alert is open, and nobody could be told
	Night        Reason = "night"          // a warning: its mail waits for the morning
	PutOffByHand Reason = "snoozed"        // somebody put it off, until a time
)

// Decision is why one person was or was not woken.
type Decision struct {
	PersonID string
	Name     string
	Woken    bool
	Reason   Reason
	At       time.Time
}

// Withheld is a firing signal for which nobody was woken, and why.
type Withheld struct {
	ID      string
	Key     string
	Service string
	Title   string
	Detail  string
	Reason  Reason
	AlertID ID // set for what concerns an alert, such as [Nobody] and [Silenced]
	At      time.Time
	EndedAt time.Time // zero: still so
}

// Kind is what a message about an alert says.
type Kind string

// The kinds.
const (
	Alarm Kind = "alarm" // look after it
	Taken Kind = "taken" // somebody else does
	Over  Kind = "over"  // it is over
	Grown Kind = "grown" // more of its group fail
)

// Notified is one message that was handed to the outbox.
type Notified struct {
	MessageID string
	PersonID  string // empty: a webhook
	Name      string
	Address   string
	Language  string
	Way       string // mail, webhook
	Kind      Kind
	At        time.Time
	// Receipt is the last that the channel reported: empty (in the outbox),
	// then its own words, "accepted" or "failed"; or "withdrawn", "broken_off".
	Receipt   string
	ReceiptAt time.Time
}

// Happened is what the room's events say.
type Happened struct {
	ID       ID
	Key      string
	Service  string
	Title    string
	Severity signal.Severity
	// Incident is the linked incident at that moment; empty: none.
	Incident string
	// Person and Name: who acknowledged, or closed by hand.
	Person string
	Name   string
	// Quiet: closed for silence, and nobody has said that it is over.
	Quiet bool
	// Since is the beginning of the trouble.
	Since time.Time
}

// What happens to alerts. Opened is told once more when a warning gets worse.
var (
	Opened       = bus.Topic[Happened]("alert.opened")
	Acknowledged = bus.Topic[Happened]("alert.acknowledged")
	Closed       = bus.Topic[Happened]("alert.closed")
)

// Errors of the room.
var (
	ErrNotFound  = fault.New(fault.NotFound, "alert.not_found")
	ErrForbidden = fault.New(fault.Forbidden, "alert.forbidden")
	ErrClosed    = fault.New(fault.Conflict, "alert.closed")
	ErrNoReason  = fault.New(fault.Invalid, "alert.reason_missing")
	ErrLinked    = fault.New(fault.Conflict, "alert.linked")
	ErrLink      = fault.New(fault.Invalid, "alert.link_invalid")
	ErrLinkOld   = fault.New(fault.Invalid, "alert.link_expired")
)
