package exercise

import "tuermer/internal/platform/personal"

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "exercise_run", Act: personal.Stay, Columns: []string{"started_by", "record"}, Why: "proof"},
	}
}
