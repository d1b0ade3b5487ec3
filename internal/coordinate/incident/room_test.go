package incident_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"pgregory.net/rapid"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

// world stands in for everything that the room asks.
type world struct {
	now     time.Time
	alerts  map[alert.ID]alert.Alert
	refuse  error // what the gate says
	crisis  error // what the crisis hook says
	crises  int
	audited []string
}

func (w *world) Now() time.Time { return w.now }

type services struct{}

func (services) Get(_ context.Context, slug string) (service.Service, error) {
	switch slug {
	case "portal":
		return service.Service{Slug: slug, Name: "Bürgerportal", Public: true}, nil
	case "mail":
		return service.Service{Slug: slug, Name: "E-Mail"}, nil
	}
	return service.Service{}, fault.New(fault.NotFound, "service.not_found")
}

type alerts struct{ *world }

func (a alerts) Get(_ context.Context, id alert.ID) (alert.Alert, error) {
	if x, ok := a.alerts[id]; ok {
		return x, nil
	}
	return alert.Alert{}, alert.ErrNotFound
}

func (a alerts) List(_ context.Context, f alert.Filter) ([]alert.Alert, error) {
	var out []alert.Alert
	for _, x := range a.alerts {
		if !f.Current || x.State != alert.StateClosed {
			out = append(out, x)
		}
	}
	return out, nil
}

func (a alerts) Link(ctx context.Context, id alert.ID, to string) error {
	x, err := a.Get(ctx, id)
	if err == nil && x.IncidentID != "" && x.IncidentID != to {
		return alert.ErrLinked
	}
	if err == nil {
		err = a.Relink(ctx, id, to)
	}
	return err
}

func (a alerts) Relink(_ context.Context, id alert.ID, to string) error {
	x := a.alerts[id]
	x.IncidentID = to
	a.alerts[id] = x
	return nil
}

func (w *world) Current(context.Context) (identity.Tenant, error) {
	return identity.Tenant{Language: "de", Zone: "Europe/Berlin"}, nil
}

func (w *world) Record(_ context.Context, e audit.Entry) error {
	w.audited = append(w.audited, e.Action)
	return nil
}

func (w *world) MayRestore(context.Context, incident.ID) error { return w.refuse }
func (w *world) MayClose(context.Context, incident.ID) error   { return w.refuse }

func (w *world) OnCrisis(context.Context, incident.ID) error {
	w.crises++
	return w.crisis
}

var noon = time.Date(2026, 11, 22, 13, 2, 10, 0, time.UTC)

func rooms() []store.Migrations { return []store.Migrations{incident.Migrations()} }

func setup(t *testing.T, sw *storetest.World) (*incident.Room, *world) {
	t.Helper()
	if err := sw.Jobs.Open(false); err != nil {
		t.Fatal(err)
	}
	w := &world{now: noon, alerts: map[alert.ID]alert.Alert{}}
	for _, id := range []alert.ID{"a1", "a2"} {
		w.alerts[id] = alert.Alert{
			ID: id, Service: "portal", State: alert.StateOpen, Severity: signal.Critical, Title: "Bürgerportal antwortet nicht",
			Since: noon.Add(-time.Minute), FirstSignalAt: noon.Add(-50 * time.Second), FirstPath: signal.Monitor, OpenedAt: noon,
		}
	}
	return incident.New(incident.Options{
		Store: sw.Store, Clock: w, Hints: sw.Hints, Audit: w, Alerts: alerts{w}, Services: services{}, Town: w, Gate: w, Crisis: w,
	}), w
}

func as(ctx context.Context, role string) context.Context {
	return ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: "p", Name: "P. Person", Roles: []string{role}})
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func open(t *testing.T, r *incident.Room, ctx context.Context, q incident.OpenRequest) incident.Incident {
	t.Helper()
	return must[incident.Incident](t)(r.Open(ctx, q))
}

func journal(t *testing.T, r *incident.Room, ctx context.Context, id incident.ID) []string {
	t.Helper()
	var out []string
	for _, e := range must[[]incident.Entry](t)(r.Journal(ctx, id)) {
		out = append(out, e.Text)
	}
	if err := r.VerifyJournal(ctx, id); err != nil {
		t.Fatal(err)
	}
	return out
}

