package publish

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"pgregory.net/rapid"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/plan"
)

// fresh gives each run of a property its own tenant, incident and town, in one
// database.
func (g *rig) fresh(n int) incident.ID {
	g.town.mu.Lock()
	fresh := newTown()
	fresh.mu.Lock()
	g.town.plan, g.town.people, g.town.refused, g.town.deliver = fresh.plan, fresh.people, fresh.refused, nil
	g.town.mails, g.town.sent = nil, nil
	g.town.mu.Unlock()
	g.ctx = ident.WithTenant(g.ctx, ident.Tenant(fmt.Sprintf("run%d", n)))
	return incident.ID(fmt.Sprintf("i%d", n))
}

// trySay publishes past the second person by break-glass; it gives up quietly
// where the rules refuse.
func (g *rig) trySay(in incident.ID, k template.Kind, audiences ...string) (Statement, error) {
	facts := first()
	maps.Copy(facts, recovered())
	maps.Copy(facts, template.Facts{
		template.SlotProgress: template.Filled("Der Fehler ist gefunden"), template.SlotNewTime: template.Unknown(), template.SlotReason: template.Unknown(),
	})
	s, err := g.Create(g.as("ada"), in, Content{Kind: k, Facts: facts, Audiences: audiences})
	if err != nil {
		return s, err
	}
	return g.Approve(g.as("ada"), s.ID, Consent{BreakGlass: "Probe"})
}

// I6: at every moment of a live public incident there is exactly one open
// promise per audience that is concerned, unless its recovery has been told; it
// is reminded, and it does not lapse silently.
func TestI6_OneNextUpdate(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		id := g.fresh(n)
		in := g.opened(id, "portal")
		in.Phase, in.ConfirmedAt = incident.Candidate, time.Time{}
		g.set(in)
		recovered := map[string]bool{}
		move := func(to incident.Phase) {
			from := in.Phase
			in.Phase = to
			if live(to) && in.ConfirmedAt.IsZero() {
				in.ConfirmedAt = g.clock.Now()
			}
			g.set(in)
			again := live(to) && !live(from)
			if again {
				clear(recovered)
			}
			if err := g.follow(g.ctx, id, again); err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(1, 14).Draw(t, "steps") {
			switch rapid.IntRange(0, 6).Draw(t, "act") {
			case 0:
				next := in.Phase.Next()
				if in.Phase.MayReopen() {
					next = append(next, incident.Confirmed)
				}
				if in.Phase.MayLeave() {
					next = append(next, incident.Dismissed)
				}
				if len(next) > 0 {
					move(rapid.SampledFrom(next).Draw(t, "to"))
				}
			case 1, 2:
				kind := rapid.SampledFrom([]template.Kind{template.Holding, template.First, template.Update, template.NoChange, template.ETAChange, template.Recovery}).Draw(t, "kind")
				var to []string
				if rapid.Bool().Draw(t, "some") {
					to = []string{rapid.SampledFrom([]string{"citizens", "staff", "leadership"}).Draw(t, "audience")}
				}
				s, err := g.trySay(id, kind, to...)
				if err != nil {
					if fault.KindOf(err) == fault.Internal {
						t.Fatal(err)
					}
					continue
				}
				for _, a := range s.Audiences {
					recovered[a] = kind == template.Recovery
				}
			case 3:
				g.clock.pass(time.Duration(rapid.IntRange(1, 100).Draw(t, "minutes")) * time.Minute)
				if _, err := g.promisesDue(ident.AcrossTenants(g.ctx), g.clock.Now()); err != nil {
					t.Fatal(err)
				}
			case 4:
				in.Services = []string{"portal", "mail"}
				g.set(in)
				if err := g.follow(g.ctx, id, false); err != nil {
					t.Fatal(err)
				}
			case 5:
				if rapid.IntRange(0, 3).Draw(t, "rarely") == 0 {
					in.Private = true
					g.set(in)
					if err := g.follow(g.ctx, id, false); err != nil {
						t.Fatal(err)
					}
				}
			case 6: // an event told twice or late
				if err := g.follow(g.ctx, id, false); err != nil {
					t.Fatal(err)
				}
			}
			ps, err := g.Promises(g.ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			open := map[string]int{}
			for _, p := range ps {
				if p.State != PromiseOpen {
					continue
				}
				open[p.Audience]++
				if in.Private || in.Phase.Ended() {
					t.Fatalf("%s, private %v, still owes %s", in.Phase, in.Private, p.Audience)
				}
			}
			for a, n := range open {
				if n > 1 {
					t.Fatalf("%d next updates for %s", n, a)
				}
			}
			if live(in.Phase) && !in.Private {
				for _, a := range []string{"citizens", "staff"} {
					if open[a] != 1 && !recovered[a] {
						t.Fatalf("%s: %d next updates for %s", in.Phase, open[a], a)
					}
				}
			}
		}
	})
}

