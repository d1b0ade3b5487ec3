package editorial_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/coordinate/staff"
	"tuermer/internal/inform/editorial"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
)

// clockwork is a clock that the test moves.
type clockwork struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clockwork) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clockwork) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// network is the channel that posts go to.
type network struct {
	clock *clockwork
	mu    sync.Mutex
	got   []channel.Message
	fail  error
}

func (n *network) Deliver(_ context.Context, realm channel.Realm, kind channel.Kind, ms []channel.Message) []channel.Outcome {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]channel.Outcome, len(ms))
	for i, m := range ms {
		if realm != channel.Live || kind != channel.Post {
			out[i].Err = &channel.Failure{Permanent: true, Reason: "config"}
			continue
		}
		if out[i].Err = n.fail; n.fail == nil {
			n.got = append(n.got, m)
			out[i].Receipt.Reference = "net-" + m.ID
		}
	}
	return out
}

func (n *network) Ways(context.Context) []channel.WayState {
	return []channel.WayState{{Kind: channel.Post, Realm: channel.Live, Name: "probekanal"}, {Kind: channel.Mail, Realm: channel.Live, Name: "primary"}}
}

func (n *network) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.got)
}

// town is what the incident room asks.
type town struct{}

func (town) Get(context.Context, alert.ID) (alert.Alert, error) {
	return alert.Alert{}, alert.ErrNotFound
}
func (town) List(context.Context, alert.Filter) ([]alert.Alert, error) { return nil, nil }
func (town) Link(context.Context, alert.ID, string) error              { return nil }
func (town) Relink(context.Context, alert.ID, string) error            { return nil }
func (town) Current(context.Context) (identity.Tenant, error) {
	return identity.Tenant{Language: "de", Zone: "Europe/Berlin"}, nil
}

// said is the later room that knows what was said: here, everything.
type said struct{}

func (said) MayRestore(context.Context, incident.ID) error { return nil }
func (said) MayClose(context.Context, incident.ID) error   { return nil }

type services struct{}

func (services) Get(context.Context, string) (service.Service, error) {
	return service.Service{}, fault.New(fault.NotFound, "service.not_found")
}

// rig is the room with the real incident and audit rooms under it.
type rig struct {
	*editorial.Room
	incident *incident.Room
	net      *network
	clock    *clockwork
	ctx      context.Context
	speak    []staff.Speaker
}

// Speakers is the room of the crisis staff.
func (g *rig) Speakers(context.Context, incident.ID) ([]staff.Speaker, error) {
	return slices.Clone(g.speak), nil
}

func (g *rig) locale(t testing.TB) func(context.Context) i18n.Locale {
	t.Helper()
	catalog, err := i18n.NewCatalog(editorial.Texts(), plan.Texts())
	if err != nil {
		t.Fatal(err)
	}
	return func(context.Context) i18n.Locale { return i18n.Locale{Catalog: catalog, Lang: i18n.DE, Zone: time.UTC} }
}

