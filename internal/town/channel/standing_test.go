package channel_test

import (
	"testing"

	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/channel"
)

// known is a way that knows how it stands before anything is sent.
type known struct {
	relay
	down *channel.Failure
}

func (k *known) Down() *channel.Failure { return k.down }

// A way that says of itself that it is down is shown so before a message shows it, and
// comes after the others; when none is left it is tried all the same.
func TestWayThatKnowsItIsDown(t *testing.T) {
	storetest.Each(t, []store.Migrations{channel.Migrations()}, func(t *testing.T, w *storetest.World) {
		first := &known{relay: relay{name: "first", realm: channel.Live}, down: &channel.Failure{RouteDown: true, Reason: "auth"}}
		second := &relay{name: "second", realm: channel.Live, say: func(m channel.Message) error {
			if m.ID == "m2" {
				return &channel.Failure{RouteDown: true, Reason: "connect"}
			}
			return nil
		}}
		r := room(w, first, second)
		ways := r.Ways(w.Ctx)
		if len(ways) != 2 || !ways[0].Down || ways[0].Why != "auth" || ways[1].Down {
			t.Fatalf("%+v", ways)
		}
		ends := settled(w)
		w.Start(t)
		start(t, w, r)
		for _, c := range [][2]string{{"m1", "second"}, {"m2", "first"}} {
			if err := r.Send(w.Ctx, alarm(c[0])); err != nil {
				t.Fatal(err)
			}
			if e := wait(t, ends); e.ID != c[0] || e.State != channel.Accepted || e.Route != c[1] {
				t.Fatalf("%+v, not by %s", e, c[1])
			}
		}
	})
}
