package trial

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
	"tuermer/internal/raise/alert"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// world stands in for everything that the room asks.
type world struct {
	*Room
	now    time.Time
	people []identity.Person
	open   bool // a real alert
	gone   bool // the chain
	sent   []channel.Message
}

func (w *world) Now() time.Time { return w.now }

func (w *world) People(_ context.Context, f identity.Filter) (out []identity.Person, _ error) {
	for _, p := range w.people {
		if f.Role == "" || p.Has(f.Role) {
			out = append(out, p)
		}
	}
	return out, nil
}

func (w *world) Current(context.Context) (identity.Tenant, error) {
	return identity.Tenant{ID: storetest.Tenant, Name: "Musterstadt", StaffURL: "http://lage.example"}, nil
}

func (w *world) Tenants(ctx context.Context) ([]identity.Tenant, error) {
	t, err := w.Current(ctx)
	return []identity.Tenant{t}, err
}

// chains is one chain with everybody who has a telephone, then the others.
type chains struct{ w *world }

func (c chains) Get(context.Context, string) (chain.Chain, error) {
	if c.w.gone {
		return chain.Chain{}, chain.ErrNotFound
	}
	return chain.Chain{Slug: "edv", Name: "EDV", Services: []string{"portal"}, Steps: []chain.Step{{}, {By: []chain.Way{chain.SMS, chain.Mail}}}}, nil
}

func (c chains) List(ctx context.Context) ([]chain.Chain, error) {
	one, err := c.Get(ctx, "edv")
	return []chain.Chain{one}, err
}

func (c chains) People(_ context.Context, _ chain.Chain, step int, _ string, _ time.Time) (out []identity.Person, _ []chain.Missed, _ error) {
	for _, p := range c.w.people {
		if p.Has(identity.RoleIT) && (p.Mobile != "") == (step == 0) {
			out = append(out, p)
		}
	}
	return out, nil, nil
}

func (c chains) Contacts(_ context.Context, p identity.Person, by []chain.Way) (out []chain.Contact, _ error) {
	out = append(out, chain.Contact{Way: chain.Mail, Kind: channel.Mail, To: p.Email})
	if p.Mobile != "" {
		out = append(out, chain.Contact{Way: chain.SMS, Kind: channel.SMS, To: p.Mobile})
	} else if len(by) > 0 {
		out = append(out, chain.Contact{Way: chain.SMS, Kind: channel.SMS, Lacking: chain.NoMobile})
	}
	return out, nil
}

func (w *world) Otherwise(context.Context, string) ([]identity.Person, error) { return nil, nil }

// alerts are the real ones.
type alerts struct{ *world }

func (a alerts) List(context.Context, alert.Filter) ([]alert.Alert, error) {
	if a.open {
		return []alert.Alert{{ID: "a"}}, nil
	}
	return nil, nil
}

func (w *world) Send(_ context.Context, m channel.Message) error {
	w.sent = append(w.sent, m)
	return nil
}

func (w *world) Quote(_ context.Context, _ channel.Kind, _ string, n int) channel.Quote {
	return channel.Quote{Messages: n, Parts: 1, Known: true, Cost: float64(n) * 0.08, Currency: "EUR"}
}

func (w *world) Record(context.Context, audit.Entry) error { return nil }

func catalog(t testing.TB) *i18n.Catalog {
	t.Helper()
	c, err := i18n.NewCatalog(web.Texts(), channel.Texts(), chain.Texts(), Texts())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func berlin(t testing.TB) *time.Location {
	t.Helper()
	zone, err := clock.Zone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func newWorld(t testing.TB, s *storetest.World) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC), people: []identity.Person{
		{ID: "a", Name: "Ada", Email: "ada@stadt.example", Mobile: "+491700000001", Roles: []identity.Role{identity.RoleIT}},
		{ID: "c", Name: "Cem", Email: "cem@stadt.example", Roles: []identity.Role{identity.RoleIT}},
		{ID: "b", Name: "Bert", Email: "bert@stadt.example", Roles: []identity.Role{identity.RoleAdmin}},
	}}
	texts := catalog(t)
	w.Room = New(Options{
		Store: s.Store, Clock: w, Catalog: texts, Audit: w, Chains: chains{w}, Alerts: alerts{w}, People: w, Outbox: w,
		Rosters: func(context.Context) ([][2]string, error) { return [][2]string{{"presse", "Presse"}}, nil },
		Locale: func(context.Context) i18n.Locale {
			return i18n.Locale{Catalog: texts, Lang: i18n.DE, Zone: berlin(t), Now: w.now}
		},
	})
	return w
}

