package monitor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func soft(at time.Time) Result { return Result{At: at, OK: true, Reason: ReasonSlow} }

func TestTurns(t *testing.T) {
	var w Turns
	for range 30 {
		w = w.push(true)
	}
	if w.Percent() != 0 {
		t.Fatalf("a steady target has %v %%", w.Percent())
	}
	ok, n := true, 0
	for w.Percent() < FlappingIn {
		ok = !ok
		w = w.push(ok)
		n++
	}
	if n != 9 { // nine of the newest weigh more than half
		t.Errorf("flapping after %d changes", n)
	}
	for n = 0; w.Percent() > FlappingOut; n++ {
		w = w.push(ok)
	}
	if n < 10 || n > 19 {
		t.Errorf("calm after %d results", n)
	}
	for range 40 {
		ok = !ok
		w = w.push(ok)
	}
	if p := w.Percent(); p < 99.9 || p > 100.1 || w.Changes() != 20 {
		t.Errorf("a change with every result is %v %%, %d", p, w.Changes())
	}
}

func TestFlappingKeepsOneAlarm(t *testing.T) {
	m := NewMachine("x", good(t, Spec{URL: "http://a.example/"}))
	st, now := NewStatus(t0), t0
	var trs []Transition
	step := func(r Result) {
		var tr Transition
		st, tr = m.Step(st, r, Around{}, now)
		if tr != None {
			trs = append(trs, tr)
		}
		now = st.NextAt
	}
	step(fine(now))
	for range 30 { // half an hour: down for a minute, up for a minute
		for range 3 {
			step(bad(now))
		}
		step(fine(now))
	}
	if n := len(trs); n != 9 || st.State != Flapping || st.Held.Reason != HeldFlapping || !st.Open {
		t.Errorf("%d told in half an hour: %v, %+v", n, trs, st)
	}
	before := len(trs)
	for range 20 {
		step(fine(now))
	}
	if st.State != Up || st.Open || st.Held != (Held{}) || !slices.Equal(trs[before:], []Transition{CameUp}) {
		t.Errorf("calm: %v, %+v", trs[before:], st)
	}
	// Blips that are never confirmed woke nobody so far; that there are so many
	// is told once.
	trs = nil
	for range 12 {
		step(bad(now))
		step(fine(now))
	}
	if !slices.Equal(trs, []Transition{StartedFlapping}) || !st.Mild || st.State != Flapping {
		t.Errorf("blips: %v, %+v", trs, st)
	}
	for range 3 {
		step(bad(now))
	}
	if last := trs[len(trs)-1]; last != WentDown || st.Mild || st.State != Down {
		t.Errorf("an outage in between must alarm: %v, %+v", trs, st)
	}
}

func TestDegraded(t *testing.T) {
	m := NewMachine("x", good(t, Spec{URL: "http://a.example/", Degraded: Soft{Within: Duration(time.Second)}}))
	st, now := NewStatus(t0), t0
	step := func(r Result, want Transition, state State) {
		t.Helper()
		var tr Transition
		st, tr = m.Step(st, r, Around{}, now)
		if tr != want || st.State != state {
			t.Fatalf("%q, want %q; %+v", tr, want, st)
		}
		now = st.NextAt
	}
	step(soft(now), None, Up)
	step(soft(now), None, Up)
	step(soft(now), WentDegraded, Degraded)
	step(fine(now), None, Degraded)
	step(soft(now), None, Degraded)
	step(bad(now), None, Suspect)
	step(bad(now), None, Suspect)
	step(bad(now), WentDown, Down) // the same trouble got worse
	if st.Episode != 1 || st.Mild {
		t.Fatalf("%+v", st)
	}
	step(soft(now), CameUp, Up)
	step(soft(now), None, Up)
	step(soft(now), None, Up)
	step(soft(now), WentDegraded, Degraded)
	if st.Episode != 2 {
		t.Fatalf("%+v", st)
	}
	for range 2 {
		step(fine(now), None, Degraded)
	}
	step(fine(now), CameUp, Up)
}

