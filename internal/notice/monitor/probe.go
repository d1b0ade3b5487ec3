package monitor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"
)

// Reason says in one stable word why a result is as it is. It is stored, and
// the key "monitor.reason." + Reason names its sentence.
type Reason string

// The reasons. The first is healthy, the next three say nothing about health,
// all others are failures.
const (
	ReasonOK Reason = "ok"

	ReasonStarted  Reason = "started"  // a heartbeat's job reports that it began
	ReasonLogged   Reason = "logged"   // a heartbeat's job sent a note
	ReasonCanceled Reason = "canceled" // we broke the check off ourselves

	ReasonTimeout  Reason = "timeout"
	ReasonDNS      Reason = "dns"
	ReasonRefused  Reason = "connect_refused"
	ReasonNoRoute  Reason = "unreachable"
	ReasonReset    Reason = "reset" // the other side broke the connection off
	ReasonTLS      Reason = "tls"
	ReasonCert     Reason = "certificate" // valid, but for too short a time
	ReasonStatus   Reason = "status"
	ReasonHeader   Reason = "header"
	ReasonBody     Reason = "body"
	ReasonTooLarge Reason = "too_large" // a condition was not met within the first MiB
	ReasonSlow     Reason = "slow"
	ReasonRedirect Reason = "redirect"
	ReasonProtocol Reason = "protocol"
	ReasonInvalid  Reason = "invalid" // the spec cannot be probed
	ReasonBlocked  Reason = "blocked" // the guard refused the address
	ReasonLogin    Reason = "login"   // the target refused our name and password
	ReasonDomain   Reason = "domain"  // the domain's registration ends soon
	ReasonProxy    Reason = "proxy"   // the proxy does not let us through
	ReasonMissed   Reason = "missed"  // a heartbeat did not come
	ReasonFailed   Reason = "fail_reported"
	// ReasonUnreadable: what is stored of the check cannot be read.
	ReasonUnreadable Reason = "unreadable"
)

// Reasons lists every reason, for the test that asks for all sentences.
func Reasons() []Reason {
	return []Reason{
		ReasonOK, ReasonStarted, ReasonLogged, ReasonCanceled, ReasonTimeout, ReasonDNS, ReasonRefused,
		ReasonNoRoute, ReasonReset, ReasonTLS, ReasonCert, ReasonStatus, ReasonHeader, ReasonBody,
		ReasonTooLarge, ReasonSlow, ReasonRedirect, ReasonProtocol, ReasonInvalid, ReasonBlocked,
		ReasonLogin, ReasonDomain, ReasonMissed, ReasonFailed, ReasonProxy, ReasonUnreadable,
	}
}

// Neutral tells whether a result with this reason says nothing about health.
func (r Reason) Neutral() bool {
	return r == ReasonStarted || r == ReasonLogged || r == ReasonCanceled
}

// MaxDetail bounds [Result.Detail] in bytes.
const MaxDetail = 300

// Result is what one look saw.
type Result struct {
	At     time.Time     `json:"at"`   // when the look began, UTC, in milliseconds
	Took   time.Duration `json:"took"` // until the verdict
	OK     bool          `json:"ok"`
	Reason Reason        `json:"reason"`
	// Detail adds a technical note in English: at most MaxDetail bytes of plain
	// valid UTF-8 without line breaks, markup or credentials.
	Detail string `json:"detail,omitempty"`
	// Code is the protocol's own number: HTTP status, exit code; 0 without one.
	Code int `json:"code,omitempty"`
	// CertExpires is when the first certificate of the presented chain ends.
	CertExpires time.Time `json:"cert_expires,omitzero"`
	// Addr is the address that answered. [Status.Addr] keeps it.
	Addr netip.Addr `json:"-"`
}

// Soft tells whether the target answered, yet outside a soft limit; Reason then
// says which.
func (r Result) Soft() bool { return r.OK && r.Reason != ReasonOK }

// Prober looks once. Probe blocks until the verdict, the spec's timeout or the
// end of ctx, whichever is first, and leaves nothing behind: no connection, no
// goroutine. s is normal ([Spec.Normalize]). Implementations are safe for
// concurrent use.
type Prober interface {
	Probe(ctx context.Context, s Spec) Result
}

