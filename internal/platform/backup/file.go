package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Create makes a file at path that is there whole or not at all, whenever the
// machine stops: it is written beside, brought to the disk, and then linked
// into its place, which must be free ([fs.ErrExist]). Only its owner reads it.
func Create(path string, write func(io.Writer) error) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	dir := filepath.Dir(path)
	f, name, err := nameless(dir)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if name != "" {
		defer func() { err = errors.Join(err, os.Remove(name)) }()
	}
	if err := errors.Join(write(f), f.Sync()); err != nil {
		return errors.Join(fmt.Errorf("backup: %s: %w", path, err), f.Close())
	}
	if name == "" {
		err = unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
		if err != nil {
			err = &fs.PathError{Op: "link", Path: path, Err: err}
		}
	} else {
		err = os.Link(name, path)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return SyncDir(dir)
}

// nameless opens a file that has no name yet, so that a kill leaves nothing of
// it. Where the file system knows no such files it has a name, which begins with
// [partPrefix].
func nameless(dir string) (f *os.File, name string, err error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), filepath.Join(dir, "(new)")), "", nil
	}
	f, err = os.CreateTemp(dir, partPrefix+"*") // made with mode 0600
	if err != nil {
		return nil, "", err
	}
	return f, f.Name(), nil
}

// partPrefix begins the names of files that are not whole yet.
const partPrefix = ".tuermer-part-"

// SweepParts removes what a kill left behind in a folder that nobody else
// writes to.
func SweepParts(dir string) error {
	parts, err := filepath.Glob(filepath.Join(dir, partPrefix+"*"))
	for _, p := range parts {
		err = errors.Join(err, os.Remove(p))
	}
	return err
}

// SyncDir brings the names in a folder to the disk.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