func TestSoftLimits(t *testing.T) {
	s := good(t, Spec{URL: "https://a.example/", Expect: Expect{Status: []StatusRange{{200, 499}}}, Degraded: Soft{Within: Duration(time.Second), Status: []StatusRange{{429, 429}}}})
	for want, r := range map[Reason]Result{
		ReasonSlow:   {At: t0, Took: 1200 * time.Millisecond, Code: 200},
		ReasonStatus: {At: t0, Code: 429},
		ReasonCert:   {At: t0, Code: 200, CertExpires: t0.Add(10 * 24 * time.Hour)},
		"":           {At: t0, Took: 900 * time.Millisecond, Code: 200, CertExpires: t0.Add(15 * 24 * time.Hour)},
	} {
		got := Reason("")
		if err := s.soften(&r); err != nil {
			got, _ = explain(err)
		}
		if got != want {
			t.Errorf("%+v: %q, want %q", r, got, want)
		}
	}
	if _, problems := (Spec{Kind: Heartbeat, Degraded: Soft{Within: 1}}).Normalize(); len(problems) == 0 {
		t.Error("a heartbeat has no response time")
	}
}

// TestI20_Machine: whatever comes, in whatever surroundings, a failure that is
// certain was told, or is withheld for a reason that stands in Held, or waits
// for its surroundings for a bounded time; and nothing is told twice.
func TestI20_Machine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := Spec{URL: "http://a.example/", Interval: Duration(time.Minute), Confirm: rapid.IntRange(1, 4).Draw(t, "confirm")}
		if rapid.Bool().Draw(t, "steady") {
			steady := false
			spec.Flapping = &steady
		}
		if rapid.Bool().Draw(t, "window") {
			from := t0.Add(time.Duration(rapid.IntRange(0, 3600).Draw(t, "from")) * time.Second)
			spec.Maintenance = []Window{{From: from, To: from.Add(time.Duration(rapid.IntRange(1, 3600).Draw(t, "long")) * time.Second), Reason: "Umbau"}}
		}
		spec, _ = spec.Normalize()
		m := NewMachine("x", spec)
		st, now := NewStatus(t0), t0
		open, woken := false, false
		row := 0 // failures since the last success or excuse
		for range rapid.IntRange(1, 100).Draw(t, "n") {
			var r Result
			switch rapid.IntRange(0, 9).Draw(t, "result") {
			case 0, 1, 2, 3:
				r = fine(now)
			case 4:
				r = soft(now)
			default:
				r = bad(now)
			}
			var a Around
			switch rapid.IntRange(0, 9).Draw(t, "around") {
			case 0:
				a.Parent = "router"
			case 1:
				a.Blind = true
			case 2, 3:
				a.Asking = true
			}
			before := st
			var tr Transition
			st, tr = m.Step(st, r, a, now)
			_, closed := spec.InMaintenance(now)
			excused := closed || (a.Parent != "" || a.Blind) && !before.alarmed()
			if r.OK || excused {
				row = 0
			} else {
				row++
			}
			switch tr {
			case WentDown:
				if woken || r.OK || excused || row < spec.Confirm {
					t.Fatalf("woken again or without need: %+v", st)
				}
				open, woken = true, true
			case WentDegraded, StartedFlapping:
				if open {
					t.Fatalf("told twice: %+v", st)
				}
				open = true
			case CameUp:
				if !open || !r.OK {
					t.Fatalf("an end without a beginning: %+v", st)
				}
				open, woken = false, false
			}
			if st.Open != open || st.alarmed() != woken {
				t.Fatalf("open %v woken %v, but %+v", open, woken, st)
			}
			if woken && r.OK && !closed && !st.Flaps {
				t.Fatalf("the first success must end it: %+v", st)
			}
			if !r.OK && !woken && (excused || row >= spec.Confirm) {
				waits := !st.Asking.IsZero() && a.Asking && now.Sub(st.Asking) < MaxAsking
				if st.Held.Reason == "" && !waits {
					t.Fatalf("silent without a reason: %+v", st)
				}
			}
			if st.Held.Reason != "" && st.Held.Since.IsZero() {
				t.Fatalf("%+v", st.Held)
			}
			if wait := st.NextAt.Sub(now); wait <= 0 || wait > spec.Interval.D() {
				t.Fatalf("next look in %v", wait)
			}
			now = st.NextAt.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "took")) * time.Millisecond)
		}
	})
}

