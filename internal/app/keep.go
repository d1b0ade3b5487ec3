package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/backup"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/keep"
	"tuermer/internal/town/vault"
)

// What lies where in a data folder.
const (
	backupFolder  = "backups"           // own backups, unless the file names another
	backupKeyFile = "tuermer-trial.key" // opens what this install made
	savedConfig   = "config"            // folder of the configuration inside a backup
)

// backupConfig is the one of the install: the first configuration that has one.
func backupConfig(all []*Config) (b BackupConfig, zone *time.Location) {
	zone = time.UTC
	for _, c := range all {
		if len(c.Backup.To) == 0 {
			continue
		}
		if z, err := clock.Zone(c.Town.Timezone); err == nil {
			zone = z
		}
		return c.Backup, zone
	}
	return b, zone
}

// recipients reads public keys that were checked with the configuration.
func recipients(keys []string) (out []age.Recipient, err error) {
	for _, k := range keys {
		r, err := backup.ParseRecipient(k)
		if err != nil {
			return nil, fault.New(fault.Invalid, "app.backup_key", k).With(err)
		}
		out = append(out, r)
	}
	return out, nil
}

// keepSetting is what the configurations say of backups.
func (a *App) keepSetting(all []*Config) (s keep.Setting, err error) {
	b, zone := backupConfig(all)
	s = keep.Setting{
		Folder: filepath.Join(a.o.Dir, backupFolder),
		Plan:   keep.Plan{Keep: b.Keep, Stale: time.Duration(b.Stale) * 24 * time.Hour, Zone: zone},
	}
	if s.To, err = recipients(b.To); err != nil {
		return s, err
	}
	if b.Folder != "" {
		s.Folder = b.Folder
	}
	if b.At != "" {
		s.Plan.Hour, s.Plan.Minute, err = keep.ParseHour(b.At)
		s.Plan.On = true
	}
	return s, err
}

func (a *App) newKeep() (*keep.Room, error) {
	setting, err := a.keepSetting(a.configs())
	if err != nil {
		return nil, err
	}
	o := keep.Options{
		Store: a.store, Clock: a.o.Clock, Log: a.o.Log, Audit: a.audit, Version: a.o.Version, Setting: setting,
		KeyFile: filepath.Join(a.o.Dir, backupKeyFile),
		Files:   a.savedFiles, Rehearse: a.rehearse, Tell: a.tellKept, Copies: a.copies,
	}
	if a.channel != nil { // `tuermer backup` builds no rooms
		o.Holders = []keep.Holder{a.channel, a.publish}
	}
	return keep.New(o), nil
}

// keyPath is where the instance key lies.
func (o Options) keyPath() string {
	if o.KeyFile != "" {
		return o.KeyFile
	}
	return filepath.Join(o.Dir, vault.KeyFile)
}

// savedFiles are the instance key and the configuration with the password
// files that it names.
func (a *App) savedFiles() ([]backup.File, error) {
	key, err := os.ReadFile(a.o.keyPath())
	if err != nil {
		return nil, fmt.Errorf("app: instance key: %w", err)
	}
	out := []backup.File{{Name: vault.KeyFile, Data: key}}
	seen := map[string]bool{}
	for _, c := range a.configs() {
		for _, path := range c.files {
			if seen[path] {
				continue
			}
			seen[path] = true
			data, err := os.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("app: configuration: %w", err)
			}
			out = append(out, backup.File{Name: savedName(a.o.ConfigFile, path), Data: data})
		}
	}
	return out, nil
}

// savedName is the name of a configuration file inside a backup: as it lies
// beside the first file, or under "elsewhere" with its whole path.
func savedName(config, path string) string {
	folder := config
	if info, err := os.Stat(config); err != nil || !info.IsDir() {
		folder = filepath.Dir(config)
	}
	if rel, err := filepath.Rel(folder, path); err == nil && filepath.IsLocal(rel) {
		return savedConfig + "/" + filepath.ToSlash(rel)
	}
	whole, err := filepath.Abs(path)
	if err != nil {
		whole = path
	}
	return savedConfig + "/elsewhere/" + strings.TrimLeft(filepath.ToSlash(whole), "/")
}

// tellKept raises the alarm about backups, and ends it.
func (a *App) tellKept(ctx context.Context, f keep.Finding) error {
	return a.tellTowns(ctx, "keep:backup", f.Bad, func(ctx context.Context, s *signal.Signal) {
		l := a.townLocale(ctx)
		s.Title, s.Detail = l.Catalog.Text(l.Lang, f.Title), f.Detail
	})
}

