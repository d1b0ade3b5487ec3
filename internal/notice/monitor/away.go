package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/town/vault"
)

// Refuge is where an alarm goes that the database does not take. A later room
// implements it.
type Refuge interface {
	// Unstored is told of what happened and could not be stored, again and again
	// until it is; first is since when the first of them waits.
	Unstored(ctx context.Context, s signal.Signal, first time.Time)
	// Reconcile runs in the transaction that stores something again, before it.
	Reconcile(ctx context.Context) error
}

// Files keeps what a node must know while its database is away; it is
// [vault.Vault].
type Files interface {
	Save(path, purpose string, value any) error
	Load(path, purpose string, value any) error
	OpenLog(path, purpose string, limit int64) (*vault.Log, [][]byte, error)
}

// away is what the room does for the time when the database is.
type away struct {
	refuge Refuge
	files  Files
	sweep  *jobs.Sweeper

	writing sync.Mutex  // one at a time writes the book: what is older never overwrites
	alone   atomic.Bool // we started without the database, and watch

	mu      sync.Mutex
	log     *vault.Log
	known   map[string]remembered // by the engine's id
	saved   string                // what the book says
	savedAt time.Time
	waiting map[string]Observation // not stored yet, but in the log
	first   time.Time              // since when something waits
}

// remembered is a monitor as the book keeps it.
type remembered struct {
	Tenant  ident.Tenant
	Monitor Monitor
	Spec    Spec // what is looked at
	Name    string
}

// Purposes that bind the sealed files to their use.
const (
	bookPurpose     = "monitor.book"
	unstoredPurpose = "monitor.unstored"
)

// unstoredMax bounds the log of transitions that wait: some 30,000.
const unstoredMax = 64 << 20

// rememberEvery is how old the book may be; transitions renew it sooner.
const (
	rememberEvery = time.Minute
	rememberPause = 5 * time.Second
)

// SetRefuge plugs in where alarms go while the database is away, and the files in
// which the room remembers.
func (r *Room) SetRefuge(f Refuge, files Files) { r.away.refuge, r.away.files = f, files }

func (r *Room) awayPath(name string) string { return filepath.Join(r.o.Dir, "away", name) }

// openAway opens the log, and hands the engine what an earlier run left in it.
func (r *Room) openAway(ctx context.Context) error {
	a := &r.away
	if r.o.Dir == "" || a.files == nil || a.log != nil {
		return nil
	}
	log, lines, err := a.files.OpenLog(r.awayPath("monitors.log"), unstoredPurpose, unstoredMax)
	if err != nil {
		return fmt.Errorf("monitor: %w", err)
	}
	var left []Observation
	waiting := map[string]Observation{}
	for _, line := range lines {
		var o Observation
		if err := json.Unmarshal(line, &o); err != nil {
			r.o.Log.WarnContext(ctx, "a transition in the log is not understood", "room", "monitor", "err", err)
			continue
		}
		left = append(left, o)
		waiting[waitKey(o)] = o
	}
	a.mu.Lock()
	a.log, a.waiting = log, waiting
	if len(left) > 0 {
		a.first = r.o.Clock.Now()
	}
	a.mu.Unlock()
	r.engine.Requeue(left)
	a.sweep = jobs.NewSweeper(jobs.SweeperOptions{
		Name: "monitor.remember", Clock: r.o.Clock, Log: r.o.Log, Sweep: r.remember, Idle: rememberEvery, Retry: rememberEvery,
	})
	return nil
}

func (r *Room) startAway(ctx context.Context) {
	if r.away.sweep != nil {
		r.away.sweep.Start(ctx)
	}
}

func (r *Room) stopAway() {
	if r.away.sweep != nil {
		r.away.sweep.Stop()
	}
	if r.away.log != nil {
		if err := r.away.log.Close(); err != nil {
			r.o.Log.Warn("log of transitions could not be closed", "room", "monitor", "err", err)
		}
		r.away.log = nil
	}
}

func waitKey(o Observation) string {
	return fmt.Sprintf("%s %d %s", o.ID, o.Result.At.UnixMilli(), o.Transition)
}

// remember writes down what is watched, for a start without the database.
func (r *Room) remember(ctx context.Context, now time.Time) (time.Time, error) {
	a := &r.away
	a.writing.Lock()
	defer a.writing.Unlock()
	if wait := rememberPause - now.Sub(a.savedAt); wait > 0 && wait <= rememberPause {
		return now.Add(wait), nil
	}
	a.savedAt = now
	var rows []entryRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("paused = ?", false).Order("tenant_id", "slug").Scan(ident.AcrossTenants(ctx))
	if err != nil {
		return time.Time{}, fmt.Errorf("monitor: remember: %w", err)
	}
	book := make([]remembered, 0, len(rows))
	known := make(map[string]remembered, len(rows))
	names := map[string]string{}
	for _, row := range rows {
		m := r.monitor(row)
		it := Item{ID: engineID(row.TenantID, row.Slug), Spec: r.watchedSpec(row, m)}
		// The stored status, which changes only when something happens. One that
		// cannot be read stays as the engine has it.
		if status := (Status{}); json.Unmarshal([]byte(row.Status), &status) == nil {
			m.Status = status
		}
		key := string(row.TenantID) + "/" + m.Service
		name, ok := names[key]
		if m.Service == "" {
			name = m.Title()
		} else if !ok {
			if name, err = r.publicName(ident.WithTenant(ctx, row.TenantID), m); err != nil {
				return time.Time{}, err
			}
			names[key] = name
		}
		e := remembered{row.TenantID, m, it.Spec, name}
		book, known[it.ID] = append(book, e), e
	}
	a.mu.Lock()
	a.known = known
	a.mu.Unlock()
	raw, err := json.Marshal(book)
	if err != nil || string(raw) == a.saved {
		return time.Time{}, err
	}
	if err := a.files.Save(r.awayPath("monitors"), bookPurpose, book); err != nil {
		return time.Time{}, err
	}
	a.saved = string(raw)
	return time.Time{}, nil
}

