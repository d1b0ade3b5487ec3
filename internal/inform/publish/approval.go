package publish

import (
	"strings"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/fault"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

// Way says how a statement came to be approved.
type Way string

// The ways of I3.
const (
	// WaySecond: a second person with the role approver read and approved it.
	WaySecond Way = "second_person"
	// WayDirect: neither level nor audience asks for a second person.
	WayDirect Way = "direct"
	// WayTemplate: a holding text that was approved before the crisis, with
	// closed slots alone; its approver counts, the others are told at once.
	WayTemplate Way = "template"
	// WayPhone: approved by telephone, to be confirmed by the approver.
	WayPhone Way = "phone"
	// WayBreakGlass: one person alone; marked, told to the others at once, to
	// be approved afterwards.
	WayBreakGlass Way = "break_glass"
)

// Confirmable reports whether somebody must look again afterwards.
func (w Way) Confirmable() bool { return w == WayPhone || w == WayBreakGlass }

// PhoneCall is an approval by telephone.
type PhoneCall struct {
	Approver identity.PersonID `json:"approver"`
	Name     string            `json:"name"`   // who was spoken to
	Number   string            `json:"number"` // the number that was called
	At       time.Time         `json:"at"`
}

// Approval is who stands for a published statement, and how.
type Approval struct {
	Way    Way               `json:"way,omitempty"`
	By     identity.PersonID `json:"by,omitempty"`
	ByName string            `json:"by_name,omitempty"`
	At     time.Time         `json:"at,omitzero"`
	// PublishedBy names who pressed the button, when that was somebody else.
	PublishedBy string     `json:"published_by,omitempty"`
	Phone       *PhoneCall `json:"phone,omitempty"`
	// Function is the function in the crisis staff by which a public text was
	// released, or [NoFunction]; empty outside a crisis.
	Function plan.StaffFunction `json:"function,omitempty"`
	Reason   string             `json:"reason,omitempty"` // of a break-glass
	// ConfirmedBy and ConfirmedAt say who looked again afterwards.
	ConfirmedBy     identity.PersonID `json:"confirmed_by,omitempty"`
	ConfirmedByName string            `json:"confirmed_by_name,omitempty"`
	ConfirmedAt     time.Time         `json:"confirmed_at,omitzero"`
}

// Unconfirmed reports whether somebody has yet to approve afterwards.
func (a Approval) Unconfirmed() bool { return a.Way.Confirmable() && a.ConfirmedAt.IsZero() }

// FourEyes reports whether I3 asks for a second person: level crisis, or one
// of the audiences is press or citizens.
func FourEyes(level incident.Level, kinds []plan.Kind) bool {
	if level == incident.Crisis {
		return true
	}
	for _, k := range kinds {
		if k.FourEyes() {
			return true
		}
	}
	return false
}

// actor is whoever presses the button, with the roles of the moment.
type actor struct {
	person identity.PersonID
	name   string
	writer bool // may publish what needs no second person, and break the glass
	// onDuty: role it; may send a text that was approved beforehand.
	onDuty   bool
	approver bool
	admin    bool
}

// acts reports whether a does more than read.
func (a actor) acts() bool { return a.writer || a.onDuty || a.approver }

// preApproval is the approver of a holding text (see preApproved).
type preApproval struct {
	By   identity.PersonID
	Name string
}

// decision is all that [decide] needs to know.
type decision struct {
	statement Statement
	actor     actor
	fourEyes  bool
	now       time.Time
	// pre is set when every variant comes from a text that was approved
	// beforehand and holds nothing but settled facts.
	pre *preApproval
	// phone and phoned: an approval by telephone and the person behind it.
	phone  *PhoneCall
	phoned identity.Person
	// speech is who releases public words in a crisis.
	speech speech
	// breakGlass is the reason of somebody who has nobody to ask.
	breakGlass string
}

// covers reports whether the approval given beforehand counts as that of a
// second person: whoever released the text neither wrote nor sends this one.
func (d decision) covers() bool {
	return d.pre != nil && d.pre.By != d.actor.person && !d.statement.WrittenBy(d.pre.By)
}

// decide is I3: it tells in which way the statement is approved, or why not.
// It is the only place that makes an Approval.
func decide(d decision) (Approval, error) {
	s, a := d.statement, d.actor
	if a.person == "" {
		return Approval{}, ErrForbidden
	}
	if !s.State.May(StatePublished) {
		return Approval{}, ErrState
	}
	yes := Approval{By: a.person, ByName: a.name, At: d.now}
	switch {
	case d.phone != nil:
		return decidePhone(d)
	case d.mayRelease() && !s.WrittenBy(a.person) && s.State == StateSubmitted:
		yes.Way, yes.Function = WaySecond, d.speech.function(s, a.person)
		return yes, nil
	case !d.fourEyes && a.writer:
		yes.Way = WayDirect
		return yes, nil
	case d.covers() && !d.speech.staffed(s) && (a.writer || a.onDuty || a.approver):
		return Approval{Way: WayTemplate, By: d.pre.By, ByName: d.pre.Name, At: d.now, PublishedBy: a.name}, nil
	case strings.TrimSpace(d.breakGlass) != "" && a.writer:
		yes.Way, yes.Reason = WayBreakGlass, strings.TrimSpace(d.breakGlass)
		return yes, nil
	case d.mayRelease() && s.WrittenBy(a.person):
		return Approval{}, ErrOwnWords
	case d.speech.staffed(s) && a.acts():
		return Approval{}, ErrStaffSpeaks
	case a.writer || a.onDuty:
		return Approval{}, ErrSecondPerson
	default:
		return Approval{}, ErrForbidden
	}
}

func decidePhone(d decision) (Approval, error) {
	p := *d.phone
	bad := fault.New(fault.Invalid, "publish.phone")
	fail := false
	blame := func(field, key string) { bad, fail = bad.Field(field, key), true }
	if strings.TrimSpace(p.Name) == "" {
		blame("phone_name", "publish.phone_name")
	}
	if strings.TrimSpace(p.Number) == "" {
		blame("phone_number", "publish.phone_number")
	}
	if p.At.IsZero() || p.At.After(d.now) {
		blame("phone_at", "publish.phone_at")
	}
	if fail {
		return Approval{}, bad
	}
	switch {
	case !d.actor.writer:
		return Approval{}, ErrForbidden
	case d.phoned.ID == "" || d.phoned.Blocked || !d.speech.may(d.statement, d.phoned):
		return Approval{}, bad.Field("phone_approver", "publish.phone_approver")
	case d.statement.WrittenBy(d.phoned.ID) || d.phoned.ID == d.actor.person:
		return Approval{}, ErrOwnWords
	}
	p.Approver = d.phoned.ID
	return Approval{Way: WayPhone, By: d.phoned.ID, ByName: d.phoned.Name, At: d.now, PublishedBy: d.actor.name, Phone: &p, Function: d.speech.function(d.statement, d.phoned.ID)}, nil
}

// mayConfirm tells who may approve afterwards: for a telephone call the one who
// was called, for a break-glass an approver who neither wrote nor sent it.
func mayConfirm(s Statement, a actor) error {
	switch {
	case s.State != StatePublished || !s.Approval.Unconfirmed():
		return ErrState
	case s.Approval.Way == WayPhone && a.person == s.Approval.By && a.person != "":
		return nil
	case s.Approval.Way == WayBreakGlass && a.approver && a.person != "":
		if a.person == s.Approval.By || s.WrittenBy(a.person) {
			return ErrOwnWords
		}
		return nil
	default:
		return ErrForbidden
	}
}
