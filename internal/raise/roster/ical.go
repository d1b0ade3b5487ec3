package roster

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	ics "github.com/arran4/golang-ical"
	"golang.org/x/text/encoding/charmap"

	"tuermer/internal/platform/fault"
)

// Occurrence is one stretch of time that a foreign calendar names.
type Occurrence struct {
	UID string
	// Nth tells the occurrences of a series apart: the begin that the rule gives
	// it; empty for what comes once.
	Nth      string
	From, To time.Time
	// First and Last (not part of it) are the days of an entry for whole days; From
	// and To are then unset, since it is the roster that knows when its days begin.
	First, Last Date
	Title       string
	Guests      []string // mail addresses of who is invited and has not declined
	Host        string   // mail address of who invites
	Line        int      // as our own export says it, from 0; -1: it says none
	Off         ImportWhy
}

// Whole reports whether the entry is for whole days.
func (e Occurrence) Whole() bool { return !e.First.IsZero() }

// Reading is what was read from a calendar.
type Reading struct {
	Entries []Occurrence
	Past    int // entries that are over
	Later   int // entries that begin after what is read, series that go on
}

// Limits of a calendar that is read. A text of half a mebibyte fits into a form
// beside its file; two thousand entries are three a day in the time that is read.
const (
	MaxCalendar = 512 << 10 // bytes
	maxEvents   = 2000
	maxSeries   = 300
	maxEntries  = 2000
	maxDepth    = 5
	maxTitle    = 120
	// importAhead is how far ahead a calendar is read.
	importAhead = 400 * 24 * time.Hour
)

// The faults of a calendar as a whole.
var (
	errNoCalendar   = fault.New(fault.Invalid, "roster.import_unreadable").Field("file", "roster.import_unreadable")
	errBigCalendar  = fault.New(fault.Invalid, "roster.import_big").Field("file", "roster.import_big")
	errManyEntries  = fault.New(fault.Invalid, "roster.import_many").Field("file", "roster.import_many")
	errTrimCalendar = fault.New(fault.Invalid, "roster.import_empty").Field("file", "roster.import_empty")
)

// ReadCalendar reads the entries of an iCalendar text (RFC 5545) that are not over
// at now and begin within the time that is read. Readings of clocks without a zone
// are the town's. What an entry lacks is said of that entry; a text that is no
// calendar is refused whole.
func ReadCalendar(raw []byte, now time.Time, zone *time.Location) (Reading, error) {
	text, err := calendarText(raw)
	if err != nil {
		return Reading{}, err
	}
	parts, err := calendars(text)
	if err != nil {
		return Reading{}, err
	}
	b := &reader{now: now, until: now.Add(importAhead), zone: zone}
	for _, part := range parts {
		c, err := ics.ParseCalendarWithOptions(strings.NewReader(part), ics.WithUnknownPropertyHandler(ics.AcceptUnknownPropertyHandler))
		if err != nil {
			return Reading{}, errNoCalendar.With(err)
		}
		if err := b.calendar(c); err != nil {
			return Reading{}, err
		}
	}
	slices.SortStableFunc(b.out.Entries, func(x, y Occurrence) int {
		return cmp.Or(x.begin(zone).Compare(y.begin(zone)), strings.Compare(x.Title, y.Title))
	})
	return b.out, nil
}

// begin is a moment to sort by.
func (e Occurrence) begin(zone *time.Location) time.Time {
	if e.Whole() {
		return At(e.First, 0, zone)
	}
	return e.From
}

// calendarText makes a text of what was sent: UTF-8, with or without a mark, else
// Windows-1252, as old programs write it.
func calendarText(raw []byte) (string, error) {
	if len(raw) > MaxCalendar {
		return "", errBigCalendar
	}
	raw = bytes.TrimPrefix(raw, []byte("\xEF\xBB\xBF"))
	if !utf8.Valid(raw) {
		var err error
		if raw, err = charmap.Windows1252.NewDecoder().Bytes(raw); err != nil {
			return "", errNoCalendar.With(err)
		}
	}
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' {
			return -1
		}
		return r
	}, string(raw))
	if strings.TrimSpace(text) == "" {
		return "", errTrimCalendar
	}
	return text, nil
}

// calendars parts a text into its calendars, for a file may hold several. It counts
// before anything is parsed, so that a hostile text costs no more than its length.
func calendars(text string) ([]string, error) {
	var out []string
	var b strings.Builder
	depth, events := 0, 0
	for line := range strings.Lines(text) {
		word := strings.TrimRight(line, "\r\n")
		if depth == 0 && strings.TrimSpace(word) == "" {
			continue
		}
		b.WriteString(line)
		switch {
		case strings.HasPrefix(word, "BEGIN:"):
			if depth++; depth > maxDepth {
				return nil, errNoCalendar
			}
			if word == "BEGIN:VEVENT" {
				events++
			}
		case strings.HasPrefix(word, "END:"):
			depth--
			if depth == 0 {
				out = append(out, b.String())
				b.Reset()
			}
		}
		if depth < 1 && b.Len() > 0 {
			return nil, errNoCalendar // text outside of a calendar, or an end without a begin
		}
	}
	if depth != 0 || len(out) == 0 {
		return nil, errNoCalendar
	}
	if events > maxEvents {
		return nil, errManyEntries
	}
	return out, nil
}

