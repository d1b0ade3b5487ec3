package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"tuermer/internal/platform/fence"
)

// entered makes an adapter for addresses that people entered, held to the words.
func entered(t *testing.T, r *net.Resolver, words ...string) *Adapter {
	t.Helper()
	l, err := fence.Parse(words)
	if err != nil {
		t.Fatal(err)
	}
	d := fence.Dialer{Resolver: r, Of: func(context.Context) (fence.List, error) { return l, nil }}
	return adapter(t, func(o *Options) { o.Held, o.Timeout = d.DialContext, 3*time.Second })
}

// listening serves on an address of this machine and counts who comes.
func listening(t *testing.T, addr string, h http.HandlerFunc) (url string, calls *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Skipf("this machine has no %s: %v", addr, err)
	}
	calls = new(atomic.Int32)
	srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		h(w, r)
	})}}
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.URL, calls
}

// What people enter reaches nothing outside of their networks, in no notation,
// and not one packet goes there; the operator's own webhook arrives.
func TestEnteredIsHeld(t *testing.T) {
	inner, knocks := listening(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request) {})
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(inner, "http://"))
	a := entered(t, nil, "public", "private")
	for _, to := range []string{
		inner, "http://localhost:" + port, "http://[::ffff:127.0.0.1]:" + port, "http://[::1]:" + port, "http://[64:ff9b::7f00:1]:" + port,
		"http://169.254.169.254/latest/meta-data/iam/", "http://[fd00:ec2::254]/", "http://[::ffff:169.254.169.254]/", "https://127.0.0.1:" + port, "http://0.0.0.0:" + port,
	} {
		m := message(to)
		m.Declared = false
		_, err := a.Send(t.Context(), m)
		if f := failure(t, err); !f.Permanent || f.Reason != "blocked" {
			t.Errorf("%s: %+v", to, f)
		}
	}
	for _, to := range []string{"http://2130706433:" + port, "http://0x7f.1:" + port, "http://0177.0.0.1:" + port} { // names, to us
		m := message(to)
		m.Declared = false
		if _, err := a.Send(t.Context(), m); err == nil {
			t.Errorf("%s arrived", to)
		}
	}
	if n := knocks.Load(); n != 0 {
		t.Fatalf("%d connections went where none may go", n)
	}
	if _, err := a.Send(t.Context(), message(inner)); err != nil || knocks.Load() != 1 {
		t.Errorf("the operator's word is held too: %v", err)
	}
	// Where nobody says how far people reach, they reach nothing; and metadata are
	// open by no list.
	m := message("http://192.0.2.1/")
	m.Declared = false
	if f := failure(t, second(adapter(t).Send(t.Context(), m))); f.Reason != "blocked" {
		t.Error(f)
	}
	m.To = "http://169.254.169.254/"
	if f := failure(t, second(entered(t, nil, "0.0.0.0/0").Send(t.Context(), m))); f.Reason != "blocked" {
		t.Error(f)
	}
	// A list that cannot be read is no verdict: the message goes again.
	d := fence.Dialer{Of: func(context.Context) (fence.List, error) { return fence.List{Public: true}, errors.New("away") }}
	if f := failure(t, second(adapter(t, func(o *Options) { o.Held = d.DialContext }).Send(t.Context(), m))); f.Permanent || f.Reason != "connect" {
		t.Error(f)
	}
}

func second[T any](_ T, err error) error { return err }

// An allowed receiver cannot send the message on to where it may not go.
func TestRedirectIsNotFollowed(t *testing.T) {
	inner, knocks := listening(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request) {})
	for _, to := range []string{inner, "http://169.254.169.254/latest/meta-data/"} {
		for _, code := range []int{301, 302, 303, 307, 308} {
			outer, calls := listening(t, "127.0.0.2:0", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, code) })
			m := message(outer + "/hook")
			m.Declared = false
			_, err := entered(t, nil, "127.0.0.2").Send(t.Context(), m)
			if f := failure(t, err); f.Reason != "rejected" || calls.Load() != 1 {
				t.Errorf("%d: %v", code, f)
			}
		}
	}
	if n := knocks.Load(); n != 0 {
		t.Errorf("%d connections went where none may go", n)
	}
}

