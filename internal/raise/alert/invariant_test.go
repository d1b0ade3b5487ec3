package alert_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"pgregory.net/rapid"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/channel"
)

// The room hears signals and receipts through the bus, and tells what it does.
func TestThroughTheBus(t *testing.T) {
	storetest.Each(t, append([]store.Migrations{signal.Migrations()}, rooms()...), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		signals := signal.New(signal.Options{Store: sw.Store, Clock: w})
		r.Subscribe(sw.Bus)
		told := make(chan alert.Happened, 4)
		for _, topic := range []bus.Topic[alert.Happened]{alert.Opened, alert.Acknowledged, alert.Closed} {
			bus.On(sw.Bus, topic, "test."+string(topic), func(_ context.Context, e bus.Event[alert.Happened]) error {
				told <- e.Data
				return nil
			})
		}
		hints := sw.Hints.Subscribe(func(h bus.Hint) bool { return h.Topic == "alert" })
		defer hints.Close()
		sw.Start(t)
		wait := func() alert.Happened {
			t.Helper()
			select {
			case h := <-told:
				return h
			case <-time.After(20 * time.Second):
				t.Fatal("nothing was told")
				return alert.Happened{}
			}
		}
		s := firing("monitor:portal", "portal", 0)
		if _, err := signals.Record(sw.Ctx, s); err != nil {
			t.Fatal(err)
		}
		opened := wait()
		if opened.Service != "portal" || !opened.Since.Equal(s.Since) {
			t.Fatalf("%+v", opened)
		}
		<-hints.C
		if _, err := r.Acknowledge(as(sw.Ctx, "bert", "B. Kern", "it"), opened.ID); err != nil {
			t.Fatal(err)
		}
		if h := wait(); h.Name != "B. Kern" || h.ID != opened.ID {
			t.Fatalf("%+v", h)
		}
		all, err := r.Notified(sw.Ctx, opened.ID)
		if err != nil || len(all) == 0 {
			t.Fatal(all, err)
		}
		err = sw.Store.InTx(sw.Ctx, func(ctx context.Context, _ bun.IDB, enqueue store.Enqueue) error {
			return channel.Settled.Tell(ctx, enqueue, noon, channel.SettledEvent{ID: all[0].MessageID, State: channel.Accepted})
		})
		if err != nil {
			t.Fatal(err)
		}
		s.State = signal.Resolved
		if _, err := signals.Record(sw.Ctx, s); err != nil {
			t.Fatal(err)
		}
		if h := wait(); h.ID != opened.ID || h.Name != "" {
			t.Fatalf("%+v", h)
		}
		for try := 0; ; try++ {
			all, err := r.Notified(sw.Ctx, opened.ID)
			if err != nil || try > 1000 {
				t.Fatal("no receipt", all, err)
			}
			if slices.ContainsFunc(all, func(n alert.Notified) bool { return n.Receipt == string(channel.Accepted) && n.ReceiptAt.Equal(noon) }) {
				return
			}
			select {
			case <-hints.C:
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
}

func TestI19_OtherTenantsSeeNothing(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1))
		id := list(t, r, sw.Ctx, alert.Filter{})[0].ID
		info := firing("b", "", 1)
		info.Severity = signal.Info
		fold(t, r, sw.Ctx, info)
		other := ident.WithTenant(sw.Ctx, "t2")
		if n := len(list(t, r, other, alert.Filter{})); n != 0 {
			t.Error(n)
		}
		if _, err := r.Get(other, id); !errors.Is(err, alert.ErrNotFound) {
			t.Error(err)
		}
		if _, err := r.Acknowledge(other, id); !errors.Is(err, alert.ErrNotFound) {
			t.Error(err)
		}
		if err := r.Link(other, id, "i"); !errors.Is(err, alert.ErrNotFound) {
			t.Error(err)
		}
		if n, err := r.Notified(other, id); err != nil || len(n) != 0 {
			t.Error(n, err)
		}
		if n, err := r.Decisions(other, id); err != nil || len(n) != 0 {
			t.Error(n, err)
		}
		if n, err := r.Withheld(other, noon); err != nil || len(n) != 0 {
			t.Error(n, err)
		}
		w.to()
		fold(t, r, other, resolved("monitor:portal", "portal", 2))
		if a, err := r.Get(sw.Ctx, id); err != nil || a.State != alert.StateOpen {
			t.Error("another tenant's recovery closed ours", err)
		}
	})
}

