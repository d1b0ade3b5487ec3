// Package staff is the crisis staff (Stab) of an incident: who holds which
// function, what was decided and who looks whether it worked, and who may release
// public words. It is not the people who work for the town; those are an audience.
//
// The board opens with the level crisis and is read-only afterwards:
//
//	level crisis ──► open: functions are filled and relieved, decisions are logged
//	any other    ──► read-only; a control that is still open may be settled
//
// Nouns and their tables
//
//	Seat      staff_seat      who holds a function, since when, relieved by whom and when
//	Decision  staff_decision  situation, options, decision, and its control
//
// A [Seat] ends when somebody else takes the function or the holder leaves it;
// nothing is overwritten, so the history says who held what. A [Decision] never
// changes; what came of it is added once. Both stand in the incident's journal.
//
// [Room.Speakers] names who releases public words in a crisis: whoever holds press
// and media (S5 or BuMA) or leads the staff. publish and editorial ask it. With
// nobody in these functions it answers nobody, and they fall back to a rule of
// their own, so that an empty chair never silences the town.
//
// Who is meant for what stands in the plan. When a crisis begins they are written
// to, but a function is held only by who was put there by a person: a plan does
// not know who is asleep.
//
// The room sends that one letter and publishes nothing.
package staff
