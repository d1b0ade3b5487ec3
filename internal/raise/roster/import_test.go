package roster_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/raise/roster"
)

// becomes are the rows of a harvest in a word each: who, what, why.
func becomes(h roster.Harvest) string {
	var out []string
	for _, x := range h.Rows {
		who, _, _ := strings.Cut(x.Person, "@")
		out = append(out, strings.TrimRight(fmt.Sprintf("%s %s %s%s", who, x.Outcome, x.Why, x.By), " "))
	}
	return strings.Join(out, "; ")
}

func calendarOf(events ...string) []byte {
	return []byte("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Test//DE\n" + strings.Join(events, "") + "END:VCALENDAR\n")
}

func entry(uid, title, from, to string, more ...string) string {
	return "BEGIN:VEVENT\nUID:" + uid + "\nSUMMARY:" + title + "\nDTSTART:" + from + "\nDTEND:" + to + "\n" + strings.Join(append(more, ""), "\n") + "END:VEVENT\n"
}

func (t *town) take(tb testing.TB, raw []byte) roster.Harvest {
	tb.Helper()
	seen, err := t.Preview(t.as(cleo), "presse", raw, 0)
	if err != nil {
		tb.Fatal(err)
	}
	h, err := t.Take(t.as(cleo), "presse", raw, 0, seen.Digest)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// A calendar becomes overrides: looked at first, then taken as it was seen. The same
// file again changes nothing; what moved in it moves; what it cancels is taken back;
// the whole can be undone, and read once more.
func TestImport(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		if err := x.Save(x.as(bert), press(t), true); err != nil {
			t.Fatal(err)
		}
		lead := x.as(cleo)
		// In the week from 24 May it is Ada's turn, then Bert's.
		one := calendarOf(
			entry("mo", "Bereitschaft Bert Kern", "20270524T070000", "20270524T220000"),
			entry("di", "Ada Beispiel", "20270525T080000", "20270525T120000"),
			entry("wer", "Zahnarzt", "20270526T080000", "20270526T120000"),
			entry("we", "Dora Dach", "20270529", "20270531", "X-NOTE:whole days"),
		)
		one = []byte(strings.NewReplacer("DTSTART:20270529\n", "DTSTART;VALUE=DATE:20270529\n", "DTEND:20270531\n", "DTEND;VALUE=DATE:20270531\n").Replace(string(one)))
		h, err := x.Preview(lead, "presse", one, 0)
		if want := "bert take title; ada same title;  not unknown; dora take title; dora take title"; err != nil || becomes(h) != want || h.Rows[0].Before[0] != ada {
			t.Fatalf("%v\n%s\n%s", err, becomes(h), want)
		}
		if got := x.duty(t, "2027-05-24 10:00"); got != ada {
			t.Errorf("a look changed something: %q", got)
		}
		if _, err := x.Take(lead, "presse", one, 0, "0000"); fault.As(err).Key != "roster.import_changed" {
			t.Errorf("something else was taken: %v", err)
		}
		first := x.take(t, one)
		for at, want := range map[string]string{
			"2027-05-24 10:00": bert, "2027-05-25 10:00": ada, "2027-05-26 10:00": ada,
			"2027-05-29 08:59": "", "2027-05-29 09:00": dora, "2027-05-30 16:59": dora, "2027-05-30 17:00": "", // whole days are their hours
		} {
			if got := x.duty(t, at); got != want {
				t.Errorf("%s: %q, want %q", at, got, want)
			}
		}
		if again := x.take(t, one); again.Changes() != 0 || again.ID != "" || becomes(again) != "bert same title; ada same title;  not unknown; dora same title; dora same title" {
			t.Errorf("the same file again: %s", becomes(again))
		}

		// Bert's Monday becomes a Tuesday, and the weekend is called off.
		two := calendarOf(
			entry("mo", "Bereitschaft Bert Kern", "20270525T070000", "20270525T220000"),
			entry("we", "Dora Dach", "20270529T090000", "20270529T100000", "STATUS:CANCELLED"),
		)
		second := x.take(t, two)
		if want := "bert move title; dora back cancelled; dora back cancelled"; becomes(second) != want {
			t.Errorf("changed: %s, want %s", becomes(second), want)
		}
		for at, want := range map[string]string{"2027-05-24 10:00": ada, "2027-05-25 10:00": bert, "2027-05-29 10:00": ada} {
			if got := x.duty(t, at); got != want {
				t.Errorf("%s: %q, want %q", at, got, want)
			}
		}
		all, err := x.Imports(lead, "presse")
		if err != nil || len(all) != 2 || all[0].Moved != 1 || all[0].Back != 2 || all[0].Left != 3 || all[1].Taken != 3 || all[1].Left != 0 || all[0].By != "Cleo Stern" {
			t.Errorf("imports: %+v, %v", all, err)
		}

		// Undone, it is as after the first; undone too, as before.
		if err := x.UndoImport(lead, "presse", second.ID); err != nil {
			t.Fatal(err)
		}
		for at, want := range map[string]string{"2027-05-24 10:00": bert, "2027-05-25 10:00": ada, "2027-05-29 10:00": dora} {
			if got := x.duty(t, at); got != want {
				t.Errorf("undone, %s: %q, want %q", at, got, want)
			}
		}
		if err := x.UndoImport(lead, "presse", second.ID); fault.As(err).Key != "roster.import_undone" {
			t.Errorf("undone twice: %v", err)
		}
		if err := x.UndoImport(lead, "presse", first.ID); err != nil {
			t.Fatal(err)
		}
		if got := x.duty(t, "2027-05-24 10:00") + x.duty(t, "2027-05-29 10:00"); got != ada+ada {
			t.Errorf("all undone: %q", got)
		}
		if h := x.take(t, one); h.Count(roster.ImportTake) != 3 {
			t.Errorf("read once more: %s", becomes(h))
		}
		if err := x.UndoImport(lead, "presse", "gibt-es-nicht"); fault.KindOf(err) != fault.NotFound {
			t.Errorf("no such import: %v", err)
		}
		if err := x.Remove(x.as(bert), "presse"); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"roster_import", "roster_import_piece"} {
			n, err := x.w.Store.Read(x.w.Ctx).NewSelect().Table(table).Where("tenant_id <> ''").Count(x.w.Ctx)
			if err != nil || n != 0 {
				t.Errorf("%s holds %d rows of a roster that is gone, %v", table, n, err)
			}
		}
	})
}

