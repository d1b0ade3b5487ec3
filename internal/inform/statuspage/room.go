package statuspage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/papers"
	"tuermer/internal/town/service"
)

// Services is the catalogue.
type Services interface {
	List(ctx context.Context) ([]service.Service, error)
	Get(ctx context.Context, slug string) (service.Service, error)
}

// Signals tells what is going on.
type Signals interface {
	Troubles(ctx context.Context) ([]signal.Trouble, error)
}

// Statements is what the town says. The room asks as the system and keeps only
// what is public.
type Statements interface {
	List(ctx context.Context, f publish.Filter) ([]publish.Statement, error)
	Variants(ctx context.Context, id publish.ID) ([]publish.Variant, error)
	Due(ctx context.Context) ([]publish.Promise, error)
}

// Incidents tells what may be public and how far it is.
type Incidents interface {
	List(ctx context.Context, f incident.Filter) ([]incident.Incident, error)
}

// Papers are the pages that the law asks for; it is [papers.Room].
type Papers interface {
	Public(ctx context.Context) ([]papers.Paper, error)
}

// Tenants are the towns of this install.
type Tenants interface {
	Tenants(ctx context.Context) ([]identity.Tenant, error)
}

// Audit remembers who did what.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

// Options is what the room needs.
type Options struct {
	Store      *store.Store
	Clock      clock.Clock
	Log        *slog.Logger
	Hints      *bus.Hints // may be nil: changes show within a minute
	Catalog    *i18n.Catalog
	Audit      Audit
	Services   Services
	Signals    Signals
	Statements Statements
	Incidents  Incidents
	Tenants    Tenants
	Papers     Papers // may be nil: drafts without words of their own
	// Suspected names the services for which an attack is suspected: their
	// monitors do not move the page until a person decides. May be nil.
	Suspected func(ctx context.Context) ([]string, error)
	// Impaired names the services that answer badly, and those that cannot be
	// reached for a known cause that is not theirs. May be nil.
	Impaired func(ctx context.Context) (limited, unclear map[string]bool, err error)
	// Dir is the data folder; the models lie in Dir/pages. Empty: memory only.
	Dir string
}

// Room is the public page of all tenants.
type Room struct {
	o         Options
	assets    assets
	sweeper   *jobs.Sweeper
	site      atomic.Pointer[site]
	guests    map[string]Guest // by first path element; fixed before Start
	senders   senders
	programs  http.Handler         // see [Room.AddPrograms]; fixed before Start
	listeners []func(ident.Tenant) // told of new words; fixed before Start

	mu     sync.Mutex // one build at a time; guards what follows
	caches map[ident.Tenant]said
	listed []identity.Tenant
	readAt time.Time // when the list of tenants was read

	dirtyMu sync.Mutex
	dirty   map[ident.Tenant]bool
	relist  bool // the list of tenants has changed

	runMu  sync.Mutex
	cancel context.CancelFunc
	done   chan struct{}
}

// Rhythm of the page.
const (
	// tick is how often everything is read again: it heals a lost hint and keeps
	// the "Stand" true.
	tick = time.Minute
	// breath is the shortest pause between two builds for one tenant, so that an
	// alert storm costs a few builds a second and not one per signal.
	breath = 200 * time.Millisecond
	// oldAfter is when a page that could not be built anew says so.
	oldAfter = 2*tick + 30*time.Second
)

// New makes the room; it answers with "not yet" until Start or [Room.Rebuild].
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Catalog == nil {
		o.Catalog = &i18n.Catalog{}
	}
	o.Log = o.Log.With("room", "statuspage")
	r := &Room{o: o, assets: loadAssets(), caches: map[ident.Tenant]said{}, dirty: map[ident.Tenant]bool{}, guests: map[string]Guest{}}
	r.site.Store(&site{})
	r.sweeper = jobs.NewSweeper(jobs.SweeperOptions{
		Name: "statuspage.pages", Clock: o.Clock, Log: o.Log, Sweep: r.sweep, Idle: tick,
	})
	return r
}

