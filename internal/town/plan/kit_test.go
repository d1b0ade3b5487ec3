package plan_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/plan"
)

// moving is a clock that a test sets.
type moving struct{ t time.Time }

func (m *moving) Now() time.Time { return clock.Cut(m.t) }

func each(t *testing.T, fn func(t *testing.T, w *storetest.World, r *plan.Room, c *moving)) {
	storetest.Each(t, []store.Migrations{audit.Migrations(), plan.Migrations()}, func(t *testing.T, w *storetest.World) {
		c := &moving{time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)}
		fn(t, w, plan.New(plan.Options{Store: w.Store, Clock: c, Audit: audit.New(audit.Options{Store: w.Store, Clock: c})}), c)
	})
}

func TestVersions(t *testing.T) {
	each(t, func(t *testing.T, w *storetest.World, r *plan.Room, c *moving) {
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(r.Declare(w.Ctx, []plan.Audience{{Slug: "citizens", Kind: plan.Citizens, Name: "Bürgerinnen und Bürger"}}))
		must(r.Save(w.Ctx, plan.Audience{Slug: "rat", Kind: plan.Council, Name: "Rat", Owner: "ada@m.example", Deputy: "bert@m.example", Cadence: time.Hour}))
		s, err := r.Edit(w.Ctx, plan.Questions, 2, func(d *plan.Document) error {
			d.Lists[plan.Questions] = []string{"Was ist geschehen?"}
			return nil
		})
		must(err)
		if s.Number != 3 {
			t.Fatal(s)
		}
		// Somebody read version 2 and changes another part: both stand.
		_, err = r.Edit(w.Ctx, plan.Contacts, 2, func(d *plan.Document) error {
			d.Contacts = append(d.Contacts, plan.Contact{ID: "a", Kind: plan.Police, Name: "Wache", Phone: "110"})
			return nil
		})
		must(err)
		// The same part: the second one is told, nothing is lost.
		_, err = r.Edit(w.Ctx, plan.Questions, 2, func(d *plan.Document) error {
			d.Lists[plan.Questions] = []string{"Seit wann?"}
			return nil
		})
		if fault.As(err).Key != plan.ErrChanged.Key {
			t.Fatal(err)
		}
		if _, err := r.Edit(w.Ctx, plan.Contacts, -1, func(d *plan.Document) error { d.Contacts[0].Phone = ""; return nil }); fault.KindOf(err) != fault.Invalid {
			t.Fatal("a contact without any number is taken", err)
		}
		d, now, err := r.Document(w.Ctx)
		must(err)
		if now.Number != 4 || len(d.Contacts) != 1 || len(d.Lists[plan.Questions]) != 1 {
			t.Fatal(now, d)
		}
		a, err := r.Audience(w.Ctx, "rat")
		if err != nil || a.Owner != "ada@m.example" || !a.Staffed() || a.Every() != time.Hour {
			t.Fatal(a, err)
		}
		must(r.Remove(w.Ctx, "rat"))
		three, err := r.Version(w.Ctx, 3)
		must(err)
		four, err := r.Version(w.Ctx, 4)
		must(err)
		if ch := plan.Compare(three, four); len(ch) != 1 || ch[0].Item != "Wache" || ch[0].Old != "" {
			t.Fatal(ch)
		}
		c.t = c.t.Add(time.Hour)
		if s, err = r.Restore(w.Ctx, 3); err != nil || s.Number != 6 || !s.At.Equal(c.t) {
			t.Fatal(s, err)
		}
		// What was deleted is back, without its recipients; what came is gone.
		if a, err = r.Audience(w.Ctx, "rat"); err != nil || a.Deputy != "bert@m.example" || len(a.Recipients) != 0 {
			t.Fatal(a, err)
		}
		six, err := r.Version(w.Ctx, 6)
		must(err)
		if ch := plan.Compare(three, six); len(ch) != 0 {
			t.Fatal(ch)
		}
		vs, err := r.Versions(w.Ctx, 5, 2)
		if err != nil || len(vs) != 2 || vs[0].Number != 4 {
			t.Fatal(vs, err)
		}
		if _, err := r.Restore(w.Ctx, 99); fault.KindOf(err) != fault.NotFound {
			t.Fatal(err)
		}
		other := ident.WithTenant(w.Ctx, "t2") // I19
		if vs, err := r.Versions(other, 0, 10); err != nil || len(vs) != 0 {
			t.Fatal(vs, err)
		}
		if _, err := r.Version(other, 3); fault.KindOf(err) != fault.NotFound {
			t.Fatal(err)
		}
	})
}

