package fill

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func lookup(name string) (string, bool) {
	s, ok := map[string]string{"To": "r", "Text": "x \"y\"", "Urgent": "true"}[name]
	return s, ok
}

// Whatever a value holds, it stays the value: it opens no field, ends no line, and
// is read as it was said.
func TestValuesStayWhereTheyStand(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		said := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{`","to":"alle`, "a&to=alle", "x\r\nX-Boese: ja", "{{.To}}", "\xff"})).Draw(rt, "said")
		value := func(name string) (string, bool) {
			if name == "Text" {
				return said, true
			}
			return "r", name == "To"
		}
		want := strings.ToValidUTF8(said, "\uFFFD")
		var doc map[string]string
		if err := json.Unmarshal([]byte(Template(`{"to":"{{.To}}","text":"{{ .Text }}"}`, JSON, value)), &doc); err != nil || len(doc) != 2 || doc["text"] != want || doc["to"] != "r" {
			rt.Fatal(doc, err)
		}
		form, err := url.ParseQuery(Template("to={{.To}}&text={{.Text}}", Query, value))
		if err != nil || len(form) != 2 || form.Get("text") != want || form.Get("to") != "r" {
			rt.Fatal(form, err)
		}
		if line := Template("a {{.Text}}", Header, value); strings.ContainsAny(line, "\r\n\x00") {
			rt.Fatalf("%q", line)
		}
	})
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	for template, want := range map[string]string{
		`{"a":"{{.Text}}"}`: "", `{"a":{{.Urgent}},"b":{"c":{}}}`: "", `{"a":"{{.Nummer}}"}`: "placeholder", `{"a":"{{Text}}"}`: "braces",
		`{"a":{{.Text}}}`: "json", `{"a":"{{.Text}}"`: "json",
	} {
		word := ""
		if p, ok := errors.AsType[*Problem](Check(template, JSON, lookup)); ok {
			word = p.Word
		}
		if word != want {
			t.Errorf("%s: %q, want %q", template, word, want)
		}
	}
	if err := Check("Bearer {{.Text}}}}", Header, lookup); err == nil {
		t.Error("braces without a beginning")
	}
	if n := Names("{{.To}} {{ .Text }}"); len(n) != 2 || n[1] != "Text" {
		t.Error(n)
	}
}
