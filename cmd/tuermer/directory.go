package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// directorySyncCmd is `tuermer directory sync`.
type directorySyncCmd struct {
	inTown
	DryRun  bool   `help:"${flag_sync_dry}"`
	Confirm string `help:"${flag_sync_confirm}" placeholder:"${ph_mark}"`
}

// Run prints every difference between the town's directory and the people here,
// and carries it out unless told otherwise.
func (c directorySyncCmd) Run(s *session) error {
	if c.DryRun && c.Confirm != "" {
		return errUsage{s.text("cli.sync_either")}
	}
	settings, err := c.settings(s)
	if err != nil {
		return err
	}
	r, err := s.app.SyncDirectory(s.ctx, settings, c.DryRun, c.Confirm)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	for _, l := range r.Lines {
		fmt.Fprintln(w, strings.TrimRight(strings.Join([]string{l.Move, l.Name, l.Email, l.What}, "\t"), "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	s.note("cli.sync_counts", r.Found, r.Same, len(r.Lines))
	if r.Waiting > 0 {
		s.note("cli.sync_waiting", r.Waiting, r.Mark)
	}
	return nil
}
