package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"tuermer/internal/platform/clock"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/messenger"
	"tuermer/internal/town/channel/webhook"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/papers"
)

// MessengerConfig is one account from which people are reached in their messenger.
type MessengerConfig struct {
	Name       string
	Kind       string // signal, threema, matrix or ntfy
	URL        string
	From       string
	SecretFile string
	SecretEnv  string
	Secret     Secret // content of SecretFile, read by [LoadConfig]
}

func messengerKinds() (out []string) {
	for _, f := range messenger.Forms() {
		out = append(out, string(f))
	}
	return out
}

func (r *configReader) messenger(m *MessengerConfig) setter {
	return r.object(2,
		field{"name", scalar(r, &m.Name, parseLine)},
		field{"kind", scalar(r, &m.Kind, oneOf(messengerKinds()))},
		field{"url", scalar(r, &m.URL, parseWeb)},
		field{"from", scalar(r, &m.From, parseLine)},
		field{"secret_file", scalar(r, &m.SecretFile, optional(parseLine))},
		field{"secret_env", scalar(r, &m.SecretEnv, optional(parseLine))},
	)
}

func parseChat(s string) (string, *complaint) {
	to, ok := identity.ChatAddress(s)
	if !ok {
		return "", sorry("config.chat", shorten(s))
	}
	return to, nil
}

func (m MessengerConfig) options() messenger.Options {
	return messenger.Options{Name: m.Name, Form: channel.Form(m.Kind), URL: m.URL, From: m.From, Now: clock.System{}.Now, Secret: m.Secret.Reveal}
}

// checkMessengers refuses an entry that could never write to anybody.
func (r *configReader) checkMessengers(c *Config) {
	unique(r, c.Messengers, "messengers", "name", func(m MessengerConfig) string { return m.Name })
	for i, m := range c.Messengers {
		path := fmt.Sprintf("messengers[%d]", i)
		if r.tainted[path] {
			continue
		}
		if _, err := messenger.New(m.options()); err != nil {
			r.refuse(r.where(path), path, "config.messenger", m.Name)
		}
	}
}

// warnMessengers names accounts that cannot be written from, and addresses of
// people that no entry leads to.
func (r *configReader) warnMessengers(c *Config, note func(string, string, ...any)) {
	known := map[string]bool{}
	for i, m := range c.Messengers {
		known[m.Kind] = true
		if channel.Form(m.Kind).NeedsSecret() && m.SecretFile == "" && m.SecretEnv == "" {
			note(fmt.Sprintf("messengers[%d]", i), "config.warn_gateway_secret", m.Name)
		}
	}
	for i, p := range c.People {
		if kind, _, _ := strings.Cut(p.Chat, ":"); kind != "" && !known[kind] {
			note(fmt.Sprintf("people[%d].chat", i), "config.warn_chat", p.Name, kind)
		}
	}
}

// key is all that the entry says.
func (m MessengerConfig) key() string {
	all, err := json.Marshal(m)
	if err != nil {
		return "" // of texts there is no such error
	}
	return string(channel.Chat) + string(all)
}

// messengerAdapters are the accounts of one file, in its order; w.mu is held, or
// nobody else knows w.
func (w *ways) messengerAdapters(c *Config) []channel.Adapter {
	var out []channel.Adapter
	for _, m := range c.Messengers {
		made, ok := w.gates[m.key()]
		if !ok {
			var err error
			if made, err = w.app.messengerAdapter(m); err != nil {
				w.app.log.Error("a messenger is left out", "route", m.Name, "err", err)
				continue
			}
			w.gates[m.key()] = made
		}
		out = append(out, made)
	}
	return out
}

func (a *App) messengerAdapter(m MessengerConfig) (channel.Adapter, error) {
	o, agent := m.options(), "Tuermer/"+a.o.Version
	rooms, err := webhook.New(webhook.Options{Name: m.Name, DialContext: a.o.Dial, Now: a.o.Clock.Now, UserAgent: agent})
	if err != nil {
		return nil, err
	}
	o.Rooms, o.DialContext, o.Now, o.UserAgent, o.Log = rooms, a.o.Dial, a.o.Clock.Now, agent, a.o.Log.With("room", "channel")
	key := m.key()
	holds := func(c *Config) bool {
		for _, other := range c.Messengers {
			if other.key() == key {
				return true
			}
		}
		return false
	}
	o.Reported = func(ctx context.Context, r channel.Report) error {
		return a.eachTownWith(ctx, holds, func(ctx context.Context) error { return a.channel.Report(ctx, m.Name, r) })
	}
	o.Replied = func(ctx context.Context, r channel.Reply) error {
		return a.eachTownWith(ctx, holds, func(ctx context.Context) error { return a.channel.Answered(ctx, m.Name, r.ID, r.From, r.Text) })
	}
	return messenger.New(o)
}

// leadsTo tells whether the town in ctx can write to the address.
func (a *App) leadsTo(ctx context.Context, k channel.Kind, to string) bool {
	return a.channel.Leads(ctx, channel.Live, k, to)
}

// place is where an account's server stands.
func (m MessengerConfig) place() string {
	if m.URL == "" && m.Kind == string(channel.Threema) {
		return messenger.ThreemaURL
	}
	return m.URL
}

// messengerHosts are where addresses and texts go, for the papers.
func messengerHosts(c *Config) (out []papers.Way) {
	for _, m := range c.Messengers {
		if u, err := url.Parse(m.place()); err == nil && u.Hostname() != "" {
			out = append(out, papers.Way{Name: m.Name, Host: u.Hostname()})
		}
	}
	return out
}
