// Package messenger reaches one person by the messenger that they use: Threema,
// Signal, Matrix or ntfy, over an account of the town's.
//
// Where a person is stands in their address, "signal:+491700000001"; who may write
// there, and over which server, in the entry of tuermer.yaml. What is said and how
// it is carried is that of the rooms ([channel.Form], package webhook): this package
// adds the address, tells a provider that does not work from a message that it
// refuses, and hears.
//
// Signal is heard over the events of signal-cli: that a message is on the telephone,
// and what is answered. The line to it stays open ([channel.Line]) and is opened
// again after a pause; signal-cli does not say an event twice, so one that comes
// while we do not listen is lost, and the person's next way follows. Matrix is
// heard over its sync, one long question after the other: up to where somebody has
// read, in a room where nobody is but them and us, and what they answer. Its place in
// the news is kept in memory; after a restart a receipt stands for its own message
// alone. Threema's basic mode and ntfy report nothing to us: taken is all that is
// known there.
//
// The package stores nothing. Addresses stand in no error.
package messenger
