package review_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/learn/review"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
)

type handClock struct{ now time.Time }

func (c *handClock) Now() time.Time       { return c.now }
func (c *handClock) pass(d time.Duration) { c.now = c.now.Add(d) }

// town stands in for what the room asks besides incidents.
type town struct {
	clock *handClock
	mails []channel.Message
	said  []publish.Statement
	heard []publish.Heard
}

func (t *town) Current(context.Context) (identity.Tenant, error) {
	return identity.Tenant{Language: "de", Zone: "Europe/Berlin", StaffURL: "http://lage.example", PublicURL: "http://status.example"}, nil
}

func (t *town) People(_ context.Context, f identity.Filter) ([]identity.Person, error) {
	p := identity.Person{ID: "bert", Name: "Bert Kern", Email: "bert@musterstadt.example", Alternative: "bert@posteo.example", Roles: []identity.Role{identity.RoleAdmin, identity.RoleApprover}, Language: "de"}
	dora := identity.Person{ID: "dora", Name: "Dora Schutz", Email: "dora@musterstadt.example", Roles: []identity.Role{identity.RoleDPO}, Language: "de"}
	return slices.DeleteFunc([]identity.Person{p, dora}, func(p identity.Person) bool { return f.Role != "" && !p.Has(f.Role) }), nil
}

func (t *town) Audiences(context.Context) ([]plan.Audience, error) {
	return []plan.Audience{{Slug: "citizens", Kind: plan.Citizens, Name: "Bürgerinnen und Bürger"}}, nil
}

func (t *town) Send(_ context.Context, m channel.Message) error {
	for _, have := range t.mails {
		if have.ID == m.ID {
			return nil
		}
	}
	t.mails = append(t.mails, m)
	return nil
}

func (t *town) List(context.Context, publish.Filter) ([]publish.Statement, error) { return t.said, nil }

func (t *town) Adherence(context.Context, incident.ID) (int, int, error) { return 3, 1, nil }

func (t *town) Heard(context.Context, incident.ID) ([]publish.Heard, error) { return t.heard, nil }

func (t *town) Sign(purpose string, payload []byte, expires time.Time) string {
	return fmt.Sprintf("%s|%x|%d", purpose, payload, expires.Unix())
}

func (t *town) Verify(purpose, token string, now time.Time) ([]byte, error) {
	var payload []byte
	var until int64
	p, rest, _ := strings.Cut(token, "|")
	if _, err := fmt.Sscanf(strings.ReplaceAll(rest, "|", " "), "%x %d", &payload, &until); err != nil || p != purpose || now.Unix() > until {
		return nil, errors.New("no such token")
	}
	return payload, nil
}

type alerts struct{}

func (alerts) Get(context.Context, alert.ID) (alert.Alert, error) {
	return alert.Alert{}, alert.ErrNotFound
}
func (alerts) List(context.Context, alert.Filter) ([]alert.Alert, error) { return nil, nil }
func (alerts) Link(context.Context, alert.ID, string) error              { return nil }
func (alerts) Relink(context.Context, alert.ID, string) error            { return nil }

type services struct{}

func (services) Get(context.Context, string) (service.Service, error) {
	return service.Service{}, fault.New(fault.NotFound, "service.not_found")
}

type rig struct {
	*review.Room
	town     *town
	clock    *handClock
	incident *incident.Room
	ctx      context.Context
}

func rooms() []store.Migrations {
	return []store.Migrations{audit.Migrations(), incident.Migrations(), review.Migrations()}
}

