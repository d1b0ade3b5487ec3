package roster

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/audit"
)

// Feed is a secret address at which a calendar program reads shifts.
type Feed struct {
	ID     string
	Roster string
	Person string // mail address whose shifts alone it shows; empty: all
	Name   string // what it is for: "Handy"
	By     string // person who made it
	ByName string
	At     time.Time
}

// maxFeeds bounds the feeds of a roster.
const maxFeeds = 100

// errNoFeed is all that a wrong or revoked address hears.
var errNoFeed = fault.New(fault.NotFound, "roster.no_feed")

func feedHash(secret string) string {
	sum := sha256.Sum256([]byte("tuermer/roster/feed/" + secret))
	return hex.EncodeToString(sum[:])
}

// MakeFeed makes a feed and answers its address, which is told this once. With
// mine it shows only the shifts of whoever makes it.
func (r *Room) MakeFeed(ctx context.Context, slug, name string, mine bool) (f Feed, url string, err error) {
	ro, err := r.mayAct(ctx, slug)
	if err != nil {
		return f, "", err
	}
	if name = strings.TrimSpace(name); !plain(name, maxName) {
		return f, "", fault.New(fault.Invalid, "roster.invalid_feed").Field("feed_name", "roster.bad_name")
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return f, "", err
	}
	town, err := r.o.People.Current(ctx)
	if err != nil {
		return f, "", err
	}
	var bits [32]byte
	if _, err := rand.Read(bits[:]); err != nil {
		return f, "", fmt.Errorf("roster: feed: %w", err)
	}
	secret := base64.RawURLEncoding.EncodeToString(bits[:])
	now, who := r.o.Clock.Now(), ident.ActorOf(ctx)
	f = Feed{ID: ident.NewID(now), Roster: ro.Slug, Name: name, By: who.Person, ByName: who.Name, At: now}
	if mine {
		if f.Person, err = r.me(ctx); err != nil {
			return f, "", err
		}
	}
	row := feedRow{
		TenantID: tenant, ID: f.ID, Roster: f.Roster, Person: f.Person, Name: f.Name, Hash: feedHash(secret), ByPerson: f.By, ByName: f.ByName, MadeAt: now,
	}
	return f, town.StaffURL + "/rd/" + secret, r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		all, err := r.Feeds(ctx, slug)
		if err != nil {
			return err
		}
		if len(all) >= maxFeeds {
			return fault.New(fault.Conflict, "roster.many_feeds", maxFeeds)
		}
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("roster: feed: %w", err)
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: "roster.feed_made", Subject: "roster:" + slug, Detail: map[string]string{"name": name}})
	})
}

// Feeds lists those of a roster that still work.
func (r *Room) Feeds(ctx context.Context, slug string) ([]Feed, error) {
	var rows []feedRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ? AND roster = ? AND revoked_at IS NULL", ident.TenantOf(ctx), slug).Order("id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("roster: feeds: %w", err)
	}
	out := make([]Feed, len(rows))
	for i, row := range rows {
		out[i] = Feed{row.ID, row.Roster, row.Person, row.Name, row.ByPerson, row.ByName, clock.Cut(row.MadeAt)}
	}
	return out, nil
}

// RevokeFeed ends a feed at once. Whoever made it may, and the roster's lead.
func (r *Room) RevokeFeed(ctx context.Context, slug, id string) error {
	ro, err := r.mayAct(ctx, slug)
	if err != nil {
		return err
	}
	lead := r.mayLead(ctx, ro) == nil
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		all, err := r.Feeds(ctx, slug)
		if err != nil {
			return err
		}
		for _, f := range all {
			if f.ID != id {
				continue
			}
			if !lead && f.By != ident.ActorOf(ctx).Person {
				return errForbidden
			}
			if _, err := db.NewUpdate().Model((*feedRow)(nil)).Set("revoked_at = ?", r.o.Clock.Now()).Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), id).Exec(ctx); err != nil {
				return fmt.Errorf("roster: feed: %w", err)
			}
			return r.o.Audit.Record(ctx, audit.Entry{Action: "roster.feed_revoked", Subject: "roster:" + slug, Detail: map[string]string{"name": f.Name}})
		}
		return errNoFeed
	})
}

// A feed shows four weeks of what was and half a year of what comes.
const (
	feedBack  = 28
	feedAhead = 183
)

