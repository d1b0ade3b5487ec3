package monitor_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/service"
)

// That a service answers badly is what this machine alone sees, also where
// several vantage points decide about outages: it is told under a key of its
// own, ends when it is well again or worse, and is never left open: not when the
// sondes are taken away or added meanwhile, and not when the monitor goes.
func TestSoftBesideSeveralVantages(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		r, sg, sv := newRoom(t, w)
		others := &elsewhere{}
		others.say(monitor.Up, monitor.Up)
		r.SetVantages(others)
		w.Start(t)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		var code atomic.Int32
		code.Store(200)
		target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(code.Load())) }))
		defer target.Close()
		must(sv.Declare(w.Ctx, []service.Service{{Slug: "portal", Name: "Bürgerportal"}}))
		both := monitor.Vantage{Sondes: []string{"a", "b"}, Agree: 2}
		m := monitor.Monitor{Slug: "p", Service: "portal", Spec: monitor.Spec{
			URL: target.URL, Interval: monitor.Duration(time.Hour), Timeout: monitor.Duration(2 * time.Second), Confirm: 1,
			Expect:   monitor.Expect{Status: []monitor.StatusRange{{From: 200, To: 499}}},
			Degraded: monitor.Soft{Status: []monitor.StatusRange{{From: 429, To: 429}}}, Vantage: both,
		}}
		must(r.Start(w.Ctx))
		defer r.Stop()
		must(r.Save(w.Ctx, m))
		// open waits until exactly these signals are open, by key.
		open := func(want ...string) []signal.Signal {
			t.Helper()
			var all []signal.Signal
			until(t, "open: "+strings.Join(want, " "), func() bool {
				var err error
				all, err = sg.Firing(w.Ctx)
				must(err)
				if len(all) != len(want) {
					return false
				}
				for i, s := range all {
					if s.Key != want[i] {
						return false
					}
				}
				return true
			})
			return all
		}
		answers := func(n int32, want monitor.State) {
			t.Helper()
			code.Store(n)
			until(t, string(want), func() bool {
				must(r.Probe(w.Ctx, "p")) // a look that was on its way may have come too early
				got, err := r.Get(w.Ctx, "p")
				must(err)
				return got.Status.State == want && !got.Status.Last.At.IsZero()
			})
		}
		answers(200, monitor.Up)
		open()
		answers(429, monitor.Degraded)
		if s := open("monitor:p:soft")[0]; s.Severity != signal.Warning || !strings.Contains(s.Title, "Bürgerportal") || s.Service != "portal" {
			t.Fatalf("%+v", s)
		}
		if got, err := r.Get(w.Ctx, "p"); err != nil || got.Standing.Open {
			t.Fatal("it counts as an outage", got.Standing, err)
		}
		answers(200, monitor.Up)
		open()

		// It gets worse: the outage is the others' to tell, and the mild one is over.
		answers(429, monitor.Degraded)
		open("monitor:p:soft")
		answers(503, monitor.Down)
		open()
		others.say(monitor.Down, monitor.Up)
		must(r.Weigh(w.Ctx, "p"))
		open("monitor:p")
		others.say(monitor.Up, monitor.Up)
		answers(200, monitor.Up)
		open()

		// The sondes are taken away meanwhile, and come back: what is open stays, and
		// ends where it began.
		alone := m
		alone.Spec.Vantage = monitor.Vantage{}
		answers(429, monitor.Degraded)
		open("monitor:p:soft")
		must(r.Save(w.Ctx, alone))
		must(r.Save(w.Ctx, alone))
		open("monitor:p:soft")
		answers(200, monitor.Up)
		open()
		answers(429, monitor.Degraded)
		open("monitor:p")
		must(r.Save(w.Ctx, m))
		if got, err := r.Get(w.Ctx, "p"); err != nil || got.Standing.Open || got.Held() == monitor.Down {
			t.Fatal("to answer badly is no outage", got.Standing, err)
		}
		open("monitor:p")
		answers(200, monitor.Up)
		open()

		// It goes while it answers badly, looked at by many or alone.
		for _, c := range []struct{ begins, ends monitor.Monitor }{{m, m}, {m, alone}, {alone, m}, {alone, alone}} {
			must(r.Save(w.Ctx, c.begins))
			answers(200, monitor.Up)
			answers(429, monitor.Degraded)
			until(t, "one is open", func() bool {
				all, err := sg.Firing(w.Ctx)
				return err == nil && len(all) == 1
			})
			must(r.Save(w.Ctx, c.ends))
			must(r.Remove(w.Ctx, "p"))
			open()
		}
	})
}

// A monitor that is deleted and made again under its name alarms like any other,
// alone and with vantage points: its first outage is none that has ended before.
func TestMadeAgainAlarmsAgain(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		r, sg, _ := newRoom(t, w)
		others := &elsewhere{}
		others.say(monitor.Down, monitor.Down)
		r.SetVantages(others)
		w.Start(t)
		if err := r.Start(w.Ctx); err != nil {
			t.Fatal(err)
		}
		defer r.Stop()
		target := httptest.NewServer(http.NotFoundHandler())
		target.Close() // nobody is there
		for _, v := range []monitor.Vantage{{}, {}, {Sondes: []string{"a", "b"}, Agree: 2}, {Sondes: []string{"a", "b"}, Agree: 2}, {}} {
			m := monitor.Monitor{Slug: "p", Spec: monitor.Spec{URL: target.URL, Interval: monitor.Duration(time.Hour), Timeout: monitor.Duration(time.Second), Confirm: 1, Vantage: v}}
			if err := r.Save(w.Ctx, m); err != nil {
				t.Fatal(err)
			}
			until(t, "it alarms", func() bool {
				all, err := sg.Firing(w.Ctx)
				return err == nil && len(all) == 1 && all[0].Severity == signal.Critical
			})
			if err := r.Remove(w.Ctx, "p"); err != nil {
				t.Fatal(err)
			}
			if all, err := sg.Firing(w.Ctx); err != nil || len(all) != 0 {
				t.Fatal(all, err)
			}
		}
	})
}
