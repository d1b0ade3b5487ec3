package roster

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Span is a part of a day in minutes after midnight; To may lie on the next day
// (22–6 is 1320–1800).
type Span struct{ From, To int }

// dayMinutes is a day of the clock.
const dayMinutes = 24 * 60

// holiday is the class of days beside the seven weekdays, which are numbered as
// time.Weekday numbers them.
const holiday = 7

// Hours / Dienstzeiten are the hours that a roster covers: by weekday, and on
// holidays.
type Hours [8][]Span

// Template names prepared hours.
type Template string

// The templates. Own hours are written out.
const (
	Essen  Template = "essen"  // Mo–Fr 7–22, Sa/So/Feiertag 9–17 (R3.17)
	Always Template = "immer"  // around the clock
	Office Template = "buero"  // Mo–Fr 8–16
	Own    Template = "eigene" // Plan.Own says which
)

// Templates lists them.
func Templates() []Template { return []Template{Essen, Always, Office, Own} }

// Handover is the reading of the clock at which turns of a template end where
// nothing else is said: in the night, or at eight where nobody closes.
func Handover(t Template) int {
	if t == Always {
		return 8 * 60
	}
	return 0
}

// written are the templates' hours.
var written = map[Template]string{
	Essen:  "Mo-Fr 7-22; Sa-So, Feiertag 9-17",
	Always: "Mo-So, Feiertag 0-24",
	Office: "Mo-Fr 8-16; Feiertag -",
}

// dayWords are the names of days as people write them.
var dayWords = map[string]int{
	"mo": 1, "di": 2, "mi": 3, "do": 4, "fr": 5, "sa": 6, "so": 0, "feiertag": holiday, "feiertage": holiday, "ft": holiday,
	"mon": 1, "tue": 2, "tu": 2, "wed": 3, "we": 3, "thu": 4, "th": 4, "fri": 5, "sat": 6, "sun": 0, "su": 0, "holiday": holiday, "holidays": holiday,
}

// ParseHours reads "Mo-Fr 7-22; Sa, So, Feiertag 9-13 und 14-17:30". A dash alone
// means no hours. Without a word on holidays they are like Sundays.
func ParseHours(s string) (Hours, bool) {
	var h Hours
	said := map[int]bool{}
	s = strings.NewReplacer("–", "-", "—", "-", "−", "-", "\n", ";", "/", ",").Replace(strings.ToLower(s))
	for part := range strings.SplitSeq(s, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		var days []int
		var spans []Span
		none := false
		for _, word := range strings.FieldsFunc(part, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '+' || r == '\r' }) {
			switch {
			case word == "und", word == "and", word == "uhr", word == "h":
			case word == "-":
				none = true
			case word[0] >= '0' && word[0] <= '9':
				span, ok := parseSpan(word)
				if !ok || len(days) == 0 {
					return h, false
				}
				spans = append(spans, span)
			default:
				more, ok := parseDays(word)
				if !ok || len(spans) > 0 {
					return h, false
				}
				days = append(days, more...)
			}
		}
		if len(days) == 0 || (len(spans) == 0) != none {
			return h, false
		}
		for _, d := range days {
			if said[d] {
				return h, false
			}
			said[d] = true
			h[d] = slices.Clone(spans)
		}
	}
	if !said[holiday] {
		h[holiday] = slices.Clone(h[time.Sunday])
	}
	return h, h.ok()
}

// ok reports whether a day's spans stand in order and meet nowhere, and there
// are hours at all.
func (h Hours) ok() bool {
	some := false
	for d, spans := range h {
		slices.SortFunc(h[d], func(a, b Span) int { return a.From - b.From })
		for i, s := range spans {
			some = true
			if i > 0 && s.From < spans[i-1].To {
				return false
			}
		}
	}
	return some
}

func parseDays(word string) ([]int, bool) {
	a, b, ranged := strings.Cut(word, "-")
	from, ok := dayWords[strings.TrimSuffix(a, ".")]
	if !ok {
		return nil, false
	}
	if !ranged {
		return []int{from}, true
	}
	to, ok := dayWords[strings.TrimSuffix(b, ".")]
	if !ok || from == holiday || to == holiday || from == to {
		return nil, false
	}
	var out []int
	for d := from; ; d = (d + 1) % 7 {
		if out = append(out, d); d == to {
			return out, true
		}
	}
}

func parseSpan(word string) (Span, bool) {
	a, b, ok := strings.Cut(word, "-")
	from, ok1 := parseClock(a)
	to, ok2 := parseClock(b)
	if !ok || !ok1 || !ok2 || from == dayMinutes || from == to {
		return Span{}, false
	}
	if to < from {
		to += dayMinutes
	}
	return Span{from, to}, true
}

