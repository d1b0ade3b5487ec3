package roster_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/fault"
	"tuermer/internal/raise/roster"
)

func TestTargets(t *testing.T) {
	for in, want := range map[string]int{
		"": 0, "Mo-Fr 8-16 = 2": 1, "Mo-Fr 8-16=2; Sa 9-13 = 3": 2, "Mo 8-16 = 2\nFeiertag 9-17 = 1": 2,
		"Mo-Fr 8-16": -1, "Mo-Fr 8-16 = 0": -1, "Mo-Fr 8-16 = 21": -1, "Mo-Fr = 2": -1, "= 2": -1, "Mo-Fr 8-16 = 2 = 3": -1,
	} {
		got, ok := roster.ParseTargets(in)
		if ok != (want >= 0) || ok && len(got) != want {
			t.Errorf("%q: %v %v", in, got, ok)
		}
	}
}

// A target holds in its hours, elsewhere the roster's number; the warning comes
// before the hour, and what becomes short late is told at once.
func TestTargetIsWarnedOfAhead(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		x.clock.at = berlin(t, "2027-05-01 10:00")
		ro := press(t)
		ro.Plan.Lines = [][]string{{ada}, {bert}}
		ro.Need, ro.Targets, ro.Channels = 1, "Mo-Fr 10-12 = 2", []string{"Telefon"}
		if err := x.Save(x.as(bert), ro, true); err != nil {
			t.Fatal(err)
		}
		look := func(at string, want int) {
			t.Helper()
			before := len(x.sent)
			x.clock.at = berlin(t, at)
			if _, err := x.Announce(x.w.Ctx, x.clock.at); err != nil {
				t.Fatal(err)
			}
			if n := len(x.sent) - before; n != want {
				t.Fatalf("%s: %d mails, want %d: %v", at, n, want, x.sent[before:])
			}
		}
		cover := func(from, to string) string {
			t.Helper()
			o, err := x.Cover(x.as(bert), roster.Override{Roster: "presse", Line: 1, From: berlin(t, from), To: berlin(t, to)})
			if err != nil {
				t.Fatal(err)
			}
			return o.ID
		}
		look("2027-05-01 10:00", 0)
		// On a Tuesday nobody is in the second line from nine to eleven: short from ten.
		whole := cover("2027-05-27 09:00", "2027-05-27 11:00") // Fronleichnam is no working day
		look("2027-05-20 10:00", 0)
		first := cover("2027-05-25 09:00", "2027-05-25 11:00")
		look("2027-05-20 10:00", 1)
		x.mailTo(t, cleo, "nur 1 von 2 Personen ab Dienstag, 25. Mai 2027, 10:00")
		look("2027-05-20 10:05", 0)
		// Half of it is filled: no news. It opens again: news at once, not three days before.
		half, err := x.Cover(x.as(bert), roster.Override{Roster: "presse", Line: 1, From: berlin(t, "2027-05-25 10:30"), To: berlin(t, "2027-05-25 11:00"), Person: cleo})
		if err != nil {
			t.Fatal(err)
		}
		look("2027-05-20 10:10", 0)
		if err := x.Undo(x.as(bert), "presse", half.ID); err != nil {
			t.Fatal(err)
		}
		look("2027-05-20 10:15", 1)
		look("2027-05-20 10:20", 0)
		if err := x.Undo(x.as(bert), "presse", first); err != nil {
			t.Fatal(err)
		}
		look("2027-05-20 10:25", 0)
		cover("2027-05-25 09:00", "2027-05-25 11:00")
		look("2027-05-20 10:30", 1)
		// The one who is left falls ill: worse is news.
		if _, err := x.Cover(x.as(bert), roster.Override{Roster: "presse", Line: 0, From: berlin(t, "2027-05-25 07:00"), To: berlin(t, "2027-05-25 22:00")}); err != nil {
			t.Fatal(err)
		}
		look("2027-05-20 10:35", 1)
		x.mailTo(t, cleo, "niemand ist eingeteilt")
		x = again(t, x)
		look("2027-05-20 10:40", 0)
		if err := x.Undo(x.as(bert), "presse", whole); err != nil {
			t.Fatal(err)
		}
		look("2027-05-20 10:45", 0)

		f, err := x.Figures(x.w.Ctx, "presse", 2027)
		if err != nil {
			t.Fatal(err)
		}
		tuesday := f.Staff[1]
		if tuesday[9] != (roster.Staffing{Need: 1, Have: 0}) || tuesday[10] != (roster.Staffing{Need: 2, Have: 0}) || tuesday[11] != (roster.Staffing{Need: 2, Have: 1}) || tuesday[6] != (roster.Staffing{}) {
			t.Errorf("Tuesday %v", tuesday)
		}
		if wednesday := f.Staff[2]; wednesday[10] != (roster.Staffing{Need: 2, Have: 2}) || wednesday[12] != (roster.Staffing{Need: 1, Have: 2}) {
			t.Errorf("Wednesday %v", wednesday)
		}
		if f.Heat[2][10] != 100 || f.Heat[1][10] != 75 {
			t.Errorf("heat %v", f.Heat)
		}
		ro.Targets = "Mo-Fr 10-12"
		if err := x.Save(x.as(bert), ro, false); fault.KindOf(err) != fault.Invalid {
			t.Error(err)
		}
	})
}

