package roster_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/roster"
	"tuermer/internal/town/audit"
)

// A gap is told 14, 3 and 1 days ahead and in the last hour, at its own reading of
// the clock, once each; whoever looks anew after a restart tells nothing twice.
func TestGapIsToldAhead(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		x.clock.at = berlin(t, "2027-05-01 10:00")
		if err := x.Save(x.as(bert), press(t), true); err != nil {
			t.Fatal(err)
		}
		// Sunday after the change to the next person, nobody from nine to seventeen.
		if _, err := x.Cover(x.as(bert), roster.Override{Roster: "presse", From: berlin(t, "2027-06-06 09:00"), To: berlin(t, "2027-06-06 17:00")}); err != nil {
			t.Fatal(err)
		}
		look := func(at string) (next time.Time, told int) {
			t.Helper()
			before := len(x.sent)
			x.clock.at = berlin(t, at)
			next, err := x.Announce(x.w.Ctx, x.clock.at)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range x.sent[before:] {
				if !strings.Contains(m.Subject+m.Text, "Sonntag, 6. Juni 2027, 09:00") || !strings.HasPrefix(m.To, "cleo") {
					t.Fatalf("%s: %s\n%s", m.To, m.Subject, m.Text)
				}
			}
			return next, len(x.sent) - before
		}
		for i, c := range []struct {
			at   string
			told int
		}{
			{"2027-05-20 10:00", 0},
			{"2027-05-23 08:59", 0},
			{"2027-05-23 09:00", 1}, // 14 days
			{"2027-05-23 09:05", 0},
			{"2027-06-03 08:59", 0},
			{"2027-06-03 09:00", 1}, // 3 days
			{"2027-06-04 09:00", 0},
			{"2027-06-05 09:00", 1}, // 1 day
			{"2027-06-06 07:59", 0},
			{"2027-06-06 08:00", 1}, // the last hour
			{"2027-06-06 12:00", 0},
			{"2027-06-06 17:00", 0},
			{"2027-06-20 09:00", 0},
		} {
			if i%3 == 2 { // as after a restart
				x = again(t, x)
			}
			if _, told := look(c.at); told != c.told {
				t.Errorf("%s: %d mails, want %d", c.at, told, c.told)
			}
		}
	})
}

// again is the town after a restart: the same data, a new room.
func again(t *testing.T, x *town) *town {
	t.Helper()
	y := newTown(t, x.w)
	y.clock.at = x.clock.at
	return y
}

// The sweeper wakes at the stage's own moment, in virtual time.
func TestGapIsToldOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := storetest.SQLite(t, []store.Migrations{audit.Migrations(), roster.Migrations()}...)
		x := newTownAt(t, w, clock.System{})
		ro := press(t)
		ro.Plan.Start = day(t, "2000-01-03")
		if err := x.Save(x.as(bert), ro, true); err != nil {
			t.Fatal(err)
		}
		if _, err := x.Cover(x.as(bert), roster.Override{Roster: "presse", From: berlin(t, "2000-01-05 12:00"), To: berlin(t, "2000-01-05 13:00")}); err != nil {
			t.Fatal(err)
		}
		if err := x.Start(w.Ctx); err != nil {
			t.Fatal(err)
		}
		defer x.Stop()
		until := func(at string, want int) {
			t.Helper()
			time.Sleep(time.Until(berlin(t, at)))
			synctest.Wait()
			if n := x.mails(); n != want {
				t.Fatalf("%s: %d mails, want %d", at, n, want)
			}
		}
		until("2000-01-02 11:59", 1) // at once, for it is known late
		until("2000-01-02 12:01", 2)
		until("2000-01-04 11:59", 2)
		until("2000-01-04 12:01", 3)
		until("2000-01-05 10:59", 3)
		until("2000-01-05 11:01", 4)
	})
}

// Without a lead who can be reached the administrators hear of it; a roster where
// everybody is there is silent.
func TestGapWithoutLead(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		if err := x.Save(x.as(bert), press(t), true); err != nil {
			t.Fatal(err)
		}
		if _, err := x.Announce(x.w.Ctx, x.clock.at); err != nil || len(x.sent) != 0 {
			t.Fatal(err, x.sent)
		}
		x.block(ada)
		x.block(cleo)
		if _, err := x.Announce(x.w.Ctx, x.clock.at); err != nil {
			t.Fatal(err)
		}
		x.mailTo(t, bert, "Ada Beispiel ist gesperrt", "Lücken")
		n := len(x.sent)
		if _, err := x.Announce(x.w.Ctx, x.clock.at); err != nil || len(x.sent) != n {
			t.Fatal("told twice", err)
		}
	})
}

// The heat map, the quality and what the plan asks of people.
func TestFigures(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		ro := press(t)
		ro.Channels = []string{"Telefon"}
		if err := x.Save(x.as(bert), ro, true); err != nil {
			t.Fatal(err)
		}
		f, err := x.Figures(x.w.Ctx, "presse", 2027)
		if err != nil {
			t.Fatal(err)
		}
		// Monday 7 is all; Thursday 8 lacks Fronleichnam; Sunday 18 nobody.
		if f.Heat[0][7] != 100 || f.Heat[3][8] != 75 || f.Heat[3][9] != 100 || f.Heat[6][18] != 0 || f.Heat[0][6] != 0 {
			t.Errorf("heat %v", f.Heat)
		}
		var hours float64
		for _, l := range f.Loads {
			hours += l.Hours
			if l.Nights != 0 || l.Weekends < 25 || l.Shifts < 170 {
				t.Errorf("load %+v", l)
			}
		}
		if hours != 4705-24 || len(f.Loads) != 2 { // without the days before the roster begins
			t.Errorf("%v hours for %d people", hours, len(f.Loads))
		}
		if f.Always() || f.Quality.Grades[0].Got != 50 || f.Quality.Points >= 100 {
			t.Errorf("quality %+v", f.Quality)
		}
		night := roster.Roster{Slug: "nacht", Name: "Nacht", Channels: []string{"Telefon"}, Plan: roster.Plan{
			Template: roster.Always, Lines: [][]string{{ada, bert, cleo}}, Every: 7, Start: day(t, "2026-12-28"), Handover: 480,
		}}
		if err := x.Save(x.as(bert), night, true); err != nil {
			t.Fatal(err)
		}
		all, err := x.Reaches(x.w.Ctx, 2027)
		if err != nil || len(all) != 3 {
			t.Fatal(all, err)
		}
		if all[0].Name != "Nacht" || !all[0].Always() || all[0].Staffed.Percent != 100 {
			t.Errorf("around the clock: %+v", all[0])
		}
		if all[1].Name != "Pressestelle" || all[1].Always() || all[1].Figure.Percent != 53.7 {
			t.Errorf("press: %+v", all[1])
		}
		if all[2].Name != "Telefon" || !all[2].Always() {
			t.Errorf("channel: %+v", all[2])
		}
		x.block(cleo)
		if all, _ := x.Reaches(x.w.Ctx, 2027); all[2].Always() || all[0].Always() {
			t.Errorf("a blocked person is counted: %+v", all)
		}
	})
}