// Subscribe hears what moves the page. Hints are faster and reach every node;
// the events make sure that this node has heard even if a hint is lost.
func (r *Room) Subscribe(b *bus.Bus) {
	bus.On(b, signal.Recorded, "statuspage.signal", func(ctx context.Context, _ bus.Event[signal.Signal]) error {
		return r.heard(ctx)
	})
	bus.On(b, publish.Published, "statuspage.published", func(ctx context.Context, _ bus.Event[publish.PublishedEvent]) error {
		return r.heard(ctx)
	})
	bus.On(b, publish.Overdue, "statuspage.overdue", func(ctx context.Context, _ bus.Event[publish.OverdueEvent]) error {
		return r.heard(ctx)
	})
	bus.On(b, incident.Changed, "statuspage.incident", func(ctx context.Context, _ bus.Event[incident.Happened]) error {
		return r.heard(ctx)
	})
	bus.On(b, incident.PhaseChanged, "statuspage.phase", func(ctx context.Context, _ bus.Event[incident.PhaseChange]) error {
		return r.heard(ctx)
	})
}

func (r *Room) heard(ctx context.Context) error {
	tenant := ident.TenantOf(ctx)
	r.o.Store.AfterCommit(ctx, func() { r.Refresh(tenant) })
	return nil
}

// topics are the rooms whose hints concern the page.
var topics = map[string]bool{"signal": true, "service": true, "publish": true, "incident": true, "plan": true, identity.HintTenant: true, "statuspage": true, "papers": true}

