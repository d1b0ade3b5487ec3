package papers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"pgregory.net/rapid"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/paper"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/audit"
)

type handClock struct{ now time.Time }

func (c *handClock) Now() time.Time { return c.now }

// full is a configuration in which everything is switched on.
func full() (Facts, Details) {
	facts := Facts{
		Town: "Musterstadt", Country: "DE", Land: "HE", StaffURL: "https://lage.example", PublicURL: "https://status.example",
		People: 7, SecondFactor: true, SignOn: "Stadt-Anmeldung", Relays: []Way{{"haus", "mail.example"}}, Hooks: []Way{{"Webhook", "haken.example"}}, Chats: []Way{{"Slack /dienst", "chat.example"}}, Gateways: []Way{{"sieben", "sms.example"}},
		Audiences: []Group{{"Presse", 12}}, Subscribers: true, Surveys: true, Forms: []string{"Meldung einer Störung"}, Sondes: []string{"kreis"},
		Monitors: 40, Copies: []Way{{"fuss", "fuss.example"}}, Sealed: []Way{{"lager", "lager.example"}}, Postgres: true, OwnTLS: true, MailOpen: true, Listening: true, Exercises: true,
		Keeps: []Keep{{What: "session", For: 12 * time.Hour, Counted: true}, {What: "ledger"}, {What: "audit", Chain: true}, {What: "signal", For: 400 * 24 * time.Hour}},
	}
	details := Details{
		Street: "Markt 1", City: "12345 Musterstadt", Mail: "stadt@musterstadt.example", Phone: "0611 110", Representative: "Eva Muster",
		VAT: "DE1", Officer: Officer{"Dora Schutz", "dsb@musterstadt.example", "0611 111", true}, Tested: "2026-11-01", TestedHow: "Selbstbewertung",
		Gaps: "Alte PDF.\n\nKarten.", ProxyLogDays: 7, ImprintMore: "Mehr.", PrivacyMore: "Mehr.", AccessMore: "Mehr.",
		Hosting:    Hosting{Provider: "Rechenzentrum", Certificate: "ISO 27001", Number: "17", ValidUntil: "2027-01-01", Country: "Deutschland", Signed: "2026-01-01"},
		Processors: []Processor{{"Druckhaus", "Briefe", "Deutschland", "2026-02-03"}},
	}
	return facts, details
}

