package keep

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// Key says which key seals these data, and what all is sealed. It is no secret:
// a name tells keys apart and gives nothing of them away.
type Key struct {
	Name   string
	Places string // empty while some of it may still lie in the clear
}

// KeyVersion is the version of this room's schema from which on keys are noted.
const KeyVersion = 2

type keyRow struct {
	bun.BaseModel `bun:"table:keep_key"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"` // empty: of the install
	Name          string       `bun:"name"`
	Places        string       `bun:"places"`
	At            time.Time    `bun:"at"`
}

// KeyOf is the key that seals the data whose schema of this room has that
// version; without a name where nothing was ever sealed.
func KeyOf(ctx context.Context, s *store.Store, version int64) (Key, error) {
	if version < KeyVersion {
		return Key{}, nil
	}
	var row keyRow
	err := s.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ''").Scan(ctx)
	if store.NotFound(err) {
		return Key{}, nil
	}
	if err != nil {
		return Key{}, fmt.Errorf("keep: key: %w", err)
	}
	return Key{row.Name, row.Places}, nil
}

// NoteKey notes it.
func (r *Room) NoteKey(ctx context.Context, k Key) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row := keyRow{Name: k.Name, Places: k.Places, At: r.o.Clock.Now()}
		_, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id) DO UPDATE").
			Set("name = EXCLUDED.name, places = EXCLUDED.places, at = EXCLUDED.at").Exec(ctx)
		if err != nil {
			return fmt.Errorf("keep: key: %w", err)
		}
		return nil
	})
}

// GoBack runs turn, which makes the data readable for release number, and then
// lets that one in. While turn runs nothing counts as sealed, so that the next
// start of this release seals again what it finds.
func GoBack(ctx context.Context, s *store.Store, number int, turn func(context.Context) error) error {
	err := s.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewUpdate().Model((*keyRow)(nil)).Set("places = ''").Where("tenant_id = ''").Exec(ctx)
		return err
	})
	if err == nil {
		err = turn(ctx)
	}
	if err != nil {
		return err
	}
	return s.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewDelete().Model((*keyRow)(nil)).Where("tenant_id = ''").Exec(ctx); err != nil {
			return fmt.Errorf("keep: key: %w", err)
		}
		if _, err := db.NewDelete().Model((*releaseRow)(nil)).Where("tenant_id = '' AND number > ?", number).Exec(ctx); err != nil {
			return fmt.Errorf("keep: release: %w", err)
		}
		return nil
	})
}
