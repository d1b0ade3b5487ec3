package trial

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/channel"
)

type runRow struct {
	bun.BaseModel `bun:"table:trial_run"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            ID           `bun:"id,pk"`
	Target        Target       `bun:"target"`
	Name          string       `bun:"name"`
	Weekly        bool         `bun:"weekly"`
	StartedAt     time.Time    `bun:"started_at"`
	StartedBy     string       `bun:"started_by"`
	StartedName   string       `bun:"started_name"`
	DueAt         time.Time    `bun:"due_at"`
	EndedAt       time.Time    `bun:"ended_at,nullzero"`
	Missed        string       `bun:"missed"`
	Verdict       Verdict      `bun:"verdict"`
	People        int          `bun:"people"`
	Answered      int          `bun:"answered"`
	Receipted     int          `bun:"receipted"`
	Apart         int          `bun:"apart"`
}

type personRow struct {
	bun.BaseModel `bun:"table:trial_person"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Run           ID           `bun:"run,pk"`
	Person        string       `bun:"person,pk"`
	Name          string       `bun:"name"`
	Step          int          `bun:"step"`
	AnsweredAt    time.Time    `bun:"answered_at,nullzero"`
	AnsweredBy    string       `bun:"answered_by"`
}

type wayRow struct {
	bun.BaseModel `bun:"table:trial_way"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Run           ID           `bun:"run"`
	Person        string       `bun:"person"`
	Way           chain.Way    `bun:"way"`
	Kind          channel.Kind `bun:"kind"`
	Apart         bool         `bun:"apart"`
	Hash          string       `bun:"hash"`
	Lacking       chain.Lack   `bun:"lacking"`
	TakenAt       time.Time    `bun:"taken_at,nullzero"`
	ArrivedAt     time.Time    `bun:"arrived_at,nullzero"`
	FailedAt      time.Time    `bun:"failed_at,nullzero"`
	Reason        string       `bun:"reason"`
}

type planRow struct {
	bun.BaseModel `bun:"table:trial_plan"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Target        Target       `bun:"target,pk"`
	Weekday       int          `bun:"weekday"`
	Hour          int          `bun:"hour"`
	NextAt        time.Time    `bun:"next_at"`
	SkippedAt     time.Time    `bun:"skipped_at,nullzero"`
	SkippedWhy    string       `bun:"skipped_why"`
}

func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func when(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return clock.Cut(t)
}

func (row runRow) run() Run {
	return Run{
		ID: row.ID, Target: row.Target, Name: row.Name, Weekly: row.Weekly, StartedAt: when(row.StartedAt), ByName: row.StartedName,
		DueAt: when(row.DueAt), EndedAt: when(row.EndedAt), Verdict: row.Verdict,
		Figures: Figures{People: row.People, Answered: row.Answered, Receipted: row.Receipted, Apart: row.Apart},
	}
}

func (row planRow) plan() Plan {
	return Plan{Target: row.Target, Weekday: time.Weekday(row.Weekday), Hour: row.Hour, NextAt: when(row.NextAt), Skipped: row.SkippedWhy, SkippedAt: when(row.SkippedAt)}
}

func (r *Room) row(ctx context.Context, db bun.IDB, id ID) (runRow, error) {
	var row runRow
	err := db.NewSelect().Model(&row).Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), id).Scan(ctx)
	if store.NotFound(err) {
		return row, ErrNotFound
	}
	if err != nil {
		return row, fmt.Errorf("trial: run: %w", err)
	}
	return row, nil
}

// called are the people of a run with their ways.
func (r *Room) called(ctx context.Context, db bun.IDB, id ID) ([]Called, error) {
	var people []personRow
	var ways []wayRow
	tenant := ident.TenantOf(ctx)
	err1 := db.NewSelect().Model(&people).Where("tenant_id = ? AND run = ?", tenant, id).Order("step", "name", "person").Scan(ctx)
	err2 := db.NewSelect().Model(&ways).Where("tenant_id = ? AND run = ?", tenant, id).Order("id").Scan(ctx)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("trial: people: %w", err)
	}
	out := make([]Called, len(people))
	for i, p := range people {
		out[i] = Called{Person: p.Person, Name: p.Name, Step: p.Step, AnsweredAt: when(p.AnsweredAt), AnsweredBy: p.AnsweredBy}
		for _, w := range ways {
			if w.Person == p.Person {
				out[i].Ways = append(out[i].Ways, Way{
					ID: w.ID, Way: w.Way, Kind: w.Kind, Apart: w.Apart, Lacking: w.Lacking,
					TakenAt: when(w.TakenAt), ArrivedAt: when(w.ArrivedAt), FailedAt: when(w.FailedAt), Reason: w.Reason,
				})
			}
		}
	}
	order(out)
	return out, nil
}

