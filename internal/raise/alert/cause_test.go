package alert_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

// network is a portal and mail on a network, each with somebody of its own.
func network(w *world) {
	w.graph = []service.Service{
		{Slug: "netz", Name: "Netz", Owner: "bert@town.example"},
		{Slug: "portal", Name: "Bürgerportal", Owner: "ada@town.example", DependsOn: []string{"netz"}},
		{Slug: "mail", Name: "E-Mail", Owner: "cora@town.example", DependsOn: []string{"portal"}},
	}
	w.services = map[string]service.Service{}
	for _, s := range w.graph {
		w.services[s.Slug] = s
	}
}

func about(slug string, seq int64) signal.Signal {
	s := firing("monitor:"+slug, slug, seq)
	s.Title = slug + " antwortet nicht"
	return s
}

// The cause wakes its people; what depends on it, directly or not, is named under
// it and wakes nobody. When the cause is over and it still fires, it alarms.
func TestEffectsStandUnderTheirCause(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		network(w)
		fold(t, r, sw.Ctx, about("netz", 1), about("portal", 1), about("mail", 1))
		if got := w.to(); len(got) != 1 || !strings.HasPrefix(got[0], "bert@town.example ▲") {
			t.Fatalf("%q", got)
		}
		cause := list(t, r, sw.Ctx, alert.Filter{Service: "netz"})[0]
		under, err := r.Effects(sw.Ctx, cause.ID)
		if err != nil || len(under[cause.ID]) != 2 {
			t.Fatal(under, err)
		}
		portal := list(t, r, sw.Ctx, alert.Filter{Service: "portal"})[0]
		if by, err := r.HeldBy(sw.Ctx, portal); err != nil || by.Cause.ID != cause.ID || portal.Held != alert.Behind {
			t.Fatal(by, err)
		}
		if why, err := r.Why(sw.Ctx, portal.ID, "ada"); err != nil || why.Reason != alert.Behind || why.Woken {
			t.Fatal(why, err)
		}
		if now, _ := withheld(t, r, sw, w.now); !slices.Equal(now, []alert.Reason{alert.Behind, alert.Behind}) {
			t.Fatal(now)
		}
		// One letter to each who is responsible for cause or effect, which names both.
		w.now = w.now.Add(time.Minute)
		for range 2 {
			if _, err := alert.Bundles(r, sw.Ctx, w.now); err != nil {
				t.Fatal(err)
			}
		}
		sent := w.sent
		got := w.to()
		if len(got) != 4 { // Ada has two addresses
			t.Fatalf("%q", got)
		}
		for _, m := range sent {
			if !strings.Contains(m.Text, "netz antwortet nicht") || !strings.Contains(m.Text, "portal antwortet nicht") || !strings.Contains(m.Text, "mail antwortet nicht") {
				t.Fatalf("%s: %s", m.To, m.Text)
			}
		}
		// The network is back, the portal with it; mail is not.
		fold(t, r, sw.Ctx, resolved("monitor:netz", "netz", 2), resolved("monitor:portal", "portal", 2))
		if got := w.to(); len(got) != 4 { // who heard of it hears that it is over
			t.Fatalf("%q", got)
		}
		w.now = w.now.Add(119 * time.Second)
		if next, err := alert.Sweep(r, sw.Ctx, w.now); err != nil || len(w.sent) != 0 || !next.Equal(w.now.Add(time.Second)) {
			t.Fatal(next, w.sent, err)
		}
		w.now = w.now.Add(time.Second)
		if _, err := alert.Sweep(r, sw.Ctx, w.now); err != nil {
			t.Fatal(err)
		}
		if got := w.to(); len(got) != 1 || !strings.HasPrefix(got[0], "cora@town.example ▲") {
			t.Fatalf("%q", got)
		}
	})
}

