package pulse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
)

// Outbox is where alarms leave; it is channel.Room.
type Outbox interface {
	// Alarms tells how many live alarms wait since before, and when the last one
	// was delivered.
	Alarms(ctx context.Context, before time.Time) (waiting int64, delivered time.Time, err error)
}

// Monitors makes and knows heartbeat checks; it is [monitor.Room].
type Monitors interface {
	Create(ctx context.Context, m monitor.Monitor) error
	Get(ctx context.Context, slug string) (monitor.Monitor, error)
	Remove(ctx context.Context, slug string) error
	EngineStats() monitor.Stats
}

// Tenants are the towns of this install.
type Tenants interface {
	Tenants(ctx context.Context) ([]identity.Tenant, error)
	Current(ctx context.Context) (identity.Tenant, error)
}

// Sealer keeps addresses unreadable at rest and signs invitations.
type Sealer interface {
	Seal(purpose string, plain []byte) ([]byte, error)
	Open(purpose string, sealed []byte) ([]byte, error)
	Sign(purpose string, payload []byte, expires time.Time) string
	Verify(purpose, token string, now time.Time) ([]byte, error)
}

// Audit remembers who did what.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

// Watcher is an address that hears how we are, in the form of Healthchecks.
type Watcher struct {
	Name string
	URL  string
}

// Options is what the room needs.
type Options struct {
	Store    *store.Store
	Clock    clock.Clock
	Log      *slog.Logger
	Audit    Audit
	Vault    Sealer
	Outbox   Outbox
	Monitors Monitors
	Tenants  Tenants
	Locale   func(ctx context.Context) i18n.Locale
	// Watchers are those that the operator declared for the town in ctx.
	Watchers func(ctx context.Context) []Watcher
	// Networks are the town's own.
	Networks func(ctx context.Context) ([]netip.Prefix, error)
	// Facts tells where this machine stands; nil: [ReadFacts].
	Facts func() Facts
	// Client reaches the operator's watchers; Held reaches what people entered,
	// within the bounds of their town.
	Client, Held *http.Client
}

// Every is how often the room examines itself.
const Every = time.Minute

// Room examines itself and tells.
type Room struct {
	o       Options
	sweeper *jobs.Sweeper

	mu     sync.Mutex
	engine rhythm
	towns  map[ident.Tenant]*town
	ids    []ident.Tenant
}

// town is what is remembered of one, so that its watchers hear of a database that
// is away.
type town struct {
	verdict  Verdict
	watchers []Watcher
	peers    []peer
	told     map[string]Told // by the name of the watcher, or the peer's id
	started  bool
}

// Told is how the last report to a watcher went.
type Told struct {
	At  time.Time // of the last that was taken; zero: never
	Err string    // why the last one was not
}

// New makes the room; it does nothing until Start.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Facts == nil {
		o.Facts = ReadFacts
	}
	o.Log = o.Log.With("room", "pulse")
	r := &Room{o: o, towns: map[ident.Tenant]*town{}}
	r.sweeper = jobs.NewSweeper(jobs.SweeperOptions{Name: "pulse.beat", Clock: o.Clock, Log: o.Log, Sweep: r.sweep, Idle: Every})
	return r
}

// Start begins the self-checks until Stop.
func (r *Room) Start(ctx context.Context) error { r.sweeper.Start(ctx); return nil }

// Kick makes it report now, for there may be another watcher.
func (r *Room) Kick() { r.sweeper.Kick() }

// Stop ends them. Nothing is told: the watchers hear it by the silence.
func (r *Room) Stop() { r.sweeper.Stop() }

func (r *Room) sweep(ctx context.Context, now time.Time) (time.Time, error) {
	ctx = ident.WithActor(ctx, ident.System)
	list, err := r.o.Tenants.Tenants(ident.AcrossTenants(ctx))
	r.mu.Lock()
	if err == nil {
		r.ids = nil
		for _, t := range list {
			r.ids = append(r.ids, t.ID)
		}
	}
	ids := slices.Clone(r.ids)
	stats := r.o.Monitors.EngineStats()
	still := r.engine.look(now, stats.Monitors, stats.Stored)
	r.mu.Unlock()
	var wait sync.WaitGroup
	for _, id := range ids {
		// One town's watcher that hangs keeps no other from its report.
		wait.Go(func() { r.beat(ident.WithTenant(ctx, id), id, still, now) })
	}
	wait.Wait()
	return now.Add(Every), nil
}

// beat examines one town and tells its watchers.
func (r *Room) beat(ctx context.Context, id ident.Tenant, still bool, now time.Time) {
	v := r.examine(ctx, still, now)
	peers, err := r.peers(ctx)
	r.mu.Lock()
	t := r.towns[id]
	if t == nil {
		t = &town{told: map[string]Told{}}
		r.towns[id] = t
	}
	t.verdict = v
	if err == nil {
		t.peers = peers
	}
	if w := r.o.Watchers(ctx); len(w) > 0 || v.OK() {
		t.watchers = w // a database that is away does not make us forget them
	}
	first := !t.started
	t.started = true
	watchers, known := slices.Clone(t.watchers), slices.Clone(t.peers)
	r.mu.Unlock()
	note := r.note(ctx, v)
	var wait sync.WaitGroup
	for _, w := range watchers {
		wait.Go(func() { r.tell(ctx, id, r.o.Client, w.Name, w.URL, v, note, first) })
	}
	for _, p := range known {
		if p.address != "" {
			wait.Go(func() { r.tell(ctx, id, r.o.Held, p.ID, p.address, v, note, false) })
		}
	}
	wait.Wait()
}

