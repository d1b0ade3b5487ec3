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

// Signal / Hinweis is one normal form for everything noticed.
type Signal struct {
	ID      ID
	Source  Source
	Key     string // what it is about, stable over repeats: "monitor:portal"
	Episode string // this occurrence of it; a recovery names the same episode
	State   State
	// Service is the slug of the service concerned; empty when unknown.
	Service  string
	Severity Severity
	Title    string    // one line: "Bürgerportal antwortet nicht"
	Detail   string    // what was seen: "Zeitüberschreitung nach 10 s, 3 von 3 Prüfungen"
	Since    time.Time // when the thing began, by the source's clock
	At       time.Time // when we recorded it
}

// Recorded is told in the transaction that records a signal. A repeat of the
// same key, episode and state is not told again.
var Recorded = bus.Topic[Signal]("signal.recorded")
