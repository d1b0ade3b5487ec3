package publish

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/coordinate/staff"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

// I3 in a crisis (R3.11): public words are released by whoever holds press and
// media or leads the staff, never by their author. Whoever can break the glass
// always can, and while nobody in these functions could release a text, approvers
// and admins do: an empty chair locks nobody out (I20).
func TestI3_StaffReleases(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := []identity.PersonID{"ada", "bert", "cleo", "dirk"}
		who := rapid.SampledFrom(names)
		s := Statement{State: rapid.SampledFrom([]State{StateDraft, StateSubmitted}).Draw(t, "state")}.withAuthor(Author{Person: who.Draw(t, "author")})
		sp := speech{applies: rapid.Bool().Draw(t, "crisis")}
		for _, p := range rapid.SliceOfNDistinct(who, 0, 3, rapid.ID).Draw(t, "speakers") {
			sp.speakers = append(sp.speakers, staff.Speaker{Person: p, Name: string(p), Function: rapid.SampledFrom([]plan.StaffFunction{plan.S5, plan.Head}).Draw(t, "function")})
		}
		d := decision{
			statement: s, now: noon, fourEyes: true, speech: sp,
			actor: actor{
				person: who.Draw(t, "actor"), writer: rapid.Bool().Draw(t, "writer"), onDuty: rapid.Bool().Draw(t, "duty"),
				approver: rapid.Bool().Draw(t, "approver"), admin: rapid.Bool().Draw(t, "admin"),
			},
			breakGlass: rapid.SampledFrom([]string{"", "niemand erreichbar"}).Draw(t, "glass"),
		}
		if rapid.Bool().Draw(t, "pre") {
			d.pre = &preApproval{By: who.Draw(t, "released beforehand by"), Name: "?"}
		}
		if rapid.Bool().Draw(t, "phone") {
			d.phone = &PhoneCall{Name: "x", Number: "0611 1", At: noon}
			d.phoned = identity.Person{ID: who.Draw(t, "phoned"), Roles: rapid.SliceOfDistinct(rapid.SampledFrom(identity.Roles()), rapid.ID).Draw(t, "roles")}
		}
		a, err := decide(d)
		able := sp.able(s)
		speaks := func(p identity.PersonID) bool {
			return slices.ContainsFunc(able, func(x staff.Speaker) bool { return x.Person == p })
		}
		switch {
		case err == nil && a.Way != WayBreakGlass && s.WrittenBy(a.By):
			t.Fatalf("own words: %+v", a)
		case err == nil && len(able) > 0 && a.Way != WayBreakGlass && (!speaks(a.By) || a.Way == WayTemplate || a.Way == WayDirect):
			t.Fatalf("released past the staff: %+v, able %+v", a, able)
		case err == nil && !sp.applies && a.Function != "":
			t.Fatalf("a function outside a crisis: %+v", a)
		case err == nil && sp.applies && (a.Way == WaySecond || a.Way == WayPhone) && (a.Function == NoFunction) != (len(able) == 0):
			t.Fatalf("the journal would name the wrong thing: %+v, able %+v", a, able)
		case err == nil && a.Way == WaySecond && len(able) == 0 && !d.actor.approver && (!sp.applies || !d.actor.admin):
			t.Fatalf("released without a role: %+v by %+v", a, d.actor)
		case err != nil && d.phone == nil && d.actor.writer && d.breakGlass != "":
			t.Fatalf("locked out: %v", err)
		case err != nil && d.phone == nil && speaks(d.actor.person) && s.State == StateSubmitted:
			t.Fatalf("the staff's speaker was refused: %v", err)
		case err != nil && d.phone == nil && sp.applies && len(able) == 0 && s.State == StateSubmitted &&
			(d.actor.approver || d.actor.admin) && !s.WrittenBy(d.actor.person):
			t.Fatalf("nobody speaks, and an approver or admin was refused: %v", err)
		}
	})
}

