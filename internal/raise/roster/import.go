package roster

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// ImportOutcome says what becomes of an entry.
type ImportOutcome string

// The outcomes; each has a word with the key "roster.import_" + outcome.
const (
	ImportTake ImportOutcome = "take" // the person will be on duty then
	ImportMove ImportOutcome = "move" // the same, in place of what an earlier import laid
	ImportBack ImportOutcome = "back" // what an earlier import laid is taken back
	ImportSame ImportOutcome = "same" // it is so already
	ImportNot  ImportOutcome = "not"  // it is left out
)

// ImportWhy says why an entry is left out, or by what its person was known.
type ImportWhy string

// The reasons; each has a sentence with the key "roster.import_why_" + reason.
const (
	ImportCancelled ImportWhy = "cancelled" // the calendar says that it does not happen
	ImportTentative ImportWhy = "tentative" // or that it may not
	ImportGap       ImportWhy = "gap"       // a gap of our own export
	ImportPast      ImportWhy = "past"
	ImportZone      ImportWhy = "zone"    // a time zone that nobody knows
	ImportRule      ImportWhy = "rule"    // a series that cannot be read
	ImportEnd       ImportWhy = "end"     // no begin or no end
	ImportLong      ImportWhy = "long"    // longer than an override may be
	ImportLine      ImportWhy = "line"    // the roster has no such line
	ImportHours     ImportWhy = "hours"   // whole days on which the roster has no hours
	ImportUnknown   ImportWhy = "unknown" // nobody of the town
	ImportSeveral   ImportWhy = "several" // more than one person
	ImportBlocked   ImportWhy = "blocked"
	ImportTwice     ImportWhy = "twice" // two people at exactly the same time
	ImportGone      ImportWhy = "gone"  // a stretch that whole days no longer have

	ByGuest ImportWhy = "guest" // who is invited
	ByTitle ImportWhy = "title" // whom the title names
	ByHost  ImportWhy = "host"  // who invites

	importExcluded ImportWhy = "excluded" // taken out of its series; said only where something is taken back
)

// ImportRow is what becomes of an entry, or of one stretch of an entry for whole days.
type ImportRow struct {
	Entry    Occurrence
	From, To time.Time
	Line     int
	Person   string // mail address
	Name     string
	Outcome  ImportOutcome
	Why      ImportWhy // why it is left out or taken back
	By       ImportWhy // by what the person was known
	// Before are the people who are on duty in that time up to now.
	Before []string
	// Overlaps: another row of the line reaches into this one; whichever begins later
	// counts from its begin, and of two that begin together the shorter.
	Overlaps bool

	occurrence string
	piece      int
	was        *laid
}

// lays reports whether the row makes an override.
func (x ImportRow) lays() bool { return x.Outcome == ImportTake || x.Outcome == ImportMove }

// Harvest is what becomes of a calendar.
type Harvest struct {
	Roster Roster
	Rows   []ImportRow
	Past   int
	Later  int
	// Digest tells two harvests apart: what is taken is what was seen.
	Digest string
	// ID is the import, once it is taken and anything of it was new.
	ID string
}

// Count is how many rows have an outcome.
func (h Harvest) Count(o ImportOutcome) int {
	n := 0
	for _, x := range h.Rows {
		if x.Outcome == o {
			n++
		}
	}
	return n
}

// Changes is how many rows change who is on duty.
func (h Harvest) Changes() int {
	return h.Count(ImportTake) + h.Count(ImportMove) + h.Count(ImportBack)
}

// laid is an override that an earlier import made and that still holds.
type laid struct {
	Override
	occurrence string
	piece      int
}

// piecesOfDay is more than the stretches that begin on one day can be.
const piecesOfDay = 1000

// judge decides what becomes of entries.
type judge struct {
	now   time.Time
	line  int // for entries that say none
	view  seen
	known []laid
	key   func(e Occurrence) string
}

