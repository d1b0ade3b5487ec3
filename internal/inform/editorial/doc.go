// Package editorial is the everyday voice of the town: posts that are planned
// days ahead, and that a crisis must stop.
//
// A [Post] is a text for one of the town's channels with a due time:
//
//	draft ─submit─► submitted ─approve─► scheduled ─due─► sending ─► published
//	  ▲                 │                 │     ▲            └────► failed
//	  └──── return ─────┘           crisis▼     │release
//	                                      held ─┘ ─discard─► discarded
//
// Raising an incident to crisis and holding every scheduled post are one
// transaction (I7): [Room.OnCrisis] runs inside it. While a crisis lasts,
// whatever is newly scheduled is held as well, and each post needs a release of
// its own, by a person who is not its author. A town in trouble that jokes from
// yesterday's calendar loses what its warnings live on.
//
// The table editorial_gate has one row per tenant that scheduling, sending and
// holding all write first; so they stand in line on both databases, and no post
// slips between the question "is there a crisis?" and its answer.
//
// Tables: editorial_post, editorial_gate. Networks join later as adapters of
// channel; until then the room knows the simulated channel alone, and says so.
// It never writes to a network by itself and never decides what a crisis is.
package editorial
