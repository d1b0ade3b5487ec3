package roster_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/raise/roster"
)

// The rest by hand: what is left until the next work counts, and eleven hours are
// real hours in the night in which the clocks change.
func TestRest(t *testing.T) {
	for name, c := range map[string]struct {
		out     [2]string
		more    [2]string
		longest string
		after   string
		broken  bool
	}{
		"three at night":               {[2]string{"2027-06-02 02:00", "2027-06-02 03:30"}, [2]string{}, "10h", "4h30m", true},
		"early in the evening":         {[2]string{"2027-06-01 18:00", "2027-06-01 19:00"}, [2]string{}, "13h", "13h", false},
		"to the minute":                {[2]string{"2027-06-01 18:00", "2027-06-01 21:00"}, [2]string{}, "11h", "11h", false},
		"a minute too long":            {[2]string{"2027-06-01 18:00", "2027-06-01 21:01"}, [2]string{}, "10h59m", "10h59m", true},
		"rested before":                {[2]string{"2027-06-02 03:00", "2027-06-02 04:00"}, [2]string{}, "11h", "4h", true},
		"two of them":                  {[2]string{"2027-06-01 18:00", "2027-06-01 19:00"}, [2]string{"2027-06-02 04:00", "2027-06-02 05:00"}, "9h", "13h", false},
		"into the working day":         {[2]string{"2027-06-02 02:00", "2027-06-02 09:00"}, [2]string{}, "10h", "0s", true},
		"at the weekend":               {[2]string{"2027-06-05 12:00", "2027-06-06 12:00"}, [2]string{}, "20h", "20h", false},
		"before Fronleichnam":          {[2]string{"2027-05-27 02:00", "2027-05-27 03:00"}, [2]string{}, "29h", "29h", false},
		"out of work":                  {[2]string{"2027-06-01 15:00", "2027-06-01 22:00"}, [2]string{}, "10h", "10h", true},
		"the clocks go back on Sunday": {[2]string{"2027-10-31 20:00", "2027-10-31 21:30"}, [2]string{}, "53h", "10h30m", true},
	} {
		from := roster.Stretch{From: berlin(t, c.out[0]), To: berlin(t, c.out[1])}
		var all []roster.Stretch
		if c.more[0] != "" {
			all = append(all, roster.Stretch{From: berlin(t, c.more[0]), To: berlin(t, c.more[1])})
		}
		r := roster.RestOf("", from, all)
		if r.Longest.String() != long(t, c.longest) || r.After.String() != long(t, c.after) || r.Broken() != c.broken || !r.Earliest.Equal(from.To.Add(11*time.Hour)) {
			t.Errorf("%s: longest %v, after %v, broken %v", name, r.Longest, r.After, r.Broken())
		}
	}
	// By the clock eleven hours and a half are left in spring, and ten and a half in
	// autumn; really it is the other way round.
	out := func(from, to string) roster.Stretch {
		return roster.Stretch{From: berlin(t, from), To: berlin(t, to)}
	}
	if r := roster.RestOf("Mo-So 13-22", out("2027-03-28 00:30", "2027-03-28 01:30"), nil); r.After != 10*time.Hour+30*time.Minute || !r.Broken() {
		t.Errorf("spring: %+v", r)
	}
	if r := roster.RestOf("Mo-So 12-20", out("2027-10-31 00:30", "2027-10-31 01:30"), nil); r.After != 11*time.Hour+30*time.Minute || r.Broken() {
		t.Errorf("autumn: %+v", r)
	}
}