// harvest is what becomes of all that was read.
func (j judge) harvest(in Reading) Harvest {
	h := Harvest{Roster: j.view.Roster, Past: in.Past, Later: in.Later}
	gone := map[string]bool{}
	for _, e := range in.Entries {
		if e.Off == ImportCancelled {
			if back := j.back(e, nil); len(back) > 0 {
				h.Rows = append(h.Rows, back...)
			} else if !gone[e.UID] {
				h.Rows = append(h.Rows, j.not(e, ImportCancelled))
			}
			gone[e.UID] = true
			continue
		}
		if e.Off == importExcluded {
			h.Rows = append(h.Rows, j.back(e, nil)...)
			continue
		}
		if e.Off != "" {
			h.Rows = append(h.Rows, j.not(e, e.Off))
			continue
		}
		rows, past := j.entry(e)
		if past {
			h.Past++
		}
		h.Rows = append(h.Rows, rows...)
	}
	slices.SortStableFunc(h.Rows, func(x, y ImportRow) int { return x.From.Compare(y.From) })
	j.settle(h.Rows)
	h.Digest = digest(h.Rows)
	return h
}

// not is a row of an entry that is left out.
func (j judge) not(e Occurrence, why ImportWhy) ImportRow {
	x := ImportRow{Entry: e, From: e.From, To: e.To, Outcome: ImportNot, Why: why}
	if e.Whole() {
		x.From, x.To = j.days(e)
	}
	return x
}

// days is the time of whole days: a day of a roster begins when a turn is handed
// over, so that the night of Monday belongs to Monday.
func (j judge) days(e Occurrence) (from, to time.Time) {
	return At(e.First, j.view.Plan.Handover, j.view.rules.Zone), At(e.Last, j.view.Plan.Handover, j.view.rules.Zone)
}

// back takes back what earlier imports laid for an entry, but for the pieces that are
// still there.
func (j judge) back(e Occurrence, still map[int]bool) (out []ImportRow) {
	for _, k := range j.known {
		if k.occurrence == j.key(e) && !still[k.piece] {
			why := e.Off
			if why == "" {
				why = ImportGone
			}
			out = append(out, ImportRow{
				Entry: e, From: k.From, To: k.To, Line: k.Line, Person: k.Person, Name: j.view.crew.name(k.Person), Outcome: ImportBack, Why: why, occurrence: k.occurrence, piece: k.piece, was: &k,
			})
		}
	}
	return out
}

// entry is what becomes of one entry that nothing is wrong with; past tells that it is
// over, and that nobody need hear of it.
func (j judge) entry(e Occurrence) (rows []ImportRow, past bool) {
	line := j.line
	if e.Line >= 0 {
		line = e.Line
	}
	if line >= len(j.view.Plan.Lines) {
		return []ImportRow{j.not(e, ImportLine)}, false
	}
	pieces := []Stretch{{e.From, e.To}}
	if e.Whole() {
		from, to := j.days(e)
		if !to.After(j.now) {
			return nil, true
		}
		if pieces = j.view.Plan.hours().Covered(from, to, j.view.rules.Calendar, j.view.rules.Zone); len(pieces) == 0 {
			return append(j.back(e, nil), j.not(e, ImportHours)), false
		}
	}
	person, by, why := j.who(e)
	if why != "" {
		x := j.not(e, why)
		x.Person = person
		return []ImportRow{x}, false
	}
	still := map[int]bool{}
	for _, p := range pieces {
		i := 0
		if e.Whole() {
			// By its day, so that the Sunday stays when the Saturday goes.
			for i = DateIn(p.From, j.view.rules.Zone).Since(Date{1970, time.January, 1}) * piecesOfDay; still[i]; i++ {
			}
		}
		still[i] = true
		if !p.To.After(j.now) {
			continue
		}
		x := ImportRow{
			Entry: e, From: p.From, To: p.To, Line: line, Person: person, Name: j.view.crew.name(person), By: by, Outcome: ImportTake, occurrence: j.key(e), piece: i,
		}
		x.Before = j.before(x)
		if n := slices.IndexFunc(j.known, func(k laid) bool { return k.occurrence == x.occurrence && k.piece == i }); n >= 0 {
			x.was = &j.known[n]
			x.Outcome = ImportMove
			if x.was.is(x, j.now) {
				x.Outcome = ImportSame
			}
		}
		rows = append(rows, x)
	}
	rows = append(rows, j.back(e, still)...)
	return rows, len(rows) == 0
}