// Start shows what lies on disk, builds the pages of all tenants anew and keeps
// them fresh until Stop. A database that is away is no reason not to start.
func (r *Room) Start(ctx context.Context) error {
	r.runMu.Lock()
	defer r.runMu.Unlock()
	if r.cancel != nil {
		return nil
	}
	if err := r.load(); err != nil {
		r.o.Log.WarnContext(ctx, "stored pages cannot be read, they are built anew", "err", err)
	}
	if err := r.Rebuild(ctx); err != nil {
		r.o.Log.WarnContext(ctx, "pages show the last known state until the database answers", "err", err)
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.cancel, r.done = cancel, make(chan struct{})
	var sub *bus.Subscription
	if r.o.Hints != nil {
		sub = r.o.Hints.Subscribe(func(h bus.Hint) bool { return topics[h.Topic] })
	}
	r.sweeper.Start(ctx)
	go func() {
		defer close(r.done)
		if sub == nil {
			return
		}
		defer sub.Close()
		for {
			select {
			case <-run.Done():
				return
			case h := <-sub.C:
				r.dirtyMu.Lock()
				r.relist = r.relist || h.Topic == identity.HintTenant
				r.dirtyMu.Unlock()
				r.Refresh(h.Tenant)
			}
		}
	}()
	return nil
}

// Stop ends it; the pages go on answering.
func (r *Room) Stop() {
	r.runMu.Lock()
	defer r.runMu.Unlock()
	if r.cancel == nil {
		return
	}
	r.cancel()
	<-r.done
	r.sweeper.Stop()
	r.cancel = nil
}

// Refresh asks for a tenant's pages to be built soon. It never blocks.
func (r *Room) Refresh(tenant ident.Tenant) {
	r.dirtyMu.Lock()
	r.dirty[tenant] = true
	r.dirtyMu.Unlock()
	r.sweeper.Kick()
}

// mustList reports, once, that the list of tenants has changed.
func (r *Room) mustList() bool {
	r.dirtyMu.Lock()
	defer r.dirtyMu.Unlock()
	was := r.relist
	r.relist = false
	return was
}

// Rebuild reads every tenant and builds its pages now. An error of one tenant
// does not keep the others from theirs.
func (r *Room) Rebuild(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Clock.Now()
	if err := r.tenants(ctx, now); err != nil {
		return errors.Join(err, r.age(now))
	}
	var errs []error
	for _, t := range r.listed {
		errs = append(errs, r.build(ctx, t, now))
	}
	return errors.Join(append(errs, r.age(now))...)
}

// tenants reads the list of tenants and drops the pages of those that left.
func (r *Room) tenants(ctx context.Context, now time.Time) error {
	list, err := r.o.Tenants.Tenants(ident.WithActor(ctx, ident.System))
	if err != nil {
		return fmt.Errorf("statuspage: tenants: %w", err)
	}
	r.listed, r.readAt = list, now
	here := map[ident.Tenant]bool{}
	for _, t := range list {
		here[t.ID] = true
	}
	r.swap(func(towns map[ident.Tenant]*pages) {
		for id := range towns {
			if !here[id] {
				delete(towns, id)
				delete(r.caches, id)
				r.unstore(id)
			}
		}
	})
	return nil
}

// sweep builds what changed, once a minute everything, and says when the clock
// alone will change a page.
func (r *Room) sweep(ctx context.Context, now time.Time) (time.Time, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mustList() || now.Sub(r.readAt) >= tick || now.Before(r.readAt) {
		if err := r.tenants(ctx, now); err != nil {
			return time.Time{}, errors.Join(err, r.age(now))
		}
	}
	towns := r.site.Load().towns
	next := r.readAt.Add(tick)
	var errs []error
	for _, t := range r.listed {
		have := towns[t.ID]
		switch {
		case have == nil || now.Sub(have.model.Read) >= tick || now.Before(have.model.Read):
		case !r.isDirty(t.ID):
			continue
		case now.Sub(have.builtAt) < breath && !now.Before(have.builtAt):
			next = earlier(next, have.builtAt.Add(breath))
			continue
		}
		r.clean(t.ID)
		if err := r.build(ctx, t, now); err != nil {
			r.markDirty(t.ID)
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			return time.Time{}, ctx.Err()
		}
	}
	if err := errors.Join(append(errs, r.age(now))...); err != nil {
		return time.Time{}, err
	}
	for _, p := range r.site.Load().towns {
		next = earlier(earlier(next, p.turns), p.model.Read.Add(tick))
	}
	return next, nil
}

func earlier(a, b time.Time) time.Time {
	if b.IsZero() || (!a.IsZero() && a.Before(b)) {
		return a
	}
	return b
}

func (r *Room) isDirty(t ident.Tenant) bool {
	r.dirtyMu.Lock()
	defer r.dirtyMu.Unlock()
	return r.dirty[t]
}

func (r *Room) markDirty(t ident.Tenant) {
	r.dirtyMu.Lock()
	defer r.dirtyMu.Unlock()
	r.dirty[t] = true
}

// clean is called before the rooms are read, so that a change during the reading
// makes the tenant dirty again.
func (r *Room) clean(t ident.Tenant) {
	r.dirtyMu.Lock()
	defer r.dirtyMu.Unlock()
	delete(r.dirty, t)
}

// build reads one tenant, renders its pages and puts them up.
func (r *Room) build(ctx context.Context, t identity.Tenant, now time.Time) error {
	ctx = ident.WithActor(ident.WithTenant(ctx, t.ID), ident.System)
	have := r.site.Load().towns[t.ID]
	var before *model
	if have != nil {
		before = have.model
	}
	cache := r.caches[t.ID]
	if cache == nil {
		cache = said{}
		r.caches[t.ID] = cache
	}
	m, err := r.read(ctx, t, before, cache, now)
	if err != nil {
		return fmt.Errorf("statuspage: read %s: %w", t.ID, err)
	}
	return r.show(ctx, m, have, now)
}

// show renders m and puts it up; what did not change keeps its bytes.
func (r *Room) show(ctx context.Context, m *model, have *pages, now time.Time) error {
	p, err := r.render(ctx, m, have, now)
	if err != nil {
		return fmt.Errorf("statuspage: render %s: %w", m.Town.ID, err)
	}
	r.swap(func(towns map[ident.Tenant]*pages) { towns[m.Town.ID] = p })
	if have == nil || have.content != p.content {
		for _, tell := range r.listeners {
			tell(m.Town.ID)
		}
	}
	if have == nil || have.content != p.content || !have.stored {
		if err := r.store(m); err != nil {
			// The page itself is up; only its copy is missing.
			r.o.Log.WarnContext(ctx, "page could not be stored for the next start", "tenant", string(m.Town.ID), "err", err)
			return nil
		}
	}
	p.stored = true
	return nil
}

// age renders anew what only the clock has changed: an announced time that has
// passed, a workaround that ended. It needs no database.
func (r *Room) age(now time.Time) error {
	var errs []error
	for _, p := range r.site.Load().towns {
		if m := p.model; !m.Old && now.Sub(m.Read) >= oldAfter {
			old := *m
			old.Old = true
			errs = append(errs, r.show(context.Background(), &old, p, now))
			continue
		}
		if !p.turns.IsZero() && !now.Before(p.turns) {
			errs = append(errs, r.show(context.Background(), p.model, p, now))
		}
	}
	return errors.Join(errs...)
}

// swap changes the set of towns that the handler sees, all at once.
func (r *Room) swap(change func(map[ident.Tenant]*pages)) {
	towns := maps.Clone(r.site.Load().towns)
	if towns == nil {
		towns = map[ident.Tenant]*pages{}
	}
	change(towns)
	r.site.Store(newSite(towns))
}

// folder is where the models lie; empty: nowhere.
func (r *Room) folder() string {
	if r.o.Dir == "" {
		return ""
	}
	return filepath.Join(r.o.Dir, "pages")
}

// load shows the models that lie on disk.
func (r *Room) load() error {
	dir := r.folder()
	if dir == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("statuspage: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Clock.Now()
	var errs []error
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".json" {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			errs = append(errs, fmt.Errorf("statuspage: %w", err))
			continue
		}
		m, err := decode(raw)
		if err != nil || fileName(m.Town.ID) != e.Name() {
			errs = append(errs, fmt.Errorf("statuspage: %s is not a stored page: %w", e.Name(), err))
			continue
		}
		p, err := r.render(context.Background(), m, nil, now)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		p.stored = true
		r.swap(func(towns map[ident.Tenant]*pages) { towns[m.Town.ID] = p })
	}
	return errors.Join(errs...)
}

// store writes m beside the old file and renames, so that a crash leaves one of
// the two whole.
func (r *Room) store(m *model) error {
	dir := r.folder()
	if dir == "" {
		return nil
	}
	raw, err := encode(m)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "new-*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, fileName(m.Town.ID)))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// unstore forgets the copy of a tenant that left.
func (r *Room) unstore(t ident.Tenant) {
	dir := r.folder()
	if dir == "" {
		return
	}
	if err := os.Remove(filepath.Join(dir, fileName(t))); err != nil && !errors.Is(err, os.ErrNotExist) {
		r.o.Log.Warn("stored page of a former tenant could not be removed", "tenant", string(t), "err", err)
	}
}

// Components are the public services as they stand, for the console. It asks the
// rooms, so that it also answers for what the page does not tell.
func (r *Room) Components(ctx context.Context) ([]Component, error) {
	if err := mayRead(ctx); err != nil {
		return nil, err
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return nil, err
	}
	system := ident.WithActor(ident.WithTenant(ctx, tenant), ident.System)
	now := r.o.Clock.Now()
	incidents, err := r.incidents(system, now)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	cache := said{} // the sweeper owns its own
	maps.Copy(cache, r.caches[tenant])
	r.mu.Unlock()
	services, err := r.o.Services.List(system)
	if err != nil {
		return nil, err
	}
	stories, err := r.stories(system, incidents, services, cache, now)
	if err != nil {
		return nil, err
	}
	return r.components(system, services, stories, incidents)
}
