// Package keep looks after the town's own backups (Datensicherung): it makes
// them at a fixed hour, deletes the oldest, and proves every week that the
// newest one can be restored.
//
// A backup is a file of [tuermer/internal/platform/backup], encrypted to the
// operator's keys and to a key of the install itself, which lies beside the
// database (whoever holds that folder holds the database anyway) and lets the
// product open what it made. [Room.Rehearse] restores the newest backup into a
// folder that is thrown away: it is opened, its rows are counted, and the hash
// chains of its audit log are walked. What came of it stands in a [Report], a
// file beside the backups, and on the page; what fails raises an alarm.
//
// The room stores nothing in the database: a report that lies in what it is
// about would be gone with it, and each node keeps its own.
//
// After a restore everything that waited when the backup was made is held by
// the rooms that send; [Room.LetGo] is where a person decides. This room never
// restores over the running install: that is a command of its own.
package keep
