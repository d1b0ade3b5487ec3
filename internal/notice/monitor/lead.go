package monitor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
)

// Lead tells which of several nodes watches; it is [jobs.Nodes].
type Lead interface {
	Leads() bool
	// Check refuses with [jobs.ErrNotLeader] inside a transaction.
	Check(ctx context.Context, db bun.IDB) error
}

// Topics of hints by which other nodes tell the one that watches.
const (
	hintChanged = "monitor.changed"
	hintLook    = "monitor.look"
	hintPing    = "monitor.ping"
)

// reloadEvery heals a hint that was lost between nodes.
const reloadEvery = time.Minute

// lead is what the room does where several nodes share the monitors: one of them
// watches, the others hand on what concerns it.
type lead struct {
	of     Lead // nil: there is one node
	pinger *jobs.Sweeper
	cancel context.CancelFunc
	done   chan struct{}
}

// SetLead plugs in who watches; before Start.
func (r *Room) SetLead(l Lead) {
	r.lead.of = l
	r.lead.pinger = jobs.NewSweeper(jobs.SweeperOptions{
		Name: "monitor.ping", Clock: r.o.Clock, Log: r.o.Log, Sweep: r.takePings, Idle: 2 * time.Second,
	})
}

// watches reports whether this node does.
func (r *Room) watches() bool { return r.lead.of == nil || r.lead.of.Leads() }

// Turned begins to watch with the states that are stored, or ceases to.
func (r *Room) Turned(ctx context.Context, leads bool) {
	// A status of ours is older than what another node stored, unless we are the
	// one that watched while the database was away.
	if !leads || !r.away.alone.Swap(false) {
		r.engine.Set(nil)
	}
	if err := r.reload(ctx); err != nil {
		r.o.Log.ErrorContext(ctx, "monitors could not be taken over, trying again", "room", "monitor", "err", err)
		r.stale.Store(true)
		r.loader.Kick()
	}
	if r.lead.pinger != nil {
		r.lead.pinger.Kick()
	}
}

func (r *Room) startLead(ctx context.Context) {
	if r.lead.of == nil || r.lead.cancel != nil {
		return
	}
	r.lead.pinger.Start(ctx)
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.lead.cancel, r.lead.done = cancel, make(chan struct{})
	sub := r.o.Hints.Subscribe(func(h bus.Hint) bool {
		return h.Topic == hintChanged || h.Topic == hintLook || h.Topic == hintPing
	})
	go func() {
		defer close(r.lead.done)
		defer sub.Close()
		heal := time.NewTicker(reloadEvery)
		defer heal.Stop()
		for {
			select {
			case <-run.Done():
				return
			case <-heal.C:
				if r.watches() {
					r.stale.Store(true)
					r.loader.Kick()
				}
			case h := <-sub.C:
				r.heard(run, h)
			}
		}
	}()
}

func (r *Room) stopLead() {
	if r.lead.cancel == nil {
		return
	}
	r.lead.cancel()
	<-r.lead.done
	r.lead.cancel = nil
	r.lead.pinger.Stop()
}

// heard does for another node what only the one that watches can.
func (r *Room) heard(ctx context.Context, h bus.Hint) {
	switch {
	case !r.watches():
	case h.Topic == hintPing:
		r.lead.pinger.Kick()
	case h.Topic == hintLook:
		r.engine.ProbeNow(engineID(h.Tenant, h.ID))
	case h.ID == "":
		r.stale.Store(true)
		r.loader.Kick()
	default:
		if err := r.renew(ctx, h.Tenant, h.ID); err != nil {
			r.stale.Store(true)
			r.loader.Kick()
		}
	}
}

// tellLeader passes on what this node cannot do itself.
func (r *Room) tellLeader(topic string, t ident.Tenant, id string) {
	if r.lead.of != nil && !r.lead.of.Leads() && r.o.Hints != nil {
		r.o.Hints.Publish(bus.Hint{Tenant: t, Topic: topic, ID: id})
	}
}

// mayTake tells whether this node still watches; what one that stood still saw
// meanwhile is another's to see, and is dropped.
func (r *Room) mayTake(ctx context.Context, db bun.IDB) (bool, error) {
	if r.lead.of == nil {
		return true, nil
	}
	err := r.lead.of.Check(ctx, db)
	if errors.Is(err, jobs.ErrNotLeader) {
		r.o.Log.WarnContext(ctx, "results are dropped: another node watches by now", "room", "monitor")
		return false, nil
	}
	return err == nil, err
}

// pingRow is a heartbeat's report on its way to the node that watches.
type pingRow struct {
	bun.BaseModel `bun:"table:monitor_ping"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Slug          string       `bun:"slug"`
	Suffix        string       `bun:"suffix"`
	Note          string       `bun:"note"`
	At            time.Time    `bun:"at"`
}

// storePing keeps a report for whoever watches; the sender may go when it is kept.
func (r *Room) storePing(ctx context.Context, t ident.Tenant, slug, suffix, note string) error {
	now := r.o.Clock.Now()
	row := pingRow{TenantID: t, ID: ident.NewID(now), Slug: slug, Suffix: suffix, Note: note, At: now}
	err := r.o.Store.InTx(ident.WithTenant(ctx, t), func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewInsert().Model(&row).Exec(ctx)
		return err
	})
	if err != nil {
		return fault.New(fault.Unavailable, "monitor.not_running").With(err)
	}
	r.lead.pinger.Kick()
	r.tellLeader(hintPing, t, slug)
	return nil
}

// takePings feeds the engine with what came to any node, in order.
func (r *Room) takePings(ctx context.Context, _ time.Time) (time.Time, error) {
	if !r.watches() {
		return time.Time{}, nil
	}
	ctx = ident.AcrossTenants(ctx)
	var rows []pingRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Order("at", "id").Limit(500).Scan(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("monitor: pings: %w", err)
	}
	for _, row := range rows {
		if p, ok := ParsePing(row.Suffix, row.Note); ok {
			err := r.engine.Report(ctx, engineID(row.TenantID, row.Slug), p.Result(row.At.UTC()))
			if err != nil && !errors.Is(err, ErrUnknown) {
				return time.Time{}, fmt.Errorf("monitor: ping: %w", err)
			}
		}
		// If another node watches by now, it is for that one to take.
		err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			if err := r.lead.of.Check(ctx, db); err != nil {
				return err
			}
			_, err := db.NewDelete().Model(&row).WherePK().Exec(ctx)
			return err
		})
		if err != nil {
			return time.Time{}, fmt.Errorf("monitor: ping: %w", err)
		}
	}
	return time.Time{}, nil
}
