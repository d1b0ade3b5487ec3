package push

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A token is good for this long (RFC 8292 allows a day), and is made anew while
// half of it is left, so that a clock that is wrong by hours costs nothing.
const (
	tokenValid = 12 * time.Hour
	tokenFresh = 6 * time.Hour
	maxTokens  = 64 // push services that are remembered; there are four makers
)

var b64 = base64.RawURLEncoding

// Identity is the town towards push services: a key pair, and who answers for it.
type Identity struct {
	key     *ecdsa.PrivateKey
	public  string
	subject string

	mu     sync.Mutex
	tokens map[string]token
}

type token struct {
	head string
	made time.Time
}

// NewIdentity takes the key that derive makes, 32 bytes for each try: the same
// always, so that it is made once and stored nowhere but in the vault's own key.
// Subject is a mailto: or https: address at which somebody answers.
func NewIdentity(derive func(try int) []byte, subject string) (*Identity, error) {
	for try := range 8 { // one number in four thousand million is none of the curve
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), derive(try))
		if err != nil {
			continue
		}
		public, err := key.PublicKey.Bytes()
		if err != nil {
			return nil, fmt.Errorf("push: %w", err)
		}
		return &Identity{key: key, public: b64.EncodeToString(public), subject: subject, tokens: map[string]token{}}, nil
	}
	return nil, errors.New("push: no key of the curve could be derived")
}

// Public is the key that browsers are told when they subscribe, in base64url.
func (i *Identity) Public() string { return i.public }

// Authorization is the header for a push service, named by its origin.
func (i *Identity) Authorization(origin string, now time.Time) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if t, ok := i.tokens[origin]; ok && now.Sub(t.made).Abs() < tokenFresh {
		return t.head, nil
	}
	claims, err := json.Marshal(struct {
		Audience string `json:"aud"`
		Expires  int64  `json:"exp"`
		Subject  string `json:"sub"`
	}{origin, now.Add(tokenValid).Unix(), i.subject})
	if err != nil {
		return "", fmt.Errorf("push: %w", err)
	}
	signed := b64.EncodeToString([]byte(`{"typ":"JWT","alg":"ES256"}`)) + "." + b64.EncodeToString(claims)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, sum[:])
	if err != nil {
		return "", fmt.Errorf("push: %w", err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	head := "vapid t=" + signed + "." + b64.EncodeToString(sig) + ", k=" + i.public
	if len(i.tokens) >= maxTokens {
		clear(i.tokens)
	}
	i.tokens[origin] = token{head, now}
	return head, nil
}
