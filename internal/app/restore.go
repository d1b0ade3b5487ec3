package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"tuermer/internal/platform/backup"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/vault"
)

// A restore is built whole beside what is there, and then takes its place by
// one rename: before it nothing has happened, after it the rest is carried on
// by whoever opens the folder next ([settleRestore]). A kill at any moment
// leaves the old state or the new one.
const (
	stagePrefix = ".tuermer-restore-" // what is being built; swept away later
	readyPrefix = "restore-ready-"    // what is whole and takes its place
	movedPrefix = "before-restore-"   // what stood there before
)

// RestoreWish is what `tuermer restore` asks for.
type RestoreWish struct {
	File    string
	Replica string   // instead of a file: a place of the configuration, or a folder
	Keys    []string // files with private keys
	Replace bool     // an install that is there already steps aside
}

// opened is a backup under reading.
type opened struct {
	*backup.Reader
	f *os.File
}

func (o *opened) Close() error { return o.f.Close() }

// openBackup opens a file with words for whoever typed its name.
func openBackup(path string, with []age.Identity) (*opened, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "app.restore_no_file", path).With(err)
	}
	if err != nil {
		return nil, err
	}
	r, err := backup.NewReader(f, with...)
	if err == nil {
		err = notNewer(r.Head)
	}
	if err != nil {
		return nil, errors.Join(restoreWords(err, path), f.Close())
	}
	return &opened{r, f}, nil
}

// notNewer refuses a backup whose schema this program does not know.
func notNewer(h backup.Head) error {
	know, err := store.Newest(Migrations()...)
	if err != nil {
		return err
	}
	for room, v := range h.Schema {
		if v > know[room] {
			return fault.New(fault.Conflict, "app.restore_newer", h.Version, room, v, know[room]).With(backup.ErrNewer)
		}
	}
	return nil
}

// restoreWords gives the reasons of the format their sentences.
func restoreWords(err error, path string) error {
	if _, has := errors.AsType[*fault.Error](err); has {
		return err
	}
	for cause, key := range map[error]string{
		backup.ErrKey: "app.restore_key", backup.ErrDamaged: "app.restore_damaged",
		backup.ErrForeign: "app.restore_foreign", backup.ErrNewer: "app.restore_newer_format",
	} {
		if errors.Is(err, cause) {
			return fault.New(fault.Invalid, key, path).With(err)
		}
	}
	return err
}

// filled is an app over a database that was just filled.
type filled struct {
	app    *App
	loaded backup.Loaded
	head   backup.Head
}

// origin is what an install is restored from.
type origin interface {
	// fill builds the install in dir, and in database where that is not empty.
	fill(ctx context.Context, dir, database string) (filled, error)
	// done says how it went.
	done(say func(key string, args ...any), f filled)
	Close() error
}

// fromFile is a backup.
type fromFile struct {
	*opened
	o        Options
	progress backup.Progress
}

func (b fromFile) fill(ctx context.Context, dir, database string) (filled, error) {
	return b.o.fillFrom(ctx, b.opened, dir, database, b.progress)
}

func (b fromFile) done(say func(key string, args ...any), f filled) {
	say("app.restore_done", f.loaded.Rows, f.head.Made.Format("2006-01-02 15:04"), f.head.Version)
}

// fillFrom builds an install in dir (and in database, where that is not empty)
// from a backup. The caller closes the app.
func (o Options) fillFrom(ctx context.Context, in *opened, dir, database string, progress backup.Progress) (out filled, err error) {
	var next any
	for {
		if next, err = in.Next(); err != nil {
			return out, restoreWords(err, in.f.Name())
		}
		f, is := next.(backup.File)
		if !is {
			break
		}
		if err := layDown(dir, f); err != nil {
			return out, err
		}
	}
	into := Options{
		Config: &Config{}, Dir: dir, Database: database, Version: o.Version, Log: slog.New(slog.DiscardHandler), Clock: o.Clock,
		fill: func(ctx context.Context, a *App) error {
			if err := a.store.MigrateTo(ctx, in.Head.Schema, Migrations()...); err != nil {
				return err
			}
			out.loaded, err = backup.Load(ctx, a.store, in.Reader, next, progress)
			return err
		},
	}
	if out.app, err = New(ctx, into); err != nil {
		return out, restoreWords(err, in.f.Name())
	}
	out.head = in.Head
	return out, nil
}

// layDown writes a file of the backup where the restored install has it.
func layDown(dir string, f backup.File) error {
	name, under := f.Name, ""
	if rest, ok := strings.CutPrefix(f.Name, savedConfig+"/"); ok {
		name, under = rest, restoredConfig
	} else if f.Name != vault.KeyFile {
		return nil // of a newer minor version; nothing that we would need
	}
	if !filepath.IsLocal(name) {
		return fmt.Errorf("app: %w: file %q", backup.ErrDamaged, f.Name)
	}
	path := filepath.Join(dir, under, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, f.Data, 0o600)
}

