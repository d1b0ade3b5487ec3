package template

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tuermer/internal/platform/fault"
)

// OwnState is where a town's own version of a text stands.
//
//	draft ──approve, by a second person──▶ approved ──a newer one──▶ replaced
//	  └──discard──▶ discarded                  └──retire──▶ retired
//
// At most one version of a text is a draft, and at most one is approved; only
// the approved one is in use.
type OwnState string

// The states.
const (
	OwnDraft     OwnState = "draft"
	OwnApproved  OwnState = "approved"
	OwnReplaced  OwnState = "replaced"  // a newer version took its place
	OwnRetired   OwnState = "retired"   // no longer used; the shipped text counts again
	OwnDiscarded OwnState = "discarded" // never came into use
)

// Version is one version of a town's own text. It never changes once it has
// been approved.
type Version struct {
	Entry
	State  OwnState
	Author string // person's id
	// AuthorName and the other names are those of the moment.
	AuthorName string
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Approver   string // person's id
	ApprovedAt time.Time
	EndedBy    string // name of who retired or discarded it
	EndedAt    time.Time
}

// Signature is the word of a group of readers that a text in Leichter Sprache
// can be understood. It holds for one version and one wording.
type Signature struct {
	Entry   string
	Version int
	Group   string // who has read it: "Prüfgruppe der Lebenshilfe"
	By      string // who noted it, by name
	At      time.Time
	wording string
}

// Release is the town's word, given before the crisis, that a prepared text may
// go out as it stands (I3). It holds for one version and one wording.
type Release struct {
	Entry   string
	Version int
	Person  string // the person's id
	Name    string
	At      time.Time
}

// Wording is a fingerprint of e's words, so that a changed text is not taken
// for an approved one even if its version was forgotten.
func Wording(e Entry) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{e.Subject, e.Title, e.Body, e.Instruction}, "\x00")))
	return hex.EncodeToString(sum[:])
}

// Errors of the town's own texts.
var (
	ErrForbidden  = fault.New(fault.Forbidden, "template.forbidden")
	ErrNotFound   = fault.New(fault.NotFound, "template.not_found")
	ErrOwnText    = fault.New(fault.Forbidden, "template.own_text")
	ErrNoDraft    = fault.New(fault.Conflict, "template.no_draft")
	ErrNothingOwn = fault.New(fault.Conflict, "template.nothing_own")
	ErrNotEasy    = fault.New(fault.Conflict, "template.not_easy")
	ErrBadFile    = fault.New(fault.Invalid, "template.bad_file")
)

// maxPart is the longest part of an own text in bytes: several pages.
const maxPart = 20_000

// scenarioName is how a scenario of the town's own is written.
var scenarioName = regexp.MustCompile(`^[a-z0-9]+(?:-[a-z0-9]+)*$`)

// needs lists the parts that a format cannot do without.
func needs(f Format) []string {
	switch f {
	case Mail:
		return []string{PartSubject, PartBody}
	case Page, Push, Notice, RSS:
		return []string{PartTitle, PartBody}
	case CAP:
		return []string{PartTitle, PartBody, PartInstruction}
	default:
		return []string{PartBody}
	}
}

// Takes reports whether a format has a part at all: what it has not is refused
// rather than lost.
func Takes(f Format, part string) bool {
	return slices.Contains(needs(f), part) || (f == Page && part == PartSubject)
}

// CheckOwn brings a town's own text into the form in which it is kept, or says
// what is wrong with it, field by field.
func CheckOwn(e Entry) (Entry, error) {
	bad := fault.New(fault.Invalid, "template.invalid")
	fail := false
	blame := func(field, key string) { bad, fail = bad.Field(field, key), true }
	if e.Kind.Phase() == "" {
		blame("kind", "template.bad_kind")
	}
	if !slices.Contains(Audiences(), e.Audience) {
		blame("audience", "template.bad_audience")
	}
	if !slices.Contains(Formats(), e.Format) {
		blame("channel", "template.bad_channel")
	}
	if !slices.Contains(Languages(), e.Language) {
		blame("language", "template.bad_language")
	}
	if s := string(e.Scenario); s != "" && (len(s) > 40 || !scenarioName.MatchString(s)) {
		blame("scenario", "template.bad_scenario")
	}
	for _, p := range []struct {
		name string
		text *string
	}{{PartSubject, &e.Subject}, {PartTitle, &e.Title}, {PartBody, &e.Body}, {PartInstruction, &e.Instruction}} {
		*p.text = storable(*p.text)
		if p.name == PartSubject || p.name == PartTitle {
			*p.text = strings.Join(strings.Fields(*p.text), " ")
		}
		switch {
		case *p.text == "" && slices.Contains(needs(e.Format), p.name):
			blame(p.name, "template.part_missing")
		case *p.text != "" && !Takes(e.Format, p.name):
			blame(p.name, "template.part_unknown")
		case len(*p.text) > maxPart:
			blame(p.name, "template.part_long")
		default:
			if _, err := parse(*p.text); err != nil {
				blame(p.name, "template.part_syntax")
				bad = bad.With(err)
			}
		}
	}
	if fail {
		return e, bad
	}
	e.ID = e.name()
	out, err := Prepare(e)
	if err != nil {
		return e, bad.Field(PartBody, "template.part_syntax").With(err)
	}
	return out, nil
}

// storable makes typed text storable: lines end in LF and carry no blanks behind,
// and nothing stands before the first or after the last.
func storable(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " \t\u00a0")
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n \t")
}

// mayApprove is the rule of the second person for prepared texts: a text that is
// approved before the crisis may go out in the crisis without another pair of
// eyes, so these eyes must not be the author's.
func mayApprove(v Version, person string, approver bool) error {
	switch {
	case !approver || person == "":
		return ErrForbidden
	case v.State != OwnDraft:
		return ErrNoDraft
	case v.Author == person:
		return ErrOwnText
	}
	return nil
}

// sameWords reports whether two texts say the same in the same place; blanks at
// the ends of lines, which nobody reads, do not count.
func sameWords(a, b Entry) bool {
	for _, e := range []*Entry{&a, &b} {
		for _, p := range []*string{&e.Subject, &e.Title, &e.Body, &e.Instruction} {
			*p = storable(*p)
		}
	}
	return a.cell() == b.cell() && Wording(a) == Wording(b)
}

// shorten cuts a line for lists.
func shorten(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
