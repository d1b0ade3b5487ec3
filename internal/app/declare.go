package app

import (
	"context"
	"fmt"
	"net/url"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
)

// Declare brings the rooms into line with the configurations, as the system.
// Without one it only makes sure that there is a town to sign in to.
func (a *App) Declare(ctx context.Context) error {
	ctx = ident.WithActor(ctx, ident.System)
	return a.declare(ctx, a.configs())
}

func (a *App) declare(ctx context.Context, configs []*Config) error {
	all, err := a.identity.Tenants(ident.AcrossTenants(ctx))
	if err != nil {
		return err
	}
	fresh := len(all) == 0
	for i, c := range configs {
		t, err := a.declareTown(ctx, c, fresh && i > 0)
		if err != nil {
			return fmt.Errorf("app: declare town: %w", err)
		}
		if i == 0 {
			a.town.set(t.ID)
		}
		if err := a.declareRooms(ident.WithTenant(ctx, t.ID), c); err != nil {
			return fmt.Errorf("app: declare %s: %w", t.Slug, err)
		}
	}
	return nil
}

// configOf is the configuration of the town in ctx, nil where it has none.
func (a *App) configOf(ctx context.Context) *Config { return a.configIn(ctx, a.configs()) }

func (a *App) configIn(ctx context.Context, all []*Config) *Config {
	t, err := a.identity.Current(ctx)
	if err != nil {
		return nil
	}
	for _, c := range all {
		if c.Town.Slug == t.Slug {
			return c
		}
	}
	if c := all[0]; c.Town.Slug == "" && (a.town.id() == "" || a.town.id() == t.ID) {
		return c // a file without a town speaks of the first one
	}
	return nil
}

func (a *App) declareRooms(ctx context.Context, c *Config) error {
	if c.Town.Slug == "" && len(c.People) == 0 && len(c.Services) == 0 && len(c.Monitors) == 0 {
		return nil // no file: everything lives in the console
	}
	if err := a.identity.Declare(ctx, people(c.People)); err != nil {
		return fmt.Errorf("people: %w", err)
	}
	if err := a.declareRule(ctx, c); err != nil {
		return fmt.Errorf("second factor: %w", err)
	}
	if err := a.service.Declare(ctx, services(c.Services)); err != nil {
		return fmt.Errorf("services: %w", err)
	}
	if err := a.plan.Declare(ctx, audiences(c.Audiences)); err != nil {
		return fmt.Errorf("audiences: %w", err)
	}
	if err := a.roster.Declare(ctx, rosters(c.Rosters), holidays(c.Holidays)); err != nil {
		return fmt.Errorf("rosters: %w", err)
	}
	if err := a.chain.Declare(ctx, chains(c.Escalations)); err != nil {
		return fmt.Errorf("escalations: %w", err)
	}
	// What is kept in memory follows the commit, see [Store.AfterCommit].
	a.store.AfterCommit(ctx, func() {
		a.monitor.DeclareKeeping(ctx, monitor.Keep{Results: c.History.Results, Figures: c.History.Figures})
	})
	if err := a.monitor.Declare(ctx, monitors(c.Monitors)); err != nil {
		return fmt.Errorf("monitors: %w", err)
	}
	return nil
}

// declareTown makes the town of a configuration, or a nameless one where there
// is none yet. In a fresh install every file founds its town; later a town that
// the data does not know is refused, see [identity.Room.DeclareTenant].
func (a *App) declareTown(ctx context.Context, c *Config, fresh bool) (identity.Tenant, error) {
	if c.Town.Slug == "" {
		all, err := a.identity.Tenants(ident.AcrossTenants(ctx))
		if err != nil {
			return identity.Tenant{}, err
		}
		if len(all) > 0 {
			return all[0], nil
		}
		return a.identity.DeclareTenant(ctx, identity.Tenant{
			Slug: identity.Placeholder, Name: "Kommune", Zone: "Europe/Berlin", Language: "de",
			StaffURL: a.url(c.URLs.Staff, a.staffAddr), PublicURL: a.url(c.URLs.Public, a.publicAddr),
		})
	}
	t := identity.Tenant{
		Slug: c.Town.Slug, Name: c.Town.Name, Domains: c.Town.Domains, Networks: c.Town.Networks, ProbeNetworks: c.Town.ProbeNetworks, Land: c.Town.Land,
		Zone: c.Town.Timezone, Language: c.Town.Language,
		StaffURL: a.url(c.URLs.Staff, a.staffAddr), PublicURL: a.url(c.URLs.Public, a.publicAddr),
	}
	for _, u := range []string{c.URLs.Staff, c.URLs.Public} {
		if parsed, err := url.Parse(u); err == nil && parsed.Hostname() != "" {
			t.Hosts = append(t.Hosts, parsed.Hostname())
		}
	}
	if fresh {
		return a.identity.AddTenant(ctx, t)
	}
	return a.identity.DeclareTenant(ctx, t)
}

// scheme is how our own listeners are asked.
func (a *App) scheme() string {
	if a.o.ownTLS() {
		return "https://"
	}
	return "http://"
}

// url is the configured address, or the listener's own.
func (a *App) url(configured, addr string) string {
	if configured != "" || addr == "" {
		return configured
	}
	return a.scheme() + addr
}

func people(in []PersonConfig) []identity.Person {
	out := make([]identity.Person, len(in))
	for i, p := range in {
		out[i] = identity.Person{Name: p.Name, Email: p.Email, Alternative: p.Alternative, Mobile: p.Mobile, Chat: p.Chat}
		for _, role := range p.Roles {
			out[i].Roles = append(out[i].Roles, identity.Role(role))
		}
	}
	return out
}

func services(in []ServiceConfig) []service.Service {
	out := make([]service.Service, len(in))
	for i, s := range in {
		out[i] = service.Service{
			Slug: s.Slug, Name: s.Name, Article: s.Article, Dative: s.Dative, Accusative: s.Accusative, Short: s.Short,
			NameEN: s.NameEN, NameLS: s.NameLS, Public: s.Public, Owner: s.Owner,
			Workaround: service.Workaround{Text: s.Workaround, Short: s.WorkaroundShort, TextEN: s.WorkaroundEN},
			DependsOn:  s.DependsOn, Audiences: s.Audiences, AutoPublic: service.AutoPublic(s.AutoPublic),
			Provider: service.Provider(s.Provider), FirstSteps: s.FirstSteps,
		}
	}
	return out
}

func audiences(in []AudienceConfig) []plan.Audience {
	out := make([]plan.Audience, len(in))
	for i, x := range in {
		out[i] = plan.Audience{Slug: x.Slug, Kind: plan.Kind(x.Kind), Name: x.Name, Recipients: x.Recipients}
	}
	return out
}
