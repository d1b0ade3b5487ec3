package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

// Release is the town's word, given before the crisis, that a prepared text may
// go out as it stands (I3). It holds for one version and one wording.
type Release struct {
	Entry   string
	Version int
	Person  identity.PersonID
	Name    string
	At      time.Time
}

// wording is a fingerprint of the words, so that a changed text is not taken
// for the released one even if its version was forgotten.
func wording(e template.Entry) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{e.Subject, e.Title, e.Body, e.Instruction}, "\x00")))
	return hex.EncodeToString(sum[:])
}

// library is the shipped texts with the town's releases laid over them.
func (r *Room) library(ctx context.Context) (*template.Library, map[string]releaseRow, error) {
	var rows []releaseRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Scan(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("publish: releases: %w", err)
	}
	lib := r.o.Library
	released := make(map[string]releaseRow, len(rows))
	var own []template.Entry
	for _, row := range rows {
		e, ok := lib.Get(row.Entry)
		if !ok || e.Version != row.Version || wording(e) != row.Wording {
			continue // the words have changed since
		}
		released[row.Entry] = row
		if e.ReviewState == template.Draft {
			// Leichte Sprache stays marked until readers have tested it; the
			// town's release does not replace them.
			e.ReviewState, e.ApprovedBy = template.Approved, row.PersonName
			own = append(own, e)
		}
	}
	if len(own) > 0 {
		if lib, err = lib.Overlay(own); err != nil {
			return nil, nil, err
		}
	}
	return lib, released, nil
}

// Library is the prepared texts as this town has released them.
func (r *Room) Library(ctx context.Context) (*template.Library, error) {
	lib, _, err := r.library(ctx)
	return lib, err
}

// Releases lists what the town has released and what still holds.
func (r *Room) Releases(ctx context.Context) ([]Release, error) {
	if err := mayRead(ctx); err != nil {
		return nil, err
	}
	_, released, err := r.library(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Release, 0, len(released))
	for _, row := range released {
		out = append(out, Release{Entry: row.Entry, Version: row.Version, Person: row.Person, Name: row.PersonName, At: cut(row.At)})
	}
	slices.SortFunc(out, func(a, b Release) int { return strings.Compare(a.Entry, b.Entry) })
	return out, nil
}

// HoldingReleasedBy names who has released the short messages; empty: nobody, so
// each of them needs a second person, at night too.
func (r *Room) HoldingReleasedBy(ctx context.Context) (string, error) {
	releases, err := r.Releases(ctx)
	if err != nil {
		return "", err
	}
	for _, rel := range releases {
		if e, ok := r.o.Library.Get(rel.Entry); ok && e.Kind == template.Holding {
			return rel.Name, nil
		}
	}
	return "", nil
}

// ReleaseTexts approves every prepared text of kind k in its present wording,
// together with the words of services that flow into it.
// The actor must be an approver in person; app's declared releases name the
// person behind them by acting as that person.
func (r *Room) ReleaseTexts(ctx context.Context, k template.Kind) (int, error) {
	a := whoActs(ctx)
	if !a.approver || a.person == "" {
		return 0, ErrForbidden
	}
	tenant, now := ident.TenantOf(ctx), r.o.Clock.Now()
	var rows []releaseRow
	for _, e := range r.o.Library.List() {
		if e.Kind == k {
			rows = append(rows, releaseRow{
				TenantID: tenant, Entry: e.ID, Version: e.Version, Wording: wording(e), Person: a.person, PersonName: a.name, At: now,
			})
		}
	}
	if len(rows) == 0 {
		return 0, fault.New(fault.NotFound, "publish.no_prepared", string(k))
	}
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewInsert().Model(&rows).
			On("CONFLICT (tenant_id, entry) DO UPDATE").
			Set("version = EXCLUDED.version").Set("wording = EXCLUDED.wording").Set("person = EXCLUDED.person").
			Set("person_name = EXCLUDED.person_name").Set("at = EXCLUDED.at").Exec(ctx)
		if err != nil {
			return fmt.Errorf("publish: release: %w", err)
		}
		if err := r.o.Services.ReleaseWords(ctx); err != nil {
			return err
		}
		return r.record(ctx, "publish.texts.released", string(k), map[string]string{"texts": strconv.Itoa(len(rows))})
	})
	return len(rows), err
}

// OpenWords lists the services whose name or Ersatzweg nobody but their author
// has seen: an approval given beforehand does not cover them.
func (r *Room) OpenWords(ctx context.Context) ([]service.Service, error) {
	if err := mayRead(ctx); err != nil {
		return nil, err
	}
	return r.o.Services.OpenWords(ctx)
}
