package channel

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/store"
)

// lane is what waits for each other: messages of one kind and class. A mail server
// that hangs holds up no SMS, and what is not urgent holds up no alarm.
type lane struct {
	Kind  Kind  `bun:"kind"`
	Class Class `bun:"class"`
}

// How many messages of a kind are under way at once. Alarms may use all of it,
// single ones leave a reserve.
const (
	maxFlying       = 16
	maxFlyingSingle = 8
	lease           = time.Minute
)

func (r *Room) free(l lane) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := maxFlying - r.flying[lane{l.Kind, Alarm}] - r.flying[lane{l.Kind, Single}]
	if l.Class == Single {
		return min(all, maxFlyingSingle-r.flying[l])
	}
	return all
}

// dueLanes are those in which something is due, alarms first. Looking before
// claiming keeps the one write connection free while nothing is.
func (r *Room) dueLanes(ctx context.Context, now time.Time) ([]lane, error) {
	var out []lane
	err := due(r.o.Store.Read(ctx).NewSelect().Distinct().Model((*outboxRow)(nil)).Column("kind", "class"), now).
		Order("class", "kind").Scan(ctx, &out) // "alarm" is before "single"
	if err != nil {
		return nil, fmt.Errorf("channel: due: %w", err)
	}
	return out, nil
}

func (r *Room) claim(ctx context.Context, l lane, now time.Time, n int) ([]outboxRow, error) {
	var rows []outboxRow
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		ids := due(db.NewSelect().Model((*outboxRow)(nil)).Column("tenant_id", "id"), now).
			Where("class = ? AND kind = ?", l.Class, l.Kind).Order("due_at", "id").Limit(int64(n))
		_, err := db.NewUpdate().Model(&rows).
			Set("state = ?", Sending).Set("lease_until = ?", now.Add(lease)).Set("attempts = attempts + 1").Set("node = ?", r.o.Node).
			Set("doubtful = CASE WHEN state = ? THEN ? ELSE doubtful END", Sending, true). // its node may have sent it
			Where("(tenant_id, id) IN (?)", ids).
			Where("state = ? OR lease_until < ?", Queued, now).
			Returning("*").Exec(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("channel: claim: %w", err)
	}
	return rows, nil
}

func due(q *bun.SelectQuery, now time.Time) *bun.SelectQuery {
	return q.Where("(state = ? AND due_at <= ?) OR (state = ? AND lease_until < ?)", Queued, now, Sending, now)
}
