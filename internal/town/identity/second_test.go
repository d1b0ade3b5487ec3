package identity_test

import (
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"pgregory.net/rapid"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/identity"
)

// The vectors of RFC 6238, appendix B, cut to six digits.
func TestTOTPVectors(t *testing.T) {
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := identity.TOTPAt([]byte("12345678901234567890"), identity.StepOf(time.Unix(at, 0))); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
}

// However phone and server disagree and whatever is typed again: a code is
// taken only within one step of the server's time, and no step twice.
func TestTOTPEachStepOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "secret")
		now, last := start, int64(-1)
		taken := map[int64]bool{}
		for range rapid.IntRange(1, 40).Draw(t, "tries") {
			now = now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "pause")) * time.Second)
			off := rapid.Int64Range(-3, 3).Draw(t, "phone is off by")
			typed := identity.StepOf(now) + off
			step, ok := identity.MatchTOTP(secret, identity.TOTPAt(secret, typed), now, last)
			if !ok {
				if off >= -1 && off <= 1 && typed > last && !sameCodeNear(secret, typed, identity.StepOf(now)) {
					t.Fatalf("step %d refused at %d, last %d", typed, identity.StepOf(now), last)
				}
				continue
			}
			if d := step - identity.StepOf(now); d < -1 || d > 1 || step <= last || taken[step] {
				t.Fatalf("step %d taken at %d, last %d", step, identity.StepOf(now), last)
			}
			taken[step], last = true, step
		}
	})
}

// sameCodeNear: one in a million steps has the code of another one beside it.
func sameCodeNear(secret []byte, typed, now int64) bool {
	for s := now - 1; s <= now+1; s++ {
		if s != typed && identity.TOTPAt(secret, s) == identity.TOTPAt(secret, typed) {
			return true
		}
	}
	return false
}

func FuzzNormalCode(f *testing.F) {
	for _, s := range []string{"123 456", "abcde-fghjk", "OIL01", "１２３", "\x00", "\xff", strings.Repeat("1", 500)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := identity.NormalCode(s)
		if strings.Trim(got, "?0123456789abcdefghjkmnpqrstvwxyz") != "" {
			t.Errorf("%q becomes %q", s, got)
		}
		if again := identity.NormalCode(got); again != got {
			t.Errorf("%q, then %q", got, again)
		}
	})
}

// phone is an authenticator app.
type phone struct{ secret []byte }

