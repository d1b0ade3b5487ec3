package monitor

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/clock"
)

func rule(t *testing.T, rule, first string, lasts time.Duration) Recurring {
	t.Helper()
	q := Recurring{Rule: rule, First: first, Lasts: Duration(lasts), Reason: "Update"}
	if p := q.normal(); len(p) > 0 {
		t.Fatalf("%s: %v", rule, p)
	}
	return q
}

// Every Sunday at half past two, through the days on which the clocks change.
func TestRuleKeepsCivilTime(t *testing.T) {
	q := rule(t, "FREQ=WEEKLY;BYDAY=SU", "2026-03-22 02:30", 90*time.Minute)
	want := []string{
		"2026-03-22T01:30:00Z", // 02:30 CET
		"2026-03-29T01:30:00Z", // 02:30 does not come; an hour later it is 03:30 CEST
		"2026-04-05T00:30:00Z", // 02:30 CEST
	}
	now := time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC)
	for _, at := range want {
		w, ok := q.Next(now)
		if !ok || w.From.Format(time.RFC3339) != at || w.To.Sub(w.From) != 90*time.Minute {
			t.Errorf("%v %v, want %s", w, ok, at)
		}
		now = w.To
	}
	w, _ := q.Next(time.Date(2026, 10, 24, 0, 0, 0, 0, time.UTC))
	if w.From.Format(time.RFC3339) != "2026-10-25T00:30:00Z" { // 02:30 comes twice, the first counts
		t.Errorf("%v", w)
	}
	// Years later it is worked out just as well.
	w, ok := q.Next(time.Date(2046, 7, 1, 12, 0, 0, 0, time.UTC))
	z, _ := clock.Zone("")
	if local := w.From.In(z); !ok || local.Weekday() != time.Sunday || local.Format("15:04") != "02:30" {
		t.Errorf("%v", local)
	}
}

