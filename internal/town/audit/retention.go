package audit

import "tuermer/internal/platform/retain"

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	return retain.Kept("audit", retain.Chain, "audit_entry", "audit_head")
}