func TestWhoMayChangeThePlan(t *testing.T) {
	each(t, func(t *testing.T, w *storetest.World, r *plan.Room, _ *moving) {
		as := func(role string) error {
			ctx := ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPerson, Person: "p", Name: role, Roles: []string{role}})
			_, err := r.Edit(ctx, plan.Contacts, -1, func(d *plan.Document) error {
				d.Contacts = []plan.Contact{{ID: "a", Kind: plan.Inside, Name: role, Phone: "0611 7", Private: true}, {ID: "b", Kind: plan.Police, Name: "P", Phone: "110"}}
				return nil
			})
			if errLink := func() error { _, _, e := r.CreateLink(ctx, plan.PhonePage, "Zentrale"); return e }(); fault.KindOf(err) != fault.KindOf(errLink) && (err != nil || errLink != nil) {
				t.Error(role, err, errLink)
			}
			return err
		}
		for role, may := range map[string]bool{"admin": true, "publisher": true, "approver": false, "it": false, "reader": false} {
			if err := as(role); (err == nil) != may || (err != nil && fault.KindOf(err) != fault.Forbidden) {
				t.Errorf("%s: %v", role, err)
			}
		}
		reader := ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPerson, Person: "r", Roles: []string{"reader"}})
		d, _, err := r.Document(reader)
		if err != nil || d.Contacts[0].Phone != "" || d.Contacts[1].Phone != "110" {
			t.Error("a reader sees the private number, or not the public one", d.Contacts, err)
		}
		if v, err := r.Version(reader, 1); err != nil || v.Document.Contacts[0].Phone != "" {
			t.Error("an old version shows the private number", err)
		}
	})
}

func TestWaysTested(t *testing.T) {
	each(t, func(t *testing.T, w *storetest.World, r *plan.Room, c *moving) {
		record := func(way string, ok bool) plan.Test {
			t.Helper()
			c.t = c.t.Add(time.Minute)
			got, err := r.RecordTest(w.Ctx, plan.Test{Way: way, OK: ok, Detail: "250 ok"})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		good := record("mail/primary", true)
		bad := record("mail/primary", false)
		record("phone", false)
		got, err := r.TestedWays(w.Ctx)
		if err != nil || got["mail/primary"].Last.ID != bad.ID || got["mail/primary"].LastOK.ID != good.ID || got["phone"].LastOK.ID != "" {
			t.Fatal(got, err)
		}
		if got, err := r.TestedWays(ident.WithTenant(w.Ctx, "t2")); err != nil || len(got) != 0 { // I19
			t.Fatal(got, err)
		}
		reader := ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPerson, Roles: []string{"reader"}})
		if _, err := r.RecordTest(reader, plan.Test{Way: "phone", OK: true}); fault.KindOf(err) != fault.Forbidden {
			t.Fatal(err)
		}
	})
}

