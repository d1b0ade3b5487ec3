package statuspage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
)

// Still is a town's public page as plain files, for a host elsewhere that does
// nothing but hand out files: the look stands inside each page, links lead from
// file to file, nothing is loaded and nothing runs. It is made from the model in
// memory and needs no database.
type Still struct {
	Town  string
	URL   string // of the page itself
	AsOf  time.Time
	Until time.Time // how long the copy holds
	// Files are in the order in which they may be put up: the start pages last,
	// the home language's at the very end.
	Files []StillFile
}

// StillFile is one file, by its path below the copy's root.
type StillFile struct {
	Path string
	Body []byte
}

// FirstView is how large a start page with all that it needs may be on the wire,
// in bytes: what the first packets of a connection carry.
const FirstView = 14 * 1024

// stillness is what a view knows of the copy that it is written for.
type stillness struct {
	files  map[string]bool // all pages of the copy
	style  string          // the whole <style> element
	policy string
	icon   string
	until  time.Time
	valid  time.Duration
	dated  bool // this page says how long it holds
	stale  bool // this page says that it holds no longer
	full   int  // how many messages the start page tells in full
}

// OnChange registers who is told when a town's page says something new; app
// calls it before Start. It must not block.
func (r *Room) OnChange(f func(ident.Tenant)) { r.listeners = append(r.listeners, f) }

// Still makes the copy of a town's page, valid for that long after the rooms were
// last asked; false: there is no page yet.
func (r *Room) Still(ctx context.Context, tenant ident.Tenant, valid time.Duration) (Still, bool, error) {
	p := r.site.Load().towns[tenant]
	if p == nil {
		return Still{}, false, nil
	}
	m := p.model
	s := Still{Town: m.Town.Name, URL: m.Town.URL, AsOf: m.Read, Until: m.Read.Add(valid)}
	c := &copier{r: r, m: m, now: r.o.Clock.Now(), names: map[string]bool{}}
	c.base = stillness{files: c.names, until: s.Until, valid: valid}
	c.base.style, c.base.policy = r.stillStyle(valid)
	c.base.icon = "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(r.assets.docs[r.assets.icon].Plain)
	c.plan()
	for _, page := range c.pages {
		body, err := c.render(ctx, page)
		if err != nil {
			return Still{}, true, err
		}
		s.Files = append(s.Files, StillFile{Path: page.file, Body: body})
	}
	// What programs read is the same here and there.
	var data []StillFile
	for address, d := range p.docs {
		if d.Location == "" && !strings.HasPrefix(d.mime[0], "text/html") && !strings.HasPrefix(d.mime[0], "text/plain") && address != "/sitemap.xml" {
			data = append(data, StillFile{Path: strings.TrimPrefix(address, "/"), Body: d.Plain})
		}
	}
	slices.SortFunc(data, func(a, b StillFile) int { return strings.Compare(a.Path, b.Path) })
	s.Files = slices.DeleteFunc(slices.Concat(data, s.Files), func(f StillFile) bool { return !safePath.MatchString(f.Path) })
	return s, true, nil
}

