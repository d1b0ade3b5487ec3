package signal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
)

// DefaultKeep is how long signals are kept: a year and a bit, so that this
// year's figures can be held against last year's.
const DefaultKeep = 400 * 24 * time.Hour

// Options is what the room needs.
type Options struct {
	Store *store.Store
	Clock clock.Clock
	Log   *slog.Logger
	Hints *bus.Hints // may be nil
	// Keep is how long signals are kept, and keys after the last word about them;
	// zero means [DefaultKeep].
	Keep time.Duration
	// Needed is from when on the town in ctx may need what was noticed, for an
	// incident is open; zero, or nil: it does not.
	Needed func(ctx context.Context) (time.Time, error)
}

// Room keeps the signals of all tenants.
type Room struct {
	o       Options
	sweeper *jobs.Sweeper
}

// New makes the room.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Keep == 0 {
		o.Keep = DefaultKeep
	}
	r := &Room{o: o}
	r.sweeper = jobs.NewSweeper(jobs.SweeperOptions{
		Name: "signal.keep", Clock: o.Clock, Log: o.Log, Idle: 24 * time.Hour, Retry: time.Hour, Sweep: r.sweep,
	})
	return r
}

// Start begins to delete what is older than Keep, once a day.
func (r *Room) Start(ctx context.Context) error {
	r.sweeper.Start(ctx)
	return nil
}

// Stop ends it.
func (r *Room) Stop() { r.sweeper.Stop() }

type signalRow struct {
	bun.BaseModel `bun:"table:signal_signal,alias:s"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            ID           `bun:"id,pk"`
	Source        Source       `bun:"source"`
	Key           string       `bun:"key"`
	Episode       string       `bun:"episode"`
	State         State        `bun:"state"`
	Seq           int64        `bun:"seq"`
	Service       string       `bun:"service"`
	Severity      Severity     `bun:"severity"`
	Title         string       `bun:"title"`
	Detail        string       `bun:"detail"`
	Since         time.Time    `bun:"since"`
	At            time.Time    `bun:"at"`
}

type keyRow struct {
	bun.BaseModel `bun:"table:signal_key,alias:k"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Key           string       `bun:"key,pk"`
	Seq           int64        `bun:"seq"`
	Episode       string       `bun:"episode"`
	State         State        `bun:"state"`
	Since         time.Time    `bun:"since"`
	Severity      Severity     `bun:"severity"`
	SignalID      ID           `bun:"signal_id"`
	// Of that signal, so that what is in trouble is told without reading signals.
	Source  Source `bun:"source"`
	Service string `bun:"service"`
}

