package monitor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/ident"
)

// townGuard holds the people of every town to the words.
func townGuard(words ...string) TenantGuard {
	return TenantGuard{Of: func(context.Context, ident.Tenant) (Reach, error) { return ParseReach(words) }}
}

func TestReach(t *testing.T) {
	hosted, alone := []string{"public"}, []string{"public", "private"}
	for _, c := range []struct {
		words []string
		addr  string
		ok    bool
	}{
		{hosted, "93.184.216.34", true},
		{hosted, "2606:2800:220:1::1", true},
		{hosted, "192.0.2.7", true},
		{hosted, "10.1.2.3", false},
		{hosted, "172.31.0.1", false},
		{hosted, "192.168.1.1", false},
		{hosted, "100.64.0.1", false},
		{hosted, "fd12::1", false},
		{alone, "10.1.2.3", true},
		{alone, "172.16.0.1", true},
		{alone, "fd12::1", true},
		{alone, "127.0.0.1", false},
		{alone, "127.8.9.10", false},
		{alone, "::1", false},
		{alone, "0.0.0.0", false},
		{alone, "::", false},
		{alone, "169.254.1.1", false},
		{alone, "fe80::1", false},
		{alone, "fe80::1%eth0", false},
		{alone, "224.0.0.1", false},
		{alone, "255.255.255.255", false},
		{alone, "ff02::1", false},
		// The same addresses in another dress.
		{alone, "::ffff:127.0.0.1", false},
		{hosted, "::ffff:10.0.0.1", false},
		{alone, "::127.0.0.1", false},
		{alone, "64:ff9b::7f00:1", false},
		{alone, "64:ff9b:1::7f00:1", false},
		{hosted, "64:ff9b::a00:1", false},
		{hosted, "64:ff9b::5db8:d822", true},
		{alone, "2002:7f00:1::", false},
		{hosted, "2002:c0a8:101::1", false},
		{alone, "2001:0:1:2::80ff:fffe", false},
		{alone, "2001:db8::5efe:7f00:1", false},
		// Metadata are nobody's, whatever the list says.
		{[]string{"public", "private", "169.254.0.0/16", "fd00::/8", "100.64.0.0/10", "0.0.0.0/0", "::/0"}, "169.254.169.254", false},
		{[]string{"::/0"}, "fd00:ec2::254", false},
		{[]string{"0.0.0.0/0"}, "100.100.100.200", false},
		{[]string{"::/0"}, "::ffff:169.254.169.254", false},
		{[]string{"::/0"}, "64:ff9b::a9fe:a9fe", false},
		{[]string{"0.0.0.0/0"}, "168.63.129.16", false},
		{[]string{"::/0"}, "fd20:ce::254", false},
		{[]string{"0.0.0.0/0"}, "192.0.0.192", false},
		// What the operator lists.
		{[]string{"127.0.0.0/8"}, "127.0.0.1", true},
		{[]string{"127.0.0.0/8"}, "::ffff:127.0.0.1", true},
		{[]string{"10.1.0.0/16"}, "10.1.255.1", true},
		{[]string{"10.1.0.0/16"}, "10.2.0.1", false},
		{[]string{"10.1.0.0/16"}, "93.184.216.34", false},
		{[]string{"192.0.2.5"}, "192.0.2.5", true},
		{[]string{"::1"}, "::1", true},
		{nil, "93.184.216.34", false},
	} {
		r, err := ParseReach(c.words)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Allows(netip.MustParseAddr(c.addr)); (got == nil) != c.ok {
			t.Errorf("%v: %s: %v", c.words, c.addr, got)
		}
	}
	for _, bad := range []string{"alles", "10.0.0.0/99", "", "fe80::1%eth0", "::ffff:10.0.0.0/104", "10.0.0.0-10.0.0.9"} {
		if _, err := ParseReach([]string{bad}); err == nil {
			t.Errorf("%q is taken for a network", bad)
		}
	}
	if (Reach{Public: true, Private: true}).Allows(netip.Addr{}) == nil {
		t.Error("an address that nobody knows is allowed")
	}
}

