package onsite

import "tuermer/internal/platform/retain"

// KeepPhotos is how long a photo is kept: as long as whom an alarm woke.
const KeepPhotos = 2 * 365 * retain.Day

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	out := retain.Kept("onsite", retain.Record, "onsite_report", "onsite_identity")
	out = append(out, retain.Kept("onsite", retain.Settings, "onsite_copies")...)
	return append(out,
		retain.Rule{Name: "onsite.photo", Table: "onsite_photo", Act: retain.Delete, For: KeepPhotos, Age: "at"},
		retain.Rule{Name: "onsite.identity", Table: "onsite_fleeting", Act: retain.Own, For: MaxHold, Age: "until_at", Always: true},
	)
}
