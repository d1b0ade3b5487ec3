package app

import (
	"context"
	"errors"
	"net/url"

	"tuermer/internal/platform/ident"
	"tuermer/internal/town/identity"
)

// NewTenant is a town to be added from the command line. The rest of it is set
// in its console, or declared in its own file.
type NewTenant struct {
	Slug      string
	Name      string
	StaffURL  string // where its staff reach the console; the host name tells towns apart
	PublicURL string // of its public page
	Land      string
	Zone      string
	Language  string
}

// TenantLine is one town of the install, for the command line.
type TenantLine struct {
	Slug, Name, StaffURL, PublicURL string
}

// AddTenant settles one more town; a running serve knows it within half a
// minute.
func (Commands) AddTenant(ctx context.Context, s Settings, t NewTenant) error {
	return acrossTowns(ctx, s, func(ctx context.Context, a *App) error {
		_, err := a.identity.AddTenant(ctx, identity.Tenant{
			Slug: t.Slug, Name: t.Name, Land: t.Land, Zone: t.Zone, Language: t.Language, StaffURL: t.StaffURL, PublicURL: t.PublicURL,
		})
		return err
	})
}

// Tenants lists the towns of the install, oldest first.
func (Commands) Tenants(ctx context.Context, s Settings) (out []TenantLine, err error) {
	err = acrossTowns(ctx, s, func(ctx context.Context, a *App) error {
		all, err := a.identity.Tenants(ctx)
		for _, t := range all {
			out = append(out, TenantLine{t.Slug, t.Name, t.StaffURL, t.PublicURL})
		}
		return err
	})
	return out, err
}

// RenameTenant gives a town another slug.
func (Commands) RenameTenant(ctx context.Context, s Settings, old, slug string) error {
	return acrossTowns(ctx, s, func(ctx context.Context, a *App) error { return a.identity.RenameTenant(ctx, old, slug) })
}

// acrossTowns opens the data for a command that is about the towns themselves,
// so it declares none: its file may be the one that nobody takes yet.
func acrossTowns(ctx context.Context, s Settings, do func(ctx context.Context, a *App) error) error {
	a, err := New(ctx, s.options())
	if err != nil {
		return explained{err}
	}
	if err = do(ident.AcrossTenants(ident.WithActor(ctx, ident.System)), a); err != nil {
		err = explained{err}
	}
	return errors.Join(err, a.Close())
}

// ValidSlug reports whether s may be the slug of a town.
func ValidSlug(s string) bool {
	_, wrong := parseSlug(s)
	return wrong == nil
}

// ValidOrigin reports whether s is the address of a home page.
func ValidOrigin(s string) bool {
	_, wrong := parseOrigin(s)
	u, err := url.Parse(s)
	return wrong == nil && err == nil && u.Hostname() != ""
}
