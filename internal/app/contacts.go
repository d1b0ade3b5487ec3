package app

import (
	"context"
	"net/netip"

	"tuermer/internal/notice/pulse"
	"tuermer/internal/platform/depot"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/contact"
)

// contactPoints gathers everything on which an alarm of the town in ctx depends,
// or what its citizens read. A new way out is told by one line more.
func (a *App) contactPoints(ctx context.Context) ([]contact.Point, error) {
	t, err := a.identity.Current(ctx)
	if err != nil {
		return nil, err
	}
	var out []contact.Point
	add := func(k contact.Kind, name, address string) {
		p := contact.Point{Kind: k, Name: name, Host: contact.HostOf(address)}
		if contact.Home(p.Host) {
			p.Addrs = a.ownAddresses()
		}
		out = append(out, p)
	}
	out = append(out, contact.Point{Kind: contact.Machine, Addrs: a.ownAddresses()})
	if t.StaffURL != "" {
		add(contact.Console, contact.HostOf(t.StaffURL), t.StaffURL)
	}
	if t.PublicURL != "" {
		add(contact.Public, contact.HostOf(t.PublicURL), t.PublicURL)
	}
	people, err := a.personPoints(ctx)
	if err != nil {
		return nil, err
	}
	out = append(out, people...)

	c := a.configOf(ctx)
	if c == nil {
		c = &Config{} // the town stands in no file
	}
	for _, s := range c.SMTP {
		add(contact.Mail, s.Name, s.Host)
	}
	relays, err := a.channel.Relays(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range relays {
		add(contact.Mail, s.Name, s.Host)
	}
	for kind, list := range map[contact.Kind][]GatewayConfig{contact.SMS: c.SMS, contact.Voice: c.Voice} {
		for _, g := range list {
			if g.Kind == gammu {
				out = append(out, contact.Point{Kind: kind, Name: g.Name, Addrs: a.ownAddresses(), Remark: "contact.remark_modem"})
				continue
			}
			if u := g.place(); u != nil {
				add(kind, g.Name, u.String())
			}
		}
	}
	pushed, err := a.channel.PushHosts(ctx)
	if err != nil {
		return nil, err
	}
	for _, host := range pushed {
		add(contact.Push, host, host)
	}
	for _, m := range c.Messengers {
		add(contact.Messenger, m.Name, m.place())
	}
	hooks, err := a.listeners(ctx)
	if err != nil {
		return nil, err
	}
	for _, h := range hooks {
		add(contact.Webhook, h.Name, h.URL)
	}
	if c.SignIn.OIDC.Issuer != "" {
		add(contact.SignIn, c.SignIn.OIDC.Name, c.SignIn.OIDC.Issuer)
	}
	if c.Directory.URL != "" {
		add(contact.Directory, contact.HostOf(c.Directory.URL), c.Directory.URL)
	}
	for _, x := range c.Twin.Targets {
		if host := contact.HostOf(x.URL); host != x.URL {
			add(contact.Twin, x.Name, x.URL)
		} else if x.View != "" {
			add(contact.Twin, x.Name, x.View)
		} else {
			out = append(out, contact.Point{Kind: contact.Twin, Name: x.Name, Remark: "contact.remark_folder"})
		}
	}
	for _, h := range a.watchers(ctx) {
		add(contact.Watcher, h.Name, h.URL)
	}
	if c.Database != "" {
		add(contact.Database, contact.HostOf(c.Database), c.Database)
	}
	b, _ := backupConfig(a.configs())
	if len(b.To) > 0 {
		out = append(out, contact.Point{Kind: contact.Backup, Remark: "contact.remark_backup"})
	}
	for _, x := range b.Replica.Targets {
		if x.kind() == depot.Directory {
			out = append(out, contact.Point{Kind: contact.Backup, Name: x.Name, Remark: "contact.remark_folder"})
		} else {
			add(contact.Backup, x.Name, x.URL)
		}
	}
	return out, nil
}

// waysFall are the kinds of message whose every carrier falls together with the town.
func (a *App) waysFall(ctx context.Context) (map[channel.Kind]bool, error) {
	falls, err := a.contact.Falls(ctx)
	return map[channel.Kind]bool{
		channel.Mail: falls[contact.Mail], channel.SMS: falls[contact.SMS], channel.Voice: falls[contact.Voice], channel.Push: falls[contact.Push],
	}, err
}

// ownAddresses are those of this machine.
func (a *App) ownAddresses() []netip.Addr {
	look := a.o.Facts
	if look == nil {
		look = pulse.ReadFacts
	}
	return look().Hosts
}

// personPoints are the second addresses of all who are alarmed; room identity has
// looked at them.
func (a *App) personPoints(ctx context.Context) ([]contact.Point, error) {
	people, err := a.identity.Alarmed(ctx)
	if err != nil {
		return nil, err
	}
	var out []contact.Point
	for _, p := range people {
		at := p.CheckedAt
		if at.IsZero() && len(p.Found) > 0 {
			at = p.CreatedAt // rules need no look
		}
		out = append(out, contact.Point{Kind: contact.Person, ID: string(p.ID), Name: p.Name, Host: domain(p.Alternative), Looked: true, Findings: p.Found, At: at})
	}
	return out, nil
}

// domain is the part of an address behind its @.
func domain(address string) string {
	_, d, _ := cutLast(address, '@')
	return d
}

// checkPoints looks at everything else that an alarm depends on: what falls with
// the town is red and fails no check, for other ways may still carry.
func (a *App) checkPoints(ctx context.Context, s Settings) (out []CheckResult, err error) {
	t, err := a.identity.Current(ctx)
	if err != nil {
		return nil, err
	}
	l := a.townLocale(ctx)
	l.Lang = s.Lang
	if len(t.Domains)+len(t.Networks) == 0 {
		return []CheckResult{{What: l.Catalog.Text(l.Lang, "contact.nothing_named"), WayOut: l.Catalog.Text(l.Lang, "contact.do_unknown")}}, nil
	}
	all, err := a.contact.Look(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range all {
		if x.State == contact.Apart || x.Kind == contact.Person || x.Kind == contact.Machine {
			continue // people are looked at afresh, and the machine's place has a sentence of its own
		}
		what, wayOut := x.Say(l)
		out = append(out, CheckResult{Red: x.State == contact.Shared && x.Kind != contact.Directory, What: what, WayOut: wayOut})
	}
	return out, nil
}
