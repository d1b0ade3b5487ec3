package incident

import "tuermer/internal/platform/personal"

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "incident_task", Act: personal.Refuse, Columns: []string{"owner"}, Where: "done_at IS NULL", Why: "task", Label: "title"},
		{Table: "incident_task", Act: personal.Replace, Columns: []string{"owner", "deputy"}, Why: "delivery"},
		{Table: "incident_entry", Act: personal.Stay, Columns: []string{"actor_person", "actor_name"}, Why: "chain"},
		{Table: "incident_incident", Act: personal.Stay, Columns: []string{"opened_name"}, Why: "proof"},
		{Table: "incident_fact", Act: personal.Stay, Columns: []string{"by_name"}, Why: "proof"},
		{Table: "incident_commitment", Act: personal.Stay, Columns: []string{"by_name", "settled_name"}, Why: "proof"},
		{Table: "incident_task", Act: personal.Stay, Columns: []string{"created_name", "done_name"}, Why: "proof"},
	}
}