// Probers says which Prober serves which kind. It is a value that its owner
// may extend before handing it to an [Engine].
type Probers map[Kind]Prober

// Resolver looks up the addresses of a name; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options are what probers need of the world. The zero value is the real one.
type Options struct {
	// DialContext opens connections; nil uses the operating system. It gets an
	// address, or the bare name when Resolver is nil too.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Resolver looks up names; nil uses the system's, or leaves the name to
	// DialContext when that is given.
	Resolver Resolver
	// RootCAs judges certificates; nil uses the system's.
	RootCAs *x509.CertPool
	// Guard is asked before every connection; nil allows all.
	Guard Guard
	// Now tells the time of results and of certificates. Required: the room
	// never asks the machine's clock itself.
	Now func() time.Time
}

// NewProbers makes one Prober per kind. They share caches, so make them once.
func NewProbers(o Options) Probers {
	w := newWire(o)
	web := newHTTPProber(w)
	return Probers{
		HTTP:     web,
		TCP:      tcpProber{w},
		TLS:      certProber{w},
		ICMP:     icmpProber{w},
		DNS:      dnsProber{w},
		SMTP:     smtpProber{w},
		IMAP:     imapProber{w},
		Domain:   domainProber{web},
		GRPC:     grpcProber{w},
		LDAP:     ldapProber{w},
		SIP:      sipProber{w},
		SNMP:     snmpProber{w},
		Postgres: postgresProber{w},
		MySQL:    mysqlProber{w},
		MSSQL:    mssqlProber{w},

		unreadable: unreadableProber{w},
	}
}

// failure is an error that already knows its reason.
type failure struct {
	reason Reason
	detail string
	cause  error
}

func (f *failure) Error() string {
	text := f.detail
	if f.reason != "" {
		text = string(f.reason) + ": " + text
	}
	if f.cause != nil {
		text += ": " + f.cause.Error()
	}
	return text
}

func (f *failure) Unwrap() error { return f.cause }

func failf(reason Reason, format string, args ...any) error {
	return &failure{reason: reason, detail: fmt.Sprintf(format, args...)}
}

// wire is what all probers share: how to reach a target, bounded and guarded.
type wire struct {
	dial     func(ctx context.Context, network, addr string) (net.Conn, error)
	dialer   net.Dialer
	resolver Resolver
	guard    Guard
	now      func() time.Time
	secure   *secure
}

func newWire(o Options) *wire {
	w := &wire{dial: o.DialContext, resolver: o.Resolver, guard: o.Guard, now: o.Now}
	if w.now == nil {
		panic("monitor: Options.Now is required")
	}
	// A check lives for seconds: keep-alive probes would only cost system calls.
	w.dialer = net.Dialer{KeepAlive: -1, FallbackDelay: -1}
	if w.dial == nil && w.resolver == nil {
		w.resolver = net.DefaultResolver
	}
	w.secure = newSecure(o.RootCAs, w.now)
	return w
}

// run frames one look: it bounds it in time, stamps the result and turns an
// error into its reason.
func (w *wire) run(parent context.Context, s Spec, look func(ctx context.Context, r *Result) error) Result {
	r := Result{At: stamp(w.now()), Reason: ReasonOK}
	ctx, cancel := bounded(parent, s.Timeout.D())
	saw := &sight{Context: ctx}
	if s.By != "" {
		saw.Context = withBy(saw.Context, s.By)
	}
	if s.Within != nil {
		saw.Context = withWithin(saw.Context, *s.Within)
	}
	// The deadline doubles as a stopwatch: it is monotonic, and the wall clock,
	// which may be set while a check runs, is not.
	end, _ := ctx.Deadline()
	begin := time.Until(end) //nolint:forbidigo // monotonic, see above
	err := look(saw, &r)
	r.Took = begin - time.Until(end) //nolint:forbidigo // monotonic, see above
	r.Addr = saw.last()
	switch {
	case err == nil:
		err = s.judge(&r)
	case errors.Is(ctx.Err(), context.Canceled), parent.Err() != nil && parent != ctx:
		err = &failure{reason: ReasonCanceled}
	case ctx.Err() != nil:
		err = timedOut(err, s.Timeout.D())
	}
	cancel()
	if err == nil {
		err = s.soften(&r)
		r.OK = true
	}
	if err != nil {
		r.Reason, r.Detail = explain(err)
		r.OK = r.OK || r.Reason.Soft()
	}
	r.Detail = plain(r.Detail)
	return r
}

