package alert_test

import (
	"testing"
	"time"

	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
	"tuermer/internal/raise/chain"
)

// Who puts an alarm off and then cannot after all declines it: those next are woken
// at once, and whoever declined is left alone.
func TestDeclinedAfterPuttingOff(t *testing.T) {
	storetest.Each(t, chained(), func(t *testing.T, sw *storetest.World) {
		r, w, again := withChain(t, sw)
		ada := as(sw.Ctx, "ada", "Ada", "publisher")
		fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1))
		id := list(t, r, sw.Ctx, alert.Filter{})[0].ID
		received(t, r, sw.Ctx, w, id, "ada")
		w.calls()
		if _, err := r.Snooze(ada, id, time.Hour); err != nil {
			t.Fatal(err)
		}
		w.pass(t, again(), sw.Ctx, 10*time.Minute)
		same(t, w.calls())
		if _, err := r.Decline(ada, id); err != nil {
			t.Fatal(err)
		}
		w.pass(t, again(), sw.Ctx, 0)
		same(t, w.calls(), "+492 voice")
		withheld, err := r.Withheld(sw.Ctx, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range withheld {
			if x.EndedAt.IsZero() {
				t.Errorf("still listed: %+v", x)
			}
		}
	})
}

// What one person put off stays so when another declines, and whoever declined is
// left alone when it is back.
func TestPutOffByAnother(t *testing.T) {
	storetest.Each(t, chained(), func(t *testing.T, sw *storetest.World) {
		r, w, again := withChain(t, sw)
		declare(t, sw.Ctx, w, chain.Chain{Slug: "edv", Name: "EDV", Services: []string{"portal"}, Steps: []chain.Step{
			{Notify: []chain.Who{"person:ada@town.example", "person:bert@town.example"}, By: []chain.Way{chain.SMS}, Wait: 5 * time.Minute},
			{Notify: []chain.Who{"person:cem@town.example"}, By: []chain.Way{chain.Mail}, Wait: 5 * time.Minute},
		}})
		ada, bert := as(sw.Ctx, "ada", "Ada", "publisher"), as(sw.Ctx, "bert", "Bert", "publisher")
		fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1))
		id := list(t, r, sw.Ctx, alert.Filter{})[0].ID
		received(t, r, sw.Ctx, w, id, "ada")
		received(t, r, sw.Ctx, w, id, "bert")
		same(t, w.calls(), "+491 sms", "+492 sms")
		if _, err := r.Snooze(ada, id, time.Hour); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Decline(bert, id); err != nil {
			t.Fatal(err)
		}
		w.pass(t, again(), sw.Ctx, time.Hour-time.Millisecond)
		same(t, w.calls())
		w.pass(t, again(), sw.Ctx, time.Millisecond)
		same(t, w.calls(), "+491 sms")
		received(t, r, sw.Ctx, w, id, "ada")
		w.calls()

		// Ada puts it off once more, and then cannot: Bert has declined, so Cem is woken.
		if _, err := r.Snooze(ada, id, time.Hour); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Decline(ada, id); err != nil {
			t.Fatal(err)
		}
		w.pass(t, again(), sw.Ctx, 0)
		same(t, w.calls(), "cem@town.example mail")
	})
}

// Where somebody else of the step has not answered, a put-off that is taken back
// wakes them at once, and not whoever took it back.
func TestPutOffTakenBack(t *testing.T) {
	storetest.Each(t, chained(), func(t *testing.T, sw *storetest.World) {
		r, w, again := withChain(t, sw)
		declare(t, sw.Ctx, w, chain.Chain{Slug: "edv", Name: "EDV", Services: []string{"portal"}, Steps: []chain.Step{
			{Notify: []chain.Who{"person:ada@town.example", "person:bert@town.example"}, By: []chain.Way{chain.SMS}, Wait: 5 * time.Minute},
			{Notify: []chain.Who{"person:cem@town.example"}, By: []chain.Way{chain.Mail}, Wait: 5 * time.Minute},
		}})
		ada := as(sw.Ctx, "ada", "Ada", "publisher")
		fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1))
		id := list(t, r, sw.Ctx, alert.Filter{})[0].ID
		w.calls()
		if _, err := r.Snooze(ada, id, time.Hour); err != nil {
			t.Fatal(err)
		}
		w.pass(t, again(), sw.Ctx, 10*time.Minute)
		same(t, w.calls())
		if _, err := r.Decline(ada, id); err != nil {
			t.Fatal(err)
		}
		w.pass(t, again(), sw.Ctx, 0)
		same(t, w.calls(), "+492 sms")
		received(t, r, sw.Ctx, w, id, "bert")
		w.pass(t, again(), sw.Ctx, 5*time.Minute)
		same(t, w.calls(), "cem@town.example mail")
	})
}
