package roster

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"tuermer/internal/platform/ident"
)

// Heat is, for each weekday (Monday first) and hour of the clock, which part of
// the time enough people are on duty, in percent.
type Heat [7][24]int

// heatWeeks is how far the heat map looks ahead.
const heatWeeks = 4

// staffed are the stretches in which enough people are on duty.
func (v seen) staffed() []Stretch {
	var all, gaps []Stretch
	for _, s := range v.shifts {
		if _, fit := v.crew.fit(s.Person); fit {
			all = append(all, s.Stretch())
		}
	}
	for _, g := range v.gaps() {
		gaps = append(gaps, Stretch{g.From, g.To})
	}
	return without(union(all), union(gaps))
}

// heat folds stretches of whole weeks from a day on.
func heat(staffed []Stretch, first Date, zone *time.Location) (h Heat) {
	var there, whole [7][24]time.Duration
	for d := range heatWeeks * 7 {
		day := first.Add(d)
		wd := (int(day.Weekday()) + 6) % 7
		for hour := range 24 {
			s := Stretch{At(day, hour*60, zone), At(day, (hour+1)*60, zone)}
			whole[wd][hour] += s.Length()
			there[wd][hour] += total(clip(staffed, s.From, s.To))
		}
	}
	for d := range h {
		for hour := range h[d] {
			if whole[d][hour] > 0 {
				h[d][hour] = int(100 * there[d][hour] / whole[d][hour])
			}
		}
	}
	return h
}

// band are hours of the clock, from one to before another, that are alike on every
// day of the week.
type band struct{ from, to int }

func bands(h Heat, w Week) (out []band) {
	alike := func(a, b int) bool {
		for d := range h {
			if h[d][a] != h[d][b] || w[d][a] != w[d][b] {
				return false
			}
		}
		return true
	}
	for hour := range 24 {
		if n := len(out); n > 0 && alike(out[n-1].from, hour) {
			out[n-1].to = hour + 1
			continue
		}
		out = append(out, band{hour, hour + 1})
	}
	return out
}

// Load is what the plan asks of one person.
type Load struct {
	Person   string
	Name     string
	Hours    float64
	Shifts   int
	Nights   int // shifts that reach into 22–6
	Weekends int
	Holidays int
}

// loads are what was looked at asks of everybody who takes turns or stands in.
func (v seen) loads() []Load {
	by := map[string]*Load{}
	weekends, feasts := map[string]map[Date]bool{}, map[string]map[Date]bool{}
	person := func(mail string) *Load {
		if by[mail] == nil {
			by[mail] = &Load{Person: mail, Name: v.crew.name(mail)}
			weekends[mail], feasts[mail] = map[Date]bool{}, map[Date]bool{}
		}
		return by[mail]
	}
	for _, mail := range v.Plan.people() {
		person(mail)
	}
	zone := v.rules.Zone
	for _, s := range v.shifts {
		if s.Person == "" {
			continue
		}
		l := person(s.Person)
		l.Hours += s.To.Sub(s.From).Hours()
		l.Shifts++
		for d := DateIn(s.From, zone).Add(-1); At(d, 0, zone).Before(s.To); d = d.Add(1) {
			night := Stretch{At(d, 22*60, zone), At(d, 30*60, zone)}
			if len(clip([]Stretch{night}, s.From, s.To)) > 0 {
				l.Nights++
			}
			if len(clip([]Stretch{{At(d, 0, zone), At(d.Add(1), 0, zone)}}, s.From, s.To)) == 0 {
				continue
			}
			switch d.Weekday() {
			case time.Saturday:
				weekends[s.Person][d] = true
			case time.Sunday:
				weekends[s.Person][d.Add(-1)] = true
			}
			if _, ok := v.rules.Calendar.Holiday(d); ok {
				feasts[s.Person][d] = true
			}
		}
	}
	var out []Load
	for mail, l := range by {
		l.Weekends, l.Holidays = len(weekends[mail]), len(feasts[mail])
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b Load) int { return cmp.Or(cmp.Compare(b.Hours, a.Hours), cmp.Compare(a.Person, b.Person)) })
	return out
}

// Grade is one part of a roster's quality.
type Grade struct {
	What   string // staffed, fair, deep or reachable; has a word "roster.grade_" + what
	Got    int
	Of     int
	Values []any // for the word
}

// Quality says how good a roster is, of 100 points, and where they were lost.
type Quality struct {
	Points int
	Grades []Grade
}

// quality judges what was looked at: is the time staffed (50 points), do hours
// spread evenly (20), are there enough people for a leave and an illness (15), can
// they be reached past the town's own systems (15).
func (v seen) quality(loads []Load) (q Quality) {
	var covered []Stretch
	for _, s := range v.shifts {
		if !s.Extra {
			covered = append(covered, s.Stretch())
		}
	}
	all := union(covered)
	left := total(without(all, v.staffed()))
	share := figure(total(all)-left, total(all))
	add := func(what string, got float64, of int, values ...any) {
		g := Grade{what, int(got*float64(of) + 0.5), of, values}
		if got < 1 {
			g.Got = min(g.Got, of-1) // what is not whole does not look whole
		}
		q.Grades = append(q.Grades, g)
		q.Points += g.Got
	}
	add("staffed", share.Percent/100, 50, share.Percent)
	low, high := 0.0, 0.0
	for i, l := range loads {
		if !belongs(v.Roster, l.Person) {
			continue
		}
		if i == 0 || l.Hours < low {
			low = l.Hours
		}
		high = max(high, l.Hours)
	}
	even := 1.0
	if high > 0 {
		even = min(1, low/high/0.8) // a fifth of difference is in the calendar
	}
	add("fair", even, 20, low, high)
	people, reached := 0, 0
	for _, mail := range v.Plan.people() {
		if _, fit := v.crew.fit(mail); !fit {
			continue
		}
		people++
		if p := v.crew[mail]; p.Mobile != "" || p.Verified() {
			reached++
		}
	}
	want := v.peak() + 2
	add("deep", min(1, float64(people)/float64(want)), 15, people, want)
	if people > 0 {
		add("reachable", float64(reached)/float64(people), 15, reached, people)
	} else {
		add("reachable", 0, 15, 0, 0)
	}
	return q
}

