package keep

import (
	"context"
	"embed"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

//go:embed schema
var schema embed.FS

// Migrations is this room's schema.
func Migrations() store.Migrations { return store.Migrations{Room: "keep", FS: schema} }

// Release is one that has served these data.
type Release struct {
	Number  int
	Version string
	At      time.Time
}

type releaseRow struct {
	bun.BaseModel `bun:"table:keep_release"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"` // empty: of the install
	Number        int          `bun:"number,pk"`
	Version       string       `bun:"version"`
	At            time.Time    `bun:"at"`
}

// LastRelease is the newest release that has served these data; zero where the
// table is not there, as before the first release that had it.
func LastRelease(ctx context.Context, s *store.Store, there bool) (Release, error) {
	if !there {
		return Release{}, nil
	}
	var row releaseRow
	err := s.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ''").Order("number DESC").Limit(1).Scan(ctx)
	if store.NotFound(err) {
		return Release{}, nil
	}
	if err != nil {
		return Release{}, fmt.Errorf("keep: release: %w", err)
	}
	return Release{row.Number, row.Version, row.At}, nil
}

// Serve notes that a release serves these data.
func (r *Room) Serve(ctx context.Context, number int) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row := releaseRow{Number: number, Version: r.o.Version, At: r.o.Clock.Now()}
		if _, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, number) DO NOTHING").Exec(ctx); err != nil {
			return fmt.Errorf("keep: release: %w", err)
		}
		return nil
	})
}
