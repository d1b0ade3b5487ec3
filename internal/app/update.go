package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"tuermer/internal/platform/backup"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/keep"
)

// release counts the releases of this program whose schema differs; it grows by
// one with each. A program opens
// data of every older release, and of the one after its own, for all migrations
// are additive: one step back loses nothing. Two steps back are refused.
//
// A release that stores what the one before cannot read grows it by two, so that
// the older program refuses, and [Commands.MigrateBack] is the way back: release 4
// seals addresses, which release 2 would have taken for addresses; 3 was not given.
const (
	release = 4
	before  = 2
)

// beforeUpdate is the folder of what was saved before a migration; the newest
// few stay.
const (
	beforeUpdate = "before-update"
	keepUpdates  = 3
)

// admit refuses data of a program that is too far ahead, and otherwise saves
// all that is there before the schema changes. It runs before any migration.
func (a *App) admit(ctx context.Context) error {
	have, err := backup.Versions(ctx, a.store)
	if err != nil || len(have) == 0 { // nothing was ever here
		return err
	}
	last, err := keep.LastRelease(ctx, a.store, have["keep"] > 0)
	if err != nil {
		return err
	}
	if last.Number > release+1 {
		return fault.New(fault.Conflict, "app.too_old", last.Version, a.o.Version)
	}
	newest, err := store.Newest(Migrations()...)
	if err != nil {
		return err
	}
	for room, v := range newest {
		if v > have[room] {
			if err := a.saveBeforeUpdate(ctx); err != nil {
				return fault.New(fault.Unavailable, "app.update_unsaved").With(err)
			}
			return nil
		}
	}
	return nil
}

// saveBeforeUpdate writes a backup that this install itself can open, and the
// operator where a key is configured.
func (a *App) saveBeforeUpdate(ctx context.Context) error {
	if _, err := os.Stat(a.o.keyPath()); errors.Is(err, fs.ErrNotExist) {
		return nil // without its key nothing was ever served from here
	}
	room, err := a.newKeep()
	if err != nil {
		return err
	}
	dir := filepath.Join(a.o.Dir, beforeUpdate)
	if err := errors.Join(os.MkdirAll(dir, 0o700), backup.SweepParts(dir)); err != nil {
		return fmt.Errorf("app: %w", err)
	}
	file := filepath.Join(dir, keep.Name(a.o.Clock.Now()))
	rows, err := room.MakeOwn(ctx, file, nil)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	a.log.InfoContext(ctx, "saved before the schema changes", "file", file, "rows", rows)
	old, err := filepath.Glob(filepath.Join(dir, keep.Name(a.o.Clock.Now())[:len("tuermer-")]+"*"))
	if err != nil {
		return err
	}
	slices.Sort(old)
	for _, f := range old[:max(0, len(old)-keepUpdates)] {
		err = errors.Join(err, os.Remove(f))
	}
	return err
}
