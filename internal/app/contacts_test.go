package app

import (
	"crypto/ecdh"
	"crypto/rand"
	"net/netip"
	"strings"
	"testing"

	"tuermer/internal/notice/pulse"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/zonetest"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/contact"
)

// everyPoint names one of everything that an alarm may depend on.
const everyPoint = `
town: {name: Musterstadt, slug: musterstadt, domains: [musterstadt.example], networks: [192.0.2.0/24], land: HE}
urls: {staff: "https://lage.musterstadt.example", public: "https://status.frei.example"}
smtp: [{name: haus, host: relay.example, from: lage@tuermer.example}]
sms: [{name: eins, kind: http-json, url: "https://sms.example/send", body: '{"to":"{{.To}}","text":"{{.Text}}"}'}, {name: modem, kind: gammu, folder: /var/spool/gammu}]
voice: [{name: ruf, kind: http-json, url: "https://127.0.0.1:9000/call", body: '{"to":"{{.To}}","text":"{{.Text}}"}'}]
webhooks: [{name: kanal, url: "https://chat.example/haken/geheim"}]
directory: {url: "ldaps://dc.musterstadt.example", base: "dc=musterstadt,dc=example", bind: "cn=t", password_file: geheim}
twin: {targets: [{name: fuss, url: "https://192.0.2.9/dav"}, {name: ordner, url: /srv/kopie}]}
backup:
  to: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]
  replica: {targets: [{name: fern, url: "https://chat.example/dav"}, {name: haus, url: "https://192.0.2.9/dav"}, {name: regal, url: /srv/regal}]}
heartbeats: [{name: nachbar, url: "https://stumm.example/ping"}]
people:
  - {name: Ada, email: ada@musterstadt.example, alternative: ada@post.example, roles: [it]}
  - {name: Bert, email: bert@musterstadt.example, roles: [admin]}
`

const everyZone = `
musterstadt.example. NS ns1.rz.example.
musterstadt.example. MX 10 mx.rz.example.
mx.rz.example.       A  198.51.100.25
status.frei.example. A  203.0.113.1
relay.example.       MX 10 mx2.rz.example.
relay.example.       A  203.0.113.2
sms.example.         CNAME www.sms.example.
www.sms.example.     A  203.0.113.3
chat.example.        A  203.0.113.4
chat.example.        NS ns2.rz.example.
stumm.example.       TXT "servfail"
`

// Every contact point of a configuration is looked at by a resolver that really
// asks: what falls with the town is red and names what helps, and what cannot be
// known is not green.
func TestCheckPoints(t *testing.T) {
	z, err := zonetest.Parse(everyZone)
	if err != nil {
		t.Fatal(err)
	}
	cfg, _, err := ParseConfig("tuermer.yaml", []byte(everyPoint))
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), Options{
		Dir: t.TempDir(), Config: cfg, Lookup: resolverAt(z.Serve(t)),
		Facts: func() pulse.Facts { return pulse.Facts{Hosts: []netip.Addr{netip.MustParseAddr("192.0.2.200")}} },
	})
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
	// A browser that Ada registered is reached by its maker's service.
	ada, err := a.identity.PersonByEmail(ctx, "ada@musterstadt.example")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.channel.AddDevice(ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: string(ada.ID)}), channel.Device{
		Label: "Firefox", Endpoint: "https://push.musterstadt.example/wp/geheim", P256DH: key.PublicKey().Bytes(), Auth: make([]byte, 16),
	})
	if err != nil {
		t.Fatal(err)
	}
	all, err := a.contact.Look(ctx)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]contact.State{}
	for _, s := range all {
		got[string(s.Kind)+" "+s.Name] = s.State
	}
	for name, want := range map[string]contact.State{
		"machine ": contact.Shared, "console lage.musterstadt.example": contact.Shared, "public status.frei.example": contact.Apart,
		"person Ada": contact.Unknown, // room identity has not asked yet
		"mail haus":  contact.Shared, "sms eins": contact.Apart, "sms modem": contact.Shared, "voice ruf": contact.Shared,
		"push push.musterstadt.example": contact.Shared, "webhook kanal": contact.Shared, "directory dc.musterstadt.example": contact.Shared, "twin fuss": contact.Shared,
		"twin ordner": contact.Unknown, "backup ": contact.Unknown, "backup fern": contact.Shared, "backup haus": contact.Shared, "backup regal": contact.Unknown,
		"watcher nachbar": contact.Unknown,
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("not expected: %v", got)
	}
	// A webhook's address is a secret; its host is not.
	for _, s := range all {
		if strings.Contains(s.Host+s.Name, "geheim") {
			t.Errorf("%+v", s)
		}
	}
	if z.Asked() < 20 {
		t.Errorf("only %d questions reached the name server", z.Asked())
	}
	check, err := a.checkPoints(ctx, Settings{Lang: i18n.DE})
	if err != nil {
		t.Fatal(err)
	}
	red := 0
	for _, r := range check {
		if r.Serious || r.WayOut == "" {
			t.Errorf("%+v", r)
		}
		if r.Red {
			red++
		}
	}
	if red != 9 || len(check) != 14 { // machine and people have lines of their own
		t.Errorf("%d red of %d: %+v", red, len(check), check)
	}
}

// The warnings of the file are printed by whoever has read it, once.
func TestCheckLeavesTheFileToItsReader(t *testing.T) {
	all, err := Commands{}.Check(t.Context(), Settings{Data: t.TempDir(), Warnings: []Warning{{File: "stadt.yaml", Key: "monitors", Text: "config.warn_no_monitors"}}})
	if err != nil || len(all) == 0 {
		t.Fatal(all, err)
	}
	for _, r := range all {
		if strings.Contains(r.What, "stadt.yaml") {
			t.Error("said twice:", r.What)
		}
	}
}
