package identity

import (
	"context"
	"errors"
	"fmt"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// EndAllSessions signs everybody of all towns out and makes every sign-in link
// that is under way worthless. It is for a database that was just filled from a
// backup: what somebody ended since the backup was made must not live again.
// Tokens of programs stay, as passwords do.
func (r *Room) EndAllSessions(ctx context.Context) error {
	return r.o.Store.InTx(ident.AcrossTenants(ctx), func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err1 := db.NewDelete().Model((*sessionRow)(nil)).Where("TRUE").Exec(ctx)
		_, err2 := db.NewDelete().Model((*linkRow)(nil)).Where("used_at IS NULL").Exec(ctx)
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("identity: end all sessions: %w", err)
		}
		return nil
	})
}
