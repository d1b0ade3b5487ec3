package app

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/papers"
)

// planted is what must not leave: names, addresses, numbers, hosts, secrets.
var planted = []string{
	"gundelhardt", "wilhelmine", "oberursprung", "0171 5550147", "+491715550147", "192.0.2.77", "2001:db8::4711", "10.9.8.7",
	"pa55wort-geheim", "tuermer_tok_9f8e7d", "posteo", "zeitungsverlag", "heimlich", "akte 4711/26", "gesundheitsamtsleitung",
}

const plantedConfig = `
town: {name: Oberursprung, slug: oberursprung, domains: [oberursprung.example], networks: [192.0.2.0/24], land: HE}
urls: {staff: "https://lage.oberursprung.example", public: "https://status.oberursprung.example"}
smtp: [{name: gundelhardt, host: mail.oberursprung.example, port: 2525, from: lage@oberursprung.example, username: gundelhardt, tls: none}]
people:
  - {name: Wilhelmine Gundelhardt, email: wilhelmine.gundelhardt@oberursprung.example, alternative: gundelhardt@posteo.example, mobile: "+491715550147", roles: [admin, approver]}
services:
  - {slug: gesundheitsamtsleitung, name: Gesundheitsamtsleitung, article: die, public: true, workaround: "0171 5550147"}
monitors:
  - {slug: heimlich, service: gesundheitsamtsleitung, url: "http://10.9.8.7/heimlich?key=pa55wort-geheim", interval: 60s}
audiences:
  - {slug: press, kind: press, name: Zeitungsverlag, recipients: [wilhelmine@zeitungsverlag.example]}
`

// Personal data stand in every corner of the install: in the configuration, in the
// tables, in what went wrong. None of it is in the bundle, and the bundle still
// says what a helper needs.
func TestDiagnosisHoldsNobody(t *testing.T) {
	cfg, _, err := ParseConfig("tuermer.yaml", []byte(plantedConfig))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	a, err := New(t.Context(), Options{Dir: dir, Config: cfg, Version: "1.2.3", Lookup: nil})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	if err := a.Declare(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, err := a.inTown(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	p, err := a.identity.PersonByEmail(ctx, "wilhelmine.gundelhardt@oberursprung.example")
	must(err)
	admin := i18n.With(ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: string(p.ID), Name: p.Name, Roles: []string{"admin", "it"}}), i18n.Locale{Catalog: a.catalog, Lang: i18n.DE})
	link, err := a.identity.SignInLink(ctx, p.ID, 1e12)
	must(err)
	_, err = a.identity.UseLink(ctx, link[strings.LastIndex(link, "/")+1:], identity.Client{Address: "2001:db8::4711", Agent: "Heimlich 192.0.2.77"})
	must(err)
	must(a.channel.SaveRelay(admin, channel.Relay{Name: "gundelhardt-2", Host: "10.9.8.7", Port: 25, From: "g@oberursprung.example", Username: "wilhelmine", Password: []byte("pa55wort-geheim")}))
	in, err := a.incident.Open(admin, incident.OpenRequest{Title: "Akte 4711/26: Wilhelmine Gundelhardt", Confirmed: true})
	must(err)
	must(a.incident.Note(admin, in.ID, "Ruf 0171 5550147 an"))
	must(a.papers.SaveDetails(admin, papers.Details{Representative: "Wilhelmine Gundelhardt", Phone: "0171 5550147", Mail: "gundelhardt@posteo.example"}))

	// What went wrong quotes it all, large, small and in quotation marks.
	for i, s := range planted {
		a.o.Log.Warn("delivery failed to "+s, "room", "channel", "to", s, "err", fmt.Errorf("smtp: mail to %q via %s refused for %s: %w", s, strings.ToUpper(s), s, errors.New("550 no such user "+s)))
		a.o.Log.With("room", "monitor", "url", "http://"+s).Error("probe failed", "err", fault.New(fault.Conflict, "monitor.gone").With(&net.OpError{Op: "dial", Net: "tcp", Err: errors.New(s + " connection refused " + fmt.Sprint(i))}))
	}

	check := func(from string) map[string]string {
		t.Helper()
		raw, err := a.Diagnose(admin, Settings{Lang: i18n.DE})
		must(err)
		z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
		must(err)
		out := map[string]string{}
		for _, f := range z.File {
			r, err := f.Open()
			must(err)
			content, err := io.ReadAll(r)
			must(err)
			out[f.Name] = string(content)
			for _, s := range planted {
				if at := strings.Index(strings.ToLower(string(content)), s); at >= 0 {
					t.Errorf("%s: %s holds %q: …%s…", from, f.Name, s, content[max(0, at-60):min(len(content), at+60)])
				}
			}
		}
		return out
	}
	got := check("console")
	for file, words := range map[string][]string{
		"overview.json":  {`"1.2.3"`, `"sqlite `, `"incident_incident": 1`, `"papers": 1`, `"goroutines"`},
		"config.json":    {`"land": "HE"`, `"none 2525"`, `"admin": 1`, `"press": 1`, `"monitors": 1`},
		"check.json":     {"papers.red_draft", "papers.red_hosting"},
		"errors.json":    {"delivery failed to", "no such user", "refused for", "connection refused", "*net.OpError", "monitor.gone", `"room": "monitor"`},
		"goroutines.txt": {"goroutine profile", "Diagnose"},
		"README.txt":     {"ohne personenbezogene Daten"},
	} {
		for _, w := range words {
			if !strings.Contains(got[file], w) {
				t.Errorf("%s does not say %s:\n%.2000s", file, w, got[file])
			}
		}
	}
	// What lies beside the data until then holds none of it either.
	raw, err := os.ReadFile(filepath.Join(dir, "errors.jsonl"))
	must(err)
	for _, s := range planted {
		if strings.ContainsAny(s, "0123456789") && strings.Contains(strings.ToLower(string(raw)), s) {
			t.Errorf("errors.jsonl holds %q", s)
		}
	}
	// A command in another process tells the errors of the one that serves.
	a.recent.kept = &keptErrors{file: a.recent.kept.file}
	if got = check("command"); !strings.Contains(got["errors.json"], "no such user") {
		t.Errorf("the errors of before are gone: %s", got["errors.json"])
	}
	reader := ident.WithActor(admin, ident.Actor{Kind: ident.KindPerson, Person: "x", Roles: []string{"reader", "it"}})
	if _, err := a.diagnoseHere(reader); fault.KindOf(err) != fault.Forbidden {
		t.Errorf("somebody without the right: %v", err)
	}
}