func newRig(t testing.TB, w *storetest.World) *rig {
	t.Helper()
	c := &clockwork{now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	g := &rig{clock: c, net: &network{clock: c}, ctx: w.Ctx}
	a := audit.New(audit.Options{Store: w.Store, Clock: c})
	g.incident = incident.New(incident.Options{Store: w.Store, Clock: c, Audit: a, Alerts: town{}, Services: services{}, Town: town{}})
	g.Room = editorial.New(editorial.Options{Store: w.Store, Clock: c, Audit: a, Incidents: g.incident, Ways: g.net, Sole: true, Staff: g, Locale: g.locale(t)})
	g.incident.SetCrisisHook(g.Room)
	g.incident.SetGate(said{})
	if err := w.Jobs.Open(false); err != nil {
		t.Fatal(err)
	}
	return g
}

func rooms() []store.Migrations {
	return []store.Migrations{audit.Migrations(), incident.Migrations(), editorial.Migrations()}
}

func (g *rig) as(name string, roles ...string) context.Context {
	return ident.WithActor(g.ctx, ident.Actor{Kind: ident.KindPerson, Person: name, Name: name, Roles: roles})
}

func (g *rig) paula() context.Context { return g.as("paula", "publisher") }
func (g *rig) anton() context.Context { return g.as("anton", "approver") }

// planned is an approved post that is due after d.
func (g *rig) planned(t testing.TB, text string, d time.Duration) editorial.ID {
	t.Helper()
	p, err := g.Create(g.paula(), editorial.Post{Text: text, Due: g.clock.Now().Add(d)})
	if err == nil {
		p, err = g.Submit(g.paula(), p.ID)
	}
	if err == nil {
		p, err = g.Approve(g.anton(), p.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p.ID
}

func (g *rig) crisis(t testing.TB) incident.ID {
	t.Helper()
	i, err := g.incident.Open(g.anton(), incident.OpenRequest{Title: "Schadsoftware", Confirmed: true})
	if err == nil {
		err = g.incident.SetLevel(g.anton(), i.ID, incident.Crisis)
	}
	if err != nil {
		t.Fatal(err)
	}
	return i.ID
}

func (g *rig) sweep(t testing.TB) {
	t.Helper()
	if _, err := g.SendDue(g.ctx, g.clock.Now()); err != nil {
		t.Fatal(err)
	}
}

func (g *rig) state(t testing.TB, id editorial.ID) editorial.Post {
	t.Helper()
	p, err := g.Get(g.ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A post goes out at its time and not before, after somebody else has approved
// it; nobody approves their own.
func TestLife(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		both := g.as("paula", "publisher", "approver")
		p, err := g.Create(both, editorial.Post{Text: " Der Wochenmarkt öffnet um 8 Uhr. ", Due: g.clock.Now().Add(time.Hour)})
		if err != nil || p.State != editorial.Draft || p.Account != "probekanal" || p.Text != "Der Wochenmarkt öffnet um 8 Uhr." {
			t.Fatalf("%+v, %v", p, err)
		}
		if _, err := g.Approve(both, p.ID); !errors.Is(err, editorial.ErrSelf) {
			t.Errorf("approved her own post: %v", err)
		}
		if _, err := g.Approve(g.paula(), p.ID); !errors.Is(err, editorial.ErrForbidden) {
			t.Errorf("a publisher approved: %v", err)
		}
		if _, err := g.Create(g.as("rita", "reader"), editorial.Post{Text: "x"}); !errors.Is(err, editorial.ErrForbidden) {
			t.Errorf("a reader wrote: %v", err)
		}
		if p, err = g.Approve(g.anton(), p.ID); err != nil || p.State != editorial.Scheduled {
			t.Fatalf("%+v, %v", p, err)
		}
		if _, err := g.Change(g.paula(), p.ID, "anders", "", false, time.Time{}); !errors.Is(err, editorial.ErrState) {
			t.Errorf("an approved text was changed: %v", err)
		}
		g.clock.pass(time.Hour - time.Second)
		g.sweep(t)
		if g.net.count() != 0 {
			t.Fatal("it went out early")
		}
		g.clock.pass(time.Second)
		g.sweep(t)
		if got := g.state(t, p.ID); got.State != editorial.Published || g.net.count() != 1 || got.Reference == "" || !got.PublishedAt.Equal(g.clock.Now()) {
			t.Fatalf("%+v, %d sent", got, g.net.count())
		}
		g.sweep(t)
		if g.net.count() != 1 {
			t.Error("it went out twice")
		}
		if _, err := g.Discard(g.paula(), p.ID, ""); !errors.Is(err, editorial.ErrState) {
			t.Errorf("a published post was discarded: %v", err)
		}
	})
}

// A channel that is down is tried again; one that refuses for good is not.
func TestRetry(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		id := g.planned(t, "Die Bücherei hat neue Öffnungszeiten.", 0)
		g.net.fail = &channel.Failure{Reason: "connect", RouteDown: true}
		g.sweep(t)
		if p := g.state(t, id); p.State != editorial.Scheduled || p.Attempts != 1 || p.Reason != "connect" {
			t.Fatalf("%+v", p)
		}
		g.net.fail = nil
		g.clock.pass(10 * time.Second)
		g.sweep(t)
		if p := g.state(t, id); p.State != editorial.Published || p.Reason != "" {
			t.Fatalf("%+v", p)
		}
		id = g.planned(t, "Noch einer.", 0)
		g.net.fail = &channel.Failure{Reason: "rejected", Permanent: true}
		g.sweep(t)
		if p := g.state(t, id); p.State != editorial.Failed || p.Reason != "rejected" {
			t.Fatalf("%+v", p)
		}
	})
}

// What was being sent when the program died goes again after the start, unless
// a crisis has begun meanwhile.
func TestTakenUp(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		one, two := g.planned(t, "eins", 0), g.planned(t, "zwei", 0)
		g.net.fail = errors.New("the machine is switched off here")
		if err := g.Take(g.ctx, one); err != nil {
			t.Fatal(err)
		}
		g.net.fail = nil
		if err := g.TakeUp(g.ctx); err != nil {
			t.Fatal(err)
		}
		if p := g.state(t, one); p.State != editorial.Scheduled {
			t.Fatalf("%+v", p)
		}
		if err := g.Take(g.ctx, two); err != nil {
			t.Fatal(err)
		}
		g.crisis(t)
		if p := g.state(t, one); p.State != editorial.Held {
			t.Fatalf("%+v", p)
		}
		if err := g.TakeUp(g.ctx); err != nil {
			t.Fatal(err)
		}
		if p := g.state(t, two); p.State != editorial.Held {
			t.Fatalf("what a dead sender left went past the crisis: %+v", p)
		}
		g.clock.pass(time.Hour)
		g.sweep(t)
		if g.net.count() != 0 {
			t.Fatal("a held post went out")
		}
	})
}

