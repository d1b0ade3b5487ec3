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

// Declare brings the rooms into line with the configuration, as the system.
// Without one it only makes sure that there is a town to sign in to.
func (a *App) Declare(ctx context.Context) error {
	ctx = ident.WithActor(ctx, ident.System)
	t, err := a.declareTown(ctx)
	if err != nil {
		return fmt.Errorf("app: declare town: %w", err)
	}
	a.town = t.ID
	if a.o.Config.Town.Slug == "" && len(a.o.Config.People) == 0 && len(a.o.Config.Services) == 0 && len(a.o.Config.Monitors) == 0 {
		return nil // no file: everything lives in the console
	}
	ctx = ident.WithTenant(ctx, t.ID)
	c := a.o.Config
	if err := a.identity.Declare(ctx, people(c.People)); err != nil {
		return fmt.Errorf("app: declare people: %w", err)
	}
	if err := a.service.Declare(ctx, services(c.Services)); err != nil {
		return fmt.Errorf("app: declare services: %w", err)
	}
	if err := a.plan.Declare(ctx, audiences(c.Audiences)); err != nil {
		return fmt.Errorf("app: declare audiences: %w", err)
	}
	a.monitor.DeclareKeeping(ctx, monitor.Keep{Results: c.History.Results, Figures: c.History.Figures})
	if err := a.monitor.Declare(ctx, monitors(c.Monitors)); err != nil {
		return fmt.Errorf("app: declare monitors: %w", err)
	}
	return nil
}

// declareTown makes the town of the configuration, or a nameless one where
// there is none yet.
func (a *App) declareTown(ctx context.Context) (identity.Tenant, error) {
	c := a.o.Config
	if c.Town.Slug == "" {
		all, err := a.identity.Tenants(ident.AcrossTenants(ctx))
		if err != nil {
			return identity.Tenant{}, err
		}
		if len(all) > 0 {
			return all[0], nil
		}
		return a.identity.DeclareTenant(ctx, identity.Tenant{
			Slug: "kommune", Name: "Kommune", Zone: "Europe/Berlin", Language: "de",
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
	return a.identity.DeclareTenant(ctx, t)
}

// url is the configured address, or the listener's own.
func (a *App) url(configured, addr string) string {
	if configured != "" || addr == "" {
		return configured
	}
	return "http://" + addr
}

func people(in []PersonConfig) []identity.Person {
	out := make([]identity.Person, len(in))
	for i, p := range in {
		out[i] = identity.Person{Name: p.Name, Email: p.Email, Alternative: p.Alternative, Mobile: p.Mobile}
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
