package editorial

import (
	"slices"
	"time"
	"unicode/utf8"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
)

// ID names a post.
type ID string

// State is where a post stands.
type State string

// The states.
const (
	Draft     State = "draft"
	Submitted State = "submitted"
	Scheduled State = "scheduled" // approved; goes out when due
	Held      State = "held"      // a crisis stopped it; only a release lets it go
	Sending   State = "sending"   // handed to the channel right now
	Published State = "published"
	Failed    State = "failed"
	Discarded State = "discarded"
)

// States lists them in the order of a post's life.
func States() []State {
	return []State{Draft, Submitted, Scheduled, Held, Sending, Published, Failed, Discarded}
}

// Final reports whether nothing more happens to the post.
func (s State) Final() bool { return slices.Contains([]State{Published, Failed, Discarded}, s) }

// Open reports whether its words may still be changed.
func (s State) Open() bool { return s == Draft || s == Submitted }

// Post / Beitrag is one text for one channel at one time.
type Post struct {
	ID    ID
	Realm incident.Realm
	// Account names the channel's account, such as "probekanal".
	Account string
	Text    string
	// Humour: the author marked it as light-hearted. It needs a reason to go out
	// in a crisis (R2.13).
	Humour bool
	Due    time.Time // zero: not planned yet
	State  State

	Author     ident.Actor
	Approver   ident.Actor
	ApprovedAt time.Time
	// HeldFor is the incident whose crisis stopped it; HeldAt is when.
	HeldFor incident.ID
	HeldAt  time.Time
	// Releaser let it go although a crisis held it, for Reason.
	Releaser    ident.Actor
	Reason      string // of a release, a return, a discard or a failure
	PublishedAt time.Time
	Reference   string // the channel's own name for what it published
	CreatedAt   time.Time
	Attempts    int
	RetryAt     time.Time
}

// MaxText is the longest text, in characters: the limit of the town's longest
// usual network.
const MaxText = 5000

// Errors of the room.
var (
	ErrNotFound  = fault.New(fault.NotFound, "editorial.not_found")
	ErrForbidden = fault.New(fault.Forbidden, "editorial.forbidden")
	ErrSelf      = fault.New(fault.Forbidden, "editorial.own_post")
	ErrState     = fault.New(fault.Conflict, "editorial.wrong_state")
	ErrNoReason  = fault.New(fault.Invalid, "editorial.reason_missing")
	ErrTone      = fault.New(fault.Invalid, "editorial.tone")
)

// check finds what is missing in a draft.
func (p Post) check(accounts []string) error {
	bad := fault.New(fault.Invalid, "editorial.invalid")
	switch n := utf8.RuneCountInString(p.Text); {
	case n == 0:
		bad = bad.Field("text", "web.required")
	case n > MaxText:
		bad = bad.Field("text", "editorial.too_long")
	}
	if !slices.Contains(accounts, p.Account) {
		bad = bad.Field("account", "editorial.unknown_account")
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

// Tone names what in the text does not fit a crisis: the places that the
// language check finds, and the author's own mark.
func (p Post) Tone() []template.Hint {
	hints := template.Check(p.Text, template.DE, template.Situation{Crisis: true})
	return slices.DeleteFunc(hints, func(h template.Hint) bool { return h.Code != template.Humour })
}

// Light reports whether a release in a crisis must give a reason.
func (p Post) Light() bool { return p.Humour || len(p.Tone()) > 0 }