// A false alarm that goes on was none: its alert may be handled by another.
func TestAlertOfDismissed(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		ctx := as(sw.Ctx, "it")
		first := open(t, r, ctx, incident.OpenRequest{Alerts: []string{"a1"}})
		if err := r.Dismiss(ctx, first.ID, "Irrtum"); err != nil {
			t.Fatal(err)
		}
		i := open(t, r, ctx, incident.OpenRequest{Alerts: []string{"a1"}})
		if w.alerts["a1"].IncidentID != string(i.ID) || len(i.Alerts) != 1 {
			t.Errorf("%+v", i)
		}
	})
}

// From the alarm to the review, and what the journal says of it.
func TestFromOpenToReviewed(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		ctx := as(sw.Ctx, "it")
		i := open(t, r, ctx, incident.OpenRequest{Alerts: []string{"a1"}})
		if i.Title != "Bürgerportal antwortet nicht" || i.Phase != incident.Candidate || i.Level != incident.Disruption ||
			i.Realm != incident.Live || !slices.Equal(i.Services, []string{"portal"}) || w.alerts["a1"].IncidentID != string(i.ID) {
			t.Fatalf("%+v", i)
		}
		if d, ok := i.DetectedAfter(); !ok || d != 10*time.Second || i.FirstPath != signal.Monitor {
			t.Fatal(d, ok)
		}
		// A second incident for the same alert is refused, and nothing is left of it.
		if _, err := r.Open(ctx, incident.OpenRequest{Alerts: []string{"a1"}}); !errors.Is(err, incident.ErrTaken) {
			t.Fatal(err)
		}
		if n := len(must[[]incident.Incident](t)(r.List(ctx, incident.Filter{}))); n != 1 {
			t.Fatal(n)
		}
		w.now = w.now.Add(time.Minute)
		for _, to := range []incident.Phase{incident.Confirmed, incident.Confirmed, incident.Monitoring} {
			if err := r.Advance(ctx, i.ID, to, ""); err != nil {
				t.Fatal(to, err)
			}
		}
		if err := r.Advance(ctx, i.ID, incident.Closed, ""); !errors.Is(err, incident.ErrMove) {
			t.Fatal(err)
		}
		w.refuse = fault.New(fault.Conflict, "publish.no_recovery")
		if err := r.Advance(ctx, i.ID, incident.Restored, ""); !errors.Is(err, w.refuse) {
			t.Fatal(err)
		}
		w.refuse = nil
		ev := alert.Happened{ID: "a1", Service: "portal", Title: "Bürgerportal antwortet nicht"}
		taken := ev
		taken.Name = "B. Kern"
		err := errors.Join(incident.AlertAcknowledged(r, ctx, taken), incident.AlertClosed(r, ctx, w.now, ev),
			incident.AlertClosed(r, ctx, w.now, alert.Happened{ID: "none"}))
		if err != nil {
			t.Fatal(err)
		}
		silent := ev
		silent.Quiet = true
		if err := incident.AlertClosed(r, ctx, w.now, silent); err != nil {
			t.Fatal(err)
		}
		got := must[incident.Incident](t)(r.Get(ctx, i.ID))
		if got.Phase != incident.Monitoring || !got.Quiet() {
			t.Fatalf("an alert's end moves no phase: %+v", got)
		}
		err = errors.Join(
			r.Note(ctx, i.ID, "  Leitung neu gestartet\nDanke an Herrn X "),
			r.Advance(ctx, i.ID, incident.Restored, "läuft"), r.Reopen(ctx, i.ID, "doch nicht"),
			r.Advance(ctx, i.ID, incident.Restored, ""), r.Advance(ctx, i.ID, incident.Closed, ""), r.Advance(ctx, i.ID, incident.Reviewed, ""))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Reopen(ctx, i.ID, "nein"); !errors.Is(err, incident.ErrMove) {
			t.Fatal(err)
		}
		if got := journal(t, r, ctx, i.ID); !slices.Equal(got, []string{
			"Vorfall eröffnet: Bürgerportal antwortet nicht (Verdacht, Störung).",
			"Alarm gehört zum Vorfall: Bürgerportal antwortet nicht. Erkannt nach 10 Sekunden.",
			"Verdacht → bestätigt.", "bestätigt → wird beobachtet.",
			"B. Kern hat den Alarm übernommen: Bürgerportal antwortet nicht.",
			"Dienst antwortet wieder: Bürgerportal.",
			"Es kommt keine Meldung mehr, als beendet angesehen: Bürgerportal. Niemand hat gemeldet, dass es wieder läuft.",
			"Leitung neu gestartet\nDanke an Herrn X",
			"wird beobachtet → wiederhergestellt. Grund: läuft",
			"Wieder geöffnet: wiederhergestellt → bestätigt. Grund: doch nicht",
			"bestätigt → wiederhergestellt.", "wiederhergestellt → abgeschlossen.", "abgeschlossen → nachbereitet.",
		}) {
			t.Fatalf("%s", strings.Join(got, "\n"))
		}
		if e := must[[]incident.Entry](t)(r.Journal(ctx, i.ID)); e[0].Actor.Name != "P. Person" {
			t.Fatalf("%+v", e[0])
		}
	})
}

