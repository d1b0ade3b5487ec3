package monitor

import "context"

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
