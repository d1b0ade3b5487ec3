package app

import (
	"errors"
	"fmt"
	"syscall"
)

// leastFree is how many bytes must be free in the data folder for this program
// to call itself ready. SQLite needs some for its log even to delete.
const leastFree = 1 << 20

var (
	errDiskFull = errors.New("app: less than 1 MiB is free in the data folder")
	errReadOnly = errors.New("app: the data folder is mounted read-only")
)

// readOnly is ST_RDONLY of statfs(2). Linux mounts a disk so by itself when it
// fails, and everything seems well until somebody writes.
const readOnly = 1

// writable asks the file system whether the data folder can take more. It
// writes nothing, so that it may be asked every second.
func writable(dir string) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("app: data folder: %w", err)
	}
	if fs.Flags&readOnly != 0 {
		return errReadOnly
	}
	if fs.Bavail*uint64(fs.Bsize) < leastFree { //nolint:gosec // a block's size is positive
		return errDiskFull
	}
	return nil
}
