package app

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
)

// acmeFolder holds account, certificates and what failed last, in the data folder.
const acmeFolder = "acme"

// When certificates are fetched: with less than this share of their life left,
// which for 90 days is 36 before the end, and after a failure again and again,
// seldom enough for a CA that counts failures.
const (
	renewShare    = 0.4
	acmeFirstWait = 2 * time.Minute
	acmeLongWait  = time.Hour
	acmeLook      = 10 * time.Minute
)

// acmeCertificates are those that a CA gives us by itself (RFC 8555). No handshake
// waits for the CA, and no start: what is shown is the last certificate, even an
// expired one, and one that we signed ourselves where there never was any.
type acmeCertificates struct {
	o     ACMEConfig
	dir   string
	clock clock.Clock
	log   *slog.Logger
	first time.Duration // wait after the first failure
	tell  func(ctx context.Context, problems []string) error

	mu      sync.Mutex
	shown   map[string]*tls.Certificate // by name
	own     map[string]bool             // of shown: signed by ourselves
	trying  *autocert.Manager           // answers the CA's questions
	status  map[string]acmeStatus
	fails   map[string]int
	told    bool
	stopped chan struct{}
	done    sync.WaitGroup
}

// acmeStatus is why a name has no fresh certificate, for who looks from outside.
type acmeStatus struct {
	Error string    `json:"error"`
	At    time.Time `json:"at"`
}

func newACME(o ACMEConfig, dir string, c clock.Clock, log *slog.Logger) (*acmeCertificates, error) {
	s := &acmeCertificates{
		o: o, dir: filepath.Join(dir, acmeFolder), clock: c, log: log, first: acmeFirstWait,
		shown: map[string]*tls.Certificate{}, own: map[string]bool{}, status: map[string]acmeStatus{}, fails: map[string]int{}, stopped: make(chan struct{}),
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("app: acme: %w", err)
	}
	s.status = readACMEStatus(s.dir)
	for _, name := range o.Names {
		last, err := readACME(s.dir, name)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				log.Warn("the stored certificate cannot be read", "name", name, "err", err)
			}
			if last, err = selfSigned(name, c.Now()); err != nil {
				return nil, err
			}
			s.own[name] = true
		}
		s.shown[name] = last
	}
	return s, nil
}

// readACME reads the last certificate of a name, as autocert keeps it: key and
// chain in one file.
func readACME(dir, name string) (*tls.Certificate, error) {
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(raw, raw)
	if err != nil {
		return nil, fmt.Errorf("app: acme: %w", err)
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, fmt.Errorf("app: acme: %w", err)
		}
	}
	return &pair, nil
}

// selfSigned is better than no page: a browser warns, and shows it.
func selfSigned(name string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("app: acme: %w", err)
	}
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("app: acme: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("app: acme: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// get is what a handshake shows, and what the CA is answered (TLS-ALPN-01).
func (s *acmeCertificates) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(hello.SupportedProtos, acme.ALPNProto) {
		if s.trying == nil {
			return nil, errors.New("app: acme: nobody asked the CA for anything")
		}
		return s.trying.GetCertificate(hello)
	}
	if c := s.shown[strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))]; c != nil {
		return c, nil
	}
	return s.shown[s.o.Names[0]], nil
}

func (s *acmeCertificates) config() *tls.Config {
	c := secureConfig(s.get)
	c.NextProtos = append(c.NextProtos, acme.ALPNProto)
	return c
}

// answer is what the plain listener says: the CA's question (HTTP-01), and
// everybody else the way to TLS.
func (s *acmeCertificates) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	m := s.trying
	s.mu.Unlock()
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	away := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(s.o.Names, strings.ToLower(host)) {
			http.NotFound(w, r)
			return
		}
		http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusFound)
	})
	if m == nil {
		away.ServeHTTP(w, r)
		return
	}
	r = r.Clone(r.Context())
	r.Host = host // autocert knows names without a port
	m.HTTPHandler(away).ServeHTTP(w, r)
}

