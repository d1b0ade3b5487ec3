package monitor

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log" //nolint:depguard // net/http takes no other
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// raw starts a target that writes exactly what talk writes, after it has read
// a request's headers.
func raw(t testing.TB, talk func(c net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var live atomic.Int64
	idle := make(chan struct{}, 64)
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			live.Add(1)
			go func() {
				defer func() { c.Close(); live.Add(-1); idle <- struct{}{} }()
				r := bufio.NewReader(c)
				for {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					if line == "\r\n" {
						break
					}
				}
				talk(c)
			}()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		for live.Load() > 0 {
			<-idle
		}
	})
	return "http://" + l.Addr().String() + "/"
}

func says(t testing.TB, text string) string {
	return raw(t, func(c net.Conn) { io.WriteString(c, text) })
}

func probers(o Options) Probers {
	o.Now = time.Now
	return NewProbers(o)
}

func look(t *testing.T, o Options, s Spec) Result {
	t.Helper()
	s = good(t, s)
	r := probers(o)[s.Kind].Probe(context.Background(), s)
	if len(r.Detail) > MaxDetail || !utf8.ValidString(r.Detail) || strings.ContainsAny(r.Detail, "<>\r\n\x00") {
		t.Errorf("detail %q", r.Detail)
	}
	if r.OK != (r.Reason == ReasonOK || r.Reason.Soft()) || r.At.IsZero() {
		t.Errorf("%+v", r)
	}
	return r
}

