package signal_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
)

// at is a clock that the tests set.
type at struct{ t time.Time }

func (a *at) Now() time.Time { return a.t }

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func rooms() []store.Migrations { return []store.Migrations{signal.Migrations()} }

func room(t *testing.T, w *storetest.World) (*signal.Room, *at) {
	t.Helper()
	if err := w.Jobs.Open(false); err != nil {
		t.Fatal(err)
	}
	c := &at{noon}
	return signal.New(signal.Options{Store: w.Store, Clock: c, Hints: w.Hints, Keep: 24 * time.Hour}), c
}

func sig(state signal.State, episode string, since time.Time) signal.Signal {
	return signal.Signal{
		Source: signal.Monitor, Key: "monitor:portal", Episode: episode, State: state, Service: "buergerportal",
		Severity: signal.Warning, Title: "Bürgerportal antwortet nicht", Detail: "nach 10 s", Since: since,
	}
}

func record(t *testing.T, r *signal.Room, ctx context.Context, s signal.Signal) signal.Signal {
	t.Helper()
	got, err := r.Record(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// firing names the episodes that are firing.
func firing(t *testing.T, r *signal.Room, ctx context.Context) []string {
	t.Helper()
	list, err := r.Firing(ctx)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, s := range list {
		out = append(out, s.Key+" "+s.Episode)
	}
	return out
}

func TestRecordFoldsRepeats(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		r, c := room(t, w)
		first := record(t, r, w.Ctx, sig(signal.Firing, "e1", noon.Add(-time.Minute)))
		if first.Seq != 1 || !first.At.Equal(noon) || !first.Since.Equal(noon.Add(-time.Minute)) {
			t.Fatalf("first: %+v", first)
		}
		c.t = noon.Add(time.Minute)
		again := record(t, r, w.Ctx, sig(signal.Firing, "e1", noon))
		if !reflect.DeepEqual(again, first) {
			t.Fatalf("a repeat answers the first one:\n%+v\n%+v", again, first)
		}
		worse := sig(signal.Firing, "e1", noon)
		worse.Severity = signal.Critical
		if got := record(t, r, w.Ctx, worse); got.Seq != 2 || !got.Since.Equal(first.Since) {
			t.Fatalf("worse is told again: %+v", got)
		}
		if got := firing(t, r, w.Ctx); !slices.Equal(got, []string{"monitor:portal e1"}) {
			t.Fatal(got)
		}
		c.t = noon.Add(2 * time.Minute)
		gone := record(t, r, w.Ctx, sig(signal.Resolved, "e1", time.Time{}))
		if gone.Seq != 3 || !gone.Since.Equal(first.Since) {
			t.Fatalf("resolved: %+v", gone)
		}
		if got := firing(t, r, w.Ctx); len(got) != 0 {
			t.Fatal(got)
		}
		list, err := r.List(w.Ctx, signal.Filter{Service: "buergerportal"})
		if err != nil || len(list) != 3 || list[0].ID != gone.ID || !reflect.DeepEqual(list[0], gone) {
			t.Fatalf("%v %+v", err, list)
		}
		page, err := r.List(w.Ctx, signal.Filter{After: gone.ID, Limit: 1, Key: "monitor:portal", From: noon, Until: noon.Add(time.Hour)})
		if err != nil || len(page) != 1 || page[0].Seq != 2 {
			t.Fatalf("%v %+v", err, page)
		}
	})
}

func TestRecordInAnyOrder(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		r, _ := room(t, w)
		ctx := w.Ctx
		// The end before the beginning: nothing opens.
		record(t, r, ctx, sig(signal.Resolved, "e1", noon.Add(-time.Hour)))
		late := record(t, r, ctx, sig(signal.Firing, "e1", noon.Add(-time.Hour)))
		if late.Seq != 0 || len(firing(t, r, ctx)) != 0 {
			t.Fatalf("%+v", late)
		}
		// A newer one opens, an older one does not disturb it.
		record(t, r, ctx, sig(signal.Firing, "e3", noon.Add(-10*time.Minute)))
		record(t, r, ctx, sig(signal.Firing, "e2", noon.Add(-30*time.Minute)))
		record(t, r, ctx, sig(signal.Resolved, "e2", noon.Add(-30*time.Minute)))
		if got := firing(t, r, ctx); !slices.Equal(got, []string{"monitor:portal e3"}) {
			t.Fatal(got)
		}
		// The end of a newer episode that began unseen ends the key.
		if got := record(t, r, ctx, sig(signal.Resolved, "e4", noon)); got.Seq != 2 {
			t.Fatalf("%+v", got)
		}
		// A source with a clock in the future cannot hide what follows.
		record(t, r, ctx, sig(signal.Firing, "e5", noon.Add(1000*time.Hour)))
		record(t, r, ctx, sig(signal.Resolved, "e5", time.Time{}))
		record(t, r, ctx, sig(signal.Firing, "e6", noon))
		if got := firing(t, r, ctx); !slices.Equal(got, []string{"monitor:portal e6"}) {
			t.Fatal(got)
		}
		// Without a name it is the episode at hand.
		if got := record(t, r, ctx, sig(signal.Resolved, "", time.Time{})); got.Episode != "e6" {
			t.Fatalf("%+v", got)
		}
		fresh := record(t, r, ctx, sig(signal.Firing, "", time.Time{}))
		if fresh.Episode != string(fresh.ID) {
			t.Fatalf("%+v", fresh)
		}
	})
}

