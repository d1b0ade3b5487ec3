package channel

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// simulatedRow is a message that a simulated adapter carried.
type simulatedRow struct {
	bun.BaseModel `bun:"table:channel_simulated"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Kind          Kind         `bun:"kind"`
	Class         Class        `bun:"class"`
	Realm         Realm        `bun:"realm"`
	Recipient     string       `bun:"recipient"`
	Subject       string       `bun:"subject"`
	Body          string       `bun:"body"`
	At            time.Time    `bun:"at"`
}

// RecordSimulated is the sink of the simulated adapters: what would have left
// the house is shown on the outbox page instead.
func (r *Room) RecordSimulated(ctx context.Context, m Message) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	body := m.Text
	if m.Kind == Webhook {
		body = string(m.Payload)
	}
	row := simulatedRow{
		TenantID: tenant, ID: m.ID, Kind: m.Kind, Class: m.Class, Realm: m.Realm,
		Recipient: m.To, Subject: m.Subject, Body: body, At: r.o.Clock.Now(),
	}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, id) DO NOTHING").Exec(ctx)
		r.o.Store.AfterCommit(ctx, func() { r.changed(tenant, m.ID) })
		return err
	})
	if err != nil {
		return fmt.Errorf("channel: simulated: %w", err)
	}
	return nil
}

// Simulated lists what the simulated adapters carried, newest first.
func (r *Room) Simulated(ctx context.Context, limit int) ([]Item, error) {
	return r.SimulatedAfter(ctx, "", limit)
}

// SimulatedAfter is the part of [Room.Simulated] behind the message named
// after; empty: from the newest on.
func (r *Room) SimulatedAfter(ctx context.Context, after string, limit int) ([]Item, error) {
	tenant := ident.TenantOf(ctx)
	var rows []simulatedRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", tenant).
		Order("at DESC", "id DESC").Limit(int64(min(max(limit, 1), 1000)))
	if after != "" {
		var last simulatedRow
		err := r.o.Store.Read(ctx).NewSelect().Model(&last).Where("tenant_id = ? AND id = ?", tenant, after).Scan(ctx)
		if store.NotFound(err) {
			return nil, fault.New(fault.NotFound, "channel.not_found")
		}
		if err != nil {
			return nil, fmt.Errorf("channel: simulated: %w", err)
		}
		q = q.Where("at < ? OR (at = ? AND id < ?)", last.At, last.At, last.ID)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("channel: simulated: %w", err)
	}
	items := make([]Item, len(rows))
	for i, s := range rows {
		if s.Kind == Webhook {
			s.Recipient = place(s.Recipient) // the rest may be a secret
		}
		items[i] = Item{
			ID: s.ID, Kind: s.Kind, Class: s.Class, Realm: s.Realm, To: s.Recipient,
			Subject: s.Subject, Text: s.Body, CreatedAt: s.At, SettledAt: s.At, State: Accepted,
		}
	}
	return items, nil
}
