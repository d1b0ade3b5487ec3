package contact

import "tuermer/internal/platform/retain"

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	out := []retain.Rule{
		{Name: "contact.round", Table: "contact_round", Act: retain.Own, For: KeepRounds, Age: "started_at"},
		{Name: "contact.round", Table: "contact_ask", Act: retain.Own, For: KeepRounds},
		{Name: "contact.round", Table: "contact_link", Act: retain.Own, For: KeepRounds},
	}
	return append(out, retain.Kept("contact", retain.Settings, "contact_point", "contact_account")...)
}
