package contact

import "tuermer/internal/platform/personal"

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "contact_ask", Act: personal.Delete, Columns: []string{"person", "address"}, Why: "delivery"},
		{Table: "contact_account", Act: personal.Refuse, Columns: []string{"recovery", "second"}, Why: "account", Label: "name"},
		{Table: "contact_round", Act: personal.Stay, Columns: []string{"by_name"}, Why: "proof"},
	}
}
