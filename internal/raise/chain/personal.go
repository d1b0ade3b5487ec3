package chain

import "tuermer/internal/platform/personal"

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "chain_policy", Act: personal.Refuse, Columns: []string{"body"}, Why: "chain", Label: "slug"},
	}
}
