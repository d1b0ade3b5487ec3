package app

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
	"pgregory.net/rapid"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/i18n"
)

var updateConfig = flag.Bool("update-config", false, "rewrite the expected texts in testdata/config")

// sample is the file of the contract, kept once in testdata.
func sample(t testing.TB) []byte {
	t.Helper()
	a, err := txtar.ParseFile("testdata/config/contract.txtar")
	if err != nil {
		t.Fatal(err)
	}
	return a.Files[0].Data
}

// TestConfigTexts reads every case in testdata/config: what a file's author is
// told, in both languages.
func TestConfigTexts(t *testing.T) {
	files, err := filepath.Glob("testdata/config/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			_, warnings, err := ParseConfig("tuermer.yaml", a.Files[0].Data)
			for _, l := range i18n.Langs() {
				var b strings.Builder
				if ce, ok := errors.AsType[*ConfigError](err); ok {
					fmt.Fprintln(&b, ce.In(l))
				}
				for _, w := range warnings {
					fmt.Fprintln(&b, w.In(l))
				}
				got[string(l)] = b.String()
			}
			if *updateConfig {
				a.Files = a.Files[:1]
				for _, l := range i18n.Langs() {
					a.Files = append(a.Files, txtar.File{Name: string(l), Data: []byte(got[string(l)])})
				}
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if len(a.Files) != 3 {
				t.Fatalf("want a file and two languages, got %d sections; run with -update-config", len(a.Files))
			}
			for _, want := range a.Files[1:] {
				if got[want.Name] != string(want.Data) {
					t.Errorf("%s:\ngot:\n%s\nwant:\n%s", want.Name, got[want.Name], want.Data)
				}
			}
		})
	}
}

// TestEveryTextIsShown keeps texts that no case shows from going stale.
func TestEveryTextIsShown(t *testing.T) {
	catalog, err := i18n.NewCatalog(configTexts)
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	files, _ := filepath.Glob("config_*.go")
	for _, f := range append(files, "config.go") {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(data)
	}
	for _, key := range catalog.Keys() {
		base, _ := strings.CutSuffix(key, "_guess")
		if strings.HasPrefix(key, "config.") && !strings.Contains(shown.String(), `"`+key+`"`) && !strings.Contains(shown.String(), `"`+base+`"`) {
			t.Errorf("no code uses the text %s", key)
		}
	}
}

func TestConfigOfTheContract(t *testing.T) {
	cfg, warnings, err := ParseConfig("tuermer.yaml", sample(t))
	if err != nil || len(warnings) != 0 {
		t.Fatalf("err %v, warnings %v", err, warnings)
	}
	cfg.at = nil
	want := &Config{
		Town: TownConfig{
			Name: "Musterstadt", Slug: "musterstadt", Domains: []string{"musterstadt.example"}, Networks: []string{"192.0.2.0/24"},
			Land: "HE", Timezone: "Europe/Berlin", Language: "de",
		},
		URLs: URLsConfig{Staff: "https://lage.tuermer.example", Public: "https://status.tuermer.example"},
		SMTP: []SMTPConfig{{Name: "primary", Host: "127.0.0.1", Port: 2525, From: "lage@tuermer.example", TLS: "none"}},
		People: []PersonConfig{
			{"Ada Beispiel", "ada@musterstadt.example", "ada@posteo.example", "+491700000001", "", []string{"it", "publisher"}},
			{"Bert Kern", "bert@musterstadt.example", "bert@posteo.example", "", "", []string{"admin", "approver"}},
		},
		Services: []ServiceConfig{{
			Slug: "buergerportal", Name: "Bürgerportal", Article: "das", Public: true, Owner: "ada@musterstadt.example",
			Workaround: "Telefon 0611 000", DependsOn: []string{}, Audiences: []string{"citizens", "staff"}, AutoPublic: "checking",
		}},
		Monitors: []MonitorConfig{{
			Slug: "portal", Name: "portal", Service: "buergerportal", Spec: monitor.Spec{
				Kind: "http", URL: "http://127.0.0.1:8081/", Interval: monitor.Duration(time.Minute), Timeout: monitor.Duration(10 * time.Second),
				Expect: monitor.Expect{Status: []monitor.StatusRange{{From: 200, To: 200}}, Body: "Willkommen"}, Confirm: 3,
			},
		}},
		Audiences: []AudienceConfig{
			{"citizens", "citizens", "Bürgerinnen und Bürger", []string{"liste@musterstadt.example"}},
			{"staff", "staff", "Beschäftigte", []string{"alle@musterstadt.example"}},
		},
	}
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got  %+v\nwant %+v", cfg, want)
	}
}