func TestRules(t *testing.T) {
	z, _ := clock.Zone("")
	for _, c := range []struct {
		rule, first, now, want string
		lasts                  time.Duration
	}{
		{"FREQ=MONTHLY;BYDAY=2TU", "2026-01-13 20:00", "2026-11-01 00:00", "2026-11-10 20:00", 4 * time.Hour}, // patch day
		{"RRULE:FREQ=WEEKLY;INTERVAL=2", "2026-01-05 06:00", "2026-01-06 00:00", "2026-01-19 06:00", time.Hour},
		{"FREQ=WEEKLY;INTERVAL=2", "2026-01-05 06:00", "2031-06-01 00:00", "2031-06-02 06:00", time.Hour},
		{"FREQ=DAILY;COUNT=3", "2026-01-05 06:00", "2026-01-06 23:00", "2026-01-07 06:00", time.Hour},
		{"FREQ=DAILY;COUNT=3", "2026-01-05 06:00", "2026-01-08 23:00", "", time.Hour},
		{"FREQ=DAILY;UNTIL=20260107T050000Z", "2026-01-05 06:00", "2026-01-06 23:00", "2026-01-07 06:00", time.Hour},
		{"FREQ=DAILY;UNTIL=20260107T045900Z", "2026-01-05 06:00", "2026-01-06 23:00", "", time.Hour},
		{"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "2026-01-01 00:00", "2026-01-02 00:00", "2028-02-29 00:00", time.Hour},
		{"FREQ=DAILY", "2026-01-05 23:30", "2026-03-01 00:10", "2026-02-28 23:30", time.Hour}, // open over midnight
	} {
		q := rule(t, c.rule, c.first, c.lasts)
		now, err := time.ParseInLocation("2006-01-02 15:04", c.now, z)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if w, ok := q.Next(now); ok {
			got = w.From.In(z).Format("2006-01-02 15:04")
		}
		if got != c.want {
			t.Errorf("%s after %s: %q, want %q", c.rule, c.now, got, c.want)
		}
	}
}

func TestRulesRefused(t *testing.T) {
	for r, want := range map[Recurring]string{
		{Rule: "FREQ=HOURLY", First: "2026-01-01 00:00", Lasts: Duration(time.Minute)}:                        ProblemRule,
		{Rule: "every sunday", First: "2026-01-01 00:00", Lasts: Duration(time.Hour)}:                         ProblemRule,
		{Rule: "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", First: "2026-01-01 00:00", Lasts: Duration(time.Hour)}:   ProblemRule,
		{Rule: "FREQ=DAILY;DTSTART=20260101T000000Z", First: "2026-01-01 00:00", Lasts: Duration(time.Hour)}:  ProblemRule,
		{Rule: "FREQ=DAILY", First: "Sonntag", Lasts: Duration(time.Hour)}:                                    ProblemRuleFirst,
		{Rule: "FREQ=DAILY", First: "2026-01-01 00:00", Lasts: Duration(24 * time.Hour)}:                      ProblemRuleDense, // nothing would ever alarm
		{Rule: "FREQ=DAILY;BYHOUR=1,2;BYMINUTE=0", First: "2026-01-01 00:00", Lasts: Duration(2 * time.Hour)}: ProblemRuleDense,
		{Rule: "FREQ=DAILY", First: "2026-01-01 00:00"}:                                                       ProblemRequired,
	} {
		p := r.normal()
		if len(p) == 0 || p[0].Key != want {
			t.Errorf("%s: %v, want %s", r.Rule, p, want)
		}
	}
}

func TestMaintenanceByRule(t *testing.T) {
	s := good(t, Spec{URL: "http://a.example/", Confirm: 2, MaintenanceRules: []Recurring{{Rule: "FREQ=DAILY", First: "2026-03-01 15:05", Lasts: Duration(time.Hour), Reason: "Sicherung"}}})
	m := NewMachine("x", s)
	var tr Transition
	st, _ := m.Step(NewStatus(t0), fine(t0), Around{}, t0) // 15:00 in the town
	now := st.NextAt
	for now.Before(t0.Add(65 * time.Minute)) {
		r := bad(now)
		if now.Before(t0.Add(5 * time.Minute)) {
			r = fine(now)
		}
		if st, tr = m.Step(st, r, Around{}, now); tr != None {
			t.Fatalf("told at %v: %q", now, tr)
		}
		if in := !now.Before(t0.Add(5 * time.Minute)); in && (st.State != Maintenance || st.Held.Reason != HeldMaintenance || st.Held.Cause != "Sicherung") {
			t.Fatalf("at %v: %+v", now, st)
		}
		now = st.NextAt
	}
	if !now.Equal(t0.Add(65 * time.Minute)) {
		t.Fatalf("the end is looked at at %v", now)
	}
	st, _ = m.Step(st, bad(now), Around{}, now)
	if st, tr = m.Step(st, bad(st.NextAt), Around{}, st.NextAt); tr != WentDown {
		t.Fatalf("still broken behind the window: %q %+v", tr, st)
	}
}

// The calendar says the same as working it out anew, whatever the clock does.
func TestCalendarAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Spec{URL: "http://a.example/", MaintenanceRules: []Recurring{
			{Rule: rapid.SampledFrom([]string{"FREQ=DAILY", "FREQ=WEEKLY;BYDAY=SU,WE", "FREQ=MONTHLY;BYDAY=-1FR", "FREQ=DAILY;INTERVAL=3;COUNT=40"}).Draw(t, "rule"), First: "2026-03-02 01:30", Lasts: Duration(time.Duration(rapid.IntRange(1, 1400).Draw(t, "lasts")) * time.Minute)},
			{Rule: "FREQ=WEEKLY", First: "2026-03-03 02:30", Lasts: Duration(5 * time.Hour)},
		}, Maintenance: []Window{{From: t0, To: t0.Add(3 * time.Hour)}}}
		s, problems := s.Normalize()
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		m := NewMachine("x", s)
		now := t0
		for range 40 {
			now = now.Add(time.Duration(rapid.IntRange(-3000, 9000).Draw(t, "minutes")) * time.Minute)
			until, in := m.inMaintenance(now)
			wantUntil, want := s.InMaintenance(now)
			if in != want || !until.Equal(wantUntil) {
				t.Fatalf("at %v: %v %v, want %v %v", now, in, until, want, wantUntil)
			}
		}
	})
}

func BenchmarkMachineWithRule(b *testing.B) {
	s, _ := Spec{URL: "http://a.example/", MaintenanceRules: []Recurring{{Rule: "FREQ=WEEKLY;BYDAY=SU", First: "2020-01-05 02:00", Lasts: Duration(time.Hour)}}}.Normalize()
	m := NewMachine("x", s)
	st, now := NewStatus(t0), t0
	b.ReportAllocs()
	for range b.N {
		st, _ = m.Step(st, fine(now), Around{}, now)
		now = st.NextAt
	}
}
