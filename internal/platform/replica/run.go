package replica

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
	"github.com/benbjohnson/litestream"

	"tuermer/internal/platform/backup"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/depot"
	"tuermer/internal/platform/fault"
)

// Defaults, see [Settings].
const (
	DefaultEvery      = 5 * time.Second
	DefaultAlarmAfter = 15 * time.Minute
)

// Settings may change while it runs, but for whether there are places at all.
type Settings struct {
	Places []Place
	// Every is how often the database is looked at for news.
	Every time.Duration
	// AlarmAfter is how far a place may lag behind before somebody is told.
	AlarmAfter time.Duration
}

// Options configures [New].
type Options struct {
	// Database is the SQLite file; Folder is where sealed files wait.
	Database, Folder string
	Version          string
	Clock            clock.Clock
	Log              *slog.Logger
	Dial             depot.Dial
	Settings         func() Settings
	// Keys are whom everything is sealed to, the operator and this install, and
	// how this install opens it again.
	Keys func() (to []age.Recipient, own []age.Identity, err error)
	// Files are what lies beside the database: instance key and configuration.
	Files func() ([]backup.File, error)
	// Tell raises and ends the alarm; nil: the page alone says it.
	Tell func(ctx context.Context, f Finding) error
}

// Finding is told when a copy outside lags too far behind, and when none does any
// more.
type Finding struct {
	Bad   bool
	Place PlaceStatus // the worst
}

// PlaceStatus is how one place stands.
type PlaceStatus struct {
	Name string
	// Through is until when all that was written lies there; zero: it never did.
	Through time.Time
	// Lag is how long ago that was; since the start where it never did.
	Lag time.Duration
	// Late: it lags further behind than it may.
	Late bool
	// Reason is that of a [depot.Failure], or [OwnDisk]; empty: nothing failed last.
	Reason, Err string
	FailedAt    time.Time
}

// OwnDisk is the reason when the copy did not even get to our own disk.
const OwnDisk = "own"

