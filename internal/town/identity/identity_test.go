package identity_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/vault"
)

var rooms = []store.Migrations{identity.Migrations(), audit.Migrations()}

var start = time.Date(2026, 11, 22, 13, 0, 0, 0, time.UTC)

// house is a room with everything around it.
type house struct {
	*identity.Room
	w       *storetest.World
	ctx     context.Context // the system, in tenant t1
	audit   *audit.Room
	now     time.Time
	letters []identity.Letter
	owners  []string
	fail    func(http.ResponseWriter, *http.Request, error)
}

// Now implements clock.Clock: time moves by hand.
func (h *house) Now() time.Time { return clock.Cut(h.now) }

// admin acts as an administrator of t1.
func (h *house) admin() context.Context {
	return ident.WithActor(h.ctx, ident.Actor{Kind: ident.KindPerson, Person: "boss", Name: "Boss", Roles: []string{"admin"}})
}

func (h *house) as(p identity.Person) context.Context {
	a := ident.Actor{Kind: ident.KindPerson, Person: string(p.ID), Name: p.Name}
	for _, r := range p.Roles {
		a.Roles = append(a.Roles, string(r))
	}
	return ident.WithActor(h.ctx, a)
}

func newHouse(t testing.TB, w *storetest.World, change ...func(*identity.Options)) *house {
	t.Helper()
	h := &house{w: w, ctx: w.Ctx, now: start}
	h.audit = audit.New(audit.Options{Store: w.Store, Clock: h})
	v, err := vault.New(make([]byte, vault.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	o := identity.Options{
		Store: w.Store, Clock: h, Hints: w.Hints, Audit: h.audit, Vault: v,
		Post: func(_ context.Context, l identity.Letter) error {
			h.letters = append(h.letters, l)
			return nil
		},
		Owners: func(context.Context) ([]string, error) { return h.owners, nil },
		Fail:   func(w http.ResponseWriter, r *http.Request, err error) { h.fail(w, r, err) },
		Cost:   identity.Cost{Memory: 64, Time: 1, Threads: 1},
	}
	for _, c := range change {
		c(&o)
	}
	h.Room = identity.New(o)
	if err := h.SaveTenant(w.Ctx, town("t1")); err != nil {
		t.Fatal(err)
	}
	return h
}

func town(id string) identity.Tenant {
	return identity.Tenant{
		ID: ident.Tenant(id), Slug: id, Name: "Stadt " + id, Domains: []string{id + ".example"},
		Networks: []string{"192.0.2.0/24"}, StaffURL: "https://lage." + id + ".example/",
		PublicURL: "https://status." + id + ".example",
	}
}

func person(name string, roles ...identity.Role) identity.Person {
	mail := strings.ToLower(name)
	return identity.Person{
		Name: name + " Beispiel", Email: mail + "@t1.example", Alternative: mail + "@posteo.example", Roles: roles,
	}
}

func (h *house) add(t testing.TB, p identity.Person) identity.Person {
	t.Helper()
	p, err := h.SavePerson(h.ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func each(t *testing.T, fn func(t *testing.T, h *house)) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) { fn(t, newHouse(t, w)) })
}

func field(err error, name string) string { return fault.As(err).Fields[name] }

func TestPeople(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		for _, n := range []string{"Özlem", "Zoe", "ada", "Bert", "Carl"} {
			p := person("x", identity.RoleReader)
			p.Name, p.Email = n, fmt.Sprintf("%s@t1.example", strings.ToLower(strings.ReplaceAll(n, "Ö", "o")))
			h.add(t, p)
		}
		var names []string
		after := identity.PersonID("")
		for {
			page, err := h.People(h.ctx, identity.Filter{After: after, Limit: 2})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page {
				names = append(names, p.Name)
			}
			if len(page) < 2 {
				break
			}
			after = page[1].ID
		}
		if got := strings.Join(names, " "); got != "ada Bert Carl Özlem Zoe" {
			t.Errorf("order: %s", got)
		}
		for query, want := range map[string]int{
			"": 5, "OEZ": 1, "özl": 1, "t1.example": 5, "ada t1": 1, "ada bert": 0, "%": 0, "_": 0, "x\xff\x00": 5,
		} {
			got, err := h.People(h.ctx, identity.Filter{Query: query})
			if err != nil || len(got) != want {
				t.Errorf("query %q: %d people, %v; want %d", query, len(got), err, want)
			}
		}
		it := h.add(t, person("Ina", identity.RoleIT, identity.RoleAdmin))
		if got, err := h.People(h.ctx, identity.Filter{Role: identity.RoleIT}); err != nil || len(got) != 1 || got[0].ID != it.ID {
			t.Errorf("role it: %+v, %v", got, err)
		}
		got, err := h.PersonByEmail(h.ctx, " INA@T1.example")
		if err != nil || got.ID != it.ID || !slices.Equal(got.Roles, []identity.Role{"admin", "it"}) {
			t.Errorf("by mail: %+v, %v", got, err)
		}
		if _, err := h.Person(h.ctx, "nobody"); !errors.Is(err, identity.ErrNoPerson) {
			t.Errorf("nobody: %v", err)
		}
		twice := person("Ina", identity.RoleReader)
		if _, err := h.SavePerson(h.ctx, twice); field(err, "email") != "identity.email_taken" {
			t.Errorf("address twice: %v", err)
		}
	})
}

