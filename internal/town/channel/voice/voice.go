package voice

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/channel"
)

// Options are one entry.
type Options struct {
	Name   string
	Realm  channel.Realm
	Server string // "sip:host", with a port and ";transport=tcp" or "tls" where needed
	User   string // empty: the trunk knows us by our address
	From   string // the number that people see; empty: the trunk's own
	Secret func() string
	// Register keeps us signed in from Start to Stop, and signs in for each call, for
	// trunks that take calls from nobody else.
	Register bool
	Ring     time.Duration // until nobody answers; default 40 s
	Talk     time.Duration // until no key was pressed; default 60 s
	Lines    int           // calls at once; default 2
	Price    channel.Price

	// Report is told what became of a call (required).
	Report func(ctx context.Context, rep channel.Report) error
	// Thanks is what is said after a key was taken, by language (required).
	Thanks func(lang i18n.Lang) string
	Speak  Speaker // default [Espeak]

	TLSConfig *tls.Config
	Resolver  *net.Resolver
	UserAgent string
	Log       *slog.Logger
}

// Server is where a trunk lies.
type Server struct {
	Host      string
	Port      int    // zero: by name service, or the transport's own
	Transport string // udp, tcp or tls
}

// errServer says that an address is none of a telephone system.
var errServer = errors.New("voice: the address is no sip:host[:port][;transport=udp|tcp|tls]")

var hostForm = regexp.MustCompile(`^[A-Za-z0-9._-]+$|^\[[0-9A-Fa-f:.]+\]$`)

// ParseServer reads the address of a trunk.
func ParseServer(s string) (Server, error) {
	var u sip.Uri
	if err := sip.ParseUri(s, &u); err != nil || u.User != "" || u.Password != "" || !hostForm.MatchString(u.Host) || u.Port < 0 || u.Port > 65535 {
		return Server{}, errServer
	}
	out := Server{Host: strings.Trim(u.Host, "[]"), Port: u.Port, Transport: "udp"}
	switch strings.ToLower(u.Scheme) {
	case "sip":
	case "sips":
		out.Transport = "tls"
	default:
		return Server{}, errServer
	}
	if t, ok := u.UriParams.Get("transport"); ok {
		out.Transport = strings.ToLower(t)
	}
	if out.Transport != "udp" && out.Transport != "tcp" && out.Transport != "tls" {
		return Server{}, errServer
	}
	return out, nil
}

// How long a call may hold up whoever sends it: until the far side rings, and until
// it gives any sign of life.
const (
	begunWithin = 9 * time.Second
	heardWithin = 6 * time.Second
)

// Adapter is the way through one trunk.
type Adapter struct {
	o      Options
	server Server
	lines  chan struct{}

	mu      sync.Mutex
	stopped bool
	run     context.Context
	cancel  context.CancelFunc
	calls   sync.WaitGroup

	keeper keeper
}

var (
	_ channel.Pacer  = (*Adapter)(nil)
	_ channel.Priced = (*Adapter)(nil)
	_ channel.Prober = (*Adapter)(nil)

	_ channel.Line     = (*Adapter)(nil)
	_ channel.Standing = (*Adapter)(nil)
)

// New checks the options and makes the adapter; it opens nothing.
func New(o Options) (*Adapter, error) {
	server, err := ParseServer(o.Server)
	if err != nil {
		return nil, fmt.Errorf("voice %q: %w", o.Name, err)
	}
	o.Realm, o.Ring, o.Talk = cmp.Or(o.Realm, channel.Live), cmp.Or(o.Ring, 40*time.Second), cmp.Or(o.Talk, time.Minute)
	o.Lines, o.UserAgent = cmp.Or(o.Lines, 2), cmp.Or(o.UserAgent, "Tuermer/1")
	if o.Speak == nil {
		o.Speak = Espeak
	}
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.Name == "" || o.Report == nil || o.Thanks == nil:
		return nil, fmt.Errorf("voice %q: needs a name, somebody to report to, and thanks", o.Name)
	case o.Lines < 0 || o.Ring < 0 || o.Talk < 0:
		return nil, fmt.Errorf("voice %q: lines and times are not below zero", o.Name)
	case o.Register && o.User == "":
		return nil, fmt.Errorf("voice %q: nobody signs in without a name", o.Name)
	}
	a := &Adapter{o: o, server: server, lines: make(chan struct{}, o.Lines)}
	a.run, a.cancel = context.WithCancel(context.Background())
	return a, nil
}

// Kind is always [channel.Voice].
func (a *Adapter) Kind() channel.Kind { return channel.Voice }

// Route is the configured name.
func (a *Adapter) Route() string { return a.o.Name }

// Realm tells which messages the way may carry.
func (a *Adapter) Realm() channel.Realm { return a.o.Realm }

// Pace knows no limit but the lines, and what the trunk asks for.
func (a *Adapter) Pace() (perSecond float64, burst int) { return 0, a.o.Lines }

// Price is what one call costs.
func (a *Adapter) Price() channel.Price { return a.o.Price }

var numberForm = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// Send calls the number, and returns when it rings. Its error is a
// [*channel.Failure].
func (a *Adapter) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	if err := channel.Refuse(a, m); err != nil {
		return channel.Receipt{}, err
	}
	if !numberForm.MatchString(m.To) {
		return channel.Receipt{}, &channel.Failure{Permanent: true, Reason: "config", Err: errors.New("the number is not written in full, with its country")}
	}
	select {
	case a.lines <- struct{}{}:
	default:
		return channel.Receipt{}, &channel.Failure{Reason: "throttled", RetryAfter: 5 * time.Second, Err: errors.New("all lines are in use")}
	}
	a.mu.Lock()
	if a.stopped {
		a.mu.Unlock()
		<-a.lines
		return channel.Receipt{}, &channel.Failure{Reason: "canceled", Err: context.Canceled}
	}
	c := newCall(a, m)
	// The call outlives the sending; whose it is rides along.
	run, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(a.run, func() { cancel(c.aside()) })
	a.calls.Go(func() {
		defer func() { unhook(); cancel(nil); <-a.lines }()
		c.do(run)
	})
	a.mu.Unlock()
	select {
	case err := <-c.begun:
		if err != nil {
			return channel.Receipt{}, err
		}
		return channel.Receipt{Route: a.o.Name, Reference: c.id}, nil
	case <-ctx.Done():
		// It must not ring on while another way is asked; unless it began just now.
		cancel(c.aside())
		if err := <-c.begun; err == nil {
			return channel.Receipt{Route: a.o.Name, Reference: c.id}, nil
		}
		f := &channel.Failure{Reason: "timeout", RouteDown: true, Err: ctx.Err()}
		if errors.Is(ctx.Err(), context.Canceled) {
			f.Reason, f.RouteDown = "canceled", false
		}
		return channel.Receipt{}, f
	}
}

// Check finds out whether the text can be spoken and the trunk answers; with
// Register, whether it lets us in.
func (a *Adapter) Check(ctx context.Context) error {
	if _, err := a.o.Speak(ctx, "Probe", "de"); err != nil {
		return &channel.Failure{Reason: "speech", Err: err}
	}
	l, err := a.line(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	if a.o.Register {
		if _, err := l.register(ctx, registered); err != nil {
			return err
		}
		_, _ = l.register(ctx, 0) // it ends by itself, too
		return nil
	}
	return l.options(ctx)
}

// HangUp ends all calls and waits until they are over; there are none after it. It may
// be called twice.
func (a *Adapter) HangUp() {
	a.mu.Lock()
	a.stopped = true
	a.mu.Unlock()
	a.cancel()
	a.calls.Wait()
}