// I6, the clock: one reminder five minutes before, one escalation when it is
// overdue, to people and as an event, and never twice.
func TestI6_RemindsAndEscalates(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		in := g.opened("i1", "portal")
		if err := g.follow(g.ctx, in.ID, true); err != nil {
			t.Fatal(err)
		}
		look := func(at time.Duration) time.Time {
			g.clock.pass(noon.Add(at).Sub(g.clock.Now()))
			next, err := g.promisesDue(ident.AcrossTenants(g.ctx), g.clock.Now())
			if err != nil {
				t.Fatal(err)
			}
			return next
		}
		if next := look(0); !next.Equal(noon.Add(10 * time.Minute)) {
			t.Fatalf("looks again at %s", next)
		}
		if len(g.town.mails) != 0 {
			t.Fatalf("too early: %+v", g.town.mails)
		}
		if next := look(10 * time.Minute); !next.Equal(noon.Add(15 * time.Minute)) {
			t.Fatalf("looks again at %s", next)
		}
		// Staff have an owner, citizens none: Ada as owner and publisher gets both
		// at two addresses, Cleo as publisher one.
		if ada, cleo := g.mailsTo("ada@posteo.example"), g.mailsTo("cleo@musterstadt.example"); len(ada) != 2 || len(cleo) != 1 || !strings.Contains(cleo[0].Subject, "By 14:17") {
			t.Fatalf("reminders: %d, %+v", len(ada), cleo)
		}
		before := len(g.town.mails)
		look(11 * time.Minute)
		if len(g.town.mails) != before {
			t.Fatal("reminded twice")
		}
		look(15 * time.Minute)
		overdue := g.mailsTo("bert@musterstadt.example")
		if len(overdue) != 2 || !strings.HasPrefix(overdue[0].Subject, "Überfällig") || !strings.Contains(overdue[0].Text, "https://lage.example/publish/new?incident=i1") {
			t.Fatalf("escalation: %+v", overdue)
		}
		ps, _ := g.Due(g.ctx)
		if len(ps) != 2 || !ps[0].Overdue(g.clock.Now()) || ps[0].Escalated.IsZero() {
			t.Fatalf("%+v", ps)
		}
		before = len(g.town.mails)
		look(60 * time.Minute)
		if len(g.town.mails) != before {
			t.Fatal("escalated twice")
		}
		g.say(t, in.ID, template.First, first())
		kept, missed, err := g.Adherence(g.ctx, in.ID)
		if err != nil || kept != 0 || missed != 2 {
			t.Fatalf("%v: %d kept, %d missed", err, kept, missed)
		}
	})
}

