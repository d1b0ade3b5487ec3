package papers

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

//go:embed schema
var schema embed.FS

//go:embed texts
var texts embed.FS

// Migrations is this room's schema.
func Migrations() store.Migrations { return store.Migrations{Room: "papers", FS: schema} }

// Texts is this room's sentences, for the catalog.
func Texts() fs.FS { return texts }

type detailsRow struct {
	bun.BaseModel `bun:"table:papers_details"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Data          string       `bun:"data"`
	ChangedAt     time.Time    `bun:"changed_at"`
	ByName        string       `bun:"by_name"`
}

// Details are what the town entered; nothing yet is no error.
func (r *Room) Details(ctx context.Context) (d Details, err error) {
	var row detailsRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ?", ident.TenantOf(ctx)).Scan(ctx)
	if store.NotFound(err) {
		return d, nil
	}
	if err != nil {
		return d, fmt.Errorf("papers: details: %w", err)
	}
	if err := json.Unmarshal([]byte(row.Data), &d); err != nil {
		return d, fmt.Errorf("papers: details: %w", err)
	}
	return d, nil
}

func (r *Room) putDetails(ctx context.Context, db bun.IDB, d Details, by string) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("papers: details: %w", err)
	}
	row := detailsRow{TenantID: tenant, Data: string(raw), ChangedAt: r.o.Clock.Now(), ByName: by}
	_, err = db.NewInsert().Model(&row).On("CONFLICT (tenant_id) DO UPDATE").
		Set("data = EXCLUDED.data").Set("changed_at = EXCLUDED.changed_at").Set("by_name = EXCLUDED.by_name").Exec(ctx)
	if err != nil {
		return fmt.Errorf("papers: details: %w", err)
	}
	return nil
}

type confirmationRow struct {
	bun.BaseModel `bun:"table:papers_confirmation"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Kind          Kind         `bun:"kind"`
	Mark          string       `bun:"mark"`
	Version       int          `bun:"version"`
	Words         string       `bun:"words"`
	At            time.Time    `bun:"at"`
	Person        string       `bun:"person"`
	ByName        string       `bun:"by_name"`
}

func (row confirmationRow) confirmation() (Confirmation, error) {
	c := Confirmation{Kind: row.Kind, Mark: row.Mark, Version: row.Version, At: clock.Cut(row.At), By: row.ByName}
	if err := json.Unmarshal([]byte(row.Words), &c.Words); err != nil {
		return c, fmt.Errorf("papers: confirmation: %w", err)
	}
	return c, nil
}

// confirmations are the latest of each paper.
func (r *Room) confirmations(ctx context.Context, db bun.IDB) (map[Kind]Confirmation, error) {
	out := map[Kind]Confirmation{}
	all, err := r.history(ctx, db, "")
	for _, c := range all {
		if c.Version > out[c.Kind].Version {
			out[c.Kind] = c
		}
	}
	return out, err
}

// history lists confirmations, the newest first; of no kind: of all papers.
func (r *Room) history(ctx context.Context, db bun.IDB, k Kind) ([]Confirmation, error) {
	var rows []confirmationRow
	q := db.NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Order("version DESC", "kind").Limit(1000)
	if k != "" {
		q = q.Where("kind = ?", k)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("papers: confirmations: %w", err)
	}
	out := make([]Confirmation, len(rows))
	for i, row := range rows {
		var err error
		if out[i], err = row.confirmation(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *Room) putConfirmation(ctx context.Context, db bun.IDB, c Confirmation, person string) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(c.Words)
	if err != nil {
		return fmt.Errorf("papers: confirmation: %w", err)
	}
	row := confirmationRow{
		TenantID: tenant, ID: ident.NewID(c.At), Kind: c.Kind, Mark: c.Mark, Version: c.Version, Words: string(raw),
		At: c.At, Person: person, ByName: c.By,
	}
	if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
		return fmt.Errorf("papers: confirmation: %w", err)
	}
	return nil
}

// Confirmation is one person's word that a paper is right as it stands.
type Confirmation struct {
	Kind    Kind
	Mark    string
	Version int // counts the confirmations of the paper
	At      time.Time
	By      string
	Words   map[i18n.Lang]Sheet // as they were confirmed
}
