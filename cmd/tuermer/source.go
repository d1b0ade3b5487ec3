package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"tuermer/internal/app"
)

// sources is what the commands for other monitoring systems ask of internal/app.
type sources interface {
	// AddSource returns the address that the other system posts to, and what to
	// enter there.
	AddSource(ctx context.Context, s app.Settings, n app.NewSource) (app.SourceAddress, error)
	// Sources lists them.
	Sources(ctx context.Context, s app.Settings) ([]app.SourceLine, error)
	// TestSource says what a body would be understood as; nil: the last that came.
	TestSource(ctx context.Context, s app.Settings, name string, body []byte) ([]string, error)
	// RevokeSource refuses a source's address from now on.
	RevokeSource(ctx context.Context, s app.Settings, name string) error
}

// sourceCmd is `tuermer source`.
type sourceCmd struct {
	Add    sourceAddCmd    `cmd:"" help:"${cmd_source_add}"`
	List   sourceListCmd   `cmd:"" help:"${cmd_source_list}"`
	Test   sourceTestCmd   `cmd:"" help:"${cmd_source_test}"`
	Revoke sourceRevokeCmd `cmd:"" help:"${cmd_source_revoke}"`
}

// sourceAddCmd is `tuermer source add`.
type sourceAddCmd struct {
	Format  string        `required:"" help:"${flag_source_format}" placeholder:"prtg"`
	Name    string        `required:"" help:"${flag_source_name}" placeholder:"NAME"`
	Service string        `help:"${flag_source_service}" placeholder:"SLUG"`
	Rhythm  time.Duration `default:"24h" help:"${flag_source_rhythm}" placeholder:"24h"`
	Resolve time.Duration `name:"resolve-after" help:"${flag_source_resolve}" placeholder:"30m"`
}

// Run adds a source and prints its address and nothing else on standard output; what
// to enter in the other system has the secret in it, too, and is told this once.
func (c sourceAddCmd) Run(s *session) error {
	if known := app.SourceFormats(); !slices.Contains(known, c.Format) {
		return errUsage{s.text("cli.bad_source_format", c.Format, strings.Join(known, ", "))}
	}
	settings, err := s.settings()
	if err != nil {
		return err
	}
	at, err := s.app.AddSource(s.ctx, settings, app.NewSource{Format: c.Format, Title: c.Name, Service: c.Service, Rhythm: c.Rhythm, ResolveAfter: c.Resolve})
	if err != nil {
		return err
	}
	s.note("cli.source_url", c.Name)
	if _, err := fmt.Fprintln(s.stdout, at.URL); err != nil {
		return err
	}
	for _, p := range at.Paste {
		fmt.Fprintln(s.stderr)
		if p.Text == at.URL {
			s.note("cli.source_paste_url", p.Where)
			continue
		}
		s.note("cli.source_paste", p.Where)
		fmt.Fprintf(s.stderr, "\n%s\n", strings.TrimSuffix(p.Text, "\n"))
	}
	return nil
}

// sourceListCmd is `tuermer source list`.
type sourceListCmd struct{}

// Run prints one line per source.
func (sourceListCmd) Run(s *session) error {
	settings, err := s.settings()
	if err != nil {
		return err
	}
	all, err := s.app.Sources(s.ctx, settings)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.stdout, 0, 4, 2, ' ', 0)
	for _, x := range all {
		heard := "–"
		if !x.HeardAt.IsZero() {
			heard = x.HeardAt.Format("2006-01-02 15:04:05Z")
		}
		resolve := "–"
		if x.ResolveAfter > 0 {
			resolve = s.text("cli.source_lapses", plain(x.ResolveAfter))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", x.Name, x.Format, x.State, heard, resolve, x.Title)
	}
	return w.Flush()
}

// plain is a duration without its zeros: 30m.
func plain(d time.Duration) string {
	text := strings.TrimSuffix(d.String(), "0s")
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// sourceTestCmd is `tuermer source test`.
type sourceTestCmd struct {
	Source string `arg:"" help:"${arg_source}"`
	File   string `arg:"" optional:"" help:"${arg_source_file}"`
}

// maxTestBody bounds what is read of the file.
const maxTestBody = 2 << 20

// Run prints what a body is understood as.
func (c sourceTestCmd) Run(s *session) error {
	settings, err := s.settings()
	if err != nil {
		return err
	}
	var body []byte
	if c.File != "" {
		f, err := os.Open(c.File)
		if err != nil {
			return errUsage{s.text("cli.no_source_file", c.File)}
		}
		body, err = io.ReadAll(io.LimitReader(f, maxTestBody))
		_ = f.Close()
		if err != nil || len(body) == 0 {
			return errUsage{s.text("cli.no_source_file", c.File)}
		}
	}
	lines, err := s.app.TestSource(s.ctx, settings, c.Source, body)
	if err != nil {
		return err
	}
	for _, l := range lines {
		if _, err := fmt.Fprintln(s.stdout, l); err != nil {
			return err
		}
	}
	return nil
}

// sourceRevokeCmd is `tuermer source revoke`.
type sourceRevokeCmd struct {
	Source string `arg:"" help:"${arg_source}"`
}

// Run refuses a source's address from now on.
func (c sourceRevokeCmd) Run(s *session) error {
	settings, err := s.settings()
	if err != nil {
		return err
	}
	if err := s.app.RevokeSource(s.ctx, settings, c.Source); err != nil {
		return err
	}
	s.note("cli.source_revoked", c.Source)
	return nil
}
