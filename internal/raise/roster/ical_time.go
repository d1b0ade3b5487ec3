package roster

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"
	"github.com/teambition/rrule-go"
)

// point is a time as a calendar writes it: a reading of the clocks in a zone, or a
// day.
type point struct {
	civil time.Time // what the clocks show, as if it were UTC
	zone  *time.Location
	day   bool
}

func (p point) isZero() bool { return p.civil.IsZero() }

// at is the moment. Shifts meet where one's end and the other's begin are the same
// reading, so an hour that comes twice or never is read as the plan reads it.
func (p point) at() time.Time {
	c := p.civil
	return At(dateOf(c), c.Hour()*60+c.Minute(), p.zone).Add(time.Duration(c.Second()) * time.Second)
}

// name tells points apart: the moment, or the day.
func (p point) name() string {
	switch {
	case p.isZero():
		return ""
	case p.day:
		return p.civil.Format("20060102")
	}
	return p.at().Format(keyForm)
}

// point reads a property that has one time.
func (b *reader) point(p *ics.IANAProperty) (point, ImportWhy) {
	if p == nil {
		return point{}, ImportEnd
	}
	return b.read(p.Value, p.ICalParameters)
}

// read reads a day or a time in the zone that its parameters name.
func (b *reader) read(value string, params map[string][]string) (point, ImportWhy) {
	value = strings.TrimSpace(value)
	bare, utc := strings.CutSuffix(value, "Z")
	form, day := "20060102T150405", len(bare) == 8 && !utc
	if day {
		form = "20060102"
	}
	c, err := time.Parse(form, bare)
	if err != nil || c.Year() < 1970 || c.Year() > 2200 {
		return point{}, ImportEnd
	}
	p := point{civil: c, zone: b.zone, day: day}
	switch id := first(params["TZID"]); {
	case utc:
		p.zone = time.UTC
	case !day && id != "":
		zone, ok := b.zones.of(id)
		if !ok {
			return p, ImportZone
		}
		p.zone = zone
	}
	return p, ""
}

// end is when an event ends, in the zone in which it begins.
func (b *reader) end(v *ics.VEvent, start point) (point, ImportWhy) {
	if start.isZero() {
		return point{}, ""
	}
	if p := v.GetProperty(ics.ComponentPropertyDtEnd); p != nil {
		at, why := b.point(p)
		if why == "" && at.day != start.day {
			why = ImportEnd
		}
		if why == "" && !at.day && at.zone != start.zone {
			t := at.at().In(start.zone)
			at = point{civil: time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC), zone: start.zone}
		}
		return at, why
	}
	end := start
	if p := v.GetProperty(ics.ComponentPropertyDuration); p != nil {
		length, ok := parseDuration(p.Value)
		if !ok || start.day && length%(24*time.Hour) != 0 {
			return point{}, ImportEnd
		}
		end.civil = start.civil.Add(length)
		return end, ""
	}
	if start.day {
		end.civil = start.civil.AddDate(0, 0, 1)
	}
	return end, ""
}

// parseDuration reads P1W, P1DT12H, PT8H30M. Hours are those of the clocks, as for
// all that comes again.
func parseDuration(s string) (time.Duration, bool) {
	s, ok := strings.CutPrefix(strings.TrimSpace(s), "P")
	if !ok || s == "" || len(s) > 20 {
		return 0, false
	}
	var out time.Duration
	units := map[byte]time.Duration{'W': 7 * 24 * time.Hour, 'D': 24 * time.Hour}
	for s != "" {
		if s[0] == 'T' {
			units, s = map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second}, s[1:]
			continue
		}
		i := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
		if i < 1 || i > 6 {
			return 0, false
		}
		n, err := strconv.Atoi(s[:i])
		unit, ok := units[s[i]]
		if err != nil || !ok {
			return 0, false
		}
		out += time.Duration(n) * unit
		s = s[i+1:]
	}
	return out, out > 0
}

// aeon is nineteen times the 400 years after which days and weekdays come again.
// The library looks for a day up to the year 9999; of a rule that never comes true
// (30 February) it would look at 8,000 years. So rules are figured near the end of
// its time.
const aeon = 19 * 400

// begins are the begins of a series that may reach into [from, to), in order; more
// tells that it goes on after.
func (e event) begins(from, to time.Time) (out []point, more bool, err error) {
	length := e.end.civil.Sub(e.start.civil)
	// A day of slack on both sides: these are readings, not moments.
	low, high := from.Add(-length-48*time.Hour), to.Add(48*time.Hour)
	take := func(civil time.Time) {
		if p := (point{civil, e.start.zone, e.start.day}); !civil.Before(low) && !slices.ContainsFunc(out, func(o point) bool { return o.civil.Equal(civil) }) {
			out = append(out, p)
		}
	}
	if e.rule != "" {
		if more, err = e.each(low, high, take); err != nil {
			return nil, false, err
		}
	} else {
		take(e.start.civil)
	}
	for _, p := range e.more {
		if p.day != e.start.day {
			return nil, false, errRule
		}
		if !p.day && p.zone != e.start.zone {
			t := p.at().In(e.start.zone)
			p.civil = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
		}
		if p.civil.Before(high) {
			take(p.civil)
		} else {
			more = true
		}
	}
	slices.SortFunc(out, func(a, b point) int { return a.civil.Compare(b.civil) })
	return out, more, nil
}

