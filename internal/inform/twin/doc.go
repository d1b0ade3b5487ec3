// Package twin is the outside foot of the public page: a static copy on hosts
// that the town does not run, so that citizens read what holds when everything
// in the town hall is dark.
//
// [Room] takes the copy from statuspage whenever the page says something new and
// every few minutes anyway, signs a [Manifest] of it, keeps both on its own disk,
// and carries what has changed to each [Target]: by SFTP, by WebDAV, or into a
// folder. Files are first written beside the old ones, then renamed, the start
// page last; a transfer that breaks leaves the old page whole. Targets do not
// wait for one another. Each has its [State]; one that cannot be reached for
// longer than [Settings.AlarmAfter] becomes a signal, and so an alarm. While
// citizens are told of an open incident ([Options.Relied]), that is the copy they
// read: then it takes two minutes, and the signal is critical.
//
// What is read, kept and sent is public already, but for the keys that open the
// hosts: they stand in files that tuermer.yaml names. The room keeps nothing in
// the database, since it must work without one. It never decides what the page
// says, and never fetches anything back.
package twin
