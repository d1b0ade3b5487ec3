package papers

import "tuermer/internal/platform/personal"

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "papers_details", Act: personal.Stay, Columns: []string{"data", "by_name"}, Why: "public"},
		{Table: "papers_confirmation", Act: personal.Stay, Columns: []string{"person", "by_name"}, Why: "proof"},
	}
}
