package app

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/mail"
	"tuermer/internal/town/channel/simulated"
	"tuermer/internal/town/channel/webhook"
	"tuermer/internal/town/identity"
)

// Lookup answers DNS questions; *net.Resolver is one.
type Lookup = identity.Resolver

func newID(c clock.Clock) string { return ident.NewID(c.Now()) }

// ways are the adapters of all towns. Those of the configuration are built
// once; those of a town's console are built when they are first asked for and
// again after a change.
type ways struct {
	app   *App
	fixed []channel.Adapter

	mu    sync.Mutex
	towns map[ident.Tenant][]channel.Adapter
}

func (a *App) newWays() *ways {
	w := &ways{app: a, fixed: a.drillAdapters(), towns: map[ident.Tenant][]channel.Adapter{}}
	if a.o.Simulated {
		w.fixed = append(w.fixed, a.simulatedAdapters(channel.Live, everyKind...)...)
	} else {
		w.fixed = append(w.fixed, a.realAdapters()...)
		w.fixed = append(w.fixed, a.simulatedAdapters(channel.Live, channel.Post)...)
	}
	return w
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
	if w.app.o.Simulated || t == "" {
		return w.fixed
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	own, ok := w.towns[t]
	if !ok {
		relays, err := w.app.channel.Relays(ctx)
		if err != nil {
			w.app.log.ErrorContext(ctx, "mail servers of the console cannot be read", "tenant", t, "err", err)
			return w.fixed
		}
		for _, m := range relays {
			o := w.app.mailOptions(SMTPConfig{Name: m.Name, Host: m.Host, Port: m.Port, From: m.From, Username: m.Username, TLS: m.TLS, Password: Secret(m.Password)})
			adapter, err := mail.New(o)
			if err != nil {
				w.app.log.ErrorContext(ctx, "mail route is left out", "tenant", t, "route", m.Name, "err", err)
				continue
			}
			own = append(own, adapter)
		}
		w.towns[t] = own
	}
	return append(slices.Clone(w.fixed), own...)
}

// drillAdapters carry what belongs to exercises: nowhere (I4).
func (a *App) drillAdapters() []channel.Adapter {
	return a.simulatedAdapters(channel.Exercise, everyKind...)
}

var everyKind = []channel.Kind{channel.Mail, channel.Webhook, channel.Post}

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

func (a *App) realAdapters() []channel.Adapter {
	var out []channel.Adapter
	for _, s := range a.o.Config.SMTP {
		m, err := mail.New(a.mailOptions(s))
		if err != nil {
			a.log.Error("mail route is left out", "route", s.Name, "err", err)
			continue
		}
		out = append(out, m)
	}
	// Webhook targets are the operator's word and may lie anywhere.
	h, err := webhook.New(webhook.Options{
		Name: "webhook", DialContext: a.o.Dial, Now: a.o.Clock.Now, UserAgent: "Tuermer/" + a.o.Version,
		Allow: func(netip.AddrPort) error { return nil },
	})
	if err != nil {
		a.log.Error("webhooks are left out", "err", err)
		return out
	}
	return append(out, h)
}

func (a *App) mailOptions(s SMTPConfig) mail.Options {
	o := mail.Options{
		Name: s.Name, Host: s.Host, Port: s.Port, From: s.From, FromName: a.o.Config.Town.Name,
		Username: s.Username, TLS: mail.TLS(s.TLS), DialContext: a.o.Dial, Now: a.o.Clock.Now,
	}
	// One domain in all Message-IDs keeps a thread together over routes.
	if len(a.o.Config.SMTP) > 0 {
		if _, domain, ok := cutLast(a.o.Config.SMTP[0].From, '@'); ok {
			o.IDDomain = domain
		}
	}
	if s.Username != "" {
		o.Password = func() ([]byte, error) { return []byte(s.Password.Reveal()), nil }
	}
	return o
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == sep {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}
