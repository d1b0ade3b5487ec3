package alert_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
	"tuermer/internal/town/vault"
)

// world stands in for everything that the room asks.
type world struct {
	now      time.Time
	people   []identity.Person
	services map[string]service.Service
	sent     []channel.Message
	refuse   string // an address that the outbox does not take
	audited  []string
	hook     []alert.Hook
	chains   *chain.Room
	seq      int64
	graph    []service.Service // what depends on what

	stuck   bool            // nothing leaves the outbox
	waiting map[string]bool // ids that have not left it
	flying  map[string]bool // ids of them that are being tried
	marked  map[string]channel.Why
	back    []string // ids that were withdrawn
}

func (w *world) Now() time.Time { return w.now }

func (w *world) People(_ context.Context, f identity.Filter) ([]identity.Person, error) {
	var out []identity.Person
	for _, p := range w.people {
		if f.Role == "" || p.Has(f.Role) {
			out = append(out, p)
		}
	}
	return out, nil
}

var errNobody = fault.New(fault.NotFound, "identity.person_not_found")

func (w *world) find(is func(identity.Person) bool) (identity.Person, error) {
	if i := slices.IndexFunc(w.people, is); i >= 0 {
		return w.people[i], nil
	}
	return identity.Person{}, errNobody
}

func (w *world) Person(_ context.Context, id identity.PersonID) (identity.Person, error) {
	return w.find(func(p identity.Person) bool { return p.ID == id })
}

func (w *world) PersonByEmail(_ context.Context, mail string) (identity.Person, error) {
	return w.find(func(p identity.Person) bool { return p.Email == mail })
}

func (w *world) Get(_ context.Context, slug string) (service.Service, error) {
	if s, ok := w.services[slug]; ok {
		return s, nil
	}
	return service.Service{}, fault.New(fault.NotFound, "service.not_found")
}

func (w *world) Current(context.Context) (identity.Tenant, error) {
	return identity.Tenant{Slug: "musterstadt", Name: "Musterstadt", Zone: "Europe/Berlin", Language: "de", StaffURL: "https://lage.example"}, nil
}

func (w *world) Send(_ context.Context, m channel.Message) error {
	if m.To == w.refuse {
		return fault.New(fault.Invalid, "channel.bad_address")
	}
	w.sent = append(w.sent, m)
	if w.stuck {
		w.waiting[m.ID] = true
	}
	return nil
}

// Withdraw takes back what is stuck; what is being tried is marked.
func (w *world) Withdraw(_ context.Context, ids []string, why channel.Why) (gone []channel.Withdrawal, err error) {
	for _, id := range ids {
		switch {
		case w.flying[id]:
			w.marked[id] = why
		case w.waiting[id]:
			delete(w.waiting, id)
			w.back = append(w.back, id)
			gone = append(gone, channel.Withdrawal{ID: id})
		}
	}
	return gone, nil
}

func (w *world) Hooks(context.Context) ([]alert.Hook, error) { return w.hook, nil }

func (w *world) Record(_ context.Context, e audit.Entry) error {
	w.audited = append(w.audited, e.Action)
	return nil
}

// to lists who got what since the last call: "address subject".
func (w *world) to() []string {
	out := []string{}
	for _, m := range w.sent {
		out = append(out, m.To+" "+m.Subject)
	}
	slices.Sort(out)
	w.sent = nil
	return out
}

var noon = time.Date(2026, 11, 22, 13, 2, 10, 0, time.UTC)

func rooms() []store.Migrations { return []store.Migrations{alert.Migrations()} }