func TestUglyTargets(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	mib := strings.Repeat("x", 1<<20)
	drip := func(c net.Conn, head, b string) {
		io.WriteString(c, head)
		for {
			if _, err := io.WriteString(c, b); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond) // the target's manner, not the test's patience
		}
	}
	forever := func(head, b string) func(net.Conn) {
		return func(c net.Conn) {
			io.WriteString(c, head)
			for {
				if _, err := io.WriteString(c, b); err != nil {
					return
				}
			}
		}
	}
	hang := func(c net.Conn) { io.Copy(io.Discard, c) }
	type m = map[string]string
	text := Expect{Body: "Willkommen"}
	tests := []struct {
		name   string
		target string
		expect Expect
		want   Reason
		detail string
	}{
		{"plain", says(t, ok+"Content-Length: 10\r\n\r\nWillkommen"), text, ReasonOK, ""},
		{"up to the end", says(t, ok+"\r\nhallo Willkommen"), text, ReasonOK, ""},
		{"chunked", says(t, ok+"Transfer-Encoding: chunked\r\n\r\n4\r\nWill\r\n6\r\nkommen\r\n0\r\n\r\n"), text, ReasonOK, ""},
		{"text missing", says(t, ok+"Content-Length: 4\r\n\r\nweg!"), text, ReasonBody, "4 bytes"},
		{"empty", says(t, ""), Expect{}, ReasonReset, "closed early"},
		{"status 503", says(t, "HTTP/1.1 503 <b>weg</b>\r\nContent-Length: 0\r\n\r\n"), Expect{}, ReasonStatus, "HTTP 503"},
		{"interim answers", says(t, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"+ok+"Content-Length: 0\r\n\r\n"), Expect{}, ReasonOK, ""},
		{"endless interim", raw(t, forever("", "HTTP/1.1 102 Processing\r\n\r\n")), Expect{}, ReasonProtocol, "interim"},
		{"another protocol", raw(t, func(c net.Conn) { io.WriteString(c, "SSH-2.0-x\r\n"); hang(c) }), Expect{}, ReasonProtocol, "not HTTP"},
		{"garbage status", says(t, "HTTP/9.9 zweihundert OK\r\n\r\n"), Expect{}, ReasonProtocol, ""},
		{"half a head", says(t, ok+"Content-Le"), Expect{}, ReasonReset, "cut off"},
		{"half a body", says(t, ok+"Content-Length: 50\r\n\r\nhalb"), Expect{}, ReasonReset, "cut off"},
		{"half a chunk", says(t, ok+"Transfer-Encoding: chunked\r\n\r\nff\r\nhalb"), Expect{}, ReasonReset, "cut off"},
		{"broken chunk", says(t, ok+"Transfer-Encoding: chunked\r\n\r\nviel\r\n"), Expect{}, ReasonProtocol, "reading the answer"},
		{"huge headers", raw(t, forever(ok, "X-Y: "+strings.Repeat("z", 1000)+"\r\n")), Expect{}, ReasonProtocol, "64 KiB"},
		{"huge header line", raw(t, forever(ok+"X: ", "zzzzzzzz")), Expect{}, ReasonProtocol, "64 KiB"},
		{"two lengths", says(t, ok+"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), Expect{}, ReasonProtocol, ""},
		{"line feeds only", says(t, "HTTP/1.1 200 OK\nContent-Length: 10\n\nWillkommen"), text, ReasonOK, ""},
		{"folded header", says(t, ok+"X: a\r\n b\r\nContent-Length: 10\r\n\r\nWillkommen"), text, ReasonOK, ""},
		{"drips a head", raw(t, func(c net.Conn) { drip(c, ok, "X") }), Expect{}, ReasonTimeout, "waiting for the answer"},
		{"drips a body", raw(t, func(c net.Conn) { drip(c, ok+"\r\n", "x") }), Expect{}, ReasonTimeout, "reading the answer"},
		{"never answers", raw(t, hang), Expect{}, ReasonTimeout, "waiting for the answer"},
		{"endless body", raw(t, forever(ok+"\r\n", mib)), Expect{}, ReasonOK, ""},
		{"endless body, text", raw(t, forever(ok+"\r\n", mib)), text, ReasonTooLarge, "1024 KiB"},
		{"endless body, text early", raw(t, forever(ok+"\r\nWillkommen", mib)), text, ReasonOK, ""},
		{"endless body, pattern", raw(t, forever(ok+"\r\n", mib)), Expect{Regex: "W.llkommen"}, ReasonTooLarge, ""},
		{"10 MB", says(t, fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", ok, 10<<20, strings.Repeat(mib, 10))), text, ReasonTooLarge, ""},
		{"exactly a MiB", says(t, fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", ok, 1<<20, mib)), text, ReasonBody, "1048576"},
		{"text over the seam", says(t, ok+"\r\n"+strings.Repeat("y", 8192-20)+"Willkommen"+mib[:50000]), text, ReasonOK, ""},
		{"invalid UTF-8", says(t, ok+"\r\n\xff\xfe\x00Willkommen\xff"), text, ReasonOK, ""},
		{"invalid UTF-8, pattern", says(t, ok+"\r\n\xff\xfeStand 14:05\xff"), Expect{Regex: `Stand \d\d:\d\d`}, ReasonOK, ""},
		{"Latin-1", says(t, ok+"Content-Type: text/html; charset=ISO-8859-1\r\n\r\nB\xfcrgerb\xfcro"), Expect{Body: "Bürgerbüro"}, ReasonOK, ""},
		{"pattern missing", says(t, ok+"\r\nnichts"), Expect{Regex: "etwas"}, ReasonBody, "6 bytes"},
		{"JSON", says(t, ok+"\r\n{\"a\":{\"b\":[1,\"ok\"]}}"), Expect{JSON: m{"a.b.1": "ok", "a": ""}}, ReasonOK, ""},
		{"JSON differs", says(t, ok+"\r\n{\"a\":2}"), Expect{JSON: m{"a": "1"}}, ReasonBody, "not as expected"},
		{"JSON broken", says(t, ok+"\r\n{\"a\":"), Expect{JSON: m{"a": "1"}}, ReasonBody, "not JSON"},
		{"header", says(t, ok+"X-Stand: neu\r\nContent-Length: 0\r\n\r\n"), Expect{Headers: m{"x-stand": "neu"}}, ReasonOK, ""},
		{"header missing", says(t, ok+"Content-Length: 0\r\n\r\n"), Expect{Headers: m{"x-stand": "neu"}}, ReasonHeader, "x-stand"},
		{"half gzip", says(t, ok+"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08"), text, ReasonReset, "cut off"},
		{"no gzip", says(t, ok+"Content-Encoding: gzip\r\n\r\n"+mib[:100]), text, ReasonBody, "damaged"},
		{"brotli", says(t, ok+"Content-Encoding: br\r\n\r\nabc"), text, ReasonBody, "br"},
		{"too slow", raw(t, func(c net.Conn) { time.Sleep(30 * time.Millisecond); io.WriteString(c, ok+"\r\n") }), Expect{Within: Duration(time.Millisecond)}, ReasonSlow, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := Spec{URL: tt.target, Expect: tt.expect, Timeout: Duration(5 * time.Second)}
			if tt.want == ReasonTimeout {
				s.Timeout = Duration(200 * time.Millisecond)
			}
			r := look(t, Options{}, s)
			if r.Reason != tt.want || !strings.Contains(r.Detail, tt.detail) {
				t.Errorf("got %s %q, want %s %q", r.Reason, r.Detail, tt.want, tt.detail)
			}
			if r.Took > s.Timeout.D()+time.Second {
				t.Errorf("took %v", r.Took)
			}
		})
	}
}

func TestGzipBomb(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		for range 64 {
			z.Write(make([]byte, 1<<20))
		}
		z.Close()
	}))
	defer srv.Close()
	if r := look(t, Options{}, Spec{URL: srv.URL, Expect: Expect{Body: "x"}}); r.Reason != ReasonTooLarge {
		t.Errorf("%+v", r)
	}
}

func TestRequestOnTheWire(t *testing.T) {
	var got *http.Request
	var body []byte
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	}))
	defer srv.Close()
	r := look(t, Options{}, Spec{
		URL: srv.URL + "/ä b?q=1#frag", Body: "x=ü", Username: "ada", Password: "pw",
		Headers: map[string]string{"Host": "portal.example", "X-A": "b"},
	})
	user, pw, _ := got.BasicAuth()
	if !r.OK || got.Method != "POST" || got.Host != "portal.example" || string(body) != "x=ü" || got.Header.Get("X-A") != "b" ||
		user != "ada" || pw != "pw" || got.URL.Path != "/ä b" || got.URL.RawQuery != "q=1" || !got.Close {
		t.Errorf("%+v asked as %+v %q", r, got, body)
	}
}

