package monitor

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// maxChains bounds the memory of verified chains.
const maxChains = 4096

// secure makes TLS connections. Every handshake is a full one: resuming a
// session would never show the certificate that a newcomer sees. What may be
// remembered is that a chain was verified: the same bytes under the same name
// and roots stay good until the first of their certificates ends.
type secure struct {
	roots *x509.CertPool
	now   func() time.Time

	mu     sync.Mutex
	chains map[chainKey]chain
	ca     map[string]*x509.CertPool // by PEM, from specs
	picky  map[string]struct{}       // names that refused the cheap curves
}

// tlsVersions are the values of tls.min.
var tlsVersions = map[string]uint16{
	"": tls.VersionTLS12, "1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13,
}

type chainKey [sha256.Size]byte

type chain struct{ from, until time.Time }

func newSecure(roots *x509.CertPool, now func() time.Time) *secure {
	return &secure{roots: roots, now: now, chains: map[chainKey]chain{}, ca: map[string]*x509.CertPool{}, picky: map[string]struct{}{}}
}

// config is the client's side of a handshake with host. anonymous says that no
// credentials will travel: then the quantum-safe key exchange, which costs
// twice the CPU, protects nothing.
func (t *secure) config(s *Spec, host string, anonymous bool, protos []string) (*tls.Config, error) {
	name := host
	if s.TLS.ServerName != "" {
		name = s.TLS.ServerName
	}
	ascii, err := asciiHost(name)
	if err != nil {
		return nil, failf(ReasonInvalid, "not a host name: %s", name)
	}
	cfg := &tls.Config{
		ServerName:         ascii,
		NextProtos:         protos,
		Time:               t.now,
		MinVersion:         tlsVersions[s.TLS.Min],
		InsecureSkipVerify: true, // VerifyConnection below does the verifying, with a memory
	}
	if anonymous {
		cfg.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384}
	}
	if s.TLS.Cert != "" {
		pair, err := tls.X509KeyPair([]byte(s.TLS.Cert), []byte(s.TLS.Key))
		if err != nil {
			return nil, failf(ReasonInvalid, "the client certificate cannot be read")
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	if s.TLS.Insecure {
		return cfg, nil
	}
	roots := t.roots
	if s.TLS.CA != "" {
		if roots, err = t.pool(s.TLS.CA); err != nil {
			return nil, err
		}
	}
	ca := s.TLS.CA
	cfg.VerifyConnection = func(cs tls.ConnectionState) error {
		return t.verify(cs.PeerCertificates, roots, ca, ascii)
	}
	return cfg, nil
}

// cheap are the curves whose key exchange costs less than half of X25519 on
// machines with assembly for them. Every server of TLS 1.3 must know the first
// (RFC 8446, 9.1); crypto/tls keeps an order of its own, so that the dearer one
// must be left out.
var cheap = []tls.CurveID{tls.CurveP256, tls.CurveP384}

// spare lets cfg offer the cheap curves alone, unless the name has refused them.
func (t *secure) spare(cfg *tls.Config) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.picky[cfg.ServerName]; ok {
		return false
	}
	cfg.CurvePreferences = cheap
	return true
}

// refused tells whether the other side turned down a frugal handshake, and
// remembers the name, so that the next look offers all curves at once. What
// else may have been the alert's cause shows at the second try.
func (t *secure) refused(cfg *tls.Config, err error) bool {
	var remote *net.OpError
	if !errors.As(err, &remote) || remote.Op != "remote error" {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.picky) >= maxChains {
		clear(t.picky)
	}
	t.picky[cfg.ServerName] = struct{}{}
	return true
}

