package audit

import "tuermer/internal/platform/personal"

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "audit_entry", Act: personal.Stay, Columns: []string{"actor_person", "actor_name", "detail"}, Why: "chain"},
	}
}
