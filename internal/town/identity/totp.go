package identity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6238 with SHA-1 is what every app on every phone knows
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Codes of an authenticator app (RFC 6238): six digits, a new one every 30
// seconds. A phone may be one step early or late.
const (
	totpDigits = 6
	totpStep   = 30 * time.Second
	totpSkew   = 1
	totpSecret = 20 // bytes, as RFC 4226 §4 recommends
)

// newTOTPSecret makes the key that phone and server share.
func newTOTPSecret() ([]byte, error) {
	b := make([]byte, totpSecret)
	if _, err := rand.Read(b); err != nil {
		return nil, fmt.Errorf("identity: secret: %w", err)
	}
	return b, nil
}

// stepOf numbers the 30 seconds in which t lies.
func stepOf(t time.Time) int64 { return t.Unix() / int64(totpStep/time.Second) }

// totpAt is the code of one step (RFC 4226 §5.3).
func totpAt(secret []byte, step int64) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	m := hmac.New(sha1.New, secret)
	m.Write(counter[:])
	sum := m.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	n := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", totpDigits, n%1_000_000)
}

// AppCode is what an authenticator app with this key shows at that moment.
func AppCode(secret []byte, at time.Time) string { return totpAt(secret, stepOf(at)) }

// matchTOTP finds the step that code is for, near now and later than the last
// one that was accepted: a code that somebody has seen is worth nothing more.
// All steps are compared, so that the time taken tells nothing.
func matchTOTP(secret []byte, code string, now time.Time, last int64) (step int64, ok bool) {
	for d := int64(-totpSkew); d <= totpSkew; d++ {
		s := stepOf(now) + d
		if subtle.ConstantTimeCompare([]byte(totpAt(secret, s)), []byte(code)) == 1 && s > last && !ok {
			step, ok = s, true
		}
	}
	return step, ok
}

// totpKey is the secret as people type it.
func totpKey(secret []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
}

// grouped writes a key in groups of four letters.
func grouped(key string) string {
	var b strings.Builder
	for i, r := range key {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// totpURL is what the QR code says to the app.
func totpURL(issuer, account string, secret []byte) string {
	q := url.Values{"secret": {totpKey(secret)}, "issuer": {issuer}, "digits": {"6"}, "period": {"30"}, "algorithm": {"SHA1"}}
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + account, RawQuery: strings.ReplaceAll(q.Encode(), "+", "%20")}
	return u.String()
}
