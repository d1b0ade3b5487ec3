// Package retain takes rows away when their period is over, a few at a time.
//
// Each room says by [Rule]s how long its tables keep what, or for which [Reason]
// a table stays; none is silent, and a test in app reads the schema to see to it.
// [Batch] carries a rule out for at most so many rows in one transaction, so that
// an alarm never waits for it, and lets the caller write down in the same
// transaction how many they were: what is counted is gone, and what is gone is
// counted, whatever dies in between.
//
// A [Span] of time that somebody still needs keeps all rows of that time. Where
// the age of a row is not known, the row stays: doubt deletes nothing.
//
// It knows no room and no crisis.
package retain