func TestRecordTells(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		heard := make(chan string, 20)
		bus.On(w.Bus, signal.Recorded, "test.recorded", func(_ context.Context, e bus.Event[signal.Signal]) error {
			heard <- "recorded " + string(e.Data.State)
			return nil
		})
		bus.On(w.Bus, signal.Ignored, "test.ignored", func(_ context.Context, e bus.Event[signal.IgnoredSignal]) error {
			heard <- "ignored " + string(e.Data.Reason)
			return nil
		})
		w.Start(t)
		r := signal.New(signal.Options{Store: w.Store, Clock: &at{noon}})
		next := func(want string) {
			t.Helper()
			select {
			case got := <-heard:
				if got != want {
					t.Fatalf("heard %q, want %q", got, want)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("did not hear %q", want)
			}
		}
		record(t, r, w.Ctx, sig(signal.Firing, "e2", noon))
		record(t, r, w.Ctx, sig(signal.Firing, "e2", noon))
		next("recorded firing")
		record(t, r, w.Ctx, sig(signal.Firing, "e1", noon.Add(-time.Hour)))
		record(t, r, w.Ctx, sig(signal.Firing, "e1", noon.Add(-time.Hour)))
		next("ignored older")
		record(t, r, w.Ctx, sig(signal.Resolved, "e2", noon))
		next("recorded resolved")
		record(t, r, w.Ctx, sig(signal.Firing, "e2", noon))
		record(t, r, w.Ctx, sig(signal.Firing, "e2", noon))
		next("ignored ended")
		// A transaction that fails has recorded nothing.
		no := errors.New("no")
		err := w.Store.InTx(w.Ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
			record(t, r, ctx, sig(signal.Firing, "e3", noon))
			return no
		})
		if !errors.Is(err, no) || len(firing(t, r, w.Ctx)) != 0 {
			t.Fatal(err)
		}
		record(t, r, w.Ctx, sig(signal.Firing, "e3", noon))
		next("recorded firing")
	})
}

func TestI19_OtherTenantsSeeNothing(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		r, _ := room(t, w)
		record(t, r, w.Ctx, sig(signal.Firing, "e1", noon))
		other := ident.WithTenant(w.Ctx, "t2")
		if got := firing(t, r, other); len(got) != 0 {
			t.Fatal(got)
		}
		if list, err := r.List(other, signal.Filter{}); err != nil || len(list) != 0 {
			t.Fatal(list, err)
		}
		record(t, r, other, sig(signal.Resolved, "e1", noon))
		if got := firing(t, r, w.Ctx); len(got) != 1 {
			t.Fatal("the other tenant's recovery reached ours")
		}
		if _, err := r.Record(context.Background(), sig(signal.Firing, "e", noon)); !errors.Is(err, ident.ErrNoTenant) {
			t.Fatal(err)
		}
	})
}

func TestRecordBadInput(t *testing.T) {
	w := storetest.SQLite(t, rooms()...)
	r, _ := room(t, w)
	s := sig(signal.Firing, "e", noon)
	s.Key = " \x00 "
	if _, err := r.Record(w.Ctx, s); !errors.Is(err, signal.ErrNoKey) {
		t.Fatal(err)
	}
	s = sig("broken", "e", noon)
	if _, err := r.Record(w.Ctx, s); !errors.Is(err, signal.ErrBadState) {
		t.Fatal(err)
	}
	s = sig(signal.Firing, "e", noon)
	s.Title, s.Detail, s.Severity = "\n", strings.Repeat("ä\xff", 5000), "dire"
	got := record(t, r, w.Ctx, s)
	if got.Title != "monitor:portal" || len(got.Detail) > 4000 || got.Severity != signal.Critical {
		t.Fatalf("%+v", got)
	}
}

func TestKeepForgets(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		r, c := room(t, w)
		record(t, r, w.Ctx, sig(signal.Firing, "e1", noon))
		record(t, r, w.Ctx, sig(signal.Resolved, "e1", noon))
		c.t = noon.Add(time.Hour)
		record(t, r, w.Ctx, sig(signal.Firing, "e2", c.t))
		c.t = noon.Add(48 * time.Hour)
		if err := r.Start(w.Ctx); err != nil {
			t.Fatal(err)
		}
		r.Stop()
		if err := signal.Sweep(r, w.Ctx, c.t); err != nil {
			t.Fatal(err)
		}
		list, err := r.List(w.Ctx, signal.Filter{})
		if err != nil || len(list) != 1 || list[0].Episode != "e2" {
			t.Fatal(list, err)
		}
		if got := firing(t, r, w.Ctx); len(got) != 1 {
			t.Fatal("what is firing is kept for as long as it fires")
		}
	})
}
