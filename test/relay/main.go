// Relay stands between a scanner and Türmer while script/scan runs and writes a
// line for every request that was answered: status, method, address. So that a
// scanner which reached nothing is seen. Like a reverse proxy on the same machine it
// names an asker, and another one for every request: whoever comes from one address
// alone soon meets only the pace (429), and nothing behind it.
//
//	relay FILE KEEP ADDRESS=TARGET …
//	relay got.txt '^/sign-out' 127.0.0.1:8081=127.0.0.1:8080
//
// KEEP is a regular expression of paths that are kept from the scanner: they are
// answered with 404 here and written down as "kept".
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "relay:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 {
		return errors.New("relay FILE KEEP ADDRESS=TARGET …")
	}
	keep, err := regexp.Compile(args[1])
	if err != nil {
		return err
	}
	out, err := os.OpenFile(args[0], os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	ended := make(chan error, len(args)-2)
	for _, pair := range args[2:] {
		at, target, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("no ADDRESS=TARGET: %s", pair)
		}
		l, err := net.Listen("tcp", at)
		if err != nil {
			return err
		}
		go func() { ended <- http.Serve(l, through(target, keep, out)) }() //nolint:gosec // loopback, for the length of a scan
	}
	return <-ended
}

// through carries every request on as it came: host and query included, for what
// a scanner sends is not tidy.
func through(target string, keep *regexp.Regexp, out io.Writer) http.Handler {
	var mu sync.Mutex
	var asker atomic.Uint32
	note := func(status string, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, "%s %s %s\n", status, r.Method, r.URL.RequestURI())
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", target
			p.Out.URL.RawQuery = p.In.URL.RawQuery
			p.Out.Host = p.In.Host
			n := asker.Add(1)
			p.Out.Header.Set("X-Forwarded-For", netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String())
		},
		ModifyResponse: func(r *http.Response) error {
			note(strconv.Itoa(r.StatusCode), r.Request)
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, _ error) {
			note("502", r)
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if keep.MatchString(r.URL.Path) {
			note("kept", r)
			http.NotFound(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	})
}
