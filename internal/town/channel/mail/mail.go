package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"tuermer/internal/town/channel"
)

// TLS says how a route is encrypted.
type TLS string

// The modes. A password travels only encrypted, or to the own machine.
const (
	// TLSOpportunistic, the default, uses STARTTLS where the server offers it.
	// The certificate is checked when the route signs in, and only then.
	TLSOpportunistic TLS = ""
	// TLSNone never encrypts, whatever the server offers.
	TLSNone TLS = "none"
	// TLSStart insists on STARTTLS (port 587) with a valid certificate.
	TLSStart TLS = "starttls"
	// TLSImplicit speaks TLS from the first byte (port 465), certificate checked.
	TLSImplicit TLS = "tls"
)

// ErrUnconfirmed is wrapped by failures that happened after the final dot and
// before its reply: the server may have the mail.
var ErrUnconfirmed = errors.New("the mail was handed over, but the server did not confirm it")

// Timeouts bound every step; zero takes the default.
type Timeouts struct {
	Dial  time.Duration // name lookup and connection; 5 s
	Step  time.Duration // each command, its reply and the TLS handshake; 8 s, longer than postscreen's greeting
	Final time.Duration // writing a mail and the reply to its final dot; 60 s, content filters are slow
	// Send bounds one whole [Adapter.Send], so that another route can still
	// take over in time; 18 s.
	Send time.Duration
}

// Options configure one route.
type Options struct {
	Name  string        // the route's name, unique among mail routes
	Realm channel.Realm // default [channel.Live]

	Host string // name or address of the server
	Port int    // default 465 for [TLSImplicit], 587 with a Username, else 25

	From     string // sender's address, also the envelope sender
	FromName string // sender's display name, may be empty
	// IDDomain is the right side of every Message-ID; default the domain of
	// From. Routes that stand in for one another should share it, so that a
	// thread holds together when the second one takes over.
	IDDomain string

	Username string // empty: no sign-in
	// Password is asked anew for each connection, so a changed password file
	// takes effect without a restart. Needed with a Username.
	Password func() ([]byte, error)

	TLS TLS
	// TLSConfig replaces the default configuration (system roots, TLS 1.2 and
	// up); ServerName and Time are filled in where it leaves them empty.
	TLSConfig *tls.Config
	HelloName string // own name in EHLO; default the domain of From

	// DialContext opens the connection; default a [net.Dialer].
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	Timeouts    Timeouts
	// MaxConns bounds the connections that all batches together hold open;
	// default 8. [Adapter.Send] does not count: an alarm never waits for bulk.
	MaxConns int
	// Now tells the time for the Date of messages without one and for checking
	// certificates. Required.
	Now func() time.Time
}

// Adapter is one mail route. See the package comment for what its failures mean.
type Adapter struct {
	o    Options
	from sender
	sem  chan struct{} // one token for each connection of a batch
	room room
}

var (
	_ channel.BatchSender = (*Adapter)(nil)
	_ channel.Prober      = (*Adapter)(nil)
)

// New checks the options and makes the adapter; it opens no connection. Its
// error names the option and what was expected.
func New(o Options) (*Adapter, error) {
	from, err := CheckAddress(o.From)
	if err != nil {
		return nil, fmt.Errorf("mail route %q: from: %w", o.Name, err)
	}
	domain := from[strings.LastIndexByte(from, '@')+1:]
	literal := strings.HasPrefix(domain, "[")
	if o.Realm == "" {
		o.Realm = channel.Live
	}
	if o.IDDomain == "" {
		o.IDDomain = strings.Trim(domain, "[]")
		if literal {
			o.IDDomain = "tuermer.invalid" // a colon cannot stand in a Message-ID
		}
	}
	if o.HelloName == "" {
		o.HelloName = domain
	}
	if o.Port == 0 {
		switch {
		case o.TLS == TLSImplicit:
			o.Port = 465
		case o.Username != "":
			o.Port = 587
		default:
			o.Port = 25
		}
	}
	if o.DialContext == nil {
		o.DialContext = new(net.Dialer).DialContext
	}
	if o.MaxConns == 0 {
		o.MaxConns = 8
	}
	t := &o.Timeouts
	for _, d := range []struct {
		at  *time.Duration
		def time.Duration
	}{{&t.Dial, 5 * time.Second}, {&t.Step, 8 * time.Second}, {&t.Final, time.Minute}, {&t.Send, 18 * time.Second}} {
		if *d.at == 0 {
			*d.at = d.def
		}
		if *d.at < 0 {
			return nil, fmt.Errorf("mail route %q: a timeout is negative", o.Name)
		}
	}
	if err := check(&o); err != nil {
		return nil, fmt.Errorf("mail route %q: %w", o.Name, err)
	}
	return &Adapter{
		o:    o,
		from: sender{address: from, name: o.FromName, idDomain: o.IDDomain},
		sem:  make(chan struct{}, o.MaxConns),
		room: newRoom(),
	}, nil
}

