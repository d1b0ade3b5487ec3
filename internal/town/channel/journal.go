package channel

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// Past is what became of a message that went out past the outbox.
type Past struct {
	State     State // [Accepted] or [Failed]
	Route     string
	Reference string
	Reason    string
	At        time.Time
}

// Journal notes in the outbox a message that went out past it, while the database
// was away, with the times at which that happened. It is not sent, nor told as
// [Settled]: who sent it knows. The same id again changes nothing.
func (r *Room) Journal(ctx context.Context, m Message, p Past) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	if p.State != Accepted && p.State != Failed || m.ID == "" || len(m.Secret) > 0 {
		return fmt.Errorf("channel: %q of message %q is no end that can be noted", p.State, m.ID)
	}
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("channel: %w", err)
	}
	row := outboxRow{
		TenantID: tenant, ID: m.ID, Kind: m.Kind, Class: m.Class, Realm: m.Realm, Recipient: m.To, Subject: m.Subject,
		Message: string(body), State: p.State, Attempts: 1, DueAt: m.Date, GiveUpAt: m.Date.Add(alarmPatience), Node: r.o.Node,
		Route: p.Route, Reference: cut(p.Reference, 200), Reason: p.Reason, CreatedAt: m.Date, SettledAt: p.At,
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, id) DO NOTHING").Exec(ctx); err != nil {
			return fmt.Errorf("channel: journal: %w", err)
		}
		r.o.Store.AfterCommit(ctx, func() { r.changed(tenant, m.ID) })
		return nil
	})
}
