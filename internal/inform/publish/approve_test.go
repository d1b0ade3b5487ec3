package publish

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
)

// token cuts the token of the link with the given path out of a mail.
func token(t *testing.T, text, path string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "https://lage.example/"+path+"/")
	if !ok {
		t.Fatalf("no %s link in: %s", path, text)
	}
	return strings.Fields(rest)[0]
}

// The link in the mail shows the text, approves as its person, once, and only
// the revision that was read.
func TestApproveByLink(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		in := g.opened("i1", "portal")
		s, err := g.Create(g.as("ada"), in.ID, Content{Kind: template.First, Facts: first()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Submit(g.as("ada"), s.ID, s.Revision, "eva"); fault.KindOf(err) != fault.Invalid {
			t.Fatalf("a reader was asked: %v", err)
		}
		if s, err = g.Submit(g.as("ada"), s.ID, s.Revision, "bert"); err != nil {
			t.Fatal(err)
		}
		if len(g.mailsTo("cleo@musterstadt.example")) != 0 {
			t.Fatal("Cleo was asked too")
		}
		old := token(t, g.mailsTo("bert@musterstadt.example")[0].Text, "p")
		nobody := ident.WithActor(g.ctx, ident.Actor{Kind: ident.KindPublic})
		p, err := g.LookByLink(nobody, old)
		if err != nil || len(p.Variants) == 0 || p.Statement.ID != s.ID {
			t.Fatalf("%v: %+v", err, p)
		}
		// Ada changes a word; the link is for words that are gone.
		facts := first()
		facts[template.SlotEvent] = template.Filled("Das Portal ist sehr langsam")
		if s, err = g.Save(g.as("ada"), s.ID, s.Revision, Content{Kind: template.First, Facts: facts}); err != nil || s.State != StateDraft {
			t.Fatalf("%v: %+v", err, s)
		}
		if _, err := g.ApproveByLink(nobody, old); !errors.Is(err, ErrLinkUsed) {
			t.Fatalf("old words approved: %v", err)
		}
		if s, err = g.Submit(g.as("ada"), s.ID, s.Revision, "bert"); err != nil {
			t.Fatal(err)
		}
		mails := g.mailsTo("bert@musterstadt.example")
		link := token(t, mails[len(mails)-1].Text, "p")
		if mails[0].ID == mails[1].ID {
			t.Fatal("two letters of one id: the second would be lost")
		}
		// Bert is silent; the others are asked once.
		g.clock.pass(5 * time.Minute)
		for range 2 {
			if _, err := g.promisesDue(ident.AcrossTenants(g.ctx), g.clock.Now()); err != nil {
				t.Fatal(err)
			}
		}
		var again int
		for _, m := range g.mailsTo("cleo@musterstadt.example") {
			if strings.HasPrefix(m.Subject, "Not yet approved") {
				again++
			}
		}
		if again != 1 {
			t.Fatalf("Cleo was asked %d times", again)
		}
		for i, bad := range []string{"", "x", link + "x", link[:len(link)-1]} {
			if _, err := g.ApproveByLink(nobody, bad); !errors.Is(err, ErrLink) {
				t.Errorf("%d: %v", i, err)
			}
		}
		if _, err := g.LookConfirm(nobody, link); !errors.Is(err, ErrLink) {
			t.Errorf("an approval's link confirms: %v", err)
		}
		if s, err = g.ApproveByLink(nobody, link); err != nil || s.Approval.Way != WaySecond || s.Approval.By != "bert" {
			t.Fatalf("%v: %+v", err, s.Approval)
		}
		if _, err := g.ApproveByLink(nobody, link); !errors.Is(err, ErrLinkUsed) {
			t.Fatalf("twice: %v", err)
		}
		g.clock.pass(linkFor)
		if _, err := g.LookByLink(nobody, link); !errors.Is(err, ErrLink) {
			t.Fatalf("expired: %v", err)
		}
	})
}

