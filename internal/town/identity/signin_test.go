package identity_test

import (
	"errors"
	"fmt"
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

const goodPassword = "Kirchturm im Nebel 7"

// signedIn gives p a password, a session by password and an API token.
func (h *house) signedIn(t testing.TB, p identity.Person) (identity.Session, string, string) {
	t.Helper()
	link, err := h.SignInLink(h.ctx, p.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s, err := h.UseLink(h.ctx, last(link), identity.Client{Address: "203.0.113.9"})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.SetPassword(h.as(p), s, "", goodPassword); err != nil {
		t.Fatal(err)
	}
	s, err = h.SignIn(h.ctx, p.Email, goodPassword, identity.Client{Address: "203.0.113.9", Replaces: s.Token})
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := h.CreateToken(h.as(p), p.ID, "script", nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, s.Token, token
}

func TestSignIn(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada := h.add(t, person("Ada", identity.RoleAdmin, identity.RoleIT))
		h.add(t, person("Boss", identity.RoleAdmin))
		_, token, apiToken := h.signedIn(t, ada)
		p, s, err := h.BySession(h.ctx, token)
		if err != nil || p.ID != ada.ID || !p.HasPassword || p.SignedInAt.IsZero() || s.Via != "password" {
			t.Fatalf("%+v %+v %v", p, s, err)
		}
		if list, err := h.Sessions(h.as(ada), ada.ID); err != nil || len(list) != 1 {
			t.Errorf("%d sessions (the one before was replaced), %v", len(list), err)
		}
		_, actor, err := h.ByToken(h.ctx, apiToken)
		if err != nil || actor.Kind != ident.KindToken || !actor.Has("it") || !actor.Allows("monitors") || actor.Name != "Ada Beispiel (script)" {
			t.Errorf("%+v, %v", actor, err)
		}
		c := identity.Client{Address: "198.51.100.1"}
		for _, try := range [][2]string{
			{ada.Email, "falsch"}, {"nobody@t1.example", goodPassword}, {"", ""}, {"boss@t1.example", ""}, {ada.Email, strings.Repeat("x", 5000)},
		} {
			if _, err := h.SignIn(h.ctx, try[0], try[1], c); fault.As(err).Key != "identity.sign_in_wrong" {
				t.Errorf("%v: %v", try, err)
			}
		}
		// Blocked: sessions, tokens, password and links end at once.
		link, err := h.SignInLink(h.ctx, ada.ID, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		ada.Blocked = true
		if _, err := h.SavePerson(h.admin(), ada); err != nil {
			t.Fatal(err)
		}
		_, _, err1 := h.BySession(h.ctx, token)
		_, _, err2 := h.ByToken(h.ctx, apiToken)
		_, err3 := h.SignIn(h.ctx, ada.Email, goodPassword, c)
		_, err4 := h.UseLink(h.ctx, last(link), c)
		if fault.KindOf(err1) != fault.Unauthenticated || fault.KindOf(err2) != fault.Unauthenticated || err3 == nil || !errors.Is(err4, identity.ErrLink) {
			t.Errorf("blocked but in: %v %v %v %v", err1, err2, err3, err4)
		}
		if err := h.audit.Verify(h.ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestSessionEnds(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada := h.add(t, person("Ada", identity.RoleAdmin))
		_, token, _ := h.signedIn(t, ada)
		alive := func() bool {
			_, _, err := h.BySession(h.ctx, token)
			if err != nil && fault.KindOf(err) != fault.Unauthenticated {
				t.Fatal(err)
			}
			return err == nil
		}
		began := h.now
		for h.now.Before(began.Add(identity.SessionMax - 11*time.Hour)) {
			h.now = h.now.Add(11 * time.Hour)
			if !alive() {
				t.Fatalf("over after %s although in use", h.now.Sub(began))
			}
		}
		h.now = began.Add(identity.SessionMax)
		if alive() {
			t.Error("lives longer than the longest")
		}
		_, token, _ = h.signedIn(t, ada)
		h.now = h.now.Add(identity.SessionIdle)
		if alive() {
			t.Error("lives although idle")
		}
		if err := h.Sweep(h.ctx); err != nil {
			t.Fatal(err)
		}

		_, token, _ = h.signedIn(t, ada)
		one, err := h.SignIn(h.ctx, ada.Email, goodPassword, identity.Client{})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.SetPassword(h.as(ada), one, "falsch", goodPassword+"8"); field(err, "old") == "" {
			t.Errorf("old password was not asked for: %v", err)
		}
		if err := h.SetPassword(h.as(ada), one, goodPassword, "kurz"); field(err, "password") != "identity.password_short" {
			t.Errorf("short: %v", err)
		}
		if err := h.SetPassword(h.as(ada), one, goodPassword, goodPassword+"8"); err != nil {
			t.Fatal(err)
		}
		if alive() {
			t.Error("another session lives on after a new password")
		}
		token = one.Token
		if !alive() {
			t.Error("the session that set the password ended")
		}
		if err := h.SignOutEverywhere(h.as(ada), ada.ID, ""); err != nil {
			t.Fatal(err)
		}
		if alive() {
			t.Error("signed out everywhere but alive")
		}
		if err := h.SignOutEverywhere(ident.WithActor(h.ctx, ident.Actor{Kind: ident.KindPerson, Person: "x"}), ada.ID, ""); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("a stranger signs others out: %v", err)
		}
		one, err = h.SignIn(h.ctx, ada.Email, goodPassword+"8", identity.Client{})
		if err != nil {
			t.Fatal(err)
		}
		token = one.Token
		if err := errors.Join(h.SignOut(h.ctx, token), h.SignOut(h.ctx, token), h.SignOut(h.ctx, "none")); err != nil || alive() {
			t.Errorf("sign out: %v", err)
		}
	})
}

func TestLimits(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	h := newHouse(t, w)
	ada := h.add(t, person("Ada", identity.RoleAdmin))
	s, _, _ := h.signedIn(t, ada)
	c := identity.Client{Address: "198.51.100.1"}
	var limited *identity.LimitedError
	for i := range identity.PairBurst {
		if left := h.TriesLeft(h.ctx, ada.Email, c); left != identity.PairBurst-i {
			t.Errorf("%d tries left before try %d", left, i)
		}
		if _, err := h.SignIn(h.ctx, ada.Email, "falsch", c); fault.KindOf(err) != fault.Invalid {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	_, err := h.SignIn(h.ctx, ada.Email, goodPassword, c)
	if fault.KindOf(err) != fault.TooMany || !errors.As(err, &limited) || limited.After > identity.PairStep {
		t.Fatalf("not limited: %v", err)
	}
	// From elsewhere it works, and after the pause here too.
	if _, err := h.SignIn(h.ctx, ada.Email, goodPassword, identity.Client{Address: "198.51.100.2"}); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}
	h.now = h.now.Add(limited.After)
	if _, err := h.SignIn(h.ctx, ada.Email, goodPassword, c); err != nil {
		t.Errorf("after the pause: %v", err)
	}

	// Strangers everywhere try at the account: its owner's browser and a
	// one-time link still get in.
	for i := range 40 {
		_, _ = h.SignIn(h.ctx, ada.Email, "falsch", identity.Client{Address: fmt.Sprintf("192.0.2.%d", i)})
	}
	if _, err := h.SignIn(h.ctx, ada.Email, goodPassword, identity.Client{Address: "198.51.100.7"}); fault.KindOf(err) != fault.TooMany {
		t.Errorf("an account under attack is open to strangers: %v", err)
	}
	if _, err := h.SignIn(h.ctx, ada.Email, goodPassword, identity.Client{Address: "198.51.100.8", Device: s.Device}); err != nil {
		t.Errorf("the owner is kept out: %v", err)
	}
	link, err := h.SignInLink(h.ctx, ada.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.UseLink(h.ctx, last(link), c); err != nil {
		t.Errorf("the link does not work: %v", err)
	}
	h.now = h.now.Add(40 * 2 * time.Minute)
	if _, err := h.SignIn(h.ctx, ada.Email, goodPassword, identity.Client{Address: "198.51.100.9"}); err != nil {
		t.Errorf("locked out for ever: %v", err)
	}
}

func TestLinks(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada := h.add(t, person("Ada", identity.RoleReader))
		link, err := h.SignInLink(h.admin(), ada.ID, time.Second)
		if err != nil || !strings.HasPrefix(link, "https://lage.t1.example/identity/link/") {
			t.Fatalf("%s, %v", link, err)
		}
		token := last(link)
		for range 3 { // looking does not use it up
			if p, err := h.LinkPerson(h.ctx, token); err != nil || p.ID != ada.ID {
				t.Fatalf("%+v, %v", p, err)
			}
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		good := 0
		for range 4 {
			wg.Go(func() {
				_, err := h.UseLink(h.ctx, token, identity.Client{})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					good++
				} else if !errors.Is(err, identity.ErrLink) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if good != 1 {
			t.Errorf("the link worked %d times", good)
		}
		link, err = h.SignInLink(h.admin(), ada.ID, 100*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		h.now = h.now.Add(identity.LinkMax)
		if _, err := h.UseLink(h.ctx, last(link), identity.Client{}); !errors.Is(err, identity.ErrLink) {
			t.Errorf("an old link: %v", err)
		}
		if _, err := h.SignInLink(h.as(ada), ada.ID, time.Hour); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("a reader makes links: %v", err)
		}
		// By mail: the same answer whether or not somebody is known.
		for _, mail := range []string{ada.Email, "nobody@t1.example", "garbage"} {
			if err := h.MailLink(h.ctx, mail, identity.Client{Address: "198.51.100.1"}); err != nil {
				t.Errorf("%s: %v", mail, err)
			}
		}
		if len(h.letters) != 1 || h.letters[0].To != ada.Email || !strings.Contains(h.letters[0].Body, "/identity/link/") {
			t.Errorf("letters: %+v", h.letters)
		}
	})
}

func TestFirstAdmin(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		if _, ok, err := h.FirstAdmin(h.ctx); ok || err != nil {
			t.Errorf("nobody there: %v, %v", ok, err)
		}
		bert := person("Bert", identity.RoleAdmin)
		if err := h.Declare(h.ctx, []identity.Person{person("Ada", identity.RoleIT), bert}); err != nil {
			t.Fatal(err)
		}
		first, ok, err := h.FirstAdmin(h.ctx)
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		second, ok, err := h.FirstAdmin(h.ctx)
		if !ok || err != nil || second == first {
			t.Fatal(ok, err)
		}
		if _, err := h.UseLink(h.ctx, last(first), identity.Client{}); !errors.Is(err, identity.ErrLink) {
			t.Errorf("the link of the start before still works: %v", err)
		}
		s, err := h.UseLink(h.ctx, last(second), identity.Client{})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok, err := h.FirstAdmin(h.ctx); !ok || err != nil {
			t.Errorf("signed in, but without a password: %v, %v", ok, err)
		}
		p, err := h.PersonByEmail(h.ctx, bert.Email)
		if err != nil || p.ID != s.Person {
			t.Fatal(err)
		}
		h.signedIn(t, p)
		h.now = h.now.Add(30 * 24 * time.Hour)
		if _, ok, err := h.FirstAdmin(h.ctx); ok || err != nil {
			t.Errorf("there is a password: %v, %v", ok, err)
		}
	})
}

func TestCommandLine(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		p, link, err := h.AddPerson(h.ctx, person("Ada", identity.RoleAdmin))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.UseLink(h.ctx, last(link), identity.Client{}); err != nil {
			t.Error(err)
		}
		h.signedIn(t, p) // with a password
		if p, err = h.Person(h.ctx, p.ID); err != nil || !p.HasPassword {
			t.Fatalf("%+v %v", p, err)
		}
		if link, err = h.ResetLink(h.ctx, p.Email); err != nil {
			t.Fatal(err)
		}
		if p, err = h.Person(h.ctx, p.ID); err != nil || p.HasPassword {
			t.Errorf("the password is still there: %v", err)
		}
		if _, err := h.UseLink(h.ctx, last(link), identity.Client{}); err != nil {
			t.Error(err)
		}
		if _, err := h.ResetLink(h.ctx, "nobody@t1.example"); !errors.Is(err, identity.ErrNoPerson) {
			t.Error(err)
		}
	})
}

func TestConfirmAlternative(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada := h.add(t, person("Ada", identity.RoleIT))
		if found, err := h.Findings(h.ctx); err != nil || len(found) != 1 || found[0].Cause != identity.CauseUnverified {
			t.Errorf("%+v, %v", found, err)
		}
		link, err := h.AskConfirm(h.as(ada), ada.ID)
		if err != nil || len(h.letters) != 1 || h.letters[0].To != ada.Alternative || !strings.Contains(h.letters[0].Body, link) {
			t.Fatalf("%v %+v", err, h.letters)
		}
		if len(link) > 200 {
			t.Errorf("link of %d characters", len(link))
		}
		if p, err := h.ConfirmPerson(h.ctx, last(link)); err != nil || p.Verified() {
			t.Errorf("looking confirms: %+v, %v", p, err)
		}
		if p, err := h.Confirm(h.ctx, last(link)); err != nil || !p.Verified() {
			t.Errorf("%+v, %v", p, err)
		}
		if found, err := h.Findings(h.ctx); err != nil || len(found) != 0 {
			t.Errorf("%+v, %v", found, err)
		}
		// Another address is unverified again, and the old link is no good.
		p, err := h.SaveOwn(h.as(ada), identity.Own{Language: "en", Alternative: "ada@other.example"})
		if err != nil || p.Verified() || p.Language != "en" {
			t.Errorf("%+v, %v", p, err)
		}
		if _, err := h.Confirm(h.ctx, last(link)); fault.KindOf(err) != fault.NotFound {
			t.Errorf("old link: %v", err)
		}
		chat := "threema:abcdefgh"
		if p, err = h.SaveOwn(h.as(ada), identity.Own{Language: "en", Alternative: "ada@other.example", Chat: &chat}); err != nil || p.Chat != "threema:ABCDEFGH" {
			t.Fatalf("messenger: %+v %v", p, err)
		}
		if p, err = h.SaveOwn(h.as(ada), identity.Own{Language: "en", Alternative: "ada@other.example"}); err != nil || p.Chat != "threema:ABCDEFGH" {
			t.Fatalf("whoever does not speak of the messenger keeps it: %+v %v", p, err)
		}
		chat = "threema:kurz"
		if _, err := h.SaveOwn(h.as(ada), identity.Own{Language: "en", Alternative: "ada@other.example", Chat: &chat}); field(err, "chat") != "identity.chat_invalid" {
			t.Errorf("a wrong messenger: %v", err)
		}
		if _, err := h.SaveOwn(h.as(ada), identity.Own{}); field(err, "alternative") != "identity.alternative_missing" {
			t.Errorf("it gave up the alternative: %v", err)
		}
	})
}

