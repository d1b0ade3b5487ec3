package mail

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// This file runs the adapter against a server of another hand, go-smtp.

type got struct {
	from, to string
	raw      []byte
	body     smtp.BodyType
	user     string
	tls      bool
}

type backend struct {
	mu    sync.Mutex
	mails []got
}

func (b *backend) NewSession(c *smtp.Conn) (smtp.Session, error) {
	_, secure := c.TLSConnectionState()
	return &peer{b: b, g: got{tls: secure}}, nil
}

type peer struct {
	b *backend
	g got
}

func (p *peer) AuthMechanisms() []string { return []string{sasl.Plain, sasl.Login} }
func (p *peer) Auth(mech string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != "lage" || password != "geheim" {
			return smtp.ErrAuthFailed
		}
		p.g.user = user
		return nil
	}
	if mech == sasl.Login {
		return &login{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
}

// login is the server's half of AUTH LOGIN, which go-sasl lacks.
type login struct {
	check func(user, password string) error
	user  *string
	asked bool
}

func (l *login) Next(response []byte) ([]byte, bool, error) {
	switch {
	case !l.asked:
		l.asked = true
		return []byte("Username:"), false, nil
	case l.user == nil:
		s := string(response)
		l.user = &s
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(*l.user, string(response))
}

func (p *peer) Mail(from string, o *smtp.MailOptions) error {
	p.g.from, p.g.body = from, o.Body
	return nil
}

func (p *peer) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "unbekannt") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	p.g.to = to
	return nil
}

func (p *peer) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	p.g.raw = raw
	p.b.mu.Lock()
	p.b.mails = append(p.b.mails, p.g)
	p.b.mu.Unlock()
	return nil
}
func (p *peer) Reset()        { p.g.from, p.g.to, p.g.raw = "", "", nil }
func (p *peer) Logout() error { return nil }

// silent keeps the server's own complaints out of the test's output.
type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

// peerServer starts a go-smtp server on n until the test ends.
func peerServer(t testing.TB, n *network, change func(*smtp.Server)) *backend {
	b := &backend{}
	s := smtp.NewServer(b)
	s.Domain, s.MaxMessageBytes = "peer.example", 1<<20
	s.ErrorLog = silent{}
	if change != nil {
		change(s)
	}
	var wg sync.WaitGroup
	l := &onceListener{network: n, tls: s.TLSConfig, implicit: s.Network == "tls"}
	wg.Go(func() { s.Serve(l) })
	t.Cleanup(func() { s.Close(); n.Close(); wg.Wait() })
	return b
}

type onceListener struct {
	*network
	tls      *tls.Config
	implicit bool
}

func (l *onceListener) Accept() (c net.Conn, err error) {
	if c, err = l.network.Accept(); err == nil && l.implicit {
		c = tls.Server(c, l.tls)
	}
	return c, err
}

