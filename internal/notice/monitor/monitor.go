package monitor

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/fence"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/service"
)

// Monitor / Prüfung is one thing that is looked at again and again.
type Monitor struct {
	Slug    string
	Name    string // shown; empty: the service's name
	Service string // slug of the service that it watches; may be empty
	Spec    Spec   // normal
	PingKey string // secret part of a heartbeat's address
	Paused  bool
	// Windows are maintenances announced in the console, besides those of Spec;
	// a declared monitor has them too.
	Windows []Window
	// Rules are the same for those that come again and again.
	Rules []Recurring
	// Declared: stands in tuermer.yaml and is read-only in the console.
	Declared bool
	Status   Status
	// given names the secrets of Spec that whoever saves it has entered anew; the
	// others are as they were stored, see checkMoved.
	given []string
	// Standing is what several vantage points make of it; empty for one alone.
	Standing Standing
	// Unreadable names the parts of what is stored that cannot be read; where the
	// spec is among them, Spec holds what can be and is not looked at.
	Unreadable []string
}

// unknown tells that nobody knows what is to be looked at.
func (m Monitor) unknown() bool { return slices.Contains(m.Unreadable, PartSpec) }

// Title is the name that people read.
func (m Monitor) Title() string {
	if m.Name != "" {
		return m.Name
	}
	return m.Slug
}

// Recorder takes signals; it is [signal.Room].
type Recorder interface {
	Record(ctx context.Context, s signal.Signal) (signal.Signal, error)
}

// Catalogue answers which services there are; it is [service.Room].
type Catalogue interface {
	Get(ctx context.Context, slug string) (service.Service, error)
	List(ctx context.Context) ([]service.Service, error)
}

// Audit writes down who did what.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

// Sealer keeps credentials of probes unreadable at rest.
type Sealer interface {
	Seal(purpose string, plain []byte) ([]byte, error)
	Open(purpose string, sealed []byte) ([]byte, error)
}

// RoomOptions configures [New].
type RoomOptions struct {
	Store    *store.Store
	Clock    clock.Clock
	Log      *slog.Logger
	Hints    *bus.Hints
	Audit    Audit
	Vault    Sealer
	Signals  Recorder
	Services Catalogue
	Probers  Probers
	Catalog  *i18n.Catalog
	// Locale is the language and zone in which signals of the tenant in ctx are
	// written.
	Locale func(ctx context.Context) i18n.Locale
	// PingURL is the address under which heartbeats of the tenant in ctx report,
	// without a slash at the end.
	PingURL func(ctx context.Context) string
	// References say whether our own line works (see [Reference]); with none,
	// nothing is ever excused by it. Networks are those that the town in ctx runs
	// itself: what lies in them is never behind the line.
	References []Spec
	Networks   func(ctx context.Context) ([]netip.Prefix, error)
	// Reach tells where the checks that a tenant's people enter may go; nil:
	// nowhere. It is for telling them at once; what holds a check is
	// [TenantGuard], at every connection.
	Reach func(ctx context.Context, t ident.Tenant) (fence.List, error)
	// Dir is the data folder of a node whose database may be elsewhere and away:
	// there it remembers what to watch, and keeps what it could not store. Empty:
	// nothing is remembered.
	Dir string
}

// Room keeps the monitors and runs the engine.
type Room struct {
	o       RoomOptions
	engine  *Engine
	sweeper *jobs.Sweeper
	weigher *jobs.Sweeper
	folder  *jobs.Sweeper
	loader  *jobs.Sweeper

	loading sync.Mutex  // one at a time reads monitors and hands them to the engine
	stale   atomic.Bool // a change could not be read; the loader reads all

	unfolded   atomic.Int64 // results in the journal since the last fold
	foldAt     atomic.Int64 // so many make the next one begin at once
	legacyGone atomic.Bool  // no result from before chunks is left

	vantages Vantages // nil: none
	away     away
	lead     lead

	mu       sync.Mutex
	asked    map[string]chan struct{}        // engine ids that somebody waits for; closed with the result
	keep     map[ident.Tenant]Keep           // how long tuermer.yaml wants history kept
	networks map[ident.Tenant][]netip.Prefix // that the towns run themselves
}

// New makes the room; nothing is probed before Start.
func New(o RoomOptions) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Room{o: o, asked: map[string]chan struct{}{}, keep: map[ident.Tenant]Keep{}}
	r.engine = NewEngine(EngineOptions{
		Probers: o.Probers, Now: o.Clock.Now, Sink: r.take, Log: o.Log.With("room", "monitor"),
		References: o.References, Behind: r.behind, Unstored: r.unstored,
	})
	r.sweeper = jobs.NewSweeper(jobs.SweeperOptions{
		Name: "monitor.retention", Clock: o.Clock, Log: o.Log, Sweep: r.forget, Idle: time.Hour, Retry: time.Minute,
	})
	r.weigher = jobs.NewSweeper(jobs.SweeperOptions{Name: "monitor.weigh", Clock: o.Clock, Log: o.Log, Sweep: r.weighDue})
	r.foldAt.Store(foldResults)
	r.folder = jobs.NewSweeper(jobs.SweeperOptions{
		Name: "monitor.fold", Clock: o.Clock, Log: o.Log, Sweep: r.foldDue, Idle: foldEvery, Retry: time.Minute,
	})
	r.loader = jobs.NewSweeper(jobs.SweeperOptions{Name: "monitor.load", Clock: o.Clock, Log: o.Log, Sweep: r.catchUp, Idle: time.Hour})
	return r
}