// The effect comes first and has woken somebody: when its cause comes, its chain
// stops, and it is named under the cause. Who has taken it keeps it.
func TestEffectBeforeCause(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		network(w)
		fold(t, r, sw.Ctx, about("portal", 1), about("mail", 1))
		if got := w.to(); len(got) != 2 { // the portal to Ada; mail is its effect
			t.Fatalf("%q", got)
		}
		fold(t, r, sw.Ctx, about("netz", 1))
		sent := w.sent
		if got := w.to(); len(got) != 1 || !strings.Contains(sent[0].Text, "portal antwortet nicht") {
			t.Fatalf("%q %s", got, sent[0].Text)
		}
		cause := list(t, r, sw.Ctx, alert.Filter{Service: "netz"})[0]
		for _, slug := range []string{"portal", "mail"} {
			a := list(t, r, sw.Ctx, alert.Filter{Service: slug})[0]
			if by, err := r.HeldBy(sw.Ctx, a); err != nil || by.Cause.ID != cause.ID || !a.NextAt.IsZero() {
				t.Fatalf("%s: %+v %v", slug, a, err)
			}
		}
		w.now = w.now.Add(time.Hour)
		if _, err := alert.Bundles(r, sw.Ctx, w.now); err != nil {
			t.Fatal(err)
		}
		if _, err := alert.Sweep(r, sw.Ctx, w.now); err != nil {
			t.Fatal(err)
		}
		for _, m := range w.to() {
			if strings.HasPrefix(m, "ada@") && !strings.Contains(m, "netz") && !strings.Contains(m, "Netz") {
				t.Fatal(m)
			}
		}
		// A cause that is silenced by hand explains nothing: its effects alarm.
		if _, err := r.Silence(as(sw.Ctx, "bert", "Bert", "it"), alert.Silence{Match: alert.Match{Service: "netz"}, Until: w.now.Add(time.Hour), Reason: "Umbau"}); err != nil {
			t.Fatal(err)
		}
		if got := w.to(); len(got) != 2 || !strings.HasPrefix(got[0], "ada@") {
			t.Fatalf("%q", got)
		}
	})
}

// Services that depend on each other: one of them alarms, whichever comes first.
func TestI20_CircleAlarms(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	r, w := setup(t, sw)
	network(w)
	w.graph[0].DependsOn = []string{"mail"}
	fold(t, r, sw.Ctx, about("mail", 1), about("netz", 1), about("portal", 1))
	awake := list(t, r, sw.Ctx, alert.Filter{Current: true, Awake: true})
	if len(awake) != 1 || awake[0].Service != "mail" {
		t.Fatalf("%+v", awake)
	}
	fold(t, r, sw.Ctx, resolved("monitor:mail", "mail", 2))
	w.now = w.now.Add(2 * time.Minute)
	w.to()
	if _, err := alert.Sweep(r, sw.Ctx, w.now); err != nil {
		t.Fatal(err)
	}
	if awake = list(t, r, sw.Ctx, alert.Filter{Current: true, Awake: true}); len(awake) != 1 || len(w.sent) == 0 {
		t.Fatalf("%+v", awake)
	}
}

