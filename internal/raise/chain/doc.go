// Package chain keeps the town's escalation chains (Alarmierungsketten): who is
// woken for an alarm, in which order, by which ways, and after how long.
//
// A [Chain] is a ladder of steps. Each [Step] names whom it wakes ([Who]: a
// person, a role, a duty roster, the service's owner, or everybody), the ways
// that are tried one after the other, and how long it waits for an answer.
//
// The room answers questions and wakes nobody: which chain is right for a
// service ([Room.For]), who stands on a step at a moment ([Room.People]), by
// which ways somebody can be reached ([Room.Contacts]), and what would happen
// now ([Room.Ladder]). Alert, the next room, walks the ladder.
//
// Duty rosters are another room's; this one asks it through [Roster]. A roster,
// person or role that is not there never makes a step silent: it is told as a
// [Missed], and whoever asks falls back to those responsible otherwise (I20).
//
// [Room.Lint] finds what would go wrong at night. Its findings never refuse a
// configuration; only the console refuses to put a chain into force in which
// nobody can be reached apart from the town's own systems (I13).
package chain
