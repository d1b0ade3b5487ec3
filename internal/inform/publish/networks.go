package publish

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"

	"tuermer/internal/inform/template"
)

// asPost is how one network will show a variant: what stands there, what is cut
// off, and how its letters are counted.
type asPost struct {
	Network string // mastodon, bluesky, x, sms, subject
	Length  int
	Limit   int
	Shown   string
	Lost    string // empty: it fits
}

// networks are the places with a limit, and the formats that are best for them,
// best first.
var networks = []struct {
	name    string
	limit   int
	formats []template.Format
	count   func(string) int
}{
	{"mastodon", 500, []template.Format{template.Short500, template.Short300, template.Page}, mastodonLength},
	{"bluesky", 300, []template.Format{template.Short300, template.Short500, template.Page}, graphemes},
	{"x", 280, []template.Format{template.Short300, template.Short500, template.Page}, xLength},
	{"sms", 160, []template.Format{template.SMS}, nil},
	{"subject", 60, []template.Format{template.Mail}, func(s string) int { return len([]rune(s)) }},
}

// webLink finds addresses as networks do.
var webLink = regexp.MustCompile(`https?://[^\s<>"]+`)

// linkCounts is what Mastodon and X count for every link, however long.
const linkCounts = 23

// mastodonLength counts characters, and each link as 23.
func mastodonLength(s string) int {
	links := len(webLink.FindAllString(s, -1))
	return graphemes(webLink.ReplaceAllString(s, "")) + links*linkCounts
}

// xLength counts as X does: Latin letters and signs are one, all others and every
// picture two, each link 23.
func xLength(s string) int {
	n := len(webLink.FindAllString(s, -1)) * linkCounts
	for _, r := range letters(webLink.ReplaceAllString(s, "")) {
		if r <= 4351 || (r >= 8192 && r <= 8205) || (r >= 8208 && r <= 8223) || (r >= 8242 && r <= 8247) {
			n++
		} else {
			n += 2
		}
	}
	return n
}

// graphemes counts what a reader sees as letters.
func graphemes(s string) int { return len(letters(s)) }

// letters are the first characters of what a reader sees as one: marks, joined
// pictures and the second half of a flag belong to the one before.
func letters(s string) (out []rune) {
	joined, flag := false, false
	for _, r := range s {
		switch {
		case r == '\u200d':
			joined = true
			continue
		case unicode.Is(unicode.M, r) || (r >= 0x1f3fb && r <= 0x1f3ff):
			continue
		case joined:
			joined = false
			continue
		case r >= 0x1f1e6 && r <= 0x1f1ff && flag:
			flag = false
			continue
		}
		flag = r >= 0x1f1e6 && r <= 0x1f1ff
		out = append(out, r)
	}
	return out
}

// asPosts previews the variants of one audience in one language.
func asPosts(group []Variant, lang template.Language) (out []asPost) {
	for _, n := range networks {
		v, ok := bestFor(group, n.formats, lang)
		if !ok {
			continue
		}
		text := v.Body
		if n.name == "subject" {
			text = v.Subject
		}
		text = strings.TrimRight(text, " \n") // nobody sees it, and a network leaves it away
		count, limit := n.count, n.limit
		if n.name == "sms" {
			enc, _, _ := template.Segments(text)
			count = func(s string) int { _, l, _ := template.Segments(s); return l }
			if enc == template.UCS2 {
				limit = 70
				count = func(s string) int { return len(utf16.Encode([]rune(s))) }
			}
		}
		p := asPost{Network: n.name, Length: count(text), Limit: limit, Shown: text}
		if p.Length > limit {
			p.Shown, p.Lost = cutAt(text, limit-1, count)
		}
		out = append(out, p)
	}
	return out
}

func bestFor(group []Variant, formats []template.Format, lang template.Language) (Variant, bool) {
	for _, f := range formats {
		for _, v := range group {
			if v.Format == f && v.Language == lang {
				return v, true
			}
		}
	}
	return Variant{}, false
}

// cutAt splits a text where a network would cut it: at a word's end, never inside
// of a link.
func cutAt(s string, limit int, count func(string) int) (shown, lost string) {
	fits := 0
	for i, r := range s {
		if r != ' ' && r != '\n' {
			continue
		}
		if count(s[:i]) > limit {
			break
		}
		fits = i
	}
	if fits == 0 { // one word without an end
		for i := range s {
			if count(s[:i]) > limit {
				break
			}
			fits = i
		}
	}
	return s[:fits], strings.TrimLeft(s[fits:], " \n")
}
