package web

import (
	"context"
	"net/http"
	"time"
)

// Shell is what the frame of every console page shows. desk fills it.
type Shell struct {
	Town   string
	Person string // name of who is signed in; empty: nobody
	Roles  string // their roles in words
	Nav    []NavItem
	Due    *Due   // the next thing due; nil: nothing is
	Notes  []Note // over the whole page: exercise, blind, demo
	// Sign begins the title of every page, so that a row of tabs tells how
	// things stand: "▲" while something is disturbed.
	Sign string
	// Version is shown in the foot.
	Version string
}

// NavItem is one entry of the main menu.
type NavItem struct {
	ID    string // what [PageOptions.Active] names
	Href  string
	Text  string
	Icon  string // path data of a 24×24 icon
	Key   string // keyboard, "g l"
	Count int    // open things, 0 hides it
	Wide  bool   // shown on wide screens only; the phone has "Mehr"
	More  bool   // the phone's "Mehr"
}

// Due is the next thing due, always visible with its clock.
type Due struct {
	At   time.Time
	What string
	Href string
	Act  string // the verb on the link: "Schreiben"
}

// Note is a band over the whole page.
type Note struct {
	Kind   string // "exercise", "blind", "demo"
	Strong string
	Text   string
	Href   string
	Link   string
}

type siteKey struct{}

type siteInfo struct {
	site *Site
	req  *http.Request
}

func withSite(ctx context.Context, s *Site, r *http.Request) context.Context {
	return context.WithValue(ctx, siteKey{}, siteInfo{s, r})
}

func siteOf(ctx context.Context) (siteInfo, bool) {
	i, ok := ctx.Value(siteKey{}).(siteInfo)
	return i, ok
}

// shellOf asks the site for its frame; without one (tests of a component) it
// is empty.
func shellOf(ctx context.Context) Shell {
	i, ok := siteOf(ctx)
	if !ok || i.site.o.Shell == nil {
		return Shell{}
	}
	return i.site.o.Shell(i.req.WithContext(ctx))
}

// here is the address of the page at hand, for language switch and live.
func here(ctx context.Context) string {
	if i, ok := siteOf(ctx); ok {
		return i.req.URL.RequestURI()
	}
	return "/"
}

// withLang is the page at hand in another language.
func withLang(ctx context.Context, lang string) string {
	i, ok := siteOf(ctx)
	if !ok {
		return "?lang=" + lang
	}
	u := *i.req.URL
	q := u.Query()
	q.Set("lang", lang)
	u.RawQuery = q.Encode()
	u.Scheme, u.Host = "", ""
	return u.String()
}

// PageOptions describes one page of the console.
type PageOptions struct {
	Title  string // without the product's name
	Active string // id of the menu entry
	// Act: the page has one act in the thumb zone; the phone's menu moves away.
	Act bool
	// Bare: no frame (sign-in, error, a link from a mail).
	Bare bool
}
