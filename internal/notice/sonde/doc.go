// Package sonde lets the town look at its services from elsewhere: the same
// binary on another machine, in another network, dials out over HTTPS and says
// what it sees.
//
// Its nouns: a [Sonde] is one remote vantage point with a key pair of its own,
// whose public half is all that is stored here. Its assignment is the monitors
// that name it. A [Report] is one result with what the sonde's own machine made
// of it; a [Delivery] is a batch of them. A verdict is the newest state that a
// sonde holds a monitor to be; [monitor.Standing] weighs the verdicts of all
// vantage points, this package only brings them.
//
//	server                                   sonde
//	  │   add: a one-time token                │
//	  │ ◄── join: token, public key ─────────── │ makes its key pair
//	  │ ◄── watch: what I have (etag) ───────── │
//	  │ ──── the new assignment, "look now" ──► │ engine and probers of package
//	  │                                         │ monitor, results into the [Spool]
//	  │ ◄── report: a batch, signed ─────────── │
//	  │ ──── taken ───────────────────────────► │ forgets the batch
//
// Every request is signed (Ed25519) over its kind, the moment, a nonce and the
// body, so a proxy may end TLS before us and a captured request is worth nothing
// a second time. A batch is taken in one transaction and is idempotent by sonde,
// monitor and moment: whoever is killed between the commit and the answer sends
// it again. What the sonde could not deliver waits on its own disk; when there
// is too much of it, the oldest healthy results go first and changes never.
//
// A sonde's clock may be wrong: every request says what it thinks the time is,
// and the difference is added to what it reports. A sonde that is silent for
// longer than its rhythm is a signal of its own, and its voice does not count
// meanwhile. Revoking it refuses its key at once.
//
// The room never gives a sonde more than it needs to look, gives credentials
// only where the monitor says so, and takes no instruction from a sonde: it may
// only report on monitors that it was given.
package sonde
