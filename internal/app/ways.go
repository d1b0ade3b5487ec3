package app

import (
	"context"
	"fmt"
	"net/netip"

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

// adapters builds the ways out once; a route that cannot work is said in the
// log and left out, so that the others still do.
func (a *App) adapters() func(context.Context) []channel.Adapter {
	all := a.drillAdapters()
	if a.o.Simulated {
		all = append(all, a.simulatedAdapters(channel.Live)...)
	} else {
		all = append(all, a.realAdapters()...)
	}
	return func(context.Context) []channel.Adapter { return all }
}

// drillAdapters carry what belongs to exercises: nowhere (I4).
func (a *App) drillAdapters() []channel.Adapter { return a.simulatedAdapters(channel.Exercise) }

func (a *App) simulatedAdapters(realm channel.Realm) []channel.Adapter {
	var out []channel.Adapter
	for _, kind := range []channel.Kind{channel.Mail, channel.Webhook} {
		s, err := simulated.New(simulated.Options{
			Name: fmt.Sprintf("simulated-%s", kind), Kind: kind, Realm: realm,
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
		o.Password = func() ([]byte, error) { return []byte(string(s.Password)), nil }
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