// each hands the begins that the rule gives before high to take.
func (e event) each(low, high time.Time, take func(time.Time)) (more bool, err error) {
	o, err := ruleOf(e.rule)
	if err != nil {
		return false, err
	}
	o.Dtstart = e.start.civil
	if !o.Until.IsZero() {
		switch {
		case strings.HasSuffix(until(e.rule), "Z") && !e.start.day:
			t := o.Until.In(e.start.zone) // a moment, as RFC 5545 asks for
			o.Until = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
		case len(until(e.rule)) == 8 && !e.start.day:
			o.Until = o.Until.Add(24*time.Hour - time.Second) // that day included
		}
		if o.Until.Year() > 2200 {
			o.Until = time.Time{}
		}
	}
	// Days and weeks are counted from near low, so that a series of long ago costs no
	// more than a new one.
	if o.Count == 0 && (o.Freq == rrule.DAILY || o.Freq == rrule.WEEKLY) && low.After(o.Dtstart) {
		step := 7 * max(o.Interval, 1)
		if days := int(low.Sub(o.Dtstart)/(24*time.Hour)) - 2*step; days > 0 {
			o.Dtstart = o.Dtstart.AddDate(0, 0, days/step*step)
		}
	}
	o.Dtstart = o.Dtstart.AddDate(aeon, 0, 0)
	if !o.Until.IsZero() {
		o.Until = o.Until.AddDate(aeon, 0, 0)
	}
	rule, err := rrule.NewRRule(o)
	if err != nil {
		return false, err
	}
	next := rule.Iterator()
	for range maxCount {
		at, ok := next()
		if !ok {
			return false, nil
		}
		if at = at.AddDate(-aeon, 0, 0); !at.Before(high) {
			return true, nil
		}
		take(at)
	}
	return false, errRule
}

// maxCount is how many occurrences of a series are looked at: a daily one of 27 years.
const maxCount = 10_000

// ruleOf reads a rule that comes daily or more rarely.
func ruleOf(s string) (rrule.ROption, error) {
	if len(s) > 500 || strings.ContainsAny(s, "\n\r") {
		return rrule.ROption{}, errRule
	}
	o, err := rrule.StrToROption(strings.ToUpper(s))
	if err != nil {
		return rrule.ROption{}, err
	}
	if o.Freq > rrule.DAILY || len(o.Byhour)+len(o.Byminute)+len(o.Bysecond)+len(o.Byeaster) > 0 || !o.Dtstart.IsZero() ||
		o.Interval < 0 || o.Interval > 1000 || o.Count < 0 || o.Count > maxCount {
		return rrule.ROption{}, errRule
	}
	return *o, nil
}

// until is the UNTIL of a rule as it is written.
func until(rule string) string {
	for part := range strings.SplitSeq(strings.ToUpper(rule), ";") {
		if v, ok := strings.CutPrefix(part, "UNTIL="); ok {
			return v
		}
	}
	return ""
}

// windows are the names that Microsoft's programs give to zones near a German town,
// for calendars that name one without saying what it is.
var windows = map[string]string{
	"w. europe standard time":        "Europe/Berlin",
	"romance standard time":          "Europe/Paris",
	"central europe standard time":   "Europe/Budapest",
	"central european standard time": "Europe/Warsaw",
	"gmt standard time":              "Europe/London",
	"greenwich standard time":        "Atlantic/Reykjavik",
	"fle standard time":              "Europe/Kyiv",
	"e. europe standard time":        "Europe/Chisinau",
	"gtb standard time":              "Europe/Bucharest",
	"utc":                            "UTC",
	"gmt":                            "UTC",
}

// zoneBook are the time zones that a calendar names.
type zoneBook struct {
	own   map[string]*ics.VTimezone
	known map[string]*time.Location
	now   time.Time
}

// Limits of zones that calendars define.
const (
	maxZones       = 30
	maxObservances = 60
)

func newZones(c *ics.Calendar, now time.Time) *zoneBook {
	z := &zoneBook{own: map[string]*ics.VTimezone{}, known: map[string]*time.Location{}, now: now}
	for _, x := range c.Components {
		if v, ok := x.(*ics.VTimezone); ok && len(z.own) < maxZones {
			if p := v.GetProperty(ics.ComponentPropertyTzid); p != nil {
				z.own[strings.TrimSpace(p.Value)] = v
			}
		}
	}
	return z
}

