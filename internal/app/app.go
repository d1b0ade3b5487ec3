package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"tuermer/internal/notice/pulse"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/replica"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/web"
)

// Options configures [New]. Dir is required; everything else has a default.
type Options struct {
	// Config is what stands in tuermer.yaml; nil: nothing is declared. Only New
	// reads it: a reload puts another in its place.
	Config *Config
	// ConfigFile is where Config was read; empty without one.
	ConfigFile string
	// Dir holds the SQLite file, the instance key and the lock; it is created.
	Dir string
	// KeyFile holds the instance key where several nodes share one database;
	// empty: a file of its own in Dir.
	KeyFile string
	// Database is a postgres:// address; empty: SQLite in Dir.
	Database string
	// StaffAddr and PublicAddr are where the two listeners open.
	StaffAddr, PublicAddr string
	// MailAddr is where sources may send mails; empty: nowhere.
	MailAddr string
	// TLSCert and TLSKey are files with which both listeners speak TLS; empty: a
	// proxy in front does.
	TLSCert, TLSKey string
	// ACME gets them by itself instead.
	ACME      ACMEConfig
	acmeFirst time.Duration // wait after the CA failed first; 0: the default
	Version   string
	Log       *slog.Logger
	Clock     clock.Clock
	// More are the configurations of further towns of this install.
	More []*Config
	// Town is the slug of the town that a command means; empty: the
	// configuration's, else the only one.
	Town string
	// Simulated puts simulated adapters in the place of all channels: what would
	// leave the house is shown on the outbox page.
	Simulated bool
	// Serve: this process will serve the data folder, so it takes the lock before
	// it touches anything. Without it, New leaves the schema alone while another
	// process serves.
	Serve bool
	// Quiet makes the job queue fit for virtual time; see [jobs.Options].
	Quiet bool
	// Listen opens listeners; nil: the machine's network.
	Listen func(ctx context.Context, network, addr string) (net.Listener, error)
	// Dial opens connections to probe targets, mail servers and webhooks; nil:
	// the machine's network.
	Dial      func(ctx context.Context, network, addr string) (net.Conn, error)
	probeDial func(ctx context.Context, network, addr string) (net.Conn, error)
	// fill puts what a backup holds into the empty database, before the schema is
	// brought up to date.
	fill func(ctx context.Context, a *App) error
	// Facts tells where this machine stands; nil: it is asked.
	Facts func() pulse.Facts
	// Roots are whose certificates push services may have; nil: the machine's.
	Roots *x509.CertPool
	// Lookup answers DNS questions about alternative addresses; nil: not asked.
	Lookup Lookup
}

// App is one running product.
type App struct {
	o      Options
	log    *slog.Logger
	conf   conf // what the configurations say
	store  *store.Store
	jobs   *jobs.Jobs
	ways   *ways
	pushes pushes
	nodes  *jobs.Nodes // nil where there is one
	// replica carries the database away while it is written; nil: nobody asked.
	replica *replica.Replica
	// followed is our clock where it follows the database's.
	followed  *clock.Followed
	away      away       // whether the database answers
	node      string     // what tells this node from others on the database
	alone     bool       // no other process serves this data folder
	reloading sync.Mutex // one reading of the configuration at a time
	town      town       // whose configuration it is; set by Declare
	rooms
	staff  *web.Site
	public http.Handler
	demo   *demo // nil but for `tuermer demo`
	recent *recent

	staffAddr, publicAddr, mailAddr string
	secure                          keyring // nil: no TLS of our own
	undoing                         sync.Mutex
	undo                            []func(context.Context) error // last in, first out
}

// serverGrace is how long requests under way may finish at a stop.
const serverGrace = 10 * time.Second