func catalog(t testing.TB) *i18n.Catalog {
	t.Helper()
	c, err := i18n.NewCatalog(web.Texts(), Texts())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Every paper can be made in every language and country, from a configuration
// with everything and from one with nothing, and printed; German and English tell
// the same chapters.
func TestEverySheet(t *testing.T) {
	all, err := loadProfiles()
	if err != nil {
		t.Fatal(err)
	}
	m := maker{catalog(t)}
	f, d := full()
	for _, country := range Countries() {
		for _, k := range Kinds() {
			for name, in := range map[string]struct {
				f Facts
				d Details
			}{"full": {f, d}, "empty": {Facts{Town: "Musterstadt"}, Details{}}, "own": {Facts{Town: "Musterstadt"}, Details{Hosting: Hosting{Own: true}}}} {
				in.f.Country = country
				var chapters []string
				for _, l := range i18n.Langs() {
					s, err := m.make(k, in.f, in.d, of(all, country, in.f.Land), l)
					if err != nil {
						t.Fatalf("%s %s %s %s: %v", country, k, name, l, err)
					}
					var shape []string
					for _, sec := range s.Sections {
						kinds := ""
						for _, b := range sec.Blocks {
							kinds += string(b.Kind[0])
							if slices.Contains([]BlockKind{Text, Strong, Quiet}, b.Kind) && strings.ContainsAny(b.Text, "{}<") {
								t.Errorf("%s %s: %q", k, l, b.Text)
							}
						}
						shape = append(shape, kinds)
					}
					if chapters != nil && !slices.Equal(chapters, shape) {
						t.Errorf("%s %s %s: %v in German, %v in English", country, k, name, chapters, shape)
					}
					chapters = shape
					if country == "DE" {
						if _, err := paper.PDF(s.Document(l, nil, "", "", time.Time{})); err != nil {
							t.Errorf("%s %s: %v", k, l, err)
						}
					}
				}
			}
		}
	}
}

// What the configuration has is told, and what it has not is not.
func TestPapersFollowTheConfiguration(t *testing.T) {
	all, err := loadProfiles()
	if err != nil {
		t.Fatal(err)
	}
	m := maker{catalog(t)}
	f, d := full()
	words := func(k Kind, f Facts, d Details) string {
		s, err := m.make(k, f, d, of(all, f.Country, f.Land), i18n.DE)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(s)
	}
	for _, c := range []struct {
		kind    Kind
		without func(*Facts, *Details)
		word    string
	}{
		{Privacy, func(f *Facts, _ *Details) { f.Subscribers = false }, "abonnieren"},
		{Privacy, func(f *Facts, _ *Details) { f.Surveys = false }, "Umfrage teilnehmen"},
		{Privacy, func(f *Facts, _ *Details) { f.Forms = nil }, "Meldung einer Störung"},
		{Privacy, func(f *Facts, _ *Details) { f.Listening = false }, "Öffentliche Beiträge"},
		{Privacy, func(f *Facts, _ *Details) { f.Audiences = nil }, "Verteiler stehen"},
		{Privacy, func(f *Facts, _ *Details) { f.Relays = nil }, "mail.example"},
		{Privacy, func(f *Facts, _ *Details) { f.Copies = nil }, "fuss.example"},
		{Processors, func(f *Facts, _ *Details) { f.Sealed = nil }, "lager.example"},
		{Measures, func(f *Facts, _ *Details) { f.Sealed = nil }, "lager.example"},
		{Record, func(f *Facts, _ *Details) { f.Sealed = nil }, "lager.example"},
		{Privacy, func(_ *Facts, d *Details) { d.ProxyLogDays = 0 }, "nach 7 Tagen"},
		{Privacy, func(f *Facts, _ *Details) { f.Keeps = nil }, "400 Tage"},
		{Deletion, func(f *Facts, _ *Details) { f.Keeps = nil }, "keine automatische Löschung"},
		{Record, func(f *Facts, _ *Details) { f.Sondes = nil }, "kreis"},
		{Processors, func(f *Facts, _ *Details) { f.Hooks = nil }, "haken.example"},
		{Processors, func(f *Facts, _ *Details) { f.Chats = nil }, "chat.example"},
		{Record, func(f *Facts, _ *Details) { f.Chats = nil }, "chat.example"},
		{Processors, func(f *Facts, _ *Details) { f.Gateways = nil }, "sms.example"},
		{Record, func(f *Facts, _ *Details) { f.Gateways = nil }, "sms.example"},
		{Processors, func(_ *Facts, d *Details) { d.Processors = nil }, "Druckhaus"},
		{Measures, func(f *Facts, _ *Details) { f.MailOpen = false }, "ohne TLS"},
		{DPIAListening, func(f *Facts, _ *Details) { f.Listening = false }, "eingeschaltet."},
		{Accessibility, func(f *Facts, _ *Details) { f.Land = "NW" }, "Gießen"},
		{Accessibility, func(_ *Facts, d *Details) { d.Gaps = "" }, "teilweise"},
		{Operations, func(_ *Facts, d *Details) { d.Hosting.Number = "" }, "Nr. 17"},
	} {
		if !strings.Contains(words(c.kind, f, d), c.word) {
			t.Errorf("%s does not tell %q", c.kind, c.word)
		}
		lessF, lessD := f, d
		c.without(&lessF, &lessD)
		if strings.Contains(words(c.kind, lessF, lessD), c.word) {
			t.Errorf("%s still tells %q", c.kind, c.word)
		}
	}
	f.Listening = false
	if !strings.Contains(words(DPIAListening, f, d), "Nicht aktiv") {
		t.Error("listening is not said to be off")
	}
}

// Whatever somebody types, it makes no heading, list, row or chapter of its own.
func TestTypedWordsStayWords(t *testing.T) {
	all, err := loadProfiles()
	if err != nil {
		t.Fatal(err)
	}
	m := maker{catalog(t)}
	f, d := full()
	shape := func(d Details, f Facts, k Kind) (out []string) {
		s, err := m.make(k, f, d, of(all, "DE", "HE"), i18n.DE)
		if err != nil {
			t.Fatal(err)
		}
		for _, sec := range s.Sections {
			out = append(out, sec.Title)
			for _, b := range sec.Blocks {
				out = append(out, fmt.Sprint(b.Kind, len(b.List), len(b.Rows)))
			}
		}
		return out
	}
	rapid.Check(t, func(rt *rapid.T) {
		odd := "x" + rapid.StringMatching(`[#>|!\-\n a{}<]{0,12}`).Draw(rt, "typed") + "x"
		if rapid.Bool().Draw(rt, "marks first") {
			odd = "\n\n## " + odd
		}
		worse, town := d, f
		for _, x := range d.fields() {
			if !x.day && !strings.HasSuffix(x.name, "_more") && x.name != "gaps" {
				*x.at(&worse) = odd
			}
		}
		worse.Processors = []Processor{{odd, odd, odd, "2026-01-01"}}
		town.Town, town.Relays, town.Audiences = odd, []Way{{odd, odd}}, []Group{{odd, 1}}
		for _, k := range Kinds() {
			if got, want := shape(worse, town, k), shape(d, f, k); !slices.Equal(got, want) {
				rt.Fatalf("%s: %q makes %v of %v", k, odd, got, want)
			}
		}
	})
}

// world is a room over a database, with facts that a test moves.
func world(t *testing.T, w *storetest.World) (*Room, *Facts, *handClock) {
	f, _ := full()
	c := &handClock{time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)}
	return New(Options{
		Store: w.Store, Clock: c, Catalog: catalog(t), Audit: audit.New(audit.Options{Store: w.Store, Clock: c}),
		Facts: func(context.Context) (Facts, error) { return f, nil },
	}), &f, c
}

