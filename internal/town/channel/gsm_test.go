package channel

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Every sign of the alphabet reads as it was written, at the place that the
// standard gives it.
func TestSeptets(t *testing.T) {
	for sign, code := range map[string]string{"@": "\x00", "Ξ": "\x1a", "Æ": "\x1c", " ": " ", "¡": "\x40", "Ä": "\x5b", "§": "\x5f", "à": "\x7f", "€": "\x1b\x65", "|": "\x1b\x40", "\f": "\x1b\x0a"} {
		if got, ok := Septets(sign); !ok || string(got) != code {
			t.Errorf("%q is %q", sign, got)
		}
	}
	for _, r := range gsmBasic + gsmExtended {
		got, ok := Septets(string(r))
		if back := FromSeptets(got); !ok || back != string(r) {
			t.Errorf("%q is %q and reads %q", r, got, back)
		}
	}
	if _, ok := Septets("ж"); ok {
		t.Error("ж is in GSM-7")
	}
}

// The parts are as many as are counted, and joined they are the text.
func TestParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOfN(rapid.SampledFrom([]rune("ab Ä€[]😀ж")), 0, 500).Draw(t, "text"))
		_, _, n := Segments(text)
		enc, parts := Parts(text)
		if strings.Join(parts, "") != text || len(parts) != max(n, 1) {
			t.Fatalf("%d parts %q, counted %d", len(parts), parts, n)
		}
		for _, p := range parts {
			width := 0
			for _, r := range p {
				width += enc.width(r)
			}
			if enc == GSM7 && width > 160 || enc == UCS2 && width > 70 || n > 1 && (enc == GSM7 && width > 153 || enc == UCS2 && width > 67) {
				t.Fatalf("%s part of %d: %q", enc, width, p)
			}
		}
	})
}
