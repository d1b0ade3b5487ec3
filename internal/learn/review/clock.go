package review

import (
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
)

// ClockID names a clock.
type ClockID string

// ClockState is where a legal clock stands.
type ClockState string

// open → met | missed | void. Nothing leads back.
const (
	ClockOpen   ClockState = "open"
	ClockMet    ClockState = "met"    // reported in time
	ClockMissed ClockState = "missed" // reported late; the reason says why
	ClockVoid   ClockState = "void"   // decided not to report, with the reason
)

// Clock / Frist is a legal deadline that runs for an incident.
type Clock struct {
	ID       ClockID
	Incident incident.ID
	Realm    incident.Realm
	Rule     string
	// Aware is when the town came to know; the clock starts there. Due is its
	// end, zero when the law names none.
	Aware     time.Time
	Due       time.Time
	State     ClockState
	Reason    string // why late, why not at all
	Reference string // file number, of a report that was sent
	SettledAt time.Time
	StartedBy ident.Actor
	SettledBy ident.Actor
	CreatedAt time.Time
	// Told are the reminders that went out.
	Told []string
}

// Errors of clocks.
var (
	ErrForbidden  = fault.New(fault.Forbidden, "review.forbidden")
	ErrNoClock    = fault.New(fault.NotFound, "review.no_clock")
	ErrSettled    = fault.New(fault.Conflict, "review.settled")
	ErrLater      = fault.New(fault.Conflict, "review.never_later")
	ErrFuture     = fault.New(fault.Invalid, "review.future")
	ErrNoReason   = fault.New(fault.Invalid, "review.reason_missing")
	ErrLateReason = fault.New(fault.Invalid, "review.late_reason")
	ErrNoRule     = fault.New(fault.NotFound, "review.no_rule")
)

// Late reports whether an open clock has run out.
func (c Clock) Late(now time.Time) bool {
	return c.State == ClockOpen && !c.Due.IsZero() && now.After(c.Due)
}

// earlier moves the clock to an earlier awareness. Learning later that one knew
// sooner happens; knowing later does not (I16).
func (c Clock) earlier(r Rule, aware, now time.Time, zone *time.Location) (Clock, error) {
	switch {
	case c.State != ClockOpen:
		return c, ErrSettled
	case aware.After(now):
		return c, ErrFuture
	case aware.After(c.Aware):
		return c, ErrLater
	}
	c.Aware, c.Due = aware, r.Due(aware, zone)
	return c, nil
}

// report ends the clock by a report that was sent at at: in time, or late with
// the reason that the law asks for (Art. 33(1) GDPR, second sentence).
func (c Clock) report(at time.Time, reference, reason string, now time.Time) (Clock, error) {
	switch {
	case c.State != ClockOpen:
		return c, ErrSettled
	case at.After(now):
		return c, ErrFuture.Field("at", "review.future")
	}
	c.State = ClockMet
	if !c.Due.IsZero() && at.After(c.Due) {
		if c.State = ClockMissed; reason == "" {
			return c, ErrLateReason.Field("reason", "review.late_reason")
		}
	}
	c.SettledAt, c.Reference, c.Reason = at, reference, reason
	return c, nil
}

// void ends the clock by the decision not to report.
func (c Clock) void(reason string, now time.Time) (Clock, error) {
	switch {
	case c.State != ClockOpen:
		return c, ErrSettled
	case reason == "":
		return c, ErrNoReason.Field("reason", "review.reason_missing")
	}
	c.State, c.SettledAt, c.Reason = ClockVoid, now, reason
	return c, nil
}

// reminders go out so long before the end; the last one says that it is over.
var reminders = []struct {
	key    string
	before time.Duration
}{{"24h", 24 * time.Hour}, {"6h", 6 * time.Hour}, {"1h", time.Hour}, {"over", 0}}

// remind tells which reminder is due at now (empty: none) and when to look
// again (zero: never). Those that were passed over are not made up for: the
// newest says it all.
func (c Clock) remind(now time.Time) (key string, next time.Time) {
	if c.State != ClockOpen || c.Due.IsZero() {
		return "", time.Time{}
	}
	told := map[string]bool{}
	for _, k := range c.Told {
		told[k] = true
	}
	for _, r := range reminders {
		at := c.Due.Add(-r.before)
		if now.Before(at) {
			return key, at
		}
		if at.Before(c.CreatedAt) && r.before > 0 {
			continue // it was past when the clock was started
		}
		key = ""
		if !told[r.key] {
			key = r.key
		}
	}
	return key, time.Time{}
}