func newRig(t testing.TB, w *storetest.World) *rig {
	t.Helper()
	catalog, err := i18n.NewCatalog(review.Texts())
	if err != nil {
		t.Fatal(err)
	}
	c := &handClock{now: time.Date(2026, 11, 22, 13, 0, 0, 0, time.UTC)}
	g := &rig{clock: c, town: &town{clock: c}}
	g.ctx = ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPerson, Person: "ada", Name: "Ada Beispiel", Roles: []string{"it", "publisher"}})
	a := audit.New(audit.Options{Store: w.Store, Clock: c})
	g.incident = incident.New(incident.Options{Store: w.Store, Clock: c, Audit: a, Alerts: alerts{}, Services: services{}, Town: g.town})
	g.Room = review.New(review.Options{
		Store: w.Store, Clock: c, Catalog: catalog, Audit: a, Incidents: g.incident, Statements: g.town, People: g.town,
		Audiences: g.town, Outbox: g.town, Vault: g.town, Services: services{},
	})
	if err := w.Jobs.Open(false); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *rig) open(t testing.TB) incident.Incident {
	t.Helper()
	i, err := g.incident.Open(g.ctx, incident.OpenRequest{Title: "Datenabfluss im Einwohnermeldeamt", Confirmed: true})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// I16: whatever people do, a legal clock starts at awareness, its end never
// moves later, and it ends met, missed or void, the last two with a reason.
func TestI16_Clock(t *testing.T) {
	w := storetest.SQLite(t, rooms()...)
	g := newRig(t, w)
	rules, err := g.Rules(g.ctx)
	if err != nil || len(rules) < 3 {
		t.Fatalf("%v, %v", rules, err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		in := g.open(t).ID
		rule := rapid.SampledFrom([]string{"de.dsgvo33", "de.bsig32.24", "de.dsgvo34"}).Draw(rt, "rule")
		aware := g.clock.now.Add(-time.Duration(rapid.IntRange(0, 100).Draw(rt, "hours ago")) * time.Hour)
		c, err := g.StartClock(g.ctx, in, rule, aware)
		if err != nil {
			rt.Fatal(err)
		}
		if !c.Aware.Equal(aware) {
			rt.Fatalf("it starts at %s and not at awareness, %s", c.Aware, aware)
		}
		ended := false
		for range rapid.IntRange(1, 8).Draw(rt, "acts") {
			before := c
			g.clock.pass(time.Duration(rapid.IntRange(0, 30).Draw(rt, "hours")) * time.Hour)
			reason := rapid.SampledFrom([]string{"", "Es lag am Wochenende."}).Draw(rt, "reason")
			var after review.Clock
			switch act := rapid.IntRange(0, 3).Draw(rt, "act"); act {
			case 0, 1:
				to := before.Aware.Add(time.Duration(rapid.IntRange(-50, 50).Draw(rt, "moved")) * time.Hour)
				after, err = g.StartClock(g.ctx, in, rule, to)
			case 2:
				after, err = g.Report(g.ctx, c.ID, time.Time{}, "4711", reason)
			case 3:
				after, err = g.Decline(g.ctx, c.ID, reason)
			}
			if err != nil {
				after, err = g.Clock(g.ctx, c.ID)
				if err != nil {
					rt.Fatal(err)
				}
				if after.State != before.State || !after.Due.Equal(before.Due) {
					rt.Fatalf("a refused act changed it: %+v", after)
				}
			}
			if after.Aware.After(before.Aware) || after.Due.After(before.Due) {
				rt.Fatalf("it moved later: %+v", after)
			}
			if ended && after.State != before.State {
				rt.Fatalf("it went on from %s to %s", before.State, after.State)
			}
			ended = after.State != review.ClockOpen
			switch {
			case after.State == review.ClockMet && !after.Due.IsZero() && after.SettledAt.After(after.Due):
				rt.Fatalf("met although late: %+v", after)
			case (after.State == review.ClockMissed || after.State == review.ClockVoid) && after.Reason == "":
				rt.Fatalf("ended without a reason: %+v", after)
			}
			c = after
		}
	})
}

// The report to the authority is due 72 hours after awareness; reminders come
// 24, 6 and 1 hours before and when it is over, each once; the documentation
// stands in the journal.
func TestBreach(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		in := g.open(t)
		c, err := g.StartClock(g.ctx, in.ID, "de.dsgvo33", time.Time{})
		if err != nil || !c.Due.Equal(g.clock.now.Add(72*time.Hour)) {
			t.Fatalf("%+v, %v", c, err)
		}
		if _, err := g.StartClock(g.ctx, in.ID, "de.dsgvo33", g.clock.now.Add(time.Minute)); err == nil {
			t.Error("an awareness in the future was taken")
		}
		// Data protection hears of it at once; the others when time runs short.
		if len(g.town.mails) != 1 || g.town.mails[0].To != "dora@musterstadt.example" || !strings.Contains(g.town.mails[0].Text, "Ende der Frist") {
			t.Fatalf("%+v", g.town.mails)
		}
		g.town.mails = nil
		want := map[time.Duration]int{48 * time.Hour: 1, 66 * time.Hour: 2, 71 * time.Hour: 3, 72*time.Hour + time.Minute: 4}
		begin := g.clock.now
		for h := time.Duration(0); h <= 80*time.Hour; h += time.Minute * 30 {
			g.clock.now = begin.Add(h)
			if _, err := g.RemindDue(g.ctx, g.clock.now); err != nil {
				t.Fatal(err)
			}
			for at, n := range want {
				if h == at && len(g.town.mails) != 3*n {
					t.Errorf("after %s there were %d mails, want %d", at, len(g.town.mails), 3*n)
				}
			}
		}
		if n := len(g.town.mails); n != 12 {
			t.Fatalf("%d mails", n)
		}
		if m := g.town.mails[0]; m.Realm != channel.Live || !strings.Contains(m.Text, "Datenabfluss") || !strings.Contains(m.Text, "Art. 33 DSGVO") || !strings.Contains(m.Text, "/review/"+string(in.ID)) {
			t.Errorf("%+v", m)
		}
		if _, err := g.Report(g.ctx, c.ID, time.Time{}, "AZ 12/26", ""); !errors.Is(err, review.ErrLateReason) {
			t.Errorf("a late report without a reason: %v", err)
		}
		if c, err = g.Report(g.ctx, c.ID, time.Time{}, "AZ 12/26", "Der Umfang war bis Dienstag unklar."); err != nil || c.State != review.ClockMissed {
			t.Fatalf("%+v, %v", c, err)
		}
		if _, err := g.Decline(g.ctx, c.ID, "anders überlegt"); !errors.Is(err, review.ErrSettled) {
			t.Errorf("%v", err)
		}
		journal, err := g.incident.Journal(g.ctx, in.ID)
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, e := range journal {
			text += e.Text + "\n"
		}
		for _, words := range []string{"Frist läuft: Datenschutzverletzung melden", "Gemeldet: Datenschutzverletzung melden", "AZ 12/26", "Der Umfang war bis Dienstag unklar."} {
			if !strings.Contains(text, words) {
				t.Errorf("the journal does not say %q:\n%s", words, text)
			}
		}
		if err := g.incident.VerifyJournal(g.ctx, in.ID); err != nil {
			t.Error(err)
		}
	})
}