func TestRefusals(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		ctx := as(sw.Ctx, "publisher")
		for want, q := range map[*fault.Error]incident.OpenRequest{
			incident.ErrNoTitle:    {Title: " \n"},
			incident.ErrBadLevel:   {Title: "x", Level: "dire"},
			incident.ErrBadRealm:   {Title: "x", Realm: incident.Exercise, Alerts: []string{"a1"}},
			alert.ErrNotFound:      {Alerts: []string{"none"}},
			unknownService("rome"): {Title: "x", Services: []string{"rome"}},
		} {
			if _, err := r.Open(ctx, q); !errors.Is(err, want) {
				t.Errorf("%+v: %v", q, err)
			}
		}
		i := open(t, r, ctx, incident.OpenRequest{Title: "x"})
		reader := as(sw.Ctx, "reader")
		_, e1 := r.Open(reader, incident.OpenRequest{Title: "x"})
		_, e2 := r.AddFact(reader, i.ID, incident.Fact{Text: "x", Certainty: incident.FactUnknown})
		for _, err := range []error{
			e1, e2, r.Advance(reader, i.ID, incident.Confirmed, ""), r.Dismiss(reader, i.ID, "x"), r.Reopen(reader, i.ID, "x"),
			r.SetLevel(reader, i.ID, incident.Crisis), r.Note(reader, i.ID, "x"), r.Edit(reader, i.ID, incident.Edit{}),
			r.Merge(reader, i.ID, "other", ""), r.Link(reader, i.ID, "a1"), r.SetRule(ctx, incident.Rule{}), r.DropRule(ctx, ""),
		} {
			if !errors.Is(err, incident.ErrForbidden) {
				t.Error(err)
			}
		}
		for want, err := range map[*fault.Error]error{
			incident.ErrNotFound: r.Note(ctx, "none", "x"),
			incident.ErrNoText:   r.Note(ctx, i.ID, " "),
			incident.ErrNoReason: r.Dismiss(ctx, i.ID, " "),
			incident.ErrBadPhase: r.Advance(ctx, i.ID, "gone", ""),
			incident.ErrMove:     r.Reopen(ctx, i.ID, "x"),
			incident.ErrMerge:    r.Merge(ctx, i.ID, i.ID, ""),
		} {
			if !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
		// Without a gate nothing that speaks to the public can be done.
		bare := incident.New(incident.Options{Store: sw.Store, Clock: w, Audit: w, Alerts: alerts{w}, Services: services{}, Town: w})
		if err := bare.Advance(ctx, i.ID, incident.Confirmed, ""); err != nil {
			t.Fatal(err)
		}
		if err := bare.Advance(ctx, i.ID, incident.Restored, ""); !errors.Is(err, incident.ErrNoGate) {
			t.Error(err)
		}
		if err := bare.Dismiss(ctx, i.ID, "Fehlalarm"); !errors.Is(err, incident.ErrNoGate) {
			t.Error(err)
		}
		if err := r.Dismiss(ctx, i.ID, "Fehlalarm"); err != nil {
			t.Fatal(err)
		}
		if err := r.SetLevel(ctx, i.ID, incident.Emergency); !errors.Is(err, incident.ErrEnded) {
			t.Error(err)
		}
	})
}

