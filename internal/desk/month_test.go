package desk

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Each month whose end the town saw has its sheet due once it is over, from the
// first at seven for a week; the sweep looks again in time for the next one.
func TestEachMonthIsDueOnce(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2027, 1, 1, 0, 0, 0, 0, zone)
	rapid.Check(t, func(rt *rapid.T) {
		began := start.Add(time.Duration(rapid.IntRange(0, 365*24).Draw(rt, "began")) * time.Hour)
		now := began.Add(time.Duration(rapid.IntRange(0, 400*24*60).Draw(rt, "later")) * time.Minute)
		month, next := monthDue(began, now, zone)
		if !next.After(now) || next.Sub(now) > 32*24*time.Hour {
			rt.Fatalf("at %s it looks again at %s", now, next)
		}
		if at := next.In(zone); at.Day() != 1 || at.Hour() != monthHour || at.Minute() != 0 {
			rt.Fatalf("the next one is due at %s", at)
		}
		last := now.In(zone).AddDate(0, 0, 1-now.In(zone).Day()).AddDate(0, -1, 0).Format("2006-01")
		from, to, err := monthOf(last, zone)
		if err != nil {
			rt.Fatal(err)
		}
		due := to.Add(time.Duration(monthHour) * time.Hour) // no clock change is on a first
		want := ""
		if began.Before(to) && !now.Before(due) && now.Before(due.Add(monthFor)) {
			want = last
		}
		if month != want {
			rt.Fatalf("began %s, now %s: %q is due, want %q (%s to %s)", began, now.In(zone), month, want, from, to)
		}
	})
	for _, bad := range []string{"", "2027", "2027-13", "2027-1", "x"} {
		if _, _, err := monthOf(bad, zone); err == nil {
			t.Errorf("%q is a month", bad)
		}
	}
}

func TestMedianIsATimeThatWas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var all []time.Duration
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 1000), 0, 20).Draw(rt, "all") {
			all = append(all, time.Duration(n)*time.Second)
		}
		m := median(append([]time.Duration{}, all...))
		if len(all) == 0 {
			if m >= 0 {
				rt.Fatal(m)
			}
			return
		}
		below, above, there := 0, 0, false
		for _, d := range all {
			there = there || d == m
			if d < m {
				below++
			}
			if d > m {
				above++
			}
		}
		if !there || below > len(all)/2 || above > len(all)/2 {
			rt.Fatalf("%s of %v", m, all)
		}
	})
}
