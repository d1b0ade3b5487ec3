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
//	   │       ▲ ▼ too slow,       ▲                        ▲     │
//	   │     degraded  confirmed   │                        └─────┘
//	   └────────── fails ──────────┘
//	any ─ a window begins ─► maintenance ──────┐
//	failing ─ a parent is down ─► unreachable ─┼─ it ends ─► judged afresh
//	failing ─ our uplink is lost ─► blind ─────┘
//	now well, now failing ─► flapping ─ calm ─► up
//
// A failure is confirmed by further probes after 2 s and 4 s (confirm: 3), so a
// lost packet wakes nobody and a real outage is certain within seconds. One
// success recovers: whoever was woken learns at the first proof that the
// service answers again. A monitor that was never up alarms like any other.
//
// Doubt never silences (I20). A failure gives no alarm of its own only while one
// of four causes is certain: an announced maintenance, a parent that is
// confirmed down, our own uplink that is confirmed lost, or an alert that is
// open already while the target flaps. Each such alarm stands in [Status.Held]
// and in [Room.Withheld] with its [HeldReason]; what still fails when the cause
// is gone is confirmed afresh and alarms. While a cause is only being looked at,
// a certain failure waits for it at most [MaxAsking].
//
// What was seen is kept: a batch of results is one row of a journal, in the
// transaction that takes it; a fold makes chunks of it, two bytes a check, and
// [Figures] of every hour. The page of a monitor, its files and the API read
// all three. See history_store.go and decision 0032.
//
// The pure half of the room (spec, probe, http, tcp, heartbeat, machine,
// schedule, guard) knows no database. It never resumes or reuses a connection:
// every check pays for name lookup, connection and handshake, as a citizen's
// first click does. It never quotes a target's own text beyond a short, plain
// [Result.Detail], and it never puts credentials there.
package monitor
