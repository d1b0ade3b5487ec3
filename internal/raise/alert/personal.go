package alert

import "tuermer/internal/platform/personal"

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "alert_alert", Act: personal.Refuse, Columns: []string{"acknowledged_by"}, Where: "state <> 'closed'", Why: "alert", Label: "title"},
		{Table: "alert_notified", Act: personal.Replace, Columns: []string{"name", "address"}, Why: "delivery"},
		{Table: "alert_alert", Act: personal.Stay, Columns: []string{"acknowledged_by", "acknowledged_name", "closed_name"}, Why: "proof"},
		{Table: "alert_page", Act: personal.Delete, Columns: []string{"person_id"}, Why: "delivery"},
		{Table: "alert_course", Act: personal.Replace, Columns: []string{"name", "word"}, Why: "delivery"},
		{Table: "alert_run", Act: personal.Replace, Columns: []string{"snoozed_name"}, Why: "delivery"},
		{Table: "alert_silence", Act: personal.Replace, Columns: []string{"created_name", "ended_name"}, Why: "delivery"},
		{Table: "alert_silence", Act: personal.Stay, Columns: []string{"created_by"}, Why: "proof"},
		{Table: "alert_decision", Act: personal.Replace, Columns: []string{"name"}, Why: "delivery"},
	}
}
