package template

import "tuermer/internal/platform/personal"

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "template_text", Act: personal.Stay, Columns: []string{"author", "author_name", "approver", "approver_name", "ended_name"}, Why: "proof"},
		{Table: "template_signature", Act: personal.Stay, Columns: []string{"person", "person_name"}, Why: "proof"},
		{Table: "template_rehearsal", Act: personal.Stay, Columns: []string{"person_name"}, Why: "proof"},
	}
}
