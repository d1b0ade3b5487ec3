// Package audit remembers who did what: every change and every act that leaves
// the house, append-only, one chain per tenant.
//
// An [Entry] is written by the room that acts, inside the transaction of the
// act ([Room.Record]), so that there is no act without its entry and no entry
// without its act. Actor and tenant come from the context. Each row's hash
// covers its content and the hash before it, and a head row per tenant holds
// the last one; [Room.Verify] walks the chain and names the first row that was
// changed, removed or moved (I14). Whoever can write the database can rebuild
// the whole chain, so the newest hash ([Room.Head]) is shown for noting it
// elsewhere.
//
// An entry never holds secrets or the text of messages: names of what changed,
// ids, addresses to which something went.
package audit