// TestReachProperties: whatever the address, its dress changes nothing, and
// the words never open this machine or a cloud's metadata.
func TestReachProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v4 := netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4")))
		r := Reach{Public: rapid.Bool().Draw(t, "public"), Private: rapid.Bool().Draw(t, "private")}
		plain := r.Allows(v4) == nil
		b := v4.As4()
		for name, dressed := range map[string]netip.Addr{
			"mapped": netip.AddrFrom16(v4.As16()),
			"nat64":  netip.MustParseAddr(fmt.Sprintf("64:ff9b::%02x%02x:%02x%02x", b[0], b[1], b[2], b[3])),
			"6to4":   netip.MustParseAddr(fmt.Sprintf("2002:%02x%02x:%02x%02x::1", b[0], b[1], b[2], b[3])),
		} {
			if got := r.Allows(dressed) == nil; got != plain {
				t.Fatalf("%s %v, as %s %v", v4, plain, name, got)
			}
		}
		if plain && (v4.IsLoopback() || v4.IsLinkLocalUnicast() || v4.IsMulticast() || v4.IsUnspecified() || within(v4, metadata)) {
			t.Fatalf("%s is allowed", v4)
		}
		if plain && v4.IsPrivate() && !r.Private {
			t.Fatalf("%s is allowed", v4)
		}
	})
}

// bystander counts whoever knocks, over TCP and UDP on one port.
func bystander(t *testing.T) (port string, knocks *atomic.Int32) {
	t.Helper()
	knocks = new(atomic.Int32)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u, err := net.ListenPacket("udp", l.Addr().String())
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
			knocks.Add(1)
			c.Close()
		}
	})
	wg.Go(func() {
		for {
			if _, _, err := u.ReadFrom(make([]byte, 1)); errors.Is(err, net.ErrClosed) {
				return
			}
			knocks.Add(1)
		}
	})
	t.Cleanup(func() { l.Close(); u.Close(); wg.Wait() })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, knocks
}

// everyKind is a check of each kind against host, which may be a name.
func everyKind(host, port string) map[Kind]Spec {
	at := host + ":" + port
	out := map[Kind]Spec{
		HTTP: {URL: "http://" + at + "/"}, DNS: {Host: "www.example", DNS: DNSSpec{Server: at}}, Domain: {Host: "a.example", URL: "http://" + at + "/"},
		ICMP: {Host: host}, SNMP: {Host: at}, SIP: {Host: at}, GRPC: {Host: at},
	}
	for _, k := range []Kind{TCP, TLS, SMTP, IMAP, LDAP, Postgres, MySQL, MSSQL} {
		out[k] = Spec{Host: at}
	}
	for k, s := range out {
		s.Kind, s.By, s.Timeout = k, "musterstadt", Duration(3*time.Second)
		out[k] = s
	}
	return out
}

