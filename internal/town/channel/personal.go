package channel

import "tuermer/internal/platform/personal"

// Personal says what becomes of what this room holds about a person who is erased.
func (r *Room) Personal() []personal.Rule {
	return []personal.Rule{
		{Table: "channel_outbox", Act: personal.Delete, Columns: []string{"recipient"}, Why: "delivery"},
		{Table: "channel_answer", Act: personal.Delete, Columns: []string{"sender"}, Why: "delivery"},
		{Table: "channel_device", Act: personal.Delete, Columns: []string{"person_id"}, Why: "delivery"},
		{Table: "channel_simulated", Act: personal.Delete, Columns: []string{"recipient"}, Why: "delivery"},
	}
}
