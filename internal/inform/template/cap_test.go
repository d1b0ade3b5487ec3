package template

import (
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// validate lets xmllint (libxml2-utils, see script/setup) hold documents against the schema.
func validate(t *testing.T, docs map[string][]byte) {
	t.Helper()
	bin, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not here; script/setup installs it")
	}
	dir := t.TempDir()
	args := []string{"--noout", "--nonet", "--schema", "testdata/CAP-v1.2.xsd"}
	for name, doc := range docs {
		path := filepath.Join(dir, name+".xml")
		if err := os.WriteFile(path, doc, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	if out, err := exec.CommandContext(t.Context(), bin, args...).CombinedOutput(); err != nil {
		lines := slices.DeleteFunc(strings.Split(string(out), "\n"), func(l string) bool { return strings.HasSuffix(l, " validates") })
		t.Fatalf("%v: %.3000s", err, strings.Join(lines, "\n"))
	}
}

// TestSchemaRefuses: the schema is one that something fails.
func TestSchemaRefuses(t *testing.T) {
	bin, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not here; script/setup installs it")
	}
	good, err := alertSample().XML()
	if err != nil {
		t.Fatal(err)
	}
	validate(t, map[string][]byte{"good": good})
	for name, change := range map[string][2]string{
		"status":   {"<status>Actual</status>", "<status>Real</status>"},
		"order":    {"<scope>Public</scope>", ""},
		"time":     {"+01:00</sent>", "Z</sent>"},
		"category": {"<category>Met</category>", "<category>Hydro</category>"},
		"area":     {"<areaDesc>Altstadt</areaDesc>", "<areaDesc> </areaDesc>"},
		"sender":   {"<sender>status.example</sender>", "<sender>status example</sender>"},
	} {
		bad := strings.Replace(string(good), change[0], change[1], 1)
		if bad == string(good) {
			t.Fatalf("%s: nothing was changed in %s", name, good)
		}
		path := filepath.Join(t.TempDir(), name+".xml")
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := exec.CommandContext(t.Context(), bin, "--noout", "--nonet", "--schema", "testdata/CAP-v1.2.xsd", path).Run(); err == nil {
			t.Errorf("the schema takes a wrong %s", name)
		}
	}
}

func alertSample() Alert {
	return Alert{
		Identifier: "tuermer-1", Sender: "status.example", Sent: time.Date(2026, 11, 24, 14, 2, 0, 0, time.FixedZone("", 3600)), Type: AlertNew,
		Infos: []AlertInfo{{
			Language: DE, Category: "Met", Event: "Hochwasser", Urgency: "Immediate", Severity: "Unknown", Certainty: "Observed", Area: "Altstadt",
			Headline: "Hochwasser", Description: "Das Wasser steigt.",
		}},
	}
}

// TestCAPHoldsEveryMessage: every kind, scenario, language and grade, with whatever
// people write, is a valid document that says their words, and an exercise says
// that it is one (I4).
func TestCAPHoldsEveryMessage(t *testing.T) {
	lib := library(t)
	scenarios := []Scenario{"", Attack, "eigenes"}
	for _, s := range lib.Scenarios() {
		scenarios = append(scenarios, s.Scenario)
	}
	docs := map[string][]byte{}
	text := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.Rune()), rapid.SampledFrom([]string{
		"<info>&amp; ]]> <!-- -->", "Zeile\r\n\r\nZeile\x00\x0b", "\ufffe\uffff", strings.Repeat("lang ", 100), "„Gänsefüße“ – 🚒",
	}))
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(Kinds()).Draw(t, "kind")
		scenario := rapid.SampledFrom(scenarios).Draw(t, "scenario")
		grade := AlertSeverity(Facts{SlotGrade: rapid.SampledFrom(append([]Value{{}, Unknown()}, gradeValues()...)).Draw(t, "grade")})
		category, hazard := Hazard(scenario, grade != "")
		urgency, severity, certainty := AlertClaims(kind, hazard, grade)
		if !hazard && severity != "Unknown" {
			t.Fatalf("an outage claims %s", severity)
		}
		zone := time.FixedZone("", rapid.SampledFrom([]int{0, 3600, 7200, -34200}).Draw(t, "zone"))
		sent := time.Unix(rapid.Int64Range(1_700_000_000, 4_000_000_000).Draw(t, "sent"), 0).In(zone)
		a := Alert{Identifier: "tuermer-1", Sender: "status.example", Sent: sent, Type: AlertNew, Exercise: rapid.Bool().Draw(t, "exercise"), Note: text.Draw(t, "note")}
		for n := range rapid.IntRange(0, 3).Draw(t, "before") {
			a.Type = AlertUpdate
			if EndsAlert(kind) {
				a.Type = AlertCancel
			}
			a.References = append(a.References, AlertReference{"status.example", fmt.Sprint("tuermer-0", n), sent.Add(-time.Hour)})
		}
		body := text.Draw(t, "body")
		for _, l := range Languages()[:rapid.IntRange(1, 3).Draw(t, "languages")] {
			a.Infos = append(a.Infos, AlertInfo{
				Language: l, Category: category, Event: "Ereignis", AllClear: EndsAlert(kind), Urgency: urgency, Severity: severity, Certainty: certainty,
				Expires: sent.Add(time.Duration(rapid.IntRange(-9, 9).Draw(t, "expires")) * time.Hour), SenderName: "Musterstadt", Headline: text.Draw(t, "title"),
				Description: body, Instruction: text.Draw(t, "do"), Web: "https://status.example/m/1#m-1", Contact: text.Draw(t, "phone"), Area: "Gebiet",
			})
		}
		doc, err := a.XML()
		if err != nil {
			t.Fatal(err)
		}
		var back capDocument
		if err := xml.Unmarshal(doc, &back); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		if want := xmlText(body, true); back.Infos[0].Description != want || (back.Status == "Exercise") != a.Exercise || len(back.Infos) != len(a.Infos) {
			t.Fatalf("%q is read as %q, %s", want, back.Infos[0].Description, back.Status)
		}
		docs[fmt.Sprint(len(docs))] = doc
	})
	validate(t, docs)
}