func TestSecretLinks(t *testing.T) {
	each(t, func(t *testing.T, w *storetest.World, r *plan.Room, c *moving) {
		l, secret, err := r.CreateLink(w.Ctx, plan.PhonePage, "Telefonzentrale")
		if err != nil || len(secret) != 43 {
			t.Fatal(err, secret)
		}
		works := func(p plan.Purpose, s string) bool {
			_, err := r.OpenLink(w.Ctx, p, s)
			if err != nil && fault.KindOf(err) != fault.NotFound {
				t.Fatal(err)
			}
			return err == nil
		}
		if !works(plan.PhonePage, secret) || works(plan.PartnerPage, secret) || works(plan.PhonePage, secret+"x") || works(plan.PhonePage, "") {
			t.Error("the link opens the wrong things")
		}
		if _, err := r.OpenLink(ident.WithTenant(w.Ctx, "t2"), plan.PhonePage, secret); fault.KindOf(err) != fault.NotFound { // I19
			t.Error("another town opens the link", err)
		}
		fresh, next, err := r.RotateLink(w.Ctx, l.ID)
		if err != nil || works(plan.PhonePage, secret) || !works(plan.PhonePage, next) {
			t.Error("rotation leaves the old link working or the new one not", err)
		}
		if err := r.RevokeLink(ident.WithTenant(w.Ctx, "t2"), fresh.ID); fault.KindOf(err) != fault.NotFound { // I19
			t.Error("another town ends the link", err)
		}
		if err := r.RevokeLink(w.Ctx, fresh.ID); err != nil || works(plan.PhonePage, next) {
			t.Error("a revoked link works", err)
		}
		_, last, err := r.CreateLink(w.Ctx, plan.PhonePage, "Pforte")
		if err != nil {
			t.Fatal(err)
		}
		c.t = c.t.Add(plan.LinkFor)
		if works(plan.PhonePage, last) {
			t.Error("a link works for ever")
		}
		if all, err := r.Links(w.Ctx); err != nil || len(all) != 0 {
			t.Error(all, err)
		}
	})
}

// complete is a plan to which nothing is missing.
func complete(now time.Time) (plan.Document, []plan.Audience, plan.World) {
	d := plan.Document{Lists: map[plan.Part][]string{}, Profiles: map[string]plan.Profile{}}
	for _, p := range plan.Lists() {
		d.Lists[p] = []string{"x"}
	}
	for _, k := range plan.ContactKinds() {
		d.Contacts = append(d.Contacts, plan.Contact{ID: string(k), Kind: k, Name: string(k), Phone: "1", Confirmed: now.Format("2006-01-02"), Card: true})
	}
	d.Holding = []plan.HoldingText{{ID: "h", Title: "t", Text: "x"}}
	d.Cover.ValidUntil = now.AddDate(0, 6, 0).Format("2006-01-02")
	a := plan.Audience{
		Slug: "citizens", Name: "Alle", Kind: plan.Citizens, Owner: "ada@m.example", Deputy: "bert@m.example",
		Profile: plan.Profile{Needs: "x", Ways: []string{"page", "mail"}},
	}
	d.Matrix = []plan.Cell{{Scenario: "ransomware", Audience: "citizens", Kind: "holding"}}
	good := plan.Tested{Last: plan.Test{ID: "1", At: now, OK: true}, LastOK: plan.Test{ID: "1", At: now, OK: true}}
	return d, []plan.Audience{a}, plan.World{
		Now: now, Scenarios: []plan.Named{{"ransomware", "Schadsoftware"}}, Released: true, Monitors: 1, PublicURL: "https://status.m.example",
		Routes: []plan.Named{{"mail/primary", "E-Mail"}}, Tested: map[string]plan.Tested{"mail/primary": good, "page": good},
		People: []string{"ada@m.example", "bert@m.example"}, Backing: plan.Signed,
	}
}