// New opens the database, brings it up to date, and builds the rooms. It
// declares what the configuration says, and starts nothing.
func New(ctx context.Context, o Options) (*App, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Listen == nil {
		o.Listen = (&net.ListenConfig{}).Listen
	}
	o.probeDial = o.Dial // nil: checks look names up and dial by themselves
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	kept := newRecent(o.Log.Handler(), o.Dir)
	o.Log = slog.New(kept)
	a := &App{o: o, log: o.Log.With("room", "app"), recent: kept}
	a.conf.put(o.Config, o.More)
	a.o.Config, a.o.More = nil, nil // a.conf has them
	if a.awayDir() != "" {
		a.followed = &clock.Followed{Base: o.Clock}
		a.o.Clock = a.followed
	}
	if err := a.open(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *App) open(ctx context.Context) (err error) {
	take := func() (*lock, error) { return takeLock(a.o.Dir) }
	if a.o.Serve {
		take = func() (*lock, error) { return waitForLock(ctx, a.o.Dir) }
	}
	l, err := take()
	switch {
	case err == nil:
		a.onStop(func(context.Context) error { return l.release() })
	case a.o.Serve || !errors.Is(err, ErrRunning):
		return err
	}
	a.alone = err == nil
	if a.node, err = nodeID(a.o.Dir); err != nil {
		return err
	}
	if a.alone && a.o.Database == "" {
		if _, err := settleRestore(a.o.Dir); err != nil {
			return err
		}
	}
	a.store, err = store.Open(ctx, store.Options{Dir: a.o.Dir, URL: a.o.Database, LeaveLog: a.replicates(), Log: a.o.Log})
	if err != nil {
		return err
	}
	a.onStop(func(ctx context.Context) error {
		err := a.store.Close()
		if a.replica != nil { // it lets go of the file last
			err = errors.Join(err, a.replica.Stop(ctx))
		}
		return err
	})
	a.jobs = jobs.New(jobs.Options{Store: a.store, Clock: a.o.Clock, Log: a.o.Log, Node: a.node, Quiet: a.o.Quiet})
	if err := a.store.Ping(ctx); err != nil && !a.startsAway(err) {
		return fmt.Errorf("store: connect: %w", err)
	}
	switch {
	case a.away.atStart: // the key is judged when the database is back
	case a.alone:
		if err := a.migrate(ctx); err != nil {
			return err
		}
	default:
		if err := a.checkKey(ctx); err != nil {
			return err
		}
	}
	if err := a.build(); err != nil {
		return err
	}
	return a.jobs.Open(true)
}

func (a *App) migrate(ctx context.Context) error {
	if a.store.Postgres() {
		if err := a.settleServer(ctx); err != nil {
			return err
		}
	}
	if a.o.fill == nil {
		if err := a.checkKey(ctx); err != nil {
			return err
		}
		if err := a.admit(ctx); err != nil {
			return err
		}
	}
	if err := a.jobs.Migrate(ctx); err != nil {
		return err
	}
	if a.o.fill != nil {
		if err := a.o.fill(ctx, a); err != nil {
			return err
		}
		if err := a.store.Migrate(ctx, Migrations()...); err != nil {
			return err
		}
		return a.checkKey(ctx)
	}
	if err := a.store.Migrate(ctx, Migrations()...); err != nil {
		return err
	}
	if err := a.unlock(); err != nil {
		return err
	}
	room, err := a.newKeep()
	if err != nil {
		return err
	}
	// The note of the release comes first: an older program refuses from here on.
	if err := room.Serve(ident.WithActor(ctx, ident.System), release); err != nil {
		return err
	}
	return a.sealOld(ctx, room)
}

// onStop remembers how to undo a step; [App.Stop] goes through it backwards.
func (a *App) onStop(f func(context.Context) error) {
	a.undoing.Lock()
	defer a.undoing.Unlock()
	a.undo = append(a.undo, f)
}

// starter is a room that does things by itself.
type starter interface {
	Start(ctx context.Context) error
	Stop()
}

// Start opens the listeners, declares the configuration and sets the rooms in
// motion. After an error nothing runs.
func (a *App) Start(ctx context.Context) error {
	if err := a.start(ctx); err != nil {
		return errors.Join(err, a.Stop(context.WithoutCancel(ctx)))
	}
	return nil
}

func (a *App) start(ctx context.Context) error {
	if !a.alone {
		return ErrRunning
	}
	if a.o.TLSCert != "" {
		c, err := newCertificate(a.o.TLSCert, a.o.TLSKey, a.o.Clock, a.log)
		if err != nil {
			return err
		}
		a.secure = c
	} else if a.o.ACME.on() {
		if err := a.startACME(ctx); err != nil {
			return err
		}
	}
	// Listening comes first: a port that is taken must change nothing, and the
	// addresses go into the links of mails.
	staff, err := a.listen(ctx, a.o.StaffAddr)
	if err != nil {
		return err
	}
	public, err := a.listen(ctx, a.o.PublicAddr)
	if err != nil {
		return err
	}
	var mails net.Listener
	if a.o.MailAddr != "" {
		if mails, err = a.listen(ctx, a.o.MailAddr); err != nil {
			return err
		}
		a.mailAddr = mails.Addr().String()
	}
	a.staffAddr, a.publicAddr = staff.Addr().String(), public.Addr().String()
	if a.away.atStart {
		if err := a.startAway(ctx); err != nil {
			return err
		}
	} else {
		tell, err := a.startReplica(ctx)
		if err != nil {
			return err
		}
		if err := a.startRooms(ctx, nil); err != nil {
			return err
		}
		if a.replica != nil {
			a.onStop(func(context.Context) error { a.replica.Pause(); return nil })
		}
		if tell != nil {
			tell(ctx)
		}
	}
	a.watchDatabase(ctx)
	a.serve(ctx, staff, a.intake.Gate(a.staff.Handler(), false))
	a.serve(ctx, public, a.public)
	if c, ok := a.secure.(*acmeCertificates); ok { // the CA asks the listeners
		stop := c.start(ctx)
		a.onStop(func(context.Context) error { stop(); return nil })
	}
	if mails != nil {
		a.serveMail(mails)
	}
	return nil
}

// startRooms sets everything in motion, but for those that run already.
func (a *App) startRooms(ctx context.Context, running []starter) error {
	if err := a.Declare(ctx); err != nil {
		return err
	}
	a.hints.Start(ctx)
	a.onStop(func(context.Context) error { a.hints.Stop(); return nil })
	if err := a.jobs.Start(ctx); err != nil {
		return err
	}
	a.onStop(a.jobs.Stop)
	if a.nodes != nil {
		if err := a.nodes.Start(ctx); err != nil {
			return err
		}
		a.onStop(a.nodes.Stop)
	}
	for _, r := range a.starters() {
		if slices.Contains(running, r) {
			continue
		}
		if err := r.Start(ident.WithActor(ctx, ident.System)); err != nil {
			return err
		}
		a.onStop(func(context.Context) error { r.Stop(); return nil })
	}
	return nil
}

func (a *App) listen(ctx context.Context, addr string) (net.Listener, error) {
	l, err := a.o.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("app: listen on %s: %w", addr, err)
	}
	a.onStop(func(context.Context) error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return l, nil
}

// serve answers on the listener until Stop.
func (a *App) serve(ctx context.Context, l net.Listener, h http.Handler) {
	if a.secure != nil {
		h = strictly(h)
	}
	a.serveWith(ctx, l, h, a.secure)
}

// serveWith is serve with these certificates, or without TLS.
func (a *App) serveWith(ctx context.Context, l net.Listener, h http.Handler, secure keyring) {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	srv := &http.Server{
		Handler:           h,
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second,
		WriteTimeout:      60 * time.Second, // event streams lift it for themselves
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	serve := func() error { return srv.Serve(l) }
	if secure != nil {
		srv.TLSConfig = secure.config()
		serve = func() error { return srv.ServeTLS(l, "", "") }
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			a.log.ErrorContext(base, "listener ended", "addr", l.Addr(), "err", err)
		}
	}()
	a.onStop(func(ctx context.Context) error {
		cancel() // event streams end
		c, stop := context.WithTimeout(ctx, serverGrace)
		defer stop()
		err := srv.Shutdown(c)
		if err != nil {
			err = srv.Close()
		}
		<-done
		return err
	})
}

// Stop takes everything down, last in, first out. It may be called twice.
func (a *App) Stop(ctx context.Context) error {
	var errs []error
	for {
		a.undoing.Lock()
		if len(a.undo) == 0 {
			a.undoing.Unlock()
			return errors.Join(errs...)
		}
		last := a.undo[len(a.undo)-1]
		a.undo = a.undo[:len(a.undo)-1]
		a.undoing.Unlock()
		errs = append(errs, last(ctx))
	}
}

// Close is Stop for an app that was never started (one-off commands).
func (a *App) Close() error { return a.Stop(context.Background()) }

// StaffAddr and PublicAddr are where the listeners really opened.
func (a *App) StaffAddr() string { return a.staffAddr }

// MailAddr is where mails are taken; empty: nowhere.
func (a *App) MailAddr() string { return a.mailAddr }

// PublicAddr is where the public page is served.
func (a *App) PublicAddr() string { return a.publicAddr }