// What has begun stays as it was: an import is laid from now on, and undone from then
// on.
func TestImportKeepsWhatWas(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		if err := x.Save(x.as(bert), press(t), true); err != nil {
			t.Fatal(err)
		}
		// It is Thursday, 20 May, 10 o'clock, in Bert's week.
		raw := calendarOf(
			entry("do", "Ada Beispiel", "20270520T080000", "20270520T200000"),
			entry("mi", "Ada Beispiel", "20270519T080000", "20270519T200000"),
		)
		h := x.take(t, raw)
		if becomes(h) != "ada take title" || h.Past != 1 {
			t.Fatalf("%s, past %d", becomes(h), h.Past)
		}
		if again := x.take(t, raw); again.Changes() != 0 {
			t.Errorf("again: %s", becomes(again))
		}
		x.clock.at = berlin(t, "2027-05-20 14:00")
		moved := x.take(t, calendarOf(entry("do", "Ada Beispiel", "20270520T080000", "20270520T150000")))
		if becomes(moved) != "ada move title" {
			t.Errorf("shorter: %s", becomes(moved))
		}
		x.clock.at = berlin(t, "2027-05-20 14:30")
		if err := x.UndoImport(x.as(cleo), "presse", moved.ID); err != nil {
			t.Fatal(err)
		}
		for at, want := range map[string]string{"09:59": bert, "10:00": ada, "13:59": ada, "14:10": ada, "14:40": ada, "19:59": ada, "20:00": bert} {
			if got := x.duty(t, "2027-05-20 "+at); got != want {
				t.Errorf("%s: %q, want %q", at, got, want)
			}
		}
		x.clock.at = berlin(t, "2027-05-20 16:00")
		if err := x.UndoImport(x.as(cleo), "presse", h.ID); err != nil {
			t.Fatal(err)
		}
		for at, want := range map[string]string{"14:10": ada, "15:59": ada, "16:00": bert} {
			if got := x.duty(t, "2027-05-20 "+at); got != want {
				t.Errorf("undone at four, %s: %q, want %q", at, got, want)
			}
		}
		x.clock.at = berlin(t, "2027-05-22 16:00")
		late := calendarOf(entry("sa", "Ada Beispiel", "20270522T160000", "20270522T170000"))
		over := x.take(t, late)
		x.clock.at = berlin(t, "2027-05-23 16:00")
		if err := x.UndoImport(x.as(cleo), "presse", over.ID); fault.As(err).Key != "roster.import_over" {
			t.Errorf("what is over was undone: %v", err)
		}
	})
}

