package roster

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func parse(t testing.TB, s string) Hours {
	t.Helper()
	h, ok := ParseHours(s)
	if !ok {
		t.Fatalf("%q cannot be read", s)
	}
	return h
}

func TestParseHours(t *testing.T) {
	for s, want := range map[string]float64{
		written[Essen]:                  91,
		written[Always]:                 168,
		written[Office]:                 40,
		"Mo–Fr 7–22, Sa/So/Feiertag 9":  -1,
		"mo-fr 7 - 22":                  -1,
		"Mo-Fr 7-22\nSa, So 9-17 Uhr":   91,
		"Mon-Fri 7-22; Sat/Sun 9-17":    91,
		"Sa-Mo 8-9":                     3,
		"Mo-So 22-6":                    56,
		"So 22-6":                       8,
		"Mo 8-12 und 13:30-17; Di 0-24": 31.5,
		"Mo 8-12, 11-13":                -1,
		"Mo 8-9; Mo 10-11":              -1,
		"":                              -1,
		"Mo -":                          -1,
		"werktags 8-9":                  -1,
		"8-9 Mo":                        -1,
		"Mo 25-26":                      -1,
		"Mo 8:60-9":                     -1,
		"Mo-Feiertag 8-9":               -1,
		"Feiertag 9-17":                 0,
	} {
		h, ok := ParseHours(s)
		if want < 0 {
			if ok {
				t.Errorf("%q was taken as %v", s, h)
			}
			continue
		}
		if got := h.Week().Hours(); !ok || got != want {
			t.Errorf("%q: %v h, want %v", s, got, want)
		}
	}
	if h := parse(t, "Mo 8-9; So 10-11"); !slices.Equal(h[holiday], h[time.Sunday]) {
		t.Errorf("a holiday is %v", h[holiday])
	}
}

// The year of the issue, counted by hand: 2027 begins on a Friday and has 261
// weekdays and 104 days of weekends. In Hessen six holidays fall on a weekday
// (Neujahr Fr, Karfreitag Fr, Ostermontag Mo, Himmelfahrt Do, Pfingstmontag Mo,
// Fronleichnam Do); 1 May, 3 October and both days of Christmas fall on weekends.
func TestEssenInHessen2027(t *testing.T) {
	z := zone(t, "Europe/Berlin")
	c := NewCalendar("HE", nil)
	weekdays, weekends, feasts := 0, 0, 0
	for d := (Date{2027, time.January, 1}); d.Year == 2027; d = d.Add(1) {
		_, feast := c.Holiday(d)
		switch wd := d.Weekday(); {
		case wd == time.Saturday || wd == time.Sunday:
			weekends++
		case feast:
			feasts++
		default:
			weekdays++
		}
	}
	if weekdays != 255 || weekends != 104 || feasts != 6 {
		t.Fatalf("%d weekdays, %d of weekends, %d holidays", weekdays, weekends, feasts)
	}
	if sum := 255*15 + 110*8; sum != 4705 {
		t.Fatal(sum)
	}
	from, to := At(Date{2027, 1, 1}, 0, z), At(Date{2028, 1, 1}, 0, z)
	h := parse(t, written[Essen])
	if got := total(h.Covered(from, to, c, z)); got != 4705*time.Hour {
		t.Errorf("%v, want 4705 h", got)
	}
	f := figure(4705*time.Hour, to.Sub(from))
	if f.Of != 8760 || f.Percent != 53.7 {
		t.Errorf("%+v", f)
	}
	if f := figure(h.Week(), 168*time.Hour); f.Hours != 91 || f.Percent != 54.2 {
		t.Errorf("%+v", f)
	}
	// Around the clock is all of it, with both changes of the clocks.
	if got := total(parse(t, written[Always]).Covered(from, to, c, z)); got != to.Sub(from) || got != 8760*time.Hour {
		t.Errorf("around the clock: %v of %v", got, to.Sub(from))
	}
}

