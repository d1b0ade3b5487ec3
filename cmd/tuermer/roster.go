package main

import (
	"context"

	"tuermer/internal/app"
)

// rosters is what the commands for duty rosters ask of internal/app.
type rosters interface {
	// RosterCoverage prints which part of the time a roster covers.
	RosterCoverage(ctx context.Context, s app.Settings, slug, land string, year int, asJSON bool) error
	// RosterShow prints the shifts from a day up to another.
	RosterShow(ctx context.Context, s app.Settings, slug, from, to string, asJSON bool) error
	// RosterImport shows what a calendar would change, or takes it.
	RosterImport(ctx context.Context, s app.Settings, slug, file string, take bool) error
}

// rosterCmd is `tuermer roster`.
type rosterCmd struct {
	Coverage rosterCoverageCmd `cmd:"" help:"${cmd_roster_coverage}"`
	Show     rosterShowCmd     `cmd:"" help:"${cmd_roster_show}"`
	Import   rosterImportCmd   `cmd:"" help:"${cmd_roster_import}"`
}

type rosterCoverageCmd struct {
	inTown
	Roster string `required:"" help:"${flag_roster}" placeholder:"${ph_slug}"`
	Land   string `help:"${flag_roster_land}" placeholder:"HE"`
	Year   int    `help:"${flag_roster_year}" placeholder:"2027"`
	JSON   bool   `name:"json" help:"${flag_json}"`
}

// Run prints the ordinary week and the year with its holidays.
func (c rosterCoverageCmd) Run(s *session) error {
	settings, err := c.settings(s)
	if err != nil {
		return err
	}
	return s.app.RosterCoverage(s.ctx, settings, c.Roster, c.Land, c.Year, c.JSON)
}

type rosterShowCmd struct {
	inTown
	Roster string `required:"" help:"${flag_roster}" placeholder:"${ph_slug}"`
	From   string `help:"${flag_roster_from}" placeholder:"2027-05-24"`
	To     string `help:"${flag_roster_to}" placeholder:"2027-05-31"`
	JSON   bool   `name:"json" help:"${flag_json}"`
}

// Run prints the shifts.
func (c rosterShowCmd) Run(s *session) error {
	settings, err := c.settings(s)
	if err != nil {
		return err
	}
	return s.app.RosterShow(s.ctx, settings, c.Roster, c.From, c.To, c.JSON)
}

type rosterImportCmd struct {
	inTown
	Roster string `required:"" help:"${flag_roster}" placeholder:"${ph_slug}"`
	Take   bool   `help:"${flag_roster_take}"`
	File   string `arg:"" help:"${arg_calendar}"`
}

// Run prints what becomes of a calendar.
func (c rosterImportCmd) Run(s *session) error {
	settings, err := c.settings(s)
	if err != nil {
		return err
	}
	return s.app.RosterImport(s.ctx, settings, c.Roster, c.File, c.Take)
}
