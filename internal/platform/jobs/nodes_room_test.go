package jobs_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
)

// The first node leads; the second stands by, whatever its clock says, until the
// first gives its lease back; what the first believes then counts no more.
func TestNodesTurn(t *testing.T) {
	storetest.Each(t, []store.Migrations{jobs.Migrations()}, func(t *testing.T, w *storetest.World) {
		node := func(name string, wrong time.Duration) (*jobs.Nodes, *atomic.Int32) {
			turned := &atomic.Int32{}
			c := &clock.Followed{Base: shifted(wrong)}
			return jobs.NewNodes(jobs.NodesOptions{
				Store: w.Store, Node: name, Clock: c,
				Gone: func(_ context.Context, node string) error { return errors.New("no node is dead: " + node) },
				Lead: func(_ context.Context, leads bool) {
					if leads {
						turned.Add(1)
					}
				},
			}), turned
		}
		may := func(n *jobs.Nodes) error {
			return w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error { return n.Check(ctx, db) })
		}
		a, turnedA := node("a", 0)
		if err := may(a); !errors.Is(err, jobs.ErrNoWord) {
			t.Fatal(err)
		}
		if err := a.Start(w.Ctx); err != nil {
			t.Fatal(err)
		}
		wrong := time.Hour // ahead: a's lease has run out long ago, by this clock
		if !w.Store.Postgres() {
			wrong = 0 // there is one clock where there is one machine
		}
		b, turnedB := node("b", wrong)
		if err := b.Start(w.Ctx); err != nil {
			t.Fatal(err)
		}
		if !a.Leads() || b.Leads() || turnedA.Load() != 1 || turnedB.Load() != 0 || may(a) != nil || !errors.Is(may(b), jobs.ErrNotLeader) {
			t.Fatalf("a leads: %v, b leads: %v", a.Leads(), b.Leads())
		}
		if err := a.Stop(w.Ctx); err != nil {
			t.Fatal(err)
		}
		for end := time.After(20 * time.Second); !b.Leads(); {
			select {
			case <-end:
				t.Fatal("the lease that was given back was not taken")
			case <-time.After(50 * time.Millisecond):
			}
		}
		// a has heard nothing, as if it had stood still.
		if !a.Leads() || !errors.Is(may(a), jobs.ErrNotLeader) || may(b) != nil {
			t.Fatalf("a may write: %v, b may: %v", may(a), may(b))
		}
		if err := b.Stop(w.Ctx); err != nil {
			t.Fatal(err)
		}
	})
}

type shifted time.Duration

func (s shifted) Now() time.Time { return clock.System{}.Now().Add(time.Duration(s)) }
