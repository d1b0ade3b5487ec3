package i18n_test

import (
	"testing"
	"testing/fstest"
	"time"

	"tuermer/internal/platform/i18n"
)

func files(de, en string) fstest.MapFS {
	return fstest.MapFS{"texts/de.json": {Data: []byte(de)}, "texts/en.json": {Data: []byte(en)}}
}

func TestCatalog(t *testing.T) {
	c, err := i18n.NewCatalog(files(`{"a.hello": "Guten Tag, {0}. {1} {9} {x}"}`, `{"a.hello": "Hello {0}"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Text(i18n.DE, "a.hello", "Ada", 2); got != "Guten Tag, Ada. 2 {9} {x}" {
		t.Error(got)
	}
	if got := c.Text(i18n.DE, "a.missing"); got != "a.missing" {
		t.Error(got)
	}
	for name, fs := range map[string]fstest.MapFS{
		"one language": files(`{"a.x": "X"}`, `{}`), "no json": files(`{`, `{}`),
	} {
		if _, err := i18n.NewCatalog(fs); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	same := files(`{"a.x": "X"}`, `{"a.x": "X"}`)
	if _, err := i18n.NewCatalog(same, same); err == nil {
		t.Error("a key that stands twice was taken")
	}
}

func TestTimes(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 13, 14, 0, 0, time.UTC)
	de := i18n.Locale{Lang: i18n.DE, Zone: zone, Now: now}
	en := i18n.Locale{Lang: i18n.EN, Zone: zone, Now: now}
	for want, got := range map[string]string{
		"14:02 Uhr": de.Short(now.Add(-12 * time.Minute)), "14:02": en.Short(now.Add(-12 * time.Minute)),
		"21.11. 14:14 Uhr":                      de.Short(now.AddDate(0, 0, -1)),
		"Sonntag, 22. November 2026, 14:14 Uhr": de.Stand(now),
		"Sunday, 22 November 2026, 14:14":       en.Stand(now),
		"vor 12 Minuten":                        de.Ago(now.Add(-12*time.Minute - 3*time.Second)),
		"12 minutes ago":                        en.Ago(now.Add(-12 * time.Minute)),
		"noch 1 Stunde 5 Minuten":               de.Ago(now.Add(65 * time.Minute)),
		"vor 3 Tagen":                           de.Ago(now.AddDate(0, 0, -3)),
		"2 Tage 3 Stunden":                      de.Span(51*time.Hour + 20*time.Minute),
		"1 Minute 1 Sekunde":                    de.Span(61 * time.Second),
		"0 Sekunden":                            de.Span(0),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for in, want := range map[string]i18n.Lang{"": "de", "en-GB,en;q=0.9": "en", "fr, en": "en", "de-AT": "de", "xx": "de"} {
		if got := i18n.Parse(in); got != want {
			t.Errorf("Parse(%q) = %s", in, got)
		}
	}
}