// StartAway begins to probe what the book remembers, for a start while the
// database is away; [Room.Return] follows when it answers. The error is
// fs.ErrNotExist when nothing is remembered.
func (r *Room) StartAway(ctx context.Context) error {
	a := &r.away
	if r.o.Dir == "" || a.files == nil {
		return fs.ErrNotExist
	}
	var book []remembered
	if err := a.files.Load(r.awayPath("monitors"), bookPurpose, &book); err != nil {
		return err
	}
	if err := r.openAway(ctx); err != nil {
		return err
	}
	// What happened after the book was written stands in the log.
	last := map[string]Status{}
	a.mu.Lock()
	for _, o := range a.waiting {
		if s, ok := last[o.ID]; !ok || o.Status.Last.At.After(s.Last.At) {
			last[o.ID] = o.Status
		}
	}
	a.known = make(map[string]remembered, len(book))
	items := make([]Item, 0, len(book))
	for _, e := range book {
		id := engineID(e.Tenant, e.Monitor.Slug)
		a.known[id] = e
		it := Item{ID: id, Spec: e.Spec, Status: e.Monitor.Status}
		if s, ok := last[id]; ok {
			it.Status = s
		}
		items = append(items, it)
	}
	a.mu.Unlock()
	a.alone.Store(true)
	r.engine.Set(items)
	return r.begin(ctx)
}

// Return goes on after [Room.StartAway] with what the database says.
func (r *Room) Return(ctx context.Context) error { return r.reload(ctx) }

// unstored keeps what waits for the database on the disk, and tells the refuge.
func (r *Room) unstored(ctx context.Context, list []Observation) {
	a := &r.away
	if a.refuge == nil {
		return
	}
	now := r.o.Clock.Now()
	a.mu.Lock()
	if a.log == nil {
		a.mu.Unlock()
		return
	}
	if a.first.IsZero() {
		a.first = now
	}
	first, known := a.first, a.known
	for _, o := range list {
		if _, ok := a.waiting[waitKey(o)]; ok {
			continue
		}
		if err := a.log.Add(o); err != nil {
			// The alarm itself goes out all the same.
			r.o.Log.ErrorContext(ctx, "a transition could not be kept on the disk", "room", "monitor", "err", err)
			continue
		}
		a.waiting[waitKey(o)] = o
	}
	a.mu.Unlock()
	ctx = ident.WithActor(ctx, ident.System)
	for _, o := range list {
		for t, s := range r.signalsOf(ctx, known, o) {
			a.refuge.Unstored(ident.WithTenant(ctx, t), s, first)
		}
	}
}

// signalsOf words an observation from memory, for each tenant that it concerns.
func (r *Room) signalsOf(ctx context.Context, known map[string]remembered, o Observation) map[ident.Tenant]signal.Signal {
	out := map[ident.Tenant]signal.Signal{}
	if o.Uplink == nil {
		t, slug := splitID(o.ID)
		e, ok := known[o.ID]
		if !ok { // made a moment ago; doubt never silences (I20)
			e = remembered{Tenant: t, Monitor: Monitor{Slug: slug}, Name: slug}
		}
		out[t] = r.worded(r.o.Locale(ident.WithTenant(ctx, t)), e.Monitor, e.Name, o)
		return out
	}
	if o.Transition == UplinkBack {
		return out // who was told of it hears of its end when the database answers
	}
	names := map[ident.Tenant][]string{}
	for _, id := range o.Uplink.Behind {
		t, slug := splitID(id)
		if e, ok := known[id]; ok {
			slug = e.Monitor.Title()
		}
		names[t] = append(names[t], slug)
	}
	for t, list := range names {
		l := r.o.Locale(ident.WithTenant(ctx, t))
		out[t] = r.uplinkSignal(l, o, list)
	}
	return out
}

func (r *Room) uplinkSignal(l i18n.Locale, o Observation, names []string) signal.Signal {
	return signal.Signal{
		Source: signal.Monitor, Key: uplinkKey, Episode: fmt.Sprint(o.Uplink.Since.UnixMilli()), State: signal.Firing,
		Severity: signal.Critical, Since: o.Uplink.Since, At: r.o.Clock.Now(),
		Title:  sayN(l, "monitor.signal_uplink_lost", len(names)),
		Detail: l.Catalog.Text(l.Lang, "monitor.signal_uplink_detail", o.Uplink.References, listed(l, names)),
	}
}

// reconcile lets the refuge tell what it did before anything is stored again, and
// forgets what the batch stores when that is committed.
func (r *Room) reconcile(ctx context.Context, batch []Observation) error {
	a := &r.away
	if a.refuge == nil {
		return nil
	}
	if err := a.refuge.Reconcile(ctx); err != nil {
		return err
	}
	r.o.Store.AfterCommit(ctx, func() { r.storedAgain(batch) })
	return nil
}

func (r *Room) storedAgain(batch []Observation) {
	a := &r.away
	alarms := false
	a.mu.Lock()
	for _, o := range batch {
		if o.Transition == None {
			continue
		}
		alarms = true
		delete(a.waiting, waitKey(o))
	}
	if len(a.waiting) == 0 {
		a.first = time.Time{}
		if a.log != nil && alarms {
			if err := a.log.Clear(); err != nil {
				r.o.Log.Warn("log of transitions could not be cleared", "room", "monitor", "err", err)
			}
		}
	}
	a.mu.Unlock()
	if alarms && a.sweep != nil {
		a.sweep.Kick()
	}
}
