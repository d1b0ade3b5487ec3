package publish

import (
	"slices"
	"strings"
	"testing"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/identity"
)

// The composer opens with what is known: which services are affected, and whom to
// ask about a breach. What a person says wins.
func TestComposerKnowsWhatIsAffected(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	g.opened("i1", "portal", "mail")
	c, err := g.Prefill(g.as("ada"), "i1", template.First)
	if err != nil {
		t.Fatal(err)
	}
	if v := c.Facts[template.SlotImpact]; v.Text != "Bürgerportal und E-Mail" || v.EN != "the citizens' portal and e-mail" {
		t.Fatalf("affected: %+v", v)
	}
	facts := first()
	delete(facts, template.SlotImpact)
	s, err := g.Create(g.as("ada"), "i1", Content{Kind: template.First, Facts: facts, Audiences: []string{"citizens"}})
	if err != nil {
		t.Fatal(err)
	}
	body := func() string {
		t.Helper()
		p, err := g.Look(g.as("ada"), s.ID)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(p.Variants, func(v Variant) bool { return v.Format == template.Page && v.Language == template.DE })
		return p.Variants[i].Body
	}
	if b := body(); !strings.Contains(b, "Betroffen: Bürgerportal und E-Mail") || strings.Contains(b, "Betroffen: noch nicht bekannt") {
		t.Error(b)
	}
	for _, said := range []template.Value{template.Filled("nur Anträge auf Wohngeld"), template.Unknown()} {
		if s, err = g.Save(g.as("ada"), s.ID, s.Revision, Content{Kind: template.First, Facts: facts.With(template.SlotImpact, said), Audiences: []string{"citizens"}}); err != nil {
			t.Fatal(err)
		}
		if b := body(); strings.Contains(b, "Betroffen: Bürgerportal und E-Mail") || !strings.Contains(b, said.Text) {
			t.Errorf("%+v: %s", said, b)
		}
	}
}

func TestAudiencesWithoutService(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	in := g.opened("i1")
	for level, want := range map[incident.Level][]string{
		incident.Disruption: {"staff", "leadership"}, incident.Emergency: {"citizens", "press", "staff", "leadership"}, incident.Crisis: {"citizens", "press", "staff", "leadership"},
	} {
		in.Level = level
		g.set(in)
		c, err := g.Prefill(g.as("ada"), "i1", template.First)
		if err != nil || !slices.Equal(c.Audiences, want) {
			t.Errorf("%s: %v, want %v (%v)", level, c.Audiences, want, err)
		}
	}
	in.Private = true // who is nobody's public hears, the public does not (I17)
	g.set(in)
	if c, err := g.Prefill(g.as("ada"), "i1", template.First); err != nil || !slices.Equal(c.Audiences, []string{"staff", "leadership"}) {
		t.Error(c.Audiences, err)
	}
}

func TestBreachNamesWhomToAsk(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	in := g.opened("i1", "portal")
	g.town.people = append(g.town.people, identity.Person{ID: "dora", Name: "Dora Schutz", Email: "dsb@musterstadt.example", Mobile: "+491700000", Roles: []identity.Role{identity.RoleDPO}})
	for _, k := range []template.Kind{template.BreachReport, template.DataSubjects} {
		c, err := g.Prefill(g.as("ada"), "i1", k)
		if err != nil || c.Facts[slotWatch].Text != "Dora Schutz, dsb@musterstadt.example, +491700000" {
			t.Errorf("%s: %+v (%v)", k, c.Facts[slotWatch], err)
		}
		if k == template.BreachReport && !c.Facts[slotKnown].At.Equal(in.ConfirmedAt) {
			t.Errorf("known since %+v", c.Facts[slotKnown])
		}
	}
}
