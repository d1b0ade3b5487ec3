package roster

import (
	"cmp"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tuermer/internal/platform/fault"
)

// Plan is what shifts are figured from.
type Plan struct {
	Template Template
	Own      string // the hours as they are written, where Template is Own
	// Lines are the lines of duty (Rufbereitschaft 1, 2): the mail addresses of
	// those who take turns in it, in their order.
	Lines    [][]string
	Every    int  // days of a turn: 1 daily, 7 weekly, any number
	Start    Date // the first turn begins; nobody is on duty before
	Handover int  // minutes after midnight at which a turn ends
}

// Past is a plan that held until a moment.
type Past struct {
	Until time.Time
	Plan  Plan
}

// Roster / Dienstplan is one roster of the town. Slug names it in configuration,
// API and addresses.
type Roster struct {
	Slug string
	Name string
	Plan Plan
	// Past are the plans that held before, oldest first: whoever changes a plan
	// does not change what was.
	Past []Past `json:",omitempty"`
	Lead string // mail address of who hears of gaps; empty: the administrators
	// Need / Soll-Besetzung is how many people are to be on duty at once; zero: one
	// for each line.
	Need int
	// Targets are the hours in which it is another number, as they are written:
	// "Mo-Fr 8-16 = 2; Sa 9-13 = 3".
	Targets string `json:",omitempty"`
	// Work are the ordinary working hours of its people, as hours are written; empty:
	// Mo-Fr 8-16. An alarm that is taken over out of them is a [Callout].
	Work string `json:",omitempty"`
	// Channels are the ways that this roster looks after: "Telefon der Pressestelle".
	Channels []string
	Position int
	Declared bool // stands in tuermer.yaml and is read-only in the console
}

// Limits of a roster.
const (
	maxName     = 100
	maxLines    = 3
	maxPeople   = 100
	maxEvery    = 366
	maxNeed     = 20
	maxChannels = 20
	maxOwn      = 500
	maxPast     = 200
)

var slugForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// taken are addresses of this room's own pages.
var taken = []string{"new", "now", "holidays", "handover", "channels", "callouts", "messenger"}

// Check says what is wrong with a roster, field by field.
func (r Roster) Check() error {
	bad := fault.New(fault.Invalid, "roster.invalid")
	wrong := false
	fail := func(field, key string) { bad, wrong = bad.Field(field, key), true }
	if !slugForm.MatchString(r.Slug) || len(r.Slug) > 60 || slices.Contains(taken, r.Slug) {
		fail("slug", "roster.bad_slug")
	}
	if !plain(r.Name, maxName) {
		fail("name", "roster.bad_name")
	}
	if !slices.Contains(Templates(), r.Plan.Template) {
		fail("template", "roster.bad_template")
	}
	if r.Plan.Template == Own {
		if _, ok := ParseHours(r.Plan.Own); !ok || len(r.Plan.Own) > maxOwn {
			fail("own", "roster.bad_hours")
		}
	}
	if len(r.Plan.Lines) == 0 || len(r.Plan.Lines) > maxLines {
		fail("people", "roster.no_people")
	}
	for i, line := range r.Plan.Lines {
		field := []string{"people", "second", "third"}[min(i, 2)]
		if len(line) == 0 || len(line) > maxPeople {
			fail(field, "roster.no_people")
		}
		for j, p := range line {
			if a, err := mail.ParseAddress(p); err != nil || a.Address != p || slices.Contains(line[:j], p) {
				fail(field, "roster.bad_person")
			}
		}
	}
	if r.Plan.Every < 1 || r.Plan.Every > maxEvery {
		fail("rotation", "roster.bad_rotation")
	}
	if r.Plan.Start.IsZero() {
		fail("start", "roster.bad_start")
	}
	if r.Plan.Handover < 0 || r.Plan.Handover >= dayMinutes {
		fail("handover", "roster.bad_handover")
	}
	if a, err := mail.ParseAddress(r.Lead); r.Lead != "" && (err != nil || a.Address != r.Lead) {
		fail("lead", "roster.bad_person")
	}
	if r.Need < 0 || r.Need > maxNeed {
		fail("need", "roster.bad_need")
	}
	if _, ok := ParseHours(r.Work); r.Work != "" && !ok || len(r.Work) > maxOwn {
		fail("work", "roster.bad_hours")
	}
	if _, ok := ParseTargets(r.Targets); !ok || len(r.Targets) > maxTargets {
		fail("targets", "roster.bad_targets")
	}
	if len(r.Channels) > maxChannels || slices.ContainsFunc(r.Channels, func(c string) bool { return !plain(c, maxName) }) {
		fail("channels", "roster.bad_channels")
	}
	if wrong {
		return bad
	}
	return nil
}