func TestTokens(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada := h.add(t, person("Ada", identity.RoleAdmin))
		text, tok, err := h.CreateToken(h.as(ada), ada.ID, "Prüfskript", []string{"read", "alerts"})
		if err != nil || !strings.HasPrefix(text, "tuermer_") {
			t.Fatal(text, err)
		}
		_, a, err := h.ByToken(h.ctx, text)
		if err != nil || a.Allows("people") || !a.Allows("alerts") || !a.Has("admin") {
			t.Errorf("%+v, %v", a, err)
		}
		list, err := h.Tokens(h.as(ada), ada.ID)
		if err != nil || len(list) != 1 || list[0].ID != tok.ID || list[0].UsedAt.IsZero() || len(list[0].Scopes) != 2 {
			t.Errorf("%+v, %v", list, err)
		}
		// A limited token neither lists nor makes others.
		in := ident.WithActor(h.ctx, a)
		if _, err := h.Tokens(in, ada.ID); !errors.Is(err, identity.ErrForbidden) {
			t.Error(err)
		}
		if _, _, err := h.CreateToken(in, ada.ID, "more", nil); !errors.Is(err, identity.ErrForbidden) {
			t.Error(err)
		}
		wide := a
		wide.Scopes = []string{"admin"}
		if _, _, err := h.CreateToken(ident.WithActor(h.ctx, wide), ada.ID, "more", []string{"alerts"}); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("a token made a wider one: %v", err)
		}
		for _, bad := range []struct {
			name   string
			scopes []string
			field  string
		}{{" ", nil, "name"}, {"x", []string{"everything"}, "scopes"}} {
			if _, _, err := h.CreateToken(h.as(ada), ada.ID, bad.name, bad.scopes); field(err, bad.field) == "" {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		none, _, err := h.CreateToken(h.as(ada), ada.ID, "none", []string{})
		if err != nil {
			t.Fatal(err)
		}
		if _, a, err := h.ByToken(h.ctx, none); err != nil || a.Scopes == nil || a.Allows("read") {
			t.Errorf("no scope became every scope: %+v, %v", a, err)
		}
		if err := errors.Join(h.RevokeToken(h.as(ada), tok.ID), h.RevokeToken(h.as(ada), tok.ID)); err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{text, "", "tuermer_", "tuermer_x", "Bearer"} {
			if _, _, err := h.ByToken(h.ctx, bad); fault.KindOf(err) != fault.Unauthenticated {
				t.Errorf("%q: %v", bad, err)
			}
		}
		bert := h.add(t, person("Bert"))
		if err := h.RevokeToken(h.as(bert), tok.ID); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("somebody else revokes: %v", err)
		}
	})
}