func lead(s *storetest.World) context.Context {
	return ident.WithActor(s.Ctx, ident.Actor{Kind: ident.KindPerson, Person: "b", Name: "Bert", Roles: []string{"admin"}})
}

// settled tells the room that the message to that address was taken.
func (w *world) settled(t testing.TB, ctx context.Context, to string, state channel.State) {
	t.Helper()
	for _, m := range w.sent {
		if m.To == to && strings.HasPrefix(m.ID, messageMark) && m.Class == channel.Alarm {
			if err := w.onSettled(ctx, bus.Event[channel.SettledEvent]{Data: channel.SettledEvent{ID: m.ID, State: state, Reason: "connect"}}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func secretIn(m channel.Message) string {
	_, rest, _ := strings.Cut(m.Text, LinkPath)
	rest, _, _ = strings.Cut(rest, "\n")
	return rest
}

// A run calls everybody over every way. A mail that the server has counts as
// arrived, a text message only with its receipt; an answer proves the way over
// which it came. The leads get the report once.
func TestRun(t *testing.T) {
	storetest.Each(t, []store.Migrations{Migrations()}, func(t *testing.T, s *storetest.World) {
		w, ctx := newWorld(t, s), lead(s)
		v, err := w.Preview(ctx, ChainTarget("edv"))
		if err != nil || len(v.Guests) != 2 || len(v.Costs) != 1 || v.Costs[0].Messages != 1 || len(w.sent) != 0 {
			t.Fatalf("%+v %v", v, err)
		}
		run, err := w.Begin(ctx, ChainTarget("edv"))
		if err != nil || len(w.sent) != 3 {
			t.Fatalf("%d messages: %v", len(w.sent), err)
		}
		for _, m := range w.sent {
			if !strings.HasPrefix(m.Subject, "PROBEALARM") || !strings.HasPrefix(m.Text, "PROBEALARM") || m.Realm != channel.Live {
				t.Errorf("not marked: %+v", m)
			}
		}
		if _, err := w.Begin(ctx, ChainTarget("edv")); !errors.Is(err, ErrSoon) {
			t.Fatal("again at once:", err)
		}
		w.now = w.now.Add(5 * time.Second)
		for _, to := range []string{"ada@stadt.example", "cem@stadt.example", "+491700000001"} {
			w.settled(t, s.Ctx, to, channel.Accepted)
		}
		rep, err := w.Get(ctx, run.ID)
		if err != nil || rep.Receipted != 2 || rep.Apart != 0 || rep.Ended() {
			t.Fatalf("a text message taken is none arrived: %+v %v", rep, err)
		}
		sms := w.sent[slices.IndexFunc(w.sent, func(m channel.Message) bool { return m.Kind == channel.SMS })]
		q, err := w.Question(s.Ctx, secretIn(sms))
		if err != nil || q.Done || q.Name != "Ada" {
			t.Fatal(q, err)
		}
		w.now = w.now.Add(time.Minute)
		for range 2 {
			if q, err = w.Confirm(s.Ctx, secretIn(sms)); err != nil || !q.Done {
				t.Fatal(q, err)
			}
			w.now = w.now.Add(time.Minute)
		}
		if _, err := w.Confirm(s.Ctx, "nonsense"); !errors.Is(err, errLink) {
			t.Fatal(err)
		}
		if next, err := w.due(s.Ctx, w.now); err != nil || !next.Equal(run.DueAt) || len(w.sent) != 3 {
			t.Fatal(next, err)
		}
		w.now = run.DueAt
		for range 2 {
			if _, err := w.due(s.Ctx, w.now); err != nil {
				t.Fatal(err)
			}
		}
		if len(w.sent) != 4 || w.sent[3].To != "bert@stadt.example" || w.sent[3].Class != channel.Single {
			t.Fatalf("%+v", w.sent[3:])
		}
		if text := w.sent[3].Text; !strings.Contains(text, "Ada: Bestätigt über SMS nach 1 Minute 5 Sekunden.") || !strings.Contains(text, "Cem: Quittung über E-Mail nach 5 Sekunden, keine Bestätigung. Nur über eigene") {
			t.Error(text)
		}
		if rep, err = w.Get(ctx, run.ID); err != nil || rep.Verdict != Gap || rep.Answered != 1 || rep.Receipted != 1 || rep.Apart != 1 {
			t.Fatalf("%+v %v", rep.Run, err)
		}
		// What comes later changes the report no more, and the link is over for
		// who has not answered.
		w.settled(t, s.Ctx, "cem@stadt.example", channel.Failed)
		mail := w.sent[slices.IndexFunc(w.sent, func(m channel.Message) bool { return m.To == "cem@stadt.example" })]
		if _, err := w.Confirm(s.Ctx, secretIn(mail)); !errors.Is(err, errLink) {
			t.Fatal(err)
		}

		// The next one is compared with it; nobody is reached, and that is red.
		w.now = w.now.Add(time.Hour)
		if run, err = w.Begin(ctx, ChainTarget("edv")); err != nil {
			t.Fatal(err)
		}
		w.now = run.DueAt
		if _, err := w.due(s.Ctx, w.now); err != nil {
			t.Fatal(err)
		}
		rep, err = w.Get(ctx, run.ID)
		if err != nil || rep.Verdict != Red || rep.Before == nil || rep.Before.Answered != 1 {
			t.Fatalf("%+v %v", rep, err)
		}
		if d, err := w.Sheet(i18n.With(ctx, w.o.Locale(ctx)), run.ID); err != nil || len(d.Sections) == 0 {
			t.Fatal(d, err)
		}
		if _, err := w.Get(s.Ctx, run.ID); err != nil {
			t.Fatal("the system may look:", err)
		}
		reader := ident.WithActor(s.Ctx, ident.Actor{Kind: ident.KindPerson, Person: "r", Roles: []string{"reader"}})
		if _, err := w.Get(reader, run.ID); !errors.Is(err, ErrForbidden) {
			t.Fatal(err)
		}
	})
}

// A weekly run begins at its hour, once for all nodes. An open alert holds it up
// for an hour, a machine that was off makes up for nothing, and both are said.
func TestWeekly(t *testing.T) {
	storetest.Each(t, []store.Migrations{Migrations()}, func(t *testing.T, s *storetest.World) {
		w, ctx := newWorld(t, s), lead(s)
		runs := func() int {
			t.Helper()
			all, err := w.List(ctx, "", 100)
			if err != nil {
				t.Fatal(err)
			}
			return len(all)
		}
		plan := func() Plan {
			t.Helper()
			all, err := w.Plans(ctx)
			if err != nil || len(all) != 1 {
				t.Fatal(all, err)
			}
			return all[0]
		}
		sweep := func() {
			t.Helper()
			if _, err := w.due(s.Ctx, w.now); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Weekly(ctx, ChainTarget("edv"), time.Friday, 24); !errors.Is(err, ErrHour) {
			t.Fatal(err)
		}
		p, err := w.Weekly(ctx, ChainTarget("edv"), time.Friday, 11)
		if err != nil || !p.NextAt.Equal(time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)) {
			t.Fatal(p, err)
		}
		sweep()
		if runs() != 0 {
			t.Fatal("too early")
		}
		w.now = p.NextAt
		other := New(w.o)
		sweep()
		if _, err := other.due(s.Ctx, w.now); err != nil {
			t.Fatal(err)
		}
		if runs() != 1 || !plan().NextAt.Equal(p.NextAt.Add(7*24*time.Hour)) {
			t.Fatal(runs(), plan())
		}
		w.now, w.open = plan().NextAt, true
		due := w.now
		for range 8 {
			sweep()
			w.now = w.now.Add(again)
		}
		if runs() != 1 || plan().Skipped != "busy" || !plan().NextAt.After(due) {
			t.Fatal(runs(), plan())
		}
		w.open = false
		w.now = plan().NextAt.Add(late + time.Minute)
		sweep()
		if runs() != 1 || plan().Skipped != "late" {
			t.Fatal(runs(), plan())
		}
		w.now, w.gone = plan().NextAt, true
		sweep()
		if runs() != 1 || plan().Skipped != "gone" {
			t.Fatal(runs(), plan())
		}
		w.now, w.gone = plan().NextAt, false
		sweep()
		if runs() != 2 || plan().Skipped != "" {
			t.Fatal(runs(), plan())
		}
		if err := w.NotWeekly(ctx, ChainTarget("edv")); err != nil {
			t.Fatal(err)
		}
		if err := w.NotWeekly(ctx, ChainTarget("edv")); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
	})
}

// The next weekly moment lies ahead, on its day, at its hour, by the clock of the
// town; where spring leaves the hour out it is the one after.
func TestNext(t *testing.T) {
	zone := berlin(t)
	rapid.Check(t, func(t *rapid.T) {
		after := time.Unix(rapid.Int64Range(1_000_000_000, 3_000_000_000).Draw(t, "after"), 0).UTC()
		p := Plan{Weekday: time.Weekday(rapid.IntRange(0, 6).Draw(t, "day")), Hour: rapid.IntRange(0, 23).Draw(t, "hour")}
		next := p.next(after, zone)
		local := next.In(zone)
		if !next.After(after) || local.Weekday() != p.Weekday || local.Hour() != p.Hour && local.Hour() != p.Hour+1 || local.Minute() != 0 {
			t.Fatalf("%+v after %s: %s", p, after.In(zone), local)
		}
		if gap := next.Sub(after); gap > 7*24*time.Hour+time.Hour {
			t.Fatalf("%+v after %s: %s later", p, after.In(zone), gap)
		}
	})
}

// Whatever carries it and whoever reads it: the first word is that it is a test.
func TestEveryTextIsMarked(t *testing.T) {
	texts := catalog(t)
	for lang, mark := range map[i18n.Lang]string{i18n.DE: "PROBEALARM", i18n.EN: "TEST ALARM"} {
		for _, k := range []channel.Kind{channel.Mail, channel.SMS, channel.Push, channel.Voice, channel.Webhook, "something-later"} {
			x := letter{l: i18n.Locale{Catalog: texts, Lang: lang}, town: identity.Tenant{Name: "Musterstadt"}, name: "EDV", person: "Ada", kind: k, way: chain.Mail, link: "http://lage.example/pr/X"}
			subject, text := x.write()
			if !strings.HasPrefix(subject, mark) || !strings.HasPrefix(strings.ToUpper(text), mark) {
				t.Errorf("%s %s: %q %q", lang, k, subject, text)
			}
			if k == channel.SMS {
				x.link = "http://lage.musterstadt.example/pr/" + strings.Repeat("X", secretLen)
				_, text := x.write()
				if _, _, parts := channel.Segments(channel.PlainSMS(text)); parts != 1 {
					t.Errorf("%d parts: %s", parts, text)
				}
			}
		}
	}
}

// Red is a run in which nobody was reached apart from the town's own systems,
// good one in which everybody was, and nothing else is.
func TestJudge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []Called
		for i := range rapid.IntRange(0, 5).Draw(t, "people") {
			c := Called{Person: string(rune('a' + i))}
			for j := range rapid.IntRange(0, 3).Draw(t, "ways") {
				w := Way{ID: string(rune('a'+i)) + string(rune('0'+j)), Apart: rapid.Bool().Draw(t, "apart")}
				if rapid.Bool().Draw(t, "arrived") {
					w.ArrivedAt = time.Unix(1, 0)
				}
				if rapid.Bool().Draw(t, "answered") {
					c.AnsweredAt, c.AnsweredBy = time.Unix(2, 0), w.ID
				}
				c.Ways = append(c.Ways, w)
			}
			all = append(all, c)
		}
		apart := 0
		for _, c := range all {
			if slices.ContainsFunc(c.Ways, func(w Way) bool { return w.Apart && (!w.ArrivedAt.IsZero() || c.AnsweredBy == w.ID) }) {
				apart++
			}
		}
		f := count(all)
		if v := judge(f); (v == Red) != (apart == 0) || (v == Good) != (apart > 0 && apart == len(all)) {
			t.Fatalf("%s: %+v", v, f)
		}
		if f.Answered+f.Receipted > f.People {
			t.Fatalf("%+v", f)
		}
	})
}