// TestI20: whatever signals come, in whatever order and however often, and
// whatever people do, a key that is firing is in an alert that is not closed,
// or is listed as withheld with a reason; and an open alert told somebody, or
// is listed too.
func TestI20_DoubtNeverSilences(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	r, w := setup(t, sw)
	all := w.people
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		ctx := ident.WithTenant(sw.Ctx, ident.Tenant(fmt.Sprint("r", round)))
		w.people = nil
		for _, p := range all {
			if rapid.Bool().Draw(rt, "here") {
				p.Blocked = rapid.Bool().Draw(rt, "blocked")
				w.people = append(w.people, p)
			}
		}
		w.refuse = rapid.SampledFrom([]string{"", "ada@town.example", "bert@town.example"}).Draw(rt, "refuse")
		last := map[string]signal.Signal{}
		var pending []signal.Signal
		for range rapid.IntRange(1, 12).Draw(rt, "signals") {
			key := rapid.SampledFrom([]string{"m:1", "m:2", "p:1"}).Draw(rt, "key")
			s := firing(key, rapid.SampledFrom([]string{"portal", "mail", "gone", ""}).Draw(rt, "service"), last[key].Seq+1)
			s.State = rapid.SampledFrom([]signal.State{signal.Firing, signal.Resolved}).Draw(rt, "state")
			s.Severity = rapid.SampledFrom([]signal.Severity{signal.Info, signal.Warning, signal.Critical}).Draw(rt, "severity")
			s.Group = rapid.SampledFrom([]string{"", "intake:a", "intake:b"}).Draw(rt, "group")
			last[key] = s
			pending = append(pending, s)
		}
		if rapid.Bool().Draw(rt, "shuffled") {
			pending = rapid.Permutation(append(pending, pending...)).Draw(rt, "order")
		}
		check := func(err error) {
			if err != nil {
				rt.Fatal(err)
			}
		}
		for _, s := range pending {
			check(alert.Fold(r, ctx, s))
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 50).Draw(rt, "pause")) * time.Second)
			if rapid.IntRange(0, 4).Draw(rt, "bundle") == 0 {
				_, err := alert.Bundles(r, ctx, w.now)
				check(err)
			}
			if rapid.IntRange(0, 9).Draw(rt, "act") == 0 {
				now, err := r.List(ctx, alert.Filter{Current: true})
				check(err)
				for _, a := range now {
					if rapid.Bool().Draw(rt, "close") {
						_, err = r.Close(ctx, a.ID, "weg")
					} else {
						_, err = r.Acknowledge(ctx, a.ID)
					}
					check(err)
				}
			}
		}
		covered := map[string]bool{}
		withheld, err := r.Withheld(ctx, w.now.Add(time.Hour))
		check(err)
		unheard := map[alert.ID]bool{}
		for _, x := range withheld {
			if x.Reason == "" {
				rt.Fatal("withheld without a reason")
			}
			if x.Reason == alert.Nobody {
				unheard[x.AlertID] = true
				continue
			}
			covered[x.Key] = true
		}
		current, err := r.List(ctx, alert.Filter{Current: true})
		check(err)
		keys := map[string]bool{}
		for _, a := range current {
			if keys[a.Key] {
				rt.Fatalf("two open alerts of %s", a.Key)
			}
			keys[a.Key] = true
			if a.Woken == 0 && a.State == alert.StateOpen && !unheard[a.ID] {
				rt.Fatal("an alert that nobody heard of is not listed")
			}
			any := false
			for _, s := range a.Signals {
				if s.State == signal.Firing {
					covered[s.Key], any = true, true
				}
			}
			if !any {
				rt.Fatal("an alert stays open without a firing source")
			}
		}
		for key, s := range last {
			if s.State == signal.Firing && !covered[key] {
				rt.Fatalf("%s fires, in no open alert and not withheld", key)
			}
		}
	})
}
