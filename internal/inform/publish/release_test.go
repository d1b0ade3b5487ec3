package publish

import (
	"errors"
	"slices"
	"testing"

	"tuermer/internal/inform/template"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/service"
)

// I3: an approval given beforehand is that of a second person or none. Whoever
// released the text does not send it alone, and an Ersatzweg that one person
// has changed since does not ride on it.
func TestI3_ReleasedBeforehandIsASecondPerson(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		in := g.opened("i1", "portal")
		if _, err := g.ReleaseTexts(g.as("cleo"), template.Holding); err != nil {
			t.Fatal(err)
		}
		if p, err := g.QuickHolding(g.as("cleo"), HoldingRequest{Incident: in.ID}); err != nil || p.PreApprovedBy != "" {
			t.Errorf("the releaser is offered to send alone: %q, %v", p.PreApprovedBy, err)
		}
		if _, err := g.PublishHolding(g.as("cleo"), in.ID, nil, Consent{}); !errors.Is(err, ErrSecondPerson) && !errors.Is(err, ErrOwnWords) {
			t.Errorf("the releaser sent alone: %v", err)
		}
		// The way for who is alone stays open, marked and to be looked at again.
		glass, err := g.PublishHolding(g.as("cleo"), in.ID, nil, Consent{BreakGlass: "niemand erreichbar"})
		if err != nil || glass.Approval.Way != WayBreakGlass || !glass.Approval.Unconfirmed() {
			t.Fatalf("%v: %+v", err, glass.Approval)
		}

		s := g.town.services["portal"]
		s.Workaround.Text, s.Worded = "Bitte überweisen Sie an …", service.Worded{By: "dirk", ByName: "Dirk Wache"}
		g.town.services["portal"] = s
		p, err := g.QuickHolding(g.as("dirk"), HoldingRequest{Incident: in.ID})
		if err != nil || p.PreApprovedBy != "" || !slices.Equal(p.OpenWords, []string{"Bürgerportal"}) {
			t.Errorf("%v: by %q, open %v", err, p.PreApprovedBy, p.OpenWords)
		}
		if _, err := g.PublishHolding(g.as("dirk"), in.ID, nil, Consent{}); !errors.Is(err, ErrSecondPerson) {
			t.Errorf("changed words went out alone: %v", err)
		}
		if _, err := g.ReleaseTexts(g.as("bert"), template.Holding); err != nil {
			t.Fatal(err)
		}
		done, err := g.PublishHolding(g.as("dirk"), in.ID, nil, Consent{})
		if err != nil || done.Approval.Way != WayTemplate || done.Approval.By != "bert" {
			t.Errorf("%v: %+v", err, done.Approval)
		}
	})
}
