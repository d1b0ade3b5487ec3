package channel

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// wordsOf are all texts of a JSON document, as the product reads them.
func wordsOf(t rapid.TB, body []byte) string {
	t.Helper()
	var doc any
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	var out []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(doc)
	return strings.Join(out, "\n")
}

// everyForm is what each product that reads calls in a text is told: the chats' bodies,
// and what a REST service's template may name.
func everyForm(t rapid.TB, n Note) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, f := range []Form{Slack, Teams, Mattermost, RocketChat} {
		body, err := f.Body(n)
		if err != nil {
			t.Fatal(err)
		}
		out[string(f)] = wordsOf(t, body)
		if f == Mattermost {
			out[string(f)] = backslashed.ReplaceAllString(out[string(f)], "$1")
		}
	}
	body, err := REST.Body(n)
	if err != nil {
		t.Fatal(err)
	}
	for markup := range restMarkup {
		value, err := Rest{Markup: markup, Length: restLength}.Values(Message{ID: "1"}, body)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"Title", "Text", "Message"} {
			s, _ := value(name)
			out["rest "+markup] += s + "\n"
		}
	}
	return out
}

var (
	backslashed = regexp.MustCompile("\\\\([!-/:-@[-`{-~])")
	callOfAll   = regexp.MustCompile(`(?i)@(?:all|channel|here|everyone|room)\b`)
	// address is the whole of a plausible mail address around a call.
	address = regexp.MustCompile(`(?i)[a-z0-9]@(?:all|channel|here|everyone|room)[a-z0-9-]*(?:\.[a-z0-9-]+)*\.[a-z]{2,}`)
	callOne = regexp.MustCompile(`(^|[^\p{L}\p{N}])@[\p{L}\p{N}"\[*]`)
)

// TestI6_NoTextCalls: whatever stands before or behind an @, no text of a monitor
// calls a room or a person in any product.
func TestI6_NoTextCalls(t *testing.T) {
	pieces := []string{
		"@", "all", "ALL", "Channel", "here", "everyone", "room", "lage", "max", "ä", "1", " ", "\n", ".", "_", "-", "+", ":", "/", "(", "<", ">", `"`, "*", "[", "\\",
		"\u200b", "\u0301", "ß", "stadt.example", ".de", "https://", "https://x.example/", "gestört", ":smile:", "`", "#",
	}
	rapid.Check(t, func(rt *rapid.T) {
		draw := rapid.Map(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 14), func(s []string) string { return strings.Join(s, "") })
		n := Note{Title: draw.Draw(rt, "title"), Text: draw.Draw(rt, "text")}
		for form, s := range everyForm(rt, n) {
			if c := callOfAll.FindString(address.ReplaceAllString(s, "")); c != "" {
				rt.Fatalf("%s: %q calls by %q: %q", form, n, c, s)
			}
			if c := callOne.FindString(s); c != "" {
				rt.Fatalf("%s: %q calls by %q: %q", form, n, c, s)
			}
		}
	})
}

// What a reviewer found: signs before the @ that Mattermost and Nextcloud do not
// count as part of a name.
func TestSignsBeforeACall(t *testing.T) {
	for _, s := range []string{"-@all", ".@all", "gestört.@channel", "_@here_", "ö@all", "x@all", "x@all.", "@@all", `-@"all"`, "https://x.example/@all", ":y:@here"} {
		for form, got := range everyForm(t, Note{Title: s, Text: s}) {
			for _, call := range []string{"@all", "@channel", "@here", `@"`} {
				if strings.Contains(got, call) {
					t.Errorf("%s: %q calls everybody: %q", form, s, got)
				}
			}
		}
	}
	for _, s := range []string{"lage@stadt.example", "max.m-1@all.example", "a@here-we-are.example und b2@alles.example"} {
		if got := calm(s); got != s {
			t.Errorf("a mail address is no longer one: %q", got)
		}
	}
	// What reads no calls is told so, or knows none in a text.
	if body, err := Matrix.Body(Note{Text: "@room"}); err != nil || !strings.Contains(string(body), `"m.mentions":{}`) {
		t.Error(string(body), err)
	}
}
