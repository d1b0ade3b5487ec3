package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type wallClock struct{ now time.Time }

func (c *wallClock) Now() time.Time { return c.now }

// pair writes a certificate for 127.0.0.1 with this serial number.
func pair(t *testing.T, dir string, serial int64, until time.Time) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Unix(0, 0), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: true,
	}, &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}}, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	rawKey, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, b := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: raw}, key: {Type: "EC PRIVATE KEY", Bytes: rawKey}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// Given a certificate, both listeners speak TLS and nothing below 1.2; the health
// command finds its way; browsers are told to stay.
func TestOwnTLS(t *testing.T) {
	cert, key := pair(t, t.TempDir(), 1, time.Now().Add(24*time.Hour))
	a, err := New(t.Context(), Options{Dir: t.TempDir(), StaffAddr: "127.0.0.1:0", PublicAddr: "127.0.0.1:0", Serve: true, TLSCert: cert, TLSKey: key})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(raw)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	for _, addr := range []string{a.StaffAddr(), a.PublicAddr()} {
		res, err := (&http.Client{Transport: transport}).Get("https://" + addr + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.Header.Get("Strict-Transport-Security") == "" || res.ProtoMajor != 2 || res.TLS.Version != tls.VersionTLS13 {
			t.Errorf("%s: %s %x %v", addr, res.Proto, res.TLS.Version, res.Header)
		}
		if c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
			_ = c.Close()
			t.Error("TLS 1.1 is spoken")
		}
		c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS12})
		if err != nil {
			t.Fatalf("an old phone: %v", err)
		}
		_ = c.Close()
	}
	if err := (Commands{}).Health(t.Context(), Settings{Staff: a.StaffAddr(), TLSCert: cert}); err != nil {
		t.Error(err)
	}
	if u := a.url("", a.PublicAddr()); !strings.HasPrefix(u, "https://") {
		t.Error(u)
	}
}

// A renewed certificate is shown without a start; one that cannot be used leaves
// the old one, and is taken once it is whole.
func TestCertificateFollowsItsFiles(t *testing.T) {
	dir := t.TempDir()
	cert, key := pair(t, dir, 1, time.Now().Add(time.Hour))
	clock := &wallClock{time.Now()}
	s, err := newCertificate(cert, key, clock, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	shown := func() int64 {
		t.Helper()
		clock.now = clock.now.Add(lookEvery)
		c, err := s.get(&tls.ClientHelloInfo{})
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.SerialNumber.Int64()
	}
	if got := shown(); got != 1 {
		t.Fatal(got)
	}
	whole, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cert, whole[:100], 0o600); err != nil {
		t.Fatal(err)
	}
	if got := shown(); got != 1 {
		t.Errorf("half a file is shown: %d", got)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if got := shown(); got != 1 {
		t.Errorf("without a key: %d", got)
	}
	pair(t, dir, 2, time.Now().Add(time.Hour))
	if got := shown(); got != 2 {
		t.Errorf("the renewed one is not shown: %d", got)
	}
	if _, err := newCertificate(cert, filepath.Join(dir, "nothing"), clock, s.log); err == nil {
		t.Error("a start without a key")
	}
}
