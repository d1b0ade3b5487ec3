package monitor

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// target starts a TCP target; talk ends when the other side hangs up.
func target(t *testing.T, talk func(c net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(10 * time.Second))
				talk(c)
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

// datagrams starts a UDP target that answers each packet.
func datagrams(t *testing.T, answer func(in []byte) [][]byte) (addr string) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		b := make([]byte, 4096)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			for _, out := range answer(b[:n]) {
				c.WriteTo(out, from)
			}
		}
	})
	t.Cleanup(func() { c.Close(); wg.Wait() })
	return c.LocalAddr().String()
}

// script speaks a text protocol: it sends the greeting and then, per line, the
// answer of the first key that the line begins with. An answer that ends in
// "TLS" is followed by a handshake.
func script(cert *tls.Config, greeting string, answers map[string]string) func(net.Conn) {
	return func(c net.Conn) {
		io.WriteString(c, greeting)
		r := bufio.NewReader(c)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			for key, answer := range answers {
				if !strings.HasPrefix(line, key) {
					continue
				}
				text, secure := strings.CutSuffix(answer, "TLS")
				io.WriteString(c, text)
				if secure {
					c = tls.Server(c, cert)
					r = bufio.NewReader(c)
				}
			}
		}
	}
}

// testCert is a certificate for example.com and 127.0.0.1, with its pool.
func testCert(t *testing.T) (*tls.Config, *x509.CertPool) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.StartTLS()
	defer srv.Close()
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	return &tls.Config{Certificates: srv.TLS.Certificates}, pool
}

type kindCase struct {
	name string
	spec Spec
	want Reason
	code int
}

func runKinds(t *testing.T, o Options, cases []kindCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.spec.Timeout == 0 {
				c.spec.Timeout = Duration(3 * time.Second)
			}
			r := look(t, o, c.spec)
			if r.Reason != c.want || r.Code != c.code {
				t.Errorf("got %s %d %q, want %s %d", r.Reason, r.Code, r.Detail, c.want, c.code)
			}
			if strings.Contains(r.Detail, "geheim") {
				t.Errorf("detail shows a secret: %q", r.Detail)
			}
		})
	}
}