// What is known of the Länder's holidays, from their laws.
func TestHolidays(t *testing.T) {
	for _, c := range []struct {
		land, day, name string // an empty name: none
	}{
		{"HE", "2027-05-27", "Fronleichnam"},
		{"BE", "2027-05-27", ""},
		{"BW", "2027-05-27", "Fronleichnam"},
		{"", "2027-05-27", ""},
		{"BW", "2027-01-06", "Heilige Drei Könige"},
		{"HE", "2027-01-06", ""},
		{"BE", "2027-03-08", "Frauentag"},
		{"BE", "2018-03-08", ""},
		{"MV", "2027-03-08", "Frauentag"},
		{"MV", "2022-03-08", ""},
		{"BB", "2027-03-28", "Ostersonntag"},
		{"BB", "2027-05-16", "Pfingstsonntag"},
		{"HE", "2027-03-26", "Karfreitag"},
		{"HE", "2027-05-17", "Pfingstmontag"},
		{"SN", "2027-11-17", "Buß- und Bettag"},
		{"BY", "2027-11-17", ""},
		{"SL", "2027-08-15", "Mariä Himmelfahrt"},
		{"BY", "2027-08-15", ""},
		{"TH", "2027-09-20", "Weltkindertag"},
		{"NI", "2027-10-31", "Reformationstag"},
		{"NI", "2016-10-31", ""},
		{"HE", "2017-10-31", "Reformationstag"},
		{"NW", "2027-11-01", "Allerheiligen"},
		{"BE", "2025-05-08", "Tag der Befreiung"},
		{"BE", "2028-06-17", "75. Jahrestag des Volksaufstands"},
		{"ST", "2027-01-06", "Heilige Drei Könige"},
	} {
		d, _ := ParseDate(c.day)
		if f, _ := NewCalendar(c.land, nil).Holiday(d); f.Name != c.name {
			t.Errorf("%s on %s: %q, want %q", c.land, c.day, f.Name, c.name)
		}
	}
	// How many each Land has in 2027, without Brandenburg's two Sundays.
	for land, want := range map[string]int{
		"BW": 12, "BY": 12, "BE": 10, "BB": 12, "HB": 10, "HH": 10, "HE": 10, "MV": 11, "NI": 10, "NW": 11, "RP": 11, "SL": 12, "SN": 11, "ST": 11, "SH": 10, "TH": 11,
	} {
		if got := NewCalendar(land, nil).Year(2027); len(got) != want {
			t.Errorf("%s has %d: %v", land, len(got), got)
		}
	}
	own := []Day{
		{Name: "Augsburger Friedensfest", Rule: "08-08"},
		{Name: "Mariä Himmelfahrt", Rule: "08-15"},
		{Name: "Heiligabend", Rule: "12-24", Half: true},
		{Name: "Stadtfest", Rule: "2027-06-14"},
		{Name: "Fronleichnam", Rule: "ostern+60"},
		{Name: "Neujahr halb", Rule: "01-01", Half: true},
	}
	c := NewCalendar("BE", own)
	for day, want := range map[string]string{
		"2027-08-08": "Augsburger Friedensfest", "2028-08-15": "Mariä Himmelfahrt", "2027-06-14": "Stadtfest", "2028-06-14": "",
		"2027-05-27": "Fronleichnam", "2028-06-15": "Fronleichnam", "2027-12-24": "Heiligabend", "2027-01-01": "Neujahrstag",
	} {
		d, _ := ParseDate(day)
		if f, _ := c.Holiday(d); f.Name != want {
			t.Errorf("%s: %q, want %q", day, f.Name, want)
		}
	}
	// Half a holiday: until noon as on the Friday that it is, then as on a holiday.
	d, _ := ParseDate("2027-12-24")
	if got := parse(t, written[Essen]).day(d, c); !slices.Equal(got, []Span{{420, 720}, {720, 1020}}) {
		t.Errorf("Heiligabend: %v", got)
	}
	for _, bad := range []string{"", "13-01", "02-30", "ostern+", "ostern+999", "2027-02-30", "heute"} {
		if (Day{Rule: bad}).Valid() {
			t.Errorf("%q is taken", bad)
		}
	}
}

