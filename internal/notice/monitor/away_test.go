package monitor_test

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"testing"
	"time"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/vault"
)

// refuge notes what it is told.
type refuge struct {
	mu    sync.Mutex
	told  []signal.Signal
	first time.Time
	asked int // to reconcile
}

func (f *refuge) Unstored(ctx context.Context, s signal.Signal, first time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ident.TenantOf(ctx) != storetest.Tenant {
		s.Title = "of no town"
	}
	f.told, f.first = append(f.told, s), first
}

func (f *refuge) Reconcile(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	return nil
}

// What could not be stored outlives the process: a start without the database
// watches what is remembered, in the state of the log, and stores it when it can,
// once.
func TestAway(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		v, err := vault.New(make([]byte, vault.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		dir, f := t.TempDir(), &refuge{}
		heard := make(chan signal.Signal, 10)
		bus.On(w.Bus, signal.Recorded, "test.heard", func(_ context.Context, e bus.Event[signal.Signal]) error {
			heard <- e.Data
			return nil
		})
		w.Start(t)
		make1 := func() *monitor.Room {
			r, _, _ := newRoom(t, w, func(o *monitor.RoomOptions) { o.Dir = dir })
			r.SetRefuge(f, v)
			return r
		}
		if err := make1().StartAway(w.Ctx); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("a start that remembers nothing: %v", err)
		}
		r := make1()
		if err := r.Start(w.Ctx); err != nil {
			t.Fatal(err)
		}
		beat := monitor.Monitor{Slug: "nachtlauf", Name: "Nachtlauf", Spec: monitor.Spec{Kind: monitor.Heartbeat, Interval: monitor.Duration(time.Hour), Grace: monitor.Duration(time.Minute)}}
		if err := r.Save(w.Ctx, beat); err != nil {
			t.Fatal(err)
		}
		if err := monitor.Remember(r, w.Ctx, time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		id := string(storetest.Tenant) + "/nachtlauf"
		before, ok := monitor.EngineOf(r).Status(id)
		if !ok {
			t.Fatal("not watched")
		}
		at := time.Now().UTC().Truncate(time.Millisecond)
		down := before
		down.State, down.Open, down.Episode, down.FailingSince, down.Since = monitor.Down, true, before.Episode+1, at, at
		down.Last = monitor.Result{At: at, Reason: monitor.ReasonMissed}
		o := monitor.Observation{ID: id, Result: down.Last, Status: down, From: before.State, Transition: monitor.WentDown, Moved: true}
		for range 3 { // it tries again and again
			monitor.Unstored(r, w.Ctx, []monitor.Observation{o})
		}
		if len(f.told) != 3 || f.told[0].Title != "Nachtlauf antwortet nicht" && f.told[0].Title == "of no town" || f.told[0].State != signal.Firing {
			t.Fatalf("%+v", f.told)
		}
		r.Stop()

		r = make1()
		if err := r.StartAway(w.Ctx); err != nil {
			t.Fatal(err)
		}
		if s, ok := monitor.EngineOf(r).Status(id); !ok || !s.Open || s.Episode != down.Episode {
			t.Errorf("after a start without the database: %v %+v", ok, s)
		}
		select { // here the database is not away, so what was left is stored at once
		case s := <-heard:
			if s.State != signal.Firing || s.Key != "monitor:nachtlauf" || f.asked == 0 {
				t.Errorf("%+v, reconciled %d times", s, f.asked)
			}
		case <-time.After(time.Minute):
			t.Fatal("what was left in the log is lost")
		}
		if err := r.Return(w.Ctx); err != nil {
			t.Fatal(err)
		}
		r.Stop()

		r = make1()
		if err := r.Start(w.Ctx); err != nil {
			t.Fatal(err)
		}
		r.Stop()
		select {
		case s := <-heard:
			t.Errorf("told once more: %+v", s)
		default:
		}
		if got, err := r.Get(w.Ctx, "nachtlauf"); err != nil || !got.Status.Open {
			t.Errorf("stored: %v %+v", err, got.Status)
		}
	})
}
