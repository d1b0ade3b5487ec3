package app

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/gateway"
	"tuermer/internal/town/channel/smpp"
	"tuermer/internal/town/channel/voice"
)

// smppKind is the kind of an entry that leads straight to a message centre.
const smppKind = "smpp"

// SMPPConfig is what an entry of the kind smpp says beyond the others.
type SMPPConfig struct {
	Addr       string
	TLS        bool
	SystemID   string
	SystemType string
	Parts      string // udh (default) or sar
	Window     int
}

func (r *configReader) smpp(c *SMPPConfig) []field {
	return []field{
		{"addr", scalar(r, &c.Addr, parseHostPort)},
		{"tls", scalar(r, &c.TLS, parseTLS)},
		{"system_id", scalar(r, &c.SystemID, parseLine)},
		{"system_type", scalar(r, &c.SystemType, optional(parseLine))},
		{"parts", scalar(r, &c.Parts, oneOf([]string{"udh", "sar"}))},
		{"window", r.number(&c.Window, 1, 1000)},
	}
}

func parseHostPort(s string) (string, *complaint) {
	host, port, err := net.SplitHostPort(s)
	if _, wrong := parseHost(host); err != nil || wrong != nil || port == "" {
		return "", sorry("config.host_port", shorten(s))
	}
	return s, nil
}

// parseTLS takes the words of the mail servers; the protocol knows no STARTTLS.
func parseTLS(s string) (bool, *complaint) {
	switch s {
	case "tls":
		return true, nil
	case "none":
		return false, nil
	}
	return false, sorry("config.choice", shorten(s), "tls, none")
}

// smpp are the options of an entry; what depends on the running product is added
// by its maker.
func (g GatewayConfig) smpp() smpp.Options {
	return smpp.Options{
		Name: g.Name, Addr: g.SMPP.Addr, TLS: g.SMPP.TLS, SystemID: g.SMPP.SystemID, SystemType: g.SMPP.SystemType, SAR: g.SMPP.Parts == "sar",
		Window: g.SMPP.Window, From: g.From, Rate: g.Rate, Burst: g.Burst, Timeout: g.Timeout,
		Price: channel.Price{Each: g.Price, Currency: cmp.Or(g.Currency, "EUR")}, Now: clock.System{}.Now,
	}
}

// smppAdapter is the way over a message centre.
func (a *App) smppAdapter(kind channel.Kind, g GatewayConfig) (channel.Adapter, error) {
	o := g.smpp()
	o.DialContext, o.Now, o.Log, o.Secret = a.o.Dial, a.o.Clock.Now, a.o.Log.With("room", "channel"), g.Secret.Reveal
	key := g.key(kind)
	holds := func(c *Config) (found bool) {
		c.eachGateway(func(k channel.Kind, other GatewayConfig) { found = found || other.key(k) == key })
		return found
	}
	o.Reported = func(ctx context.Context, r channel.Report) error {
		return a.eachTownWith(ctx, holds, func(ctx context.Context) error { return a.channel.Report(ctx, g.Name, r) })
	}
	o.Replied = func(ctx context.Context, r channel.Reply) error {
		return a.eachTownWith(ctx, holds, func(ctx context.Context) error { return a.channel.Answered(ctx, g.Name, r.ID, r.From, r.Text) })
	}
	return smpp.New(o)
}

// eachTownWith acts for every town whose file holds the entry: a line knows its
// entry and no town.
func (a *App) eachTownWith(ctx context.Context, holds func(c *Config) bool, act func(ctx context.Context) error) error {
	towns, err := a.identity.Tenants(ident.AcrossTenants(ctx))
	if err != nil {
		return err
	}
	all := a.configs()
	for _, t := range towns {
		ctx := ident.WithActor(ident.WithTenant(ctx, t.ID), ident.System)
		if c := a.configIn(ctx, all); c != nil && holds(c) {
			err = errors.Join(err, act(ctx))
		}
	}
	return err
}

// place is where an entry leads, as an address; nil where it leads nowhere.
func (g GatewayConfig) place() *url.URL {
	switch g.Kind {
	case gammu:
		return nil // it stands in the house by intention, and needs no line
	case smppKind:
		u := &url.URL{Scheme: "http", Host: g.SMPP.Addr}
		if g.SMPP.TLS {
			u.Scheme = "https"
		}
		return u
	case trunk:
		at, err := voice.ParseServer(g.URL)
		if err != nil {
			return nil
		}
		return &url.URL{Scheme: "sip", Host: net.JoinHostPort(at.Host, strconv.Itoa(cmp.Or(at.Port, 5060)))}
	}
	u, err := url.Parse(gateway.Fill(cmp.Or(g.URL, gateway.Host(g.Kind)), gateway.Query, gateway.Values{User: "u"}))
	if err != nil {
		return nil
	}
	return u
}

// Start opens the lines that stay open; those of a configuration that is read
// later follow.
func (w *ways) Start(ctx context.Context) error {
	w.mu.Lock()
	w.run, w.lines = context.WithoutCancel(ctx), map[channel.Line]bool{}
	w.mu.Unlock()
	w.follow()
	return nil
}

// Stop says goodbye on every line, and ends all calls.
func (w *ways) Stop() {
	w.mu.Lock()
	lines := w.lines
	w.run, w.lines = nil, nil
	w.mu.Unlock()
	for l := range lines {
		l.Stop()
	}
	w.hangUp()
}

// follow starts the lines that the files name now, and ends those that they name
// no more. A line may be handing in what it heard, so w.mu is free meanwhile.
func (w *ways) follow() {
	w.mu.Lock()
	if w.run == nil || w.app.o.Simulated {
		w.mu.Unlock()
		return
	}
	wanted := map[channel.Line]bool{}
	for _, c := range w.app.configs() {
		for _, a := range slices.Concat(w.gatewayAdapters(c), w.messengerAdapters(c)) {
			if l, ok := a.(channel.Line); ok {
				wanted[l] = true
			}
		}
	}
	var over []channel.Line
	for l := range w.lines {
		if !wanted[l] {
			over = append(over, l)
			delete(w.lines, l)
		}
	}
	w.mu.Unlock()
	for _, l := range over {
		l.Stop() // first: a centre may allow one line at a time
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := range wanted {
		if w.run != nil && !w.lines[l] {
			w.lines[l] = true
			l.Start(w.run)
		}
	}
}
