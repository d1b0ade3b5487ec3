package main

import "fmt"

// reloadCmd is `tuermer reload`.
type reloadCmd struct{}

// Run makes the program that serves read its configuration again. A faulty file
// is refused here already, with the same words.
func (reloadCmd) Run(s *session) error {
	settings, err := s.settings()
	if err != nil {
		return err
	}
	for _, w := range settings.Warnings[:min(len(settings.Warnings), shownWarnings)] {
		s.note("cli.warning", w.In(s.lang))
	}
	lines, err := s.app.Reload(s.ctx, settings)
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