// Replica carries one database away.
type Replica struct {
	o     Options
	log   *slog.Logger
	line  string // folder of this database's files, on each place
	spool *spool
	kit   kit

	mu     sync.Mutex // guards what follows
	places map[string]*state
	told   string
	news   map[string]chan struct{}
	kept   map[string]time.Time // through of each place at the last run
	state                       // of the spool

	started time.Time
	guard   *os.File
	db      *litestream.DB
	store   *litestream.Store
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// state is what is known of a place, or of our own folder.
type state struct {
	through  time.Time
	failure  error
	failedAt time.Time
}

// reason is why it failed last, with the cause.
func (s state) reason(other string) (reason, cause string) {
	if s.failure == nil {
		return "", ""
	}
	if f, ok := errors.AsType[*depot.Failure](s.failure); ok {
		return f.Reason, f.Err.Error()
	}
	return other, s.failure.Error()
}

// New makes it; it does nothing before Start.
func New(o Options) *Replica {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Replica{o: o, log: o.Log.With("room", "replica"), places: map[string]*state{}, news: map[string]chan struct{}{}}
	return r
}

func (r *Replica) settings() Settings {
	s := r.o.Settings()
	s.Every, s.AlarmAfter = cmp.Or(s.Every, DefaultEvery), cmp.Or(s.AlarmAfter, DefaultAlarmAfter)
	return s
}

func (r *Replica) every() time.Duration { return r.settings().Every }

// lineFile holds the name under which this database's files lie on the places. A
// database that comes from a restore begins a line of its own.
const lineFile = "line"

var lineName = regexp.MustCompile(`^[0-9a-f]{16}$`)

func lineOf(folder string) (string, error) {
	path := filepath.Join(folder, lineFile)
	raw, err := os.ReadFile(path)
	if line := strings.TrimSpace(string(raw)); err == nil && lineName.MatchString(line) {
		return line, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("replica: %w", err)
	}
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", fmt.Errorf("replica: %w", err)
	}
	line := hex.EncodeToString(id[:])
	if err := os.WriteFile(path, []byte(line+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("replica: %w", err)
	}
	return line, nil
}

// Start begins to look at the database, which is there and up to date, and to
// carry. It does not wait for any host.
func (r *Replica) Start(ctx context.Context) (err error) {
	r.started, r.kept = r.o.Clock.Now(), map[string]time.Time{}
	for _, s := range ReadStatus(r.o.Folder, r.settings(), r.started) {
		r.kept[s.Name] = s.Through
	}
	if strings.ContainsAny(r.o.Database, "?#%") {
		return fault.New(fault.Invalid, "app.replica_path", r.o.Database) // litestream opens it as an address
	}
	if err := os.MkdirAll(r.o.Folder, 0o700); err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	if r.line, err = lineOf(r.o.Folder); err != nil {
		return err
	}
	r.spool = &spool{dir: filepath.Join(r.o.Folder, "sealed"), keys: r.o.Keys}
	if err := r.spool.Init(ctx); err != nil {
		return err
	}
	if r.guard, err = guard(r.o.Database); err != nil {
		return err
	}
	if err := prepare(ctx, r.o.Database); err != nil {
		return errors.Join(err, r.guard.Close())
	}
	log := slog.New(calm{r.log.Handler()})
	r.db = litestream.NewDB(r.o.Database)
	r.db.SetMetaPath(filepath.Join(r.o.Folder, "work"))
	r.db.MonitorInterval = 0 // we look ourselves, and so know until when all was seen
	r.db.Replica = litestream.NewReplicaWithClient(r.db, r.spool)
	r.db.Replica.MonitorEnabled = false
	r.store = litestream.NewStore([]*litestream.DB{r.db}, litestream.DefaultCompactionLevels)
	r.store.Logger = log
	r.db.SetLogger(log)
	r.store.SetShutdownSyncTimeout(finalTime)
	if err := r.store.Open(ctx); err != nil {
		return errors.Join(fmt.Errorf("replica: %w", err), r.guard.Close())
	}
	ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	r.running.Go(func() { r.look(ctx) })
	r.running.Go(func() { r.carry(ctx) })
	return nil
}

// look takes what was written to the spool, again and again.
func (r *Replica) look(ctx context.Context) {
	fails := 0
	for ctx.Err() == nil {
		at := r.o.Clock.Now()
		err := r.db.SyncAndWait(ctx)
		if ctx.Err() != nil {
			return
		}
		r.seen(ctx, at, err)
		pause := r.every()
		if err != nil {
			fails++
			pause = backoff(pause, fails)
		} else {
			fails = 0
		}
		wait(ctx, pause, nil)
	}
}

// backoff is how long to wait after so many failures in a row.
func backoff(every time.Duration, fails int) time.Duration {
	return min(every<<min(fails, 5), max(every, maxPause))
}

// maxPause is the longest wait after a failure.
const maxPause = 2 * time.Minute

// wait returns after d, when there is news, or when ctx is over.
func wait(ctx context.Context, d time.Duration, news <-chan struct{}) {
	late := time.NewTimer(d)
	defer late.Stop()
	select {
	case <-ctx.Done():
	case <-late.C:
	case <-news:
	}
}

// seen writes down how a look at the database went.
func (r *Replica) seen(ctx context.Context, at time.Time, err error) {
	r.mu.Lock()
	before := r.failure
	r.failure = err
	if err != nil {
		r.failedAt = at
	} else {
		r.through = at
		for _, c := range r.news {
			select {
			case c <- struct{}{}:
			default:
			}
		}
	}
	r.mu.Unlock()
	if err == nil {
		return
	}
	if before == nil {
		r.log.ErrorContext(ctx, "the database could not be copied to our own folder", "err", err)
	}
	// What litestream keeps between two looks was damaged or taken away: it begins
	// anew with a snapshot.
	if bad, ok := errors.AsType[*litestream.LTXError](err); ok && bad.IsAutoRecoverable() {
		if err := r.db.ResetLocalState(ctx); err != nil {
			r.log.ErrorContext(ctx, "the work folder of the copy cannot be made anew", "err", err)
		}
	}
}

// prepare makes litestream's two tables while nobody writes yet. Later it would
// wait for the one writer with its own lock held.
func prepare(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, q := range []string{
		`CREATE TABLE IF NOT EXISTS _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)`,
		`CREATE TABLE IF NOT EXISTS _litestream_lock (id INTEGER)`,
	} {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("replica: %w", err)
		}
	}
	return nil
}

// Broken notes that it could not start, for [Replica.Status], and answers what is
// to be told.
func (r *Replica) Broken(ctx context.Context, err error) Finding {
	r.mu.Lock()
	r.failure, r.failedAt = err, r.o.Clock.Now()
	r.mu.Unlock()
	r.save(ctx)
	f := Finding{Bad: true}
	if all := r.Status(); len(all) > 0 {
		f.Place = all[0]
	}
	return f
}

// finalTime bounds what a stop does for the copy: the rest waits in the folder.
const finalTime = 5 * time.Second

// carry keeps a carrier running for each place of the settings, and looks whether
// one lags behind.
func (r *Replica) carry(ctx context.Context) {
	type runs struct {
		place  Place
		cancel context.CancelFunc
		done   chan struct{}
	}
	all := map[string]runs{}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for ctx.Err() == nil {
		want := map[string]Place{}
		for _, p := range r.settings().Places {
			want[p.Name] = p
		}
		for name, now := range all {
			if p, ok := want[name]; !ok || !same(p, now.place) {
				now.cancel()
				<-now.done
				delete(all, name)
				r.forget(name)
			}
		}
		for name, p := range want {
			if _, ok := all[name]; ok {
				continue
			}
			c, cancel := context.WithCancel(ctx)
			run := runs{p, cancel, make(chan struct{})}
			all[name] = run
			news := r.listen(name)
			r.running.Go(func() {
				defer close(run.done)
				(&carrier{r: r, place: p}).run(c, news)
			})
		}
		r.tell(ctx)
		r.save(ctx)
		select {
		case <-ctx.Done():
		case <-look.C:
		}
	}
	for _, now := range all {
		now.cancel()
	}
}

// lookEvery is how often the settings and the lag are looked at.
const lookEvery = 5 * time.Second