// Whatever an error says about somebody in digits, capitals or quotation marks
// does not stay.
func TestMaskedKeepsNoValue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		secret := rapid.OneOf(
			rapid.StringMatching(`[a-z]{1,8}\.[a-z]{2,8}@[a-z]{2,8}\.(de|example)`), rapid.StringMatching(`(\+49|0)\d{6,12}`),
			rapid.StringMatching(`\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(:\d+)?`), rapid.StringMatching(`[0-9a-f]{1,4}(:[0-9a-f]{1,4}){3,7}`),
			rapid.StringMatching(`[A-ZÄÖÜ][a-zäöüß]{2,10}`), rapid.StringMatching(`[A-Za-z0-9_]{3,10}\d[A-Za-z0-9]{6,20}`), rapid.StringMatching(`https?://[a-z]{3,9}/[a-z]{0,9}`),
		).Draw(rt, "secret")
		text := rapid.SampledFrom([]string{"dial tcp %s: connection refused", "no such user %s", "(%s) refused", "lookup %s on host", "%s"}).Draw(rt, "text")
		if got := masked(fmt.Sprintf(text, secret)); strings.Contains(got, secret) {
			rt.Fatalf("%q leaves %q", secret, got)
		}
	})
	if got := masked(`smtp: 550 mailbox "bert kern" unavailable: EOF`); got != "smtp: 550 mailbox … unavailable: EOF" {
		t.Error(got)
	}
}

// The errors beside the data do not grow without end.
func TestKeptErrorsAreBounded(t *testing.T) {
	dir := t.TempDir()
	log := slog.New(newRecent(slog.DiscardHandler, dir))
	for range 4000 {
		log.Error("something failed in a long sentence", "err", errors.New(strings.Repeat("connection refused by peer ", 5)))
	}
	var size int64
	for _, name := range []string{"errors.jsonl", "errors.jsonl.1"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > 2*maxKeptFile+4096 {
		t.Errorf("%d bytes", size)
	}
	kept := (&keptErrors{file: filepath.Join(dir, "errors.jsonl")}).last()
	if raw, err := json.Marshal(kept); err != nil || len(kept) != maxKept {
		t.Errorf("%d records, %s, %v", len(kept), raw[:100], err)
	}
}
