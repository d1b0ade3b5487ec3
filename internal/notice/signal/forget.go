package signal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// A key that is over and of which nobody has said a word for [Options.Keep] is
// forgotten, for systems that name each problem anew bring more of them without end.
// Whoever listens remembers the number of its last change ([Signal.Seq]), so a key
// that is heard of again goes on behind the highest number that was ever forgotten.

// forgottenRow is that number.
type forgottenRow struct {
	bun.BaseModel `bun:"table:signal_forgotten,alias:f"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Seq           int64        `bun:"seq"`
}

// forgetAtOnce is how many keys are forgotten in one transaction.
const forgetAtOnce = 500

// forgetKeys forgets the keys of all towns that are over for long.
func (r *Room) forgetKeys(ctx context.Context, before time.Time) (err error) {
	var towns []ident.Tenant
	e := r.o.Store.Read(ctx).NewSelect().Model((*keyRow)(nil)).Distinct().Column("tenant_id").
		Where("state = ?", Resolved).Scan(ident.AcrossTenants(ctx), &towns)
	if e != nil {
		return fmt.Errorf("signal: forget keys: %w", e)
	}
	for _, t := range towns {
		err = errors.Join(err, r.forgetKeysOf(ident.WithActor(ident.WithTenant(ctx, t), ident.System), before))
	}
	return err
}

func (r *Room) forgetKeysOf(ctx context.Context, before time.Time) error {
	if r.o.Needed != nil {
		from, err := r.o.Needed(ctx)
		if err != nil {
			return err
		}
		if !from.IsZero() && from.Before(before) {
			before = from
		}
	}
	// Most keys stay, and looking at them holds nobody up.
	for after := ""; ; {
		var keys []string
		err := r.o.Store.Read(ctx).NewSelect().Model((*keyRow)(nil)).Column("key").
			Where("tenant_id = ? AND key > ? AND state = ?", ident.TenantOf(ctx), after, Resolved).
			Where(unheard, before).Order("key").Limit(forgetAtOnce).Scan(ctx, &keys)
		if err != nil {
			return fmt.Errorf("signal: forget keys: %w", err)
		}
		if len(keys) == 0 {
			return nil
		}
		if err := r.forgetSome(ctx, keys, before); err != nil {
			return err
		}
		after = keys[len(keys)-1]
	}
}

// unheard holds for keys of which nobody has said a word since.
const unheard = "NOT EXISTS (SELECT 1 FROM signal_episode AS e WHERE e.tenant_id = k.tenant_id AND e.key = k.key AND e.last_at >= ?)"

// forgetSome forgets those of the keys that are still over and unheard of.
func (r *Room) forgetSome(ctx context.Context, keys []string, before time.Time) error {
	tenant := ident.TenantOf(ctx)
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if r.o.Store.Postgres() {
			// In the order of their names, as a batch holds them.
			var held []string
			err := db.NewSelect().Model((*keyRow)(nil)).Column("key").Where("tenant_id = ? AND key IN (?)", tenant, bun.List(keys)).
				Order("key").For("UPDATE").Scan(ctx, &held)
			if err != nil {
				return fmt.Errorf("signal: forget keys: %w", err)
			}
		}
		// A word may have come until their rows were held.
		var gone []int64
		err := db.NewDelete().Model((*keyRow)(nil)).Where("tenant_id = ? AND key IN (?) AND state = ?", tenant, bun.List(keys), Resolved).
			Where(unheard, before).Returning("seq").Scan(ctx, &gone)
		if err != nil && !store.NotFound(err) {
			return fmt.Errorf("signal: forget keys: %w", err)
		}
		if len(gone) == 0 {
			return nil
		}
		last := &forgottenRow{TenantID: tenant}
		for _, seq := range gone {
			last.Seq = max(last.Seq, seq)
		}
		_, err = db.NewInsert().Model(last).On("CONFLICT (tenant_id) DO UPDATE").
			Set("seq = CASE WHEN EXCLUDED.seq > f.seq THEN EXCLUDED.seq ELSE f.seq END").Exec(ctx)
		if err != nil {
			return fmt.Errorf("signal: forgotten: %w", err)
		}
		return nil
	})
}

// forgotten is the highest number of a key of the town that was forgotten.
func forgotten(ctx context.Context, db bun.IDB, tenant ident.Tenant) (int64, error) {
	row := forgottenRow{TenantID: tenant}
	if err := db.NewSelect().Model(&row).WherePK().Scan(ctx); err != nil && !store.NotFound(err) {
		return 0, fmt.Errorf("signal: forgotten: %w", err)
	}
	return row.Seq, nil
}

// Forgetful are the towns that have forgotten a key.
func Forgetful(ctx context.Context, s *store.Store) (towns []ident.Tenant, err error) {
	err = s.Read(ctx).NewSelect().Model((*forgottenRow)(nil)).Column("tenant_id").Scan(ident.AcrossTenants(ctx), &towns)
	if err != nil {
		return nil, fmt.Errorf("signal: forgetful: %w", err)
	}
	return towns, nil
}
