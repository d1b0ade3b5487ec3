package roster

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"tuermer/internal/platform/fault"
)

// Figure is a part of a whole in hours.
type Figure struct {
	Hours   float64
	Of      float64
	Percent float64 // of one hundred, to one decimal
}

func figure(part, whole time.Duration) Figure {
	f := Figure{Hours: part.Hours(), Of: whole.Hours()}
	if whole > 0 {
		f.Percent = math.Round(1000*float64(part)/float64(whole)) / 10
		if part < whole {
			f.Percent = min(f.Percent, 99.9) // all but a minute is not all
		}
	}
	return f
}

// Full reports whether nothing is missing.
func (f Figure) Full() bool { return f.Of > 0 && f.Hours >= f.Of }

// Coverage says which part of the time a roster covers.
type Coverage struct {
	Roster Roster
	Land   string
	Year   int
	// Week is the ordinary week, without holidays; Whole is the year with them.
	// Both are the template's, whoever is assigned.
	Week  Figure
	Whole Figure
	// Holidays are the year's; Gaps are the covered times in which fewer people
	// are on duty than should be, and before the roster begins nobody is.
	Holidays []Feast
	Gaps     []Gap
	Missing  float64 // hours of all gaps
}

// Always reports whether somebody is on duty around the clock, all year (R3.15).
func (c Coverage) Always() bool { return c.Whole.Full() && len(c.Gaps) == 0 }

// Years for which figures are made.
const (
	minYear = 2000
	maxYear = 2100
)

// Coverage figures a roster over a year; an empty land is the town's.
func (r *Room) Coverage(ctx context.Context, slug, land string, year int) (Coverage, error) {
	if land != "" && !slices.Contains(Lands(), land) {
		return Coverage{}, fault.New(fault.Invalid, "roster.bad_land", land).Field("land", "roster.bad_land")
	}
	if year < minYear || year > maxYear {
		return Coverage{}, fault.New(fault.Invalid, "roster.bad_year").Field("year", "roster.bad_year")
	}
	ro, err := r.Get(ctx, slug)
	if err != nil {
		return Coverage{}, err
	}
	rules, err1 := r.rules(ctx, land)
	people, err2 := r.crew(ctx)
	town, err3 := r.o.People.Current(ctx)
	from, to := At(Date{year, time.January, 1}, 0, rules.Zone), At(Date{year + 1, time.January, 1}, 0, rules.Zone)
	overrides, err4 := r.overrides(ctx, slug, from, to)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return Coverage{}, err
	}
	v := seen{Roster: ro, from: from, to: to, overrides: overrides, crew: people, rules: rules, shifts: ro.Shifts(from, to, overrides, rules)}
	c := v.coverage(year)
	c.Land = cmp.Or(land, town.Land)
	return c, nil
}

// coverage is that of one year, which is what was looked at.
func (v seen) coverage(year int) Coverage {
	hours := v.Plan.hours()
	covered := hours.Covered(v.from, v.to, v.rules.Calendar, v.rules.Zone)
	c := Coverage{
		Roster: v.Roster, Year: year, Week: figure(hours.Week(), 7*24*time.Hour), Whole: figure(total(covered), v.to.Sub(v.from)),
		Holidays: v.rules.Calendar.Year(year), Gaps: v.gaps(),
	}
	// Before the first turn there are no shifts, and nobody is on duty.
	var planned []Stretch
	for _, s := range v.shifts {
		planned = append(planned, s.Stretch())
	}
	for _, s := range without(covered, union(planned)) {
		c.Gaps = append(c.Gaps, Gap{From: s.From, To: s.To, Need: v.need(), Why: NotBegun})
	}
	slices.SortFunc(c.Gaps, func(a, b Gap) int { return a.From.Compare(b.From) })
	for _, g := range c.Gaps {
		c.Missing += g.To.Sub(g.From).Hours()
	}
	return c
}

// Shown is a roster's shifts with the people's names.
type Shown struct {
	Shift
	Name    string
	Mobile  string
	Why     Why    // empty: somebody is on duty
	Holiday string // name of the holiday on which it begins
	Open    bool   // goes on behind what was looked at
}

// Show lists the shifts of a roster that lie in [from, to), whole days of the
// town.
func (r *Room) Show(ctx context.Context, slug string, from, to Date) (Roster, []Shown, error) {
	if !from.Before(to) || to.Since(from) > maxShown {
		return Roster{}, nil, fault.New(fault.Invalid, "roster.bad_span", maxShown).Field("to", "roster.bad_span_field")
	}
	ro, err := r.Get(ctx, slug)
	if err != nil {
		return ro, nil, err
	}
	rules, err := r.rules(ctx, "")
	if err != nil {
		return ro, nil, err
	}
	v, err := r.look(ctx, ro, At(from, 0, rules.Zone), At(to, 0, rules.Zone))
	return ro, v.shown(), err
}

// maxShown is how many days are shown at once.
const maxShown = 400

func (v seen) shown() []Shown {
	out := make([]Shown, len(v.shifts))
	for i, s := range v.shifts {
		out[i] = Shown{Shift: s, Name: v.crew.name(s.Person), Open: !s.To.Before(v.to)}
		out[i].Why, _ = v.crew.fit(s.Person)
		if p, ok := v.crew[s.Person]; ok {
			out[i].Mobile = p.Mobile
		}
		if f, ok := v.rules.Calendar.Holiday(DateIn(s.From, v.rules.Zone)); ok {
			out[i].Holiday = f.Name
		}
	}
	return out
}
