package push

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Sizes of RFC 8188 and RFC 8291.
const (
	saltSize   = 16
	recordSize = 4096
	headerSize = saltSize + 4 + 1 + publicSize
	publicSize = 65 // of a P-256 point, not compressed
	authSize   = 16
	tagSize    = 16
	// MaxPlain is the longest message: push services take a body of 4096 bytes.
	MaxPlain = recordSize - headerSize - tagSize - 1
)

// Keys are what a browser tells with its subscription.
type Keys struct {
	P256DH []byte // its public key
	Auth   []byte // a secret that it shares with us
}

// Check finds keys with which nothing can be encrypted.
func (k Keys) Check() error {
	if _, err := ecdh.P256().NewPublicKey(k.P256DH); err != nil || len(k.Auth) != authSize {
		return errors.New("push: the keys are no subscription's")
	}
	return nil
}

// Encrypt makes the body of a message that only the holder of the keys reads. Each
// call uses a fresh key pair and salt.
func Encrypt(plain []byte, to Keys) ([]byte, error) {
	own, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	var salt [saltSize]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	return encrypt(plain, to, own, salt)
}

func encrypt(plain []byte, to Keys, own *ecdh.PrivateKey, salt [saltSize]byte) ([]byte, error) {
	if len(plain) > MaxPlain {
		return nil, fmt.Errorf("push: %d bytes are more than a push service takes", len(plain))
	}
	theirs, err := ecdh.P256().NewPublicKey(to.P256DH)
	if err != nil || len(to.Auth) != authSize {
		return nil, errors.New("push: the keys are no subscription's")
	}
	shared, err := own.ECDH(theirs)
	if err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	public := own.PublicKey().Bytes()
	ikm, err := hkdf.Key(sha256.New, shared, to.Auth, "WebPush: info\x00"+string(to.P256DH)+string(public), 32)
	if err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	prk, err := hkdf.Extract(sha256.New, ikm, salt[:])
	if err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	key, err := hkdf.Expand(sha256.New, prk, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	nonce, err := hkdf.Expand(sha256.New, prk, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	out := make([]byte, 0, headerSize+len(plain)+1+tagSize)
	out = append(out, salt[:]...)
	out = binary.BigEndian.AppendUint32(out, recordSize)
	out = append(out, publicSize)
	out = append(out, public...)
	// One record, which is the last: its text ends in 2 (RFC 8188 §2).
	text := append(append(make([]byte, 0, len(plain)+1), plain...), 2)
	return gcm.Seal(out, nonce, text, nil), nil
}