// timed is a context whose deadline is the timeout of the one look that it is
// for. A second one on top of it would cost as much as sending the request.
type timed struct{ context.Context }

// bounded ends ctx after limit, unless it was made for this look.
func bounded(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if t, ok := ctx.(timed); ok {
		return t, func() {}
	}
	return context.WithTimeout(ctx, limit)
}

// judge applies the conditions that every kind shares.
func (s *Spec) judge(r *Result) error {
	if d := s.Expect.Within.D(); d > 0 && r.Took > d {
		return failf(ReasonSlow, "took %s, expected at most %s", r.Took.Round(time.Millisecond), d)
	}
	return nil
}

// timedOut keeps the step that was under way, for it tells where to look. A
// verdict that was reached in the last instant stays.
func timedOut(err error, limit time.Duration) error {
	step := ""
	if f, ok := errors.AsType[*failure](err); ok {
		if f.reason != "" {
			return err
		}
		step = ": " + f.detail
	}
	return failf(ReasonTimeout, "no verdict within %s%s", limit, step)
}

// during marks an error with the step it happened in; a reason that is known
// already stays.
func during(step string, err error) error {
	var f *failure
	if err == nil || errors.As(err, &f) && f.reason != "" {
		return err
	}
	return &failure{detail: step, cause: err}
}

// explain finds the reason of an error. Details are our own words: what a
// target or a library wrote is not repeated, except for the short texts of
// crypto/x509, which name names and dates.
func explain(err error) (Reason, string) {
	step := ""
	var f *failure
	if errors.As(err, &f) {
		if f.reason != "" {
			return f.reason, f.detail
		}
		step = f.detail + ": "
	}
	var (
		dns    *net.DNSError
		record tls.RecordHeaderError
		alert  tls.AlertError
		remote *net.OpError
		cert   *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &dns):
		switch {
		case dns.IsNotFound:
			return ReasonDNS, "no such name: " + dns.Name
		case dns.IsTimeout:
			return ReasonDNS, "name server did not answer for " + dns.Name
		}
		return ReasonDNS, "name lookup failed for " + dns.Name
	case errors.Is(err, syscall.ECONNREFUSED):
		return ReasonRefused, "connection refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ENETDOWN),
		errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return ReasonNoRoute, "no route to the target"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		return ReasonReset, step + "connection reset"
	case errors.As(err, &cert):
		return ReasonTLS, certProblem(cert.Err)
	case errors.As(err, &record):
		return ReasonTLS, "the target does not speak TLS"
	case errors.As(err, &alert):
		return ReasonTLS, "handshake refused: " + strings.TrimPrefix(alert.Error(), "tls: ")
	case errors.As(err, &remote) && remote.Op == "remote error": // an alert, in crypto/tls' own words
		return ReasonTLS, "handshake refused: " + strings.TrimPrefix(remote.Err.Error(), "tls: ")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return ReasonTimeout, step + "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ReasonReset, step + "connection closed early"
	case f != nil && f.cause != nil && strings.HasPrefix(f.cause.Error(), "tls: "):
		return ReasonTLS, strings.TrimPrefix(f.cause.Error(), "tls: ")
	}
	if step != "" {
		return ReasonProtocol, strings.TrimSuffix(step, ": ") + " failed"
	}
	return ReasonProtocol, "unexpected answer"
}

