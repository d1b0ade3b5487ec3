package roster

import (
	"slices"
	"strconv"
	"time"
)

// Callout / Einsatz is work out of somebody's ordinary hours: an alarm that they
// took over, or what they enter themselves.
type Callout struct {
	ID      string
	Roster  string // by which they were called; empty: they belong to none
	Person  string // mail address
	Alert   string // id of the alarm; empty: entered by hand
	Title   string // of the alarm
	Begin   time.Time
	End     time.Time // zero: it still runs
	Note    string
	Void    bool // it was none; it stays to be seen
	By      string
	Changed time.Time // when somebody corrected it; zero: nobody has
}

// Open reports whether it still runs.
func (c Callout) Open() bool { return c.End.IsZero() }

// stretch is its time; one that runs ends now.
func (c Callout) stretch(now time.Time) Stretch {
	if c.Open() {
		return Stretch{c.Begin, later(c.Begin, now)}
	}
	return Stretch{c.Begin, c.End}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// RestHours is the uninterrupted rest that the law asks for after a day's work
// (ArbZG § 5). It is real time: in the night in which the clocks go forward eleven
// hours end an hour later by the clock.
const RestHours = 11 * time.Hour

// ordinaryWork are the working hours where a roster says nothing else.
const ordinaryWork = "Mo-Fr 8-16; Feiertag -"

// work are the ordinary working hours of a roster's people.
func (r Roster) work() Hours {
	text := r.Work
	if text == "" {
		text = ordinaryWork
	}
	h, _ := ParseHours(text)
	return h
}

// Rest is what a call-out leaves of the rest between two days of work.
type Rest struct {
	Free    Stretch       // from the end of work to its next beginning
	Longest time.Duration // the longest piece of it that no call-out interrupts
	After   time.Duration // from the end of the call-out to the next work
	// Earliest is when eleven hours of rest have passed since its end.
	Earliest time.Time
}

// Broken reports whether less than eleven hours are left between the end of the
// call-out and the next work, whatever was rested before: a call-out is work, and
// rest follows work. Where nobody has to work within two weeks it never is.
func (r Rest) Broken() bool { return !r.Free.From.Equal(r.Free.To) && r.After < RestHours }

// rest figures the rest around a call-out among all call-outs of its person.
func (h Hours) rest(out Stretch, all []Stretch, rules Rules) Rest {
	const far = 14 * 24 * time.Hour
	work := h.Covered(out.From.Add(-far), out.To.Add(far), rules.Calendar, rules.Zone)
	r := Rest{Earliest: out.To.Add(RestHours)}
	r.Free.From = out.From.Add(-far)
	found := false
	for _, w := range work {
		if !w.From.After(out.From) { // begun before, or he is called out of it
			r.Free.From = w.To
			continue
		}
		r.Free.To, found = w.From, true
		break
	}
	if !found || !r.Free.From.Before(r.Free.To) {
		return Rest{Earliest: r.Earliest}
	}
	for _, piece := range without([]Stretch{r.Free}, union(append(slices.Clip(all), out))) {
		r.Longest = max(r.Longest, piece.Length())
	}
	over := later(out.To, r.Free.From) // one that ends within work is followed by work
	r.After, r.Earliest = max(0, r.Free.To.Sub(over)), over.Add(RestHours)
	return r
}

// Month is one of the calendar.
type Month struct {
	Year  int
	Month time.Month
}

// ParseMonth reads 2027-05.
func ParseMonth(s string) (Month, bool) {
	t, err := time.Parse("2006-01", s)
	if err != nil || t.Year() < minYear || t.Year() > maxYear {
		return Month{}, false
	}
	return Month{t.Year(), t.Month()}, true
}

func (m Month) first() Date { return Date{m.Year, m.Month, 1} }

// Add counts months.
func (m Month) Add(n int) Month {
	t := time.Date(m.Year, m.Month+time.Month(n), 1, 12, 0, 0, 0, time.UTC)
	return Month{t.Year(), t.Month()}
}

// String is 2027-05.
func (m Month) String() string { return m.first().String()[:7] }

// stretch is the month in a zone.
func (m Month) stretch(zone *time.Location) Stretch {
	return Stretch{At(m.first(), 0, zone), At(m.Add(1).first(), 0, zone)}
}

// minutes is a length for payroll: begun minutes count.
func minutes(d time.Duration) int { return int((d + time.Minute - 1) / time.Minute) }

// hoursText is a length as 4:20.
func hoursText(d time.Duration) string {
	m := int(d / time.Minute)
	text := strconv.Itoa(m % 60)
	if len(text) < 2 {
		text = "0" + text
	}
	return strconv.Itoa(m/60) + ":" + text
}
