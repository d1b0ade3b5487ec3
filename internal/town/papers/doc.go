// Package papers makes the papers that a town must have before it uses Türmer:
// imprint, privacy notice and accessibility statement for the public page, and
// for the drawer the record of processing, the list of processors, technical
// measures, deletion concept, impact assessments and what goes with them.
//
// A [Sheet] is made from three things: a text in sheets/ (one file per paper and
// language, which counsel can read from top to bottom), the [Facts] of the active
// configuration, which app gathers from the other rooms, and the [Details] that
// only the town knows. Nothing else stands in it, so the same configuration is
// the same sheet, and its [Mark] names it.
//
//	draft ──Confirm──► confirmed ──configuration, details or text change──► outdated
//	                       ▲                                                   │
//	                       └───────────────────────Confirm─────────────────────┘
//
// A sheet is a draft and marked so until a person confirms it; what was confirmed
// is kept with who, when and its words. The public page never waits for that:
// its three papers stand there as drafts from the first minute, and [Room.Findings]
// names them red until somebody has read them.
//
// The room decides no law. profiles/ names laws and bodies by country and Land as
// proposals; the town's own words replace them. It sends nothing.
//
// Tables: papers_details, papers_confirmation.
package papers