// While a crisis lasts each post takes a release of its own, by somebody who
// did not write it, and with a reason when it is light-hearted. After the
// crisis nothing goes by itself either.
func TestRelease(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		plain := g.planned(t, "Das Freibad schließt morgen.", time.Minute)
		joke := g.planned(t, "Haha, Montag! 😂", time.Minute)
		in := g.crisis(t)
		late := g.planned(t, "Neues aus dem Rathaus.", time.Minute)
		for _, id := range []editorial.ID{plain, joke, late} {
			if p := g.state(t, id); p.State != editorial.Held || p.HeldFor != in {
				t.Fatalf("%+v", p)
			}
		}
		if _, err := g.Release(g.as("paula", "publisher", "approver"), plain, "", time.Time{}); !errors.Is(err, editorial.ErrSelf) {
			t.Errorf("the author released it: %v", err)
		}
		if _, err := g.Release(g.anton(), plain, "", time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Release(g.anton(), joke, " ", time.Time{}); !errors.Is(err, editorial.ErrTone) {
			t.Errorf("a joke was released without a reason: %v", err)
		}
		g.sweep(t)
		if g.net.count() != 1 || g.state(t, plain).State != editorial.Published {
			t.Fatalf("%d went out", g.net.count())
		}
		if err := g.incident.SetLevel(g.anton(), in, incident.Emergency); err != nil {
			t.Fatal(err)
		}
		g.clock.pass(time.Hour)
		g.sweep(t)
		if g.net.count() != 1 {
			t.Fatal("a held post went out after the crisis")
		}
		if _, err := g.Release(g.anton(), joke, "", time.Time{}); err != nil {
			t.Errorf("after the crisis no reason is needed: %v", err)
		}
		if _, err := g.Discard(g.paula(), late, "überholt"); err != nil {
			t.Fatal(err)
		}
		g.sweep(t)
		if g.net.count() != 2 {
			t.Fatalf("%d went out", g.net.count())
		}
	})
}

