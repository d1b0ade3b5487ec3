package keep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"filippo.io/age"

	"tuermer/internal/platform/backup"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/replica"
	"tuermer/internal/platform/store"
)

// Audit writes down who did what.
type Audit interface {
	Note(ctx context.Context, action, subject string, detail map[string]string) error
}

// Holder is a room that holds messages after a restore.
type Holder interface {
	Held(ctx context.Context) (int, error)
	LetGo(ctx context.Context, send bool) (int, error)
}

// Trial is what a restore on trial found.
type Trial struct {
	Made    time.Time `json:"made"` // when the backup was made
	Version string    `json:"version"`
	Tables  int       `json:"tables"`
	Rows    int64     `json:"rows"`
	Chains  int       `json:"chains"` // audit logs whose hash chain holds
}

// Finding is told when backups become worrying, and when they are well again.
type Finding struct {
	Bad    bool
	Title  string // key of a text
	Detail string
}

// Setting is what the operator's file says of backups; it may change while the
// program runs.
type Setting struct {
	// Folder is where own backups lie; it is made when it is needed.
	Folder string
	Plan   Plan
	// To are the operator's public keys. Without any, nothing is made.
	To []age.Recipient
}

// Options configures [New].
type Options struct {
	Store *store.Store
	Clock clock.Clock
	Log   *slog.Logger
	Audit Audit
	// Version is the program's.
	Version string
	Setting
	// KeyFile is the install's own key for opening what it made; it is made when
	// it is needed.
	KeyFile string
	// Files are saved beside the database: instance key and configuration.
	Files func() ([]backup.File, error)
	// Rehearse restores a file into a folder that is thrown away, and looks at it.
	Rehearse func(ctx context.Context, file string, with []age.Identity) (Trial, error)
	// Tell raises and ends the alarm; nil: the page alone says it.
	Tell func(ctx context.Context, f Finding) error
	// Holders hold messages after a restore.
	Holders []Holder
	// Copies tells how the copies of the database stand that are carried away while
	// it is written; nil: there are none.
	Copies func() []replica.PlaceStatus
}

// Room looks after backups.
type Room struct {
	o       Options
	sweep   *jobs.Sweeper
	setting atomic.Pointer[Setting] // never changed, only replaced

	mu     sync.Mutex      // guards what follows
	runs   context.Context // between Start and Stop
	wanted bool            // a person asked for one now
	bad    string          // what was told last
	told   bool
	busy   bool
	failed Attempt // the last one that failed, for its report may have had no room
}

// New makes the room; it does nothing before Start.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("room", "keep")
	r := &Room{o: o}
	r.setting.Store(o.filled())
	r.sweep = jobs.NewSweeper(jobs.SweeperOptions{Name: "keep.backup", Clock: o.Clock, Log: o.Log, Idle: 24 * time.Hour, Retry: retry, Sweep: r.round})
	return r
}

// filled is s with the defaults.
func (s Setting) filled() *Setting {
	s.Plan.Keep = cmp.Or(s.Plan.Keep, DefaultKeep)
	s.Plan.Stale = cmp.Or(s.Plan.Stale, DefaultStale)
	if s.Plan.Zone == nil {
		s.Plan.Zone = time.UTC
	}
	return &s
}

// set is the setting as it stands.
func (r *Room) set() *Setting { return r.setting.Load() }

// Configure puts another setting in the place of the old one. A backup at hand is
// finished as it was begun.
func (r *Room) Configure(s Setting) error {
	r.setting.Store(s.filled())
	r.mu.Lock()
	ctx := r.runs
	r.mu.Unlock()
	if ctx == nil {
		return nil
	}
	r.sweep.Kick()
	return r.begin(ctx)
}

// configured reports whether backups can be made.
func (r *Room) configured() bool {
	s := r.set()
	return len(s.To) > 0 && s.Folder != ""
}

// Start begins to look after backups.
func (r *Room) Start(ctx context.Context) error {
	r.mu.Lock()
	r.runs = ctx
	r.mu.Unlock()
	return r.begin(ctx)
}

func (r *Room) begin(ctx context.Context) error {
	if !r.configured() {
		return nil // nobody asked for it, and `check` and the page say so
	}
	if err := errors.Join(os.MkdirAll(r.set().Folder, 0o700), backup.SweepParts(r.set().Folder)); err != nil {
		return fmt.Errorf("keep: folder of backups: %w", err)
	}
	r.sweep.Start(ctx)
	return nil
}

