package fill

import (
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Readings are a text as it is and as who takes it out of HTML, JSON or a form would
// read it, also where one stands within another.
func Readings(s string) []string {
	out := []string{s}
	for i, depth := 0, 0; depth < 3; depth++ {
		for end := len(out); i < end; i++ {
			for _, read := range []func(string) string{html.UnescapeString, unescapedJSON, unescapedQuery} {
				if r := read(out[i]); !slices.Contains(out, r) {
					out = append(out, r)
				}
			}
		}
	}
	return out
}

var (
	jsonEscape  = regexp.MustCompile(`(?:\\u[0-9a-fA-F]{4})+|\\x[0-9a-fA-F]{2}|\\.`)
	queryEscape = regexp.MustCompile(`%[0-9a-fA-F]{2}|\+`)
)

// unescapedJSON reads what can be read: an answer need not be valid.
func unescapedJSON(s string) string {
	return jsonEscape.ReplaceAllStringFunc(s, func(e string) string {
		switch {
		case e[1] == 'u' && len(e) > 2: // pairs stand together
			var units []uint16
			for i := 0; i < len(e); i += 6 {
				n, _ := strconv.ParseUint(e[i+2:i+6], 16, 16)
				units = append(units, uint16(n))
			}
			return string(utf16.Decode(units))
		case e[1] == 'x' && len(e) > 2:
			n, _ := strconv.ParseUint(e[2:], 16, 8)
			return string(rune(n))
		}
		if i := strings.IndexByte("bfnrt", e[1]); i >= 0 {
			return "\b\f\n\r\t"[i : i+1]
		}
		return e[1:]
	})
}

func unescapedQuery(s string) string {
	return queryEscape.ReplaceAllStringFunc(s, func(e string) string {
		if e == "+" {
			return " "
		}
		n, _ := strconv.ParseUint(e[1:], 16, 8)
		return string([]byte{byte(n)})
	})
}
