// Package depot lays files down in places outside this machine: an SSH server
// (SFTP), a WebDAV server, or a folder such as a mounted share.
//
// A [Place] says where and with which keys; [Place.Open] reaches it and answers
// a [Session], whose steps each end within the time of their context. Names are
// paths below the place, with slashes. A step that fails answers a [Failure]: one
// of a few reasons that a person can be told, see [Reasons], with its cause.
//
// It knows nothing of what it carries, seals nothing, and tries nothing twice.
// Servers whose key or certificate is not the expected one get nothing.
package depot
