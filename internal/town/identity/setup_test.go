package identity_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/identity"
)

// blank makes the town of the house the nameless one of a first start.
func (h *house) blank(t testing.TB) {
	t.Helper()
	tn := town("t1")
	tn.Slug, tn.Name, tn.Domains = identity.Placeholder, "Kommune", nil
	if err := h.SaveTenant(h.ctx, tn); err != nil {
		t.Fatal(err)
	}
}

func beginning() identity.Beginning {
	return identity.Beginning{
		Town: "Bad Müsterstadt", Slug: "bad-muesterstadt", Password: "Kirchturm im Nebel 7",
		Person: identity.Person{Name: "Ada Beispiel", Email: "Ada@musterstadt.example"},
	}
}

func tokenOf(link string) string { return link[strings.LastIndexByte(link, '/')+1:] }

func TestSetupLink(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		if _, ok, err := h.SetupLink(h.ctx); ok || err != nil {
			t.Fatalf("a town that has a name: %v %v", ok, err)
		}
		h.blank(t)
		if _, _, err := h.SetupLink(h.admin()); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("by a person: %v", err)
		}
		old, ok, err := h.SetupLink(h.ctx)
		if !ok || err != nil || !strings.HasPrefix(old, "https://lage.t1.example/identity/begin/") {
			t.Fatalf("link %q, %v, %v", old, ok, err)
		}
		link, _, err := h.SetupLink(h.ctx)
		if err != nil {
			t.Fatal(err)
		}
		public := ident.WithActor(h.ctx, ident.Actor{Kind: ident.KindPublic})
		if err := h.SetupOpen(public, tokenOf(old)); fault.KindOf(err) != fault.NotFound {
			t.Errorf("the link before is still open: %v", err)
		}
		for _, w := range []string{"", "x", tokenOf(link) + "x"} {
			if err := h.SetupOpen(public, w); fault.KindOf(err) != fault.NotFound {
				t.Errorf("%q opens: %v", w, err)
			}
		}
		if err := h.SetupOpen(public, tokenOf(link)); err != nil {
			t.Fatal(err)
		}

		// What is wrong is named all at once and uses nothing up.
		_, err = h.BeginSetup(public, tokenOf(link), identity.Beginning{Password: "kurz", Person: identity.Person{Email: "x"}}, identity.Client{})
		for _, f := range []string{"town", "name", "email", "password"} {
			if fault.As(err).Fields[f] == "" {
				t.Errorf("%s is not named: %v", f, fault.As(err).Fields)
			}
		}

		// What the operator says meanwhile, from another process, stays.
		beside := newHouse(t, h.w)
		beside.blank(t)
		tn, err := beside.Current(h.ctx)
		if err != nil {
			t.Fatal(err)
		}
		tn.ProbeNetworks = []string{"127.0.0.0/8"}
		if err := beside.SaveTenant(h.ctx, tn); err != nil {
			t.Fatal(err)
		}

		// Of many that come together one begins.
		var wg sync.WaitGroup
		var mu sync.Mutex
		var got []identity.Session
		for range 4 {
			wg.Go(func() {
				s, err := h.BeginSetup(public, tokenOf(link), beginning(), identity.Client{Address: "198.51.100.4"})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					got = append(got, s)
				} else if k := fault.KindOf(err); k != fault.NotFound && k != fault.Unavailable && k != fault.Conflict && k != fault.Invalid {
					t.Errorf("the others: %v", err)
				}
			})
		}
		wg.Wait()
		if len(got) != 1 || got[0].Token == "" {
			t.Fatalf("%d began: %+v", len(got), got)
		}
		if tn, err = h.Current(h.ctx); err != nil || !slices.Equal(tn.ProbeNetworks, []string{"127.0.0.0/8"}) {
			t.Errorf("the operator's networks: %v %v", tn.ProbeNetworks, err)
		}
		if err != nil || tn.Name != "Bad Müsterstadt" || tn.Slug != "bad-muesterstadt" || !slices.Equal(tn.Domains, []string{"musterstadt.example"}) {
			t.Errorf("%+v %v", tn, err)
		}
		people, err := h.People(h.ctx, identity.Filter{})
		if err != nil || len(people) != 1 || !people[0].Has(identity.RoleAdmin) || people[0].Has(identity.RoleIT) || !people[0].HasPassword {
			t.Errorf("%+v %v", people, err)
		}
		if _, err := h.SignIn(public, "ada@musterstadt.example", beginning().Password, identity.Client{}); err != nil {
			t.Errorf("with the password: %v", err)
		}
		if _, ok, _ := h.SetupLink(h.ctx); ok {
			t.Error("there is a link again")
		}
	})
}

func TestSetupLinkExpires(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t, rooms...))
	h.blank(t)
	link, _, err := h.SetupLink(h.ctx)
	if err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(24 * time.Hour)
	if _, err := h.BeginSetup(h.ctx, tokenOf(link), beginning(), identity.Client{}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("after a day: %v", err)
	}
}

// steps sees how far each step is.
func (h *house) steps(t testing.TB) string {
	t.Helper()
	proofs, _, err := h.Proofs(h.ctx)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range proofs {
		out = append(out, string(p.State(h.Now())))
	}
	return strings.Join(out, " ")
}

