package publish

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/chattest"
	"tuermer/internal/town/plan"
)

// heard are the messages that went to webhooks, in order.
func (g *rig) heard() (out []channel.Message) {
	g.town.mu.Lock()
	defer g.town.mu.Unlock()
	for _, m := range g.town.sent {
		if m.Kind == channel.Webhook {
			out = append(out, m)
		}
	}
	return out
}

// A released statement reaches the chats of its audiences, once each, in their own
// form; the recovery reaches the same ones (I1), even one that was removed since:
// then the ledger says so.
func TestStatementsReachChats(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		g.town.chats = []Chat{
			{Name: "rathaus", URL: "https://chat.example/hooks/geheim1", Form: channel.Mattermost, Audiences: []string{"staff", "leadership"}},
			{Name: "alle", URL: "https://slack.example/services/geheim2", Form: channel.Slack, Audiences: []string{"citizens"}, Declared: true},
			{Name: "ticket", URL: "https://ticket.example/geheim3", Secret: []byte("s"), Audiences: []string{"staff"}},
			{Name: "presse", URL: "https://teams.example/geheim4", Form: channel.Teams, Audiences: []string{"press"}},
		}
		in := g.opened("i1", "portal")
		s := g.say(t, in.ID, template.First, first(), "citizens", "staff", "leadership")
		g.sweep(t)
		got := g.heard()
		if len(got) != 3 {
			t.Fatalf("%d messages: %+v", len(got), got)
		}
		for _, m := range got {
			switch {
			case strings.Contains(m.To, "geheim1"):
				p, err := chattest.Read("mattermost", m.Payload)
				if err != nil || m.Declared || p.Title == "" || !strings.Contains(p.Text, "Prüfung durch unseren Dienstleister") || p.Link != "https://status.example/" {
					t.Errorf("%v %+v", err, p)
				}
			case strings.Contains(m.To, "geheim2"):
				if p, err := chattest.Read("slack", m.Payload); err != nil || !m.Declared || !strings.Contains(p.Text, "Telefon 0611 000") {
					t.Errorf("%v %+v", err, p)
				}
			case strings.Contains(m.To, "geheim3"):
				var doc saidBody
				if err := json.Unmarshal(m.Payload, &doc); err != nil || string(m.Secret) != "s" || doc.Type != "statement.published" ||
					doc.Statement.ID != string(s.ID) || doc.Statement.Audience != "staff" || doc.Statement.Next == nil || doc.Realm != "live" {
					t.Errorf("%v %s", err, m.Payload)
				}
			default:
				t.Errorf("%+v", m)
			}
		}
		rows, err := g.Deliveries(g.as("ada"), s.ID, DeliveryFilter{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range rows {
			if strings.Contains(d.Recipient, "geheim") {
				t.Errorf("the ledger shows an address: %s", d.Recipient)
			}
		}

		g.town.chats = g.town.chats[:2]
		g.clock.pass(time.Hour)
		back := g.say(t, in.ID, template.Recovery, recovered(), "citizens", "staff", "leadership")
		g.sweep(t)
		if n := len(g.heard()); n != 5 {
			t.Errorf("%d messages after the recovery", n)
		}
		if rows, err = g.Deliveries(g.as("ada"), back.ID, DeliveryFilter{States: []DeliveryState{Failed}, Limit: 100}); err != nil || len(rows) != 1 || rows[0].Reason != "no_hook" {
			t.Errorf("%v %+v", err, rows)
		}
		if err := g.MayRestore(g.ctx, in.ID); err != nil {
			t.Error(err)
		}
		if h, err := g.Handed(g.as("ada"), back.ID); err != nil || len(h) != 0 {
			t.Error("a missing webhook is no lost mail", h, err)
		}
	})
}

// An exercise tells chats by the exercise's ways only, and every word says so (I4).
func TestI4_ChatsInAnExercise(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	g.town.chats = []Chat{{Name: "rathaus", URL: "https://chat.example/x", Form: channel.Teams, Audiences: []string{"staff"}}}
	in := g.opened("i1", "portal")
	in.Realm = incident.Exercise
	g.set(in)
	g.say(t, in.ID, template.First, first(), "staff")
	g.sweep(t)
	got := g.heard()
	if len(got) != 1 || got[0].Realm != channel.Exercise {
		t.Fatalf("%+v", got)
	}
	if p, err := chattest.Read("teams", got[0].Payload); err != nil || !strings.Contains(p.Title, "ÜBUNG") || !strings.Contains(p.Text, "ÜBUNG") {
		t.Errorf("%v %+v", err, p)
	}
}

// The plan's way "webhook" asks nobody where one listens.
func TestWebhookIsCarried(t *testing.T) {
	a := plan.Audience{Slug: "staff", Kind: plan.Staff, Profile: plan.Profile{Ways: []string{"webhook", "phone"}}}
	listens := hooked([]Chat{{Name: "x", Audiences: []string{"staff"}}})
	if x, ok := firstStep(a, listens(a)); ok {
		t.Error(x)
	}
	if x, ok := firstStep(a, hooked(nil)(a)); !ok || x.Way != "webhook" || !x.Hand {
		t.Error(x, ok)
	}
}
