package sonde

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fence"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// Monitors is what the room asks of package monitor; it is [monitor.Room].
type Monitors interface {
	// SeenBy lists the monitors that a sonde looks at.
	SeenBy(ctx context.Context, sonde string) ([]monitor.Monitor, error)
	// Weigh asks all vantage points of a monitor anew.
	Weigh(ctx context.Context, slug string) error
	// Glance looks at once from here.
	Glance(ctx context.Context, slug string)
}

// Recorder takes signals; it is [signal.Room].
type Recorder interface {
	Record(ctx context.Context, s signal.Signal) (signal.Signal, error)
}

// Audit writes down who did what.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

// Options configures [New].
type Options struct {
	Store    *store.Store
	Clock    clock.Clock
	Log      *slog.Logger
	Hints    *bus.Hints // nil: news wait until a watch is over
	Audit    Audit
	Signals  Recorder
	Monitors Monitors
	// Locale is the language and zone in which signals of the tenant in ctx are
	// written.
	Locale func(ctx context.Context) i18n.Locale
	// ServerURL is the address under which a sonde reaches the tenant in ctx, for
	// the commands that the console shows.
	ServerURL func(ctx context.Context) string
	// Reach tells where the checks that a tenant's people enter may go, from a
	// sonde as from here; nil: nowhere.
	Reach func(ctx context.Context, t ident.Tenant) (fence.List, error)
	// Keep is how long single results are kept; zero: a week.
	Keep time.Duration
}

// Room keeps the sondes of all tenants and takes what they report.
type Room struct {
	o       Options
	sweeper *jobs.Sweeper
	keys    pacer // by tenant and key
	doors   pacer // by address, for requests that prove nothing

	mu      sync.Mutex
	started time.Time
	asked   map[string]time.Time // "look now" was said, by sonde and monitor
}

// New makes the room.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Keep == 0 {
		o.Keep = 7 * 24 * time.Hour
	}
	r := &Room{
		o: o, asked: map[string]time.Time{},
		keys:  pacer{burst: 120, step: 250 * time.Millisecond},
		doors: pacer{burst: 30, step: 5 * time.Second},
	}
	r.sweeper = jobs.NewSweeper(jobs.SweeperOptions{Name: "sonde.silence", Clock: o.Clock, Log: o.Log, Sweep: r.sweep})
	return r
}

// Start begins to listen for silence. What was silent while nobody was here to
// hear it is none: the count begins now.
func (r *Room) Start(ctx context.Context) error {
	r.mu.Lock()
	r.started = r.o.Clock.Now()
	r.mu.Unlock()
	r.sweeper.Start(ctx)
	return nil
}

// Stop ends it.
func (r *Room) Stop() { r.sweeper.Stop() }

// sweep finds sondes that have fallen silent and forgets what is too old.
func (r *Room) sweep(ctx context.Context, now time.Time) (time.Time, error) {
	ctx = ident.WithActor(ctx, ident.System)
	var rows []sondeRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).
		Where("joined_at IS NOT NULL AND revoked_at IS NULL AND silent = ?", false).Scan(ident.AcrossTenants(ctx))
	if err != nil {
		return time.Time{}, fmt.Errorf("sonde: silence: %w", err)
	}
	r.mu.Lock()
	started := r.started
	r.mu.Unlock()
	var next time.Time
	for _, row := range rows {
		heard := row.SeenAt
		if heard.Before(started) {
			heard = started
		}
		due := heard.Add(SilentAfter)
		if due.After(now) {
			if next.IsZero() || due.Before(next) {
				next = due
			}
			continue
		}
		if err := r.falls(ident.WithTenant(ctx, row.TenantID), row.Name, due); err != nil {
			return time.Time{}, err
		}
	}
	return next, r.forget(ctx, now)
}