func check(o *Options) error {
	if o.Name == "" {
		return errors.New("the route needs a name")
	}
	if o.Now == nil {
		return errors.New("the route needs a clock")
	}
	if o.Host == "" || strings.ContainsFunc(o.Host, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '/' }) {
		return fmt.Errorf("host %q is no host name or IP address", o.Host)
	}
	if o.Port < 1 || o.Port > 65535 {
		return fmt.Errorf("port %d is not between 1 and 65535", o.Port)
	}
	if o.MaxConns < 1 || o.MaxConns > 1000 {
		return fmt.Errorf("max connections %d is not between 1 and 1000", o.MaxConns)
	}
	if _, err := checkDomain(o.HelloName); err != nil {
		return fmt.Errorf("hello name %q: %w", o.HelloName, err)
	}
	if d, err := checkDomain(o.IDDomain); err != nil || strings.HasPrefix(d, "[") {
		return fmt.Errorf("message id domain %q is no domain", o.IDDomain)
	} else {
		o.IDDomain = d
	}
	switch o.TLS {
	case TLSOpportunistic, TLSNone, TLSStart, TLSImplicit:
	default:
		return fmt.Errorf("tls %q is none of none, starttls, tls", o.TLS)
	}
	if o.Username == "" {
		return nil
	}
	if o.Password == nil {
		return errors.New("a user name needs a password")
	}
	if strings.ContainsRune(o.Username, 0) {
		return errors.New("the user name holds a NUL character")
	}
	if o.TLS == TLSNone && !loopback(o.Host) {
		return errors.New("with tls none the password would travel in clear: use starttls or tls, or leave the user name out")
	}
	return nil
}

// loopback says that what is sent to host never leaves this machine.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// Kind is always [channel.Mail].
func (a *Adapter) Kind() channel.Kind { return channel.Mail }

// Route is the configured name.
func (a *Adapter) Route() string { return a.o.Name }

// Realm tells which messages the route may carry.
func (a *Adapter) Realm() channel.Realm { return a.o.Realm }

// Send delivers one message over a connection of its own, within
// [Timeouts].Send. A nil error means that the server has taken it; every error
// is a [*channel.Failure]. A server that takes no further connection while a batch
// holds its own is asked again as soon as one of those has left.
func (a *Adapter) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	inner, cancel := context.WithTimeoutCause(ctx, a.o.Timeouts.Send, errStep)
	defer cancel()
	late := ctx.Err() != nil
	out := a.alone(inner, m)
	if crowded(out) && len(a.sem) > 0 && a.room.ask(inner) {
		// The server may take a moment to count the one that left.
		for pause := 10 * time.Millisecond; crowded(out) && pause < awayFor; pause *= 2 {
			select {
			case <-inner.Done():
			case <-time.After(pause):
			}
			out = a.alone(inner, m)
		}
	}
	if f := channel.AsFailure(out.Err); !late && f.Reason == "canceled" && errors.Is(f, context.DeadlineExceeded) {
		// The caller's own deadline was the shorter one, and it is the route
		// that did not keep it: another one may.
		f.RouteDown, f.Reason = true, "timeout"
	}
	return out.Receipt, out.Err
}

// crowded reports whether the server takes no further connection now.
func crowded(o channel.Outcome) bool {
	return o.Err != nil && channel.AsFailure(o.Err).RouteDown && channel.AsFailure(o.Err).Reason == "throttled"
}

// alone sends one message over a connection of its own.
func (a *Adapter) alone(ctx context.Context, m channel.Message) channel.Outcome {
	b := newBatch(a, []channel.Message{m})
	b.run(ctx)
	return b.out[0]
}

// Check connects, greets, brings TLS up and signs in as Send would, and leaves.
func (a *Adapter) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, a.o.Timeouts.Send, errStep)
	defer cancel()
	c, err := a.open(ctx)
	if err != nil {
		return err
	}
	c.quit()
	return nil
}
