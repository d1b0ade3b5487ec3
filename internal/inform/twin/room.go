package twin

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"tuermer/internal/inform/statuspage"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/depot"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
)

// File is one file of a copy, as statuspage makes it.
type File = statuspage.StillFile

// Page makes copies; it is [statuspage.Room].
type Page interface {
	Still(ctx context.Context, tenant ident.Tenant, valid time.Duration) (statuspage.Still, bool, error)
}

// Tenants are the towns of this install.
type Tenants interface {
	Tenants(ctx context.Context) ([]identity.Tenant, error)
}

// Signals takes what was noticed.
type Signals interface {
	Record(ctx context.Context, s signal.Signal) (signal.Signal, error)
}

// Audit remembers who did what.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

// Settings is where a town's copy goes, and how often.
type Settings struct {
	Every      time.Duration // zero: [DefaultEvery]
	Valid      time.Duration // zero: three times Every
	AlarmAfter time.Duration // zero: [DefaultAlarmAfter]
	Targets    []Target
}

// What holds unless a town says otherwise.
const (
	DefaultEvery      = 5 * time.Minute
	DefaultAlarmAfter = 15 * time.Minute
)

func (s Settings) filled() Settings {
	s.Every = cmp.Or(s.Every, DefaultEvery)
	s.Valid = cmp.Or(s.Valid, 3*s.Every)
	s.AlarmAfter = cmp.Or(s.AlarmAfter, DefaultAlarmAfter)
	return s
}

// Options is what the room needs.
type Options struct {
	Clock   clock.Clock
	Log     *slog.Logger
	Hints   *bus.Hints // may be nil
	Page    Page
	Tenants Tenants
	Signals Signals
	Audit   Audit
	Locale  func(ctx context.Context) i18n.Locale
	// Settings are those of the town in ctx.
	Settings func(ctx context.Context) Settings
	// Relied tells whether citizens of the town in ctx are told of an incident that
	// is open, so that they read the copy; nil: never.
	Relied func(ctx context.Context) (bool, error)
	// Key is the secret from which a town's signing key is made: 32 bytes.
	Key  func(tenant ident.Tenant) []byte
	Dial Dial
	// Dir is the data folder; copies lie in Dir/twin.
	Dir string
}

// Room carries the copies out.
type Room struct {
	o       Options
	sweeper *jobs.Sweeper

	mu    sync.Mutex
	towns map[ident.Tenant]*town
	list  []ident.Tenant // as last heard of

	runMu sync.Mutex
	run   context.Context
	stop  context.CancelFunc
	work  sync.WaitGroup
}

// town is one town's copy and where it lies; guarded by the room's mu.
type town struct {
	settings Settings
	dirty    bool
	built    built
	kept     map[string]string // digests of the copy on our own disk
	places   map[string]*place // by target
	problem  string            // why the copy could not be made or kept
}

// built is a copy as it goes out.
type built struct {
	version string
	at      time.Time
	asOf    time.Time
	until   time.Time
	files   []File
}

// place is what we know of one target. The exported part lies on disk.
type place struct {
	Lies    map[string]string // digests of what lies there
	Version string
	AsOf    time.Time // of the copy that lies there
	Until   time.Time
	DoneAt  time.Time // of the last transfer that succeeded
	WholeAt time.Time // of the last one that sent everything
	// FailingSince is when the first transfer after a success failed; zero: fine.
	FailingSince time.Time
	Alarmed      bool
	Episode      string // of the alarm
	Urgent       bool   // the alarm waits for no morning, for citizens read the copy

	gone    bool // no longer in the settings, but its alarm is still to end
	target  Target
	triedAt time.Time
	nextAt  time.Time
	fails   int
	sent    int
	failure *Failure
	busy    bool
}

// Rhythm.
const (
	settle = 2 * time.Second // copies are not made faster than this
	whole  = time.Hour       // everything is sent again, whatever we believe

	// hurry is how long a host may refuse copies while citizens read them: time
	// for a few tries, since a transfer that breaks once is no outage.
	hurry = 2 * time.Minute
)

// backoff is the pause after so many failures in a row.
func backoff(fails int, every time.Duration) time.Duration {
	return min(15*time.Second<<min(max(fails-1, 0), 10), every)
}

// New makes the room; it does nothing until Start.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	o.Log = o.Log.With("room", "twin")
	r := &Room{o: o, towns: map[ident.Tenant]*town{}}
	r.sweeper = jobs.NewSweeper(jobs.SweeperOptions{Name: "twin.copies", Clock: o.Clock, Log: o.Log, Sweep: r.sweep})
	return r
}