func long(t *testing.T, s string) string {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// Whatever hours and call-outs there are: the rest is broken just where less than
// eleven hours lie between the call-out and the next work, and the longest piece is
// right, counted minute by minute in real time; another call-out mends nothing.
func TestI20RestIsCountedInRealTime(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		work := rapid.SampledFrom([]string{"", "Mo-Fr 7-22; Sa-So 9-17", "Mo-So 22-6", "Mo-Fr 8-12 und 13-17"}).Draw(rt, "work")
		base := rapid.SampledFrom([]string{"2027-03-27 12:00", "2027-10-30 12:00", "2027-06-01 00:00", "2027-12-31 20:00"}).Draw(rt, "base")
		draw := func(name string) roster.Stretch {
			from := berlin(t, base).Add(time.Duration(rapid.IntRange(0, 40*60).Draw(rt, name+" from")) * time.Minute)
			return roster.Stretch{From: from, To: from.Add(time.Duration(rapid.IntRange(1, 600).Draw(rt, name+" length")) * time.Minute)}
		}
		out := draw("out")
		var all []roster.Stretch
		for range rapid.IntRange(0, 3).Draw(rt, "more") {
			all = append(all, draw("other"))
		}
		r := roster.RestOf(work, out, all)
		if r.Earliest.Before(out.To.Add(11 * time.Hour)) {
			rt.Fatal("earliest")
		}
		if more := roster.RestOf(work, out, append(all, draw("another"))); more.Longest > r.Longest {
			rt.Fatalf("another call-out made %v of %v", more.Longest, r.Longest)
		}
		if r.Free.From.Equal(r.Free.To) {
			return
		}
		row, best, after := time.Duration(0), time.Duration(0), time.Duration(0)
		for at := r.Free.From; at.Before(r.Free.To); at = at.Add(time.Minute) {
			busy := out.Has(at)
			for _, o := range all {
				busy = busy || o.Has(at)
			}
			if at.Sub(r.Free.From)%(97*time.Minute) == 0 && roster.AtWork(work, at) {
				rt.Fatalf("%s lies in the rest and is work", at)
			}
			if !at.Before(out.To) {
				after += time.Minute
			}
			if row += time.Minute; busy {
				row = 0
			}
			best = max(best, row)
		}
		if best != r.Longest || after != r.After || r.Broken() != (after < 11*time.Hour) {
			rt.Fatalf("counted %v and %v, figured %v and %v, broken %v", best, after, r.Longest, r.After, r.Broken())
		}
	})
}

