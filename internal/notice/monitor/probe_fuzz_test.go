package monitor

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"testing"
	"time"
)

// Every parser of what a target or a proxy answers, and the target that fuzzes
// it (script/fuzz finds them all):
//
//	FuzzTalk           whole conversations of every kind, as below
//	FuzzAnswer         the lean HTTP parser, against net/http
//	FuzzBody           the search in a body, against the search in the whole
//	FuzzBinaryAnswers  BER, SNMP, PostgreSQL, MySQL, TDS, gRPC, SIP, SMTP, RDAP, DNS alone
//	FuzzProxyAnswer    CONNECT and SOCKS5
//	FuzzPlain          what of an answer may be shown
//	FuzzImport         backups and configurations of other programs

// talker answers from a script, and hangs up when it is over.
type talker struct{ *bytes.Reader }

func (talker) Write(b []byte) (int, error) { return len(b), nil }
func (talker) Close() error                { return nil }
func (talker) LocalAddr() net.Addr         { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (talker) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2} }
func (talker) SetDeadline(time.Time) error      { return nil }
func (talker) SetReadDeadline(time.Time) error  { return nil }
func (talker) SetWriteDeadline(time.Time) error { return nil }

// talks are specs whose probes read as much as they can.
func talks() []Spec {
	login := Spec{Username: "ada", Password: "geheim"}
	with := func(s Spec, k Kind, mode string) Spec {
		s.Kind, s.Host, s.Port, s.TLS.Mode = k, "192.0.2.1", 1, mode
		return s
	}
	return []Spec{
		{URL: "http://192.0.2.1/", Expect: Expect{Body: "a", Regex: "a+", JSON: map[string]string{"a": ""}, Headers: map[string]string{"A": ""}}},
		{URL: "https://192.0.2.1/"},
		{URL: "http://192.0.2.1/", Proxy: "socks5://192.0.2.1:1"},
		{URL: "https://192.0.2.1/", Proxy: "http://192.0.2.1:1"},
		{URL: "http://192.0.2.1/", HTTP2: true},
		with(Spec{Expect: Expect{Regex: "^a"}}, TCP, ""), with(Spec{}, TLS, ""), with(Spec{}, TLS, "smtp"), with(Spec{}, TLS, "imap"),
		with(login, SMTP, "none"), with(login, SMTP, "starttls"), with(login, IMAP, "none"), with(login, IMAP, "starttls"),
		with(login, LDAP, "none"), with(login, LDAP, "starttls"), with(Spec{}, SIP, "none"), with(Spec{}, SIP, "tcp"),
		with(Spec{}, SNMP, ""), with(Spec{}, Postgres, ""), with(Spec{}, MySQL, ""), with(Spec{}, MSSQL, ""), with(Spec{}, GRPC, "none"),
		{Kind: DNS, Host: "a.example", DNS: DNSSpec{Server: "192.0.2.1"}},
		{Kind: DNS, Host: "a.example", DNS: DNSSpec{Server: "192.0.2.1", TCP: true}},
		{Kind: Domain, Host: "a.example", URL: "http://192.0.2.1/"},
	}
}

// FuzzTalk lets a target say anything to any kind of probe: there is a verdict
// with a reason, in time, that shows no secret.
func FuzzTalk(f *testing.F) {
	specs := talks()
	known := map[Reason]bool{}
	for _, r := range Reasons() {
		known[r] = true
	}
	kinds := map[Kind]bool{ICMP: true, Heartbeat: true} // FuzzBinaryAnswers; not probed
	for i := range specs {
		var wrong []Problem
		specs[i].Timeout = Duration(2 * time.Second)
		if specs[i], wrong = specs[i].Normalize(); len(wrong) > 0 {
			f.Fatal(wrong)
		}
		kinds[specs[i].Kind] = true
	}
	for _, k := range Kinds() {
		if !kinds[k] {
			f.Fatalf("nobody fuzzes %s", k)
		}
	}
	for i, s := range []string{
		"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 9\r\n\r\n{\"a\":\"a\"}", "\x16\x03\x03\x00\x02", "\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n", "PRI", "aaaa", "", "220 a\r\n250 b\r\n220 c\r\n", "* OK\r\na OK\r\n", "220 a\r\n250-b\r\n250 c\r\n235 d\r\n", "220 a\r\n250 b\r\n220 c\r\n",
		"* OK\r\na OK\r\n", "* OK\r\na NO\r\n", "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00", "\x30\x84\x00\x00\x00\x01", "SIP/2.0 200 OK\r\nCall-ID: x\r\n\r\n",
		"SIP/2.0 100 Trying\r\n\r\nSIP/2.0 200 OK\r\n\r\n", "\x30\x03\x02\x01\x01", "R\x00\x00\x00\x08\x00\x00\x00\x03", "\x4a\x00\x00\x00\x0a8.0\x00", "\x04\x01\x00\x1a\x00\x00\x01\x00",
		"\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x00\x00\x84\x00", "\x00\x04\x00\x00\x84\x00", `HTTP/1.1 200 OK` + "\r\n\r\n" + `{"events":[{"eventAction":"expiration"}]}`,
	} {
		f.Add([]byte(s), uint8(i))
	}
	f.Fuzz(func(t *testing.T, said []byte, which uint8) {
		s := specs[int(which)%len(specs)]
		p := NewProbers(Options{
			Now: time.Now, Resolver: names{"a.example": {netip.MustParseAddr("192.0.2.1")}},
			DialContext: func(context.Context, string, string) (net.Conn, error) { return talker{bytes.NewReader(said)}, nil },
		})
		begin := time.Now()
		r := p[s.Kind].Probe(context.Background(), s)
		if !known[r.Reason] || r.Reason == ReasonOK && !r.OK {
			t.Fatalf("%s: %+v", s.Kind, r)
		}
		if bytes.Contains([]byte(r.Detail), []byte("geheim")) || r.Detail != plain(r.Detail) {
			t.Fatalf("%s shows %q", s.Kind, r.Detail)
		}
		if time.Since(begin) > 10*time.Second {
			t.Fatalf("%s took %s", s.Kind, time.Since(begin))
		}
	})
}