// TestEveryKindIsHeld: what people enter reaches nothing outside of their
// networks, whatever the kind, and not one packet goes there.
func TestEveryKindIsHeld(t *testing.T) {
	port, knocks := bystander(t)
	book := names{"innen.example": {netip.MustParseAddr("127.0.0.1")}, "mapped.example": {netip.MustParseAddr("::ffff:127.0.0.1")}}
	o := Options{Resolver: book, Guard: townGuard("public", "private")}
	tried := 0
	for _, host := range []string{"127.0.0.1", "innen.example", "mapped.example"} {
		for k, s := range everyKind(host, port) {
			if r := look(t, o, s); r.Reason != ReasonBlocked {
				t.Errorf("%s at %s: %s %q", k, host, r.Reason, r.Detail)
			}
			tried++
		}
	}
	if n := len(Kinds()) - 1; tried != 3*n { // a heartbeat is not probed
		t.Errorf("%d tried, want %d", tried, 3*n)
	}
	for _, s := range []Spec{
		{Kind: SIP, Host: "127.0.0.1:" + port, TLS: TLSSpec{Mode: "tcp"}},
		{Kind: SIP, Host: "127.0.0.1:" + port, TLS: TLSSpec{Mode: "tls"}},
		{Kind: DNS, Host: "www.example", DNS: DNSSpec{Server: "127.0.0.1:" + port, TCP: true}},
		{URL: "https://127.0.0.1:" + port + "/"},
		{URL: "https://127.0.0.1:" + port + "/", HTTP2: true},
		{Kind: GRPC, Host: "127.0.0.1:" + port, TLS: TLSSpec{Mode: "tls"}},
		{URL: "http://www.example/", Proxy: "http://127.0.0.1:" + port},
		{URL: "https://www.example/", Proxy: "https://127.0.0.1:" + port},
		{URL: "http://www.example/", Proxy: "socks5://127.0.0.1:" + port},
	} {
		s.By = "musterstadt"
		book["www.example"] = []netip.Addr{netip.MustParseAddr("192.0.2.7")}
		if r := look(t, o, s); r.Reason != ReasonBlocked {
			t.Errorf("%+v: %s %q", s, r.Reason, r.Detail)
		}
	}
	if n := knocks.Load(); n != 0 {
		t.Errorf("%d packets went where none may go", n)
	}
	// The same from the operator arrives.
	s := Spec{Kind: TCP, Host: "127.0.0.1:" + port}
	if r := look(t, o, s); !r.OK {
		t.Errorf("%+v", r)
	}
	// And nobody gets through where no list can be read.
	s.By = "musterstadt"
	for _, g := range []TenantGuard{{}, {Of: func(context.Context, ident.Tenant) (Reach, error) { return Reach{Public: true}, errors.New("away") }}} {
		if r := look(t, Options{Guard: g}, s); r.Reason != ReasonBlocked {
			t.Errorf("%+v", r)
		}
	}
}

// TestSpellings: notations that some libraries read as addresses are names
// here, and the names of this machine are judged by where they lead.
func TestSpellings(t *testing.T) {
	port, knocks := bystander(t)
	guard := townGuard("public", "private")
	for _, host := range []string{
		"0177.0.0.1", "0x7f.0.0.1", "2130706433", "0x7f000001", "017700000001", "127.1", "127.0.1", "127.0.0.1.", "localhost", "localhost.",
		"LOCALHOST", "ip6-localhost", "１２７.０.０.１", "127。0。0。1", "①②⑦.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]",
		"[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[fe80::1%25lo]", "0", "0.0.0.0", "[::]", "127.0.0.1.nip.example",
	} {
		// The machine's own resolver, which reads what inet_aton reads.
		for _, res := range []Resolver{net.DefaultResolver, names{"localhost": {netip.MustParseAddr("127.0.0.1")}, "127.0.0.1.nip.example": {netip.MustParseAddr("127.0.0.1")}}} {
			s, wrong := (Spec{URL: "http://" + host + ":" + port + "/", By: "musterstadt", Timeout: Duration(2 * time.Second)}).Normalize()
			if len(wrong) > 0 {
				continue // refused when it is entered
			}
			r := NewProbers(Options{Guard: guard, Resolver: res, Now: time.Now})[HTTP].Probe(t.Context(), s)
			if r.OK || r.Reason != ReasonBlocked && r.Reason != ReasonDNS && r.Reason != ReasonInvalid {
				t.Errorf("%s: %s %q", host, r.Reason, r.Detail)
			}
		}
	}
	for _, raw := range []string{
		"http://ada:pw@127.0.0.1/", "http://erlaubt.example@127.0.0.1/", "http://erlaubt.example:80@127.0.0.1/", "http://127.0.0.1\\@erlaubt.example/",
		"file:///etc/passwd", "gopher://127.0.0.1/", "http:127.0.0.1/", "//127.0.0.1/", "http://a.example:0/", "http://a.example:99999/", "http://127.0.0.1 /",
	} {
		if _, wrong := (Spec{URL: raw}).Normalize(); len(wrong) == 0 {
			t.Errorf("%s is taken", raw)
		}
	}
	if n := knocks.Load(); n != 0 {
		t.Errorf("%d connections went where none may go", n)
	}
}