// Figures are what the page of figures shows.
type Figures struct {
	Coverage
	Heat    Heat
	Staff   Week // Soll and Ist
	First   Date // the heat map begins
	Loads   []Load
	Quality Quality
}

// Figures are a roster's: coverage of a year with what it asks of people, the
// next weeks as a heat map, and its quality.
func (r *Room) Figures(ctx context.Context, slug string, year int) (Figures, error) {
	c, err := r.Coverage(ctx, slug, "", year)
	if err != nil {
		return Figures{}, err
	}
	f := Figures{Coverage: c}
	rules, err := r.rules(ctx, "")
	if err != nil {
		return f, err
	}
	whole, err1 := r.look(ctx, c.Roster, At(Date{year, time.January, 1}, 0, rules.Zone), At(Date{year + 1, time.January, 1}, 0, rules.Zone))
	f.First = DateIn(r.o.Clock.Now(), rules.Zone)
	near, err2 := r.look(ctx, c.Roster, At(f.First, 0, rules.Zone), At(f.First.Add(heatWeeks*7), 0, rules.Zone))
	if err := errors.Join(err1, err2); err != nil {
		return f, err
	}
	f.Heat = heat(near.staffed(), f.First, rules.Zone)
	f.Staff = week(near.levels(), f.First, rules.Zone)
	f.Loads = whole.loads()
	f.Quality = near.quality(f.Loads)
	return f, nil
}

// Reach says how far a channel or a roster is looked after in a year.
type Reach struct {
	Name    string
	Slug    string // of the roster; empty: a channel of one or several
	Figure  Figure // by the template
	Staffed Figure // and with somebody on duty
}

// Always reports whether somebody is there around the clock (R3.15).
func (r Reach) Always() bool { return r.Staffed.Full() }

// Reaches are the figures of all rosters, then of the channels that they look
// after; what several rosters cover together counts once.
func (r *Room) Reaches(ctx context.Context, year int) ([]Reach, error) {
	all, err := r.List(ctx)
	if err != nil {
		return nil, err
	}
	rules, err := r.rules(ctx, "")
	if err != nil {
		return nil, err
	}
	from, to := At(Date{year, time.January, 1}, 0, rules.Zone), At(Date{year + 1, time.January, 1}, 0, rules.Zone)
	var out []Reach
	var names []string
	planned, staffed := map[string][]Stretch{}, map[string][]Stretch{}
	for _, ro := range all {
		v, err := r.look(ctx, ro, from, to)
		if err != nil {
			return nil, err
		}
		p, s := ro.Plan.hours().Covered(from, to, rules.Calendar, rules.Zone), v.staffed()
		out = append(out, Reach{ro.Name, ro.Slug, figure(total(p), to.Sub(from)), figure(total(s), to.Sub(from))})
		for _, c := range ro.Channels {
			if !slices.Contains(names, c) {
				names = append(names, c)
			}
			planned[c], staffed[c] = append(planned[c], p...), append(staffed[c], s...)
		}
	}
	slices.Sort(names)
	for _, c := range names {
		out = append(out, Reach{c, "", figure(total(union(planned[c])), to.Sub(from)), figure(total(union(staffed[c])), to.Sub(from))})
	}
	return out, nil
}

// Duty is who is on duty by a roster now, and who comes next.
type Duty struct {
	Roster Roster
	Now    []Shown // empty: outside its hours
	Gap    *Gap    // now
	Next   []Shown // of the next time that begins
	Ahead  *Gap    // the next one within two weeks
}

// Duties are who is on duty now, by every roster.
func (r *Room) Duties(ctx context.Context) ([]Duty, error) {
	if _, err := ident.RequireTenant(ctx); err != nil {
		return nil, err
	}
	all, err := r.List(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Duty, len(all))
	for i, ro := range all {
		if out[i], err = r.duty(ctx, ro); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *Room) duty(ctx context.Context, ro Roster) (Duty, error) {
	d := Duty{Roster: ro}
	now := r.o.Clock.Now()
	rules, err := r.rules(ctx, "")
	if err != nil {
		return d, err
	}
	v, err := r.look(ctx, ro, ro.anchor(now, rules.Zone), now.Add(max(ahead, time.Duration(ro.Plan.Every+3)*24*time.Hour)))
	if err != nil {
		return d, err
	}
	var begins time.Time
	for _, s := range v.shown() {
		switch {
		case s.Stretch().Has(now):
			d.Now = append(d.Now, s)
		case s.From.After(now) && (begins.IsZero() || s.From.Equal(begins)):
			begins = s.From
			d.Next = append(d.Next, s)
		}
	}
	for _, g := range v.gaps() {
		switch {
		case (Stretch{g.From, g.To}).Has(now):
			d.Gap = &g
		case g.From.After(now) && d.Ahead == nil && g.From.Before(now.Add(ahead)):
			d.Ahead = &g
		}
	}
	return d, nil
}
