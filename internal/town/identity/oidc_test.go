package identity_test

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/identity"
)

// idp is an identity provider over real HTTP. Whoever comes is signed in as
// claims say; bend changes what it issues.
type idp struct {
	t      *testing.T
	srv    *httptest.Server
	now    func() time.Time
	mu     sync.Mutex
	key    *rsa.PrivateKey
	kid    int
	alg    string
	claims map[string]any
	bend   func(claims map[string]any)
	down   string // "", "503", "hangs"
	codes  map[string]url.Values
	asked  []string
	hold   chan struct{}
}

const idpClient, idpSecret = "tuermer", "geheim & lang"

func newIDP(t *testing.T, now func() time.Time) *idp {
	p := &idp{t: t, now: now, alg: "RS256", codes: map[string]url.Values{}, hold: make(chan struct{})}
	p.rotate()
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", p.serve(func(w http.ResponseWriter, _ *http.Request) {
		p.answer(w, map[string]any{
			"issuer": p.srv.URL, "authorization_endpoint": p.srv.URL + "/authorize", "token_endpoint": p.srv.URL + "/token", "jwks_uri": p.srv.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
		})
	}))
	mux.HandleFunc("/keys", p.serve(func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		b := base64.RawURLEncoding.EncodeToString
		p.answer(w, map[string]any{"keys": []map[string]any{{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": fmt.Sprint(p.kid), "n": b(p.key.N.Bytes()), "e": b(big.NewInt(int64(p.key.E)).Bytes()),
		}}})
	}))
	mux.HandleFunc("/authorize", p.serve(p.authorize))
	mux.HandleFunc("/token", p.serve(p.token))
	p.srv = httptest.NewServer(mux)
	t.Cleanup(func() { close(p.hold); p.srv.Close() })
	return p
}

func (p *idp) rotate() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key, p.kid = key, p.kid+1
}

func (p *idp) serve(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		down := p.down
		p.asked = append(p.asked, r.URL.Path)
		p.mu.Unlock()
		switch down {
		case "503":
			http.Error(w, "maintenance", http.StatusServiceUnavailable)
		case "hangs":
			select {
			case <-p.hold:
			case <-r.Context().Done():
			}
		default:
			h(w, r)
		}
	}
}

func (p *idp) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func (p *idp) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		p.t.Error(err)
	}
}

func (p *idp) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("response_type") != "code" || q.Get("client_id") != idpClient || q.Get("code_challenge_method") != "S256" ||
		len(q.Get("code_challenge")) < 43 || q.Get("nonce") == "" || q.Get("state") == "" || !strings.Contains(q.Get("scope"), "openid") {
		p.t.Errorf("asked with %v", q)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	code := fmt.Sprintf("code-%d", len(p.codes))
	p.codes[code] = q
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
}

func (p *idp) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, secret, _ := r.BasicAuth()
	if s, err := url.QueryUnescape(secret); err == nil {
		secret = s
	}
	q, ok := p.codes[r.FormValue("code")]
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if !ok || q == nil || id != idpClient || secret != idpSecret || base64.RawURLEncoding.EncodeToString(sum[:]) != q.Get("code_challenge") {
		w.WriteHeader(http.StatusBadRequest)
		p.answer(w, map[string]string{"error": "invalid_grant"})
		return
	}
	p.codes[r.FormValue("code")] = nil
	claims := map[string]any{
		"iss": p.srv.URL, "aud": idpClient, "sub": "4711", "nonce": q.Get("nonce"), "iat": p.now().Unix(), "exp": p.now().Add(5 * time.Minute).Unix(),
	}
	maps.Copy(claims, p.claims)
	if p.bend != nil {
		p.bend(claims)
	}
	p.answer(w, map[string]any{"access_token": "x", "token_type": "Bearer", "expires_in": 300, "id_token": p.sign(claims)})
}

// sign makes a JWT (RFC 7519) by hand, so that it can be wrong in every way.
func (p *idp) sign(claims map[string]any) string {
	head, err1 := json.Marshal(map[string]any{"alg": p.alg, "kid": fmt.Sprint(p.kid), "typ": "JWT"})
	body, err2 := json.Marshal(claims)
	if err1 != nil || err2 != nil {
		p.t.Fatal(err1, err2)
	}
	b := base64.RawURLEncoding.EncodeToString
	text := b(head) + "." + b(body)
	switch p.alg {
	case "none":
		return text + "."
	case "HS256":
		m := hmac.New(sha256.New, []byte(idpSecret))
		m.Write([]byte(text))
		return text + "." + b(m.Sum(nil))
	}
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, sum[:])
	if err != nil {
		p.t.Fatal(err)
	}
	return text + "." + b(sig)
}

