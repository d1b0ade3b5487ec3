package monitor

import (
	"fmt"
	"slices"
	"time"

	"tuermer/internal/town/service"
)

// Limits and defaults of a [Vantage].
const (
	MaxSondes       = 20
	DefaultEscalate = 10 * time.Minute
	MaxEscalate     = 24 * time.Hour
)

// Vantage says from where a monitor is looked at. Without sondes this machine
// alone looks, and its verdict is final.
type Vantage struct {
	// Sondes are the remote vantage points by name; this machine always looks too.
	Sondes []string `yaml:"sondes,omitempty" json:"sondes,omitempty"`
	// Agree is how many vantage points must see a failure before it counts as an
	// outage; default: more than half of them, this machine included.
	Agree int `yaml:"agree,omitempty" json:"agree,omitempty"`
	// Escalate is how long fewer than that may see it before it alarms all the
	// same; default 10 minutes.
	Escalate Duration `yaml:"escalate,omitempty" json:"escalate,omitempty"`
	// Credentials gives the check's name, password and keys to the sondes.
	Credentials bool `yaml:"credentials,omitempty" json:"credentials,omitempty"`
}

// Problems of a vantage.
const (
	ProblemSonde       = "monitor.problem.sonde"       // a name of a sonde, each once
	ProblemCredentials = "monitor.problem.credentials" // sondes would need secrets, and nobody said that they get them
)

// normalVantage fills in the defaults and names what is wrong.
func (s *Spec) normalVantage(c *check) {
	v := &s.Vantage
	if len(v.Sondes) == 0 {
		if v.Agree != 0 || v.Escalate != 0 || v.Credentials {
			c.add("vantage.sondes", ProblemRequired)
		}
		s.Vantage = Vantage{}
		return
	}
	v.Sondes = slices.Clone(v.Sondes)
	if len(v.Sondes) > MaxSondes {
		c.add("vantage.sondes", ProblemRange, "min", 1, "max", MaxSondes)
		return
	}
	for i, n := range v.Sondes {
		if !service.ValidSlug(n) || slices.Index(v.Sondes, n) != i {
			c.add(fmt.Sprintf("vantage.sondes[%d]", i), ProblemSonde)
		}
	}
	points := len(v.Sondes) + 1
	if v.Agree == 0 {
		v.Agree = points/2 + 1
	}
	if v.Agree < 1 || v.Agree > points {
		c.add("vantage.agree", ProblemRange, "min", 1, "max", points)
	}
	c.span("vantage.escalate", &v.Escalate, DefaultEscalate, time.Second, MaxEscalate)
	if s.Secrets() && !v.Credentials {
		c.add("vantage.credentials", ProblemCredentials)
	}
}

// Secrets tells whether the check itself needs something that not everybody may
// know.
func (s Spec) Secrets() bool { return s.HasCredentials() || s.SNMP.Community != "" }

// Sighting is what one vantage point holds a monitor to be.
type Sighting struct {
	Sonde string    // empty: this machine
	State State     // by the machine of that vantage point
	Since time.Time // when State began; of a failure: its first sign
	Last  Result    // what it saw last
	// At is when the verdict was last looked after, by our clock. This machine's
	// own is always as fresh as can be.
	At time.Time
	// Silent: the sonde itself has not been heard of for longer than its rhythm.
	Silent bool
}

// Failing tells whether the vantage point has confirmed a failure.
func (v Sighting) Failing() bool { return v.State == Down }

// judged tells whether the state is a verdict about the target. What a vantage
// point cannot probe at all says nothing about the target.
func (v Sighting) judged() bool {
	switch {
	case v.Last.Reason == ReasonInvalid && v.Sonde != "", v.Last.Reason == ReasonBlocked && v.Sonde != "":
		return false
	case v.State == Up, v.State == Degraded, v.State == Flapping, v.State == Down, v.State == Suspect:
		return true
	}
	return false
}

// freshFor is how long a verdict counts after it was last looked after: the next
// look may be an interval away and may be lost once.
func freshFor(s Spec) time.Duration {
	return s.Interval.D() + max(s.Interval.D(), 30*time.Second) + s.Timeout.D()
}

// Counts tells whether the sighting counts at now, and until when it will.
func (v Sighting) Counts(s Spec, now time.Time) (until time.Time, ok bool) {
	if !v.judged() {
		return time.Time{}, false
	}
	if v.Sonde == "" {
		return time.Time{}, true
	}
	if v.Silent {
		return time.Time{}, false
	}
	at := v.At
	if at.After(now) {
		at = now
	}
	until = at.Add(freshFor(s))
	return until, until.After(now)
}

// Standing is how a monitor with several vantage points stands: what [Status] is
// to one of them. It is a plain value that is stored with every change.
type Standing struct {
	State State     `json:"state,omitempty"`
	Since time.Time `json:"since,omitzero"`
	// Open is true from WentDown to CameUp, and Episode names it. Count makes the
	// names; they are none that this machine's own episodes have.
	Open    bool   `json:"open,omitempty"`
	Episode string `json:"episode,omitempty"`
	Count   int64  `json:"count,omitempty"`
	// Few: the open episode was told although too few agreed, since it lasted.
	Few bool `json:"few,omitempty"`
	// FewSince is since when somebody sees a failure, but too few.
	FewSince     time.Time `json:"few_since,omitzero"`
	FailingSince time.Time `json:"failing_since,omitzero"`
	// Failing of Fresh vantage points see a failure, Need of them must.
	Failing int `json:"failing,omitempty"`
	Fresh   int `json:"fresh,omitempty"`
	Need    int `json:"need,omitempty"`
	// NextAt is when to weigh again although nothing was heard; zero: never.
	NextAt time.Time `json:"next_at,omitzero"`
}

