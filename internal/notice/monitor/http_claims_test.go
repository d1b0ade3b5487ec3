package monitor

import (
	"bufio"
	"bytes"
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
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// witness is an HTTPS server that remembers how it was spoken to.
type witness struct {
	*httptest.Server
	pool *x509.CertPool

	mu     sync.Mutex
	hellos []*tls.ClientHelloInfo
	states []tls.ConnectionState
}

func newWitness(t *testing.T, h2 bool, edit func(*tls.Config)) *witness {
	t.Helper()
	w := &witness{}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.states = append(w.states, *r.TLS)
		w.mu.Unlock()
		io.WriteString(rw, "da")
	}))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.EnableHTTP2 = h2
	srv.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.hellos = append(w.hellos, hello)
		return nil, nil //nolint:nilnil // crypto/tls: go on with the server's own
	}}
	if edit != nil {
		edit(srv.TLS)
	}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	w.Server, w.pool = srv, x509.NewCertPool()
	w.pool.AddCert(srv.Certificate())
	return w
}

// quantum are the key exchanges that a quantum computer does not break.
func quantum(hello *tls.ClientHelloInfo) bool {
	return slices.Contains(hello.SupportedCurves, tls.X25519MLKEM768)
}

// TestKeyExchange: without anything that could be secret a check offers the
// classic key exchange alone; whatever might be a secret travels quantum-safe.
func TestKeyExchange(t *testing.T) {
	w := newWitness(t, true, nil)
	for name, c := range map[string]struct {
		spec Spec
		safe bool
	}{
		"plain":         {Spec{}, false},
		"text expected": {Spec{Expect: Expect{Body: "da"}}, false},
		"http2":         {Spec{HTTP2: true}, false},
		"password":      {Spec{Username: "ada", Password: "geheim"}, true},
		"name alone":    {Spec{Username: "ada"}, true},
		"bearer":        {Spec{Bearer: "geheim"}, true},
		"header":        {Spec{Headers: map[string]string{"X-Amt": "10"}}, true},
		"body":          {Spec{Body: "a=1"}, true},
		"query":         {Spec{URL: w.URL + "/?token=geheim"}, true},
		"http2 bearer":  {Spec{HTTP2: true, Bearer: "geheim"}, true},
	} {
		w.hellos = nil
		if c.spec.URL == "" {
			c.spec.URL = w.URL
		}
		if r := look(t, Options{RootCAs: w.pool}, c.spec); !r.OK {
			t.Errorf("%s: %+v", name, r)
		}
		if len(w.hellos) != 1 || quantum(w.hellos[0]) != c.safe {
			t.Errorf("%s: %d hellos, quantum-safe %v, want %v", name, len(w.hellos), quantum(w.hellos[0]), c.safe)
		}
	}
}

// TestCurves: a look without secrets offers the cheap curves alone; a server
// that knows only the dear one is asked again with all, and from then on at once.
func TestCurves(t *testing.T) {
	common := newWitness(t, false, nil)
	picky := newWitness(t, false, func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519} })
	older := newWitness(t, false, func(c *tls.Config) {
		c.CurvePreferences, c.MaxVersion = []tls.CurveID{tls.X25519}, tls.VersionTLS12
	})
	none := newWitness(t, false, func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP521} })
	for name, c := range map[string]struct {
		w      *witness
		hellos []int // handshakes of the first and of the second look
		ok     bool
	}{
		"common": {common, []int{1, 1}, true},
		"picky":  {picky, []int{2, 1}, true},
		"older":  {older, []int{2, 1}, true},
		"none":   {none, []int{2, 1}, false},
	} {
		p := probers(Options{RootCAs: c.w.pool})
		for _, want := range c.hellos {
			c.w.hellos = nil
			if r := p[HTTP].Probe(t.Context(), good(t, Spec{URL: c.w.URL})); r.OK != c.ok || !c.ok && r.Reason != ReasonTLS {
				t.Errorf("%s: %+v", name, r)
			}
			if len(c.w.hellos) != want {
				t.Errorf("%s: %d handshakes, want %d", name, len(c.w.hellos), want)
			}
		}
		if first := c.w.hellos[0]; slices.Contains(first.SupportedCurves, tls.X25519) != (name != "common") {
			t.Errorf("%s: offers %v", name, first.SupportedCurves)
		}
	}
}