func TestConfigDefaults(t *testing.T) {
	cfg, _, err := ParseConfig("t.yaml", []byte(`
smtp: [{host: a.example}, {host: b.example, tls: tls}, {name: c, host: c.example, tls: none}]
people: [{name: Ada, email: ADA@Example.org, mobile: +49 170 000-0001}, {name: Bert, email: bert@example.org, mobile: +491700000002}]
services: [{slug: a, name: 1234, public: true}, {slug: b, name: B}]
monitors: [{slug: m, url: "http://a.example"}, {slug: n, url: "tcp://a.example:22"}, {slug: h, kind: heartbeat, interval: 5m}]
audiences: [{slug: press, name: Presse}]
`))
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	check("starttls port", cfg.SMTP[0].Port, 587)
	check("starttls", cfg.SMTP[0].TLS, "starttls")
	check("name", cfg.SMTP[0].Name, "a.example")
	check("tls port", cfg.SMTP[1].Port, 465)
	check("plain port", cfg.SMTP[2].Port, 25)
	check("address in lower case", cfg.People[0].Email, "ada@example.org")
	check("spaced number", cfg.People[0].Mobile, "+491700000001")
	check("number that YAML takes for one", cfg.People[1].Mobile, "+491700000002")
	check("role", cfg.People[0].Roles[0], "reader")
	check("name of digits", cfg.Services[0].Name, "1234")
	check("public service", cfg.Services[0].AutoPublic, "checking")
	check("inner service", cfg.Services[1].AutoPublic, "never")
	check("interval", cfg.Monitors[0].Spec.Interval.D(), time.Minute)
	check("tcp", cfg.Monitors[1].Spec.Kind, monitor.TCP)
	check("grace", cfg.Monitors[2].Spec.Grace.D(), 5*time.Minute)
	check("kind", cfg.Audiences[0].Kind, "press")
	check("zone", cfg.Town.Timezone, "Europe/Berlin")
}

// TestConfigBytes feeds what no editor should write, and what somebody might.
func TestConfigBytes(t *testing.T) {
	nested := func(open string, n int) string { return "people: " + strings.Repeat(open, n) }
	for _, c := range []struct {
		name, data, text string
		line, column     int
	}{
		{"ten megabytes", strings.Repeat("# voll\n", 10<<20/7), "config.too_big", 0, 0},
		{"UTF-16", "\xff\xfet\x00o\x00", "config.utf16", 1, 1},
		{"invalid UTF-8", "town:\n  name: M\xfcsterstadt\n", "config.not_utf8", 2, 10},
		{"NUL", "town: {name: Ü\x00, slug: a}\n", "config.control", 1, 15},
		{"brackets", nested("[", 1<<20), "config.deep", 1, 9 + maxDepth},
		{"braces", nested("{a: ", 1<<18), "config.deep", 1, 9 + 4*maxDepth},
		{"dashes", "people:\n  " + strings.Repeat("- ", 1<<19), "config.deep", 2, 3 + 2*maxDepth},
		{"staircase", func() string {
			var b strings.Builder
			for i := range 1000 {
				b.WriteString(strings.Repeat(" ", i) + "a:\n")
			}
			return b.String()
		}(), "config.deep", 1 + maxDepth, 2 + maxDepth},
		{"a million keys", func() string {
			var b strings.Builder
			for i := range 100_000 {
				fmt.Fprintf(&b, "k%d: 1\n", i)
			}
			return b.String()
		}(), "config.crowded", 1 + maxKeysAMapping, 5},
		{"a million empty entries", "people:\n" + strings.Repeat("-\n", 1<<19), "config.crowded", 2 + maxEmptyEntries, 1},
		{"bomb", "a: &a [x]\n", "config.anchor", 1, 4},
		{"merge", "town:\n  <<: {name: A}\n", "config.anchor", 2, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := ParseConfig("t.yaml", []byte(c.data))
			ce, ok := errors.AsType[*ConfigError](err)
			if !ok {
				t.Fatalf("want a ConfigError, got %v", err)
			}
			p := ce.Problems[0]
			if p.Text != c.text || p.Line != c.line || p.Column != c.column {
				t.Errorf("got %s at %d:%d, want %s at %d:%d", p.Text, p.Line, p.Column, c.text, c.line, c.column)
			}
		})
	}

	for name, data := range map[string]string{
		"byte order mark":  "\ufefftown: {name: A, slug: a}\n",
		"Windows lines":    "town:\r\n  name: A\r\n  slug: a\r\n",
		"one document":     "---\ntown: {name: A, slug: a}\n",
		"comments only":    "# noch leer\n",
		"null":             "null\n",
		"document, empty":  "---\n",
		"no line break":    "town: {name: A, slug: a}",
		"block of text":    "services:\n  - slug: a\n    name: A\n    workaround: |\n      Telefon: 0611 000\n      Fax: keines\n",
		"colon, in quotes": "services: [{slug: a, name: A, workaround: \"Telefon: 0611 000\"}]\n",
	} {
		if _, _, err := ParseConfig("t.yaml", []byte(data)); err != nil {
			t.Errorf("%s is refused: %v", name, err)
		}
	}
}