func same(a, b Place) bool {
	return a.Name == b.Name && a.Kind == b.Kind && a.Address == b.Address && a.Username == b.Username && a.Password == b.Password &&
		a.HostKey == b.HostKey && slices.Equal(a.PrivateKey, b.PrivateKey) && slices.Equal(a.CA, b.CA)
}

func (r *Replica) listen(name string) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := make(chan struct{}, 1)
	r.news[name] = c
	r.places[name] = &state{through: r.kept[name]}
	return c
}

func (r *Replica) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.news, name)
	delete(r.places, name)
}

// saw is until when everything that was written lies in the spool.
func (r *Replica) saw() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.through
}

// ended writes down how a round to a place went.
func (r *Replica) ended(ctx context.Context, p Place, through time.Time, err error) {
	r.mu.Lock()
	s := r.places[p.Name]
	if s == nil {
		r.mu.Unlock()
		return
	}
	before := s.failure
	s.failure = err
	if err != nil {
		s.failedAt = r.o.Clock.Now()
	} else if through.After(s.through) {
		s.through = through
	}
	r.mu.Unlock()
	switch {
	case err != nil && before == nil:
		r.log.WarnContext(ctx, "the copy of the database was not taken", "place", p.Name, "err", err)
	case err == nil && before != nil:
		r.log.InfoContext(ctx, "the copy of the database is taken again", "place", p.Name)
	}
}

// Status tells how every place stands, in the order of the settings.
func (r *Replica) Status() (out []PlaceStatus) {
	set, now := r.settings(), r.o.Clock.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range set.Places {
		st := PlaceStatus{Name: p.Name, Lag: now.Sub(r.started)}
		if s := r.places[p.Name]; s != nil {
			if !s.through.IsZero() {
				st.Through, st.Lag = s.through, now.Sub(s.through)
			}
			if s.failure != nil {
				st.FailedAt = s.failedAt
				st.Reason, st.Err = s.reason("write")
			}
		}
		if st.Reason == "" && r.failure != nil {
			st.Reason, st.Err, st.FailedAt = OwnDisk, r.failure.Error(), r.failedAt
		}
		st.Lag = max(0, st.Lag)
		st.Late = st.Lag > set.AlarmAfter
		out = append(out, st)
	}
	return out
}

// tell passes on that a place lags too far behind, or that none does any more.
func (r *Replica) tell(ctx context.Context) {
	f := Finding{}
	for _, s := range r.Status() {
		if s.Late && (!f.Bad || s.Lag > f.Place.Lag) {
			f = Finding{true, s}
		}
	}
	key := fmt.Sprint(f.Bad, f.Place.Name)
	r.mu.Lock()
	same := r.told == key
	r.mu.Unlock()
	if same || r.o.Tell == nil {
		return
	}
	if err := r.o.Tell(ctx, f); err != nil {
		if ctx.Err() == nil {
			r.log.ErrorContext(ctx, "nobody could be told of the copy's lag", "err", err)
		}
		return // once more at the next look
	}
	r.mu.Lock()
	r.told = key
	r.mu.Unlock()
}

// Pause ends the carriers and the alarm, which need the database open; what is
// written after is brought to the spool by Stop.
func (r *Replica) Pause() {
	if r.cancel == nil {
		return
	}
	r.cancel()
	r.running.Wait()
}

// Stop takes what was written last to the spool and to the places, within a few
// seconds, and lets go of the database. It comes after the last connection of the
// pool is closed, see [guard]. It may be called twice.
func (r *Replica) Stop(ctx context.Context) error {
	if r.cancel == nil {
		return nil
	}
	r.Pause()
	r.cancel = nil
	c, end := context.WithTimeout(ctx, finalTime)
	defer end()
	closed := r.store.Close(c)
	if closed != nil {
		closed = fmt.Errorf("replica: %w", closed)
	}
	var last sync.WaitGroup
	for _, p := range r.settings().Places {
		last.Go(func() {
			to := &carrier{r: r, place: p}
			defer to.close()
			through := r.o.Clock.Now()
			err := to.round(c)
			if closed == nil {
				r.ended(ctx, p, through, err)
			} else if err != nil {
				r.log.WarnContext(ctx, "at the stop the copy was not taken to its end", "place", p.Name, "err", err)
			}
		})
	}
	last.Wait()
	r.save(ctx)
	return errors.Join(closed, r.guard.Close())
}

// calm lets litestream's everyday go to the debug log.
type calm struct{ slog.Handler }

func (c calm) Enabled(ctx context.Context, l slog.Level) bool {
	if l == slog.LevelInfo {
		l = slog.LevelDebug
	}
	return c.Handler.Enabled(ctx, l)
}

func (c calm) Handle(ctx context.Context, rec slog.Record) error {
	if rec.Level == slog.LevelInfo {
		rec.Level = slog.LevelDebug
	}
	return c.Handler.Handle(ctx, rec)
}

func (c calm) WithAttrs(a []slog.Attr) slog.Handler { return calm{c.Handler.WithAttrs(a)} }

func (c calm) WithGroup(name string) slog.Handler { return calm{c.Handler.WithGroup(name)} }
