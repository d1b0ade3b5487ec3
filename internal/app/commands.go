package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"tuermer/internal/inform/template"
	"tuermer/internal/learn/exercise"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/vault"
)

// Commands carries out the command line; cmd/tuermer only reads it.
type Commands struct{}

// stopTime bounds how long a stop may take before it is cut short.
const stopTime = 25 * time.Second

// Serve runs until ctx ends.
func (Commands) Serve(ctx context.Context, s Settings) error { return serve(ctx, s, s.options(), nil) }

// options are what New needs for these settings.
func (s Settings) options() Options {
	return Options{
		Config: s.Config, ConfigFile: s.ConfigFile, More: s.More, Town: s.Town, Dir: s.Data, Database: s.Database, KeyFile: os.Getenv(vault.EnvKeyFile), StaffAddr: s.Staff, PublicAddr: s.Public, MailAddr: s.Mail, TLSCert: s.TLSCert, TLSKey: s.TLSKey, ACME: s.ACME,
		Version: s.Version, Log: s.Log, Lookup: resolverAt(s.DNS),
	}
}

// garbage is how much may lie about before it is collected, in percent of what
// is in use. Go's own 100 is for programs that have a machine to themselves.
const garbage = 60

// serve runs one app until ctx ends; prepare adds to it before it starts.
func serve(ctx context.Context, s Settings, o Options, prepare func(*App) error) error {
	o.Serve = true
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	a, err := New(ctx, o)
	if err != nil {
		return explained{err}
	}
	if prepare != nil {
		if err := prepare(a); err != nil {
			return errors.Join(explained{err}, a.Close())
		}
	}
	if err := a.Start(ctx); err != nil {
		return explained{err}
	}
	mind, err := a.attend(ctx, s)
	if err != nil { // all else works without; SIGHUP does, too
		a.log.WarnContext(ctx, "`tuermer reload` will not reach this program", "err", err)
	}
	err = a.announce(ctx, s)
	if !a.away.atStart { // else the file is needed when the database answers
		a.forget()
	}
	if err == nil {
		n := newNotifier(os.Getenv)
		failed := func(err error) { a.log.WarnContext(ctx, "the watchdog is not answered", "err", err) }
		if err := n.say("READY=1"); err != nil {
			failed(err)
		}
		rest := n.watch(ctx, func(ctx context.Context) error { return healthy(ctx, a.scheme()+a.staffAddr) }, failed)
		<-ctx.Done()
		rest()
		if err := n.say("STOPPING=1"); err != nil {
			failed(err)
		}
	}
	mind()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	return errors.Join(err, a.Stop(stop))
}

// forget lets go of what only the start needed: what the file said of its
// monitors lies in the database now. With ten thousand of them the memory
// counts, so it goes back to the machine at once and not within the hour.
func (a *App) forget() {
	a.conf.trim()
	debug.FreeOSMemory()
}

// announce prints where everything is, and the first sign-in link when nobody
// can sign in yet.
func (a *App) announce(ctx context.Context, s Settings) error {
	say := func(key string, args ...any) { fmt.Fprintln(s.Stdout, a.catalog.Text(s.Lang, key, args...)) }
	say("app.staff_at", a.scheme()+a.staffAddr)
	say("app.public_at", a.scheme()+a.publicAddr)
	if a.away.atStart {
		say("app.away_at_start")
		return nil
	}
	ctx = ident.WithTenant(ident.WithActor(ctx, ident.System), a.town.id())
	link, ok, err := a.identity.FirstAdmin(ctx)
	if err != nil {
		return explained{err}
	}
	if ok {
		say("app.first_link", link)
		if here, ok := a.here(link); ok {
			say("app.first_link_here", here)
		}
		return nil
	}
	if link, ok, err = a.identity.SetupLink(ctx); err != nil {
		return explained{err}
	} else if ok {
		say("app.setup_link", link)
		if here, ok := a.here(link); ok {
			say("app.first_link_here", here)
		}
		return nil
	}
	admins, err := a.identity.People(ctx, identity.Filter{Role: identity.RoleAdmin, Active: true})
	if err == nil && len(admins) == 0 {
		say("app.no_admin")
	}
	return err
}

// here is the link at the listener itself, where it differs: the address that
// people use may not lead here yet, without a name in the DNS or a proxy. Whoever
// started the program sits in front of the listener.
func (a *App) here(link string) (string, bool) {
	u, err := url.Parse(link)
	if err != nil || u.Host == a.staffAddr {
		return "", false
	}
	u.Scheme, u.Host = strings.TrimSuffix(a.scheme(), "://"), a.staffAddr
	return u.String(), true
}

// Setup makes a new link for a first start; the ones before end. It fails when
// the town is set up already.
func (Commands) Setup(ctx context.Context, s Settings) (link string, err error) {
	err = once(ctx, s, func(ctx context.Context, a *App) error {
		made, ok, err := a.identity.SetupLink(ctx)
		if err == nil && !ok {
			return identity.ErrBegun
		}
		link = made
		return err
	})
	return link, err
}

