package bus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
)

type rang struct{ Bell string }

var topicRang = bus.Topic[rang]("test.rang")

// A fact reaches every handler, a failing handler gets it again, and the one
// that succeeded does not.
func TestDelivered(t *testing.T) {
	storetest.Each(t, nil, func(t *testing.T, w *storetest.World) {
		heard := make(chan string, 10)
		failed := false
		bus.On(w.Bus, topicRang, "test.good", func(ctx context.Context, e bus.Event[rang]) error {
			heard <- "good " + e.Data.Bell + " " + string(ident.TenantOf(ctx))
			return nil
		})
		bus.On(w.Bus, topicRang, "test.bad", func(_ context.Context, e bus.Event[rang]) error {
			if !failed {
				failed = true
				return errors.New("not yet")
			}
			heard <- "bad " + e.Data.Bell
			return nil
		})
		w.Start(t)
		err := w.Store.InTx(w.Ctx, func(ctx context.Context, _ bun.IDB, enqueue store.Enqueue) error {
			return topicRang.Tell(ctx, enqueue, time.Now(), rang{"big"})
		})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{"good big t1": true, "bad big": true}
		for len(want) > 0 {
			select {
			case got := <-heard:
				if !want[got] {
					t.Fatalf("heard %q, which was not expected (again)", got)
				}
				delete(want, got)
			case <-time.After(20 * time.Second):
				t.Fatalf("still missing: %v", want)
			}
		}
	})
}

// What is told in a transaction that fails never happened.
func TestRolledBack(t *testing.T) {
	storetest.Each(t, nil, func(t *testing.T, w *storetest.World) {
		heard := make(chan string, 2)
		bus.On(w.Bus, topicRang, "test.h", func(_ context.Context, e bus.Event[rang]) error {
			heard <- e.Data.Bell
			return nil
		})
		w.Start(t)
		no := errors.New("no")
		err := w.Store.InTx(w.Ctx, func(ctx context.Context, _ bun.IDB, enqueue store.Enqueue) error {
			return errors.Join(topicRang.Tell(ctx, enqueue, time.Now(), rang{"lost"}), no)
		})
		if !errors.Is(err, no) {
			t.Fatal(err)
		}
		err = w.Store.InTx(w.Ctx, func(ctx context.Context, _ bun.IDB, enqueue store.Enqueue) error {
			return topicRang.Tell(ctx, enqueue, time.Now(), rang{"kept"})
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := <-heard; got != "kept" {
			t.Fatalf("heard %q", got)
		}
	})
}
