package replica

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/benbjohnson/litestream"
	"github.com/superfly/ltx"

	"tuermer/internal/platform/backup"
)

// file is one sealed LTX file. Everything that litestream asks of a file without
// reading it stands in its name, so that a list of names is enough.
type file struct {
	Level    int
	Min, Max ltx.TXID
	Made     time.Time
	Plain    int64 // bytes before sealing
}

// name is where the file lies below the folder of its line.
func (f file) name() string {
	return fmt.Sprintf("%d/%016x-%016x-%d-%d%s", f.Level, uint64(f.Min), uint64(f.Max), f.Made.UnixMilli(), f.Plain, sealed)
}

const (
	sealed = ".age"
	part   = ".part" // stands behind the name of what is not whole yet
)

// parseName reads what [file.name] wrote; ok is false for anything else.
func parseName(level int, name string) (f file, ok bool) {
	rest, ok := strings.CutSuffix(name, sealed)
	parts := strings.Split(rest, "-")
	if !ok || len(parts) != 4 {
		return f, false
	}
	var n [4]uint64
	for i, p := range parts {
		base := 10
		if i < 2 {
			base = 16
		}
		var err error
		if n[i], err = strconv.ParseUint(p, base, 63); err != nil {
			return f, false
		}
	}
	f = file{Level: level, Min: ltx.TXID(n[0]), Max: ltx.TXID(n[1]), Made: time.UnixMilli(int64(n[2])).UTC(), Plain: int64(n[3])} //nolint:gosec // 63 bits
	return f, f.Min > 0 && f.Min <= f.Max && f.name() == fmt.Sprintf("%d/%s", level, name)
}

func (f file) info() *ltx.FileInfo {
	return &ltx.FileInfo{Level: f.Level, MinTXID: f.Min, MaxTXID: f.Max, Size: f.Plain, CreatedAt: f.Made}
}

// byRange is the order in which litestream wants to hear of files.
func byRange(a, b file) int { return cmp.Or(cmp.Compare(a.Min, b.Min), cmp.Compare(a.Max, b.Max)) }

// infos are the files of one level from seek on.
func infos(files []file, level int, seek ltx.TXID) ltx.FileIterator {
	var out []*ltx.FileInfo
	slices.SortFunc(files, byRange)
	for _, f := range files {
		if f.Level == level && f.Min >= seek {
			out = append(out, f.info())
		}
	}
	return ltx.NewFileInfoSliceIterator(out)
}

// spool is the folder of sealed files, and the client through which litestream
// writes and reads them.
type spool struct {
	dir string
	// keys are whom new files are sealed to, and who opens them here.
	keys func() (to []age.Recipient, own []age.Identity, err error)
}

var _ litestream.ReplicaClient = (*spool)(nil)

// Type names the client in litestream's log.
func (*spool) Type() string { return "tuermer" }

// SetLogger does nothing: errors are returned.
func (*spool) SetLogger(*slog.Logger) {}

// Init makes the folder, and takes away what a kill left half.
func (s *spool) Init(context.Context) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	halves, err := filepath.Glob(filepath.Join(s.dir, "*", "*"+part))
	for _, h := range halves {
		err = errors.Join(err, os.Remove(h))
	}
	return err
}

// files lists what lies there, over all levels.
func (s *spool) files() ([]file, error) {
	var out []file
	for level := range litestream.SnapshotLevel + 1 {
		entries, err := os.ReadDir(filepath.Join(s.dir, strconv.Itoa(level)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("replica: %w", err)
		}
		for _, e := range entries {
			if f, ok := parseName(level, e.Name()); ok {
				out = append(out, f)
			}
		}
	}
	return out, nil
}

// LTXFiles tells what lies there.
func (s *spool) LTXFiles(_ context.Context, level int, seek ltx.TXID, _ bool) (ltx.FileIterator, error) {
	all, err := s.files()
	if err != nil {
		return nil, err
	}
	return infos(all, level, seek), nil
}

// path is where a file of these transactions lies; [fs.ErrNotExist] if there is
// none.
func (s *spool) path(level int, from, to ltx.TXID) (string, file, error) {
	dir := filepath.Join(s.dir, strconv.Itoa(level))
	prefix := fmt.Sprintf("%016x-%016x-", uint64(from), uint64(to))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", file{}, err
	}
	for _, e := range slices.Backward(entries) {
		if f, ok := parseName(level, e.Name()); ok && strings.HasPrefix(e.Name(), prefix) {
			return filepath.Join(dir, e.Name()), f, nil
		}
	}
	return "", file{}, &fs.PathError{Op: "open", Path: filepath.Join(dir, prefix), Err: fs.ErrNotExist}
}

