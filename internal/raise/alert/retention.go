package alert

import "tuermer/internal/platform/retain"

// KeepWoken is how long it is kept whom an alarm woke and who answered, after it
// was closed; the alarm itself stays, without names.
const KeepWoken = 731 * retain.Day

// closedAt is when the alarm of a row was closed, in SQL.
func closedAt(table string) string {
	return "(SELECT a.closed_at FROM alert_alert a WHERE a.tenant_id = " + table + ".tenant_id AND a.id = " + table + ".alert_id)"
}

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	out := []retain.Rule{
		{Name: "alert.woken", Table: "alert_notified", Act: retain.Delete, For: KeepWoken, Age: closedAt("alert_notified")},
		{Name: "alert.woken", Table: "alert_decision", Act: retain.Delete, For: KeepWoken, Age: closedAt("alert_decision")},
		{Name: "alert.woken", Table: "alert_page", Act: retain.Delete, For: KeepWoken, Age: closedAt("alert_page")},
		{Name: "alert.woken", Table: "alert_course", Act: retain.Delete, For: KeepWoken, Age: closedAt("alert_course")},
		{Name: "alert.woken", Table: "alert_run", Act: retain.Delete, For: KeepWoken, Age: closedAt("alert_run")},
		{
			Name: "alert.woken", Table: "alert_alert", Act: retain.Clear, For: KeepWoken, Age: "closed_at",
			Where: "acknowledged_by <> '' OR acknowledged_name <> '' OR closed_name <> ''",
			Set:   []retain.Set{{Column: "acknowledged_by", To: "''"}, {Column: "acknowledged_name", To: "''"}, {Column: "closed_name", To: "''"}},
		},
		{Name: "alert.silence", Table: "alert_silence", Act: retain.Delete, For: KeepWoken, Age: "ends_at"},
	}
	out = append(out, retain.Kept("alert", retain.Plain, "alert_group", "alert_hold", "alert_signal", "alert_source", "alert_turn", "alert_withheld")...)
	return out
}
