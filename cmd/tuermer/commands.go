package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"tuermer/internal/app"
)

// listeners are the flags of the two commands that open ports.
type listeners struct {
	Staff  string `help:"${flag_staff}" placeholder:"HOST:PORT"`
	Public string `help:"${flag_public}" placeholder:"HOST:PORT"`
	Mail   string `help:"${flag_mail}" placeholder:"HOST:PORT"`
}

// settings adds the addresses to what every command knows, and shows the
// file's warnings.
func (l listeners) settings(s *session) (app.Settings, error) {
	for _, addr := range []string{l.Staff, l.Public, l.Mail} {
		if addr != "" && !app.ValidListen(addr) {
			return app.Settings{}, errUsage{s.text("cli.bad_listen", addr)}
		}
	}
	out, err := s.settings()
	if err != nil {
		return out, err
	}
	if l.Staff != "" {
		out.Staff = l.Staff
	}
	if l.Public != "" {
		out.Public = l.Public
	}
	if l.Mail != "" {
		out.Mail = l.Mail
	}
	out.Log = s.log(slog.LevelInfo)
	for i, w := range out.Warnings {
		if i == shownWarnings {
			s.note("cli.more_warnings", len(out.Warnings)-i)
			break
		}
		s.note("cli.warning", w.In(s.lang))
	}
	return out, nil
}

// shownWarnings is how many of the file's warnings a start prints; `check` prints
// them all. Ten thousand lines would hide the one with the sign-in link.
const shownWarnings = 50

// serveCmd is `tuermer serve`.
type serveCmd struct{ listeners }

// Run serves until the program is told to end.
func (c serveCmd) Run(s *session) error {
	settings, err := c.settings(s)
	if err != nil {
		return err
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	settings.Hangup, settings.Again = hangup, func() (app.Settings, error) { return c.settings(s) }
	return s.app.Serve(s.ctx, settings)
}

// setupCmd is `tuermer setup`.
type setupCmd struct{}

// Run prints a new one-time link to set up an install that nobody has set up yet.
func (setupCmd) Run(s *session) error {
	settings, err := s.settings()
	if err != nil {
		return err
	}
	link, err := s.app.Setup(s.ctx, settings)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.stdout, link)
	return err
}

// demoCmd is `tuermer demo`.
type demoCmd struct{ listeners }

// Run serves an invented town. Unless told otherwise its data has a folder of
// its own, so that nobody tries the demo on the real data.
func (c demoCmd) Run(s *session) error {
	if s.flags.Data == "" {
		s.flags.Data = filepath.Join(app.DefaultData, "demo")
	}
	settings, err := c.settings(s)
	if err != nil {
		return err
	}
	return s.app.Demo(s.ctx, settings)
}

// inTown names the town that a command is about, where an install serves
// several.
type inTown struct {
	Tenant string `help:"${flag_tenant}" placeholder:"${ph_slug}"`
}

func (t inTown) settings(s *session) (app.Settings, error) {
	out, err := s.settings()
	out.Town = t.Tenant
	return out, err
}

// checkCmd is `tuermer check`.
type checkCmd struct{ inTown }

// Run prints every finding with its way out, first the file's own, and fails
// when one of them keeps an alarm from getting out.
func (c checkCmd) Run(s *session) error {
	settings, err := c.settings(s)
	if err != nil {
		return err
	}
	for _, w := range settings.Warnings {
		fmt.Fprintln(s.stdout, s.text("cli.warning", w.In(s.lang)))
	}
	results, err := s.app.Check(s.ctx, settings)
	if err != nil {
		return err
	}
	serious := 0
	for _, r := range results {
		key := "cli.warning"
		switch {
		case r.Serious:
			key = "cli.serious"
			serious++
		case r.Red:
			key = "cli.red"
		}
		fmt.Fprintln(s.stdout, s.text(key, r.What))
		if r.WayOut != "" {
			fmt.Fprintln(s.stdout, s.text("cli.way_out", r.WayOut))
		}
	}
	switch {
	case serious == 1:
		return errors.New(s.text("cli.check_failed_one"))
	case serious > 1:
		return fmt.Errorf("%s", s.text("cli.check_failed", serious))
	case len(results)+len(settings.Warnings) == 0:
		fmt.Fprintln(s.stdout, s.text("cli.check_fine"))
	}
	return nil
}

// migrateCmd is `tuermer migrate`.
type migrateCmd struct {
	Back bool `help:"${flag_back}"`
}

// Run brings the database to this version's schema, or makes it readable for the
// version before.
func (c migrateCmd) Run(s *session) error {
	settings, err := s.settings()
	if err != nil {
		return err
	}
	settings.Log = s.log(slog.LevelInfo)
	if c.Back {
		if err := s.app.MigrateBack(s.ctx, settings); err != nil {
			return err
		}
		s.note("cli.migrated_back")
		return nil
	}
	if err := s.app.Migrate(s.ctx, settings); err != nil {
		return err
	}
	s.note("cli.migrated")
	return nil
}

