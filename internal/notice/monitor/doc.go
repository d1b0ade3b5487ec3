// Package monitor probes the town's services and decides whether they are up.
//
// Its nouns: a [Spec] says what to probe and what counts as healthy. A [Prober]
// looks once and answers with a [Result]. A [Machine] is the pure rule that
// turns one Result after the other into a [Status] and, rarely, into a
// [Transition]; only transitions alarm. An [Engine] owns the schedule: which
// monitor is probed when, how many at once, and the handing over of every
// [Observation] to the owner's [Sink].
//
//	            ok                       ok
//	        ┌───────┐            ┌───────────────┐ came_up
//	        ▼       │            ▼               │
//	unknown ─► up ──┴─ fails ─► suspect ─ confirm fails ─► down ─┐ fails
//	   │                           ▲                        ▲     │
//	   └────────── fails ──────────┘                        └─────┘
//	any ─ a one-off window begins ─► maintenance ─ it ends ─► judged afresh
//
// A failure is confirmed by further probes after 2 s and 4 s (confirm: 3), so a
// lost packet wakes nobody and a real outage is certain within seconds. One
// success recovers: whoever was woken learns at the first proof that the
// service answers again. A monitor that was never up alarms like any other.
//
// The pure half of the room (spec, probe, http, tcp, heartbeat, machine,
// schedule, guard) knows no database. It never resumes or reuses a connection:
// every check pays for name lookup, connection and handshake, as a citizen's
// first click does. It never quotes a target's own text beyond a short, plain
// [Result.Detail], and it never puts credentials there.
package monitor
