package main

// auditVerifyCmd is `tuermer audit verify`.
type auditVerifyCmd struct {
	inTown
	Heads string `help:"${flag_heads}" placeholder:"${ph_file}"`
}

// Run walks the audit logs' hash chains; it fails where one does not hold.
func (c auditVerifyCmd) Run(s *session) error {
	settings, err := c.settings(s)
	if err != nil {
		return err
	}
	return s.app.VerifyAudit(s.ctx, settings, c.Heads)
}

// auditHeadCmd is `tuermer audit head`.
type auditHeadCmd struct{}

// Run prints the chains' heads, for keeping them elsewhere.
func (auditHeadCmd) Run(s *session) error {
	settings, err := s.settings()
	if err != nil {
		return err
	}
	return s.app.AuditHeads(s.ctx, settings)
}
