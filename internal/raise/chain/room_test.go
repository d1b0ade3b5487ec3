package chain_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

// world stands in for everything that the room asks.
type world struct {
	falls   map[channel.Kind]bool
	now     time.Time
	people  []identity.Person
	duty    map[string][]identity.Person // missing: no such roster
	broken  bool                         // the rosters cannot be asked
	sms     bool
	gap     time.Time
	audited []string
}

func (w *world) Now() time.Time { return w.now }

func (w *world) People(_ context.Context, f identity.Filter) (out []identity.Person, _ error) {
	for _, p := range w.people {
		if (f.Role == "" || p.Has(f.Role)) && (!f.Active || !p.Blocked) {
			out = append(out, p)
		}
	}
	return out, nil
}

func (w *world) PersonByEmail(_ context.Context, mail string) (identity.Person, error) {
	if i := slices.IndexFunc(w.people, func(p identity.Person) bool { return p.Email == mail }); i >= 0 {
		return w.people[i], nil
	}
	return identity.Person{}, fault.New(fault.NotFound, "identity.person_not_found")
}

func (w *world) List(context.Context) ([]service.Service, error) {
	return []service.Service{{Slug: "portal", Name: "Bürgerportal", Owner: "ada@stadt.example"}, {Slug: "kfz", Name: "Kfz-Zulassung"}}, nil
}

func (w *world) Get(ctx context.Context, slug string) (service.Service, error) {
	all, _ := w.List(ctx)
	for _, s := range all {
		if s.Slug == slug {
			return s, nil
		}
	}
	return service.Service{}, fault.New(fault.NotFound, "service.not_found")
}

func (w *world) OnDuty(_ context.Context, slug string, _ time.Time) ([]identity.Person, error) {
	if w.broken {
		return nil, errors.New("the roster is on fire")
	}
	p, ok := w.duty[slug]
	if !ok {
		return nil, fault.New(fault.NotFound, "roster.not_found")
	}
	return p, nil
}

func (w *world) Record(_ context.Context, e audit.Entry) error {
	w.audited = append(w.audited, e.Action+" "+e.Subject)
	return nil
}

var (
	ada  = identity.Person{ID: "ada", Name: "Ada", Email: "ada@stadt.example", Alternative: "ada@posteo.example", Mobile: "+491700000001"}
	bert = identity.Person{ID: "bert", Name: "Bert", Email: "bert@stadt.example", Roles: []identity.Role{identity.RoleIT}}
	cleo = identity.Person{ID: "cleo", Name: "Cleo", Email: "cleo@stadt.example", Alternative: "cleo@web.example", Roles: []identity.Role{identity.RoleAdmin}}
	gone = identity.Person{ID: "gone", Name: "Weg", Email: "weg@stadt.example", Blocked: true}

	noon = time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)
)

func setup(t *testing.T, sw *storetest.World) (*chain.Room, *world, context.Context) {
	t.Helper()
	if err := sw.Jobs.Open(false); err != nil {
		t.Fatal(err)
	}
	w := &world{now: noon, people: []identity.Person{ada, bert, cleo, gone}, duty: map[string][]identity.Person{"presse": {bert, gone}, "leer": nil}}
	r := chain.New(chain.Options{
		Store: sw.Store, Clock: w, Audit: w, People: w, Services: w, Roster: w,
		Carries: func(_ context.Context, k channel.Kind) bool { return w.sms && k == "sms" },
		Falls:   func(context.Context) (map[channel.Kind]bool, error) { return w.falls, nil },
		Gaps: func(_ context.Context, slug string, _, _ time.Time) (time.Time, time.Time, bool, error) {
			return w.gap, w.gap.Add(time.Hour), slug == "presse" && !w.gap.IsZero(), nil
		},
	})
	admin := ident.WithActor(sw.Ctx, ident.Actor{Kind: ident.KindPerson, Person: "cleo", Name: "Cleo", Roles: []string{"admin"}})
	return r, w, admin
}

func rooms() []store.Migrations { return []store.Migrations{chain.Migrations()} }

func steps(notify ...chain.Who) (out []chain.Step) {
	for _, n := range notify {
		out = append(out, chain.Step{Notify: []chain.Who{n}})
	}
	return out
}

func names(people []identity.Person) string {
	var out []string
	for _, p := range people {
		out = append(out, p.Name)
	}
	return strings.Join(out, " ")
}