// TestNoResumptionNoReuse: a hundred looks are a hundred connections with a
// hundred full handshakes, whatever tickets the server gives out; the chain is
// verified once, and again when it or the name is another.
func TestNoResumptionNoReuse(t *testing.T) {
	w := newWitness(t, true, nil) // crypto/tls gives out tickets by itself
	p := probers(Options{RootCAs: w.pool})
	const n = 100
	for i := range n {
		s := good(t, Spec{URL: w.URL, HTTP2: i%4 == 3})
		if r := p[HTTP].Probe(t.Context(), s); !r.OK || r.CertExpires.IsZero() {
			t.Fatalf("%+v", r)
		}
	}
	if len(w.hellos) != n || len(w.states) != n {
		t.Errorf("%d handshakes and %d requests for %d looks", len(w.hellos), len(w.states), n)
	}
	for i, s := range w.states {
		if s.DidResume {
			t.Fatalf("look %d resumed a session", i)
		}
	}
	for _, h := range w.hellos {
		if slices.Contains(h.Extensions, 41) { // pre_shared_key
			t.Fatal("a ticket was offered")
		}
	}
	secure := p[HTTP].(*httpProber).w.secure
	if len(secure.chains) != 1 {
		t.Errorf("%d chains remembered for one certificate", len(secure.chains))
	}
	// What is remembered is bound to name and roots.
	s := good(t, Spec{URL: w.URL, TLS: TLSSpec{ServerName: "example.com"}})
	if r := p[HTTP].Probe(t.Context(), s); !r.OK || len(secure.chains) != 2 {
		t.Errorf("%+v %d", r, len(secure.chains))
	}
	s = good(t, Spec{URL: w.URL, TLS: TLSSpec{ServerName: "anders.example"}})
	if r := p[HTTP].Probe(t.Context(), s); r.Reason != ReasonTLS || len(secure.chains) != 2 {
		t.Errorf("another name passes on what is remembered: %+v", r)
	}
	_, other := selfSigned(t, "example.com")
	s = good(t, Spec{URL: w.URL, TLS: TLSSpec{CA: other}})
	if r := p[HTTP].Probe(t.Context(), s); r.Reason != ReasonTLS {
		t.Errorf("other roots pass on what is remembered: %+v", r)
	}
}

// TestChainIsForgotten: what is remembered ends with the certificate, and after
// an hour in any case.
func TestChainIsForgotten(t *testing.T) {
	w := newWitness(t, false, nil)
	now := time.Now()
	p := NewProbers(Options{RootCAs: w.pool, Now: func() time.Time { return now }})
	s := good(t, Spec{URL: w.URL})
	looks := func() Result { return p[HTTP].Probe(t.Context(), s) }
	if r := looks(); !r.OK {
		t.Fatalf("%+v", r)
	}
	secure := p[HTTP].(*httpProber).w.secure
	secure.roots = x509.NewCertPool() // the machine's administrator distrusts the root
	now = now.Add(59 * time.Minute)
	if r := looks(); !r.OK {
		t.Errorf("within the hour: %+v", r)
	}
	now = now.Add(2 * time.Minute)
	if r := looks(); r.Reason != ReasonTLS {
		t.Errorf("a distrusted root stays trusted: %+v", r)
	}
}

// selfSigned is a certificate for names, as pair and in PEM.
func selfSigned(t *testing.T, names ...string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Musterstadt"}, DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func keyPEM(t *testing.T, c tls.Certificate) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// TestClientCertificate: it is shown to the target, and to nobody behind a
// redirect to another origin.
func TestClientCertificate(t *testing.T) {
	pair, certPEM := selfSigned(t, "tuermer.example")
	var strangers atomic.Int32
	stranger := newWitness(t, false, func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert })
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM([]byte(certPEM))
	home := newWitness(t, false, func(c *tls.Config) { c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, clients })
	pool := x509.NewCertPool()
	pool.AddCert(home.Certificate())
	pool.AddCert(stranger.Certificate())
	with := TLSSpec{Cert: certPEM, Key: keyPEM(t, pair)}
	if r := look(t, Options{RootCAs: pool}, Spec{URL: home.URL, TLS: with, Expect: Expect{Body: "da"}}); !r.OK {
		t.Errorf("%+v", r)
	}
	if r := look(t, Options{RootCAs: pool}, Spec{URL: home.URL}); r.OK {
		t.Errorf("without a certificate: %+v", r)
	}
	home.Config.Handler = http.RedirectHandler(stranger.URL, http.StatusFound)
	if r := look(t, Options{RootCAs: pool}, Spec{URL: home.URL, TLS: with}); !r.OK {
		t.Errorf("%+v", r)
	}
	for _, s := range stranger.states {
		strangers.Add(int32(len(s.PeerCertificates)))
	}
	if strangers.Load() != 0 || len(stranger.states) != 1 {
		t.Errorf("a stranger saw %d certificates in %d looks", strangers.Load(), len(stranger.states))
	}
}