func TestAssess(t *testing.T) {
	now := time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)
	d, as, w := complete(now)
	if got := plan.Assess(d, as, w); got.Percent != 100 || len(got.Missing()) != 0 || len(got.Tools) != 10 {
		t.Fatal(got)
	}
	if got := plan.Assess(plan.Document{}, nil, plan.World{Now: now}); got.Percent != 0 || got.Missing()[0].Key != "plan.miss_audience" {
		t.Fatal(got.Percent, got.Missing()[0])
	}
	state := func(tool plan.Tool, a plan.Assessment) plan.ToolState {
		return a.Tools[slices.IndexFunc(a.Tools, func(s plan.ToolState) bool { return s.Tool == tool })]
	}
	for name, c := range map[string]struct {
		spoil func(d *plan.Document, a *plan.Audience, w *plan.World)
		tool  plan.Tool
		key   string
		state plan.State
	}{
		"unstaffed audience is red":  {func(_ *plan.Document, a *plan.Audience, _ *plan.World) { a.Owner = "" }, plan.ToolBefore, "plan.miss_owner", plan.Missing},
		"no deputy is red":           {func(_ *plan.Document, a *plan.Audience, _ *plan.World) { a.Deputy = a.Owner }, plan.ToolBefore, "plan.miss_deputy", plan.Missing},
		"owner has left":             {func(_ *plan.Document, a *plan.Audience, _ *plan.World) { a.Owner = "weg@m.example" }, plan.ToolBefore, "plan.miss_gone", plan.Missing},
		"one way only":               {func(_ *plan.Document, a *plan.Audience, _ *plan.World) { a.Profile.Ways = []string{"mail"} }, plan.ToolBefore, "plan.miss_ways", plan.Partly},
		"expired Ersatzweg":          {func(_ *plan.Document, _ *plan.Audience, w *plan.World) { w.Expired = []plan.Named{{"p", "Portal"}} }, plan.ToolBefore, "plan.miss_expired", plan.Partly},
		"plan over":                  {func(d *plan.Document, _ *plan.Audience, _ *plan.World) { d.Cover.ValidUntil = "2027-02-28" }, plan.ToolBefore, "plan.miss_validity_over", plan.Partly},
		"old test":                   {func(_ *plan.Document, _ *plan.Audience, w *plan.World) { w.Now = w.Now.Add(plan.TestsLast) }, plan.ToolBefore, "plan.miss_test", plan.Partly},
		"contact long not confirmed": {func(d *plan.Document, _ *plan.Audience, _ *plan.World) { d.Contacts[0].Confirmed = "2026-02-01" }, plan.ToolContacts, "plan.miss_confirmed", plan.Partly},
		"no questions":               {func(d *plan.Document, _ *plan.Audience, _ *plan.World) { delete(d.Lists, plan.Questions) }, plan.ToolQuestions, "plan.miss_questions", plan.Missing},
		"undecided scenario":         {func(d *plan.Document, _ *plan.Audience, _ *plan.World) { d.Matrix = nil }, plan.ToolMatrix, "plan.miss_scenario", plan.Missing},
		"unwatched service":          {func(_ *plan.Document, _ *plan.Audience, w *plan.World) { w.Unwatched = []plan.Named{{"p", "Portal"}} }, plan.ToolMonitoring, "plan.miss_unwatched", plan.Partly},
	} {
		d, as, w := complete(now)
		c.spoil(&d, &as[0], &w)
		got := plan.Assess(d, as, w)
		s := state(c.tool, got)
		if got.Percent == 100 || s.State != c.state || !slices.ContainsFunc(s.Missing, func(f plan.Finding) bool { return f.Key == c.key && f.Href != "" }) {
			t.Errorf("%s: %d %% %+v", name, got.Percent, s)
		}
	}
}

// A plan is called complete only when nothing is missing, and each thing that
// is missing has a page where it is mended.
func TestScoreNeverFlatters(t *testing.T) {
	now := time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)
	rapid.Check(t, func(rt *rapid.T) {
		d, as, w := complete(now)
		flip := func(name string, fn func()) {
			if rapid.Bool().Draw(rt, name) {
				fn()
			}
		}
		for _, p := range plan.Lists() {
			flip(string(p), func() { delete(d.Lists, p) })
		}
		flip("contacts", func() { d.Contacts = nil })
		flip("owner", func() { as[0].Owner = "" })
		flip("ways", func() { as[0].Profile.Ways = nil })
		flip("audiences", func() { as = nil })
		flip("monitors", func() { w.Monitors = 0 })
		flip("tests", func() { w.Tested = nil })
		flip("expired", func() { w.Expired = []plan.Named{{"p", "P"}} })
		got := plan.Assess(d, as, w)
		if (got.Percent == 100) != (len(got.Missing()) == 0) {
			rt.Fatalf("%d %% with %d missing", got.Percent, len(got.Missing()))
		}
		for _, f := range got.Missing() {
			if !strings.HasPrefix(f.Href, "/") {
				rt.Fatalf("%s leads nowhere", f.Key)
			}
		}
	})
}

