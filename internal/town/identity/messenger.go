package identity

import (
	"regexp"
	"strings"
)

// The addresses of messengers, each behind the name of its own.
var (
	threemaForm = regexp.MustCompile(`^[A-Z0-9]{8}$`)
	matrixForm  = regexp.MustCompile(`^![A-Za-z0-9._~=+-]{1,150}(:[A-Za-z0-9.-]{1,100}(:[0-9]{1,5})?)?$`)
	ntfyForm    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// ChatAddress brings a person's address in a messenger into the form that is
// stored: "signal:+491700000001", "threema:ABCDEFGH", "matrix:!room:server" or
// "ntfy:topic". Empty stays empty. False: it is none.
func ChatAddress(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", true
	}
	name, rest, _ := strings.Cut(s, ":")
	name, rest = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(rest)
	ok := false
	switch name {
	case "signal":
		rest, ok = Phone(rest)
		ok = ok && rest != ""
	case "threema":
		rest = strings.ToUpper(rest)
		ok = threemaForm.MatchString(rest)
	case "matrix":
		ok = matrixForm.MatchString(rest)
	case "ntfy":
		ok = ntfyForm.MatchString(rest)
	}
	return name + ":" + rest, ok
}
