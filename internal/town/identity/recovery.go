package identity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"

	"tuermer/internal/platform/ident"
)

// Recovery codes are for the day on which the phone lies at home.
const (
	recoveryCodes  = 10
	recoveryLength = 10 // letters of five bits: nobody guesses 2^50 at one try a minute
)

// plain is an alphabet without letters that look alike on paper.
const plainAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

var plain = base32.NewEncoding(plainAlphabet).WithPadding(base32.NoPadding)

// newPlainCode makes n letters of five random bits each, in groups of five.
func newPlainCode(n int) (string, error) {
	b := make([]byte, (n*5+7)/8)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("identity: code: %w", err)
	}
	var out strings.Builder
	for i, r := range plain.EncodeToString(b)[:n] {
		if i > 0 && i%5 == 0 {
			out.WriteByte('-')
		}
		out.WriteRune(r)
	}
	return out.String(), nil
}

// normalCode is a code as it is compared: what people type for what they read.
func normalCode(s string) string {
	if len(s) > 200 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == 'o':
			return '0'
		case r == 'i' || r == 'l':
			return '1'
		case strings.ContainsRune(plainAlphabet, r):
			return r
		case r == ' ' || r == '-' || r == '\u00a0' || r == '–' || r == '\t':
			return -1
		}
		return '?'
	}, strings.ToLower(s))
}

// digits6 reports whether a normal code may come from an app.
func digits6(code string) bool {
	return len(code) == totpDigits && strings.Trim(code, "0123456789") == ""
}

// codeHash is what is stored of a code. It is keyed with the key beside the
// data, for a short code of a stolen database could be guessed otherwise.
func (r *Room) codeHash(purpose string, tenant ident.Tenant, owner, code string) string {
	m := hmac.New(sha256.New, r.o.Vault.Key(purpose))
	for _, part := range []string{string(tenant), owner, code} {
		_, _ = fmt.Fprintf(m, "%d:%s", len(part), part) // a hash never fails
	}
	return hex.EncodeToString(m.Sum(nil))
}