// What comes back from a comparison is exactly what was put in.
func TestCompareFindsEveryChange(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringMatching(`[a-zäöü ]{1,8}`)
		doc := func(name string) plan.Document {
			d := plan.Document{Lists: map[plan.Part][]string{}, Profiles: map[string]plan.Profile{}}
			d.Lists[plan.Media] = rapid.SliceOfN(text, 0, 4).Draw(rt, name)
			for _, id := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3, rapid.ID).Draw(rt, name+" ids") {
				d.Contacts = append(d.Contacts, plan.Contact{ID: id, Name: text.Draw(rt, "n"), Phone: "1"})
			}
			return d
		}
		a, b := plan.Version{Document: doc("a")}, plan.Version{Document: doc("b")}
		if len(plan.Compare(a, a)) != 0 {
			rt.Fatal("a plan differs from itself")
		}
		slices.SortFunc(a.Document.Contacts, func(x, y plan.Contact) int { return strings.Compare(x.ID, y.ID) })
		slices.SortFunc(b.Document.Contacts, func(x, y plan.Contact) int { return strings.Compare(x.ID, y.ID) })
		x, _ := json.Marshal(a.Document)
		y, _ := json.Marshal(b.Document)
		if changes := plan.Compare(a, b); (len(changes) == 0) != (string(x) == string(y)) {
			rt.Fatalf("%s\n%s\n%+v", x, y, changes)
		}
	})
}

func TestOffered(t *testing.T) {
	de, err := plan.Offered("de")
	if err != nil {
		t.Fatal(err)
	}
	en, err := plan.Offered("en")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range plan.Lists() {
		if len(de.Lists[p]) == 0 || len(de.Lists[p]) != len(en.Lists[p]) {
			t.Errorf("%s: %d in German, %d in English", p, len(de.Lists[p]), len(en.Lists[p]))
		}
	}
	if len(de.Holding) == 0 || len(de.Holding) != len(en.Holding) || de.Check() != nil || en.Check() != nil {
		t.Error(de.Check(), en.Check())
	}
}