func as(ctx context.Context, role string) context.Context {
	return ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: "p-" + role, Name: "Person " + role, Roles: []string{role}})
}

var migrations = []store.Migrations{audit.Migrations(), Migrations()}

// A paper is a draft until somebody confirms the words that they read; another
// configuration makes it a draft again, and the old one does not. What was
// confirmed stays with who, when and the words.
func TestConfirm(t *testing.T) {
	storetest.Each(t, migrations, func(t *testing.T, w *storetest.World) {
		r, f, c := world(t, w)
		admin := as(w.Ctx, "admin")
		get := func(k Kind) Paper {
			p, err := r.Get(admin, k)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		p := get(Imprint)
		if p.State != Draft || !slices.Equal(p.Missing, []string{"street", "city", "mail", "representative"}) {
			t.Fatalf("%s %v", p.State, p.Missing)
		}
		if _, err := r.Confirm(admin, Imprint, p.Mark); fault.KindOf(err) != fault.Invalid {
			t.Errorf("confirmed without an address: %v", err)
		}
		_, d := full()
		if err := r.SaveDetails(admin, d); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Confirm(admin, Imprint, p.Mark); !errors.Is(err, ErrMoved) {
			t.Errorf("confirmed what nobody has read: %v", err)
		}
		for _, k := range Kinds() {
			if p, err := r.Confirm(as(w.Ctx, "dpo"), k, get(k).Mark); err != nil || p.State != Confirmed || p.Last.By != "Person dpo" {
				t.Fatalf("%s: %+v %v", k, p.State, err)
			}
		}
		if got, err := r.Findings(admin); err != nil || !slices.ContainsFunc(got, func(f Finding) bool { return f.Key == "papers.expires" }) || len(got) != 1 {
			t.Errorf("%+v %v", got, err)
		}
		f.Surveys = false
		p = get(Privacy)
		if p.State != Outdated || get(Imprint).State != Confirmed {
			t.Errorf("privacy %s, imprint %s", p.State, get(Imprint).State)
		}
		if got, _ := r.Findings(admin); !got[0].Red || got[0].Say(r.o.Catalog, i18n.DE) != "Datenschutzhinweise: geändert seit der Bestätigung" {
			t.Errorf("%+v", got)
		}
		f.Surveys = true
		if p = get(Privacy); p.State != Confirmed {
			t.Error("the same words count as others")
		}
		f.Surveys = false
		c.now = c.now.Add(time.Hour)
		if _, err := r.Confirm(as(w.Ctx, "approver"), Privacy, get(Privacy).Mark); err != nil {
			t.Fatal(err)
		}
		h, err := r.History(admin, Privacy)
		if err != nil || len(h) != 2 || h[0].Version != 2 || h[0].By != "Person approver" || !h[0].At.Equal(c.now) || h[1].By != "Person dpo" {
			t.Fatalf("%+v %v", h, err)
		}
		if strings.Contains(fmt.Sprint(h[0].Words), "Umfrage") || !strings.Contains(fmt.Sprint(h[1].Words), "Umfrage") {
			t.Error("the words that were confirmed are not kept")
		}
		lines, err := audit.New(audit.Options{Store: w.Store, Clock: c}).List(w.Ctx, 0, 100)
		if err != nil || len(lines) != 1+len(Kinds())+1 {
			t.Errorf("%d lines in the audit log, %v", len(lines), err)
		}
		// The database itself keeps what was confirmed.
		err = w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			_, err := db.NewUpdate().Model((*confirmationRow)(nil)).Set("by_name = ?", "x").Where("tenant_id = ?", storetest.Tenant).Exec(ctx)
			return err
		})
		if err == nil {
			t.Error("a confirmation can be changed")
		}
		// Another town has its own.
		other := ident.WithTenant(admin, "t2")
		if p, err := r.Get(other, Imprint); err != nil || p.State != Draft || p.Last.Version != 0 {
			t.Errorf("another town: %+v %v", p.State, err)
		}
	})
}