func TestLoop(t *testing.T) {
	for _, c := range []struct {
		parents map[string][]string
		want    string
	}{
		{map[string][]string{"a": {"b"}, "b": {"c"}}, ""},
		{map[string][]string{"a": {"a"}}, "a a"},
		{map[string][]string{"a": {"b"}, "b": {"c", "a"}}, "a b a"},
		{map[string][]string{"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": {"x"}, "x": {"c"}}, "d x c d"},
	} {
		if got := strings.Join(Loop(c.parents), " "); got != c.want {
			t.Errorf("%v: %q, want %q", c.parents, got, c.want)
		}
	}
}

// cosmos is what the engine looks at in these tests: hosts that fail or not,
// each with an address.
type cosmos struct {
	mu   sync.Mutex
	dead map[string]bool
	got  []Observation
}

func (c *cosmos) Probe(ctx context.Context, s Spec) Result {
	select { // an answer takes a moment, and a failure as long as it may
	case <-time.After(10 * time.Millisecond):
	case <-ctx.Done():
		return Result{At: stamp(time.Now()), Reason: ReasonCanceled}
	}
	at := stamp(time.Now())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead[s.Host] {
		return Result{At: at, Reason: ReasonTimeout}
	}
	addr := "203.0.113.7"
	if strings.HasPrefix(s.Host, "in") {
		addr = "192.0.2.7"
	}
	return Result{At: at, OK: true, Reason: ReasonOK, Addr: netip.MustParseAddr(addr)}
}

func (c *cosmos) kill(dead bool, hosts ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range hosts {
		c.dead[h] = dead
	}
}

func (c *cosmos) sink(_ context.Context, b []Observation) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, b...)
	return nil
}

// told lists the transitions so far.
func (c *cosmos) told() (out []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.got {
		if o.Transition != None {
			out = append(out, strings.TrimSpace(o.ID+" "+string(o.Transition)))
		}
	}
	return out
}

// ours is the town's own network in these tests.
var ours = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}

func (c *cosmos) engine(t *testing.T, refs ...string) *Engine {
	t.Helper()
	o := EngineOptions{
		Probers: Probers{TCP: c}, Now: func() time.Time { return stamp(time.Now()) }, Sink: c.sink,
		Behind: func(_ string, a netip.Addr) bool { return Outside(a, ours) },
	}
	for _, h := range refs {
		s, problems := Reference(Spec{Host: h, Port: 1})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		o.References = append(o.References, s)
	}
	return NewEngine(o)
}

func (c *cosmos) item(t *testing.T, host string, parents ...string) Item {
	return Item{ID: "t1/" + host, Spec: good(t, Spec{Kind: TCP, Host: host, Port: 1, Parents: parents})}
}

func newCosmos() *cosmos { return &cosmos{dead: map[string]bool{}} }

func TestParentTellsForItsChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCosmos()
		e := c.engine(t)
		e.Set([]Item{c.item(t, "in-router"), c.item(t, "in-switch", "in-router"), c.item(t, "in-db", "in-switch"), c.item(t, "in-web", "in-switch")})
		e.Start(t.Context())
		defer e.Stop()
		time.Sleep(3 * time.Minute)
		c.kill(true, "in-router", "in-switch", "in-db", "in-web")
		time.Sleep(3 * time.Minute)
		if tr := c.told(); !slices.Equal(tr, []string{"t1/in-router went_down"}) {
			t.Fatalf("one cause, one alarm: %v", tr)
		}
		for _, id := range []string{"t1/in-switch", "t1/in-db", "t1/in-web"} {
			if st, _ := e.Status(id); st.State != Unreachable || st.Held.Reason != HeldParent || st.Held.Cause != "in-router" {
				t.Errorf("%s: %+v", id, st)
			}
		}
		// The router is back, and the database is not.
		c.kill(false, "in-router", "in-switch", "in-web")
		time.Sleep(75 * time.Second)
		tr := c.told()[1:]
		slices.Sort(tr)
		if !slices.Equal(tr, []string{"t1/in-db went_down", "t1/in-router came_up"}) {
			t.Errorf("%v", tr)
		}
		if st, _ := e.Status("t1/in-web"); st.State != Up || st.Held != (Held{}) {
			t.Errorf("%+v", st)
		}
	})
}

