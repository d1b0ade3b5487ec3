package identity

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/uptrace/bun"
	"golang.org/x/oauth2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// viaOIDC: the town's identity provider vouched for the person; secondOIDC: it
// says that it saw a second factor too.
const (
	viaOIDC    = "oidc"
	secondOIDC = "oidc"
)

const (
	purposeSSO = "identity.sign_in.sso"
	// ssoAge is how long the provider may keep somebody at its own pages.
	ssoAge = 15 * time.Minute
	// ssoPatience is how long one question to the provider may take. Somebody
	// waits in front of the screen, and the other doors are open.
	ssoPatience = 6 * time.Second
	// discoveryAge is after what time the provider is asked anew where its
	// pages are; keys that it rotates are fetched when one is unknown.
	discoveryAge = time.Hour
	maxSSOBody   = 1 << 20
)

// ssoAlgorithms are the signatures that count. "none" and HMAC never do: with
// the first nobody signs, with the second whoever knows the client's secret.
var ssoAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// Provider is the town's identity provider, as tuermer.yaml declares it.
type Provider struct {
	Name     string // on the button: "Musterstadt-Konto"
	Issuer   string
	ClientID string
	Secret   string
	// TrustMail takes mail addresses without the mark email_verified, for
	// providers that only know their own directory's (AD FS, Entra).
	TrustMail bool
	// SecondFactor: the provider always asks for a second factor itself. Else
	// its word amr counts for each sign-in.
	SecondFactor bool
	// NewDomains and NewRoles: whoever is unknown and has an address in one of
	// the domains becomes a person with these roles. None: unknown people are
	// refused.
	NewDomains []string
	NewRoles   []Role
}

// Faults of single sign-on.
var (
	// ErrProviderGone: the provider does not answer; the local doors are open.
	ErrProviderGone  = fault.New(fault.Unavailable, "identity.sso_gone")
	errSSO           = fault.New(fault.Invalid, "identity.sso_wrong")
	errSSOOver       = fault.New(fault.Invalid, "identity.sso_over")
	errSSOUnverified = fault.New(fault.Invalid, "identity.sso_unverified")
	errSSONone       = fault.New(fault.NotFound, "identity.sso_none")
)

// discovered is a provider that has told where its pages are.
type discovered struct {
	at       time.Time
	of       Provider
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
}

// ssoDesk keeps what was discovered, by town.
type ssoDesk struct {
	mu    sync.Mutex
	known map[ident.Tenant]*discovered
}

// bounded cuts answers that do not end.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, maxSSOBody), res.Body}
	return res, nil
}

func ssoClient(next http.RoundTripper) *http.Client {
	if next == nil {
		next = http.DefaultTransport
	}
	return &http.Client{Transport: bounded{next}, Timeout: ssoPatience}
}

// Provider is the town's identity provider; ok is false where there is none.
func (r *Room) Provider(ctx context.Context) (Provider, bool) {
	if r.o.Provider == nil || r.o.Vault == nil {
		return Provider{}, false
	}
	return r.o.Provider(ctx)
}

// discover asks the provider where its pages are. What it said within the last
// hour is used again, also while it does not answer.
func (r *Room) discover(ctx context.Context) (*discovered, error) {
	p, ok := r.Provider(ctx)
	if !ok {
		return nil, errSSONone
	}
	tenant, now := ident.TenantOf(ctx), r.o.Clock.Now()
	r.sso.mu.Lock()
	known := r.sso.known[tenant]
	r.sso.mu.Unlock()
	if known != nil && sameProvider(known.of, p) && now.Sub(known.at) < discoveryAge && !now.Before(known.at) {
		return known, nil
	}
	client := ssoClient(r.o.Transport)
	ask, cancel := context.WithTimeout(oidc.ClientContext(ctx, client), ssoPatience)
	defer cancel()
	provider, err := oidc.NewProvider(ask, p.Issuer)
	if err != nil {
		return nil, ErrProviderGone.With(err)
	}
	if ends := provider.Endpoint(); ends.AuthURL == "" || ends.TokenURL == "" {
		return nil, ErrProviderGone.With(errors.New("identity: the provider names no pages"))
	}
	d := &discovered{at: now, of: p, provider: provider, verifier: provider.VerifierContext(
		oidc.ClientContext(context.WithoutCancel(ctx), client),
		&oidc.Config{ClientID: p.ClientID, SupportedSigningAlgs: ssoAlgorithms, Now: r.o.Clock.Now},
	)}
	r.sso.mu.Lock()
	if r.sso.known == nil {
		r.sso.known = map[ident.Tenant]*discovered{}
	}
	r.sso.known[tenant] = d
	r.sso.mu.Unlock()
	return d, nil
}

