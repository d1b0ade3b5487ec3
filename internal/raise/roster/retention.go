package roster

import "tuermer/internal/platform/retain"

// How long it is kept who was on duty, after the shift: two years, the time for
// which records of working hours are asked for; and a calendar link, once revoked.
const (
	KeepDuty  = 731 * retain.Day
	KeepFeeds = 90 * retain.Day
	// KeepHooks is how long a revoked messenger command is listed in the database, and
	// KeepCodes a code that nobody used.
	KeepHooks = 90 * retain.Day
	KeepCodes = retain.Day
	// KeepCallouts is the two years for which work beyond the ordinary day is kept
	// (ArbZG § 16 Abs. 2).
	KeepCallouts = 731 * retain.Day
)

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	out := []retain.Rule{
		{Name: "roster.duty", Table: "roster_override", Act: retain.Delete, For: KeepDuty, Age: "to_at"},
		{Name: "roster.duty", Table: "roster_swap", Act: retain.Delete, For: KeepDuty, Age: "give_to", Where: "state <> 'asked'"},
		{Name: "roster.duty", Table: "roster_import_piece", Act: retain.Delete, For: KeepDuty, Age: "to_at"},
		{Name: "roster.duty", Table: "roster_import", Act: retain.Delete, For: KeepDuty, Age: "made_at"},
		{Name: "roster.callout", Table: "roster_callout", Act: retain.Delete, For: KeepCallouts, Age: "begin_at"},
		{Name: "roster.hook", Table: "roster_hook", Act: retain.Delete, For: KeepHooks, Age: "revoked_at"},
		{Name: "roster.code", Table: "roster_code", Act: retain.Delete, For: KeepCodes, Age: "ends_at"},
		{Name: "roster.feed", Table: "roster_feed", Act: retain.Delete, For: KeepFeeds, Age: "revoked_at"},
	}
	out = append(out, retain.Kept("roster", retain.Settings, "roster_entry", "roster_day")...)
	out = append(out, retain.Kept("roster", retain.Wanted, "roster_speaker")...)
	out = append(out, retain.Kept("roster", retain.Plain, "roster_notice")...)
	return out
}
