package publish

import (
	"time"

	"tuermer/internal/inform/template"
	"tuermer/internal/town/channel"
)

// DeliveryState is what became of one message to one recipient.
type DeliveryState string

// The states. The last four are the end and never go back (I8).
const (
	Queued   DeliveryState = "queued"   // waits for its turn, or for another try
	Sending  DeliveryState = "sending"  // handed to an adapter under a lease
	Accepted DeliveryState = "accepted" // the other side has taken responsibility
	Failed   DeliveryState = "failed"   // it never will; see Reason
	Expired  DeliveryState = "expired"  // tried too long, or overtaken by newer words
	Skipped  DeliveryState = "skipped"  // deliberately not sent; see Reason
)

// Terminal reports whether s is the end.
func (s DeliveryState) Terminal() bool {
	return s == Accepted || s == Failed || s == Expired || s == Skipped
}

// Reasons of the ledger's own; all others are the adapters' ([channel.Failure]).
const (
	ReasonUnsubscribed = "unsubscribed" // asked for no more messages
	ReasonErased       = "erased"       // asked to be forgotten
	ReasonCap          = "cap"          // heard from us too often within the hour; waits
	ReasonSuperseded   = "superseded"   // waited for the cap until newer words came
	ReasonTooLate      = "too_late"     // could not be delivered within a day
)

// Delivery / Zustellung is one row of the ledger.
type Delivery struct {
	ID        string // also the message's ID, so that a retry is recognised
	Statement ID
	Audience  string
	Recipient string // address, lower case
	Channel   channel.Kind
	State     DeliveryState
	Attempts  int
	Reason    string
	NextAt    time.Time // when it is tried next; while sending, the end of the lease
	SentAt    time.Time // the last try
	Route     string
	Reference string // the other side's name for it
	UpdatedAt time.Time
}

// Limits of the ledger.
const (
	batchSize = 200
	// leaseFor is longer than a batch may take (deliverFor), so that a batch is
	// sent twice only when its node died.
	leaseFor   = 3 * time.Minute
	deliverFor = 2 * time.Minute
	// expireAfter: a message that is a day old says what is no longer true.
	expireAfter = 24 * time.Hour
	// capPerHour is I10.
	capPerHour = 6
	capWindow  = time.Hour
)

// backoff is the pause before the next try. A dead route is asked again soon,
// since one answer frees everybody who waits behind it.
func backoff(f *channel.Failure, attempts int) time.Duration {
	first, last := time.Minute, 15*time.Minute
	if f.RouteDown {
		first, last = 10*time.Second, 2*time.Minute
	}
	d := last
	if attempts < 8 {
		d = min(last, first<<max(0, attempts-1))
	}
	return max(d, min(f.RetryAfter, time.Hour))
}

// outcome folds the fate of one try into the row. A row that is not being sent
// stays as it is: its lease ran out and somebody else had it since.
func (d Delivery) outcome(o channel.Outcome, created, now time.Time) Delivery {
	if d.State != Sending {
		return d
	}
	d.UpdatedAt = now
	if o.Err == nil {
		d.State, d.Reason, d.Route, d.Reference = Accepted, "", o.Receipt.Route, o.Receipt.Reference
		return d
	}
	f := channel.AsFailure(o.Err)
	d.Reason = f.Reason
	if f.Permanent {
		d.State = Failed
		return d
	}
	d.State, d.SentAt = Queued, time.Time{}
	if f.Reason == "canceled" { // nobody has tried
		d.NextAt = now
		return d
	}
	d.Attempts++
	d.NextAt = now.Add(backoff(f, d.Attempts))
	if d.NextAt.Sub(created) > expireAfter {
		d.State, d.Reason = Expired, ReasonTooLate
	}
	return d
}

// capped tells when a recipient who was written to at the given times may be
// written to again; zero: now. sent may come in any order.
func capped(sent []time.Time, now time.Time) time.Time {
	n := 0
	var first time.Time
	for _, t := range sent {
		if now.Sub(t) < capWindow {
			n++
			if first.IsZero() || t.Before(first) {
				first = t
			}
		}
	}
	if n < capPerHour {
		return time.Time{}
	}
	return first.Add(capWindow)
}

// lasting kinds are delivered even when newer words have come since: people
// must learn that it is over (I1) and what was put right (I5).
func lasting(k template.Kind) bool {
	return k == template.Recovery || k == template.Closing || k == template.Correction || k == template.AllClear || k == template.MaintenanceEnded
}

// Counts says how far a mailing has come, for the sentence on its page.
type Counts struct {
	Total    int
	Accepted int
	Waiting  int // queued or sending
	Failed   int // failed or expired
	Skipped  int
}

// Add puts n deliveries of state s into the counts.
func (c Counts) Add(s DeliveryState, n int) Counts {
	c.Total += n
	switch s {
	case Accepted:
		c.Accepted += n
	case Queued, Sending:
		c.Waiting += n
	case Failed, Expired:
		c.Failed += n
	case Skipped:
		c.Skipped += n
	}
	return c
}

// target is one recipient on one way.
type target struct {
	Recipient string
	Channel   channel.Kind
	Audience  string
}

type targetKey struct {
	recipient string
	channel   channel.Kind
}

func (t target) key() targetKey { return targetKey{t.Recipient, t.Channel} }

// merge puts more behind targets, leaving out who is in already: nobody gets
// one statement twice on one way (I8, I10).
func merge(targets []target, more ...target) []target {
	seen := make(map[targetKey]bool, len(targets)+len(more))
	out := make([]target, 0, len(targets)+len(more))
	for _, list := range [][]target{targets, more} {
		for _, t := range list {
			if t.Recipient == "" || seen[t.key()] {
				continue
			}
			seen[t.key()] = true
			out = append(out, t)
		}
	}
	return out
}

// missing lists who of before has no row in after, whatever its state (I1).
func missing(before, after []target) []target {
	has := make(map[targetKey]bool, len(after))
	for _, t := range after {
		has[t.key()] = true
	}
	var out []target
	for _, t := range before {
		if !has[t.key()] {
			out = append(out, t)
		}
	}
	return out
}