// plain reports whether s is one line of at most limit characters.
func plain(s string, limit int) bool {
	return strings.TrimSpace(s) != "" && utf8.RuneCountInString(s) <= limit && !strings.ContainsFunc(s, unicode.IsControl)
}

// SlugFor makes a slug of a name.
func SlugFor(name string) string {
	name = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss").Replace(strings.ToLower(name))
	var b strings.Builder
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		default:
			b.WriteByte('-')
		}
	}
	return strings.Join(strings.FieldsFunc(b.String(), func(r rune) bool { return r == '-' }), "-")
}

// people are all addresses that the plan names.
func (p Plan) people() []string {
	var out []string
	for _, line := range p.Lines {
		for _, who := range line {
			if !slices.Contains(out, who) {
				out = append(out, who)
			}
		}
	}
	return out
}

// need is how many people are to be on duty at once where no [Target] says other.
func (r Roster) need() int { return cmp.Or(r.Need, max(1, len(r.Plan.Lines))) }

// equal reports whether two plans give the same shifts.
func (p Plan) equal(o Plan) bool {
	return p.Template == o.Template && p.Own == o.Own && p.Every == o.Every && p.Start == o.Start && p.Handover == o.Handover &&
		slices.EqualFunc(p.Lines, o.Lines, slices.Equal[[]string])
}

// replace puts a new plan in the place of the one that holds. What was stays.
func (r *Roster) replace(old Roster, now time.Time) {
	r.Past = old.Past
	if old.Plan.equal(r.Plan) {
		return
	}
	r.Past = append(slices.Clone(r.Past), Past{now, old.Plan})
	if n := len(r.Past); n > maxPast {
		r.Past = r.Past[n-maxPast:]
	}
}

// Override / Vertretung puts somebody else on duty in one line for a while.
type Override struct {
	ID     string
	Roster string
	Line   int // counts from zero
	From   time.Time
	To     time.Time
	Person string // mail address; empty: nobody is on duty
	Note   string
	Swap   string // id of the swap that it comes from; empty: none
	ByName string
	At     time.Time
	// UndoneAt is when it was taken back; zero: it holds.
	UndoneAt time.Time
	UndoneBy string
}

// Shift / Schicht is a stretch of duty in one line.
type Shift struct {
	Line   int
	From   time.Time
	To     time.Time
	Person string // mail address of who is on duty; empty: nobody
	// Planned is whose turn it is; it differs from Person where an override holds.
	Planned  string
	Override string // id of the override; empty: the rotation decides
	Swap     string // id of the swap, where the override comes from one
	// Extra: an override outside the hours that the roster covers.
	Extra bool
}

// Stretch is the shift's time.
func (s Shift) Stretch() Stretch { return Stretch{s.From, s.To} }

// key names a shift in addresses and forms.
func (s Shift) key() string {
	return strings.Join([]string{string(rune('1' + s.Line)), s.From.UTC().Format(keyForm), s.To.UTC().Format(keyForm)}, "-")
}

const keyForm = "20060102T150405Z"

// parseKey reads what key wrote.
func parseKey(s string) (line int, at Stretch, ok bool) {
	parts := strings.Split(s, "-")
	if len(parts) != 3 || len(parts[0]) != 1 || parts[0][0] < '1' || parts[0][0] >= '1'+maxLines {
		return 0, at, false
	}
	from, err1 := time.Parse(keyForm, parts[1])
	to, err2 := time.Parse(keyForm, parts[2])
	if err1 != nil || err2 != nil || !from.Before(to) {
		return 0, at, false
	}
	return int(parts[0][0] - '1'), Stretch{from, to}, true
}

