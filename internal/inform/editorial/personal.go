package editorial

import "tuermer/internal/platform/personal"

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "editorial_post", Act: personal.Stay, Columns: []string{"author", "approver", "releaser"}, Why: "proof"},
	}
}
