package sonde

import "tuermer/internal/platform/retain"

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	out := []retain.Rule{
		{Name: "sonde.result", Table: "sonde_result", Act: retain.Own, For: r.o.Keep, Age: "seen_at"},
		{Name: "sonde.result", Table: "sonde_verdict", Act: retain.Own, For: r.o.Keep, Age: "at"},
		{Name: "sonde.nonce", Table: "sonde_nonce", Act: retain.Own, For: retain.Day, Age: "until", Always: true},
	}
	out = append(out, retain.Kept("sonde", retain.Settings, "sonde_sonde")...)
	return out
}