// I1: whoever was written to before is in the recovery's ledger on the same
// channel, whatever became of the lists since; who refused is there with the
// reason.
func TestI1_RecoveryReachesAll(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		id := g.fresh(n)
		g.opened(id, "portal")
		told := map[string]bool{}
		for range rapid.IntRange(1, 3).Draw(t, "messages") {
			to := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"citizens", "press", "staff", "leadership"}), 1, 3, rapid.ID).Draw(t, "audiences")
			s, err := g.trySay(id, template.First, to...)
			if err != nil {
				t.Fatalf("%v %v", err, fault.As(err).Args)
			}
			list, err := g.Deliveries(g.ctx, s.ID, DeliveryFilter{})
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range list {
				told[d.Recipient] = true
			}
			if rapid.Bool().Draw(t, "sent") {
				if _, err := g.deliverDue(ident.AcrossTenants(g.ctx), g.clock.Now()); err != nil {
					t.Fatal(err)
				}
			}
			g.clock.pass(time.Hour)
		}
		// The lists change, people refuse.
		for i := range g.town.plan {
			keep := rapid.IntRange(0, len(g.town.plan[i].Recipients)).Draw(t, "keep")
			g.town.plan[i].Recipients = g.town.plan[i].Recipients[:keep]
		}
		who := slices.Sorted(maps.Keys(told))
		for _, a := range rapid.SliceOfDistinct(rapid.SampledFrom(who), rapid.ID).Draw(t, "refused") {
			g.town.refused[a] = rapid.SampledFrom([]string{ReasonUnsubscribed, ReasonErased}).Draw(t, "why")
		}
		if err := g.MayRestore(g.ctx, id); !errors.Is(err, ErrNoRecovery) {
			t.Fatalf("restored before recovery was told: %v", err)
		}
		rec, err := g.trySay(id, template.Recovery, "staff")
		if err != nil {
			t.Fatal(err)
		}
		list, err := g.Deliveries(g.ctx, rec.ID, DeliveryFilter{})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]Delivery{}
		for _, d := range list {
			got[d.Recipient] = d
		}
		for a := range told {
			d, ok := got[a]
			switch why := g.town.refused[a]; {
			case !ok || d.Channel != channel.Mail:
				t.Fatalf("%s never hears that it is over", a)
			case why != "" && (d.State != Skipped || d.Reason != why):
				t.Fatalf("%s refused, but %+v", a, d)
			case why == "" && d.State != Queued:
				t.Fatalf("%s: %+v", a, d)
			}
		}
		if err := g.MayRestore(g.ctx, id); err != nil {
			t.Fatalf("not restored: %v", err)
		}
		if rapid.Bool().Draw(t, "breaks again") {
			g.clock.pass(time.Minute)
			if _, err := g.trySay(id, template.Update, "staff"); err != nil {
				t.Fatal(err)
			}
			if err := g.MayRestore(g.ctx, id); !errors.Is(err, ErrNoRecovery) {
				t.Fatalf("restored though it broke again: %v", err)
			}
		}
	})
}

// I2: closed with closing words or with a reason, and with nothing else.
func TestI2_ClosingOrWaiver(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		n := 0
		rapid.Check(t, func(t *rapid.T) {
			n++
			id := g.fresh(n)
			g.opened(id, "portal")
			allowed := false
			for range rapid.IntRange(1, 4).Draw(t, "acts") {
				switch rapid.IntRange(0, 4).Draw(t, "act") {
				case 0:
					if _, err := g.trySay(id, template.First); err != nil {
						t.Fatal(err)
					}
				case 1:
					if _, err := g.trySay(id, template.Closing); err != nil {
						t.Fatal(err)
					}
					allowed = true
				case 2:
					if err := g.Waive(g.as("ada"), id, "Nur ein Probelauf"); err != nil {
						t.Fatal(err)
					}
					allowed = true
				case 3:
					if err := g.Waive(g.as("ada"), id, " "); fault.KindOf(err) != fault.Invalid {
						t.Fatalf("no reason: %v", err)
					}
				case 4:
					if err := g.Waive(g.as("eva"), id, "weil ich es sage"); fault.KindOf(err) != fault.Forbidden {
						t.Fatalf("a reader: %v", err)
					}
				}
				if err := g.MayClose(g.ctx, id); (err == nil) != allowed {
					t.Fatalf("closing allowed %v, gate says %v", allowed, err)
				}
			}
		})
	})
}

