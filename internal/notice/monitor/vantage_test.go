package monitor

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// from is a sonde's sighting that was looked after at at.
func from(name string, s State, at time.Time) Sighting {
	return Sighting{Sonde: name, State: s, Since: at, At: at, Last: Result{At: at, OK: s == Up, Reason: ReasonTimeout}}
}

func here(s State) Sighting { return Sighting{State: s, Since: t0} }

func twoOfThree(t *testing.T) Spec {
	return good(t, Spec{URL: "http://a.example/", Vantage: Vantage{Sondes: []string{"a", "b"}, Agree: 2, Escalate: Duration(10 * time.Minute)}})
}

func TestAgreement(t *testing.T) {
	s := twoOfThree(t)
	old := t0.Add(-time.Hour)
	for _, c := range []struct {
		name       string
		seen       []Sighting
		want       Transition
		state      State
		fail, of   int
		disputed   bool
		silentAway bool
	}{
		{"all well", []Sighting{here(Up), from("a", Up, t0), from("b", Up, t0)}, None, Up, 0, 3, false, false},
		{"two of three", []Sighting{here(Down), from("a", Down, t0), from("b", Up, t0)}, WentDown, Down, 2, 3, false, false},
		{"only outside", []Sighting{here(Up), from("a", Down, t0), from("b", Down, t0)}, WentDown, Down, 2, 3, false, false},
		{"only here", []Sighting{here(Down), from("a", Up, t0), from("b", Up, t0)}, None, Suspect, 1, 3, true, false},
		{"one is stale, two disagree", []Sighting{here(Down), from("a", Up, t0), from("b", Up, old)}, None, Suspect, 1, 2, true, false},
		{"nobody else is fresh", []Sighting{here(Down), from("a", Up, old), from("b", Up, old)}, WentDown, Down, 1, 1, false, false},
		{"others are silent", []Sighting{here(Down), {Sonde: "a", State: Up, At: t0, Silent: true}, {Sonde: "b"}}, WentDown, Down, 1, 1, false, false},
		{"not yet confirmed", []Sighting{here(Suspect), from("a", Suspect, t0), from("b", Up, t0)}, None, Suspect, 0, 3, false, false},
	} {
		st, tr := Standing{}.Weigh(s, c.seen, t0)
		if tr != c.want || st.State != c.state || st.Failing != c.fail || st.Fresh != c.of || st.Disputed() != c.disputed {
			t.Errorf("%s: %q %+v", c.name, tr, st)
		}
	}
	// A sonde that cannot probe this kind says nothing about the target.
	blocked := from("a", Down, t0)
	blocked.Last.Reason = ReasonBlocked
	if st, tr := (Standing{}).Weigh(s, []Sighting{here(Up), blocked, from("b", Up, t0)}, t0); tr != None || st.Fresh != 2 || st.Failing != 0 {
		t.Errorf("blocked: %q %+v", tr, st)
	}
}

// A parent that is down excuses the failure for everybody, and what has alarmed
// already stays; blind, this machine has no voice.
func TestAroundSeveral(t *testing.T) {
	s := twoOfThree(t)
	both := []Sighting{here(Unreachable), from("a", Down, t0), from("b", Down, t0)}
	if st, tr := (Standing{}).Weigh(s, both, t0); tr != None || st.State != Unreachable || st.Disputed() {
		t.Errorf("%q %+v", tr, st)
	}
	if st, tr := (Standing{Open: true, Episode: "v1", State: Down}).Weigh(s, both, t0); tr != None || !st.Open || st.State != Down {
		t.Errorf("%q %+v", tr, st)
	}
	if st, tr := (Standing{}).Weigh(s, []Sighting{here(Blind), from("a", Down, t0), from("b", Down, t0)}, t0); tr != WentDown || st.Fresh != 2 {
		t.Errorf("%q %+v", tr, st)
	}
	if st, tr := (Standing{State: Up}).Weigh(s, []Sighting{here(Blind)}, t0); tr != None || st.State != Blind {
		t.Errorf("%q %+v", tr, st)
	}
	if st, _ := (Standing{}).Weigh(s, []Sighting{here(Degraded), from("a", Up, t0)}, t0); st.State != Degraded || st.Failing != 0 {
		t.Errorf("%+v", st)
	}
}

