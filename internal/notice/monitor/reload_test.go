package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
)

func quiet(slug string, parents ...string) monitor.Monitor {
	return monitor.Monitor{Slug: slug, Spec: monitor.Spec{
		Kind: monitor.TCP, Host: "192.0.2.1", Port: 9, Interval: monitor.Duration(time.Hour), Timeout: monitor.Duration(time.Second), Parents: parents,
	}}
}

func secret() monitor.Monitor {
	return monitor.Monitor{Slug: "secret", Spec: monitor.Spec{
		URL: "http://192.0.2.1/", Username: "ada", Password: "geheim", Interval: monitor.Duration(time.Hour),
	}}
}

// Whatever people do to single monitors, in two towns and at the same time, the
// engine watches afterwards what a start would let it watch.
func TestSingleChangesEqualAStart(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		r, _, _ := newRoom(t, w)
		w.Start(t)
		if err := r.Start(w.Ctx); err != nil {
			t.Fatal(err)
		}
		defer r.Stop()
		towns := []context.Context{w.Ctx, ident.WithTenant(w.Ctx, "t2")}
		done := make(chan error)
		act := func(town context.Context, dice *rand.Rand) error {
			slug := func() string { return fmt.Sprintf("m%d", dice.IntN(6)) }
			for range 25 {
				var err error
				switch at := time.Now().Add(time.Hour); dice.IntN(8) {
				case 0:
					err = r.Remove(town, slug())
				case 1:
					err = r.Pause(town, slug(), dice.IntN(2) == 0)
				case 2:
					err = r.Maintain(town, slug(), monitor.Window{From: at, To: at.Add(time.Hour), Reason: "Umzug"})
				case 3:
					err = r.MaintainByRule(town, slug(), monitor.Recurring{Rule: "FREQ=WEEKLY", First: "2026-01-01T22:00", Lasts: monitor.Duration(time.Hour), Reason: "Patchtag"})
				case 4:
					err = r.Save(town, quiet(slug(), slug()))
				default:
					m := quiet(slug())
					m.Spec.Confirm = 1 + dice.IntN(4)
					err = r.Save(town, m)
				}
				if k := fault.KindOf(err); err != nil && k != fault.NotFound && k != fault.Invalid && k != fault.Conflict {
					return err
				}
			}
			return nil
		}
		for i := range 4 {
			go func() { done <- act(towns[i%2], rand.New(rand.NewPCG(uint64(i), 7))) }()
		}
		for range 4 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		got := r.Watched()
		if len(got) == 0 {
			t.Fatal("nothing is watched")
		}
		fresh, _, _ := newRoom(t, w)
		if err := fresh.Reload(w.Ctx); err != nil {
			t.Fatal(err)
		}
		if want := fresh.Watched(); !reflect.DeepEqual(got, want) {
			t.Errorf("watched: %v\nby a start: %v", got, want)
		}
	})
}

// A monitor is removed while the outage that it has just seen is being stored:
// what that raised is ended all the same, by a node that does not watch too.
func TestRemovedWhileItFails(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		r, sg, _ := newRoom(t, w)
		other, _, _ := newRoom(t, w)
		w.Start(t)
		if err := r.Save(w.Ctx, quiet("m")); err != nil {
			t.Fatal(err)
		}
		m, err := r.Get(w.Ctx, "m")
		if err != nil {
			t.Fatal(err)
		}
		down := m.Status
		down.State, down.Open = monitor.Down, true
		down.Last = monitor.Result{At: time.Now(), Reason: "connect_refused"}
		stored, removed := make(chan struct{}), make(chan error, 1)
		go func() {
			<-stored
			removed <- other.Remove(w.Ctx, "m")
		}()
		err = w.Store.InTx(w.Ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
			err := monitor.Take(r, ctx, monitor.Observation{ID: "t1/m", From: monitor.Up, Transition: monitor.WentDown, Status: down, Result: down.Last})
			if err != nil {
				return err
			}
			close(stored)
			somebodyWaits(t, w)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := <-removed; err != nil {
			t.Fatal(err)
		}
		if firing, err := sg.IsFiring(w.Ctx, "monitor:m"); err != nil || firing {
			t.Errorf("an alarm is left that nothing ends: %v, %v", firing, err)
		}
		if all, err := sg.List(w.Ctx, signal.Filter{}); err != nil || len(all) != 2 {
			t.Errorf("%d signals, %v", len(all), err)
		}
	})
}

