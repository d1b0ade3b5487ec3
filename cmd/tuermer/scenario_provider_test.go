package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// provider is a town's identity provider (OpenID Connect Core 1.0), inside the
// scenario's network: it signs in whoever was named last.
type provider struct {
	issuer string
	net    *memnet
	srv    *http.Server
	key    *rsa.PrivateKey
	now    func() time.Time

	mu    sync.Mutex
	mail  string
	codes map[string]url.Values
}

// provider: Anmeldedienst läuft | fällt aus | kennt ada@…. The town's identity
// provider, where tuermer.yaml names one.
func (s *stage) provider(args []string) error {
	issuer := s.config.SignIn.OIDC.Issuer
	if issuer == "" {
		return errors.New("in tuermer.yaml steht kein Anmeldedienst")
	}
	if s.idp == nil {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return err
		}
		s.idp = &provider{issuer: issuer, net: s.net, key: key, codes: map[string]url.Values{}, now: func() time.Time {
			return time.Now().Add(time.Duration(s.skew.Load()))
		}}
	}
	switch args[0] {
	case "läuft":
		return s.idp.up()
	case "fällt":
		s.idp.down()
		return nil
	case "kennt":
		if len(args) != 2 {
			return errors.New("erwartet wird: kennt ada@…")
		}
		s.idp.mu.Lock()
		defer s.idp.mu.Unlock()
		s.idp.mail = args[1]
		return nil
	}
	return fmt.Errorf("„%s“: erwartet wird läuft, fällt aus oder kennt", args[0])
}

func (p *provider) up() error {
	if p.srv != nil {
		return nil
	}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v) // who has left needs no answer
	}
	b64 := base64.RawURLEncoding.EncodeToString
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": p.issuer, "authorization_endpoint": p.issuer + "/authorize", "token_endpoint": p.issuer + "/token", "jwks_uri": p.issuer + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"keys": []map[string]any{{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "n": b64(p.key.N.Bytes()), "e": b64(big.NewInt(int64(p.key.E)).Bytes()),
		}}})
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		p.mu.Lock()
		code := fmt.Sprintf("code-%d", len(p.codes))
		p.codes[code] = q
		p.mu.Unlock()
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		q, mail := p.codes[r.FormValue("code")], p.mail
		p.codes[r.FormValue("code")] = nil
		p.mu.Unlock()
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if q == nil || b64(sum[:]) != q.Get("code_challenge") {
			w.WriteHeader(http.StatusBadRequest)
			answer(w, map[string]string{"error": "invalid_grant"})
			return
		}
		claims, err := json.Marshal(map[string]any{
			"iss": p.issuer, "aud": q.Get("client_id"), "sub": mail, "nonce": q.Get("nonce"), "iat": p.now().Unix(), "exp": p.now().Add(5 * time.Minute).Unix(),
			"email": mail, "email_verified": true, "name": strings.ToUpper(mail[:1]) + mail[1:],
		})
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		text := b64([]byte(`{"alg":"RS256","kid":"1","typ":"JWT"}`)) + "." + b64(claims)
		digest := sha256.Sum256([]byte(text))
		sig, err := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, digest[:])
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		answer(w, map[string]any{"access_token": "x", "token_type": "Bearer", "expires_in": 300, "id_token": text + "." + b64(sig)})
	})
	l, err := p.net.Listen(nil, "tcp", hostPort(strings.TrimPrefix(p.issuer, "http://"))) //nolint:staticcheck // the test's network asks no context
	if err != nil {
		return err
	}
	p.srv = &http.Server{Handler: mux}
	go func() { _ = p.srv.Serve(l) }() // ends with down
	return nil
}

func (p *provider) down() {
	if p.srv != nil {
		_ = p.srv.Close()
		p.srv = nil
	}
}