// In a crisis whoever holds press and media in its staff lets posts go; with
// nobody there, approvers and admins do, and the journal names who did (R3.11).
func TestStaffLetsGo(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		one, two, own := g.planned(t, "Eins.", time.Minute), g.planned(t, "Zwei.", time.Minute), g.planned(t, "Drei.", time.Minute)
		in := g.crisis(t)
		g.speak = []staff.Speaker{{Person: "petra", Name: "petra", Function: plan.S5}}
		if _, err := g.Release(g.anton(), one, "", time.Time{}); !errors.Is(err, editorial.ErrStaffSpeaks) {
			t.Errorf("an approver let it go past S5: %v", err)
		}
		if _, err := g.Release(g.as("otto", "publisher"), one, "", time.Time{}); !errors.Is(err, editorial.ErrForbidden) {
			t.Errorf("a publisher let it go: %v", err)
		}
		if _, err := g.Release(g.as("petra", "publisher"), one, "", time.Time{}); err != nil {
			t.Fatal(err)
		}
		// The author is S5: the others let it go.
		g.speak = []staff.Speaker{{Person: "paula", Name: "paula", Function: plan.S5}}
		if _, err := g.Release(g.paula(), own, "", time.Time{}); err == nil {
			t.Error("S5 let her own post go")
		}
		g.speak = nil
		if _, err := g.Release(g.as("admin", "admin"), two, "", time.Time{}); err != nil {
			t.Fatal(err)
		}
		g.sweep(t)
		if g.net.count() != 2 {
			t.Errorf("%d went out", g.net.count())
		}
		var journal []string
		all, err := g.incident.Journal(g.ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			journal = append(journal, e.Text)
		}
		for _, words := range []string{"„Eins.“ in der Krise freigegeben von petra als S5", "„Zwei.“ in der Krise freigegeben von admin. Niemand anderes war S5"} {
			if !strings.Contains(strings.Join(journal, "\n"), words) {
				t.Errorf("the journal does not say %q: %q", words, journal)
			}
		}
		// After the crisis an admin alone does not.
		if err := g.incident.SetLevel(g.anton(), in, incident.Emergency); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Release(g.as("admin", "admin"), own, "", time.Time{}); !errors.Is(err, editorial.ErrForbidden) {
			t.Errorf("an admin let it go after the crisis: %v", err)
		}
	})
}

var repeat = flag.Int("i7.repeat", 3, "how often TestI7_Hundred declares its crisis")

// I7: a hundred posts that are due one second after the crisis is declared, and
// two senders that sweep without a pause before, while and after it is: none goes
// out. Goal I7 repeats it a thousand times (-i7.repeat 1000).
func TestI7_Hundred(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		var ids []editorial.ID
		for i := range 100 {
			ids = append(ids, g.planned(t, fmt.Sprintf("Beitrag %d", i), time.Second))
		}
		sweeps := 0
		for range *repeat {
			senders := g.sendersRunning(t)
			in := g.crisis(t)
			g.clock.pass(time.Second)
			sweeps += senders.stopAfterOneMore()
			if n := g.net.count(); n != 0 {
				t.Fatalf("%d posts went out in the crisis", n)
			}
			if n, err := g.Count(g.ctx, editorial.Held); err != nil || n != 100 {
				t.Fatalf("%d held, %v", n, err)
			}
			if err := g.incident.SetLevel(g.anton(), in, incident.Disruption); err != nil {
				t.Fatal(err)
			}
			if err := g.incident.Dismiss(g.anton(), in, "Probe"); err != nil {
				t.Fatal(err)
			}
			due := g.clock.Now().Add(time.Second)
			for _, id := range ids {
				if _, err := g.Release(g.anton(), id, "", due); err != nil {
					t.Fatal(err)
				}
			}
		}
		// Without a crisis the same hundred do go out: the senders were able to.
		g.clock.pass(time.Second)
		g.sweep(t)
		if n := g.net.count(); n != 100 {
			t.Fatalf("%d of 100 went out after the crisis was over and each was released", n)
		}
		t.Logf("%d crises, %d sweeps beside them, none of 100 posts went out", *repeat, sweeps)
	})
}

