// Package i18n holds every sentence that a person sees.
//
// A room brings texts/de.json and texts/en.json: flat maps from a key that
// begins with the room's name to a sentence with {0}, {1} … for its arguments.
// Both files must have the same keys. The reader's language, zone and the
// present moment ride in the context as a [Locale].
package i18n

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/platform/clock"
)

// Lang is a language of the console and the public page.
type Lang string

// The languages. German is the default.
const (
	DE Lang = "de"
	EN Lang = "en"
)

// Langs lists them, default first.
func Langs() []Lang { return []Lang{DE, EN} }

// Parse finds the language for a tag or an Accept-Language header; "" and
// everything unknown is German.
func Parse(tag string) Lang {
	for part := range strings.SplitSeq(tag, ",") {
		code, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		base, _, _ := strings.Cut(strings.ToLower(code), "-")
		if slices.Contains(Langs(), Lang(base)) {
			return Lang(base)
		}
	}
	return DE
}

// Catalog is the set of all rooms' texts.
type Catalog struct{ texts map[Lang]map[string]string }

// NewCatalog reads the rooms' texts; each fs holds texts/de.json and
// texts/en.json. A key twice, or in one language only, is an error.
func NewCatalog(rooms ...fs.FS) (*Catalog, error) {
	c := &Catalog{texts: map[Lang]map[string]string{}}
	for _, l := range Langs() {
		c.texts[l] = map[string]string{}
	}
	for _, room := range rooms {
		for _, l := range Langs() {
			if err := c.add(room, l); err != nil {
				return nil, err
			}
		}
	}
	for _, l := range Langs() {
		for k := range c.texts[l] {
			for _, other := range Langs() {
				if _, ok := c.texts[other][k]; !ok {
					return nil, fmt.Errorf("i18n: key %q has no text in %q", k, other)
				}
			}
		}
	}
	return c, nil
}

func (c *Catalog) add(room fs.FS, l Lang) error {
	name := "texts/" + string(l) + ".json"
	raw, err := fs.ReadFile(room, name)
	if err != nil {
		return fmt.Errorf("i18n: %w", err)
	}
	var m map[string]string
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("i18n: %s: %w", name, err)
	}
	for k, v := range m {
		if _, twice := c.texts[l][k]; twice {
			return fmt.Errorf("i18n: key %q stands twice in %q", k, l)
		}
		c.texts[l][k] = v
	}
	return nil
}

// Keys lists all keys, for tests.
func (c *Catalog) Keys() []string {
	var ks []string
	for k := range c.texts[DE] {
		ks = append(ks, k)
	}
	slices.Sort(ks)
	return ks
}

// Has reports whether there is a text for key.
func (c *Catalog) Has(key string) bool { _, ok := c.texts[DE][key]; return ok }

// Text is the sentence for key with its arguments put in. A missing key shows
// itself, so that it is seen and reported rather than hidden.
func (c *Catalog) Text(l Lang, key string, args ...any) string {
	s, ok := c.texts[l][key]
	if !ok {
		return key
	}
	return Fill(s, args...)
}

// Fill puts args into {0}, {1} … of s.
func Fill(s string, args ...any) string {
	if len(args) == 0 || !strings.Contains(s, "{") {
		return s
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '{')
		j := strings.IndexByte(s[max(i, 0):], '}')
		if i < 0 || j < 0 {
			b.WriteString(s)
			return b.String()
		}
		n, err := strconv.Atoi(s[i+1 : i+j])
		if err != nil || n < 0 || n >= len(args) {
			b.WriteString(s[:i+j+1])
		} else {
			b.WriteString(s[:i])
			fmt.Fprint(&b, args[n])
		}
		s = s[i+j+1:]
	}
}

// Locale is how one reader reads: language, zone, and the moment of the page.
type Locale struct {
	Catalog *Catalog
	Lang    Lang
	Zone    *time.Location
	Now     time.Time
}

type localeKey struct{}

// With returns a context for a reader with locale l.
func With(ctx context.Context, l Locale) context.Context {
	if l.Zone == nil {
		l.Zone = time.UTC
	}
	return context.WithValue(ctx, localeKey{}, l)
}

// Of tells the locale in ctx. Without one it is German, UTC, no texts.
func Of(ctx context.Context) Locale {
	if l, ok := ctx.Value(localeKey{}).(Locale); ok {
		return l
	}
	return Locale{Catalog: &Catalog{}, Lang: DE, Zone: time.UTC, Now: clock.System{}.Now()}
}

// T is the sentence for key in the reader's language.
func T(ctx context.Context, key string, args ...any) string {
	l := Of(ctx)
	return l.Catalog.Text(l.Lang, key, args...)
}

// N is the sentence for a count: key.one for 1, key.other else; the count is
// {0} and args follow.
func N(ctx context.Context, key string, n int, args ...any) string {
	form := ".other"
	if n == 1 {
		form = ".one"
	}
	return T(ctx, key+form, append([]any{Number(ctx, n)}, args...)...)
}

// Number writes n with the language's thousands mark: 11.240 or 11,240.
func Number(ctx context.Context, n int) string {
	mark := byte('.')
	if Of(ctx).Lang == EN {
		mark = ','
	}
	s := strconv.Itoa(n)
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	var b []byte
	for i := range len(s) {
		if i > 0 && (len(s)-i)%3 == 0 {
			b = append(b, mark)
		}
		b = append(b, s[i])
	}
	if neg {
		return "-" + string(b)
	}
	return string(b)
}
