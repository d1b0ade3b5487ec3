package alert_test

import (
	"testing"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
)

// The release before this one numbers a key that was forgotten from 1 again. After one
// step back its outage wakes; an alert that is open keeps what it knows.
func TestI20_OneStepBackAlarms(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		fold(t, r, sw.Ctx, firing("over", "", 7), resolved("over", "", 8), firing("open", "mail", 9))
		w.to()
		fold(t, r, sw.Ctx, firing("over", "", 1))
		if sent := w.to(); len(sent) != 0 {
			t.Fatalf("what is over wakes: %q", sent)
		}
		if err := alert.GoBack(sw.Ctx, sw.Store, []ident.Tenant{storetest.Tenant}); err != nil {
			t.Fatal(err)
		}
		fold(t, r, sw.Ctx, firing("open", "mail", 9))
		if sent := w.to(); len(sent) != 0 {
			t.Errorf("what is open wakes again: %q", sent)
		}
		fold(t, r, sw.Ctx, firing("over", "", 1))
		if sent := w.to(); len(sent) == 0 {
			t.Error("an outage wakes nobody")
		}
	})
}