func TestRedirects(t *testing.T) {
	var seen []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, "other auth="+r.Header.Get("Authorization")+" x="+r.Header.Get("X-Key"))
		io.WriteString(w, "Ziel")
	}))
	defer other.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Method+" "+r.URL.Path+" auth="+r.Header.Get("Authorization"))
		switch r.URL.Path {
		case "/":
			http.Redirect(w, r, "/zwei", http.StatusSeeOther)
		case "/zwei":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/schleife":
			http.Redirect(w, r, "/schleife", http.StatusFound)
		case "/datei":
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(302)
		case "/login":
			w.Header().Set("Location", "http://ada:pw@"+r.Host+"/")
			w.WriteHeader(302)
		}
	}))
	defer srv.Close()
	r := look(t, Options{}, Spec{URL: srv.URL, Method: "POST", Bearer: "geheim", Headers: map[string]string{"X-Key": "k"}, Expect: Expect{Body: "Ziel"}})
	want := "POST / auth=Bearer geheim|GET /zwei auth=Bearer geheim|other auth= x="
	if !r.OK || strings.Join(seen, "|") != want {
		t.Errorf("%+v over %v", r, seen)
	}
	zero := 0
	if r := look(t, Options{}, Spec{URL: srv.URL, Redirects: &zero, Expect: Expect{Status: []StatusRange{{303, 303}}}}); !r.OK {
		t.Errorf("not following: %+v", r)
	}
	seen = nil
	r = look(t, Options{}, Spec{URL: srv.URL + "/schleife", Expect: Expect{Status: []StatusRange{{200, 200}}}})
	if r.Reason != ReasonStatus || r.Code != 302 || len(seen) != DefaultRedirects+1 {
		t.Errorf("loop: %+v over %v", r, seen)
	}
	for _, path := range []string{"/datei", "/login"} {
		if r := look(t, Options{}, Spec{URL: srv.URL + path}); r.Reason != ReasonRedirect {
			t.Errorf("%s: %+v", path, r)
		}
	}
}

func TestTLSTargets(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are the point here
	srv.StartTLS()
	defer srv.Close()
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	end := srv.Certificate().NotAfter
	p := probers(Options{RootCAs: pool})
	s := good(t, Spec{URL: srv.URL, Expect: Expect{Body: "HTTP/1.1"}})
	for range 2 { // the second look takes the remembered chain
		if r := p[HTTP].Probe(t.Context(), s); !r.OK || !r.CertExpires.Equal(end) {
			t.Errorf("%+v", r)
		}
	}
	s.TLS.ServerName = "anders.example"
	if r := p[HTTP].Probe(t.Context(), s); r.Reason != ReasonTLS || !strings.Contains(r.Detail, "anders.example") || !r.CertExpires.Equal(end) {
		t.Errorf("wrong name: %+v", r)
	}
	if r := look(t, Options{}, Spec{URL: srv.URL}); r.Reason != ReasonTLS || !strings.Contains(r.Detail, "unknown authority") {
		t.Errorf("unknown authority: %+v", r)
	}
	if r := look(t, Options{}, Spec{URL: srv.URL, TLS: TLSSpec{Insecure: true}}); !r.OK || r.CertExpires.IsZero() {
		t.Errorf("insecure: %+v", r)
	}
	soon := Spec{URL: srv.URL, Expect: Expect{Certificate: Duration(366 * 24 * time.Hour)}}
	late := NewProbers(Options{RootCAs: pool, Now: func() time.Time { return end.Add(-time.Hour) }})
	if r := late[HTTP].Probe(t.Context(), good(t, soon)); r.Reason != ReasonCert {
		t.Errorf("ends soon: %+v", r)
	}
	gone := NewProbers(Options{RootCAs: pool, Now: func() time.Time { return end.Add(time.Hour) }})
	if r := gone[HTTP].Probe(t.Context(), good(t, Spec{URL: srv.URL})); r.Reason != ReasonTLS || !strings.Contains(r.Detail, "valid from") {
		t.Errorf("expired: %+v", r)
	}
	plainHTTP := says(t, "HTTP/1.1 400 Bad\r\n\r\n")
	if r := look(t, Options{}, Spec{URL: strings.Replace(plainHTTP, "http:", "https:", 1), Timeout: Duration(300 * time.Millisecond)}); r.OK {
		t.Errorf("no TLS: %+v", r)
	}
}

