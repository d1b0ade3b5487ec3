package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"tuermer/internal/platform/clock"
)

// certificate is the one that both listeners show where it was given to us. It
// follows its files: whoever renews them need not start anything anew. Files that
// cannot be used, half-written ones above all, leave the old one in place.
type certificate struct {
	cert, key string
	clock     clock.Clock
	log       *slog.Logger

	mu     sync.Mutex
	now    *tls.Certificate
	stamp  string    // of the files that now came from
	looked time.Time // when the files were last looked at
	bad    string    // stamp of files that could not be used, so that they are named once
}

// lookEvery bounds how often a handshake looks at the files.
const lookEvery = 5 * time.Second

// newCertificate reads the files; without usable ones nothing is served.
func newCertificate(cert, key string, c clock.Clock, log *slog.Logger) (*certificate, error) {
	s := &certificate{cert: cert, key: key, clock: c, log: log}
	stamp, err := s.stampOf()
	if err != nil {
		return nil, err
	}
	if s.now, err = s.load(); err != nil {
		return nil, err
	}
	s.stamp, s.looked = stamp, c.Now()
	return s, nil
}

func (s *certificate) load() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(s.cert, s.key)
	if err != nil {
		return nil, fmt.Errorf("app: certificate: %w", err)
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, fmt.Errorf("app: certificate: %w", err)
		}
	}
	return &pair, nil
}

// stampOf changes when one of the files does.
func (s *certificate) stampOf() (string, error) {
	var out strings.Builder
	for _, name := range []string{s.cert, s.key} {
		info, err := os.Stat(name)
		if err != nil {
			return "", fmt.Errorf("app: certificate: %w", err)
		}
		fmt.Fprint(&out, info.ModTime().UnixNano(), " ", info.Size(), " ")
		if real, err := filepath.EvalSymlinks(name); err == nil { // certbot moves a link
			out.WriteString(real)
		}
	}
	return out.String(), nil
}

// get is what a handshake shows.
func (s *certificate) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.clock.Now(); now.Sub(s.looked) >= lookEvery || now.Before(s.looked) {
		s.looked = now
		s.follow(hello.Context())
	}
	return s.now, nil
}

func (s *certificate) follow(ctx context.Context) {
	stamp, err := s.stampOf()
	if err == nil && stamp == s.stamp {
		return
	}
	var fresh *tls.Certificate
	if err == nil {
		fresh, err = s.load()
	}
	if err != nil {
		if s.bad != stamp || stamp == "" {
			s.log.WarnContext(ctx, "the new certificate cannot be used, the old one stays", "err", err)
		}
		s.bad = stamp
		return
	}
	s.now, s.stamp, s.bad = fresh, stamp, ""
	s.log.InfoContext(ctx, "the certificate was read anew", "until", fresh.Leaf.NotAfter)
}

// keyring holds what our listeners show.
type keyring interface{ config() *tls.Config }

// ownTLS reports whether we speak TLS ourselves.
func (o Options) ownTLS() bool { return o.TLSCert != "" || o.ACME.on() }

func (s *certificate) config() *tls.Config { return secureConfig(s.get) }

// secureConfig is what both listeners speak: TLS 1.3, and 1.2 for old phones with
// the suites that Go holds safe, which all keep forward secrecy.
func secureConfig(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: get, NextProtos: []string{"h2", "http/1.1"},
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
}

// strictly tells browsers to come back by TLS alone; only where we speak it, for a
// proxy in front says so itself.
func strictly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		next.ServeHTTP(w, r)
	})
}

// expiresSoon is how long before its end `tuermer check` names a certificate.
const expiresSoon = 14 * 24 * time.Hour

// checkCertificate names a certificate that ends soon or cannot be read.
func (a *App) checkCertificate(_ context.Context, s Settings) ([]CheckResult, error) {
	if a.o.TLSCert == "" {
		return a.checkACME(s), nil
	}
	c, err := newCertificate(a.o.TLSCert, a.o.TLSKey, a.o.Clock, a.log)
	if err != nil {
		return []CheckResult{{Red: true, What: a.catalog.Text(s.Lang, "app.check_no_certificate", err.Error()), WayOut: a.catalog.Text(s.Lang, "app.check_certificate_out")}}, nil
	}
	if until := c.now.Leaf.NotAfter; until.Sub(a.o.Clock.Now()) < expiresSoon {
		return []CheckResult{{Red: true, What: a.catalog.Text(s.Lang, "app.check_certificate", until.Format(time.DateOnly)), WayOut: a.catalog.Text(s.Lang, "app.check_certificate_out")}}, nil
	}
	return nil, nil
}
