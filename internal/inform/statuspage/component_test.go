package statuspage

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tuermer/internal/inform/template"
	"tuermer/internal/notice/signal"
	"tuermer/internal/town/service"
)

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		name string
		in   Known
		want State
		by   Source
	}{
		{"nothing", Known{Auto: service.Checking}, Operational, ByDefault},
		{"checked by itself", Known{Auto: service.Checking, Firing: true}, Checking, ByMonitor},
		{"down by itself", Known{Auto: service.Confirmed, Firing: true}, Down, ByMonitor},
		{"never by itself", Known{Auto: service.Never, Firing: true}, Operational, ByDefault},
		{"never, but said", Known{Auto: service.Never, Firing: true, Said: Down}, Down, ByMessage},
		{"an attack is suspected", Known{Auto: service.Confirmed, Firing: true, Suspected: true}, Operational, ByDefault},
		{"suspected, and a person published", Known{Auto: service.Confirmed, Firing: true, Suspected: true, Said: Checking}, Checking, ByMessage},
		{"words are worse", Known{Auto: service.Checking, Firing: true, Said: Down}, Down, ByMessage},
		{"words are milder", Known{Auto: service.Confirmed, Firing: true, Said: Checking}, Down, ByMonitor},
		{"slow, and the page may speak", Known{Auto: service.Confirmed, Limited: true}, Degraded, ByMonitor},
		{"slow, and a person decides", Known{Auto: service.Checking, Limited: true}, Operational, ByDefault},
		{"behind something that is down", Known{Auto: service.Checking, Unclear: true}, Checking, ByMonitor},
		{"slow and down", Known{Auto: service.Confirmed, Limited: true, Firing: true}, Down, ByMonitor},
		{"slow, an attack is suspected", Known{Auto: service.Confirmed, Limited: true, Unclear: true, Suspected: true}, Operational, ByDefault},
		{"never by itself, slow", Known{Auto: service.Never, Limited: true, Unclear: true}, Operational, ByDefault},
		{"held", Known{Auto: service.Confirmed, Firing: true, Said: Down, Held: Maintenance}, Maintenance, ByHand},
		{"held as working", Known{Auto: service.Confirmed, Firing: true, Held: Operational}, Operational, ByHand},
		{"a hold that is none", Known{Auto: service.Confirmed, Firing: true, Held: "broken"}, Down, ByMonitor},
	} {
		if got, by := Decide(c.in); got != c.want || by != c.by {
			t.Errorf("%s: %s by %s, want %s by %s", c.name, got, by, c.want, c.by)
		}
	}
}

// TestDecideProperties: a hand always wins, nothing is invented, and more
// trouble never looks better.
func TestDecideProperties(t *testing.T) {
	state := rapid.SampledFrom(append(States(), ""))
	known := rapid.Custom(func(t *rapid.T) Known {
		return Known{
			Auto:      rapid.SampledFrom([]service.AutoPublic{service.Never, service.Checking, service.Confirmed}).Draw(t, "auto"),
			Suspected: rapid.Bool().Draw(t, "suspected"), Firing: rapid.Bool().Draw(t, "firing"),
			Said: state.Draw(t, "said"), Held: state.Draw(t, "held"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		k := known.Draw(t, "known")
		got, by := Decide(k)
		if k.Held != "" && (got != k.Held || by != ByHand) {
			t.Fatalf("%+v: %s by %s", k, got, by)
		}
		if k.Held == "" && k.Said == "" && !k.Firing && got != Operational {
			t.Fatalf("%+v: %s out of nothing", k, got)
		}
		if (got == Operational && by != ByHand) != (by == ByDefault) {
			t.Fatalf("%+v: %s by %s", k, got, by)
		}
		quiet := k
		quiet.Firing = false
		if calm, _ := Decide(quiet); calm.WorseThan(got) {
			t.Fatalf("%+v: %s, but %s when it stops firing", k, got, calm)
		}
		suspect := k
		suspect.Suspected, suspect.Firing = true, true
		still := suspect
		still.Firing = false
		a, _ := Decide(suspect)
		if b, _ := Decide(still); a != b {
			t.Fatalf("%+v: monitors moved the page although an attack is suspected", k)
		}
	})
}

func TestCounts(t *testing.T) {
	down := signal.Trouble{Source: signal.Monitor, Service: "portal", Severity: signal.Critical}
	if !Counts(down) {
		t.Error("a confirmed failure does not count")
	}
	for name, change := range map[string]func(*signal.Trouble){
		"a warning":    func(s *signal.Trouble) { s.Severity = signal.Warning },
		"by a citizen": func(s *signal.Trouble) { s.Source = signal.Citizen },
		"in a post":    func(s *signal.Trouble) { s.Source = signal.Listen },
		"of nothing":   func(s *signal.Trouble) { s.Service = "" },
	} {
		s := down
		if change(&s); Counts(s) {
			t.Errorf("%s counts", name)
		}
	}
}

// I20: what is not about a service's state leaves it as it was. After "it is
// down" nothing but words that say so make it well again.
func TestI20_OtherWordsHealNothing(t *testing.T) {
	over := []template.Kind{template.Recovery, template.AllClear, template.Closing, template.Report, template.MaintenanceEnded}
	for _, k := range template.Kinds() {
		s := story{Messages: []message{{ID: "2", Kind: k}, {ID: "1", Kind: template.First}}}
		want := Down
		switch {
		case slices.Contains(over, k):
			want = Operational
		case k == template.Holding:
			want = Checking
		case k == template.MaintenanceStarted:
			want = Maintenance
		}
		if got := s.says(); got != want {
			t.Errorf("down, then %s: %s, want %s", k, got, want)
		}
	}
	if got := (story{Messages: []message{{ID: "1", Kind: template.MaintenanceAnnounced}}}).says(); got != Operational {
		t.Errorf("maintenance announced for later: %s", got)
	}
}