// TestTLSVersions: the oldest version that is accepted is 1.2, unless the spec
// says another.
func TestTLSVersions(t *testing.T) {
	old := newWitness(t, false, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })
	middle := newWitness(t, false, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })
	for _, c := range []struct {
		w   *witness
		min string
		ok  bool
	}{{old, "", false}, {old, "1.0", true}, {middle, "", true}, {middle, "1.3", false}} {
		r := look(t, Options{RootCAs: c.w.pool}, Spec{URL: c.w.URL, TLS: TLSSpec{Min: c.min}})
		if r.OK != c.ok || !c.ok && r.Reason != ReasonTLS {
			t.Errorf("min %q: %+v", c.min, r)
		}
	}
}

// TestConditions of an answer, each kept and each broken.
func TestConditions(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/langsam" {
			select {
			case <-r.Context().Done():
			case <-time.After(150 * time.Millisecond):
			}
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(401)
		io.WriteString(w, `{"state":"up","parts":[{"n":3,"ok":true}],"text":"Grüße"}`)
	}))
	defer srv.Close()
	set, _ := ParseStatusSet("200-299,401")
	for name, c := range map[string]struct {
		e    Expect
		path string
		want Reason
	}{
		"status set":     {Expect{}, "", ReasonOK},
		"status":         {Expect{Status: []StatusRange{{200, 299}}}, "", ReasonStatus},
		"body":           {Expect{Body: "Grüße"}, "", ReasonOK},
		"body missing":   {Expect{Body: "Wartung"}, "", ReasonBody},
		"regex":          {Expect{Regex: `"n":\d+,`}, "", ReasonOK},
		"regex missing":  {Expect{Regex: `"n":\d{5}`}, "", ReasonBody},
		"json":           {Expect{JSON: map[string]string{"state": "up", "parts.0.n": "3", "parts.0.ok": "true", "parts.#": "1"}}, "", ReasonOK},
		"json exists":    {Expect{JSON: map[string]string{"text": ""}}, "", ReasonOK},
		"json other":     {Expect{JSON: map[string]string{"state": "down"}}, "", ReasonBody},
		"json missing":   {Expect{JSON: map[string]string{"parts.1.n": ""}}, "", ReasonBody},
		"header":         {Expect{Headers: map[string]string{"content-type": "json"}}, "", ReasonOK},
		"header other":   {Expect{Headers: map[string]string{"Content-Type": "html"}}, "", ReasonHeader},
		"header missing": {Expect{Headers: map[string]string{"X-Nein": ""}}, "", ReasonHeader},
		"within":         {Expect{Within: Duration(20 * time.Second)}, "", ReasonOK},
		"too slow":       {Expect{Within: Duration(100 * time.Millisecond)}, "/langsam", ReasonSlow},
		"all at once":    {Expect{Body: "up", Regex: "up", JSON: map[string]string{"state": "up"}, Headers: map[string]string{"Content-Type": "utf-8"}}, "", ReasonOK},
	} {
		if c.e.Status == nil {
			c.e.Status = set
		}
		for _, method := range []string{"GET", "POST"} {
			if r := look(t, Options{}, Spec{URL: srv.URL + c.path, Method: method, Expect: c.e}); r.Reason != c.want {
				t.Errorf("%s %s: %s %q, want %s", method, name, r.Reason, r.Detail, c.want)
			}
		}
	}
}

// TestSameHost: a redirect to another host is refused where the spec says so.
func TestSameHost(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer other.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/fort":
			http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1), http.StatusFound)
		case "/":
			http.Redirect(w, r, "/ziel", http.StatusFound)
		}
	}))
	defer srv.Close()
	book := names{"localhost": {netip.MustParseAddr("127.0.0.1")}}
	for _, c := range []struct {
		path string
		same bool
		want Reason
	}{{"/", true, ReasonOK}, {"/fort", false, ReasonOK}, {"/fort", true, ReasonRedirect}} {
		if r := look(t, Options{Resolver: book}, Spec{URL: srv.URL + c.path, SameHost: c.same}); r.Reason != c.want {
			t.Errorf("%s %v: %+v", c.path, c.same, r)
		}
	}
}