// turning is a name server whose name leads to another address each time.
func turning(t *testing.T, addrs ...string) *net.Resolver {
	t.Helper()
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int32
	srv := &dns.Server{PacketConn: p, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			i := min(int(n.Add(1)), len(addrs)) - 1
			rr, err := dns.NewRR(fmt.Sprintf("%s 0 IN A %s", q.Question[0].Name, addrs[i]))
			if err == nil {
				a.Answer = append(a.Answer, rr)
			}
		}
		_ = w.WriteMsg(a)
	})}
	done := make(chan error, 1)
	go func() { done <- srv.ActivateAndServe() }()
	t.Cleanup(func() {
		if err := srv.Shutdown(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", p.LocalAddr().String())
	}}
}

// A name that leads to an allowed address at first and then turns around is
// judged at every connection, by the address that is connected to.
func TestNameThatTurnsAround(t *testing.T) {
	inner, knocks := listening(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request) {})
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(inner, "http://"))
	_, calls := listening(t, "127.0.0.2:"+port, func(http.ResponseWriter, *http.Request) {})
	a := entered(t, turning(t, "127.0.0.2", "127.0.0.1"), "127.0.0.2")
	m := message("http://rebind.example:" + port + "/hook")
	m.Declared = false
	if _, err := a.Send(t.Context(), m); err != nil || calls.Load() != 1 {
		t.Fatal(err, calls.Load())
	}
	if f := failure(t, second(a.Send(t.Context(), m))); f.Reason != "blocked" || knocks.Load() != 0 {
		t.Error(f, knocks.Load())
	}
}

// What a receiver says may repeat the address, and the address may be a secret:
// in no form does it come back in an error or a receipt.
func TestAnswersThatRepeatTheAddress(t *testing.T) {
	const path, query = "/services/T0AB/B1cd-Ef9h/xYz-geheim+7", "?token=s%C3%BCss-und-lang&kurz=1"
	for name, say := range map[string]func(w http.ResponseWriter, r *http.Request){
		"as it is": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(404)
			fmt.Fprintf(w, "Cannot POST %s", r.URL.RequestURI())
		},
		"decoded": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(400)
			io.WriteString(w, r.URL.Query().Get("token"))
		},
		"as HTML": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(500)
			io.WriteString(w, "<p>xYz&#45;geheim&#43;7</p>")
		},
		"in JSON": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(403)
			io.WriteString(w, `{"path":"\/services\/T0AB\/B1cd-Ef9h"}`)
		},
		"far down": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(404)
			io.WriteString(w, strings.Repeat("x", 190)+" xYz-gehe"+"im+7")
		},
		"as a receipt": func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Request-Id", r.URL.Path) },
		"not as HTTP": func(w http.ResponseWriter, r *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				fmt.Fprintf(c, "POST %s HTTP/1.1\r\n\r\n", r.URL.RequestURI())
				c.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := listening(t, "127.0.0.1:0", say)
			rc, err := adapter(t).Send(t.Context(), message(url+path+query))
			said := fmt.Sprint(rc.Reference, err)
			for _, secret := range []string{"T0AB/B1cd", "geheim", "s%C3%BCss", "süss", "xYz-gehe"} {
				if strings.Contains(said, secret) {
					t.Errorf("%q", said)
				}
			}
			if err != nil && failure(t, err).Reason == "" {
				t.Error("the reason is gone too")
			}
		})
	}
	// What does not repeat it still helps whoever looks for the fault.
	url, _ := listening(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(404)
		io.WriteString(w, "channel_not_found")
	})
	if f := failure(t, second(adapter(t).Send(t.Context(), message(url+path)))); !strings.Contains(f.Error(), "channel_not_found") {
		t.Error(f)
	}
}