func TestMailKinds(t *testing.T) {
	cert, pool := testCert(t)
	login := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00ada\x00geheim"))
	smtp := target(t, script(cert, "220-mail.example\r\n220 ESMTP\r\n", map[string]string{
		"EHLO": "250-hallo\r\n250 STARTTLS\r\n", "STARTTLS": "220 los\r\nTLS", login: "235 ok\r\n", "AUTH PLAIN AGV2": "535 nein\r\n", "QUIT": "221 \r\n",
	}))
	busy := target(t, script(nil, "421 zu viel los\r\n", nil))
	early := target(t, script(cert, "220 da\r\n", map[string]string{"EHLO": "250 ok\r\n", "STARTTLS": "220 los\r\n250 eingeschmuggelt\r\n"}))
	imap := target(t, script(cert, "* OK IMAP4rev1 bereit\r\n", map[string]string{
		"a STARTTLS": "* ok nur so\r\na OK los\r\nTLS", `a LOGIN "ada" "ge\"heim"`: "* CAPABILITY X\r\na OK da\r\n", `a LOGIN "eva"`: "a NO nein\r\n",
	}))
	ssh := target(t, script(nil, "SSH-2.0-x\r\n", nil))
	endless := target(t, func(c net.Conn) {
		for {
			if _, err := io.WriteString(c, "220-und noch eine Zeile\r\n"); err != nil {
				return
			}
		}
	})
	long := target(t, func(c net.Conn) {
		for {
			if _, err := io.WriteString(c, "220-und noch ein Wort "); err != nil {
				return
			}
		}
	})
	end := Expect{Certificate: Duration(time.Hour)}
	runKinds(t, Options{RootCAs: pool}, []kindCase{
		{"smtp", Spec{Kind: SMTP, Host: smtp}, ReasonOK, 250},
		{"smtp starttls", Spec{Kind: SMTP, Host: smtp, TLS: TLSSpec{Mode: "starttls"}}, ReasonOK, 250},
		{"smtp login", Spec{Kind: SMTP, Host: smtp, TLS: TLSSpec{Mode: "starttls"}, Username: "ada", Password: "geheim"}, ReasonOK, 235},
		{"smtp login refused", Spec{Kind: SMTP, Host: smtp, Username: "eva", Password: "geheim"}, ReasonLogin, 535},
		{"smtp greeting", Spec{Kind: SMTP, Host: smtp, Expect: Expect{Body: "mail.example"}}, ReasonOK, 250},
		{"smtp other greeting", Spec{Kind: SMTP, Host: smtp, Expect: Expect{Body: "mx.example"}}, ReasonBody, 220},
		{"smtp busy", Spec{Kind: SMTP, Host: busy}, ReasonStatus, 421},
		{"smtp smuggled", Spec{Kind: SMTP, Host: early, TLS: TLSSpec{Mode: "starttls"}}, ReasonProtocol, 220},
		{"smtp is ssh", Spec{Kind: SMTP, Host: ssh}, ReasonProtocol, 0},
		{"smtp endless", Spec{Kind: SMTP, Host: endless}, ReasonProtocol, 0},
		{"smtp long line", Spec{Kind: SMTP, Host: long}, ReasonProtocol, 0},
		{"imap", Spec{Kind: IMAP, Host: imap}, ReasonOK, 0},
		{"imap login", Spec{Kind: IMAP, Host: imap, TLS: TLSSpec{Mode: "starttls"}, Username: "ada", Password: `ge"heim`}, ReasonOK, 0},
		{"imap login refused", Spec{Kind: IMAP, Host: imap, Username: "eva", Password: "geheim"}, ReasonLogin, 0},
		{"imap is ssh", Spec{Kind: IMAP, Host: ssh}, ReasonProtocol, 0},
		{"certificate behind smtp", Spec{Kind: TLS, Host: smtp, TLS: TLSSpec{Mode: "smtp"}, Expect: end}, ReasonOK, 0},
		{"certificate behind imap", Spec{Kind: TLS, Host: imap, TLS: TLSSpec{Mode: "imap"}, Expect: end}, ReasonOK, 0},
		{"certificate for another name", Spec{Kind: TLS, Host: imap, TLS: TLSSpec{Mode: "imap", ServerName: "anders.example"}}, ReasonTLS, 0},
		{"no starttls", Spec{Kind: TLS, Host: busy, TLS: TLSSpec{Mode: "smtp"}}, ReasonStatus, 421},
	})
	direct := target(t, func(c net.Conn) {
		if s := tls.Server(c, cert); s.Handshake() == nil {
			io.Copy(io.Discard, s)
		}
	})
	s := good(t, Spec{Kind: TLS, Host: direct})
	r := probers(Options{RootCAs: pool})[TLS].Probe(t.Context(), s)
	if !r.OK || r.CertExpires.IsZero() {
		t.Errorf("%+v", r)
	}
	late := NewProbers(Options{RootCAs: pool, Now: func() time.Time { return r.CertExpires.Add(-13 * 24 * time.Hour) }})
	if r := late[TLS].Probe(t.Context(), s); r.Reason != ReasonCert {
		t.Errorf("two weeks before its end: %+v", r)
	}
}