// reader gathers entries.
type reader struct {
	now, until time.Time
	zone       *time.Location
	zones      *zoneBook
	series     int
	out        Reading
}

func (b *reader) calendar(c *ics.Calendar) error {
	b.zones = newZones(c, b.now)
	cancel := false
	for _, p := range c.CalendarProperties {
		cancel = cancel || p.IANAToken == "METHOD" && strings.EqualFold(strings.TrimSpace(p.Value), "CANCEL")
	}
	// What changes one occurrence of a series stands beside the series. Of the same
	// one written twice the higher revision counts, and of equals the later.
	type slot struct{ uid, nth string }
	var order []slot
	found := map[slot]event{}
	for _, v := range c.Events() {
		e := b.event(v)
		if cancel {
			e.off = ImportCancelled
		}
		at := slot{e.uid, e.nth}
		if was, ok := found[at]; !ok {
			order = append(order, at)
		} else if was.revision > e.revision {
			continue
		}
		found[at] = e
	}
	changed := map[string]map[string]bool{}
	for at := range found {
		if at.nth != "" {
			if changed[at.uid] == nil {
				changed[at.uid] = map[string]bool{}
			}
			changed[at.uid][at.nth] = true
		}
	}
	for _, at := range order {
		if err := b.emit(found[at], changed[at.uid]); err != nil {
			return err
		}
	}
	return nil
}

// event is a VEVENT whose times are read.
type event struct {
	uid, nth   string
	revision   int
	start      point
	end        point
	title      string
	guests     []string
	host       string
	line       int
	rule       string
	more, less []point // RDATE, EXDATE
	off        ImportWhy
}

func (b *reader) event(v *ics.VEvent) event {
	e := event{line: -1}
	fail := func(why ImportWhy) {
		if e.off == "" {
			e.off = why
		}
	}
	one := func(name ics.ComponentProperty) (*ics.IANAProperty, string) {
		if p := v.GetProperty(name); p != nil {
			return p, strings.TrimSpace(p.Value)
		}
		return nil, ""
	}
	_, title := one(ics.ComponentPropertySummary)
	e.title = oneLine(title)
	_, e.uid = one(ics.ComponentPropertyUniqueId)
	if _, n := one(ics.ComponentPropertySequence); n != "" {
		e.revision, _ = strconv.Atoi(n) // what is no number is the first revision
	}
	if slug, mine := strings.CutSuffix(e.uid, "@tuermer"); mine {
		if parts := strings.Split(slug, "-"); len(parts) > 3 {
			if line, _, ok := parseKey(strings.Join(parts[len(parts)-3:], "-")); ok {
				e.line = line
			}
		}
	}
	if p, _ := one(ics.ComponentProperty(gapProperty)); p != nil {
		fail(ImportGap)
	}
	switch _, status := one(ics.ComponentPropertyStatus); strings.ToUpper(status) {
	case "CANCELLED":
		e.off = ImportCancelled
	case "TENTATIVE":
		fail(ImportTentative)
	}
	e.guests, e.host = people(v)
	p, _ := one(ics.ComponentPropertyDtStart)
	start, why := b.point(p)
	if why != "" {
		fail(why)
	}
	e.start = start
	if p, _ := one(ics.ComponentPropertyRecurrenceId); p != nil {
		at, why := b.point(p)
		if why != "" || strings.EqualFold(first(p.ICalParameters["RANGE"]), "THISANDFUTURE") {
			fail(ImportRule)
		}
		e.nth = at.name()
	}
	if e.end, why = b.end(v, start); why != "" {
		fail(why)
	}
	_, e.rule = one(ics.ComponentPropertyRrule)
	if len(v.GetProperties(ics.ComponentPropertyRrule)) > 1 || v.HasProperty(ics.ComponentPropertyExrule) {
		fail(ImportRule)
	}
	for _, list := range []struct {
		name ics.ComponentProperty
		into *[]point
	}{{ics.ComponentPropertyRdate, &e.more}, {ics.ComponentPropertyExdate, &e.less}} {
		for _, p := range v.GetProperties(list.name) {
			for value := range strings.SplitSeq(p.Value, ",") {
				at, why := b.read(value, p.ICalParameters)
				if why != "" {
					fail(ImportRule) // a date that is left out by mistake would be a person on duty by mistake
				}
				*list.into = append(*list.into, at)
			}
		}
	}
	if e.uid == "" {
		sum := sha256.Sum256([]byte(e.title + "\n" + e.start.name()))
		e.uid = hex.EncodeToString(sum[:])
	}
	return e
}

