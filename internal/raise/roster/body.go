package roster

import (
	"fmt"
	"time"

	"tuermer/internal/platform/i18n"
)

// FigureBody is a part of a whole, for programs.
type FigureBody struct {
	Hours   float64 `json:"hours"`
	Of      float64 `json:"of"`
	Percent float64 `json:"percent"`
}

// YearBody is the part of one year.
type YearBody struct {
	Year int `json:"year"`
	FigureBody
}

// GapBody is a gap, for programs.
type GapBody struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	Have int       `json:"have"`
	Need int       `json:"need"`
	Why  Why       `json:"why" doc:"nobody, blocked, unknown, few or notbegun"`
}

// FeastBody is a holiday, for programs.
type FeastBody struct {
	Date  string `json:"date" format:"date"`
	Name  string `json:"name"`
	Half  bool   `json:"half"`
	Local bool   `json:"local"`
}

// RosterCoverageBody is [Coverage] for programs.
type RosterCoverageBody struct {
	Roster   string      `json:"roster"`
	Template Template    `json:"template"`
	Land     string      `json:"land"`
	Week     FigureBody  `json:"week" doc:"The ordinary week, without holidays"`
	Year     YearBody    `json:"year" doc:"The year with its holidays"`
	Always   bool        `json:"always_reachable" doc:"Somebody is on duty around the clock"`
	Missing  float64     `json:"gap_hours"`
	Gaps     []GapBody   `json:"gaps"`
	Holidays []FeastBody `json:"holidays"`
}

// CoverageBody brings figures into the form for programs.
func CoverageBody(c Coverage) RosterCoverageBody {
	b := RosterCoverageBody{
		Roster: c.Roster.Slug, Template: c.Roster.Plan.Template, Land: c.Land, Week: FigureBody(c.Week), Year: YearBody{c.Year, FigureBody(c.Whole)},
		Always: c.Always(), Missing: c.Missing, Gaps: []GapBody{}, Holidays: []FeastBody{},
	}
	b.Gaps = gapBodies(c.Gaps)
	for _, f := range c.Holidays {
		b.Holidays = append(b.Holidays, FeastBody{f.Date.String(), f.Name, f.Half, f.Local})
	}
	return b
}

func gapBodies(all []Gap) []GapBody {
	out := make([]GapBody, len(all))
	for i, g := range all {
		out[i] = GapBody{g.From, g.To, g.Have, g.Need, g.Why}
	}
	return out
}

// ShiftBody is a shift, for programs.
type ShiftBody struct {
	Key      string    `json:"key" doc:"Names the shift in a request to swap"`
	Line     int       `json:"line" doc:"Line of duty, from 1"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Person   string    `json:"person" doc:"Mail address of who is on duty; empty: nobody"`
	Name     string    `json:"name"`
	Planned  string    `json:"planned,omitempty" doc:"Whose turn it is, where somebody else is on duty"`
	Override string    `json:"override,omitempty"`
	Swap     string    `json:"swap,omitempty"`
	Why      Why       `json:"gap,omitempty" doc:"Why nobody is on duty: nobody, blocked or unknown"`
	Extra    bool      `json:"extra,omitempty" doc:"Outside the hours that the roster covers"`
	Holiday  string    `json:"holiday,omitempty"`
}

// ShiftBodies brings shifts into the form for programs.
func ShiftBodies(all []Shown) []ShiftBody {
	out := make([]ShiftBody, len(all))
	for i, s := range all {
		out[i] = ShiftBody{
			Key: s.key(), Line: s.Line + 1, From: s.From, To: s.To, Person: s.Person, Name: s.Name, Override: s.Override, Swap: s.Swap, Why: s.Why, Extra: s.Extra, Holiday: s.Holiday,
		}
		if s.Planned != s.Person {
			out[i].Planned = s.Planned
		}
	}
	return out
}

// SpanText is a stretch of time in words.
func SpanText(l i18n.Locale, from, to time.Time) string { return span(l, from, to) }

// GapWords says why there is a gap.
func GapWords(l i18n.Locale, g Gap) string { return gapWords(l, g) }

// HoursText says the hours of a plan.
func HoursText(l i18n.Locale, p Plan) string {
	if p.Template == Own {
		return p.Own
	}
	return l.Catalog.Text(l.Lang, "roster.template_"+string(p.Template))
}

// ShiftLine is a shift in a few words: when, who, what is special about it.
func ShiftLine(l i18n.Locale, ro Roster, s Shown) []string {
	say := func(key string, args ...any) string { return l.Catalog.Text(l.Lang, key, args...) }
	from, to := s.From.In(l.Zone), s.To.In(l.Zone)
	when := fmt.Sprintf("%s %s %s–%s", weekday(l, from.Weekday()), from.Format("2006-01-02"), from.Format("15:04"), endClock(from, to))
	if DateIn(s.To.Add(-time.Second), l.Zone) != dateOf(from) {
		when = fmt.Sprintf("%s %s %s – %s %s %s", weekday(l, from.Weekday()), from.Format("2006-01-02"), from.Format("15:04"), weekday(l, to.Weekday()), to.Format("2006-01-02"), to.Format("15:04"))
	}
	who, more := s.Name, ""
	add := func(text string) {
		if more != "" {
			more += "; "
		}
		more += text
	}
	if s.Why != "" {
		who = say("roster.gap")
		add(say("roster.why_"+string(s.Why), s.Name))
	}
	if len(ro.Plan.Lines) > 1 {
		add(say("roster.line", s.Line+1))
	}
	switch {
	case s.Swap != "":
		add(say("roster.swapped"))
	case s.Override != "":
		add(say("roster.stands_in"))
	}
	if s.Holiday != "" {
		add(s.Holiday)
	}
	return []string{when, who, more}
}

func weekday(l i18n.Locale, d time.Weekday) string {
	return l.Catalog.Text(l.Lang, fmt.Sprintf("roster.day_%d", int(d)))
}
