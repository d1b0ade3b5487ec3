package service

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tuermer/internal/platform/fault"
)

// Limits of the short forms, in characters; a text message has 160 for all.
const (
	MaxShort           = 20
	MaxWorkaroundShort = 30
)

var slugForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)

// ValidSlug reports whether s can name a service, monitor or audience. "new" is
// the address of the empty form.
func ValidSlug(s string) bool { return slugForm.MatchString(s) && s != "new" }

// SlugFor makes a slug of a name, "Bürgerbüro, Termine" → "buergerbuero-termine";
// it is empty when nothing of the name can stand in one.
func SlugFor(name string) string {
	var b strings.Builder
	gap := false
	for _, c := range strings.ToLower(name) {
		piece := ""
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			piece = string(c)
		case c == 'ä':
			piece = "ae"
		case c == 'ö':
			piece = "oe"
		case c == 'ü':
			piece = "ue"
		case c == 'ß':
			piece = "ss"
		default:
			gap = b.Len() > 0
			continue
		}
		if b.Len()+1+len(piece) > 64 {
			break
		}
		if gap {
			b.WriteByte('-')
			gap = false
		}
		b.WriteString(piece)
	}
	return b.String()
}

// Check finds what is wrong with the service itself; others are the services
// that exist, for the dependencies.
func (s Service) Check(others []Service) error {
	err := fault.New(fault.Invalid, "service.invalid")
	bad := func(field, key string) { err = err.Field(field, key) }
	if !ValidSlug(s.Slug) {
		bad("slug", "service.bad_slug")
	}
	if strings.TrimSpace(s.Name) == "" {
		bad("name", "web.required")
	}
	if !slices.Contains([]string{"", "der", "die", "das", "plural"}, s.Article) {
		bad("article", "service.bad_article")
	}
	if utf8.RuneCountInString(s.ShortName()) > MaxShort {
		bad("short", "service.short_too_long")
	}
	if utf8.RuneCountInString(s.Workaround.Short) > MaxWorkaroundShort {
		bad("workaround_short", "service.workaround_short_too_long")
	}
	if !slices.Contains([]AutoPublic{"", Never, Checking, Confirmed}, s.AutoPublic) {
		bad("auto_public", "service.bad_auto_public")
	}
	if s.Owner != "" && !strings.Contains(s.Owner, "@") {
		bad("owner", "service.bad_owner")
	}
	known := map[string][]string{s.Slug: s.DependsOn}
	for _, o := range others {
		if o.Slug != s.Slug {
			known[o.Slug] = o.DependsOn
		}
	}
	for _, d := range s.DependsOn {
		if _, ok := known[d]; !ok {
			bad("depends_on", "service.unknown_dependency")
		}
	}
	if loops(s.Slug, known) {
		bad("depends_on", "service.loop")
	}
	if len(err.Fields) > 0 {
		return err
	}
	return nil
}

// loops reports whether following the dependencies from slug leads back to it.
func loops(slug string, edges map[string][]string) bool {
	seen := map[string]bool{}
	var walk func(string) bool
	walk = func(at string) bool {
		for _, next := range edges[at] {
			if next == slug {
				return true
			}
			if !seen[next] {
				seen[next] = true
				if walk(next) {
					return true
				}
			}
		}
		return false
	}
	return walk(slug)
}

// ShortName is the name for text messages: the short form, else the name cut to
// what fits.
func (s Service) ShortName() string {
	if s.Short != "" {
		return s.Short
	}
	if r := []rune(s.Name); len(r) > MaxShort {
		return strings.TrimSpace(string(r[:MaxShort-1])) + "."
	}
	return s.Name
}

// Missing reports whether something is not filled in that is needed at night:
// whom to call, and what people can do instead.
func (s Service) Missing() bool {
	return s.Owner == "" || (s.Public && s.Workaround.Text == "")
}

// Works reports whether the workaround may still be offered at now.
func (w Workaround) Works(now time.Time) bool {
	return w.Text != "" && (w.ValidUntil.IsZero() || now.Before(w.ValidUntil))
}

// Auto is AutoPublic with its default: public services are shown as being
// checked, others never.
func (s Service) Auto() AutoPublic {
	switch {
	case s.AutoPublic != "":
		return s.AutoPublic
	case s.Public:
		return Checking
	default:
		return Never
	}
}
