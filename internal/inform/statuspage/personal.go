package statuspage

import "tuermer/internal/platform/personal"

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "statuspage_hold", Act: personal.Stay, Columns: []string{"person", "person_name"}, Why: "proof"},
	}
}
