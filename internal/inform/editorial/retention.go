package editorial

import "tuermer/internal/platform/retain"

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	out := retain.Kept("editorial", retain.Proof, "editorial_post")
	return append(out, retain.Kept("editorial", retain.Plain, "editorial_gate")...)
}