// plain makes a detail safe to show anywhere.
func plain(s string) string {
	clean := len(s) <= MaxDetail
	for i := 0; clean && i < len(s); i++ {
		clean = s[i] >= ' ' && s[i] < 0x7f && s[i] != '<' && s[i] != '>'
	}
	if clean {
		return s
	}
	if len(s) > 4*MaxDetail {
		s = s[:4*MaxDetail]
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '<' || r == '>' || r == utf8.RuneError || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return -1 // markup and marks that turn the reading direction
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029:
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(s) > MaxDetail {
		cut := MaxDetail - len("…")
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return s
}

// resolve answers the addresses of a host, unmapped.
func (w *wire) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	ascii, err := asciiHost(host)
	if err != nil {
		return nil, failf(ReasonInvalid, "not a host name: %s", host)
	}
	addrs, err := w.resolver.LookupNetIP(ctx, "ip", ascii)
	if err != nil {
		if _, ok := errors.AsType[*net.DNSError](err); !ok { // an injected resolver may answer anything
			err = &net.DNSError{Err: err.Error(), Name: host}
		}
		return nil, &failure{detail: "name lookup", cause: err}
	}
	if len(addrs) == 0 {
		return nil, failf(ReasonDNS, "no address for %s", host)
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, nil
}

// connect opens a connection to host:port. With several addresses it tries one
// after the other and gives each a fair share of the time that is left, so one
// dead address of a service does not hide the living one.
func (w *wire) connect(ctx context.Context, network, host string, port int) (net.Conn, error) {
	if w.resolver == nil {
		return w.connectName(ctx, network, host, port)
	}
	addrs, err := w.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	for i, a := range addrs {
		if err = ctx.Err(); err != nil {
			break
		}
		var c net.Conn
		if c, err = w.connectAddr(ctx, network, netip.AddrPortFrom(a, uint16(port)), len(addrs)-i); err == nil {
			see(ctx, a)
			return c, nil
		}
	}
	return nil, during("connecting", err)
}

func (w *wire) connectAddr(ctx context.Context, network string, to netip.AddrPort, left int) (net.Conn, error) {
	if err := w.allow(ctx, network, to); err != nil {
		return nil, err
	}
	if left > 1 {
		if end, ok := ctx.Deadline(); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(left)) //nolint:forbidigo // what is left of a deadline of the runtime
			defer cancel()
		}
	}
	if w.dial != nil {
		return w.dial(ctx, network, to.String())
	}
	if network == "tcp" {
		// Not DialTCP: it binds every connection to a port of its own first, so that
		// all targets together have no more of them than one target needs.
		ctx = untimed{ctx}
	}
	return w.dialer.DialContext(ctx, network, to.String())
}

// untimed hides a deadline and keeps its effect: the end of ctx still breaks a
// connect off, but package net does not set and clear a deadline of its own for
// every connection, which costs a tenth of a check.
type untimed struct{ context.Context }

func (untimed) Deadline() (time.Time, bool) { return time.Time{}, false }

// connectName leaves the name to an injected network and asks the guard about
// the address that came out of it.
func (w *wire) connectName(ctx context.Context, network, host string, port int) (net.Conn, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		if err := w.allow(ctx, network, netip.AddrPortFrom(a.Unmap(), uint16(port))); err != nil {
			return nil, err
		}
	}
	c, err := w.dial(ctx, network, joinHostPort(host, port))
	if err != nil {
		return nil, during("connecting", err)
	}
	if ta, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		see(ctx, ta.AddrPort().Addr().Unmap())
	}
	if !w.free(ctx) {
		var to netip.AddrPort // not valid: the network keeps it to itself
		switch a := c.RemoteAddr().(type) {
		case *net.TCPAddr:
			to = a.AddrPort()
		case *net.UDPAddr:
			to = a.AddrPort()
		}
		if _, perr := netip.ParseAddr(host); perr != nil || to.IsValid() {
			err = w.allow(ctx, network, to)
		}
		if err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

func (w *wire) allow(ctx context.Context, network string, to netip.AddrPort) error {
	if err := w.allowed(ctx, network, netip.AddrPortFrom(to.Addr().Unmap(), to.Port())); err != nil {
		where := to.Addr().Unmap().String()
		if !to.IsValid() {
			where = "an address that is not known"
		}
		return &failure{reason: ReasonBlocked, detail: "not allowed: " + where, cause: err}
	}
	return nil
}

// past is a deadline that has long gone by.
var past = time.Unix(1, 0)

// bind ends all reads and writes of c when ctx ends. The returned function
// must be called before c is forgotten. Cheaper than a deadline per check, and
// unlike one it also obeys a cancelled ctx at once.
func bind(ctx context.Context, c net.Conn) (unbind func() bool) {
	return context.AfterFunc(ctx, func() {
		if c.SetDeadline(past) != nil {
			c.Close() // a connection without deadlines can only be cut
		}
	})
}
