package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/backup"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/seal"
	"tuermer/internal/platform/store"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/keep"
	"tuermer/internal/town/vault"
)

// personalKey is what the vault's key for personal columns is derived for.
const personalKey = "personal"

// unlock reads the instance key, or makes it where there is none yet, and lets
// the store seal with it.
func (a *App) unlock() (err error) {
	if a.vault != nil {
		return nil
	}
	if a.vault, err = vault.Load(vault.Options{Dir: a.o.Dir, Path: a.o.KeyFile}); err != nil {
		return err
	}
	a.box, err = seal.New(a.vault.Key(personalKey))
	if err != nil {
		return err
	}
	a.store.SealWith(a.box, Migrations()...)
	return nil
}

// checkKey refuses a key that did not seal these data, before anything is
// written: with another one no address can be read, so nobody could be alarmed,
// and what would be added nobody else could read. A key that is gone is not made
// anew.
func (a *App) checkKey(ctx context.Context) error {
	have, err := backup.Versions(ctx, a.store)
	if err != nil {
		return err
	}
	sealed, err := keep.KeyOf(ctx, a.store, have["keep"])
	if err != nil || sealed.Name == "" {
		return err
	}
	if _, err := os.Stat(a.o.keyPath()); errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Conflict, "app.key_missing", a.o.keyPath())
	}
	if err := a.unlock(); err != nil {
		return err
	}
	if a.box.Name() != sealed.Name {
		return fault.New(fault.Conflict, "app.key_other", a.o.keyPath())
	}
	return nil
}

// sealed names what is sealed, so that a release that seals more does the rest.
func sealed() string {
	var places []string
	for _, m := range Migrations() {
		places = append(append(places, m.Ways...), m.Words...)
	}
	return strings.Join(places, " ")
}

// sealOld seals what an earlier release stored in the clear. It runs before the
// rooms do, and a stop in between is taken up by the next start.
func (a *App) sealOld(ctx context.Context, room *keep.Room) error {
	ctx = ident.WithActor(ctx, ident.System)
	k, err := keep.KeyOf(ctx, a.store, keep.KeyVersion)
	if err != nil || k.Places == sealed() {
		return err
	}
	// An old program that still runs would read what it cannot understand, and
	// write to nobody.
	others, err := jobs.Others(ctx, a.store, a.node)
	if err != nil {
		return err
	}
	if len(others) > 0 {
		return fault.New(fault.Conflict, "app.seal_nodes", strings.Join(others, ", "))
	}
	if err := room.NoteKey(ctx, keep.Key{Name: a.box.Name()}); err != nil {
		return err
	}
	n, err := a.store.SealRows(ctx)
	if err != nil {
		return fmt.Errorf("app: seal: %w", err)
	}
	if n > 0 {
		a.log.InfoContext(ctx, "sealed what named a way to a person", "rows", n)
	}
	if err := a.store.Compact(ctx); err != nil {
		// Alarms matter more than old pages of the file; the next start tries again.
		a.log.ErrorContext(ctx, "the database file may still hold old addresses in free pages", "err", err)
		return nil
	}
	return room.NoteKey(ctx, keep.Key{Name: a.box.Name(), Places: sealed()})
}

// MigrateBack makes the data readable for the release before this one: what is
// sealed is put back into the clear. Nothing may serve meanwhile.
func (Commands) MigrateBack(ctx context.Context, s Settings) (err error) {
	defer explain(&err)
	o := s.options()
	l, err := takeLock(o.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.release()) }()
	a := &App{o: o, log: s.Log}
	if a.node, err = nodeID(o.Dir); err != nil {
		return err
	}
	if a.store, err = store.Open(ctx, store.Options{Dir: o.Dir, URL: o.Database, Log: s.Log}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.store.Close()) }()
	ctx = ident.WithActor(ctx, ident.System)
	if err := a.checkKey(ctx); err != nil {
		return err
	}
	if a.box == nil {
		return fault.New(fault.Conflict, "app.back_nothing")
	}
	others, err := jobs.Others(ctx, a.store, a.node)
	if err != nil {
		return err
	}
	if len(others) > 0 {
		return fault.New(fault.Conflict, "app.back_nodes", strings.Join(others, ", "))
	}
	// First the note, then the rows: a stop in between leaves data that this
	// program seals again, and that the one before still refuses.
	return keep.GoBack(ctx, a.store, before, func(ctx context.Context) error {
		towns, err := signal.Forgetful(ctx, a.store)
		if err != nil {
			return err
		}
		if err := alert.GoBack(ctx, a.store, towns); err != nil {
			return err
		}
		if _, err := a.store.UnsealRows(ctx); err != nil {
			return fmt.Errorf("app: unseal: %w", err)
		}
		return nil
	})
}
