package jobs

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/clock"
)

// The lease, with nodes that stand still for any time and whose clocks are wrong
// by any amount: nobody is granted it while another holds it, the number rises
// with every change of hands and every lapse, and whoever writes under a number
// that has been passed is found out.
func TestLease(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := []string{"a", "b", "c"}
		var row hold
		now := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC) // the database's
		believes := map[string]int64{}                       // the number under which each thinks to lead
		var wrote int64                                      // the highest number under which somebody wrote
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20_000).Draw(t, "ms")) * time.Millisecond)
			node := rapid.SampledFrom(nodes).Draw(t, "node")
			switch rapid.IntRange(0, 1).Draw(t, "act") {
			case 0: // gives its word
				before := row
				next, won := grant(row, node, now, nodeTTL)
				if won && before.Node != node && now.Before(before.Until) {
					t.Fatalf("%s took it from %s, which holds it until %s, at %s", node, before.Node, before.Until, now)
				}
				if won {
					if (before.Node != node || !now.Before(before.Until)) && next.Fence != before.Fence+1 {
						t.Fatalf("the number went from %d to %d", before.Fence, next.Fence)
					}
					if !next.Until.Equal(now.Add(nodeTTL)) {
						t.Fatalf("granted until %s", next.Until)
					}
					row, believes[node] = next, next.Fence
				} else {
					delete(believes, node)
				}
			case 1: // stood still or not, it writes with what it believes
				fence, ok := believes[node]
				if !ok {
					continue
				}
				if row.Node == node && row.Fence == fence { // what Check asks
					if fence < wrote {
						t.Fatalf("%s wrote under %d after somebody wrote under %d", node, fence, wrote)
					}
					wrote = fence
				}
			}
		}
		current := 0
		for node, fence := range believes {
			if row.Node == node && row.Fence == fence {
				current++
			}
		}
		if current > 1 {
			t.Fatal("two may write")
		}
	})
}

type movable struct{ t time.Time }

func (m *movable) Now() time.Time { return m.t }

// A clock that differs little is left alone, one that differs much is followed.
func TestFollowed(t *testing.T) {
	base := &movable{time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)}
	c := &clock.Followed{Base: base}
	c.Follow(base.t.Add(300*time.Millisecond), 0)
	if !c.Now().Equal(base.t) {
		t.Errorf("stepped for 300 ms: %s", c.Now())
	}
	c.Follow(base.t.Add(3*time.Second), 8*time.Second)
	if !c.Now().Equal(base.t) {
		t.Errorf("stepped after an answer that took 8 s: %s", c.Now())
	}
	for _, off := range []time.Duration{2 * time.Minute, -time.Hour, 0} {
		c.Follow(base.t.Add(off), 10*time.Millisecond)
		if d := c.Now().Sub(base.t.Add(off)); d.Abs() > 10*time.Millisecond {
			t.Errorf("%s away: %s", off, d)
		}
	}
}