func setup(t testing.TB, sw *storetest.World) (*alert.Room, *world) {
	t.Helper()
	if err := sw.Jobs.Open(false); err != nil {
		t.Fatal(err)
	}
	v, err := vault.New(make([]byte, vault.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		now: noon,
		people: []identity.Person{
			{ID: "ada", Name: "Ada Beispiel", Email: "ada@town.example", Alternative: "ada@posteo.example", Language: "de", Roles: []identity.Role{identity.RoleIT}},
			{ID: "bert", Name: "Bert Kern", Email: "bert@town.example", Language: "en", Roles: []identity.Role{identity.RoleIT, identity.RoleAdmin}},
			{ID: "cora", Name: "Cora Lesen", Email: "cora@town.example", Roles: []identity.Role{identity.RoleReader}},
			{ID: "dora", Name: "Dora Weg", Email: "dora@town.example", Roles: []identity.Role{identity.RoleIT}, Blocked: true},
		},
		services: map[string]service.Service{
			"portal": {
				Slug: "portal", Name: "Bürgerportal", NameEN: "citizens' portal", Owner: "ada@town.example", FirstSteps: "1. Leitung prüfen\n2. Anrufen",
				Provider: service.Provider{Name: "ekom21", Hotline: "0611 000", Contract: "4711", Hours: "24 h"},
			},
			"mail": {Slug: "mail", Name: "E-Mail"},
		},
	}
	r := alert.New(alert.Options{
		Store: sw.Store, Clock: w, Hints: sw.Hints, Audit: w, Town: w, People: w, Services: w, Sender: w, Signer: v, Hooks: w,
		Catalogue: func(context.Context) ([]service.Service, error) { return w.graph, nil },
		InformURL: "/alert/{id}/inform", OpenURL: "/alert/{id}/incident", IncidentURL: "/incident/{id}",
	})
	return r, w
}

func firing(key, slug string, seq int64) signal.Signal {
	return signal.Signal{
		ID: signal.ID("s-" + key + fmt.Sprint(seq)), Source: signal.Monitor, Key: key, Episode: "e", State: signal.Firing, Seq: seq, Service: slug,
		Severity: signal.Critical, Title: "Bürgerportal antwortet nicht", Detail: "Zeitüberschreitung nach 10 s, 3 von 3 Prüfungen",
		Since: noon.Add(-10 * time.Second), At: noon,
	}
}

func resolved(key, slug string, seq int64) signal.Signal {
	s := firing(key, slug, seq)
	s.State = signal.Resolved
	return s
}

func fold(t *testing.T, r *alert.Room, ctx context.Context, ss ...signal.Signal) {
	t.Helper()
	for _, s := range ss {
		if err := alert.Fold(r, ctx, s); err != nil {
			t.Fatal(err)
		}
	}
}

func list(t *testing.T, r *alert.Room, ctx context.Context, f alert.Filter) []alert.Alert {
	t.Helper()
	out, err := r.List(ctx, f)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func as(ctx context.Context, id, name string, roles ...string) context.Context {
	return ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: id, Name: name, Roles: roles})
}

