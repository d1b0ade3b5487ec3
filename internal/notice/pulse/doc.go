// Package pulse tells somebody outside that Türmer itself is alive, and knows
// where it stands.
//
// Every minute [Room] examines itself for each town: can the database be written,
// do alarms leave the outbox, does the engine of the checks store results. The
// [Verdict] goes to the town's watchers: an address of tuermer.yaml in the form
// of Healthchecks (success, /fail, /start), and the other install of a mutual
// watch, a [Peer]. Success is never told while something is wrong: silence and
// /fail are both heard there, and somebody is called.
//
// A peer is another Türmer. One side makes an invitation, the other accepts it;
// each then has a heartbeat check for the other, and reports to it. When one
// dies, the other raises its own people by its usual alarms.
//
// [Inside] names what of this machine stands in the town's own networks: then
// it burns with the house, and an outside foot is a must.
//
// The room stores its peers (pulse_peer) and one row a town that it writes to
// see that it can (pulse_beat). It wakes nobody itself.
package pulse
