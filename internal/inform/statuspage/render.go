package statuspage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/web"
)

// pages is everything that one tenant shows, rendered.
type pages struct {
	model   *model
	docs    map[string]*Document // by path, "/en/archiv"
	missing map[i18n.Lang]*Document
	search  map[i18n.Lang]*archive
	// content is a mark of everything on the pages but the running "Stand"; two
	// builds with the same mark differ in the start pages alone.
	content string
	turns   time.Time // when the clock alone changes something
	builtAt time.Time
	stored  bool // the model lies on disk
}

// assets are the stylesheet and icon that the pages name, by address.
type assets struct {
	css, icon string
	docs      map[string]*Document
}

// loadAssets prepares the embedded files; they cannot be missing.
func loadAssets() assets {
	a := assets{docs: map[string]*Document{}}
	add := func(name, ext, mime string) string {
		raw, err := fs.ReadFile(web.Source, "src/"+name+ext)
		if err == nil {
			var d *Document
			if d, err = newDocument(nil, http.StatusOK, mime, raw, time.Unix(0, 0).UTC()); err == nil {
				d.cache = []string{cacheAsset}
				path := "/assets/" + name + "-" + d.tag[:10] + ext
				a.docs[path] = d
				return path
			}
		}
		panic(err) // they are built in, and a test reads them
	}
	a.css = add("public", ".css", "text/css; charset=utf-8")
	a.icon = add("icon", ".svg", "image/svg+xml")
	return a
}

// any finds an asset by the beginning of its name, for pages that somebody has
// kept since before an update.
func (a assets) any(path string) (*Document, bool) {
	for _, now := range []string{a.css, a.icon} {
		stem, _, _ := strings.Cut(now, "-")
		if strings.HasPrefix(path, stem+"-") && path[strings.LastIndexByte(path, '.')+1:] == now[strings.LastIndexByte(now, '.')+1:] {
			old := *a.docs[now]
			old.cache = []string{cachePage}
			return &old, true
		}
	}
	return nil, false
}

// builder collects the documents of one build.
type builder struct {
	r    *Room
	p    *pages
	have *pages // until now; may be nil
	now  time.Time
	// same: nothing but the start pages can have changed, so the others are
	// taken over as they are.
	same bool
	errs []error
}

// render makes all pages of m. What is equal to have keeps its bytes.
func (r *Room) render(ctx context.Context, m *model, have *pages, now time.Time) (*pages, error) {
	zone := m.zone()
	content, err := contentMark(m, now, zone, r.assets)
	if err != nil {
		return nil, err
	}
	p := &pages{
		model: m, docs: map[string]*Document{}, missing: map[i18n.Lang]*Document{}, search: map[i18n.Lang]*archive{},
		content: content, turns: m.turns(now, zone), builtAt: now,
	}
	b := &builder{r: r, p: p, have: have, now: now, same: have != nil && have.content == content}
	for _, l := range i18n.Langs() {
		b.language(ctx, r.view(m, l, now))
	}
	b.machines(m, zone)
	return p, errors.Join(b.errs...)
}

// zone is the town's.
func (m *model) zone() *time.Location {
	zone, err := clock.Zone(m.Town.Zone)
	if err != nil {
		return time.UTC // it is checked where it is entered
	}
	return zone
}

// view is what a page of m shows in one language.
func (r *Room) view(m *model, l i18n.Lang, now time.Time) *view {
	return &view{
		m: m, now: now, lang: l, css: r.assets.css, icon: r.assets.icon, country: country(m.Town.Zone),
		loc: i18n.Locale{Catalog: r.o.Catalog, Lang: l, Zone: m.zone(), Now: now},
	}
}

