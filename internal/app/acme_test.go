package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/depottest"
	"tuermer/internal/platform/i18n"
)

// pebble is Let's Encrypt's own server for tests (Debian's, see script/setup).
type pebble struct {
	directory, manage string
	ca                []byte
	client            *http.Client
}

// ports that a test will open itself, or nobody.
type ports struct{ http, tls int }

// startPebble runs it: names lead to this machine, and it asks at these ports.
func startPebble(t *testing.T, p ports, port int, cert, key []byte) *pebble {
	t.Helper()
	bin := depottest.Tool(t, "/usr/bin/pebble")
	dir := t.TempDir()
	depottest.Write(t, filepath.Join(dir, "cert.pem"), cert)
	depottest.Write(t, filepath.Join(dir, "key.pem"), key)
	manage := depottest.FreePort(t)
	raw, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": fmt.Sprintf("127.0.0.1:%d", port), "managementListenAddress": fmt.Sprintf("127.0.0.1:%d", manage),
		"certificate": filepath.Join(dir, "cert.pem"), "privateKey": filepath.Join(dir, "key.pem"), "httpPort": p.http, "tlsPort": p.tls,
	}})
	if err != nil {
		t.Fatal(err)
	}
	depottest.Write(t, filepath.Join(dir, "conf.json"), raw)
	names, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &dns.Server{PacketConn: names, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			a.Answer = append(a.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)})
		}
		_ = w.WriteMsg(a)
	})}
	go func() { _ = srv.ActivateAndServe() }()
	t.Cleanup(func() { _ = srv.Shutdown() })
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "20") // as a real one may
	depottest.Run(t, port, bin, "-config", filepath.Join(dir, "conf.json"), "-dnsserver", names.LocalAddr().String())
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	return &pebble{
		directory: fmt.Sprintf("https://127.0.0.1:%d/dir", port), manage: fmt.Sprintf("https://127.0.0.1:%d", manage), ca: cert,
		client: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}, Timeout: 30 * time.Second},
	}
}

// root is by whom it signs.
func (p *pebble) root(t *testing.T) *x509.CertPool {
	t.Helper()
	res, err := p.client.Get(p.manage + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(raw) {
		t.Fatalf("%s %v", raw, err)
	}
	return pool
}

const acmeName = "status.musterstadt.example"

// secured is a town that gets its certificate by itself.
func secured(t *testing.T, dir string, port int, o ACMEConfig) *App {
	t.Helper()
	a, err := New(t.Context(), Options{
		Dir: dir, acmeFirst: 50 * time.Millisecond, StaffAddr: "127.0.0.1:0", PublicAddr: fmt.Sprintf("127.0.0.1:%d", port), Serve: true, ACME: o, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return a
}

// shows is the certificate that a browser gets, checked against roots where there
// are any.
func shows(t *testing.T, addr, name string, roots *x509.CertPool) (*x509.Certificate, error) {
	t.Helper()
	d := tls.Dialer{Config: &tls.Config{ServerName: name, RootCAs: roots, InsecureSkipVerify: roots == nil}}
	c, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// trusted waits until both listeners show a certificate of this CA.
func trusted(t *testing.T, a *App, p *pebble) *x509.Certificate {
	t.Helper()
	roots := p.root(t)
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		leaf, err := shows(t, a.PublicAddr(), acmeName, roots)
		if err == nil {
			if _, err = shows(t, a.StaffAddr(), acmeName, roots); err == nil {
				return leaf
			}
		}
		if time.Now().After(end) {
			t.Fatalf("no certificate: %v", err)
		}
	}
}

// By either question of a real ACME server a certificate comes, and the next start
// has it without asking.
func TestACME(t *testing.T) {
	for how, at := range map[string]func(public, plain int) (ports, ACMEConfig){
		"TLS-ALPN-01": func(public, _ int) (ports, ACMEConfig) { return ports{http: 1, tls: public}, ACMEConfig{} },
		"HTTP-01": func(_, plain int) (ports, ACMEConfig) {
			return ports{http: plain, tls: 1}, ACMEConfig{HTTP: fmt.Sprintf("127.0.0.1:%d", plain)}
		},
	} {
		t.Run(how, func(t *testing.T) {
			public, plain := depottest.FreePort(t), depottest.FreePort(t)
			where, o := at(public, plain)
			cert, key := depottest.Certificate(t)
			p := startPebble(t, where, depottest.FreePort(t), cert, key)
			o.Mail, o.Directory, o.Names, o.CA = "it@musterstadt.example", p.directory, []string{acmeName}, string(p.ca)
			dir := t.TempDir()
			a := secured(t, dir, public, o)
			first := trusted(t, a, p)
			if o.HTTP != "" {
				res, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Get("http://" + o.HTTP + "/x")
				if err != nil || res.StatusCode != http.StatusNotFound {
					t.Errorf("an address that is not ours: %v, %v", res, err)
				}
				res.Body.Close()
			}
			if err := a.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			o.Directory = "https://127.0.0.1:1/dir" // the CA is away, and nobody asks it
			again := secured(t, dir, public, o)
			leaf, err := shows(t, again.PublicAddr(), acmeName, p.root(t))
			if err != nil || leaf.SerialNumber.Cmp(first.SerialNumber) != 0 {
				t.Errorf("after the next start: %v, %v", leaf, err)
			}
			if out := again.checkACME(Settings{Lang: i18n.DE}); len(out) != 0 {
				t.Errorf("check says %+v", out)
			}
		})
	}
}

// The CA is away at the start: the pages stand, with a certificate that we made,
// and check says so; when the CA is back, the real one comes.
func TestACMEWithoutCA(t *testing.T) {
	public, port := depottest.FreePort(t), depottest.FreePort(t)
	cert, key := depottest.Certificate(t)
	o := ACMEConfig{Mail: "it@musterstadt.example", Directory: fmt.Sprintf("https://127.0.0.1:%d/dir", port), Names: []string{acmeName}, CA: string(cert)}
	a := secured(t, t.TempDir(), public, o)
	for _, name := range []string{acmeName, "", "irgendwer.example"} {
		leaf, err := shows(t, a.PublicAddr(), name, nil)
		if err != nil || leaf.Issuer.CommonName != acmeName {
			t.Errorf("as %q: %v, %v", name, leaf, err)
		}
	}
	s := a.secure.(*acmeCertificates)
	within := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what)
			}
		}
	}
	within("nothing failed", func() bool { return len(readACMEStatus(s.dir)) == 1 })
	out := a.checkACME(Settings{Lang: i18n.DE})
	if len(out) != 1 || !out[0].Red || !strings.Contains(out[0].What, "selbst gemacht") || !strings.Contains(out[0].What, "Zuletzt gescheitert") {
		t.Errorf("check says %+v", out)
	}
	trusted(t, a, startPebble(t, ports{http: 1, tls: public}, port, cert, key))
	within("check still says something", func() bool { return len(a.checkACME(Settings{Lang: i18n.DE})) == 0 })
}

