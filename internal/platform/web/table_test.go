package web

import (
	"context"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Nothing of a letter is lost or invented by making its addresses links.
func TestLinkWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{
			"Guten Tag", " ", "https://a.example/x?y=1", "http://", ".", "javascript:alert(1)", "<b>", "ß", ")", "https",
		})).Draw(t, "line"), "")
		var back strings.Builder
		for _, w := range linkWords(line) {
			back.WriteString(w.text)
			if w.link && !strings.HasPrefix(w.text, "http://") && !strings.HasPrefix(w.text, "https://") && w.text != "http" && w.text != "https" {
				t.Fatalf("%q became a link", w.text)
			}
		}
		if back.String() != line {
			t.Fatalf("%q became %q", line, back.String())
		}
	})
}

// A state always has its word, and a letter its text, address and breaks.
func TestShown(t *testing.T) {
	var b strings.Builder
	if err := StateWord(Down, "gestört").Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "</svg>gestört</span>") {
		t.Errorf("the word is missing: %s", b.String())
	}
	b.Reset()
	if err := Letter("Guten Tag,\nsiehe https://a.example/x?y=1&z=2.\n\n<script>").Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	want := `<p>Guten Tag,<br>siehe <a href="https://a.example/x?y=1&amp;z=2">https://a.example/x?y=1&amp;z=2</a>.</p><p>&lt;script&gt;</p>`
	if b.String() != want {
		t.Errorf("%s\nis not\n%s", b.String(), want)
	}
}
