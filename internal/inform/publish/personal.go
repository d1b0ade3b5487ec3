package publish

import "tuermer/internal/platform/personal"

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "publish_delivery", Act: personal.Replace, Columns: []string{"recipient"}, Why: "delivery"},
		{Table: "publish_statement", Act: personal.Stay, Columns: []string{"authors", "facts", "corrected_by", "returned_by", "approval", "seen"}, Why: "proof"},
		{Table: "publish_waiver", Act: personal.Stay, Columns: []string{"person", "person_name"}, Why: "proof"},
		{Table: "publish_release", Act: personal.Stay, Columns: []string{"person", "person_name"}, Why: "proof"},
	}
}
