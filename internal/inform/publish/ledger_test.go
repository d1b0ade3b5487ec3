package publish

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"pgregory.net/rapid"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/channel"
)

// I8: whatever the mail servers do and whenever a node dies, each recipient has
// one row per statement, what has ended stays as it is, and in the end everybody
// has the message; only a batch whose node died may go twice.
func TestI8_Ledger(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...)) // the crash below runs on both
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		id := g.fresh(n)
		g.opened(id, "portal")
		s, err := g.trySay(id, template.First, "citizens", "staff", "press")
		if err != nil {
			t.Fatal(err)
		}
		all := ident.AcrossTenants(g.ctx)
		fate := rapid.SampledFrom([]error{
			nil, nil,
			&channel.Failure{Reason: "mailbox"},
			&channel.Failure{Reason: "connect", RouteDown: true},
			&channel.Failure{Reason: "canceled"},
			&channel.Failure{Reason: "mailbox", Permanent: true},
			errors.New("something else"),
		})
		g.town.deliver = func(channel.Message) error { return fate.Draw(t, "fate") }
		ended := map[string]DeliveryState{}
		inFlight := 0
		for range rapid.IntRange(1, 10).Draw(t, "rounds") {
			switch rapid.IntRange(0, 3).Draw(t, "act") {
			case 0: // a node claims and dies, before or after it has sent
				rows, err := g.claim(g.ctx, lane{ident.TenantOf(g.ctx), incident.Live, channel.Mail}, ident.NewID(g.clock.Now()), g.clock.Now())
				if err != nil {
					t.Fatal(err)
				}
				inFlight += len(rows)
			case 1: // its outcome comes late, after somebody else took over
				if err := g.settle(g.ctx, "gone", nil, nil); err != nil {
					t.Fatal(err)
				}
			case 2:
				if _, err := g.deliverDue(all, g.clock.Now()); err != nil {
					t.Fatal(err)
				}
			case 3:
				g.clock.pass(time.Duration(rapid.IntRange(1, 600).Draw(t, "seconds")) * time.Second)
			}
			g.check(t, s.ID, ended)
		}
		g.town.deliver = nil
		for range 50 {
			g.clock.pass(5 * time.Minute)
			if _, err := g.deliverDue(all, g.clock.Now()); err != nil {
				t.Fatal(err)
			}
		}
		g.check(t, s.ID, ended)
		c, err := g.Counts(g.ctx, s.ID)
		if err != nil || c.Waiting != 0 || c.Total != 8 || c.Accepted+c.Failed != 8 {
			t.Fatalf("%v: %+v", err, c)
		}
		copies := map[string]int{}
		for _, m := range g.town.sent {
			copies[m.ID]++
		}
		for id, k := range copies {
			if k > 1 {
				t.Fatalf("%s went %d times though no adapter took it twice", id, k)
			}
		}
		if len(copies) != c.Accepted {
			t.Fatalf("%d accepted, %d sent", c.Accepted, len(copies))
		}
	})
}

// check holds I8 for what stands in the ledger now.
func (g *rig) check(t *rapid.T, id ID, ended map[string]DeliveryState) {
	list, err := g.Deliveries(g.ctx, id, DeliveryFilter{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, d := range list {
		key := d.Recipient + " " + string(d.Channel)
		if seen[key] {
			t.Fatalf("%s stands twice", key)
		}
		seen[key] = true
		if was, ok := ended[key]; ok && was != d.State {
			t.Fatalf("%s went back from %s to %s", key, was, d.State)
		}
		if d.State.Terminal() {
			ended[key] = d.State
		}
	}
}

// I8, the database: no query takes a delivery back, and none makes a second row.
func TestI8_Database(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		in := g.opened("i1", "portal")
		s := g.say(t, in.ID, template.First, first())
		g.sweep(t)
		err := w.Store.InTx(g.ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			_, err := db.NewUpdate().Model((*deliveryRow)(nil)).Set("state = 'queued'").Where("tenant_id = ?", storetest.Tenant).Exec(ctx)
			return err
		})
		if err == nil {
			t.Error("an accepted delivery may be queued again")
		}
		var row deliveryRow
		if err := w.Store.Read(g.ctx).NewSelect().Model(&row).Where("tenant_id = ?", storetest.Tenant).Limit(1).Scan(g.ctx); err != nil {
			t.Fatal(err)
		}
		row.ID = "another"
		err = w.Store.InTx(g.ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			_, err := db.NewInsert().Model(&row).Exec(ctx)
			return err
		})
		if !store.UniqueViolation(err) {
			t.Errorf("a second row for %s of %s: %v", row.Recipient, s.ID, err)
		}
	})
}

