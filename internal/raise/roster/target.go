package roster

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxTargets is how long the targets of a roster may be, as they are written.
const maxTargets = 500

// Target / Soll-Besetzung is how many people are to be on duty at once in hours
// of its own: two at the office's hours, one in the evening.
type Target struct {
	Hours Hours
	Need  int
}

// ParseTargets reads "Mo-Fr 8-16 = 2; Sa 9-13 = 3": hours as [ParseHours] reads
// them, and how many people. Without a word on holidays they are like Sundays.
func ParseTargets(s string) ([]Target, bool) {
	var out []Target
	for part := range strings.SplitSeq(strings.ReplaceAll(s, "\n", ";"), ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		hours, number, ok := strings.Cut(part, "=")
		need, err := strconv.Atoi(strings.TrimSpace(number))
		if !ok || err != nil || need < 1 || need > maxNeed {
			return nil, false
		}
		h, ok := ParseHours(hours)
		if !ok {
			return nil, false
		}
		out = append(out, Target{h, need})
	}
	return out, true
}

// targets are the roster's, as they are read.
func (r Roster) targets() []Target {
	all, _ := ParseTargets(r.Targets)
	return all
}

// peak is the most people that are to be on duty at once.
func (r Roster) peak() int {
	n := r.need()
	for _, t := range r.targets() {
		n = max(n, t.Need)
	}
	return n
}

// Level says for a stretch of time how many people should be on duty (Soll) and
// how many are (Ist).
type Level struct {
	Stretch
	Need int // zero: the time is not covered
	Have int
	Why  Why    // somebody is not there: the reason, where it is about one person
	Who  string // their name
	// there are the mail addresses of those on duty.
	there []string
}

// levels are those of what was looked at, in order, without a hole between the
// first mark and the last. A target holds in its hours and replaces the roster's
// number there; of several the largest counts. Where a target reaches out of the
// hours of the plan, people are to be on duty all the same: what was asked for is
// never dropped in silence.
func (v seen) levels() []Level {
	type claim struct {
		Stretch
		need int
	}
	var claims []claim
	first := v.Plan.Start
	if len(v.Past) > 0 {
		first = v.Past[0].Plan.Start
	}
	begin := At(first, 0, v.rules.Zone)
	for _, t := range v.targets() {
		for _, s := range clip(t.Hours.Covered(v.from, v.to, v.rules.Calendar, v.rules.Zone), begin, v.to) {
			claims = append(claims, claim{s, t.Need})
		}
	}
	slices.SortFunc(claims, func(a, b claim) int { return a.From.Compare(b.From) })
	var marks []time.Time
	for _, s := range v.shifts {
		marks = append(marks, s.From, s.To)
	}
	for _, c := range claims {
		marks = append(marks, c.From, c.To)
	}
	slices.SortFunc(marks, time.Time.Compare)
	marks = slices.CompactFunc(marks, time.Time.Equal)
	var out []Level
	shift, target := 0, 0 // those before are over; both are ordered by begin
	for i := 0; i+1 < len(marks); i++ {
		l := Level{Stretch: Stretch{marks[i], marks[i+1]}}
		for shift < len(v.shifts) && !v.shifts[shift].To.After(l.From) {
			shift++
		}
		for target < len(claims) && !claims[target].To.After(l.From) {
			target++
		}
		covered := false
		for _, s := range v.shifts[shift:] {
			if s.From.After(l.From) {
				break
			}
			if !s.Stretch().Has(l.From) {
				continue
			}
			covered = covered || !s.Extra
			why, fit := v.crew.fit(s.Person)
			switch {
			case fit && !slices.Contains(l.there, s.Person):
				l.there = append(l.there, s.Person)
			case !fit && l.Why == "":
				l.Why, l.Who = why, v.crew.name(s.Person)
			}
		}
		l.Have = len(l.there)
		for _, c := range claims[target:] {
			if c.From.After(l.From) {
				break
			}
			if c.Has(l.From) {
				l.Need = max(l.Need, c.need)
			}
		}
		if l.Need == 0 && covered {
			l.Need = v.need()
		}
		out = append(out, l)
	}
	return out
}

// Staffing is Soll and Ist of one hour of the week, over the next weeks.
type Staffing struct {
	Need int // the most that should be there at once; zero: nobody has to be
	Have int // the fewest that are, while somebody has to be
}

// Short reports whether somebody is missing at some time.
func (s Staffing) Short() bool { return s.Have < s.Need }

// Week is the staffing of each weekday (Monday first) and hour of the clock.
type Week [7][24]Staffing

// week folds levels of whole weeks from a day on. Have is counted where people are
// missing most, so that one short hour in four weeks shows.
func week(levels []Level, first Date, zone *time.Location) (w Week) {
	type worst struct{ need, have, missing int }
	var by [7][24]*worst
	for _, l := range levels {
		if l.Need == 0 {
			continue
		}
		for d := DateIn(l.From, zone); At(d, 0, zone).Before(l.To); d = d.Add(1) {
			if d.Before(first) || !d.Before(first.Add(heatWeeks*7)) {
				continue
			}
			wd := (int(d.Weekday()) + 6) % 7
			for hour := range 24 {
				if len(clip([]Stretch{l.Stretch}, At(d, hour*60, zone), At(d, (hour+1)*60, zone))) == 0 {
					continue
				}
				at := worst{l.Need, l.Have, max(0, l.Need-l.Have)}
				if b := by[wd][hour]; b == nil || cmp.Or(cmp.Compare(at.missing, b.missing), cmp.Compare(at.need, b.need), cmp.Compare(b.have, at.have)) > 0 {
					by[wd][hour] = &at
				}
			}
		}
	}
	for d := range by {
		for hour, b := range by[d] {
			if b != nil {
				w[d][hour] = Staffing{b.need, b.have}
			}
		}
	}
	return w
}

// together lays the levels of several rosters over each other, for a channel that
// they look after: what should be there adds up, and somebody who stands in two of
// them at once is one person.
func together(all [][]Level) []Level {
	if len(all) == 1 {
		return all[0]
	}
	var marks []time.Time
	for _, levels := range all {
		for _, l := range levels {
			marks = append(marks, l.From, l.To)
		}
	}
	slices.SortFunc(marks, time.Time.Compare)
	marks = slices.CompactFunc(marks, time.Time.Equal)
	next := make([]int, len(all))
	var out []Level
	for i := 0; i+1 < len(marks); i++ {
		t := Level{Stretch: Stretch{marks[i], marks[i+1]}}
		for j, levels := range all {
			for next[j] < len(levels) && !levels[next[j]].To.After(t.From) {
				next[j]++
			}
			if next[j] == len(levels) || !levels[next[j]].Has(t.From) {
				continue
			}
			t.Need += levels[next[j]].Need
			for _, p := range levels[next[j]].there {
				if !slices.Contains(t.there, p) {
					t.there = append(t.there, p)
				}
			}
		}
		t.Have = len(t.there)
		out = append(out, t)
	}
	return out
}
