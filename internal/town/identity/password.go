package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"tuermer/internal/platform/fault"
)

// Cost is the work that one look at a password takes (argon2id, RFC 9106).
type Cost struct {
	Memory  uint32 // KiB
	Time    uint32 // passes
	Threads uint8
}

// defaultCost takes about 80 ms on a small server. 64 MiB makes guessing dear
// on graphics cards; no more than two run at once, see [Room].
var defaultCost = Cost{Memory: 64 << 10, Time: 2, Threads: 1}

// Lengths of passwords, in characters and bytes.
const (
	MinPassword = 12
	maxPassword = 1024
)

//go:embed common.txt
var commonWords string

// common reports whether word stands in the list.
func common(word string) bool {
	return word == "" || strings.Contains(commonWords, "\n"+word+"\n")
}

// WeakPassword tells the text key of why a password is refused; empty: it is
// good enough. Besides the length only what guessers try first is refused:
// rules about signs make people write passwords down.
func WeakPassword(password string, p Person) string {
	n := normalPassword(password)
	if len([]rune(n)) < MinPassword {
		return "identity.password_short"
	}
	if len(n) > maxPassword {
		return "identity.password_long"
	}
	seen := map[rune]bool{}
	core := strings.Map(func(r rune) rune {
		seen[r] = true
		if unicode.IsLetter(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, n)
	if len(seen) < 5 || sequence(n) {
		return "identity.password_common"
	}
	core = fold(core)
	local, _, _ := strings.Cut(p.Email, "@")
	own := []string{fold(local), letters(fold(p.Name)), letters(fold(domainOf(p.Email)))}
	for _, w := range own {
		if w != "" && core == letters(w) {
			return "identity.password_common"
		}
	}
	for part := range strings.FieldsFuncSeq(fold(p.Name), func(r rune) bool { return !unicode.IsLetter(r) }) {
		if core == part {
			return "identity.password_common"
		}
	}
	if common(core) || common(half(core)) {
		return "identity.password_common"
	}
	return ""
}

func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, s)
}

// half is the word that was typed twice, else s itself.
func half(s string) string {
	if h := len(s) / 2; len(s)%2 == 0 && s[:h] == s[h:] {
		return s[:h]
	}
	return s
}

// sequence reports whether nearly every sign follows the one before it by a
// fixed step: 123456789012, abcdefghijkl.
func sequence(s string) bool {
	rs := []rune(strings.ToLower(s))
	same := 0
	for i := 2; i < len(rs); i++ {
		if d := rs[i] - rs[i-1]; d == rs[i-1]-rs[i-2] && d >= -1 && d <= 1 {
			same++
		}
	}
	return same*4 >= (len(rs)-2)*3
}

// normalPassword makes an ä the same ä on every keyboard.
func normalPassword(s string) string { return norm.NFC.String(s) }

const saltSize, hashSize = 16, 32

// maxMemory bounds what a stored hash can make us take, in KiB.
const maxMemory = 1 << 20

// hashPassword makes the text that is stored, in the form of the PHC string
// format (github.com/P-H-C/phc-string-format).
func hashPassword(password string, c Cost) (string, error) {
	salt := make([]byte, saltSize)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("identity: salt: %w", err)
	}
	sum := argon2.IDKey([]byte(normalPassword(password)), salt, c.Time, c.Memory, c.Threads, hashSize)
	b := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.Memory, c.Time, c.Threads, b(salt), b(sum)), nil
}

// checkPassword compares a password with a stored hash; stale asks for a new
// hash because the cost has changed since.
func checkPassword(password, stored string, want Cost) (ok, stale bool) {
	parts := strings.Split(stored, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, false
	}
	var version int
	var c Cost
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false, false
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.Memory, &c.Time, &c.Threads); err != nil || c.Time == 0 || c.Threads == 0 || c.Memory > maxMemory {
		return false, false
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	sum, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(sum) == 0 {
		return false, false
	}
	got := argon2.IDKey([]byte(normalPassword(password)), salt, c.Time, c.Memory, c.Threads, uint32(len(sum)))
	return subtle.ConstantTimeCompare(got, sum) == 1, c != want
}

// maxHashing and maxWaiting bound how many passwords are looked at together:
// each takes the cost's memory, and a flood of sign-ins must not take the
// machine that watches the town.
const maxHashing, maxWaiting = 2, 64

var errBusy = fault.New(fault.Unavailable, "identity.busy")

// hashing runs fn when there is room for one more hash.
func (r *Room) hashing(ctx context.Context, fn func()) error {
	if n := r.waiting.Add(1); n > maxWaiting {
		r.waiting.Add(-1)
		return errBusy
	}
	defer r.waiting.Add(-1)
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return errBusy.With(ctx.Err())
	}
	defer func() { <-r.slots }()
	fn()
	return nil
}