// Stop ends it and waits for the backup at hand.
func (r *Room) Stop() {
	r.mu.Lock()
	r.runs = nil
	r.mu.Unlock()
	r.sweep.Stop()
}

// round makes what is due, tries what is due, and tells what is wrong.
func (r *Room) round(ctx context.Context, now time.Time) (time.Time, error) {
	ctx = ident.WithActor(ctx, ident.System)
	if !r.configured() { // no more: a reload took the keys away
		return time.Time{}, r.tell(ctx, Finding{Title: "keep.well"})
	}
	r.mu.Lock()
	wanted := r.wanted
	r.wanted, r.busy = false, true
	r.mu.Unlock()
	defer func() { r.mu.Lock(); r.busy = false; r.mu.Unlock() }()

	report, err := r.read()
	if err != nil {
		return time.Time{}, err
	}
	files, err := r.list()
	if err != nil {
		return time.Time{}, err
	}
	if wanted || r.set().Plan.due(newest(files), report.Backup.failedAt(), now) {
		report.Backup = r.makeOwn(ctx, now)
		if files, err = r.list(); err != nil {
			return time.Time{}, err
		}
		if err := r.write(report); report.Backup.Error == "" && err != nil {
			return time.Time{}, err
		} else if report.Backup.Error != "" {
			r.mu.Lock()
			r.failed = report.Backup // a full disk has no room for a report either
			r.mu.Unlock()
		}
	}
	if n := len(files); n > 0 && report.Trial.dueFor(files[n-1].Name, now) && ctx.Err() == nil {
		report.Trial = r.try(ctx, files[n-1], now)
		if err := r.write(report); err != nil {
			return time.Time{}, err
		}
	}
	if err := r.tell(ctx, r.judge(report, files, r.o.Clock.Now())); err != nil {
		return time.Time{}, err
	}
	next := now.Add(retry)
	if r.set().Plan.On && report.Backup.Error == "" && report.Trial.Error == "" {
		next = r.set().Plan.next(now)
	}
	return next, nil
}

// makeOwn writes one backup into the folder and clears away the oldest.
func (r *Room) makeOwn(ctx context.Context, now time.Time) (a Attempt) {
	a = Attempt{At: now, File: Name(now)}
	rows, err := r.MakeOwn(ctx, filepath.Join(r.set().Folder, a.File), nil)
	a.Rows, a.Took = rows, r.o.Clock.Now().Sub(now).Milliseconds()
	if err != nil {
		r.o.Log.ErrorContext(ctx, "no backup was made", "err", err)
		a.Error, a.Reason = err.Error(), reasonOf(err)
		return a
	}
	r.o.Log.InfoContext(ctx, "backup made", "file", a.File, "rows", rows)
	if err := r.clear(); err != nil {
		r.o.Log.WarnContext(ctx, "old backups could not be cleared away", "err", err)
	}
	return a
}

func (r *Room) clear() error {
	files, err := r.list()
	if err != nil {
		return err
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name
	}
	for _, n := range surplus(names, r.set().Plan.Keep) {
		err = errors.Join(err, os.Remove(filepath.Join(r.set().Folder, n)))
	}
	return err
}

// Make writes a backup to path, which must be free, readable with the keys of
// to. It answers how many rows it holds.
func (r *Room) Make(ctx context.Context, path string, to []age.Recipient, progress backup.Progress) (rows int64, err error) {
	files, err := r.o.Files()
	if err != nil {
		return 0, err
	}
	err = backup.Create(path, func(w io.Writer) error {
		return backup.Dump(ctx, r.o.Store, func(h backup.Head) (*backup.Writer, error) {
			h.Version, h.Made = r.o.Version, r.o.Clock.Now()
			out, err := backup.NewWriter(w, h, to...)
			for _, f := range files {
				if err == nil {
					err = out.File(f.Name, f.Data)
				}
			}
			return out, err
		}, progress, &rows)
	})
	return rows, err
}

// MakeOwn is Make for the operator's keys and the install's own.
func (r *Room) MakeOwn(ctx context.Context, path string, progress backup.Progress) (int64, error) {
	own, err := r.OwnKey()
	if err != nil {
		return 0, err
	}
	return r.Make(ctx, path, append(slices.Clone(r.set().To), own.Recipient()), progress)
}