type episodeRow struct {
	bun.BaseModel `bun:"table:signal_episode,alias:e"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Key           string       `bun:"key,pk"`
	Episode       string       `bun:"episode,pk"`
	State         State        `bun:"state"`
	Since         time.Time    `bun:"since"`
	LastAt        time.Time    `bun:"last_at"`
	Repeats       int64        `bun:"repeats"`
	Late          bool         `bun:"late"`
	Quiet         bool         `bun:"quiet"` // ended by silence, not by a word
}

// known is how the episode stands; empty: never heard of.
func (e *episodeRow) known() State {
	if e.Quiet {
		return lapsed
	}
	return e.State
}

func (s signalRow) signal() Signal {
	return Signal{
		ID: s.ID, Source: s.Source, Key: s.Key, Episode: s.Episode, State: s.State, Seq: s.Seq, Service: s.Service,
		Severity: s.Severity, Title: s.Title, Detail: s.Detail, Since: clock.Cut(s.Since), At: clock.Cut(s.At),
	}
}

func row(tenant ident.Tenant, s Signal) *signalRow {
	return &signalRow{
		TenantID: tenant, ID: s.ID, Source: s.Source, Key: s.Key, Episode: s.Episode, State: s.State, Seq: s.Seq,
		Service: s.Service, Severity: s.Severity, Title: s.Title, Detail: s.Detail, Since: s.Since, At: s.At,
	}
}

func (r *Room) hint(tenant ident.Tenant, id ID) {
	if r.o.Hints != nil {
		r.o.Hints.Publish(bus.Hint{Tenant: tenant, Topic: "signal", ID: string(id)})
	}
}

func (r *Room) get(ctx context.Context, db bun.IDB, tenant ident.Tenant, id ID) (Signal, error) {
	s := signalRow{TenantID: tenant, ID: id}
	if err := db.NewSelect().Model(&s).WherePK().Scan(ctx); err != nil {
		return Signal{}, fmt.Errorf("signal: %w", err)
	}
	return s.signal(), nil
}

// Firing lists what is firing now, one signal per key, oldest trouble first.
func (r *Room) Firing(ctx context.Context) ([]Signal, error) {
	var rows []signalRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).
		Join("JOIN signal_key AS k ON k.tenant_id = s.tenant_id AND k.signal_id = s.id").
		Where("s.tenant_id = ?", ident.TenantOf(ctx)).Where("k.state = ?", Firing).
		OrderExpr("s.since, s.key").Scan(ctx)
	return signals(rows, err)
}

// Trouble is a service for which something fires at the moment: how bad it is, and who
// says so.
type Trouble struct {
	Service  string   `bun:"service"`
	Source   Source   `bun:"source"`
	Severity Severity `bun:"severity"`
}

// Troubles lists every different [Trouble] of the town once, whatever the number
// of keys that fire; what concerns no service is not among them. It reads one
// index and no signal, for pages ask it several times a second in a storm.
func (r *Room) Troubles(ctx context.Context) ([]Trouble, error) {
	out := []Trouble{}
	err := r.o.Store.Read(ctx).NewSelect().Distinct().TableExpr("signal_key AS k").Column("service", "source", "severity").
		Where("k.tenant_id = ?", ident.TenantOf(ctx)).Where("k.state = 'firing' AND k.service <> ''").
		OrderExpr("service, source, severity").Scan(ctx, &out)
	if err != nil {
		return nil, fmt.Errorf("signal: troubles: %w", err)
	}
	return out, nil
}

// FiringCount is how many keys of the town are firing.
func (r *Room) FiringCount(ctx context.Context) (int, error) {
	n, err := r.o.Store.Read(ctx).NewSelect().Model((*keyRow)(nil)).
		Where("tenant_id = ?", ident.TenantOf(ctx)).Where("state = ?", Firing).Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("signal: count: %w", err)
	}
	return int(n), nil
}

// IsFiring reports whether the key is firing now; one that was never heard of is not.
func (r *Room) IsFiring(ctx context.Context, key string) (bool, error) {
	yes, err := r.o.Store.Read(ctx).NewSelect().Model((*keyRow)(nil)).
		Where("tenant_id = ? AND key = ?", ident.TenantOf(ctx), key).Where("state = ?", Firing).Exists(ctx)
	if err != nil {
		return false, fmt.Errorf("signal: key: %w", err)
	}
	return yes, nil
}

// Known lists which episodes of these names were ever heard of under these keys,
// whether they have ended or not.
func (r *Room) Known(ctx context.Context, keys, episodes []string) ([]Occurrence, error) {
	if len(keys) == 0 || len(episodes) == 0 {
		return nil, nil
	}
	var out []Occurrence
	err := r.o.Store.Read(ctx).NewSelect().Model((*episodeRow)(nil)).Column("key", "episode").
		Where("tenant_id = ? AND key IN (?) AND episode IN (?)", ident.TenantOf(ctx), bun.List(keys), bun.List(episodes)).Scan(ctx, &out)
	if err != nil {
		return nil, fmt.Errorf("signal: known: %w", err)
	}
	return out, nil
}

// Filter chooses from the signals; its zero value is everything.
type Filter struct {
	Service string
	Key     string
	// From and Until bound At; zero: no bound. Until is not included.
	From, Until time.Time
	After       ID // the last one of the page before
	Limit       int
}

// List shows what was told on and what came too late, newest first; the order
// within one millisecond is open.
func (r *Room) List(ctx context.Context, f Filter) ([]Signal, error) {
	var rows []signalRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("s.tenant_id = ?", ident.TenantOf(ctx)).OrderExpr("s.id DESC")
	if f.Service != "" {
		q = q.Where("s.service = ?", f.Service)
	}
	if f.Key != "" {
		q = q.Where("s.key = ?", f.Key)
	}
	if !f.From.IsZero() {
		q = q.Where("s.at >= ?", clock.Cut(f.From))
	}
	if !f.Until.IsZero() {
		q = q.Where("s.at < ?", clock.Cut(f.Until))
	}
	if f.After != "" {
		q = q.Where("s.id < ?", f.After)
	}
	if f.Limit <= 0 || f.Limit > 1000 {
		f.Limit = 100
	}
	err := q.Limit(int64(f.Limit)).Scan(ctx)
	return signals(rows, err)
}

func signals(rows []signalRow, err error) ([]Signal, error) {
	if err != nil {
		return nil, fmt.Errorf("signal: list: %w", err)
	}
	out := make([]Signal, 0, len(rows))
	for _, s := range rows {
		out = append(out, s.signal())
	}
	return out, nil
}

// sweep deletes what is older than Keep, never what a key stands on. Keys go first, so
// that what they stood on goes with them.
func (r *Room) sweep(ctx context.Context, now time.Time) (time.Time, error) {
	before := now.Add(-r.o.Keep)
	forgot := r.forgetKeys(ctx, before)
	err := r.o.Store.InTx(ident.AcrossTenants(ctx), func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if _, err := db.NewDelete().Model((*signalRow)(nil)).Where("at < ?", before).
			Where("NOT EXISTS (SELECT 1 FROM signal_key AS k WHERE k.tenant_id = s.tenant_id AND k.signal_id = s.id)").
			Exec(ctx); err != nil {
			return fmt.Errorf("signal: forget signals: %w", err)
		}
		if _, err := db.NewDelete().Model((*episodeRow)(nil)).Where("last_at < ?", before).
			Where("NOT EXISTS (SELECT 1 FROM signal_key AS k WHERE k.tenant_id = e.tenant_id AND k.key = e.key AND k.episode = e.episode)").
			Exec(ctx); err != nil {
			return fmt.Errorf("signal: forget episodes: %w", err)
		}
		return nil
	})
	return now.Add(24 * time.Hour), errors.Join(forgot, err)
}
