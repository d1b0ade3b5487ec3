package main

import (
	"fmt"
	"slices"
	"strings"

	"tuermer/internal/app"
)

// importCmd is `tuermer import`.
type importCmd struct {
	Program string `arg:"" help:"${arg_program}"`
	File    string `arg:"" help:"${arg_import_file}"`
	DryRun  bool   `help:"${flag_dry_run}"`
}

// Run takes monitors of another program over and says what became of each.
func (c importCmd) Run(s *session) error {
	if known := app.ImportFormats(); !slices.Contains(known, c.Program) {
		return errUsage{s.text("cli.bad_program", c.Program, strings.Join(known, ", "))}
	}
	settings, err := s.settings()
	if err != nil {
		return err
	}
	report, err := s.app.Import(s.ctx, settings, c.Program, c.File, c.DryRun)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(s.stdout, report)
	return err
}

// tenantNetworksCmd is `tuermer tenant networks`.
type tenantNetworksCmd struct {
	Networks []string `arg:"" optional:"" help:"${arg_networks}"`
	Tenant   string   `help:"${flag_tenant_slug}" placeholder:"${ph_slug}"`
	Reset    bool     `help:"${flag_reset_networks}"`
}

// Run prints where the checks that a town's people enter may go, one line each.
func (c tenantNetworksCmd) Run(s *session) error {
	if c.Reset && len(c.Networks) > 0 {
		return errUsage{s.text("cli.reset_alone")}
	}
	settings, err := s.settings()
	if err != nil {
		return err
	}
	now, err := s.app.TownNetworks(s.ctx, settings, c.Tenant, c.Networks, c.Reset)
	if err != nil {
		return err
	}
	for _, n := range now {
		fmt.Fprintln(s.stdout, n)
	}
	return nil
}
