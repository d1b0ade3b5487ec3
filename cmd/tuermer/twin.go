package main

import (
	"context"
	"errors"
	"fmt"

	"tuermer/internal/app"
)

// twins is what the commands for copies of the public page ask of internal/app.
type twins interface {
	// VerifyTwin checks a copy at an address or in a folder against its signed
	// list.
	VerifyTwin(ctx context.Context, s app.Settings, place, key string) (report string, ok bool, err error)
	// PushTwin carries the kept copy to the hosts of the configuration, without
	// a database.
	PushTwin(ctx context.Context, s app.Settings) error
}

// twinCmd is `tuermer twin`.
type twinCmd struct {
	Verify twinVerifyCmd `cmd:"" help:"${cmd_twin_verify}"`
	Push   twinPushCmd   `cmd:"" help:"${cmd_twin_push}"`
}

type twinVerifyCmd struct {
	Place string `arg:"" help:"${arg_twin}"`
	Key   string `help:"${flag_twin_key}" placeholder:"${ph_twin_key}"`
}

// Run fails for a copy that is not whole, untouched and current.
func (c twinVerifyCmd) Run(s *session) error {
	settings, err := s.settings()
	if err != nil {
		return err
	}
	report, ok, err := s.app.VerifyTwin(s.ctx, settings, c.Place, c.Key)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(s.stdout, report); err != nil {
		return err
	}
	if !ok {
		return errors.New(s.text("cli.twin_bad"))
	}
	return nil
}

type twinPushCmd struct{}

func (twinPushCmd) Run(s *session) error {
	settings, err := s.settings()
	if err != nil {
		return err
	}
	return s.app.PushTwin(s.ctx, settings)
}