// due reports whether a name needs another certificate.
func (s *acmeCertificates) due(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	leaf := s.shown[name].Leaf
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	return s.own[name] || leaf.NotAfter.Sub(s.clock.Now()) < time.Duration(float64(life)*renewShare)
}

// run fetches what is due until ctx is over.
func (s *acmeCertificates) run(ctx context.Context) {
	defer s.done.Done()
	for ctx.Err() == nil {
		pause := acmeLook
		for _, name := range s.o.Names {
			if !s.due(name) {
				continue
			}
			err := s.fetch(ctx, name)
			if ctx.Err() != nil {
				return
			}
			if wait := s.ended(ctx, name, err); err != nil {
				pause = min(pause, wait)
			}
		}
		s.say(ctx)
		late := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-late.C:
		}
		late.Stop()
	}
}

func (s *acmeCertificates) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.done.Add(1)
	go s.run(ctx)
	return func() { cancel(); s.done.Wait() }
}

// fetch asks the CA. Each time it is a fresh manager: the old one would sit on its
// failure, or on the certificate that is to be renewed.
func (s *acmeCertificates) fetch(ctx context.Context, name string) error {
	roots, err := x509.SystemCertPool()
	if err != nil || s.o.CA != "" {
		roots = x509.NewCertPool()
	}
	if s.o.CA != "" && !roots.AppendCertsFromPEM([]byte(s.o.CA)) {
		return errors.New("app: acme: ca_file holds no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second}
	defer transport.CloseIdleConnections()
	m := &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: renewing{autocert.DirCache(s.dir), name}, HostPolicy: autocert.HostWhitelist(s.o.Names...), Email: s.o.Mail,
		Client: &acme.Client{
			DirectoryURL: s.o.Directory, UserAgent: "Tuermer",
			HTTPClient: &http.Client{Transport: bound{ctx, transport}, Timeout: 30 * time.Second},
			RetryBackoff: func(n int, _ *http.Request, _ *http.Response) time.Duration {
				if n > 3 || ctx.Err() != nil {
					return -1
				}
				return time.Duration(n) * time.Second
			},
		},
	}
	if s.o.HTTP != "" {
		m.HTTPHandler(nil) // offers HTTP-01, too
	}
	s.mu.Lock()
	s.trying = m
	s.mu.Unlock()
	fresh, err := m.GetCertificate(&tls.ClientHelloInfo{ServerName: name, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trying = nil
	if err != nil {
		return fmt.Errorf("app: acme: %w", err)
	}
	s.shown[name] = fresh
	delete(s.own, name)
	return nil
}

// ended writes down how it went, and says when to try again.
func (s *acmeCertificates) ended(ctx context.Context, name string, err error) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.status, name)
		delete(s.fails, name)
		s.log.InfoContext(ctx, "a certificate was fetched", "name", name, "until", s.shown[name].Leaf.NotAfter)
	} else {
		s.status[name] = acmeStatus{err.Error(), s.clock.Now()}
		if s.fails[name]++; s.fails[name] == 1 {
			s.log.WarnContext(ctx, "no certificate could be fetched, the last one stays", "name", name, "err", err)
		}
	}
	raw, merr := json.Marshal(s.status)
	if merr == nil {
		merr = os.WriteFile(filepath.Join(s.dir, acmeStatusFile), raw, 0o600)
	}
	if merr != nil {
		s.log.WarnContext(ctx, "what failed cannot be written down", "err", merr)
	}
	return min(s.first<<min(max(s.fails[name]-1, 0), 10), acmeLongWait)
}

const acmeStatusFile = "status.json"

func readACMEStatus(dir string) map[string]acmeStatus {
	out := map[string]acmeStatus{}
	if raw, err := os.ReadFile(filepath.Join(dir, acmeStatusFile)); err != nil || json.Unmarshal(raw, &out) != nil || out == nil {
		return map[string]acmeStatus{}
	}
	return out
}

