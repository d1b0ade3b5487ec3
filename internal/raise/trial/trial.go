package trial

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/channel"
)

// ID names a run.
type ID string

// Target is who is called: "chain:edv", "roster:presse" or [Everybody].
type Target string

// Everybody are all who stand on a chain, the IT and the administrators.
const Everybody Target = "all"

// ChainTarget is everybody on a chain.
func ChainTarget(slug string) Target { return Target("chain:" + slug) }

// RosterTarget is whoever is on duty by a roster.
func RosterTarget(slug string) Target { return Target("roster:" + slug) }

func (t Target) split() (kind, slug string) {
	kind, slug, _ = strings.Cut(string(t), ":")
	return kind, slug
}

// The times of a run.
const (
	// Window is how long answers and receipts are waited for.
	Window = 30 * time.Minute
	// pause is how long a target rests between two runs: each costs money.
	pause = 10 * time.Minute
	// late is how far behind its hour a weekly run may still begin.
	late = time.Hour
	// again is when a weekly run is tried anew that an open alert holds up.
	again = 10 * time.Minute
)

// Verdict is what a run has shown; its word is "trial.verdict_" + verdict.
type Verdict string

// The verdicts, worst first.
const (
	Red     Verdict = "red"  // nobody was reached apart from the town's own systems
	Gap     Verdict = "gap"  // somebody was not
	Good    Verdict = "good" // everybody was
	Unknown Verdict = ""     // it still runs
)

// Run is one test alarm.
type Run struct {
	ID        ID
	Target    Target
	Name      string
	Weekly    bool // it was its day
	StartedAt time.Time
	ByName    string
	DueAt     time.Time
	EndedAt   time.Time // zero: it runs
	Figures
	Verdict Verdict
}

// Ended reports whether it is over.
func (r Run) Ended() bool { return !r.EndedAt.IsZero() }

// Figures counts how far people were reached.
type Figures struct {
	People    int // called
	Answered  int // acknowledged
	Receipted int // a receipt alone
	Apart     int // reached by something apart from the town's own systems
}

// Way is one way over which one person was called.
type Way struct {
	ID      string // of the message
	Way     chain.Way
	Kind    channel.Kind
	Apart   bool       // does not fall together with the town's own systems
	Lacking chain.Lack // why nothing was sent; empty: it was
	// TakenAt is when the provider took it, ArrivedAt when it was shown to have
	// arrived, FailedAt when it was given up, for Reason.
	TakenAt, ArrivedAt, FailedAt time.Time
	Reason                       string
}

// Reach is how far somebody was reached; its word is "trial.reach_" + reach.
type Reach string

// How far.
const (
	Answered  Reach = "answered" // acknowledged
	Receipted Reach = "receipt"  // it arrived, and nothing came back
	Nothing   Reach = "nothing"  // not at all
)

// Called is one person of a run.
type Called struct {
	Person     string // id
	Name       string
	Step       int // of the chain, counted from 0
	AnsweredAt time.Time
	AnsweredBy string // id of the way
	Ways       []Way
}

// Reach tells how far the person was reached.
func (c Called) Reach() Reach {
	switch {
	case !c.AnsweredAt.IsZero():
		return Answered
	case slices.ContainsFunc(c.Ways, func(w Way) bool { return !w.ArrivedAt.IsZero() }):
		return Receipted
	}
	return Nothing
}

// Apart tells whether the person was reached by something that does not fall
// together with the town's own systems. A receipt is enough, an answer too.
func (c Called) Apart() bool {
	return slices.ContainsFunc(c.Ways, func(w Way) bool {
		return w.Apart && (!w.ArrivedAt.IsZero() || w.ID == c.AnsweredBy && !c.AnsweredAt.IsZero())
	})
}

// By is the way over which the person answered, else the first that arrived, and
// when; ok is false when none did.
func (c Called) By() (w Way, at time.Time, ok bool) {
	if !c.AnsweredAt.IsZero() {
		i := slices.IndexFunc(c.Ways, func(w Way) bool { return w.ID == c.AnsweredBy })
		if i >= 0 {
			return c.Ways[i], c.AnsweredAt, true
		}
		return Way{}, c.AnsweredAt, true
	}
	for _, x := range c.Ways {
		if !x.ArrivedAt.IsZero() && (!ok || x.ArrivedAt.Before(at)) {
			w, at, ok = x, x.ArrivedAt, true
		}
	}
	return w, at, ok
}

// count counts how far all were reached.
func count(all []Called) (f Figures) {
	f.People = len(all)
	for _, c := range all {
		switch c.Reach() {
		case Answered:
			f.Answered++
		case Receipted:
			f.Receipted++
		case Nothing:
		}
		if c.Apart() {
			f.Apart++
		}
	}
	return f
}

// judge is what the figures show.
func judge(f Figures) Verdict {
	switch {
	case f.Apart == 0:
		return Red
	case f.Apart < f.People:
		return Gap
	}
	return Good
}

// Report is a run with everybody in it, and the run of the same target before it.
type Report struct {
	Run
	Called []Called // those not reached first
	Missed []chain.Missed
	Before *Report // nil: it is the first one
}

// in finds a person; ok is false when they were not called.
func (r Report) in(person string) (Called, bool) {
	i := slices.IndexFunc(r.Called, func(c Called) bool { return c.Person == person })
	if i < 0 {
		return Called{}, false
	}
	return r.Called[i], true
}

func order(all []Called) {
	worst := []Reach{Nothing, Receipted, Answered}
	slices.SortStableFunc(all, func(a, b Called) int {
		return cmp.Or(cmp.Compare(slices.Index(worst, a.Reach()), slices.Index(worst, b.Reach())), cmp.Compare(a.Step, b.Step), strings.Compare(a.Name, b.Name))
	})
}

// Plan lets a run begin every week.
type Plan struct {
	Target  Target
	Weekday time.Weekday
	Hour    int // civil, in the town
	NextAt  time.Time
	// Skipped is why the last one was left out: "late", "busy", "gone"; its
	// sentence is "trial.skipped_" + word.
	Skipped   string
	SkippedAt time.Time
}

// next is the first such hour after a moment, by the clock of the town. An hour
// that the clock leaves out in spring is the one after it.
func (p Plan) next(after time.Time, zone *time.Location) time.Time {
	local := after.In(zone)
	days := (int(p.Weekday-local.Weekday()) + 7) % 7
	for {
		at := time.Date(local.Year(), local.Month(), local.Day()+days, p.Hour, 0, 0, 0, zone)
		if at.After(after) {
			return at.UTC()
		}
		days += 7
	}
}

// Errors of the room.
var (
	ErrNotFound  = fault.New(fault.NotFound, "trial.not_found")
	ErrForbidden = fault.New(fault.Forbidden, "trial.forbidden")
	ErrSoon      = fault.New(fault.Conflict, "trial.soon")
	ErrBusy      = fault.New(fault.Conflict, "trial.busy")
	ErrNobody    = fault.New(fault.Conflict, "trial.nobody")
	ErrTarget    = fault.New(fault.Invalid, "trial.bad_target").Field("target", "trial.bad_target")
	ErrHour      = fault.New(fault.Invalid, "trial.bad_hour").Field("hour", "trial.bad_hour")
	errLink      = fault.New(fault.NotFound, "trial.link_over")
)