func TestSteps(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada := h.add(t, identity.Person{Name: "Ada Beispiel", Email: "ada@t1.example", Roles: []identity.Role{identity.RoleAdmin}})
		ctx := h.as(ada)
		if got := h.steps(t); got != "open open open open open" {
			t.Errorf("at first: %s", got)
		}
		reader := h.as(identity.Person{ID: "x", Roles: []identity.Role{identity.RoleIT}})
		if _, err := h.AskStep(reader, identity.StepMail, "x", ""); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("asked by another: %v", err)
		}
		if err := h.PutOff(ctx, "nix"); fault.KindOf(err) != fault.NotFound {
			t.Errorf("put off nothing: %v", err)
		}

		// Mail: the right code, not an old one, not after five wrong ones.
		old, err := h.AskStep(ctx, identity.StepMail, "ada@t1.example", "198.51.100.4")
		if err != nil || len(old) != 6 {
			t.Fatalf("%q %v", old, err)
		}
		code, err := h.AskStep(ctx, identity.StepMail, "ada@t1.example", "198.51.100.4")
		if err != nil {
			t.Fatal(err)
		}
		if shown, err := h.StepCode(ctx, identity.StepMail); err != nil || shown != code {
			t.Errorf("shown %q, is %q, %v", shown, code, err)
		}
		for range 5 {
			if err := h.AnswerStep(ctx, identity.StepMail, wrongCode(code)); fault.As(err).Fields["code"] == "" {
				t.Errorf("wrong: %v", err)
			}
		}
		if err := h.AnswerStep(ctx, identity.StepMail, code); fault.KindOf(err) != fault.Conflict {
			t.Errorf("after five wrong ones: %v", err)
		}
		if code, err = h.AskStep(ctx, identity.StepMail, "ada@t1.example", ""); err != nil {
			t.Fatal(err)
		}
		if got := h.steps(t); got != "waiting open open open open" {
			t.Errorf("asked: %s", got)
		}
		h.now = h.now.Add(30 * time.Minute)
		if err := h.AnswerStep(ctx, identity.StepMail, code); fault.KindOf(err) != fault.Conflict {
			t.Errorf("after half an hour: %v", err)
		}
		if code, err = h.AskStep(ctx, identity.StepMail, "ada@t1.example", ""); err != nil {
			t.Fatal(err)
		}
		if err := h.AnswerStep(ctx, identity.StepMail, code[:3]+" "+code[3:]); err != nil {
			t.Errorf("right: %v", err)
		}

		// The public page: the code alone is not enough, it must come from outside.
		if code, err = h.AskStep(ctx, identity.StepPublic, "https://status.t1.example", "198.51.100.4"); err != nil {
			t.Fatal(err)
		}
		public := ident.WithActor(h.ctx, ident.Actor{Kind: ident.KindPublic})
		for from, want := range map[string]string{
			"127.0.0.1": "here", "": "here", "198.51.100.4": "same", "10.1.2.3": "inside", "192.0.2.7": "inside", "100.64.3.4": "inside",
		} {
			if _, err := h.SeePublic(public, code, from); fault.As(err).Key != "identity.seen_"+want {
				t.Errorf("from %q: %v", from, err)
			}
		}
		for range 9 { // strangers cannot close it
			if _, err := h.SeePublic(public, wrongCode(code), "203.0.113.7"); fault.As(err).Fields["code"] == "" {
				t.Errorf("wrong: %v", err)
			}
		}
		if seen, err := h.SeePublic(public, code, "203.0.113.7"); err != nil || seen != identity.SeenOutside {
			t.Errorf("from outside: %v %v", seen, err)
		}

		if err := h.PutOff(ctx, identity.StepMonitor); err != nil {
			t.Fatal(err)
		}
		bert, link, err := h.Invite(ctx, identity.Person{Name: "Bert Kern", Email: "bert@t1.example", Roles: []identity.Role{identity.RoleApprover}})
		if err != nil {
			t.Fatal(err)
		}
		if got := h.steps(t); got != "proven proven open later waiting" {
			t.Errorf("half way: %s", got)
		}
		if l := h.letters[len(h.letters)-1]; l.To != "bert@t1.example" || !strings.Contains(l.Body, link) {
			t.Errorf("the letter: %+v", l)
		}
		h.now = h.now.Add(time.Hour)
		if _, err := h.UseLink(public, tokenOf(link), identity.Client{}); err != nil {
			t.Fatal(err)
		}
		if got := h.steps(t); got != "proven proven open later proven" {
			t.Errorf("%s has come: %s", bert.Name, got)
		}
		if err := h.ProveStep(ctx, identity.StepMonitor, "internetseite"); err != nil {
			t.Fatal(err)
		}
		if got := h.steps(t); got != "proven proven open proven proven" {
			t.Errorf("at last: %s", got)
		}
	})
}