// TestConfigKeepsItsHead: a file with very many errors prints a bounded list.
func TestConfigKeepsItsHead(t *testing.T) {
	_, _, err := ParseConfig("t.yaml", []byte("people:\n"+strings.Repeat("  - {x: 1}\n", 5000)))
	ce, ok := errors.AsType[*ConfigError](err)
	if !ok {
		t.Fatal(err)
	}
	if len(ce.Problems) != maxProblems || ce.More != 3*5000-maxProblems {
		t.Errorf("%d shown, %d more", len(ce.Problems), ce.More)
	}
	if lines := strings.Count(ce.Error(), "\n"); lines != maxProblems+1 {
		t.Errorf("%d lines", lines)
	}
}

// TestLongChainOfServices: finding circles needs no deep stack and no patience.
func TestLongChainOfServices(t *testing.T) {
	var b strings.Builder
	b.WriteString("services:\n")
	for i := range 9999 {
		fmt.Fprintf(&b, "  - {slug: s%d, name: S, depends_on: [s%d]}\n", i, i+1)
	}
	b.WriteString("  - {slug: s9999, name: S}\n")
	if _, _, err := ParseConfig("t.yaml", []byte(b.String())); err != nil {
		t.Fatal(err)
	}
}

func TestLoadConfig(t *testing.T) {
	dir := t.TempDir()
	write := func(name, data string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(data), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	texts := func(err error) (texts []string) {
		t.Helper()
		ce, ok := errors.AsType[*ConfigError](err)
		if !ok {
			t.Fatalf("want a ConfigError, got %v", err)
		}
		for _, p := range ce.Problems {
			texts = append(texts, fmt.Sprintf("%d %s %s", p.Line, p.Key, p.Text))
		}
		return texts
	}

	write("smtp.password", "päss wort\n", 0o600)
	write("open.secret", "geheim\n", 0o644)
	good := write("good.yaml", "smtp: [{host: a.example, from: a@b.example, username: u, password_file: smtp.password}]\n"+
		"webhooks: [{name: x, url: https://x.example, secret_file: "+filepath.Join(dir, "open.secret")+"}]\n", 0o600)
	cfg, warnings, err := LoadConfig(good)
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.SMTP[0].Password.Reveal(); got != "päss wort" {
		t.Errorf("password %q", got)
	}
	if got := fmt.Sprintf("%v %+v %#v %v %s", cfg, cfg, cfg.SMTP, cfg.Webhooks, cfg.Webhooks[0].Secret); strings.Contains(got, "päss") || strings.Contains(got, "geheim") {
		t.Errorf("a secret shows: %s", got)
	}
	if n := len(warnings); n == 0 || !bytes.Contains([]byte(fmt.Sprint(warnings)), []byte("chmod")) {
		t.Errorf("no warning about the open secret: %v", warnings)
	}

	write("empty", "\n", 0o600)
	write("two", "a\nb\n", 0o600)
	write("huge", strings.Repeat("x", maxSecret+1), 0o600)
	bad := write("bad.yaml", `smtp:
  - {name: a, password_file: none}
  - {name: b, password_file: empty}
  - {name: c, password_file: two}
  - {name: d, password_file: huge}
  - {name: e, password_file: .}
`, 0o600)
	_, _, err = LoadConfig(bad)
	want := []string{
		"2 smtp[0].password_file config.secret_unreadable", "3 smtp[1].password_file config.secret_shape",
		"4 smtp[2].password_file config.secret_shape", "5 smtp[3].password_file config.secret_long",
		"6 smtp[4].password_file config.secret_unreadable",
	}
	if got := texts(err); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}

	if _, _, err := LoadConfig(filepath.Join(dir, "missing.yaml")); texts(err)[0] != "0  config.no_file" {
		t.Error(err)
	}
	if _, _, err := LoadConfig(dir); texts(err)[0] != "0  config.unreadable" {
		t.Error(err)
	}
	if _, _, err := LoadConfig(write("big.yaml", strings.Repeat("#\n", 5<<20), 0o600)); texts(err)[0] != "0  config.too_big" {
		t.Error(err)
	}
}

