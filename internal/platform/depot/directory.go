package depot

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
)

// directory is a folder of this machine, such as a mounted share. It is held as
// a root, so that no link inside leads out of it.
type directory struct{ root *os.Root }

func openDirectory(dir string) (Session, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		// A share that is not mounted must not become a folder of our own disk.
		return nil, Failed("connect", err)
	}
	if err != nil {
		return nil, Failed("denied", err)
	}
	return directory{root}, nil
}

func (d directory) Mkdir(_ context.Context, dir string) error {
	if err := d.root.MkdirAll(dir, 0o755); err != nil {
		return Failed("write", err)
	}
	return nil
}

func (d directory) Put(_ context.Context, name string, body []byte) error {
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return Failed("write", err)
	}
	_, err = f.Write(body)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return Failed("write", err)
	}
	return nil
}

func (d directory) Rename(_ context.Context, from, to string) error {
	if err := d.root.Rename(from, to); err != nil {
		return Failed("write", err)
	}
	return nil
}

func (d directory) Remove(_ context.Context, name string) error { return d.root.Remove(name) }

func (d directory) Close() { _ = d.root.Close() }

func (d directory) PutFrom(ctx context.Context, name string, body io.Reader, _ int64) error {
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return Failed("write", err)
	}
	_, err = io.Copy(f, untilOver{ctx, body})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return Failed("write", err)
	}
	return nil
}

func (d directory) List(_ context.Context, dir string) ([]Entry, error) {
	all, err := fs.ReadDir(d.root.FS(), path.Clean(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, Failed("denied", err)
	}
	var out []Entry
	for _, e := range all {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // it went away meanwhile
		}
		if err != nil {
			return nil, Failed("denied", err)
		}
		out = append(out, Entry{Name: e.Name(), Size: info.Size(), Dir: e.IsDir()})
	}
	return out, nil
}

func (d directory) Get(ctx context.Context, name string, to io.Writer) error {
	f, err := d.root.Open(name)
	if err != nil {
		return Failed("denied", err)
	}
	defer f.Close()
	if _, err := io.Copy(to, untilOver{ctx, f}); err != nil {
		return Failed("denied", err)
	}
	return nil
}

// untilOver stops reading when the context is over.
type untilOver struct {
	ctx context.Context
	r   io.Reader
}

func (u untilOver) Read(b []byte) (int, error) {
	if err := context.Cause(u.ctx); err != nil {
		return 0, err
	}
	return u.r.Read(b)
}
