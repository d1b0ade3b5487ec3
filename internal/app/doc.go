// Package app is the only place where all rooms meet. [New] opens the database,
// builds the rooms floor by floor and connects their ports; [App.Start] opens
// the two listeners and sets everything in motion; [App.Stop] takes it down in
// the opposite order.
//
// It also reads tuermer.yaml ([ParseConfig]), since only here is it known which
// room each key belongs to.
package app