// From the first signal to the end: who is told what.
func TestAlertFromBeginningToEnd(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		ctx := sw.Ctx
		fold(t, r, ctx, firing("monitor:portal", "portal", 1))
		if got := w.to(); !slices.Equal(got, []string{
			"ada@posteo.example ▲ gestört: Bürgerportal – antwortet nicht, seit 14:02 Uhr",
			"ada@town.example ▲ gestört: Bürgerportal – antwortet nicht, seit 14:02 Uhr",
		}) {
			t.Fatalf("%q", got)
		}
		// A second source confirms and wakes nobody.
		fold(t, r, ctx, firing("prtg:1", "portal", 1), firing("prtg:1", "portal", 1))
		a := list(t, r, ctx, alert.Filter{Current: true, Service: "portal"})
		if len(a) != 1 || len(a[0].Signals) != 2 || a[0].State != alert.StateOpen || a[0].Woken != 1 {
			t.Fatalf("%+v", a)
		}
		if n, m := a[0].Confirmed(); n != 2 || m != 2 || len(w.sent) != 0 {
			t.Fatal(n, m, w.sent)
		}
		if d, ok := a[0].DetectedAfter(); !ok || d != 10*time.Second || a[0].FirstPath != signal.Monitor {
			t.Fatal(d, ok)
		}
		id := a[0].ID
		// Bert takes it; Ada hears of it, at both addresses.
		w.now = noon.Add(3 * time.Minute)
		got, err := r.Acknowledge(as(ctx, "bert", "B. Kern", "it"), id)
		if err != nil || got.AcknowledgedName != "B. Kern" || got.State != alert.StateAcknowledged {
			t.Fatalf("%+v %v", got, err)
		}
		if got := w.to(); !slices.Equal(got, []string{
			"ada@posteo.example B. Kern kümmert sich: Bürgerportal", "ada@town.example B. Kern kümmert sich: Bürgerportal",
		}) {
			t.Fatalf("%q", got)
		}
		again, err := r.Acknowledge(as(ctx, "ada", "Ada Beispiel", "it"), id)
		if err != nil || again.AcknowledgedName != "B. Kern" || len(w.sent) != 0 {
			t.Fatalf("second: %+v %v %v", again, err, w.sent)
		}
		if _, err := r.Acknowledge(as(ctx, "cora", "Cora", "reader"), id); !errors.Is(err, alert.ErrForbidden) {
			t.Fatal(err)
		}
		// Over only when both sources say so; Ada hears it although she is
		// responsible no more.
		w.services["portal"] = service.Service{Slug: "portal", Name: "Bürgerportal"}
		w.now = noon.Add(14 * time.Minute).Add(-10 * time.Second)
		fold(t, r, ctx, resolved("monitor:portal", "portal", 2))
		if len(w.sent) != 0 {
			t.Fatal(w.sent)
		}
		fold(t, r, ctx, resolved("prtg:1", "portal", 2))
		if got := w.to(); !slices.Equal(got, []string{
			"ada@posteo.example ✓ läuft wieder: Bürgerportal (Dauer: 14 Minuten)", "ada@town.example ✓ läuft wieder: Bürgerportal (Dauer: 14 Minuten)",
		}) {
			t.Fatalf("%q", got)
		}
		// What fires afterwards is a new alert.
		fold(t, r, ctx, firing("monitor:portal", "portal", 3))
		if n := len(list(t, r, ctx, alert.Filter{Service: "portal"})); n != 2 {
			t.Fatal(n)
		}
		if _, err := r.Acknowledge(as(ctx, "ada", "Ada Beispiel", "it"), id); !errors.Is(err, alert.ErrClosed) {
			t.Fatal(err)
		}
		if !slices.Equal(w.audited[:3], []string{"alert.opened", "alert.acknowledged", "alert.closed"}) {
			t.Fatal(w.audited)
		}
		// The reasons can be read.
		for who, want := range map[string]alert.Reason{"ada": alert.ByOwner, "bert": alert.OthersResponsible, "dora": alert.PersonBlocked, "cora": alert.NotResponsible} {
			if d, err := r.Why(ctx, id, who); err != nil || d.Reason != want || d.Woken != (who == "ada") {
				t.Errorf("%s: %+v %v", who, d, err)
			}
		}
		told, err := r.Notified(ctx, id)
		if err != nil || len(told) != 6 {
			t.Fatal(told, err)
		}
	})
}

