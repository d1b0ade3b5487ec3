package main

// healthCmd is `tuermer health`, which containers ask.
type healthCmd struct {
	Staff string `help:"${flag_staff}" placeholder:"HOST:PORT"`
}

// Run is done when the program that serves answers, and fails when it does not.
func (c healthCmd) Run(s *session) error {
	settings, err := s.settings()
	if err != nil {
		return err
	}
	if c.Staff != "" {
		settings.Staff = c.Staff
	}
	return s.app.Health(s.ctx, settings)
}
