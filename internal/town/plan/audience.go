package plan

import (
	"cmp"
	"time"
)

// Kind is the sort of people an audience is; it decides who must approve (I3)
// and how often they are told.
type Kind string

// The kinds of audiences.
const (
	Citizens   Kind = "citizens"
	Press      Kind = "press"
	Staff      Kind = "staff"
	Leadership Kind = "leadership"
	Council    Kind = "council"
	Partners   Kind = "partners"
	IT         Kind = "it"
	Authority  Kind = "authority"
)

// Kinds lists them all.
func Kinds() []Kind {
	return []Kind{Citizens, Press, Staff, Leadership, Council, Partners, IT, Authority}
}

// FourEyes reports whether a statement to this kind needs a second person (I3).
func (k Kind) FourEyes() bool { return k == Citizens || k == Press }

// Public reports whether what this kind reads is public.
func (k Kind) Public() bool { return k == Citizens || k == Press }

// Audience / Zielgruppe is a group that is told together.
type Audience struct {
	Slug       string
	Kind       Kind
	Name       string   // "Bürgerinnen und Bürger"
	Recipients []string // mail addresses
	// Cadence is the rhythm of updates; zero: [Audience.Every] has the default.
	Cadence  time.Duration
	Owner    string // mail address of the person who looks after them
	Deputy   string
	Declared bool // stands in tuermer.yaml, read-only in the console
	// Profile is what the plan says of them; owner, deputy and cadence of the
	// plan stand in the fields above too.
	Profile Profile `json:"-"`
}

// FirstWithin is how soon after confirmation the first statement is due, unless
// the plan says otherwise.
const FirstWithin = 15 * time.Minute

// First is how soon after confirmation the audience is told.
func (a Audience) First() time.Duration {
	return cmp.Or(time.Duration(a.Profile.First)*time.Minute, FirstWithin)
}

// Staffed reports whether somebody looks after them, and somebody else when
// that person cannot (R1.3).
func (a Audience) Staffed() bool { return a.Owner != "" && a.Deputy != "" && a.Owner != a.Deputy }

// Every is the time between updates: the audience's own, else 30 minutes for
// leadership and IT, else an hour.
func (a Audience) Every() time.Duration {
	switch {
	case a.Cadence > 0:
		return a.Cadence
	case a.Kind == Leadership || a.Kind == IT:
		return 30 * time.Minute
	default:
		return time.Hour
	}
}

// with puts what the plan says into the audience.
func (a Audience) with(p Profile, known bool) Audience {
	if known {
		a.Profile, a.Owner, a.Deputy, a.Cadence = p, p.Owner, p.Deputy, time.Duration(p.Every)*time.Minute
		return a
	}
	a.Profile = Profile{Owner: a.Owner, Deputy: a.Deputy, Every: int(a.Cadence / time.Minute)}
	return a
}
