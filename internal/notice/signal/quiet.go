package signal

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// spokeRow is the last word about a key, whatever the episode.
type spokeRow struct {
	bun.BaseModel `bun:"table:signal_episode,alias:e"`
	Key           string    `bun:"key"`
	LastAt        time.Time `bun:"last_at"`
}

// Unheard lists up to limit signals that fire, whose key begins with prefix, and
// whose last word came between from and until, the longest silent first. Each has
// that moment as its QuietSince. To end one, record it as resolved with the
// until as QuietSince: whether a word has come meanwhile is looked at again there.
func (r *Room) Unheard(ctx context.Context, prefix string, from, until time.Time, limit int) ([]Signal, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	var rows []struct {
		SignalID ID        `bun:"signal_id"`
		LastAt   time.Time `bun:"last_at"`
	}
	err = r.o.Store.Read(ctx).NewSelect().TableExpr("signal_episode AS e").ColumnExpr("k.signal_id, e.last_at").
		Join("JOIN signal_key AS k ON k.tenant_id = e.tenant_id AND k.key = e.key AND k.episode = e.episode").
		Where("e.tenant_id = ? AND e.state = 'firing' AND k.state = 'firing'", tenant).
		Where("e.last_at >= ? AND e.last_at <= ?", from, until).Where("substr(e.key, 1, ?) = ?", len([]rune(prefix)), prefix).
		Where("NOT EXISTS (SELECT 1 FROM signal_episode AS o WHERE o.tenant_id = e.tenant_id AND o.key = e.key AND o.last_at > ?)", until).
		OrderExpr("e.last_at, e.key").Limit(int64(limit)).Scan(ctx, &rows)
	if err != nil || len(rows) == 0 {
		if err != nil {
			err = fmt.Errorf("signal: unheard: %w", err)
		}
		return nil, err
	}
	ids, last := make([]ID, len(rows)), make(map[ID]time.Time, len(rows))
	for i, row := range rows {
		ids[i], last[row.SignalID] = row.SignalID, clock.Cut(row.LastAt)
	}
	var told []signalRow
	if err := r.o.Store.Read(ctx).NewSelect().Model(&told).Where("s.tenant_id = ? AND s.id IN (?)", tenant, bun.List(ids)).Scan(ctx); err != nil {
		return nil, fmt.Errorf("signal: unheard: %w", err)
	}
	out := make([]Signal, 0, len(told))
	for _, row := range told {
		s := row.signal()
		s.QuietSince = last[s.ID]
		out = append(out, s)
	}
	return out, nil
}

// Mentioned notes that something was said of keys which changes nothing about how
// they stand, such as a comment: they are not silent.
func (r *Room) Mentioned(ctx context.Context, keys []string) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil || len(keys) == 0 {
		return err
	}
	now := r.o.Clock.Now()
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewUpdate().Model((*episodeRow)(nil)).Set("last_at = ?", now).
			Where("tenant_id = ? AND key IN (?) AND state = ? AND last_at < ?", tenant, bun.List(keys), Firing, now).Exec(ctx)
		if err != nil {
			return fmt.Errorf("signal: mentioned: %w", err)
		}
		return nil
	})
}

// readSpoke finds the last word about each key that a signal wants to end by
// silence; their rows are held, so that none can come between.
func (b *batch) readSpoke(ctx context.Context) error {
	var keys []string
	for _, s := range b.all {
		if !s.QuietSince.IsZero() {
			keys = append(keys, s.Key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	var rows []spokeRow
	err := b.db.NewSelect().Model(&rows).ColumnExpr("e.key, max(e.last_at) AS last_at").
		Where("e.tenant_id = ? AND e.key IN (?)", b.tenant, bun.List(keys)).GroupExpr("e.key").Scan(ctx)
	if err != nil {
		return fmt.Errorf("signal: last words: %w", err)
	}
	b.spoke = make(map[string]time.Time, len(rows))
	for _, row := range rows {
		b.spoke[row.Key] = clock.Cut(row.LastAt)
	}
	return nil
}
