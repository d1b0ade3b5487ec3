package publish

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"tuermer/internal/inform/template"
	"tuermer/internal/platform/storetest"
)

// TestTactNeedsASecondReader: what touches a sensitive topic goes out after a second
// person has read it, also to readers for whom nobody else asks for one, and no
// approval given beforehand counts (I3).
func TestTactNeedsASecondReader(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		g.opened("i1", "portal")
		facts := first()
		plain, err := g.Create(g.as("ada"), "i1", Content{Kind: template.First, Facts: facts, Audiences: []string{"staff"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Approve(g.as("ada"), plain.ID, Consent{Revision: plain.Revision}); err != nil {
			t.Fatalf("staff are told by one person: %v", err)
		}
		touched := facts.With(template.SlotTact, touch([]string{"children", "nonsense", "deaths"}))
		s, err := g.Create(g.as("ada"), "i1", Content{Kind: template.First, Facts: touched, Audiences: []string{"staff"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Approve(g.as("ada"), s.ID, Consent{Revision: s.Revision}); !errors.Is(err, ErrSecondPerson) {
			t.Fatalf("one person alone published it: %v", err)
		}
		p, err := g.Look(g.as("ada"), s.ID)
		if err != nil || !p.FourEyes || p.PreApprovedBy != "" {
			t.Fatal(err, p.FourEyes)
		}
		for _, v := range p.Variants {
			if strings.Contains(v.Body, "children") {
				t.Error("a variant tells of the checklist")
			}
		}
		if s, err = g.Submit(g.as("ada"), s.ID, s.Revision, ""); err != nil {
			t.Fatal(err)
		}
		if s, err = g.Approve(g.as("bert"), s.ID, Consent{Revision: s.Revision}); err != nil || s.Approval.Way != WaySecond {
			t.Fatal(err, s.Approval)
		}
		if got := Touched(s.Facts); !slices.Equal(got, []Topic{"deaths", "children"}) {
			t.Error(got)
		}
	})
}

func TestNotice(t *testing.T) {
	for text, want := range map[string]Topic{
		"Zwei Menschen sind ums Leben gekommen": "deaths", "Drei Verletzte im Klinikum": "injuries", "In der Kita an der Straße": "children",
		"Ein Verdächtiger wurde gesehen": "suspects", "Die Polizei ermittelt": "police", "Personenbezogene Angaben": "data",
		"vor der Moschee": "origin", "Heute ist der Jahrestag": "anniversary", "Kein Witz!": "humour", "Das Foto zeigt": "pictures",
	} {
		got := notice(template.Facts{template.SlotEvent: template.Filled(text)})
		if len(got) == 0 || got[0].Topic != want {
			t.Errorf("%q: %v", text, got)
		}
		if again := notice(template.Facts{template.SlotEvent: template.Filled(text), template.SlotTact: touch([]string{string(want)})}); slices.ContainsFunc(again, func(n noticed) bool { return n.Topic == want }) {
			t.Errorf("%q is asked for twice", text)
		}
	}
	for _, text := range []string{"Das Portal ist gestört", "Die Totale ist scharf", "Wir bilden eine Gruppe aus"} {
		if got := notice(template.Facts{template.SlotEvent: template.Filled(text)}); len(got) > 0 {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestNetworksCount(t *testing.T) {
	link := "https://status.musterstadt.example/m/03e6v6kek1mrr3bmenp238p934"
	for _, c := range []struct {
		text                 string
		mastodon, bluesky, x int
	}{
		{"Grüße", 5, 5, 5},
		{"Mehr: " + link, 6 + 23, 6 + len(link), 6 + 23},
		{"👩‍🚒 🇩🇪", 3, 3, 5},
		{"水", 1, 1, 2},
	} {
		if m, b, x := mastodonLength(c.text), graphemes(c.text), xLength(c.text); m != c.mastodon || b != c.bluesky || x != c.x {
			t.Errorf("%q: %d %d %d", c.text, m, b, x)
		}
	}
}

// TestCutsFit: whatever is written, what is shown with its "…" fits, nothing gets
// lost without being named, and no link is torn.
func TestCutsFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom([]string{"Das", "Bürgerportal", "gestört.", "https://status.example/m/abc", "👩‍🚒", "水水水", strings.Repeat("lang", 40), "\n"}), 1, 120).Draw(t, "words")
		text := strings.Join(words, " ")
		group := []Variant{}
		for _, f := range []template.Format{template.Short300, template.Short500, template.SMS, template.Mail} {
			group = append(group, Variant{Format: f, Language: template.DE, Body: text, Subject: text})
		}
		posts := asPosts(group, template.DE)
		if len(posts) != 5 {
			t.Fatal(posts)
		}
		for _, p := range posts {
			switch {
			case p.Lost == "" && (p.Length > p.Limit || p.Shown != strings.TrimRight(text, " \n")):
				t.Fatalf("%+v", p)
			case p.Lost != "" && p.Length <= p.Limit:
				t.Fatalf("cut for nothing: %+v", p)
			}
			if !utf8.ValidString(p.Shown) || strings.Join(strings.Fields(p.Shown+" "+p.Lost), " ") != strings.Join(strings.Fields(text), " ") && !strings.HasPrefix(text, p.Shown) {
				t.Fatalf("something is lost: %+v", p)
			}
			for _, n := range networks {
				if n.name == p.Network && n.count != nil && p.Lost != "" && n.count(p.Shown) >= p.Limit {
					t.Fatalf("%s shows %d of %d", p.Network, n.count(p.Shown), p.Limit)
				}
			}
		}
	})
}
