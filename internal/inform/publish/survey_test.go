package publish

import (
	"strings"
	"testing"
	"time"

	"tuermer/internal/inform/template"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/plan"
)

// The closing message asks every audience but the authority by its own address,
// in what the approver read and, later, in what went out; nothing of a private
// incident asks, since the form stands on the public listener (I17).
func TestSurveyInTheClosing(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		asked := map[string]bool{}
		for _, kind := range plan.Kinds() {
			slug := string(kind)
			asked[slug] = kind != plan.Authority
		}
		g.town.plan = nil
		for slug := range asked {
			g.town.plan = append(g.town.plan, plan.Audience{Slug: slug, Kind: plan.Kind(slug), Name: slug, Recipients: []string{slug + "@example.org"}})
		}
		in := g.opened("i1", "portal")
		facts := recovered()
		facts[template.SlotCause] = template.Filled("ein defektes Netzteil")
		all := make([]string, 0, len(asked))
		for slug := range asked {
			all = append(all, slug)
		}
		s, err := g.Create(g.as("ada"), in.ID, Content{Kind: template.Closing, Facts: facts, Audiences: all})
		if err != nil {
			t.Fatal(err)
		}
		if s, err = g.Submit(g.as("ada"), s.ID, s.Revision, ""); err != nil {
			t.Fatal(err)
		}
		g.clock.pass(26 * time.Hour) // read a day later, the words are the same
		if s, err = g.Approve(g.as("bert"), s.ID, Consent{Revision: s.Revision}); err != nil {
			t.Fatal(err)
		}
		vs, err := g.variants(g.ctx, s.ID)
		if err != nil {
			t.Fatal(err)
		}
		mails := 0
		for _, v := range vs {
			switch v.Format {
			case template.Mail, template.Page:
				mails++
				if has := strings.Contains(v.Body, "/umfrage/i1-"+v.Audience+"-"); has != asked[v.Audience] {
					t.Errorf("%s %s %s: link %v, want %v:\n%s", v.Audience, v.Format, v.Language, has, asked[v.Audience], v.Body)
				}
			case template.SMS:
				if strings.Contains(v.Body, "umfrage/") || len(v.Over) > 0 {
					t.Errorf("the SMS is to stay short: %s", v.Body)
				}
			}
			for slug := range asked {
				if slug != v.Audience && strings.Contains(v.Body, "/umfrage/i1-"+slug+"-") {
					t.Errorf("%s got the link of %s", v.Audience, slug)
				}
			}
		}
		if mails < 2*len(asked) {
			t.Fatalf("only %d texts", mails)
		}

		hidden := g.opened("i2", "portal")
		hidden.Private = true
		g.set(hidden)
		s = g.say(t, hidden.ID, template.Closing, facts, "staff", "it")
		if vs, err = g.variants(g.ctx, s.ID); err != nil || len(vs) == 0 {
			t.Fatal(err, len(vs))
		}
		for _, v := range vs {
			if strings.Contains(v.Body, "umfrage") {
				t.Errorf("a private incident asks on the public page: %s", v.Body)
			}
		}
	})
}

// I6: asking how well people were informed, or looking back, while it still goes
// on takes no promise away.
func TestI6_SurveyKeepsPromises(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	in := g.opened("i1", "portal")
	g.say(t, in.ID, template.First, first(), "citizens", "staff")
	before, err := g.openPromises(g.ctx, in.ID)
	if err != nil || len(before) != 2 {
		t.Fatal(before, err)
	}
	g.clock.pass(time.Minute)
	g.say(t, in.ID, template.Survey, nil, "citizens", "staff")
	facts := recovered()
	facts[template.SlotPromises] = template.Unknown()
	g.say(t, in.ID, template.Report, facts, "citizens")
	after, err := g.openPromises(g.ctx, in.ID)
	if err != nil || len(after) != 2 || !after[0].Due.Equal(before[0].Due) || after[0].ID != before[0].ID {
		t.Fatalf("%+v\nis\n%+v, %v", before, after, err)
	}
}