// A certificate is renewed long before its end; one that has ended is shown until
// another comes, and somebody is told.
func TestACMERenewal(t *testing.T) {
	dir := t.TempDir()
	now := &wallClock{time.Now()}
	own, err := selfSigned(acmeName, now.now)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, acmeFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	depottest.Write(t, filepath.Join(dir, acmeFolder, acmeName), append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]})...))
	s, err := newACME(ACMEConfig{Mail: "x@y.example", Names: []string{acmeName}}, dir, now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var told [][]string
	s.tell = func(_ context.Context, names []string) error { told = append(told, names); return nil }
	for _, c := range []struct {
		after time.Duration
		due   bool
		told  int
	}{
		{0, false, 0}, {200 * 24 * time.Hour, false, 0}, {230 * 24 * time.Hour, true, 0}, {355 * 24 * time.Hour, true, 1}, {400 * 24 * time.Hour, true, 1},
	} {
		now.now = own.Leaf.NotBefore.Add(c.after)
		s.say(t.Context())
		if got := s.due(acmeName); got != c.due || len(told) != c.told {
			t.Errorf("after %s: due %v, told %v", c.after, got, told)
		}
		if shown, err := s.get(&tls.ClientHelloInfo{ServerName: strings.ToUpper(acmeName)}); err != nil || shown.Leaf.SerialNumber.Cmp(own.Leaf.SerialNumber) != 0 {
			t.Errorf("after %s something else is shown: %v", c.after, err)
		}
	}
	a := &App{o: Options{Dir: dir, Clock: now, ACME: s.o}}
	if a.catalog, err = i18n.NewCatalog(Texts()...); err != nil {
		t.Fatal(err)
	}
	if out := a.checkACME(Settings{Lang: i18n.DE}); len(out) != 1 || !strings.Contains(out[0].What, "läuft am") {
		t.Errorf("check says %+v", out)
	}
	if err := os.WriteFile(filepath.Join(dir, acmeFolder, acmeName), []byte("kaputt"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = newACME(s.o, dir, clock.System{}, s.log); err != nil || !s.due(acmeName) {
		t.Errorf("with a damaged file: %v", err)
	}
}

// Names come from the addresses; what cannot be meant is refused.
func TestConfigOfACME(t *testing.T) {
	head := "town: {name: X, slug: x}\nurls: {staff: \"https://lage.x.example\", public: \"https://Status.x.example:8443\"}\nlisten:\n  acme: {mail: it@x.example"
	cfg, _, err := ParseConfig("tuermer.yaml", []byte(head+"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := NewSettings(Settings{}, cfg).ACME; len(got.Names) != 2 || got.Names[0] != "status.x.example" || got.Names[1] != "lage.x.example" || !strings.Contains(got.Directory, "letsencrypt") {
		t.Errorf("%+v", got)
	}
	for text, want := range map[string]string{
		head + "}\n  certificate: a\n  key: b\n":                                    "schließen einander aus",
		head + ", directory: \"http://ca.example/dir\"}\n":                          "https://",
		"town: {name: X, slug: x}\nlisten: {acme: {mail: it@x.example}}\n":          "Wofür",
		"town: {name: X, slug: x}\nlisten: {acme: {names: [a.example]}}\n":          "mail",
		"town: {name: X, slug: x}\nlisten: {acme: {mail: it@x.example, port: 3}}\n": "Möglich sind",
	} {
		if _, _, err := ParseConfig("tuermer.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
