package statuspage

import (
	"cmp"
	"encoding/xml"
	"net/url"
	"strings"
	"time"
)

// maxEntries bounds the feed.
const maxEntries = 50

// The feed is Atom (RFC 4287).
type atomFeed struct {
	XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	Lang    string      `xml:"xml:lang,attr"`
	ID      string      `xml:"id"`
	Title   string      `xml:"title"`
	Updated string      `xml:"updated"`
	Author  atomAuthor  `xml:"author"`
	Links   []atomLink  `xml:"link"`
	Entries []atomEntry `xml:"entry"`
}

type atomAuthor struct {
	Name string `xml:"name"`
}

type atomLink struct {
	Rel  string `xml:"rel,attr"`
	Type string `xml:"type,attr,omitempty"`
	Href string `xml:"href,attr"`
}

type atomEntry struct {
	ID        string     `xml:"id"`
	Title     string     `xml:"title"`
	Published string     `xml:"published"`
	Updated   string     `xml:"updated"`
	Links     []atomLink `xml:"link"`
	Category  atomTerm   `xml:"category"`
	Content   atomText   `xml:"content"`
}

type atomTerm struct {
	Term  string `xml:"term,attr"`
	Label string `xml:"label,attr"`
}

type atomText struct {
	Type string `xml:"type,attr"`
	Lang string `xml:"xml:lang,attr,omitempty"`
	Text string `xml:",chardata"`
}

// authority is the name under which ids are made (tag URIs, RFC 4151); it lasts
// as long as the address of the page.
func (m *model) authority() string {
	if u, err := url.Parse(m.Town.URL); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	return string(m.Town.ID) + ".invalid"
}

// changed is when anything public last changed; it does not run with the clock.
func (m *model) changed() time.Time {
	var out time.Time
	for _, c := range m.Components {
		if c.Changed.After(out) {
			out = c.Changed
		}
	}
	for _, s := range m.Incidents {
		if at := s.latest(); at.After(out) {
			out = at
		}
	}
	if out.IsZero() {
		out = time.Unix(0, 0).UTC()
	}
	return out
}

func (b *builder) feed(v *view) {
	m := v.m
	f := atomFeed{
		Lang: string(v.lang), ID: "tag:" + m.authority() + ",2026:feed-" + string(v.lang),
		Title: v.t("feed_title", m.Town.Name), Updated: stamp(m.changed()), Author: atomAuthor{m.Town.Name},
		Links: []atomLink{
			{Rel: "self", Type: "application/atom+xml", Href: v.abs("feed.atom")},
			{Rel: "alternate", Type: "text/html", Href: v.abs("")},
		},
	}
	for _, s := range m.archived(v.now) {
		for _, msg := range s.current() {
			if len(f.Entries) == maxEntries {
				break
			}
			w, lang := v.text(msg)
			f.Entries = append(f.Entries, atomEntry{
				ID:    "tag:" + m.authority() + ",2026:m-" + string(msg.Root) + "-" + string(v.lang),
				Title: clean(cmp.Or(w.Title, v.kind(msg.Kind))), Published: stamp(msg.FirstAt), Updated: stamp(msg.At),
				Links:    []atomLink{{Rel: "alternate", Type: "text/html", Href: v.abs(s.path()) + "#m-" + string(msg.ID)}},
				Category: atomTerm{Term: string(msg.Kind), Label: v.kind(msg.Kind)},
				Content:  atomText{Type: "text", Lang: lang, Text: clean(w.Body)},
			})
		}
	}
	body, err := xml.MarshalIndent(f, "", " ")
	b.raw(v.href("feed.atom"), "application/atom+xml; charset=utf-8", append([]byte(xml.Header), body...), err)
	body, err = xml.MarshalIndent(v.rss(f), "", " ")
	b.raw(v.href("feed.rss"), "application/rss+xml; charset=utf-8", append([]byte(xml.Header), body...), err)
}

// isFeed tells the feeds from the pages.
func isFeed(page string) bool {
	return strings.HasSuffix(page, ".atom") || strings.HasSuffix(page, ".rss")
}

// The same feed as RSS 2.0, for readers that know nothing else.
type rssFeed struct {
	XMLName xml.Name   `xml:"rss"`
	Version string     `xml:"version,attr"`
	Atom    string     `xml:"xmlns:atom,attr"`
	Channel rssChannel `xml:"channel"`
}

type rssChannel struct {
	Title       string    `xml:"title"`
	Link        string    `xml:"link"`
	Self        atomLink  `xml:"atom:link"`
	Description string    `xml:"description"`
	Language    string    `xml:"language"`
	Built       string    `xml:"lastBuildDate"`
	Items       []rssItem `xml:"item"`
}

type rssItem struct {
	Title       string  `xml:"title"`
	Link        string  `xml:"link"`
	ID          rssGUID `xml:"guid"`
	At          string  `xml:"pubDate"`
	Category    string  `xml:"category"`
	Description string  `xml:"description"`
}

type rssGUID struct {
	Permanent bool   `xml:"isPermaLink,attr"`
	Text      string `xml:",chardata"`
}

// rss is f in the other form.
func (v *view) rss(f atomFeed) rssFeed {
	out := rssFeed{Version: "2.0", Atom: "http://www.w3.org/2005/Atom", Channel: rssChannel{
		Title: f.Title, Link: v.abs(""), Description: f.Title, Language: f.Lang, Built: rssTime(f.Updated),
		Self: atomLink{Rel: "self", Type: "application/rss+xml", Href: v.abs("feed.rss")},
	}}
	for _, e := range f.Entries {
		out.Channel.Items = append(out.Channel.Items, rssItem{
			Title: e.Title, Link: e.Links[0].Href, ID: rssGUID{Text: e.ID}, At: rssTime(e.Updated),
			Category: e.Category.Label, Description: e.Content.Text,
		})
	}
	return out
}

// rssTime writes a moment of the other feed as RSS wants it (RFC 822).
func rssTime(s string) string {
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return s
	}
	return at.UTC().Format(time.RFC1123Z)
}

// clean replaces what XML 1.0 cannot hold, so that one odd character does not
// make a feed unreadable.
func clean(s string) string {
	out := []rune(s)
	for i, r := range out {
		if (r < ' ' && r != '\n' && r != '\t') || r == '\uFFFE' || r == '\uFFFF' {
			out[i] = '\uFFFD'
		}
	}
	return string(out)
}

// The map of the site (sitemaps.org).
type sitemap struct {
	XMLName xml.Name     `xml:"http://www.sitemaps.org/schemas/sitemap/0.9 urlset"`
	URLs    []sitemapURL `xml:"url"`
}

type sitemapURL struct {
	Loc     string `xml:"loc"`
	LastMod string `xml:"lastmod"`
}