// person names somebody by mail address, as an argument or as a flag, for
// `user reset ada@…` is what one types and --person is what a script reads.
type person struct {
	Mail   string `arg:"" optional:"" help:"${arg_mail}"`
	Person string `help:"${flag_person}" placeholder:"MAIL" aliases:"mail,email"`
}

func (p person) address(s *session) (string, error) {
	switch {
	case p.Mail != "" && p.Person != "" && p.Mail != p.Person:
		return "", errUsage{s.text("cli.two_people")}
	case p.Mail == "" && p.Person == "":
		return "", errUsage{s.text("cli.no_person")}
	}
	return mailAddress(s, p.Mail+strings.TrimPrefix(p.Person, p.Mail))
}

func mailAddress(s *session, mail string) (string, error) {
	if !app.ValidEmail(mail) {
		return "", errUsage{s.text("cli.bad_mail", mail)}
	}
	return strings.ToLower(mail), nil
}

// userAddCmd is `tuermer user add`.
type userAddCmd struct {
	inTown
	person
	Name string   `required:"" help:"${flag_user_name}" placeholder:"NAME"`
	Role []string `aliases:"roles" help:"${flag_role}" placeholder:"${ph_role}"`
	// Without an alternative address nobody who can be alarmed is taken (I13).
	Alternative string `help:"${flag_alternative}" placeholder:"MAIL"`
	Mobile      string `help:"${flag_mobile}" placeholder:"+49…"`
}

// Run adds a person and prints a one-time sign-in link.
func (c userAddCmd) Run(s *session) error {
	mail, err := c.address(s)
	if err != nil {
		return err
	}
	for _, r := range c.Role {
		if !slices.Contains(app.Roles(), r) {
			return errUsage{s.text("cli.bad_role", r, strings.Join(app.Roles(), ", "))}
		}
	}
	settings, err := c.settings(s)
	if err != nil {
		return err
	}
	link, err := s.app.AddUser(s.ctx, settings, app.NewUser{
		Email: mail, Name: c.Name, Roles: c.Role, Alternative: c.Alternative, Mobile: c.Mobile,
	})
	if err != nil {
		return err
	}
	s.note("cli.user_added", c.Name)
	_, err = fmt.Fprintln(s.stdout, link)
	return err
}

// userResetCmd is `tuermer user reset`.
type userResetCmd struct {
	inTown
	person
	SecondFactor bool `help:"${flag_second_factor}"`
}

// Run takes a person's password away and prints a one-time sign-in link.
func (c userResetCmd) Run(s *session) error {
	mail, err := c.address(s)
	if err != nil {
		return err
	}
	settings, err := c.settings(s)
	if err != nil {
		return err
	}
	link, err := s.app.ResetUser(s.ctx, settings, mail, c.SecondFactor)
	if err != nil {
		return err
	}
	s.note("cli.user_reset", mail)
	_, err = fmt.Fprintln(s.stdout, link)
	return err
}

// tokenCreateCmd is `tuermer token create`.
type tokenCreateCmd struct {
	inTown
	Person string   `required:"" help:"${flag_person}" placeholder:"MAIL" aliases:"mail,email"`
	Name   string   `required:"" help:"${flag_token_name}" placeholder:"NAME"`
	Scope  []string `help:"${flag_scope}" placeholder:"SCOPE" aliases:"scopes"`
}

// Run prints the token and nothing else on standard output, so that
// TOKEN=$(tuermer token create …) works; the rest goes to standard error.
func (c tokenCreateCmd) Run(s *session) error {
	mail, err := mailAddress(s, c.Person)
	if err != nil {
		return err
	}
	for _, scope := range c.Scope {
		if !slices.Contains(app.Scopes(), scope) {
			return errUsage{s.text("cli.bad_scope", scope, strings.Join(app.Scopes(), ", "))}
		}
	}
	settings, err := c.settings(s)
	if err != nil {
		return err
	}
	token, err := s.app.CreateToken(s.ctx, settings, app.NewToken{Person: mail, Name: c.Name, Scopes: c.Scope})
	if err != nil {
		return err
	}
	s.note("cli.token_created", c.Name)
	_, err = fmt.Fprintln(s.stdout, token)
	return err
}

// exerciseStartCmd is `tuermer exercise start`.
type exerciseStartCmd struct {
	Scenario string `required:"" help:"${flag_scenario}" placeholder:"NAME"`
	Type     string `default:"rehearsal" enum:"rehearsal,drill,tabletop" help:"${flag_exercise_type}"`
}

// Run starts the exercise; a rehearsal is over when it returns.
func (c exerciseStartCmd) Run(s *session) error {
	settings, err := s.settings()
	if err != nil {
		return err
	}
	return s.app.StartExercise(s.ctx, settings, c.Type, c.Scenario)
}