// tellTowns raises an alarm in every town of the install, and ends it: the machine
// is theirs together.
func (a *App) tellTowns(ctx context.Context, key string, bad bool, words func(ctx context.Context, s *signal.Signal)) error {
	towns, err := a.identity.Tenants(ident.AcrossTenants(ctx))
	if err != nil {
		return err
	}
	for _, t := range towns {
		ctx := ident.WithTenant(ctx, t.ID)
		s := signal.Signal{
			Source: signal.Monitor, Key: key, State: signal.Firing, Severity: signal.Warning, Since: a.o.Clock.Now(), At: a.o.Clock.Now(),
		}
		words(ctx, &s)
		if !bad {
			firing, err := a.signal.IsFiring(ctx, s.Key)
			if err != nil {
				return err
			}
			if !firing {
				continue // nothing to end
			}
			s.State = signal.Resolved
		}
		if _, err := a.signal.Record(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// rehearse restores a backup into a folder that is thrown away, opens it, and
// walks the hash chains of all towns in it.
func (a *App) rehearse(ctx context.Context, file string, with []age.Identity) (t keep.Trial, err error) {
	dir, err := os.MkdirTemp(a.o.Dir, stagePrefix+"trial-")
	if err != nil {
		return t, fmt.Errorf("app: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	in, err := openBackup(file, with)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	r, err := a.o.fillFrom(ctx, in, dir, "", nil)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, r.app.Close()) }()
	t = keep.Trial{Made: in.Head.Made, Version: in.Head.Version, Rows: r.loaded.Rows, Tables: len(in.End.Rows)}
	// The rows are asked of the database once more: the file saying so is no proof.
	for table, n := range in.End.Rows {
		have, err := r.app.store.CountAll(ctx, table)
		if err != nil {
			return t, err
		}
		if have != n {
			return t, fmt.Errorf("app: %s has %d rows, the backup %d", table, have, n)
		}
	}
	towns, err := r.app.identity.Tenants(ident.AcrossTenants(ident.WithActor(ctx, ident.System)))
	if err != nil {
		return t, err
	}
	for _, town := range towns {
		if err := r.app.audit.Verify(ident.WithActor(ident.WithTenant(ctx, town.ID), ident.System)); err != nil {
			return t, fmt.Errorf("app: audit log of %s: %w", town.Slug, err)
		}
		t.Chains++
	}
	return t, nil
}

// Backup writes a backup to file, readable with the keys of to besides those of
// the configuration. It may be asked while a serve runs.
func (Commands) Backup(ctx context.Context, s Settings, file string, to []string) (err error) {
	defer explain(&err)
	o := s.options()
	if o.Database == "" {
		if _, err := os.Stat(filepath.Join(o.Dir, store.File)); errors.Is(err, fs.ErrNotExist) {
			return fault.New(fault.NotFound, "app.backup_nothing", o.Dir)
		}
	}
	a := &App{o: o, log: s.Log}
	a.conf.put(o.Config, o.More)
	if a.store, err = store.Open(ctx, store.Options{Dir: o.Dir, URL: o.Database, Log: s.Log}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.store.Close()) }()
	if a.o.Clock == nil {
		a.o.Clock = clock.System{}
	}
	room, err := a.newKeep()
	if err != nil {
		return err
	}
	b, _ := backupConfig(a.configs())
	keys, err := recipients(append(slices.Clone(b.To), to...))
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return fault.New(fault.Invalid, "app.backup_no_key")
	}
	rows, err := room.Make(ctx, file, keys, s.progress())
	if errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Conflict, "app.backup_there", file).With(err)
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.Stdout, appText(s.Lang, "app.backup_done", file, rows, (info.Size()+1023)/1024, len(keys)))
	return nil
}

// BackupKey makes a private key for backups and answers the public one.
func (Commands) BackupKey(_ context.Context, _ Settings, file string) (public string, err error) {
	defer explain(&err)
	public, err = backup.NewKey(file)
	if errors.Is(err, fs.ErrExist) {
		return "", fault.New(fault.Conflict, "app.backup_there", file).With(err)
	}
	return public, err
}

// progress says every few seconds how far a long work is.
func (s Settings) progress() backup.Progress {
	steady := clock.NewSteady()
	last := steady.Now()
	return func(table string, rows int64) {
		if now := steady.Now(); now.Sub(last) >= 3*time.Second {
			last = now
			fmt.Fprintln(s.Stderr, appText(s.Lang, "app.backup_progress", table, rows))
		}
	}
}

// explain gives an error its words, at the end of a command.
func explain(err *error) {
	if *err != nil {
		*err = explained{*err}
	}
}
