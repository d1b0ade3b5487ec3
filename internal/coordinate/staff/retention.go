package staff

import "tuermer/internal/platform/retain"

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	return retain.Kept("staff", retain.Record, "staff_board", "staff_seat", "staff_decision")
}
