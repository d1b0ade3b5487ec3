package channel_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/channel"
)

// node is a room of one of several nodes on one database.
func node(w *storetest.World, name string, c clock.Clock, as ...channel.Adapter) *channel.Room {
	return channel.New(channel.Options{
		Store: w.Store, Clock: c, Vault: plainSealer{}, Node: name,
		Adapters: func(context.Context) []channel.Adapter { return as },
	})
}

// ahead is the machine's clock, set forward by a number of seconds.
type ahead struct{ by atomic.Int64 }

func (c *ahead) Now() time.Time {
	return clock.System{}.Now().Add(time.Duration(c.by.Load()) * time.Second)
}

// A node takes from another only what is known to be that one's, and a claim that
// was overtaken settles nothing.
func TestNodes(t *testing.T) {
	storetest.Each(t, []store.Migrations{channel.Migrations()}, func(t *testing.T, w *storetest.World) {
		entered, leave := make(chan struct{}), make(chan struct{})
		var once sync.Once
		slow := &relay{name: "slow", realm: channel.Live, say: func(channel.Message) error {
			once.Do(func() { close(entered) })
			<-leave
			return &channel.Failure{Permanent: true, Reason: "mailbox"} // what it says comes too late
		}}
		fast := &relay{name: "fast", realm: channel.Live}
		ends := settled(w)
		w.Start(t)
		paused := &ahead{}
		a, b := node(w, "a", paused, slow), node(w, "b", clock.System{}, fast)
		// By b, for whom it is put into the outbox is nudged, and a must look once.
		if err := b.Send(w.Ctx, alarm("m")); err != nil {
			t.Fatal(err)
		}
		if err := a.Start(w.Ctx); err != nil {
			t.Fatal(err)
		}
		<-entered
		if err := b.Start(w.Ctx); err != nil { // b was dead before, not a
			t.Fatal(err)
		}
		t.Cleanup(b.Stop)
		if it, err := b.Get(w.Ctx, "m"); err != nil || it.State != channel.Sending {
			t.Fatalf("%v: %+v", err, it)
		}
		// a's lease ran out. Where a was just about to look once more, it claims the
		// message again, and the next time it runs out.
		var e channel.SettledEvent
		for end, over := time.After(20*time.Second), false; !over; {
			if err := b.TakeUp(w.Ctx, "a"); err != nil {
				t.Fatal(err)
			}
			select {
			case e, over = <-ends:
			case <-time.After(300 * time.Millisecond):
			case <-end:
				t.Fatal("no message was settled")
			}
		}
		if e.State != channel.Accepted || e.Route != "fast" {
			t.Fatalf("%+v", e)
		}
		close(leave) // a goes on where it stood still
		a.Stop()
		if it, err := b.Get(w.Ctx, "m"); err != nil || it.State != channel.Accepted || it.Route != "fast" {
			t.Fatalf("%v: %+v", err, it)
		}
	})
}

// A claim that is older than its lease is not sent any more: the machine stood
// still between the two, and the message is another node's.
func TestStoodStill(t *testing.T) {
	storetest.Each(t, []store.Migrations{channel.Migrations()}, func(t *testing.T, w *storetest.World) {
		way := &relay{name: "way", realm: channel.Live}
		ends := settled(w)
		w.Start(t)
		c := &ahead{}
		var asked atomic.Int32
		r := channel.New(channel.Options{
			Store: w.Store, Vault: plainSealer{}, Node: "a",
			// The claim reads the clock first; before the message goes out, it has
			// moved by more than a lease.
			Clock: clockFunc(func() time.Time {
				if asked.Load() == 1 {
					c.by.Store(90)
				}
				asked.Add(1)
				return c.Now()
			}),
			Adapters: func(ctx context.Context) []channel.Adapter {
				if ident.TenantOf(ctx) == "" {
					t.Error("no tenant")
				}
				return []channel.Adapter{way}
			},
		})
		if err := node(w, "b", c).Send(w.Ctx, alarm("m")); err != nil {
			t.Fatal(err)
		}
		start(t, w, r)
		if e := wait(t, ends); e.State != channel.Accepted {
			t.Fatalf("%+v", e)
		}
		if it, err := r.Get(w.Ctx, "m"); err != nil || it.Attempts != 2 || len(way.taken()) != 1 {
			t.Fatalf("%v: %d claims, %d sent", err, it.Attempts, len(way.taken()))
		}
	})
}

type clockFunc func() time.Time

func (f clockFunc) Now() time.Time { return f() }
