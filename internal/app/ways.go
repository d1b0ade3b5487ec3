package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fence"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/mail"
	"tuermer/internal/town/channel/simulated"
	"tuermer/internal/town/channel/voice"
	"tuermer/internal/town/channel/webhook"
	"tuermer/internal/town/identity"
)

// Lookup answers DNS questions; *net.Resolver is one.
type Lookup = identity.Resolver

func newID(c clock.Clock) string { return ident.NewID(c.Now()) }

// ways are the adapters of all towns. A town's mail leaves by the servers of its
// own file, then by those of its console; a town that the install's first file
// does not speak of has that file's servers as its last resort, under its own
// name. Those of files are built once, for they remember what they learned;
// those of a console again after each change.
type ways struct {
	app   *App
	fixed []channel.Adapter // of every town

	mu       sync.Mutex
	house    []channel.Adapter          // mail, short messages and calls of the first file
	gates    map[string]channel.Adapter // gateways of files, by all that they say
	callers  []*voice.Adapter           // all that were ever made: their calls may go on
	built    map[relay]channel.Adapter  // of files, as long as they say the same
	declared map[ident.Tenant]routes
	towns    map[ident.Tenant][]channel.Adapter
	recalled map[ident.Tenant][]rememberedRelay // for when the database is away

	run   context.Context //nolint:containedctx // of the lines, from Start to Stop
	lines map[channel.Line]bool
}

// routes are a town's mail servers by files: before and behind the console's.
type routes struct{ own, last []channel.Adapter }

func (a *App) newWays() *ways {
	w := &ways{app: a, fixed: a.drillAdapters(), built: map[relay]channel.Adapter{}, gates: map[string]channel.Adapter{}, declared: map[ident.Tenant]routes{}, towns: map[ident.Tenant][]channel.Adapter{}}
	if a.o.Simulated {
		w.fixed = append(w.fixed, a.simulatedAdapters(channel.Live, everyKind...)...)
		return w
	}
	w.fixed = append(w.fixed, a.webhookAdapter()...)
	w.fixed = append(w.fixed, a.pushAdapter()...)
	w.fixed = append(w.fixed, a.simulatedAdapters(channel.Live, channel.Post)...)
	w.house = slices.Concat(w.mailAdapters(a.config(), a.config().Town.Name), w.gatewayAdapters(a.config()), w.messengerAdapters(a.config()))
	return w
}

// relay is one mail server of a file, with all that its adapter is made of.
type relay struct {
	SMTPConfig
	domain, name string
}

// reload follows the files. A route of which they say what they said stays the
// one that it was.
func (w *ways) reload(old []*Config) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.app.o.Simulated {
		return
	}
	before := w.built
	w.built = map[relay]channel.Adapter{}
	for _, c := range w.app.configs() {
		for _, s := range c.SMTP {
			for key, adapter := range before {
				if key.SMTPConfig == s && key.domain == idDomain(c) {
					w.built[key] = adapter
				}
			}
		}
	}
	gates := w.gates
	w.gates = map[string]channel.Adapter{}
	for _, c := range w.app.configs() {
		c.eachGateway(func(kind channel.Kind, g GatewayConfig) {
			if made, ok := gates[g.key(kind)]; ok {
				w.gates[g.key(kind)] = made
			}
		})
		for _, m := range c.Messengers {
			if made, ok := gates[m.key()]; ok {
				w.gates[m.key()] = made
			}
		}
	}
	w.house = slices.Concat(w.mailAdapters(w.app.config(), w.app.config().Town.Name), w.gatewayAdapters(w.app.config()), w.messengerAdapters(w.app.config()))
	w.declared = map[ident.Tenant]routes{}
	if idDomain(old[0]) != idDomain(w.app.config()) || old[0].Town.Name != w.app.config().Town.Name {
		w.towns = map[ident.Tenant][]channel.Adapter{} // they carry both
	}
}

// forget makes the next message see the town's ways out as they are now.
func (w *ways) forget(t ident.Tenant) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.towns, t)
}

