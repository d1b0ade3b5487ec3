package publish

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/plan"
)

func TestParseCommitment(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ line, text, due string }{
		{"Zweites Gerät bis 15.12.2026", "Zweites Gerät", "2026-12-15 23:59"},
		{"Ein zweites Gerät steht bis 15. Dezember bereit.", "Ein zweites Gerät steht bereit", "2026-12-15 23:59"},
		{"Wir nennen die Ursache spätestens am 1.12., 12:00 Uhr", "Wir nennen die Ursache", "2026-12-01 12:00"},
		{"Bericht im Rat (bis zum 3. März)", "Bericht im Rat", "2027-03-03 23:59"},
		{"A second device by 15 December 2026", "A second device", "2026-12-15 23:59"},
		{"Prüfung bis 2026-12-15", "Prüfung", "2026-12-15 23:59"},
		{"Bis 15.12.2026 steht ein zweites Gerät bereit.", "Bis 15.12.2026 steht ein zweites Gerät bereit", "2026-12-15 23:59"},
		{"Wir richten innerhalb von 14 Tagen eine Kopie ein, an der geprüft wird", "Wir richten eine Kopie ein, an der geprüft wird", "2026-12-08 23:59"},
		{"Zweites Netzteil bis Ende des Monats", "Zweites Netzteil", "2026-11-30 23:59"},
		{"bis 15.12.2026", "", ""},
		{"Ein zweites Gerät", "", ""},
		{"Prüfung bis 31.02.2027", "", ""},
		{"Prüfung bis bald", "", ""},
	} {
		text, due, ok := ParseCommitment(c.line, noon, berlin)
		if !ok {
			if c.due != "" {
				t.Errorf("%q is not understood", c.line)
			}
			continue
		}
		if got := due.In(berlin).Format("2006-01-02 15:04"); text != c.text || got != c.due {
			t.Errorf("%q: %q until %s, want %q until %s", c.line, text, got, c.text, c.due)
		}
	}
}

// FuzzParseCommitment: whatever people type, the answer is a text with a day or
// none.
func FuzzParseCommitment(f *testing.F) {
	f.Add("Zweites Gerät bis 15.12.2026, 12:00 Uhr")
	f.Add("by 99 Dezember 9999 bis 0.0.")
	f.Add("bis zum 3. \u0000 2027)")
	f.Fuzz(func(t *testing.T, line string) {
		text, due, ok := ParseCommitment(line, noon, time.UTC)
		if ok && (strings.TrimSpace(text) == "" || due.Year() < 2000 || due.Year() > 2201) {
			t.Fatalf("%q: %q %v", line, text, due)
		}
	})
}

// keeper is the incident room with its commitments.
type keeper struct {
	journal
	kept []incident.Commitment
}

func (k *keeper) TakeCommitments(_ context.Context, id incident.ID, cs []incident.Commitment) ([]incident.Commitment, error) {
	for _, c := range cs {
		c.Incident, c.ID, c.State = id, incident.CommitmentID(c.Text), incident.CommitmentOpen
		k.kept = append(k.kept, c)
	}
	return cs, nil
}

func (k *keeper) Commitments(context.Context, incident.CommitmentFilter) ([]incident.Commitment, error) {
	return k.kept, nil
}