// I4: an exercise's statement goes to the exercise's channels alone, says ÜBUNG
// in every variant, and the database refuses a row that mixes the realms.
func TestI4_Realms(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		for _, realm := range []incident.Realm{incident.Live, incident.Exercise} {
			in := g.opened(incident.ID("i-"+realm), "portal")
			in.Realm = realm
			g.set(in)
			s := g.say(t, in.ID, template.First, first())
			vs, err := g.Variants(g.ctx, s.ID)
			if err != nil || len(vs) < 6 {
				t.Fatalf("%v: %d variants", err, len(vs))
			}
			for _, v := range vs {
				if strings.Contains(v.Body, "ÜBUNG") != (realm == incident.Exercise) {
					t.Errorf("%s %s %s: %s", v.Audience, v.Format, v.Language, v.Body)
				}
			}
			g.sweep(t)
			for _, m := range g.town.sent {
				if m.Realm != channel.Realm(realm) {
					t.Errorf("%s on a channel of %s", realm, m.Realm)
				}
			}
			for _, m := range g.town.mails {
				if m.Realm != channel.Realm(realm) {
					t.Errorf("letter of %s on a channel of %s", realm, m.Realm)
				}
			}
			g.town.sent, g.town.mails = nil, nil
			err = w.Store.InTx(g.ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
				_, err := db.NewUpdate().Model((*deliveryRow)(nil)).Set("channel_realm = CASE channel_realm WHEN 'live' THEN 'exercise' ELSE 'live' END").
					Where("tenant_id = ?", storetest.Tenant).Where("statement_id = ?", s.ID).Exec(ctx)
				return err
			})
			if err == nil {
				t.Errorf("%s: a delivery may leave its realm", realm)
			}
			row := Statement{ID: "x", Realm: realm}.row(storetest.Tenant)
			row.IncidentRealm = map[incident.Realm]incident.Realm{incident.Live: incident.Exercise, incident.Exercise: incident.Live}[realm]
			err = w.Store.InTx(g.ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
				_, err := db.NewInsert().Model(&row).Exec(ctx)
				return err
			})
			if err == nil {
				t.Errorf("%s: a statement may leave its incident's realm", realm)
			}
		}
	})
}

// I5: the words of a published statement cannot be changed or deleted by any
// query; a correction is a new version that says so, and both can be read.
func TestI5_PublishedStays(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		in := g.opened("i1", "portal")
		s := g.say(t, in.ID, template.First, first())
		before, err := g.Variants(g.ctx, s.ID)
		if err != nil {
			t.Fatal(err)
		}
		try := func(name string, run func(ctx context.Context, db bun.IDB) error) {
			t.Helper()
			if err := w.Store.InTx(g.ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error { return run(ctx, db) }); err == nil {
				t.Errorf("%s: the database allows it", name)
			}
		}
		try("variant changed", func(ctx context.Context, db bun.IDB) error {
			_, err := db.NewUpdate().Model((*variantRow)(nil)).Set("body = 'anders'").Where("tenant_id = ?", storetest.Tenant).Exec(ctx)
			return err
		})
		try("variant deleted", func(ctx context.Context, db bun.IDB) error {
			_, err := db.NewDelete().Model((*variantRow)(nil)).Where("tenant_id = ?", storetest.Tenant).Exec(ctx)
			return err
		})
		for _, set := range []string{"state = 'draft'", "facts = '{}'", "audiences = '[]'", "published_at = NULL", "correction = 'x'"} {
			try(set, func(ctx context.Context, db bun.IDB) error {
				_, err := db.NewUpdate().Model((*statementRow)(nil)).Set(set).Where("tenant_id = ?", storetest.Tenant).Exec(ctx)
				return err
			})
		}
		if _, err := g.Save(g.as("ada"), s.ID, 0, Content{Kind: template.First, Facts: first()}); !errors.Is(err, ErrState) {
			t.Errorf("saved: %v", err)
		}
		if _, err := g.Withdraw(g.as("ada"), s.ID); !errors.Is(err, ErrState) {
			t.Errorf("withdrawn: %v", err)
		}
		g.clock.pass(18 * time.Minute)
		if _, err := g.Correct(g.as("ada"), s.ID, " "); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a correction without words: %v", err)
		}
		fix, err := g.Correct(g.as("ada"), s.ID, "Die Telefonnummer war falsch.")
		if err != nil {
			t.Fatal(err)
		}
		facts := fix.Facts
		facts[template.SlotWorkaround] = template.Filled("Telefon 0611 111")
		if fix, err = g.Save(g.as("ada"), fix.ID, fix.Revision, Content{Kind: template.First, Facts: facts, Audiences: fix.Audiences}); err != nil {
			t.Fatal(err)
		}
		if fix, err = g.Submit(g.as("ada"), fix.ID, fix.Revision, ""); err != nil {
			t.Fatal(err)
		}
		if fix, err = g.Approve(g.as("bert"), fix.ID, Consent{Revision: fix.Revision}); err != nil {
			t.Fatal(err)
		}
		after, err := g.Variants(g.ctx, s.ID)
		if err != nil || !slices.EqualFunc(before, after, func(a, b Variant) bool { return a.Body == b.Body && a.AsOf.Equal(b.AsOf) }) {
			t.Errorf("the old words have changed: %v", err)
		}
		old, err := g.Get(g.ctx, s.ID)
		if err != nil || old.CorrectedBy != fix.ID || fix.Version != 2 || fix.Corrects != s.ID {
			t.Errorf("%v: %+v", err, old)
		}
		vs, err := g.Variants(g.ctx, fix.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range vs {
			if !strings.Contains(v.Body, "Die Telefonnummer war falsch.") || !strings.Contains(v.Body, "14:20") {
				t.Errorf("the correction does not show: %s", v.Body)
			}
		}
		if _, err := g.Correct(g.as("ada"), s.ID, "noch einmal"); !errors.Is(err, ErrState) {
			t.Errorf("a corrected version is corrected again: %v", err)
		}
		if c, _ := g.Counts(g.ctx, fix.ID); c.Total != 6 {
			t.Errorf("the correction goes to %+v", c)
		}
	})
}

