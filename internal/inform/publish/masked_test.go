package publish

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What a reader sees of an address keeps its domain and gives nothing else away
// than the first letter.
func TestMasked(t *testing.T) {
	for in, want := range map[string]string{
		"liste@musterstadt.example": "l•••@musterstadt.example", "ö@x.example": "ö•••@x.example", "": "•••", "@x": "•••", "no-at": "•••",
	} {
		if got := masked(in); got != want {
			t.Errorf("masked(%q) = %q", in, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		local := rapid.StringMatching(`[a-z]{4,20}`).Draw(t, "local")
		shown, _, _ := strings.Cut(masked(local+"@x.example"), "@")
		if shown != local[:1]+"•••" {
			t.Fatalf("%s is shown as %s", local, shown)
		}
	})
}
