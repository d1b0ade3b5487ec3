package service

import (
	"net/url"
	"strings"
)

// forms are the name with its article as sentences want it. An explicit form of
// the service wins over the rule.
func (r *Room) forms(s Service) (nominative, dative, accusative string) {
	say := r.o.Forms
	if say == nil {
		say = plainForms
	}
	nominative, dative, accusative = say(s)
	if s.Dative != "" {
		dative = s.Dative
	}
	if s.Accusative != "" {
		accusative = s.Accusative
	}
	return nominative, dative, accusative
}

// plainForms puts the article in front and leaves the name alone.
func plainForms(s Service) (nominative, dative, accusative string) {
	articles := map[string][3]string{
		"der": {"der ", "dem ", "den "}, "die": {"die ", "der ", "die "}, "das": {"das ", "dem ", "das "},
		"plural": {"die ", "den ", "die "},
	}
	a := articles[s.Article]
	return a[0] + s.Name, a[1] + s.Name, a[2] + s.Name
}

// telephone finds the number to dial in what somebody wrote, "0611 000 (24 h)";
// empty when there is none.
func telephone(s string) string {
	s = strings.TrimSpace(strings.ReplaceAll(s, "(0)", ""))
	if i := strings.IndexAny(s, "+0123456789"); i >= 0 {
		s = s[i:]
	}
	end := strings.IndexFunc(s, func(c rune) bool { return !strings.ContainsRune("+0123456789 /-.)", c) })
	if end >= 0 {
		s = s[:end]
	}
	var b strings.Builder
	for i, c := range s {
		if c >= '0' && c <= '9' || c == '+' && i == 0 {
			b.WriteRune(c)
		}
	}
	if b.Len() < 3 {
		return ""
	}
	return b.String()
}

// query writes pairs of name and value as the query of an address, without
// those that are empty.
func query(pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v.Encode()
}