func TestWhoIsWokenOnAStep(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w, ctx := setup(t, sw)
		c := chain.Chain{Steps: steps("person:ada@stadt.example", "roster:presse", "owner", "role:it", "all", "person:weg@stadt.example", "roster:leer", "roster:nie", "role:dpo", "person:x@stadt.example")}
		for i, want := range []string{"Ada | ", "Bert | ", "Ada | ", "Bert | ", "Ada Bert Cleo | ", " | blocked", " | nobody_on", " | no_roster", " | no_role", " | no_person"} {
			people, missed, err := r.People(ctx, c, i, "portal", w.now)
			if err != nil {
				t.Fatal(err)
			}
			got := names(people) + " | "
			for _, m := range missed {
				got += string(m.Reason)
			}
			if got != want {
				t.Errorf("step %d %v: %q, want %q", i+1, c.Steps[i].Notify, got, want)
			}
		}
		// A roster that cannot be asked is no error: others are woken in its place.
		w.broken = true
		people, missed, err := r.People(ctx, c, 1, "portal", w.now)
		if err != nil || len(people) != 0 || len(missed) != 1 || missed[0].Reason != chain.Unreadable {
			t.Errorf("broken roster: %v %v %v", people, missed, err)
		}
		if _, missed, err = r.People(ctx, c, 2, "kfz", w.now); err != nil || len(missed) != 1 || missed[0].Reason != chain.NoOwner {
			t.Errorf("no owner: %v %v", missed, err)
		}
	})
}

// Which ways lead to somebody, in which order, and why the others do not.
func TestContacts(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w, ctx := setup(t, sw)
		say := func(p identity.Person, by ...chain.Way) string {
			all, err := r.Contacts(ctx, p, by)
			if err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, c := range all {
				out = append(out, fmt.Sprint(c.Way, "→", c.To, c.Lacking))
			}
			return strings.Join(out, " ")
		}
		for _, c := range []struct{ got, want string }{
			{say(ada), "mail→ada@stadt.example alternative→ada@posteo.example"},
			{say(ada, chain.SMS, chain.Mail), "sms→+491700000001no_route mail→ada@stadt.example alternative→ada@posteo.example"},
			{say(bert, chain.SMS, chain.Push), "sms→no_mobile push→no_device mail→bert@stadt.example"},
		} {
			if c.got != c.want {
				t.Errorf("%q, want %q", c.got, c.want)
			}
		}
		w.sms = true
		if got, want := say(ada, chain.SMS), "sms→+491700000001 mail→ada@stadt.example alternative→ada@posteo.example"; got != want {
			t.Errorf("with a gateway: %q, want %q", got, want)
		}
	})
}

func TestSaveDeclareAndFor(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w, ctx := setup(t, sw)
		reader := ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: "x", Roles: []string{"reader"}})
		own := chain.Chain{Slug: "eigen", Name: "Eigene", Services: []string{"portal"}, Steps: steps("person:ada@stadt.example")}
		if err := r.Save(reader, own); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("reader saves: %v", err)
		}
		if err := r.Create(ctx, own); err != nil {
			t.Fatal(err)
		}
		if err := r.Create(ctx, own); fault.KindOf(err) != fault.Conflict {
			t.Errorf("twice: %v", err)
		}
		// Nobody apart from the town: kept as a draft, never in force (I13).
		alone := chain.Chain{Slug: "allein", Name: "Allein", Default: true, Steps: steps("person:bert@stadt.example")}
		if err := r.Save(ctx, alone); fault.As(err).Fields["active"] != "chain.not_independent" {
			t.Errorf("not independent: %v", err)
		}
		alone.Resting = true
		if err := r.Save(ctx, alone); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := r.For(ctx, "kfz"); ok || err != nil {
			t.Errorf("a draft counts: %v %v", ok, err)
		}
		// The file may do so; the file's word comes before the console's.
		system := ident.WithActor(ctx, ident.System)
		file := chain.Chain{Slug: "edv", Name: "EDV", Services: []string{"portal"}, Default: true, Steps: steps("person:bert@stadt.example")}
		if err := r.Declare(system, []chain.Chain{file}); err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{"portal", "kfz", "", "unbekannt"} {
			if c, ok, err := r.For(ctx, s); err != nil || !ok || c.Slug != "edv" || !c.Declared {
				t.Errorf("for %q: %v %v %v", s, c, ok, err)
			}
		}
		if err := r.Save(ctx, file); !errors.Is(err, chain.ErrDeclared) {
			t.Errorf("saves a declared one: %v", err)
		}
		if err := r.Remove(ctx, "edv"); !errors.Is(err, chain.ErrDeclared) {
			t.Errorf("removes a declared one: %v", err)
		}
		if err := r.Declare(system, []chain.Chain{file}); err != nil {
			t.Fatal(err)
		}
		if err := r.Declare(system, nil); err != nil {
			t.Fatal(err)
		}
		if c, ok, err := r.For(ctx, "portal"); err != nil || !ok || c.Slug != "eigen" {
			t.Errorf("after the file: %v %v %v", c, ok, err)
		}
		if err := r.Remove(ctx, "eigen"); err != nil {
			t.Fatal(err)
		}
		want := []string{"chain.saved chain:eigen", "chain.saved chain:allein", "chain.declared chain:edv", "chain.removed chain:edv", "chain.removed chain:eigen"}
		if !slices.Equal(w.audited, want) {
			t.Errorf("audited %v", w.audited)
		}
	})
}

