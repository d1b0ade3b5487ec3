package replica

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/benbjohnson/litestream"
	"github.com/superfly/ltx"

	"tuermer/internal/platform/depot"
)

// Place is a host, or a folder, to which everything is carried.
type Place struct {
	Name string
	depot.Place
}

// next says which of our files a host gets next, there being had on it; ok is
// false when it has them all.
//
// At every moment the host must be restorable, to the last transaction that its
// files reach without a gap. So only a file qualifies that begins no later than
// where they end. Of those that lead further, the lowest level goes first: it is
// small, and what was written last counts most. A snapshot begins at one, so
// there is always a way; files that lead no further (they save the restore time,
// and let old ones go) come last.
func next(ours []file, had map[string]bool) (f file, ok bool) {
	reach := reachOf(had)
	rank := func(f file) int {
		if f.Max > reach {
			return 0
		}
		return 1
	}
	for _, c := range ours {
		if had[c.name()] || c.Min > reach+1 {
			continue
		}
		if !ok || cmp.Or(cmp.Compare(rank(c), rank(f)), cmp.Compare(c.Level, f.Level), byRange(c, f)) < 0 {
			f, ok = c, true
		}
	}
	return f, ok
}

// reachOf is the last transaction to which the files of a host lead without a
// gap.
func reachOf(had map[string]bool) (reach ltx.TXID) {
	all := named(had)
	slices.SortFunc(all, byRange)
	for _, f := range all {
		if f.Min <= reach+1 {
			reach = max(reach, f.Max)
		}
	}
	return reach
}

// named are the files behind names.
func named(names map[string]bool) (out []file) {
	for name := range names {
		dir, base := path.Split(name)
		level, err := strconv.Atoi(strings.TrimSuffix(dir, "/"))
		if err != nil {
			continue
		}
		if f, ok := parseName(level, base); ok {
			out = append(out, f)
		}
	}
	return out
}

// carrier brings the files of the spool to one place.
type carrier struct {
	r     *Replica
	place Place

	s   depot.Session
	had map[string]bool // what lies there, by our knowledge; nil: not asked yet
	kit [sha256.Size]byte
}

// reach opens the place and asks what lies there.
func (c *carrier) reach(ctx context.Context) (err error) {
	if c.s != nil {
		return nil
	}
	s, err := c.place.Open(ctx, c.r.o.Dial)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	err = step(ctx, func(ctx context.Context) error { return s.Mkdir(ctx, c.r.line) })
	had := map[string]bool{}
	for level := range litestream.SnapshotLevel + 1 {
		if err != nil {
			return err
		}
		var entries []depot.Entry
		err = step(ctx, func(ctx context.Context) (err error) {
			entries, err = s.List(ctx, path.Join(c.r.line, strconv.Itoa(level)))
			return err
		})
		for _, e := range entries {
			had[path.Join(strconv.Itoa(level), e.Name)] = true
		}
		if err == nil && len(entries) == 0 {
			err = step(ctx, func(ctx context.Context) error { return s.Mkdir(ctx, path.Join(c.r.line, strconv.Itoa(level))) })
		}
	}
	if err != nil {
		return err
	}
	c.s, c.had, c.kit = s, had, [sha256.Size]byte{}
	return nil
}

// step bounds one small step.
func step(ctx context.Context, do func(ctx context.Context) error) error {
	c, cancel := context.WithTimeout(ctx, depot.StepTime)
	defer cancel()
	return do(c)
}

// round brings everything there that is missing, and takes away what is over.
func (c *carrier) round(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if err := c.reach(ctx); err != nil {
		return err
	}
	// A configuration that cannot be read at the moment must not hold up the rest.
	kitErr := c.bringKit(ctx)
	if f, ok := errors.AsType[*depot.Failure](kitErr); ok {
		return f
	}
	return errors.Join(c.bringAll(ctx), kitErr)
}

func (c *carrier) bringAll(ctx context.Context) error {
	for {
		ours, err := c.r.spool.files()
		if err != nil {
			return err
		}
		f, ok := next(ours, c.had)
		if !ok {
			for _, f := range ours {
				if !c.had[f.name()] {
					return errGap // what lies there is worth more than what we have
				}
			}
			return c.clear(ctx, ours)
		}
		if err := c.bring(ctx, f); err != nil {
			return err
		}
	}
}

var errGap = errors.New("replica: a file is missing in our own folder")

// bring carries one file.
func (c *carrier) bring(ctx context.Context, f file) error {
	in, err := os.Open(filepath.Join(c.r.spool.dir, filepath.FromSlash(f.name())))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // thinned out meanwhile; the list is made anew
	}
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	name := path.Join(c.r.line, f.name())
	if err := c.s.PutFrom(ctx, name+part, in, info.Size()); err != nil {
		c.unput(ctx, name+part)
		return err
	}
	if err := step(ctx, func(ctx context.Context) error { return c.s.Rename(ctx, name+part, name) }); err != nil {
		return err
	}
	c.had[f.name()] = true
	return nil
}

// unput takes away what lies there half, or a full disk stays full.
func (c *carrier) unput(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), depot.StepTime/6)
	defer cancel()
	_ = c.s.Remove(ctx, name) // the next list finds it otherwise
}

// clear removes what is no longer ours: thinned out, or left half.
func (c *carrier) clear(ctx context.Context, ours []file) error {
	keep := map[string]bool{}
	for _, f := range ours {
		keep[f.name()] = true
	}
	for name := range c.had {
		if keep[name] {
			continue
		}
		err := step(ctx, func(ctx context.Context) error { return c.s.Remove(ctx, path.Join(c.r.line, name)) })
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		delete(c.had, name)
	}
	return nil
}

// bringKit carries the kit when it is another than the one that lies there.
func (c *carrier) bringKit(ctx context.Context) error {
	raw, err := c.r.kit.sealed(c.r)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(raw)
	if sum == c.kit {
		return nil
	}
	name := path.Join(c.r.line, kitName)
	if err := c.s.PutFrom(ctx, name+part, bytes.NewReader(raw), int64(len(raw))); err != nil {
		return err
	}
	if err := step(ctx, func(ctx context.Context) error { return c.s.Rename(ctx, name+part, name) }); err != nil {
		return err
	}
	c.kit = sum
	return nil
}

func (c *carrier) close() {
	if c.s != nil {
		c.s.Close()
	}
	c.s, c.had = nil, nil
}

// run carries until ctx is over, each time that there is something new.
func (c *carrier) run(ctx context.Context, news <-chan struct{}) {
	defer c.close()
	fails := 0
	for ctx.Err() == nil {
		through := c.r.saw()
		err := c.round(ctx)
		if ctx.Err() != nil {
			return // we stop: that is no fault of the host
		}
		c.r.ended(ctx, c.place, through, err)
		pause := c.r.every()
		if err != nil {
			fails++
			pause = backoff(pause, fails)
		} else {
			fails = 0
		}
		wait(ctx, pause, orNever(news, err != nil))
	}
}

func orNever(c <-chan struct{}, never bool) <-chan struct{} {
	if never {
		return nil
	}
	return c
}
