package monitor_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/service"
)

// elsewhere is two sondes whose verdicts a test sets.
type elsewhere struct {
	mu   sync.Mutex
	seen map[string]monitor.State
}

func (e *elsewhere) Sondes(context.Context) ([]string, error) { return []string{"a", "b"}, nil }

func (e *elsewhere) Sightings(_ context.Context, _ string, names []string) (out []monitor.Sighting, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := clock.System{}.Now()
	for _, n := range names {
		out = append(out, monitor.Sighting{Sonde: n, State: e.seen[n], Since: now, At: now, Last: monitor.Result{At: now, Reason: monitor.ReasonRefused}})
	}
	return out, nil
}

func (e *elsewhere) say(a, b monitor.State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen = map[string]monitor.State{"a": a, "b": b}
}

// What this machine alone sees is on the list of the disputed and nowhere else;
// with a second voice it is an alarm, and without vantage points all is as ever.
func TestAgreementInTheStore(t *testing.T) {
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
		var broken atomic.Bool
		target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if broken.Load() {
				w.WriteHeader(503)
			}
		}))
		defer target.Close()
		must(sv.Declare(w.Ctx, []service.Service{{Slug: "portal", Name: "Bürgerportal"}}))
		m := monitor.Monitor{Slug: "p", Service: "portal", Spec: monitor.Spec{
			URL: target.URL, Interval: monitor.Duration(time.Hour), Timeout: monitor.Duration(2 * time.Second), Confirm: 1,
			Vantage: monitor.Vantage{Sondes: []string{"a", "b"}, Agree: 2},
		}}
		must(r.Start(w.Ctx))
		defer r.Stop()
		unknown := m
		unknown.Spec.Vantage.Sondes = []string{"a", "nobody"}
		if err := r.Save(w.Ctx, unknown); fault.KindOf(err) != fault.Invalid {
			t.Fatalf("a sonde that does not exist is taken: %v", err)
		}
		must(r.Save(w.Ctx, m))
		// A look that was on its way already may have come too early: it is asked for anew.
		until := func(what string, ok func(monitor.Monitor) bool) monitor.Monitor {
			t.Helper()
			for end := time.After(time.Minute); ; {
				must(r.Probe(w.Ctx, "p"))
				got, err := r.Get(w.Ctx, "p")
				must(err)
				if ok(got) {
					return got
				}
				select {
				case <-end:
					t.Fatalf("%s: %s %+v %+v", what, got.Held(), got.Status, got.Standing)
				case <-time.After(50 * time.Millisecond):
				}
			}
		}
		until("up", func(m monitor.Monitor) bool { return m.Held() == monitor.Up })
		broken.Store(true)
		got := until("disputed", func(m monitor.Monitor) bool { return m.Standing.Disputed() })
		if got.Held() != monitor.Suspect || got.Status.State != monitor.Down {
			t.Fatalf("%s %+v", got.Held(), got.Status)
		}
		firing := func() []signal.Signal {
			t.Helper()
			all, err := sg.Firing(w.Ctx)
			must(err)
			return all
		}
		listed, err := r.Disputed(w.Ctx)
		if must(err); len(listed) != 1 || len(firing()) != 0 {
			t.Fatal(listed, firing())
		}
		others.say(monitor.Down, monitor.Up)
		must(r.Weigh(w.Ctx, "p"))
		all := firing()
		if len(all) != 1 || all[0].Title != "Bürgerportal antwortet nicht" || all[0].Severity != signal.Critical ||
			!strings.Contains(all[0].Detail, "Gestört von: hier (Türmer selbst), a.") || !strings.Contains(all[0].Detail, "In Ordnung von: b.") {
			t.Fatalf("%+v", all)
		}
		if listed, err = r.Disputed(w.Ctx); err != nil || len(listed) != 0 {
			t.Fatal(listed, err)
		}
		if by, err := r.ByService(w.Ctx); err != nil || by["portal"] != monitor.Down {
			t.Fatal(by, err)
		}
		// Whoever takes the sondes away leaves the open alarm to this machine.
		m.Spec.Vantage = monitor.Vantage{}
		must(r.Save(w.Ctx, m))
		if len(firing()) != 1 {
			t.Fatal("the alarm is gone")
		}
		broken.Store(false)
		until("up again and told", func(m monitor.Monitor) bool { return m.Held() == monitor.Up && len(firing()) == 0 })
		// And an alarm that this machine gave alone is taken over, not given twice.
		broken.Store(true)
		until("down and told", func(m monitor.Monitor) bool { return m.Held() == monitor.Down && len(firing()) == 1 })
		m.Spec.Vantage = monitor.Vantage{Sondes: []string{"a", "b"}, Agree: 2}
		others.say(monitor.Up, monitor.Up)
		must(r.Save(w.Ctx, m))
		if got := until("kept", func(m monitor.Monitor) bool { return m.Standing.Open }); got.Held() != monitor.Down || len(firing()) != 1 {
			t.Fatalf("%+v", got.Standing)
		}
		broken.Store(false)
		until("up and told", func(m monitor.Monitor) bool { return m.Held() == monitor.Up && len(firing()) == 0 })
	})
}
