package roster_test

import (
	"slices"
	"strings"
	"testing"

	"tuermer/internal/platform/fault"
	"tuermer/internal/raise/roster"
)

// key finds the shift that is on at a moment.
func (x *town) key(t testing.TB, at string) string {
	t.Helper()
	moment := berlin(t, at)
	d := roster.DateIn(moment, moment.Location())
	_, all, err := x.Show(x.w.Ctx, "presse", d.Add(-1), d.Add(2))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range roster.ShiftBodies(all) {
		if !moment.Before(b.From) && moment.Before(b.To) {
			return b.Key
		}
	}
	t.Fatalf("nobody is planned at %s", at)
	return ""
}

// mailTo is the newest mail to somebody, with all these words.
func (x *town) mailTo(t testing.TB, to string, words ...string) {
	t.Helper()
	for _, m := range slices.Backward(x.sent) {
		if m.To != to {
			continue
		}
		for _, w := range words {
			if !strings.Contains(m.Subject+"\n"+m.Text, w) {
				t.Fatalf("mail to %s lacks %q:\n%s\n%s", to, w, m.Subject, m.Text)
			}
		}
		return
	}
	t.Fatalf("no mail to %s", to)
}

// Both sides confirm a swap; until then and after a no nothing changes.
func TestSwap(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		if err := x.Save(x.as(bert), press(t), true); err != nil {
			t.Fatal(err)
		}
		// Ada has the week of 24 May, Bert that of 31 May.
		give, take := x.key(t, "2027-05-27 10:00"), x.key(t, "2027-06-02 10:00")
		for _, no := range []roster.SwapState{roster.Declined, roster.Withdrawn} {
			s, err := x.AskSwap(x.as(ada), "presse", give, take, bert, "Arzt")
			if err != nil {
				t.Fatal(err)
			}
			x.mailTo(t, bert, "Ada Beispiel", "Donnerstag, 27. Mai 2027, 09:00–17:00", "Mittwoch, 2. Juni 2027, 07:00–22:00", "Arzt", "http://lage.example/roster/presse")
			who, wrong := x.as(bert), x.as(ada)
			if no == roster.Withdrawn {
				who, wrong = wrong, who
			}
			if err := x.AnswerSwap(wrong, "presse", s.ID, no); fault.KindOf(err) != fault.Forbidden {
				t.Fatalf("the wrong side said %s: %v", no, err)
			}
			if err := x.AnswerSwap(who, "presse", s.ID, no); err != nil {
				t.Fatal(err)
			}
			if err := x.AnswerSwap(x.as(bert), "presse", s.ID, roster.Accepted); fault.KindOf(err) != fault.NotFound {
				t.Fatalf("accepted after %s: %v", no, err)
			}
			if got := x.duty(t, "2027-05-27 10:00"); got != ada {
				t.Fatalf("after %s %q is on duty", no, got)
			}
		}
		s, err := x.AskSwap(x.as(ada), "presse", give, take, bert, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := x.AnswerSwap(x.as(ada), "presse", s.ID, roster.Accepted); fault.KindOf(err) != fault.Forbidden {
			t.Fatalf("the asker accepted: %v", err)
		}
		if err := x.AnswerSwap(x.as(bert), "presse", s.ID, roster.Accepted); err != nil {
			t.Fatal(err)
		}
		x.mailTo(t, ada, "Bert Kern", "angenommen")
		for at, want := range map[string]string{
			"2027-05-27 10:00": bert, "2027-05-28 10:00": ada, "2027-06-02 10:00": ada, "2027-06-03 10:00": bert,
		} {
			if got := x.duty(t, at); got != want {
				t.Errorf("%s: %q, want %q", at, got, want)
			}
		}
		all, err := x.Swaps(x.w.Ctx, "presse", 10)
		if err != nil || len(all) != 3 || all[0].State != roster.Accepted || all[0].AnsweredBy != "Bert Kern" {
			t.Fatalf("history %+v, %v", all, err)
		}
		// What Ada no longer holds she cannot give again.
		if _, err := x.AskSwap(x.as(ada), "presse", give, "", bert, ""); fault.As(err).Key != "roster.swap_stale" {
			t.Errorf("gave a shift away twice: %v", err)
		}
		// The lead undoes both halves.
		overrides, err := x.Overrides(x.w.Ctx, "presse", 10)
		if err != nil || len(overrides) != 2 {
			t.Fatal(overrides, err)
		}
		if err := x.Undo(x.as(ada), "presse", overrides[0].ID); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("not the lead: %v", err)
		}
		if err := x.Undo(x.as(cleo), "presse", overrides[0].ID); err != nil {
			t.Fatal(err)
		}
		if a, b := x.duty(t, "2027-05-27 10:00"), x.duty(t, "2027-06-02 10:00"); a != ada || b != bert {
			t.Errorf("undone: %q and %q", a, b)
		}
		if all, _ := x.Swaps(x.w.Ctx, "presse", 10); all[0].State != roster.Undone {
			t.Errorf("state %s", all[0].State)
		}
	})
}