// Start loads every tenant's monitors and begins to probe.
func (r *Room) Start(ctx context.Context) error {
	if err := r.reload(ctx); err != nil {
		return err
	}
	return r.begin(ctx)
}

func (r *Room) begin(ctx context.Context) error {
	if err := r.openAway(ctx); err != nil {
		return err
	}
	r.engine.Start(ctx)
	r.sweeper.Start(ctx)
	r.weigher.Start(ctx)
	r.folder.Start(ctx)
	r.loader.Start(ctx)
	r.startAway(ctx)
	r.startLead(ctx)
	return nil
}

// Stop ends probing; results in hand are stored first.
func (r *Room) Stop() {
	defer r.stopAway()
	r.stopLead()
	r.loader.Stop()
	r.weigher.Stop()
	r.folder.Stop()
	r.sweeper.Stop()
	r.engine.Stop()
}

// EngineStats are figures about the engine, for /metrics.
func (r *Room) EngineStats() Stats { return r.engine.Stats() }

// engineID names a monitor inside the engine, over all tenants.
func engineID(t ident.Tenant, slug string) string { return string(t) + "/" + slug }

func splitID(id string) (ident.Tenant, string) {
	t, slug, _ := strings.Cut(id, "/")
	return ident.Tenant(t), slug
}

// signalKey is what the signals of a monitor are about.
func signalKey(slug string) string { return "monitor:" + slug }

// Explain says in the reader's words what a result saw.
func Explain(l i18n.Locale, s Spec, res Result) string {
	took := res.Took.Round(time.Millisecond)
	return l.Catalog.Text(l.Lang, "monitor.reason."+string(res.Reason), res.Code, took, s.Timeout.D())
}

// Probe looks at once, whatever the schedule says.
func (r *Room) Probe(ctx context.Context, slug string) error {
	_, err := r.look(ctx, slug)
	return err
}

// look is [Room.Probe] for whoever waits: the channel is closed when the result
// is stored.
func (r *Room) look(ctx context.Context, slug string) (<-chan struct{}, error) {
	if err := mayOperate(ctx); err != nil {
		return nil, err
	}
	m, err := r.Get(ctx, slug)
	switch {
	case err != nil:
		return nil, err
	case m.Spec.Kind == Heartbeat:
		return nil, fault.New(fault.Conflict, "monitor.not_probed")
	case m.Paused:
		return nil, fault.New(fault.Conflict, "monitor.is_paused")
	}
	id := engineID(ident.TenantOf(ctx), slug)
	r.mu.Lock()
	seen := r.asked[id]
	if seen == nil {
		seen = make(chan struct{})
		r.asked[id] = seen
	}
	r.mu.Unlock()
	r.engine.ProbeNow(id) // false: one is on its way already, which is as good
	r.tellLeader(hintLook, ident.TenantOf(ctx), slug)
	return seen, nil
}

// answer shows results to whoever asked for them; the others change no page.
func (r *Room) answer(batch []Observation) {
	for _, o := range batch {
		r.mu.Lock()
		seen := r.asked[o.ID]
		delete(r.asked, o.ID)
		r.mu.Unlock()
		if seen != nil {
			close(seen)
			t, slug := splitID(o.ID)
			r.hint(t, slug)
		}
	}
}

// Ping takes a heartbeat's report. The key is all that the sender knows; the
// answer is nil only when the report is stored.
func (r *Room) Ping(ctx context.Context, key, suffix, note string) error {
	p, ok := ParsePing(suffix, note)
	if !ok {
		return fault.New(fault.Invalid, "monitor.bad_ping")
	}
	row, err := r.byPingKey(ctx, key)
	if err != nil {
		return err
	}
	if r.monitor(row).unknown() {
		return fault.New(fault.Unavailable, "monitor.not_readable")
	}
	if r.lead.of != nil {
		return r.storePing(ctx, row.TenantID, row.Slug, suffix, note)
	}
	err = r.engine.Report(ctx, engineID(row.TenantID, row.Slug), p.Result(r.o.Clock.Now()))
	if errors.Is(err, ErrUnknown) || errors.Is(err, ErrStopped) {
		return fault.New(fault.Unavailable, "monitor.not_running").With(err)
	}
	return err
}

func newPingKey() string { return strings.ToLower(rand.Text()) }
