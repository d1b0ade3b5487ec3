package signal

import "tuermer/internal/platform/retain"

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	out := []retain.Rule{
		{Name: "signal.signal", Table: "signal_signal", Act: retain.Own, For: r.o.Keep},
		{Name: "signal.signal", Table: "signal_episode", Act: retain.Own, For: r.o.Keep},
		{Name: "signal.signal", Table: "signal_key", Act: retain.Own, For: r.o.Keep}, // once it is over
	}
	out = append(out, retain.Kept("signal", retain.Plain, "signal_forgotten")...)
	return out
}
