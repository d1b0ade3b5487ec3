package rig

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Target is a cheap HTTP server on a loopback port of its own: it reads a head,
// answers "Willkommen" and closes. So little that what is measured is the
// prober.
type Target struct {
	Addr string // 127.0.0.1:port
	// Seen is told the path of every request, before the answer. Set it before
	// the first request; it must be quick.
	Seen func(path string)

	mode  atomic.Int32
	asked atomic.Int64
	tls   *tls.Config

	mu    sync.Mutex
	l     net.Listener
	conns map[net.Conn]struct{}
	wg    sync.WaitGroup
}

const (
	healthy = iota
	hanging
)

var answer = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 40\r\nConnection: close\r\n\r\n<html><body>Willkommen</body></html>    ")

// NewTarget opens one; with a config it speaks TLS.
func NewTarget(c *tls.Config) (*Target, error) {
	t := &Target{tls: c, conns: map[net.Conn]struct{}{}, Addr: "127.0.0.1:0"}
	return t, t.Up()
}

// Asked counts the requests so far.
func (t *Target) Asked() int64 { return t.asked.Load() }

// Hang makes it accept, read and stay silent, or answer again.
func (t *Target) Hang(on bool) {
	if on {
		t.mode.Store(hanging)
	} else {
		t.mode.Store(healthy)
	}
}

// Up listens, again on the same port.
func (t *Target) Up() error {
	l, err := net.Listen("tcp", t.Addr)
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.l, t.Addr = l, l.Addr().String()
	t.mu.Unlock()
	t.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.mu.Lock()
			t.conns[c] = struct{}{}
			t.mu.Unlock()
			t.wg.Go(func() { t.serve(c) })
		}
	})
	return nil
}

// Down refuses from now on and cuts what is open.
func (t *Target) Down() {
	t.mu.Lock()
	_ = t.l.Close() // a second Down finds it closed
	for c := range t.conns {
		_ = c.Close()
	}
	t.mu.Unlock()
	t.wg.Wait()
}

func (t *Target) serve(raw net.Conn) {
	defer func() {
		t.mu.Lock()
		delete(t.conns, raw)
		t.mu.Unlock()
		_ = raw.Close()
	}()
	c := raw
	if t.tls != nil {
		c = tls.Server(raw, t.tls)
	}
	var buf [2048]byte
	n := 0
	for !bytes.Contains(buf[:n], []byte("\r\n\r\n")) {
		m, err := c.Read(buf[n:])
		if n += m; err != nil || n == len(buf) {
			return
		}
	}
	t.asked.Add(1)
	if t.Seen != nil {
		_, rest, _ := bytes.Cut(buf[:n], []byte(" "))
		path, _, _ := bytes.Cut(rest, []byte(" "))
		t.Seen(string(path))
	}
	if t.mode.Load() == hanging {
		_, _ = io.Copy(io.Discard, c) // until the other side gives up
		return
	}
	_, _ = c.Write(answer) // whoever left is not our business
	if tc, ok := c.(*tls.Conn); ok {
		_ = tc.CloseWrite()
	}
}

// Chain is a certificate with its intermediate, and the root in a file.
type Chain struct {
	Config   *tls.Config
	RootFile string
}

// NewChain makes root, intermediate and leaf for 127.0.0.1, all of one kind:
// "p256" or "rsa2048".
func NewChain(kind, rootFile string) (Chain, error) {
	key := func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }
	if kind == "rsa2048" {
		key = func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }
	}
	now := time.Now()
	serial := int64(1)
	issue := func(name string, ca bool, parent *x509.Certificate, signer crypto.Signer) (*x509.Certificate, crypto.Signer, error) {
		k, err := key()
		if err != nil {
			return nil, nil, err
		}
		serial++
		c := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(90 * 24 * time.Hour),
			IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		}
		if ca {
			c.KeyUsage |= x509.KeyUsageCertSign
		} else {
			c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}
		if parent == nil {
			parent, signer = c, k
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, k.Public(), signer)
		if err != nil {
			return nil, nil, err
		}
		c, err = x509.ParseCertificate(der)
		return c, k, err
	}
	root, rootKey, err := issue("Bench Root "+kind, true, nil, nil)
	if err != nil {
		return Chain{}, err
	}
	middle, middleKey, err := issue("Bench Intermediate "+kind, true, root, rootKey)
	if err != nil {
		return Chain{}, err
	}
	leaf, leafKey, err := issue("bench.example", false, middle, middleKey)
	if err != nil {
		return Chain{}, err
	}
	if err := os.WriteFile(rootFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}), 0o600); err != nil {
		return Chain{}, fmt.Errorf("root: %w", err)
	}
	return Chain{RootFile: rootFile, Config: &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw, middle.Raw}, PrivateKey: leafKey}},
		NextProtos:   []string{"http/1.1"},
	}}, nil
}