// sso is a town with a provider, and a browser at its pages.
func sso(t *testing.T, w *storetest.World, change ...func(*identity.Provider)) (*house, *idp, *browser) {
	t.Helper()
	declared := identity.Provider{Name: "Stadtkonto", ClientID: idpClient, Secret: idpSecret}
	h := newHouse(t, w, func(o *identity.Options) {
		o.Provider = func(context.Context) (identity.Provider, bool) { return declared, declared.Issuer != "" }
	})
	p := newIDP(t, func() time.Time { return h.now })
	declared.Issuer = p.srv.URL
	for _, c := range change {
		c(&declared)
	}
	b := h.site(t)
	town := town("t1")
	town.StaffURL = b.base
	if err := h.SaveTenant(h.ctx, town); err != nil {
		t.Fatal(err)
	}
	return h, p, b
}

func verified(mail string) map[string]any {
	return map[string]any{"email": mail, "email_verified": true, "name": "Neu Hier"}
}

func TestSingleSignOn(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		h, p, b := sso(t, w)
		ada := h.add(t, person("Ada", identity.RoleAdmin))
		p.claims = verified("ADA@t1.example")
		_, doc := b.get("/anmelden?next=/identity/tokens")
		link := doc.Find("a.kern-btn--primary").AttrOr("href", "")
		if !strings.Contains(doc.Text(), "Anmelden mit Stadtkonto") || !strings.HasPrefix(link, "/anmelden/sso?") || doc.Find("input[name=password]").Length() != 1 {
			t.Fatalf("%s: %s", link, doc.Find("main").Text())
		}
		if code, doc := b.get(link); code != 200 || doc.Url.Path != "/identity/tokens" {
			t.Fatalf("%d at %s: %s", code, doc.Url, doc.Find("main").Text())
		}
		list, err := h.Sessions(h.as(ada), ada.ID)
		if err != nil || len(list) != 1 || list[0].Via != "oidc" || list[0].Second != "" {
			t.Fatalf("%+v %v", list, err)
		}
		in := func(who *browser) (int, string) {
			code, doc := who.get("/anmelden/sso")
			return code, doc.Url.Path + ": " + strings.Join(strings.Fields(doc.Find("main").Text()), " ")
		}
		fresh := func() *browser { return newBrowser(t, b.base) }
		// Keys change while we run.
		p.rotate()
		if code, text := in(fresh()); code != 200 || !strings.HasPrefix(text, "/: ") {
			t.Errorf("after new keys: %d %s", code, text)
		}
		// What is not right does not count.
		for why, bend := range map[string]func(map[string]any){
			"another nonce":    func(c map[string]any) { c["nonce"] = "x" },
			"no nonce":         func(c map[string]any) { delete(c, "nonce") },
			"another audience": func(c map[string]any) { c["aud"] = "other" },
			"also for others":  func(c map[string]any) { c["aud"] = []string{idpClient, "other"} },
			"issued to others": func(c map[string]any) { c["aud"] = []string{idpClient, "other"}; c["azp"] = "other" },
			"another issuer":   func(c map[string]any) { c["iss"] = "https://evil.example" },
			"expired":          func(c map[string]any) { c["exp"] = h.now.Add(-time.Second).Unix() },
			"not yet":          func(c map[string]any) { c["nbf"] = h.now.Add(time.Hour).Unix() },
			"unverified mail":  func(c map[string]any) { c["email_verified"] = false },
			"no word on mail":  func(c map[string]any) { delete(c, "email_verified") },
			"no mail":          func(c map[string]any) { delete(c, "email") },
			"unknown":          func(c map[string]any) { c["email"] = "eve@t1.example" },
			"no address":       func(c map[string]any) { c["email"] = "ada@t1.example, eve@t1.example" },
		} {
			p.set(func() { p.bend = bend })
			code, text := in(fresh())
			if code != 422 || !strings.HasPrefix(text, "/anmelden/sso/zurueck: ") || !strings.Contains(text, "Passwort") {
				t.Errorf("%s: %d %s", why, code, text)
			}
		}
		p.set(func() { p.bend = nil })
		for _, alg := range []string{"none", "HS256"} {
			p.set(func() { p.alg = alg })
			if code, text := in(fresh()); code != 422 {
				t.Errorf("signed with %s: %d %s", alg, code, text)
			}
		}
		p.set(func() { p.alg = "RS256" })
		// Only the browser that left comes back, and once.
		var back string
		leaver := fresh()
		leaver.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
			if req.URL.Path == "/anmelden/sso/zurueck" {
				back = req.URL.RequestURI()
				return http.ErrUseLastResponse
			}
			return nil
		}
		leaver.get("/anmelden/sso")
		if code, _ := fresh().get(back); code != 422 {
			t.Errorf("another browser comes back: %d", code)
		}
		if code, _ := leaver.get(strings.Replace(back, "state=", "state=x", 1)); code != 422 {
			t.Errorf("another state: %d", code)
		}
		leaver.CheckRedirect = nil
		if code, _ := leaver.get(back); code != 422 {
			t.Errorf("a second try on one errand: %d", code)
		}
		if code, doc := fresh().get("/anmelden/sso/zurueck?error=access_denied&error_description=%3Cb%3Ex"); code != 422 || strings.Contains(doc.Text(), "<b>") {
			t.Errorf("denied: %d", code)
		}
		// A second factor of ours, unless the provider saw one.
		s, token, _ := h.signedIn(t, ada)
		s.Token = token
		h.enrol(t, ada, s)
		if _, text := in(fresh()); !strings.HasPrefix(text, "/anmelden/zweiter-faktor") {
			t.Errorf("without our factor: %s", text)
		}
		p.set(func() { p.claims["amr"] = []string{"pwd", "mfa"} })
		if _, text := in(fresh()); !strings.HasPrefix(text, "/: ") {
			t.Errorf("with theirs: %s", text)
		}
		// Blocked here is blocked.
		h.add(t, person("Boss", identity.RoleAdmin))
		ada.Blocked = true
		if _, err := h.SavePerson(h.admin(), ada); err != nil {
			t.Fatal(err)
		}
		if code, text := in(fresh()); code != 422 || !strings.Contains(text, "keine Person") {
			t.Errorf("blocked: %d %s", code, text)
		}
		if err := h.audit.Verify(h.ctx); err != nil {
			t.Error(err)
		}
	})
}

