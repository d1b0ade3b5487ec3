package review

import "tuermer/internal/platform/personal"

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "review_clock", Act: personal.Stay, Columns: []string{"started_by", "settled_by"}, Why: "proof"},
		{Table: "review_improvement", Act: personal.Stay, Columns: []string{"owner"}, Why: "proof"},
	}
}
