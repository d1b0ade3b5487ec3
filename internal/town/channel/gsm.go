package channel

import (
	"slices"
	"strings"
	"unicode/utf16"
)

// extendedCodes are where the signs of gsmExtended stand behind an escape.
var extendedCodes = []byte{0x0A, 0x14, 0x28, 0x29, 0x2F, 0x3C, 0x3D, 0x3E, 0x40, 0x65}

const gsmEscape = 0x1B

// width of a letter in an encoding, in septets or UCS-2 units; zero: GSM-7 does
// not have it.
func (e Encoding) width(r rune) int {
	switch {
	case e == UCS2:
		return max(utf16.RuneLen(r), 1)
	case strings.ContainsRune(gsmBasic, r):
		return 1
	case strings.ContainsRune(gsmExtended, r):
		return 2
	}
	return 0
}

// Parts are the pieces in which a text travels as SMS, as many as [Segments]
// counts: joined they are the text.
func Parts(text string) (Encoding, []string) {
	enc, _, n := Segments(text)
	if n <= 1 {
		return enc, []string{text}
	}
	multi := 153
	if enc == UCS2 {
		multi = 67
	}
	var parts []string
	from, room := 0, multi
	for at, r := range text {
		w := enc.width(r)
		if w > room {
			parts = append(parts, text[from:at])
			from, room = at, multi
		}
		room -= w
	}
	return enc, append(parts, text[from:])
}

// Septets writes a text in the GSM 7-bit default alphabet, one septet in each
// byte; false: it holds a sign that the alphabet does not have.
func Septets(text string) ([]byte, bool) {
	out := make([]byte, 0, len(text))
	for _, r := range text {
		if i := strings.IndexRune(gsmBasic, r); i >= 0 {
			at := len([]rune(gsmBasic[:i]))
			if at >= gsmEscape { // the escape has a place of its own
				at++
			}
			out = append(out, byte(at))
			continue
		}
		i := strings.IndexRune(gsmExtended, r)
		if i < 0 {
			return nil, false
		}
		out = append(out, gsmEscape, extendedCodes[len([]rune(gsmExtended[:i]))])
	}
	return out, true
}

// FromSeptets reads what [Septets] writes. What the alphabet does not define is a
// replacement sign, and an escape before an unknown sign a space, as it says.
func FromSeptets(septets []byte) string {
	basic, extended := []rune(gsmBasic), []rune(gsmExtended)
	var b strings.Builder
	for i := 0; i < len(septets); i++ {
		switch c := septets[i]; {
		case c == gsmEscape && i+1 < len(septets):
			i++
			if at := slices.Index(extendedCodes, septets[i]); at >= 0 {
				b.WriteRune(extended[at])
			} else {
				b.WriteByte(' ')
			}
		case c == gsmEscape:
			b.WriteByte(' ')
		case c > 0x7f:
			b.WriteRune('\uFFFD')
		case c > gsmEscape:
			b.WriteRune(basic[c-1])
		default:
			b.WriteRune(basic[c])
		}
	}
	return b.String()
}
