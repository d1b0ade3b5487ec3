package monitor_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/fence"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/service"
)

type openSealer struct{}

func (openSealer) Seal(_ string, b []byte) ([]byte, error) { return b, nil }
func (openSealer) Open(_ string, b []byte) ([]byte, error) { return b, nil }

func newRoom(t *testing.T, w *storetest.World, more ...func(*monitor.RoomOptions)) (*monitor.Room, *signal.Room, *service.Room) {
	t.Helper()
	cat, err := i18n.NewCatalog(monitor.Texts())
	if err != nil {
		t.Fatal(err)
	}
	au := audit.New(audit.Options{Store: w.Store, Clock: clock.System{}})
	sv := service.New(service.Options{Store: w.Store, Clock: clock.System{}, Audit: au})
	sg := signal.New(signal.Options{Store: w.Store, Clock: clock.System{}})
	o := monitor.RoomOptions{
		Store: w.Store, Clock: clock.System{}, Audit: au, Vault: openSealer{}, Signals: sg, Services: sv, Catalog: cat,
		Probers: monitor.NewProbers(monitor.Options{Now: clock.System{}.Now, DialContext: (&net.Dialer{}).DialContext}),
		// The targets of these tests are on this machine.
		Reach: func(context.Context, ident.Tenant) (fence.List, error) {
			return fence.Parse([]string{"public", "private", "127.0.0.0/8"})
		},
		Locale: func(context.Context) i18n.Locale { return i18n.Locale{Catalog: cat, Lang: i18n.DE, Zone: time.UTC} },
	}
	for _, f := range more {
		f(&o)
	}
	return monitor.New(o), sg, sv
}

var rooms = []store.Migrations{audit.Migrations(), service.Migrations(), signal.Migrations(), monitor.Migrations()}

// A target that dies becomes a signal in the service's name, one that returns
// resolves it, and the results are kept.
func TestDownAndUp(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		r, _, sv := newRoom(t, w)
		heard := make(chan signal.Signal, 10)
		bus.On(w.Bus, signal.Recorded, "test.heard", func(_ context.Context, e bus.Event[signal.Signal]) error {
			heard <- e.Data
			return nil
		})
		w.Start(t)
		var broken atomic.Bool
		broken.Store(true)
		target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if broken.Load() {
				w.WriteHeader(503)
			}
		}))
		defer target.Close()
		if err := sv.Declare(w.Ctx, []service.Service{{Slug: "portal", Name: "Bürgerportal"}}); err != nil {
			t.Fatal(err)
		}
		m := monitor.Monitor{Slug: "p", Service: "portal", Spec: monitor.Spec{URL: target.URL, Interval: monitor.Duration(5 * time.Second), Timeout: monitor.Duration(2 * time.Second), Confirm: 1}}
		if err := r.Start(w.Ctx); err != nil {
			t.Fatal(err)
		}
		defer r.Stop()
		if err := r.Save(w.Ctx, m); err != nil {
			t.Fatal(err)
		}
		wait := func(want signal.State) signal.Signal {
			t.Helper()
			select {
			case s := <-heard:
				if s.State != want {
					t.Fatalf("%+v", s)
				}
				return s
			case <-time.After(time.Minute):
				t.Fatalf("no signal %s", want)
				return signal.Signal{}
			}
		}
		down := wait(signal.Firing)
		if down.Title != "Bürgerportal antwortet nicht" || down.Service != "portal" || down.Key != "monitor:p" {
			t.Fatalf("%+v", down)
		}
		broken.Store(false)
		if err := r.Probe(w.Ctx, "p"); err != nil {
			t.Fatal(err)
		}
		if up := wait(signal.Resolved); up.Episode != down.Episode {
			t.Fatalf("%+v", up)
		}
		got, err := r.Get(w.Ctx, "p")
		if err != nil || got.Status.State != monitor.Up {
			t.Fatal(got.Status, err)
		}
		if res, err := r.Results(w.Ctx, "p", time.Time{}, 10); err != nil || len(res) < 2 || !res[0].OK {
			t.Fatal(res, err)
		}
		if by, err := r.ByService(w.Ctx); err != nil || by["portal"] != monitor.Up {
			t.Fatal(by, err)
		}
	})
}

func TestMonitorStore(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		r, sg, _ := newRoom(t, w)
		w.Start(t)
		beat := func(slug string) monitor.Monitor {
			return monitor.Monitor{Slug: slug, Spec: monitor.Spec{Kind: monitor.Heartbeat, Interval: monitor.Duration(time.Hour), Grace: monitor.Duration(time.Minute)}}
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(r.Start(w.Ctx))
		defer r.Stop()
		must(r.Declare(w.Ctx, []monitor.Monitor{beat("a"), beat("b")}))
		must(r.Save(w.Ctx, beat("c")))
		if err := r.Save(w.Ctx, beat("a")); fault.KindOf(err) != fault.Conflict {
			t.Fatal(err)
		}
		it := ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPerson, Roles: []string{"it"}})
		if err := r.Save(it, beat("d")); fault.KindOf(err) != fault.Forbidden {
			t.Fatalf("only administrators create monitors: %v", err)
		}
		bad := monitor.Monitor{Slug: "x", Service: "none", Spec: monitor.Spec{URL: "not a url"}}
		if f := fault.As(r.Save(w.Ctx, bad)); f.Fields["url"] == "" || f.Fields["service"] == "" {
			t.Fatal(f.Fields)
		}
		a, err := r.Get(w.Ctx, "a")
		must(err)
		must(r.Ping(context.Background(), a.PingKey, "fail", "disk full"))
		firing, err := sg.Firing(w.Ctx)
		if err != nil || len(firing) != 1 {
			t.Fatal(firing, err)
		}
		if err := r.Ping(context.Background(), "nobody", "", ""); fault.KindOf(err) != fault.NotFound {
			t.Fatal(err)
		}
		// What the file no longer names goes, and its alarm with it.
		must(r.Declare(w.Ctx, []monitor.Monitor{beat("b")}))
		if firing, err := sg.Firing(w.Ctx); err != nil || len(firing) != 0 {
			t.Fatal(firing, err)
		}
		all, err := r.List(w.Ctx, monitor.Filter{Limit: 10})
		must(err)
		var slugs []string
		for _, m := range all {
			slugs = append(slugs, m.Slug)
		}
		if !slices.Equal(slugs, []string{"b", "c"}) {
			t.Fatal(slugs)
		}
		if all, err := r.List(ident.WithTenant(w.Ctx, "t2"), monitor.Filter{}); err != nil || len(all) != 0 { // I19
			t.Fatal(all, err)
		}
	})
}