func TestKitPages(t *testing.T) {
	r, w, ask := newDesk(t)
	post := func(role, path string, f url.Values, want int) string {
		t.Helper()
		out := ask("t1", role, "POST", path, f.Encode()+"&x=")
		if out.Code != want {
			t.Fatalf("%s %s: %d, want %d\n%s", role, path, out.Code, want, out.Body)
		}
		return out.Body.String() + out.Header().Get("Location")
	}
	get := func(role, path string, want ...string) string {
		t.Helper()
		out := ask("t1", role, "GET", path, "")
		if out.Code != 200 {
			t.Fatalf("%s: %d\n%s", path, out.Code, out.Body)
		}
		for _, s := range want {
			if !strings.Contains(out.Body.String(), s) {
				t.Errorf("%s does not say %q", path, s)
			}
		}
		if strings.Contains(out.Body.String(), ">plan.") || strings.Contains(out.Body.String(), "{0}") {
			t.Errorf("%s shows a text key", path)
		}
		return out.Body.String()
	}
	get("reader", "/kit/part/questions", "Was ist genau geschehen", "noch nicht übernommen")
	post("reader", "/kit/part/questions", url.Values{"items": {"x"}}, 403)
	post("publisher", "/kit/part/nichts", url.Values{"items": {"x"}}, 404)
	post("publisher", "/kit/part/questions", url.Values{"items": {"Seit wann?\r\n\r\n Wer? "}, "version": {"0"}}, 303)
	if d, _, err := r.Document(w.Ctx); err != nil || !slices.Equal(d.Lists[plan.Questions], []string{"Seit wann?", "Wer?"}) {
		t.Fatal(d, err)
	}
	if html := post("publisher", "/kit/part/questions", url.Values{"items": {"Anders"}, "version": {"0"}}, 422); !strings.Contains(html, "inzwischen geändert") || !strings.Contains(html, "Anders") {
		t.Error("a stale form is taken, or loses what was typed")
	}
	c := url.Values{"kind": {"police"}, "name": {"Wache <b>"}, "flags": {"card"}}
	if html := post("publisher", "/kit/contacts/new", c, 422); !strings.Contains(html, "wenigstens eine Nummer") {
		t.Error(html)
	}
	c.Set("phone", "0611 (0) 110-7")
	post("publisher", "/kit/contacts/new", c, 303)
	get("reader", "/kit/contacts", "Wache &lt;b&gt;", `href="tel:061101107"`, "bestätigt")
	d, _, err := r.Document(w.Ctx)
	if err != nil || len(d.Contacts) != 1 {
		t.Fatal(d, err)
	}
	one := "/kit/contacts/" + d.Contacts[0].ID
	get("publisher", one, "0611 (0) 110-7")
	post("it", one+"/confirm", nil, 403)
	post("admin", one+"/confirm", nil, 303)
	c.Set("mail", "kein-at")
	post("publisher", one, c, 422)
	c.Set("mail", "wache@polizei.example")
	post("publisher", one, c, 303)
	get("publisher", "/kit/holding", "Wir wissen noch wenig", "Vorschlag übernehmen")
	post("publisher", "/kit/holding", nil, 303)
	post("publisher", "/kit/holding/new", url.Values{"title": {"Eigene"}}, 422)
	post("publisher", "/kit/holding/new", url.Values{"title": {"Eigene"}, "text": {"Wir prüfen."}}, 303)
	get("publisher", "/kit/holding/shipped-1", "Wir wissen noch wenig")
	post("publisher", "/kit/holding/shipped-1/remove", nil, 303)
	post("publisher", "/kit/cover", url.Values{"valid_until": {"bald"}}, 422)
	post("publisher", "/kit/cover", url.Values{"valid_until": {"2030-01-31"}, "meet": {"Feuerwache"}}, 303)
	get("reader", "/kit/cover", "Feuerwache")
	if err := r.Declare(w.Ctx, []plan.Audience{{Slug: "citizens", Kind: plan.Citizens, Name: "Alle"}}); err != nil {
		t.Fatal(err)
	}
	get("reader", "/plan", "unbesetzt")
	p := url.Values{"owner": {"ada@musterstadt.example"}, "deputy": {"ada@musterstadt.example"}, "first": {"5"}, "way1": {"page"}, "way2": {"notice"}, "languages": {"de", "en"}}
	post("publisher", "/kit/profile/citizens", p, 422)
	p.Set("deputy", "bert@musterstadt.example")
	p.Set("questions", "Wann geht es wieder?")
	post("publisher", "/kit/profile/citizens", p, 303)
	get("reader", "/plan/citizens", "Wann geht es wieder?", "Aushang", "5 Minuten", "Englisch")
	if a, err := r.Audience(w.Ctx, "citizens"); err != nil || !a.Staffed() || a.First() != 5*time.Minute || a.Profile.Ways[1] != "notice" {
		t.Fatal(a, err)
	}
	get("publisher", "/kit/profile/citizens", "Wann geht es wieder?")
	get("reader", "/kit/versions", "Fassung 1")
	get("publisher", "/kit/versions/2", "Wache &lt;b&gt;", "Fassung 2 wiederherstellen")
	get("publisher", "/kit/versions/4?since=1", "wache@polizei.example")
	post("reader", "/kit/versions/1/restore", nil, 403)
	if to := post("publisher", "/kit/versions/1/restore", nil, 303); !strings.Contains(to, "/kit/versions/") {
		t.Error(to)
	}
	if d, _, err := r.Document(w.Ctx); err != nil || len(d.Contacts) != 0 || len(d.Lists[plan.Questions]) != 2 {
		t.Error(d, err)
	}
	post("publisher", one+"/remove", nil, 404)
}