// Changed hears that a town's page says something new. It never blocks.
func (r *Room) Changed(tenant ident.Tenant) {
	r.mu.Lock()
	r.town(tenant).dirty = true
	r.mu.Unlock()
	r.sweeper.Kick()
}

// town is created when it is first heard of; mu is held.
func (r *Room) town(tenant ident.Tenant) *town {
	t := r.towns[tenant]
	if t == nil {
		t = &town{places: map[string]*place{}, dirty: true}
		r.towns[tenant] = t
		if err := r.load(tenant, t); err != nil {
			r.o.Log.Warn("what lies on the outside hosts is not known, everything is sent anew", "tenant", string(tenant), "err", err)
		}
	}
	return t
}

// Start begins to carry copies out until Stop.
func (r *Room) Start(ctx context.Context) error {
	r.runMu.Lock()
	defer r.runMu.Unlock()
	if r.stop != nil {
		return nil
	}
	r.run, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	r.sweeper.Start(ctx)
	return nil
}

// Stop gives up transfers under way and waits for them.
func (r *Room) Stop() {
	r.runMu.Lock()
	defer r.runMu.Unlock()
	if r.stop == nil {
		return
	}
	r.stop()
	r.sweeper.Stop()
	r.work.Wait()
	r.stop = nil
}

// sweep makes the copies that are due and sets transfers going.
func (r *Room) sweep(ctx context.Context, now time.Time) (time.Time, error) {
	ctx = ident.WithActor(ctx, ident.System)
	// Without a database the towns are those that were known last.
	if list, err := r.o.Tenants.Tenants(ident.AcrossTenants(ctx)); err == nil {
		ids := make([]ident.Tenant, len(list))
		for i, t := range list {
			ids[i] = t.ID
		}
		r.mu.Lock()
		r.list = ids
		r.mu.Unlock()
	}
	r.mu.Lock()
	list := slices.Clone(r.list)
	r.mu.Unlock()
	next := now.Add(time.Minute)
	var errs []error
	for _, id := range list {
		due, err := r.care(ident.WithTenant(ctx, id), id, now)
		if err != nil {
			errs = append(errs, err)
		}
		if !due.IsZero() && due.Before(next) {
			next = due
		}
	}
	return next, errors.Join(errs...)
}

