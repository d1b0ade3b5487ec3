package app

import (
	"context"
	"crypto/tls"
	"errors"
	"strconv"
	"strings"
	"sync"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/fence"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/push"
	"tuermer/internal/town/identity"
)

// pushes are who the towns are towards push services.
type pushes struct {
	mu   sync.Mutex
	of   map[ident.Tenant]*push.Identity
	seen map[ident.Tenant]string // the address that each one names
}

// pushPurpose names the key in the vault. It is derived from the instance's own:
// made once, the same on every node, and never written anywhere else.
const pushPurpose = "channel.push"

// pushIdentity is who the town in ctx is towards push services.
func (a *App) pushIdentity(ctx context.Context) (*push.Identity, error) {
	t := ident.TenantOf(ctx)
	if t == "" {
		return nil, errors.New("push: no town")
	}
	subject := a.pushSubject(ctx)
	a.pushes.mu.Lock()
	defer a.pushes.mu.Unlock()
	if who, ok := a.pushes.of[t]; ok && a.pushes.seen[t] == subject {
		return who, nil
	}
	who, err := push.NewIdentity(func(try int) []byte {
		return a.vault.Key(pushPurpose + "/" + string(t) + "/" + strconv.Itoa(try))
	}, subject)
	if err != nil {
		return nil, err
	}
	if a.pushes.of == nil {
		a.pushes.of, a.pushes.seen = map[ident.Tenant]*push.Identity{}, map[ident.Tenant]string{}
	}
	a.pushes.of[t], a.pushes.seen[t] = who, subject
	return who, nil
}

// pushSubject is where the makers of browsers ask when something is wrong with our
// messages: the sender of our mail, else the console.
func (a *App) pushSubject(ctx context.Context) string {
	if c := a.configOf(ctx); c != nil && len(c.SMTP) > 0 && strings.Contains(c.SMTP[0].From, "@") {
		return "mailto:" + c.SMTP[0].From
	}
	if url := a.staffURL(ctx); strings.HasPrefix(url, "https://") {
		return url
	}
	return "mailto:" + "postmaster@" + a.host(ctx)
}

// host is the name under which the console stands.
func (a *App) host(ctx context.Context) string {
	_, rest, _ := strings.Cut(a.staffURL(ctx), "://")
	rest, _, _ = strings.Cut(rest, "/")
	name, _, _ := strings.Cut(rest, ":")
	if name == "" {
		return "localhost"
	}
	return name
}

// pushAdapter is the way to the devices of people. Browsers tell us where to, so
// it goes to the Internet alone, or to what the town's list of networks names.
func (a *App) pushAdapter() []channel.Adapter {
	held := fence.Dialer{Dial: a.o.probeDial, Of: func(ctx context.Context) (fence.List, error) {
		l, err := a.reach(ctx, ident.TenantOf(ctx))
		if t, terr := a.identity.Current(ctx); terr != nil || len(t.ProbeNetworks) == 0 {
			l.Private = false
		}
		return l, err
	}}
	var conf *tls.Config
	if a.o.Roots != nil {
		conf = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: a.o.Roots}
	}
	p, err := push.New(push.Options{
		Name: channel.PushRoute, Identity: a.pushIdentity, DialContext: held.DialContext, TLSConfig: conf,
		Now: a.o.Clock.Now, UserAgent: "Tuermer/" + a.o.Version,
		Devices: func(ctx context.Context, person string) ([]channel.Device, error) {
			return a.channel.Pushable(ctx, person)
		},
		Gone:    func(ctx context.Context, d channel.Device) error { return a.channel.LoseDevice(ctx, d) },
		Receipt: func(ctx context.Context, m channel.Message) string { return a.channel.PushReceiptPath(ctx, m) },
		Words: func(_ context.Context, language string) push.Words {
			say := func(key string) string { return a.catalog.Text(i18n.Parse(language), "channel.push_"+key) }
			return push.Words{Take: say("take"), Open: say("open"), Taken: say("taken"), Failed: say("failed")}
		},
	})
	if err != nil {
		a.log.Error("push is left out", "err", err)
		return nil
	}
	return []channel.Adapter{p}
}

// ownAddress is where push reaches a person; empty: nowhere.
func (a *App) ownAddress(ctx context.Context, p identity.Person, w chain.Way) (string, error) {
	if w != chain.Push {
		return "", nil
	}
	ok, err := a.channel.HasDevice(ctx, string(p.ID))
	if err != nil || !ok {
		return "", err
	}
	return string(p.ID), nil
}

// deviceLost writes to a person that one of their devices is reached no more.
func (a *App) deviceLost(ctx context.Context, d channel.Device) error {
	p, err := a.identity.Person(ctx, identity.PersonID(d.Person))
	if err != nil && fault.KindOf(err) == fault.NotFound || err == nil && (p.Blocked || p.Email == "") {
		return nil
	}
	if err != nil {
		return err
	}
	t, err := a.identity.Current(ctx)
	if err != nil {
		return err
	}
	lang := i18n.Parse(p.Language)
	if p.Language == "" {
		lang = i18n.Parse(t.Language)
	}
	return a.channel.Send(ctx, channel.Message{
		ID: "device-" + newID(a.o.Clock), Kind: channel.Mail, Class: channel.Single, Realm: channel.Live, To: p.Email, ToName: p.Name,
		Subject:  a.catalog.Text(lang, "channel.device_lost_subject"),
		Text:     a.catalog.Text(lang, "channel.device_lost_text", p.Name, d.Label, t.StaffURL+"/reach", t.Name),
		Language: string(lang), Automatic: true,
	})
}

// pushKey is what browsers subscribe with. Where everything is simulated nothing is
// pushed, so no browser is made to ask its maker's service.
func (a *App) pushKey(ctx context.Context) (string, error) {
	if a.o.Simulated {
		return "", nil
	}
	who, err := a.pushIdentity(ctx)
	if err != nil {
		return "", err
	}
	return who.Public(), nil
}