// I11: what is on hold reaches no public variant, by whatever slot it comes.
func TestI11_HoldNeverPublic(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		id := g.fresh(n)
		g.opened(id, "portal")
		secret := "Der Einbruch geschah über das Konto von Herrn Muster"
		g.town.mu.Lock()
		g.town.facts[id] = []incident.Fact{
			{ID: "f1", Text: secret, Certainty: incident.FactConfirmed, Hold: true},
			{ID: "f2", Text: "Die Sicherung ist vollständig", Certainty: incident.FactConfirmed},
		}
		g.town.mu.Unlock()
		slot := rapid.SampledFrom([]template.Slot{template.SlotEvent, template.SlotMeasure, template.SlotImpact, template.SlotSeverity, template.SlotWorkaround}).Draw(t, "slot")
		audience := rapid.SampledFrom([]string{"citizens", "press", "staff", "leadership"}).Draw(t, "audience")
		facts := first()
		if rapid.Bool().Draw(t, "told") {
			facts[slot] = template.Filled(rapid.SampledFrom([]string{secret, strings.ToUpper(secret) + "!", "Bekannt ist: " + secret + "."}).Draw(t, "spelling"))
		}
		s, err := g.Create(g.as("ada"), id, Content{Kind: template.First, Facts: facts, Audiences: []string{audience}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = g.Approve(g.as("ada"), s.ID, Consent{BreakGlass: "Probe"})
		if err != nil && !errors.Is(err, ErrHeld) {
			t.Fatal(err)
		}
		vs, e := g.variants(g.ctx, s.ID)
		if e != nil {
			t.Fatal(e)
		}
		for _, v := range vs {
			if v.Public() && strings.Contains(strings.ToLower(v.Body), "herrn muster") {
				t.Fatalf("%s: %s", v.Audience, v.Body)
			}
			if v.Kind == plan.Staff && facts[slot].Text == "" && strings.Contains(v.Body, "Herrn Muster") {
				t.Fatalf("told to staff by the product itself: %s", v.Body)
			}
		}
		if err != nil && len(vs) > 0 {
			t.Fatal("refused, but rendered")
		}
	})
}

