package roster_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"tuermer/internal/platform/fault"
	"tuermer/internal/raise/roster"
)

func calendarFile(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// told is an occurrence in a line: when by the clocks of the town, what, who.
func told(t testing.TB, e roster.Occurrence) string {
	t.Helper()
	when := e.First.String() + " to " + e.Last.String()
	if !e.Whole() {
		form := "2006-01-02 15:04"
		when = e.From.In(roster.Berlin()).Format(form) + " to " + e.To.In(roster.Berlin()).Format(form)
	}
	return strings.TrimSpace(fmt.Sprintf("%s | %s | %s %s", when, e.Title, strings.Join(e.Guests, ","), e.Off))
}

func readCalendar(t testing.TB, raw []byte) roster.Reading {
	t.Helper()
	in, err := roster.ReadCalendar(raw, berlin(t, "2027-05-20 10:00"), roster.Berlin())
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// What Outlook, Google and Nextcloud write is read as their users see it: zones by
// Microsoft's names and by the file's own rules, series with what was changed and
// taken out, clocks that change in the night.
func TestReadCalendar(t *testing.T) {
	for name, want := range map[string][]string{
		"outlook.ics": {
			"2027-05-24 07:00 to 2027-05-24 22:00 | Rufbereitschaft Kern, Bert |",
			"2027-06-01 09:00 to 2027-06-01 14:00 | Bereitschaft | ada@musterstadt.example",
			"2027-06-07 to 2027-06-09 | Bereitschaft Bert Kern |",
		},
		"google.ics": {
			"2027-05-25 07:00 to 2027-05-25 12:00 | Ada Beispiel Presse |",
			"2027-05-26 07:00 to 2027-05-26 12:00 | Bert Kern |  cancelled",
			"2027-06-01 07:00 to 2027-06-01 12:00 | Ada Beispiel Presse |",
			"2027-06-08 07:00 to 2027-06-08 12:00 | Ada Beispiel Presse |  excluded",
			"2027-06-16 08:00 to 2027-06-16 12:00 | Ada Beispiel Presse |",
			"2027-06-22 07:00 to 2027-06-22 12:00 | Ada Beispiel Presse |",
			"2027-06-29 07:00 to 2027-06-29 12:00 | Ada Beispiel Presse |",
		},
		"nextcloud.ics": {
			"2027-05-28 13:00 to 2027-05-28 15:00 | Bert Kern |  tentative",
			"2027-05-28 13:00 to 2027-05-28 15:00 | Bert Kern |  zone",                // which, nobody knows
			"2027-10-30 22:00 to 2027-10-31 06:00 | Nachtdienst | ada@posteo.example", // nine hours
			"2027-10-31 22:00 to 2027-11-01 06:00 | Nachtdienst | ada@posteo.example",
			"2027-11-01 22:00 to 2027-11-02 06:00 | Nachtdienst | ada@posteo.example",
			"2027-11-10 22:00 to 2027-11-11 06:00 | Nachtdienst | ada@posteo.example",
		},
	} {
		raw := calendarFile(t, name)
		for form, raw := range map[string][]byte{"LF": raw, "CRLF with a mark": append([]byte("\xEF\xBB\xBF"), []byte(strings.ReplaceAll(string(raw), "\n", "\r\n"))...)} {
			in := readCalendar(t, raw)
			var got []string
			for _, e := range in.Entries {
				got = append(got, told(t, e))
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s:\n%s\nwant\n%s", name, form, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if past := map[string]int{"google.ics": 1}[name]; in.Past != past {
				t.Errorf("%s: %d are over, want %d", name, in.Past, past)
			}
		}
	}
}

// event is a calendar with one event.
func oneEvent(lines ...string) string {
	return "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Test//DE\nBEGIN:VEVENT\nUID:1\nSUMMARY:Ada Beispiel\n" + strings.Join(lines, "\n") + "\nEND:VEVENT\nEND:VCALENDAR\n"
}

// What an event lacks is said of it; a rule is never half understood.
func TestReadCalendarOddities(t *testing.T) {
	for lines, want := range map[string]string{
		"DTSTART:20270601T070000":                                                                   "end",
		"DTSTART:20270601T070000\nDTEND:20270601T070000":                                            "end",
		"DTSTART:20270601T070000\nDTEND;VALUE=DATE:20270602":                                        "end",
		"DTSTART:20270601T070000\nDURATION:PT":                                                      "end",
		"DTSTART:20270601T070000\nDURATION:-PT1H":                                                   "end",
		"DTSTART:20270601T070000\nDURATION:P101D":                                                   "long",
		"DTSTART;VALUE=DATE:20270601\nDTEND;VALUE=DATE:20271001":                                    "long",
		"DTSTART:morgen\nDURATION:PT1H\nRRULE:FREQ=DAILY":                                           "end",
		"DURATION:PT1H\nRDATE:20270601T070000":                                                      "end",
		"DTSTART:20270601T070000\nDTEND:morgen\nRRULE:FREQ=DAILY":                                   "end",
		"DTSTART:morgen\nDTEND:20270601T070000":                                                     "end",
		"DTSTART:99990601T070000Z\nDTEND:99990601T080000Z":                                          "end",
		"DTSTART;TZID=Local:20270601T070000\nDURATION:PT1H":                                         "zone",
		"DTSTART;TZID=../../etc/passwd:20270601T070000\nDURATION:PT1H":                              "zone",
		"DTSTART:20270601T070000\nDURATION:PT1H\nRRULE:FREQ=HOURLY":                                 "rule",
		"DTSTART:20270601T070000\nDURATION:PT1H\nRRULE:FREQ=DAILY;X=1":                              "rule",
		"DTSTART:20270601T070000\nDURATION:PT1H\nRRULE:":                                            "",
		"DTSTART:20270601T070000\nDURATION:PT1H\nEXDATE:gestern":                                    "rule",
		"DTSTART:20270601T070000\nDURATION:PT1H\nRRULE:FREQ=DAILY;BYHOUR=8,20":                      "rule",
		"DTSTART:20270601T070000\nDURATION:PT1H\nRRULE:FREQ=DAILY\nEXRULE:FREQ=WEEKLY":              "rule",
		"DTSTART:20270601T070000\nDURATION:PT1H\nRECURRENCE-ID;RANGE=THISANDFUTURE:20270601T070000": "rule",
		"DTSTART:20270601T070000\nDURATION:PT1H\nRDATE;VALUE=PERIOD:20270602T070000/PT1H":           "rule",
		"DTSTART:20270601T070000\nDURATION:P1DT1H30M":                                               "",
		"DTSTART;TZID=/mozilla.org/20050126_1/Europe/Berlin:20270601T070000\nDURATION:PT1H":         "",
		"DTSTART;TZID=Romance Standard Time:20270601T070000\nDURATION:PT1H":                         "",
	} {
		in := readCalendar(t, []byte(oneEvent(lines)))
		if len(in.Entries) != 1 || string(in.Entries[0].Off) != want {
			t.Errorf("%s: %+v, want %q", lines, in, want)
		}
	}
	// A rule that never comes true, and one that goes on.
	if in := readCalendar(t, []byte(oneEvent("DTSTART:20270601T070000", "DURATION:PT1H", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"))); len(in.Entries) != 0 || in.Past != 1 {
		t.Errorf("30 February: %+v", in)
	}
	in := readCalendar(t, []byte(oneEvent("DTSTART:19990604T070000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;INTERVAL=2")))
	if len(in.Entries) < 28 || in.Later != 1 || told(t, in.Entries[0]) != "2027-05-28 07:00 to 2027-05-28 08:00 | Ada Beispiel |" {
		t.Errorf("a series of long ago: %d, %d, %v", len(in.Entries), in.Later, in.Entries)
	}
	// UNTIL that names a day includes it, as some write it.
	if in := readCalendar(t, []byte(oneEvent("DTSTART:20270601T070000", "DURATION:PT1H", "RRULE:FREQ=DAILY;UNTIL=20270603"))); len(in.Entries) != 3 {
		t.Errorf("until a day: %d", len(in.Entries))
	}
	// Two calendars in one file; an old program's letters.
	text := strings.Replace(oneEvent("DTSTART:20270601T070000", "DURATION:PT1H"), "Ada Beispiel", "Jürgen Groß", 1)
	old, err := charmap.Windows1252.NewEncoder().String(text + "\n" + text)
	if err != nil || utf8.ValidString(old) {
		t.Fatal(err)
	}
	if in := readCalendar(t, []byte(old)); len(in.Entries) != 2 || in.Entries[1].Title != "Jürgen Groß" {
		t.Errorf("Windows-1252: %+v", in)
	}
	// The same event twice: the higher revision counts.
	twice := strings.Replace(oneEvent("DTSTART:20270601T070000", "DURATION:PT1H", "SEQUENCE:2", "END:VEVENT", "BEGIN:VEVENT", "UID:1", "DTSTART:20270602T070000", "DURATION:PT1H", "SEQUENCE:1"), "x", "x", 1)
	if in := readCalendar(t, []byte(twice)); len(in.Entries) != 1 || in.Entries[0].From.Day() != 1 {
		t.Errorf("two revisions: %+v", in)
	}
}

// What is no calendar, or too much of one, is refused whole.
func TestReadCalendarRefused(t *testing.T) {
	event := "BEGIN:VEVENT\nUID:%d\nDTSTART:20270601T070000\nDURATION:PT1H\nEND:VEVENT\n"
	var many strings.Builder
	for i := range 2001 {
		fmt.Fprintf(&many, event, i)
	}
	daily := strings.Repeat(strings.Replace(event, "DURATION", "RRULE:FREQ=DAILY\nDURATION", 1), 6)
	for i := range 6 {
		daily = strings.Replace(daily, "%d", fmt.Sprint(i), 1)
	}
	for text, want := range map[string]string{
		"":                                 "roster.import_empty",
		" \n\t":                            "roster.import_empty",
		"Liebe Kollegin,\nanbei der Plan":  "roster.import_unreadable",
		"BEGIN:VCALENDAR\n":                "roster.import_unreadable",
		"END:VCALENDAR\n":                  "roster.import_unreadable",
		"BEGIN:VEVENT\nEND:VEVENT\n":       "roster.import_unreadable",
		strings.Repeat("BEGIN:X\n", 60000): "roster.import_unreadable",
		oneEvent("kein Doppelpunkt"):       "roster.import_unreadable",
		"x" + oneEvent(""):                 "roster.import_unreadable",
		strings.Repeat("x", 600<<10):       "roster.import_big",
		"BEGIN:VCALENDAR\n" + many.String() + "END:VCALENDAR\n": "roster.import_many",
		"BEGIN:VCALENDAR\n" + daily + "END:VCALENDAR\n":         "roster.import_many",
	} {
		_, err := roster.ReadCalendar([]byte(text), berlin(t, "2027-05-20 10:00"), roster.Berlin())
		if f := fault.As(err); f.Key != want || f.Fields["file"] != want {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
}

// Whatever is sent: no crash, no hang, and what is read is what may become a shift.
func FuzzCalendar(f *testing.F) {
	for _, name := range []string{"outlook.ics", "google.ics", "nextcloud.ics"} {
		f.Add(calendarFile(f, name))
	}
	f.Add([]byte(oneEvent("DTSTART:20270601T070000", "DURATION:PT1H", "RRULE:FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1;COUNT=400")))
	f.Add([]byte(oneEvent("DTSTART;VALUE=DATE:20270601", "RRULE:FREQ=YEARLY;BYWEEKNO=53", "EXDATE;VALUE=DATE:20270601", "RDATE;VALUE=DATE:20270701")))
	now := berlin(f, "2027-05-20 10:00")
	f.Fuzz(func(t *testing.T, raw []byte) {
		in, err := roster.ReadCalendar(raw, now, roster.Berlin())
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("refused as %v", err)
			}
			return
		}
		if len(in.Entries) > 2000 {
			t.Fatalf("%d entries", len(in.Entries))
		}
		for _, e := range in.Entries {
			switch {
			case e.UID == "" || strings.ContainsAny(e.Title, "\r\n") || utf8.RuneCountInString(e.Title) > 120:
				t.Fatalf("%+v", e)
			case e.Off != "":
			case e.Whole():
				if !e.First.Before(e.Last) {
					t.Fatalf("%+v", e)
				}
			case !e.From.Before(e.To) || !e.To.After(now) || e.To.Sub(e.From) > 100*24*time.Hour:
				t.Fatalf("%+v", e)
			}
		}
	})
}