// A batch whose node died goes again after its lease, at once where this
// process is the only sender; nothing else goes twice.
func TestCrashDoublesOneBatch(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		g.town.plan[0].Recipients = nil
		for i := range 500 {
			g.town.plan[0].Recipients = append(g.town.plan[0].Recipients, fmt.Sprintf("p%03d@example.org", i))
		}
		in := g.opened("i1", "portal")
		s := g.say(t, in.ID, template.First, first(), "citizens")
		l := lane{storetest.Tenant, incident.Live, channel.Mail}
		rows, err := g.claim(g.ctx, l, "dies.1", g.clock.Now())
		if err != nil || len(rows) != batchSize {
			t.Fatalf("%v: %d", err, len(rows))
		}
		_, ms, _, err := g.messages(g.ctx, rows)
		if err != nil {
			t.Fatal(err)
		}
		g.town.Deliver(g.ctx, channel.Live, channel.Mail, ms) // and the node is gone
		if err := g.TakeUp(g.ctx, "lives"); err != nil {      // takes nothing
			t.Fatal(err)
		}
		if rows, err := g.claim(g.ctx, l, "lives.2", g.clock.Now()); err != nil || len(rows) != batchSize {
			t.Fatalf("%v: %d", err, len(rows))
		}
		if err := g.TakeUp(g.ctx, "dies"); err != nil {
			t.Fatal(err)
		}
		if c, _ := g.Deliveries(g.ctx, s.ID, DeliveryFilter{States: []DeliveryState{Sending}, Limit: 1000}); len(c) != batchSize {
			t.Fatalf("%d rows are being sent by the node that lives", len(c))
		}
		if err := g.TakeUp(g.ctx, "lives"); err != nil {
			t.Fatal(err)
		}
		g.sweep(t)
		if c, _ := g.Counts(g.ctx, s.ID); c.Accepted != 500 {
			t.Fatalf("%+v", c)
		}
		copies := map[string]int{}
		for _, m := range g.town.sent {
			copies[m.To]++
		}
		twice := 0
		for _, k := range copies {
			if k > 2 {
				t.Fatalf("%d times", k)
			}
			twice += k - 1
		}
		if len(copies) != 500 || twice != batchSize {
			t.Fatalf("%d got it, %d twice", len(copies), twice)
		}
		// What the dead node would have recorded changes nothing any more.
		if err := g.settle(g.ctx, "dies", rows[:1], []channel.Outcome{{Err: &channel.Failure{Permanent: true, Reason: "mailbox"}}}); err != nil {
			t.Fatal(err)
		}
		if c, _ := g.Counts(g.ctx, s.ID); c.Accepted != 500 {
			t.Fatalf("%+v", c)
		}
	})
}

// A mail server that is away for ten minutes loses nothing, and its lane rests
// instead of asking it five hundred times.
func TestRouteDown(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	in := g.opened("i1", "portal")
	s := g.say(t, in.ID, template.First, first())
	g.town.deliver = func(channel.Message) error { return &channel.Failure{Reason: "connect", RouteDown: true} }
	for range 20 {
		g.sweep(t)
		g.clock.pass(30 * time.Second)
	}
	if g.town.batches > 12 {
		t.Errorf("asked %d times in ten minutes", g.town.batches)
	}
	g.town.deliver = nil
	g.clock.pass(2 * time.Minute)
	g.sweep(t)
	if c, _ := g.Counts(g.ctx, s.ID); c.Accepted != 6 {
		t.Errorf("%+v", c)
	}
}

