package channel

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// emoji is what turns into a picture.
var emoji = regexp.MustCompile(`:([a-zA-Z0-9_+-]*[a-zA-Z_+-][a-zA-Z0-9_+-]*):`)

// calm takes from a text what would call people or become a picture; it reads as
// before.
func calm(s string) string {
	return unpictured(uncalled(s, func(int) string { return "@\u200b" }))
}

func unpictured(s string) string { return emoji.ReplaceAllString(s, ":\u200b$1:") }

// uncalled writes each @ that would call somebody as instead says for its place.
func uncalled(s string, instead func(at int) string) string {
	var b strings.Builder
	last := 0
	for i := range len(s) {
		if s[i] == '@' && callsAt(s, i) {
			b.WriteString(s[last:i])
			b.WriteString(instead(i))
			last = i + 1
		}
	}
	b.WriteString(s[last:])
	return b.String()
}

// uncalledWeb is uncalled for products that get web addresses as they are: in one
// the @ is percent-encoded, so that it still leads there.
func uncalledWeb(s string) string {
	webs := webAddress.FindAllStringIndex(s, -1)
	return uncalled(s, func(i int) string {
		for len(webs) > 0 && webs[0][1] <= i {
			webs = webs[1:]
		}
		if len(webs) > 0 && webs[0][0] <= i {
			return "%40"
		}
		return "@\u200b"
	})
}

var (
	// everybody are the words by which products call whole rooms.
	everybody = regexp.MustCompile(`(?i)^(?:all|channel|here|everyone|room|stream|topic|group|team|online|alle)(?:[^A-Za-z0-9]|$)`)
	// mailDomain is what follows the @ of a mail address.
	mailDomain = regexp.MustCompile(`^[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}`)
)

// callsAt reports whether the @ at i would call somebody. The products disagree on
// which signs may stand before a name: only a letter or a digit directly before it
// makes the @ part of a mail address. A word that calls a whole room is held against
// everything but a mail address whose domain begins with it.
func callsAt(s string, i int) bool {
	next, _ := utf8.DecodeRuneInString(s[i+1:])
	if !unicode.IsLetter(next) && !unicode.IsNumber(next) && !strings.ContainsRune(`"[*`, next) {
		return false
	}
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	if !unicode.IsLetter(before) && !unicode.IsNumber(before) {
		return true
	}
	return everybody.MatchString(s[i+1:]) && (before > unicode.MaxASCII || !mailDomain.MatchString(s[i+1:]))
}