// OpenLTXFile reads a part of a file in the clear, or all of it.
func (s *spool) OpenLTXFile(_ context.Context, level int, from, to ltx.TXID, offset, size int64) (io.ReadCloser, error) {
	path, want, err := s.path(level, from, to)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	_, own, err := s.keys()
	info, statErr := f.Stat()
	if err := errors.Join(err, statErr); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	plain, n, err := age.DecryptReaderAt(f, info.Size(), own...)
	if err == nil && n != want.Plain {
		err = fmt.Errorf("%d bytes, its name says %d", n, want.Plain)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("replica: %s: %w", want.name(), opened(err)), f.Close())
	}
	if size <= 0 || offset+size > n {
		size = max(0, n-offset)
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(plain, offset, size), f}, nil
}

// opened tells a key that fits nothing from a file that is damaged.
func opened(err error) error {
	if _, no := errors.AsType[*age.NoIdentityMatchError](err); no {
		return fmt.Errorf("%w: %w", backup.ErrKey, err)
	}
	return fmt.Errorf("%w: %w", backup.ErrDamaged, err)
}

// WriteLTXFile seals a file into its place, where it is whole or not at all.
func (s *spool) WriteLTXFile(_ context.Context, level int, from, to ltx.TXID, r io.Reader) (info *ltx.FileInfo, err error) {
	var head bytes.Buffer
	h, _, err := ltx.PeekHeader(io.TeeReader(r, &head))
	if err != nil {
		return nil, fmt.Errorf("replica: header: %w", err)
	}
	recipients, _, err := s.keys()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.dir, strconv.Itoa(level))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	f, err := os.CreateTemp(dir, "*"+part) // made with mode 0600
	if err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	made := file{Level: level, Min: from, Max: to, Made: time.UnixMilli(h.Timestamp).UTC()}
	made.Plain, err = seal(f, io.MultiReader(&head, r), recipients)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	// A file that litestream writes anew has another name; the old one goes after.
	old, had, oldErr := s.path(level, from, to)
	if err := os.Rename(f.Name(), filepath.Join(s.dir, filepath.FromSlash(made.name()))); err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	if oldErr == nil && had != made {
		if err := os.Remove(old); err != nil {
			return nil, fmt.Errorf("replica: %w", err)
		}
	}
	return made.info(), backup.SyncDir(dir)
}

// seal copies r to w, encrypted, and counts what it read.
func seal(w io.Writer, r io.Reader, to []age.Recipient) (n int64, err error) {
	out, err := age.Encrypt(w, to...)
	if err != nil {
		return 0, err
	}
	if n, err = io.Copy(out, r); err != nil {
		return n, err
	}
	return n, out.Close()
}

// DeleteLTXFiles removes files; what is gone already is as good.
func (s *spool) DeleteLTXFiles(_ context.Context, a []*ltx.FileInfo) error {
	for _, i := range a {
		f := file{i.Level, i.MinTXID, i.MaxTXID, i.CreatedAt, i.Size}
		if err := os.Remove(filepath.Join(s.dir, filepath.FromSlash(f.name()))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("replica: %w", err)
		}
	}
	return nil
}

// DeleteAll removes everything.
func (s *spool) DeleteAll(context.Context) error { return os.RemoveAll(s.dir) }
