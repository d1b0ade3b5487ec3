package publish

import (
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/town/plan"
)

// PromiseState is what became of a promised time.
type PromiseState string

// The states. Only an open promise can be overdue.
const (
	PromiseOpen      PromiseState = "open"
	PromiseKept      PromiseState = "kept"
	PromiseMissed    PromiseState = "missed"    // the message came, but late
	PromiseWithdrawn PromiseState = "withdrawn" // the incident ended or became private
)

// Promise / nächste Meldung is the time until which one audience hears of one
// incident again, even if nothing has changed. A live public incident has
// exactly one open promise per audience (I6).
type Promise struct {
	ID        string
	Incident  incident.ID
	Audience  string // slug
	Realm     incident.Realm
	Due       time.Time
	State     PromiseState
	SettledAt time.Time // when it was kept, missed or withdrawn
	Statement ID        // what settled it
	Reminded  time.Time // the reminder before it went out
	Escalated time.Time // approvers and admins were told that it is overdue
	CreatedAt time.Time
	// AfterRecovery marks the time until which the cause will be named; it
	// stays owed when the service works again.
	AfterRecovery bool
}

// RemindBefore is how long before the due time the audience's owner is reminded.
const RemindBefore = 5 * time.Minute

// Overdue reports whether the promised time has passed without a message; the
// page says so by itself.
func (p Promise) Overdue(now time.Time) bool {
	return p.State == PromiseOpen && !now.Before(p.Due)
}

// RemindAt is the moment of the reminder.
func (p Promise) RemindAt() time.Time { return p.Due.Add(-RemindBefore) }

// step is what the clock asks for.
type step int

const (
	stepNone step = iota
	stepRemind
	stepEscalate
)

// due tells what is to be done for p at now, and when to look again (zero:
// never). An overdue promise escalates once; it does not also remind.
func (p Promise) due(now time.Time) (step, time.Time) {
	switch {
	case p.State != PromiseOpen || !p.Escalated.IsZero():
		return stepNone, time.Time{}
	case !now.Before(p.Due):
		return stepEscalate, time.Time{}
	case p.Reminded.IsZero() && !now.Before(p.RemindAt()):
		return stepRemind, p.Due
	case p.Reminded.IsZero():
		return stepNone, p.RemindAt()
	default:
		return stepNone, p.Due
	}
}

// settle closes p by a message that went out at now.
func (p Promise) settle(by ID, now time.Time) Promise {
	p.State, p.SettledAt, p.Statement = PromiseKept, now, by
	if now.After(p.Due) {
		p.State = PromiseMissed
	}
	return p
}

// live reports whether people are waiting for news of an incident in phase p:
// it is certain, and it is not over.
func live(p incident.Phase) bool { return p.Active() && p != incident.Candidate }

// OfferNext lists the times that the composer offers for the next message, best
// first: the audience's rhythm, cut to five minutes so that it reads well and is
// never later than the rhythm; at level disruption between 22 and 7 o'clock
// first of all 07:30, since nobody waits for it in the night.
func OfferNext(now time.Time, level incident.Level, a plan.Audience, zone *time.Location) []time.Time {
	every := a.Every()
	rhythm := now.Add(every)
	if cut := rhythm.Truncate(5 * time.Minute); cut.After(now.Add(every / 2)) {
		rhythm = cut
	}
	offers := []time.Time{rhythm}
	local := now.In(zone)
	if level == incident.Disruption && (local.Hour() >= 22 || local.Hour() < 7) {
		day := local.Day()
		if local.Hour() >= 22 {
			day++
		}
		morning := time.Date(local.Year(), local.Month(), day, 7, 30, 0, 0, zone).UTC()
		offers = []time.Time{morning, rhythm}
	}
	return append(offers, rhythm.Add(every))
}