// The mail as it is read.
func TestAlarmMail(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	r, w := setup(t, sw)
	fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1))
	m := w.sent[0]
	if !m.FirstOfThread || m.Thread == "" || !m.Automatic || m.Class != channel.Alarm || m.Language != "de" || m.Realm != channel.Live {
		t.Fatalf("%+v", m)
	}
	for _, want := range []string{
		"▲ Bürgerportal antwortet nicht\nseit 14:02 Uhr\n",
		"Gesehen: Zeitüberschreitung nach 10 s, 3 von 3 Prüfungen\n",
		"Bemerkt: 14:02 Uhr, eigene Prüfung, erkannt nach 10 Sekunden\n",
		"https://lage.example/a/", "https://lage.example/alert/" + m.Thread,
		"Anbieter: ekom21, Telefon 0611 000, Vertrag 4711, erreichbar 24 h\n",
		"Erste Schritte:\n  1. Leitung prüfen\n  2. Anrufen\n",
		"Außer Ihnen wurde niemand benachrichtigt.",
		"weil Sie für diesen Dienst zuständig sind.",
		"Stand: Sonntag, 22. November 2026, 14:02 Uhr\nTürmer Musterstadt\n",
	} {
		if !strings.Contains(m.Text, want) {
			t.Errorf("no %q in\n%s", want, m.Text)
		}
	}
	w.to()
	// Without an owner: everybody with role it, each in their own language.
	fold(t, r, sw.Ctx, firing("monitor:mail", "mail", 1))
	var bert channel.Message
	for _, m := range w.sent {
		if m.To == "bert@town.example" {
			bert = m
		}
	}
	if !strings.HasPrefix(bert.Subject, "▲ down: E-Mail – ") || !strings.Contains(bert.Text, "Told as well: Ada Beispiel\n") ||
		!strings.Contains(bert.Text, "nobody is named as responsible") || len(w.sent) != 3 {
		t.Fatalf("%s\n%s", bert.Subject, bert.Text)
	}
}

// Nobody with role it: the administrators; nobody at all: listed, and told as
// soon as there is somebody.
func TestNobodyResponsible(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		all := w.people
		w.people = nil
		fold(t, r, sw.Ctx, firing("monitor:x", "", 1))
		withheld, err := r.Withheld(sw.Ctx, noon)
		if err != nil || len(withheld) != 1 || withheld[0].Reason != alert.Nobody || !withheld[0].EndedAt.IsZero() {
			t.Fatalf("%+v %v", withheld, err)
		}
		if next, err := alert.Sweep(r, sw.Ctx, w.now); err != nil || !next.Equal(noon.Add(time.Minute)) {
			t.Fatal(next, err)
		}
		all[1].Roles = []identity.Role{identity.RoleAdmin}
		w.people = all[1:2]
		w.now = noon.Add(time.Minute)
		if _, err := alert.Sweep(r, sw.Ctx, w.now); err != nil {
			t.Fatal(err)
		}
		if got := w.to(); !slices.Equal(got, []string{"bert@town.example ▲ down: Bürgerportal antwortet nicht, since 14:02"}) {
			t.Fatalf("%q", got)
		}
		withheld, err = r.Withheld(sw.Ctx, noon)
		if err != nil || len(withheld) != 1 || withheld[0].EndedAt.IsZero() {
			t.Fatalf("%+v %v", withheld, err)
		}
		if next, err := alert.Sweep(r, sw.Ctx, w.now); err != nil || !next.IsZero() {
			t.Fatal(next, err)
		}
	})
}

// Nobody answers: the next in line are told, once each, until somebody takes it.
func TestNobodyAnswers(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		w.people = append(w.people, identity.Person{ID: "emil", Name: "Emil Amt", Email: "emil@town.example", Roles: []identity.Role{identity.RoleAdmin}})
		fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1))
		w.to()
		sweep := func() time.Time {
			t.Helper()
			next, err := alert.Sweep(r, sw.Ctx, w.now)
			if err != nil {
				t.Fatal(err)
			}
			return next
		}
		if next := sweep(); !next.Equal(noon.Add(5*time.Minute)) || len(w.sent) != 0 {
			t.Fatal(next, w.sent)
		}
		w.now = noon.Add(5 * time.Minute)
		if next := sweep(); !next.Equal(noon.Add(10 * time.Minute)) {
			t.Fatal(next)
		}
		if len(w.sent) != 1 || w.sent[0].To != "bert@town.example" || !strings.Contains(w.sent[0].Text, "nobody has taken the alert so far") {
			t.Fatalf("%+v", w.sent)
		}
		w.to()
		w.now = noon.Add(10 * time.Minute)
		if next := sweep(); !next.IsZero() || len(w.sent) != 1 || w.sent[0].To != "emil@town.example" {
			t.Fatalf("%v %+v", next, w.sent)
		}
		a := list(t, r, sw.Ctx, alert.Filter{})[0]
		if d, err := r.Why(sw.Ctx, a.ID, "emil"); err != nil || d.Reason != alert.NoAnswer || a.Woken != 3 {
			t.Fatalf("%+v %v %+v", d, err, a)
		}
		w.to()
		fold(t, r, sw.Ctx, resolved("monitor:portal", "portal", 2))
		if got := w.to(); len(got) != 4 {
			t.Fatalf("everybody who got the alarm hears its end: %q", got)
		}
		// Taken in time: nobody else is told.
		fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 3))
		a = list(t, r, sw.Ctx, alert.Filter{Current: true})[0]
		if _, err := r.Acknowledge(as(sw.Ctx, "ada", "Ada", "it"), a.ID); err != nil {
			t.Fatal(err)
		}
		w.to()
		w.now = noon.Add(time.Hour)
		if next := sweep(); !next.IsZero() || len(w.sent) != 0 {
			t.Fatal(next, w.sent)
		}
	})
}

