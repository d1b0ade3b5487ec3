package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
)

// Mark begins every sealed text. No address and no JSON begins so.
const Mark = "sealed1:"

// ErrSealed says that a sealed text does not open: another key, another place,
// or damage.
var ErrSealed = errors.New("seal: cannot be opened with this key")

// Box seals and opens. It may be used by many at once.
type Box struct {
	key    []byte
	places sync.Map // place → *slot
}

// slot is the keys of one place.
type slot struct {
	aead  cipher.AEAD
	macs  sync.Pool // of hash.Hash: the nonce's
	place []byte
}

// New makes a box of a key of at least 32 bytes.
func New(key []byte) (*Box, error) {
	if len(key) < 32 {
		return nil, errors.New("seal: the key is too short")
	}
	return &Box{key: append([]byte(nil), key...)}, nil
}

func (b *Box) derive(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, b.key, nil, "tuermer seal "+purpose, 32)
	if err != nil {
		panic(err) // only an impossible length fails
	}
	return key
}

func (b *Box) slot(place string) *slot {
	if s, ok := b.places.Load(place); ok {
		return s.(*slot) //nolint:forcetypeassert // we put nothing else in
	}
	block, err := aes.NewCipher(b.derive("words of " + place))
	if err != nil {
		panic(err) // 32 bytes fit
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	nonce := b.derive("nonces of " + place)
	s := &slot{aead: aead, place: []byte(place)}
	s.macs.New = func() any { return hmac.New(sha256.New, nonce) }
	b.places.Store(place, s)
	return s
}

func (s *slot) nonce(word string) []byte {
	mac := s.macs.Get().(hash.Hash) //nolint:forcetypeassert // New makes nothing else
	defer s.macs.Put(mac)
	mac.Reset()
	mac.Write([]byte(word))
	return mac.Sum(nil)[:s.aead.NonceSize()]
}

// Seal hides a word. The same word in the same place gives the same text.
func (b *Box) Seal(place, word string) string {
	if word == "" {
		return ""
	}
	s := b.slot(place)
	nonce := s.nonce(word)
	return Mark + base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, []byte(word), s.place))
}

// Open brings a word back. What bears no mark is answered as it is.
func (b *Box) Open(place, text string) (string, error) {
	rest, ok := strings.CutPrefix(text, Mark)
	if !ok {
		return text, nil
	}
	s := b.slot(place)
	raw, err := base64.RawURLEncoding.DecodeString(rest)
	if n := s.aead.NonceSize(); err == nil && len(raw) > n {
		var word []byte
		if word, err = s.aead.Open(nil, raw[:n], raw[n:], s.place); err == nil {
			return string(word), nil
		}
	}
	return "", fmt.Errorf("%w: %s", ErrSealed, place)
}

// Name tells this key from others and gives nothing of it away; it is stored
// beside what the key sealed.
func (b *Box) Name() string {
	return base64.RawURLEncoding.EncodeToString(b.derive("name of the key")[:16])
}
