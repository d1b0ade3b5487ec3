package publish

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/inform/template"
	"tuermer/internal/platform/storetest"
)

// What nobody changed is approved, whenever that is and however often it is asked
// for: time alone moves no word that was read, and an approval whose answer was
// lost is not told that somebody changed the text (I5, I8).
func TestApprovalOfUnchangedWordsStands(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g, n := newRig(t, w), 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			in := g.opened(g.fresh(n), rapid.SampledFrom([]string{"portal", "mail"}).Draw(rt, "service"))
			facts := first()
			if rapid.Bool().Draw(rt, "eta") {
				facts[template.SlotNewTime] = template.At(g.clock.Now().Add(3 * time.Hour))
			}
			audience := rapid.SampledFrom([]string{"citizens", "press", "leadership"}).Draw(rt, "audience")
			s, err := g.Create(g.as("ada"), in.ID, Content{Kind: template.First, Facts: facts, Audiences: []string{audience}})
			if err != nil {
				rt.Fatal(err)
			}
			g.clock.pass(time.Duration(rapid.IntRange(0, 90_000).Draw(rt, "before")) * time.Millisecond)
			if s, err = g.Submit(g.as("ada"), s.ID, s.Revision, ""); err != nil {
				rt.Fatal(err)
			}
			// Over minutes, quarters and the hours of the night, within the promise.
			p, err := g.Look(g.as("bert"), s.ID)
			if err != nil {
				rt.Fatal(err)
			}
			left := int(p.Reach[0].Next.Sub(g.clock.Now()) / time.Second)
			g.clock.pass(time.Duration(rapid.IntRange(0, max(0, left-1)).Draw(rt, "until")) * time.Second)
			read := s.Revision
			if s, err = g.Approve(g.as("bert"), s.ID, Consent{Revision: read}); err != nil {
				rt.Fatalf("nobody changed it: %v", err)
			}
			g.clock.pass(time.Second)
			again, err := g.Approve(g.as("bert"), s.ID, Consent{Revision: read})
			if err != nil || again.Revision != s.Revision || !again.PublishedAt.Equal(s.PublishedAt) {
				rt.Fatalf("the same approval again: %v, revision %d, then %d", err, s.Revision, again.Revision)
			}
			if _, err := g.Approve(g.as("cleo"), s.ID, Consent{Revision: read}); !errors.Is(err, ErrChanged) {
				rt.Fatalf("another person's approval is taken for that one: %v", err)
			}
			g.clock.pass(time.Duration(rapid.IntRange(0, 24*60).Draw(rt, "pause")) * time.Minute)
		})
	})
}

// What the text names has moved meanwhile: it is read again before it goes out,
// and whoever reads is told that nobody wrote on it.
func TestMovedWordsAreReadAgain(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		g.opened("i1", "portal")
		s, err := g.Create(g.as("ada"), "i1", Content{Kind: template.First, Facts: first(), Audiences: []string{"citizens"}})
		if err != nil {
			t.Fatal(err)
		}
		if s, err = g.Submit(g.as("ada"), s.ID, s.Revision, ""); err != nil {
			t.Fatal(err)
		}
		sv := g.town.services["portal"]
		sv.Workaround.Text = "Telefon 0611 999"
		g.town.services["portal"] = sv
		g.clock.pass(time.Minute)
		if _, err := g.Approve(g.as("bert"), s.ID, Consent{Revision: s.Revision}); !errors.Is(err, ErrMoved) {
			t.Fatal(fmt.Errorf("words that nobody read went out: %w", err))
		}
		got, err := g.Look(g.as("bert"), s.ID)
		if err != nil || got.Statement.State != StateSubmitted {
			t.Fatal(got.Statement.State, err)
		}
		if out, err := g.Approve(g.as("bert"), s.ID, Consent{Revision: got.Statement.Revision}); err != nil || out.State != StatePublished {
			t.Fatal(out.State, err)
		}
	})
}
