// Package exercise lets a town practise: the same rooms, rules and texts as in
// earnest, over channels that lead nowhere (I4).
//
// An [Exercise] is of a [Type]:
//
//   - rehearsal: the product plays all roles by itself, from the first short
//     message to the closing one, and shows whether texts, channels and rules
//     hold. It takes seconds and needs nobody.
//
//   - drill: people act. It begins with an [Alarm] to whoever would be woken in
//     earnest, opens an incident that nobody has confirmed yet and, at set
//     times, writes into its journal what happens next.
//
//   - tabletop: people talk. The exercise opens the incident and asks the
//     questions of the scenario at once; no message is played.
//
//     running ─► ended, with a Record
//
// The incident of an exercise has the realm "exercise" from its first moment;
// everything that follows from it inherits the realm, and channel has no route
// for it but simulated ones. Texts carry "ÜBUNG" in every part.
//
// The [Record] is written when it ends: who was told what and when, figures,
// and whether every text carried its mark. It never changes afterwards.
//
// Table: exercise_run.
package exercise