// TestTypoIsGuessed: any key of the contract with two neighbours swapped is
// refused with the right guess.
func TestTypoIsGuessed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := []string{"interval", "timeout", "service", "confirm", "expect"}
		key := rapid.SampledFrom(keys).Draw(t, "key")
		i := rapid.IntRange(0, len(key)-2).Draw(t, "at")
		typo := key[:i] + key[i+1:i+2] + key[i:i+1] + key[i+2:]
		if typo == key {
			return
		}
		_, _, err := ParseConfig("t.yaml", []byte("monitors:\n  - slug: a\n    url: http://a.example\n    "+typo+": x\n"))
		ce, ok := errors.AsType[*ConfigError](err)
		if !ok || len(ce.Problems) != 1 {
			t.Fatalf("%s: %v", typo, err)
		}
		p := ce.Problems[0]
		if p.Line != 4 || p.Column != 5 || p.Text != "config.key_guess" || p.Args[0] != key {
			t.Fatalf("%s: %v", typo, p)
		}
	})
}

// FuzzParseConfig: whatever the bytes, there is either a configuration that
// keeps its promises or a list of places within the file.
func FuzzParseConfig(f *testing.F) {
	files, _ := filepath.Glob("testdata/config/*.txtar")
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(a.Files[0].Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, warnings, err := ParseConfig("t.yaml", data)
		lines := bytes.Count(data, []byte("\n")) + 1
		found := warnings
		if ce, ok := errors.AsType[*ConfigError](err); ok {
			if cfg != nil || len(ce.Problems) == 0 || ce.In(i18n.EN) == "" {
				t.Fatalf("half a refusal: %v %v", cfg, ce)
			}
			found = ce.Problems
		} else if err != nil {
			t.Fatalf("%T %v", err, err)
		}
		for _, p := range found {
			// The parser counts a lone carriage return as a line too.
			if p.Line < 0 || p.Line > lines+bytes.Count(data, []byte("\r")) || p.Column < 0 {
				t.Fatalf("outside of the file: %v", p)
			}
			if strings.ContainsAny(p.In(i18n.DE), "\n\r") {
				t.Fatalf("breaks the line: %q", p.In(i18n.DE))
			}
		}
		if err != nil {
			return
		}
		for _, s := range cfg.Services {
			if !slugPattern.MatchString(s.Slug) || s.Name == "" {
				t.Fatalf("%+v", s)
			}
		}
		for _, m := range cfg.Monitors {
			if s := m.Spec; s.Interval <= 0 || s.Timeout <= 0 || s.Confirm <= 0 || s.Kind == "" || m.Name == "" {
				t.Fatalf("%+v", m)
			}
		}
		for _, p := range cfg.People {
			if !strings.Contains(p.Email, "@") || strings.ContainsAny(p.Name+p.Email, "\r\n") || len(p.Roles) == 0 {
				t.Fatalf("%+v", p)
			}
		}
	})
}
