package channel_test

import (
	"context"
	"testing"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/channel"
)

// caller is a way for calls that the test commands.
type caller struct{ *provider }

func (caller) Kind() channel.Kind { return channel.Voice }

func called(id string) channel.Message {
	m := short(id)
	m.Kind = channel.Voice
	return m
}

// A pressed key answers the very call in which it was pressed, once: though a later
// alarm went to the same number, though it comes before our own note of the call, and
// though the call was given up before. It is no answer to a test call.
func TestPressedKeys(t *testing.T) {
	storetest.Each(t, []store.Migrations{channel.Migrations()}, func(t *testing.T, w *storetest.World) {
		p, h := caller{&provider{name: "ruf"}}, &heard{}
		r := channel.New(channel.Options{
			Store: w.Store, Clock: clock.System{}, Vault: plainSealer{}, Sole: !w.Store.Postgres(), Answers: h,
			Adapters: func(context.Context) []channel.Adapter { return []channel.Adapter{p} },
		})
		ends, told := settled(w), received(w)
		w.Start(t)
		start(t, w, r)
		send := func(m channel.Message) {
			t.Helper()
			if err := r.Send(w.Ctx, m); err != nil {
				t.Fatal(err)
			}
			next(t, ends)
		}
		report := func(rep channel.Report) {
			t.Helper()
			if err := r.Report(w.Ctx, "ruf", rep); err != nil {
				t.Fatal(err)
			}
		}
		check := func(id, key string, arrival channel.Arrival, word channel.Word) {
			t.Helper()
			h.mu.Lock()
			defer h.mu.Unlock()
			if len(h.all) != 1 {
				t.Fatalf("%s: heard %+v", id, h.all)
			}
			a := h.all[0]
			if a.Message != id || a.Text != key || a.Word != word || a.Kind != channel.Voice || a.To != "+491700000001" || a.Thread != "al-1" {
				t.Errorf("%s: heard %+v", id, a)
			}
			h.all = nil
			if item, err := r.Get(w.Ctx, id); err != nil || item.Arrival != arrival {
				t.Errorf("%s: %+v %v", id, item, err)
			}
		}
		send(called("m1"))
		send(called("m2"))
		pressed := channel.Report{ID: "m1", Arrival: channel.Arrived, Key: "1"}
		report(pressed)
		report(pressed)
		next(t, told)
		check("m1", "1", channel.Arrived, channel.Take)

		report(channel.Report{ID: "m2", Arrival: channel.Lost, Reason: "completed"})
		report(channel.Report{ID: "m2", Arrival: channel.Arrived, Key: "2"})
		if e := next(t, told); e.Arrival != channel.Lost {
			t.Errorf("%+v", e)
		}
		check("m2", "2", channel.Lost, channel.Decline)

		report(channel.Report{Reference: "ruf-m3", Arrival: channel.Lost, Reason: "completed"})
		report(channel.Report{Reference: "ruf-m3", Arrival: channel.Arrived, Key: "1"})
		send(called("m3"))
		next(t, told)
		check("m3", "1", channel.Lost, channel.Take)

		trial := called("m4")
		trial.Class = channel.Single
		send(trial)
		report(channel.Report{ID: "m4", Arrival: channel.Arrived, Key: "1"})
		report(channel.Report{ID: "m1", Arrival: channel.Arrived, Key: "7"})
		if e := next(t, told); e.ID != "m4" || e.Arrival != channel.Arrived {
			t.Errorf("%+v", e)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.all) != 0 {
			t.Errorf("heard %+v", h.all)
		}
		if q := r.Quote(w.Ctx, channel.Voice, "ein langer Text, der keine SMS ist", 3); q.Parts != 1 || q.Cost != 0.24 || !q.Known {
			t.Errorf("%+v", q)
		}
	})
}