// A parent that is well excuses nothing, and asking it takes seconds.
func TestChildAlarmsWhenItsParentIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCosmos()
		e := c.engine(t, "ref-1", "ref-2")
		child := c.item(t, "web", "router")
		child.Spec.Confirm = 1
		e.Set([]Item{c.item(t, "router"), child})
		e.Start(t.Context())
		defer e.Stop()
		time.Sleep(3 * time.Minute)
		c.kill(true, "web")
		time.Sleep(64 * time.Second)
		if tr := c.told(); !slices.Contains(tr, "t1/web went_down") {
			t.Errorf("%v", tr)
		}
	})
}

func TestUplinkLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCosmos()
		e := c.engine(t, "ref-1", "ref-2", "ref-3")
		hosts := []string{"ref-1", "ref-2", "ref-3"}
		list := []Item{c.item(t, "in-web"), c.item(t, "in-db")}
		for i := range 200 {
			h := fmt.Sprintf("out-%03d", i)
			hosts = append(hosts, h)
			list = append(list, c.item(t, h))
		}
		e.Set(list)
		e.Start(t.Context())
		defer e.Stop()
		time.Sleep(5 * time.Minute)
		begin := time.Now()
		c.kill(true, hosts...)
		c.kill(true, "in-db") // is down for itself
		time.Sleep(10 * time.Minute)
		tr := c.told()
		slices.Sort(tr)
		if !slices.Equal(tr, []string{"t1/in-db went_down", "uplink_back", "uplink_lost"}) { // back: the first verdict of all
			t.Fatalf("%d told: %v", len(tr), tr[:min(len(tr), 20)])
		}
		u := e.Uplink()
		if !u.Lost || len(u.Behind) != 200 || u.Since.Sub(begin) > 20*time.Second {
			t.Fatalf("lost %v, %d behind, since %v", u.Lost, len(u.Behind), u.Since.Sub(begin))
		}
		for i := range 200 {
			if st, _ := e.Status(fmt.Sprintf("t1/out-%03d", i)); st.State != Blind || st.Held.Reason != HeldBlind {
				t.Fatalf("%d: %+v", i, st)
			}
		}
		// The line is back; one target died meanwhile, and it tells so at once.
		c.kill(false, hosts...)
		c.kill(true, "out-007")
		time.Sleep(30 * time.Second)
		tr = c.told()[3:]
		if !slices.Equal(tr, []string{"uplink_back", "t1/out-007 went_down"}) {
			t.Errorf("%v", tr)
		}
	})
}

func TestBlindNeedsProof(t *testing.T) {
	for name, refs := range map[string][]string{"none declared": nil, "one was never seen": {"ref-1", "ref-dead"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCosmos()
				c.kill(true, "ref-dead")
				e := c.engine(t, refs...)
				e.Set([]Item{c.item(t, "out-1"), c.item(t, "out-2")})
				e.Start(t.Context())
				defer e.Stop()
				time.Sleep(2 * time.Minute)
				c.kill(true, "out-1", "out-2", "ref-1")
				time.Sleep(2 * time.Minute)
				down := 0
				for _, tr := range c.told() {
					if strings.HasSuffix(tr, "went_down") {
						down++
					}
				}
				if down != 2 {
					t.Errorf("%v", c.told())
				}
			})
		})
	}
}

func TestOutside(t *testing.T) {
	for a, want := range map[string]bool{
		"127.0.0.1": false, "::1": false, "10.1.2.3": false, "192.168.0.1": false, "fd00::1": false, "169.254.1.1": false,
		"192.0.2.9": false, "::ffff:192.0.2.9": false, "203.0.113.1": true, "2001:db8::1": true, "0.0.0.0": false,
	} {
		if got := Outside(netip.MustParseAddr(a), ours); got != want {
			t.Errorf("%s: %v", a, got)
		}
	}
}

