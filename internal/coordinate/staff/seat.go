package staff

import (
	"slices"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/fault"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

// SeatID names a seat.
type SeatID string

// Seat / Besetzung is one person in one function, from when until when.
type Seat struct {
	ID       SeatID
	Incident incident.ID
	Function plan.StaffFunction
	Person   identity.PersonID // empty: somebody without an account here
	Name     string
	Note     string // what an adviser knows about, or where they sit
	Since    time.Time
	Until    time.Time // zero: still there
	ByName   string    // who put them there
	// Relief is who comes next, and when, as far as somebody said so.
	Relief Relief
}

// Relief / Ablösung is who takes over a function at a time.
type Relief struct {
	Person identity.PersonID
	Name   string
	At     time.Time // zero: nobody is planned
}

// Held reports whether the seat is taken now.
func (s Seat) Held() bool { return s.Until.IsZero() }

// ReliefDue reports whether a planned relief should have come by now.
func (s Seat) ReliefDue(now time.Time) bool {
	return s.Held() && !s.Relief.At.IsZero() && !now.Before(s.Relief.At)
}

// Speaker is who releases public words in a crisis.
type Speaker struct {
	Person   identity.PersonID
	Name     string
	Function plan.StaffFunction
}

// speakers picks who releases public words: the holders of press and media first,
// then the head of the staff. Only people with an account can.
func speakers(held []Seat) []Speaker {
	var out []Speaker
	for _, head := range []bool{false, true} {
		for _, s := range held {
			if s.Held() && s.Function.Speaks() && (s.Function == plan.Head) == head && s.Person != "" {
				out = append(out, Speaker{s.Person, s.Name, s.Function})
			}
		}
	}
	return out
}

// mayPlace tells whether somebody may put a person into f. Functions that release
// public words are given by who may release them otherwise, by the head of the
// staff, or by their holder to a successor; everything else by whoever works on
// the incident.
func mayPlace(f plan.StaffFunction, me identity.PersonID, senior bool, held []Seat) bool {
	if !f.Speaks() || senior {
		return true
	}
	return me != "" && slices.ContainsFunc(held, func(s Seat) bool {
		return s.Held() && s.Person == me && (s.Function == plan.Head || s.Function == f)
	})
}

// canSpeak tells whether a person may hold a function that releases public words.
func canSpeak(p identity.Person) bool {
	return !p.Blocked && (p.Has(identity.RolePublisher) || p.Has(identity.RoleApprover) || p.Has(identity.RoleAdmin))
}

// What can go wrong with functions.
var (
	ErrForbidden = fault.New(fault.Forbidden, "staff.forbidden")
	ErrPlace     = fault.New(fault.Forbidden, "staff.may_not_place")
	ErrShut      = fault.New(fault.Conflict, "staff.shut")
	ErrFunction  = fault.New(fault.Invalid, "staff.bad_function")
	ErrNobody    = fault.New(fault.Invalid, "staff.nobody")
	ErrNoSpeaker = fault.New(fault.Invalid, "staff.no_speaker")
	ErrNoSeat    = fault.New(fault.NotFound, "staff.no_seat")
	ErrLeft      = fault.New(fault.Conflict, "staff.left")
)