func unknownService(slug string) *fault.Error {
	return fault.New(fault.Invalid, "incident.unknown_service", slug)
}

// TestI7: raising to crisis and what it holds are one transaction; an exercise
// holds nothing real.
func TestI7_CrisisIsOneTransaction(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		ctx := as(sw.Ctx, "approver")
		i := open(t, r, ctx, incident.OpenRequest{Title: "x"})
		w.crisis = errors.New("no")
		if err := r.SetLevel(ctx, i.ID, incident.Crisis); !errors.Is(err, w.crisis) {
			t.Fatal(err)
		}
		if _, err := r.Open(ctx, incident.OpenRequest{Title: "y", Level: incident.Crisis}); !errors.Is(err, w.crisis) {
			t.Fatal(err)
		}
		got := must[[]incident.Incident](t)(r.List(ctx, incident.Filter{}))
		if len(got) != 1 || got[0].Level != incident.Disruption || len(journal(t, r, ctx, i.ID)) != 1 {
			t.Fatalf("%+v", got)
		}
		w.crisis, w.crises = nil, 0
		if err := errors.Join(r.SetLevel(ctx, i.ID, incident.Crisis), r.SetLevel(ctx, i.ID, incident.Crisis)); err != nil || w.crises != 1 {
			t.Fatal(err, w.crises)
		}
		open(t, r, ctx, incident.OpenRequest{Title: "Probe", Level: incident.Crisis, Realm: incident.Exercise})
		if w.crises != 1 {
			t.Fatal("an exercise held something")
		}
	})
}

func TestFacts(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		ctx := as(sw.Ctx, "it")
		i := open(t, r, ctx, incident.OpenRequest{Title: "x"})
		add := func(text string, c incident.Certainty) incident.Fact {
			w.now = w.now.Add(time.Second)
			return must[incident.Fact](t)(r.AddFact(ctx, i.ID, incident.Fact{Text: text, Certainty: c, Source: "Leitstelle"}))
		}
		f := add("Ursache ist die Leitung", incident.FactAssumed)
		add("Wie viele sind betroffen?", incident.FactUnknown)
		g := add("Portal antwortet nicht", incident.FactConfirmed)
		f.Certainty, f.Hold, f.EmbargoUntil = incident.FactConfirmed, true, noon.Add(time.Hour)
		f2 := must[incident.Fact](t)(r.UpdateFact(ctx, i.ID, f))
		if f2.Version != 2 {
			t.Fatalf("%+v", f2)
		}
		if _, err := r.UpdateFact(ctx, i.ID, f); !errors.Is(err, incident.ErrOldFact) {
			t.Fatal("somebody was faster:", err)
		}
		if _, err := r.UpdateFact(ctx, i.ID, incident.Fact{ID: "none", Text: "x", Certainty: incident.FactUnknown}); !errors.Is(err, incident.ErrNoFact) {
			t.Fatal(err)
		}
		if _, err := r.AddFact(ctx, i.ID, incident.Fact{Text: "x", Certainty: "sure"}); !errors.Is(err, incident.ErrBadFact) {
			t.Fatal(err)
		}
		g.Withdrawn = true
		must[incident.Fact](t)(r.UpdateFact(ctx, i.ID, g))
		facts := must[[]incident.Fact](t)(r.Facts(ctx, i.ID))
		if len(facts) != 2 || facts[0] != f2 || facts[1].Certainty != incident.FactUnknown || facts[0].ByName != "P. Person" {
			t.Fatalf("%+v", facts)
		}
		if h := must[[]incident.Fact](t)(r.FactHistory(ctx, i.ID, f.ID)); len(h) != 2 || h[0].Hold || !h[1].Hold {
			t.Fatalf("%+v", h)
		}
		if got := journal(t, r, ctx, i.ID); got[4] != "Aussage geändert (bestätigt): Ursache ist die Leitung [wegen Ermittlungen nicht öffentlich]" {
			t.Fatalf("%q", got)
		}
	})
}

