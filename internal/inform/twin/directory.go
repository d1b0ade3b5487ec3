package twin

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

// directory is a folder of this machine, such as a mounted share. It is held as
// a root, so that no link inside leads out of it.
type directory struct{ root *os.Root }

func openDirectory(dir string) (session, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		// A share that is not mounted must not become a folder of our own disk.
		return nil, failed("connect", err)
	}
	if err != nil {
		return nil, failed("denied", err)
	}
	return directory{root}, nil
}

func (d directory) mkdir(_ context.Context, dir string) error {
	if err := d.root.MkdirAll(dir, 0o755); err != nil {
		return failed("write", err)
	}
	return nil
}

func (d directory) put(_ context.Context, name string, body []byte) error {
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return failed("write", err)
	}
	_, err = f.Write(body)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return failed("write", err)
	}
	return nil
}

func (d directory) rename(_ context.Context, from, to string) error {
	if err := d.root.Rename(from, to); err != nil {
		return failed("write", err)
	}
	return nil
}

func (d directory) remove(_ context.Context, name string) error { return d.root.Remove(name) }

func (d directory) close() { _ = d.root.Close() }