func TestKitAPI(t *testing.T) {
	_, _, ask := newDesk(t)
	call := func(role, method, path, body string, status int) map[string]any {
		t.Helper()
		out := ask("t1", role, method, "/api/v1/plan"+path, body)
		if out.Code != status {
			t.Fatalf("%s %s: %d, want %d: %s", method, path, out.Code, status, out.Body)
		}
		m := map[string]any{}
		if out.Body.Len() > 0 {
			if err := json.NewDecoder(out.Body).Decode(&m); err != nil {
				t.Fatal(err)
			}
		}
		return m
	}
	one := call("publisher", "GET", "", "", 200)
	doc := one["document"].(map[string]any)
	doc["contacts"] = []any{map[string]any{"id": "", "kind": "police", "name": "Wache", "phone": "110"}}
	raw, err := json.Marshal(one)
	if err != nil {
		t.Fatal(err)
	}
	call("reader", "PUT", "", string(raw), 403)
	if got := call("publisher", "PUT", "", string(raw), 200); got["version"] != 1.0 || got["document"].(map[string]any)["contacts"].([]any)[0].(map[string]any)["id"] == "" {
		t.Fatal(got)
	}
	doc["contacts"] = []any{}
	raw, _ = json.Marshal(one)
	call("publisher", "PUT", "", string(raw), 409) // version 0 was read
	if got := call("reader", "GET", "/versions", "", 200)["items"].([]any); len(got) != 1 {
		t.Fatal(got)
	}
	if got := call("reader", "GET", "/versions/1/changes", "", 200)["items"].([]any); len(got) != 1 || got[0].(map[string]any)["item"] != "Wache" {
		t.Fatal(got)
	}
	call("reader", "GET", "/versions/7", "", 404)
	call("reader", "POST", "/versions/1/restore", "{}", 403)
	if got := call("publisher", "POST", "/versions/1/restore", "{}", 200); got["version"] != 2.0 {
		t.Fatal(got)
	}
	if got := call("reader", "GET", "/offered", "", 200); len(got["holding"].([]any)) == 0 {
		t.Fatal(got)
	}
	call("reader", "POST", "/links", `{"purpose":"phone","name":"Zentrale"}`, 403)
	l := call("publisher", "POST", "/links", `{"purpose":"phone","name":"Zentrale"}`, 201)
	if !strings.HasPrefix(l["path"].(string), "/t/") {
		t.Fatal(l)
	}
	if got := call("reader", "GET", "/links", "", 200)["items"].([]any); len(got) != 1 || got[0].(map[string]any)["path"] != nil {
		t.Fatal("the secret is told twice:", got)
	}
	id := l["id"].(string)
	call("publisher", "POST", "/links/"+id+"/rotate", "{}", 200)
	call("publisher", "DELETE", "/links/"+id, "", 404)
}

// Only whole origins may frame a link's page: what else stands there would end up
// in a header. A renewed link keeps them.
func TestLinkFrames(t *testing.T) {
	each(t, func(t *testing.T, w *storetest.World, r *plan.Room, _ *moving) {
		for _, bad := range []string{"intranet.example", "https://intranet.example/start", "https://a.example; script-src *", "https://*.example", "https://a@b.example", "javascript:1", "https://", "*", "https://a.example,https://b.example"} {
			if _, _, err := r.CreateLink(w.Ctx, plan.StaffPage, "Intranet", bad); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%q: %v", bad, err)
			}
		}
		l, secret, err := r.CreateLink(w.Ctx, plan.StaffPage, "Intranet", "https://intranet.musterstadt.example", "http://intern:8080")
		if err != nil || len(l.Frames) != 2 {
			t.Fatal(l, err)
		}
		if got, err := r.OpenLink(w.Ctx, plan.StaffPage, secret); err != nil || len(got.Frames) != 2 || got.Frames[1] != "http://intern:8080" {
			t.Error(got, err)
		}
		if again, _, err := r.RotateLink(w.Ctx, l.ID); err != nil || len(again.Frames) != 2 {
			t.Error(again, err)
		}
		if _, err := r.OpenLink(w.Ctx, plan.PhonePage, secret); fault.KindOf(err) != fault.NotFound {
			t.Error(err)
		}
	})
}