// I12: all variants are of one Stand and carry the same facts; what a person
// typed stands in each German text that has a place for it.
func TestI12_NoDrift(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	n := 0
	word := rapid.StringMatching(`[A-ZÄÖÜ][a-zäöüß]{2,12}( [a-zäöüß]{2,10}){0,5}`)
	rapid.Check(t, func(t *rapid.T) {
		n++
		id := g.fresh(n)
		in := g.opened(id, rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"portal", "mail"}), 1, 2, rapid.ID).Draw(t, "services")...)
		in.Level = rapid.SampledFrom(incident.Levels()).Draw(t, "level")
		g.set(in)
		kind := rapid.SampledFrom([]template.Kind{template.Holding, template.First, template.Update, template.NoChange, template.Recovery, template.Closing}).Draw(t, "kind")
		facts := template.Facts{}
		for _, slot := range []template.Slot{template.SlotEvent, template.SlotMeasure, template.SlotImpact, template.SlotSeverity, template.SlotProgress, template.SlotCause} {
			if rapid.Bool().Draw(t, "known") {
				facts[slot] = template.Filled(word.Draw(t, string(slot)))
			} else {
				facts[slot] = template.Unknown()
			}
		}
		facts[template.SlotNewTime] = template.At(g.clock.Now().Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "eta")) * time.Minute))
		s, err := g.Create(g.as("ada"), id, Content{Kind: kind, Facts: facts, Audiences: []string{"citizens", "staff", "leadership"}})
		if err != nil {
			t.Fatal(err)
		}
		s, err = g.Approve(g.as("ada"), s.ID, Consent{BreakGlass: "Probe"})
		if err != nil {
			p, _ := g.Look(g.as("ada"), s.ID)
			t.Fatalf("%s: %v %v %+v", kind, err, fault.As(err).Args, p.Drifts)
		}
		vs, err := g.variants(g.ctx, s.ID)
		if err != nil || len(vs) == 0 {
			t.Fatal(err, len(vs))
		}
		for _, v := range vs {
			if !v.AsOf.Equal(s.PublishedAt) {
				t.Fatalf("%s: Stand %s", v.Entry, v.AsOf)
			}
			if strings.ContainsAny(v.Body+v.Subject+v.Title, "{}[]") {
				t.Fatalf("%s: %s", v.Entry, v.Body)
			}
		}
	})
}

// I19: a second tenant sees and changes nothing of the first.
func TestI19_OtherTenant(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		in := g.opened("i1", "portal")
		s := g.say(t, in.ID, template.First, first())
		if err := g.Waive(g.as("ada"), in.ID, "Probe halber"); err != nil {
			t.Fatal(err)
		}
		if _, err := g.ReleaseTexts(g.as("bert"), template.Holding); err != nil {
			t.Fatal(err)
		}
		link := g.link(mustTenant(g), linkApprove, s, "bert", g.clock.Now().Add(time.Hour))
		g.ctx = ident.WithTenant(g.ctx, "t2")
		if _, err := g.Get(g.ctx, s.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("get: %v", err)
		}
		list, err := g.List(g.ctx, Filter{})
		vs, err2 := g.Variants(g.ctx, s.ID)
		ps, err3 := g.Promises(g.ctx, in.ID)
		due, err4 := g.Due(g.ctx)
		ds, err5 := g.Deliveries(g.ctx, s.ID, DeliveryFilter{})
		c, err6 := g.Counts(g.ctx, s.ID)
		rel, err7 := g.Releases(g.ctx)
		_, waived, err8 := g.Waived(g.ctx, in.ID)
		if err := errors.Join(err, err2, err3, err4, err5, err6, err7, err8); err != nil {
			t.Fatal(err)
		}
		if len(list)+len(vs)+len(ps)+len(due)+len(ds)+c.Total+len(rel) != 0 || waived {
			t.Errorf("seen: %d %d %d %d %d %+v %d %v", len(list), len(vs), len(ps), len(due), len(ds), c, len(rel), waived)
		}
		if err := g.MayClose(g.ctx, in.ID); !errors.Is(err, ErrNoClosing) {
			t.Errorf("close: %v", err)
		}
		for name, err := range map[string]error{
			"save":     second(g.Save(g.as("ada"), s.ID, 0, Content{Kind: template.First})),
			"submit":   second(g.Submit(g.as("ada"), s.ID, 0, "")),
			"approve":  second(g.Approve(g.as("bert"), s.ID, Consent{})),
			"withdraw": second(g.Withdraw(g.as("ada"), s.ID)),
			"correct":  second(g.Correct(g.as("ada"), s.ID, "falsch")),
			"return":   second(g.Return(g.as("bert"), s.ID, "nein")),
			"confirm":  second(g.Confirm(g.as("bert"), s.ID)),
		} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := g.LookByLink(g.ctx, link[strings.LastIndex(link, "/")+1:]); !errors.Is(err, ErrLink) {
			t.Errorf("link: %v", err)
		}
	})
}

func second[T any](_ T, err error) error { return err }