// Calendar is the feed that belongs to a secret, as iCalendar (RFC 5545).
func (r *Room) Calendar(ctx context.Context, secret string) (string, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return "", errNoFeed
	}
	var row feedRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ? AND hash = ? AND revoked_at IS NULL", tenant, feedHash(secret)).Scan(ctx)
	if store.NotFound(err) {
		return "", errNoFeed
	}
	if err != nil {
		return "", fmt.Errorf("roster: feed: %w", err)
	}
	now := r.o.Clock.Now()
	l, _, err := r.locale(ctx, "", now)
	if err != nil {
		return "", err
	}
	today := DateIn(now, l.Zone)
	ro, shifts, err := r.Show(ctx, row.Roster, today.Add(-feedBack), today.Add(feedAhead))
	if err != nil {
		return "", err
	}
	return calendarOf(l, ro, row.Person, shifts, now), nil
}

// gapProperty marks an event in which nobody is on duty, for those who read the
// calendar back.
const gapProperty = "X-TUERMER-GAP"

// calendarOf writes shifts as events, all times in UTC, so that no reader needs to
// know the town's zone. The name of an event is that of its shift, and stays when
// the person changes.
func calendarOf(l i18n.Locale, ro Roster, only string, shifts []Shown, now time.Time) string {
	var b strings.Builder
	line := func(name, value string) { b.WriteString(fold(name + ":" + value)) }
	stamp := func(t time.Time) string { return t.UTC().Format(keyForm) }
	line("BEGIN", "VCALENDAR")
	line("VERSION", "2.0")
	line("PRODID", "-//Tuermer//Dienstplan//DE")
	line("X-WR-CALNAME", escape(ro.Name))
	for _, s := range shifts {
		if only != "" && s.Person != only {
			continue
		}
		words := ShiftLine(l, ro, s)
		line("BEGIN", "VEVENT")
		line("UID", ro.Slug+"-"+s.key()+"@tuermer")
		line("DTSTAMP", stamp(now))
		line("DTSTART", stamp(s.From))
		line("DTEND", stamp(s.To))
		line("SUMMARY", escape(ro.Name+": "+words[1]))
		if words[2] != "" {
			line("DESCRIPTION", escape(words[2]))
		}
		if s.Why != "" {
			line(gapProperty, string(s.Why))
		}
		line("END", "VEVENT")
	}
	line("END", "VCALENDAR")
	return b.String()
}

// escape makes a text of RFC 5545, 3.3.11.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\r\n", `\n`, "\n", `\n`, "\r", "").Replace(s)
}

// fold breaks a line after 75 bytes, between characters (RFC 5545, 3.1).
func fold(s string) string {
	var b strings.Builder
	room := 75
	for _, c := range s {
		if n := utf8.RuneLen(c); n > room {
			b.WriteString("\r\n ")
			room = 74 - n
		} else {
			room -= n
		}
		b.WriteRune(c)
	}
	return b.String() + "\r\n"
}

func (r *Room) getFeed(w http.ResponseWriter, req *http.Request) error {
	text, err := r.Calendar(req.Context(), strings.TrimSuffix(req.PathValue("token"), ".ics"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/calendar; charset=utf-8")
	w.Header().Set("Cache-Control", "private, no-store")
	_, _ = w.Write([]byte(text)) // the reader may be gone
	return nil
}

// feedsView is the page of a roster's feeds.
type feedsView struct {
	Roster  Roster
	Feeds   []Feed
	Form    *web.Form
	URL     string // of the one just made
	MayLead bool
	Me      string
}

func (r *Room) showFeeds(w http.ResponseWriter, req *http.Request, status int, ro Roster, f *web.Form, url string) error {
	ctx := req.Context()
	all, err := r.Feeds(ctx, ro.Slug)
	if err != nil {
		return err
	}
	if url != "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	return web.RenderStatus(w, req, status, feedsPage(feedsView{ro, all, f, url, r.mayLead(ctx, ro) == nil, ident.ActorOf(ctx).Person}))
}

func (r *Room) pageFeeds(w http.ResponseWriter, req *http.Request) error {
	ro, err := r.mayAct(req.Context(), req.PathValue("slug"))
	if err != nil {
		return err
	}
	return r.showFeeds(w, req, http.StatusOK, ro, web.NewForm(map[string]string{"which": "mine"}), "")
}

func (r *Room) postFeed(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	ro, err := r.mayAct(ctx, req.PathValue("slug"))
	if err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	_, url, err := r.MakeFeed(ctx, ro.Slug, f.Get("feed_name"), f.Get("which") != "all")
	if err != nil {
		if f.Take(err) {
			return r.showFeeds(w, req, http.StatusUnprocessableEntity, ro, f, "")
		}
		return err
	}
	return r.showFeeds(w, req, http.StatusOK, ro, web.NewForm(map[string]string{"which": "mine"}), url)
}

func (r *Room) postFeedRevoke(w http.ResponseWriter, req *http.Request) error {
	if err := r.RevokeFeed(req.Context(), req.PathValue("slug"), req.PathValue("id")); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/roster/"+req.PathValue("slug")+"/feeds")
}
