package messenger

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"tuermer/internal/town/channel"
)

// Options are one account.
type Options struct {
	Name   string
	Realm  channel.Realm
	Form   channel.Form // one of [Forms]
	URL    string       // of the server; empty: [ThreemaURL] for Threema
	From   string       // Threema: the gateway's ID; Signal: the account's number
	Secret func() string

	// Rooms carries what rooms are told, over webhooks; without it nothing is sent.
	Rooms channel.Adapter

	// Reported takes what became of a message, Replied what somebody wrote.
	Reported func(ctx context.Context, r channel.Report) error
	Replied  func(ctx context.Context, r channel.Reply) error

	Timeout     time.Duration // of one call; default 6 s
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	TLSConfig   *tls.Config
	UserAgent   string
	Now         func() time.Time // required
	Log         *slog.Logger
}

// ThreemaURL is where Threema Gateway takes messages in its basic mode.
const ThreemaURL = "https://msgapi.threema.ch/send_simple"

// Forms are the messengers in which a person has an address of their own.
func Forms() []channel.Form {
	return []channel.Form{channel.Signal, channel.Threema, channel.Matrix, channel.Ntfy}
}

// Adapter is the way over one account.
type Adapter struct {
	o    Options
	ears *http.Client

	// Of Matrix, for whoever listens alone: our account, and our place in its news.
	me, since string

	mu     sync.Mutex
	cancel context.CancelFunc
	done   chan struct{}
	mine   []mine // of Matrix, see remember
}

var (
	_ channel.Line     = (*Adapter)(nil)
	_ channel.Pacer    = (*Adapter)(nil)
	_ channel.Prober   = (*Adapter)(nil)
	_ channel.Choosing = (*Adapter)(nil)
)

// New checks the options; it opens no connection.
func New(o Options) (*Adapter, error) {
	o.Realm, o.Timeout, o.UserAgent = cmp.Or(o.Realm, channel.Live), cmp.Or(o.Timeout, 6*time.Second), cmp.Or(o.UserAgent, "Tuermer/1")
	if o.Form == channel.Threema {
		o.URL = cmp.Or(o.URL, ThreemaURL)
	}
	if o.DialContext == nil {
		o.DialContext = (&net.Dialer{}).DialContext
	}
	if o.Secret == nil {
		o.Secret = func() string { return "" }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	u, err := url.Parse(o.URL)
	switch {
	case o.Name == "" || o.Now == nil:
		return nil, fmt.Errorf("messenger %q: needs a name and a clock", o.Name)
	case !slices.Contains(Forms(), o.Form):
		return nil, fmt.Errorf("messenger %q: no person has an address in %q", o.Name, o.Form)
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "":
		return nil, fmt.Errorf("messenger %q: the address is no http or https URL", o.Name)
	}
	a := &Adapter{o: o}
	sample := map[channel.Form]string{channel.Signal: "+491700000001", channel.Threema: "ABCDEFGH", channel.Matrix: "!room:server", channel.Ntfy: "topic"}[o.Form]
	if _, ok := a.target(string(o.Form) + ":" + sample); !ok {
		return nil, fmt.Errorf("messenger %q: who writes there is not said, or the address is wrong", o.Name)
	}
	secure := o.TLSConfig.Clone()
	if secure == nil {
		secure = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	secure.Time = o.Now
	patience := o.Timeout
	if o.Form == channel.Matrix {
		patience += syncWait
	}
	a.ears = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, o.Timeout) // net/http takes the request's end out of it
			defer cancel()
			return o.DialContext(ctx, network, addr)
		},
		TLSClientConfig: secure, DisableKeepAlives: true, ResponseHeaderTimeout: patience,
	}}
	return a, nil
}

// Kind is always [channel.Chat].
func (a *Adapter) Kind() channel.Kind { return channel.Chat }

// Route is the configured name.
func (a *Adapter) Route() string { return a.o.Name }

// Realm tells which messages the way may carry.
func (a *Adapter) Realm() channel.Realm { return a.o.Realm }

// Pace knows no limit until the provider tells.
func (a *Adapter) Pace() (perSecond float64, burst int) { return 0, 1 }

// Takes tells whether the address is one of this messenger.
func (a *Adapter) Takes(to string) bool {
	form, _, _ := strings.Cut(to, ":")
	return form == string(a.o.Form)
}

// target is the address as the form of a room writes it.
func (a *Adapter) target(to string) (string, bool) {
	_, rest, _ := strings.Cut(to, ":")
	u, err := url.Parse(a.o.URL)
	if err != nil || !a.Takes(to) || strings.ContainsAny(rest, "/?#%") {
		return "", false
	}
	q := url.Values{}
	switch a.o.Form {
	case channel.Threema:
		q.Set("from", a.o.From)
		q.Set("to", rest)
	case channel.Signal:
		q.Set("to", rest)
		if a.o.From != "" {
			q.Set("account", a.o.From)
		}
	default:
		u = u.JoinPath(rest)
	}
	u.RawQuery = q.Encode()
	return u.String(), a.o.Form.Address(u.String())
}

// Send hands the message to the messenger. Its error is a [*channel.Failure].
func (a *Adapter) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	if err := channel.Refuse(a, m); err != nil {
		return channel.Receipt{}, err
	}
	to, ok := a.target(m.To)
	if !ok || a.o.Rooms == nil {
		return channel.Receipt{}, &channel.Failure{Permanent: true, Reason: "config", Err: errors.New("the address is none of this messenger")}
	}
	inner := m
	inner.Kind, inner.To, inner.Form, inner.Declared, inner.Secret = channel.Webhook, to, a.o.Form, true, []byte(a.o.Secret())
	rc, err := a.o.Rooms.Send(ctx, inner)
	if err != nil {
		f := *channel.AsFailure(err)
		switch f.Reason {
		case "connect", "timeout", "tls", "protocol":
			f.RouteDown = true
		case "auth": // the account's, not the person's
			f.RouteDown, f.Permanent = true, false
		}
		if f.Err != nil && strings.Contains(f.Err.Error(), strings.SplitN(m.To, ":", 2)[1]) {
			f.Err = errors.New("the answer names the person and is not shown")
		}
		return channel.Receipt{}, &f
	}
	if a.o.Form == channel.Signal && rc.Reference != "" {
		rc.Reference = reference(strings.TrimPrefix(m.To, string(channel.Signal)+":"), rc.Reference)
	}
	a.remember(m.To, rc.Reference)
	return rc, nil
}

// reference is Signal's name of a message: the moment at which it was sent, which
// two people may share, and two octets that tell them apart and nobody's number.
func reference(number, moment string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(number))
	return fmt.Sprintf("%s-%04x", moment, h.Sum32()&0xffff)
}