func TestEditLinkMerge(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		ctx := as(sw.Ctx, "it")
		one := open(t, r, ctx, incident.OpenRequest{Title: "eins", Alerts: []string{"a1"}})
		w.now = w.now.Add(time.Minute)
		two := open(t, r, ctx, incident.OpenRequest{Title: "zwei", Services: []string{"mail"}})
		yes, title := true, "Zwei"
		edit := incident.Edit{Title: &title, Private: &yes}
		if err := errors.Join(r.Edit(ctx, two.ID, edit), r.Edit(ctx, two.ID, edit)); err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(time.Minute)
		drill := open(t, r, ctx, incident.OpenRequest{Title: "Probe", Realm: incident.Exercise})
		if err := r.Merge(ctx, drill.ID, two.ID, ""); !errors.Is(err, incident.ErrMerge) {
			t.Fatal(err)
		}
		if err := r.Link(ctx, drill.ID, "a2"); !errors.Is(err, incident.ErrBadRealm) {
			t.Fatal(err)
		}
		// An alert of a service that exactly one incident handles joins it.
		if err := incident.AlertOpened(r, ctx, alert.Happened{ID: "a2", Service: "portal"}); err != nil {
			t.Fatal(err)
		}
		if w.alerts["a2"].IncidentID != string(one.ID) {
			t.Fatalf("%+v", w.alerts["a2"])
		}
		if err := r.Merge(ctx, one.ID, two.ID, "dieselbe Ursache"); err != nil {
			t.Fatal(err)
		}
		got := must[incident.Incident](t)(r.Get(ctx, two.ID))
		if !slices.Equal(got.Services, []string{"mail", "portal"}) || len(got.Alerts) != 2 || !got.Private || got.Title != "Zwei" ||
			!got.Since.Equal(one.Since) || w.alerts["a1"].IncidentID != string(two.ID) {
			t.Fatalf("%+v", got)
		}
		gone := must[incident.Incident](t)(r.Get(ctx, one.ID))
		if gone.Phase != incident.Merged || gone.MergedInto != two.ID || len(gone.Alerts) != 0 {
			t.Fatalf("%+v", gone)
		}
		if err := r.Merge(ctx, two.ID, one.ID, ""); !errors.Is(err, incident.ErrMerge) {
			t.Fatal(err)
		}
		if j := journal(t, r, ctx, two.ID); j[len(j)-1] != "Vorfall übernommen: eins. dieselbe Ursache" {
			t.Fatalf("%q", j)
		}
		if got := must[[]incident.Incident](t)(r.List(ctx, incident.Filter{Active: true, Service: "portal", Realm: incident.Live})); len(got) != 1 {
			t.Fatalf("%+v", got)
		}
		page := must[[]incident.Incident](t)(r.List(ctx, incident.Filter{After: two.ID, Limit: 1}))
		if len(page) != 1 || page[0].ID != one.ID {
			t.Fatalf("%+v", page)
		}
	})
}

// Who opens an incident for a service means the alerts of it that are going on.
func TestOpenTakesCurrentAlerts(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	r, w := setup(t, sw)
	over := w.alerts["a2"]
	over.State = alert.StateClosed
	w.alerts["a2"] = over
	i := open(t, r, sw.Ctx, incident.OpenRequest{Title: "x", Services: []string{"portal"}})
	if len(i.Alerts) != 1 || i.Alerts[0].Alert != "a1" || i.Title != "x" || !i.Since.Equal(noon.Add(-time.Minute)) {
		t.Fatalf("%+v", i)
	}
	if again := open(t, r, sw.Ctx, incident.OpenRequest{Title: "y", Services: []string{"portal"}}); len(again.Alerts) != 0 {
		t.Fatalf("%+v", again)
	}
	w.alerts["a1"] = alert.Alert{ID: "a1", Service: "portal", State: alert.StateOpen}
	if drill := open(t, r, sw.Ctx, incident.OpenRequest{Title: "z", Services: []string{"portal"}, Realm: incident.Exercise}); len(drill.Alerts) != 0 {
		t.Fatalf("an exercise took a real alert: %+v", drill)
	}
}

