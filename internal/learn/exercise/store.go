package exercise

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

//go:embed schema
var schema embed.FS

//go:embed texts
var texts embed.FS

// Migrations is this room's schema.
func Migrations() store.Migrations { return store.Migrations{Room: "exercise", FS: schema} }

// Texts is this room's sentences, for the catalog.
func Texts() fs.FS { return texts }

type runRow struct {
	bun.BaseModel `bun:"table:exercise_run"`
	TenantID      ident.Tenant      `bun:"tenant_id,pk"`
	ID            ID                `bun:"id,pk"`
	Type          Type              `bun:"type"`
	Scenario      template.Scenario `bun:"scenario"`
	Title         string            `bun:"title"`
	Incident      incident.ID       `bun:"incident_id"`
	State         State             `bun:"state"`
	StartedAt     time.Time         `bun:"started_at"`
	StartedBy     string            `bun:"started_by"`
	EndedAt       time.Time         `bun:"ended_at,nullzero"`
	Injects       int               `bun:"injects"`
	Alarm         string            `bun:"alarm"`
	Record        string            `bun:"record"`
}

func rowOf(tenant ident.Tenant, e Exercise) (runRow, error) {
	who, err := json.Marshal(e.StartedBy)
	if err != nil {
		return runRow{}, fmt.Errorf("exercise: %w", err)
	}
	rec, err := json.Marshal(e.Record)
	if err != nil {
		return runRow{}, fmt.Errorf("exercise: %w", err)
	}
	alarm, err := json.Marshal(e.Alarm)
	if err != nil {
		return runRow{}, fmt.Errorf("exercise: %w", err)
	}
	return runRow{
		TenantID: tenant, ID: e.ID, Type: e.Type, Scenario: e.Scenario, Title: e.Title, Incident: e.Incident, State: e.State,
		StartedAt: e.StartedAt, StartedBy: string(who), EndedAt: e.EndedAt, Injects: e.Injects, Alarm: string(alarm), Record: string(rec),
	}, nil
}

func (row runRow) exercise() (Exercise, error) {
	e := Exercise{
		ID: row.ID, Type: row.Type, Scenario: row.Scenario, Title: row.Title, Incident: row.Incident, State: row.State,
		StartedAt: row.StartedAt.UTC(), EndedAt: row.EndedAt, Injects: row.Injects,
	}
	if err := json.Unmarshal([]byte(row.StartedBy), &e.StartedBy); err != nil {
		return e, fmt.Errorf("exercise: %s: %w", row.ID, err)
	}
	if err := json.Unmarshal([]byte(row.Alarm), &e.Alarm); err != nil {
		return e, fmt.Errorf("exercise: %s: %w", row.ID, err)
	}
	if err := json.Unmarshal([]byte(row.Record), &e.Record); err != nil {
		return e, fmt.Errorf("exercise: %s: %w", row.ID, err)
	}
	return e, nil
}

func (r *Room) insert(ctx context.Context, db bun.IDB, e Exercise) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	row, err := rowOf(tenant, e)
	if err == nil {
		_, err = db.NewInsert().Model(&row).Exec(ctx)
	}
	if err != nil {
		return fmt.Errorf("exercise: insert: %w", err)
	}
	return nil
}

// update writes e while it still runs; an ended one never changes.
func (r *Room) update(ctx context.Context, db bun.IDB, e Exercise) error {
	row, err := rowOf(ident.TenantOf(ctx), e)
	if err != nil {
		return err
	}
	res, err := db.NewUpdate().Model(&row).WherePK().Where("tenant_id = ? AND state = ?", row.TenantID, Running).Exec(ctx)
	if err != nil {
		return fmt.Errorf("exercise: update: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return ErrEnded
	}
	return nil
}

// Get is the exercise named id.
func (r *Room) Get(ctx context.Context, id ID) (Exercise, error) {
	var row runRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), id).Scan(ctx)
	if store.NotFound(err) {
		return Exercise{}, ErrNotFound
	}
	if err != nil {
		return Exercise{}, fmt.Errorf("exercise: get: %w", err)
	}
	return row.exercise()
}

// List lists exercises, the newest first.
func (r *Room) List(ctx context.Context, after ID, limit int) ([]Exercise, error) {
	var rows []runRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Order("id DESC").Limit(int64(min(max(limit, 1), 1000)))
	if after != "" {
		q = q.Where("id < ?", after)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("exercise: list: %w", err)
	}
	out := make([]Exercise, len(rows))
	for i, row := range rows {
		var err error
		if out[i], err = row.exercise(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// townExercise is an exercise with its town.
type townExercise struct {
	Exercise
	tenant ident.Tenant
}

func (r *Room) running(ctx context.Context) ([]townExercise, error) {
	var rows []runRow
	if err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("state = ?", Running).Scan(ctx); err != nil {
		return nil, fmt.Errorf("exercise: running: %w", err)
	}
	out := make([]townExercise, len(rows))
	for i, row := range rows {
		e, err := row.exercise()
		if err != nil {
			return nil, err
		}
		out[i] = townExercise{e, row.TenantID}
	}
	return out, nil
}
