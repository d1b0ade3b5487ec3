package monitor

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// References that are replaced while the line is held lost prove nothing any
// more: whoever was hidden behind them alarms (I20).
func TestI20_ReplacedReferencesWithholdNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCosmos()
		e := c.engine(t, "ref-1", "ref-2")
		e.Set([]Item{c.item(t, "out-web"), c.item(t, "in-db")})
		e.Start(t.Context())
		defer e.Stop()
		time.Sleep(5 * time.Minute)
		c.kill(true, "ref-1", "ref-2", "out-web")
		time.Sleep(5 * time.Minute)
		if u := e.Uplink(); !u.Lost {
			t.Fatal("the line should be lost")
		}
		if slices.Contains(c.told(), "t1/out-web went_down") {
			t.Fatal("what lies behind a lost line is withheld")
		}
		synctest.Wait()
		ref, _ := Reference(Spec{Host: "ref-3", Port: 1})
		e.SetReferences([]Spec{ref})
		time.Sleep(5 * time.Minute)
		if u := e.Uplink(); u.Lost || u.References != 1 || !u.Proven {
			t.Fatalf("%+v", u)
		}
		if tr := c.told(); !slices.Contains(tr, "t1/out-web went_down") {
			t.Fatalf("%v", tr)
		}
		before := len(c.told())
		e.SetReferences(nil)
		time.Sleep(5 * time.Minute)
		if u := e.Uplink(); u.References != 0 || u.Proven || len(c.told()) != before {
			t.Fatalf("%+v %v", u, c.told())
		}
	})
}