func TestCheck(t *testing.T) {
	for field, c := range map[string]chain.Chain{
		"slug":     {Slug: "new", Name: "x", Steps: steps("all")},
		"name":     {Slug: "a", Steps: steps("all")},
		"who_1_1":  {Slug: "a", Name: "x"},
		"who_2_1":  {Slug: "a", Name: "x", Steps: steps("all", "persn:a@b")},
		"wait_1":   {Slug: "a", Name: "x", Steps: []chain.Step{{Notify: []chain.Who{"all"}, Wait: time.Hour * 25}}},
		"repeat_1": {Slug: "a", Name: "x", Steps: []chain.Step{{Notify: []chain.Who{"all"}, Repeat: 11}}},
		"by_1_1":   {Slug: "a", Name: "x", Steps: []chain.Step{{Notify: []chain.Who{"all"}, By: []chain.Way{"fax"}}}},
		"receipt":  {Slug: "a", Name: "x", Receipt: 1, Steps: steps("all")},
	} {
		if err := c.Check(); fault.As(err).Fields[field] == "" {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func FuzzParseWho(f *testing.F) {
	for _, s := range []string{"person:a@b.example", "role:it", "roster:presse", "owner", "ALL", " person: A@B ", "role:chef", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w, ok := chain.ParseWho(s)
		if again, twice := chain.ParseWho(string(w)); ok && (!twice || again != w) {
			t.Errorf("%q reads as %q, which reads as %q %v", s, w, again, twice)
		}
	})
}

// Every flaw is found, and a sound chain has none.
func TestLint(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w, ctx := setup(t, sw)
		w.sms = true
		catalog, err := i18n.NewCatalog(chain.Texts(), identity.Texts())
		if err != nil {
			t.Fatal(err)
		}
		l := i18n.Locale{Catalog: catalog, Lang: i18n.DE, Zone: time.UTC, Now: w.now}
		flaws := func(c chain.Chain) string {
			found, err := r.Lint(ctx, c)
			if err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, f := range found {
				out = append(out, fmt.Sprintf("%s@%d", f.Flaw, f.Step))
				if text := f.Text(l); strings.Contains(text, "chain.") || strings.Contains(text, "{") {
					t.Errorf("%v has no words: %q", f, text)
				}
			}
			return strings.Join(out, " ")
		}
		portal := []string{"portal"}
		for _, c := range []struct {
			name  string
			chain chain.Chain
			want  string
		}{
			{"sound", chain.Chain{Slug: "a", Services: portal, Steps: steps("person:ada@stadt.example", "person:cleo@stadt.example")}, ""},
			{"for nothing", chain.Chain{Slug: "a", Steps: steps("person:ada@stadt.example")}, "no_services@0"},
			{"in vain", chain.Chain{Slug: "a", Services: portal, Steps: steps("person:ada@stadt.example", "roster:nie")}, "unreachable@2 in_vain@2"},
			{"lonely", chain.Chain{Slug: "a", Services: portal, Steps: steps("person:ada@stadt.example", "role:it")}, "lonely_role@2"},
			{"too long", chain.Chain{Slug: "a", Services: portal, Steps: []chain.Step{{Notify: []chain.Who{"person:ada@stadt.example"}, By: []chain.Way{chain.SMS, chain.Mail}, Wait: time.Minute}}}, "rings_too_long@1"},
			{"too long, though the step names no ways", chain.Chain{Slug: "a", Services: portal, Steps: []chain.Step{{Notify: []chain.Who{"person:cleo@stadt.example", "person:ada@stadt.example"}, Wait: 2 * time.Minute}}}, "rings_too_long@1"},
			{"just in time, two mails being one try", chain.Chain{Slug: "a", Services: portal, Steps: []chain.Step{{Notify: []chain.Who{"person:ada@stadt.example"}, Wait: 2*time.Minute + time.Second}}}, ""},
			{"in no time, the mails alone", chain.Chain{Slug: "a", Services: portal, Steps: []chain.Step{{Notify: []chain.Who{"person:cleo@stadt.example"}, Wait: time.Minute}}}, ""},
			{"without owner", chain.Chain{Slug: "a", Default: true, Steps: steps("owner", "person:cleo@stadt.example")}, "ownerless@1"},
			{"loop", chain.Chain{Slug: "a", Services: portal, Steps: steps("person:ada@stadt.example", "person:cleo@stadt.example", "person:ada@stadt.example")}, "loop@3"},
			{"not independent", chain.Chain{Slug: "a", Services: portal, Steps: steps("person:bert@stadt.example")}, "no_independent@0"},
		} {
			if got := flaws(c.chain); got != c.want {
				t.Errorf("%s: %q, want %q", c.name, got, c.want)
			}
		}
		// What carries the ways counts as much as where they end: a telephone behind a
		// gateway in the town hall is no way out.
		one, two := chain.Chain{Slug: "a", Services: portal, Steps: steps("person:ada@stadt.example")}, chain.Chain{Slug: "a", Services: portal, Steps: steps("person:cleo@stadt.example")}
		for _, c := range []struct {
			falls []channel.Kind
			chain chain.Chain
			want  string
		}{
			{[]channel.Kind{channel.SMS}, one, ""},
			{[]channel.Kind{channel.Mail}, one, ""},
			{[]channel.Kind{channel.Mail}, two, "no_independent@0"},
			{[]channel.Kind{channel.Mail, channel.SMS}, one, "no_independent@0"},
		} {
			w.falls = map[channel.Kind]bool{}
			for _, k := range c.falls {
				w.falls[k] = true
			}
			if got := flaws(c.chain); got != c.want {
				t.Errorf("%v fall: %q, want %q", c.falls, got, c.want)
			}
		}
		w.falls = nil
		w.gap = w.now.Add(time.Hour)
		if got := flaws(chain.Chain{Slug: "a", Services: portal, Steps: steps("person:ada@stadt.example", "roster:presse")}); got != "roster_gap@2" {
			t.Errorf("gap: %q", got)
		}
		if err := r.Save(ctx, chain.Chain{Slug: "a", Name: "Erste", Services: portal, Steps: steps("person:ada@stadt.example")}); err != nil {
			t.Fatal(err)
		}
		if got := flaws(chain.Chain{Slug: "b", Services: portal, Steps: steps("person:ada@stadt.example")}); got != "two_chains@0" {
			t.Errorf("two chains: %q", got)
		}
	})
}

// The dry run counts repeats and waits, and says who is called again.
func TestLadder(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w, ctx := setup(t, sw)
		c := chain.Chain{Steps: []chain.Step{
			{Notify: []chain.Who{"person:ada@stadt.example"}, By: []chain.Way{chain.SMS}, Wait: 10 * time.Minute, Repeat: 1},
			{Notify: []chain.Who{"roster:presse"}},
			{Notify: []chain.Who{"person:ada@stadt.example", "roster:nie"}},
		}}
		rungs, err := r.Ladder(ctx, c, "portal", w.now)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, g := range rungs {
			line := fmt.Sprint(g.After)
			for _, p := range g.People {
				line += fmt.Sprintf(" %s/%v/%v", p.Person.Name, p.Reachable(), p.Again)
			}
			got = append(got, fmt.Sprintf("%s missed %d", line, len(g.Missed)))
		}
		want := []string{"0s Ada/true/false missed 0", "20m0s Bert/true/false missed 0", "25m0s Ada/true/true missed 1"}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}