func TestSavePersonRefuses(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	h := newHouse(t, w)
	h.owners = []string{"owner@t1.example"}
	for name, c := range map[string]struct {
		change     func(*identity.Person)
		field, key string
	}{
		"no name":           {func(p *identity.Person) { p.Name = " \n" }, "name", "identity.name_missing"},
		"long name":         {func(p *identity.Person) { p.Name = strings.Repeat("ä", 201) }, "name", "identity.too_long"},
		"no mail":           {func(p *identity.Person) { p.Email = "" }, "email", "identity.email_invalid"},
		"two mails":         {func(p *identity.Person) { p.Email = "a@b.example, c@d.example" }, "email", "identity.email_invalid"},
		"header in mail":    {func(p *identity.Person) { p.Email = "a@b.example\r\nBcc: x@y.example" }, "email", "identity.email_invalid"},
		"named mail":        {func(p *identity.Person) { p.Email = "Ada <a@b.example>" }, "email", "identity.email_invalid"},
		"bad alternative":   {func(p *identity.Person) { p.Alternative = "posteo.de" }, "alternative", "identity.email_invalid"},
		"bad number":        {func(p *identity.Person) { p.Mobile = "ruf mich an" }, "mobile", "identity.mobile_invalid"},
		"unknown role":      {func(p *identity.Person) { p.Roles = []identity.Role{"king"} }, "roles", "identity.role_unknown"},
		"unknown language":  {func(p *identity.Person) { p.Language = "fr" }, "language", "identity.language_unknown"},
		"it without":        {func(p *identity.Person) { p.Alternative = "" }, "alternative", "identity.alternative_missing"},
		"it same domain":    {func(p *identity.Person) { p.Alternative = "ada@T1.example." }, "alternative", "identity.email_invalid"},
		"it own domain":     {func(p *identity.Person) { p.Alternative = "ada@T1.example" }, "alternative", "identity.alternative_same_domain"},
		"it sub-domain":     {func(p *identity.Person) { p.Alternative = "a@mail.t1.example" }, "alternative", "identity.alternative_same_domain"},
		"it officials' own": {func(p *identity.Person) { p.Email, p.Alternative = "a@kreis.example", "b@kreis.example" }, "alternative", "identity.alternative_same_domain"},
		"owner without": {
			func(p *identity.Person) { p.Email, p.Alternative, p.Roles = "owner@t1.example", "", nil },
			"alternative", "identity.alternative_missing",
		},
	} {
		p := person("Ada", identity.RoleIT)
		c.change(&p)
		if _, err := h.SavePerson(h.admin(), p); field(err, c.field) != c.key || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v %v", name, err, fault.As(err).Fields)
		}
	}
	if n, err := h.Count(h.ctx, identity.Filter{}); err != nil || n != 0 {
		t.Errorf("%d people were saved, %v", n, err)
	}
	// Nobody is alarmed: no alternative is fine, and so is one of the town.
	for _, alt := range []string{"", "rita2@t1.example"} {
		p := person("Rita", identity.RoleReader)
		p.Email, p.Alternative = "rita"+fmt.Sprint(len(alt))+"@t1.example", alt
		if _, err := h.SavePerson(h.admin(), p); err != nil {
			t.Errorf("reader with alternative %q: %v", alt, err)
		}
	}
	ok := person("Umut", identity.RoleIT)
	ok.Mobile, ok.Email = "0170 / 000-0001", "Umut@T1.Example"
	got := h.add(t, ok)
	if got.Mobile != "+491700000001" || got.Email != "umut@t1.example" {
		t.Errorf("not normal: %+v", got)
	}
	for _, a := range []ident.Actor{
		{Kind: ident.KindPublic},
		{Kind: ident.KindPerson, Roles: []string{"it"}},
		{Kind: ident.KindToken, Roles: []string{"admin"}, Scopes: []string{"alerts"}},
	} {
		if _, err := h.SavePerson(ident.WithActor(h.ctx, a), person("Eve")); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("%+v may save: %v", a, err)
		}
	}
}