// What begins when a report was sent begins then: one calendar month, in civil
// time.
func TestFollowUp(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		g.clock.now = time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)
		in := g.open(t)
		c, err := g.StartClock(g.ctx, in.ID, "de.bsig32.72", time.Time{})
		if err == nil {
			_, err = g.Report(g.ctx, c.ID, time.Time{}, "", "")
		}
		if err != nil {
			t.Fatal(err)
		}
		all, err := g.Clocks(g.ctx, in.ID)
		if err != nil || len(all) != 2 {
			t.Fatalf("%+v, %v", all, err)
		}
		if last := all[1]; last.Rule != "de.bsig32.final" || !last.Due.Equal(time.Date(2026, 2, 28, 9, 0, 0, 0, time.UTC)) {
			t.Errorf("%+v", last)
		}
		if _, err := g.Decline(g.ctx, all[1].ID, " "); !errors.Is(err, review.ErrNoReason) {
			t.Errorf("%v", err)
		}
		if c, err = g.Decline(g.ctx, all[1].ID, "Kein erheblicher Vorfall, mit der Rechtsabteilung besprochen."); err != nil || c.State != review.ClockVoid {
			t.Errorf("%+v, %v", c, err)
		}
	})
}

// Every built-in rule can be read, names its law and source in both languages
// and leads to nothing that is not there.
func TestRules(t *testing.T) {
	all := review.AllRules()
	ids := map[string]bool{}
	for _, r := range all {
		ids[r.ID] = true
	}
	for _, r := range all {
		if r.Law == "" || !strings.HasPrefix(r.Source, "https://") || r.Name == "" || r.NameEN == "" || r.To == "" || r.ToEN == "" || r.When == "" || r.WhenEN == "" || r.Read == "" {
			t.Errorf("%s is incomplete: %+v", r.ID, r)
		}
		if !strings.HasPrefix(r.ID, strings.ToLower(r.Country)+".") {
			t.Errorf("%s stands in the file of %s", r.ID, r.Country)
		}
		if r.After != "" && !ids[r.After] {
			t.Errorf("%s begins after %s, which is not there", r.ID, r.After)
		}
		if r.Kind != "" && r.Kind.Phase() == "" {
			t.Errorf("%s names the text %s, which is not there", r.ID, r.Kind)
		}
	}
	for _, country := range []string{"DE", "AT", "CH"} {
		if len(review.RulesOf(country)) == 0 {
			t.Errorf("no rule for %s", country)
		}
	}
}