// of lists the ways out of the tenant in ctx, in order of preference. A way that
// cannot be read is left out: the others still work.
func (w *ways) of(ctx context.Context) []channel.Adapter {
	t := ident.TenantOf(ctx)
	if w.app.o.Simulated {
		return w.fixed
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if t == "" {
		return slices.Concat(w.fixed, w.house)
	}
	files, ok := w.declared[t]
	if !ok {
		files, ok = w.byFiles(ctx)
		if !ok { // nobody knows the town just now; the house still sends
			return slices.Concat(w.fixed, w.house)
		}
		w.declared[t] = files
	}
	var err error
	own, ok := w.towns[t]
	if !ok {
		var relays []channel.Relay
		if w.app.awaySince().IsZero() {
			relays, err = w.app.channel.Relays(ctx)
		} else {
			relays = w.remembered(t)
		}
		if err != nil {
			w.app.log.ErrorContext(ctx, "mail servers of the console cannot be read", "tenant", t, "err", err)
			return slices.Concat(w.fixed, files.own, files.last)
		}
		for _, m := range relays {
			c := SMTPConfig{Name: m.Name, Host: m.Host, Port: m.Port, From: m.From, Username: m.Username, TLS: m.TLS, Password: Secret(m.Password)}
			o := w.app.mailOptions(c, w.app.config(), w.nameOf(ctx))
			o.DialContext = w.app.heldRelay(t).DialContext
			adapter, err := mail.New(o)
			if err != nil {
				w.app.log.ErrorContext(ctx, "mail route is left out", "tenant", t, "route", m.Name, "err", err)
				continue
			}
			own = append(own, adapter)
		}
		w.towns[t] = own
	}
	return slices.Concat(w.fixed, files.own, own, files.last)
}

// byFiles builds the routes that files give the town in ctx.
func (w *ways) byFiles(ctx context.Context) (routes, bool) {
	t, err := w.app.identity.Current(ctx)
	if err != nil {
		return routes{}, false
	}
	all := w.app.configs()
	c := w.app.configIn(ctx, all)
	if c == all[0] {
		return routes{own: w.house}, true
	}
	r := routes{last: w.mailAdapters(all[0], t.Name)}
	if c != nil {
		r.own = slices.Concat(w.mailAdapters(c, t.Name), w.gatewayAdapters(c), w.messengerAdapters(c))
	}
	return r, true
}

// nameOf is the sender's name: the town itself, never its neighbour.
func (w *ways) nameOf(ctx context.Context) string {
	if t, err := w.app.identity.Current(ctx); err == nil {
		return t.Name
	}
	return w.app.config().Town.Name
}

// drillAdapters carry what belongs to exercises: nowhere (I4).
func (a *App) drillAdapters() []channel.Adapter {
	return a.simulatedAdapters(channel.Exercise, everyKind...)
}

var everyKind = []channel.Kind{channel.Mail, channel.Webhook, channel.Post, channel.SMS, channel.Voice, channel.Push, channel.Chat}

// simulatedName is what people read of a simulated route. Posts have no other
// yet, so theirs has a name of its own.
func simulatedName(k channel.Kind) string {
	if k == channel.Post {
		return "probekanal"
	}
	return fmt.Sprintf("simulated-%s", k)
}

func (a *App) simulatedAdapters(realm channel.Realm, kinds ...channel.Kind) []channel.Adapter {
	var out []channel.Adapter
	for _, kind := range kinds {
		s, err := simulated.New(simulated.Options{
			Name: simulatedName(kind), Kind: kind, Realm: realm,
			Record: func(ctx context.Context, m channel.Message) error { return a.channel.RecordSimulated(ctx, m) },
		})
		if err != nil {
			a.log.Error("simulated route is left out", "kind", kind, "err", err)
			continue
		}
		out = append(out, s)
	}
	return out
}

// mailAdapters are the mail servers of one file, sending under a town's name; w.mu
// is held, or nobody else knows w.
func (w *ways) mailAdapters(c *Config, name string) []channel.Adapter {
	var out []channel.Adapter
	for _, s := range c.SMTP {
		key := relay{s, idDomain(c), name}
		m, ok := w.built[key]
		if !ok {
			made, err := mail.New(w.app.mailOptions(s, c, name))
			if err != nil {
				w.app.log.Error("mail route is left out", "route", s.Name, "err", err)
				continue
			}
			m = made
			w.built[key] = m
		}
		out = append(out, m)
	}
	return out
}

func (a *App) webhookAdapter() []channel.Adapter {
	h, err := webhook.New(webhook.Options{
		Name: "webhook", DialContext: a.o.Dial, Now: a.o.Clock.Now, UserAgent: "Tuermer/" + a.o.Version,
		Held: a.held().DialContext,
	})
	if err != nil {
		a.log.Error("webhooks are left out", "err", err)
		return nil
	}
	return []channel.Adapter{h}
}

// held is the way to what a town's people entered: it goes where their checks may
// go, and nowhere else.
func (a *App) held() fence.Dialer {
	return fence.Dialer{Dial: a.o.probeDial, Of: func(ctx context.Context) (fence.List, error) {
		return a.reach(ctx, ident.TenantOf(ctx))
	}}
}

// heldRelay is the way to a mail server that a town's people entered. Where the
// install is one town's own it may stand anywhere, beside us too, as it often
// does; a cloud's metadata are no mail server.
func (a *App) heldRelay(t ident.Tenant) fence.Dialer {
	return fence.Dialer{Dial: a.o.probeDial, Of: func(ctx context.Context) (fence.List, error) {
		all, err := a.identity.Tenants(ident.AcrossTenants(ctx))
		if err != nil || len(all) != 1 {
			l, rerr := a.reach(ctx, t)
			return l, errors.Join(err, rerr)
		}
		return fence.Anywhere(), nil
	}}
}

// mailOptions are those of one server of file, sending under a town's name.
func (a *App) mailOptions(s SMTPConfig, file *Config, name string) mail.Options {
	o := mail.Options{
		Name: s.Name, Host: s.Host, Port: s.Port, From: s.From, FromName: name,
		Username: s.Username, TLS: mail.TLS(s.TLS), DialContext: a.o.Dial, Now: a.o.Clock.Now,
	}
	o.IDDomain = idDomain(file)
	if s.Username != "" {
		o.Password = func() ([]byte, error) { return []byte(s.Password.Reveal()), nil }
	}
	return o
}

// idDomain is the domain in all Message-IDs of a file's routes: one for all keeps a
// thread together over routes. Empty: each route's own.
func idDomain(file *Config) string {
	if len(file.SMTP) > 0 {
		if _, domain, ok := cutLast(file.SMTP[0].From, '@'); ok {
			return domain
		}
	}
	return ""
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == sep {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}
