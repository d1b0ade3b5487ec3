package publish

import (
	"context"
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
	"tuermer/internal/town/service"
)

// Release is the town's word, given before the crisis, that a prepared text may
// go out as it stands (I3). It holds for one version and one wording.
type Release = template.Release

// prepared is the texts as the town words them: the shipped ones under its own.
func (r *Room) prepared(ctx context.Context) (*template.Library, error) {
	if r.o.Prepared == nil {
		return r.o.Library, nil
	}
	return r.o.Prepared.Library(ctx)
}

// library is the town's texts with its releases laid over them.
func (r *Room) library(ctx context.Context) (*template.Library, map[string]releaseRow, error) {
	var rows []releaseRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Scan(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("publish: releases: %w", err)
	}
	lib, err := r.prepared(ctx)
	if err != nil {
		return nil, nil, err
	}
	released := make(map[string]releaseRow, len(rows))
	var own []template.Entry
	for _, row := range rows {
		e, ok := lib.Get(row.Entry)
		if !ok || e.Version != row.Version || template.Wording(e) != row.Wording {
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
		out = append(out, Release{Entry: row.Entry, Version: row.Version, Person: string(row.Person), Name: row.PersonName, At: cut(row.At)})
	}
	slices.SortFunc(out, func(a, b Release) int { return strings.Compare(a.Entry, b.Entry) })
	return out, nil
}

// HoldingReleasedBy names who has released the short messages; empty: nobody, so
// each of them needs a second person, at night too.
func (r *Room) HoldingReleasedBy(ctx context.Context) (string, error) {
	if err := mayRead(ctx); err != nil {
		return "", err
	}
	lib, released, err := r.library(ctx)
	if err != nil {
		return "", err
	}
	for _, e := range lib.List() {
		if rel, ok := released[e.ID]; ok && e.Kind == template.Holding {
			return rel.PersonName, nil
		}
	}
	return "", nil
}

// ReleaseTexts approves every prepared text of kind k in its present wording,
// together with the words of services that flow into it; a text of the town's
// own keeps the approver who read it as the second person.
// The actor must be an approver in person; app's declared releases name the
// person behind them by acting as that person.
func (r *Room) ReleaseTexts(ctx context.Context, k template.Kind) (int, error) {
	lib, released, err := r.library(ctx)
	if err != nil {
		return 0, err
	}
	var ids []string
	for _, e := range lib.List() {
		shipped, ok := r.o.Library.Get(e.ID)
		if _, has := released[e.ID]; has && (!ok || template.Wording(shipped) != template.Wording(e)) {
			continue
		}
		if e.Kind == k {
			ids = append(ids, e.ID)
		}
	}
	if len(ids) == 0 {
		return 0, fault.New(fault.NotFound, "publish.no_prepared", string(k))
	}
	n := 0
	err = r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		if n, err = r.Release(ctx, ids...); err != nil {
			return err
		}
		return r.o.Services.ReleaseWords(ctx)
	})
	return n, err
}

// Release approves prepared texts one by one in their present wording.
func (r *Room) Release(ctx context.Context, ids ...string) (int, error) {
	a := whoActs(ctx)
	if !a.approver || a.person == "" {
		return 0, ErrForbidden
	}
	tenant, now := ident.TenantOf(ctx), r.o.Clock.Now()
	lib, err := r.prepared(ctx)
	if err != nil {
		return 0, err
	}
	rows := make([]releaseRow, 0, len(ids))
	for _, id := range ids {
		e, ok := lib.Get(id)
		if !ok {
			return 0, fault.New(fault.NotFound, "publish.no_prepared", id)
		}
		rows = append(rows, releaseRow{
			TenantID: tenant, Entry: e.ID, Version: e.Version, Wording: template.Wording(e), Person: a.person, PersonName: a.name, At: now,
		})
	}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewInsert().Model(&rows).
			On("CONFLICT (tenant_id, entry) DO UPDATE").
			Set("version = EXCLUDED.version").Set("wording = EXCLUDED.wording").Set("person = EXCLUDED.person").
			Set("person_name = EXCLUDED.person_name").Set("at = EXCLUDED.at").Exec(ctx)
		if err != nil {
			return fmt.Errorf("publish: release: %w", err)
		}
		subject := ids[0]
		if len(ids) > 1 {
			subject = strconv.Itoa(len(ids)) + " texts"
		}
		return r.record(ctx, "publish.texts.released", subject, map[string]string{"texts": strings.Join(ids, " ")})
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

// Rehearsed tells when each prepared text was last said in an exercise.
func (r *Room) Rehearsed(ctx context.Context) (map[string]time.Time, error) {
	var said []statementRow
	tenant := ident.TenantOf(ctx)
	err := r.o.Store.Read(ctx).NewSelect().Model(&said).Column("id", "published_at").Where("tenant_id = ?", tenant).
		Where("realm = 'exercise'").Where("state = ?", StatePublished).Order("published_at DESC").Limit(500).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("publish: rehearsed: %w", err)
	}
	out := map[string]time.Time{}
	if len(said) == 0 {
		return out, nil
	}
	ids := make([]ID, len(said))
	for i, s := range said {
		ids[i] = s.ID
	}
	var rows []variantRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&rows).ColumnExpr("DISTINCT entry, as_of").Where("tenant_id = ?", tenant).
		Where("statement_id IN (?)", bun.In(ids)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("publish: rehearsed: %w", err)
	}
	for _, row := range rows {
		if at := cut(row.AsOf); at.After(out[row.Entry]) {
			out[row.Entry] = at
		}
	}
	return out, nil
}
