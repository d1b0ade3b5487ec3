package smpp_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/smpp"
)

// peer is the message centre of test/smpp, which shares no line with ours.
type peer struct {
	t    *testing.T
	in   io.Writer
	said chan map[string]any
	port string
}

// patience is how long a real program may take on a busy machine.
const patience = time.Minute

func openPeer(t *testing.T, env ...string) *peer {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "..", "test", "smpp")
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "smpp")); err != nil {
		t.Skip("the independent message centre is not there; `make test` installs it by npm ci --prefix test/smpp")
	}
	cmd := exec.Command(node, "centre.mjs")
	cmd.Dir, cmd.Env, cmd.Stderr = dir, append(os.Environ(), env...), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, in: in, said: make(chan map[string]any, 1000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var m map[string]any
			if json.Unmarshal(lines.Bytes(), &m) == nil {
				p.said <- m
			}
		}
	}()
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		<-done
		_ = cmd.Wait()
	})
	p.port = fmt.Sprint(p.hears("port")["port"])
	return p
}

// hears waits for the next line that has the key.
func (p *peer) hears(key string) map[string]any {
	p.t.Helper()
	end := time.After(patience)
	for {
		select {
		case m := <-p.said:
			if _, ok := m[key]; ok {
				return m
			}
		case <-end:
			p.t.Fatalf("the centre never said %q", key)
		}
	}
}

