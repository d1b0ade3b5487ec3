package monitor

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"
)

// answerer is a target that costs as little as a target can, so that the
// benchmark's CPU is the probe's.
func answerer(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 23\r\nConnection: close\r\n\r\n<h1>Willkommen da!</h1>")
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := c.Read(buf); err == nil {
				c.Write(answer)
			}
			c.Close()
		}
	}()
	b.Cleanup(func() { l.Close(); <-done })
	return "http://" + l.Addr().String() + "/"
}

func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkHTTPProbe reports the CPU of probe and target together, per check,
// beside net/http's client on the same target.
func BenchmarkHTTPProbe(b *testing.B) {
	url := answerer(b)
	run := func(name string, probe func() bool) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			begin := cpu()
			for b.Loop() {
				if !probe() {
					b.Fatal("not healthy")
				}
			}
			b.ReportMetric(float64((cpu()-begin).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
	s, _ := Spec{URL: url, Expect: Expect{Body: "Willkommen"}}.Normalize()
	p := NewProbers(Options{Now: time.Now})[HTTP]
	run("lean", func() bool { return p.Probe(context.Background(), s).OK })
	t := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: t, Timeout: 10 * time.Second}
	run("net-http", func() bool {
		res, err := client.Get(url)
		if err != nil {
			return false
		}
		defer res.Body.Close()
		_, err = io.ReadAll(res.Body)
		return err == nil
	})
	run("target-alone", func() bool { // what connecting and answering costs without any client logic
		c, err := net.Dial("tcp", url[len("http://"):len(url)-1])
		if err != nil {
			return false
		}
		defer c.Close()
		c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		var buf [512]byte
		n, _ := c.Read(buf[:])
		return n > 0
	})
}

// BenchmarkHTTPSProbe is the same with a full handshake per check.
func BenchmarkHTTPSProbe(b *testing.B) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "Willkommen") }))
	defer srv.Close()
	s, _ := Spec{URL: srv.URL, TLS: TLSSpec{ServerName: "example.com"}, Expect: Expect{Body: "Willkommen"}}.Normalize()
	pool := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	p := NewProbers(Options{Now: time.Now, RootCAs: pool})[HTTP]
	b.ReportAllocs()
	begin := cpu()
	for b.Loop() {
		if r := p.Probe(context.Background(), s); !r.OK {
			b.Fatalf("%+v", r)
		}
	}
	b.ReportMetric(float64((cpu()-begin).Microseconds())/float64(b.N), "cpu-µs/op")
}
