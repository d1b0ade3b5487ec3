// Package trial finds out, before it matters, whether an alarm would reach those
// whom it has to reach: the test alarm (Probealarm) of one click.
//
// A [Run] calls everybody on a chain, on duty by a roster, or on all chains, at
// once and over every way that an alarm would use for them, through the same
// outbox, the same gateways and the same receipts. Each message carries a secret
// of its own, so that an answer proves the one way over which it came.
//
//	running ── everybody has answered, or half an hour is over ──► ended
//
// An alarm tries the ways one after the other; a test alarm tries them all, for a
// way that is never tried is one of which nothing is known. Every text says in
// its first word that it is a test. No alert, no incident and nothing public
// follows from it, and whoever is not in it hears nothing. None begins while a
// real alert is open: it would stand in front of it on the telephone.
//
// When it ends the leads get the report: who was reached, over which way, how
// fast, and what has changed since the last one. Red is a run in which nobody was
// reached apart from the town's own systems ([Red]).
//
// A [Plan] lets one begin every week, at a civil hour; nothing is planned until
// somebody chooses to. A run that is missed is not made up for in the night: the
// plan says why it was left out.
//
// Tables: trial_run, trial_person, trial_way, trial_plan.
package trial
