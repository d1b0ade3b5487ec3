package channel_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"pgregory.net/rapid"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/channel"
)

// relay is a way out that the test commands.
type relay struct {
	name  string
	realm channel.Realm
	mu    sync.Mutex
	say   func(m channel.Message) error
	got   []channel.Message
}

func (a *relay) Kind() channel.Kind   { return channel.Mail }
func (a *relay) Route() string        { return a.name }
func (a *relay) Realm() channel.Realm { return a.realm }

func (a *relay) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.say != nil {
		if err := a.say(m); err != nil {
			return channel.Receipt{}, err
		}
	}
	a.got = append(a.got, m)
	return channel.Receipt{Reference: "q1"}, ctx.Err()
}

func (a *relay) taken() []channel.Message {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]channel.Message(nil), a.got...)
}

type plainSealer struct{}

func (plainSealer) Seal(_ string, b []byte) ([]byte, error) {
	return append([]byte("sealed:"), b...), nil
}
func (plainSealer) Open(_ string, b []byte) ([]byte, error) { return b[len("sealed:"):], nil }

func room(w *storetest.World, as ...channel.Adapter) *channel.Room {
	return channel.New(channel.Options{
		Store: w.Store, Clock: clock.System{}, Vault: plainSealer{}, Sole: !w.Store.Postgres(),
		Adapters: func(context.Context) []channel.Adapter { return as },
	})
}

func start(t *testing.T, w *storetest.World, r *channel.Room) {
	t.Helper()
	if err := r.Start(w.Ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
}

func alarm(id string) channel.Message {
	return channel.Message{ID: id, Kind: channel.Mail, Class: channel.Alarm, To: "a@example", Subject: "s", Text: "t"}
}

// settled collects how messages end.
func settled(w *storetest.World) chan channel.SettledEvent {
	ch := make(chan channel.SettledEvent, 100)
	bus.On(w.Bus, channel.Settled, "test.settled", func(_ context.Context, e bus.Event[channel.SettledEvent]) error {
		ch <- e.Data
		return nil
	})
	return ch
}

func wait(t *testing.T, ch chan channel.SettledEvent) channel.SettledEvent {
	t.Helper()
	select {
	case e := <-ch:
		return e
	case <-time.After(20 * time.Second):
		t.Fatal("no message was settled")
		return channel.SettledEvent{}
	}
}

func TestOutbox(t *testing.T) {
	storetest.Each(t, []store.Migrations{channel.Migrations()}, func(t *testing.T, w *storetest.World) {
		down := &channel.Failure{RouteDown: true, Reason: "connect"}
		first := &relay{name: "first", realm: channel.Live, say: func(channel.Message) error { return down }}
		second := &relay{name: "second", realm: channel.Live}
		drill := &relay{name: "drill", realm: channel.Exercise}
		r := room(w, first, drill, second)
		ends := settled(w)
		w.Start(t)

		// In a transaction that fails nothing is sent.
		no := errors.New("no")
		err := w.Store.InTx(w.Ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
			return errors.Join(r.Send(ctx, alarm("never")), no)
		})
		if !errors.Is(err, no) {
			t.Fatal(err)
		}
		m := alarm("m1")
		m.Secret = []byte("hush")
		for range 2 { // the same id again changes nothing
			if err := r.Send(w.Ctx, m); err != nil {
				t.Fatal(err)
			}
		}
		start(t, w, r)
		if e := wait(t, ends); e.ID != "m1" || e.State != channel.Accepted || e.Route != "second" {
			t.Fatalf("%+v", e)
		}
		if got := second.taken(); len(got) != 1 || string(got[0].Secret) != "hush" {
			t.Fatalf("second route got %+v", got)
		}

		// An address that is refused for good is given up with its reason.
		second.mu.Lock()
		second.say = func(channel.Message) error { return &channel.Failure{Permanent: true, Reason: "mailbox"} }
		second.mu.Unlock()
		if err := r.Send(w.Ctx, alarm("m2")); err != nil {
			t.Fatal(err)
		}
		if e := wait(t, ends); e.State != channel.Failed || e.Reason != "mailbox" {
			t.Fatalf("%+v", e)
		}
		counts, err := r.Counts(w.Ctx)
		if err != nil || counts[channel.Failed] != 1 || counts[channel.Accepted] != 1 {
			t.Fatal(counts, err)
		}
		if err := r.Again(w.Ctx, "m2"); err != nil {
			t.Fatal(err)
		}
		wait(t, ends)
		if err := r.Again(w.Ctx, "m1"); fault.KindOf(err) != fault.Conflict {
			t.Fatalf("again on an accepted message: %v", err)
		}

		// I4: an exercise takes its own route alone.
		ex := alarm("drill")
		ex.Realm = channel.Exercise
		if err := r.Send(w.Ctx, ex); err != nil {
			t.Fatal(err)
		}
		if e := wait(t, ends); e.Route != "drill" {
			t.Fatalf("%+v", e)
		}

		// I19: another tenant sees nothing.
		other := ident.WithTenant(w.Ctx, "t2")
		if items, err := r.List(other, channel.Filter{Limit: 10}); err != nil || len(items) != 0 {
			t.Fatal(items, err)
		}
		if _, err := r.Get(other, "m1"); fault.KindOf(err) != fault.NotFound {
			t.Fatal(err)
		}
		page1, err := r.List(w.Ctx, channel.Filter{Limit: 2})
		if err != nil || len(page1) != 2 {
			t.Fatal(page1, err)
		}
		page2, err := r.List(w.Ctx, channel.Filter{Limit: 2, After: page1[1].ID})
		if err != nil || len(page2) != 1 || page2[0].ID != "m1" {
			t.Fatal(page2, err)
		}
	})
}