// The same through the room: who is asked, who may, and what the journal says.
func TestStaffSpeaks(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		in := g.opened("i1", "portal")
		in.Level = incident.Crisis
		g.set(in)
		waits := func(by identity.PersonID, audiences ...string) Statement {
			t.Helper()
			s, err := g.CreateAndSubmit(g.as(by), in.ID, Content{Kind: template.First, Facts: first(), Audiences: audiences}, "", false)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		told := func(words string) {
			t.Helper()
			if all := g.town.notes[in.ID]; len(all) == 0 || !strings.Contains(strings.Join(all, "\n"), words) {
				t.Errorf("the journal does not say %q: %q", words, all)
			}
		}

		// Nobody in the staff: an approver, and the journal says that nobody was.
		s := waits("ada", "citizens")
		if _, err := g.Approve(g.as("bert"), s.ID, Consent{Revision: s.Revision}); err != nil {
			t.Fatal(err)
		}
		told("In der Krise freigegeben von Bert Kern, weil niemand S5")

		// Ada is S5 with the role publisher alone: she is asked, and she may, even by
		// the link; the approvers may not.
		g.town.mails, g.town.speak = nil, []staff.Speaker{{Person: "ada", Name: "Ada Beispiel", Function: plan.S5}}
		s = waits("cleo", "citizens", "press")
		if n := len(g.mailsTo("bert@musterstadt.example")); n != 0 {
			t.Errorf("Bert was asked %d times", n)
		}
		asked := g.mailsTo("ada@posteo.example")
		if len(asked) != 1 {
			t.Fatalf("S5 was asked %d times", len(asked))
		}
		if _, err := g.Approve(g.as("bert"), s.ID, Consent{Revision: s.Revision}); !errors.Is(err, ErrStaffSpeaks) {
			t.Errorf("an approver released past S5: %v", err)
		}
		_, rest, _ := strings.Cut(asked[0].Text, "/p/")
		if out, err := g.ApproveByLink(g.ctx, strings.Fields(rest)[0]); err != nil || out.Approval.Function != plan.S5 || out.Approval.By != "ada" {
			t.Fatalf("%+v, %v", out.Approval, err)
		}
		told("In der Krise freigegeben von Ada Beispiel als S5 – Presse- und Medienarbeit")

		// Her own words go to the others again.
		s = waits("ada", "citizens")
		if _, err := g.Approve(g.as("ada"), s.ID, Consent{Revision: s.Revision}); err == nil {
			t.Error("S5 released her own words")
		}
		if out, err := g.Approve(g.as("bert"), s.ID, Consent{Revision: s.Revision}); err != nil || out.Approval.Function != NoFunction {
			t.Fatalf("%+v, %v", out.Approval, err)
		}

		// Those inside are told by whoever approves there.
		s = waits("cleo", "staff")
		if out, err := g.Approve(g.as("bert"), s.ID, Consent{Revision: s.Revision}); err != nil || out.Approval.Function != "" {
			t.Fatalf("%+v, %v", out.Approval, err)
		}
		// S5 returns a text with a note; a publisher without the function does not.
		s = waits("cleo", "citizens")
		if _, err := g.Return(g.as("ada"), s.ID, "Bitte ohne Uhrzeit."); err != nil {
			t.Errorf("S5 could not return it: %v", err)
		}
		g.town.speak = nil
		s = waits("cleo", "citizens")
		if _, err := g.Return(g.as("ada"), s.ID, "Bitte ohne Uhrzeit."); !errors.Is(err, ErrForbidden) {
			t.Errorf("a publisher returned it: %v", err)
		}
		// Outside a crisis nothing of this holds.
		in.Level = incident.Emergency
		g.set(in)
		g.town.speak = []staff.Speaker{{Person: "ada", Name: "Ada Beispiel", Function: plan.S5}}
		s = waits("cleo", "citizens")
		if out, err := g.Approve(g.as("bert"), s.ID, Consent{Revision: s.Revision}); err != nil || out.Approval.Function != "" {
			t.Fatalf("%+v, %v", out.Approval, err)
		}
	})
}
