package alert

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// GoBack readies the tables for the release before this one, which numbers the
// changes of a key that was forgotten from 1 again (0138): what is over and belongs
// to no alert is forgotten here too, or its next outage would count as old. towns are
// those that have forgotten a key.
func GoBack(ctx context.Context, s *store.Store, towns []ident.Tenant) error {
	if len(towns) == 0 {
		return nil
	}
	return s.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewDelete().Model((*sourceRow)(nil)).
			Where("tenant_id IN (?) AND alert_id = '' AND state = ?", bun.List(towns), signal.Resolved).Exec(ctx)
		if err != nil {
			return fmt.Errorf("alert: back: %w", err)
		}
		return nil
	})
}