func TestDatabaseKinds(t *testing.T) {
	reply := func(n int, b string) string {
		return target(t, func(c net.Conn) {
			io.ReadFull(c, make([]byte, n))
			io.WriteString(c, b)
			io.Copy(io.Discard, c)
		})
	}
	pgError := func(state string) string {
		body := "SFATAL\x00C" + state + "\x00Mgeheim\x00\x00"
		return "E" + string(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))) + body
	}
	mysql := func(b string) string {
		return target(t, func(c net.Conn) {
			io.WriteString(c, b)
			head := make([]byte, 4)
			if _, err := io.ReadFull(c, head); err != nil {
				return
			}
			io.ReadFull(c, make([]byte, int(head[0])|int(head[1])<<8))
			io.WriteString(c, "\x07\x00\x00\x02\xff\x15\x04#2800")
		})
	}
	packet := func(s string) string { return string([]byte{byte(len(s)), 0, 0, 0}) + s }
	hello := packet("\x0a8.0.36\x00" + strings.Repeat("\x01", 40))
	prelogin := "\x04\x01\x00\x1a\x00\x00\x01\x00" + "\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff" + "\x10\x00\x03\xe8\x00\x00\x02"
	runKinds(t, Options{}, []kindCase{
		{"postgres asks for a password", Spec{Kind: Postgres, Host: reply(8, "R\x00\x00\x00\x08\x00\x00\x00\x03")}, ReasonOK, 0},
		{"postgres refuses the name", Spec{Kind: Postgres, Host: reply(8, pgError("28000"))}, ReasonOK, 0},
		{"postgres starts up", Spec{Kind: Postgres, Host: reply(8, pgError("57P03"))}, ReasonStatus, 0},
		{"postgres is full", Spec{Kind: Postgres, Host: reply(8, pgError("53300"))}, ReasonStatus, 0},
		{"postgres is http", Spec{Kind: Postgres, Host: reply(8, "HTTP/1.1 400 Bad Request\r\n\r\n")}, ReasonProtocol, 0},
		{"mysql", Spec{Kind: MySQL, Host: mysql(hello)}, ReasonOK, 0},
		{"mysql is full", Spec{Kind: MySQL, Host: mysql(packet("\xff\x10\x04Too many"))}, ReasonStatus, 1040},
		{"mysql is ssh", Spec{Kind: MySQL, Host: mysql("SSH-2.0-OpenSSH_9.2\r\n")}, ReasonProtocol, 0},
		{"mssql", Spec{Kind: MSSQL, Host: reply(26, prelogin)}, ReasonOK, 0},
		{"mssql is http", Spec{Kind: MSSQL, Host: reply(26, "HTTP/1.1 400 Bad Request\r\n\r\n")}, ReasonProtocol, 0},
	})
}

func TestDNSKind(t *testing.T) {
	answer := func(edit func(m *dns.Msg)) string {
		return datagrams(t, func(in []byte) [][]byte {
			var q, m dns.Msg
			if q.Unpack(in) != nil {
				return nil
			}
			m.SetReply(&q)
			for _, text := range []string{"www.example. 60 IN CNAME web.example.", "web.example. 60 IN A 192.0.2.7"} {
				rr, _ := dns.NewRR(text)
				m.Answer = append(m.Answer, rr)
			}
			edit(&m)
			good, _ := m.Pack()
			m.Id++
			forged, _ := m.Pack()
			return [][]byte{[]byte("Unsinn"), forged, good}
		})
	}
	plain := answer(func(*dns.Msg) {})
	verified := answer(func(m *dns.Msg) { m.AuthenticatedData = true })
	none := answer(func(m *dns.Msg) { m.Answer, m.Rcode = nil, dns.RcodeNameError })
	empty := answer(func(m *dns.Msg) { m.Answer = nil })
	silent := datagrams(t, func([]byte) [][]byte { return nil })
	ask := func(server string, e Expect, sec bool) Spec {
		return Spec{Kind: DNS, Host: "www.example", DNS: DNSSpec{Server: server, DNSSEC: sec}, Expect: e}
	}
	short := ask(silent, Expect{}, false)
	short.Timeout = Duration(100 * time.Millisecond)
	runKinds(t, Options{}, []kindCase{
		{"answer", ask(plain, Expect{}, false), ReasonOK, 0},
		{"records", ask(plain, Expect{Records: []string{"192.0.2.7", "WEB.example"}}, false), ReasonOK, 0},
		{"record missing", ask(plain, Expect{Records: []string{"192.0.2.8"}}, false), ReasonBody, 0},
		{"not verified", ask(plain, Expect{}, true), ReasonStatus, 0},
		{"verified", ask(verified, Expect{}, true), ReasonOK, 0},
		{"no such name", ask(none, Expect{}, false), ReasonStatus, 3},
		{"no such name, as expected", ask(none, Expect{RCode: "nxdomain"}, false), ReasonOK, 3},
		{"no record", ask(empty, Expect{}, false), ReasonBody, 0},
		{"silent", short, ReasonTimeout, 0},
	})
	// An answer that does not fit comes again over TCP.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		rr, _ := dns.NewRR("www.example. 60 IN A 192.0.2.9")
		m.Answer = []dns.RR{rr}
		if w.RemoteAddr().Network() == "udp" {
			m.Answer, m.Truncated = nil, true
		}
		w.WriteMsg(m)
	})
	pc, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var started sync.WaitGroup
	started.Add(2)
	tcpServer := &dns.Server{Listener: l, Handler: handler, NotifyStartedFunc: started.Done}
	udpServer := &dns.Server{PacketConn: pc, Handler: handler, NotifyStartedFunc: started.Done}
	wg.Go(func() { tcpServer.ActivateAndServe() })
	wg.Go(func() { udpServer.ActivateAndServe() })
	started.Wait()
	defer func() { tcpServer.Shutdown(); udpServer.Shutdown(); wg.Wait() }()
	if r := look(t, Options{}, ask(l.Addr().String(), Expect{Records: []string{"192.0.2.9"}}, false)); !r.OK {
		t.Errorf("%+v", r)
	}
}