func (t *secure) pool(pem string) (*x509.CertPool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.ca[pem]; p != nil {
		return p, nil
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM([]byte(pem)) {
		return nil, failf(ReasonInvalid, "the CA certificate cannot be read")
	}
	if len(t.ca) >= 256 {
		clear(t.ca)
	}
	t.ca[pem] = p
	return p, nil
}

// verify checks name, chain and dates like crypto/tls would.
func (t *secure) verify(certs []*x509.Certificate, roots *x509.CertPool, ca, name string) error {
	if len(certs) == 0 {
		return &tls.CertificateVerificationError{Err: errors.New("no certificate")}
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d %s %d %s ", len(name), name, len(ca), ca)
	for _, c := range certs {
		h.Write(c.Raw)
	}
	var key chainKey
	h.Sum(key[:0])
	now := t.now()
	t.mu.Lock()
	known, ok := t.chains[key]
	t.mu.Unlock()
	if ok && !now.Before(known.from) && now.Before(known.until) {
		return nil
	}

	opts := x509.VerifyOptions{Roots: roots, CurrentTime: now, DNSName: name, Intermediates: x509.NewCertPool()}
	for _, c := range certs[1:] {
		opts.Intermediates.AddCert(c)
	}
	good, err := certs[0].Verify(opts)
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: certs, Err: err}
	}
	// An hour at most: a root that the machine's administrator distrusts must
	// not stay trusted for as long as the process lives.
	best := chain{from: certs[0].NotBefore, until: now.Add(time.Hour)}
	for _, c := range good[0] {
		if c.NotBefore.After(best.from) {
			best.from = c.NotBefore
		}
		if c.NotAfter.Before(best.until) {
			best.until = c.NotAfter
		}
	}
	t.mu.Lock()
	if len(t.chains) >= maxChains {
		clear(t.chains)
	}
	t.chains[key] = best
	t.mu.Unlock()
	return nil
}

// handshake wraps c. It records when the certificate ends even when it is not
// accepted, because that is what the person who repairs it wants to know.
func (t *secure) handshake(c net.Conn, cfg *tls.Config, r *Result) (*tls.Conn, error) {
	tc := tls.Client(c, cfg)
	err := tc.Handshake()
	certs := tc.ConnectionState().PeerCertificates
	var bad *tls.CertificateVerificationError
	if len(certs) == 0 && errors.As(err, &bad) {
		certs = bad.UnverifiedCertificates
	}
	if until := firstEnd(certs); !until.IsZero() {
		r.CertExpires = until
	}
	if err != nil {
		return nil, during("TLS handshake", err)
	}
	return tc, nil
}

// firstEnd is when the first certificate of a presented chain ends.
func firstEnd(certs []*x509.Certificate) time.Time {
	var end time.Time
	for i, c := range certs {
		if i == 0 || c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	return end.UTC()
}

// certProblem says in our words what is wrong with a certificate.
func certProblem(err error) string {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &host):
		return "certificate is not for the name " + host.Host
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		return fmt.Sprintf("certificate is valid from %s to %s only",
			invalid.Cert.NotBefore.UTC().Format(time.DateOnly), invalid.Cert.NotAfter.UTC().Format(time.DateOnly))
	case errors.As(err, &invalid):
		return "certificate is not valid"
	case errors.As(err, &authority):
		return "certificate is signed by an unknown authority"
	}
	return "certificate cannot be verified"
}

// checkTLS names PEM blocks that cannot be read, so that they are noticed when
// the monitor is saved and not at its first check.
func (s *Spec) checkTLS(c *check) {
	if s.TLS.CA != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(s.TLS.CA)) {
		c.add("tls.ca", ProblemPEM)
	}
	if s.TLS.Cert != "" || s.TLS.Key != "" {
		if _, err := tls.X509KeyPair([]byte(s.TLS.Cert), []byte(s.TLS.Key)); err != nil {
			c.add("tls.cert", ProblemPEM)
		}
	}
	if _, ok := tlsVersions[s.TLS.Min]; !ok {
		c.add("tls.min", ProblemChoice, "value", s.TLS.Min, "known", "1.0, 1.1, 1.2, 1.3")
	}
	if s.TLS.ServerName != "" && !validHost(s.TLS.ServerName) {
		c.add("tls.server_name", ProblemHost)
	}
}