// is reports whether what was laid is what the row asks for. When that began, once it
// has begun, is past.
func (k laid) is(x ImportRow, now time.Time) bool {
	return k.Line == x.Line && k.Person == x.Person && k.To.Equal(x.To) && (k.From.Equal(x.From) || !k.From.After(now) && !x.From.After(now))
}

// ahead is the row's time as far as it is not over.
func (j judge) ahead(x ImportRow) Stretch {
	if x.From.Before(j.now) {
		return Stretch{j.now, x.To}
	}
	return Stretch{x.From, x.To}
}

// before are the people who are on duty in a row's time and line; an empty one is a
// gap.
func (j judge) before(x ImportRow) (out []string) {
	at := j.ahead(x)
	for _, s := range j.view.shifts {
		if s.Line == x.Line && s.From.Before(at.To) && s.To.After(at.From) && !slices.Contains(out, s.Person) {
			out = append(out, s.Person)
		}
	}
	return out
}

// order is the order in which rows are laid; the last one counts.
func (x ImportRow) order(y ImportRow) int {
	return cmp.Or(x.From.Compare(y.From), y.To.Compare(x.To), strings.Compare(x.occurrence, y.occurrence), x.piece-y.piece)
}

// settle looks at rows that meet in one line. Two people at exactly the same time are
// left out: nobody guesses which. What is so anyway, as far as no other row lies over
// it, need not be laid. What lies over another, and would be hidden if that one were
// laid later, is laid again.
func (j judge) settle(rows []ImportRow) {
	var live []*ImportRow
	for i := range rows {
		if rows[i].lays() || rows[i].Outcome == ImportSame {
			live = append(live, &rows[i])
		}
	}
	slices.SortStableFunc(live, func(x, y *ImportRow) int { return x.order(*y) })
	// over calls fn with the rows that come later and reach into the i-th.
	over := func(i int, fn func(y *ImportRow)) {
		for _, y := range live[i+1:] {
			if !y.From.Before(live[i].To) {
				return
			}
			if y.Line == live[i].Line {
				fn(y)
			}
		}
	}
	for i, x := range live {
		over(i, func(y *ImportRow) {
			switch same := x.From.Equal(y.From) && x.To.Equal(y.To); {
			case same && x.Person != y.Person:
				x.Why, y.Why = ImportTwice, ImportTwice
			case same && y.Outcome == ImportTake:
				y.Outcome = ImportSame // said twice
			case x.Person != y.Person:
				x.Overlaps, y.Overlaps = true, true
			}
		})
	}
	for _, x := range live {
		if x.Why == ImportTwice {
			x.Outcome = ImportNot
		}
	}
	live = slices.DeleteFunc(live, func(x *ImportRow) bool { return x.Outcome == ImportNot })
	held := j.held(rows)
	for i, x := range live {
		if x.Outcome != ImportTake {
			continue
		}
		var hidden []Stretch
		over(i, func(y *ImportRow) { hidden = append(hidden, Stretch{y.From, y.To}) })
		if open := without([]Stretch{j.ahead(*x)}, union(hidden)); len(without(open, held[holder{x.Line, x.Person}])) == 0 {
			x.Outcome = ImportSame
		}
	}
	for i, x := range live {
		if x.lays() {
			over(i, func(y *ImportRow) {
				if y.Outcome == ImportSame && y.Person != x.Person {
					if y.Outcome = ImportTake; y.was != nil {
						y.Outcome = ImportMove
					}
				}
			})
		}
	}
}

// holder is a person in a line.
type holder struct {
	line   int
	person string
}

// held is when everybody is on duty, once what the rows take back is gone.
func (j judge) held(rows []ImportRow) map[holder][]Stretch {
	going := map[string]bool{}
	for _, x := range rows {
		if x.was != nil && (x.Outcome == ImportMove || x.Outcome == ImportBack) {
			going[x.was.ID] = true
		}
	}
	v := j.view
	left := slices.DeleteFunc(slices.Clone(v.overrides), func(o Override) bool { return going[o.ID] })
	out := map[holder][]Stretch{}
	for _, s := range v.Shifts(v.from, v.to, left, v.rules) {
		at := holder{s.Line, s.Person}
		out[at] = append(out[at], s.Stretch())
	}
	for at, all := range out {
		out[at] = union(all)
	}
	return out
}

