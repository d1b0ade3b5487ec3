package editorial

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// HoldAll holds every post of all towns that is scheduled or was being sent. It
// is for a database that was just filled from a backup and that nobody serves
// yet: whether such a post has appeared meanwhile, only a person can see.
func (r *Room) HoldAll(ctx context.Context) error {
	return r.o.Store.InTx(ident.AcrossTenants(ctx), func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewUpdate().Model((*postRow)(nil)).
			Set("state = ?", Held).Set("held_for = ''").Set("held_at = ?", r.o.Clock.Now()).Set("releaser = ?", "{}").
			Where("state IN (?, ?)", Scheduled, Sending).Exec(ctx)
		if err != nil {
			return fmt.Errorf("editorial: hold: %w", err)
		}
		return nil
	})
}
