package alert_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
	"tuermer/internal/town/vault"
)

func chained() []store.Migrations { return append(rooms(), chain.Migrations()) }

// catalogueOf is the world's services as a room of chains wants them.
type catalogueOf struct{ *world }

func (c catalogueOf) List(context.Context) ([]service.Service, error) { return c.graph, nil }

// withChain is a room with the real escalation chains. again makes it anew on the
// same data, as a restart does.
func withChain(t *testing.T, sw *storetest.World) (r *alert.Room, w *world, again func() *alert.Room) {
	t.Helper()
	_, w = setup(t, sw)
	w.people = []identity.Person{
		{ID: "ada", Name: "Ada", Email: "ada@town.example", Mobile: "+491", Language: "de", Roles: []identity.Role{identity.RolePublisher}},
		{ID: "bert", Name: "Bert", Email: "bert@town.example", Mobile: "+492", Language: "de", Roles: []identity.Role{identity.RolePublisher}},
		{ID: "cem", Name: "Cem", Email: "cem@town.example", Language: "de", Roles: []identity.Role{identity.RolePublisher}},
		{ID: "dora", Name: "Dora", Email: "dora@town.example", Mobile: "+494", Language: "de", Roles: []identity.Role{identity.RoleIT}},
	}
	svc := w.services["portal"]
	svc.Owner = ""
	w.services["portal"] = svc
	v, err := vault.New(make([]byte, vault.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	again = func() *alert.Room {
		chains := chain.New(chain.Options{
			Store: sw.Store, Clock: w, Audit: w, People: w, Services: catalogueOf{w}, Carries: func(context.Context, channel.Kind) bool { return true },
		})
		w.chains = chains
		return alert.New(alert.Options{
			Store: sw.Store, Clock: w, Hints: sw.Hints, Audit: w, Town: w, People: w, Services: w, Sender: w, Signer: v, Chain: chains,
			Catalogue: func(context.Context) ([]service.Service, error) { return w.graph, nil },
		})
	}
	r = again()
	declare(t, sw.Ctx, w, chain.Chain{Slug: "edv", Name: "EDV", Services: []string{"portal"}, Steps: []chain.Step{
		{Notify: []chain.Who{"person:ada@town.example"}, By: []chain.Way{chain.SMS}, Wait: 5 * time.Minute},
		{Notify: []chain.Who{"person:bert@town.example"}, By: []chain.Way{chain.Voice, chain.SMS}, Wait: 10 * time.Minute},
		{Notify: []chain.Who{"person:cem@town.example"}, By: []chain.Way{chain.Mail}, Wait: 5 * time.Minute},
	}})
	return r, w, again
}

// failing is a test, or one try of a property test.
type failing interface {
	Helper()
	Fatal(args ...any)
}

func declare(t failing, ctx context.Context, w *world, c chain.Chain) {
	t.Helper()
	if err := w.chains.Declare(ctx, []chain.Chain{c}); err != nil {
		t.Fatal(err)
	}
}

// calls are who was alarmed by which way since the last call: "+491 sms".
func (w *world) calls() []string {
	out := []string{}
	for _, m := range w.sent {
		out = append(out, m.To+" "+string(m.Kind))
	}
	w.sent = nil
	return out
}

func (w *world) pass(t *testing.T, r *alert.Room, ctx context.Context, d time.Duration) {
	t.Helper()
	for end := w.now.Add(d); ; {
		next, err := alert.Sweep(r, ctx, w.now)
		if err != nil {
			t.Fatal(err)
		}
		if next.IsZero() || next.After(end) {
			w.now = end
			return
		}
		w.now = next
	}
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// Each step at its time, once, whatever is restarted between; an answer ends it.
func TestStepsAtTheirTime(t *testing.T) {
	storetest.Each(t, chained(), func(t *testing.T, sw *storetest.World) {
		r, w, again := withChain(t, sw)
		ctx := sw.Ctx
		fold(t, r, ctx, firing("monitor:portal", "portal", 1))
		same(t, w.calls(), "+491 sms")
		id := list(t, r, ctx, alert.Filter{})[0].ID
		received(t, r, ctx, w, id, "ada")
		r = again()
		w.pass(t, r, ctx, 5*time.Minute-time.Millisecond)
		same(t, w.calls())
		r = again()
		w.pass(t, r, ctx, time.Millisecond)
		w.pass(t, again(), ctx, 0) // two nodes look
		same(t, w.calls(), "+492 voice")
		// The call is not reported as taken: the text message follows after two minutes.
		r = again()
		w.pass(t, r, ctx, 2*time.Minute)
		same(t, w.calls(), "+492 sms")
		received(t, r, ctx, w, id, "bert")
		w.pass(t, r, ctx, 8*time.Minute)
		same(t, w.calls(), "cem@town.example mail")
		if _, err := r.Acknowledge(as(ctx, "cem", "Cem", "publisher"), id); err != nil {
			t.Fatal(err)
		}
		for _, c := range w.calls() { // who was called hears who has it, but nobody is called for that
			if strings.HasSuffix(c, "voice") || strings.HasPrefix(c, "cem@") {
				t.Fatal(c)
			}
		}
		w.pass(t, again(), ctx, 24*time.Hour)
		same(t, w.calls())
	})
}

// Who was told on a step by one way of theirs and is responsible otherwise too gets the
// alarm once more after the chain, by every way; who has declined does not, and the
// next of the chain come in their place.
func TestI20_AfterTheChainTheNearestComeAgain(t *testing.T) {
	storetest.Each(t, chained(), func(t *testing.T, sw *storetest.World) {
		r, w, again := withChain(t, sw)
		declare(t, sw.Ctx, w, chain.Chain{Slug: "edv", Name: "EDV", Services: []string{"portal"}, Steps: []chain.Step{
			{Notify: []chain.Who{"person:dora@town.example"}, By: []chain.Way{chain.SMS}, Wait: 5 * time.Minute},
			{Notify: []chain.Who{"person:ada@town.example"}, By: []chain.Way{chain.SMS}, Wait: 5 * time.Minute},
		}})
		begin := func(episode int64) alert.ID {
			t.Helper()
			fold(t, r, sw.Ctx, firing("monitor:portal", "portal", episode))
			id := list(t, r, sw.Ctx, alert.Filter{})[0].ID
			same(t, w.calls(), "+494 sms")
			received(t, r, sw.Ctx, w, id, "dora")
			r = again()
			w.pass(t, r, sw.Ctx, 5*time.Minute)
			same(t, w.calls(), "+491 sms")
			received(t, r, sw.Ctx, w, id, "ada")
			return id
		}
		begin(1)
		w.pass(t, again(), sw.Ctx, 5*time.Minute)
		same(t, w.calls(), "dora@town.example mail")
		w.pass(t, again(), sw.Ctx, time.Hour) // no receipt came: her other ways
		same(t, w.calls(), "+494 sms", "+494 voice")
		fold(t, r, sw.Ctx, resolved("monitor:portal", "portal", 2))
		w.calls()

		id := begin(3)
		if _, err := r.Decline(as(sw.Ctx, "dora", "Dora", "it"), id); err != nil {
			t.Fatal(err)
		}
		w.pass(t, again(), sw.Ctx, 5*time.Minute)
		same(t, w.calls(), "ada@town.example mail")
	})
}

// received reports the last message to a person as arrived.
func received(t *testing.T, r *alert.Room, ctx context.Context, w *world, id alert.ID, person string) {
	t.Helper()
	all, err := r.Notified(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	last := ""
	for _, n := range all {
		if n.PersonID == person {
			last = n.MessageID
		}
	}
	if err := alert.Receive(r, ctx, w.now, channel.ReceivedEvent{ID: last, Arrival: channel.Arrived, Route: "gateway"}); err != nil {
		t.Fatal(err)
	}
}

// Everyone of a step must confirm: after the first one the alert is taken, and the
// chain goes on for those who have not, until they have.
func TestEveryoneConfirms(t *testing.T) {
	storetest.Each(t, chained(), func(t *testing.T, sw *storetest.World) {
		r, w, again := withChain(t, sw)
		declare(t, sw.Ctx, w, chain.Chain{Slug: "edv", Name: "EDV", Services: []string{"portal"}, Steps: []chain.Step{
			{Notify: []chain.Who{"person:ada@town.example", "person:bert@town.example"}, By: []chain.Way{chain.SMS}, Wait: 5 * time.Minute, Repeat: 1, Everyone: true},
			{Notify: []chain.Who{"person:cem@town.example"}, By: []chain.Way{chain.Mail}, Wait: 5 * time.Minute},
		}})
		fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1))
		same(t, w.calls(), "+491 sms", "+492 sms")
		id := list(t, r, sw.Ctx, alert.Filter{})[0].ID
		received(t, r, sw.Ctx, w, id, "bert")
		if _, err := r.Acknowledge(as(sw.Ctx, "ada", "Ada", "publisher"), id); err != nil {
			t.Fatal(err)
		}
		w.calls()
		r = again()
		w.pass(t, r, sw.Ctx, 5*time.Minute)
		same(t, w.calls(), "+492 sms") // again, and Ada is left alone
		received(t, r, sw.Ctx, w, id, "bert")
		if _, err := r.Acknowledge(as(sw.Ctx, "bert", "Bert", "publisher"), id); err != nil {
			t.Fatal(err)
		}
		w.calls()
		w.pass(t, again(), sw.Ctx, time.Hour)
		same(t, w.calls())
		if a, _ := r.Get(sw.Ctx, id); a.AcknowledgedName != "Ada" || !a.NextAt.IsZero() {
			t.Fatalf("%+v", a)
		}
	})
}

// A warning that somebody has taken and that gets worse is open again and climbs
// the chain from its beginning.
func TestWorseClimbsTheChain(t *testing.T) {
	storetest.Each(t, chained(), func(t *testing.T, sw *storetest.World) {
		r, w, _ := withChain(t, sw)
		s := firing("monitor:portal", "portal", 1)
		s.Severity = signal.Warning
		fold(t, r, sw.Ctx, s)
		id := list(t, r, sw.Ctx, alert.Filter{})[0].ID
		if _, err := r.Acknowledge(as(sw.Ctx, "ada", "Ada", "publisher"), id); err != nil {
			t.Fatal(err)
		}
		w.calls()
		fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 2))
		same(t, w.calls(), "+491 sms")
		if a, _ := r.Get(sw.Ctx, id); a.State != alert.StateOpen || !a.NextAt.Equal(w.now.Add(5*time.Minute)) {
			t.Fatalf("%+v", a)
		}
	})
}

