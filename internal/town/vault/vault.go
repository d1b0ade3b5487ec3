package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Vault holds the instance key. It is safe for use by many goroutines.
type Vault struct {
	key []byte
}

// New makes a vault from an instance key of [KeySize] bytes.
func New(key []byte) (*Vault, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("vault: key has %d bytes, want %d", len(key), KeySize)
	}
	return &Vault{key: append([]byte(nil), key...)}, nil
}

// Reasons for which a token or a sealed secret is refused.
var (
	// ErrInvalid: not made by this key for this purpose, or changed.
	ErrInvalid = errors.New("vault: not valid")
	// ErrExpired: was valid once.
	ErrExpired = errors.New("vault: expired")
)

// Key derives the 32 bytes that belong to purpose (HKDF-SHA256, RFC 5869).
func (v *Vault) Key(purpose string) []byte { return v.derive("key", purpose) }

func (v *Vault) derive(use, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, v.key, nil, "tuermer/"+use+"/"+purpose, KeySize)
	if err != nil {
		panic(err) // only for lengths beyond 255 hashes
	}
	return key
}

// A token is expiry (5 bytes, seconds since 1970, big endian) ‖ payload ‖ MAC,
// in base64url. Half of HMAC-SHA256 is enough against guessing (RFC 2104 §5)
// and keeps links in mails on one line.
const (
	expirySize = 5
	macSize    = 16
	// MaxToken is the longest token that is looked at.
	MaxToken = 4096
)

// Sign makes a token that carries payload openly and is valid for purpose until
// expires (cut to seconds).
func (v *Vault) Sign(purpose string, payload []byte, expires time.Time) string {
	raw := make([]byte, expirySize, expirySize+len(payload)+macSize)
	var sec [8]byte
	binary.BigEndian.PutUint64(sec[:], uint64(max(0, expires.Unix())))
	copy(raw, sec[8-expirySize:])
	raw = append(raw, payload...)
	return base64.RawURLEncoding.EncodeToString(append(raw, v.mac(purpose, raw)...))
}

func (v *Vault) mac(purpose string, body []byte) []byte {
	m := hmac.New(sha256.New, v.derive("sign", purpose))
	m.Write(body)
	return m.Sum(nil)[:macSize]
}

// Verify returns the payload of a token made by [Vault.Sign] for the same
// purpose. The error is [ErrInvalid] or [ErrExpired].
func (v *Vault) Verify(purpose, token string, now time.Time) ([]byte, error) {
	if len(token) > MaxToken {
		return nil, ErrInvalid
	}
	// Strict: of the several spellings that base64 allows for the last
	// character only ours is good, so one token has one text.
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < expirySize+macSize {
		return nil, ErrInvalid
	}
	body, mac := raw[:len(raw)-macSize], raw[len(raw)-macSize:]
	if !hmac.Equal(mac, v.mac(purpose, body)) {
		return nil, ErrInvalid
	}
	var sec [8]byte
	copy(sec[8-expirySize:], body[:expirySize])
	if now.Unix() >= int64(binary.BigEndian.Uint64(sec[:])) {
		return nil, ErrExpired
	}
	return body[expirySize:], nil
}

// sealVersion is the first byte of everything sealed, so that another method
// can come later.
const sealVersion = 1

// Seal hides plain so that only [Vault.Open] with the same purpose shows it
// (AES-256-GCM, random nonce, purpose as additional data).
func (v *Vault) Seal(purpose string, plain []byte) ([]byte, error) {
	gcm, err := v.gcm(purpose)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, gcm.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("vault: seal: %w", err)
	}
	out := append([]byte{sealVersion}, nonce...)
	return gcm.Seal(out, nonce, plain, []byte(purpose)), nil
}

// Open shows what [Vault.Seal] hid. The error is [ErrInvalid] when it was
// changed, sealed for another purpose, or sealed with another instance key.
func (v *Vault) Open(purpose string, sealed []byte) ([]byte, error) {
	gcm, err := v.gcm(purpose)
	if err != nil {
		return nil, err
	}
	n := gcm.NonceSize()
	if len(sealed) < 1+n || sealed[0] != sealVersion {
		return nil, ErrInvalid
	}
	plain, err := gcm.Open(nil, sealed[1:1+n], sealed[1+n:], []byte(purpose))
	if err != nil {
		return nil, ErrInvalid
	}
	return plain, nil
}

func (v *Vault) gcm(purpose string) (cipher.AEAD, error) {
	block, err := aes.NewCipher(v.derive("seal", purpose))
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	return gcm, nil
}
