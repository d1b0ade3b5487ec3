package roster

import (
	"fmt"
	"time"
)

// Date is a day of the calendar, wherever it is.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

const dateForm = "2006-01-02"

// ParseDate reads 2027-05-24.
func ParseDate(s string) (Date, bool) {
	t, err := time.Parse(dateForm, s)
	if err != nil || t.Year() < 1970 || t.Year() > 2200 {
		return Date{}, false
	}
	return dateOf(t), true
}

// DateIn is the day that a moment has in a zone.
func DateIn(t time.Time, zone *time.Location) Date { return dateOf(t.In(zone)) }

func dateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

func (d Date) noon() time.Time { return time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, time.UTC) }

// Add counts days, not hours.
func (d Date) Add(days int) Date { return dateOf(d.noon().AddDate(0, 0, days)) }

// Since is how many days lie between other and d.
func (d Date) Since(other Date) int { return int(d.noon().Sub(other.noon()) / (24 * time.Hour)) }

// Before reports whether d comes before other.
func (d Date) Before(other Date) bool { return d.noon().Before(other.noon()) }

// IsZero reports whether there is no day.
func (d Date) IsZero() bool { return d == Date{} }

// Weekday is the day of the week.
func (d Date) Weekday() time.Weekday { return d.noon().Weekday() }

// String is 2027-05-24; empty for no day.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return d.noon().Format(dateForm)
}

// MarshalText is [Date.String].
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Date) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*d = Date{}
		return nil
	}
	v, ok := ParseDate(string(b))
	if !ok {
		return fmt.Errorf("roster: %q is no day", b)
	}
	*d = v
	return nil
}

// At is the moment at which the clocks of a zone first show that many minutes
// after midnight of the day, or more. An hour that does not exist begins when the
// clocks jump over it; of an hour that comes twice the first one counts. So a
// later reading never has an earlier moment, and whatever ends at a reading meets
// what begins there.
func At(d Date, minutes int, zone *time.Location) time.Time {
	// Wall time written as if it were UTC; the offset to add is what we look for.
	want := time.Date(d.Year, d.Month, d.Day, 0, minutes, 0, 0, time.UTC)
	t := want.Add(-26 * time.Hour) // no zone is that far ahead
	for {
		in := t.In(zone)
		_, offset := in.Zone()
		_, end := in.ZoneBounds()
		at := want.Add(-time.Duration(offset) * time.Second)
		if at.Before(t) {
			at = t // the clocks jumped over it
		}
		if !end.IsZero() && !end.After(t) {
			// Beyond the years of its table Go takes a year for 365 days: on the last
			// day of a leap year the bounds lie before it. No clock jumps that day.
			end = t.AddDate(0, 0, 1)
		}
		if end.IsZero() || at.Before(end) {
			return at.UTC()
		}
		t = end
	}
}
