package contact

import (
	"context"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
	"tuermer/internal/platform/zonetest"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// handClock is moved by the test.
type handClock struct{ now time.Time }

func (c *handClock) Now() time.Time { return c.now }

// outbox keeps what was sent.
type outbox struct{ sent []channel.Message }

func (o *outbox) Send(_ context.Context, m channel.Message) error {
	o.sent = append(o.sent, m)
	return nil
}

type quiet struct{}

func (quiet) Record(context.Context, audit.Entry) error { return nil }

// town is one town with its people.
type town struct {
	identity.Tenant
	people []identity.Person
}

func (w *town) People(_ context.Context, f identity.Filter) (out []identity.Person, err error) {
	for _, p := range w.people {
		if f.Role == "" || p.Has(f.Role) {
			out = append(out, p)
		}
	}
	return out, nil
}
func (w *town) Current(context.Context) (identity.Tenant, error) { return w.Tenant, nil }
func (w *town) Tenants(context.Context) ([]identity.Tenant, error) {
	return []identity.Tenant{w.Tenant}, nil
}

func zone(t testing.TB) *zonetest.Zone {
	t.Helper()
	raw, err := os.ReadFile("testdata/stadt.zone")
	if err != nil {
		t.Fatal(err)
	}
	z, err := zonetest.Parse(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// world is a room with what it asks.
type world struct {
	*Room
	clock  *handClock
	zone   *zonetest.Zone
	outbox *outbox
	town   *town
	points []Point
}

func newWorld(t testing.TB, s *storetest.World) *world {
	t.Helper()
	catalog, err := i18n.NewCatalog(web.Texts(), channel.Texts(), Texts())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{clock: &handClock{time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)}, zone: zone(t), outbox: &outbox{}}
	w.town = &town{
		identity.Tenant{ID: storetest.Tenant, Name: "Stadt", Domains: []string{"stadt.example"}, Networks: []string{"192.0.2.0/24"}, StaffURL: "https://lage.example"},
		[]identity.Person{
			{ID: "b", Name: "Bert", Email: "bert@stadt.example", Roles: []identity.Role{identity.RoleAdmin}},
			{ID: "l", Name: "Lea", Email: "lea@stadt.example", Roles: []identity.Role{identity.RoleReader}},
		},
	}
	var db *store.Store
	if s != nil {
		db = s.Store
	}
	w.Room = New(Options{
		Store: db, Clock: w.clock, Catalog: catalog, Audit: quiet{}, People: w.town, Outbox: w.outbox, Resolver: w.zone,
		Points: func(context.Context) ([]Point, error) { return w.points, nil },
		Locale: func(context.Context) i18n.Locale {
			return i18n.Locale{Catalog: catalog, Lang: i18n.DE, Zone: time.UTC, Now: w.clock.now}
		},
	})
	return w
}

// What shares a domain, a mail server, a name server or a network with the town
// is red; what DNS does not tell is unknown and never green.
func TestLook(t *testing.T) {
	s := storetest.SQLite(t, Migrations())
	w := newWorld(t, s)
	for host, want := range map[string]struct {
		state State
		cause identity.Cause
	}{
		"sms.anbieter.example":   {Apart, ""},
		"relay.post.example":     {Apart, ""},
		"203.0.113.7":            {Apart, ""},
		"[2001:db8::7]":          {Apart, ""},
		"lage.stadt.example":     {Shared, identity.CauseSameDomain},
		"Stadt.Example.":         {Shared, identity.CauseSameDomain},
		"notstadt.example":       {Apart, ""},
		"192.0.2.77":             {Shared, identity.CauseSharedHost},
		"modem.haus.example":     {Shared, identity.CauseSharedHost},
		"verein.example":         {Shared, identity.CauseSharedMX},
		"anmeldung.land.example": {Shared, identity.CauseSharedZone},
		"stumm.example":          {Unknown, identity.CauseNoAnswer},
	} {
		w.points = []Point{{Kind: SMS, Name: "eins", Host: host}}
		all, err := w.Look(s.Ctx)
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		got := all[0]
		if got.State != want.state || (want.cause != "") != (len(got.Findings) > 0) {
			t.Errorf("%s: %s %v, want %v", host, got.State, got.Findings, want)
			continue
		}
		if want.cause != "" && !slices.ContainsFunc(got.Findings, func(f identity.Finding) bool { return f.Cause == want.cause }) {
			t.Errorf("%s: %v, want %s", host, got.Findings, want.cause)
		}
	}
	// A town that has named nothing cannot be compared with, and that is not green.
	w.town.Domains, w.town.Networks = nil, nil
	all, err := w.Look(s.Ctx)
	if err != nil || all[0].State != Unknown {
		t.Error(all, err)
	}
	// Every kind has its sentences in both languages, in every state.
	for _, lang := range i18n.Langs() {
		l := w.o.Locale(t.Context())
		l.Lang = lang
		for _, k := range Kinds() {
			for _, s := range []State{Shared, Unknown, Apart} {
				what, wayOut := Seen{Point: Point{Kind: k, Name: "x"}, State: s}.Say(l)
				if strings.Contains(what+wayOut, "contact.") || wayOut == "" {
					t.Errorf("%s %s %s: %q %q", lang, k, s, what, wayOut)
				}
			}
		}
	}
}

// I20: whatever of the town's names fails to resolve, nothing that was found red
// or not looked at is ever shown as independent.
func TestI20_DoubtIsNeverGreen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		causes := []identity.Cause{identity.CauseSameDomain, identity.CauseSharedMX, identity.CauseSharedZone, identity.CauseSharedHost, identity.CauseNoAnswer, identity.CauseMissing, identity.CauseUnverified}
		p := Point{Kind: rapid.SampledFrom(Kinds()).Draw(t, "kind"), Remark: rapid.SampledFrom([]string{"", "contact.remark_backup"}).Draw(t, "remark")}
		for _, c := range rapid.SliceOf(rapid.SampledFrom(causes)).Draw(t, "causes") {
			p.Findings = append(p.Findings, identity.Finding{Cause: c})
		}
		var at time.Time
		if rapid.Bool().Draw(t, "looked") {
			at = time.Unix(1, 0)
		}
		known := rapid.Bool().Draw(t, "compared")
		got := judge(p, at, known)
		if got == Apart && (len(p.Findings) > 0 || at.IsZero() || !known || p.Remark != "") {
			t.Fatalf("green: %+v at %v, compared %v", p, at, known)
		}
		for _, f := range p.Findings {
			if shares(f) && got != Shared {
				t.Fatalf("%s is %s", f.Cause, got)
			}
		}
	})
}

