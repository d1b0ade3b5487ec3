package statuspage

import (
	"regexp"
	"strings"
)

// span is a piece of running text: plain, or with an address to follow.
type span struct {
	Text string
	Href string // empty: plain
}

// address finds web and mail addresses and telephone numbers. A number begins with + or 0
// and has at least six digits, so that dates, times and postcodes stay text.
var address = regexp.MustCompile(`https?://[^\s<>"']+|[a-zA-Z0-9][a-zA-Z0-9._+-]*@[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+|(?:\+|\b0)\d[\d /()-]{3,24}\d\b`)

// minDigits of a telephone number.
const minDigits = 6

// spans cuts a line of published text into pieces. Words stay as they are; only
// the way to them is added.
func spans(line, country string) []span {
	var out []span
	add := func(s span) {
		if s.Text != "" {
			out = append(out, s)
		}
	}
	at := 0
	for _, hit := range address.FindAllStringIndex(line, -1) {
		text := line[hit[0]:hit[1]]
		href := ""
		if strings.HasPrefix(text, "http") {
			text = strings.TrimRight(text, ".,;:!?)")
			href = text
		} else if strings.Contains(text, "@") {
			href = "mailto:" + text
		} else {
			href = dial(text, country)
		}
		if href == "" {
			continue
		}
		add(span{Text: line[at:hit[0]]})
		add(span{Text: text, Href: href})
		at = hit[0] + len(text)
	}
	add(span{Text: line[at:]})
	return out
}

// dial is the tel: address (RFC 3966) of a number as people write it; empty when
// it is none. Country is the code that replaces the leading zero ("+49"); empty
// leaves the number as it is dialled at home.
func dial(text, country string) string {
	plus := strings.HasPrefix(text, "+")
	text = strings.ReplaceAll(text, "(0)", "")
	var b strings.Builder
	for _, r := range text {
		if r >= '0' && r <= '9' {
			b.WriteRune(r)
		}
	}
	digits := b.String()
	if len(digits) < minDigits || len(digits) > 15 {
		return ""
	}
	switch {
	case plus:
		return "tel:+" + digits
	case strings.HasPrefix(digits, "00"):
		return "tel:+" + digits[2:]
	case country != "":
		return "tel:" + country + digits[1:]
	default:
		return "tel:" + digits
	}
}

// country is the dialling code of the land in which a town's clock ticks.
func country(zone string) string {
	switch zone {
	case "", "Europe/Berlin", "Europe/Busingen":
		return "+49"
	case "Europe/Vienna":
		return "+43"
	case "Europe/Zurich":
		return "+41"
	default:
		return ""
	}
}

// paragraphs cuts a body at blank lines, and each paragraph into lines.
func paragraphs(body string) [][]string {
	var out [][]string
	var now []string
	for line := range strings.SplitSeq(strings.ReplaceAll(body, "\r\n", "\n"), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			now = append(now, line)
			continue
		}
		if len(now) > 0 {
			out, now = append(out, now), nil
		}
	}
	if len(now) > 0 {
		out = append(out, now)
	}
	return out
}

// folder makes text comparable for the search: lower case, umlauts spelled out.
var folder = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss")

func fold(s string) string { return folder.Replace(strings.ToLower(s)) }
