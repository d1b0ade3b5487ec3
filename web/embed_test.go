package web

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"regexp"
	"testing"
)

func TestOwnFilesAreThereWithoutNpm(t *testing.T) {
	for _, name := range []string{"public.css", "staff.css", "live.js", "chart.js"} {
		if _, err := fs.Stat(Assets(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := fs.Stat(Assets(), "nothing.css"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unknown name: got %v, want fs.ErrNotExist", err)
	}
}

// The public page must arrive on a weak phone network: 5 KB for its only
// stylesheet is a promise of the product, not a wish.
func TestPublicStylesheetFitsFiveKilobytes(t *testing.T) {
	css, err := fs.ReadFile(Source, "src/public.css")
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(css); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	if packed.Len() > 5*1024 {
		t.Errorf("public.css is %d bytes compressed, at most 5120 are allowed", packed.Len())
	}
}

// Browsers of Android 7 drop a rule that they cannot read, silently. These are
// the features that tempt most and that Chrome 51 does not have.
func TestPublicStylesheetAvoidsNewFeatures(t *testing.T) {
	css, err := fs.ReadFile(Source, "src/public.css")
	if err != nil {
		t.Fatal(err)
	}
	css = regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAll(css, nil)
	for _, newer := range []string{
		`:is\(`, `:where\(`, `:has\(`, `:focus-visible`, `clamp\(`, `\bmin\(`, `\bmax\(`,
		`color-mix\(`, `oklch\(`, `display:\s*grid`, `\bgap:`, `inset:`, `@layer`, `@container`,
		`url\(`, `@import`, `[{;]\s*&`,
	} {
		if found := regexp.MustCompile(newer).Find(css); found != nil {
			t.Errorf("public.css uses %q", found)
		}
	}
}
