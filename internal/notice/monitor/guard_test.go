package monitor

import (
	"bufio"
	"context"
	"errors"
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

	"tuermer/internal/platform/fence"
	"tuermer/internal/platform/ident"
)

// townGuard holds the people of every town to the words.
func townGuard(words ...string) TenantGuard {
	return TenantGuard{Of: func(context.Context, ident.Tenant) (fence.List, error) { return fence.Parse(words) }}
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

// holdings are the two ways in which people are held to networks: by the list of
// their town, which the server's guard knows, and by one that the check carries
// to a sonde, which has no such guard.
func holdings(t *testing.T, words ...string) map[string]func(*Options, *Spec) {
	t.Helper()
	list, err := fence.Parse(words)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]func(*Options, *Spec){
		"guard": func(o *Options, s *Spec) { o.Guard, s.By, s.Within = townGuard(words...), "musterstadt", nil },
		"sonde": func(o *Options, s *Spec) { o.Guard, s.By, s.Within = nil, "", &list },
	}
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
		s.Kind, s.Timeout = k, Duration(3*time.Second)
		out[k] = s
	}
	return out
}

// TestEveryKindIsHeld: what people enter reaches nothing outside of their
// networks, whatever the kind, and not one packet goes there.
func TestEveryKindIsHeld(t *testing.T) {
	port, knocks := bystander(t)
	book := names{"innen.example": {netip.MustParseAddr("127.0.0.1")}, "mapped.example": {netip.MustParseAddr("::ffff:127.0.0.1")}}
	o := Options{Resolver: book}
	tried := 0
	for _, host := range []string{"127.0.0.1", "innen.example", "mapped.example"} {
		for k, s := range everyKind(host, port) {
			for by, hold := range holdings(t, "public", "private") {
				hold(&o, &s)
				if r := look(t, o, s); r.Reason != ReasonBlocked {
					t.Errorf("%s at %s, held by %s: %s %q", k, host, by, r.Reason, r.Detail)
				}
				tried++
			}
		}
	}
	if n := len(Kinds()) - 1; tried != 3*2*n { // a heartbeat is not probed
		t.Errorf("%d tried, want %d", tried, 3*2*n)
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
		book["www.example"] = []netip.Addr{netip.MustParseAddr("192.0.2.7")}
		for by, hold := range holdings(t, "public", "private") {
			hold(&o, &s)
			if r := look(t, o, s); r.Reason != ReasonBlocked {
				t.Errorf("%+v held by %s: %s %q", s, by, r.Reason, r.Detail)
			}
		}
	}
	if n := knocks.Load(); n != 0 {
		t.Errorf("%d packets went where none may go", n)
	}
	// The same from the operator arrives.
	o.Guard = townGuard("public", "private")
	s := Spec{Kind: TCP, Host: "127.0.0.1:" + port}
	if r := look(t, o, s); !r.OK {
		t.Errorf("%+v", r)
	}
	// And nobody gets through where no list can be read.
	s.By = "musterstadt"
	for _, g := range []TenantGuard{{}, {Of: func(context.Context, ident.Tenant) (fence.List, error) {
		return fence.List{Public: true}, errors.New("away")
	}}} {
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
	for _, to := range []string{
		"http://127.0.0.1:" + port + "/", "//127.0.0.1:" + port + "/", "http://innen.example:" + port, "http://[::ffff:127.0.0.1]:" + port,
		"https://127.0.0.1:" + port + "/", "http://169.254.169.254/latest/meta-data/", "http://2130706433:" + port + "/", "http://a@127.0.0.1:" + port + "/",
	} {
		for by, hold := range holdings(t, "127.0.0.2") {
			o, s := Options{Resolver: book}, Spec{URL: "http://" + l.Addr().String() + "/?to=" + url.QueryEscape(to)}
			hold(&o, &s)
			r := look(t, o, s)
			if r.OK || r.Reason != ReasonBlocked && r.Reason != ReasonDNS && r.Reason != ReasonRedirect {
				t.Errorf("%s, held by %s: %s %q", to, by, r.Reason, r.Detail)
			}
		}
	}
	if n := knocks.Load(); n != 0 {
		t.Errorf("%d connections went where none may go", n)
	}
}

// TestRebinding: a name is looked up once for each connection, and the
// connection goes to the address that was judged.
func TestRebinding(t *testing.T) {
	for by, hold := range holdings(t, "public") {
		t.Run(by, func(t *testing.T) {
			var dialled []string
			turning := &rebinding{}
			o := Options{Resolver: turning, DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
				dialled = append(dialled, addr)
				return nil, errors.New("nobody there")
			}}
			see := func(s Spec) Result {
				dialled = nil
				hold(&o, &s)
				return look(t, o, s)
			}
			s := Spec{URL: "http://rebind.example/"}
			if r := see(s); r.OK || turning.n != 1 || strings.Join(dialled, " ") != "192.0.2.7:80" {
				t.Errorf("%+v dialled %v after %d lookups", r, dialled, turning.n)
			}
			if r := see(s); r.Reason != ReasonBlocked || len(dialled) != 0 {
				t.Errorf("%+v dialled %v", r, dialled)
			}
			// Among several addresses only the allowed ones are tried.
			o.Resolver = names{"zwei.example": {netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("127.0.0.1")}}
			if r := see(Spec{URL: "http://zwei.example/"}); r.OK || strings.Join(dialled, " ") != "192.0.2.9:80" {
				t.Errorf("%+v dialled %v", r, dialled)
			}
			// A proxy looks up by itself, so every address of the target is judged first.
			for _, proxy := range []string{"http://192.0.2.8:3128", "socks5://192.0.2.8:1080"} {
				if r := see(Spec{URL: "http://zwei.example/", Proxy: proxy}); r.Reason != ReasonBlocked || len(dialled) != 0 {
					t.Errorf("%s: %+v dialled %v", proxy, r, dialled)
				}
			}
		})
	}
}

// TestDemoNetwork: an injected network that keeps its addresses to itself is
// open only where the owner says so.
func TestDemoNetwork(t *testing.T) {
	for _, open := range []bool{true, false} {
		o := Options{
			Guard: TenantGuard{Of: func(context.Context, ident.Tenant) (fence.List, error) {
				return fence.List{Public: true, Unknown: open}, nil
			}},
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