func TestDeviceKinds(t *testing.T) {
	snmp := func(value []byte, status uint32) string {
		return datagrams(t, func(in []byte) [][]byte {
			_, rest, _ := berWant(mustBody(in), 0x02)
			_, pdu, _ := berWant(rest, 0x04)
			get, _, err := berWant(pdu, 0xa0)
			if err != nil {
				return nil
			}
			id, _, _ := berWant(get, 0x02)
			oid, _ := parseOID("1.3.6.1.2.1.1.5.0")
			answer := func(id []byte) []byte {
				return ber(0x30, berInt(1), ber(0x04, []byte("public")),
					ber(0xa2, ber(0x02, id), berInt(status), berInt(0), ber(0x30, ber(0x30, ber(0x06, oid), value))))
			}
			return [][]byte{{0x30, 0x84}, answer([]byte{1}), answer(id)}
		})
	}
	name := snmp(ber(0x04, []byte("usv-rathaus")), 0)
	sip := func(text string) string {
		return datagrams(t, func(in []byte) [][]byte {
			_, rest, _ := strings.Cut(string(in), "Call-ID: ")
			call, _, _ := strings.Cut(rest, "\r\n")
			return [][]byte{
				[]byte("SIP/2.0 100 Trying\r\nCall-ID: " + call + "\r\n\r\n"), []byte("SIP/2.0 200 OK\r\nCall-ID: fremd\r\n\r\n"),
				[]byte(fmt.Sprintf("SIP/2.0 %s\r\nCall-ID: %s\r\nContent-Length: 0\r\n\r\n", text, call)),
			}
		})
	}
	lost := 0
	flaky := datagrams(t, func(in []byte) [][]byte {
		if lost++; lost == 1 {
			return nil
		}
		_, rest, _ := strings.Cut(string(in), "Call-ID: ")
		call, _, _ := strings.Cut(rest, "\r\n")
		return [][]byte{[]byte("SIP/2.0 200 OK\r\nCall-ID: " + call + "\r\n\r\n")}
	})
	sipTCP := target(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		call := ""
		for line := ""; line != "\r\n"; {
			var err error
			if line, err = r.ReadString('\n'); err != nil {
				return
			}
			if v, ok := strings.CutPrefix(line, "Call-ID: "); ok {
				call = v
			}
		}
		io.WriteString(c, "\r\n\r\nSIP/2.0 100 Trying\r\nCall-ID: "+call+"\r\nSIP/2.0 401 Nein\r\nCall-ID: "+call+"\r\n")
	})
	ldap := func(code byte) string {
		return target(t, func(c net.Conn) {
			b := make([]byte, 512)
			n, _ := c.Read(b)
			tag := byte(ldapBound)
			if n > 5 && b[5] == ldapExtended {
				tag = ldapExtResp
			}
			id, _, _ := berWant(mustBody(b[:n]), 0x02)
			c.Write(ber(0x30, ber(0x02, id), ber(tag, ber(0x0a, []byte{code}), ber(0x04), ber(0x04, []byte("geheim")))))
			io.Copy(io.Discard, c)
		})
	}
	huge := target(t, func(c net.Conn) { c.Write([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff}); io.Copy(io.Discard, c) })
	runKinds(t, Options{}, []kindCase{
		{"snmp", Spec{Kind: SNMP, Host: name}, ReasonOK, 0},
		{"snmp value", Spec{Kind: SNMP, Host: name, Expect: Expect{Body: "usv", Regex: "^usv-"}}, ReasonOK, 0},
		{"snmp other value", Spec{Kind: SNMP, Host: name, Expect: Expect{Body: "drucker"}}, ReasonBody, 0},
		{"snmp number", Spec{Kind: SNMP, Host: snmp(ber(0x43, []byte{0x01, 0x00}), 0), Expect: Expect{Regex: "^256$"}}, ReasonOK, 0},
		{"snmp no such object", Spec{Kind: SNMP, Host: snmp([]byte{0x80, 0}, 0)}, ReasonBody, 0},
		{"snmp error", Spec{Kind: SNMP, Host: snmp(ber(0x05), 5)}, ReasonStatus, 5},
		{"sip", Spec{Kind: SIP, Host: sip("200 OK")}, ReasonOK, 200},
		{"sip refuses strangers", Spec{Kind: SIP, Host: sip("401 Unauthorized")}, ReasonOK, 401},
		{"sip is broken", Spec{Kind: SIP, Host: sip("503 <b>")}, ReasonStatus, 503},
		{"sip lost a packet", Spec{Kind: SIP, Host: flaky}, ReasonOK, 200},
		{"sip over tcp", Spec{Kind: SIP, Host: sipTCP, TLS: TLSSpec{Mode: "tcp"}}, ReasonOK, 401},
		{"ldap", Spec{Kind: LDAP, Host: ldap(0)}, ReasonOK, 0},
		{"ldap turns strangers away", Spec{Kind: LDAP, Host: ldap(48)}, ReasonOK, 48},
		{"ldap login refused", Spec{Kind: LDAP, Host: ldap(49), Username: "cn=ada", Password: "geheim"}, ReasonLogin, 49},
		{"ldap unavailable", Spec{Kind: LDAP, Host: ldap(52)}, ReasonStatus, 52},
		{"ldap without starttls", Spec{Kind: LDAP, Host: ldap(2), TLS: TLSSpec{Mode: "starttls"}}, ReasonTLS, 0},
		{"ldap huge", Spec{Kind: LDAP, Host: huge}, ReasonProtocol, 0},
	})
}