func TestLastAdminStays(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		boss := h.add(t, person("Boss", identity.RoleAdmin))
		for _, change := range []func(*identity.Person){
			func(p *identity.Person) { p.Blocked = true }, func(p *identity.Person) { p.Roles = nil },
		} {
			p := boss
			change(&p)
			if _, err := h.SavePerson(h.admin(), p); fault.KindOf(err) != fault.Conflict {
				t.Errorf("the last administrator went: %v", err)
			}
		}
		h.add(t, person("Two", identity.RoleAdmin))
		boss.Roles = nil
		if _, err := h.SavePerson(h.admin(), boss); err != nil {
			t.Error(err)
		}
	})
}

func TestDeclare(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada, bert := person("Ada", identity.RoleIT), person("Bert", identity.RoleIT)
		bert.Alternative = "" // only a warning here
		if err := h.Declare(h.ctx, []identity.Person{ada, bert}); err != nil {
			t.Fatal(err)
		}
		found, err := h.Findings(h.ctx)
		if err != nil || len(found) != 1 || found[0].Cause != identity.CauseMissing || found[0].Person != "Bert Beispiel" {
			t.Errorf("findings %+v, %v", found, err)
		}
		got, err := h.PersonByEmail(h.ctx, ada.Email)
		if err != nil || !got.Declared || !got.Verified() {
			t.Fatalf("%+v, %v", got, err)
		}
		// Read-only in the console, but blocking must be possible at once.
		change := got
		change.Name = "Eva"
		if _, err := h.SavePerson(h.admin(), change); !errors.Is(err, identity.ErrDeclared) || field(err, "name") == "" {
			t.Errorf("declared name changed: %v", err)
		}
		change = got
		change.Blocked = true
		if _, err := h.SavePerson(h.admin(), change); err != nil {
			t.Error(err)
		}
		ada.Roles = []identity.Role{identity.RoleIT, identity.RolePublisher}
		head, _, _ := h.audit.Head(h.ctx)
		if err := h.Declare(h.ctx, []identity.Person{ada}); err != nil {
			t.Fatal(err)
		}
		got, err = h.PersonByEmail(h.ctx, ada.Email)
		if err != nil || !got.Blocked || !got.Has(identity.RolePublisher) {
			t.Errorf("declared again: %+v, %v", got, err)
		}
		if got, err := h.PersonByEmail(h.ctx, bert.Email); err != nil || got.Declared || got.Blocked {
			t.Errorf("undeclared: %+v, %v", got, err)
		}
		if now, _, _ := h.audit.Head(h.ctx); now != head+2 {
			t.Errorf("%d lines in the audit log for two changes", now-head)
		}
		if err := h.Declare(h.ctx, []identity.Person{ada}); err != nil {
			t.Fatal(err)
		}
		if now, _, _ := h.audit.Head(h.ctx); now != head+2 {
			t.Error("declaring the same again is written down as a change")
		}
		if err := h.Declare(h.ctx, []identity.Person{ada, ada}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("twice in the file: %v", err)
		}
		if err := h.Declare(h.admin(), nil); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("a person declares: %v", err)
		}
		if err := h.audit.Verify(h.ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestTenants(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		// The only tenant answers to every name.
		for _, host := range []string{"lage.t1.example", "127.0.0.1:8420", "[::1]:8420", "whatever", ""} {
			if got, err := h.TenantByHost(context.Background(), host); err != nil || got.ID != "t1" {
				t.Errorf("host %q: %v, %v", host, got.ID, err)
			}
		}
		// A file that names another town renames nobody; the operator says so.
		renamed := town("neu")
		renamed.ID = ""
		if _, err := h.DeclareTenant(h.ctx, renamed); fault.KindOf(err) != fault.Conflict {
			t.Errorf("a file took over another town: %v", err)
		}
		if got, err := h.Current(h.ctx); err != nil || got.Slug != "t1" {
			t.Errorf("a refused file changed the town: %+v, %v", got, err)
		}
		if err := h.RenameTenant(h.admin(), "t1", "neu"); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("a person renames: %v", err)
		}
		if err := h.RenameTenant(h.ctx, "t9", "neu"); fault.KindOf(err) != fault.NotFound {
			t.Errorf("renamed nobody: %v", err)
		}
		if err := h.RenameTenant(h.ctx, "t1", "neu"); err != nil {
			t.Fatal(err)
		}
		if got, err := h.DeclareTenant(h.ctx, renamed); err != nil || got.ID != "t1" {
			t.Errorf("renamed: %v, %v", got.ID, err)
		}
		// A second town needs a name of its own, for slug and host.
		bare := town("t8")
		bare.ID, bare.StaffURL = "", ""
		same := town("t8")
		same.ID, same.StaffURL = "", renamed.StaffURL
		twin := town("neu")
		twin.ID, twin.StaffURL, twin.PublicURL, twin.Hosts = "", "https://x.example", "https://y.example", nil
		for name, bad := range map[string]identity.Tenant{"no address": bare, "its address": same, "its slug": twin} {
			if _, err := h.AddTenant(h.ctx, bad); err == nil {
				t.Errorf("%s: taken", name)
			}
		}
		if got, err := h.Current(h.ctx); err != nil || got.Slug != "neu" || got.Zone != "Europe/Berlin" || got.StaffURL != "https://lage.neu.example" {
			t.Errorf("%+v, %v", got, err)
		}
		two := town("t2")
		two.Hosts = []string{"T2.example"}
		if err := h.SaveTenant(h.ctx, two); err != nil {
			t.Fatal(err)
		}
		for host, want := range map[string]ident.Tenant{"t2.example:443": "t2", "status.t2.example": "t2", "LAGE.neu.example.": "t1"} {
			if got, err := h.TenantByHost(context.Background(), host); err != nil || got.ID != want {
				t.Errorf("host %q: %v, %v", host, got.ID, err)
			}
		}
		if _, err := h.TenantByHost(context.Background(), "other.example"); !identity.IsUnknownHost(err) {
			t.Errorf("unknown host: %v", err)
		}
		three := town("t3")
		three.Hosts = []string{"t2.example"}
		if err := h.SaveTenant(h.ctx, three); field(err, "hosts") == "" {
			t.Errorf("a host twice: %v", err)
		}
		if all, err := h.Tenants(context.Background()); err != nil || len(all) != 2 {
			t.Errorf("%d tenants, %v", len(all), err)
		}
		// A town's administrator changes the town's words, not its addresses.
		mine := town("t1")
		mine.Name, mine.Hosts = "Neue Stadt", []string{"stolen.example"}
		if err := h.SaveTenant(h.admin(), mine); err != nil {
			t.Fatal(err)
		}
		if got, _ := h.Current(h.ctx); got.Name != "Neue Stadt" || len(got.Hosts) != 0 || got.Slug != "neu" {
			t.Errorf("%+v", got)
		}
		mine.ID = "t2"
		if err := h.SaveTenant(h.admin(), mine); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("another town: %v", err)
		}
		bad := identity.Tenant{Slug: "Ä", Zone: "Mars", Language: "fr", Domains: []string{".."}, Networks: []string{"x"}, StaffURL: "ftp://x"}
		err := h.SaveTenant(h.ctx, bad)
		for _, f := range []string{"name", "slug", "zone", "language", "domains", "networks", "staff_url"} {
			if field(err, f) == "" {
				t.Errorf("%s passed", f)
			}
		}
	})
}