// Who declines lets the next step begin at once; who is handed the alert is woken
// at once, and the step after follows when they do not answer.
func TestDeclinedAndHandedOn(t *testing.T) {
	storetest.Each(t, chained(), func(t *testing.T, sw *storetest.World) {
		r, w, again := withChain(t, sw)
		fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1))
		id := list(t, r, sw.Ctx, alert.Filter{})[0].ID
		w.calls()
		if _, err := r.Decline(as(sw.Ctx, "ada", "Ada", "publisher"), id); err != nil {
			t.Fatal(err)
		}
		r = again()
		w.pass(t, r, sw.Ctx, 0)
		same(t, w.calls(), "+492 voice")
		if _, err := r.HandOn(as(sw.Ctx, "bert", "Bert", "publisher"), id, "dora"); err != nil {
			t.Fatal(err)
		}
		same(t, w.calls(), "dora@town.example mail") // her own ways: nobody ordered them
		if err := alert.Settle(r, sw.Ctx, w.now, channel.SettledEvent{ID: lastTo(t, r, sw.Ctx, id, "dora"), State: channel.Accepted}); err != nil {
			t.Fatal(err)
		}
		r = again()
		w.pass(t, r, sw.Ctx, 10*time.Minute-time.Millisecond)
		same(t, w.calls())
		w.pass(t, again(), sw.Ctx, time.Millisecond)
		same(t, w.calls(), "cem@town.example mail")
	})
}