// safePath is what every host can store and no one can climb out with.
var safePath = regexp.MustCompile(`^(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/)*[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// copier makes the pages of one copy.
type copier struct {
	r     *Room
	m     *model
	now   time.Time
	base  stillness
	names map[string]bool
	pages []stillPage
}

type stillPage struct {
	file, path   string
	lang         i18n.Lang
	make         func(v *view) templ.Component
	start        bool
	dated, stale bool
}

// plan lists the pages, the start pages last.
func (c *copier) plan() {
	var starts []stillPage
	for _, l := range langsHomeLast(c.m.home()) {
		add := func(p stillPage) {
			p.lang, p.file = l, stillName(c.m, l, p.path)
			if p.stale {
				p.file = staleName(p.file)
			}
			c.names[p.file] = true
			if p.start && !p.stale {
				starts = append(starts, p)
				return
			}
			c.pages = append(c.pages, p)
		}
		for _, s := range c.m.archived(c.now) {
			add(stillPage{path: s.path(), make: func(v *view) templ.Component { return storyPage(v, s) }})
			for _, m := range s.Messages {
				if m.CorrectedBy != "" {
					add(stillPage{path: s.version(m.ID), make: func(v *view) templ.Component { return versionPage(v, s, m) }})
				}
			}
		}
		add(stillPage{path: "archiv", make: func(v *view) templ.Component { return archivePage(v, "", newArchive(v).find("")) }})
		for _, x := range legalPaths {
			add(stillPage{path: x.path, make: func(v *view) templ.Component { return legalPage(v, x.kind) }})
		}
		for _, stale := range []bool{true, false} {
			if l == i18n.DE && len(c.m.easy(c.now)) > 0 {
				add(stillPage{path: "leicht", make: easyPage, dated: true, stale: stale})
			}
			add(stillPage{path: "", make: indexPage, start: true, dated: true, stale: stale})
		}
	}
	slices.SortFunc(c.pages, func(a, b stillPage) int { return strings.Compare(a.file, b.file) })
	c.pages = append(c.pages, starts...)
}

func langsHomeLast(home i18n.Lang) []i18n.Lang {
	out := slices.DeleteFunc(slices.Clone(i18n.Langs()), func(l i18n.Lang) bool { return l == home })
	return append(out, home)
}

// render makes one page; a start page tells fewer messages in full until its
// first view is small enough, the others by their titles.
func (c *copier) render(ctx context.Context, p stillPage) ([]byte, error) {
	full := len(c.m.Incidents)
	for {
		still := c.base
		still.dated, still.stale, still.full = p.dated, p.stale, full
		v := c.r.view(c.m, p.lang, c.now)
		v.path, v.still = p.path, &still
		var out bytes.Buffer
		if err := p.make(v).Render(v.ctx(ctx), &out); err != nil {
			return nil, fmt.Errorf("statuspage: copy of %q: %w", p.path, err)
		}
		if !p.start || full == 0 {
			return out.Bytes(), nil
		}
		packed, err := squeeze(out.Bytes())
		if err != nil {
			return nil, err
		}
		if len(packed) <= FirstView {
			return out.Bytes(), nil
		}
		full = min(full/2, 8)
	}
}

// stillName is the file of a page: "index.html", "en/archiv.html".
func stillName(m *model, l i18n.Lang, page string) string {
	if page == "" {
		page = "index"
	}
	if !isFeed(page) {
		page += ".html"
	}
	if l != m.home() {
		page = string(l) + "/" + page
	}
	return page
}

// staleName is the file of the same page with the words that it is out of date,
// beside it, so that links lead from there as well.
func staleName(file string) string {
	dir, name := path.Split(file)
	if name == "index.html" {
		return dir + "veraltet.html"
	}
	return dir + strings.TrimSuffix(name, ".html") + "-veraltet.html"
}

// link is the address of a page in a language, seen from the page of v: on our
// own listener an absolute path, in a copy the way from file to file. What a copy
// lacks, such as a form, is found at the page itself.
func (v *view) link(l i18n.Lang, to string) string {
	if v.still == nil {
		return v.m.href(l, to)
	}
	to, mark, marked := strings.Cut(to, "#")
	file := stillName(v.m, l, to)
	if !v.still.files[file] && !isFeed(file) {
		return v.m.Town.URL + v.m.href(l, to)
	}
	up := strings.Repeat("../", strings.Count(stillName(v.m, v.lang, v.path), "/"))
	if marked {
		file += "#" + mark
	}
	return up + file
}

// root is the address of a file that stands once, whatever the language.
func (v *view) root(file string) string {
	if v.still == nil {
		return "/" + file
	}
	return strings.Repeat("../", strings.Count(stillName(v.m, v.lang, v.path), "/")) + file
}

// told splits the messages of the start page: in full, and by title alone.
func (v *view) told(all []story) (full, brief []story) {
	if v.still == nil || len(all) <= v.still.full {
		return all, nil
	}
	return all[:v.still.full], all[v.still.full:]
}

var comment = regexp.MustCompile(`(?s)/\*.*?\*/\s*`)

// stillStyle is the stylesheet as an element, and the policy that lets exactly
// it in. A page that has been open for as long as a copy holds shows that it is
// out of date: whoever loaded it did so after it was made, so by then it is. Who
// loads an old copy reads until when it held; no page knows the time.
func (r *Room) stillStyle(valid time.Duration) (element, policy string) {
	css := comment.ReplaceAllString(string(r.assets.docs[r.assets.css].Plain), "")
	css = strings.Join(strings.Fields(css), " ")
	css += fmt.Sprintf(" .worn{visibility:hidden;max-height:0;overflow:hidden;padding:0;border:0;margin:0;animation:worn 1ms %ds forwards}"+
		"@keyframes worn{to{visibility:visible;max-height:none;padding:.75rem 1rem;border:3px solid #643700;margin:1rem 0}}", int(valid/time.Second))
	sum := sha256.Sum256([]byte(css))
	return "<style>" + css + "</style>",
		"default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; img-src data:; base-uri 'none'; form-action 'none'"
}