func TestI19_TenantsApart(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		if err := h.SaveTenant(h.ctx, town("t2")); err != nil {
			t.Fatal(err)
		}
		ada := h.add(t, person("Ada", identity.RoleAdmin))
		s, token, apiToken := h.signedIn(t, ada)
		link, err := h.SignInLink(h.ctx, ada.ID, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		confirm, err := h.AskConfirm(h.ctx, ada.ID)
		if err != nil {
			t.Fatal(err)
		}
		other := ident.WithTenant(h.ctx, "t2")
		if got, err := h.People(other, identity.Filter{}); err != nil || len(got) != 0 {
			t.Errorf("people: %+v, %v", got, err)
		}
		if got, err := h.Sessions(other, ada.ID); err != nil || len(got) != 0 {
			t.Errorf("sessions: %+v, %v", got, err)
		}
		if got, err := h.Tokens(other, ada.ID); err != nil || len(got) != 0 {
			t.Errorf("tokens: %+v, %v", got, err)
		}
		stolen := ada
		stolen.Name = "Eve"
		tries := map[string]error{}
		_, tries["person"] = h.Person(other, ada.ID)
		_, tries["mail"] = h.PersonByEmail(other, ada.Email)
		_, tries["save"] = h.SavePerson(other, stolen)
		_, _, tries["session"] = h.BySession(other, token)
		_, _, tries["token"] = h.ByToken(other, apiToken)
		_, tries["sign-in"] = h.SignIn(other, ada.Email, goodPassword, identity.Client{})
		_, tries["link"] = h.UseLink(other, last(link), identity.Client{})
		_, tries["confirm"] = h.Confirm(other, last(confirm))
		tries["sign out"] = nil
		_, tries["new link"] = h.SignInLink(other, ada.ID, time.Hour)
		_, _, tries["new token"] = h.CreateToken(other, ada.ID, "x", nil)
		delete(tries, "sign out")
		for name, err := range tries {
			if err == nil {
				t.Errorf("%s reaches into the other town", name)
			}
		}
		if err := errors.Join(h.SignOut(other, token), h.SignOutEverywhere(other, ada.ID, "")); err != nil {
			t.Error(err)
		}
		if _, got, err := h.BySession(h.ctx, token); err != nil || got.ID != s.ID {
			t.Errorf("the other town ended a session: %v", err)
		}
		if _, err := h.People(context.Background(), identity.Filter{}); !errors.Is(err, ident.ErrNoTenant) {
			t.Errorf("no tenant: %v", err)
		}
	})
}

func last(link string) string { return link[strings.LastIndexByte(link, '/')+1:] }
