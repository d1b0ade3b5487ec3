package trial

import "tuermer/internal/platform/personal"

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "trial_way", Act: personal.Delete, Columns: []string{"person"}, Why: "delivery"},
		{Table: "trial_person", Act: personal.Delete, Columns: []string{"person"}, Why: "delivery"},
		{Table: "trial_run", Act: personal.Stay, Columns: []string{"started_by", "started_name"}, Why: "proof"},
		{Table: "trial_run", Act: personal.Replace, Columns: []string{"missed"}, Why: "delivery"},
	}
}
