package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"
)

// SignatureHeader carries the signature of a request.
const SignatureHeader = "X-Tuermer-Signature"

// Why a request is not to be trusted.
var (
	// ErrMalformed: the header is missing or not of the form t=…,v1=….
	ErrMalformed = errors.New("the signature header is malformed")
	// ErrSignature: nobody who knows the secret signed this body.
	ErrSignature = errors.New("the signature does not match")
	// ErrStale: signed too long ago or in the future.
	ErrStale = errors.New("the signature's time is outside the tolerance")
)

// Sign makes the value of [SignatureHeader] for body at now, whole seconds.
func Sign(secret, body []byte, now time.Time) string {
	t := strconv.FormatInt(now.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac(secret, t, body))
}

func mac(secret []byte, t string, body []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(t))
	h.Write([]byte{'.'})
	h.Write(body)
	return h.Sum(nil)
}

// Verify tells a receiver whether header, the value of [SignatureHeader],
// proves that somebody with the secret sent body at most tolerance before or
// after now. Several v1 parts are allowed, one of them must match; unknown parts
// are ignored. An empty secret proves nothing and is ErrSignature.
func Verify(secret []byte, header string, body []byte, now time.Time, tolerance time.Duration) error {
	if len(header) > 4096 {
		return ErrMalformed
	}
	var t string
	var sums [][]byte
	for part := range strings.SplitSeq(header, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch key {
		case "t":
			if t != "" {
				return ErrMalformed
			}
			t = value
		case "v1":
			sum, err := hex.DecodeString(value)
			if err != nil {
				return ErrMalformed
			}
			sums = append(sums, sum)
		}
	}
	at, err := strconv.ParseInt(t, 10, 64)
	if err != nil || len(sums) == 0 {
		return ErrMalformed
	}
	match := false
	want := mac(secret, t, body)
	for _, sum := range sums {
		match = hmac.Equal(sum, want) || match
	}
	if !match || len(secret) == 0 {
		return ErrSignature
	}
	// Compared as seconds: subtracting a foreign time could overflow.
	limit := int64(tolerance / time.Second)
	if at < now.Unix()-limit || at > now.Unix()+limit {
		return ErrStale
	}
	return nil
}