// senders are sweepers that sweep without a pause.
type senders struct {
	stop  chan struct{}
	done  sync.WaitGroup
	count atomic.Int64
}

// sendersRunning starts two and returns when each has swept once.
func (g *rig) sendersRunning(t testing.TB) *senders {
	s := &senders{stop: make(chan struct{})}
	var swept sync.WaitGroup
	for range 2 {
		swept.Add(1)
		s.done.Go(func() {
			first := sync.OnceFunc(swept.Done)
			defer first()
			for last := false; !last; {
				select {
				case <-s.stop:
					last = true // once more, for what became due before the stop
				default:
				}
				if _, err := g.SendDue(g.ctx, g.clock.Now()); err != nil {
					t.Error(err)
				}
				s.count.Add(1)
				first()
			}
		})
	}
	swept.Wait()
	return s
}

func (s *senders) stopAfterOneMore() int {
	close(s.stop)
	s.done.Wait()
	return int(s.count.Load())
}

// I7: whatever comes first, a post is either out before the crisis was declared
// or does not go out; a hook that fails undoes the raising.
func TestI7_Property(t *testing.T) {
	w := storetest.SQLite(t, rooms()...)
	g := newRig(t, w)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		count := rapid.IntRange(1, 6).Draw(rt, "posts")
		before := g.net.count()
		var ids []editorial.ID
		for range count {
			n++
			ids = append(ids, g.planned(t, fmt.Sprintf("Beitrag %d", n), time.Duration(rapid.IntRange(0, 4).Draw(rt, "due"))*time.Second))
		}
		steps := rapid.IntRange(0, 4).Draw(rt, "seconds before the crisis")
		for range steps {
			g.sweep(t)
			g.clock.pass(time.Second)
		}
		g.sweep(t)
		out := g.net.count()
		in := g.crisis(t)
		for range 6 {
			g.clock.pass(time.Second)
			g.sweep(t)
		}
		if g.net.count() != out {
			rt.Fatalf("%d went out after the crisis was declared", g.net.count()-out)
		}
		states := map[editorial.State]int{}
		for _, id := range ids {
			states[g.state(t, id).State]++
		}
		if states[editorial.Published] != out-before || states[editorial.Held] != count-(out-before) {
			rt.Fatalf("%v of %d, %d went out", states, count, out-before)
		}
		for _, id := range ids {
			if g.state(t, id).State == editorial.Held {
				if _, err := g.Discard(g.paula(), id, ""); err != nil {
					rt.Fatal(err)
				}
			}
		}
		if err := g.incident.SetLevel(g.anton(), in, incident.Disruption); err != nil {
			rt.Fatal(err)
		}
	})
}

// I19: posts of another town are not there.
func TestI19(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		id := g.planned(t, "Nur unser Beitrag.", time.Hour)
		other := ident.WithTenant(g.anton(), "t2")
		if _, err := g.Get(other, id); !errors.Is(err, editorial.ErrNotFound) {
			t.Errorf("seen by another town: %v", err)
		}
		if _, err := g.Discard(other, id, ""); err == nil {
			t.Error("discarded by another town")
		}
		if all, err := g.List(other, editorial.Filter{}); err != nil || len(all) != 0 {
			t.Errorf("%v, %v", all, err)
		}
		if !slices.Contains(editorial.States(), g.state(t, id).State) {
			t.Error("an unknown state")
		}
	})
}
