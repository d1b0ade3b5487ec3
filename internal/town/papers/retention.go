package papers

import "tuermer/internal/platform/retain"

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	out := retain.Kept("papers", retain.Public, "papers_details")
	return append(out, retain.Kept("papers", retain.Proof, "papers_confirmation")...)
}
