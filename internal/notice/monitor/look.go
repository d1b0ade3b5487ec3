package monitor

import (
	"context"
	"time"
)

// Look probes at once and waits for what was seen: the monitor as it then stands
// and the result. A result of a look that began earlier does not count, for the
// monitor may have been changed since. Without one until ctx ends, the result is
// empty: its At is zero.
func (r *Room) Look(ctx context.Context, slug string) (Monitor, Result, error) {
	start := r.o.Clock.Now()
	for {
		seen, err := r.look(ctx, slug)
		if err != nil {
			return Monitor{}, Result{}, err
		}
		select {
		case <-seen:
		case <-ctx.Done():
			m, err := r.Get(context.WithoutCancel(ctx), slug)
			return m, Result{}, err
		}
		results, err := r.Results(ctx, slug, start.Add(-time.Millisecond), 1)
		if err != nil {
			return Monitor{}, Result{}, err
		}
		if len(results) > 0 && !results[0].At.Before(start) {
			m, err := r.Get(ctx, slug)
			return m, results[0], err
		}
	}
}