func mustBody(b []byte) []byte {
	body, _, err := berWant(b, 0x30)
	if err != nil {
		return nil
	}
	return body
}

func TestGRPCKind(t *testing.T) {
	answers := map[string]struct {
		status string
		body   string
	}{
		"":       {"0", "\x00\x00\x00\x00\x02\x08\x01"},
		"krank":  {"0", "\x00\x00\x00\x00\x02\x08\x02"},
		"fremd":  {"5", ""},
		"kaputt": {"0", "\x00\x00\x00\x00\x09\x08"},
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		name := ""
		if len(b) > 7 {
			name = string(b[7:])
		}
		if name == "web" {
			io.WriteString(w, "<html>")
			return
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		io.WriteString(w, answers[name].body)
		w.Header().Set("Grpc-Status", answers[name].status)
	})
	clear := httptest.NewUnstartedServer(h)
	clear.Config.Protocols = new(http.Protocols)
	clear.Config.Protocols.SetUnencryptedHTTP2(true)
	clear.Start()
	defer clear.Close()
	secure := httptest.NewUnstartedServer(h)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	defer secure.Close()
	pool := x509.NewCertPool()
	pool.AddCert(secure.Certificate())
	ask := func(service string) Spec {
		return Spec{Kind: GRPC, Host: clear.Listener.Addr().String(), Service: service}
	}
	runKinds(t, Options{RootCAs: pool}, []kindCase{
		{"serving", ask(""), ReasonOK, 0},
		{"not serving", ask("krank"), ReasonStatus, 0},
		{"unknown service", ask("fremd"), ReasonStatus, 5},
		{"broken frame", ask("kaputt"), ReasonProtocol, 0},
		{"a web server", ask("web"), ReasonProtocol, 0},
		{"over TLS", Spec{Kind: GRPC, Host: secure.Listener.Addr().String(), TLS: TLSSpec{Mode: "tls"}}, ReasonOK, 0},
	})
}

