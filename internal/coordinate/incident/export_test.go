package incident

import (
	"context"
	"time"

	"tuermer/internal/platform/bus"
	"tuermer/internal/raise/alert"
)

// The events as the bus would bring them.
func AlertOpened(r *Room, ctx context.Context, e alert.Happened) error {
	return r.onAlertOpened(ctx, bus.Event[alert.Happened]{Data: e})
}

func AlertAcknowledged(r *Room, ctx context.Context, e alert.Happened) error {
	return r.onAlertAcknowledged(ctx, bus.Event[alert.Happened]{Data: e})
}

func AlertClosed(r *Room, ctx context.Context, at time.Time, e alert.Happened) error {
	return r.onAlertClosed(ctx, bus.Event[alert.Happened]{At: at, Data: e})
}

// Sweep applies the rules once.
func Sweep(r *Room, ctx context.Context, now time.Time) (time.Time, error) { return r.sweep(ctx, now) }

// GiveTasks gives the tasks of an incident, as its events would.
func GiveTasks(r *Room, ctx context.Context, id ID) error { return r.giveTasks(ctx, id) }

// SweepCommitments looks at what was promised, once.
func (r *Room) SweepCommitments(ctx context.Context, now time.Time) (time.Time, error) {
	return r.sweepCommitments(ctx, now)
}
