package contact

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/identity"
)

//go:embed schema
var schema embed.FS

//go:embed texts
var texts embed.FS

// Migrations is this room's schema.
func Migrations() store.Migrations {
	return store.Migrations{Room: "contact", FS: schema, Ways: []string{"contact_ask.address", "contact_account.recovery"}}
}

// Texts is this room's sentences, for the catalog.
func Texts() fs.FS { return texts }

// pointRow is what the last look at a point found. It names no person: the
// second address of one is known by their id.
type pointRow struct {
	bun.BaseModel `bun:"table:contact_point"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Host          string       `bun:"host"`
	Findings      string       `bun:"findings"`
	State         State        `bun:"state"`
	CheckedAt     time.Time    `bun:"checked_at,nullzero"`
}

// found are the findings; a row that cannot be read tells nothing, and is looked
// at again on its day.
func (row pointRow) found() (out []identity.Finding) {
	_ = json.Unmarshal([]byte(row.Findings), &out)
	return out
}

func (row pointRow) checked() time.Time {
	if row.CheckedAt.IsZero() {
		return row.CheckedAt
	}
	return clock.Cut(row.CheckedAt)
}

func (r *Room) rows(ctx context.Context) (map[string]pointRow, error) {
	var rows []pointRow
	if err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Scan(ctx); err != nil {
		return nil, fmt.Errorf("contact: points: %w", err)
	}
	out := make(map[string]pointRow, len(rows))
	for _, row := range rows {
		out[row.ID] = row
	}
	return out, nil
}

// put keeps a look, and answers the state before it; empty: there was none.
func (r *Room) put(ctx context.Context, db bun.IDB, s Seen) (before State, err error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return "", err
	}
	row := pointRow{TenantID: tenant, ID: s.id(), Host: s.Host, Findings: "[]", State: s.State, CheckedAt: s.CheckedAt}
	if s.Looked {
		row.Host = "" // identity knows it, and whose it is
	} else {
		raw, err := json.Marshal(append([]identity.Finding{}, s.Findings...))
		if err != nil {
			return "", fmt.Errorf("contact: findings: %w", err)
		}
		row.Findings = string(raw)
	}
	var old pointRow
	err = db.NewSelect().Model(&old).Where("tenant_id = ? AND id = ?", tenant, row.ID).Scan(ctx)
	if err != nil && !store.NotFound(err) {
		return "", fmt.Errorf("contact: point: %w", err)
	}
	_, err = db.NewInsert().Model(&row).On("CONFLICT (tenant_id, id) DO UPDATE").
		Set("host = EXCLUDED.host").Set("findings = EXCLUDED.findings").Set("state = EXCLUDED.state").Set("checked_at = EXCLUDED.checked_at").Exec(ctx)
	if err != nil {
		return "", fmt.Errorf("contact: point: %w", err)
	}
	return old.State, nil
}

func (r *Room) drop(ctx context.Context, db bun.IDB, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	if _, err := db.NewDelete().Model((*pointRow)(nil)).Where("tenant_id = ? AND id IN (?)", ident.TenantOf(ctx), bun.List(ids)).Exec(ctx); err != nil {
		return fmt.Errorf("contact: points: %w", err)
	}
	return nil
}