// parseClock reads 7, 7:30 or 24:00 into minutes.
func parseClock(s string) (int, bool) {
	hour, minute, colon := strings.Cut(strings.Replace(s, ".", ":", 1), ":")
	h, err := strconv.Atoi(hour)
	if err != nil || h < 0 || h > 24 || len(hour) > 2 {
		return 0, false
	}
	m := 0
	if colon {
		if m, err = strconv.Atoi(minute); err != nil || m < 0 || m > 59 || len(minute) != 2 {
			return 0, false
		}
	}
	if h == 24 && m != 0 {
		return 0, false
	}
	return h*60 + m, true
}

// clockText is 07:00.
func clockText(minutes int) string {
	if minutes != dayMinutes {
		minutes %= dayMinutes
	}
	return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60)
}

// hours are the template's, or the own ones.
func (p Plan) hours() Hours {
	text := written[p.Template]
	if p.Template == Own {
		text = p.Own
	}
	h, _ := ParseHours(text)
	return h
}

// Week is how long an ordinary week without holidays is covered. What two spans
// cover together counts once.
func (h Hours) Week() time.Duration {
	var all []Stretch
	base := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC) // a Monday
	for i := range 7 {
		day := base.AddDate(0, 0, i)
		for _, s := range h[day.Weekday()] {
			all = append(all, Stretch{day.Add(time.Duration(s.From) * time.Minute), day.Add(time.Duration(s.To) * time.Minute)})
		}
	}
	// What runs over the end of Sunday lies on the Monday of the same week.
	end := base.AddDate(0, 0, 7)
	for _, s := range all {
		if s.To.After(end) {
			all = append(all, Stretch{base, base.Add(s.To.Sub(end))})
		}
	}
	return total(clip(union(all), base, end))
}

// day are the spans of one day. On half a holiday the afternoon is one.
func (h Hours) day(d Date, c *Calendar) []Span {
	own := h[d.Weekday()]
	feast, ok := c.Holiday(d)
	if !ok {
		return own
	}
	if !feast.Half {
		return h[holiday]
	}
	const noon = dayMinutes / 2
	var out []Span
	for _, s := range own {
		if s.From < noon {
			out = append(out, Span{s.From, min(s.To, noon)})
		}
	}
	for _, s := range h[holiday] {
		if s.To > noon {
			out = append(out, Span{max(s.From, noon), s.To})
		}
	}
	return out
}

// Stretch is a piece of time, without its end.
type Stretch struct{ From, To time.Time }

// Length is how long it lasts.
func (s Stretch) Length() time.Duration { return s.To.Sub(s.From) }

// Has reports whether t lies in it.
func (s Stretch) Has(t time.Time) bool { return !t.Before(s.From) && t.Before(s.To) }

// Covered are the stretches of [from, to) that the hours cover, in order, none
// touching the next.
func (h Hours) Covered(from, to time.Time, c *Calendar, zone *time.Location) []Stretch {
	var all []Stretch
	// A span may begin the day before, and a zone may skip a day.
	for d := DateIn(from, zone).Add(-2); !At(d, 0, zone).After(to); d = d.Add(1) {
		for _, s := range h.day(d, c) {
			all = append(all, Stretch{At(d, s.From, zone), At(d, s.To, zone)})
		}
	}
	return clip(union(all), from, to)
}

// union sorts stretches and joins those that meet.
func union(all []Stretch) []Stretch {
	all = slices.DeleteFunc(slices.Clone(all), func(s Stretch) bool { return !s.From.Before(s.To) })
	slices.SortFunc(all, func(a, b Stretch) int { return a.From.Compare(b.From) })
	var out []Stretch
	for _, s := range all {
		if n := len(out); n > 0 && !s.From.After(out[n-1].To) {
			if s.To.After(out[n-1].To) {
				out[n-1].To = s.To
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// clip keeps what lies in [from, to).
func clip(all []Stretch, from, to time.Time) []Stretch {
	var out []Stretch
	for _, s := range all {
		if s.From.Before(from) {
			s.From = from
		}
		if s.To.After(to) {
			s.To = to
		}
		if s.From.Before(s.To) {
			out = append(out, s)
		}
	}
	return out
}

// without is what of a remains when b is taken away; both are unions.
func without(a, b []Stretch) []Stretch {
	var out []Stretch
	for _, s := range a {
		for _, cut := range b {
			if !cut.To.After(s.From) || !cut.From.Before(s.To) {
				continue
			}
			if cut.From.After(s.From) {
				out = append(out, Stretch{s.From, cut.From})
			}
			s.From = cut.To
			if !s.From.Before(s.To) {
				break
			}
		}
		if s.From.Before(s.To) {
			out = append(out, s)
		}
	}
	return out
}

func total(all []Stretch) (d time.Duration) {
	for _, s := range all {
		d += s.Length()
	}
	return d
}
