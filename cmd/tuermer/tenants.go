package main

import (
	"fmt"
	"text/tabwriter"

	"tuermer/internal/app"
)

// tenantAddCmd is `tuermer tenant add`.
type tenantAddCmd struct {
	Slug      string `arg:"" help:"${arg_slug}"`
	Name      string `required:"" help:"${flag_town_name}" placeholder:"NAME"`
	StaffURL  string `help:"${flag_staff_url}" placeholder:"https://…"`
	PublicURL string `help:"${flag_public_url}" placeholder:"https://…"`
	Land      string `help:"${flag_land}" placeholder:"HE"`
	Timezone  string `help:"${flag_timezone}" placeholder:"Europe/Berlin"`
	Language  string `help:"${flag_language}" placeholder:"de|en"`
}

// Run settles one more town.
func (c tenantAddCmd) Run(s *session) error {
	if !app.ValidSlug(c.Slug) {
		return errUsage{s.text("cli.bad_slug", c.Slug)}
	}
	for _, u := range []string{c.StaffURL, c.PublicURL} {
		if u != "" && !app.ValidOrigin(u) {
			return errUsage{s.text("cli.bad_origin", u)}
		}
	}
	settings, err := s.settings()
	if err != nil {
		return err
	}
	err = s.app.AddTenant(s.ctx, settings, app.NewTenant{
		Slug: c.Slug, Name: c.Name, StaffURL: c.StaffURL, PublicURL: c.PublicURL, Land: c.Land, Zone: c.Timezone, Language: c.Language,
	})
	if err != nil {
		return err
	}
	s.note("cli.tenant_added", c.Name, c.Slug)
	return nil
}

// tenantListCmd is `tuermer tenant list`.
type tenantListCmd struct{}

// Run prints a line for each town.
func (tenantListCmd) Run(s *session) error {
	settings, err := s.settings()
	if err != nil {
		return err
	}
	towns, err := s.app.Tenants(s.ctx, settings)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	for _, t := range towns {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.Slug, t.Name, t.StaffURL, t.PublicURL)
	}
	return w.Flush()
}

// tenantRenameCmd is `tuermer tenant rename`.
type tenantRenameCmd struct {
	Old string `arg:"" help:"${arg_old_slug}"`
	New string `arg:"" help:"${arg_new_slug}"`
}

// Run gives a town another slug.
func (c tenantRenameCmd) Run(s *session) error {
	if !app.ValidSlug(c.New) {
		return errUsage{s.text("cli.bad_slug", c.New)}
	}
	settings, err := s.settings()
	if err != nil {
		return err
	}
	if err := s.app.RenameTenant(s.ctx, settings, c.Old, c.New); err != nil {
		return err
	}
	s.note("cli.tenant_renamed", c.Old, c.New)
	return nil
}