func lastTo(t *testing.T, r *alert.Room, ctx context.Context, id alert.ID, person string) (last string) {
	t.Helper()
	all, err := r.Notified(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range all {
		if n.PersonID == person {
			last = n.MessageID
		}
	}
	return last
}

// TestI20 over random chains, answers, receipts, restarts and pauses: nothing that
// is open and waits is ever overdue or without somebody to come, no step comes
// before its time, none twice, and after an answer nobody is woken. TestI10: the
// alarm class knows no cap, so everybody on a step that begins is tried.
func TestI20_ChainsClimb(t *testing.T) { chainsClimb(t) }

// TestI10_AlarmsKnowNoCap: many alarms within the hour reach the same person.
func TestI10_AlarmsKnowNoCap(t *testing.T) {
	storetest.Each(t, chained(), func(t *testing.T, sw *storetest.World) {
		r, w, _ := withChain(t, sw)
		for i := range 20 {
			fold(t, r, sw.Ctx, firing("monitor:portal", "portal", int64(2*i+1)))
			if got := w.calls(); len(got) != 1 || got[0] != "+491 sms" {
				t.Fatalf("alarm %d: %q", i, got)
			}
			fold(t, r, sw.Ctx, resolved("monitor:portal", "portal", int64(2*i+2)))
			w.calls()
			w.now = w.now.Add(time.Minute)
		}
	})
}

// TestI13_UnconfirmedStillGetsAlarms: an address that nobody has confirmed is
// shown red elsewhere, and gets its alarm.
func TestI13_UnconfirmedStillGetsAlarms(t *testing.T) {
	storetest.Each(t, chained(), func(t *testing.T, sw *storetest.World) {
		r, w, _ := withChain(t, sw)
		rapid.Check(t, func(rt *rapid.T) {
			w.people[0].Alternative = rapid.SampledFrom([]string{"", "ada@posteo.example"}).Draw(rt, "alternative")
			w.people[0].AlternativeVerified = time.Time{}
			w.people[0].Findings = []identity.Finding{{}}
			fold(t, r, sw.Ctx, resolved("monitor:portal", "portal", w.seq+1))
			w.calls()
			declare(rt, sw.Ctx, w, chain.Chain{Slug: "edv", Name: "EDV", Services: []string{"portal"}, Steps: []chain.Step{
				{Notify: []chain.Who{"person:ada@town.example"}, By: []chain.Way{chain.Alternative}, Wait: time.Minute},
			}})
			w.seq += 2
			fold(t, r, sw.Ctx, firing("monitor:portal", "portal", w.seq))
			want := "ada@town.example mail"
			if w.people[0].Alternative != "" {
				want = "ada@posteo.example mail"
			}
			if got := w.calls(); len(got) != 1 || got[0] != want {
				rt.Fatalf("%q, not %s", got, want)
			}
		})
	})
}

func chainsClimb(t *testing.T) {
	storetest.Each(t, chained(), func(t *testing.T, sw *storetest.World) {
		r, w, again := withChain(t, sw)
		round := 0
		names := []string{"ada", "bert", "cem"}
		rapid.Check(t, func(rt *rapid.T) {
			round++
			w.now, w.sent, w.refuse = noon, nil, rapid.SampledFrom([]string{"", "", "+491", "bert@town.example"}).Draw(rt, "refused")
			ctx := ident.WithTenant(sw.Ctx, ident.Tenant(fmt.Sprint("c", round)))
			check := func(err error) {
				rt.Helper()
				if err != nil {
					rt.Fatal(err)
				}
			}
			var steps []chain.Step
			for i := range rapid.IntRange(1, 4).Draw(rt, "steps") {
				var who []chain.Who
				for _, n := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 3, rapid.ID[string]).Draw(rt, fmt.Sprint("who", i)) {
					who = append(who, chain.Who("person:"+n+"@town.example"))
				}
				steps = append(steps, chain.Step{
					Notify: who, Wait: time.Duration(rapid.IntRange(1, 9).Draw(rt, "wait")) * time.Minute, Repeat: rapid.IntRange(0, 2).Draw(rt, "repeat"),
					By:       rapid.SliceOfNDistinct(rapid.SampledFrom([]chain.Way{chain.Mail, chain.SMS, chain.Voice}), 0, 3, rapid.ID[chain.Way]).Draw(rt, "by"),
					Everyone: rapid.Bool().Draw(rt, "everyone"),
				})
			}
			declare(rt, ctx, w, chain.Chain{Slug: "edv", Name: "EDV", Services: []string{"portal"}, Steps: steps})
			check(alert.Fold(r, ctx, firing("monitor:portal", "portal", 1)))
			all, err := r.List(ctx, alert.Filter{})
			check(err)
			id := all[0].ID
			said := map[string]bool{} // by person: they answered for good
			over, taken := false, false
			for range rapid.IntRange(3, 14).Draw(rt, "acts") {
				before := len(w.sent)
				switch rapid.IntRange(0, 6).Draw(rt, "act") {
				case 0:
					if len(w.sent) > 0 {
						m := w.sent[rapid.IntRange(0, len(w.sent)-1).Draw(rt, "receipt")]
						state := rapid.SampledFrom([]channel.State{channel.Accepted, channel.Failed}).Draw(rt, "state")
						check(alert.Settle(r, ctx, w.now, channel.SettledEvent{ID: m.ID, State: state}))
					}
				case 1:
					if len(w.sent) > 0 {
						m := w.sent[rapid.IntRange(0, len(w.sent)-1).Draw(rt, "arrival")]
						check(alert.Receive(r, ctx, w.now, channel.ReceivedEvent{ID: m.ID, Arrival: rapid.SampledFrom([]channel.Arrival{channel.Arrived, channel.Lost}).Draw(rt, "how")}))
					}
				case 2:
					if rapid.IntRange(0, 3).Draw(rt, "really") == 0 {
						who := rapid.SampledFrom(names).Draw(rt, "by")
						got, err := r.Acknowledge(as(ctx, who, who, "publisher"), id)
						check(err)
						taken = true
						if got.AcknowledgedBy == who { // else somebody else has it, and may give it back
							said[who] = true
						}
					}
				case 3:
					who := rapid.SampledFrom(names).Draw(rt, "declines")
					if _, err := r.Decline(as(ctx, who, who, "publisher"), id); err == nil {
						said[who] = true
					}
				case 4:
					r = again()
				default:
					w.now = w.now.Add(time.Duration(rapid.IntRange(0, 400).Draw(rt, "pause")) * time.Second)
				}
				for range 40 { // a step that reaches nobody begins the next at once
					next, err := alert.Sweep(r, ctx, w.now)
					check(err)
					if next.IsZero() || next.After(w.now) {
						break
					}
				}
				a, err := r.Get(ctx, id)
				check(err)
				if !a.NextAt.IsZero() && !a.NextAt.After(w.now) {
					rt.Fatalf("at %s a step is overdue since %s", w.now, a.NextAt)
				}
				for _, m := range w.sent[before:] {
					i := slices.IndexFunc(w.people, func(p identity.Person) bool { return p.Email == m.To || p.Mobile == m.To })
					if strings.Contains(m.Subject, "gestört") && said[string(w.people[i].ID)] && over {
						rt.Fatalf("%s was woken after the answer", m.To)
					}
				}
				over = a.State != alert.StateOpen
			}
			// However it went: left alone, everything ends with everybody asked or an answer.
			for range 200 {
				next, err := alert.Sweep(r, ctx, w.now)
				check(err)
				if next.IsZero() {
					break
				}
				if next.After(w.now) {
					w.now = next
				}
			}
			a, err := r.Get(ctx, id)
			check(err)
			course, err := r.Course(ctx, id, alert.CourseFilter{})
			check(err)
			begun := map[string]int{}
			for _, c := range course {
				if c.What == alert.StepBegun {
					begun[c.Word]++
				}
			}
			for step, n := range begun {
				if n > 1 {
					rt.Fatalf("step %s began %d times: %+v", step, n, course)
				}
			}
			if a.State == alert.StateOpen {
				asked := slices.ContainsFunc(w.sent, func(m channel.Message) bool { return strings.HasPrefix(m.To, "dora@") || m.To == "+494" })
				// Who takes it ends the chain; given back, it goes to those next in line.
				if !taken && len(begun) != len(steps) || !asked {
					rt.Fatalf("open, %d of %d steps begun, and those responsible otherwise asked: %v", len(begun), len(steps), asked)
				}
			}
		})
	})
}
