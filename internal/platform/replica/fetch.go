package replica

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"filippo.io/age"
	"github.com/benbjohnson/litestream"
	"github.com/superfly/ltx"

	"tuermer/internal/platform/backup"
	"tuermer/internal/platform/depot"
)

// Line is the copy of one database on a place. Each install begins a line of its
// own, and after a restore another one.
type Line struct {
	Name string
	// Through is when the last of its files was made.
	Through time.Time
	files   []file
}

// Find lists the lines of a place that can be restored, the newest last.
func Find(ctx context.Context, p depot.Place, dial depot.Dial) (out []Line, err error) {
	s, err := p.Open(ctx, dial)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	list := func(dir string) (entries []depot.Entry, err error) {
		err = step(ctx, func(ctx context.Context) error { entries, err = s.List(ctx, dir); return err })
		return entries, err
	}
	lines, err := list("")
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		if !l.Dir || !lineName.MatchString(l.Name) {
			continue
		}
		found := Line{Name: l.Name}
		for level := range litestream.SnapshotLevel + 1 {
			entries, err := list(path.Join(l.Name, strconv.Itoa(level)))
			if err != nil {
				return nil, err
			}
			for _, e := range entries {
				if f, ok := parseName(level, e.Name); ok {
					found.files = append(found.files, f)
					if f.Made.After(found.Through) {
						found.Through = f.Made
					}
				}
			}
		}
		if len(found.files) > 0 {
			out = append(out, found)
		}
	}
	slices.SortFunc(out, func(a, b Line) int { return a.Through.Compare(b.Through) })
	return out, nil
}

// Fetched is what came back.
type Fetched struct {
	Version string // of the program that the kit is from
	Through time.Time
	Files   []backup.File
}

// Fetch builds the database of a line at path, which must be free, and answers
// what lay beside it. with are private keys, of which one must fit. Everything on
// its way is kept beside path and removed again.
func Fetch(ctx context.Context, p depot.Place, dial depot.Dial, l Line, with []age.Identity, database string, progress func(done, all int)) (out Fetched, err error) {
	s, err := p.Open(ctx, dial)
	if err != nil {
		return out, err
	}
	defer s.Close()
	var raw bytes.Buffer
	if err := s.Get(ctx, path.Join(l.Name, kitName), &limited{&raw, maxKit}); err != nil {
		return out, err
	}
	k, err := readKit(raw.Bytes(), with)
	if err != nil {
		return out, err
	}
	out = Fetched{Version: k.Version, Files: k.Files}
	plan, err := litestream.CalcRestorePlan(ctx, &list{files: l.files}, 0, time.Time{}, slog.New(slog.DiscardHandler))
	if err != nil {
		return out, fmt.Errorf("replica: %w: %w", backup.ErrDamaged, err)
	}
	here := &spool{
		dir:  database + ".files",
		keys: func() ([]age.Recipient, []age.Identity, error) { return nil, with, nil },
	}
	defer func() { err = errors.Join(err, here.DeleteAll(ctx)) }()
	for i, info := range plan {
		f := file{info.Level, info.MinTXID, info.MaxTXID, info.CreatedAt, info.Size}
		if f.Made.After(out.Through) {
			out.Through = f.Made
		}
		if err := get(ctx, s, path.Join(l.Name, f.name()), filepath.Join(here.dir, filepath.FromSlash(f.name()))); err != nil {
			return out, err
		}
		// litestream would read a damaged file again and again, hoping for another host.
		if err := here.check(ctx, f); err != nil {
			return out, err
		}
		if progress != nil {
			progress(i+1, len(plan))
		}
	}
	opt := litestream.NewRestoreOptions()
	opt.OutputPath = database
	r := litestream.NewReplicaWithClient(nil, here)
	if err := r.Restore(ctx, opt); err != nil {
		if errors.Is(err, backup.ErrKey) {
			return out, err
		}
		return out, fmt.Errorf("replica: %w: %w", backup.ErrDamaged, err)
	}
	return out, settle(ctx, database)
}

// get copies one file from a place to our disk.
func get(ctx context.Context, s depot.Session, name, to string) (err error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	return errors.Join(s.Get(ctx, name, f), f.Close())
}

// check opens a file to its end.
func (s *spool) check(ctx context.Context, f file) error {
	in, err := s.OpenLTXFile(ctx, f.Level, f.Min, f.Max, 0, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := io.Copy(io.Discard, in); err != nil {
		return fmt.Errorf("replica: %s: %w", f.name(), opened(err))
	}
	return nil
}

// settle looks whether the database is whole, and takes litestream's own tables
// out of it: this one begins another line.
func settle(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var said string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&said); err != nil || said != "ok" {
		return fmt.Errorf("replica: %w: %s %w", backup.ErrDamaged, said, cmp.Or(err, fs.ErrInvalid))
	}
	for _, table := range []string{"_litestream_seq", "_litestream_lock"} {
		if _, err := db.ExecContext(ctx, `DROP TABLE IF EXISTS "`+table+`"`); err != nil {
			return fmt.Errorf("replica: %w", err)
		}
	}
	return nil
}

// list answers litestream what there is, for a plan.
type list struct {
	spool
	files []file
}

func (l *list) LTXFiles(_ context.Context, level int, seek ltx.TXID, _ bool) (ltx.FileIterator, error) {
	return infos(l.files, level, seek), nil
}

// limited refuses to take more than left bytes.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	if l.left -= len(b); l.left < 0 {
		return 0, fmt.Errorf("replica: %w: too large", backup.ErrDamaged)
	}
	return l.w.Write(b)
}