// Who has asked two people for the same shift sees the second request no longer once
// the first has taken it, nor does whom it went to; undone, both do again.
func TestSwapAskedTwice(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		ro := press(t)
		ro.Plan.Lines[0] = append(ro.Plan.Lines[0], cleo)
		if err := x.Save(x.as(bert), ro, true); err != nil {
			t.Fatal(err)
		}
		give := x.key(t, "2027-05-27 10:00")
		me := x.duty(t, "2027-05-27 10:00")
		others := slices.DeleteFunc([]string{ada, bert, cleo}, func(p string) bool { return p == me })
		var ids []string
		for _, other := range others {
			s, err := x.AskSwap(x.as(me), "presse", give, "", other, "")
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, s.ID)
		}
		listed := func(person string, toThem, theirs int) {
			t.Helper()
			a, b, err := x.Requests(x.as(person), ro, person)
			if err != nil || len(a) != toThem || len(b) != theirs {
				t.Errorf("%s: %d and %d, want %d and %d; %v", person, len(a), len(b), toThem, theirs, err)
			}
		}
		listed(me, 0, 2)
		listed(others[0], 1, 0)
		listed(others[1], 1, 0)
		if err := x.AnswerSwap(x.as(others[0]), "presse", ids[0], roster.Accepted); err != nil {
			t.Fatal(err)
		}
		listed(me, 0, 0)
		listed(others[0], 0, 0)
		listed(others[1], 0, 0)
		overrides, err := x.Overrides(x.w.Ctx, "presse", 10)
		if err != nil || len(overrides) != 1 {
			t.Fatal(overrides, err)
		}
		if err := x.Undo(x.as(cleo), "presse", overrides[0].ID); err != nil {
			t.Fatal(err)
		}
		listed(me, 0, 1)
		listed(others[1], 1, 0)
	})
}

// A swap that has waited too long, or whose other side has left, is not carried
// out.
func TestSwapTooLate(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		if err := x.Save(x.as(bert), press(t), true); err != nil {
			t.Fatal(err)
		}
		s, err := x.AskSwap(x.as(ada), "presse", x.key(t, "2027-05-27 10:00"), "", bert, "")
		if err != nil {
			t.Fatal(err)
		}
		x.clock.at = berlin(t, "2027-05-27 09:00")
		if err := x.AnswerSwap(x.as(bert), "presse", s.ID, roster.Accepted); fault.As(err).Key != "roster.begun" {
			t.Errorf("after its begin: %v", err)
		}
		x.clock.at = berlin(t, "2027-05-27 08:00")
		x.block(ada)
		if err := x.AnswerSwap(x.as(bert), "presse", s.ID, roster.Accepted); fault.As(err).Key != "roster.swap_stale" {
			t.Errorf("the asker has left: %v", err)
		}
	})
}

// The lead puts somebody else on duty, or nobody; people of the roster take over
// what nobody holds, and nothing else.
func TestCover(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		if err := x.Save(x.as(bert), press(t), true); err != nil {
			t.Fatal(err)
		}
		o := roster.Override{Roster: "presse", From: berlin(t, "2027-05-24 12:00"), To: berlin(t, "2027-05-24 18:00"), Person: cleo, Note: "Urlaub"}
		if _, err := x.Cover(x.as(dora), o); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("somebody from outside: %v", err)
		}
		made, err := x.Cover(x.as(cleo), o)
		if err != nil {
			t.Fatal(err)
		}
		for at, want := range map[string]string{"2027-05-24 11:59": ada, "2027-05-24 12:00": cleo, "2027-05-24 17:59": cleo, "2027-05-24 18:00": ada} {
			if got := x.duty(t, at); got != want {
				t.Errorf("%s: %q, want %q", at, got, want)
			}
		}
		// It has begun: what was stays, and it ends now.
		x.clock.at = berlin(t, "2027-05-24 13:00")
		if err := x.Undo(x.as(bert), "presse", made.ID); err != nil {
			t.Fatal(err)
		}
		if a, b := x.duty(t, "2027-05-24 12:30"), x.duty(t, "2027-05-24 13:00"); a != cleo || b != ada {
			t.Errorf("ended: %q, then %q", a, b)
		}
		o.Person, o.From, o.To = "", berlin(t, "2027-05-25 12:00"), berlin(t, "2027-05-25 18:00")
		if _, err := x.Cover(x.as(bert), o); err != nil {
			t.Fatal(err)
		}
		if got := x.duty(t, "2027-05-25 12:00"); got != "" {
			t.Errorf("nobody is %q", got)
		}
		o.Person, o.From = ada, berlin(t, "2027-05-25 11:00")
		if _, err := x.Cover(x.as(ada), roster.Override{Roster: "presse", From: berlin(t, "2027-06-01 12:00"), To: berlin(t, "2027-06-01 18:00"), Person: ada}); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("took what Bert holds: %v", err)
		}
		o.From = berlin(t, "2027-05-25 12:00")
		if _, err := x.Cover(x.as(ada), o); err != nil {
			t.Errorf("could not take a gap: %v", err)
		}
		if got := x.duty(t, "2027-05-25 12:00"); got != ada {
			t.Errorf("the gap is held by %q", got)
		}
		x.block(dora)
		for field, change := range map[string]func(*roster.Override){
			"person": func(o *roster.Override) { o.Person = dora },
			"until":  func(o *roster.Override) { o.To = o.From },
			"line":   func(o *roster.Override) { o.Line = 1 },
			"note":   func(o *roster.Override) { o.Note = strings.Repeat("x", 301) },
		} {
			bad := roster.Override{Roster: "presse", From: berlin(t, "2027-05-26 12:00"), To: berlin(t, "2027-05-26 18:00"), Person: cleo}
			change(&bad)
			if _, err := x.Cover(x.as(bert), bad); fault.As(err).Fields[field] == "" {
				t.Errorf("%s: %v", field, err)
			}
		}
	})
}
