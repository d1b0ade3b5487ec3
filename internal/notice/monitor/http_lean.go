package monitor

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
)

// leanBuffer is the memory of one check, reused by the next.
type leanBuffer struct {
	request []byte
	head    []byte // what was read so far: status line, headers, first of the body
	fields  []field
	scratch [8192]byte // body on its way past the conditions
	src     leanSource
	lines   *bufio.Reader // under a chunked body
}

func (b *leanBuffer) reset() {
	b.request, b.head, b.fields = b.request[:0], b.head[:0], b.fields[:0]
	b.src = leanSource{}
	if b.lines != nil {
		b.lines.Reset(nil)
	}
}

// field is one header: offsets into leanBuffer.head, so that parsing allocates
// nothing.
type field struct{ name, value span }

type span struct{ from, to int }

// appendRequest writes the whole request, so that it leaves in one packet.
func appendRequest(b []byte, o *order) ([]byte, error) {
	host, overridden := o.hostOverride()
	if !overridden {
		var err error
		if host, err = hostHeader(o.url); err != nil {
			return nil, err
		}
	}
	b = append(b, o.method...)
	b = append(b, ' ')
	if o.absolute {
		name, err := hostHeader(o.url)
		if err != nil {
			return nil, err
		}
		b = append(b, "http://"...)
		b = append(b, name...)
	}
	b = append(b, o.url.RequestURI()...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, host...)
	b = append(b, "\r\n"...)
	o.eachHeader(func(name, value string) {
		b = append(b, name...)
		b = append(b, ": "...)
		b = append(b, value...)
		b = append(b, "\r\n"...)
	})
	if o.absolute {
		if login := proxyLogin(o.spec); login != "" {
			b = append(b, "Proxy-Authorization: "...)
			b = append(b, login...)
			b = append(b, "\r\n"...)
		}
	}
	if o.body != "" || o.method == "POST" || o.method == "PUT" || o.method == "PATCH" {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(o.body)), 10)
		b = append(b, "\r\n"...)
	}
	b = append(b, "Connection: close\r\n\r\n"...)
	return append(b, o.body...), nil
}

var (
	errNotHTTP  = &failure{reason: ReasonProtocol, detail: "the answer is not HTTP"}
	errHugeHead = &failure{reason: ReasonProtocol, detail: "more than 64 KiB of headers"}
	errManyInfo = &failure{reason: ReasonProtocol, detail: "too many interim answers"}
	errShort    = &failure{reason: ReasonReset, detail: "the answer was cut off"}
)

// readAnswer reads up to the end of the headers and says how the body is read.
// It recognises the ordinary answer only; all else goes, with the bytes read so
// far, to net/http's parser, so that both agree on everything odd.
func readAnswer(c io.Reader, b *leanBuffer, method string) (*answer, error) {
	for range 6 { // interim answers (100, 103) come before the real one
		end, err := b.fillHead(c)
		if err != nil {
			return nil, err
		}
		h, ok := parseHead(b.head[:end], &b.fields)
		if !ok {
			return readStandard(c, b, method)
		}
		if h.code >= 100 && h.code < 200 && h.code != 101 {
			b.head = append(b.head[:0], b.head[end:]...)
			continue
		}
		return b.answer(c, h, end, method), nil
	}
	return nil, errManyInfo
}

// fillHead reads until the blank line behind the headers and returns the
// offset behind it.
func (b *leanBuffer) fillHead(c io.Reader) (int, error) {
	seen := 0
	for {
		if end := headEnd(b.head, seen); end > 0 {
			return end, nil
		}
		seen = max(0, len(b.head)-3)
		if n := min(len(b.head), 5); n > 0 && string(b.head[:n]) != "HTTP/"[:n] {
			return 0, errNotHTTP // a greeting of another protocol would wait for us forever
		}
		if len(b.head) >= maxHead {
			return 0, errHugeHead
		}
		if len(b.head) == cap(b.head) {
			b.head = append(b.head, make([]byte, min(cap(b.head), maxHead))...)[:len(b.head)]
		}
		n, err := c.Read(b.head[len(b.head):cap(b.head)])
		b.head = b.head[:len(b.head)+n]
		if n == 0 && err != nil {
			if len(b.head) > 0 && errors.Is(err, io.EOF) {
				return 0, errShort
			}
			return 0, during("waiting for the answer", err)
		}
	}
}

// headEnd is the offset behind the blank line, or 0. It accepts bare line
// feeds too: what they mean is for net/http to say.
func headEnd(b []byte, from int) int {
	for i := from; ; {
		j := bytes.IndexByte(b[i:], '\n')
		if j < 0 {
			return 0
		}
		i += j + 1
		switch {
		case i < len(b) && b[i] == '\n':
			return i + 1
		case i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n':
			return i + 2
		}
	}
}

// head is what the ordinary answer's headers say.
type head struct {
	code     int
	length   int64 // -1: not given
	chunked  bool
	encoding span
	ctype    span
	location span
}

// parseHead reads an ordinary head; ok is false for anything it does not know
// to be exactly right.
func parseHead(b []byte, fields *[]field) (h head, ok bool) {
	*fields = (*fields)[:0]
	h.length = -1
	line := bytes.IndexByte(b, '\n')
	// "HTTP/1.1 200 OK\r\n"
	if line < 13 || b[line-1] != '\r' || string(b[:7]) != "HTTP/1." || b[7] != '0' && b[7] != '1' || b[8] != ' ' {
		return h, false
	}
	for _, d := range b[9:12] {
		if d < '0' || d > '9' {
			return h, false
		}
		h.code = h.code*10 + int(d-'0')
	}
	if h.code < 100 || b[12] != ' ' && line != 13 {
		return h, false
	}
	for i := line + 1; i < len(b); {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 1 || b[i+n-1] != '\r' {
			return h, false
		}
		if n == 1 {
			return h, i+2 == len(b)
		}
		f, good := parseField(b, i, i+n-1)
		if !good || len(*fields) >= 256 || !h.take(b, f) {
			return h, false
		}
		*fields = append(*fields, f)
		i += n + 1
	}
	return h, false
}

