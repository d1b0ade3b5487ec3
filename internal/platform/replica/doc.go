// Package replica carries the SQLite database away while it is written: what was
// committed lies on a foreign host a few seconds later.
//
// litestream, embedded, reads the write-ahead log and makes LTX files of it; it
// writes them through [spool], our client, which seals each one with age to the
// operator's keys and to the install's own, and keeps them in a folder of this
// machine. A carrier per [Place] brings the folder's files away as they come, by
// the means of [tuermer/internal/platform/depot]. So a host that hangs holds up
// neither litestream nor another host, nothing leaves in the clear, and what
// waits for a host that is away is thinned out by litestream like the rest.
//
// Beside the database's files lies the kit: the instance key and the
// configuration, sealed in the same way. [Find] and [Fetch] bring both back with
// one of the operator's private keys, on any machine.
//
// Files go up in an order in which a host can be restored from at any moment,
// see [next]; each under another name first. What litestream has thinned out is
// removed when everything else is there. The last look of all is [Status]: until
// when a host has everything, and what failed last.
//
// It never writes to the database but for litestream's own two tables, and never
// restores over one that is there.
package replica
