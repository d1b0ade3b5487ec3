package main

import (
	"fmt"

	"tuermer/internal/app"
)

// backupCmd is `tuermer backup`.
type backupCmd struct {
	File string   `arg:"" help:"${arg_backup}"`
	To   []string `help:"${flag_to}" placeholder:"age1…"`
}

// Run writes a backup, also while a serve runs.
func (c backupCmd) Run(s *session) error {
	settings, err := s.settings()
	if err != nil {
		return err
	}
	return s.app.Backup(s.ctx, settings, c.File, c.To)
}

// backupKeyCmd is `tuermer backup-key`.
type backupKeyCmd struct {
	File string `arg:"" help:"${arg_key}"`
}

// Run makes a key and prints its public part.
func (c backupKeyCmd) Run(s *session) error {
	settings, err := s.settings()
	if err != nil {
		return err
	}
	public, err := s.app.BackupKey(s.ctx, settings, c.File)
	if err != nil {
		return err
	}
	s.note("cli.backup_key", c.File)
	_, err = fmt.Fprintln(s.stdout, public)
	return err
}

// restoreCmd is `tuermer restore`.
type restoreCmd struct {
	File    string   `arg:"" optional:"" help:"${arg_restore}"`
	Replica string   `help:"${flag_replica}" placeholder:"${ph_place}"`
	Key     []string `help:"${flag_key}" placeholder:"${ph_file}"`
	Replace bool     `help:"${flag_replace}"`
}

// Run builds the install that a backup holds.
func (c restoreCmd) Run(s *session) error {
	settings, err := s.settings()
	if err != nil {
		return err
	}
	return s.app.Restore(s.ctx, settings, app.RestoreWish{File: c.File, Replica: c.Replica, Keys: c.Key, Replace: c.Replace})
}