// What cannot be delivered for a day is given up, with the reason.
func TestTooLate(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	in := g.opened("i1", "portal")
	s := g.say(t, in.ID, template.First, first())
	g.town.deliver = func(channel.Message) error { return &channel.Failure{Reason: "mailbox"} }
	for range 120 {
		g.clock.pass(15 * time.Minute)
		g.sweep(t)
	}
	list, err := g.Deliveries(g.ctx, s.ID, DeliveryFilter{States: []DeliveryState{Expired}})
	if err != nil || len(list) != 6 || list[0].Reason != ReasonTooLate {
		t.Fatalf("%v: %+v", err, list)
	}
}

// I10: however many statements are published, nobody gets a seventh within an
// hour; old news that waited goes away when newer news comes, and the recovery
// reaches everybody.
func TestI10_Cap(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		id := g.fresh(n)
		g.opened(id, "portal")
		all := ident.AcrossTenants(g.ctx)
		type got struct{ at []time.Time }
		mail := map[string]*got{}
		collect := func() {
			if _, err := g.deliverDue(all, g.clock.Now()); err != nil {
				t.Fatal(err)
			}
			for _, m := range g.town.sent {
				if mail[m.To] == nil {
					mail[m.To] = &got{}
				}
				mail[m.To].at = append(mail[m.To].at, g.clock.Now())
			}
			g.town.sent = nil
		}
		for range rapid.IntRange(4, 10).Draw(t, "statements") {
			if _, err := g.trySay(id, rapid.SampledFrom([]template.Kind{template.First, template.Update}).Draw(t, "kind"), "citizens"); err != nil {
				t.Fatal(err)
			}
			collect()
			g.clock.pass(time.Duration(rapid.IntRange(1, 20).Draw(t, "minutes")) * time.Minute)
		}
		rec, err := g.trySay(id, template.Recovery, "citizens")
		if err != nil {
			t.Fatal(err)
		}
		for range 9 {
			collect()
			g.clock.pass(8 * time.Minute)
		}
		for to, m := range mail {
			for i := range m.at {
				if i+capPerHour < len(m.at) && m.at[i+capPerHour].Sub(m.at[i]) < capWindow {
					t.Fatalf("%s got seven within an hour: %v", to, m.at)
				}
			}
		}
		if c, err := g.Counts(g.ctx, rec.ID); err != nil || c.Accepted != 5 {
			t.Fatalf("recovery: %v %+v", err, c)
		}
	})
}

// BenchmarkLedger claims, sends and records 10,000 rows, the mailing of a town
// that writes to everybody.
func BenchmarkLedger(b *testing.B) {
	g := newRig(b, storetest.SQLite(b, rooms...))
	g.town.plan[0].Recipients = nil
	for i := range 10_000 {
		g.town.plan[0].Recipients = append(g.town.plan[0].Recipients, fmt.Sprintf("p%05d@example.org", i))
	}
	k := 0
	for b.Loop() {
		k++
		in := g.opened(incident.ID(fmt.Sprintf("i%d", k)), "portal")
		start := time.Now()
		if _, err := g.trySay(in.ID, template.First, "citizens"); err != nil {
			b.Fatal(err)
		}
		written := time.Since(start)
		if _, err := g.deliverDue(ident.AcrossTenants(g.ctx), g.clock.Now()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(written.Milliseconds()), "ms-to-publish")
		b.ReportMetric(10_000/(time.Since(start)-written).Seconds(), "rows/s")
		if len(g.town.sent) != 10_000 {
			b.Fatalf("%d sent", len(g.town.sent))
		}
		g.town.sent = nil
		g.clock.pass(time.Hour)
	}
}