// Rules are what shifts depend on beside the roster: the town's calendar and zone.
type Rules struct {
	Calendar *Calendar
	Zone     *time.Location
}

// Shifts are the stretches of duty in [from, to), ordered by begin and line. In
// each line they cover exactly the hours of the plan, and what overrides add; no
// two of one line overlap. Where nobody is on duty there is a shift without a
// person.
func (r Roster) Shifts(from, to time.Time, overrides []Override, rules Rules) []Shift {
	var out []Shift
	begin := from
	for _, p := range r.Past {
		if end := p.Until; end.After(begin) {
			out = append(out, p.Plan.turns(begin, earlier(end, to), rules)...)
			begin = end
		}
	}
	if begin.Before(to) {
		out = append(out, r.Plan.turns(begin, to, rules)...)
	}
	overrides = slices.DeleteFunc(slices.Clone(overrides), func(o Override) bool { return !o.UndoneAt.IsZero() })
	slices.SortStableFunc(overrides, func(a, b Override) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID)) })
	for _, o := range overrides {
		out = o.over(out, from, to)
	}
	return join(out)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// turns are the shifts of the rotation alone.
func (p Plan) turns(from, to time.Time, rules Rules) []Shift {
	if p.Every < 1 || !from.Before(to) {
		return nil
	}
	boundary := func(k int) time.Time { return At(p.Start.Add(k*p.Every), p.Handover, rules.Zone) }
	if begin := boundary(0); from.Before(begin) {
		from = begin
	}
	var out []Shift
	k := max(0, DateIn(from, rules.Zone).Since(p.Start)/p.Every-1)
	for _, c := range p.hours().Covered(from, to, rules.Calendar, rules.Zone) {
		for c.From.Before(c.To) {
			for !boundary(k + 1).After(c.From) {
				k++
			}
			end := earlier(c.To, boundary(k+1))
			for line, people := range p.Lines {
				s := Shift{Line: line, From: c.From, To: end}
				if len(people) > 0 {
					s.Person = people[k%len(people)]
				}
				s.Planned = s.Person
				out = append(out, s)
			}
			c.From = end
		}
	}
	return out
}

// over lays an override over shifts.
func (o Override) over(shifts []Shift, from, to time.Time) []Shift {
	mine := clip([]Stretch{{o.From, o.To}}, from, to)
	if len(mine) == 0 {
		return shifts
	}
	var out []Shift
	var met []Stretch
	for _, s := range shifts {
		hit := clip(mine, s.From, s.To)
		if s.Line != o.Line || len(hit) == 0 {
			out = append(out, s)
			continue
		}
		met = append(met, hit...)
		for _, rest := range without([]Stretch{s.Stretch()}, hit) {
			part := s
			part.From, part.To = rest.From, rest.To
			out = append(out, part)
		}
		part := s
		part.From, part.To = hit[0].From, hit[0].To
		part.Person, part.Override, part.Swap = o.Person, o.ID, o.Swap
		if part.Person != "" || !part.Extra { // an extra duty that nobody does is none
			out = append(out, part)
		}
	}
	if o.Person == "" {
		return out
	}
	for _, rest := range without(mine, union(met)) {
		out = append(out, Shift{Line: o.Line, From: rest.From, To: rest.To, Person: o.Person, Override: o.ID, Swap: o.Swap, Extra: true})
	}
	return out
}

// join sorts shifts and joins those of one line that belong together.
func join(all []Shift) []Shift {
	slices.SortFunc(all, func(a, b Shift) int { return cmp.Or(a.Line-b.Line, a.From.Compare(b.From)) })
	var out []Shift
	for _, s := range all {
		if n := len(out); n > 0 {
			p := out[n-1]
			if p.To.Equal(s.From) && p.Line == s.Line && p.Person == s.Person && p.Planned == s.Planned && p.Override == s.Override && p.Extra == s.Extra {
				out[n-1].To = s.To
				continue
			}
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Shift) int { return cmp.Or(a.From.Compare(b.From), a.Line-b.Line) })
	return out
}
