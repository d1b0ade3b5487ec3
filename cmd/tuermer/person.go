package main

import (
	"context"
	"fmt"

	"tuermer/internal/app"
)

// persons are what the commands about a person's data ask.
type persons interface {
	// ExportPerson answers all that is held about a person.
	ExportPerson(ctx context.Context, s app.Settings, email string, readable bool) (text string, err error)
	// ErasePerson erases a person and answers the proof, line by line.
	ErasePerson(ctx context.Context, s app.Settings, email string) (lines []string, err error)
}

type personCmd struct {
	Export personExportCmd `cmd:"" help:"${cmd_person_export}"`
	Erase  personEraseCmd  `cmd:"" help:"${cmd_person_erase}"`
}

type personExportCmd struct {
	inTown
	Email string `arg:"" help:"${arg_mail}"`
	Text  bool   `help:"${flag_person_text}"`
}

// Run writes what is held about a person to the standard output.
func (c personExportCmd) Run(s *session) error {
	settings, err := c.settings(s)
	if err != nil {
		return err
	}
	text, err := s.app.ExportPerson(s.ctx, settings, c.Email, c.Text)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(s.stdout, text)
	return err
}

type personEraseCmd struct {
	inTown
	Email   string `arg:"" help:"${arg_mail}"`
	Confirm string `help:"${flag_person_confirm}" placeholder:"EMAIL"`
}

// Run erases a person. The address has to be typed twice, for nothing brings it
// back but a backup.
func (c personEraseCmd) Run(s *session) error {
	settings, err := c.settings(s)
	if err != nil {
		return err
	}
	if c.Confirm != c.Email {
		return errUsage{s.text("cli.person_unconfirmed", c.Email)}
	}
	lines, err := s.app.ErasePerson(s.ctx, settings, c.Email)
	if err != nil {
		return err
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(s.stdout, line); err != nil {
			return err
		}
	}
	return nil
}
