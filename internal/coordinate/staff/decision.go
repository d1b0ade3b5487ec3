package staff

import (
	"strings"
	"time"
	"unicode/utf8"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/fault"
	"tuermer/internal/town/plan"
)

// DecisionID names a decision.
type DecisionID string

// Decision / Entscheidung is one turn of the staff's circle: what the situation
// was, what could have been done, what was decided, and who looks when whether it
// worked. Its words never change; a new decision takes its place.
type Decision struct {
	ID        DecisionID
	Incident  incident.ID
	Number    int // 1, 2, 3 … per incident
	Situation string
	Options   string
	Decision  string
	At        time.Time
	ByName    string
	Function  plan.StaffFunction // which the writer held; empty: none
	// Control: who looks whether it worked, and by when.
	Checker string
	CheckBy time.Time
	// What came of it.
	CheckedAt   time.Time // zero: still to be looked at
	CheckedName string
	Result      string
}

// Open reports whether its control is still to come.
func (d Decision) Open() bool { return d.CheckedAt.IsZero() }

// Overdue reports whether its control should have happened by now.
func (d Decision) Overdue(now time.Time) bool { return d.Open() && now.After(d.CheckBy) }

// Late reports whether it was looked at after its time.
func (d Decision) Late() bool { return !d.Open() && d.CheckedAt.After(d.CheckBy) }

const (
	maxText = 4000
	maxName = 200
)

// check finds what is missing in a new decision.
func (d Decision) check(now time.Time) error {
	err := fault.New(fault.Invalid, "staff.decision_incomplete")
	for field, text := range map[string]string{"situation": d.Situation, "options": d.Options, "decision": d.Decision, "checker": d.Checker} {
		most := maxText
		if field == "checker" {
			most = maxName
		}
		switch {
		case strings.TrimSpace(text) == "":
			err = err.Field(field, "web.required")
		case utf8.RuneCountInString(text) > most:
			err = err.Field(field, "staff.too_long")
		}
	}
	switch {
	case d.CheckBy.IsZero():
		err = err.Field("check_by", "web.required")
	case d.CheckBy.Before(now):
		err = err.Field("check_by", "staff.check_past")
	}
	if len(err.Fields) > 0 {
		return err
	}
	return nil
}

// What can go wrong with decisions.
var (
	ErrNoDecision = fault.New(fault.NotFound, "staff.no_decision")
	ErrChecked    = fault.New(fault.Conflict, "staff.checked_already")
	ErrNoResult   = fault.New(fault.Invalid, "staff.no_result")
)
