package plan

import "tuermer/internal/platform/retain"

// KeepLinks is how long a secret link is remembered after its end.
const KeepLinks = 365 * retain.Day

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	out := []retain.Rule{
		{Name: "plan.link", Table: "plan_link", Act: retain.Delete, For: KeepLinks, Age: "valid_until"},
	}
	out = append(out, retain.Kept("plan", retain.Wanted, "plan_audience")...)
	out = append(out, retain.Kept("plan", retain.Proof, "plan_version", "plan_test", "plan_signoff")...)
	return out
}
