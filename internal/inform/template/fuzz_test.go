package template

import (
	"strings"
	"testing"
	"time"
)

// FuzzParse: any text is refused with a place or rendered without a rest of the
// language in it.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"{Dienst_nom} {ist|sind} weg", "[[{seit Seit}||jetzt]] x", "[[?Dank a]]", "{", "]]", "{a|b|c}", "\xff{Seit}"} {
		f.Add(s)
	}
	in := Input{Service: NounFor("das", "Bürgerportal"), Facts: Facts{}, AsOf: time.Date(2026, 11, 22, 14, 5, 0, 0, time.UTC)}
	for _, d := range definitions {
		in.Facts[d.Slot] = Value{Text: "x"}
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := Prepare(Entry{Kind: First, Audience: Citizens, Format: Page, Language: DE, Body: s})
		if err != nil {
			return
		}
		x, err := Render(e, in)
		if err != nil {
			t.Fatalf("%q was taken but not rendered: %v", s, err)
		}
		if strings.ContainsAny(x.Body, "{}") || strings.Contains(x.Body, "[[") {
			t.Errorf("%q left %q", s, x.Body)
		}
	})
}

// FuzzGrid: a grid file is taken whole or refused, never a crash.
func FuzzGrid(f *testing.F) {
	f.Add("texts:\n  - kind: first\n    for: [citizens]\n    in: [sms]\n    de: {body: \"{Dienst} weg\"}\n")
	f.Add("frames:\n  - for: [it]\n    in: [mail]\n    de: {open: a}\n")
	f.Add("scenarios:\n  - name: x\n    family: C\n    title: {de: a, en: b}\n    blocks: {lage: {de: c}}\ntexts:\n  - {kind: first, for: [it], in: [sms], family: C, de: {body: \"<<lage>> <<titel>>\"}}\n")
	f.Add("texts: [")
	f.Add("frames:\n  - for: !00\n000000000000000000") // panics in the library
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseGrid(map[string][]byte{"x.yaml": []byte(s)})
		if (l == nil) == (err == nil) {
			t.Errorf("%q: %v, %v", s, l, err)
		}
	})
}

func TestGridErrorsSayWhere(t *testing.T) {
	for src, want := range map[string]string{
		"texts:\n  - kind: first\n    fur: [citizens]\n":                                                                           "x.yaml:3: ",
		"texts:\n  - kind: fest\n    for: [citizens]\n    in: [sms]\n    de:\n      body: a\n":                                     `x.yaml:6: there is no kind "fest"`,
		"texts:\n  - kind: first\n    for: [citizens]\n    in: [sms]\n    de:\n      body: |\n        a\n        {Siet}\n":         `x.yaml:8: body in de: line 2, column 1: {Siet}: there is no slot "Siet"`,
		"texts:\n  - kind: first\n    for: [citizens]\n    in: [mail]\n    de:\n      body: a\n":                                   "x.yaml:6: first for citizens in mail needs subject",
		"texts:\n  - kind: first\n    for: [citizen]\n    in: [mail]\n    de:\n      body: a\n":                                    `x.yaml:6: there is no audience "citizen"`,
		"texts:\n  - kind: first\n    for: [citizens]\n    in: [fax]\n    de:\n      body: a\n":                                    `x.yaml:6: there is no format "fax"`,
		"texts:\n  - kind: first\n    for: [citizens]\n    in: [sms]\n    scenario: storm\n    de:\n      body: a\n":               `x.yaml:7: there is no scenario "storm"`,
		"texts:\n  - kind: first\n    for: [citizens]\n    in: [sms]\n    de:\n      body: <<lage>>\n":                             "x.yaml:6: <<lage>> outside a scenario's text",
		"texts:\n  - {kind: first, for: [it], in: [sms], de: {body: a}}\n  - {kind: first, for: [it], in: [sms], de: {body: b}}\n": "has this text twice",
		"scenarios:\n  - name: x\n": "needs name, family and a title",
		"texts:\n  - kind: first\n    for: [it]\n    in: [sms]\n    de:\n      body: [a]\n":                                                                   "expected a text",
		"scenarios:\n  - {name: x, family: C, title: {de: a, en: b}}\ntexts:\n  - {kind: first, for: [it], in: [sms], family: C, de: {body: \"<<lage>>\"}}\n": `scenario x has no block "lage"`,
	} {
		_, err := ParseGrid(map[string][]byte{"x.yaml": []byte(src)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", src, err, want)
		}
	}
}
