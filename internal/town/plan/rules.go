package plan

import (
	"net/mail"
	"regexp"
	"slices"
	"strings"

	"tuermer/internal/platform/fault"
)

var slugForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)

// Check finds what is wrong with the audience.
func (a Audience) Check() error {
	err := fault.New(fault.Invalid, "plan.invalid")
	bad := func(field, key string) { err = err.Field(field, key) }
	if !slugForm.MatchString(a.Slug) || a.Slug == "new" { // "new" is the address of the empty form
		bad("slug", "plan.bad_slug")
	}
	if strings.TrimSpace(a.Name) == "" {
		bad("name", "web.required")
	}
	if !slices.Contains(Kinds(), a.Kind) {
		bad("kind", "plan.bad_kind")
	}
	for _, to := range a.Recipients {
		if parsed, perr := mail.ParseAddress(to); perr != nil || parsed.Address != to {
			bad("recipients", "plan.bad_recipient")
		}
	}
	if a.Cadence < 0 {
		bad("cadence", "plan.bad_cadence")
	}
	if len(err.Fields) > 0 {
		return err
	}
	return nil
}
