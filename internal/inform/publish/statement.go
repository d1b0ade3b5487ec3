package publish

import (
	"slices"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

// ID names a statement.
type ID string

// State is where a statement stands.
type State string

// The states; see the drawing in the package comment.
const (
	StateDraft     State = "draft"
	StateSubmitted State = "submitted"
	StatePublished State = "published"
	StateWithdrawn State = "withdrawn" // discarded before anybody read it
)

// leadsTo lists where a state may lead. Published and withdrawn are the end.
var leadsTo = map[State][]State{
	StateDraft:     {StateSubmitted, StatePublished, StateWithdrawn},
	StateSubmitted: {StateDraft, StateSubmitted, StatePublished, StateWithdrawn},
}

// May reports whether a statement may go from s to to.
func (s State) May(to State) bool { return slices.Contains(leadsTo[s], to) }

// Statement / Mitteilung is one message about one incident.
type Statement struct {
	ID       ID
	Incident incident.ID
	Kind     template.Kind
	Realm    incident.Realm
	Level    incident.Level // of the incident when it was last looked at
	State    State
	// Revision counts changes of the draft. Whoever saves or approves names the
	// revision that was seen, so that nobody approves words that changed since.
	Revision int
	// Version counts published corrections of one message, from 1. Corrects
	// names the version before, CorrectedBy the one after; Correction says in
	// public what was put right.
	Version     int
	Corrects    ID
	CorrectedBy ID
	Correction  string

	// Facts fill the slots of the templates. From submission on they include
	// what the catalogue and the clocks gave, so that nothing changes between
	// reading and approving.
	Facts     template.Facts
	Audiences []string // slugs
	Languages []template.Language
	Scenario  template.Scenario
	// Next is the promised time of the next message per audience; an audience
	// that is promised nothing more is missing.
	Next map[string]time.Time

	// Authors are all who wrote on it, the first one first; none of them may be
	// the second person.
	Authors    []Author
	Asked      identity.PersonID // whom the author asked; empty: every approver
	Note       string            // of whoever gave it back
	ReturnedBy string
	Approval   Approval

	CreatedAt   time.Time
	UpdatedAt   time.Time
	SubmittedAt time.Time
	PublishedAt time.Time // also the "Stand" of every variant

	seen       []Variant // what the approver is shown, rendered as of seenAt
	seenBefore []Variant // what was shown before it was given back
	seenAt     time.Time
	askedAgain time.Time // the approver was silent, others were asked
}

// Author is somebody who wrote on a statement.
type Author struct {
	Person identity.PersonID `json:"person"`
	Name   string            `json:"name"`
}

// WrittenBy reports whether p wrote on it.
func (s Statement) WrittenBy(p identity.PersonID) bool {
	return slices.ContainsFunc(s.Authors, func(a Author) bool { return a.Person == p })
}

// AuthorNames names everybody who wrote on it.
func (s Statement) AuthorNames() []string {
	out := make([]string, len(s.Authors))
	for i, a := range s.Authors {
		out[i] = a.Name
	}
	return out
}

// withAuthor adds a to the authors once.
func (s Statement) withAuthor(a Author) Statement {
	if !slices.Contains(s.Authors, a) && (a.Person == "" || !s.WrittenBy(a.Person)) {
		s.Authors = append(slices.Clone(s.Authors), a)
	}
	return s
}

// Variant / Fassung is what one reader sees, exactly.
type Variant struct {
	Audience string // slug
	Kind     plan.Kind
	Format   template.Format
	Language template.Language
	// Entry and EntryVersion name the prepared text; Review says how far it
	// had been checked.
	Entry        string
	EntryVersion int
	Review       template.Review
	Subject      string
	Title        string
	Body         string
	// Instruction is the end of Body that says what to do, where the format keeps it
	// apart (CAP).
	Instruction string    `json:",omitempty"`
	AsOf        time.Time // the "Stand"
	Next        time.Time // promised next message, zero: none
	// Over names the parts that are longer than the format holds ("body");
	// Untranslated the slots that show German words in another language.
	Over         []string
	Untranslated []template.Slot
}

// Public reports whether anybody may read it.
func (v Variant) Public() bool { return v.Kind.Public() }

// Errors that callers branch on.
var (
	ErrNotFound  = fault.New(fault.NotFound, "publish.not_found")
	ErrForbidden = fault.New(fault.Forbidden, "publish.forbidden")
	ErrState     = fault.New(fault.Conflict, "publish.state")
	ErrChanged   = fault.New(fault.Conflict, "publish.changed_meanwhile")
	// ErrMoved says that nobody changed the text and yet it reads differently: what
	// it names, as the public address or an Ersatzweg, is another one by now.
	// ErrNobody says that an answer to one person names nobody, or no address.
	ErrNobody       = fault.New(fault.Invalid, "publish.nobody")
	ErrMoved        = fault.New(fault.Conflict, "publish.words_moved")
	ErrSecondPerson = fault.New(fault.Forbidden, "publish.second_person")
	ErrOwnWords     = fault.New(fault.Forbidden, "publish.own_words")
	ErrPrivate      = fault.New(fault.Conflict, "publish.private")
	ErrHeld         = fault.New(fault.Conflict, "publish.held")
	ErrDrift        = fault.New(fault.Conflict, "publish.drift")
	ErrNoRecovery   = fault.New(fault.Conflict, "publish.no_recovery")
	ErrNoClosing    = fault.New(fault.Conflict, "publish.no_closing")
	ErrNextPast     = fault.New(fault.Invalid, "publish.next_past")
	ErrLinkUsed     = fault.New(fault.Conflict, "publish.link_used")
)