// TestPromisesBecomeCommitments: each promise of a closing message becomes a due
// item; one without a day is not published (R2.23).
func TestPromisesBecomeCommitments(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		k := &keeper{journal: journal{g.town}}
		g.o.Incidents = k
		in := g.opened("i1", "portal").ID
		ada, cleo := g.as("ada"), g.as("cleo")
		facts := template.Facts{
			template.SlotCause: template.Filled("Ein Netzteil war defekt"), template.SlotMeasure: template.Filled("Das Netzteil ist getauscht"),
			template.SlotPromises: {Text: "Zweites Netzteil bis 15.12.2026\nVertrag prüfen", EN: "Second power supply by 15 December 2026\nCheck the contract"},
		}
		s, err := g.Create(ada, in, Content{Kind: template.Closing, Facts: facts})
		if err != nil {
			t.Fatal(err)
		}
		_, err = g.Submit(ada, s.ID, s.Revision, "")
		if fault.As(err).Key != "publish.undated" || fault.As(err).Fields["facts.promises"] == "" {
			t.Fatalf("a promise without a day: %v", err)
		}
		facts[template.SlotPromises] = template.Value{Text: "- Zweites Netzteil bis 15.12.2026\n- Vertrag prüfen bis 1.3.", EN: "Second power supply by 15 December 2026\nCheck the contract by 1 March"}
		if s, err = g.Save(ada, s.ID, s.Revision, Content{Kind: template.Closing, Facts: facts, Audiences: s.Audiences}); err != nil {
			t.Fatal(err)
		}
		if s, err = g.Submit(ada, s.ID, s.Revision, ""); err != nil {
			t.Fatal(err)
		}
		if len(k.kept) != 0 {
			t.Error("a promise is kept before it is said")
		}
		if _, err = g.Approve(cleo, s.ID, Consent{Revision: s.Revision}); err != nil {
			t.Fatal(err)
		}
		if len(k.kept) != 2 || k.kept[0].Text != "Zweites Netzteil" || k.kept[0].TextEN != "Second power supply" || !k.kept[0].Public || k.kept[0].Source != string(s.ID) {
			t.Fatalf("%+v", k.kept)
		}
		if got := k.kept[1].Due.In(time.UTC).Format(time.DateOnly); got != "2027-03-01" {
			t.Error(got)
		}
		// When its day comes near, the publishers read it; afterwards everybody.
		for _, overdue := range []bool{false, true} {
			g.town.mails = nil
			if err := g.remindCommitment(w.Ctx, incident.CommitmentEvent{Incident: in, Commitment: k.kept[0].ID, Overdue: overdue}); err != nil {
				t.Fatal(err)
			}
			var bert bool
			for _, m := range g.town.mails {
				if !strings.Contains(m.Text, "Zweites Netzteil") || !strings.Contains(m.Text, "/incident/i1/commitments") || strings.Contains(m.Subject, "publish.") {
					t.Errorf("%+v", m)
				}
				bert = bert || strings.HasPrefix(m.To, "bert@")
			}
			if len(g.town.mails) == 0 || bert != overdue {
				t.Errorf("overdue %v: %d mails, to the approver %v", overdue, len(g.town.mails), bert)
			}
		}
	})
}

// TestETAHistory marks a slip and forgets what was corrected.
func TestETAHistory(t *testing.T) {
	said := func(minute int, kind template.Kind, eta time.Duration, more ...func(*Statement)) Statement {
		s := Statement{ID: ID(kind) + ID(rune('a'+minute)), Kind: kind, State: StatePublished, PublishedAt: noon.Add(time.Duration(minute) * time.Minute), Facts: template.Facts{template.SlotReason: template.Filled("Ersatzteil")}}
		if eta != 0 {
			s.Facts[template.SlotNewTime] = template.At(noon.Add(eta))
		}
		for _, f := range more {
			f(&s)
		}
		return s
	}
	got := ETAHistory([]Statement{
		said(40, template.ETAChange, 3*time.Hour), said(10, template.Update, 2*time.Hour), said(20, template.Update, 0),
		said(25, template.Update, 2*time.Hour), said(50, template.Update, 150*time.Minute),
		said(55, template.Update, 9*time.Hour, func(s *Statement) { s.CorrectedBy = "x" }),
		said(56, template.Update, 9*time.Hour, func(s *Statement) { s.State = StateSubmitted }),
		said(57, template.Recovery, 9*time.Hour),
	})
	if len(got) != 3 || got[0].Slip != 0 || got[1].Slip != time.Hour || got[1].Reason.Text != "Ersatzteil" || got[2].Slip != 0 || !got[2].At.Equal(noon.Add(150*time.Minute)) {
		t.Errorf("%+v", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		var all []Statement
		for i := range rapid.IntRange(0, 8).Draw(t, "n") {
			all = append(all, said(i, template.Update, time.Duration(rapid.IntRange(0, 300).Draw(t, "eta"))*time.Minute))
		}
		list := ETAHistory(all)
		for i, e := range list {
			if i > 0 && (e.Slip > 0) != e.At.After(list[i-1].At) {
				t.Fatalf("a slip is not marked: %+v", list)
			}
			if i > 0 && e.At.Equal(list[i-1].At) {
				t.Fatalf("the same estimate twice: %+v", list)
			}
		}
	})
}

