package onsite

import (
	"slices"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/fault"
)

// CheckID names a check.
type CheckID string

// Check / Ausweisprüfung notes that somebody showed an identity document. What
// leads to the person is in [Held] and goes; the rest stays as the proof that it
// was checked, and that it is gone.
type Check struct {
	ID       CheckID
	Incident incident.ID
	At       time.Time
	Until    time.Time // when what leads to the person is deleted, at most [MaxHold] after At
	Person   string    // id of who checked
	ByName   string
	Purpose  Purpose
	Outcome  Outcome
	HasCopy  bool
	GoneAt   time.Time // when it was deleted; zero: not yet
	GoneWhy  GoneWhy
	// Held is what is still known; nil where it is gone, or not for the reader.
	Held *Held
}

// Gone reports whether nothing that leads to the person is there any more.
func (c Check) Gone(now time.Time) bool { return !c.GoneAt.IsZero() || !now.Before(c.Until) }

// Held leads to the person.
type Held struct {
	Name     string   `json:"name"`
	Document Document `json:"document"`
	Detail   string   `json:"detail,omitempty"` // what for, more exactly
}

// MaxHold is the longest time that [Held] is kept.
const MaxHold = 24 * time.Hour

// Holds are the times that the form offers, in hours; the first is meant when
// nobody chooses.
func Holds() []int { return []int{4, 1, 12, 24} }

// Purpose is what a document was looked at for (Art. 5 (1) b GDPR).
type Purpose string

// Purposes lists them in the order in which they are shown.
func Purposes() []Purpose {
	return []Purpose{"access", "handover", "help", "counter", "fetch", "other"}
}

// Document is the kind of document; no number of it is ever asked (§ 20 (3) PAuswG).
type Document string

// Documents lists them.
func Documents() []Document {
	return []Document{"card", "passport", "permit", "licence", "service", "other"}
}

// Outcome is what the look at the document showed.
type Outcome string

// Outcomes lists them.
func Outcomes() []Outcome { return []Outcome{"matches", "differs", "none"} }

// GoneWhy is why something is gone.
type GoneWhy string

// The reasons.
const (
	Expired GoneWhy = "expired" // its time was over
	Done    GoneWhy = "done"    // somebody no longer needed it
)

// Showing is a check that is to be noted.
type Showing struct {
	Incident incident.ID
	Held
	Purpose Purpose
	Outcome Outcome
	Hours   int // how long; 0: the shortest usual time
	// Copy is a picture of the document. Consent says that its holder agreed.
	Copy    []byte
	Consent bool
	Key     string // makes sending twice one check
}

// Copies / Kopien says whether the town allows copies of identity documents.
type Copies struct {
	Allowed bool
	Reason  string
	ByName  string
	At      time.Time // zero: never decided
}

// What can go wrong with a check.
var (
	ErrNoName     = fault.New(fault.Invalid, "onsite.name_missing")
	ErrPurpose    = fault.New(fault.Invalid, "onsite.bad_purpose")
	ErrDetail     = fault.New(fault.Invalid, "onsite.detail_missing")
	ErrDocument   = fault.New(fault.Invalid, "onsite.bad_document")
	ErrOutcome    = fault.New(fault.Invalid, "onsite.bad_outcome")
	ErrHours      = fault.New(fault.Invalid, "onsite.bad_hours")
	ErrNoCopies   = fault.New(fault.Conflict, "onsite.no_copies")
	ErrNoConsent  = fault.New(fault.Invalid, "onsite.no_consent")
	ErrNoCheck    = fault.New(fault.NotFound, "onsite.no_check")
	ErrOnlyAdmin  = fault.New(fault.Forbidden, "onsite.only_admin")
	ErrNotYours   = fault.New(fault.Forbidden, "onsite.not_yours")
	ErrGone       = fault.New(fault.NotFound, "onsite.gone")
	errNoIncident = ErrNoIncident.Field("incident", "onsite.no_incident")
)

// tidy makes a showing storable and says what is wrong with it.
func (s Showing) tidy() (Showing, error) {
	s.Name, s.Detail = line(s.Name, maxPlace), line(s.Detail, maxPlace)
	if s.Hours == 0 {
		s.Hours = Holds()[0]
	}
	var err *fault.Error
	fail := func(e *fault.Error, field string) {
		if err == nil {
			err = e
		}
		err = err.Field(field, e.Key)
	}
	if s.Incident == "" {
		fail(ErrNoIncident, "incident")
	}
	if !slices.Contains(Purposes(), s.Purpose) {
		fail(ErrPurpose, "purpose")
	}
	if s.Purpose == "other" && s.Detail == "" {
		fail(ErrDetail, "detail")
	}
	if !slices.Contains(Documents(), s.Document) {
		fail(ErrDocument, "document")
	}
	if s.Name == "" {
		fail(ErrNoName, "name")
	}
	if !slices.Contains(Outcomes(), s.Outcome) {
		fail(ErrOutcome, "outcome")
	}
	if s.Hours < 1 || time.Duration(s.Hours)*time.Hour > MaxHold {
		fail(ErrHours, "hours")
	}
	if len(s.Copy) > 0 && !s.Consent {
		fail(ErrNoConsent, "consent")
	}
	if len(s.Key) > maxKey {
		fail(ErrKey, "key")
	}
	if err != nil {
		return s, err
	}
	return s, nil
}
