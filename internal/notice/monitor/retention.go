package monitor

import (
	"time"

	"tuermer/internal/platform/retain"
)

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	days := time.Duration(DefaultKeep.Results) * retain.Day // a town may say otherwise
	out := []retain.Rule{
		{Name: "monitor.result", Table: "monitor_result", Act: retain.Own, For: days},
		{Name: "monitor.withheld", Table: "monitor_withheld", Act: retain.Own, For: days, Age: "ended_at"},
	}
	out = append(out, retain.Kept("monitor", retain.Settings, "monitor_entry")...)
	out = append(out, retain.Kept("monitor", retain.Plain, "monitor_journal", "monitor_open", "monitor_chunk", "monitor_rollup", "monitor_history", "monitor_ping", "monitor_uplink")...)
	return out
}