// take notes the headers that steer how the answer is read.
func (h *head) take(b []byte, f field) bool {
	name := b[f.name.from:f.name.to]
	value := b[f.value.from:f.value.to]
	switch len(name) {
	case 8:
		if foldEqual(name, "location") {
			if h.location.to > 0 {
				return false
			}
			h.location = f.value
		}
	case 12:
		if foldEqual(name, "content-type") && h.ctype.to == 0 {
			h.ctype = f.value
		}
	case 14:
		if foldEqual(name, "content-length") {
			if h.length >= 0 || h.chunked || len(value) == 0 || len(value) > 15 {
				return false
			}
			h.length = 0
			for _, d := range value {
				if d < '0' || d > '9' {
					return false
				}
				h.length = h.length*10 + int64(d-'0')
			}
		}
	case 16:
		if foldEqual(name, "content-encoding") {
			if h.encoding.to > 0 {
				return false
			}
			h.encoding = f.value
		}
	case 17:
		if foldEqual(name, "transfer-encoding") {
			if h.chunked || h.length >= 0 || b[7] != '1' || !foldEqual(value, "chunked") {
				return false
			}
			h.chunked = true
		}
	}
	return true
}

// parseField splits one header line b[from:to], which has no line end.
func parseField(b []byte, from, to int) (f field, ok bool) {
	colon := bytes.IndexByte(b[from:to], ':')
	if colon < 1 {
		return f, false
	}
	f.name = span{from, from + colon}
	for _, c := range b[from : from+colon] {
		if !tokenByte[c] {
			return f, false
		}
	}
	from += colon + 1
	for from < to && (b[from] == ' ' || b[from] == '\t') {
		from++
	}
	for to > from && (b[to-1] == ' ' || b[to-1] == '\t') {
		to--
	}
	for _, c := range b[from:to] {
		if c < ' ' && c != '\t' || c == 0x7f {
			return f, false
		}
	}
	f.value = span{from, to}
	return f, true
}

// tokenByte are the bytes of a header's name (RFC 9110, section 5.6.2).
var tokenByte = func() (t [256]bool) {
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

// foldEqual compares with a lower-case ASCII word.
func foldEqual(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func (b *leanBuffer) text(s span) string { return string(b.head[s.from:s.to]) }

// answer makes the head into an answer whose body reads on from c.
func (b *leanBuffer) answer(c io.Reader, h head, end int, method string) *answer {
	a := &answer{code: h.code, header: b.lookup}
	if h.location.to > 0 {
		a.location = b.text(h.location)
	}
	if h.encoding.to > 0 {
		a.encoding = strings.ToLower(b.text(h.encoding))
	}
	if h.ctype.to > 0 {
		a.charset = charsetOf(b.text(h.ctype))
	}
	b.src = leanSource{rest: b.head[end:], c: c, left: -1}
	switch {
	case method == "HEAD" || h.code == 204 || h.code == 304 || h.code < 200:
		b.src.left = 0
		a.body = &b.src
	case h.chunked:
		if b.lines == nil {
			b.lines = bufio.NewReaderSize(nil, 4096)
		}
		b.lines.Reset(&b.src)
		a.body = httputil.NewChunkedReader(b.lines)
	default:
		b.src.left = h.length
		a.body = &b.src
	}
	return a
}

// lookup joins the values of a header, as net/http does.
func (b *leanBuffer) lookup(name string) (string, bool) {
	var value string
	found := false
	for _, f := range b.fields {
		if f.name.to-f.name.from == len(name) && strings.EqualFold(b.text(f.name), name) {
			if found {
				value += ", "
			}
			value, found = value+b.text(f.value), true
		}
	}
	return value, found
}

// leanSource reads what came with the head and then the connection. left
// counts a body of known length down; -1 means up to the end of the connection.
type leanSource struct {
	rest []byte
	c    io.Reader
	left int64
}

func (s *leanSource) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if s.left > 0 && int64(len(p)) > s.left {
		p = p[:s.left]
	}
	if len(p) == 0 {
		return 0, nil
	}
	var n int
	var err error
	if len(s.rest) > 0 {
		n = copy(p, s.rest)
		s.rest = s.rest[n:]
	} else {
		n, err = s.c.Read(p)
	}
	if s.left > 0 {
		s.left -= int64(n)
		if err == io.EOF && s.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// readStandard gives an answer that the lean parser does not recognise to
// net/http, from its first byte.
func readStandard(c io.Reader, b *leanBuffer, method string) (*answer, error) {
	// net/http's parser knows no limit of its own.
	limited := io.LimitReader(io.MultiReader(bytes.NewReader(bytes.Clone(b.head)), c), maxHead+2*maxBody)
	res, err := http.ReadResponse(bufio.NewReader(limited), &http.Request{Method: method})
	if err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, errShort
		}
		return nil, &failure{detail: "reading the headers", cause: err}
	}
	if res.StatusCode < 200 && res.StatusCode != 101 {
		return nil, failf(ReasonProtocol, "interim answer cannot be read")
	}
	return fromStandard(res), nil
}
