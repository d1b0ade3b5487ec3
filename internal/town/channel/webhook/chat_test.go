package webhook

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/chattest"
)

// odd are characters that mean something in one of the chats.
var odd = []rune("aäß€😀 \n\t.:,@#<>&|*_~`[](){}\\!+-/1\"'\x00\u202e")

func plain(s string) string {
	return strings.Join(strings.Fields(strings.NewReplacer("\u200b", "", "\x00", " ").Replace(s)), " ")
}

// TestChatsReadWhatWasWritten: whatever a statement holds, each chat takes it by its
// documented rules, and a person reads the very words, or a part of them and "…".
func TestChatsReadWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringOfN(rapid.SampledFrom(odd), 1, 400, -1),
			rapid.StringOf(rapid.Rune()),
			rapid.Map(rapid.IntRange(1, 900), func(n int) string { return strings.Repeat("Wörter & <Zeichen> *fett* @all ", n) }),
			rapid.SampledFrom([]string{"@channel", "<!here> <@U1> <#C1>", "{{DATE(2026-11-26T10:00:00Z, SHORT)}}", "https://x.example/a_b*c(d)", ":smile: 14:30:15"}),
		).Draw(t, "text")
		n := channel.Note{
			Title: rapid.StringOfN(rapid.SampledFrom(odd), 1, 500, -1).Draw(t, "title"), Text: text,
			Link: rapid.SampledFrom([]string{"", "https://status.example/a|b(c)?x=<1>", "javascript:alert(1)"}).Draw(t, "link"), Label: "Zur [Status]seite|",
		}
		if plain(n.Title) == "" || plain(n.Text) == "" {
			t.Skip()
		}
		for _, f := range channel.Forms() {
			if !f.Chat() || more(f) {
				continue // form_test.go
			}
			body, err := f.Body(n)
			if err != nil {
				t.Fatal(f, err)
			}
			p, err := chattest.Read(string(f), body)
			if err != nil {
				t.Fatalf("%s: %v\n%s", f, err, body)
			}
			for _, x := range [][2]string{{n.Title, p.Title}, {n.Text, p.Text}} {
				want, got := plain(strings.ToValidUTF8(printed(x[0]), "\uFFFD")), plain(x[1])
				head, cut := strings.CutSuffix(got, "…")
				if got != want && (!cut || !strings.HasPrefix(want, strings.TrimSpace(head))) {
					t.Fatalf("%s: %q is read as %q", f, want, got)
				}
			}
			if (p.Link != "") != strings.HasPrefix(n.Link, "https") || strings.HasPrefix(p.Link, "java") {
				t.Fatalf("%s: link %q of %q", f, p.Link, n.Link)
			}
		}
	})
}

// printed is a text without control characters.
func printed(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || (r >= 0x7f && r < 0xa0) {
			return ' '
		}
		return r
	}, s)
}

// TestChatsTakeShortTextsWhole: nothing of an ordinary statement is cut.
func TestChatsTakeShortTextsWhole(t *testing.T) {
	text := strings.TrimSpace(strings.Repeat("Das Bürgerportal ist gestört. Rufen Sie an.\n\n", 60)) // 2700 characters
	for _, f := range []channel.Form{channel.Slack, channel.Teams, channel.Mattermost} {
		body, err := f.Body(channel.Note{Title: "Gestört: Bürgerportal", Text: text})
		if err != nil {
			t.Fatal(err)
		}
		p, err := chattest.Read(string(f), body)
		if err != nil || plain(p.Text) != plain(text) || p.Title != "Gestört: Bürgerportal" || p.Link != "" {
			t.Error(f, err, p)
		}
	}
}

// TestChatsOverHTTP sends each form to a receiver that is as strict as the product,
// and waits as long as it asks.
func TestChatsOverHTTP(t *testing.T) {
	for _, f := range []channel.Form{channel.Slack, channel.Teams, channel.Mattermost} {
		chat := &chattest.Server{Form: string(f)}
		srv := httptest.NewServer(chat)
		body, err := f.Body(channel.Note{Title: "Übung <1>", Text: "Alles & jedes", Link: "https://status.example/", Label: "Seite"})
		if err != nil {
			t.Fatal(err)
		}
		m := message(srv.URL + "/services/T0/B0/XXXXXXXX")
		m.Payload = body
		a := adapter(t)
		chat.Throttle(1, "30")
		_, err = a.Send(t.Context(), m)
		if fail := failure(t, err); fail.Reason != "throttled" || fail.Permanent || fail.RetryAfter != 30*time.Second {
			t.Error(f, fail)
		}
		if _, err := a.Send(t.Context(), m); err != nil {
			t.Error(f, err, chat.Faults())
		}
		if p := chat.Posts(); len(p) != 1 || p[0].Title != "Übung <1>" || p[0].Text != "Alles & jedes" || p[0].Link != "https://status.example/" {
			t.Error(f, p)
		}
		// Our own document is not what a chat takes; it says so for good.
		m.Payload = nil
		_, err = a.Send(t.Context(), m)
		if fail := failure(t, err); fail.Reason != "rejected" || !fail.Permanent || len(chat.Faults()) != 1 {
			t.Error(f, fail)
		}
		srv.Close()
	}
}
