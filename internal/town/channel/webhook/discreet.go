package webhook

import (
	"errors"
	"html"
	"net/url"
	"strings"
	"unicode"

	"tuermer/internal/town/channel"
)

// minSecret is how long a part of an address must be to be a secret at all.
const minSecret = 6

// unlessTold is what the receiver said, or nothing where it repeats what may be
// secret in its address: error pages like to quote the path that was asked for.
func unlessTold(to *url.URL, said string) string {
	// Quoted as HTML, in JSON or percent-encoded it is still the secret.
	forms := []string{bare(said), bare(html.UnescapeString(said))}
	if s, err := url.PathUnescape(said); err == nil {
		forms = append(forms, bare(s))
	}
	for _, secret := range secretParts(to) {
		for _, f := range forms {
			if strings.Contains(f, secret) {
				return ""
			}
		}
	}
	return said
}

// discreet takes what may be secret out of an error.
func discreet(to *url.URL, f *channel.Failure) *channel.Failure {
	if f.Err != nil && unlessTold(to, f.Err.Error()) == "" {
		f.Err = errors.New("the answer repeats the address and is not shown")
	}
	return f
}

// secretParts are the parts of an address that may be secret: all but the host.
func secretParts(to *url.URL) (out []string) {
	parts := strings.FieldsFunc(to.Path+"/"+to.Fragment, func(r rune) bool { return r == '/' })
	for name, values := range to.Query() {
		parts = append(append(parts, name), values...)
	}
	if pw, ok := to.User.Password(); ok {
		parts = append(parts, pw)
	}
	for _, p := range parts {
		if p = bare(p); len(p) >= minSecret {
			out = append(out, p)
		}
	}
	return out
}

// bare is a text without all that an encoding may put between its letters.
func bare(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}
