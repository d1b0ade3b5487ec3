package onsite

import "tuermer/internal/platform/personal"

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "onsite_report", Act: personal.Stay, Columns: []string{"person", "by_name"}, Why: "proof"},
		{Table: "onsite_identity", Act: personal.Stay, Columns: []string{"person", "by_name"}, Why: "proof"},
		{Table: "onsite_copies", Act: personal.Stay, Columns: []string{"by_name"}, Why: "proof"},
	}
}