func sameProvider(a, b Provider) bool {
	return a.Issuer == b.Issuer && a.ClientID == b.ClientID && a.Secret == b.Secret
}

// CheckProvider asks the provider once, for `tuermer check`.
func (r *Room) CheckProvider(ctx context.Context) error {
	_, err := r.discover(ctx)
	return err
}

func (d *discovered) client(t Tenant) *oauth2.Config {
	return &oauth2.Config{
		ClientID: d.of.ClientID, ClientSecret: d.of.Secret, Endpoint: d.provider.Endpoint(),
		RedirectURL: t.StaffURL + ssoBackPath, Scopes: []string{oidc.ScopeOpenID, "email", "profile"},
	}
}

// errand is what the browser carries, sealed, while its person is at the
// provider: only the browser that left may come back.
type errand struct {
	Tenant   ident.Tenant `json:"t"`
	State    string       `json:"s"`
	Nonce    string       `json:"n"`
	Verifier string       `json:"v"`
	Next     string       `json:"x"`
	Until    int64        `json:"u"`
}

// BeginSSO answers where to send the browser, and what it carries meanwhile.
func (r *Room) BeginSSO(ctx context.Context, next string, c Client) (to, sealed string, err error) {
	keys := map[string]pace{"sso " + place(c.Address): addressPace}
	if wait := r.limiter.take(r.o.Clock.Now(), keys); wait > 0 {
		return "", "", fault.New(fault.TooMany, "identity.too_many", int((wait+time.Minute-1)/time.Minute)).With(&LimitedError{wait})
	}
	d, err := r.discover(ctx)
	if err != nil {
		return "", "", err
	}
	t, err := r.Current(ctx)
	if err != nil {
		return "", "", err
	}
	e := errand{Tenant: t.ID, Next: next, Verifier: oauth2.GenerateVerifier(), Until: r.o.Clock.Now().Add(ssoAge).Unix()}
	var err1, err2 error
	e.State, err1 = secret()
	e.Nonce, err2 = secret()
	raw, err3 := json.Marshal(e)
	if err := errors.Join(err1, err2, err3); err != nil {
		return "", "", err
	}
	hidden, err := r.o.Vault.Seal(purposeSSO, raw)
	if err != nil {
		return "", "", fmt.Errorf("identity: sso: %w", err)
	}
	to = d.client(t).AuthCodeURL(e.State, oidc.Nonce(e.Nonce), oauth2.S256ChallengeOption(e.Verifier))
	return to, base64.RawURLEncoding.EncodeToString(hidden), nil
}

func (r *Room) openErrand(ctx context.Context, sealed string) (errand, error) {
	var e errand
	if r.o.Vault == nil || sealed == "" || len(sealed) > 8000 {
		return e, errSSOOver
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return e, errSSOOver.With(err)
	}
	text, err := r.o.Vault.Open(purposeSSO, raw)
	if err != nil {
		return e, errSSOOver.With(err)
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return e, errSSOOver.With(err)
	}
	if e.Tenant != ident.TenantOf(ctx) || r.o.Clock.Now().Unix() >= e.Until {
		return e, errSSOOver
	}
	return e, nil
}

// vouched is what the provider says of a person.
type vouched struct {
	Subject  string   `json:"sub"`
	Email    string   `json:"email"`
	Verified any      `json:"email_verified"` // some write "true"
	Name     string   `json:"name"`
	AMR      []string `json:"amr"`
	AZP      string   `json:"azp"`
}

