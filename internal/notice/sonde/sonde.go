package sonde

import (
	"time"

	"tuermer/internal/notice/monitor"
)

// Sonde is one remote vantage point.
type Sonde struct {
	Name      string // slug
	CreatedAt time.Time
	// TokenUntil is until when the one-time token may be used; zero: there is none.
	TokenUntil time.Time
	KeyID      string    // empty: never joined
	JoinedAt   time.Time // zero: never
	RevokedAt  time.Time // zero: valid
	// RefusedAt is when a revoked key was last tried.
	RefusedAt time.Time
	SeenAt    time.Time // when it was last heard of; zero: never
	// Clock is how far its clock is behind ours; what it reports is moved by that.
	Clock   time.Duration
	Waiting int64 // results in its spool, as it said last
	Dropped int64 // healthy results that it gave up
	Version string
	Silent  bool
}

// State says in one word how a sonde is.
type State string

// The states.
const (
	Waiting State = "waiting" // added, has not joined yet
	Heard   State = "heard"   // reports as it should
	Silent  State = "silent"  // was heard of, and is not any more
	Revoked State = "revoked" // its key is refused
)

// State is how the sonde is.
func (s Sonde) State() State {
	switch {
	case !s.RevokedAt.IsZero():
		return Revoked
	case s.JoinedAt.IsZero():
		return Waiting
	case s.Silent:
		return Silent
	}
	return Heard
}

// SilentAfter is how long nothing may be heard of a sonde. It speaks at least
// every 25 seconds; a lost request and a slow line are no silence yet.
const SilentAfter = 90 * time.Second

// TokenLasts is how long a one-time token may be used.
const TokenLasts = 7 * 24 * time.Hour

// clockSlack is what counts as the way and not as a wrong clock.
const clockSlack = 5 * time.Second

// steady is the offset to use when the newest measure is fresh: small ones are
// the way, and one that hardly moved stays, so that the order of results does
// not depend on how long a request took.
func steady(was, fresh time.Duration) time.Duration {
	switch {
	case (fresh - was).Abs() <= clockSlack:
		return was
	case fresh.Abs() <= clockSlack:
		return 0
	}
	return fresh.Truncate(time.Millisecond)
}

// verdict is what a sonde holds a monitor to be.
type verdict struct {
	State monitor.State
	Since time.Time
	At    time.Time
	Last  monitor.Result
}

// hear makes of a report what it says to the verdict; at and since are by our
// clock. What is older than the verdict changes nothing. A sonde that begins to
// look anew, or is not sure yet, takes back no failure that it had confirmed:
// only health does (I20).
func (v verdict) hear(p Report, at, since time.Time) (out verdict, changed bool) {
	if at.Before(v.At) {
		return v, false
	}
	out = v
	out.At, out.Last = at, p.result(at)
	switch {
	case p.State == monitor.Down:
		out.State = monitor.Down
		if v.State != monitor.Down {
			out.Since = at
			if !since.IsZero() && since.Before(at) {
				out.Since = since
			}
		}
	case p.OK:
		out.State = monitor.Up
	case out.State != monitor.Down:
		out.State = monitor.Suspect
	}
	if out.State != v.State {
		if out.State != monitor.Down {
			out.Since = at
		}
		return out, true
	}
	return out, false
}

// result is the report as package monitor speaks of it.
func (p Report) result(at time.Time) monitor.Result {
	r := monitor.Result{
		At: at, Took: time.Duration(p.TookMS) * time.Millisecond, OK: p.OK, Reason: p.Reason, Detail: p.Detail, Code: p.Code,
	}
	if p.Cert > 0 {
		r.CertExpires = time.Unix(p.Cert, 0).UTC()
	}
	return r
}

// reportOf is what an observation of the sonde's engine says to the server.
func reportOf(o monitor.Observation) Report {
	p := Report{
		Monitor: o.ID, At: o.Result.At.UnixMilli(), TookMS: o.Result.Took.Milliseconds(), OK: o.Result.OK, Reason: o.Result.Reason,
		Code: o.Result.Code, Detail: o.Result.Detail, State: o.Status.State,
	}
	if !o.Result.CertExpires.IsZero() {
		p.Cert = max(0, o.Result.CertExpires.Unix())
	}
	if o.Status.State == monitor.Down && !o.Status.FailingSince.IsZero() {
		p.Since = o.Status.FailingSince.UnixMilli()
	}
	return p
}