// Who it is: by address, also the second one; by the full name; never by a guess.
func TestImportWho(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		ro := press(t)
		ro.Plan.Lines = append(ro.Plan.Lines, []string{bert})
		if err := x.Save(x.as(bert), ro, true); err != nil {
			t.Fatal(err)
		}
		x.block(dora)
		for more, want := range map[string]string{
			"SUMMARY:Kern":                                                          " not unknown",
			"SUMMARY:Kern\\, Dr. Bert":                                              "bert take title",
			"SUMMARY:Pressestelle: Bert Kern":                                       "bert take title",
			"SUMMARY:Bert Kernmann":                                                 " not unknown",
			"SUMMARY:Ada Beispiel statt Bert Kern":                                  " not several",
			"SUMMARY:Dora Dach":                                                     "dora not blocked",
			"SUMMARY:Presse: bert@musterstadt.example":                              "bert take title",
			"ATTENDEE:MAILTO:BERT@musterstadt.example":                              "bert take guest",
			"ATTENDEE:mailto:bert@posteo.example":                                   "bert take guest",
			"ATTENDEE:mailto:fremd@anderswo.example":                                " not unknown",
			"ATTENDEE:mailto:bert@musterstadt.example\nSUMMARY:Ada Beispiel bittet": "bert take guest",
			"ATTENDEE:mailto:bert@musterstadt.example\nATTENDEE:mailto:ada@musterstadt.example":                           " not several",
			"ATTENDEE:mailto:bert@musterstadt.example\nATTENDEE:mailto:ada@musterstadt.example\nSUMMARY:Dienst Bert Kern": "bert take title",
			"ORGANIZER:mailto:bert@musterstadt.example":                                                                   "bert take host",
			"ORGANIZER:mailto:cleo@musterstadt.example":                                                                   " not unknown", // she only enters it
			"ORGANIZER:mailto:bert@musterstadt.example\nATTENDEE:mailto:fremd@anderswo.example":                           " not unknown",
			"ORGANIZER:invalid:nomail\nSUMMARY:Bert Kern":                                                                 "bert take title",
		} {
			raw := calendarOf("BEGIN:VEVENT\nUID:1\nDTSTART:20270524T080000\nDTEND:20270524T100000\n" + more + "\nEND:VEVENT\n")
			h, err := x.Preview(x.as(cleo), "presse", raw, 0)
			if err != nil || becomes(h) != want {
				t.Errorf("%s: %q, %v, want %q", more, becomes(h), err, want)
			}
		}
		at := "DTSTART:20270524T080000\nDTEND:20270524T100000\n"
		for _, c := range []struct {
			events, want string
			line         int
		}{
			{"BEGIN:VEVENT\nUID:1\n" + at + "SUMMARY:Ada Beispiel\nEND:VEVENT\n", "ada take title", 1}, // the second line is Bert's
			{"BEGIN:VEVENT\nUID:x-3-20270524T060000Z-20270524T080000Z@tuermer\n" + at + "SUMMARY:Bert Kern\nEND:VEVENT\n", " not line", 0},
			{"BEGIN:VEVENT\nUID:1\n" + at + "SUMMARY:Ada Beispiel\nEND:VEVENT\nBEGIN:VEVENT\nUID:2\n" + at + "SUMMARY:Bert Kern\nEND:VEVENT\n", "ada not twicetitle; bert not twicetitle", 0},
			{entry("1", "Bert Kern", "20270530T180000", "20270530T200000"), "bert take title", 0}, // out of hours
		} {
			h, err := x.Preview(x.as(cleo), "presse", calendarOf(c.events), c.line)
			if err != nil || becomes(h) != c.want {
				t.Errorf("%q, %v, want %q", becomes(h), err, c.want)
			}
		}
		if _, err := x.Preview(x.as(cleo), "presse", calendarOf(), 2); fault.As(err).Fields["line"] == "" {
			t.Errorf("a third line: %v", err)
		}
	})
}

// The roster's lead may read calendars in; nobody else hears what is wrong with one.
func TestImportRights(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		if err := x.Save(x.as(bert), press(t), true); err != nil {
			t.Fatal(err)
		}
		for _, who := range []string{ada, dora} {
			_, err1 := x.Preview(x.as(who), "presse", []byte("kein Kalender"), 0)
			_, err2 := x.Take(x.as(who), "presse", []byte("kein Kalender"), 0, "")
			if err := x.UndoImport(x.as(who), "presse", "x"); fault.KindOf(err1) != fault.Forbidden || fault.KindOf(err2) != fault.Forbidden || fault.KindOf(err) != fault.Forbidden {
				t.Errorf("%s: %v, %v, %v", who, err1, err2, err)
			}
		}
		if _, err := x.Preview(x.as(cleo), "presse", []byte("kein Kalender"), 0); fault.As(err).Key != "roster.import_unreadable" {
			t.Error(err)
		}
	})
}