// tunnelProxy speaks CONNECT and asks for a name and a password.
func tunnelProxy(t *testing.T, secure *tls.Config, to string) (addr string, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	addr = target(t, func(c net.Conn) {
		if secure != nil {
			c = tls.Server(c, secure)
		}
		r := bufio.NewReader(c)
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		mu.Lock()
		seen = append(seen, req.Method+" "+req.RequestURI)
		mu.Unlock()
		if req.Header.Get("Proxy-Authorization") != "Basic YWRhOmdlaGVpbQ==" {
			io.WriteString(c, "HTTP/1.1 407 Nein\r\nContent-Length: 0\r\n\r\n")
			return
		}
		if req.Method != "CONNECT" {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy")
			return
		}
		through(c, r, to, "HTTP/1.1 200 Verbunden\r\n\r\n")
	})
	return addr, func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(seen) }
}

// through joins a client to a target after the proxy's word.
func through(c net.Conn, r io.Reader, to, word string) {
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	io.WriteString(c, word)
	done := make(chan struct{})
	go func() { io.Copy(out, r); out.(*net.TCPConn).CloseWrite(); close(done) }()
	io.Copy(c, out)
	c.Close()
	<-done
}

// socksProxy speaks SOCKS5 with a name and a password.
func socksProxy(t *testing.T, to string, code byte) (addr string, asked func() string) {
	t.Helper()
	var mu sync.Mutex
	var seen string
	addr = target(t, func(c net.Conn) {
		head := make([]byte, 3)
		io.ReadFull(c, head)
		if !bytes.Equal(head, []byte{5, 1, 2}) {
			c.Write([]byte{5, 0xff})
			return
		}
		c.Write([]byte{5, 2})
		login := make([]byte, 1+1+3+1+6)
		io.ReadFull(c, login)
		if string(login[2:5]) != "ada" || string(login[6:]) != "geheim" {
			c.Write([]byte{1, 1})
			return
		}
		c.Write([]byte{1, 0})
		ask := make([]byte, 5)
		io.ReadFull(c, ask)
		rest := make([]byte, int(ask[4])+2)
		if ask[3] == 1 {
			rest = make([]byte, 5)
		}
		io.ReadFull(c, rest)
		mu.Lock()
		seen = string(rest[:len(rest)-2])
		mu.Unlock()
		if code != 0 {
			c.Write([]byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0})
			return
		}
		through(c, c, to, "\x05\x00\x00\x03\x04name\x00\x50")
	})
	return addr, func() string { mu.Lock(); defer mu.Unlock(); return seen }
}

