// Package vault keeps what must stay secret and proves what we said ourselves.
//
// Everything hangs on one instance key of 32 random bytes in a file of its own,
// never in the database: a stolen copy of the database opens no password of a
// mail server and forges no link. From it [Vault.Key] derives a key for each
// purpose, so that a token made for one thing is worthless for another.
//
// [Vault.Sign] makes the short tokens that stand in links of mails (acknowledge
// an alarm, confirm an address); they carry their payload openly, expire, and
// are checked by [Vault.Verify]. [Vault.Seal] hides a secret (a password of a
// gateway) for storing; [Vault.Open] brings it back.
//
// Several nodes on one PostgreSQL must use the same key file: a link signed by
// one is followed at another. [Load] therefore makes a missing key only in the
// data folder of a single machine and never at a path given by the operator.
package vault
