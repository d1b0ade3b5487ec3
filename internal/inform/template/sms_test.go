package template

import (
	"strings"
	"testing"
)

func TestSegments(t *testing.T) {
	for _, c := range []struct {
		text   string
		enc    Encoding
		length int
		parts  int
	}{
		{"", GSM7, 0, 0},
		{"äöüÄÖÜß@£$", GSM7, 10, 1},
		{strings.Repeat("a", 160), GSM7, 160, 1},
		{strings.Repeat("a", 161), GSM7, 161, 2},
		{strings.Repeat("a", 306), GSM7, 306, 2},
		{strings.Repeat("a", 307), GSM7, 307, 3},
		{strings.Repeat("€", 80), GSM7, 160, 1},
		{strings.Repeat("€", 81), GSM7, 162, 2},
		// 152 letters leave one septet, into which an escape pair does not fit.
		{strings.Repeat("a", 152) + "€" + strings.Repeat("a", 151), GSM7, 305, 2},
		{strings.Repeat("a", 152) + "€" + strings.Repeat("a", 152), GSM7, 306, 3},
		{strings.Repeat("–", 70), UCS2, 70, 1},
		{strings.Repeat("–", 71), UCS2, 71, 2},
		{"😀", UCS2, 2, 1},
		{strings.Repeat("–", 66) + "😀" + strings.Repeat("–", 10), UCS2, 78, 2},
		{"a\xffb", UCS2, 3, 1},
	} {
		enc, length, parts := Segments(c.text)
		if enc != c.enc || length != c.length || parts != c.parts {
			t.Errorf("%.20q: %s %d %d, want %s %d %d", c.text, enc, length, parts, c.enc, c.length, c.parts)
		}
	}
}

func FuzzSegments(f *testing.F) {
	f.Add("Grüße €")
	f.Fuzz(func(t *testing.T, s string) {
		enc, length, parts := Segments(s)
		single := 160
		if enc == UCS2 {
			single = 70
		}
		if (length <= single) != (parts <= 1) || (length == 0) != (parts == 0) {
			t.Errorf("%q: %s %d %d", s, enc, length, parts)
		}
	})
}