// Our own calendar comes back as it went out: into the same roster it changes nothing,
// into an empty one it makes the same duty, line by line, and gaps stay gaps.
func TestImportOfOwnExport(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		ro := press(t)
		ro.Plan.Lines = append(ro.Plan.Lines, []string{cleo, bert})
		if err := x.Save(x.as(bert), ro, true); err != nil {
			t.Fatal(err)
		}
		if _, err := x.Cover(x.as(bert), roster.Override{Roster: "presse", Line: 1, From: berlin(t, "2027-06-01 08:00"), To: berlin(t, "2027-06-01 10:00"), Person: dora}); err != nil {
			t.Fatal(err)
		}
		if _, err := x.Cover(x.as(bert), roster.Override{Roster: "presse", From: berlin(t, "2027-06-02 08:00"), To: berlin(t, "2027-06-02 10:00")}); err != nil {
			t.Fatal(err)
		}
		_, url, err := x.MakeFeed(x.as(bert), "presse", "alles", false)
		if err != nil {
			t.Fatal(err)
		}
		text, err := x.Calendar(x.w.Ctx, url[strings.LastIndex(url, "/")+1:])
		if err != nil {
			t.Fatal(err)
		}
		h, err := x.Preview(x.as(bert), "presse", []byte(text), 0)
		if err != nil || h.Changes() != 0 || h.Count(roster.ImportSame) < 200 || h.Count(roster.ImportNot) != 1 {
			t.Fatalf("into itself: %d, %d same, %d not, %v", h.Changes(), h.Count(roster.ImportSame), h.Count(roster.ImportNot), err)
		}
		other := ro
		other.Slug, other.Plan.Lines = "anders", [][]string{{dora}, {dora}}
		if err := x.Save(x.as(bert), other, true); err != nil {
			t.Fatal(err)
		}
		if h, err = x.Take(x.as(bert), "anders", []byte(text), 0, ""); err != nil || h.ID == "" {
			t.Fatal(err)
		}
		_, want, err1 := x.Show(x.as(bert), "presse", day(t, "2027-05-21"), day(t, "2027-11-01"))
		_, got, err2 := x.Show(x.as(bert), "anders", day(t, "2027-05-21"), day(t, "2027-11-01"))
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		line := func(s roster.Shown) string { return fmt.Sprint(s.Line, s.From, s.To, cmp.Or(s.Person, dora)) } // in a gap the other plan goes on
		var a, b []string
		for _, s := range want {
			a = append(a, line(s))
		}
		for _, s := range got {
			b = append(b, line(s))
		}
		if !slices.Equal(a, b) {
			t.Errorf("came back as\n%s\nwent out as\n%s", strings.Join(b[:10], "\n"), strings.Join(a[:10], "\n"))
		}
	})
}

