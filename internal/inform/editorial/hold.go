package editorial

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// hold stops a post for the crisis of an incident.
func (p *Post) hold(crisis incident.ID, now time.Time) {
	p.State, p.HeldFor, p.HeldAt, p.Releaser = Held, crisis, now, ident.Actor{}
}

// OnCrisis implements [incident.CrisisHook]: in the transaction that raises the
// incident, every scheduled post of the town is held (I7). A post that is being
// sent at this moment is out of reach; it had been due before.
func (r *Room) OnCrisis(ctx context.Context, id incident.ID) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if err := r.gate(ctx, db); err != nil {
			return err
		}
		res, err := db.NewUpdate().Model((*postRow)(nil)).
			Set("state = ?", Held).Set("held_for = ?", id).Set("held_at = ?", r.o.Clock.Now()).Set("releaser = ?", "{}").
			Where("tenant_id = ? AND state = ? AND realm = ?", tenant, Scheduled, incident.Live).Exec(ctx)
		if err != nil {
			return fmt.Errorf("editorial: hold: %w", err)
		}
		n, err := res.RowsAffected()
		if err != nil || n == 0 {
			return err
		}
		return r.wrote(ctx, Post{ID: ID(id)}, "editorial.all_held", map[string]string{"incident": string(id), "posts": fmt.Sprint(n)})
	})
}

// gate makes whoever schedules, sends or holds stand in line: the row is written
// first, so that the second one waits for the first one's commit and then sees
// what it did. SQLite has one writer anyway; PostgreSQL needs the row.
func (r *Room) gate(ctx context.Context, db bun.IDB) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	row := gateRow{TenantID: tenant, Turn: 1}
	_, err = db.NewInsert().Model(&row).On("CONFLICT (tenant_id) DO UPDATE").Set("turn = gate.turn + 1").Exec(ctx)
	if err != nil {
		return fmt.Errorf("editorial: gate: %w", err)
	}
	return nil
}