// An address that the outbox refuses costs nobody else the alarm.
func TestAddressRefused(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	r, w := setup(t, sw)
	w.refuse = "bert@town.example"
	fold(t, r, sw.Ctx, firing("monitor:mail", "mail", 1))
	if got := w.to(); len(got) != 2 {
		t.Fatalf("%q", got)
	}
	a := list(t, r, sw.Ctx, alert.Filter{})[0]
	if d, err := r.Why(sw.Ctx, a.ID, "bert"); err != nil || d.Reason != alert.AddressRefused || d.Woken {
		t.Fatalf("%+v %v", d, err)
	}
}

func TestLateAndWithheld(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		ctx := sw.Ctx
		fold(t, r, ctx, resolved("a", "portal", 2), firing("a", "portal", 1))
		info := firing("b", "portal", 1)
		info.Severity = signal.Info
		fold(t, r, ctx, info)
		if err := alert.Ignore(r, ctx, signal.IgnoredSignal{Signal: firing("c", "", 0), Reason: signal.Older}); err != nil {
			t.Fatal(err)
		}
		if len(w.sent) != 0 || len(list(t, r, ctx, alert.Filter{})) != 0 {
			t.Fatal(w.sent)
		}
		withheld, err := r.Withheld(ctx, noon)
		if err != nil || len(withheld) != 3 {
			t.Fatalf("%+v %v", withheld, err)
		}
		ended := map[alert.Reason]bool{}
		for _, x := range withheld {
			ended[x.Reason] = !x.EndedAt.IsZero()
		}
		if !ended[alert.AlreadyOver] || ended[alert.OnlyInfo] || !ended[alert.EpisodeOlder] {
			t.Fatal(ended)
		}
		// It got worse: now it wakes.
		fold(t, r, ctx, firing("b", "portal", 2))
		if len(w.to()) != 2 {
			t.Fatal("worse than info wakes")
		}
		// Closed by hand while firing: listed until it recovers.
		a := list(t, r, ctx, alert.Filter{Current: true})[0]
		if _, err := r.Close(as(ctx, "x", "X", "it"), a.ID, " "); !errors.Is(err, alert.ErrNoReason) {
			t.Fatal(err)
		}
		if _, err := r.Close(as(ctx, "x", "X", "reader"), a.ID, "weg"); !errors.Is(err, alert.ErrForbidden) {
			t.Fatal(err)
		}
		w.now = noon.Add(time.Hour)
		if _, err := r.Close(as(ctx, "x", "X. Hand", "it"), a.ID, "Prüfung abgebaut"); err != nil {
			t.Fatal(err)
		}
		if got := w.to(); len(got) != 2 || !strings.Contains(got[0], "Alarm geschlossen: Bürgerportal") {
			t.Fatalf("%q", got)
		}
		withheld, err = r.Withheld(ctx, w.now)
		if err != nil || len(withheld) != 1 || withheld[0].Reason != alert.ClosedByHand {
			t.Fatalf("%+v %v", withheld, err)
		}
		w.now = noon.Add(2 * time.Hour)
		fold(t, r, ctx, resolved("b", "portal", 3))
		if withheld, err = r.Withheld(ctx, w.now.Add(time.Second)); err != nil || len(withheld) != 0 {
			t.Fatalf("%+v %v", withheld, err)
		}
	})
}