// report reads a run; with the one before it, where there is one.
func (r *Room) report(ctx context.Context, db bun.IDB, id ID, before bool) (Report, error) {
	row, err := r.row(ctx, db, id)
	if err != nil {
		return Report{}, err
	}
	out := Report{Run: row.run()}
	if err := json.Unmarshal([]byte(row.Missed), &out.Missed); err != nil {
		return out, fmt.Errorf("trial: run: %w", err)
	}
	if out.Called, err = r.called(ctx, db, id); err != nil {
		return out, err
	}
	if !out.Ended() {
		out.Figures = count(out.Called)
	}
	if !before {
		return out, nil
	}
	var last runRow
	err = db.NewSelect().Model(&last).Where("tenant_id = ? AND target = ? AND id < ?", ident.TenantOf(ctx), row.Target, id).
		Where("ended_at IS NOT NULL").Order("id DESC").Limit(1).Scan(ctx)
	if store.NotFound(err) {
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("trial: the run before: %w", err)
	}
	x, err := r.report(ctx, db, last.ID, false)
	out.Before = &x
	return out, err
}

// Get is one run with everybody in it.
func (r *Room) Get(ctx context.Context, id ID) (Report, error) {
	if err := mayLook(ctx); err != nil {
		return Report{}, err
	}
	return r.report(ctx, r.o.Store.Read(ctx), id, true)
}

// List is the runs, newest first, from behind after on.
func (r *Room) List(ctx context.Context, after ID, limit int) ([]Run, error) {
	if err := mayLook(ctx); err != nil {
		return nil, err
	}
	var rows []runRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Order("id DESC").Limit(int64(min(max(limit, 1), 1000)))
	if after != "" {
		q = q.Where("id < ?", after)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("trial: list: %w", err)
	}
	out := make([]Run, len(rows))
	for i, row := range rows {
		out[i] = row.run()
	}
	return out, nil
}

// last is the newest run of a target; ok is false when there was none.
func (r *Room) last(ctx context.Context, db bun.IDB, t Target) (Run, bool, error) {
	var row runRow
	err := db.NewSelect().Model(&row).Where("tenant_id = ? AND target = ?", ident.TenantOf(ctx), t).Order("id DESC").Limit(1).Scan(ctx)
	if store.NotFound(err) {
		return Run{}, false, nil
	}
	if err != nil {
		return Run{}, false, fmt.Errorf("trial: last: %w", err)
	}
	return row.run(), true, nil
}

// Plans are what begins every week.
func (r *Room) Plans(ctx context.Context) ([]Plan, error) {
	if err := mayLook(ctx); err != nil {
		return nil, err
	}
	var rows []planRow
	if err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Order("target").Scan(ctx); err != nil {
		return nil, fmt.Errorf("trial: plans: %w", err)
	}
	out := make([]Plan, len(rows))
	for i, row := range rows {
		out[i] = row.plan()
	}
	return out, nil
}

// forget deletes runs whose time is over.
func (r *Room) forget(ctx context.Context, now time.Time) error {
	tenant, old := ident.TenantOf(ctx), now.Add(-Keep)
	db := r.o.Store.Read(ctx)
	is, err := db.NewSelect().Model((*runRow)(nil)).Where("tenant_id = ? AND started_at < ?", tenant, old).Exists(ctx)
	if err != nil || !is {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		gone := "tenant_id = ? AND run IN (SELECT id FROM trial_run WHERE tenant_id = ? AND started_at < ?)"
		_, err1 := db.NewDelete().Model((*wayRow)(nil)).Where(gone, tenant, tenant, old).Exec(ctx)
		_, err2 := db.NewDelete().Model((*personRow)(nil)).Where(gone, tenant, tenant, old).Exec(ctx)
		_, err3 := db.NewDelete().Model((*runRow)(nil)).Where("tenant_id = ? AND started_at < ?", tenant, old).Exec(ctx)
		return errors.Join(err1, err2, err3)
	})
}
