package roster

import "tuermer/internal/platform/personal"

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "roster_entry", Act: personal.Refuse, Columns: []string{"body"}, Why: "roster", Label: "name"},
		{Table: "roster_override", Act: personal.Refuse, Columns: []string{"person"}, Where: "undone_at IS NULL AND to_at > ?", Why: "roster", Label: "roster"},
		{Table: "roster_swap", Act: personal.Refuse, Columns: []string{"asker", "other"}, Where: "state = 'asked'", Why: "roster", Label: "roster"},
		{Table: "roster_feed", Act: personal.Delete, Columns: []string{"person"}, Why: "sign_in"},
		{Table: "roster_speaker", Act: personal.Delete, Columns: []string{"person"}, Why: "sign_in"},
		{Table: "roster_code", Act: personal.Delete, Columns: []string{"person"}, Why: "sign_in"},
		{Table: "roster_hook", Act: personal.Stay, Columns: []string{"by_name"}, Why: "proof"},
		{Table: "roster_override", Act: personal.Stay, Columns: []string{"person", "by_name", "undone_by"}, Why: "proof"},
		{Table: "roster_import", Act: personal.Stay, Columns: []string{"by_name", "undone_by"}, Why: "proof"},
		{Table: "roster_callout", Act: personal.Stay, Columns: []string{"person", "by_name"}, Why: "proof"},
		{Table: "roster_swap", Act: personal.Stay, Columns: []string{"asker", "other", "answered_by"}, Why: "proof"},
	}
}
