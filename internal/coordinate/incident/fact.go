package incident

import (
	"slices"
	"time"
)

// FactID names a fact over its versions.
type FactID string

// Certainty is how sure we are.
type Certainty string

// bestätigt, vermutet, offen.
const (
	FactConfirmed Certainty = "confirmed"
	FactAssumed   Certainty = "assumed"
	FactUnknown   Certainty = "unknown" // an open question
)

// Certainties lists them, surest first.
func Certainties() []Certainty { return []Certainty{FactConfirmed, FactAssumed, FactUnknown} }

// Fact / Aussage is something that we know, believe or ask.
type Fact struct {
	ID        FactID
	Version   int // 1, 2, 3 …
	Text      string
	Certainty Certainty
	Source    string // who says so
	// EmbargoUntil: not to be said in public before; zero: no embargo.
	EmbargoUntil time.Time
	// Hold: part of an investigation, never to be said in public (I11).
	Hold bool
	// Withdrawn: no longer so, kept for the record.
	Withdrawn bool
	At        time.Time // of this version
	ByName    string
}

// Public reports whether the fact may be said in public at now. What it says is
// for the composer to decide; only this is decided here.
func (f Fact) Public(now time.Time) bool {
	return !f.Hold && !f.Withdrawn && !now.Before(f.EmbargoUntil)
}

func (f Fact) check() error {
	switch {
	case f.Text == "":
		return ErrNoText.Field("text", "incident.text_missing")
	case !slices.Contains(Certainties(), f.Certainty):
		return ErrBadFact.Field("certainty", "incident.bad_certainty")
	default:
		return nil
	}
}
