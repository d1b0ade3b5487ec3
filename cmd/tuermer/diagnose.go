package main

// diagnoseCmd is `tuermer diagnose`.
type diagnoseCmd struct {
	inTown
	File string `arg:"" help:"${arg_zip}"`
}

// Run writes the bundle for whoever helps from outside.
func (c diagnoseCmd) Run(s *session) error {
	settings, err := c.settings(s)
	if err != nil {
		return err
	}
	if err := s.app.Diagnose(s.ctx, settings, c.File); err != nil {
		return err
	}
	s.note("cli.diagnosed", c.File)
	return nil
}