func newPhone(t testing.TB, key string) phone {
	t.Helper()
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(key, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return phone{secret}
}

func (p phone) code(at time.Time) string { return identity.TOTPAt(p.secret, identity.StepOf(at)) }

// enrol sets an app up for the person of the session.
func (h *house) enrol(t testing.TB, p identity.Person, s identity.Session) (phone, []string) {
	t.Helper()
	e, err := h.NewTOTP(h.as(p), s)
	if err != nil {
		t.Fatal(err)
	}
	app := newPhone(t, e.Key)
	codes, err := h.ConfirmTOTP(h.as(p), s, e.Sealed, app.code(h.now), "")
	if err != nil {
		t.Fatal(err)
	}
	return app, codes
}

func (h *house) subjects() string {
	var out []string
	for _, l := range h.letters {
		out = append(out, l.To+": "+l.Subject)
	}
	return strings.Join(out, "\n")
}

func TestSecondFactor(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada := h.add(t, person("Ada", identity.RoleAdmin))
		s, token, apiToken := h.signedIn(t, ada)
		home := identity.Client{Address: "203.0.113.9", Agent: "Phone"}
		other, err := h.SignIn(h.ctx, ada.Email, goodPassword, home)
		if err != nil || other.Token == "" {
			t.Fatal(err)
		}
		s.Token = token
		// A wrong first code stores nothing; the sealed key is another person's nothing.
		e, err := h.NewTOTP(h.as(ada), s)
		if err != nil {
			t.Fatal(err)
		}
		app := newPhone(t, e.Key)
		if !strings.HasPrefix(e.URL, "otpauth://totp/T%C3%BCrmer%20Stadt%20t1:ada@t1.example?") || !strings.Contains(e.URL, "secret="+strings.ReplaceAll(e.Key, " ", "")) {
			t.Errorf("QR: %s", e.URL)
		}
		if _, err := h.ConfirmTOTP(h.as(ada), s, e.Sealed, app.code(h.now.Add(-time.Hour)), ""); fault.KindOf(err) != fault.Invalid {
			t.Errorf("wrong first code: %v", err)
		}
		bert := h.add(t, person("Bert", identity.RoleAdmin))
		if _, err := h.ConfirmTOTP(h.as(bert), identity.Session{Person: bert.ID}, e.Sealed, app.code(h.now), ""); fault.As(err).Key != "identity.enrol_over" {
			t.Errorf("another person's key: %v", err)
		}
		if _, err := h.NewTOTP(ident.WithActor(h.ctx, ident.Actor{Kind: ident.KindToken, Person: string(ada.ID)}), s); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("a script sets up a factor: %v", err)
		}
		codes, err := h.ConfirmTOTP(h.as(ada), s, e.Sealed, app.code(h.now), "")
		if err != nil || len(codes) != identity.RecoveryCodes {
			t.Fatalf("%v %v", codes, err)
		}
		if ada, err = h.Person(h.ctx, ada.ID); err != nil || ada.SecondAt.IsZero() {
			t.Fatalf("%+v %v", ada, err)
		}
		if !strings.Contains(h.subjects(), "ada@posteo.example: Türmer Stadt t1: Zweiter Faktor eingerichtet") {
			t.Errorf("not told:\n%s", h.subjects())
		}
		// The session at hand has shown it, the other one ended, the script goes on.
		_, now, err := h.BySession(h.ctx, token)
		if err != nil || now.Second != "totp" {
			t.Errorf("%+v %v", now, err)
		}
		if _, _, err := h.BySession(h.ctx, other.Token); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("a session without the factor lives: %v", err)
		}
		if _, _, err := h.ByToken(h.ctx, apiToken); err != nil {
			t.Errorf("the script: %v", err)
		}

		// Neither password nor link alone opens anything now.
		pending := func() string {
			t.Helper()
			s, err := h.SignIn(h.ctx, ada.Email, goodPassword, home)
			if err != nil || s.Token != "" || s.Pending == "" {
				t.Fatalf("%+v %v", s, err)
			}
			return s.Pending
		}
		link, err := h.SignInLink(h.ctx, ada.ID, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		byLink, err := h.UseLink(h.ctx, last(link), home)
		if err != nil || byLink.Token != "" || byLink.Pending == "" {
			t.Fatalf("%+v %v", byLink, err)
		}
		if _, _, err := h.BySession(h.ctx, byLink.Pending); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("what is pending opens the door: %v", err)
		}
		// The code of the enrolment was used; the next ones count once.
		if _, err := h.SignInSecond(h.ctx, pending(), app.code(h.now), home); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a code of the enrolment again: %v", err)
		}
		h.now = h.now.Add(30 * time.Second)
		in, err := h.SignInSecond(h.ctx, pending(), " "+app.code(h.now)[:3]+" "+app.code(h.now)[3:], home)
		if err != nil || in.Second != "totp" || in.Via != "password" || in.Token == "" {
			t.Fatalf("%+v %v", in, err)
		}
		if _, err := h.SignInSecond(h.ctx, pending(), app.code(h.now), home); fault.KindOf(err) != fault.Invalid {
			t.Errorf("replayed: %v", err)
		}
		h.now = h.now.Add(90 * time.Second)
		if _, err := h.SignInSecond(h.ctx, pending(), app.code(h.now.Add(-time.Minute)), home); fault.KindOf(err) != fault.Invalid {
			t.Errorf("two steps late: %v", err)
		}
		if in, err = h.SignInSecond(h.ctx, pending(), app.code(h.now.Add(-30*time.Second)), home); err != nil {
			t.Errorf("one step late: %v", err)
		}
		if in, err = h.SignInSecond(h.ctx, byLink.Pending, app.code(h.now), home); err != nil || in.Via != "link" {
			t.Errorf("by link: %+v %v", in, err)
		}
		// The phone lies at home: a recovery code, however it is typed, once.
		h.letters = nil
		typed := strings.ToUpper(strings.ReplaceAll(codes[3], "-", " "))
		if in, err = h.SignInSecond(h.ctx, pending(), strings.NewReplacer("0", "O", "1", "I").Replace(typed), home); err != nil || in.Second != "recovery" {
			t.Fatalf("%+v %v", in, err)
		}
		if _, err := h.SignInSecond(h.ctx, pending(), codes[3], home); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a recovery code twice: %v", err)
		}
		if got := h.subjects(); !strings.Contains(got, "ada@posteo.example: Türmer Stadt t1: Ein Notfallcode wurde benutzt") || !strings.Contains(h.letters[0].Body, "noch 9 übrig") {
			t.Errorf("%s\n%s", got, h.letters[0].Body)
		}
		// Ten minutes after the password it is asked for again.
		old := pending()
		h.now = h.now.Add(10 * time.Minute)
		if _, err := h.SignInSecond(h.ctx, old, app.code(h.now), home); fault.As(err).Key != "identity.second_over" {
			t.Errorf("late: %v", err)
		}
		// Nothing of it lies openly in the database.
		var stored []string
		for _, column := range []string{"SELECT hex(secret) FROM identity_totp", "SELECT hash FROM identity_recovery"} {
			if h.w.Store.Postgres() {
				column = strings.Replace(column, "hex(secret)", "encode(secret, 'hex')", 1)
			}
			var got []string
			if err := h.w.Store.Read(ident.AcrossTenants(h.ctx)).NewRaw(column+" WHERE tenant_id = 't1'").Scan(h.ctx, &got); err != nil {
				t.Fatal(err)
			}
			stored = append(stored, got...)
		}
		all := strings.ToLower(strings.Join(stored, " "))
		if strings.Contains(all, hex.EncodeToString(app.secret)) || strings.Contains(all, identity.NormalCode(codes[0])) || len(stored) != 11 {
			t.Errorf("%d stored, or openly: %s", len(stored), all)
		}
		if err := h.audit.Verify(h.ctx); err != nil {
			t.Error(err)
		}
	})
}

