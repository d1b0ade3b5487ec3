package monitor

import (
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// maxBody is how much of an answer a check reads. Without a condition on the
// body a longer answer is healthy and simply not read on; with one that was
// not met so far it is ReasonTooLarge.
const maxBody = 1 << 20

// maxHead bounds status line and headers of an answer.
const maxHead = 64 << 10

// userAgent lets an administrator find our checks in a log.
const userAgent = "Tuermer-Monitor/1"

// httpProber asks once over HTTP, on a new connection. What it covers itself
// (HTTP/1.1, plain or TLS) goes through a lean path of its own, because a
// general client costs several times the CPU; HTTP/2 goes through net/http, and
// so does every answer that the lean parser does not recognise.
type httpProber struct {
	w       *wire
	buffers sync.Pool // *leanBuffer
	texts   patterns
}

func newHTTPProber(w *wire) *httpProber {
	p := &httpProber{w: w}
	p.buffers.New = func() any { return &leanBuffer{head: make([]byte, 0, 4096)} }
	return p
}

// order is one request: the first of a check, or the next behind a redirect.
type order struct {
	spec   *Spec
	url    *url.URL
	method string
	body   string
	// own says that the request still goes to the origin that the spec names;
	// credentials travel only there.
	own bool
	// absolute says that a proxy takes the request and wants the whole address.
	absolute bool
	// take judges the answer in place of the spec's conditions.
	take func(a *answer) error
}

// answer is the part of a response that a check judges. Its body reads from
// the open connection.
type answer struct {
	code     int
	header   func(name string) (value string, ok bool)
	encoding string
	charset  string
	location string
	body     io.Reader
}

// Probe looks once.
func (p *httpProber) Probe(ctx context.Context, s Spec) Result {
	return p.w.run(ctx, s, func(ctx context.Context, r *Result) error {
		return p.get(ctx, &s, r, nil)
	})
}

// get asks for the spec's URL and follows redirects; take, when given, judges
// the last answer in place of the spec's conditions.
func (p *httpProber) get(ctx context.Context, s *Spec, r *Result, take func(*answer) error) error {
	u, key := parseTarget(s.URL)
	if key != "" {
		return failf(ReasonInvalid, "the address cannot be asked")
	}
	o := order{spec: s, url: u, method: s.Method, body: s.Body, own: true, take: take}
	for hops := 0; ; hops++ {
		next, err := p.ask(ctx, &o, r, hops < s.redirects())
		if err != nil || next == nil {
			return err
		}
		if err := o.follow(next, r.Code); err != nil {
			return err
		}
	}
}

// ask makes one request and judges its answer, or returns where it points.
func (p *httpProber) ask(ctx context.Context, o *order, r *Result, follow bool) (*url.URL, error) {
	if o.spec.HTTP2 {
		return p.askStandard(ctx, o, r, follow)
	}
	o.absolute = false
	c, unbind, err := p.reach(ctx, o)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer unbind()
	host := o.url.Hostname()
	wire := c
	if o.url.Scheme == "https" {
		cfg, err := p.w.secure.config(o.spec, host, o.anonymous(), leanProtos)
		if err != nil {
			return nil, err
		}
		if !o.own { // the spec's own name and client certificate are for its own host
			cfg.ServerName, cfg.Certificates = host, nil
		}
		frugal := o.anonymous() && p.w.secure.spare(cfg)
		tc, err := p.w.secure.handshake(c, cfg, r)
		if frugal && p.w.secure.refused(cfg, err) {
			return p.ask(ctx, o, r, follow) // once: now with all curves
		}
		if err != nil {
			return nil, err
		}
		wire = tc
	}
	b := p.buffers.Get().(*leanBuffer)
	defer p.release(b)
	if b.request, err = appendRequest(b.request[:0], o); err != nil {
		return nil, err
	}
	if _, err := wire.Write(b.request); err != nil {
		// A server may answer and close before it has read everything.
		if a, rerr := readAnswer(wire, b, o.method); rerr == nil {
			return p.judge(a, o, r, follow, b)
		}
		return nil, during("sending the request", err)
	}
	a, err := readAnswer(wire, b, o.method)
	if err != nil {
		return nil, err
	}
	return p.judge(a, o, r, follow, b)
}

// anonymous tells whether nothing that somebody might keep secret travels:
// neither credentials nor what could be some.
func (o *order) anonymous() bool {
	s := o.spec
	return !o.own || !s.HasCredentials() && s.Username == "" && o.body == "" && len(s.Headers) == 0 && o.url.RawQuery == ""
}

// leanProtos is what the lean path offers in the handshake.
var leanProtos = []string{"http/1.1"}

func (p *httpProber) release(b *leanBuffer) {
	if cap(b.head) > 16<<10 || cap(b.request) > 16<<10 {
		return // do not keep the memory of the rare giant
	}
	b.reset()
	p.buffers.Put(b)
}

// judge applies the spec's conditions to an answer.
func (p *httpProber) judge(a *answer, o *order, r *Result, follow bool, b *leanBuffer) (*url.URL, error) {
	r.Code = a.code
	if follow && isRedirect(a.code) && a.location != "" {
		next, err := o.url.Parse(a.location)
		if err != nil {
			return nil, failf(ReasonRedirect, "the redirect's address cannot be read")
		}
		return next, nil
	}
	if o.take != nil {
		return nil, o.take(a)
	}
	s := o.spec
	if !hasStatus(s.Expect.Status, a.code) {
		return nil, failf(ReasonStatus, "HTTP %d", a.code)
	}
	for name, want := range s.Expect.Headers {
		if got, ok := a.header(name); !ok || !strings.Contains(got, want) {
			return nil, failf(ReasonHeader, "header %s is not as expected", name)
		}
	}
	return nil, p.judgeBody(a, &s.Expect, b)
}

func hasStatus(want []StatusRange, code int) bool {
	if len(want) == 0 {
		return 200 <= code && code <= 399
	}
	return slices.ContainsFunc(want, func(r StatusRange) bool { return r.Has(code) })
}

func isRedirect(code int) bool {
	switch code {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// follow turns o into the request behind a redirect, as browsers do.
func (o *order) follow(next *url.URL, code int) error {
	if _, key := parseTarget(next.String()); key != "" {
		// Also refuses credentials inside the URL and foreign schemes.
		return failf(ReasonRedirect, "the redirect points to an address that cannot be asked")
	}
	if code == 303 && o.method != "HEAD" || (code == 301 || code == 302) && o.method == "POST" {
		o.method, o.body = "GET", ""
	}
	if o.spec.SameHost && !strings.EqualFold(o.url.Hostname(), next.Hostname()) {
		return failf(ReasonRedirect, "the redirect leads to another host")
	}
	if o.own && !sameOrigin(o.url, next) {
		o.own = false
	}
	next.Fragment = ""
	o.url = next
	return nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) int {
	if p := u.Port(); p != "" {
		n, err := strconv.Atoi(p)
		if err != nil {
			return 0 // parseTarget has refused this before
		}
		return n
	}
	if u.Scheme == "https" {
		return 443
	}
	return 80
}

// hostHeader is the value of Host: the name in its wire form, with the port
// only when it is not the scheme's own.
func hostHeader(u *url.URL) (string, error) {
	host, err := asciiHost(u.Hostname())
	if err != nil {
		return "", failf(ReasonInvalid, "not a host name: %s", u.Hostname())
	}
	if i := strings.IndexByte(host, '%'); i >= 0 {
		host = host[:i] // a zone means nothing to the other side
	}
	if u.Scheme == "http" && portOf(u) == 80 || u.Scheme == "https" && portOf(u) == 443 {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return host, nil
	}
	return joinHostPort(host, portOf(u)), nil
}

// eachHeader calls add for every header of the request but Host and framing.
// Credentials and the spec's own headers stay with the origin they are for.
func (o *order) eachHeader(add func(name, value string)) {
	agent, accept := true, true
	if o.own {
		for name, value := range o.spec.Headers {
			switch {
			case strings.EqualFold(name, "Host"):
				continue
			case strings.EqualFold(name, "User-Agent"):
				agent = false
			case strings.EqualFold(name, "Accept"):
				accept = false
			}
			add(name, value)
		}
		switch {
		case o.spec.Bearer != "":
			add("Authorization", "Bearer "+o.spec.Bearer)
		case o.spec.Username != "":
			login := o.spec.Username + ":" + o.spec.Password
			add("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(login)))
		}
	}
	if agent {
		add("User-Agent", userAgent)
	}
	if accept {
		add("Accept", "*/*")
	}
}

// askStandard is ask over net/http, for HTTP/2. The proxy has been passed below
// it, so that both ways pass it alike.
func (p *httpProber) askStandard(ctx context.Context, o *order, r *Result, follow bool) (*url.URL, error) {
	s := o.spec
	cfg, err := p.w.secure.config(s, o.url.Hostname(), o.anonymous(), nil)
	if err != nil {
		return nil, err
	}
	if !o.own {
		cfg.ServerName, cfg.Certificates = o.url.Hostname(), nil
	}
	t := &http.Transport{
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHead,
		ForceAttemptHTTP2:      s.HTTP2,
		TLSClientConfig:        cfg,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			c, unbind, err := p.reach(ctx, o)
			if err != nil {
				return nil, err
			}
			return unbound{c, unbind}, nil
		},
	}
	defer t.CloseIdleConnections()
	var body io.Reader
	if o.body != "" {
		body = strings.NewReader(o.body)
	}
	req, err := http.NewRequestWithContext(ctx, o.method, o.url.String(), body)
	if err != nil {
		return nil, failf(ReasonInvalid, "the request cannot be written")
	}
	o.eachHeader(req.Header.Set)
	if h, ok := o.hostOverride(); ok {
		req.Host = h
	}
	res, err := t.RoundTrip(req)
	if err != nil {
		return nil, during("asking", err)
	}
	defer res.Body.Close()
	if res.TLS != nil {
		r.CertExpires = firstEnd(res.TLS.PeerCertificates)
	}
	if s.HTTP2 && res.ProtoMajor != 2 {
		return nil, failf(ReasonProtocol, "the target does not speak HTTP/2")
	}
	b := p.buffers.Get().(*leanBuffer)
	defer p.release(b)
	return p.judge(fromStandard(res), o, r, follow, b)
}

// unbound lets go of the check's context when it is closed.
type unbound struct {
	net.Conn
	unbind func() bool
}

func (c unbound) Close() error {
	c.unbind()
	return c.Conn.Close()
}

func (o *order) hostOverride() (string, bool) {
	if !o.own {
		return "", false
	}
	for name, value := range o.spec.Headers {
		if strings.EqualFold(name, "Host") && value != "" {
			return value, true
		}
	}
	return "", false
}

// fromStandard is the answer that net/http has parsed.
func fromStandard(res *http.Response) *answer {
	return &answer{
		code: res.StatusCode,
		header: func(name string) (string, bool) {
			v := res.Header.Values(name)
			return strings.Join(v, ", "), len(v) > 0
		},
		encoding: strings.ToLower(strings.TrimSpace(res.Header.Get("Content-Encoding"))),
		charset:  charsetOf(res.Header.Get("Content-Type")),
		location: res.Header.Get("Location"),
		body:     res.Body,
	}
}
