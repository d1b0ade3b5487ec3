// Package signal gives everything that is noticed one normal form, whatever
// noticed it: an own monitor, another monitoring system, a citizen's form.
//
// A [Signal] is about a key ("monitor:portal") and belongs to an episode, one
// occurrence of the trouble from its beginning to its end. A key stands as its
// newest episode stands:
//
//	             firing (new episode)
//	   ┌──────────────────────────────────┐
//	   │                                  ▼
//	resolved ◄────────────────────────  firing ─┐ newer episode, or worse
//	             resolved (same episode,   ▲    │ severity: told again
//	             or a newer one)           └────┘
//
// Sources repeat themselves, come in pairs for safety and deliver late or in
// the wrong order. So [Room.Record] folds what it knows already, and:
//
//   - an episode that has ended never opens again, even when its end arrives
//     before its beginning;
//   - an episode that began before the newest one changes nothing;
//   - a beginning in the future counts as now, so that a source with a wrong
//     clock cannot hide what follows.
//
// Some sources tell no end, and whoever runs them may let it be concluded from
// silence: [Room.Unheard] finds what has said nothing for long, and a signal with
// [Signal.QuietSince] ends it, unless a word came meanwhile. Such an end is a
// guess. The next word about the key opens it again, whatever its episode, and a
// resolved one makes the guess true.
//
// A key that is over is forgotten when nobody has said a word about it for a year and a
// bit ([Options.Keep]). What is heard of it then is new.
//
// What changes how a key stands is told as [Recorded]. A firing signal that
// changes nothing although it is new is told as [Ignored], with the reason, so
// that somebody can read why nobody was woken (I20).
//
// The room never decides whom to wake and never looks at a service by itself.
package signal
