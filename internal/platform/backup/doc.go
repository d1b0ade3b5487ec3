// Package backup writes everything that an install knows into one encrypted
// file and reads it back, on the same machine or on another, into the same kind
// of database or the other one.
//
// A backup is age(gzip(lines)): encrypted to one or several keys
// (https://age-encryption.org, X25519 or ssh), compressed, one JSON value a
// line. `age -d FILE | gunzip | less` reads it without this program. The lines
// are, in this order: the [Head] (format, version, schema of every room), the
// files ([File]: instance key, configuration), the jobs that nobody had done
// yet, then every table with its columns and rows (but for those named _fleeting,
// whose rows must be gone within a day), and at last the [End] with
// the number of rows of each table and the SHA-256 of all that stands before it.
// What is cut off has no end, and what was changed does not open: age
// authenticates every 64 KiB.
//
// [Dump] reads in one transaction (a read transaction over SQLite's write-ahead
// log, REPEATABLE READ on PostgreSQL), so the backup shows one moment while the
// program goes on writing. [Load] fills an empty database whose schema was
// brought to the versions that the head names; bringing it further is then the
// migrations' own work.
//
// Times, booleans and bytes have one spelling in the file, whatever the
// database makes of them. This package never decides where a backup lies, who
// may make one, and what must not be sent again after a restore; the rooms do.
package backup