// Disputed tells whether a failure is seen, but by fewer than must agree.
func (st Standing) Disputed() bool { return st.Failing > 0 && st.Failing < st.Need }

// Agreed is the transition of an episode that began with too few voices and is
// now seen by enough: it got worse.
const Agreed Transition = "agreed"

// Weigh makes of all sightings how the monitor stands. A failure counts when as
// many fresh vantage points see it as the spec says, or all of them where fewer
// are fresh; what too few see counts after Escalate. Doubt never silences (I20):
// who is silent does not vote, an open episode ends only when nobody who is
// fresh sees a failure or is in doubt, and with nobody fresh nothing changes.
func (st Standing) Weigh(s Spec, seen []Sighting, now time.Time) (Standing, Transition) {
	now = stamp(now)
	if st.State == "" {
		st.State, st.Since = Unknown, now
	}
	st.NextAt = time.Time{}
	if until, closed := s.InMaintenance(now); closed {
		st.Failing, st.FewSince, st.NextAt = 0, time.Time{}, until
		st.become(Maintenance, now)
		return st, None
	}
	var failing, fresh, unsure, soft int
	since, here := now, Unknown
	for _, v := range seen {
		if v.Sonde == "" && v.State != "" {
			here = v.State
		}
		until, ok := v.Counts(s, now)
		if !ok {
			continue
		}
		fresh++
		st.wakeAt(until)
		switch {
		case v.Failing():
			failing++
			if !v.Since.IsZero() && v.Since.Before(since) {
				since = v.Since
			}
		case v.State == Degraded:
			soft++
		case v.State != Up:
			unsure++
		}
	}
	if here == Unreachable && !st.Open {
		// A parent is down, for everybody: the alarm is withheld and listed as it
		// is for a monitor without sondes.
		st.Failing, st.FewSince, st.NextAt = 0, time.Time{}, time.Time{}
		st.become(Unreachable, now)
		return st, None
	}
	if fresh == 0 {
		return st.unseen(s, here, now)
	}
	st.Failing, st.Fresh, st.Need = failing, fresh, max(1, min(s.Vantage.Agree, fresh))
	if failing >= st.Need || failing == 0 {
		st.FewSince = time.Time{}
	}
	if failing == 0 && !st.Open {
		st.NextAt = time.Time{} // whoever grows old now changes nothing
	}
	switch {
	case failing >= st.Need && !st.Open:
		st.begin(since, now)
		return st, WentDown
	case failing >= st.Need:
		st.become(Down, now)
		if st.Few {
			st.Few = false
			return st, Agreed
		}
		return st, None
	case st.Open && failing == 0 && unsure == 0:
		st.Open, st.Few = false, false
		st.become(Up, now)
		return st, CameUp
	case st.Open:
		st.become(Down, now)
		return st, None
	case failing > 0:
		return st.dispute(s, since, now)
	case unsure > 0:
		st.become(Suspect, now)
	case soft > 0:
		st.become(Degraded, now)
	default:
		st.become(Up, now)
	}
	return st, None
}

// unseen is what is left when nobody fresh looks: all stays, and what was seen
// before does not wait for ever.
func (st Standing) unseen(s Spec, here State, now time.Time) (Standing, Transition) {
	switch {
	case st.Open:
		st.become(Down, now)
	case !st.FewSince.IsZero():
		return st.dispute(s, st.FailingSince, now)
	default:
		st.become(here, now) // blind, or never judged
	}
	return st, None
}

// dispute waits with what too few see, and not for ever.
func (st Standing) dispute(s Spec, since, now time.Time) (Standing, Transition) {
	if st.FewSince.IsZero() || st.FewSince.After(now) {
		st.FewSince = now
	}
	if end := st.FewSince.Add(s.Vantage.Escalate.D()); end.After(now) {
		st.FailingSince = since
		st.become(Suspect, now)
		st.wakeAt(end)
		return st, None
	}
	st.begin(since, now)
	st.Few = true
	return st, WentDown
}

// begin opens an episode.
func (st *Standing) begin(since, now time.Time) {
	st.Open, st.Few, st.FewSince, st.FailingSince = true, false, time.Time{}, since
	st.Count++
	// A prefix of its own: an episode that has ended never opens again, and this
	// machine's episodes are plain numbers.
	st.Episode = fmt.Sprintf("v%d", st.Count)
	st.become(Down, now)
}

func (st *Standing) become(s State, now time.Time) {
	if st.State != s {
		st.State, st.Since = s, now
	}
}

// wakeAt asks to be weighed again at t at the latest.
func (st *Standing) wakeAt(t time.Time) {
	if !t.IsZero() && (st.NextAt.IsZero() || t.Before(st.NextAt)) {
		st.NextAt = t
	}
}
