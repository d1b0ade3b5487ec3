package roster_test

import (
	"bytes"
	"cmp"
	"io"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"tuermer/internal/raise/roster"
	"tuermer/internal/town/channel"
)

// In Rocket.Chat the code stands in the room, and who wants to be somebody else reads
// it there. Whatever becomes of the message: the code is used or gone, never left.
func TestI19_ShownCodeIsUsedOrGone(t *testing.T) {
	wrong := func(t *testing.T, c *chat, accounts int) {
		t.Helper()
		for i := range accounts {
			for range 5 {
				c.says(t, "evil"+strconv.Itoa(i), "ich AAAA-AAAA")
			}
		}
	}
	for name, tell := range map[string]struct {
		before func(t *testing.T, c *chat)
		text   string // with CODE in it
		answer string
		user   string // who writes it; empty: u9
		idle   bool   // nothing is answered
	}{
		"right":                      {text: "ich CODE", answer: "Sie sind hier Bert Kern"},
		"twelve strangers tried":     {before: func(t *testing.T, c *chat) { wrong(t, c, 12) }, text: "ich CODE", answer: "Sie sind hier Bert Kern"},
		"a whole company tried":      {before: func(t *testing.T, c *chat) { wrong(t, c, 121) }, text: "ich CODE", answer: "zu viele falsche Codes"},
		"their own tries are over":   {before: func(t *testing.T, c *chat) { wrong(t, c, 1) }, user: "evil0", text: "ich CODE", answer: "zu viele falsche Codes"},
		"with a word behind":         {text: "ich CODE bitte", answer: "gilt nicht"},
		"without the word":           {text: "CODE", answer: "verbraucht"},
		"in a sentence, in halves":   {text: "mein code ist (HALF1 HALF2).", answer: "verbraucht"},
		"behind another word":        {text: "woche CODE", answer: "verbraucht"},
		"of a machine":               {text: "ich CODE", idle: true},
		"they may have no more":      {before: many, text: "ich CODE", answer: "Mehr als 20 Konten"},
		"they are blocked meanwhile": {before: func(_ *testing.T, c *chat) { c.x.block(bert) }, text: "ich CODE", answer: "gilt nicht"},
		"one command too many": {before: func(t *testing.T, c *chat) {
			for range 30 {
				c.says(t, "evil0", "hilfe")
			}
		}, user: "evil0", text: "ich CODE", answer: "verbraucht"},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, x *town) {
				c := x.chat(t, channel.RocketChat)
				if tell.before != nil {
					tell.before(t, c)
				}
				code, _, err := x.MessengerCode(x.as(bert))
				if err != nil {
					t.Fatal(err)
				}
				other, _, err := x.MessengerCode(x.as(ada))
				if err != nil {
					t.Fatal(err)
				}
				text := strings.NewReplacer("CODE", code, "HALF1", strings.ToLower(code[:4]), "HALF2", code[5:]).Replace(tell.text)
				if tell.idle {
					r := c.request("u9", text)
					body, err := io.ReadAll(r.Body)
					if err != nil {
						t.Fatal(err)
					}
					r.Body = io.NopCloser(bytes.NewReader(bytes.Replace(body, []byte(`"bot":false`), []byte(`"bot":true`), 1)))
					w := httptest.NewRecorder()
					if err := x.TakeSlash(w, r.WithContext(x.w.Ctx)); err != nil || w.Body.Len() > 0 {
						t.Fatal(w.Body, err)
					}
				} else {
					c.says(t, cmp.Or(tell.user, "u9"), text).want(t, tell.answer)
				}
				for i := range x.people {
					x.people[i].Blocked = false
				}
				x.clock.at = x.clock.at.Add(time.Minute)
				if h := c.says(t, "thief", "ich "+code); strings.Contains(h.text, "Bert Kern") {
					t.Errorf("a stranger is Bert now: %s", h.text)
				}
				c.says(t, "u2", "ich "+other).want(t, "Sie sind hier Ada Beispiel") // it was not shown
			})
		})
	}
}

// many confirms as many accounts of Bert as he may have.
func many(t *testing.T, c *chat) {
	t.Helper()
	for i := range 20 {
		code, _, err := c.x.MessengerCode(c.x.as(bert))
		if err != nil {
			t.Fatal(err)
		}
		c.says(t, "b"+strconv.Itoa(i), "ich "+code).want(t, "Bert Kern")
	}
}

// What looks like a code is one, whatever people put around it; words are none.
func TestShownCodes(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		"ich K7F2-9XQM":               "K7F29XQM",
		"K7F2 9XQM":                   "K7F29XQM",
		"„k7f2–9xqm“, bitte!":         "K7F29XQM",
		"`K7F2-9XQM`":                 "K7F29XQM",
		"K7F2-9XQM AAAA-BBBB":         "K7F29XQM AAAABBBB",
		"woche Pressestelle":          "",
		"ja 48213":                    "",
		"ich K7F2-9XQ":                "",
		"K7F2-9XQM K7F2-9XQM":         "K7F29XQM",
		"tausch 27.5. Bärbel gegen 3": "",
	} {
		if got := strings.Join(roster.ShownCodes(text), " "); got != want {
			t.Errorf("%q shows %q, want %q", text, got, want)
		}
	}
}
