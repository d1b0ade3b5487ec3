package monitor

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var t0 = time.Date(2026, 3, 2, 14, 0, 0, 0, time.UTC)

func good(t *testing.T, s Spec) Spec {
	t.Helper()
	n, problems := s.Normalize()
	if len(problems) > 0 {
		t.Fatalf("problems in %+v: %v", s, problems)
	}
	return n
}

func bad(at time.Time) Result  { return Result{At: at, Reason: ReasonTimeout} }
func fine(at time.Time) Result { return Result{At: at, OK: true, Reason: ReasonOK} }

func TestFailureIsConfirmedAfterTwoAndFourSeconds(t *testing.T) {
	m := NewMachine("portal", good(t, Spec{URL: "http://a.example/"}))
	st, tr := m.Step(NewStatus(t0), fine(t0), Around{}, t0)
	if st.State != Up || tr != None {
		t.Fatalf("first success: %v %q", st.State, tr)
	}
	now := st.NextAt
	var wait []time.Duration
	for range 3 {
		st, tr = m.Step(st, bad(now), Around{}, now)
		wait = append(wait, st.NextAt.Sub(now))
		now = st.NextAt
	}
	if wait[0] != 2*time.Second || wait[1] != 4*time.Second {
		t.Errorf("confirmed after %v", wait)
	}
	if st.State != Down || tr != WentDown || st.Episode != 1 || !st.Open {
		t.Errorf("after three failures: %+v %q", st, tr)
	}
	if want := now.Add(-wait[2] - 6*time.Second); !st.FailingSince.Equal(want) {
		t.Errorf("failing since %v, want %v", st.FailingSince, want)
	}
	st, tr = m.Step(st, fine(now), Around{}, now)
	if st.State != Up || tr != CameUp || st.Open || st.FailingSince.IsZero() {
		t.Errorf("recovery: %+v %q", st, tr)
	}
}

func TestNeverUpAlarmsAsWell(t *testing.T) {
	m := NewMachine("x", good(t, Spec{Host: "a.example", Port: 22, Confirm: 1}))
	if st, tr := m.Step(NewStatus(t0), bad(t0), Around{}, t0); tr != WentDown {
		t.Fatalf("%+v %q", st, tr)
	}
}

func TestMaintenance(t *testing.T) {
	s := good(t, Spec{URL: "http://a.example/", Maintenance: []Window{
		{From: t0, To: t0.Add(30 * time.Minute)}, {From: t0.Add(30 * time.Minute), To: t0.Add(time.Hour)},
	}})
	m := NewMachine("x", s)
	st, now := NewStatus(t0), t0
	for now.Before(t0.Add(time.Hour)) {
		var tr Transition
		if st, tr = m.Step(st, bad(now), Around{}, now); tr != None || st.State != Maintenance || st.Fails != 0 {
			t.Fatalf("inside the window at %v: %+v %q", now, st, tr)
		}
		now = st.NextAt
	}
	if !now.Equal(t0.Add(time.Hour)) {
		t.Errorf("the end of the window is looked at at %v", now)
	}
	end := now
	for i := range 3 {
		var tr Transition
		st, tr = m.Step(st, bad(now), Around{}, now)
		if (tr == WentDown) != (i == 2) {
			t.Fatalf("failure %d behind the window: %q", i+1, tr)
		}
		now = st.NextAt
	}
	if st.Since.Sub(end) != 6*time.Second {
		t.Errorf("told %v after the window", st.Since.Sub(end))
	}
}

func TestEpisodeOutlivesMaintenance(t *testing.T) {
	s := good(t, Spec{URL: "http://a.example/", Confirm: 1})
	st, _ := NewMachine("x", s).Step(NewStatus(t0), bad(t0), Around{}, t0)
	s.Maintenance = []Window{{From: t0, To: t0.Add(time.Hour)}}
	m := NewMachine("x", s)
	st, tr := m.Step(st, fine(t0), Around{}, t0.Add(time.Minute))
	if tr != None || !st.Open {
		t.Fatalf("inside: %+v %q", st, tr)
	}
	still, tr := m.Step(st, bad(t0), Around{}, t0.Add(time.Hour))
	if tr != None || still.State != Down || still.Episode != 1 {
		t.Errorf("still down behind the window: %+v %q", still, tr)
	}
	if st, tr = m.Step(st, fine(t0), Around{}, t0.Add(time.Hour)); tr != CameUp || st.State != Up {
		t.Errorf("recovered behind the window: %+v %q", st, tr)
	}
}