// TestRedirectsAreHeld: an allowed server cannot send a check where it may not
// go, in no notation and not over a name that turns around.
func TestRedirectsAreHeld(t *testing.T) {
	port, knocks := bystander(t)
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(http.StatusFound)
	})}}
	srv.Start()
	defer srv.Close()
	book := names{"innen.example": {netip.MustParseAddr("127.0.0.1")}}
	o := Options{Guard: townGuard("127.0.0.2"), Resolver: book}
	for _, to := range []string{
		"http://127.0.0.1:" + port + "/", "//127.0.0.1:" + port + "/", "http://innen.example:" + port, "http://[::ffff:127.0.0.1]:" + port,
		"https://127.0.0.1:" + port + "/", "http://169.254.169.254/latest/meta-data/", "http://2130706433:" + port + "/", "http://a@127.0.0.1:" + port + "/",
	} {
		r := look(t, o, Spec{URL: "http://" + l.Addr().String() + "/?to=" + url.QueryEscape(to), By: "musterstadt"})
		if r.OK || r.Reason != ReasonBlocked && r.Reason != ReasonDNS && r.Reason != ReasonRedirect {
			t.Errorf("%s: %s %q", to, r.Reason, r.Detail)
		}
	}
	if n := knocks.Load(); n != 0 {
		t.Errorf("%d connections went where none may go", n)
	}
}

// TestRebinding: a name is looked up once for each connection, and the
// connection goes to the address that was judged.
func TestRebinding(t *testing.T) {
	var dialled []string
	turning := &rebinding{}
	o := Options{Guard: townGuard("public"), Resolver: turning, DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
		dialled = append(dialled, addr)
		return nil, errors.New("nobody there")
	}}
	s := Spec{URL: "http://rebind.example/", By: "musterstadt"}
	if r := look(t, o, s); r.OK || turning.n != 1 || strings.Join(dialled, " ") != "192.0.2.7:80" {
		t.Errorf("%+v dialled %v after %d lookups", r, dialled, turning.n)
	}
	if r := look(t, o, s); r.Reason != ReasonBlocked || len(dialled) != 1 {
		t.Errorf("%+v dialled %v", r, dialled)
	}
	// Among several addresses only the allowed ones are tried.
	dialled = nil
	o.Resolver = names{"zwei.example": {netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("127.0.0.1")}}
	if r := look(t, o, Spec{URL: "http://zwei.example/", By: "musterstadt"}); r.OK || strings.Join(dialled, " ") != "192.0.2.9:80" {
		t.Errorf("%+v dialled %v", r, dialled)
	}
	// A proxy looks up by itself, so every address of the target is judged first.
	for _, proxy := range []string{"http://192.0.2.8:3128", "socks5://192.0.2.8:1080"} {
		dialled = nil
		if r := look(t, o, Spec{URL: "http://zwei.example/", Proxy: proxy, By: "musterstadt"}); r.Reason != ReasonBlocked || len(dialled) != 0 {
			t.Errorf("%s: %+v dialled %v", proxy, r, dialled)
		}
	}
}

// TestDemoNetwork: an injected network that keeps its addresses to itself is
// open only where the owner says so.
func TestDemoNetwork(t *testing.T) {
	for _, open := range []bool{true, false} {
		o := Options{
			Guard: TenantGuard{Of: func(context.Context, ident.Tenant) (Reach, error) { return Reach{Public: true, Unknown: open}, nil }},
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				a, b := net.Pipe()
				go func() {
					http.ReadRequest(bufio.NewReader(b))
					io.WriteString(b, "HTTP/1.1 204 Da\r\n\r\n")
					io.Copy(io.Discard, b)
					b.Close()
				}()
				return a, nil
			},
		}
		r := look(t, o, Spec{URL: "http://portal.musterstadt.example/", By: "musterstadt"})
		if r.OK != open || !open && r.Reason != ReasonBlocked {
			t.Errorf("open %v: %+v", open, r)
		}
		if r := look(t, o, Spec{URL: "http://169.254.169.254/", By: "musterstadt"}); r.Reason != ReasonBlocked {
			t.Errorf("open %v: metadata: %+v", open, r)
		}
	}
}