// say raises the alarm when a certificate is about to end, and ends it.
func (s *acmeCertificates) say(ctx context.Context) {
	s.mu.Lock()
	var ends []string
	for _, name := range slices.Sorted(maps.Keys(s.shown)) {
		if !s.own[name] && s.shown[name].Leaf.NotAfter.Sub(s.clock.Now()) < expiresSoon {
			ends = append(ends, name+" ("+s.shown[name].Leaf.NotAfter.Format(time.DateOnly)+")")
		}
		if s.own[name] && s.fails[name] > 1 {
			ends = append(ends, name)
		}
	}
	told := s.told
	s.mu.Unlock()
	if s.tell == nil || (len(ends) > 0) == told {
		return
	}
	if err := s.tell(ctx, ends); err != nil {
		s.log.ErrorContext(ctx, "nobody could be told of the certificates", "err", err)
		return
	}
	s.mu.Lock()
	s.told = len(ends) > 0
	s.mu.Unlock()
}

// renewing is the folder of a manager that shall ask for one name anew.
type renewing struct {
	autocert.Cache
	name string
}

func (r renewing) Get(ctx context.Context, key string) ([]byte, error) {
	if key == r.name {
		return nil, autocert.ErrCacheMiss
	}
	return r.Cache.Get(ctx, key)
}

// bound ends requests when ctx does, for autocert has a context of its own.
type bound struct {
	ctx  context.Context
	next http.RoundTripper
}

func (b bound) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(b.ctx, cancel)
	res, err := b.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		stop()
		cancel()
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	stop()
	cancel()
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(raw))
	return res, nil
}

// startACME opens the plain listener and begins to fetch. A port that cannot be
// had leaves TLS-ALPN-01.
func (a *App) startACME(ctx context.Context) error {
	s, err := newACME(a.o.ACME, a.o.Dir, a.o.Clock, a.log)
	if err != nil {
		return err
	}
	a.secure = s
	s.tell, s.first = a.tellCertificates, cmp.Or(a.o.acmeFirst, s.first)
	if s.o.HTTP != "" {
		l, err := a.listen(ctx, s.o.HTTP)
		if err != nil {
			a.log.WarnContext(ctx, "the CA cannot ask by HTTP", "err", err)
		} else {
			a.serveWith(ctx, l, http.HandlerFunc(s.answer), nil)
		}
	}
	return nil
}

// tellCertificates raises the alarm about certificates, and ends it.
func (a *App) tellCertificates(ctx context.Context, names []string) error {
	return a.tellTowns(ident.WithActor(ctx, ident.System), "app:certificate", len(names) > 0, func(ctx context.Context, s *signal.Signal) {
		l := a.townLocale(ctx)
		s.Title = l.Catalog.Text(l.Lang, "app.certificates_well")
		if len(names) > 0 {
			s.Title, s.Detail = l.Catalog.Text(l.Lang, "app.certificates_bad"), strings.Join(names, ", ")
		}
	})
}

// checkACME names a certificate that ends soon, or that there never was.
func (a *App) checkACME(s Settings) (out []CheckResult) {
	dir := filepath.Join(a.o.Dir, acmeFolder)
	status := readACMEStatus(dir)
	for _, name := range a.o.ACME.Names {
		last, err := readACME(dir, name)
		what := ""
		switch {
		case err != nil:
			what = a.catalog.Text(s.Lang, "app.check_acme_none", name)
		case last.Leaf.NotAfter.Sub(a.o.Clock.Now()) < expiresSoon:
			what = a.catalog.Text(s.Lang, "app.check_acme_ends", name, last.Leaf.NotAfter.Format(time.DateOnly))
		default:
			continue
		}
		if why, ok := status[name]; ok {
			what += " " + a.catalog.Text(s.Lang, "app.check_acme_why", why.At.Format("2006-01-02 15:04 UTC"), why.Error)
		}
		out = append(out, CheckResult{Red: true, What: what, WayOut: a.catalog.Text(s.Lang, "app.check_acme_out", a.o.ACME.Directory)})
	}
	return out
}
