package monitor

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// These tests each hold one rule of "doubt never silences" that nothing else
// would miss: without it the product stays silent, or speaks late, in a
// situation that the random play of state_test.go hardly ever meets.

// TestI20_AskingEnds: a parent that hangs answers neither yes nor no, and its
// child does not wait for it longer than MaxAsking.
func TestI20_AskingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		e := w.engine(EngineOptions{})
		child := tcpItem(t, "web")
		child.Spec.Parents = []string{"router"}
		e.Set([]Item{tcpItem(t, "router"), child})
		e.Start(t.Context())
		defer e.Stop()
		time.Sleep(3 * time.Minute)
		w.set("router.example", hangs(time.Hour))
		w.set("web.example", fails)
		e.ProbeNow("web")
		time.Sleep(10 * time.Second)
		if st, _ := e.Status("web"); st.State != Suspect || st.Asking.IsZero() || len(w.transitions()) != 0 {
			t.Fatalf("its parent is being asked: %+v, %v", st, w.transitions())
		}
		time.Sleep(15 * time.Second)
		if tr := w.transitions(); !slices.Equal(tr, []string{"web went_down"}) {
			t.Errorf("after the time for asking: %v", tr)
		}
	})
}

// TestI20_SuspectParentExcusesNothing: a parent that is only being confirmed
// lets its child wait, and does not make it unreachable.
func TestI20_SuspectParentExcusesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCosmos()
		e := c.engine(t)
		parent := c.item(t, "in-router")
		parent.Spec.Confirm = MaxConfirm // minutes
		e.Set([]Item{parent, c.item(t, "in-web", "in-router")})
		e.Start(t.Context())
		defer e.Stop()
		time.Sleep(3 * time.Minute)
		c.kill(true, "in-router", "in-web")
		e.ProbeNow("t1/in-web")
		for range 25 {
			time.Sleep(time.Second)
			if st, _ := e.Status("t1/in-web"); st.State == Unreachable || st.Held != (Held{}) {
				t.Fatalf("excused by a doubt: %+v", st)
			}
		}
		if st, _ := e.Status("t1/in-router"); st.State != Suspect {
			t.Fatalf("the parent must still be in doubt: %+v", st)
		}
		if tr := c.told(); !slices.Equal(tr, []string{"t1/in-web went_down"}) {
			t.Errorf("%v", tr)
		}
	})
}

// TestI20_OneReferenceProvesNothing: while another reference answers, our line
// works, and what fails behind it alarms.
func TestI20_OneReferenceProvesNothing(t *testing.T) {
	for _, dead := range []string{"ref-1", "ref-2"} {
		t.Run(dead, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCosmos()
				e := c.engine(t, "ref-1", "ref-2")
				e.Set([]Item{c.item(t, "out-web")})
				e.Start(t.Context())
				defer e.Stop()
				time.Sleep(3 * time.Minute)
				c.kill(true, dead)
				time.Sleep(time.Minute)
				c.kill(true, "out-web")
				time.Sleep(90 * time.Second)
				// uplink_back is the first verdict of all.
				if tr := c.told(); !slices.Equal(tr, []string{"uplink_back", "t1/out-web went_down"}) || e.Uplink().Lost {
					t.Errorf("%v, %+v", tr, e.Uplink())
				}
			})
		})
	}
}

// TestI20_ChildrenAreLookedAtWhenTheirParentIsBack: what was withheld behind a
// parent and still fails is told within seconds of its return, however rarely it
// is looked at, and through every storey.
func TestI20_ChildrenAreLookedAtWhenTheirParentIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCosmos()
		e := c.engine(t)
		list := []Item{c.item(t, "in-router"), c.item(t, "in-switch", "in-router"), c.item(t, "in-web", "in-switch")}
		for i := range list[1:] {
			list[1+i].Spec.Interval = Duration(time.Hour)
		}
		e.Set(list)
		e.Start(t.Context())
		defer e.Stop()
		time.Sleep(3 * time.Minute)
		c.kill(true, "in-router", "in-switch", "in-web")
		for _, it := range list {
			e.ProbeNow(it.ID)
			time.Sleep(10 * time.Second)
		}
		for _, it := range list[1:] {
			if st, _ := e.Status(it.ID); st.State != Unreachable || time.Until(st.NextAt) < 5*time.Minute {
				t.Fatalf("%s waits behind the router, and its next look is far: %+v", it.ID, st)
			}
		}
		c.kill(false, "in-router", "in-switch")
		e.ProbeNow("t1/in-router")
		time.Sleep(10 * time.Second)
		if tr := c.told(); !slices.Equal(tr, []string{"t1/in-router went_down", "t1/in-router came_up", "t1/in-web went_down"}) {
			t.Errorf("%v", tr)
		}
	})
}
