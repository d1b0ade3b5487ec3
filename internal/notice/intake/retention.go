package intake

import "tuermer/internal/platform/retain"

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	out := []retain.Rule{
		{Name: "intake.body", Table: "intake_body", Act: retain.Own, For: KeepBodies, Age: "last_at"},
		{Name: "intake.outage", Table: "intake_outage", Act: retain.Own, For: KeepBodies, Age: "at", Where: "over"},
		{Name: "intake.letter", Table: "intake_letter", Act: retain.Own, For: KeepLetters, Age: "at"},
		{Name: "intake.ear", Table: "intake_ear", Act: retain.Own, For: nodeGone, Age: "at"},
	}
	out = append(out, retain.Kept("intake", retain.Settings, "intake_source", "intake_mailbox")...)
	return out
}