func wrongCode(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

// I13: whoever goes through the step becomes somebody who can be alarmed, and only
// with an address that is confirmed and that DNS calls independent.
func TestI13_SecondStep(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		z := &zone{mx: map[string][]string{"t1.example": {"mx.t1.example"}, "geteilt.example": {"mx2.t1.example"}, "posteo.example": {"mx.posteo.example"}}}
		h.Room = newHouse(t, h.w, func(o *identity.Options) { o.Resolver = z; o.Clock = h }).Room
		ada := h.add(t, identity.Person{Name: "Ada Beispiel", Email: "ada@t1.example", Roles: []identity.Role{identity.RoleAdmin}})
		ctx := h.as(ada)
		look := func(address string) (out []identity.Cause) {
			found, err := h.LookAtAlternative(ctx, ada, address)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				out = append(out, f.Cause)
			}
			return out
		}
		if got := look("ada@mail.t1.example"); !slices.Equal(got, []identity.Cause{identity.CauseSameDomain}) {
			t.Errorf("own domain: %v", got)
		}
		if got := look("ada@geteilt.example"); !slices.Contains(got, identity.CauseSharedMX) {
			t.Errorf("same server: %v", got)
		}
		if got := look("ada@posteo.example"); len(got) != 0 {
			t.Errorf("independent: %v", got)
		}
		z.down = true
		if got := look("ada@posteo.example"); !slices.Equal(got, []identity.Cause{identity.CauseNoAnswer}) {
			t.Errorf("DNS is silent: %v", got)
		}
		z.down = false

		if _, err := h.SaveOwn(ctx, identity.Own{Language: "de", Alternative: "ada@posteo.example"}); err != nil {
			t.Fatal(err)
		}
		code, err := h.AskStep(ctx, identity.StepSecond, "ada@posteo.example", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.SaveOwn(ctx, identity.Own{Language: "de", Alternative: "ada@frei.example"}); err != nil {
			t.Fatal(err)
		}
		if err := h.AnswerStep(ctx, identity.StepSecond, code); fault.KindOf(err) != fault.Conflict {
			t.Errorf("another address has taken its place: %v", err)
		}
		if p, _ := h.Person(h.ctx, ada.ID); p.Has(identity.RoleIT) || p.Verified() {
			t.Errorf("alarmed without a proof: %+v", p)
		}
		if code, err = h.AskStep(ctx, identity.StepSecond, "ada@frei.example", ""); err != nil {
			t.Fatal(err)
		}
		if err := h.AnswerStep(ctx, identity.StepSecond, code); err != nil {
			t.Fatal(err)
		}
		p, err := h.Person(h.ctx, ada.ID)
		if err != nil || !p.Has(identity.RoleIT) || !p.Verified() || len(identity.Independent(town("t1"), p)) > 0 {
			t.Errorf("%+v %v", p, err)
		}
	})
}

func TestSetAddresses(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		if err := h.SetAddresses(h.admin(), "https://lage.neu.example", "https://status.neu.example/"); err != nil {
			t.Fatal(err)
		}
		if tn, err := h.Current(h.ctx); err != nil || tn.StaffURL != "https://lage.neu.example" || tn.PublicURL != "https://status.neu.example" {
			t.Errorf("%+v %v", tn, err)
		}
		for _, bad := range []string{"", "neu.example", "https://", "https://x.example/pfad", "ftp://x.example"} {
			if err := h.SetAddresses(h.admin(), bad, "https://status.neu.example"); fault.As(err).Fields["staff_url"] == "" {
				t.Errorf("%q: %v", bad, err)
			}
		}
		other := town("t2")
		if err := h.SaveTenant(ident.WithTenant(h.ctx, "t2"), other); err != nil {
			t.Fatal(err)
		}
		if err := h.SetAddresses(h.admin(), "https://a.example", "https://b.example"); fault.KindOf(err) != fault.Conflict {
			t.Errorf("with a neighbour: %v", err)
		}
	})
}

// Nothing that is not a public address of somebody else counts as outside.
func TestSeenFrom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.IntRange(0, 255)
		client := fmt.Sprintf("%d.%d.%d.%d", part.Draw(t, "a"), part.Draw(t, "b"), part.Draw(t, "c"), part.Draw(t, "d"))
		if got := identity.SeenFrom(client, client, nil); got == identity.SeenOutside {
			t.Fatalf("%s sees itself from outside", client)
		}
		if got := identity.SeenFrom(client, "", []string{"0.0.0.0/0"}); got == identity.SeenOutside {
			t.Fatalf("%s is outside of everything", client)
		}
		if got := identity.SeenFrom("::ffff:"+client, client, nil); got == identity.SeenOutside {
			t.Fatalf("%s in other clothes is somebody else", client)
		}
	})
	for client, want := range map[string]identity.Seen{
		"2001:db8:1:2::9": identity.SeenSame, "2001:db8:1:3::9": identity.SeenOutside, "fd00::1": identity.SeenInside, "fe80::1%eth0": identity.SeenInside,
		"::1": identity.SeenHere, "nonsense": identity.SeenHere,
	} {
		if got := identity.SeenFrom(client, "2001:db8:1:2::1", nil); got != want {
			t.Errorf("%s: %s, want %s", client, got, want)
		}
	}
}