// TestI20_WithheldIsListedAndAlarmsInTime plays random outages of hosts, parents,
// references and windows against the engine. At every moment, a target that has
// failed for longer than a confirmation takes is alarmed or is held for a
// reason; and when the reason ends while it still fails, it alarms within one
// interval and its confirmation.
func TestI20_WithheldIsListedAndAlarmsInTime(t *testing.T) {
	const interval = time.Minute
	// A look may be an interval away; then come two confirmations, and at most
	// MaxAsking for the surroundings.
	const limit = interval + 6*time.Second + MaxAsking + 15*time.Second
	rapid.Check(t, func(rt *rapid.T) {
		hosts := []string{"out-router", "out-a", "out-b", "in-switch", "in-a", "in-b", "ref-1", "ref-2"}
		parents := map[string][]string{"out-a": {"out-router"}, "in-a": {"in-switch"}, "in-b": {"in-switch"}}
		type blow struct {
			after time.Duration
			dead  bool
			hosts []string
		}
		var plan []blow
		for range rapid.IntRange(1, 8).Draw(rt, "blows") {
			b := blow{after: time.Duration(rapid.IntRange(1, 240).Draw(rt, "after")) * time.Second, dead: rapid.Bool().Draw(rt, "dead")}
			for _, h := range hosts {
				if rapid.Bool().Draw(rt, h) {
					b.hosts = append(b.hosts, h)
				}
			}
			if rapid.IntRange(0, 3).Draw(rt, "line") == 0 { // the line, and all behind it
				b.hosts = []string{"out-router", "out-a", "out-b", "ref-1", "ref-2"}
			}
			plan = append(plan, b)
		}
		window := time.Duration(rapid.IntRange(0, 600).Draw(rt, "window")) * time.Second
		wrong := ""
		synctest.Test(t, func(t *testing.T) {
			c := newCosmos()
			e := c.engine(t, "ref-1", "ref-2")
			var list []Item
			for _, h := range hosts[:6] {
				it := c.item(t, h, parents[h]...)
				if h == "out-b" {
					it.Spec.Maintenance = []Window{{From: time.Now().Add(window), To: time.Now().Add(window + 3*time.Minute), Reason: "Umbau"}}
				}
				list = append(list, it)
			}
			e.Set(list)
			e.Start(t.Context())
			defer e.Stop()
			since := map[string]time.Time{} // of a failure that nothing excuses
			watch := func(d time.Duration) {
				for end := time.Now().Add(d); time.Now().Before(end) && wrong == ""; {
					time.Sleep(time.Second)
					for _, h := range hosts[:6] {
						st, _ := e.Status("t1/" + h)
						c.mu.Lock()
						dead := c.dead[h]
						c.mu.Unlock()
						if !dead || st.alarmed() || st.Held.Reason != "" && st.Held.Reason != HeldFlapping {
							delete(since, h)
							continue
						}
						if since[h].IsZero() {
							since[h] = time.Now()
						}
						if silent := time.Since(since[h]); silent > limit {
							wrong = fmt.Sprintf("%s fails for %v, not alarmed and not withheld: %+v", h, silent, st)
						}
					}
				}
			}
			watch(2 * time.Minute)
			for _, b := range plan {
				c.kill(b.dead, b.hosts...)
				watch(b.after)
			}
			watch(10 * time.Minute)
			c.kill(false, hosts...)
			watch(21 * time.Minute) // long enough for the restless to calm down
			for _, h := range hosts[:6] {
				if st, _ := e.Status("t1/" + h); wrong == "" && (st.Open || st.Held != (Held{}) || st.State != Up) {
					wrong = fmt.Sprintf("%s is well, but %+v", h, st)
				}
			}
			counts := map[string]int{}
			for _, tr := range c.told() {
				id, what, _ := strings.Cut(tr, " ")
				switch {
				case what == "went_down", what == "started_flapping" && counts[id] == 0:
					counts[id]++
				case what == "came_up":
					counts[id] = 0
				}
			}
			for id, n := range counts {
				if n != 0 && wrong == "" {
					wrong = id + " was never told to be well again"
				}
			}
		})
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}
