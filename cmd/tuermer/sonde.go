package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"tuermer/internal/app"
)

// sondes is what the commands for remote vantage points ask of internal/app.
type sondes interface {
	// RunSonde looks from this machine for a server elsewhere until ctx ends.
	RunSonde(ctx context.Context, s app.Settings, q app.SondeSettings) error
	// AddSonde and RenewSonde return a one-time token.
	AddSonde(ctx context.Context, s app.Settings, name string) (token string, err error)
	RenewSonde(ctx context.Context, s app.Settings, name string) (token string, err error)
	// RevokeSonde refuses a sonde's key from now on.
	RevokeSonde(ctx context.Context, s app.Settings, name string) error
	// Sondes lists them.
	Sondes(ctx context.Context, s app.Settings) ([]app.SondeLine, error)
}

// sondeCmd is `tuermer sonde`.
type sondeCmd struct {
	Run    sondeRunCmd    `cmd:"" help:"${cmd_sonde_run}"`
	Add    sondeAddCmd    `cmd:"" help:"${cmd_sonde_add}"`
	Renew  sondeRenewCmd  `cmd:"" help:"${cmd_sonde_renew}"`
	Revoke sondeRevokeCmd `cmd:"" help:"${cmd_sonde_revoke}"`
	List   sondeListCmd   `cmd:"" help:"${cmd_sonde_list}"`
}

// sondeRunCmd is `tuermer sonde run`, the one that runs on the other machine.
type sondeRunCmd struct {
	Server   string   `required:"" help:"${flag_server}" placeholder:"https://…"`
	Token    string   `help:"${flag_sonde_token}" placeholder:"CODE"`
	SondeKey string   `help:"${flag_sonde_key}" placeholder:"${ph_file}"`
	CA       string   `name:"ca" help:"${flag_ca}" placeholder:"${ph_file}"`
	Allow    []string `help:"${flag_allow}" placeholder:"CIDR"`
}

// Run looks until the program is told to end. Unless told otherwise its data has
// a folder of its own, so that it never meets the data of a server.
func (c sondeRunCmd) Run(s *session) error {
	if !app.ValidServer(c.Server) {
		return errUsage{s.text("cli.bad_server", c.Server)}
	}
	for _, n := range c.Allow {
		if !app.ValidNetwork(n) {
			return errUsage{s.text("cli.bad_network", n)}
		}
	}
	if s.flags.Data == "" {
		s.flags.Data = filepath.Join(app.DefaultData, "sonde")
	}
	settings, err := s.settings()
	if err != nil {
		return err
	}
	return s.app.RunSonde(s.ctx, settings, app.SondeSettings{
		Server: strings.TrimRight(c.Server, "/"), Token: c.Token, KeyFile: c.SondeKey, CAFile: c.CA, Allow: c.Allow,
	})
}

// sondeName names a sonde, as an argument or as a flag.
type sondeName struct {
	Sonde string `arg:"" optional:"" help:"${arg_sonde}"`
	Name  string `help:"${flag_sonde_name}" placeholder:"NAME"`
}

func (n sondeName) get(s *session) (string, error) {
	switch {
	case n.Sonde != "" && n.Name != "" && n.Sonde != n.Name:
		return "", errUsage{s.text("cli.two_sondes")}
	case n.Sonde == "" && n.Name == "":
		return "", errUsage{s.text("cli.no_sonde")}
	}
	return n.Sonde + strings.TrimPrefix(n.Name, n.Sonde), nil
}

// token prints a one-time token and nothing else on standard output.
func (n sondeName) token(s *session, get func(context.Context, app.Settings, string) (string, error)) error {
	name, err := n.get(s)
	if err != nil {
		return err
	}
	settings, err := s.settings()
	if err != nil {
		return err
	}
	token, err := get(s.ctx, settings, name)
	if err != nil {
		return err
	}
	s.note("cli.sonde_token", name)
	_, err = fmt.Fprintln(s.stdout, token)
	return err
}

// sondeAddCmd is `tuermer sonde add`.
type sondeAddCmd struct{ sondeName }

// Run adds a sonde.
func (c sondeAddCmd) Run(s *session) error { return c.token(s, s.app.AddSonde) }

// sondeRenewCmd is `tuermer sonde renew`.
type sondeRenewCmd struct{ sondeName }

// Run gives a new one-time token.
func (c sondeRenewCmd) Run(s *session) error { return c.token(s, s.app.RenewSonde) }

// sondeRevokeCmd is `tuermer sonde revoke`.
type sondeRevokeCmd struct{ sondeName }

// Run refuses a sonde's key from now on.
func (c sondeRevokeCmd) Run(s *session) error {
	name, err := c.get(s)
	if err != nil {
		return err
	}
	settings, err := s.settings()
	if err != nil {
		return err
	}
	if err := s.app.RevokeSonde(s.ctx, settings, name); err != nil {
		return err
	}
	s.note("cli.sonde_revoked", name)
	return nil
}

// sondeListCmd is `tuermer sonde list`.
type sondeListCmd struct{}

// Run prints one line per sonde.
func (sondeListCmd) Run(s *session) error {
	settings, err := s.settings()
	if err != nil {
		return err
	}
	all, err := s.app.Sondes(s.ctx, settings)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.stdout, 0, 4, 2, ' ', 0)
	for _, x := range all {
		seen := "–"
		if !x.SeenAt.IsZero() {
			seen = x.SeenAt.Format("2006-01-02 15:04:05Z")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", x.Name, x.State, seen)
	}
	return w.Flush()
}
