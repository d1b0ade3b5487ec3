package incident

import "tuermer/internal/platform/retain"

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	out := retain.Kept("incident", retain.Record, "incident_incident", "incident_service", "incident_alert", "incident_fact", "incident_commitment", "incident_stand", "incident_task")
	out = append(out, retain.Kept("incident", retain.Chain, "incident_entry")...)
	return append(out, retain.Kept("incident", retain.Settings, "incident_rule")...)
}