func certificate(t testing.TB, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: testNow.Add(-time.Hour), NotAfter: testNow.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestPeerReadsWhatWeWrote(t *testing.T) {
	n := newNetwork(0)
	b := peerServer(t, n, nil)
	a := adapter(t, n)
	m := message(1)
	m.HTML = "<p>Seit 09:20 Uhr gestört.</p>"
	if _, err := a.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	g := b.mails[0]
	if g.from != "lage@tuermer.example" || g.to != m.To || g.body != smtp.Body8BitMIME || g.tls {
		t.Errorf("%+v", g)
	}
	p := parse(t, g.raw)
	if p.text != strings.TrimSuffix(m.Text, "\n") || p.html != m.HTML {
		t.Errorf("%q %q", p.text, p.html)
	}
}

func TestPeerBatch(t *testing.T) {
	n := newNetwork(0)
	b := peerServer(t, n, nil)
	ms := messages(500)
	for i := 7; i < len(ms); i += 50 {
		ms[i].To = fmt.Sprintf("unbekannt%d@musterstadt.example", i)
	}
	texts := map[string]string{}
	for i := range ms {
		ms[i].Text = fmt.Sprintf("Nachricht %d für dich\n.\n..\n", i)
		texts[ms[i].To] = strings.TrimSuffix(ms[i].Text, "\n")
	}
	for i, o := range adapter(t, n).SendBatch(t.Context(), ms) {
		if strings.HasPrefix(ms[i].To, "unbekannt") {
			want(t, o.Err, "mailbox", "P")
		} else if o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	if len(b.mails) != 490 || n.dials() > 8 {
		t.Errorf("%d mails over %d connections", len(b.mails), n.dials())
	}
	for _, g := range b.mails {
		if p := parse(t, g.raw); p.text != texts[g.to] {
			t.Fatalf("%s got %q", g.to, p.text)
		}
	}
}

func TestTLSAndSignIn(t *testing.T) {
	good, pool := certificate(t, "mail.example")
	other, _ := certificate(t, "other.example")
	password := func(s string) func() ([]byte, error) {
		return func() ([]byte, error) { return []byte(s), nil }
	}
	signIn := func(o *Options) { o.Username, o.Password = "lage", password("geheim") }
	trust := func(o *Options) { o.TLSConfig = &tls.Config{RootCAs: pool} }
	mode := func(m TLS) func(*Options) { return func(o *Options) { o.TLS = m } }
	local := func(o *Options) { o.Host = "127.0.0.1" }
	late := func(o *Options) { o.Now = func() time.Time { return testNow.Add(48 * time.Hour) } }
	for _, c := range []struct {
		name   string
		cert   *tls.Certificate
		server func(*smtp.Server)
		change []func(*Options)
		reason string // of the failure, always of the route; "" succeeds
		tls    bool
		user   string
	}{
		{"opportunistic uses what is there", &other, nil, nil, "", true, ""},
		{"opportunistic without TLS", nil, nil, nil, "", false, ""},
		{"none ignores the offer", &good, nil, []func(*Options){mode(TLSNone)}, "", false, ""},
		{"starttls", &good, nil, []func(*Options){mode(TLSStart), trust, signIn}, "", true, "lage"},
		{"starttls not offered", nil, nil, []func(*Options){mode(TLSStart)}, "tls", false, ""},
		{"starttls, unknown authority", &good, nil, []func(*Options){mode(TLSStart)}, "tls", false, ""},
		{"starttls, other name", &other, nil, []func(*Options){mode(TLSStart), trust}, "tls", false, ""},
		{"starttls, expired by our clock", &good, nil, []func(*Options){mode(TLSStart), trust, late}, "tls", false, ""},
		{"implicit", &good, func(s *smtp.Server) { s.Network = "tls" }, []func(*Options){mode(TLSImplicit), trust, signIn}, "", true, "lage"},
		{"opportunistic checks before it signs in", &other, nil, []func(*Options){trust, signIn}, "tls", false, ""},
		{"no password in clear", nil, func(s *smtp.Server) { s.AllowInsecureAuth = true }, []func(*Options){signIn}, "tls", false, ""},
		{"in clear to the own machine", nil, func(s *smtp.Server) { s.AllowInsecureAuth = true }, []func(*Options){signIn, mode(TLSNone), local}, "", false, "lage"},
		{"sign-in not offered", nil, nil, []func(*Options){signIn, local}, "auth", false, ""},
		{"wrong password", &good, nil, []func(*Options){trust, signIn, func(o *Options) { o.Password = password("falsch") }}, "auth", false, ""},
		{"password unreadable", &good, nil, []func(*Options){trust, signIn, func(o *Options) {
			o.Password = func() ([]byte, error) { return nil, errors.New("no such file") }
		}}, "auth", false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(0)
			b := peerServer(t, n, func(s *smtp.Server) {
				if c.cert != nil {
					s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*c.cert}}
				}
				if c.server != nil {
					c.server(s)
				}
			})
			a := adapter(t, n, c.change...)
			_, err := a.Send(t.Context(), message(1))
			checked := a.Check(t.Context())
			if c.reason != "" {
				want(t, err, c.reason, "R")
				want(t, checked, c.reason, "R")
				if strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), "falsch") {
					t.Error(err)
				}
				return
			}
			if err != nil || checked != nil {
				t.Fatal(err, checked)
			}
			if len(b.mails) != 1 || b.mails[0].tls != c.tls || b.mails[0].user != c.user {
				t.Errorf("%+v", b.mails)
			}
		})
	}
}

func TestSignInByLOGIN(t *testing.T) {
	n := newNetwork(0)
	s := &script{ehlo: []string{"AUTH LOGIN CRAM-MD5"}, answers: map[string][]string{
		"AUTH":                      {"334 VXNlcm5hbWU6"},
		strings.ToUpper("bGFnZQ=="): {"334 UGFzc3dvcmQ6"}, strings.ToUpper("Z2VoZWlt"): {"235 2.7.0 ok"},
	}}
	n.serve(t, s.handle)
	a := adapter(t, n, func(o *Options) {
		o.Host, o.Username = "localhost", "lage"
		o.Password = func() ([]byte, error) { return []byte("geheim"), nil }
	})
	if _, err := a.Send(t.Context(), message(1)); err != nil {
		t.Fatal(err, s.lines)
	}
	if s.said("AUTH LOGIN") != 1 || s.said("bGFnZQ==") != 1 || s.said("Z2VoZWlt") != 1 {
		t.Error(s.lines)
	}
}

func TestNothingInClearBehindSTARTTLS(t *testing.T) {
	n := newNetwork(0)
	s := &script{ehlo: []string{"STARTTLS"}, answers: map[string][]string{"STARTTLS": {"220 go\r\n250-fake\r\n250 AUTH PLAIN"}}}
	n.serve(t, s.handle)
	_, err := adapter(t, n).Send(t.Context(), message(1))
	want(t, err, "tls", "R")
	if s.said("MAIL") != 0 {
		t.Error(s.lines)
	}
}
