package signal

import (
	"time"

	"tuermer/internal/platform/bus"
)

// ID names a signal.
type ID string

// Source is the path on which something was noticed (R0.1).
type Source string

// The paths.
const (
	Monitor  Source = "monitor"
	Intake   Source = "intake"
	Citizen  Source = "citizen"
	Listen   Source = "listen"
	ByPerson Source = "person"
)

// State says whether it is still so.
type State string

// The states of what a signal is about.
const (
	Firing   State = "firing"
	Resolved State = "resolved"
)

// Severity orders signals.
type Severity string

// From harmless to bad.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// WorseThan reports whether s is more severe than t. What is not one of the
// three counts as Critical: doubt never silences (I20).
func (s Severity) WorseThan(t Severity) bool { return s.rank() > t.rank() }

func (s Severity) rank() int {
	switch s {
	case Info:
		return 0
	case Warning:
		return 1
	default:
		return 2
	}
}

// LabelReason is the label that names why a signal is as severe as it is, and
// ReadOutside says: citizens read what it is about while an incident is open.
const (
	LabelReason = "reason"
	ReadOutside = "read_outside"
)

// Signal / Hinweis is one normal form for everything noticed.
type Signal struct {
	ID      ID
	Source  Source
	Key     string // what it is about, stable over repeats: "monitor:portal"
	Episode string // this occurrence of it; a recovery names the same episode
	State   State
	// Seq numbers the changes of Key upwards, also when it was forgotten meanwhile.
	// Events may arrive in another order than they happened; a listener that has
	// seen a higher number of the same key knows better already.
	Seq int64
	// Service is the slug of the service concerned; empty when unknown.
	Service string
	// Group names what it fails together with, such as the system that reports it;
	// empty: it stands for itself. It is told, and not stored.
	Group string
	// Labels are marks of what it is about, such as site and host, as the source
	// gives them. They are told, and not stored.
	Labels   map[string]string
	Severity Severity
	// Eased: the source knows that an open episode is milder than it said last.
	// Without it a milder repeat changes nothing. It is told, and not stored.
	Eased bool
	// QuietSince: nobody has said this end. It is concluded, for nothing was heard
	// of the key after this moment; see [Room.Unheard]. It is told, and not stored.
	QuietSince time.Time
	Title      string    // one line: "Bürgerportal antwortet nicht"
	Detail     string    // what was seen: "Zeitüberschreitung nach 10 s, 3 von 3 Prüfungen"
	Since      time.Time // when the thing began, by the source's clock
	At         time.Time // when we recorded it
}

// Occurrence names an episode of a key.
type Occurrence struct {
	Key     string `bun:"key"`
	Episode string `bun:"episode"`
}

// Recorded is told in the transaction that records a signal. A repeat of the
// same key, episode and state is not told again, unless it got worse, or milder
// by [Signal.Eased].
var Recorded = bus.Topic[Signal]("signal.recorded")

// Reason names why a signal changed nothing.
type Reason string

// The reasons.
const (
	// Repeat: the same key, episode and state was known already.
	Repeat Reason = "repeat"
	// Ended: the episode has ended before, its beginning came late.
	Ended Reason = "ended"
	// Older: a newer episode of the same key is known.
	Older Reason = "older"
)

// IgnoredSignal is a signal that changed nothing, and why.
type IgnoredSignal struct {
	Signal Signal
	Reason Reason
}

// Ignored is told for a firing signal that is new to us and yet opens nothing,
// because it came too late. Nobody is woken for it, and it must be listed.
var Ignored = bus.Topic[IgnoredSignal]("signal.ignored")