// who is the person of an entry, by what they were known, or why there is none: who is
// invited; else whom the title names; else who invites, where they belong to the
// roster, for often it is an office that enters everybody. A doubt is never decided.
func (j judge) who(e Occurrence) (mail string, by, why ImportWhy) {
	var guests []string
	for _, a := range e.Guests {
		if m := j.mail(a); m != "" && !slices.Contains(guests, m) {
			guests = append(guests, m)
		}
	}
	named := j.named(e.Title)
	switch {
	case len(guests) == 1:
		return j.fits(guests[0], ByGuest)
	case len(guests) > 1:
		both := slices.DeleteFunc(slices.Clone(named), func(m string) bool { return !slices.Contains(guests, m) })
		if len(both) == 1 {
			return j.fits(both[0], ByTitle)
		}
		return "", "", ImportSeveral
	case len(named) == 1:
		return j.fits(named[0], ByTitle)
	case len(named) > 1:
		return "", "", ImportSeveral
	}
	if m := j.mail(e.Host); m != "" && belongs(j.view.Roster, m) && len(e.Guests) == 0 {
		return j.fits(m, ByHost)
	}
	return "", "", ImportUnknown
}

func (j judge) fits(mail string, by ImportWhy) (string, ImportWhy, ImportWhy) {
	switch why, ok := j.view.crew.fit(mail); {
	case ok:
		return mail, by, ""
	case why == Blocked:
		return mail, by, ImportBlocked
	}
	return mail, by, ImportUnknown
}

// mail is the address of whoever has it, also as their second one; empty for nobody
// and for two.
func (j judge) mail(address string) string {
	if address == "" {
		return ""
	}
	found := ""
	for mail, p := range j.view.crew {
		if strings.EqualFold(mail, address) {
			return mail
		}
		if strings.EqualFold(p.Alternative, address) {
			if found != "" {
				return ""
			}
			found = mail
		}
	}
	return found
}

// named are the people whom a title names in full: those of the roster, else others
// of the town. A surname alone is not enough.
func (j judge) named(title string) []string {
	title, _ = strings.CutPrefix(title, j.view.Name+": ")
	text := " " + strings.Join(nameWords(title), " ") + " "
	var mine, others []string
	for mail, p := range j.view.crew {
		words := nameWords(p.Name)
		has := strings.Contains(strings.ToLower(title), strings.ToLower(mail))
		if n := len(words); n > 1 {
			back := append([]string{words[n-1]}, words[:n-1]...)
			has = has || strings.Contains(text, " "+strings.Join(words, " ")+" ") || strings.Contains(text, " "+strings.Join(back, " ")+" ")
		}
		switch {
		case !has:
		case belongs(j.view.Roster, mail):
			mine = append(mine, mail)
		default:
			others = append(others, mail)
		}
	}
	if len(mine) > 0 {
		return mine
	}
	return others
}

// nameWords are the words of a name as they are compared: without titles, and ä as
// ae.
func nameWords(s string) []string {
	s = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss").Replace(strings.ToLower(s))
	words := strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && r != '-' && r != '\'' && !unicode.Is(unicode.Mn, r) })
	return slices.DeleteFunc(words, func(w string) bool { return slices.Contains([]string{"dr", "prof", "med", "herr", "frau"}, w) })
}

// occurrenceKey names an occurrence of a calendar in a roster without saying what the
// calendar calls it, which may hold a mail address.
func occurrenceKey(tenant, slug string, e Occurrence) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "tuermer/roster/import/%q/%q/%q/%q", tenant, slug, e.UID, e.Nth))
	return hex.EncodeToString(sum[:])
}

// digest is the same for two harvests that do the same.
func digest(rows []ImportRow) string {
	sum := sha256.New()
	for _, x := range rows {
		fmt.Fprintf(sum, "%s %s %d %s %s %s %s %d\n", x.Outcome, x.Why, x.Line, stampOf(x.From), stampOf(x.To), x.Person, x.occurrence, x.piece)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