// Of many who come together with one code one gets in.
func TestSecondFactorRace(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada := h.add(t, person("Ada", identity.RoleAdmin))
		s, token, _ := h.signedIn(t, ada)
		s.Token = token
		app, codes := h.enrol(t, ada, s)
		h.now = h.now.Add(time.Minute)
		for _, code := range []string{app.code(h.now), codes[0]} {
			var wg sync.WaitGroup
			var mu sync.Mutex
			in := 0
			for i := range 8 {
				// Each from elsewhere, so that the pace does not decide.
				c := identity.Client{Address: fmt.Sprintf("203.0.113.%d", i)}
				p, err := h.SignIn(h.ctx, ada.Email, goodPassword, c)
				if err != nil {
					t.Fatal(err)
				}
				wg.Go(func() {
					if s, err := h.SignInSecond(h.ctx, p.Pending, code, c); err == nil && s.Token != "" {
						mu.Lock()
						in++
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			if in != 1 {
				t.Errorf("%d got in with one code", in)
			}
		}
	})
}

// Guessing is slow, is told to its victim, and never closes the account.
func TestSecondFactorPace(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada := h.add(t, person("Ada", identity.RoleAdmin))
		s, token, _ := h.signedIn(t, ada)
		s.Token = token
		app, _ := h.enrol(t, ada, s)
		thief := identity.Client{Address: "198.51.100.7"}
		h.now = h.now.Add(time.Minute)
		h.letters = nil
		tries := 0
		for range 40 {
			p, err := h.SignIn(h.ctx, ada.Email, goodPassword, thief)
			if err != nil {
				t.Fatal(err)
			}
			_, err = h.SignInSecond(h.ctx, p.Pending, "000000", thief)
			if fault.KindOf(err) == fault.Invalid {
				tries++
			} else if fault.KindOf(err) != fault.TooMany {
				t.Fatal(err)
			}
		}
		if tries > identity.PairBurst {
			t.Errorf("%d tries at once", tries)
		}
		if got := h.subjects(); strings.Count(got, "Jemand kennt Ihr Passwort") != 2 {
			t.Errorf("told:\n%s", got)
		}
		home := identity.Client{Address: "203.0.113.9"}
		p, err := h.SignIn(h.ctx, ada.Email, goodPassword, home)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.SignInSecond(h.ctx, p.Pending, app.code(h.now), home); err != nil {
			t.Errorf("the owner at home is kept out: %v", err)
		}
	})
}