// TestI20 over random graphs of dependencies, circles among them, and random
// histories of signals, silences, answers and pauses: an alert that is held back
// is listed with its reason and really has one, found by looking at everything;
// and whatever is not held has been told to somebody.
func TestI20_HeldForAReason(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		slugs := []string{"a", "b", "c", "d", "e"}
		w.people = append(w.people, identity.Person{ID: "eva", Name: "Eva", Email: "eva@town.example", Roles: []identity.Role{identity.RoleIT}})
		round := 0
		rapid.Check(t, func(rt *rapid.T) {
			round++
			ctx := ident.WithTenant(sw.Ctx, ident.Tenant(fmt.Sprint("h", round)))
			it := as(ctx, "bert", "Bert Kern", "it")
			check := func(err error) {
				rt.Helper()
				if err != nil {
					rt.Fatal(err)
				}
			}
			w.graph, w.services = nil, map[string]service.Service{}
			for _, s := range slugs {
				svc := service.Service{Slug: s, Name: s, Owner: rapid.SampledFrom([]string{"", "ada@town.example", "eva@town.example"}).Draw(rt, "owner")}
				svc.DependsOn = rapid.SliceOfNDistinct(rapid.SampledFrom(slugs), 0, 2, rapid.ID[string]).Draw(rt, "on "+s)
				w.graph, w.services[s] = append(w.graph, svc), svc
			}
			var hushed []alert.Silence
			state := map[string]signal.Signal{}
			for range rapid.IntRange(1, 10).Draw(rt, "steps") {
				switch rapid.IntRange(0, 9).Draw(rt, "what") {
				case 0:
					m := alert.Match{Service: rapid.SampledFrom(slugs).Draw(rt, "silence")}
					if rapid.Bool().Draw(rt, "monitor") {
						m = alert.Match{Monitor: m.Service + "1"}
					}
					from := w.now.Add(time.Duration(rapid.IntRange(0, 2).Draw(rt, "from")) * time.Minute)
					s, err := r.Silence(it, alert.Silence{Match: m, From: from, Until: from.Add(time.Duration(rapid.IntRange(1, 6).Draw(rt, "for")) * time.Minute), Reason: "Umbau"})
					check(err)
					hushed = append(hushed, s)
				case 1:
					if len(hushed) > 0 {
						i := rapid.IntRange(0, len(hushed)-1).Draw(rt, "lift")
						if s, err := r.Unsilence(it, hushed[i].ID); err == nil {
							hushed[i] = s
						}
					}
				case 2:
					now, err := r.List(ctx, alert.Filter{Current: true})
					check(err)
					for _, a := range now {
						switch rapid.IntRange(0, 4).Draw(rt, "act") {
						case 0:
							_, err = r.Acknowledge(it, a.ID)
						case 1:
							_, err = r.Close(it, a.ID, "weg")
						case 2:
							_, err = r.Snooze(it, a.ID, 2*time.Minute)
						}
						check(err)
					}
				default:
					slug := rapid.SampledFrom(slugs).Draw(rt, "service")
					key := "monitor:" + slug + rapid.SampledFrom([]string{"1", "2"}).Draw(rt, "key")
					s := firing(key, slug, state[key].Seq+1)
					s.State = rapid.SampledFrom([]signal.State{signal.Firing, signal.Firing, signal.Resolved}).Draw(rt, "state")
					s.Severity = rapid.SampledFrom([]signal.Severity{signal.Warning, signal.Critical, signal.Critical}).Draw(rt, "severity")
					state[key] = s
					check(alert.Fold(r, ctx, s))
				}
				w.now = w.now.Add(time.Duration(rapid.IntRange(0, 90).Draw(rt, "pause")) * time.Second)
				for range 3 { // what a look finds may need another
					next, err := alert.Sweep(r, ctx, w.now)
					check(err)
					if next.IsZero() || next.After(w.now) {
						break
					}
				}
				_, err := alert.Bundles(r, ctx, w.now)
				check(err)

				// The oracle looks at everything.
				open, err := r.List(ctx, alert.Filter{Current: true})
				check(err)
				listed := map[alert.ID][]alert.Reason{}
				all, err := r.Withheld(ctx, w.now.Add(time.Hour))
				check(err)
				for _, x := range all {
					listed[x.AlertID] = append(listed[x.AlertID], x.Reason)
				}
				awake := func(a alert.Alert) bool {
					return a.Held == "" && a.Severity == signal.Critical && (a.Woken > 0 || a.State == alert.StateAcknowledged)
				}
				needs := func(from string) map[string]bool {
					out, todo := map[string]bool{}, []string{from}
					for len(todo) > 0 {
						for _, s := range w.services[todo[0]].DependsOn {
							if !out[s] && s != from {
								out[s], todo = true, append(todo, s)
							}
						}
						todo = todo[1:]
					}
					return out
				}
				for _, a := range open {
					if a.Held == "" {
						if a.State == alert.StateOpen && a.Woken == 0 && len(listed[a.ID]) == 0 {
							rt.Fatalf("%s: open, told to nobody, not listed", a.Service)
						}
						if slices.Contains(listed[a.ID], alert.Behind) && a.State == alert.StateOpen && a.Severity == signal.Critical {
							rt.Fatalf("%s is awake and listed as an effect", a.Service)
						}
						continue
					}
					if !slices.Contains(listed[a.ID], a.Held) {
						rt.Fatalf("%s is held for %s and not listed: %v", a.Service, a.Held, listed[a.ID])
					}
					by, err := r.HeldBy(ctx, a)
					check(err)
					recovering := a.Held == alert.Behind && !by.Until.IsZero() && by.Until.After(w.now)
					explained := slices.ContainsFunc(open, func(c alert.Alert) bool { return awake(c) && needs(a.Service)[c.Service] })
					for _, s := range a.Signals {
						if s.State != signal.Firing {
							continue
						}
						covered := slices.ContainsFunc(hushed, func(h alert.Silence) bool {
							return h.Active(w.now) && (h.Match.Service == a.Service || h.Match.Monitor != "" && s.Key == "monitor:"+h.Match.Monitor)
						})
						if !covered && !explained && !recovering {
							rt.Fatalf("%s of %s is held for %s without a ground", s.Key, a.Service, a.Held)
						}
					}
				}
			}
			// In the end, with no silence and no cause left, everything that fires alarms.
			w.now = w.now.Add(time.Hour)
			for range 10 {
				_, err := alert.Sweep(r, ctx, w.now)
				check(err)
				open, err := r.List(ctx, alert.Filter{Current: true})
				check(err)
				for _, a := range open {
					if awake(a) || a.Held == "" {
						for _, s := range a.Signals {
							if s.State == signal.Firing {
								x := state[s.Key]
								x.State, x.Seq = signal.Resolved, x.Seq+1
								state[s.Key] = x
								check(alert.Fold(r, ctx, x))
							}
						}
					}
				}
				w.now = w.now.Add(3 * time.Minute)
			}
			if left, err := r.List(ctx, alert.Filter{Current: true}); err != nil || len(left) > 0 {
				rt.Fatalf("%d alerts never alarmed: %+v %v", len(left), left, err)
			}
		})
	})
}

func awake(a alert.Alert) bool { return a.Held == "" }
