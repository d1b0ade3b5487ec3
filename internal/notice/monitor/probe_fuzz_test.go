package monitor

import (
	"bytes"
	"context"
	"io"
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
//	FuzzEcho           answers to a ping
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

// sayings is what a target of each of the talks may say, in their order; the
// seeds of the fuzzing.
func sayings() []string {
	return []string{
		"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 9\r\n\r\n{\"a\":\"a\"}", "\x16\x03\x03\x00\x02", "\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n", "PRI", "aaaa", "", "220 a\r\n250 b\r\n220 c\r\n", "* OK\r\na OK\r\n", "220 a\r\n250-b\r\n250 c\r\n235 d\r\n", "220 a\r\n250 b\r\n220 c\r\n",
		"* OK\r\na OK\r\n", "* OK\r\na NO\r\n", "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00", "\x30\x84\x00\x00\x00\x01", "SIP/2.0 200 OK\r\nCall-ID: x\r\n\r\n",
		"SIP/2.0 100 Trying\r\n\r\nSIP/2.0 200 OK\r\n\r\n", "\x30\x03\x02\x01\x01", "R\x00\x00\x00\x08\x00\x00\x00\x03", "\x4a\x00\x00\x00\x0a8.0\x00", "\x04\x01\x00\x1a\x00\x00\x01\x00",
		"\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x00\x00\x84\x00", "\x00\x04\x00\x00\x84\x00", `HTTP/1.1 200 OK` + "\r\n\r\n" + `{"events":[{"eventAction":"expiration"}]}`,
	}
}

// TestEveryKindIsFuzzed: whoever adds a kind adds its talk and its seed.
func TestEveryKindIsFuzzed(t *testing.T) {
	specs, seeds := talks(), sayings()
	if len(specs) != len(seeds) {
		t.Errorf("%d talks and %d seeds", len(specs), len(seeds))
	}
	kinds := map[Kind]bool{
		Heartbeat: true, // not probed
		ICMP:      true, // FuzzEcho
	}
	for _, s := range specs {
		s, wrong := s.Normalize()
		if len(wrong) > 0 {
			t.Error(wrong)
		}
		kinds[s.Kind] = true
	}
	for _, k := range Kinds() {
		if !kinds[k] {
			t.Errorf("nobody fuzzes %s", k)
		}
	}
}

// FuzzEcho lets the network answer a ping with anything, from anybody: only the
// answer to our own request, from whom we asked, is one.
func FuzzEcho(f *testing.F) {
	for _, v6 := range []bool{false, true} {
		addr := netip.MustParseAddr("192.0.2.1")
		if v6 {
			addr = netip.MustParseAddr("2001:db8::1")
		}
		request, err := echo(addr, make([]byte, 24))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(request, v6, true)
		f.Add(append([]byte{0, 0}, request[2:]...), v6, true)
		f.Add(append([]byte{129, 0}, request[2:]...), v6, false)
		f.Add(request[:5], v6, true)
		f.Add([]byte{3, 1, 0, 0, 0, 0, 0, 0, 0x45, 0}, v6, true)
		f.Add([]byte{}, v6, true)
	}
	f.Fuzz(func(t *testing.T, packet []byte, v6, same bool) {
		addr := netip.MustParseAddr("192.0.2.1")
		if v6 {
			addr = netip.MustParseAddr("2001:db8::1")
		}
		from := net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0))
		if !same {
			from = net.UDPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.9:0"))
		}
		// Random bytes do not find a token of 24.
		c := &pinged{packets: [][]byte{packet}, from: from}
		if err := askEcho(t.Context(), c, from, addr); err == nil {
			t.Fatalf("%x is taken for the answer", packet)
		}
		c = &pinged{packets: [][]byte{packet}, reply: true, from: from}
		if err := askEcho(t.Context(), c, from, addr); (err == nil) != same {
			t.Fatalf("the answer behind %x from %v: %v", packet, from, err)
		}
	})
}

// pinged is a socket on which packets come, and then, with reply, the right
// answer to what was sent.
type pinged struct {
	packets [][]byte
	reply   bool
	from    net.Addr
	sent    []byte
}

func (c *pinged) WriteTo(b []byte, _ net.Addr) (int, error) {
	c.sent = bytes.Clone(b)
	if c.reply {
		answer := bytes.Clone(b)
		answer[0] = map[byte]byte{8: 0, 128: 129}[b[0]]
		c.packets = append(c.packets, answer)
	}
	return len(b), nil
}

func (c *pinged) ReadFrom(b []byte) (int, net.Addr, error) {
	if len(c.packets) == 0 {
		return 0, nil, io.EOF
	}
	p := c.packets[0]
	c.packets = c.packets[1:]
	return copy(b, p), c.from, nil
}

func (*pinged) Close() error                     { return nil }
func (*pinged) LocalAddr() net.Addr              { return nil }
func (*pinged) SetDeadline(time.Time) error      { return nil }
func (*pinged) SetReadDeadline(time.Time) error  { return nil }
func (*pinged) SetWriteDeadline(time.Time) error { return nil }

// FuzzTalk lets a target say anything to any kind of probe: there is a verdict
// with a reason, in time, that shows no secret.
func FuzzTalk(f *testing.F) {
	specs := talks()
	known := map[Reason]bool{}
	for _, r := range Reasons() {
		known[r] = true
	}
	for i := range specs {
		var wrong []Problem
		specs[i].Timeout = Duration(2 * time.Second)
		if specs[i], wrong = specs[i].Normalize(); len(wrong) > 0 {
			f.Fatal(wrong)
		}
	}
	for i, said := range sayings() {
		f.Add([]byte(said), uint8(i))
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