// Whoever sits at a browser that stands open changes no factor without a code.
func TestSecondFactorChange(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada := h.add(t, person("Ada", identity.RoleAdmin))
		h.add(t, person("Bert", identity.RoleAdmin))
		s, token, _ := h.signedIn(t, ada)
		s.Token = token
		app, codes := h.enrol(t, ada, s)
		_, s, err := h.BySession(h.ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		s.Token = token
		h.now = h.now.Add(time.Hour)
		if err := h.RemoveTOTP(h.as(ada), s, ""); fault.As(err).Fields["proof"] == "" {
			t.Errorf("removed without proof: %v", err)
		}
		if _, err := h.NewCodes(h.as(ada), s, "123456"); fault.As(err).Fields["proof"] == "" {
			t.Errorf("codes without proof: %v", err)
		}
		next, err := h.NewCodes(h.as(ada), s, codes[0])
		if err != nil || len(next) != identity.RecoveryCodes {
			t.Fatal(err)
		}
		if err := h.RemoveTOTP(h.as(ada), s, codes[1]); fault.As(err).Fields["proof"] == "" {
			t.Errorf("an old recovery code counts: %v", err)
		}
		// Another phone takes the place of the first.
		e, err := h.NewTOTP(h.as(ada), s)
		if err != nil {
			t.Fatal(err)
		}
		second := newPhone(t, e.Key)
		if got, err := h.ConfirmTOTP(h.as(ada), s, e.Sealed, second.code(h.now), app.code(h.now)); err != nil || got != nil {
			t.Fatalf("%v %v", got, err)
		}
		h.now = h.now.Add(time.Minute)
		if err := h.RemoveTOTP(h.as(ada), s, app.code(h.now)); err == nil {
			t.Error("the first phone still counts")
		}
		if err := h.RemoveTOTP(h.as(ada), s, second.code(h.now)); err != nil {
			t.Fatal(err)
		}
		if two, err := h.SecondOf(h.as(ada), ada.ID); err != nil || two.Codes != 0 || !two.TOTPSince.IsZero() {
			t.Errorf("left over: %+v %v", two, err)
		}
		if in, err := h.SignIn(h.ctx, ada.Email, goodPassword, identity.Client{}); err != nil || in.Token == "" {
			t.Errorf("%+v %v", in, err)
		}
	})
}

func TestSecondFactorReset(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada, bert := h.add(t, person("Ada", identity.RoleAdmin)), h.add(t, person("Bert", identity.RoleAdmin))
		eve := h.add(t, person("Eve", identity.RoleApprover))
		s, token, _ := h.signedIn(t, ada)
		s.Token = token
		h.enrol(t, ada, s)
		for who, ctx := range map[string]identity.Person{"herself": ada, "an approver": eve} {
			if err := h.ResetSecond(h.as(ctx), ada.ID); err == nil {
				t.Errorf("%s resets", who)
			}
		}
		if _, err := h.SecondOf(h.as(eve), ada.ID); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("an approver looks: %v", err)
		}
		h.letters = nil
		if err := h.ResetSecond(h.as(bert), ada.ID); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"ada@t1.example: Türmer Stadt t1: Ihr zweiter Faktor", "ada@posteo.example: Türmer Stadt t1: Ihr zweiter Faktor",
			"bert@t1.example: Türmer Stadt t1: Sie haben einen zweiten Faktor zurückgesetzt",
		} {
			if !strings.Contains(h.subjects(), want) {
				t.Errorf("nobody told %q:\n%s", want, h.subjects())
			}
		}
		if _, _, err := h.BySession(h.ctx, token); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("the lost phone is still in: %v", err)
		}
		if in, err := h.SignIn(h.ctx, ada.Email, goodPassword, identity.Client{}); err != nil || in.Token == "" {
			t.Errorf("%+v %v", in, err)
		}
		if err := h.ResetSecond(h.as(bert), ada.ID); fault.KindOf(err) != fault.Conflict {
			t.Errorf("twice: %v", err)
		}
	})
}