func TestOpenedByRule(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		w.alerts["a2"] = alert.Alert{ID: "a2", Service: "mail", State: alert.StateOpen, Severity: signal.Critical, Title: "intern", OpenedAt: noon}
		sweep := func() time.Time {
			t.Helper()
			return must[time.Time](t)(incident.Sweep(r, sw.Ctx, w.now))
		}
		count := func() int { return len(must[[]incident.Incident](t)(r.List(sw.Ctx, incident.Filter{}))) }
		w.now = noon.Add(time.Hour)
		if next := sweep(); !next.IsZero() || count() != 0 {
			t.Fatal("off by default", next)
		}
		w.now = noon.Add(time.Minute)
		if err := r.SetRule(as(sw.Ctx, "admin"), incident.Rule{After: 5 * time.Minute}); err != nil {
			t.Fatal(err)
		}
		if next := sweep(); !next.Equal(noon.Add(5*time.Minute)) || count() != 0 {
			t.Fatal(next)
		}
		w.now = noon.Add(5 * time.Minute)
		sweep()
		sweep()
		got := must[[]incident.Incident](t)(r.List(sw.Ctx, incident.Filter{}))
		if len(got) != 1 || got[0].OpenedName != "Türmer" || got[0].Phase != incident.Candidate || !slices.Equal(got[0].Services, []string{"portal"}) {
			t.Fatalf("%+v", got)
		}
		if rules := must[[]incident.Rule](t)(r.Rules(sw.Ctx)); len(rules) != 1 || rules[0].After != 5*time.Minute {
			t.Fatalf("%+v", rules)
		}
	})
}

func TestI19_OtherTenantsSeeNothing(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, _ := setup(t, sw)
		i := open(t, r, sw.Ctx, incident.OpenRequest{Title: "x", Services: []string{"portal"}, Alerts: []string{"a1"}})
		f := must[incident.Fact](t)(r.AddFact(sw.Ctx, i.ID, incident.Fact{Text: "x", Certainty: incident.FactUnknown}))
		if err := r.SetRule(sw.Ctx, incident.Rule{After: time.Minute}); err != nil {
			t.Fatal(err)
		}
		other := ident.WithTenant(sw.Ctx, "t2")
		if got := must[[]incident.Incident](t)(r.List(other, incident.Filter{})); len(got) != 0 {
			t.Error(got)
		}
		if got := must[[]incident.Incident](t)(r.List(other, incident.Filter{Service: "portal"})); len(got) != 0 {
			t.Error(got)
		}
		if got := must[[]incident.Fact](t)(r.Facts(other, i.ID)); len(got) != 0 {
			t.Error(got)
		}
		if got := must[[]incident.Rule](t)(r.Rules(other)); len(got) != 0 {
			t.Error(got)
		}
		_, e1 := r.Get(other, i.ID)
		_, e2 := r.Journal(other, i.ID)
		_, e3 := r.UpdateFact(other, i.ID, f)
		for _, err := range []error{
			e1, e2, e3, r.Note(other, i.ID, "x"), r.Advance(other, i.ID, incident.Confirmed, ""), r.SetLevel(other, i.ID, incident.Crisis),
			r.Record(other, i.ID, "statement", "x", ""), r.VerifyJournal(other, i.ID),
		} {
			if !errors.Is(err, incident.ErrNotFound) {
				t.Error(err)
			}
		}
	})
}

// TestI14: somebody with the database in hand changes an entry, and it is found.
func TestI14_TamperedRowsAreFound(t *testing.T) {
	for name, query := range map[string]string{
		"altered": "UPDATE incident_entry SET text = 'x' WHERE tenant_id = 't1' AND seq = 2",
		"removed": "DELETE FROM incident_entry WHERE tenant_id = 't1' AND seq = 2",
		"cut off": "DELETE FROM incident_entry WHERE tenant_id = 't1' AND seq = 3",
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
				r, _ := setup(t, sw)
				i := open(t, r, sw.Ctx, incident.OpenRequest{Title: "x"})
				if err := errors.Join(r.Note(sw.Ctx, i.ID, "zwei"), r.Record(sw.Ctx, i.ID, "statement", "drei", "s1"), r.VerifyJournal(sw.Ctx, i.ID)); err != nil {
					t.Fatal(err)
				}
				err := sw.Store.InTx(sw.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
					_, err := db.NewRaw(query).Exec(ctx)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				var broken *incident.Broken
				if err := r.VerifyJournal(sw.Ctx, i.ID); !errors.As(err, &broken) {
					t.Fatal(err)
				}
			})
		})
	}
}

