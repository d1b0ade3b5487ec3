package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tuermer/internal/notice/monitor"
)

// TestShortInterval: whoever only shortens the interval of a file that works
// gets a shorter wait and is told so, not a refusal.
func TestShortInterval(t *testing.T) {
	c, warnings, err := ParseConfig("t.yaml", []byte("monitors:\n  - {slug: a, url: \"http://127.0.0.1:1/\", interval: 2s, timeout: 10s}\n  - {slug: b, url: \"http://127.0.0.1:1/\", interval: 1s}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range c.Monitors {
		if m := m.Spec; m.Timeout <= 0 || m.Timeout >= m.Interval {
			t.Errorf("timeout %s, interval %s", m.Timeout.D(), m.Interval.D())
		}
	}
	if c.Monitors[0].Spec.Timeout.D() != 1800*time.Millisecond {
		t.Errorf("timeout %s", c.Monitors[0].Spec.Timeout.D())
	}
	told := 0
	for _, w := range warnings {
		if w.Key == "monitors[0].timeout" && w.Line == 2 {
			told++
		}
		if w.Key == "monitors[1].timeout" {
			t.Errorf("a default is no reason to warn: %s", w)
		}
	}
	if told != 1 {
		t.Errorf("told %d times: %v", told, warnings)
	}
}

// TestMonitorsRefusedWithLine: what the monitors would refuse at the start, the
// file refuses with line and key.
func TestMonitorsRefusedWithLine(t *testing.T) {
	for yaml, key := range map[string]string{
		"{slug: a, url: \"tcp://db.example\"}":                  "monitors[0].url",
		"{slug: a, url: \"tcp://db.example:99999\"}":            "monitors[0].url",
		"{slug: a, url: \"http://ada:geheim@portal.example/\"}": "monitors[0].url",
		"{slug: a, kind: heartbeat, interval: 100ms}":           "monitors[0].interval",
	} {
		_, _, err := ParseConfig("t.yaml", []byte("monitors:\n  - "+yaml+"\n"))
		if err == nil || !strings.Contains(err.Error(), "t.yaml:2:") || !strings.Contains(err.Error(), key+": ") || strings.Contains(err.Error(), "monitor.problem") {
			t.Errorf("%s: %v", yaml, err)
		}
	}
}

// TestEveryKindInTheFile: what the console and the API can check, the file can.
func TestEveryKindInTheFile(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"pw": "geheim\n", "community": "rathaus\n", "key": "schluessel\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "t.yaml")
	if err := os.WriteFile(file, []byte(`
town: {name: Musterstadt, slug: musterstadt, probe_networks: [public, 10.1.0.0/16]}
monitors:
  - slug: web
    url: https://portal.example/api?x=1
    method: post
    headers: {Accept: application/json, X-Amt: "10"}
    header_files: {X-Api-Key: key}
    body: '{"a": 1}'
    redirects: 0
    same_host: true
    proxy: socks5://proxy.example:1080
    proxy_username: tuermer
    proxy_password_file: pw
    http2: true
    username: ada
    password_file: pw
    tls: {min: "1.3", server_name: portal.intern.example, insecure: true}
    expect: {status: "200-299,401", regex: "ok|gut", json: {state: up, ready: true, n: 3}, headers: {Content-Type: json}, within: 2s, certificate: 14d}
  - {slug: eins, url: "http://a.example", expect: {status: [200, 2xx, "301-302"]}}
  - {slug: zahl, url: "http://a.example", expect: {status: 204}}
  - {slug: tcp, host: ssh.example, port: 22, expect: {body: SSH-2.0}}
  - {slug: tcp2, url: "tcp://db.example:99", send: "PING\r\n", expect: {regex: PONG}}
  - {slug: beat, kind: heartbeat, interval: 7h}
  - {slug: tls, kind: tls, host: mail.example, port: 25, tls: {mode: smtp}, expect: {certificate: 21d}}
  - {slug: icmp, kind: icmp, host: 192.0.2.1}
  - {slug: dns, kind: dns, host: www.example, dns: {server: "192.0.2.53", type: mx, dnssec: true, tcp: true}, expect: {records: ["10 mail.example."], rcode: noerror}}
  - {slug: smtp, kind: smtp, host: mail.example, port: 587, username: ada, password_file: pw, tls: {mode: starttls}}
  - {slug: imap, kind: imap, host: mail.example, port: 993, username: ada, password_file: pw}
  - {slug: domain, kind: domain, host: musterstadt.example, url: "https://rdap.example/", expect: {domain: 45d}}
  - {slug: grpc, kind: grpc, host: api.example, port: 443, grpc_service: amt.v1, bearer_file: pw}
  - {slug: ldap, kind: ldap, host: ldap.example, username: "cn=ada", password_file: pw}
  - {slug: sip, kind: sip, host: tk.example, tls: {mode: tcp}, expect: {status: [200]}}
  - {slug: snmp, kind: snmp, host: usv.example, snmp: {oid: 1.3.6.1.2.1.1.5.0, community_file: community}, expect: {body: usv}}
  - {slug: pg, kind: postgres, host: db.example}
  - {slug: my, kind: mysql, host: db.example}
  - {slug: ms, kind: mssql, host: db.example}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[monitor.Kind]bool{}
	for _, m := range monitors(cfg.Monitors) {
		seen[m.Spec.Kind] = true
		if _, wrong := m.Spec.Normalize(); len(wrong) > 0 {
			t.Errorf("%s: %v", m.Slug, wrong)
		}
	}
	for _, k := range monitor.Kinds() {
		if !seen[k] {
			t.Errorf("the file cannot ask for a check of kind %s", k)
		}
	}
	s := cfg.Monitors[0].Spec
	if s.Password != "geheim" || s.ProxyPassword != "geheim" || s.Headers["X-Api-Key"] != "schluessel" || s.Headers["X-Amt"] != "10" ||
		s.Redirects == nil || *s.Redirects != 0 || s.Expect.JSON["ready"] != "true" || s.Expect.JSON["n"] != "3" || s.TLS.Min != "1.3" ||
		len(s.Expect.Status) != 2 || !s.Expect.Status[1].Has(401) || s.Expect.Certificate.D() != 14*24*time.Hour {
		t.Errorf("%+v", s)
	}
	if got := cfg.Town.ProbeNetworks; len(got) != 2 || got[1] != "10.1.0.0/16" {
		t.Error(got)
	}
	if cfg.Monitors[11].Spec.Interval.D() != 6*time.Hour {
		t.Errorf("a registry is asked every %s", cfg.Monitors[11].Spec.Interval.D())
	}
}

// TestWrongFilesOfMonitors: what stands in a file of its own is judged too.
func TestWrongFilesOfMonitors(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pem"), []byte("kein PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for yaml, key := range map[string]string{
		`{slug: a, url: "https://a.example", tls: {ca_file: pem}}`:                  "monitors[0].tls.ca",
		`{slug: a, url: "https://a.example", tls: {ca_file: fehlt}}`:                "monitors[0].tls.ca_file",
		`{slug: a, url: "https://a.example", username: u, password_file: fehlt}`:    "monitors[0].password_file",
		`{slug: a, url: "https://a.example", tls: {min: "0.9"}}`:                    "monitors[0].tls.min",
		`{slug: a, url: "https://a.example", proxy: "ftp://a.example"}`:             "monitors[0].proxy",
		`{slug: a, url: "https://a.example", proxy: "http://ada:geheim@a.example"}`: "monitors[0].proxy",
		`{slug: a, url: "https://a.example", expect: {status: "200-"}}`:             "monitors[0].expect.status",
		`{slug: a, url: "https://a.example", expect: {records: [x]}}`:               "monitors[0].expect.records",
		`{slug: a, url: "https://a.example", headers: [x]}`:                         "monitors[0].headers",
		`{slug: a, url: "https://a.example", headers: {Content-Length: "5"}}`:       "monitors[0].headers.Content-Length",
		`{slug: a, kind: dns, host: a.example, dns: {type: axfr}}`:                  "monitors[0].dns.type",
		`{slug: a, kind: snmp, host: a.example, snmp: {oid: x}}`:                    "monitors[0].snmp.oid",
		`{slug: a, kind: smpt, host: a.example}`:                                    "monitors[0].kind",
		`{slug: a, kind: icmp, host: a.example, port: 7}`:                           "monitors[0].port",
		`{slug: a, kind: postgres, host: a.example, tls: {insecure: true}}`:         "monitors[0].tls",
		`{slug: a, kind: tls, host: a.example, expect: {certificate: 2000d}}`:       "monitors[0].expect.certificate",
		`{slug: a, url: "https://a.example", header_files: {X: fehlt}}`:             "monitors[0].header_files.X",
		`{slug: a, url: "https://a.example", headers: {X: a, X: b}}`:                "monitors[0].headers.X",
		`{slug: a, url: "https://a.example", redirects: 50}`:                        "monitors[0].redirects",
		`{slug: a, kind: grpc, host: a.example, port: 1, expect: {json: {a: b}}}`:   "monitors[0].expect.json",
		`{slug: a, kind: sip, host: a.example, tls: {mode: quic}}`:                  "monitors[0].tls.mode",
		`{slug: a, kind: heartbeat, expect: {body: x}}`:                             "monitors[0].expect.body",
		`{slug: a, url: "https://a.example", proxy: "http://p.example:1/x?y"}`:      "monitors[0].proxy",
		`{slug: a, url: "https://a.example", proxy_username: ada}`:                  "monitors[0].proxy_username",
	} {
		file := filepath.Join(dir, "t.yaml")
		if err := os.WriteFile(file, []byte("monitors:\n  - "+yaml+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := LoadConfig(file)
		if err == nil || !strings.Contains(err.Error(), key+": ") || strings.Contains(err.Error(), "monitor.problem") || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", yaml, err)
		}
	}
	if _, _, err := ParseConfig("t.yaml", []byte("town: {name: A, slug: a, probe_networks: [alles]}\n")); err == nil || !strings.Contains(err.Error(), "town.probe_networks[0]") {
		t.Error(err)
	}
}
