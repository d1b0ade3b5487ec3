package bus_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
)

// Facts that are told together reach every handler once each; one that cannot be
// handled yet keeps none of the others waiting and comes again.
func TestDeliveredTogether(t *testing.T) {
	storetest.Each(t, nil, func(t *testing.T, w *storetest.World) {
		var mu sync.Mutex
		heard := map[string]int{}
		failed := 0
		note := func(s string) {
			mu.Lock()
			defer mu.Unlock()
			heard[s]++
		}
		bus.On(w.Bus, topicRang, "test.good", func(ctx context.Context, e bus.Event[rang]) error {
			w.Store.AfterCommit(ctx, func() { note("good " + e.Data.Bell) })
			return nil
		})
		bus.On(w.Bus, topicRang, "test.bad", func(ctx context.Context, e bus.Event[rang]) error {
			if e.Data.Bell == "7" && failed < 2 {
				failed++
				return errors.New("not yet")
			}
			w.Store.AfterCommit(ctx, func() { note("bad " + e.Data.Bell) })
			return nil
		})
		w.Start(t)
		const n = 40
		err := w.Store.InTx(w.Ctx, func(ctx context.Context, _ bun.IDB, enqueue store.Enqueue) error {
			var all []rang
			for i := range n {
				all = append(all, rang{fmt.Sprint(i)})
			}
			return topicRang.TellAll(ctx, enqueue, time.Now(), all)
		})
		if err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			mu.Lock()
			got := len(heard)
			mu.Unlock()
			if got == 2*n {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%d of %d heard", got, 2*n)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		for what, times := range heard {
			if times != 1 {
				t.Errorf("%s: %d times", what, times)
			}
		}
		if failed != 2 {
			t.Errorf("failed %d times", failed)
		}
	})
}
