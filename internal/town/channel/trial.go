package channel

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// trialMark begins the ids of messages with which people try their own ways.
const trialMark = "reach-"

// trialPause is how long a way rests between two trials: each may cost money.
const trialPause = time.Minute

// TryWay sends a test message over one way to the person in ctx, through the same
// outbox as everything else. The caller has made sure that the address is theirs.
func (r *Room) TryWay(ctx context.Context, m Message) (id string, err error) {
	a := ident.ActorOf(ctx)
	if a.Person == "" {
		return "", fault.New(fault.Forbidden, "channel.trial_own")
	}
	if !slices.Contains([]Kind{Mail, SMS, Voice, Push, Chat}, m.Kind) || !r.Leads(ctx, Live, m.Kind, m.To) {
		return "", fault.New(fault.Conflict, "channel.trial_no_way")
	}
	last, found, err := r.LastTrial(ctx, m.Kind, m.To)
	if err != nil {
		return "", err
	}
	now := r.o.Clock.Now()
	if found && now.Sub(last.CreatedAt) < trialPause {
		return "", fault.New(fault.Conflict, "channel.trial_soon")
	}
	m.ID, m.Class, m.Realm, m.Automatic = trialMark+ident.NewID(now), Single, Live, true
	return m.ID, r.Send(ctx, m)
}

// LastTrial is the last test message over a way to an address.
func (r *Room) LastTrial(ctx context.Context, kind Kind, to string) (Item, bool, error) {
	var row outboxRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).
		Where("tenant_id = ? AND recipient = ? AND kind = ? AND id LIKE ?", ident.TenantOf(ctx), r.o.Store.Sealed("channel_outbox.recipient", to), kind, trialMark+"%").
		Order("created_at DESC", "id DESC").Limit(1).Scan(ctx)
	if store.NotFound(err) {
		return Item{}, false, nil
	}
	if err != nil {
		return Item{}, false, fmt.Errorf("channel: trial: %w", err)
	}
	return row.item(), true, nil
}