// Whatever people try, in whatever order: only legal moves happen, the times
// tell the same story as the phase, and the journal has one entry per change.
func TestPhasesMoveLegally(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	r, w := setup(t, sw)
	legal := map[incident.Phase][]incident.Phase{
		incident.Candidate:  {incident.Confirmed, incident.Dismissed, incident.Merged},
		incident.Confirmed:  {incident.Identified, incident.Monitoring, incident.Restored, incident.Dismissed, incident.Merged},
		incident.Identified: {incident.Monitoring, incident.Restored, incident.Dismissed, incident.Merged},
		incident.Monitoring: {incident.Identified, incident.Restored, incident.Dismissed, incident.Merged},
		incident.Restored:   {incident.Closed, incident.Confirmed},
		incident.Closed:     {incident.Reviewed, incident.Confirmed},
	}
	no := fault.New(fault.Conflict, "publish.missing")
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		ctx := ident.WithTenant(as(sw.Ctx, "it"), ident.Tenant(fmt.Sprint("r", round)))
		w.refuse, w.crisis = nil, nil
		check := func(err error) {
			if err != nil {
				rt.Fatal(err)
			}
		}
		i, err := r.Open(ctx, incident.OpenRequest{Title: "x", Confirmed: rapid.Bool().Draw(rt, "confirmed")})
		check(err)
		other, err := r.Open(ctx, incident.OpenRequest{Title: "y"})
		check(err)
		written := 1
		for range rapid.IntRange(1, 15).Draw(rt, "acts") {
			w.now = w.now.Add(time.Second)
			w.refuse = nil
			if rapid.IntRange(0, 3).Draw(rt, "gate") == 0 {
				w.refuse = no
			}
			before, err := r.Get(ctx, i.ID)
			check(err)
			switch rapid.IntRange(0, 6).Draw(rt, "act") {
			case 0:
				err = r.Dismiss(ctx, i.ID, "weg")
			case 1:
				err = r.Reopen(ctx, i.ID, "wieder")
			case 2:
				if rapid.IntRange(0, 4).Draw(rt, "merge") == 0 {
					err = r.Merge(ctx, i.ID, other.ID, "")
				}
			default:
				err = r.Advance(ctx, i.ID, rapid.SampledFrom(incident.Phases()).Draw(rt, "to"), "")
			}
			after, err2 := r.Get(ctx, i.ID)
			check(err2)
			if before.Phase == after.Phase {
				if fmt.Sprint(before) != fmt.Sprint(after) {
					rt.Fatalf("changed without a move: %+v %+v", before, after)
				}
				continue
			}
			written++
			if err != nil {
				rt.Fatalf("%s → %s with %v", before.Phase, after.Phase, err)
			}
			if !slices.Contains(legal[before.Phase], after.Phase) {
				rt.Fatalf("%s → %s", before.Phase, after.Phase)
			}
			if w.refuse != nil && (after.Phase == incident.Restored || after.Phase == incident.Closed) {
				rt.Fatal("the gate was passed")
			}
			if confirmed := after.Phase != incident.Candidate; confirmed == after.ConfirmedAt.IsZero() && after.Phase != incident.Dismissed && after.Phase != incident.Merged {
				rt.Fatalf("confirmed: %+v", after)
			}
			restored := slices.Contains([]incident.Phase{incident.Restored, incident.Closed, incident.Reviewed}, after.Phase)
			if restored == after.RestoredAt.IsZero() || after.Phase.Ended() == after.ClosedAt.IsZero() || !after.PhaseAt.Equal(w.now) {
				rt.Fatalf("times: %+v", after)
			}
		}
		j, err := r.Journal(ctx, i.ID)
		check(err)
		if len(j) != written {
			rt.Fatalf("%d entries, %d changes", len(j), written)
		}
		check(r.VerifyJournal(ctx, i.ID))
	})
}
