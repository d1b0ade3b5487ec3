package monitor

import (
	"context"
	"time"

	"tuermer/internal/platform/ident"
)

// Doors for the tests of history over real databases.

// Take is the engine's sink.
func (r *Room) Take(ctx context.Context, batch []Observation) error { return r.take(ctx, batch) }

// Fold folds all journals now.
func (r *Room) Fold(ctx context.Context) error {
	_, err := r.foldDue(ctx, r.o.Clock.Now())
	return err
}

// FoldHalf folds the journal of t and leaves it there, as a kill does between
// the two.
func (r *Room) FoldHalf(ctx context.Context, t ident.Tenant) error {
	j, err := r.packJournal(ctx, t)
	if err != nil {
		return err
	}
	for slug := range j.by {
		if err := r.foldSamples(ctx, t, map[string][]Sample{slug: sorted(j.samples(slug))}, nil); err != nil {
			return err
		}
	}
	return nil
}

// Forget runs retention now.
func (r *Room) Forget(ctx context.Context) error {
	_, err := r.forget(ctx, r.o.Clock.Now())
	return err
}

// Samples are all that is kept of a monitor.
func (r *Room) Samples(ctx context.Context, slug string) ([]Sample, error) {
	return r.samples(ctx, ident.TenantOf(ctx), slug, longAgo, farOff)
}

// Hours are the figures of a monitor's hours.
func (r *Room) Hours(ctx context.Context, m Monitor, from, to time.Time) (map[int64]*Figures, error) {
	return r.hoursOf(ctx, ident.TenantOf(ctx), m.Slug, reach(m.Spec), hourOf(from), hourOf(to))
}

// FigureHours is the rule behind Hours.
func FigureHours(samples []Sample, reach time.Duration, from, to, until time.Time) map[int64]*Figures {
	return figureHours(samples, reach, hourOf(from), hourOf(to), until)
}

// ReachOf is how long a result of m speaks for it.
func ReachOf(m Monitor) time.Duration { return reach(m.Spec) }

// Rounded is how a response time is kept.
func Rounded(d time.Duration) time.Duration { return unquantise(quantise(d)) }

// EngineID names a monitor of tenant t.
func EngineID(t ident.Tenant, slug string) string { return engineID(t, slug) }

// ChunkSamples is how many results fill a chunk.
const ChunkSamples = chunkSamples

// CPU is the processor time of this process so far.
func CPU() time.Duration { return cpu() }