func first(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

// oneLine makes a short line of a text of others.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) > maxTitle {
		s = string([]rune(s)[:maxTitle-1]) + "…"
	}
	return s
}

// people are the addresses of an event, lower-case. Rooms and things are no guests.
func people(v *ics.VEvent) (guests []string, host string) {
	address := func(s string) string {
		s = strings.ToLower(strings.TrimSpace(s))
		s, _ = strings.CutPrefix(s, "mailto:")
		return strings.TrimSpace(s)
	}
	for _, p := range v.GetProperties(ics.ComponentPropertyAttendee) {
		has := func(name string, words ...string) bool {
			return slices.Contains(words, strings.ToUpper(first(p.ICalParameters[name])))
		}
		if has("PARTSTAT", "DECLINED", "DELEGATED") || has("CUTYPE", "ROOM", "RESOURCE") || has("ROLE", "NON-PARTICIPANT") {
			continue
		}
		if a := address(p.Value); a != "" && !slices.Contains(guests, a) {
			guests = append(guests, a)
		}
	}
	if p := v.GetProperty(ics.ComponentPropertyOrganizer); p != nil {
		host = address(p.Value)
	}
	return guests, host
}

// emit makes entries of an event: one, or the occurrences of its series that lie in
// the time that is read, without those that stand for themselves.
func (b *reader) emit(e event, changed map[string]bool) error {
	add := func(x Occurrence) error {
		if b.out.Entries = append(b.out.Entries, x); len(b.out.Entries) > maxEntries {
			return errManyEntries
		}
		return nil
	}
	x := Occurrence{UID: e.uid, Nth: e.nth, Title: e.title, Guests: e.guests, Host: e.host, Line: e.line, Off: e.off}
	if e.nth == "" && (e.rule != "" || len(e.more) > 0) {
		return b.expand(e, x, changed, add)
	}
	if e.start.isZero() {
		return add(x)
	}
	x.span(e.start, e.end)
	switch b.place(x) {
	case -1:
		b.out.Past++
	case 1:
		b.out.Later++
	default:
		return add(x)
	}
	return nil
}

// span gives an entry its time.
func (e *Occurrence) span(from, to point) {
	if from.isZero() {
		return // its reason is said
	}
	if from.day {
		e.First, e.Last = dateOf(from.civil), dateOf(to.civil)
		switch days := e.Last.Since(e.First); {
		case e.Off != "":
		case days < 1:
			e.Off = ImportEnd
		case time.Duration(days)*24*time.Hour > maxSpan:
			e.Off = ImportLong
		}
		return
	}
	e.From, e.To = from.at(), from.at()
	if !to.isZero() {
		e.To = to.at()
	}
	switch {
	case e.Off != "":
	case !e.From.Before(e.To):
		e.Off = ImportEnd
	case e.To.Sub(e.From) > maxSpan:
		e.Off = ImportLong
	}
}

// place tells whether an entry is over (-1), in the time that is read (0) or after it.
// Whole days may begin and end a day later by the roster's hours.
func (b *reader) place(e Occurrence) int {
	from, to := e.From, e.To
	if e.Whole() {
		from, to = At(e.First, 0, b.zone), At(e.Last, dayMinutes, b.zone)
	}
	switch {
	case !to.After(b.now):
		return -1
	case !from.Before(b.until):
		return 1
	}
	return 0
}

// expand is emit for a series.
func (b *reader) expand(e event, x Occurrence, changed map[string]bool, add func(Occurrence) error) error {
	if b.series++; b.series > maxSeries {
		return errManyEntries
	}
	if e.start.isZero() || e.off != "" && e.off != ImportCancelled {
		x.span(e.start, e.end)
		return add(x)
	}
	begins, more, err := e.begins(b.now, b.until)
	if err != nil {
		x.span(e.start, e.end)
		x.Off = ImportRule
		return add(x)
	}
	out := map[string]bool{}
	for _, p := range e.less {
		out[p.name()] = true
	}
	length := e.end.civil.Sub(e.start.civil)
	n := 0
	for _, at := range begins {
		y := x
		y.Nth = at.name()
		end := at
		end.civil = at.civil.Add(length)
		day := point{civil: at.civil, day: true}.name() // some programs name the day alone
		if changed[y.Nth] || changed[day] {
			n++
			continue
		}
		if y.span(at, end); b.place(y) != 0 {
			continue
		}
		if n++; y.Off == "" && (out[y.Nth] || out[day]) {
			y.Off = importExcluded
		}
		if err := add(y); err != nil {
			return err
		}
	}
	switch {
	case more:
		b.out.Later++
	case n == 0:
		b.out.Past++
	}
	return nil
}

var errRule = errors.New("roster: a rule that is not taken")
