// Package bus carries what happened.
//
// A [Topic] is a fact in the past tense that belongs to the room where it
// happened ("signal.recorded"). It is told inside the transaction that makes
// it true and reaches every handler at least once; a handler's own writes and
// the note that it has run commit together, so its effect happens once.
//
// A hint ([Hints]) is only a nudge for whoever is looking right now: live
// pages and other nodes. It may be lost; receivers read the row again.
package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
)

// Topic names one kind of fact and the Go type that describes it.
type Topic[T any] string

// Event is one fact as a handler sees it. Its ctx carries tenant and actor.
type Event[T any] struct {
	ID   string
	At   time.Time
	Data T
}

// envelope is the job that carries an event.
type envelope struct {
	ID     string          `json:"id"`
	Topic  string          `json:"topic"`
	Tenant ident.Tenant    `json:"tenant"`
	Actor  ident.Actor     `json:"actor"`
	At     time.Time       `json:"at"`
	Data   json.RawMessage `json:"data"`
}

// Kind implements store.Job.
func (envelope) Kind() string { return "bus.event" }

// Tell states the fact inside the open transaction.
func (t Topic[T]) Tell(ctx context.Context, enqueue store.Enqueue, now time.Time, data T) error {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return fmt.Errorf("bus: tell %s: %w", t, err)
	}
	e, err := t.envelope(ctx, tenant, now, data)
	if err != nil {
		return err
	}
	return enqueue(ctx, e)
}

func (t Topic[T]) envelope(ctx context.Context, tenant ident.Tenant, now time.Time, data T) (envelope, error) {
	body, err := json.Marshal(data)
	if err != nil {
		return envelope{}, fmt.Errorf("bus: tell %s: %w", t, err)
	}
	return envelope{ID: ident.NewID(now), Topic: string(t), Tenant: tenant, Actor: ident.ActorOf(ctx), At: now, Data: body}, nil
}

// handler is one listener to one topic.
type handler struct {
	name string
	run  func(ctx context.Context, e envelope) error
}

// Bus delivers events to handlers.
type Bus struct {
	store *store.Store
	clock clock.Clock
	log   *slog.Logger
	mu    sync.RWMutex
	on    map[string][]handler
}

// New makes a bus and registers its job with j. Handlers join with [On] before
// the jobs start.
func New(s *store.Store, j *jobs.Jobs, c clock.Clock, log *slog.Logger) *Bus {
	b := &Bus{store: s, clock: c, log: log, on: map[string][]handler{}}
	jobs.Work(j, b.deliver)
	jobs.Work(j, b.deliverAll)
	return b
}

// On makes fn hear every event of t. The name must stay the same over releases
// ("alert.fold"): it marks what has been handled. fn runs inside a transaction.
func On[T any](b *Bus, t Topic[T], name string, fn func(ctx context.Context, e Event[T]) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.on[string(t)] = append(b.on[string(t)], handler{name, func(ctx context.Context, e envelope) error {
		ev := Event[T]{ID: e.ID, At: e.At}
		if err := json.Unmarshal(e.Data, &ev.Data); err != nil {
			return fmt.Errorf("bus: %s: %w", e.Topic, err)
		}
		return fn(ctx, ev)
	}})
}

// deliver runs every handler of the event that has not run yet.
func (b *Bus) deliver(ctx context.Context, e envelope) error {
	b.mu.RLock()
	hs := b.on[e.Topic]
	b.mu.RUnlock()
	ctx = ident.WithActor(ident.WithTenant(ctx, e.Tenant), e.Actor)
	var errs []error
	for _, h := range hs {
		if err := b.once(ctx, e, h); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", h.name, err))
		}
	}
	return errors.Join(errs...)
}

// handled notes that a handler has run.
type handled struct {
	bun.BaseModel `bun:"table:bus_handled"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	EventID       string       `bun:"event_id,pk"`
	Handler       string       `bun:"handler,pk"`
	At            time.Time    `bun:"at"`
}

func (b *Bus) once(ctx context.Context, e envelope, h handler) error {
	return b.store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		res, err := db.NewInsert().
			Model(&handled{TenantID: e.Tenant, EventID: e.ID, Handler: h.name, At: b.clock.Now()}).
			On("CONFLICT DO NOTHING").Exec(ctx)
		if err != nil {
			return fmt.Errorf("bus: note: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return h.run(ctx, e)
	})
}

// Forget deletes notes older than age; the queue keeps no event that long.
func (b *Bus) Forget(ctx context.Context, age time.Duration) error {
	before := b.clock.Now().Add(-age)
	return b.store.InTx(ident.AcrossTenants(ctx), func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewDelete().Model((*handled)(nil)).Where("at < ?", before).Exec(ctx)
		return err
	})
}