// Whatever rule and whatever person: roles rest only when the rule names one of
// them, the whole time has passed since rule and person began, and no factor is
// there. Nobody loses a role that the rule does not name.
func TestSecondPolicyJudge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		roles := rapid.SliceOfDistinct(rapid.SampledFrom(identity.Roles()), func(r identity.Role) identity.Role { return r })
		day := func(name string) time.Time { return start.AddDate(0, 0, rapid.IntRange(-200, 0).Draw(t, name)) }
		rule := identity.SecondPolicy{Roles: roles.Draw(t, "rule"), GraceDays: rapid.IntRange(0, 90).Draw(t, "grace"), Since: day("since")}
		p := identity.Person{Roles: roles.Draw(t, "roles"), CreatedAt: day("created")}
		if rapid.Bool().Draw(t, "has one") {
			p.SecondAt = start
		}
		state, due := rule.Judge(p, start)
		named := len(rule.Roles) > 0 && p.Has(rule.Roles...)
		longAgo := !start.Before(rule.Since.AddDate(0, 0, rule.GraceDays)) && !start.Before(p.CreatedAt.AddDate(0, 0, rule.GraceDays))
		want := identity.SecondFine
		if named && p.SecondAt.IsZero() {
			if want = identity.SecondDue; longAgo {
				want = identity.SecondResting
			}
		}
		if state != want || (state == identity.SecondFine) != due.IsZero() {
			t.Fatalf("%s until %s, want %s", state, due, want)
		}
	})
}