// A target out of the hours of the plan is a gap, not silence.
func TestTargetOutOfHours(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		ro := press(t)
		ro.Targets = "Sa 18-20 = 1"
		if err := x.Save(x.as(bert), ro, true); err != nil {
			t.Fatal(err)
		}
		if _, err := x.Announce(x.w.Ctx, x.clock.at); err != nil {
			t.Fatal(err)
		}
		x.mailTo(t, cleo, "Samstag, 22. Mai 2027, 18:00–20:00 Uhr: niemand ist eingeteilt")
	})
}

// Of two rosters that look after a channel the numbers add up, and somebody who
// stands in both is one person.
func TestChannelOfTwoRosters(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		for _, slug := range []string{"eins", "zwei"} {
			ro := press(t)
			ro.Slug, ro.Name, ro.Plan.Lines, ro.Channels = slug, slug, [][]string{{ada}}, []string{"Telefon"}
			if err := x.Save(x.as(bert), ro, true); err != nil {
				t.Fatal(err)
			}
		}
		all, err := x.Boards(x.w.Ctx, 2027)
		if err != nil || len(all) != 3 {
			t.Fatal(all, err)
		}
		if b := all[2]; b.Name != "Telefon" || len(b.Rosters) != 2 || b.Staff[2][10] != (roster.Staffing{Need: 2, Have: 1}) || !b.Staff[2][10].Short() {
			t.Errorf("%+v", all[2])
		}
		if all[0].Staff[2][10] != (roster.Staffing{Need: 1, Have: 1}) {
			t.Errorf("%+v", all[0])
		}
		if _, err := x.Boards(x.w.Ctx, 0); fault.KindOf(err) != fault.Invalid {
			t.Error(err)
		}
	})
}

// Whatever hours, targets and people there are, levels never lie over each other,
// each gap is covered or asked for, and no hour that is short says it is not.
func TestI20TargetIsNeverDropped(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		hours := rapid.SampledFrom([]string{"Mo-Fr 7-22; Sa-So, Feiertag 9-17", "Mo-So 22-6", "Mo-So, Feiertag 0-24", "Mi 8-9"}).Draw(rt, "hours")
		targets := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"Mo-Fr 8-16 = 2", "Mo-So 20-8 = 3", "So 0-24 = 1", "Sa 2-3 = 2", "Feiertag 8-12 = 2"}), 0, 3).Draw(rt, "targets"), "; ")
		lines := rapid.SampledFrom([][][]string{{{ada}}, {{ada, bert}, {bert, ada}}, {{ada}, {ada}}, {{"weg@musterstadt.example"}, {bert}}}).Draw(rt, "lines")
		ro := roster.Roster{Need: rapid.IntRange(0, 3).Draw(rt, "need"), Targets: targets, Plan: roster.Plan{
			Template: roster.Own, Own: hours, Lines: lines, Every: rapid.IntRange(1, 9).Draw(rt, "every"), Start: day(t, "2026-10-05"),
		}}
		from := berlin(t, "2026-10-20 00:00").Add(time.Duration(rapid.IntRange(0, 400).Draw(rt, "from")) * time.Hour)
		to := from.Add(time.Duration(rapid.IntRange(1, 300).Draw(rt, "length")) * time.Hour)
		levels, gaps := roster.LevelsOf(ro, from, to, ada, bert)
		parsed, ok := roster.ParseTargets(targets)
		if !ok {
			rt.Fatal(targets)
		}
		need := func(at time.Time) (n int) {
			for _, target := range parsed {
				for _, s := range target.Hours.Covered(at, at.Add(time.Second), roster.NewCalendar("HE", nil), roster.Berlin()) {
					if s.Has(at) {
						n = max(n, target.Need)
					}
				}
			}
			return n
		}
		for i, l := range levels {
			if !l.From.Before(l.To) || i > 0 && l.From.Before(levels[i-1].To) {
				rt.Fatalf("%v after %v", l, levels[max(0, i-1)])
			}
		}
		for at := from; at.Before(to); at = at.Add(97 * time.Minute) {
			var here roster.Level
			for _, l := range levels {
				if l.Has(at) {
					here = l
				}
			}
			if n := need(at); n > 0 && here.Need != n {
				rt.Fatalf("%s: %d are asked for, the level says %d", at, n, here.Need)
			}
			gap := false
			for _, g := range gaps {
				gap = gap || !at.Before(g.From) && at.Before(g.To)
			}
			if gap != (here.Have < here.Need) {
				rt.Fatalf("%s: gap %v of %+v", at, gap, here)
			}
		}
	})
}