// Only those who answer for it change details or confirm.
func TestRights(t *testing.T) {
	w := storetest.SQLite(t, migrations...)
	r, _, _ := world(t, w)
	_, d := full()
	for role, may := range map[string][2]bool{
		"admin": {true, true}, "dpo": {true, true}, "approver": {false, true}, "it": {}, "publisher": {}, "reader": {},
	} {
		ctx := as(w.Ctx, role)
		if err := r.SaveDetails(ctx, d); (err == nil) != may[0] {
			t.Errorf("%s saves: %v", role, err)
		}
		p, err := r.Get(ctx, Imprint)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Confirm(ctx, Imprint, p.Mark); (!errors.Is(err, ErrForbidden)) != may[1] {
			t.Errorf("%s confirms: %v", role, err)
		}
	}
	if _, err := r.Confirm(w.Ctx, Imprint, ""); !errors.Is(err, ErrForbidden) {
		t.Error("a program vouches for a paper: ", err)
	}
}

func TestDetailsAreChecked(t *testing.T) {
	w := storetest.SQLite(t, migrations...)
	r, _, _ := world(t, w)
	err := r.SaveDetails(as(w.Ctx, "admin"), Details{Mail: "keine", Tested: "gestern", ProxyLogDays: -1, Street: strings.Repeat("a", maxField+1), Processors: []Processor{{What: "x"}}})
	got := slices.Sorted(maps.Keys(fault.As(err).Fields))
	if want := []string{"mail", "processors", "proxy_log_days", "street", "tested"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestHosting(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	good := Hosting{Provider: "R", Certificate: "ISO 27001", Number: "1", ValidUntil: "2028-01-01", Country: "DE", Signed: "2026-01-01"}
	with := func(change func(*Hosting)) Hosting { h := good; change(&h); return h }
	for _, c := range []struct {
		h    Hosting
		want string
		red  bool
	}{
		{good, "", false},
		{Hosting{}, "red_hosting", true},
		{with(func(h *Hosting) { h.Signed = "" }), "red_agreement", true},
		{with(func(h *Hosting) { h.Number = "" }), "red_certificate", true},
		{with(func(h *Hosting) { h.ValidUntil = "" }), "red_certificate", true},
		{with(func(h *Hosting) { h.ValidUntil = "2026-11-25" }), "red_expired", true},
		{with(func(h *Hosting) { h.ValidUntil = "2026-11-26" }), "expires", false}, // it holds to the end of its day
		{with(func(h *Hosting) { h.ValidUntil = "2027-01-20" }), "expires", false},
		{with(func(h *Hosting) { *h = Hosting{Own: true, Certificate: "BSI", Number: "2", ValidUntil: "2028-01-01"} }), "", false},
	} {
		got := c.h.findings(now)
		if c.want == "" && len(got) == 0 {
			continue
		}
		if len(got) != 1 || got[0].Key != "papers."+c.want || got[0].Red != c.red {
			t.Errorf("%+v: %+v, want %s", c.h, got, c.want)
		}
	}
}

// The marks of the sheets are read from whatever stands in a file.
func FuzzParse(f *testing.F) {
	for _, k := range Kinds() {
		raw, err := os.ReadFile("sheets/" + string(k) + ".de.txt")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(raw))
	}
	f.Add("# a\n|||\n|-\n- \n### \n>\n!\n##")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse(text)
		if err == nil && s.Title == "" {
			t.Error("a sheet without a title")
		}
		for _, sec := range s.Sections {
			for _, b := range sec.Blocks {
				if b.Kind == Table && len(b.Rows) == 0 {
					t.Error("a table without heads")
				}
			}
		}
	})
}
