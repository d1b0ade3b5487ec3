package monitor

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/service"
)

var updateImport = flag.Bool("update-import", false, "rewrite testdata/import/*.txt")

// words are the room's sentences, for remarks.
func words(t testing.TB) i18n.Locale {
	t.Helper()
	cat, err := i18n.NewCatalog(Texts(), service.Texts())
	if err != nil {
		t.Fatal(err)
	}
	return i18n.Locale{Catalog: cat, Lang: i18n.DE, Zone: time.UTC}
}

// told writes a harvest as a person would note it.
func told(t testing.TB, h Harvest) string {
	l := words(t)
	var b strings.Builder
	for _, e := range h.Entries {
		fmt.Fprintf(&b, "%s (%s): %s", e.Name, e.Kind, e.Outcome)
		if e.Outcome == ImportNew {
			s, err := json.Marshal(e.Monitor.Spec.Redacted())
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, " as %s %q paused=%v\n  %s", e.Monitor.Slug, e.Monitor.Name, e.Monitor.Paused, s)
		}
		b.WriteString("\n")
		for _, r := range e.Remarks {
			fmt.Fprintf(&b, "  - %s\n", r.In(l))
		}
	}
	for _, r := range h.Left {
		fmt.Fprintf(&b, "* %s\n", r.In(l))
	}
	return b.String()
}

// TestImports takes an invented backup of each program and says what becomes
// of every line of it.
func TestImports(t *testing.T) {
	for f, file := range map[ImportFormat]string{Kuma: "testdata/import/kuma.json", Gatus: "testdata/import/gatus.yaml"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		h, err := ParseImport(f, raw)
		if err != nil {
			t.Fatal(err)
		}
		got := told(t, h)
		if strings.Contains(got, "geheim") || strings.Contains(got, "monitor.import") {
			t.Errorf("%s: a secret or a key is told:\n%s", f, got)
		}
		golden := strings.TrimSuffix(strings.TrimSuffix(file, ".json"), ".yaml") + ".txt"
		if *updateImport {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || got != string(want) {
			t.Errorf("%s: %v\n%s", f, err, got)
		}
	}
	raw, _ := os.ReadFile("testdata/import/kuma.json")
	h, _ := ParseImport(Kuma, raw)
	if s := h.Entries[1].Monitor.Spec; s.Password != "geheim-wort" || s.ProxyPassword != "geheim-proxy" || s.Headers["X-Api-Key"] != "geheim-kopf" || s.Headers["X-Amt"] != "10" || s.Expect.Body != "Willkommen " {
		t.Errorf("credentials are lost: %+v", s)
	}
	if s := h.Entries[9].Monitor.Spec; s.SNMP.Community != "geheim-gemeinde" {
		t.Errorf("%+v", s.SNMP)
	}
}

func TestImportRefuses(t *testing.T) {
	for _, c := range []struct {
		f   ImportFormat
		raw string
	}{
		{Kuma, ""},
		{Kuma, "{}"},
		{Kuma, "[1]"},
		{Kuma, `{"monitorList": 3}`},
		{Kuma, strings.Repeat(" ", MaxImport+1)},
		{Gatus, ""},
		{Gatus, "a: b"},
		{Gatus, "endpoints: ["},
		{Gatus, strings.Repeat("[", 100_000)},
		{Gatus, "a: *b"},
		{Gatus, "- endpoints"},
		{"prtg", "{}"},
		{Gatus, "endpoints:\n  " + strings.Repeat("- ", 1000) + "a"},
	} {
		if h, err := ParseImport(c.f, []byte(c.raw)); err == nil {
			t.Errorf("%s takes %.40q: %+v", c.f, c.raw, h)
		}
	}
	// An alias that multiplies ends in time.
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 10), ","))
	}
	begin := time.Now()
	if _, err := ParseImport(Gatus, []byte(bomb+"endpoints: *j\n")); err == nil || time.Since(begin) > 20*time.Second {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
	if h, err := ParseImport(Kuma, []byte(`{"monitorList": {"7": {"name": "A", "type": "ping", "hostname": "192.0.2.1"}, "8": null}}`)); err != nil || len(h.Entries) != 1 || h.Entries[0].Outcome != ImportNew {
		t.Errorf("%+v %v", h, err)
	}
}

// FuzzImport: whatever the bytes, an import is refused or every entry has its
// outcome, and what becomes a monitor can be probed.
func FuzzImport(f *testing.F) {
	for format, file := range map[bool]string{true: "testdata/import/kuma.json", false: "testdata/import/gatus.yaml"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, format)
	}
	f.Add([]byte("endpoints: [{name: a, url: 'http://a.example', conditions: ['[STATUS] == any(200)', '[BODY] == pat(*a*)']}]"), false)
	f.Add([]byte(`[{"name":"a","type":"http","url":"http://a.example","headers":"{}","accepted_statuscodes":[200]}]`), true)
	f.Fuzz(func(t *testing.T, raw []byte, kuma bool) {
		format := Gatus
		if kuma {
			format = Kuma
		}
		h, err := ParseImport(format, raw)
		if err != nil {
			return
		}
		slugs := map[string]bool{}
		for _, e := range h.Entries {
			switch e.Outcome {
			case ImportNot:
				if len(e.Remarks) == 0 {
					t.Fatalf("%q is not taken over, and nobody says why", e.Name)
				}
			case ImportNew:
				if !service.ValidSlug(e.Monitor.Slug) || slugs[e.Monitor.Slug] {
					t.Fatalf("slug %q", e.Monitor.Slug)
				}
				slugs[e.Monitor.Slug] = true
				if _, wrong := e.Monitor.Spec.Normalize(); len(wrong) > 0 {
					t.Fatalf("%+v: %v", e.Monitor.Spec, wrong)
				}
			default:
				t.Fatalf("outcome %q", e.Outcome)
			}
		}
	})
}