// A drawn history of results, neutral ones and clock jumps among them.
func TestMachineProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]Kind{HTTP, TCP}).Draw(t, "kind")
		spec := Spec{Kind: kind, URL: "http://a.example/"}
		if kind == TCP {
			spec = Spec{Kind: kind, Host: "a.example", Port: 1}
		}
		spec.Interval = Duration(rapid.Int64Range(1000, 3_600_000).Draw(t, "ms")) * Duration(time.Millisecond)
		spec.Confirm = rapid.IntRange(1, MaxConfirm).Draw(t, "confirm")
		steady := false
		spec.Flapping = &steady // state_test.go judges the restless ones
		if rapid.Bool().Draw(t, "window") {
			from := t0.Add(time.Duration(rapid.Int64Range(0, 7200).Draw(t, "from")) * time.Second)
			spec.Maintenance = []Window{{From: from, To: from.Add(time.Duration(rapid.Int64Range(1, 7200).Draw(t, "long")) * time.Second)}}
		}
		spec, problems := spec.Normalize()
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		m := NewMachine(rapid.StringN(1, 8, 20).Draw(t, "id"), spec)
		now, st := t0, NewStatus(t0)
		row, open := 0, false
		for range rapid.IntRange(1, 120).Draw(t, "n") {
			if rapid.IntRange(0, 19).Draw(t, "jump?") == 0 {
				now = now.Add(time.Duration(rapid.Int64Range(-86400, 86400).Draw(t, "jump")) * time.Second)
			}
			_, closed := spec.InMaintenance(now)
			var r Result
			switch rapid.IntRange(0, 9).Draw(t, "result") {
			case 0, 1, 2, 3:
				r = fine(now)
			case 4:
				r = Result{At: now, Reason: ReasonCanceled}
			default:
				r = bad(now)
			}
			before := st
			var tr Transition
			st, tr = m.Step(st, r, Around{}, now)
			switch {
			case r.Reason.Neutral():
				if tr != None || st.Open != before.Open || st.Fails != before.Fails {
					t.Fatalf("a neutral result changed %+v to %+v", before, st)
				}
			case closed:
				row = 0
			case r.OK:
				row = 0
			default:
				row++
			}
			want := None
			if !closed && !r.Reason.Neutral() {
				if !open && row >= spec.Confirm {
					want = WentDown // (a) and (b)
				} else if open && r.OK {
					want = CameUp // (c)
				}
			}
			if tr != want {
				t.Fatalf("row %d of %d, open %v: %q, want %q", row, spec.Confirm, open, tr, want)
			}
			if want != None {
				open = want == WentDown
			}
			if st.Open != open {
				t.Fatalf("open %v, want %v", st.Open, open)
			}
			if wait := st.NextAt.Sub(now); wait <= 0 || wait > spec.Interval.D() { // (d)
				t.Fatalf("next look in %v of %v", wait, spec.Interval.D())
			}
			now = st.NextAt.Add(time.Duration(rapid.Int64Range(0, 10_000).Draw(t, "took")) * time.Millisecond)
		}
	})
}

func TestHeartbeatMachine(t *testing.T) {
	s := good(t, Spec{Kind: Heartbeat, Interval: Duration(time.Hour), Grace: Duration(10 * time.Minute)})
	m := NewMachine("backup", s)
	ping := func(suffix string, at time.Time) Result {
		p, ok := ParsePing(suffix, "")
		if !ok {
			t.Fatalf("ping %q", suffix)
		}
		return p.Result(at)
	}
	st := NewStatus(t0)
	if due := Due(st, s); !due.Equal(t0.Add(70 * time.Minute)) {
		t.Errorf("a job that never reported is due %v", due)
	}
	st, tr := m.Step(st, ping("", t0), Around{}, t0)
	if st.State != Up || tr != None || !st.NextAt.Equal(t0.Add(70*time.Minute)) {
		t.Fatalf("success: %+v %q", st, tr)
	}
	now := t0.Add(50 * time.Minute)
	st, tr = m.Step(st, ping("start", now), Around{}, now)
	if st.State != Up || tr != None || !st.NextAt.Equal(now.Add(10*time.Minute)) {
		t.Fatalf("start: %+v %q", st, tr)
	}
	now = st.NextAt
	st, tr = m.Step(st, Missed(st, now), Around{}, now)
	if tr != WentDown || st.Last.Reason != ReasonMissed {
		t.Fatalf("missed: %+v %q", st, tr)
	}
	st, tr = m.Step(st, ping("0", now), Around{}, now)
	if tr != CameUp || !st.Started.IsZero() {
		t.Fatalf("came back: %+v %q", st, tr)
	}
	st, tr = m.Step(st, ping("log", now), Around{}, now)
	if tr != None || st.State != Up {
		t.Fatalf("log: %+v %q", st, tr)
	}
	st, tr = m.Step(st, ping("7", now), Around{}, now)
	if tr != WentDown || st.Last.Detail != "exit code 7" || st.Last.Code != 7 {
		t.Fatalf("exit code: %+v %q", st, tr)
	}
	// A clock that was set back must not postpone the next miss for ever.
	earlier := now.Add(-48 * time.Hour)
	st, _ = m.Step(st, ping("log", earlier), Around{}, earlier)
	if st.NextAt.Sub(earlier) > 70*time.Minute {
		t.Errorf("after the clock was set back, due %v", st.NextAt)
	}
}

func TestParsePingRefuses(t *testing.T) {
	for _, suffix := range []string{"256", "-1", "+1", "007", "stop", "1.5", "fail/1", "START"} {
		if p, ok := ParsePing(suffix, ""); ok {
			t.Errorf("%q is taken as %+v", suffix, p)
		}
	}
}

func TestPhaseSpreads(t *testing.T) {
	const n, buckets = 6000, 60
	var count [buckets]int
	for i := range n {
		p := Phase(fmt.Sprintf("monitor-%d", i), time.Minute)
		count[int(p/time.Second)]++
	}
	for s, c := range count {
		if c < n/buckets/2 || c > n/buckets*2 {
			t.Errorf("second %d gets %d of %d", s, c, n)
		}
	}
}

func TestNextSlotIsAhead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Duration(rapid.Int64Range(1, 1e9).Draw(t, "ms")) * time.Millisecond
		now := time.UnixMilli(rapid.Int64Range(-1e13, 1e14).Draw(t, "now"))
		phase := Phase(rapid.String().Draw(t, "id"), interval)
		at := NextSlot(now, phase, interval)
		if w := at.Sub(now); w <= 0 || w > interval {
			t.Fatalf("%v ahead", w)
		}
		if again := NextSlot(at, phase, interval); again.Sub(at) != interval {
			t.Fatalf("slots lie %v apart", again.Sub(at))
		}
	})
}
