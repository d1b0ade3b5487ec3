package contact

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

func (w *town) Alarmed(context.Context) (out []identity.Alarmed, err error) {
	for _, p := range w.people {
		if p.Has(identity.RoleIT) {
			out = append(out, identity.Alarmed{Person: p})
		}
	}
	return out, nil
}

// There is one round a month, on a Tuesday at ten in the town, and each follows
// the one before in the next month.
func TestNextRound(t *testing.T) {
	zone, err := clock.Zone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		since := time.Unix(rapid.Int64Range(1_000_000_000, 3_000_000_000).Draw(t, "since"), 0).UTC()
		next := nextRound(since, zone)
		local := next.In(zone)
		if !next.After(since) || local.Weekday() != time.Tuesday || local.Hour() != 10 || local.Day() < 8 || local.Day() > 14 {
			t.Fatalf("after %s: %s", since, local)
		}
		if gap := next.Sub(since); gap > 36*24*time.Hour {
			t.Fatalf("after %s: %s, %s later", since, local, gap)
		}
		if after := nextRound(next, zone); after.In(zone).Month() == local.Month() {
			t.Fatalf("two in a month: %s, %s", local, after)
		}
	})
}

var secretIn = regexp.MustCompile(`/ct/(\S+)`)

// A fresh install asks nobody for what was before it. On the day every way is
// asked; a click confirms one, once; who is silent is reminded twice over the way
// and once at the official address, turns red, and the leads get one report.
func TestRound(t *testing.T) {
	storetest.Each(t, []store.Migrations{Migrations()}, func(t *testing.T, s *storetest.World) {
		w := newWorld(t, s)
		ctx := s.Ctx
		proved := map[string]bool{}
		w.o.Carries = func(_ context.Context, k channel.Kind) bool { return k == channel.SMS }
		w.o.Proved = func(_ context.Context, id identity.PersonID, a string) error {
			proved[string(id)+" "+a] = true
			return nil
		}
		w.town.people = append(w.town.people,
			identity.Person{ID: "a", Name: "Ada", Email: "ada@stadt.example", Alternative: "ada@post.example", Mobile: "+491700000001", Roles: []identity.Role{identity.RoleIT}},
			identity.Person{ID: "c", Name: "Cem", Email: "cem@stadt.example", Roles: []identity.Role{identity.RoleIT}})
		sweep := func() {
			t.Helper()
			if _, err := w.askAll(ctx, w.clock.now); err != nil {
				t.Fatal(err)
			}
		}
		states := func() map[string]Standing {
			t.Helper()
			ways, _, err := w.Ways(ctx)
			if err != nil {
				t.Fatal(err)
			}
			out := map[string]Standing{}
			for _, x := range ways {
				out[string(x.Kind)+" "+x.Address] = x.State
			}
			return out
		}
		sweep()
		if len(w.outbox.sent) != 0 || states()["mail ada@post.example"] != NotAsked {
			t.Fatalf("a fresh install: %v %v", w.outbox.sent, states())
		}
		w.clock.now = time.Date(2026, 12, 8, 9, 59, 0, 0, time.UTC)
		sweep()
		if len(w.outbox.sent) != 0 {
			t.Fatal("too early", w.outbox.sent)
		}
		w.clock.now = w.clock.now.Add(time.Minute) // the second Tuesday; the town of this test lives in UTC
		sweep()
		sweep()
		if len(w.outbox.sent) != 4 {
			t.Fatalf("%d questions: %+v", len(w.outbox.sent), w.outbox.sent)
		}
		secrets := map[string]string{}
		for _, m := range w.outbox.sent {
			if m.Class != channel.Single {
				t.Errorf("a question wakes: %+v", m)
			}
			secrets[string(m.Kind)+" "+m.To] = secretIn.FindStringSubmatch(m.Text)[1]
			if m.Kind == channel.SMS {
				if _, _, parts := channel.Segments(channel.PlainSMS(m.Text)); parts > 1 {
					t.Errorf("%d parts: %s", parts, m.Text)
				}
			}
		}
		// Looking changes nothing, a click confirms this one way, once.
		one := secrets["mail ada@post.example"]
		q, err := w.Question(ctx, one)
		if err != nil || q.Done || q.Address != "ada@post.example" || states()["mail ada@post.example"] != Asked {
			t.Fatal(q, err)
		}
		for range 2 {
			if q, err = w.Confirm(ctx, one); err != nil || !q.Done || q.Name != "" {
				t.Fatal(q, err)
			}
		}
		if got := states(); got["mail ada@post.example"] != Confirmed || got["mail ada@stadt.example"] != Asked || !proved["a ada@post.example"] {
			t.Fatal(got, proved)
		}
		for _, wrong := range []string{"", "x", digest(one), strings.ToLower(one)} {
			if _, err := w.Confirm(ctx, wrong); fault.KindOf(err) != fault.NotFound {
				t.Errorf("%q: %v", wrong, err)
			}
		}
		// No secret stands in the database.
		var links []linkRow
		if err := s.Store.Read(ctx).NewSelect().Model(&links).Where("tenant_id = ?", storetest.Tenant).Scan(ctx); err != nil || len(links) != 4 {
			t.Fatal(links, err)
		}
		for _, l := range links {
			for _, x := range secrets {
				if l.Hash == x {
					t.Error("a secret is kept in the clear")
				}
			}
		}
		w.outbox.sent = nil
		w.clock.now = w.clock.now.Add(3 * 24 * time.Hour)
		sweep()
		sweep()
		if len(w.outbox.sent) != 3 || states()["sms +491700000001"] != Silent {
			t.Fatalf("first reminder: %v, %+v", states(), w.outbox.sent)
		}
		// The first letter's link still works.
		if _, err := w.Confirm(ctx, secrets["mail ada@stadt.example"]); err != nil {
			t.Fatal(err)
		}
		w.outbox.sent = nil
		w.clock.now = w.clock.now.Add(4 * 24 * time.Hour)
		sweep()
		sweep()
		var subjects []string
		for _, m := range w.outbox.sent {
			subjects = append(subjects, m.To+": "+m.Subject)
		}
		all := strings.Join(subjects, "\n")
		if len(subjects) != 4 || !strings.Contains(all, "ada@stadt.example: Über einen Ihrer Wege") || !strings.Contains(all, "bert@stadt.example: Kontaktwege: 2 von 4 bestätigt") {
			t.Fatal(all)
		}
		// An address that has changed is a new one, and the old link is over.
		w.town.people[3].Email = "cem.neu@stadt.example"
		if _, err := w.Confirm(ctx, secrets["mail cem@stadt.example"]); fault.KindOf(err) != fault.NotFound || states()["mail cem.neu@stadt.example"] != NotAsked {
			t.Error(err, states())
		}
		// The next month asks anew: what was confirmed is a question again.
		w.outbox.sent = nil
		w.clock.now = time.Date(2027, 1, 12, 10, 0, 0, 0, time.UTC)
		sweep()
		if len(w.outbox.sent) != 4 || states()["mail ada@post.example"] != Asked {
			t.Error(len(w.outbox.sent), states())
		}
		ways, _, err := w.Ways(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range ways {
			if x.Address == "ada@post.example" && x.ConfirmedAt.IsZero() {
				t.Error("when it was last confirmed is forgotten")
			}
		}
		// A year later the old round is gone.
		w.clock.now = time.Date(2028, 3, 1, 10, 0, 0, 0, time.UTC)
		sweep()
		sweep()
		n, err := s.Store.Read(ctx).NewSelect().Model((*linkRow)(nil)).Where("tenant_id = ?", storetest.Tenant).Count(ctx)
		if err != nil || n != 4 {
			t.Errorf("%d links, %v", n, err)
		}
		reader := readerOf(ctx)
		if _, _, err := w.Ways(reader); fault.KindOf(err) != fault.Forbidden {
			t.Error(err)
		}
		if _, err := w.Ask(reader); fault.KindOf(err) != fault.Forbidden {
			t.Error(err)
		}
	})
}