// An import is as good as its undo, whatever the calendar says and how it changed in
// between: the same calendar again changes nothing; whoever the calendar names is on
// duty then, and of two that overlap the one that begins later; where it names nobody
// the plan goes on, so that no import silences an hour (I20); undone, everything is as
// it was before.
func TestI20ImportAndUndo(t *testing.T) {
	each(t, func(tt *testing.T, x *town) {
		n := 0
		rapid.Check(tt, func(t *rapid.T) {
			n++
			ro := roster.Roster{Slug: fmt.Sprintf("r%d", n), Name: "Plan", Plan: roster.Plan{
				Template: rapid.SampledFrom([]roster.Template{roster.Always, roster.Essen}).Draw(t, "template"), Lines: [][]string{{ada, bert}}, Every: 1, Start: day(tt, "2027-01-04"),
			}}
			admin := x.as(bert)
			if err := x.Save(admin, ro, true); err != nil {
				t.Fatal(err)
			}
			if rapid.Bool().Draw(t, "hand") {
				from := x.clock.at.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "from")) * time.Hour)
				if _, err := x.Cover(admin, roster.Override{Roster: ro.Slug, From: from, To: from.Add(8 * time.Hour), Person: dora}); err != nil {
					t.Fatal(err)
				}
			}
			shifts := func() []string {
				_, all, err := x.Show(admin, ro.Slug, day(tt, "2027-05-20"), day(tt, "2027-05-27"))
				if err != nil {
					t.Fatal(err)
				}
				var out []string
				for _, s := range all {
					line := fmt.Sprint(s.From, s.To, s.Person)
					if k := len(out); k > 0 && all[k-1].To.Equal(s.From) && all[k-1].Person == s.Person {
						line = "" // the same person goes on, by another override
					}
					out = append(out, line)
				}
				return out
			}
			type say struct {
				from, hours int
				name        string
			}
			calendar := map[string]say{}
			var ids []string
			var before [][]string
			for range rapid.IntRange(1, 4).Draw(t, "imports") {
				for range rapid.IntRange(1, 4).Draw(t, "edits") {
					calendar[rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "uid")] = say{
						rapid.IntRange(0, 60).Draw(t, "begin"), rapid.IntRange(1, 30).Draw(t, "hours"), rapid.SampledFrom([]string{"Ada Beispiel", "Bert Kern", "Cleo Stern", "Niemand"}).Draw(t, "name"),
					}
				}
				var events []string
				for _, uid := range []string{"a", "b", "c", "d"} {
					if s, ok := calendar[uid]; ok {
						from := x.clock.at.Add(time.Duration(s.from) * time.Hour).UTC()
						form := "20060102T150405Z"
						events = append(events, entry(uid, s.name, from.Format(form), from.Add(time.Duration(s.hours)*time.Hour).Format(form)))
					}
				}
				raw := calendarOf(events...)
				was := shifts()
				held := x.heldBy(t, ro.Slug)
				h, err := x.Take(admin, ro.Slug, raw, 0, "")
				if err != nil {
					t.Fatal(err)
				}
				if h.ID != "" {
					ids, before = append(ids, h.ID), append(before, was)
				}
				if again, err := x.Take(admin, ro.Slug, raw, 0, ""); err != nil || again.Changes() != 0 || again.ID != "" {
					t.Fatalf("again: %s, %v", becomes(again), err)
				}
				now := x.heldBy(t, ro.Slug)
				for hour := range now {
					var last *roster.ImportRow
					gone := false
					for i, row := range h.Rows {
						at := x.clock.at.Add(time.Duration(hour) * time.Hour)
						in := !at.Before(row.From) && at.Before(row.To)
						gone = gone || row.Outcome == roster.ImportMove || row.Outcome == roster.ImportBack
						if !in || row.Outcome == roster.ImportNot || row.Outcome == roster.ImportBack {
							continue
						}
						if last == nil || row.From.After(last.From) || row.From.Equal(last.From) && row.To.Before(last.To) {
							last = &h.Rows[i]
						}
					}
					switch {
					case last != nil && last.Outcome != roster.ImportSame && now[hour] != last.Person:
						t.Fatalf("hour %d: %q is on duty, the calendar says %q (%s)", hour, now[hour], last.Person, becomes(h))
					case last == nil && !gone && now[hour] != held[hour]:
						t.Fatalf("hour %d: %q is on duty, was %q, and the calendar says nothing", hour, now[hour], held[hour])
					case held[hour] != "" && now[hour] == "" && ro.Plan.Template == roster.Always:
						t.Fatalf("hour %d was silenced", hour)
					}
				}
			}
			for i, id := range slices.Backward(ids) {
				if err := x.UndoImport(admin, ro.Slug, id); err != nil {
					t.Fatal(err)
				}
				if got := shifts(); !slices.Equal(got, before[i]) {
					t.Fatalf("undone, the duty is\n%s\nand was\n%s", strings.Join(got, "\n"), strings.Join(before[i], "\n"))
				}
			}
		})
	})
}

// heldBy is who is on duty in each of the next hours.
func (t *town) heldBy(tb *rapid.T, slug string) []string {
	out := make([]string, 100)
	_, all, err := t.Show(t.as(bert), slug, roster.DateIn(t.clock.at, roster.Berlin()), roster.DateIn(t.clock.at, roster.Berlin()).Add(6))
	if err != nil {
		tb.Fatal(err)
	}
	for i := range out {
		at := t.clock.at.Add(time.Duration(i) * time.Hour)
		for _, s := range all {
			if !at.Before(s.From) && at.Before(s.To) {
				out[i] = s.Person
			}
		}
	}
	return out
}

// A terminal shows what would become of a calendar.
func TestImportReport(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		if err := x.Save(x.as(bert), press(t), true); err != nil {
			t.Fatal(err)
		}
		h, err := x.Preview(x.as(cleo), "presse", calendarFile(t, "google.ics"), 0)
		if err != nil {
			t.Fatal(err)
		}
		l := i18n.Of(x.as(cleo))
		if got := roster.ImportReport(l, h); !strings.Contains(got, "Ada Beispiel") {
			t.Error(got)
		}
	})
}