func TestLink(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1))
		a := list(t, r, sw.Ctx, alert.Filter{})[0]
		public := ident.WithActor(sw.Ctx, ident.Actor{Kind: ident.KindPublic})
		token := alert.Token(r, a.ID, "ada", w.now)
		ctx, seen, err := r.ByLink(public, token)
		if err != nil || seen.ID != a.ID || ident.ActorOf(ctx).Name != "Ada Beispiel" || ident.ActorOf(ctx).Kind != ident.KindLink {
			t.Fatal(seen, err)
		}
		// Somebody who did not get this alarm cannot take it by a link.
		stranger, _, err := r.ByLink(public, alert.Token(r, a.ID, "cora", w.now))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Acknowledge(stranger, a.ID); !errors.Is(err, alert.ErrForbidden) {
			t.Fatal(err)
		}
		if _, err := r.Acknowledge(public, a.ID); !errors.Is(err, alert.ErrForbidden) {
			t.Fatal(err)
		}
		if got, err := r.Acknowledge(ctx, a.ID); err != nil || got.AcknowledgedBy != "ada" {
			t.Fatal(got, err)
		}
		for _, bad := range []string{"", "x", token + "x", strings.Repeat("A", 9000)} {
			if _, _, err := r.ByLink(public, bad); !errors.Is(err, alert.ErrLink) {
				t.Errorf("%.10q: %v", bad, err)
			}
		}
		// Another tenant's alert does not exist here.
		if _, _, err := r.ByLink(ident.WithTenant(public, "t2"), token); !errors.Is(err, alert.ErrLink) {
			t.Error(err)
		}
		w.people[0].Blocked = true
		if _, _, err := r.ByLink(public, token); !errors.Is(err, alert.ErrLink) {
			t.Error("a blocked person's link works:", err)
		}
		w.now = noon.Add(25 * time.Hour)
		if _, _, err := r.ByLink(public, token); !errors.Is(err, alert.ErrLinkOld) {
			t.Error(err)
		}
	})
}

func TestIncidentLink(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, _ := setup(t, sw)
		fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1))
		a := list(t, r, sw.Ctx, alert.Filter{})[0]
		if err := errors.Join(r.Link(sw.Ctx, a.ID, "i1"), r.Link(sw.Ctx, a.ID, "i1")); err != nil {
			t.Fatal(err)
		}
		if err := r.Link(sw.Ctx, a.ID, "i2"); !errors.Is(err, alert.ErrLinked) {
			t.Fatal(err)
		}
		if err := r.Relink(sw.Ctx, a.ID, "i2"); err != nil {
			t.Fatal(err)
		}
		if got := list(t, r, sw.Ctx, alert.Filter{Incident: "i2"}); len(got) != 1 {
			t.Fatal(got)
		}
		if err := r.Link(sw.Ctx, "none", "i1"); !errors.Is(err, alert.ErrNotFound) {
			t.Fatal(err)
		}
	})
}

func TestWebhooks(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	r, w := setup(t, sw)
	w.hook = []alert.Hook{{URL: "https://hooks.example/a", Secret: []byte("s")}}
	w.people = nil
	fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1), resolved("monitor:portal", "portal", 2))
	var types []string
	for _, m := range w.sent {
		var body struct {
			Type  string
			Town  string
			Alert struct{ Service, State string }
		}
		if err := json.Unmarshal(m.Payload, &body); err != nil || m.Kind != channel.Webhook || string(m.Secret) != "s" || body.Town != "musterstadt" {
			t.Fatalf("%+v %v", m, err)
		}
		types = append(types, body.Type+" "+body.Alert.State+" "+body.Alert.Service)
	}
	if !slices.Equal(types, []string{"alert.opened open portal", "alert.closed closed portal"}) {
		t.Fatal(types)
	}
}