// FinishSSO takes the provider's answer and begins a session. The person is
// found by the verified mail address and nothing else.
func (r *Room) FinishSSO(ctx context.Context, sealed, state, code string, c Client) (s Session, next string, err error) {
	e, err := r.openErrand(ctx, sealed)
	if err != nil {
		return s, "", err
	}
	if subtle.ConstantTimeCompare([]byte(state), []byte(e.State)) != 1 || code == "" || len(code) > 8000 {
		return s, "", errSSOOver
	}
	v, p, err := r.exchange(ctx, e, code)
	if err != nil {
		return s, "", err
	}
	mail, ok := Address(v.Email)
	if !ok || v.Verified != true && v.Verified != "true" && !p.TrustMail {
		r.o.Log.InfoContext(ctx, "single sign-on without a verified address", "subject", v.Subject)
		return s, "", errSSOUnverified
	}
	second := ""
	if p.SecondFactor || slices.ContainsFunc(v.AMR, func(how string) bool {
		return slices.Contains([]string{"mfa", "otp", "hwk", "swk", "fpt", "face", "sc"}, how)
	}) {
		second = secondOIDC
	}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		who, err := r.vouchedPerson(ctx, p, mail, v)
		if err != nil {
			return err
		}
		if second != "" {
			s, err = r.begin(ctx, db, who, viaOIDC, second, c)
		} else {
			s, err = r.enter(ctx, db, who, viaOIDC, c)
		}
		return err
	})
	return s, e.Next, err
}

// exchange turns the code into what the provider says, checked.
func (r *Room) exchange(ctx context.Context, e errand, code string) (vouched, Provider, error) {
	var v vouched
	d, err := r.discover(ctx)
	if err != nil {
		return v, Provider{}, err
	}
	t, err := r.Current(ctx)
	if err != nil {
		return v, d.of, err
	}
	ask, cancel := context.WithTimeout(oidc.ClientContext(ctx, ssoClient(r.o.Transport)), ssoPatience)
	defer cancel()
	token, err := d.client(t).Exchange(ask, code, oauth2.VerifierOption(e.Verifier))
	if err != nil {
		refused, ok := errors.AsType[*oauth2.RetrieveError](err)
		if ok && refused.Response != nil && refused.Response.StatusCode < 500 {
			return v, d.of, errSSO.With(err)
		}
		return v, d.of, ErrProviderGone.With(err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return v, d.of, errSSO.With(errors.New("identity: no id_token"))
	}
	verified, err := d.verifier.Verify(ask, raw)
	if err != nil {
		if ask.Err() != nil || strings.Contains(err.Error(), "fetching keys") {
			return v, d.of, ErrProviderGone.With(err)
		}
		return v, d.of, errSSO.With(err)
	}
	if subtle.ConstantTimeCompare([]byte(verified.Nonce), []byte(e.Nonce)) != 1 {
		return v, d.of, errSSO.With(errors.New("identity: another nonce"))
	}
	if err := verified.Claims(&v); err != nil {
		return v, d.of, errSSO.With(err)
	}
	if v.AZP != "" && v.AZP != d.of.ClientID || v.AZP == "" && len(verified.Audience) > 1 {
		return v, d.of, errSSO.With(errors.New("identity: issued to another client"))
	}
	return v, d.of, nil
}

// vouchedPerson is the person with that address. Unknown people are refused,
// unless the town declares that its own become people by themselves.
func (r *Room) vouchedPerson(ctx context.Context, p Provider, mail string, v vouched) (Person, error) {
	who, err := r.PersonByEmail(ctx, mail)
	unknown := fault.KindOf(err) == fault.NotFound
	if err != nil && !unknown {
		return who, err
	}
	if !unknown {
		if who.Blocked {
			return who, fault.New(fault.Invalid, "identity.sso_unknown", mail)
		}
		return who, nil
	}
	if !slices.Contains(p.NewDomains, domainOf(mail)) {
		return who, fault.New(fault.Invalid, "identity.sso_unknown", mail)
	}
	name := line(v.Name)
	if name == "" {
		name = mail
	}
	return r.savePerson(ident.WithActor(ctx, ident.System), Person{Name: cut(name, maxName), Email: mail, Roles: p.NewRoles}, false)
}