// restoredConfig is the folder in which a restored configuration lies for a
// person to look at: it names machines and networks of the old place.
const restoredConfig = "config-from-backup"

// Restore builds the install that a backup holds. Nothing that waited to be
// sent goes out, and everybody is signed out.
func (Commands) Restore(ctx context.Context, s Settings, w RestoreWish) (err error) {
	defer explain(&err)
	o := s.options()
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	keys, err := o.identities(w.Keys)
	if err != nil {
		return err
	}
	if (w.File == "") == (w.Replica == "") {
		return fault.New(fault.Invalid, "app.restore_both")
	}
	var in origin
	if w.Replica != "" {
		in, err = openReplica(ctx, s, o, w, keys)
	} else {
		var f *opened
		f, err = openBackup(w.File, keys)
		in = fromFile{f, o, s.progress()}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	l, err := takeLock(o.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.release()) }()
	if err := o.sweepStages(); err != nil {
		return err
	}
	target := restoreTarget(o)
	there, err := target.occupied(ctx)
	if err != nil {
		return err
	}
	if there && !w.Replace {
		return fault.New(fault.Conflict, "app.restore_there", o.Dir)
	}
	stage, err := os.MkdirTemp(o.Dir, stagePrefix)
	if err != nil {
		return fmt.Errorf("app: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
	database, err := target.stage(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.unstage(context.WithoutCancel(ctx))) }()
	r, err := in.fill(ctx, stage, database)
	if err != nil {
		return err
	}
	if err := errors.Join(r.app.holdBack(ctx, r.head, r.loaded), r.app.Close()); err != nil {
		return err
	}
	moved, err := target.commit(ctx, stage, there)
	if err != nil {
		return err
	}
	say := func(key string, args ...any) { fmt.Fprintln(s.Stdout, appText(s.Lang, key, args...)) }
	in.done(say, r)
	if moved != "" {
		say("app.restore_moved", moved)
	}
	if _, err := os.Stat(filepath.Join(o.Dir, restoredConfig)); err == nil {
		say("app.restore_config", filepath.Join(o.Dir, restoredConfig))
	}
	say("app.restore_held")
	return nil
}

// identities reads private keys: those that were named, and the install's own
// where its folder is still there.
func (o Options) identities(files []string) (out []age.Identity, err error) {
	for _, f := range files {
		ids, err := backup.ReadIdentities(f)
		if err != nil {
			return nil, fault.New(fault.Invalid, "app.restore_keyfile", f).With(err)
		}
		out = append(out, ids...)
	}
	if own, err := backup.ReadIdentities(filepath.Join(o.Dir, backupKeyFile)); err == nil {
		out = append(out, own...)
	}
	return out, nil
}

// holdBack makes a freshly filled database safe to serve: what waited to be sent
// waits for a person, everybody is signed out, open jobs are in the queue, and
// every town's audit log says what happened.
func (a *App) holdBack(ctx context.Context, h backup.Head, l backup.Loaded) error {
	ctx = ident.WithActor(ctx, ident.System)
	for _, hold := range []func(context.Context) error{a.channel.HoldAll, a.publish.HoldAll, a.editorial.HoldAll, a.identity.EndAllSessions} {
		if err := hold(ctx); err != nil {
			return err
		}
	}
	if err := a.jobs.Readmit(ctx, l.Jobs); err != nil {
		return err
	}
	towns, err := a.identity.Tenants(ident.AcrossTenants(ctx))
	if err != nil {
		return err
	}
	for _, t := range towns {
		err := a.audit.Note(ident.WithTenant(ctx, t.ID), "keep.restored", "", map[string]string{
			"made": h.Made.Format("2006-01-02T15:04:05Z"), "version": h.Version,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sweepStages removes what a kill left of earlier restores.
func (o Options) sweepStages() error {
	old, err := filepath.Glob(filepath.Join(o.Dir, stagePrefix+"*"))
	for _, dir := range old {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// target is where a restored install comes to lie.
type target interface {
	occupied(ctx context.Context) (bool, error)
	// stage prepares a place in a database server; empty for a file.
	stage(ctx context.Context) (url string, err error)
	unstage(ctx context.Context) error
	// commit makes the built install the one that counts, and names where the old
	// one went.
	commit(ctx context.Context, stage string, replace bool) (moved string, err error)
}

func restoreTarget(o Options) target {
	if o.Database != "" {
		return &intoServer{o: o}
	}
	return intoFolder{o}
}

// intoFolder is a data folder with its SQLite file.
type intoFolder struct{ o Options }

func (t intoFolder) occupied(context.Context) (bool, error) {
	for _, path := range []string{filepath.Join(t.o.Dir, store.File), t.o.keyPath()} {
		if _, err := os.Lstat(path); err == nil {
			return true, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return false, nil
}

func (t intoFolder) stage(context.Context) (string, error) { return "", nil }
func (t intoFolder) unstage(context.Context) error         { return nil }

func (t intoFolder) commit(_ context.Context, stage string, _ bool) (string, error) {
	if t.o.KeyFile != "" { // the operator's own place: settled first, for a file with a key alone is no install
		if err := placeKey(stage, t.o.KeyFile); err != nil {
			return "", err
		}
	}
	stamp := stampOf(t.o.Clock)
	if err := sealStage(stage, filepath.Join(t.o.Dir, readyPrefix+stamp)); err != nil {
		return "", err
	}
	return settleRestore(t.o.Dir)
}

func stampOf(c clock.Clock) string { return c.Now().Format("20060102T150405.000Z") }

// placeKey refuses to write over a key of the operator that is another one.
func placeKey(stage, path string) error {
	key, err := os.ReadFile(filepath.Join(stage, vault.KeyFile))
	if err != nil {
		return fmt.Errorf("app: instance key: %w", err)
	}
	have, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = backup.Create(path, func(w io.Writer) error { _, err := w.Write(key); return err })
	case err == nil && !bytes.Equal(have, key):
		return fault.New(fault.Conflict, "app.restore_other_key", path)
	}
	return errors.Join(err, os.Remove(filepath.Join(stage, vault.KeyFile)))
}

// sealStage brings everything to the disk and gives it the name by which it
// counts.
func sealStage(stage, ready string) error {
	if err := os.RemoveAll(filepath.Join(stage, "serve.lock")); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(stage, "pages")); err != nil {
		return err
	}
	err := filepath.WalkDir(stage, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
	if err != nil {
		return fmt.Errorf("app: restore: %w", err)
	}
	if err := os.Rename(stage, ready); err != nil {
		return fmt.Errorf("app: restore: %w", err)
	}
	return backup.SyncDir(filepath.Dir(ready))
}

// settleRestore carries a restore that counts to its end: what stood there
// moves aside, what was built moves in, the database last. Each step may have
// been done before. It answers where the old install lies now.
func settleRestore(dir string) (moved string, err error) {
	all, err := filepath.Glob(filepath.Join(dir, readyPrefix+"*"))
	if err != nil {
		return "", err
	}
	for _, ready := range all {
		aside := filepath.Join(dir, movedPrefix+strings.TrimPrefix(filepath.Base(ready), readyPrefix))
		put := func(name string) error {
			from, to := filepath.Join(ready, name), filepath.Join(dir, name)
			if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
				return nil // it moved in before
			}
			olds := []string{name}
			if name == store.File { // its side files belong to it
				olds = []string{name + "-wal", name + "-shm", name}
			}
			for _, old := range olds {
				if _, err := os.Lstat(filepath.Join(dir, old)); err != nil {
					continue
				}
				if err := os.MkdirAll(aside, 0o700); err != nil {
					return err
				}
				if err := os.Rename(filepath.Join(dir, old), filepath.Join(aside, old)); err != nil {
					return err
				}
			}
			return os.Rename(from, to)
		}
		// What the old install still had to send from this disk is its own: its
		// alarms must not go out as the restored one's.
		// And the running copy of the restored one begins anew.
		for _, own := range []string{awayFolder, replicaFolder} {
			if _, err := os.Lstat(filepath.Join(dir, own)); err != nil {
				continue
			}
			if err := os.MkdirAll(aside, 0o700); err != nil {
				return "", fmt.Errorf("app: restore: %w", err)
			}
			if err := os.Rename(filepath.Join(dir, own), filepath.Join(aside, own)); err != nil {
				return "", fmt.Errorf("app: restore: %w", err)
			}
		}
		for _, name := range []string{restoredConfig, vault.KeyFile, store.File} {
			if err := put(name); err != nil {
				return "", fmt.Errorf("app: restore: %w", err)
			}
		}
		if err := errors.Join(os.RemoveAll(ready), backup.SyncDir(dir)); err != nil {
			return "", err
		}
		if _, err := os.Stat(aside); err == nil {
			moved = aside
		}
	}
	return moved, nil
}

// appText is a sentence of the command line where no app is open.
func appText(l i18n.Lang, key string, args ...any) string {
	c, err := catalog()
	if err != nil {
		return key
	}
	return c.Text(l, key, args...)
}
