package app

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"tuermer/internal/platform/ident"
	"tuermer/internal/town/identity"
)

// The demo is serve with a data file and simulated ways out: an invented town
// (demo/*.yaml, demo/staff.csv), targets that the same process answers for, and
// a page on which one of them is made to fail. No room knows of it.

//go:embed demo
var demoFiles embed.FS

// demoLinkLife is how long a sign-in link of the demo may lie around.
const demoLinkLife = 12 * time.Hour

// demo is what the demo has beside an app.
type demo struct {
	town    demoTown
	targets *demoTargets
}

// Demo is Serve with an invented town and simulated ways out.
func (Commands) Demo(ctx context.Context, s Settings) error {
	town, err := readDemo(demoFiles)
	if err != nil {
		return err
	}
	targets, err := openDemoTargets(ctx, town.slugs())
	if err != nil {
		return err
	}
	d := &demo{town: town, targets: targets}
	return errors.Join(d.run(ctx, s), targets.close())
}

// options are those of serve, but for what makes it a demo.
func (d *demo) options(s Settings) Options {
	o := s.options()
	o.Config, o.Simulated, o.Dial, o.Serve = d.town.config, true, d.targets.dial, true
	o.Lookup = nil // the addresses are invented, nobody knows them
	return o
}

func (d *demo) run(ctx context.Context, s Settings) error {
	// Its outside host is a folder: nothing of a demo leaves the house.
	outside, err := filepath.Abs(filepath.Join(s.Data, "notfall-seite"))
	if err == nil {
		err = os.MkdirAll(outside, 0o755)
	}
	if err != nil {
		return explained{err}
	}
	d.town.config.Twin.Targets = []TwinTarget{{PlaceConfig: PlaceConfig{Name: "Webspeicher", URL: outside}}}
	if err := d.settle(ctx, s); err != nil {
		return explained{err}
	}
	a, err := New(ctx, d.options(s))
	if err != nil {
		return explained{err}
	}
	a.demo = d
	a.demoRoutes(a.staff)
	if err := a.Start(ctx); err != nil {
		return explained{err}
	}
	err = a.announceDemo(ctx, s)
	if err == nil {
		<-ctx.Done()
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	return errors.Join(err, a.Stop(stop))
}

// announceDemo prints the addresses and a fresh sign-in link at every start,
// for nobody remembers the password of a demo.
func (a *App) announceDemo(ctx context.Context, s Settings) error {
	ctx, err := a.inTown(ctx)
	if err != nil {
		return err
	}
	p, err := a.identity.PersonByEmail(ctx, a.demo.town.config.People[0].Email)
	if err != nil {
		return explained{err}
	}
	link, err := a.demoLink(ctx, p.ID)
	if err != nil {
		return explained{err}
	}
	say := func(key string, args ...any) { fmt.Fprintln(s.Stdout, a.catalog.Text(s.Lang, key, args...)) }
	say("app.demo_at", a.config().Town.Name)
	say("app.staff_at", "http://"+a.staffAddr)
	say("app.public_at", "http://"+a.publicAddr)
	say("app.demo_link", p.Name, link)
	say("app.demo_break", "http://"+a.staffAddr+"/demo")
	return nil
}

// demoLink lets whoever plays with the demo be any of its people.
func (a *App) demoLink(ctx context.Context, id identity.PersonID) (string, error) {
	return a.identity.SignInLink(ident.WithActor(ctx, ident.System), id, demoLinkLife)
}

var _ http.Handler = (*demoTargets)(nil)