func TestPasswords(t *testing.T) {
	p := identity.Person{Name: "Ada Beispiel-Kern", Email: "ada.beispiel@musterstadt.example"}
	for pw, want := range map[string]string{
		"kurz":                      "identity.password_short",
		"äöüäöüäöüäö":               "identity.password_short",
		strings.Repeat("ab1!", 300): "identity.password_long",
		"aaaaaaaaaaaaaaa":           "identity.password_common",
		"123456789012":              "identity.password_common",
		"Passwort1234":              "identity.password_common",
		"Passwort2026!!":            "identity.password_common",
		"Willkommen_2026":           "identity.password_common",
		"Rathaus12345":              "identity.password_common",
		"ada.beispiel1":             "identity.password_common",
		"Beispiel2026":              "identity.password_common",
		"musterstadt2026":           "identity.password_common",
		"QwertzQwertz1":             "identity.password_common",
		"abcdefghijklm":             "identity.password_common",
		goodPassword:                "",
		"grünes Pferd am Bahnhof":   "",
		"korrekt-pferd-batterie":    "",
		"7r!fQ#2mWz9k":              "",
	} {
		if got := identity.WeakPassword(pw, p); got != want {
			t.Errorf("%q: %q, want %q", pw, got, want)
		}
	}
	cheap, dear := identity.Cost{Memory: 64, Time: 1, Threads: 1}, identity.Cost{Memory: 128, Time: 1, Threads: 1}
	hash, err := identity.HashPassword("für \u00e4", cheap)
	if err != nil {
		t.Fatal(err)
	}
	if ok, stale := identity.CheckPassword("fu\u0308r a\u0308", hash, cheap); !ok || stale {
		t.Error("the same password typed on another keyboard is refused")
	}
	if ok, stale := identity.CheckPassword("für ä", hash, dear); !ok || !stale {
		t.Error("an old cost is not noticed")
	}
	rapid.Check(t, func(t *rapid.T) {
		if ok, _ := identity.CheckPassword("x", rapid.String().Draw(t, "stored"), cheap); ok {
			t.Fatal("garbage is a password")
		}
	})
}

// An old hash becomes a new one at the next sign-in.
func TestPasswordUpgrade(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	h := newHouse(t, w)
	ada := h.add(t, person("Ada", identity.RoleAdmin))
	h.signedIn(t, ada)
	dear := newHouse(t, w, func(o *identity.Options) { o.Cost = identity.Cost{Memory: 256, Time: 1, Threads: 1} })
	for range 2 {
		if _, err := dear.SignIn(h.ctx, ada.Email, goodPassword, identity.Client{}); err != nil {
			t.Fatal(err)
		}
	}
}