// forget drops nonces that no signature can use any more, and old results.
func (r *Room) forget(ctx context.Context, now time.Time) error {
	return r.o.Store.InTx(ident.AcrossTenants(ctx), func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewDelete().Model((*nonceRow)(nil)).Where("until < ?", now).Exec(ctx); err != nil {
			return fmt.Errorf("sonde: forget nonces: %w", err)
		}
		if _, err := db.NewDelete().Model((*resultRow)(nil)).Where("seen_at < ?", now.Add(-r.o.Keep)).Exec(ctx); err != nil {
			return fmt.Errorf("sonde: forget results: %w", err)
		}
		if _, err := db.NewDelete().Model((*verdictRow)(nil)).Where("at < ?", now.Add(-r.o.Keep)).Exec(ctx); err != nil {
			return fmt.Errorf("sonde: forget verdicts: %w", err)
		}
		return nil
	})
}

// falls raises the signal that a sonde is silent, unless it was heard of since.
func (r *Room) falls(ctx context.Context, name string, due time.Time) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row, err := r.lock(ctx, db, name)
		if err != nil {
			return err
		}
		if row.Silent || !row.RevokedAt.IsZero() || row.SeenAt.Add(SilentAfter).After(due) {
			return nil
		}
		row.Silent = true
		row.Episode++
		if err := r.put(ctx, db, row, "silent", "episode"); err != nil {
			return err
		}
		if err := r.tell(ctx, row, signal.Firing); err != nil {
			return err
		}
		return r.reweigh(ctx, name)
	})
}

// returns ends the silence of a sonde that was heard of.
func (r *Room) returns(ctx context.Context, db bun.IDB, row sondeRow) error {
	row.Silent = false
	if err := r.put(ctx, db, row, "silent"); err != nil {
		return err
	}
	if err := r.tell(ctx, row, signal.Resolved); err != nil {
		return err
	}
	return r.reweigh(ctx, row.Name)
}

// reweigh lets every monitor of the sonde ask anew whose voice counts.
func (r *Room) reweigh(ctx context.Context, name string) error {
	ms, err := r.o.Monitors.SeenBy(ctx, name)
	if err != nil {
		return err
	}
	for _, m := range ms {
		if err := r.o.Monitors.Weigh(ctx, m.Slug); err != nil {
			return err
		}
	}
	return nil
}

// tell records the silence of a sonde, or its end, as a signal. It is about the
// sonde and blames no monitor.
func (r *Room) tell(ctx context.Context, row sondeRow, state signal.State) error {
	l := r.o.Locale(ctx)
	ms, err := r.o.Monitors.SeenBy(ctx, row.Name)
	if err != nil {
		return err
	}
	now := r.o.Clock.Now()
	s := signal.Signal{
		Source: signal.Monitor, Key: "sonde:" + row.Name, Episode: fmt.Sprint(row.Episode), State: state,
		Severity: signal.Warning, Since: row.SeenAt, At: now,
	}
	switch {
	case state == signal.Firing:
		s.Title = l.Catalog.Text(l.Lang, "sonde.signal_silent", row.Name)
		s.Detail = i18n.N(i18n.With(ctx, l), "sonde.signal_silent_detail", len(ms), l.Short(row.SeenAt))
	case !row.RevokedAt.IsZero():
		s.Title = l.Catalog.Text(l.Lang, "sonde.signal_revoked", row.Name)
		s.Detail = l.Catalog.Text(l.Lang, "sonde.signal_revoked_detail", ident.ActorOf(ctx).Name)
		s.Since = now
	default:
		s.Title = l.Catalog.Text(l.Lang, "sonde.signal_back", row.Name)
		s.Detail = i18n.N(i18n.With(ctx, l), "sonde.signal_back_detail", len(ms))
		s.Since = now
	}
	_, err = r.o.Signals.Record(ctx, s)
	return err
}

func (r *Room) hint(ctx context.Context, name string) {
	if r.o.Hints == nil {
		return
	}
	t := ident.TenantOf(ctx)
	r.o.Store.AfterCommit(ctx, func() { r.o.Hints.Publish(bus.Hint{Tenant: t, Topic: "sonde", ID: name}) })
}