// A relay that is down for ten minutes loses nothing; what a crash left
// "sending" goes again after the next start.
func TestTakenUpAfterCrash(t *testing.T) {
	w := storetest.SQLite(t, channel.Migrations())
	hang := make(chan struct{})
	a := &relay{name: "a", realm: channel.Live, say: func(channel.Message) error { <-hang; return context.Canceled }}
	ends := settled(w)
	w.Start(t)
	r1 := room(w, a)
	if err := r1.Send(w.Ctx, alarm("m")); err != nil {
		t.Fatal(err)
	}
	if err := r1.Start(w.Ctx); err != nil {
		t.Fatal(err)
	}
	for {
		it, err := r1.Get(w.Ctx, "m")
		if err != nil {
			t.Fatal(err)
		}
		if it.State == channel.Sending {
			break
		}
	}
	go func() { close(hang) }()
	r1.Stop() // cut off in the middle
	b := &relay{name: "b", realm: channel.Live}
	start(t, w, room(w, b))
	if e := wait(t, ends); e.State != channel.Accepted || len(b.taken()) != 1 {
		t.Fatalf("%+v", e)
	}
}

// Deliver answers one outcome per message, in order, and moves what a dead
// route left to the next.
func TestDeliver(t *testing.T) {
	w := storetest.SQLite(t, channel.Migrations())
	rapid.Check(t, func(rt *rapid.T) {
		dead := rapid.Bool().Draw(rt, "first is dead")
		first := &relay{name: "first", realm: channel.Live}
		bad := map[string]bool{}
		n := rapid.IntRange(0, 30).Draw(rt, "n")
		ms := make([]channel.Message, n)
		for i := range ms {
			ms[i] = channel.Message{ID: fmt.Sprint(i), Kind: channel.Mail, To: fmt.Sprintf("%d@example", i)}
			bad[ms[i].To] = rapid.Bool().Draw(rt, "bad")
		}
		refuse := func(m channel.Message) error {
			if bad[m.To] {
				return &channel.Failure{Permanent: true, Reason: "mailbox"}
			}
			return nil
		}
		first.say = refuse
		if dead {
			first.say = func(channel.Message) error { return &channel.Failure{RouteDown: true, Reason: "connect"} }
		}
		second := &relay{name: "second", realm: channel.Live, say: refuse}
		out := room(w, first, second).Deliver(w.Ctx, channel.Live, channel.Mail, ms)
		if len(out) != n {
			rt.Fatalf("%d outcomes for %d messages", len(out), n)
		}
		for i, o := range out {
			if (o.Err != nil) != bad[ms[i].To] {
				rt.Fatalf("message %d: %v, refused for good: %v", i, o.Err, bad[ms[i].To])
			}
			if want := map[bool]string{true: "second", false: "first"}[dead]; o.Err == nil && o.Receipt.Route != want {
				rt.Fatalf("message %d went over %q", i, o.Receipt.Route)
			}
		}
	})
}