// care does what is due for one town and says when it wants to be seen again.
func (r *Room) care(ctx context.Context, id ident.Tenant, now time.Time) (time.Time, error) {
	settings := r.o.Settings(ctx).filled()
	r.mu.Lock()
	t := r.town(id)
	t.settings = settings
	r.match(t)
	targets := len(t.places)
	wants := t.dirty || now.Sub(t.built.at) >= settings.Every || now.Before(t.built.at)
	wait := t.built.at.Add(settle)
	r.mu.Unlock()
	if targets == 0 {
		return time.Time{}, nil
	}
	var next time.Time
	if wants && !now.Before(wait) {
		if err := r.build(ctx, id, settings, now); err != nil {
			r.mu.Lock()
			t.problem = err.Error()
			r.mu.Unlock()
			return now.Add(5 * time.Second), err
		}
	} else if wants {
		next = wait
	}
	r.mu.Lock()
	if !t.built.at.IsZero() {
		next = sooner(next, t.built.at.Add(settings.Every))
	} else {
		next = sooner(next, now.Add(5*time.Second)) // the page is not up yet
	}
	for _, p := range t.places {
		switch {
		case p.gone || p.busy || t.built.version == "" || p.Version == t.built.version:
		case now.Before(p.nextAt):
			next = sooner(next, p.nextAt)
		default:
			r.begin(id, p, t.built, now)
		}
		if !p.FailingSince.IsZero() && !p.Alarmed {
			next = sooner(next, p.FailingSince.Add(settings.AlarmAfter))
			if at := p.FailingSince.Add(hurry); at.After(now) {
				next = sooner(next, at)
			}
		}
	}
	r.mu.Unlock()
	return next, r.alarms(ctx, id, now)
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// match keeps one place for each target of the settings; mu is held.
func (r *Room) match(t *town) {
	here := map[string]bool{}
	for _, target := range t.settings.Targets {
		here[target.Name] = true
		p := t.places[target.Name]
		if p == nil {
			p = &place{}
			t.places[target.Name] = p
		}
		if p.target.Address != "" && p.target.Address != target.Address {
			p.Lies, p.Version = nil, "" // it is another place now
		}
		p.target, p.gone = target, false
	}
	for name, p := range t.places {
		switch {
		case here[name] || p.busy:
		case p.Alarmed:
			p.gone, p.FailingSince = true, time.Time{}
		default:
			delete(t.places, name)
		}
	}
}

// build makes the copy, signs it and keeps it on our own disk.
func (r *Room) build(ctx context.Context, id ident.Tenant, settings Settings, now time.Time) error {
	r.mu.Lock()
	t := r.towns[id]
	t.dirty = false // what changes from here on makes another copy
	r.mu.Unlock()
	still, ok, err := r.o.Page.Still(ctx, id, settings.Valid)
	if err != nil || !ok {
		r.mu.Lock()
		t.dirty = true
		r.mu.Unlock()
		return err
	}
	m := Manifest{
		Version: manifestVersion, Town: still.Town, Page: still.URL, MadeAt: clock.Cut(now), AsOf: still.AsOf, ValidUntil: still.Until,
		Files: entries(still.Files),
	}
	raw, err := m.sign(r.key(id))
	if err != nil {
		return err
	}
	b := built{version: digest(raw), at: now, asOf: still.AsOf, until: still.Until, files: order(still.Files, raw)}
	kept, err := r.keep(ctx, id, b, t.kept)
	r.mu.Lock()
	defer r.mu.Unlock()
	t.built, t.kept, t.problem = b, kept, ""
	if err != nil {
		// The hosts outside matter more than our own copy.
		t.problem = err.Error()
		r.o.Log.WarnContext(ctx, "the copy could not be kept on our own disk", "tenant", string(id), "err", err)
	}
	return nil
}

func (r *Room) key(id ident.Tenant) ed25519.PrivateKey { return Key(r.o.Key(id)) }

// begin starts one transfer; mu is held.
func (r *Room) begin(id ident.Tenant, p *place, b built, now time.Time) {
	p.busy, p.triedAt = true, now
	target, had := p.target, maps.Clone(p.Lies)
	entire := now.Sub(p.WholeAt) >= whole || p.WholeAt.After(now)
	if entire {
		had = markOld(had)
	}
	r.work.Go(func() {
		sent, lies, err := r.carry(r.run, target, b, had)
		r.ended(id, p, b, sent, lies, entire, err)
	})
}

// markOld forgets what we believe of the files' content, but not that they are
// there, so that those that are no longer wanted still go.
func markOld(had map[string]string) map[string]string {
	for name := range had {
		had[name] = ""
	}
	return had
}

// carry brings one copy to one target.
func (r *Room) carry(ctx context.Context, t Target, b built, had map[string]string) (sent int, lies map[string]string, err error) {
	ctx, cancel := context.WithTimeout(ctx, transferTime)
	defer cancel()
	s, err := t.open(ctx, r.o.Dial)
	if err != nil {
		return 0, nil, err
	}
	defer s.Close()
	files := b.files
	if t.Apache != "" {
		zone, err := clock.Zone(t.Apache)
		if err != nil {
			return 0, nil, depot.Failed("setup", err)
		}
		files = append(slices.Clip(files), File{Path: ".htaccess", Body: htaccess(b.until, zone)})
	}
	if sent, err = deliver(ctx, s, files, had); err != nil {
		return sent, nil, err
	}
	lies = make(map[string]string, len(files))
	for _, f := range files {
		lies[f.Path] = digest(f.Body)
	}
	return sent, lies, nil
}

// ended writes down how a transfer went.
func (r *Room) ended(id ident.Tenant, p *place, b built, sent int, lies map[string]string, entire bool, err error) {
	if r.run.Err() != nil && err != nil {
		r.mu.Lock()
		p.busy = false
		r.mu.Unlock()
		return // we stop: that is no fault of the host
	}
	now := r.o.Clock.Now()
	r.mu.Lock()
	t := r.towns[id]
	p.busy, p.sent = false, sent
	if err != nil {
		f := &Failure{Reason: "write", Err: err}
		if own, ok := errors.AsType[*Failure](err); ok {
			f = own
		}
		p.failure, p.fails = f, p.fails+1
		if p.FailingSince.IsZero() {
			p.FailingSince = now
		}
		// Something may have been put up; only digests tell what.
		p.Lies = markOld(p.Lies)
		p.nextAt = now.Add(backoff(p.fails, t.settings.Every))
		r.o.Log.Warn("copy of the public page was not taken", "tenant", string(id), "target", p.target.Name, "reason", f.Reason, "err", f.Err)
	} else {
		p.Lies, p.Version, p.AsOf, p.Until, p.DoneAt = lies, b.version, b.asOf, b.until, now
		p.failure, p.fails, p.FailingSince, p.nextAt = nil, 0, time.Time{}, time.Time{}
		if entire {
			p.WholeAt = now
		}
	}
	if err := r.save(id, t); err != nil {
		r.o.Log.Warn("what lies on the outside hosts could not be written down", "tenant", string(id), "err", err)
	}
	r.mu.Unlock()
	if r.o.Hints != nil {
		r.o.Hints.Publish(bus.Hint{Tenant: id, Topic: "twin", ID: p.target.Name})
	}
	r.sweeper.Kick()
}

func (p *place) reason() string {
	if p.failure == nil {
		return "write" // of before the restart
	}
	return p.failure.Reason
}

func lastDone(l i18n.Locale, p *place) string {
	if p.DoneAt.IsZero() {
		return l.Catalog.Text(l.Lang, "twin.never_done")
	}
	return l.Catalog.Text(l.Lang, "twin.last_done", l.Stand(p.DoneAt))
}

// State is what a person reads of one target.
type State struct {
	Name    string
	Kind    Kind
	Address string
	View    string
	Busy    bool
	DoneAt  time.Time // zero: never
	AsOf    time.Time // of the copy that lies there
	Until   time.Time
	Sent    int       // files of the last transfer
	Reason  string    // of the last failure; empty: fine
	Detail  string    // for who sets it up
	Since   time.Time // failing since
	NextAt  time.Time // of the next try after a failure
	Alarmed bool
}

// Overview is what the console shows of a town's copies.
type Overview struct {
	Every, Valid, AlarmAfter time.Duration
	MadeAt, Until            time.Time
	Files                    int
	Problem                  string
	KeyID, PublicKey         string
	States                   []State
}

// Errors that callers branch on.
var (
	ErrForbidden = fault.New(fault.Forbidden, "twin.forbidden")
	ErrNoTargets = fault.New(fault.Conflict, "twin.no_targets")
)

// movers may have a copy carried out now.
var movers = []string{string(identity.RoleIT), string(identity.RolePublisher), string(identity.RoleApprover), string(identity.RoleAdmin)}

// Overview tells how the copies of the town in ctx stand.
func (r *Room) Overview(ctx context.Context) (Overview, error) {
	if ident.ActorOf(ctx).Kind == ident.KindPublic {
		return Overview{}, ErrForbidden
	}
	id, err := ident.RequireTenant(ctx)
	if err != nil {
		return Overview{}, err
	}
	settings := r.o.Settings(ctx).filled()
	public := r.key(id).Public().(ed25519.PublicKey)
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.town(id)
	t.settings = settings
	r.match(t)
	o := Overview{
		Every: settings.Every, Valid: settings.Valid, AlarmAfter: settings.AlarmAfter, MadeAt: t.built.at, Until: t.built.until,
		Files: len(t.built.files), Problem: t.problem, KeyID: KeyID(public), PublicKey: encodeKey(public),
	}
	for _, target := range settings.Targets {
		p := t.places[target.Name]
		s := State{
			Name: target.Name, Kind: target.Kind, Address: target.Address, View: target.View, Busy: p.busy, DoneAt: p.DoneAt, AsOf: p.AsOf,
			Until: p.Until, Sent: p.sent, Since: p.FailingSince, NextAt: p.nextAt, Alarmed: p.Alarmed,
		}
		if !p.FailingSince.IsZero() {
			s.Reason = p.reason()
		}
		if p.failure != nil {
			s.Detail = p.failure.Err.Error()
		}
		o.States = append(o.States, s)
	}
	return o, nil
}

// Push has a new copy made and carried to every target now.
func (r *Room) Push(ctx context.Context) error {
	if !ident.ActorOf(ctx).Has(movers...) {
		return ErrForbidden
	}
	id, err := ident.RequireTenant(ctx)
	if err != nil {
		return err
	}
	if len(r.o.Settings(ctx).Targets) == 0 {
		return ErrNoTargets
	}
	if err := r.o.Audit.Record(ctx, audit.Entry{Action: "twin.pushed", Subject: "twin"}); err != nil {
		// In a crisis the copy counts for more than its entry in the log.
		r.o.Log.WarnContext(ctx, "a push could not be audited", "err", err)
	}
	r.mu.Lock()
	t := r.town(id)
	t.dirty, t.built.at = true, time.Time{}
	for _, p := range t.places {
		p.nextAt = time.Time{}
	}
	r.mu.Unlock()
	r.sweeper.Kick()
	return nil
}
