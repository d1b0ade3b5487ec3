package webhook

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"unicode"

	"tuermer/internal/platform/fill"
	"tuermer/internal/town/channel"
)

// minSecret is how long a part of an address must be to be a secret at all.
const minSecret = 6

// What an answer may repeat.
const (
	theAddress = "address"
	theToken   = "token"
)

// keeper knows what of a message stands in no ledger: the parts of its address and
// its token. Services like to quote what they were asked, whole or in parts, in an
// error; so an answer is looked at whole, before anything of it is cut.
type keeper struct {
	address []string
	token   string
	forms   []string // of the token's first half, bare: as it is, and as what a header makes of it
}

func keep(to *url.URL, m channel.Message) keeper {
	k := keeper{address: secretParts(to), token: string(m.Secret)}
	user := ""
	if m.Rest != nil {
		user = m.Rest.User
	}
	for _, s := range []string{k.token, base64.StdEncoding.EncodeToString(m.Secret), base64.StdEncoding.EncodeToString([]byte(user + ":" + k.token))} {
		if s = bare(s); len(s) >= minSecret && k.token != "" {
			r := []rune(s)
			k.forms = append(k.forms, string(r[:min(len(r), max(minSecret, (len(r)+1)/2))]))
		}
	}
	return k
}

// repeats says what of it a foreign text repeats, however it is encoded; empty: nothing.
// Of a token the first half is enough, for a service may cut what it quotes.
func (k keeper) repeats(said string) string {
	for _, s := range fill.Readings(said) {
		if k.token != "" && strings.Contains(s, k.token) {
			return theToken
		}
		s = bare(s)
		for _, f := range k.forms {
			if strings.Contains(s, f) {
				return theToken
			}
		}
		for _, part := range k.address {
			if strings.Contains(s, part) {
				return theAddress
			}
		}
	}
	return ""
}

// unlessTold is what the receiver said, or nothing where it repeats what it should not.
func (k keeper) unlessTold(said string) string {
	if k.repeats(said) != "" {
		return ""
	}
	return said
}

// discreet takes what may be secret out of an error, by the whole of what was said.
func (k keeper) discreet(said string, f *channel.Failure) *channel.Failure {
	if f.Err == nil {
		return f
	}
	what := k.repeats(said)
	if what == "" {
		what = k.repeats(f.Err.Error())
	}
	if what != "" {
		f.Err = errors.New("the answer repeats the " + what + " and is not shown")
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
