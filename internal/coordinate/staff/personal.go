package staff

import "tuermer/internal/platform/personal"

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "staff_seat", Act: personal.Stay, Columns: []string{"person", "name", "by_name", "relief_person", "relief_name"}, Why: "proof"},
		{Table: "staff_decision", Act: personal.Stay, Columns: []string{"by_name", "checker", "checked_name"}, Why: "proof"},
	}
}
