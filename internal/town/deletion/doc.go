// Package deletion takes away every night what the town need not keep any longer
// (Löschkonzept), and keeps the proof that it did (Löschnachweis).
//
// The rooms say by rules of [tuermer/internal/platform/retain] how long they keep
// what; app hands all of them to this room. A [Run] carries them out once a day
// at [Hour] o'clock local time, a missed one as soon as the program is back. It
// deletes a few rows in one transaction, lets others write, and goes on; an alarm
// waits for no more than one such handful. Every handful is written down in its
// own transaction as a [Record]: which rule, which table, how many rows, older
// than when. No record says anything about a person, and none can be changed.
//
//	night ──► for each rule: rows older than the period, outside of every hold
//	            ├─► a handful deleted + record ──► … ──► none left: a record of zero
//	            └─► kept by a hold: counted, named on the page
//
// Nothing is deleted that belongs to the time of an incident that is still open,
// or to a [Hold] (Aufbewahrungssperre) that a person has set for a lawsuit or an
// audit. When nobody can say which incidents are open, nothing is deleted at all:
// doubt deletes nothing.
//
// Some rooms have jobs of their own, which work by the minute (sessions, results
// of checks); the run looks whether anything older is left there, and says so.
//
// Tables: deletion_run, deletion_record, deletion_hold.
package deletion