// contentMark is a mark of the content: the model without the time of reading, and
// what the clock makes of it.
func contentMark(m *model, now time.Time, zone *time.Location, a assets) (string, error) {
	still := *m
	still.Read = time.Time{}
	next, late := m.next(now)
	var over []string
	for _, c := range m.Components {
		if !c.Until.IsZero() && !now.Before(c.Until) {
			over = append(over, c.Slug)
		}
	}
	var work []string
	for _, s := range m.Incidents {
		if s.planned() {
			work = append(work, s.work(now))
		}
	}
	raw, err := json.Marshal([]any{work, still, next, late, over, len(m.current(now)), len(m.archived(now)), now.In(zone).Format(time.DateOnly), a.css})
	if err != nil {
		return "", fmt.Errorf("statuspage: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16]), nil
}

// language renders the pages of one language.
func (b *builder) language(ctx context.Context, v *view) {
	b.page(ctx, v, "", indexPage(v))
	b.embeds(ctx, v)
	v.path = ""
	if b.keep(v.lang) {
		return
	}
	b.p.search[v.lang] = newArchive(v)
	b.page(ctx, v, "archiv", archivePage(v, "", b.p.search[v.lang].find("")))
	for _, s := range v.m.Incidents {
		b.story(ctx, v, s)
	}
	for _, x := range legalPaths {
		b.page(ctx, v, x.path, legalPage(v, x.kind))
	}
	if v.lang == i18n.DE && len(v.m.easy(v.now)) > 0 {
		b.page(ctx, v, "leicht", easyPage(v))
	}
	v.path = ""
	b.feed(v)
	if d := b.html(ctx, v, http.StatusNotFound, nil, missingPage(v)); d != nil {
		b.p.missing[v.lang] = d
	}
	if home := v.href(""); home != "/" {
		b.p.docs[strings.TrimSuffix(home, "/")] = redirect(home)
	}
}

// keep takes over everything but the start page of a language, when it is the
// same as before.
func (b *builder) keep(l i18n.Lang) bool {
	if !b.same {
		return false
	}
	for path, d := range b.have.docs {
		if _, made := b.p.docs[path]; !made && path != b.p.model.href(i18n.DE, "") && path != b.p.model.href(i18n.EN, "") {
			b.p.docs[path] = d
		}
	}
	b.p.missing[l], b.p.search[l] = b.have.missing[l], b.have.search[l]
	return true
}

// story renders the course of one incident under the address of its first
// message; the other messages lead there, corrected versions stay as they were.
func (b *builder) story(ctx context.Context, v *view, s story) {
	b.page(ctx, v, s.path(), storyPage(v, s))
	for _, m := range s.Messages {
		switch address := "m/" + string(m.ID); {
		case m.CorrectedBy != "":
			b.page(ctx, v, s.version(m.ID), versionPage(v, s, m))
		case address != s.path():
			b.p.docs[v.href(address)] = redirect(v.href(s.path()) + "#m-" + url.PathEscape(string(m.ID)))
		}
	}
}

// page renders one page and puts it up.
func (b *builder) page(ctx context.Context, v *view, path string, c templ.Component) {
	v.path = path
	address := v.href(path)
	d := b.html(ctx, v, http.StatusOK, b.old(address), c)
	if d == nil {
		return
	}
	if d.alt == nil {
		d.alt = map[i18n.Lang]string{}
		for _, l := range i18n.Langs() {
			d.alt[l] = v.m.href(l, path)
		}
		d.content = []string{string(v.lang)}
	}
	b.p.docs[address] = d
}

func (b *builder) old(address string) *Document {
	if b.have == nil {
		return nil
	}
	return b.have.docs[address]
}

func (b *builder) html(ctx context.Context, v *view, status int, old *Document, c templ.Component) *Document {
	var out bytes.Buffer
	if err := c.Render(v.ctx(ctx), &out); err != nil {
		b.errs = append(b.errs, fmt.Errorf("page %q: %w", v.path, err))
		return nil
	}
	d, err := newDocument(old, status, "text/html; charset=utf-8", out.Bytes(), b.now)
	if err != nil {
		b.errs = append(b.errs, err)
		return nil
	}
	return d
}

// raw puts up something for programs.
func (b *builder) raw(address, mime string, body []byte, err error) {
	var d *Document
	if err == nil {
		d, err = newDocument(b.old(address), http.StatusOK, mime, body, b.now)
	}
	if err != nil {
		b.errs = append(b.errs, fmt.Errorf("%s: %w", address, err))
		return
	}
	if !d.foreign { // a document that is up already must not be written to
		d.foreign = true
	}
	b.p.docs[address] = d
}

// stored is the form of a model on disk.
type stored struct {
	Version int
	Model   *model
}

const storedVersion = 1

func encode(m *model) ([]byte, error) {
	raw, err := json.Marshal(stored{storedVersion, m})
	if err != nil {
		return nil, fmt.Errorf("statuspage: %w", err)
	}
	return raw, nil
}

// decode reads what [encode] wrote; a file of another version or without a
// tenant is an error, and the page is then built from the database alone.
func decode(raw []byte) (*model, error) {
	var s stored
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("statuspage: %w", err)
	}
	if s.Version != storedVersion || s.Model == nil || s.Model.Town.ID == "" {
		return nil, fmt.Errorf("statuspage: version %d of a stored page is not understood", s.Version)
	}
	for _, c := range s.Model.Components {
		if !c.State.Valid() {
			return nil, fmt.Errorf("statuspage: stored page: %q is no state", c.State)
		}
	}
	for _, in := range s.Model.Incidents {
		if len(in.current()) == 0 {
			return nil, errors.New("statuspage: stored page: an incident without a message")
		}
	}
	return s.Model, nil
}

// fileName is the tenant's file; whatever an id holds, it stays in the folder.
func fileName(t ident.Tenant) string { return url.QueryEscape(string(t)) + ".json" }