// An alarm taken over at night is a call-out, once; it ends with the alarm or by the
// person's word. Person and lead hear of a broken rest, once; others see nothing.
func TestCallouts(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		x.clock.at = berlin(t, "2027-06-01 23:30")
		ro := press(t)
		if err := x.Save(x.as(bert), ro, true); err != nil {
			t.Fatal(err)
		}
		system := ident.WithActor(x.w.Ctx, ident.System)
		call := func(alert, at string) {
			t.Helper()
			x.clock.at = berlin(t, at)
			for range 2 { // told twice
				if err := x.CalledOut(system, roster.Call{Alert: alert, Title: "Bürgerportal antwortet nicht", Person: x.id(ada), At: x.clock.at}); err != nil {
					t.Fatal(err)
				}
			}
		}
		book := func(mail string) []roster.Entry {
			t.Helper()
			b, err := x.Callouts(x.as(mail), roster.Month{Year: 2027, Month: time.June})
			if err != nil {
				t.Fatal(err)
			}
			return b.Entries
		}
		look := func(want int) {
			t.Helper()
			before := len(x.sent)
			if _, err := x.Announce(x.w.Ctx, x.clock.at); err != nil {
				t.Fatal(err)
			}
			if n := len(x.sent) - before; n != want {
				t.Fatalf("%d mails, want %d: %v", n, want, x.sent[before:])
			}
		}
		look(0) // gaps, if there are
		call("day", "2027-06-01 10:00")
		if all := book(ada); len(all) != 0 {
			t.Fatalf("work is a call-out: %+v", all)
		}
		call("night", "2027-06-02 02:00")
		all := book(ada)
		if len(all) != 1 || !all[0].Open() || all[0].Roster != "presse" {
			t.Fatalf("%+v", all)
		}
		look(0) // it runs, and work is far
		x.clock.at = berlin(t, "2027-06-02 03:30")
		if err := x.CallOver(system, "night", x.clock.at); err != nil {
			t.Fatal(err)
		}
		look(2)
		x.mailTo(t, ada, "keine elf Stunden", "Mittwoch, 2. Juni 2027, 08:00 Uhr", "4:30 Stunden", "Elf Stunden sind erreicht: Mittwoch, 2. Juni 2027, 14:30 Uhr")
		x.mailTo(t, cleo, "Ada Beispiel", "keine elf Stunden")
		look(0)
		// The lead sees it, the other of the roster does not, and an administrator neither.
		if n := len(book(cleo)); n != 1 {
			t.Errorf("the lead sees %d", n)
		}
		if n := len(book(bert)); n != 0 {
			t.Errorf("the administrator sees %d", n)
		}
		id := all[0].ID
		want := all[0].Callout
		want.End, want.Note = berlin(t, "2027-06-02 04:15"), "auch telefoniert"
		if _, err := x.ChangeCallout(x.as(bert), id, want); fault.KindOf(err) != fault.Forbidden {
			t.Error("an administrator changed it:", err)
		}
		x.clock.at = berlin(t, "2027-06-02 04:20")
		if _, err := x.ChangeCallout(x.as(ada), id, want); err != nil {
			t.Fatal(err)
		}
		look(2) // another rest
		want.End = want.Begin
		if _, err := x.ChangeCallout(x.as(ada), id, want); fault.KindOf(err) != fault.Invalid {
			t.Error(err)
		}
		if _, err := x.ChangeCallout(x.as(ada), "gibt-es-nicht", want); fault.KindOf(err) != fault.NotFound {
			t.Error(err)
		}
		// What overlaps counts once; what was none counts not at all.
		x.clock.at = berlin(t, "2027-06-02 07:00")
		by, err := x.AddCallout(x.as(ada), roster.Callout{Begin: berlin(t, "2027-06-02 04:00"), End: berlin(t, "2027-06-02 04:45"), Note: "Anruf"})
		if err != nil {
			t.Fatal(err)
		}
		b, err := x.Callouts(x.as(cleo), roster.Month{Year: 2027, Month: time.June})
		if err != nil || len(b.Totals) != 1 || b.Totals[0].Minutes != 165 || b.Totals[0].Count != 2 {
			t.Errorf("%+v %v", b.Totals, err)
		}
		by.Void = true
		if _, err := x.ChangeCallout(x.as(cleo), by.ID, by); err != nil {
			t.Fatal(err)
		}
		if b, err = x.Callouts(x.as(cleo), roster.Month{Year: 2027, Month: time.June}); err != nil || b.Totals[0].Minutes != 135 || len(b.Entries) != 2 {
			t.Errorf("%+v %v", b.Totals, err)
		}
		if _, err := x.AddCallout(x.as(dora), roster.Callout{Begin: berlin(t, "2027-06-02 04:00"), End: berlin(t, "2027-06-02 04:45")}); fault.KindOf(err) != fault.Forbidden {
			t.Error("somebody of no roster:", err)
		}
		// One that nobody ends is warned of before work begins.
		call("late", "2027-06-03 01:00")
		look(0)
		x.clock.at = berlin(t, "2027-06-03 07:00")
		look(2)
		x.mailTo(t, ada, "läuft seit Donnerstag, 3. Juni 2027, 01:00 Uhr")
		if c, err := x.EndCallout(x.as(ada), book(ada)[2].ID); err != nil || c.Open() {
			t.Error(c, err)
		}
	})
}

// A table for payroll calculates nothing, whatever people write.
func TestCalloutMonth(t *testing.T) {
	for in, ok := range map[string]bool{"2027-05": true, "2027-13": false, "": false, "1800-01": false, "2027-5": false} {
		if _, got := roster.ParseMonth(in); got != ok {
			t.Errorf("%q: %v", in, got)
		}
	}
	if m := (roster.Month{Year: 2027, Month: time.December}).Add(1).String(); m != "2028-01" {
		t.Error(m)
	}
	if !strings.HasPrefix((roster.Month{Year: 2027, Month: time.January}).Add(-1).String(), "2026-12") {
		t.Error("back")
	}
}