func TestDomainKind(t *testing.T) {
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/domain/bald.example":
			fmt.Fprintf(w, `{"events":[{"eventAction":"expiration","eventDate":%q}]}`, time.Now().Add(20*24*time.Hour).Format(time.RFC3339))
		case "/domain/lange.example":
			fmt.Fprintf(w, `{"events":[{"eventAction":"registration","eventDate":"2001-01-01T00:00:00Z"},{"eventAction":"expiration","eventDate":%q}]}`, time.Now().Add(300*24*time.Hour).Format(time.RFC3339))
		case "/domain/stumm.example":
			io.WriteString(w, `{"events":[]}`)
		case "/domain/umleitung.example":
			http.Redirect(w, r, "/domain/lange.example", http.StatusFound)
		case "/domain/html.example":
			io.WriteString(w, `<html>`)
		default:
			http.NotFound(w, r)
		}
	}))
	defer registry.Close()
	ask := func(name string) Spec { return Spec{Kind: Domain, Host: name, URL: registry.URL + "/"} }
	runKinds(t, Options{}, []kindCase{
		{"ends soon", ask("bald.example"), ReasonDomain, 200},
		{"long", ask("lange.example"), ReasonOK, 200},
		{"redirect", ask("umleitung.example"), ReasonOK, 200},
		{"not told", ask("stumm.example"), ReasonBody, 200},
		{"not RDAP", ask("html.example"), ReasonProtocol, 200},
		{"unknown", ask("weg.example"), ReasonStatus, 404},
	})
}

func TestICMPKind(t *testing.T) {
	r := look(t, Options{}, Spec{Kind: ICMP, Host: "127.0.0.1", Timeout: Duration(2 * time.Second)})
	if r.Reason == ReasonInvalid {
		t.Skip("this machine lets us send no ICMP: ", r.Detail)
	}
	if !r.OK {
		t.Errorf("%+v", r)
	}
	guarded := look(t, Options{Guard: NetworksGuard{}}, Spec{Kind: ICMP, Host: "127.0.0.1"})
	if guarded.Reason != ReasonBlocked {
		t.Errorf("%+v", guarded)
	}
}

func FuzzBinaryAnswers(f *testing.F) {
	oid, _ := parseOID("1.3.6.1")
	f.Add(ber(0x30, berInt(2), ber(ldapBound, ber(0x0a, []byte{0}))))
	f.Add(ber(0x30, berInt(1), ber(0x04), ber(0xa2, berInt(7), berInt(0), berInt(0), ber(0x30, ber(0x30, ber(0x06, oid), ber(0x43, []byte{1}))))))
	f.Add([]byte("SFATAL\x00C57P03\x00"))
	f.Add([]byte("\x00\x00\x0b\x00\x06\xff\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x00\x00\x00\x00\x02\x08\x01"))
	f.Add([]byte("SIP/2.0 200 OK\r\nCall-ID: x\r\n"))
	f.Add([]byte("250-text"))
	f.Add([]byte(`{"events":[{"eventAction":"expiration","eventDate":"2026-01-01T00:00:00Z"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if code, err := parseLDAP(b, 2, ldapBound); err == nil && code < 0 {
			t.Error(code)
		}
		if a, err := parseSNMP(b); err == nil {
			a.judge(Expect{Body: "x"})
		}
		if s := sqlState(b); s != "" {
			judgePostgres(s)
		}
		judgeMySQL(b)
		judgeTDS(b)
		var r Result
		judgeGRPC("0", b, &r)
		if code, ok := parseSIP(b, "x"); ok && (code < 200 || code > 999) {
			t.Error(code)
		}
		if code, _, ok := parseReplyLine(string(b)); ok && (code < 200 || code > 999) {
			t.Error(code)
		}
		parseRDAP(b)
		q := new(dns.Msg)
		q.SetQuestion("a.", dns.TypeA)
		if m, ok := parseDNS(b, q); ok {
			judgeDNS(m, &Spec{DNS: DNSSpec{Type: "A"}}, &r)
		}
	})
}