// The nights of both changes of the clocks, around the clock with a handover in
// the hour that does not come and in the one that comes twice.
func TestNightOfTheClockChange(t *testing.T) {
	z := zone(t, "Europe/Berlin")
	for _, c := range []struct {
		day   string
		hours float64
	}{{"2027-03-28", 23}, {"2027-10-31", 25}} {
		d, _ := ParseDate(c.day)
		r := Roster{Plan: Plan{Template: Always, Lines: [][]string{{"a", "b"}}, Every: 1, Start: d.Add(-3), Handover: 150}} // 02:30
		shifts := r.Shifts(At(d, 0, z), At(d.Add(1), 0, z), nil, Rules{NewCalendar("HE", nil), z})
		var sum float64
		for i, s := range shifts {
			sum += s.To.Sub(s.From).Hours()
			if i > 0 && !s.From.Equal(shifts[i-1].To) {
				t.Errorf("%s: %v does not meet %v", c.day, s, shifts[i-1])
			}
		}
		if len(shifts) != 2 || sum != c.hours || shifts[0].Person == shifts[1].Person {
			t.Errorf("%s: %v h in %v", c.day, sum, shifts)
		}
	}
}

// A gap's stages come 14, 3 and 1 days ahead at the gap's own reading of the
// clock, and an hour before; each is the newest one from then on.
func TestI6_StagesOfAGap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		z := drawZone(t)
		g := Gap{From: At(drawDate(t, "day"), rapid.IntRange(0, dayMinutes-1).Draw(t, "minute"), z)}
		now := g.From.Add(time.Duration(rapid.IntRange(-20*24*60, 2*24*60).Draw(t, "now")) * time.Minute)
		stage, next, ok := g.stage(now, z)
		if ok == now.Before(g.due(14, z)) {
			t.Fatalf("told is %v at %v of %v", ok, now, g.From)
		}
		if ok && g.due(stage, z).After(now) {
			t.Fatalf("stage %d has not come", stage)
		}
		if next.IsZero() != (ok && stage == lastHour) || (!next.IsZero() && !next.After(now)) {
			t.Fatalf("next is %v at stage %d", next, stage)
		}
		if ok && stage != lastHour && !now.Before(g.due(lastHour, z)) {
			t.Fatalf("the last hour is passed over at stage %d", stage)
		}
	})
}

func TestFigure(t *testing.T) {
	if f := figure(8760*time.Hour-time.Minute, 8760*time.Hour); f.Percent != 99.9 || f.Full() {
		t.Errorf("all but a minute is %+v", f)
	}
	if f := figure(time.Hour, time.Hour); f.Percent != 100 || !f.Full() {
		t.Errorf("%+v", f)
	}
	if f := figure(0, 0); math.IsNaN(f.Percent) || f.Full() {
		t.Errorf("%+v", f)
	}
}

func FuzzHours(f *testing.F) {
	for _, s := range written {
		f.Add(s)
	}
	f.Add("Mo 8-12 und 13:30-17; Di 0-24; Feiertag -")
	f.Fuzz(func(t *testing.T, s string) {
		h, ok := ParseHours(s)
		if !ok {
			return
		}
		if w := h.Week(); w < 0 || w > 168*time.Hour {
			t.Fatalf("%q: %v", strings.ToValidUTF8(s, "?"), w)
		}
	})
}

// TestLastDayOfALeapYear: Go's bounds of a zone end before the day begins.
func TestLastDayOfALeapYear(t *testing.T) {
	for _, name := range zones {
		z := zone(t, name)
		for _, year := range []int{2036, 2040, 2044, 2096} {
			for _, minutes := range []int{0, 600, 1439, 1440} {
				got := At(Date{year, time.December, 31}, minutes, z)
				if want := time.Date(year, time.December, 31, 0, minutes, 0, 0, z); !got.Equal(want) {
					t.Errorf("%s %d, %d minutes: %v, want %v", name, year, minutes, got, want)
				}
			}
		}
	}
}