// OwnKey reads the install's own key, or makes it.
func (r *Room) OwnKey() (*age.X25519Identity, error) {
	ids, err := backup.ReadIdentities(r.o.KeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err = backup.NewKey(r.o.KeyFile); err == nil || errors.Is(err, fs.ErrExist) {
			ids, err = backup.ReadIdentities(r.o.KeyFile)
		}
	}
	if err != nil {
		return nil, err
	}
	if own, ok := ids[0].(*age.X25519Identity); ok {
		return own, nil
	}
	return nil, fmt.Errorf("keep: %s is no key of age", r.o.KeyFile)
}

// try restores a backup on trial.
func (r *Room) try(ctx context.Context, f Stored, now time.Time) TrialReport {
	t := TrialReport{At: now, File: f.Name}
	own, err := r.OwnKey()
	if err == nil {
		t.Trial, err = r.o.Rehearse(ctx, filepath.Join(r.set().Folder, f.Name), []age.Identity{own})
	}
	t.Took = r.o.Clock.Now().Sub(now).Milliseconds()
	if err != nil {
		r.o.Log.ErrorContext(ctx, "backup cannot be restored", "file", f.Name, "err", err)
		t.Error = err.Error()
		return t
	}
	r.o.Log.InfoContext(ctx, "backup restored on trial", "file", f.Name, "rows", t.Rows)
	return t
}

// judge says what is wrong; the worst comes first.
func (r *Room) judge(report Report, files []Stored, now time.Time) Finding {
	switch {
	case report.Trial.Error != "":
		return Finding{true, "keep.bad_trial", report.Trial.Error}
	case r.set().Plan.On && len(files) == 0 && report.Backup.Error != "":
		return Finding{true, "keep.bad_backup", report.Backup.Error}
	case r.set().Plan.On && len(files) > 0 && newest(files).Before(now.Add(-r.set().Plan.Stale)):
		return Finding{true, "keep.bad_stale", report.Backup.Error}
	}
	return Finding{Title: "keep.well"}
}

// tell passes a finding on when it differs from what was told last. After a
// start it is told once more: the one who hears it folds what is known.
func (r *Room) tell(ctx context.Context, f Finding) error {
	r.mu.Lock()
	same := r.told && r.bad == f.Title
	r.mu.Unlock()
	if same || r.o.Tell == nil {
		return nil
	}
	if err := r.o.Tell(ctx, f); err != nil {
		return err
	}
	r.mu.Lock()
	r.told, r.bad = true, f.Title
	r.mu.Unlock()
	return nil
}

// errForbidden keeps others out.
var errForbidden = fault.New(fault.Forbidden, "keep.forbidden")

func may(ctx context.Context) error {
	if a := ident.ActorOf(ctx); !a.Has("admin") || !a.Allows("admin") {
		return errForbidden
	}
	return nil
}

// Now asks for a backup at once; it is made in the background.
func (r *Room) Now(ctx context.Context) error {
	if err := may(ctx); err != nil {
		return err
	}
	if !r.configured() {
		return fault.New(fault.Conflict, "keep.not_configured")
	}
	if err := r.o.Audit.Note(ctx, "keep.asked", "", nil); err != nil {
		return err
	}
	r.mu.Lock()
	r.wanted = true
	r.mu.Unlock()
	r.sweep.Kick()
	return nil
}

// LetGo decides over what a restore held: send it, or end it as not sent.
func (r *Room) LetGo(ctx context.Context, send bool) (n int, err error) {
	if err := may(ctx); err != nil {
		return 0, err
	}
	if _, err := ident.RequireTenant(ctx); err != nil {
		return 0, err
	}
	err = r.o.Store.InTx(ctx, r.letGo(send, &n))
	return n, err
}

// held counts what waits for that decision.
func (r *Room) held(ctx context.Context) (n int, err error) {
	for _, h := range r.o.Holders {
		m, err := h.Held(ctx)
		if err != nil {
			return 0, err
		}
		n += m
	}
	return n, nil
}

// Held is how many messages of the tenant in ctx a restore holds.
func (r *Room) Held(ctx context.Context) (int, error) { return r.held(ctx) }
