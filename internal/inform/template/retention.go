package template

import "tuermer/internal/platform/retain"

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	return retain.Kept("template", retain.Proof, "template_text", "template_signature", "template_rehearsal")
}