// Whoever was blocked after the mail went out approves nothing by it.
func TestLinkOfBlockedPerson(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	in := g.opened("i1", "portal")
	s, err := g.Create(g.as("ada"), in.ID, Content{Kind: template.First, Facts: first()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = g.Submit(g.as("ada"), s.ID, 0, ""); err != nil {
		t.Fatal(err)
	}
	link := token(t, g.mailsTo("bert@musterstadt.example")[0].Text, "p")
	g.town.people[1].Blocked = true
	if _, err := g.ApproveByLink(g.ctx, link); !errors.Is(err, ErrLink) {
		t.Fatal(err)
	}
}

// Returned with a note, written anew, and the approver sees what has changed.
func TestReturned(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	in := g.opened("i1", "portal")
	s, err := g.Create(g.as("ada"), in.ID, Content{Kind: template.First, Facts: first()})
	if err != nil {
		t.Fatal(err)
	}
	if s, err = g.Submit(g.as("ada"), s.ID, s.Revision, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Return(g.as("ada"), s.ID, "hm"); !errors.Is(err, ErrForbidden) {
		t.Fatalf("by the author: %v", err)
	}
	if _, err := g.Return(g.as("bert"), s.ID, " "); fault.KindOf(err) != fault.Invalid {
		t.Fatalf("without a word: %v", err)
	}
	if s, err = g.Return(g.as("bert"), s.ID, "Bitte den Ersatzweg nennen"); err != nil || s.State != StateDraft || s.Note == "" {
		t.Fatalf("%v: %+v", err, s)
	}
	if m := g.mailsTo("ada@posteo.example"); len(m) != 1 || !strings.Contains(m[0].Text, "Bitte den Ersatzweg nennen") {
		t.Fatalf("%+v", m)
	}
	if _, err := g.Approve(g.as("bert"), s.ID, Consent{}); err == nil {
		t.Fatal("a draft was approved")
	}
	facts := first()
	facts[template.SlotEvent] = template.Filled("Das Portal antwortet nur langsam")
	if s, err = g.Save(g.as("ada"), s.ID, s.Revision, Content{Kind: template.First, Facts: facts}); err != nil {
		t.Fatal(err)
	}
	if s, err = g.Submit(g.as("ada"), s.ID, s.Revision, ""); err != nil {
		t.Fatal(err)
	}
	changes, err := g.Changes(g.as("bert"), s.ID)
	if err != nil || len(changes) == 0 {
		t.Fatalf("%v: %+v", err, changes)
	}
	var added string
	for _, p := range changes[0].Body {
		if p.Change == Added {
			added += p.Text
		}
	}
	if !strings.Contains(added, "langsam") {
		t.Fatalf("%+v", changes[0].Body)
	}
	// Another's edit makes that person an author too.
	if s, err = g.Save(g.as("cleo"), s.ID, s.Revision, Content{Kind: template.First, Facts: facts}); err != nil {
		t.Fatal(err)
	}
	if s, err = g.Submit(g.as("ada"), s.ID, s.Revision, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Approve(g.as("cleo"), s.ID, Consent{}); !errors.Is(err, ErrOwnWords) {
		t.Fatalf("an editor approved: %v", err)
	}
}

// At three in the morning: the prepared short message goes out at once, by its
// approver's word; before the town has released the text it does not.
func TestI3_HoldingAtNight(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		g.clock.pass(13 * time.Hour) // 03:02
		p, err := g.QuickHolding(g.as("dirk"), HoldingRequest{Services: []string{"portal"}, Since: g.clock.Now().Add(-time.Minute)})
		if err != nil || p.Recipients() != 6 || !p.OnPage() || p.PreApprovedBy != "" || p.Ready() != nil {
			t.Fatalf("%v: %+v", err, p.Reach)
		}
		in := g.opened("i1", "portal")
		if _, err := g.PublishHolding(g.as("dirk"), in.ID, nil, Consent{}); !errors.Is(err, ErrSecondPerson) {
			t.Fatalf("nobody had released it: %v", err)
		}
		if list, _ := g.List(g.ctx, Filter{}); len(list) != 0 {
			t.Fatalf("a refused message left %+v", list)
		}
		if _, err := g.ReleaseTexts(g.as("ada"), template.Holding); !errors.Is(err, ErrForbidden) {
			t.Fatalf("released by a publisher: %v", err)
		}
		if n, err := g.ReleaseTexts(g.as("bert"), template.Holding); err != nil || n < 20 {
			t.Fatalf("%v: %d", err, n)
		}
		if p, err = g.QuickHolding(g.as("dirk"), HoldingRequest{Incident: in.ID}); err != nil || p.PreApprovedBy != "Bert Kern" {
			t.Fatalf("%v: %q", err, p.PreApprovedBy)
		}
		s, err := g.PublishHolding(g.as("dirk"), in.ID, nil, Consent{})
		if err != nil || s.Approval.Way != WayTemplate || s.Approval.By != "bert" || s.Approval.PublishedBy != "Dirk Wache" || s.Approval.Unconfirmed() {
			t.Fatalf("%v: %+v", err, s.Approval)
		}
		for _, who := range []string{"ada@posteo.example", "bert@musterstadt.example", "cleo@musterstadt.example"} {
			if len(g.mailsTo(who)) != 1 {
				t.Errorf("%s was not told", who)
			}
		}
		if len(g.mailsTo("dirk@musterstadt.example")) != 0 {
			t.Error("Dirk was told what he did himself")
		}
		// 07:30 is offered first at night.
		if next := s.Next["citizens"].In(time.UTC).Format("15:04"); next != "06:30" {
			t.Errorf("next at %s UTC", next)
		}
		// Free words need a second person again.
		free := template.Facts{template.SlotWorkaround: template.Filled("Kommen Sie morgen wieder"), template.SlotEvent: template.Filled("Panik")}
		for slot, v := range free {
			d, err := g.Create(g.as("dirk"), in.ID, Content{Kind: template.Holding, Facts: template.Facts{slot: v}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := g.Approve(g.as("dirk"), d.ID, Consent{}); !errors.Is(err, ErrSecondPerson) {
				t.Errorf("%s went out alone: %v", slot, err)
			}
		}
		// A reader may not, prepared or not.
		if _, err := g.PublishHolding(g.as("eva"), in.ID, nil, Consent{}); !errors.Is(err, ErrForbidden) {
			t.Errorf("a reader: %v", err)
		}
	})
}

// Approved by telephone and by break-glass: marked, told, confirmed afterwards
// by the right person.
func TestI3_Afterwards(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		in := g.opened("i1", "portal")
		draft := func() Statement {
			t.Helper()
			s, err := g.Create(g.as("ada"), in.ID, Content{Kind: template.First, Facts: first()})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		call := PhoneCall{Approver: "cleo", Name: "Cleo Amt", Number: "0171 1234567", At: g.clock.Now()}
		for _, bad := range []PhoneCall{
			{Approver: "cleo", Number: "1", At: call.At},
			{Approver: "cleo", Name: "C", At: call.At},
			{Approver: "cleo", Name: "C", Number: "1"},
			{Approver: "eva", Name: "Eva", Number: "1", At: call.At},
			{Approver: "nobody", Name: "N", Number: "1", At: call.At},
			{Approver: "cleo", Name: "C", Number: "1", At: call.At.Add(time.Hour)},
		} {
			if _, err := g.Approve(g.as("ada"), draft().ID, Consent{Phone: &bad}); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		s, err := g.Approve(g.as("ada"), draft().ID, Consent{Phone: &call})
		if err != nil || s.Approval.Way != WayPhone || s.Approval.By != "cleo" || s.Approval.PublishedBy != "Ada Beispiel" || !s.Approval.Unconfirmed() {
			t.Fatalf("%v: %+v", err, s.Approval)
		}
		if _, err := g.Confirm(g.as("bert"), s.ID); !errors.Is(err, ErrForbidden) {
			t.Errorf("confirmed by somebody else: %v", err)
		}
		mails := g.mailsTo("cleo@musterstadt.example")
		link := token(t, mails[len(mails)-1].Text, "pc")
		if p, err := g.LookConfirm(g.ctx, link); err != nil || p.Statement.ID != s.ID {
			t.Fatal(err)
		}
		if s, err = g.ConfirmByLink(g.ctx, link); err != nil || s.Approval.ConfirmedByName != "Cleo Amt" || s.Approval.Unconfirmed() {
			t.Fatalf("%v: %+v", err, s.Approval)
		}
		if _, err := g.LookConfirm(g.ctx, link); !errors.Is(err, ErrLinkUsed) {
			t.Errorf("twice: %v", err)
		}
		glass, err := g.Approve(g.as("ada"), draft().ID, Consent{BreakGlass: "Niemand erreichbar, Leitstelle wartet"})
		if err != nil || glass.Approval.Way != WayBreakGlass {
			t.Fatalf("%v: %+v", err, glass.Approval)
		}
		waiting, err := g.List(g.ctx, Filter{Unconfirmed: true})
		if err != nil || len(waiting) != 1 || waiting[0].ID != glass.ID {
			t.Fatalf("%v: %+v", err, waiting)
		}
		if _, err := g.Confirm(g.as("ada"), glass.ID); !errors.Is(err, ErrForbidden) {
			t.Errorf("confirmed by herself: %v", err)
		}
		if _, err := g.Confirm(g.as("bert"), glass.ID); err != nil {
			t.Error(err)
		}
		if waiting, _ = g.List(g.ctx, Filter{Unconfirmed: true}); len(waiting) != 0 {
			t.Errorf("%+v", waiting)
		}
		if _, err := g.Approve(g.as("dirk"), draft().ID, Consent{BreakGlass: "ich will"}); err == nil {
			t.Error("somebody without the role broke the glass")
		}
	})
}

// What does not name press or citizens goes out by one person below level
// crisis, and not at it.
func TestStaffAlone(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	in := g.opened("i1", "mail")
	s, err := g.Create(g.as("ada"), in.ID, Content{Kind: template.First, Facts: first()})
	if err != nil {
		t.Fatal(err)
	}
	if s, err = g.Finish(g.as("ada"), s); err != nil || s.Approval.Way != WayDirect {
		t.Fatalf("%v: %+v", err, s)
	}
	in.Level = incident.Crisis
	g.set(in)
	if s, err = g.NoChange(g.as("ada"), in.ID, nil); err != nil || s.State != StateSubmitted {
		t.Fatalf("%v: %+v", err, s)
	}
}

// R1.8: the first message does not go out with a gap; "not yet known" closes it.
func TestMissingAnswers(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	in := g.opened("i1", "portal")
	s, err := g.Create(g.as("ada"), in.ID, Content{Kind: template.First})
	if err != nil {
		t.Fatal(err)
	}
	_, err = g.Submit(g.as("ada"), s.ID, s.Revision, "")
	e := fault.As(err)
	for _, key := range []string{"facts.what_happened", "facts.severity", "facts.measures"} {
		if e.Kind != fault.Invalid || e.Fields[key] == "" {
			t.Errorf("%s is not asked for: %v", key, err)
		}
	}
	facts := template.Facts{}
	for _, slot := range MustAnswer(template.First) {
		facts[slot] = template.Unknown()
	}
	if s, err = g.Save(g.as("ada"), s.ID, s.Revision, Content{Kind: template.First, Facts: facts}); err != nil {
		t.Fatal(err)
	}
	if _, err = g.Submit(g.as("ada"), s.ID, s.Revision, ""); err != nil {
		t.Fatal(err)
	}
}

// A promised time that has passed while the approver thought is refused; so are
// public words about a private incident, and audiences without a text.
func TestRefusals(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	in := g.opened("i1", "portal")
	s, err := g.Create(g.as("ada"), in.ID, Content{Kind: template.First, Facts: first(), Next: map[string]time.Time{"citizens": noon.Add(10 * time.Minute)}})
	if err != nil {
		t.Fatal(err)
	}
	if s, err = g.Submit(g.as("ada"), s.ID, s.Revision, ""); err != nil {
		t.Fatal(err)
	}
	g.clock.pass(11 * time.Minute)
	if _, err := g.Approve(g.as("bert"), s.ID, Consent{}); !errors.Is(err, ErrNextPast) {
		t.Errorf("promised the past: %v", err)
	}
	if _, err := g.Save(g.as("ada"), s.ID, s.Revision-1, Content{Kind: template.First}); !errors.Is(err, ErrChanged) {
		t.Errorf("an old revision: %v", err)
	}
	if _, err := g.Create(g.as("ada"), in.ID, Content{Kind: "nonsense"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("kind: %v", err)
	}
	if _, err := g.Create(g.as("ada"), in.ID, Content{Kind: template.First, Audiences: []string{"martians"}}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("audience: %v", err)
	}
	if _, err := g.Create(g.as("ada"), "nowhere", Content{Kind: template.First}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("incident: %v", err)
	}
	if _, err := g.Create(g.as("eva"), in.ID, Content{Kind: template.First}); !errors.Is(err, ErrForbidden) {
		t.Errorf("reader: %v", err)
	}
	in.Private = true
	g.set(in)
	p, err := g.Try(g.as("ada"), in.ID, Content{Kind: template.First, Facts: first(), Audiences: []string{"citizens"}})
	if err != nil || !errors.Is(p.Ready(), ErrPrivate) {
		t.Errorf("private: %v %v", err, p.Ready())
	}
	if p, err = g.Try(g.as("ada"), in.ID, Content{Kind: template.First, Facts: first()}); err != nil || p.Ready() != nil || len(p.Reach) != 1 {
		t.Errorf("private, by default: %v %v %+v", err, p.Ready(), p.Reach)
	}
	facts := template.Facts{}
	for _, slot := range MustAnswer(template.PostHidden) {
		facts[slot] = template.Unknown()
	}
	if p, err = g.Try(g.as("ada"), in.ID, Content{Kind: template.PostHidden, Facts: facts, Audiences: []string{"staff"}}); err != nil || fault.KindOf(p.Ready()) != fault.Invalid || len(p.NoText) != 1 {
		t.Errorf("no text: %v %v", err, p.Ready())
	}
}

// Whoever says that a service is disturbed no longer only suspects it; the short
// message says "we are looking into it" and leaves a candidate one.
func TestSayingConfirms(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	in := g.opened("i1", "portal")
	in.Phase, in.ConfirmedAt = incident.Candidate, time.Time{}
	g.set(in)
	say := func(k template.Kind, facts template.Facts) incident.Phase {
		t.Helper()
		s, err := g.CreateAndSubmit(g.as("ada"), "i1", Content{Kind: k, Facts: facts, Audiences: []string{"citizens"}}, "", false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Approve(g.as("bert"), s.ID, Consent{}); err != nil {
			t.Fatal(err)
		}
		return g.town.incidents["i1"].Phase
	}
	if p := say(template.Holding, nil); p != incident.Candidate {
		t.Errorf("the short message: %s", p)
	}
	if p := say(template.First, template.Facts{}.Unknowns(MustAnswer(template.First)...)); p != incident.Confirmed {
		t.Errorf("the first message: %s", p)
	}
}

// What is said beside the news after a recovery asks for no second recovery, and
// who was added by hand is thought of when it goes on.
func TestAfterwardsNothingReopens(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	in := g.opened("i1", "portal")
	g.say(t, in.ID, template.First, first(), "citizens", "staff", "leadership")
	c, err := g.Prefill(g.as("ada"), in.ID, template.Update)
	if err != nil || !slices.Contains(c.Audiences, "leadership") {
		t.Fatal("who was added by hand is forgotten", c.Audiences, err)
	}
	g.clock.pass(time.Minute)
	g.say(t, in.ID, template.Recovery, recovered(), "citizens", "staff", "leadership")
	g.clock.pass(time.Minute)
	g.say(t, in.ID, template.Correction, template.Facts{"Tatsache": template.Filled("Ihre Daten sind vollständig"), "Kurz": template.Filled("Daten seien verloren"), "Beleg": template.Filled("https://status.example/")}, "citizens")
	if err := g.MayRestore(g.ctx, in.ID); err != nil {
		t.Error("a correction asks for another recovery", err)
	}
	g.clock.pass(time.Minute)
	g.say(t, in.ID, template.Update, template.Facts{template.SlotProgress: template.Filled("Es ist wieder gestört"), template.SlotNewTime: template.Unknown()}, "staff")
	if err := g.MayRestore(g.ctx, in.ID); !errors.Is(err, ErrNoRecovery) {
		t.Error("it broke again, and nobody asks for a recovery", err)
	}
}