// TestProxies: HTTP, HTTPS and SOCKS5, with plain and encrypted targets, over
// the lean path and HTTP/2; the certificate that is watched is the target's.
func TestProxies(t *testing.T) {
	w := newWitness(t, true, nil)
	home := strings.TrimPrefix(w.URL, "https://")
	plainHome := strings.TrimPrefix(says(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nda"), "http://")
	plainHome = strings.TrimSuffix(plainHome, "/")
	proxyPair, proxyPEM := selfSigned(t, "proxy.example")
	pool := w.pool.Clone()
	pool.AppendCertsFromPEM([]byte(proxyPEM))
	httpProxy, asked := tunnelProxy(t, nil, home)
	tlsProxy, _ := tunnelProxy(t, &tls.Config{Certificates: []tls.Certificate{proxyPair}}, home)
	socks, name := socksProxy(t, home, 0)
	socksPlain, _ := socksProxy(t, plainHome, 0)
	refused, _ := socksProxy(t, home, 5)
	silent := target(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	ssh := target(t, func(c net.Conn) { io.WriteString(c, "SSH-2.0-x\r\n"); io.Copy(io.Discard, c) })
	half := target(t, func(c net.Conn) { io.ReadFull(c, make([]byte, 3)); c.Write([]byte{5}) })
	early := target(t, func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nzu früh")
		io.Copy(io.Discard, c)
	})
	const https, plain = "https://example.com/", "http://example.com/x?y"
	for n, c := range []struct {
		url, proxy string
		h2         bool
		user       string
		want       Reason
	}{
		{https, "http://" + httpProxy, false, "ada", ReasonOK},
		{https, "http://" + httpProxy, true, "ada", ReasonOK},
		{plain, "http://" + httpProxy, false, "ada", ReasonOK},
		{https, "https://" + tlsProxy, false, "ada", ReasonOK},
		{https, "socks5://" + socks, false, "ada", ReasonOK},
		{https, "socks5://" + socks, true, "ada", ReasonOK},
		{plain, "socks5://" + socksPlain, false, "ada", ReasonOK},
		{https, "http://" + httpProxy, false, "", ReasonProxy},
		{plain, "http://" + httpProxy, false, "", ReasonStatus},
		{https, "socks5://" + socks, false, "", ReasonProxy},
		{https, "socks5://" + socks, false, "eva", ReasonProxy},
		{https, "socks5://" + refused, false, "ada", ReasonProxy},
		{https, "http://" + silent, false, "ada", ReasonTimeout},
		{https, "socks5://" + silent, false, "ada", ReasonTimeout},
		{https, "http://" + ssh, false, "ada", ReasonProtocol},
		{https, "socks5://" + ssh, false, "ada", ReasonProxy},
		{https, "socks5://" + half, false, "ada", ReasonReset},
		{https, "http://" + early, false, "ada", ReasonProtocol},
	} {
		s := Spec{URL: c.url, Proxy: c.proxy, HTTP2: c.h2, ProxyUsername: c.user, ProxyPassword: "geheim", Timeout: Duration(3 * time.Second)}
		if c.want == ReasonTimeout {
			s.Timeout = Duration(200 * time.Millisecond)
		}
		r := look(t, Options{RootCAs: pool}, s)
		if r.Reason != c.want || strings.Contains(r.Detail, "geheim") {
			t.Errorf("%d %s over %s as %q: %s %q, want %s", n, c.url, c.proxy, c.user, r.Reason, r.Detail, c.want)
		}
		if c.want == ReasonOK && c.url == https && !r.CertExpires.Equal(w.Certificate().NotAfter) {
			t.Errorf("%d: watches the certificate that ends %s", n, r.CertExpires)
		}
	}
	if got := asked(); got[0] != "CONNECT example.com:443" || !slices.Contains(got, "GET http://example.com/x?y") {
		t.Error(got)
	}
	if name() != "example.com" {
		t.Errorf("the operator's name is looked up by us: %q", name())
	}
	// What people enter is looked up and judged by us, and the proxy gets the
	// address.
	socks, name = socksProxy(t, home, 0)
	o := Options{RootCAs: pool, Guard: townGuard("127.0.0.0/8", "public"), Resolver: names{"example.com": {netip.MustParseAddr("93.184.216.34")}}}
	s := Spec{URL: https, Proxy: "socks5://" + socks, ProxyUsername: "ada", ProxyPassword: "geheim", By: "musterstadt"}
	if r := look(t, o, s); !r.OK || name() != "\xb8\xd8\x22" {
		t.Errorf("%+v asked for %q", r, name())
	}
}

// FuzzProxyAnswer: whatever a proxy answers, there is a verdict and no panic.
func FuzzProxyAnswer(f *testing.F) {
	f.Add([]byte{5, 0, 5, 0, 0, 1, 1, 2, 3, 4, 0, 80}, true)
	f.Add([]byte{5, 0, 5, 0, 0, 3, 4, 'n', 'a', 'm', 'e', 0, 80}, true)
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"), false)
	f.Add([]byte("HTTP/1.1 407 Nein\r\nProxy-Authenticate: Basic\r\n\r\n"), false)
	p := newHTTPProber(newWire(Options{Now: time.Now}))
	f.Fuzz(func(t *testing.T, answer []byte, socks bool) {
		c := &scripted{Reader: bytes.NewReader(answer)}
		if socks {
			if err := socksConnect(c, "a.example", 80, "", ""); err == nil && (len(answer) < 12 || answer[0] != 5 || answer[1] != 0 || answer[2] != 5 || answer[3] != 0) {
				t.Fatalf("%x counts as connected", answer)
			}
			return
		}
		if err := p.tunnel(c, "a.example:80", &Spec{}); err == nil && !bytes.HasPrefix(answer, []byte("HTTP/1.")) {
			t.Fatalf("%q counts as connected", answer)
		}
	})
}

// scripted is a connection that answers from a script.
type scripted struct {
	io.Reader
	net.Conn
}

func (s *scripted) Read(b []byte) (int, error)  { return s.Reader.Read(b) }
func (s *scripted) Write(b []byte) (int, error) { return len(b), nil }
