package app

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// away is what this node knows of its database. SQLite lies where we are and is
// never away.
type away struct {
	atStart bool // it did not answer when we started
	since   atomic.Pointer[time.Time]
}

// How the database is watched: so often it is asked, so long it may take, and so
// many questions in a row without an answer mean that it is away.
const (
	askEvery  = time.Second
	askFor    = 3 * time.Second
	unheard   = 3
	waysEvery = 30 * time.Second
)

// awayFolder, in the data folder, is what a node needs while the database is away.
const awayFolder = "away"

// waysPurpose binds the sealed file of the ways out to its use.
const waysPurpose = "app.ways"

// awayDir is where the rooms keep what they must know while the database is
// away; empty where it cannot be.
func (a *App) awayDir() string {
	if a.o.Database == "" || !a.o.Serve {
		return ""
	}
	return a.o.Dir
}

func (a *App) awaySince() time.Time {
	if t := a.away.since.Load(); t != nil {
		return *t
	}
	return time.Time{}
}

// startsAway decides whether to start without the database: only one that cannot
// be reached, not one that refuses us, and only where an earlier run has
// remembered what to do.
func (a *App) startsAway(err error) bool {
	var refused *pgconn.PgError
	if a.awayDir() == "" || errors.As(err, &refused) && !strings.HasPrefix(refused.Code, "57P") {
		return false
	}
	for _, name := range []string{"monitors", "people"} {
		if _, err := os.Stat(filepath.Join(a.o.Dir, awayFolder, name)); err != nil {
			return false
		}
	}
	now := a.o.Clock.Now()
	a.away.since.Store(&now)
	a.away.atStart = true
	return true
}

// startAway sets in motion what needs no database: the checks, the spool of
// alarms and the last public pages. The rest follows when it answers.
func (a *App) startAway(ctx context.Context) error {
	ctx = ident.WithActor(ctx, ident.System)
	a.log.WarnContext(ctx, "the database does not answer; checks, alarms and the public page go on from this node's disk")
	if err := a.alert.StartSpool(ctx); err != nil {
		return err
	}
	a.onStop(func(context.Context) error { a.alert.Stop(); return nil })
	a.identity.Recall(a.alert.Remembered())
	a.ways.load()
	if err := a.monitor.StartAway(ctx); err != nil {
		return err
	}
	a.onStop(func(context.Context) error { a.monitor.Stop(); return nil })
	if err := a.statuspage.Start(ctx); err != nil {
		return err
	}
	a.onStop(func(context.Context) error { a.statuspage.Stop(); return nil })
	return nil
}

// comeBack does what a start with a database does, for those that do not run yet.
func (a *App) comeBack(ctx context.Context) error {
	if err := a.migrate(ctx); err != nil {
		return err
	}
	if err := a.startRooms(ctx, []starter{a.monitor, a.statuspage}); err != nil {
		return err
	}
	return a.monitor.Return(ctx)
}

// watchDatabase asks a database that may be elsewhere whether it is there.
func (a *App) watchDatabase(ctx context.Context) {
	if a.awayDir() == "" {
		return
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.watch(run)
	}()
	a.onStop(func(context.Context) error { cancel(); <-done; return nil })
}

func (a *App) watch(ctx context.Context) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	missed, begun, kept := 0, !a.away.atStart, time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		ask, cancel := context.WithTimeout(ctx, askFor)
		err := a.store.Ping(ask)
		cancel()
		now := a.o.Clock.Now()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if missed++; missed == unheard && a.away.since.Load() == nil {
				a.log.ErrorContext(ctx, "the database does not answer; checks, alarms and the public page go on from this node's disk", "err", err)
				since := now
				a.away.since.Store(&since)
			}
			continue
		case !begun:
			if err := a.comeBack(ctx); err != nil {
				a.log.ErrorContext(ctx, "the database answers, but we cannot go on with it yet", "err", err)
				continue
			}
			begun = true
			a.forget()
		}
		missed = 0
		if since := a.away.since.Swap(nil); since != nil {
			a.log.WarnContext(ctx, "the database answers again", "after", now.Sub(*since))
		}
		if now.Sub(kept) >= waysEvery {
			kept = now
			a.ways.save(ctx)
		}
	}
}

// whileAway answers in the place of the console while the database is away: all
// but the links of alarm mails, which the spool knows, and what needs no town.
func (a *App) whileAway(inner func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		through := inner(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			since := a.awaySince()
			if since.IsZero() || identity.Ownerless(r.URL.Path) {
				through.ServeHTTP(w, r)
				return
			}
			if strings.HasPrefix(r.URL.Path, "/a/") {
				r = r.Clone(r.Context())
				r.Header.Del("Cookie") // a session could not be looked up
				through.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Retry-After", "30")
			at := since
			if zone, err := time.LoadLocation("Europe/Berlin"); err == nil {
				at = since.In(zone)
			}
			a.staff.Fail(w, r, fault.New(fault.Unavailable, "app.database_away", at.Format("15:04")))
		})
	}
}

// rememberedRelay is a mail server of the console with its password.
type rememberedRelay struct {
	channel.Relay
	Secret []byte
}

// save remembers the mail servers that were entered in the console.
func (w *ways) save(ctx context.Context) {
	all, err := w.app.identity.Tenants(ident.AcrossTenants(ctx))
	if err != nil {
		return // the next time
	}
	book := map[ident.Tenant][]rememberedRelay{}
	for _, t := range all {
		relays, err := w.app.channel.Relays(ident.WithTenant(ctx, t.ID))
		if err != nil {
			return
		}
		for _, m := range relays {
			book[t.ID] = append(book[t.ID], rememberedRelay{m, m.Password})
		}
	}
	w.mu.Lock()
	same := w.recalled != nil && reflect.DeepEqual(book, w.recalled)
	w.recalled = book
	w.mu.Unlock()
	if same {
		return
	}
	if err := w.app.vault.Save(w.path(), waysPurpose, book); err != nil {
		w.app.log.WarnContext(ctx, "the ways out could not be remembered", "err", err)
	}
}

func (w *ways) path() string { return filepath.Join(w.app.o.Dir, awayFolder, "ways") }

// load recalls them, for a start without the database.
func (w *ways) load() {
	book := map[ident.Tenant][]rememberedRelay{}
	if err := w.app.vault.Load(w.path(), waysPurpose, &book); err != nil {
		w.app.log.Warn("the console's mail servers are not remembered; those of the file are used", "err", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recalled = book
}

// remembered are the console's mail servers as they were when the database
// answered last; w.mu is held.
func (w *ways) remembered(t ident.Tenant) (out []channel.Relay) {
	for _, m := range w.recalled[t] {
		m.Password = m.Secret
		out = append(out, m.Relay)
	}
	return out
}

// nodeGone takes up what a dead node was doing.
func (a *App) nodeGone(ctx context.Context, node string) error {
	return errors.Join(a.jobs.TakeUp(ctx, node), a.channel.TakeUp(ctx, node), a.publish.TakeUp(ctx, node))
}