// What too few see alarms after the stated time, gets worse when others agree,
// and ends only when nobody sees it any more.
func TestFewEscalate(t *testing.T) {
	s := twoOfThree(t)
	now := t0
	step := func(st Standing, h, a, b State) (Standing, Transition) {
		return st.Weigh(s, []Sighting{here(h), from("a", a, now), from("b", b, now)}, now)
	}
	st, tr := step(Standing{}, Down, Up, Up)
	if tr != None || !st.NextAt.After(now) {
		t.Fatalf("%q %+v", tr, st)
	}
	now = t0.Add(9 * time.Minute)
	if st, tr = step(st, Down, Up, Up); tr != None || !st.NextAt.Equal(t0.Add(10*time.Minute)) {
		t.Fatalf("%q %+v", tr, st)
	}
	now = st.NextAt
	if st, tr = step(st, Down, Up, Up); tr != WentDown || !st.Few || st.Episode != "v1" || !st.FailingSince.Equal(t0) {
		t.Fatalf("%q %+v", tr, st)
	}
	if st, tr = step(st, Down, Down, Up); tr != Agreed || st.Few || !st.Open {
		t.Fatalf("%q %+v", tr, st)
	}
	if st, tr = step(st, Up, Down, Up); tr != None || !st.Open || !st.Disputed() {
		t.Fatalf("one still sees it: %q %+v", tr, st)
	}
	if st, tr = step(st, Suspect, Up, Up); tr != None || !st.Open {
		t.Fatalf("one is in doubt: %q %+v", tr, st)
	}
	if st, tr = step(st, Up, Up, Up); tr != CameUp || st.Open || st.State != Up {
		t.Fatalf("%q %+v", tr, st)
	}
	if st, tr = step(st, Down, Down, Up); tr != WentDown || st.Episode != "v2" {
		t.Fatalf("%q %+v", tr, st)
	}
}

func TestMaintenanceHoldsAll(t *testing.T) {
	s := twoOfThree(t)
	s.Maintenance = []Window{{From: t0, To: t0.Add(time.Hour)}}
	all := []Sighting{here(Down), from("a", Down, t0), from("b", Down, t0)}
	st, tr := Standing{}.Weigh(s, all, t0)
	if tr != None || st.State != Maintenance || !st.NextAt.Equal(t0.Add(time.Hour)) {
		t.Fatalf("%q %+v", tr, st)
	}
	all[1].At, all[2].At = st.NextAt, st.NextAt
	if st, tr = st.Weigh(s, all, st.NextAt); tr != WentDown {
		t.Fatalf("still broken when it ends: %q %+v", tr, st)
	}
}