// The provider is gone in every way that there is: the local doors are open and
// say so, and nobody waits for long.
func TestSingleSignOnGone(t *testing.T) {
	h, p, b := sso(t, storetest.SQLite(t, rooms...))
	ada := h.add(t, person("Ada", identity.RoleAdmin))
	h.signedIn(t, ada)
	p.claims = verified(ada.Email)
	gone := func(why string) {
		t.Helper()
		who := newBrowser(t, b.base)
		began := time.Now()
		code, doc := who.get("/anmelden/sso?next=/identity/tokens")
		if code != 503 || !strings.Contains(doc.Text(), "Die zentrale Anmeldung antwortet gerade nicht") || time.Since(began) > 10*time.Second {
			t.Errorf("%s: %d after %s: %s", why, code, time.Since(began), doc.Find("main").Text())
		}
		form := doc.Find("form").First()
		if form.Find("input[name=next]").AttrOr("value", "") != "/identity/tokens" {
			t.Errorf("%s: where one wanted to go is lost", why)
		}
		who.signIn(ada.Email)
	}
	for _, how := range []string{"503", "hangs"} {
		p.set(func() { p.down = how })
		gone(how)
	}
	p.set(func() { p.down = "" })
	if code, _ := newBrowser(t, b.base).get("/anmelden/sso"); code != 200 {
		t.Errorf("back again: %d", code)
	}
	// It goes away while somebody is there, and for good.
	leaver := newBrowser(t, b.base)
	leaver.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if req.URL.Path == "/anmelden/sso/zurueck" {
			p.set(func() { p.down = "503" })
		}
		return nil
	}
	if code, doc := leaver.get("/anmelden/sso"); code != 503 || !strings.Contains(doc.Text(), "antwortet gerade nicht") {
		t.Errorf("gone in between: %d", code)
	}
	h.now = h.now.Add(2 * time.Hour)
	p.srv.CloseClientConnections()
	gone("for two hours")
}

// New people come in only where the town says so, and only with its roles.
func TestSingleSignOnNewPeople(t *testing.T) {
	h, p, b := sso(t, storetest.SQLite(t, rooms...), func(p *identity.Provider) {
		p.NewDomains, p.NewRoles, p.TrustMail, p.SecondFactor = []string{"t1.example"}, []identity.Role{identity.RoleReader}, true, true
	})
	h.add(t, person("Boss", identity.RoleAdmin))
	p.claims = map[string]any{"email": "neu@t1.example", "name": "Neu\nHier"}
	if code, doc := b.get("/anmelden/sso"); code != 200 || doc.Url.Path != "/" {
		t.Fatalf("%d %s", code, doc.Find("main").Text())
	}
	neu, err := h.PersonByEmail(h.ctx, "neu@t1.example")
	if err != nil || neu.Name != "Neu Hier" || len(neu.Roles) != 1 || neu.Roles[0] != identity.RoleReader {
		t.Errorf("%+v %v", neu, err)
	}
	p.set(func() { p.claims["email"] = "neu@t1.example.evil.example" })
	if code, _ := newBrowser(t, b.base).get("/anmelden/sso"); code != 422 {
		t.Errorf("another domain: %d", code)
	}
}

// FuzzErrand: whatever stands in the cookie or in the address ends in words.
func FuzzErrand(f *testing.F) {
	h := newHouse(f, storetest.SQLite(f, rooms...), func(o *identity.Options) {
		o.Provider = func(context.Context) (identity.Provider, bool) {
			return identity.Provider{Issuer: "http://127.0.0.1:1", ClientID: "x"}, true
		}
	})
	f.Add("", "", "")
	f.Add("AQIDBA", "state", "code")
	f.Fuzz(func(t *testing.T, sealed, state, code string) {
		s, _, err := h.FinishSSO(h.ctx, sealed, state, code, identity.Client{})
		if fault.KindOf(err) != fault.Invalid || s.Token != "" {
			t.Fatalf("%+v %v", s, err)
		}
	})
}