// of is the zone with a name: one of the world's, whatever stands before it; one that
// the calendar defines; one of Microsoft's.
func (z *zoneBook) of(name string) (*time.Location, bool) {
	name = strings.TrimSpace(name)
	if loc, ok := z.known[name]; ok {
		return loc, loc != nil
	}
	loc := named(name)
	if loc == nil && z.own[name] != nil {
		loc = defined(z.own[name], z.now)
	}
	if loc == nil {
		loc = named(windows[strings.ToLower(name)])
	}
	z.known[name] = loc
	return loc, loc != nil
}

// named is one of the world's zones; programs write prefixes of their own before the
// name.
func named(name string) *time.Location {
	parts := strings.Split(strings.Trim(name, "/"), "/")
	for n := min(3, len(parts)); n > 0; n-- {
		s := strings.Join(parts[len(parts)-n:], "/")
		if s == "" || s == "Local" || (n == 1 && len(parts) > 1) {
			continue
		}
		if loc, err := time.LoadLocation(s); err == nil {
			return loc
		}
	}
	return nil
}

// defined is the zone that a VTIMEZONE describes, for the years around now; nil when
// it cannot be read.
func defined(v *ics.VTimezone, now time.Time) *time.Location {
	type change struct {
		at           int64
		before, then int
	}
	var all []change
	high := now.AddDate(3, 0, 0)
	if len(v.Components) > maxObservances {
		return nil
	}
	for _, x := range v.Components {
		var cb ics.ComponentBase
		switch x := x.(type) {
		case *ics.Standard:
			cb = x.ComponentBase
		case *ics.Daylight:
			cb = x.ComponentBase
		default:
			continue
		}
		text := func(name string) string {
			if p := cb.GetProperty(ics.ComponentProperty(name)); p != nil {
				return strings.TrimSpace(p.Value)
			}
			return ""
		}
		before, ok1 := parseOffset(text("TZOFFSETFROM"))
		then, ok2 := parseOffset(text("TZOFFSETTO"))
		start, err := time.Parse("20060102T150405", text("DTSTART"))
		if !ok1 || !ok2 || err != nil || start.Year() < 1600 || start.Year() > 2200 {
			return nil
		}
		add := func(civil time.Time) { all = append(all, change{civil.Unix() - int64(before), before, then}) }
		add(start)
		if rule := text("RRULE"); rule != "" {
			o, err := ruleOf(rule)
			if err != nil || o.Freq != rrule.YEARLY || o.Interval > 1 {
				return nil
			}
			if start.Year() < 1700 {
				start = start.AddDate(400, 0, 0) // the same days; the library counts in spans of 292 years
			}
			e := event{start: point{civil: start, zone: time.FixedZone("", before)}, rule: rule}
			if _, err := e.each(now.AddDate(-2, 0, 0), high, add); err != nil {
				return nil
			}
		}
		for _, p := range cb.GetProperties(ics.ComponentPropertyRdate) {
			for value := range strings.SplitSeq(p.Value, ",") {
				t, err := time.Parse("20060102T150405", strings.TrimSpace(value))
				if err != nil {
					return nil
				}
				add(t)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b change) int { return int(max(-1, min(1, a.at-b.at))) })
	all = slices.CompactFunc(all, func(a, b change) bool { return a.at == b.at })
	offsets := []int{all[0].before}
	var times, which []byte
	for _, c := range all {
		i := 1 + slices.Index(offsets[1:], c.then)
		if i == 0 {
			if i = len(offsets); i > 250 {
				return nil
			}
			offsets = append(offsets, c.then)
		}
		times = binary.BigEndian.AppendUint64(times, uint64(c.at))
		which = append(which, byte(i))
	}
	// The form of the world's zone files (RFC 9636), which Go reads.
	head := func(times, types, chars int) []byte {
		out := append([]byte("TZif2"), make([]byte, 15)...)
		for _, n := range []int{0, 0, 0, times, types, chars} {
			out = binary.BigEndian.AppendUint32(out, uint32(n))
		}
		return out
	}
	data := append(head(0, 0, 0), head(len(which), len(offsets), 1)...)
	data = append(append(data, times...), which...)
	for _, o := range offsets {
		data = append(binary.BigEndian.AppendUint32(data, uint32(int32(o))), 0, 0)
	}
	data = append(data, 0, '\n', '\n')
	loc, err := time.LoadLocationFromTZData("calendar", data)
	if err != nil {
		return nil
	}
	return loc
}

// parseOffset reads +0100 or -033000, in seconds.
func parseOffset(s string) (int, bool) {
	if len(s) != 5 && len(s) != 7 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	n, err := strconv.Atoi(s[1:])
	if err != nil || n < 0 {
		return 0, false
	}
	if len(s) == 5 {
		n *= 100
	}
	seconds := n/10000*3600 + n/100%100*60 + n%100
	if seconds > 18*3600 {
		return 0, false
	}
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}
