package monitor

import (
	"context"
	"time"
)

// Watched are the specs that the engine works by, by its id.
func (r *Room) Watched() map[string]Spec {
	r.engine.mu.Lock()
	defer r.engine.mu.Unlock()
	out := map[string]Spec{}
	for id, it := range r.engine.items {
		out[id] = it.whole()
	}
	return out
}

// Reload reads every monitor, as a start does.
func (r *Room) Reload(ctx context.Context) error { return r.reload(ctx) }

// Unstored tells the room what the engine would tell it while the sink fails.
func Unstored(r *Room, ctx context.Context, list []Observation) { r.unstored(ctx, list) }

// Remember writes the book.
func Remember(r *Room, ctx context.Context, now time.Time) error {
	_, err := r.remember(ctx, now)
	return err
}

// EngineOf is the room's engine.
func EngineOf(r *Room) *Engine { return r.engine }

// Take stores what the engine saw.
func Take(r *Room, ctx context.Context, batch ...Observation) error { return r.take(ctx, batch) }
