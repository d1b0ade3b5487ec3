package alert

import (
	"context"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// Fold hands a signal to the room as the bus would.
func Fold(r *Room, ctx context.Context, s signal.Signal) error {
	return r.onSignal(ctx, bus.Event[signal.Signal]{Data: s})
}

// Ignore hands over a signal that came too late.
func Ignore(r *Room, ctx context.Context, s signal.IgnoredSignal) error {
	return r.onIgnored(ctx, bus.Event[signal.IgnoredSignal]{Data: s})
}

// Sweep looks once for people whom alerts can be told.
func Sweep(r *Room, ctx context.Context, now time.Time) (time.Time, error) { return r.sweep(ctx, now) }

// Bundles tells of what has joined alerts.
func Bundles(r *Room, ctx context.Context, now time.Time) (time.Time, error) {
	return r.bundles(ctx, now)
}

// Token makes the token of an alarm mail.
func Token(r *Room, id ID, person identity.PersonID, now time.Time) string {
	return r.token(id, person, now)
}

// Climbs tells whether the alert's chain goes on.
func Climbs(r *Room, ctx context.Context, id ID) (bool, error) {
	rn, err := runOf(ctx, r.o.Store.Read(ctx), ident.TenantOf(ctx), id)
	return rn != nil && !rn.Done, err
}

// OpenSpool, Remember and SendSpooled are what the room does by itself for the
// time when the database is away.
func OpenSpool(r *Room) error { return r.openSpool() }

// Remember renews the book.
func Remember(r *Room, ctx context.Context, now time.Time) error {
	_, err := r.remember(ctx, now)
	return err
}

// SendSpooled sends what waits in the spool.
func SendSpooled(r *Room, ctx context.Context, now time.Time) error {
	_, err := r.sendSpooled(ctx, now)
	return err
}

// Spooled counts what the spool holds.
func Spooled(r *Room) int { return len(r.spool.alarms) }

// Settle tells what became of a message in the outbox, Receive what the other
// side reports of it.
func Settle(r *Room, ctx context.Context, at time.Time, e channel.SettledEvent) error {
	return r.onSettled(ctx, bus.Event[channel.SettledEvent]{At: at, Data: e})
}

func Receive(r *Room, ctx context.Context, at time.Time, e channel.ReceivedEvent) error {
	return r.onReceived(ctx, bus.Event[channel.ReceivedEvent]{At: at, Data: e})
}