// The pages: the rule, the band, the enrolment, the sign-in, the lost phone.
func TestSecondFactorPages(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t, rooms...))
	ada, bert := h.add(t, person("Ada", identity.RoleAdmin, identity.RoleReader)), h.add(t, person("Bert", identity.RoleAdmin))
	_, _, script := h.signedIn(t, ada)
	h.signedIn(t, bert)
	b := h.site(t)
	b.signIn(ada.Email)
	if code, doc, _ := b.post("/identity/sign-in", "roles", "admin", "grace", "91"); code != 422 || !strings.Contains(doc.Text(), "0 bis 90 Tage") {
		t.Errorf("%d", code)
	}
	if code, doc, _ := b.post("/identity/sign-in", "roles", "admin", "roles", "approver", "grace", "7"); code != 200 || doc.Find("table tbody tr").Length() != 2 {
		t.Errorf("%d %s", code, doc.Find("main").Text())
	}
	h.now = h.now.AddDate(0, 0, 6)
	b.signIn(ada.Email)
	if _, doc := b.get("/identity/profile/second-factor"); !strings.Contains(doc.Text(), "Zweiter Faktor fehlt noch") {
		t.Error(doc.Find("main").Text())
	}
	if code, _ := b.get("/identity/people/new"); code != 200 {
		t.Errorf("within the time: %d", code)
	}
	h.now = h.now.AddDate(0, 0, 1)
	b.signIn(ada.Email)
	if code, _ := b.get("/identity/people/new"); code != 403 {
		t.Errorf("after the time: %d", code)
	}
	if code, _, _ := b.post("/identity/tokens", "name", "x", "limit", "all"); code != 403 {
		t.Errorf("a token for resting roles: %d", code)
	}
	if _, doc := b.get("/identity/profile/second-factor"); !strings.Contains(doc.Text(), "Ihre Rollen ruhen") {
		t.Error(doc.Find("main").Text())
	}
	s := newBrowser(t, b.base)
	s.token = script
	if code, _ := s.json("GET", "/api/v1/sign-in-rule", ""); code != 200 {
		t.Errorf("the script has stopped: %d", code)
	}

	_, doc := b.get("/identity/profile/second-factor/app")
	app := newPhone(t, doc.Find("#app-key").Text())
	sealed := doc.Find("input[name=sealed]").AttrOr("value", "")
	if doc.Find("svg.tm-qr path").AttrOr("d", "") == "" || sealed == "" {
		t.Fatal("no QR code")
	}
	code, doc, _ := b.post("/identity/profile/second-factor/app", "sealed", sealed, "code", "000000")
	if code != 422 || !strings.Contains(doc.Find(".kern-error").Text(), "stimmt nicht") || doc.Find("#app-key").Text() == "" {
		t.Errorf("wrong code: %d", code)
	}
	code, doc, head := b.post("/identity/profile/second-factor/app", "sealed", sealed, "code", app.code(h.now))
	var codes []string
	doc.Find(".tm-checks li").Each(func(_ int, s *goquery.Selection) { codes = append(codes, s.Text()) })
	if code != 200 || len(codes) != 10 || head.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v %q", code, codes, head.Get("Cache-Control"))
	}
	if code, _ := b.get("/identity/people/new"); code != 200 {
		t.Errorf("the role is not back: %d", code)
	}
	// Sign in again: password, then code, then where one wanted to go.
	c := newBrowser(t, b.base)
	if _, doc := c.get("/anmelden/zweiter-faktor"); doc.Url.Path != "/anmelden" {
		t.Errorf("a stranger is at %s", doc.Url)
	}
	_, doc, _ = c.post("/anmelden", "email", ada.Email, "password", goodPassword, "next", "/identity/tokens")
	if doc.Url.Path != "/anmelden/zweiter-faktor" || !strings.Contains(doc.Text(), "Ada Beispiel") {
		t.Fatalf("%s", doc.Url)
	}
	if _, doc := c.get("/"); doc.Url.Path != "/anmelden" {
		t.Error("in with the password alone")
	}
	code, doc, _ = c.post("/anmelden/zweiter-faktor", "code", "12", "next", "/identity/tokens")
	if code != 422 || doc.Find("input[name=next]").AttrOr("value", "") != "/identity/tokens" {
		t.Errorf("%d", code)
	}
	if _, doc, _ = c.post("/anmelden/zweiter-faktor", "code", codes[0], "next", "/identity/tokens"); doc.Url.Path != "/identity/tokens" {
		t.Errorf("%s: %s", doc.Url, doc.Find("main").Text())
	}
	if _, doc := c.get("/identity/profile/second-factor"); !strings.Contains(doc.Text(), "noch 9 Notfallcodes") {
		t.Error(doc.Find("main").Text())
	}
	// Over API and page: state without secrets, and the reset by somebody else.
	code, body := s.json("GET", "/api/v1/people/"+string(ada.ID)+"/second-factor", "")
	if code != 200 || body["recovery_codes_left"] != 9.0 || body["state"] != "fine" || len(body) != 4 {
		t.Errorf("%d %v", code, body)
	}
	if code, _ := s.json("DELETE", "/api/v1/people/"+string(ada.ID)+"/second-factor", ""); code != 409 {
		t.Errorf("a script resets its own person: %d", code)
	}
	if _, doc := c.get("/identity/people/" + string(ada.ID)); strings.Contains(doc.Text(), "Nur wenn Ada") {
		t.Error("the button for oneself")
	}
	h.now = h.now.Add(time.Minute)
	d := newBrowser(t, b.base)
	d.signIn(bert.Email)
	if code, _, _ := d.post("/identity/people/" + string(ada.ID) + "/second-factor/reset"); code != 403 {
		t.Errorf("with a resting role: %d", code)
	}
	if err := h.SaveSecondPolicy(h.ctx, nil, 7); err != nil {
		t.Fatal(err)
	}
	if code, doc, _ := d.post("/identity/people/" + string(ada.ID) + "/second-factor/reset"); code != 200 || !strings.Contains(doc.Text(), "Beide wissen davon") {
		t.Errorf("%d %s", code, doc.Find("main").Text())
	}
}
