package channel_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf16"

	"tuermer/internal/town/channel"
)

// An answer goes to whoever asked or to all, calls nobody, and fits into the message
// that the product takes.
func TestReply(t *testing.T) {
	long := channel.Note{Title: "@channel", Text: strings.Repeat("Ä <!here> @all *x* 07:00–22:00\n", 3000), Link: "https://lage.example/roster", Label: "Dienstplan"}
	for _, f := range channel.Forms() {
		for _, all := range []bool{true, false} {
			raw, err := f.Reply(long, all)
			if f != channel.Slack && f != channel.Mattermost && f != channel.RocketChat {
				if err == nil {
					t.Errorf("%q answers a command: %.80s", f, raw)
				}
				continue
			}
			var b struct {
				Type   string `json:"response_type"`
				Text   string `json:"text"`
				Blocks []struct {
					Text struct{ Text string } `json:"text"`
				} `json:"blocks"`
			}
			if err != nil || json.Unmarshal(raw, &b) != nil {
				t.Fatalf("%q: %v", f, err)
			}
			if want := map[bool]string{true: "in_channel", false: "ephemeral"}[all]; f != channel.RocketChat && b.Type != want {
				t.Errorf("%q: response_type %q, want %q", f, b.Type, want)
			}
			for _, call := range []string{"@channel", "@all", "<!here>"} {
				if strings.Contains(string(raw), call) {
					t.Errorf("%q calls %s", f, call)
				}
			}
			most := map[channel.Form]int{channel.Slack: 3000, channel.Mattermost: 16_383, channel.RocketChat: 5000}[f]
			if n := len(utf16.Encode([]rune(b.Text))); n == 0 || n > most {
				t.Errorf("%q: %d letters", f, n)
			}
			if len(b.Blocks) > 50 || f == channel.Slack && len(b.Blocks) < 2 {
				t.Errorf("%q: %d blocks", f, len(b.Blocks))
			}
			if !strings.Contains(string(raw), long.Link) {
				t.Errorf("%q lost the link", f)
			}
		}
	}
}