// examine looks whether the product can do what it is for.
func (r *Room) examine(ctx context.Context, still bool, now time.Time) Verdict {
	v := Verdict{At: now}
	c, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	err := r.o.Store.InTx(c, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewInsert().Model(&beatRow{TenantID: ident.TenantOf(ctx), At: now}).On("CONFLICT (tenant_id) DO UPDATE").Set("at = EXCLUDED.at").Exec(ctx)
		return err
	})
	if err != nil {
		r.o.Log.ErrorContext(ctx, "the database does not take a row", "err", err)
		v.Ill = append(v.Ill, Unwritable)
	}
	waiting, delivered, err := r.o.Outbox.Alarms(c, now.Add(-alarmTime))
	v.Alarm = delivered
	if err != nil || waiting > 0 { // an outbox that nobody can look into counts as stuck
		v.Ill = append(v.Ill, Stuck)
	}
	if still {
		v.Ill = append(v.Ill, Standing)
	}
	return v
}

type beatRow struct {
	bun.BaseModel `bun:"table:pulse_beat"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	At            time.Time    `bun:"at"`
}

// note is the verdict in words, for who reads it at the watcher's.
func (r *Room) note(ctx context.Context, v Verdict) string {
	l := r.o.Locale(ctx)
	var out []string
	for _, why := range v.Ill {
		out = append(out, l.Catalog.Text(l.Lang, "pulse.ill_"+string(why)))
	}
	if v.OK() {
		out = append(out, l.Catalog.Text(l.Lang, "pulse.fine"))
	}
	if !v.Alarm.IsZero() {
		out = append(out, l.Catalog.Text(l.Lang, "pulse.last_alarm", l.Stand(v.Alarm)))
	}
	return strings.Join(out, " ")
}

// tellTime bounds one report.
const tellTime = 15 * time.Second

// tell reports to one watcher. Success is told only of a verdict that is good.
func (r *Room) tell(ctx context.Context, id ident.Tenant, client *http.Client, name, address string, v Verdict, note string, first bool) {
	address = strings.TrimRight(address, "/")
	var err error
	switch {
	case !v.OK():
		err = r.post(ctx, client, address+"/fail", note)
	case first:
		// Whoever does not know /start says so; the success counts.
		_ = r.post(ctx, client, address+"/start", note)
		fallthrough
	default:
		err = r.post(ctx, client, address, note)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	told := r.towns[id].told[name]
	if told.Err = ""; err != nil {
		told.Err = reasonOf(err)
		r.o.Log.WarnContext(ctx, "a watcher was not told how we are", "tenant", string(id), "watcher", name, "err", err)
	} else {
		told.At = v.At
	}
	r.towns[id].told[name] = told
}

func (r *Room) post(ctx context.Context, client *http.Client, address, note string) error {
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewBufferString(note))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	req.Header.Set("User-Agent", "Tuermer")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4<<10))
	if res.StatusCode/100 != 2 {
		return statusError(res.StatusCode)
	}
	return nil
}

type statusError int

func (e statusError) Error() string { return fmt.Sprintf("status %d", int(e)) }

// reasonOf keeps addresses out of what people read: they are the secret.
func reasonOf(err error) string {
	if s, ok := errors.AsType[statusError](err); ok {
		return s.Error()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	return "unreachable"
}

// Overview is what the console shows.
type Overview struct {
	Verdict  Verdict // At zero: not examined yet
	Watchers []Report
	Peers    []Peer
	Inside   []Part
	// Networks is how many networks the town has named; without one nothing can be
	// said about where we stand.
	Networks int
}

// Report is how a watcher was told.
type Report struct {
	Name string
	Told Told
}

// ErrForbidden is what strangers and people without the right get.
var ErrForbidden = fault.New(fault.Forbidden, "pulse.forbidden")

func mayRead(ctx context.Context) error {
	if ident.ActorOf(ctx).Kind == ident.KindPublic {
		return ErrForbidden
	}
	return nil
}

func mayChange(ctx context.Context) error {
	if !ident.ActorOf(ctx).Has(string(identity.RoleAdmin)) {
		return ErrForbidden
	}
	return nil
}

// Overview tells how Türmer itself is, for the town in ctx.
func (r *Room) Overview(ctx context.Context) (Overview, error) {
	if err := mayRead(ctx); err != nil {
		return Overview{}, err
	}
	id, err := ident.RequireTenant(ctx)
	if err != nil {
		return Overview{}, err
	}
	peers, err := r.peers(ctx)
	if err != nil {
		return Overview{}, err
	}
	var o Overview
	if o.Inside, o.Networks, err = r.Place(ctx); err != nil {
		return Overview{}, err
	}
	r.mu.Lock()
	told := map[string]Told{}
	if t := r.towns[id]; t != nil {
		o.Verdict = t.verdict
		told = maps.Clone(t.told)
	}
	r.mu.Unlock()
	for _, w := range r.o.Watchers(ctx) {
		o.Watchers = append(o.Watchers, Report{w.Name, told[w.Name]})
	}
	for _, p := range peers {
		p.Told = told[p.ID]
		p.Accepted = p.address != ""
		if m, err := r.o.Monitors.Get(ctx, p.Monitor); err == nil {
			p.State = m.Status.State
		}
		o.Peers = append(o.Peers, p.Peer)
	}
	return o, nil
}

// Place tells what of this machine stands in the town's networks, and how many
// the town has named.
func (r *Room) Place(ctx context.Context) ([]Part, int, error) {
	nets, err := r.o.Networks(ctx)
	if err != nil {
		return nil, 0, err
	}
	return Inside(r.o.Facts(), nets), len(nets), nil
}
