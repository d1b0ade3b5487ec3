package statuspage

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"tuermer/internal/platform/web"
)

// framedPolicy lets other sites show a page in a frame; only the widget has it.
var framedPolicy = []string{strings.Replace(web.Policy, "frame-ancestors 'none'", "frame-ancestors *", 1)}

// embeds puts up what other sites show: the badge and the widget.
func (b *builder) embeds(ctx context.Context, v *view) {
	v.path = "badge.svg"
	b.raw(v.href("badge.svg"), "image/svg+xml; charset=utf-8", v.badge(), nil)
	v.path = "widget"
	d := b.html(ctx, v, http.StatusOK, b.old(v.href("widget")), widgetPage(v))
	if d == nil {
		return
	}
	if d.policy == nil { // a document that is up already must not be written to
		d.policy, d.content = framedPolicy, []string{string(v.lang)}
	}
	b.p.docs[v.href("widget")] = d
}

// badgeColours stand at more than 7:1 under white.
func badgeColour(s State) string {
	switch s {
	case Down:
		return "#8b0000"
	case Degraded, Checking:
		return "#643700"
	case Maintenance:
		return "#004860"
	default:
		return "#004c38"
	}
}

// badge says in one small picture how things stand: mark, word and colour, and
// the whole sentence for who hears it.
func (v *view) badge() []byte {
	esc := func(s string) string {
		var b bytes.Buffer
		_ = xml.EscapeText(&b, []byte(clean(s))) // a buffer takes everything
		return b.String()
	}
	worst := v.m.worst()
	say := v.m.Town.Name + ": " + v.say()
	left, right := v.m.Town.Name, v.badgeWord(worst)
	const perRune, pad, high = 7.4, 10, 24
	wl := int(float64(utf8.RuneCountInString(left))*perRune) + 2*pad
	wr := int(float64(utf8.RuneCountInString(right))*perRune) + 2*pad + 20
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[2]d" viewBox="0 0 %[1]d %[2]d" role="img" aria-label="%[3]s" xml:lang="%[4]s">`, wl+wr, high, esc(say), v.lang)
	fmt.Fprintf(&b, `<title>%s</title><rect width="%d" height="%d" fill="#131525"/><rect x="%d" width="%d" height="%d" fill="%s"/>`, esc(say), wl+wr, high, wl, wr, high, badgeColour(worst))
	fmt.Fprintf(&b, `<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="12"><text x="%d" y="16" textLength="%d">%s</text>`, pad, wl-2*pad, esc(left))
	fmt.Fprintf(&b, `<path transform="translate(%d 5.5) scale(.8)" fill-rule="evenodd" d="%s"/><text x="%d" y="16" textLength="%d">%s</text></g></svg>`, wl+pad, shape(worst), wl+pad+20, wr-2*pad-20, esc(right))
	b.WriteByte('\n')
	return b.Bytes()
}

// badgeWord is the state in few words, with the number of services in it.
func (v *view) badgeWord(s State) string {
	n := 0
	for _, c := range v.m.Components {
		if c.State == s {
			n++
		}
	}
	if s == Operational || n == 0 {
		return v.t("badge_ok")
	}
	return v.n("badge", n, v.word(s))
}

// snippets are what a town puts into its own website, for a language.
func snippets(path, alt string) (badge, frame string) {
	return fmt.Sprintf(`<a href="%s"><img src="%sbadge.svg" alt="%s"></a>`, path, path, alt),
		fmt.Sprintf(`<iframe src="%swidget" title="%s" width="100%%" height="220" loading="lazy" style="border:0"></iframe>`, path, alt)
}