// Answers are anonymous: nothing but the day is kept, a small audience is not
// shown alone, nor by subtraction.
func TestSurvey(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		in := g.open(t).ID
		link := func(audience string) string {
			l, err := g.SurveyLink(g.ctx, in, audience, g.clock.now)
			if err != nil {
				t.Fatal(err)
			}
			return strings.TrimPrefix(l, "umfrage/")
		}
		first := link("citizens")
		if again := link("citizens"); again != first {
			t.Error("two people of one audience have two links")
		}
		public := ident.WithActor(g.ctx, ident.Actor{Kind: ident.KindPublic})
		for n := range 6 {
			if err := g.Take(public, link("citizens"), review.Answer{InTime: 4, Clear: 1 + n%4, Text: fmt.Sprintf("Antwort %d", n)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := g.Take(public, link("leadership"), review.Answer{InTime: 1}); err != nil {
			t.Fatal(err)
		}
		got, err := g.Opinions(g.ctx, in)
		if err != nil || len(got) != 1 || got[0].Answers != 7 || len(got[0].Texts) != 6 || got[0].InTime < 0.85 || got[0].InTime > 0.86 || got[0].Helped >= 0 {
			t.Fatalf("%+v, %v", got, err)
		}
		for range 5 {
			if err := g.Take(public, link("leadership"), review.Answer{InTime: 2}); err != nil {
				t.Fatal(err)
			}
		}
		if got, err = g.Opinions(g.ctx, in); err != nil || len(got) != 3 {
			t.Fatalf("%+v, %v", got, err)
		}
		for name, err := range map[string]error{
			"nothing":       g.Take(public, link("citizens"), review.Answer{}),
			"out of scale":  g.Take(public, link("citizens"), review.Answer{InTime: 5}),
			"too long":      g.Take(public, link("citizens"), review.Answer{Text: strings.Repeat("a", 3000)}),
			"another town":  g.Take(ident.WithTenant(public, "t2"), link("citizens"), review.Answer{InTime: 4}),
			"a wrong token": g.Take(public, "x", review.Answer{InTime: 4}),
		} {
			if err == nil {
				t.Errorf("%s was taken", name)
			}
		}
		old := link("citizens")
		g.clock.pass(61 * 24 * time.Hour)
		if err := g.Take(public, old, review.Answer{InTime: 4}); !errors.Is(err, review.ErrLink) {
			t.Errorf("after 61 days: %v", err)
		}
		raw, err := json.Marshal(got)
		if err != nil || strings.Contains(string(raw), "13:00") {
			t.Errorf("an hour is kept: %s", raw)
		}
	})
}

// The figures are those of the course.
func TestFigures(t *testing.T) {
	w := storetest.SQLite(t, rooms()...)
	g := newRig(t, w)
	at := g.clock.now
	i := incident.Incident{
		Since: at, FirstSignalAt: at.Add(40 * time.Second), ConfirmedAt: at.Add(2 * time.Minute), RestoredAt: at.Add(3 * time.Hour),
	}
	g.town.said = []publish.Statement{
		{Kind: template.Recovery, PublishedAt: at.Add(3 * time.Hour)}, {Kind: template.Holding, PublishedAt: at.Add(12 * time.Minute)},
	}
	g.town.heard = []publish.Heard{{Audience: "citizens", Recipients: 200, Accepted: 190}, {Audience: "staff", Recipients: 100, Accepted: 100}}
	f, err := g.Figures(g.ctx, i)
	if err != nil {
		t.Fatal(err)
	}
	share, _ := f.Adherence()
	reached, _ := f.Reached()
	if f.Detect != 40*time.Second || f.First != 10*time.Minute || f.Restore != 3*time.Hour || share != 0.75 || reached < 0.966 || reached > 0.967 {
		t.Errorf("%+v, kept %v, reached %v", f, share, reached)
	}
	g.town.said, g.town.heard = nil, nil
	if f, err = g.Figures(g.ctx, incident.Incident{Since: at}); err != nil || f.Detect >= 0 || f.First >= 0 || f.Restore >= 0 {
		t.Errorf("what is not known was figured: %+v, %v", f, err)
	}
}

// An improvement has an owner and a day, and ends with what came of it.
func TestImprovement(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		g := newRig(t, w)
		in := g.open(t).ID
		if _, err := g.AddImprovement(g.ctx, review.Improvement{Incident: in, Text: "Zweiter Mailweg"}); err == nil {
			t.Error("without owner and day it was taken")
		}
		i, err := g.AddImprovement(g.ctx, review.Improvement{Incident: in, Text: "Zweiter Mailweg", Owner: "ada@musterstadt.example", Due: "2026-12-24"})
		if err != nil {
			t.Fatal(err)
		}
		if all, err := g.Improvements(g.ctx, ""); err != nil || len(all) != 1 {
			t.Fatalf("%+v, %v", all, err)
		}
		if _, err := g.CloseImprovement(g.ctx, i.ID, review.ImproveDone, ""); !errors.Is(err, review.ErrNoReason) {
			t.Errorf("%v", err)
		}
		if i, err = g.CloseImprovement(g.ctx, i.ID, review.ImproveDone, "Relay beim Nachbarn eingerichtet."); err != nil || i.State != review.ImproveDone {
			t.Errorf("%+v, %v", i, err)
		}
		if _, err := g.CloseImprovement(g.ctx, i.ID, review.ImproveDropped, "doch nicht"); !errors.Is(err, review.ErrSettled) {
			t.Errorf("%v", err)
		}
		reader := ident.WithActor(g.ctx, ident.Actor{Kind: ident.KindPerson, Person: "r", Roles: []string{"reader"}})
		if _, err := g.AddImprovement(reader, review.Improvement{Incident: in, Text: "x", Owner: "y", Due: "2026-12-24"}); !errors.Is(err, review.ErrForbidden) {
			t.Errorf("%v", err)
		}
	})
}