func TestHTTP2AndProxy(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	if r := look(t, Options{RootCAs: pool}, Spec{URL: srv.URL, HTTP2: true, Expect: Expect{Body: "HTTP/2.0"}}); !r.OK || r.CertExpires.IsZero() {
		t.Errorf("h2: %+v", r)
	}
	if r := look(t, Options{RootCAs: pool}, Spec{URL: srv.URL, Expect: Expect{Body: "HTTP/1.1"}}); !r.OK {
		t.Errorf("h1: %+v", r)
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "durch "+r.URL.String()) }))
	defer proxy.Close()
	if r := look(t, Options{}, Spec{URL: "http://ziel.example/x", Proxy: proxy.URL, Expect: Expect{Body: "durch http://ziel.example/x"}}); !r.OK {
		t.Errorf("proxy: %+v", r)
	}
}

func TestConnectFailures(t *testing.T) {
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	closed := l.Addr().String()
	l.Close()
	if r := look(t, Options{}, Spec{URL: "http://" + closed}); r.Reason != ReasonRefused {
		t.Errorf("%+v", r)
	}
	if r := look(t, Options{Resolver: names{}}, Spec{URL: "http://gibt-es-nicht.example"}); r.Reason != ReasonDNS || !strings.Contains(r.Detail, "gibt-es-nicht.example") {
		t.Errorf("%+v", r)
	}
	// The first address is dead, the second lives: the service is reachable.
	port := strings.TrimSuffix(says(t, "HTTP/1.1 200 OK\r\n\r\n")[len("http://127.0.0.1"):], "/")
	two := names{"zwei.example": {netip.MustParseAddr("127.0.0.9"), netip.MustParseAddr("127.0.0.1")}}
	if r := look(t, Options{Resolver: two}, Spec{URL: "http://zwei.example" + port}); !r.OK {
		t.Errorf("%+v", r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	target := raw(t, func(c net.Conn) { cancel(); io.Copy(io.Discard, c) })
	begin := time.Now()
	r := probers(Options{})[HTTP].Probe(ctx, good(t, Spec{URL: target}))
	if r.Reason != ReasonCanceled || time.Since(begin) > 2*time.Second {
		t.Errorf("%+v", r)
	}
}

// names is a resolver with a fixed book.
type names map[string][]netip.Addr

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if a := n[host]; a != nil {
		return a, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// rebinding answers differently every time it is asked.
type rebinding struct{ n int }

func (r *rebinding) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	r.n++
	if r.n == 1 {
		return []netip.Addr{netip.MustParseAddr("192.0.2.7")}, nil
	}
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

func TestGuard(t *testing.T) {
	secret := says(t, "HTTP/1.1 200 OK\r\n\r\nmetadata")
	port := strings.TrimSuffix(secret[len("http://127.0.0.1:"):], "/")
	guard := NetworksGuard{Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("127.0.0.2/32")}}
	book := names{
		"innen.example":  {netip.MustParseAddr("127.0.0.1")},
		"mapped.example": {netip.MustParseAddr("::ffff:127.0.0.1")},
		"localhost":      {netip.MustParseAddr("127.0.0.1")},
	}
	for _, host := range []string{
		"127.0.0.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "innen.example", "mapped.example", "localhost",
		"169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "[::1]", "0.0.0.0", "[64:ff9b::7f00:1]",
	} {
		r := look(t, Options{Guard: guard, Resolver: book}, Spec{URL: "http://" + host + ":" + port, Timeout: Duration(2 * time.Second)})
		if r.Reason != ReasonBlocked {
			t.Errorf("%s: %+v", host, r)
		}
	}
	// Spellings that some libraries read as addresses are only names here.
	for _, host := range []string{"0177.0.0.1", "2130706433", "0x7f000001", "127.1"} {
		r := look(t, Options{Guard: guard, Resolver: book}, Spec{URL: "http://" + host + ":" + port})
		if r.Reason != ReasonDNS {
			t.Errorf("%s: %+v", host, r)
		}
	}
	if _, problems := (Spec{URL: "http://ada:pw@127.0.0.1/"}).Normalize(); len(problems) == 0 {
		t.Error("credentials in the URL are taken")
	}
	// A redirect from an allowed address to a forbidden one.
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.RedirectHandler(secret, http.StatusFound)}}
	srv.Start()
	defer srv.Close()
	if r := look(t, Options{Guard: guard}, Spec{URL: "http://" + l.Addr().String()}); r.Reason != ReasonBlocked {
		t.Errorf("redirect: %+v", r)
	}
	// A name that was harmless when it was looked up is dialled at that address.
	dialled := ""
	o := Options{Guard: guard, Resolver: &rebinding{}, DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
		dialled = addr
		return nil, errors.New("nobody there")
	}}
	if r := look(t, o, Spec{URL: "http://rebind.example/"}); r.OK || dialled != "192.0.2.7:80" {
		t.Errorf("%+v dialled %s", r, dialled)
	}
	if r := look(t, o, Spec{URL: "http://rebind.example/"}); r.Reason != ReasonBlocked {
		t.Errorf("second lookup: %+v", r)
	}
	// Without a resolver the injected network answers; the guard sees its address.
	through := Options{Guard: guard, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+port)
	}}
	if r := look(t, through, Spec{URL: "http://name.example/"}); r.Reason != ReasonBlocked {
		t.Errorf("by name: %+v", r)
	}
	if err := (NetworksGuard{}).Allow(t.Context(), "tcp", netip.MustParseAddrPort("192.0.2.1:80")); err == nil {
		t.Error("an empty list allows something")
	}
}

func TestTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(300 * time.Millisecond))
			io.WriteString(c, "220 mail.example\r\n")
			line, _ := bufio.NewReader(c).ReadString('\n')
			io.WriteString(c, "echo "+line)
			c.Close()
		}
	}()
	defer func() { l.Close(); <-done }()
	base := Spec{Host: l.Addr().String(), Timeout: Duration(2 * time.Second)}
	for _, tt := range []struct {
		send, body, regex string
		want              Reason
	}{
		{"", "", "", ReasonOK},
		{"", "220 ", "", ReasonOK},
		{"QUIT\r\n", "echo QUIT", "^220 .*\r\n", ReasonOK},
		{"", "SSH-", "", ReasonBody},
		{"", "", "^221", ReasonBody},
	} {
		s := base
		s.Send, s.Expect = tt.send, Expect{Body: tt.body, Regex: tt.regex}
		if r := look(t, Options{}, s); r.Reason != tt.want {
			t.Errorf("%+v: %+v", tt, r)
		}
	}
}

func TestTCPEndlessAnswer(t *testing.T) {
	target := raw(t, func(c net.Conn) {
		for {
			if _, err := io.WriteString(c, "bla "); err != nil {
				return
			}
		}
	})
	s := Spec{Host: strings.Trim(target, "htp:/"), Send: "\r\n", Expect: Expect{Body: "nie", Regex: "nie"}}
	if r := look(t, Options{}, s); r.Reason != ReasonTooLarge {
		t.Errorf("%+v", r)
	}
}

func TestExplain(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want Reason
	}{
		{tls.RecordHeaderError{Msg: "x"}, ReasonTLS},
		{os.ErrDeadlineExceeded, ReasonTimeout},
		{errors.New("secret <script>"), ReasonProtocol},
		{during("TLS handshake", errors.New("tls: bad")), ReasonTLS},
		{fmt.Errorf("x: %w", io.ErrUnexpectedEOF), ReasonReset},
	} {
		if got, detail := explain(tt.err); got != tt.want || strings.Contains(detail, "secret") {
			t.Errorf("%v: %s %q", tt.err, got, detail)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("a<b>\r\n\xff")
	f.Fuzz(func(t *testing.T, s string) {
		for _, in := range []string{s, strings.Repeat(s, 50)} {
			p := plain(in)
			if len(p) > MaxDetail || !utf8.ValidString(p) || strings.ContainsAny(p, "<>\r\n\x00") {
				t.Errorf("%q", p)
			}
		}
	})
}
