package roster

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/aa"
	"github.com/rickar/cal/v2/de"
)

// Feast is a holiday on one day.
type Feast struct {
	Date  Date
	Name  string
	Half  bool // from noon
	Local bool // the town's own day
}

// Day is a day of the town's own, beside the holidays of its Land: once
// ("2027-06-14"), every year ("08-08"), or so many days after Easter Sunday
// ("ostern+60").
type Day struct {
	ID       string
	Name     string
	Rule     string
	Half     bool // from noon
	Declared bool // stands in tuermer.yaml
}

// easterRule begins a rule that moves with Easter.
const easterRule = "ostern"

// on is the day on which the rule falls in a year.
func (d Day) on(year int) (Date, bool) {
	if rest, ok := strings.CutPrefix(d.Rule, easterRule); ok {
		n, err := strconv.Atoi(cmp.Or(rest, "0"))
		if err != nil || n < -100 || n > 200 {
			return Date{}, false
		}
		t, _ := (&cal.Holiday{Func: cal.CalcEasterOffset, Offset: n}).Calc(year)
		return dateOf(t), true
	}
	if once, ok := ParseDate(d.Rule); ok {
		return once, once.Year == year
	}
	return ParseDate(strconv.Itoa(year) + "-" + d.Rule)
}

// Valid reports whether the rule can be read. 29 February is a day.
func (d Day) Valid() bool {
	if once, ok := ParseDate(d.Rule); ok {
		return !once.IsZero()
	}
	_, ok := d.on(2028)
	return ok
}

// lands are the holidays of the Länder as the library has them.
func lands(land string) []*cal.Holiday {
	switch land {
	case "BW":
		return de.HolidaysBW
	case "BY":
		return de.HolidaysBY
	case "BE":
		return de.HolidaysBE
	case "BB":
		return de.HolidaysBB
	case "HB":
		return de.HolidaysHB
	case "HH":
		return de.HolidaysHH
	case "HE":
		return de.HolidaysHE
	case "MV":
		return de.HolidaysMV
	case "NI":
		return de.HolidaysNI
	case "NW":
		return de.HolidaysNW
	case "RP":
		return de.HolidaysRP
	case "SL":
		return de.HolidaysSL
	case "SN":
		return de.HolidaysSN
	case "ST":
		return de.HolidaysST
	case "SH":
		return de.HolidaysSH
	case "TH":
		return de.HolidaysTH
	}
	return de.Holidays
}

// Lands are the 16 Länder by the letters of ISO 3166-2:DE.
func Lands() []string {
	return []string{"BW", "BY", "BE", "BB", "HB", "HH", "HE", "MV", "NI", "NW", "RP", "SL", "SN", "ST", "SH", "TH"}
}

// since are holidays that a Land has had only from a year on; the library gives
// them to all years.
var since = map[string]map[string]int{
	"BE": {"Frauentag": 2019},
	"HB": {"Reformationstag": 2018},
	"HH": {"Reformationstag": 2018},
	"NI": {"Reformationstag": 2018},
	"SH": {"Reformationstag": 2018},
}

// missing are holidays of the Länder that the library lacks: Frauentag in
// Mecklenburg-Vorpommern, the Sundays that Brandenburg names, and days that a law
// made a holiday once.
func missing(land string, year int) (out []Feast) {
	add := func(d Date, name string) { out = append(out, Feast{Date: d, Name: name}) }
	if year == 2017 {
		add(Date{2017, time.October, 31}, "Reformationstag")
	}
	switch land {
	case "MV":
		if year >= 2023 {
			add(Date{year, time.March, 8}, "Frauentag")
		}
	case "BB":
		easter, _ := aa.Easter.Calc(year)
		add(dateOf(easter), "Ostersonntag")
		add(dateOf(easter).Add(49), "Pfingstsonntag")
	case "BE":
		switch year {
		case 2020, 2025:
			add(Date{year, time.May, 8}, "Tag der Befreiung")
		case 2028:
			add(Date{year, time.June, 17}, "75. Jahrestag des Volksaufstands")
		}
	}
	return out
}

// Calendar knows the holidays of one Land and the town's own days. It remembers
// the years that it has figured, so it is not for several goroutines.
type Calendar struct {
	land  string
	own   []Day
	years map[int]map[Date]Feast
}

// NewCalendar makes one; an unknown Land has the holidays of all of Germany.
func NewCalendar(land string, own []Day) *Calendar {
	return &Calendar{land: land, own: own, years: map[int]map[Date]Feast{}}
}

// Holiday tells whether a day is one.
func (c *Calendar) Holiday(d Date) (Feast, bool) {
	f, ok := c.year(d.Year)[d]
	return f, ok
}

// Year lists a year's holidays in order.
func (c *Calendar) Year(year int) []Feast {
	var out []Feast
	for _, f := range c.year(year) {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b Feast) int { return a.Date.noon().Compare(b.Date.noon()) })
	return out
}

func (c *Calendar) year(year int) map[Date]Feast {
	if known, ok := c.years[year]; ok {
		return known
	}
	days := map[Date]Feast{}
	// A whole day outweighs half a one, and what is first keeps its name.
	put := func(f Feast) {
		if old, there := days[f.Date]; !there || (old.Half && !f.Half) {
			days[f.Date] = f
		}
	}
	for _, h := range lands(c.land) {
		if from := since[c.land][h.Name]; year < from {
			continue
		}
		if t, _ := h.Calc(year); !t.IsZero() {
			put(Feast{Date: dateOf(t), Name: h.Name})
		}
	}
	for _, f := range missing(c.land, year) {
		put(f)
	}
	for _, d := range c.own {
		if on, ok := d.on(year); ok {
			put(Feast{Date: on, Name: d.Name, Half: d.Half, Local: true})
		}
	}
	c.years[year] = days
	return days
}
