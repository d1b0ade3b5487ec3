package replica

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// guard holds SQLite's shared lock on the database once more, in a way that only
// its own file can lose. litestream opens the database's file beside SQLite, and
// POSIX takes all locks of a process on a file away when the process closes any
// of its descriptors. Then another program, such as a copying `tuermer backup`,
// would think itself the last one, and take away a log that we still write to.
//
// It must be let go after the last connection is closed, for the same reason.
func guard(database string) (*os.File, error) {
	f, err := os.Open(database)
	if err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	// The byte range is part of SQLite's file format (os.h: PENDING_BYTE + 2).
	shared := unix.Flock_t{Type: unix.F_RDLCK, Start: 0x40000000 + 2, Len: 510}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &shared); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("replica: lock: %w", err)
	}
	return f, nil
}
