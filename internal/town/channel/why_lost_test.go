package channel

import (
	"context"
	"slices"
	"strings"
	"testing"

	"tuermer/internal/platform/i18n"
)

// TestLostWordsAreASentence: no page shows a provider's word in place of a sentence, in
// either language, and the word is not lost.
func TestLostWordsAreASentence(t *testing.T) {
	catalog, err := i18n.NewCatalog(Texts())
	if err != nil {
		t.Fatal(err)
	}
	known := []string{
		"connect", "timeout", "auth", "tls", "rejected", "mailbox", "throttled", "protocol", "too_large", "blocked", "config", "unknown", "canceled",
		"busy", "unanswered", "declined", "speech",
	}
	for _, lang := range i18n.Langs() {
		ctx := i18n.With(context.Background(), i18n.Locale{Lang: lang, Catalog: catalog})
		for word := range providerWords {
			for _, w := range []string{word, strings.ToUpper(word), strings.ReplaceAll(word, "_", "-"), " " + word} {
				said, own := LostWords(ctx, w)
				if strings.Contains(said, "channel.") || said == "" || own != w {
					t.Errorf("%s: %q is said as %q, with %q", lang, w, said, own)
				}
			}
		}
		for _, w := range known {
			said, own := LostWords(ctx, w)
			if strings.Contains(said, "channel.") || (own != "") != (providerWords[w] != "") {
				t.Errorf("%s: %q is said as %q, with %q", lang, w, said, own)
			}
		}
		for _, w := range []string{"30003", "Ziel gesperrt", "alert.course.failed"} {
			said, own := LostWords(ctx, w)
			if strings.Contains(said, w) || own != w {
				t.Errorf("%s: %q is said as %q, with %q", lang, w, said, own)
			}
		}
		if said, own := LostWords(ctx, ""); said == "" || own != "" {
			t.Errorf("%s: nothing is said as %q", lang, said)
		}
	}
	ctx := i18n.With(context.Background(), i18n.Locale{Lang: i18n.DE, Catalog: catalog})
	if said, _ := LostWords(ctx, "completed"); said != "der Anruf endete, ohne dass eine Taste gedrückt wurde" {
		t.Error(said)
	}
	if said, _ := LostWords(ctx, "no-answer"); said != "niemand nimmt ab" {
		t.Error(said)
	}
	if !slices.Contains(i18n.Langs(), i18n.EN) {
		t.Error("English is not among them")
	}
}
