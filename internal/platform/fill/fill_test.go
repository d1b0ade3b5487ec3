package fill

import (
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func lookup(name string) (string, bool) {
	s, ok := map[string]string{"To": "r", "Text": "x \"y\"", "Urgent": "true", "ID": "01"}[name]
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

// A value inside JSON that is itself a text of the request is escaped once and read
// twice.
func TestNestedIsRefused(t *testing.T) {
	word := func(template string, form Form) string {
		if p, ok := errors.AsType[*Problem](Check(template, form, lookup)); ok {
			return p.Word
		}
		return ""
	}
	for template, form := range map[string]Form{
		`{"content":"{\"text\":\"{{.Text}}\",\"all\":false}"}`:        JSON,
		`{"content":"{\"text\":{{.Text}}}"}`:                          JSON,
		`{"a":[{"content":" [\"{{.Text}}\"] "}]}`:                     JSON,
		`{"a":"{\u0022text\u0022:\u0022{{.Text}}\u0022}"}`:            JSON,
		`{"a":"{\"b\":\"{\\\"c\\\":\\\"{{.Text}}\\\"}\"}"}`:           JSON,
		`{"{\"a\":\"{{.Text}}\"}":1}`:                                 JSON,
		`a=1&payload={"text":"{{.Text}}"}`:                            Query,
		`payload=%7B%22text%22%3A%22{{.Text}}%22%7D`:                  Query,
		`https://x.example/?payload=%7B%22text%22:%22{{.Text}}%22%7D`: Query,
		`{"text":"{{.Text}}"}`:                                        Header,
	} {
		if w := word(template, form); w != "nested" {
			t.Errorf("%s: %q", template, w)
		}
	}
	for template, form := range map[string]Form{
		`{"content":"{\"id\":\"{{.ID}}\",\"urgent\":{{.Urgent}}}","text":"{{.Text}}"}`: JSON,
		`{"content":"{\"all\":false}","text":"{{.Text}}"}`:                             JSON,
		`{"text":"[{{.Text}}]","b":"{ {{.Text}} }","c":"[\"fest\"] {{.Text}}"}`:        JSON,
		`{"a":{"b":["{{.Text}}",{{.Urgent}},{},[],null,1.5]}}`:                         JSON,
		`https://x.example/?a=[{{.Text}}]&b={{.Text}}`:                                 Query,
		`a=100%&b={{.Text}}`: Query,
		`Bearer {{.Text}}`:   Header,
	} {
		if w := word(template, form); w != "" {
			t.Errorf("%s: refused as %q", template, w)
		}
	}
}

// TestI6_WhatIsTakenKeepsItsShape: a template that Check takes asks the same whatever a
// value holds, also where the provider reads one of its texts as JSON.
func TestI6_WhatIsTakenKeepsItsShape(t *testing.T) {
	shape := func(s string) (keys []string) {
		var walk func(any)
		walk = func(v any) {
			switch v := v.(type) {
			case []any:
				keys = append(keys, "[")
				for _, x := range v {
					walk(x)
				}
			case map[string]any:
				for _, k := range slices.Sorted(maps.Keys(v)) {
					keys = append(keys, k)
					walk(v[k])
				}
			case string:
				// A text that is one value as a whole is the value's own.
				var inner map[string]any
				if strings.Contains(v, "fest") && json.Unmarshal([]byte(v), &inner) == nil {
					keys = append(keys, "within:")
					walk(inner)
				}
			}
		}
		var doc any
		if json.Unmarshal([]byte(s), &doc) != nil {
			return []string{"no JSON"}
		}
		walk(doc)
		return keys
	}
	before, after := []string{"", `{\"fest\":`, `{\"fest\":\"`, `{\"fest\":[`, `fest `}, []string{"", `}`, `\"}`, `]}`}
	values := []string{`{{.Text}}`, `{{.ID}}`, `1`, `a`, `{{.ID}},{{.Text}}`}
	taken := 0
	rapid.Check(t, func(rt *rapid.T) {
		inner := rapid.SampledFrom(before).Draw(rt, "before") + rapid.SampledFrom(values).Draw(rt, "value") + rapid.SampledFrom(after).Draw(rt, "after")
		template := `{"a":"` + inner + `","text":"{{.Text}}"}`
		if Check(template, JSON, lookup) != nil {
			return
		}
		taken++
		with := func(s string) []string {
			return shape(Template(template, JSON, func(name string) (string, bool) {
				if name == "Text" {
					return s, true
				}
				return lookup(name)
			}))
		}
		said := rapid.SampledFrom([]string{`x","all":true,"y":"`, `1,"all":true`, `"`, `\`, `x"}`, "2"}).Draw(rt, "said")
		for _, plain := range []string{"x", "1"} {
			if a, b := with(plain), with(said); slices.Contains(a, "within:") && !slices.Equal(a, b) {
				rt.Fatalf("%s: %q asks %v, %q asks %v", template, plain, a, said, b)
			}
		}
	})
	if taken == 0 {
		t.Error("no template was taken")
	}
}

func TestTexts(t *testing.T) {
	got := Texts(`{"a":"x{{.Text}}","b":{"token":["{{.ID}}",{{.Urgent}}]},"c":7}`, JSON, func(name string) (string, bool) { return "<" + name + ">", true }, lookup)
	if want := []Text{{"a", "x<Text>"}, {"token", "<ID>"}, {"c", "7"}}; !slices.Equal(got, want) {
		t.Error(got)
	}
	if got := Texts("a=%C3%BC&b", Query, lookup, lookup); !slices.Equal(got, []Text{{"a", "ü"}, {"b", ""}}) {
		t.Error(got)
	}
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