// TestEscalationReachesTheDeputy: who owns an audience, and who stands in, hears
// of a message that did not come, each once.
func TestEscalationReachesTheDeputy(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		g.town.plan[0].Owner, g.town.plan[0].Deputy = "eva@musterstadt.example", "extern@partner.example"
		in := g.opened("i1", "portal").ID
		if err := g.follow(w.Ctx, in, true); err != nil {
			t.Fatal(err)
		}
		g.clock.pass(plan.FirstWithin + time.Second)
		if _, err := g.promisesDue(ident.AcrossTenants(g.ctx), g.clock.Now()); err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, m := range g.town.mails {
			if strings.Contains(m.Text, "Bürgerinnen") {
				got[m.To]++
			}
		}
		for _, to := range []string{"eva@musterstadt.example", "extern@partner.example", "bert@musterstadt.example", "ada@musterstadt.example"} {
			if got[to] != 1 {
				t.Errorf("%s got %d mails, all: %v", to, got[to], got)
			}
		}
		kept, by, err := g.AdherenceSince(g.as("ada"), noon)
		if err != nil || kept.Missed != 2 || by["citizens"].Missed != 1 {
			t.Errorf("%+v %v %v", kept, by, err)
		}
		if p, ok := kept.Share(); !ok || p != 0 {
			t.Errorf("%d %v", p, ok)
		}
		if _, ok := (Kept{}).Share(); ok {
			t.Error("a share of nothing")
		}
	})
}

// TestAnswersAreRead: the language check names its reasons and lets every text
// pass.
func TestAnswersAreRead(t *testing.T) {
	facts := template.Facts{
		template.SlotEvent:   template.Filled("Der Server ist down 😀"),
		template.SlotMeasure: {Text: "Wir arbeiten daran.", EN: "The login was disabled."},
		template.SlotCause:   template.Unknown(),
	}
	codes := func(r remarks) map[template.HintCode]int {
		out := map[template.HintCode]int{}
		for _, x := range r.List {
			for _, h := range x.Hints {
				out[h.Code]++
			}
		}
		return out
	}
	calm, crisis := readAnswers(template.First, facts, "", false, template.DE), readAnswers(template.First, facts, "", true, template.DE)
	if c := codes(calm); c[template.Jargon] == 0 || c[template.Humour] != 0 {
		t.Errorf("%v", c)
	}
	if c := codes(crisis); c[template.Humour] != 1 {
		t.Errorf("%v", c)
	}
	fix := template.Facts{"Tatsache": template.Filled("Es ist falsch, dass Daten weg sind"), "Kurz": template.Filled("Daten seien nicht mehr da, lügen manche")}
	c := codes(readAnswers(template.Correction, fix, "", false, template.DE))
	if c[template.FactFirst] != 1 {
		t.Errorf("the fact is not first: %v", c)
	}
	if !readAnswers(template.Update, nil, "Die Zahl der Betroffenen", false, template.DE).told() {
		t.Error("the note of a correction is not read")
	}
	if readAnswers(template.Update, nil, "", false, template.DE).told() {
		t.Error("nothing was written")
	}
}

// TestI1_AllClearReachesAll: the all-clear of a hazard goes to everybody who was
// warned, like a recovery.
func TestI1_AllClearReachesAll(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		in := g.opened("i1", "portal").ID
		ada, cleo := g.as("ada"), g.as("cleo")
		area := template.Facts{"Gebiet": template.Filled("Altstadt"), template.SlotEvent: template.Filled("Hochwasser"), template.SlotProgress: template.Filled("Der Pegel steigt"), template.SlotNewTime: template.Unknown(), template.SlotSeverity: template.Unknown(), template.SlotMeasure: template.Unknown()}
		say := func(k template.Kind, audiences ...string) Statement {
			t.Helper()
			c := Content{Kind: k, Scenario: "flood", Facts: area, Audiences: audiences}
			s, err := g.CreateAndSubmit(ada, in, c, "", false)
			if err != nil {
				t.Fatal(k, err)
			}
			if s, err = g.Approve(cleo, s.ID, Consent{Revision: s.Revision}); err != nil {
				t.Fatal(k, err)
			}
			return s
		}
		say(template.First, "citizens", "staff")
		say(template.Update, "press")
		if err := g.MayRestore(w.Ctx, in); !errors.Is(err, ErrNoRecovery) {
			t.Errorf("restored without a word: %v", err)
		}
		s := say(template.AllClear, "citizens")
		counts, err := g.Counts(ada, s.ID)
		if err != nil || counts.Total != 8 {
			t.Errorf("%+v %v", counts, err)
		}
		if err := g.MayRestore(w.Ctx, in); err != nil {
			t.Error(err)
		}
	})
}