// TestI20_VantagesNeverSilence: whatever the vantage points say and however they
// fall silent, a failure that enough of the fresh ones see is open at once, one
// that any of them keeps seeing is open after Escalate at the latest, an alarm
// that is not given has its reason on the Lagebild, and an open one ends only
// when somebody fresh says so and nobody fresh contradicts.
func TestI20_VantagesNeverSilence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 4).Draw(t, "sondes")
		v := Vantage{Agree: rapid.IntRange(1, n+1).Draw(t, "agree"), Escalate: Duration(rapid.IntRange(1, 3600).Draw(t, "escalate")) * Duration(time.Second)}
		for i := range n {
			v.Sondes = append(v.Sondes, fmt.Sprint("s", i))
		}
		s := Spec{URL: "http://a.example/", Interval: Duration(time.Minute), Timeout: Duration(10 * time.Second), Confirm: 3, Vantage: v}
		seen := []Sighting{here(Up)}
		for _, name := range v.Sondes {
			seen = append(seen, Sighting{Sonde: name})
		}
		now, st := t0, Standing{}
		var since time.Time // since when some fresh vantage point has seen a failure without a break
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			// Either something is heard, or the time has come that was asked for.
			if !st.NextAt.IsZero() && rapid.Bool().Draw(t, "due") {
				now = st.NextAt
			} else {
				ahead := time.Duration(rapid.IntRange(0, 200).Draw(t, "wait")) * time.Second
				if !st.NextAt.IsZero() && now.Add(ahead).After(st.NextAt) {
					ahead = st.NextAt.Sub(now)
				}
				now = now.Add(ahead)
				i := rapid.IntRange(0, n).Draw(t, "who")
				seen[i].State = rapid.SampledFrom([]State{Up, Down, Suspect, Unknown}).Draw(t, "says")
				seen[i].Since, seen[i].At = now, now
				seen[i].Silent = i > 0 && rapid.IntRange(0, 4).Draw(t, "silent") == 0
			}
			was := st
			var tr Transition
			st, tr = st.Weigh(s, seen, now)
			failing, fresh, unsure := 0, 0, 0
			for _, x := range seen {
				if _, ok := x.Counts(s, now); ok {
					fresh++
					switch x.State {
					case Down:
						failing++
					case Suspect:
						unsure++
					}
				}
			}
			if failing == 0 {
				since = time.Time{}
			} else if since.IsZero() {
				since = now
			}
			if need := max(1, min(v.Agree, fresh)); failing >= need && fresh > 0 && !st.Open {
				t.Fatalf("%d of %d fresh see it and %d must, and nothing is open: %+v", failing, fresh, need, st)
			}
			if failing > 0 && !st.Open {
				if now.Sub(since) >= v.Escalate.D() {
					t.Fatalf("somebody has seen it for %s and nothing is open: %+v", now.Sub(since), st)
				}
				if !st.Disputed() || st.State != Suspect || st.NextAt.IsZero() || st.NextAt.After(st.FewSince.Add(v.Escalate.D())) {
					t.Fatalf("withheld without a reason that shows: %+v", st)
				}
			}
			if was.Open && !st.Open && (failing > 0 || unsure > 0 || fresh == 0) {
				t.Fatalf("ended although %d fail, %d are unsure, %d are fresh", failing, unsure, fresh)
			}
			if (tr == WentDown) != (!was.Open && st.Open) || (tr == CameUp) != (was.Open && !st.Open) {
				t.Fatalf("%q from %+v to %+v", tr, was, st)
			}
			if tr == WentDown && st.Episode == was.Episode {
				t.Fatal("an episode's name was used again")
			}
		}
	})
}

func TestVantageProblems(t *testing.T) {
	for name, v := range map[string]Vantage{
		"agree without sondes":   {Agree: 2},
		"more than there are":    {Sondes: []string{"a"}, Agree: 3},
		"twice the same":         {Sondes: []string{"a", "a"}},
		"no name":                {Sondes: []string{"A b"}},
		"escalation of no sense": {Sondes: []string{"a"}, Escalate: Duration(48 * time.Hour)},
	} {
		if _, p := (Spec{URL: "http://a.example/", Vantage: v}).Normalize(); len(p) == 0 {
			t.Errorf("%s is taken", name)
		}
	}
	secret := Spec{URL: "http://a.example/", Bearer: "x", Vantage: Vantage{Sondes: []string{"a"}}}
	if _, p := secret.Normalize(); len(p) != 1 || p[0].Key != ProblemCredentials {
		t.Errorf("credentials go out without a word: %v", p)
	}
	secret.Vantage.Credentials = true
	if s := good(t, secret); s.Vantage.Agree != 2 || s.Vantage.Escalate.D() != DefaultEscalate {
		t.Errorf("%+v", s.Vantage)
	}
	if _, p := (Spec{Kind: Heartbeat, Vantage: Vantage{Sondes: []string{"a"}}}).Normalize(); len(p) == 0 {
		t.Error("a heartbeat is looked at from elsewhere")
	}
}
