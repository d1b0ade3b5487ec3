package publish

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// practised answers a question that must not stay open, such as which area is
// warned.
var practised = template.Value{Text: "Übungsgebiet", EN: "exercise area", LS: "Übungs-Gebiet", Short: "Übungsgebiet"}

// Rehearse writes and submits the statement of kind k about an incident of the
// exercise realm, with what the catalogue knows; every question that is left is
// answered "not yet known". It comes back submitted, or published when nobody
// else has to approve.
func (r *Room) Rehearse(ctx context.Context, in incident.ID, k template.Kind, scenario template.Scenario) (Statement, error) {
	i, err := r.o.Incidents.Get(ctx, in)
	if err != nil {
		return Statement{}, err
	}
	if i.Realm != incident.Exercise {
		return Statement{}, fault.New(fault.Conflict, "publish.not_an_exercise")
	}
	var out Statement
	err = r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		c, err := r.Prefill(ctx, in, k)
		if err != nil {
			return err
		}
		c.Scenario = scenario
		if c, err = r.unknowing(ctx, in, c); err != nil {
			return err
		}
		p, err := r.Try(ctx, in, c)
		if err != nil {
			return err
		}
		for _, slot := range p.Missing {
			c.Facts[slot] = practised
		}
		out, err = r.CreateAndSubmit(ctx, in, c, "", false)
		return err
	})
	return out, err
}

// others is how long DeliverNow waits for what the room itself has just claimed.
const (
	others    = 30 * time.Second
	lookAgain = 20 * time.Millisecond
)

// DeliverNow works the ledger of one realm off at once, also in a process that does
// not run the room. Where the room runs and was faster with some of it, that is
// waited for, so that whoever counts afterwards counts all.
func (r *Room) DeliverNow(ctx context.Context, realm incident.Realm) error {
	tenant := ident.TenantOf(ctx)
	until := r.o.Clock.Now().Add(others)
	for ctx.Err() == nil {
		now := r.o.Clock.Now()
		lanes, err := r.lanesDue(ctx, now)
		if err != nil {
			return err
		}
		sent := 0
		for _, l := range lanes {
			if l.Realm != realm || l.TenantID != tenant {
				continue
			}
			_, n, err := r.deliverBatch(ident.WithActor(ctx, ident.System), l, now)
			if err != nil {
				return err
			}
			sent += n
		}
		if sent > 0 {
			continue
		}
		busy, err := r.o.Store.Read(ctx).NewSelect().Model((*deliveryRow)(nil)).
			Where("tenant_id = ? AND realm = ? AND state = 'sending'", tenant, realm).Exists(ctx)
		if err != nil {
			return fmt.Errorf("publish: under way: %w", err)
		}
		if !busy || !r.o.Clock.Now().Before(until) {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookAgain):
		}
	}
	return ctx.Err()
}