// inTown acts as the system for the town that the command means: the one it
// names, the configuration's, else the only one.
func (a *App) inTown(ctx context.Context) (context.Context, error) {
	ctx = ident.WithActor(ctx, ident.System)
	all, err := a.identity.Tenants(ident.AcrossTenants(ctx))
	if err != nil {
		return nil, err
	}
	slug := cmp.Or(a.o.Town, a.config().Town.Slug)
	i := slices.IndexFunc(all, func(t identity.Tenant) bool { return t.Slug == slug })
	switch {
	case i >= 0:
	case a.o.Town != "":
		return nil, fault.New(fault.NotFound, "identity.no_such_town", slug)
	case slug == "" && len(all) == 1:
		i = 0
	default:
		return nil, fault.New(fault.NotFound, "app.no_town")
	}
	return ident.WithTenant(ctx, all[i].ID), nil
}

// once opens the data for one command. Where no serve runs, the configuration
// is declared first, so that the command finds the people it names.
func once(ctx context.Context, s Settings, do func(ctx context.Context, a *App) error) error {
	a, err := New(ctx, s.options())
	if err != nil {
		return explained{err}
	}
	err = func() error {
		if a.alone { // a running one has declared it
			a.staffAddr, a.publicAddr = s.Staff, s.Public
			if err := a.Declare(ctx); err != nil {
				return err
			}
		}
		ctx, err := a.inTown(ctx)
		if err != nil {
			return err
		}
		return do(ctx, a)
	}()
	if err != nil {
		err = explained{err}
	}
	return errors.Join(err, a.Close())
}

// Migrate brings the database to this version's schema.
func (Commands) Migrate(ctx context.Context, s Settings) error {
	a, err := New(ctx, s.options())
	if err != nil {
		return explained{err}
	}
	return a.Close()
}

// AddUser adds a person and returns a one-time sign-in link.
func (Commands) AddUser(ctx context.Context, s Settings, u NewUser) (link string, err error) {
	err = once(ctx, s, func(ctx context.Context, a *App) error {
		p := identity.Person{Name: u.Name, Email: u.Email, Alternative: u.Alternative, Mobile: u.Mobile}
		for _, r := range u.Roles {
			p.Roles = append(p.Roles, identity.Role(r))
		}
		_, link, err = a.identity.AddPerson(ctx, p)
		return err
	})
	return link, err
}

// ResetUser returns a new one-time sign-in link for a person; second takes the
// second factor away as well, where there is one.
func (Commands) ResetUser(ctx context.Context, s Settings, email string, second bool) (link string, err error) {
	err = once(ctx, s, func(ctx context.Context, a *App) error {
		p, err := a.identity.PersonByEmail(ctx, email)
		if err != nil {
			return err
		}
		if second && !p.SecondAt.IsZero() {
			if err := a.identity.ResetSecond(ctx, p.ID); err != nil {
				return err
			}
		}
		link, err = a.identity.ResetLink(ctx, email)
		return err
	})
	return link, err
}

// CreateToken returns a new API token; it is shown this once.
func (Commands) CreateToken(ctx context.Context, s Settings, t NewToken) (token string, err error) {
	err = once(ctx, s, func(ctx context.Context, a *App) error {
		p, err := a.identity.PersonByEmail(ctx, t.Person)
		if err != nil {
			return err
		}
		token, _, err = a.identity.CreateToken(ctx, p.ID, t.Name, t.Scopes)
		return err
	})
	return token, err
}

// StartExercise starts an exercise over simulated channels and says what came of
// it. Of a rehearsal the record is written when it returns.
func (Commands) StartExercise(ctx context.Context, s Settings, kind, scenario string) error {
	return once(ctx, s, func(ctx context.Context, a *App) error {
		e, err := a.exercise.Begin(ctx, exercise.Type(kind), template.Scenario(scenario))
		if err != nil {
			return err
		}
		t, err := a.identity.Current(ctx)
		if err != nil {
			return err
		}
		say := func(key string, args ...any) { fmt.Fprintln(s.Stdout, a.catalog.Text(s.Lang, key, args...)) }
		if e.State == exercise.Running {
			say("app.exercise_running", e.Title, t.StaffURL+"/incident/"+string(e.Incident))
			return nil
		}
		messages := 0
		for _, m := range e.Record.Messages {
			messages += m.Accepted
		}
		say("app.exercise_done", e.Title, a.catalog.Text(s.Lang, "exercise.type."+kind), messages, e.Record.Marked, len(e.Record.Findings))
		for _, f := range e.Record.Findings {
			fmt.Fprintln(s.Stdout, "- "+f)
		}
		say("app.exercise_record", t.StaffURL+"/exercise/"+string(e.ID))
		return nil
	})
}