func gradeValues() (out []Value) {
	for _, c := range Choices(SlotGrade) {
		out = append(out, c.Value())
	}
	return out
}

// TestShippedHazardsValidate: the texts that are prepared for the playbooks, as they
// are, in every language.
func TestShippedHazardsValidate(t *testing.T) {
	lib := library(t)
	docs := map[string][]byte{}
	for _, s := range []Scenario{"flood", "fire", "storm", "bomb"} {
		for _, k := range []Kind{First, AllClear} {
			a := alertSample()
			a.Infos = nil
			for _, l := range Languages() {
				e, ok := lib.Find(k, Citizens, CAP, l, s)
				if !ok || e.Format != CAP || e.Language != l {
					t.Errorf("no CAP text for %s, %s, %s", s, k, l)
					continue
				}
				text, err := Sample(e, a.Sent, time.UTC)
				if err != nil || text.Title == "" || text.Body == "" || text.Instruction == "" {
					t.Errorf("%s, %s, %s: %v %+v", s, k, l, err, text)
					continue
				}
				category, hazard := Hazard(s, false)
				u, sev, c := AlertClaims(k, hazard, "")
				a.Infos = append(a.Infos, AlertInfo{
					Language: l, Category: category, Event: string(s), AllClear: EndsAlert(k), Urgency: u, Severity: sev, Certainty: c,
					Headline: text.Title, Description: text.Body, Instruction: text.Instruction, Area: "Altstadt",
				})
			}
			doc, err := a.XML()
			if err != nil {
				t.Fatal(err)
			}
			docs[string(s)+string(k)] = doc
		}
	}
	validate(t, docs)
}

// TestNoHalfAlert: what CAP cannot hold is refused, not written.
func TestNoHalfAlert(t *testing.T) {
	for name, change := range map[string]func(*Alert){
		"identifier": func(a *Alert) { a.Identifier = "a b" },
		"sender":     func(a *Alert) { a.Sender = "" },
		"time":       func(a *Alert) { a.Sent = time.Time{} },
		"words":      func(a *Alert) { a.Infos = nil },
		"area":       func(a *Alert) { a.Infos[0].Area = " " },
		"update":     func(a *Alert) { a.Type = AlertUpdate },
		"reference": func(a *Alert) {
			a.Type, a.References = AlertUpdate, []AlertReference{{Sender: "x,y", Identifier: "1"}}
		},
	} {
		a := alertSample()
		change(&a)
		if doc, err := a.XML(); err == nil {
			t.Errorf("%s: %s", name, doc)
		}
	}
}