func (p *peer) tell(what map[string]any) {
	p.t.Helper()
	raw, err := json.Marshal(what)
	if err == nil {
		_, err = p.in.Write(append(raw, '\n'))
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

type heard struct {
	reports chan channel.Report
	replies chan channel.Reply
}

func (p *peer) way(change func(*smpp.Options)) (*smpp.Adapter, heard) {
	p.t.Helper()
	h := heard{make(chan channel.Report, 10), make(chan channel.Reply, 10)}
	o := smpp.Options{
		Name: "zentrale", Addr: net.JoinHostPort("127.0.0.1", p.port), SystemID: "musterstadt", SystemType: "tuermer", Secret: func() string { return "geheim" },
		From: "Musterstadt", Now: time.Now, Timeout: patience,
		Reported: func(_ context.Context, r channel.Report) error { h.reports <- r; return nil },
		Replied:  func(_ context.Context, r channel.Reply) error { h.replies <- r; return nil },
	}
	if change != nil {
		change(&o)
	}
	way, err := smpp.New(o)
	if err != nil {
		p.t.Fatal(err)
	}
	way.Start(p.t.Context())
	p.t.Cleanup(way.Stop)
	return way, h
}

func wait[T any](t *testing.T, ch chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatal("nothing was heard")
	}
	return v
}

// TestPeer speaks with a message centre by somebody else, over the loopback.
func TestPeer(t *testing.T) {
	p := openPeer(t)
	way, h := p.way(nil)
	if b := p.hears("bound"); b["bound"] != "musterstadt" || b["type"] != "tuermer" || b["version"] != 52.0 {
		t.Errorf("bound %v", b)
	}
	m := message("m1", "ALARM: Bürgerportal antwortet nicht {5 €} [~|^\\]")
	m.Until = time.Now().Add(time.Hour)
	rc, err := way.Send(t.Context(), m)
	if err != nil || rc.Reference != "npm-1" || rc.Parts != 1 {
		t.Fatalf("%+v %v", rc, err)
	}
	got := p.hears("id")
	if got["text"] != m.Text || got["to"] != "491700000001" || got["ton"] != 1.0 || got["from"] != "Musterstadt" || got["fromTON"] != 5.0 || got["registered"] != 1.0 || got["priority"] != 1.0 || got["coding"] != 0.0 || got["header"] != "" {
		t.Errorf("came as %v", got)
	}
	// Parts, in both alphabets.
	for _, text := range []string{long, strings.Repeat("Тревога 😀 ", 12)} {
		rc, err := way.Send(t.Context(), message("m"+text, text))
		if err != nil || rc.Parts != 2 || len(strings.Fields(rc.Reference)) != 2 {
			t.Fatalf("%+v %v", rc, err)
		}
		first, second := p.hears("id"), p.hears("id")
		if joined := fmt.Sprint(first["text"], second["text"]); joined != text {
			t.Errorf("came as %q", joined)
		}
		one, two := fmt.Sprint(first["header"]), fmt.Sprint(second["header"])
		if len(one) != 10 && len(one) != 12 || one[:len(one)-2] != two[:len(two)-2] || !strings.HasSuffix(one, "0201") || !strings.HasSuffix(two, "0202") {
			t.Errorf("headers %s and %s", one, two)
		}
	}
	// Patience is asked for, and had.
	p.tell(map[string]any{"throttle": 1})
	p.tell(map[string]any{"enquire": true})
	p.hears("alive")
	if _, err := way.Send(t.Context(), message("m9", "kurz")); reason(err) != "throttled" {
		t.Errorf("throttled: %v", err)
	}
	if rc, err = way.Send(t.Context(), message("m9", "kurz")); err != nil {
		t.Fatal(err)
	}
	// Receipts in both forms, and an answer.
	p.tell(map[string]any{"receipt": "npm-1", "stat": "DELIVRD"})
	if r := wait(t, h.reports); r != (channel.Report{Reference: "npm-1", Arrival: channel.Arrived}) {
		t.Errorf("receipt %+v", r)
	}
	p.tell(map[string]any{"receipt": rc.Reference, "stat": "UNDELIV", "tlv": true})
	if r := wait(t, h.reports); r.Reference != rc.Reference || r.Arrival != channel.Lost {
		t.Errorf("receipt %+v", r)
	}
	p.tell(map[string]any{"answer": "+491700000001", "text": "übernehme"})
	if r := wait(t, h.replies); r.From != "+491700000001" || channel.Meaning(r.Text) != channel.Take {
		t.Errorf("answer %+v", r)
	}
	for range 3 {
		if s := p.hears("taken"); s["status"] != 0.0 {
			t.Errorf("answered with %v", s)
		}
	}
	// The line breaks, and comes back by itself.
	p.tell(map[string]any{"drop": true})
	p.hears("bound")
	if _, err := way.Send(t.Context(), message("m10", "kurz")); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	way.Stop()
	p.hears("unbound")
}

// TestPeerSecure speaks TLS with it, by fields rather than by headers, and is
// refused with a wrong password.
func TestPeerSecure(t *testing.T) {
	key, cert, roots := certificate(t)
	p := openPeer(t, "KEY="+key, "CERT="+cert)
	secure := func(o *smpp.Options) {
		o.TLS, o.TLSConfig, o.SAR = true, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, true
	}
	way, _ := p.way(secure)
	rc, err := way.Send(t.Context(), message("m1", long))
	if err != nil || rc.Parts != 2 {
		t.Fatalf("%+v %v", rc, err)
	}
	first, second := p.hears("id"), p.hears("id")
	if fmt.Sprint(first["text"], second["text"]) != long || fmt.Sprint(second["sar"]) != fmt.Sprint([]any{first["sar"].([]any)[0], 2.0, 2.0}) {
		t.Errorf("came as %v and %v", first, second)
	}
	for name, c := range map[string]struct {
		change func(*smpp.Options)
		want   string
	}{
		"password": {func(o *smpp.Options) { secure(o); o.Secret = func() string { return "falsch" } }, "auth"},
		"stranger": {func(o *smpp.Options) { o.TLS = true }, "tls"},
		"no TLS":   {func(o *smpp.Options) { o.Timeout = 2 * time.Second }, "connect timeout"},
	} {
		o := smpp.Options{Name: "x", Addr: net.JoinHostPort("127.0.0.1", p.port), SystemID: "musterstadt", Now: time.Now, Timeout: patience}
		c.change(&o)
		other, err := smpp.New(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Check(t.Context()); err == nil || !strings.Contains(c.want, reason(err)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// certificate makes one for the loopback, as files and as roots.
func certificate(t *testing.T) (key, cert string, roots *x509.CertPool) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, b []byte) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	roots = x509.NewCertPool()
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(made)
	return write("key.pem", "PRIVATE KEY", raw), write("cert.pem", "CERTIFICATE", der), roots
}
