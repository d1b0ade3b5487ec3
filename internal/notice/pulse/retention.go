package pulse

import "tuermer/internal/platform/retain"

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	out := retain.Kept("pulse", retain.Settings, "pulse_peer")
	return append(out, retain.Kept("pulse", retain.Plain, "pulse_beat")...)
}