// What runs on this machine stands where it stands: while nobody has named the town's
// networks, a mail server at localhost is no more independent than the machine.
func TestI20_HomeIsAsTheMachine(t *testing.T) {
	s := storetest.SQLite(t, Migrations())
	w := newWorld(t, s)
	here := netip.MustParseAddr("192.0.2.200")
	w.points = []Point{
		{Kind: Machine, Addrs: []netip.Addr{here}},
		{Kind: Mail, Name: "haus", Host: "localhost", Addrs: []netip.Addr{here}},
		{Kind: SMS, Name: "eins", Host: "127.0.0.1", Addrs: []netip.Addr{here}},
		{Kind: Voice, Name: "ruf", Host: "sms.anbieter.example"},
	}
	states := func() (out []State) {
		t.Helper()
		all, err := w.Look(s.Ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range []Kind{Machine, Mail, SMS, Voice} {
			i := slices.IndexFunc(all, func(x Seen) bool { return x.Kind == k })
			out = append(out, all[i].State)
		}
		return out
	}
	if got := states(); !slices.Equal(got, []State{Shared, Shared, Shared, Apart}) {
		t.Error("in the town's network:", got)
	}
	w.town.Networks = nil
	if got := states(); !slices.Equal(got, []State{Unknown, Unknown, Unknown, Apart}) {
		t.Error("without networks:", got)
	}
	w.town.Networks = []string{"198.18.0.0/15"}
	if got := states(); !slices.Equal(got, []State{Apart, Apart, Apart, Apart}) {
		t.Error("elsewhere:", got)
	}
}

// A gateway moves into the town's data centre: the next day's look turns it red,
// and the administrators hear of it once, by plain mail; an outage of DNS
// afterwards makes it neither green nor unknown.
func TestTurnsRed(t *testing.T) {
	storetest.Each(t, []store.Migrations{Migrations()}, func(t *testing.T, s *storetest.World) {
		w := newWorld(t, s)
		ctx := s.Ctx
		w.points = []Point{
			{Kind: SMS, Name: "eins", Host: "sms.anbieter.example"},
			{Kind: Mail, Name: "haus", Host: "mx.stadt.example"},
			{Kind: Machine, Addrs: []netip.Addr{netip.MustParseAddr("203.0.113.50")}},
			{Kind: Person, ID: "p1", Name: "Ada", Looked: true, At: w.clock.now},
		}
		look := func() {
			t.Helper()
			if _, err := w.checkAll(ctx, w.clock.now); err != nil {
				t.Fatal(err)
			}
		}
		state := func(name string) State {
			t.Helper()
			all, err := w.states(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return all[name]
		}
		if got := state("eins"); got != Unknown {
			t.Errorf("before the first look: %s", got)
		}
		look()
		if state("eins") != Apart || state("haus") != Shared || state("") != Apart || state("Ada") != Apart {
			t.Error(w.states(ctx))
		}
		if len(w.outbox.sent) != 0 {
			t.Errorf("the first look is no change: %v", w.outbox.sent)
		}
		asked := w.zone.Asked()
		w.clock.now = w.clock.now.Add(23 * time.Hour)
		look()
		if w.zone.Asked() != asked {
			t.Error("DNS was asked again within a day")
		}

		raw, err := os.ReadFile("testdata/stadt.zone")
		if err != nil {
			t.Fatal(err)
		}
		moved := strings.ReplaceAll(string(raw), "203.0.113.7", "192.0.2.80")
		if err := w.zone.Become(moved); err != nil {
			t.Fatal(err)
		}
		w.clock.now = w.clock.now.Add(2 * time.Hour)
		look()
		look()
		if state("eins") != Shared {
			t.Error("it moved, and nobody saw")
		}
		if len(w.outbox.sent) != 1 {
			t.Fatalf("%d mails", len(w.outbox.sent))
		}
		m := w.outbox.sent[0]
		if m.To != "bert@stadt.example" || m.Class != channel.Single || !strings.Contains(m.Text, "192.0.2.80") || !strings.Contains(m.Text, "keine SMS") || !strings.Contains(m.Text, "Modem mit eigener SIM-Karte") {
			t.Errorf("%+v", m)
		}

		// The name server is away: what was red stays red, and is asked again soon.
		if err := w.zone.Become(`sms.anbieter.example. TXT "servfail"` + "\n" + `stadt.example. TXT "servfail"`); err != nil {
			t.Fatal(err)
		}
		w.clock.now = w.clock.now.Add(25 * time.Hour)
		look()
		if state("eins") != Shared {
			t.Error("silence of DNS made it", state("eins"))
		}
		// Another room's finding turns red the same way.
		w.points[3].Findings = []identity.Finding{{Cause: identity.CauseSharedMX, With: "mx.stadt.example"}}
		look()
		look()
		if len(w.outbox.sent) != 2 || !strings.Contains(w.outbox.sent[1].Text, "Ada") {
			t.Errorf("%+v", w.outbox.sent)
		}
		// What is no longer there is forgotten.
		w.points = w.points[:1]
		look()
		rows, err := w.rows(ctx)
		if err != nil || len(rows) != 1 {
			t.Error(rows, err)
		}
		// Only those who mend it read it.
		reader := readerOf(ctx)
		if _, err := w.Points(reader); fault.KindOf(err) != fault.Forbidden {
			t.Error(err)
		}
		if err := w.Check(reader); fault.KindOf(err) != fault.Forbidden {
			t.Error(err)
		}
	})
}

// states are the states by name.
func (w *world) states(ctx context.Context) (map[string]State, error) {
	all, err := w.Room.points(ctx)
	out := map[string]State{}
	for _, s := range all {
		out[s.Name] = s.State
	}
	return out, err
}

func readerOf(ctx context.Context) context.Context {
	return ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: "l", Roles: []string{"reader"}})
}
