package monitor

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/iotest"
)

// FuzzAnswer holds the lean parser against net/http: what it takes, net/http
// takes too, with the same code and the same body, however the bytes arrive.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhallo",
		"HTTP/1.0 404 \r\n\r\nweg",
		"HTTP/1.1 200\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\nContent-Length: 1\n\na",
		"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
		"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\n\r\nxyz",
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhallo",
		"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhallo",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX\x00: y\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: \x01\x7f\r\n\r\n",
	} {
		f.Add([]byte(s), "GET")
		f.Add([]byte(s), "HEAD")
	}
	f.Fuzz(func(t *testing.T, in []byte, method string) {
		if method != "HEAD" {
			method = "GET"
		}
		var fields []field
		lean := false
		if end := headEnd(in, 0); end > 0 && end <= maxHead {
			_, lean = parseHead(in[:end], &fields)
		}
		b := &leanBuffer{head: make([]byte, 0, 64)}
		a, err := readAnswer(bytes.NewReader(in), b, method)

		// However the bytes arrive, the verdict is the same.
		b2 := &leanBuffer{head: make([]byte, 0, 4096)}
		a2, err2 := readAnswer(iotest.OneByteReader(bytes.NewReader(in)), b2, method)
		if (err == nil) != (err2 == nil) {
			t.Fatalf("at once %v, byte by byte %v", err, err2)
		}
		if err != nil {
			if _, ok := errors.AsType[*failure](err); !ok {
				t.Fatalf("error without a step: %v", err)
			}
			return
		}
		body, berr := io.ReadAll(io.LimitReader(a.body, maxBody))
		body2, berr2 := io.ReadAll(io.LimitReader(a2.body, maxBody))
		if a.code != a2.code || !bytes.Equal(body, body2) || (berr == nil) != (berr2 == nil) {
			t.Fatalf("at once %d %q %v, byte by byte %d %q %v", a.code, body, berr, a2.code, body2, berr2)
		}
		if !lean {
			return
		}
		// Against net/http, behind the same interim answers.
		r := bufio.NewReader(bytes.NewReader(in))
		var res *http.Response
		for {
			if res, err = http.ReadResponse(r, &http.Request{Method: method}); err != nil {
				t.Fatalf("taken as %d, net/http: %v", a.code, err)
			}
			if res.StatusCode >= 200 || res.StatusCode == 101 {
				break
			}
		}
		want, werr := io.ReadAll(io.LimitReader(res.Body, maxBody))
		if a.code != res.StatusCode || !bytes.Equal(body, want) {
			t.Fatalf("%d %q, net/http %d %q", a.code, body, res.StatusCode, want)
		}
		// A broken trailer behind the last chunk is net/http's concern alone.
		if chunked := len(res.TransferEncoding) > 0; !chunked && (berr == nil) != (werr == nil) {
			t.Fatalf("body ends with %v, net/http with %v", berr, werr)
		}
		if got, ok := a.header("Server"); ok && got != joined(res.Header["Server"]) {
			t.Fatalf("header %q, net/http %q", got, res.Header["Server"])
		}
		if a.location != res.Header.Get("Location") {
			t.Fatalf("location %q, net/http %q", a.location, res.Header.Get("Location"))
		}
	})
}

func joined(v []string) string {
	s := ""
	for i, x := range v {
		if i > 0 {
			s += ", "
		}
		s += x
	}
	return s
}

// FuzzBody holds the search in a stream against the search in the whole.
func FuzzBody(f *testing.F) {
	f.Add([]byte("hallo Willkommen hier"), "Willkommen", 3)
	f.Add([]byte("aaab"), "aab", 1)
	f.Fuzz(func(t *testing.T, body []byte, needle string, size int) {
		if needle == "" || size < 1 || size > 8192 {
			return
		}
		w := &watched{r: bytes.NewReader(body), left: maxBody}
		w.watch(needle, "utf-8")
		if err := w.drain(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if want := bytes.Contains(body, []byte(needle)); w.found != want {
			t.Fatalf("found %v, want %v", w.found, want)
		}
	})
}
