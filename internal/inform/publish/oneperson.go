package publish

import (
	"net/mail"
	"slices"

	"tuermer/internal/inform/template"
	"tuermer/internal/town/plan"
)

// toOneKinds are answers to one person who wrote or reported something. They go
// to that person alone, by mail: no list, no page and no channel, and they promise
// nothing to anybody else.
var toOneKinds = []template.Kind{template.Answer, template.PostHidden, template.Received, template.OutOfHours}

func toOne(k template.Kind) bool { return slices.Contains(toOneKinds, k) }

// onePerson is the address to which an answer goes; empty: none that can be one.
func onePerson(f template.Facts) string {
	to := address(f[template.SlotTo].Text)
	if a, err := mail.ParseAddress(to); err != nil || a.Address != to {
		return ""
	}
	return to
}

// oneReader leaves of the audiences of an answer the one in whose words it is
// written: citizens where they are among them.
func oneReader(k template.Kind, slugs []string, all []plan.Audience) []string {
	if !toOne(k) || len(slugs) < 2 {
		return slugs
	}
	for _, a := range all {
		if a.Kind == plan.Citizens && slices.Contains(slugs, a.Slug) {
			return []string{a.Slug}
		}
	}
	return slugs[:1]
}