// somebodyWaits returns once another transaction wants the row of a monitor that this
// one holds, and so has read it as it was; on SQLite it has not begun yet.
func somebodyWaits(t *testing.T, w *storetest.World) {
	t.Helper()
	if !w.Store.Postgres() {
		return
	}
	until(t, "nobody waits for the row", func() (waits bool) {
		err := w.Store.Pool().QueryRow(w.Ctx,
			`SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'DELETE FROM "monitor_entry"%')`).Scan(&waits)
		if err != nil {
			t.Fatal(err)
		}
		return waits
	})
}

// Two nodes start at the same time, and both find a monitor that the configuration
// no longer names: the one takes it away, and the other starts all the same.
func TestTwoNodesDropTheSame(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		r, _, _ := newRoom(t, w)
		other, _, _ := newRoom(t, w)
		w.Start(t)
		if err := r.Declare(w.Ctx, []monitor.Monitor{quiet("m")}); err != nil {
			t.Fatal(err)
		}
		dropped, started := make(chan struct{}), make(chan error, 1)
		go func() {
			<-dropped
			started <- other.Declare(w.Ctx, nil)
		}()
		err := w.Store.InTx(w.Ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
			if err := r.Declare(ctx, nil); err != nil {
				return err
			}
			close(dropped)
			somebodyWaits(t, w)
			return nil
		})
		if err := errors.Join(err, <-started); err != nil {
			t.Error(err)
		}
	})
}

// leaky fails to open so many times.
type leaky struct{ fails *atomic.Int32 }

func (leaky) Seal(_ string, b []byte) ([]byte, error) { return b, nil }
func (l leaky) Open(_ string, b []byte) ([]byte, error) {
	if l.fails.Add(-1) >= 0 {
		return nil, errors.New("the vault is shut")
	}
	return b, nil
}

// A change reads the row that changed and no other: beside a monitor that cannot
// be opened all others can still be changed. What could not be read is read as
// soon as it can be.
func TestChangeReadsOneRow(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		var fails atomic.Int32
		asked := map[ident.Tenant]int{}
		r, _, _ := newRoom(t, w, func(o *monitor.RoomOptions) {
			o.Vault = leaky{&fails}
			o.Networks = func(ctx context.Context) ([]netip.Prefix, error) {
				asked[ident.TenantOf(ctx)]++
				return nil, nil
			}
		})
		w.Start(t)
		if err := r.Start(w.Ctx); err != nil {
			t.Fatal(err)
		}
		defer r.Stop()
		save := func(m monitor.Monitor) {
			t.Helper()
			if err := r.Save(w.Ctx, m); err != nil {
				t.Fatal(err)
			}
		}
		save(secret())
		save(quiet("a"))
		fails.Store(1000)
		m := quiet("a")
		m.Spec.Confirm = 5
		save(m)
		save(quiet("b"))
		got := r.Watched()
		if got["t1/a"].Confirm != 5 || got["t1/b"].Host == "" || got["t1/secret"].Password != "geheim" {
			t.Errorf("%v", got)
		}
		if asked["t1"] == 0 {
			t.Error("the town's own networks are unknown")
		}
		fails.Store(0)
		if err := r.Pause(w.Ctx, "secret", true); err != nil {
			t.Fatal(err)
		}
		if _, on := r.Watched()["t1/secret"]; on {
			t.Error("what is paused is still watched")
		}
	})
}

// A change that cannot be read after it was stored is not lost until the next
// start.
func TestChangeThatCouldNotBeRead(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	var fails atomic.Int32
	r, _, _ := newRoom(t, w, func(o *monitor.RoomOptions) { o.Vault = leaky{&fails} })
	w.Start(t)
	if err := r.Start(w.Ctx); err != nil {
		t.Fatal(err)
	}
	defer r.Stop()
	fails.Store(1) // what reads the new row after the commit
	if err := r.Save(w.Ctx, secret()); err != nil {
		t.Fatal(err)
	}
	until(t, "the monitor is watched all the same", func() bool { return r.Watched()["t1/secret"].Password == "geheim" })
}
