package trial

import "tuermer/internal/platform/retain"

// Keep is how long it is kept who was reached by a test alarm: over a year, so
// that the same season of last year is there to compare with.
const Keep = 400 * retain.Day

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	out := []retain.Rule{
		{Name: "trial.run", Table: "trial_way", Act: retain.Own, For: Keep},
		{Name: "trial.run", Table: "trial_person", Act: retain.Own, For: Keep},
		{Name: "trial.run", Table: "trial_run", Act: retain.Own, For: Keep, Age: "started_at"},
	}
	return append(out, retain.Kept("trial", retain.Settings, "trial_plan")...)
}
