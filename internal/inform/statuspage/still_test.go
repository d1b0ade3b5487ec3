package statuspage

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/service"
)

const holds = 15 * time.Minute

func still(t *testing.T, r *Room) Still {
	t.Helper()
	s, ok, err := r.Still(t.Context(), "t1", holds)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	return s
}

func (s Still) file(name string) []byte {
	for _, f := range s.Files {
		if f.Path == name {
			return f.Body
		}
	}
	return nil
}

func fileDoc(t *testing.T, s Still, name string) *goquery.Document {
	t.Helper()
	d, err := goquery.NewDocumentFromReader(bytes.NewReader(s.file(name)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// busy is a town on a bad day: many services, many long messages.
func busy(t *testing.T) (*around, *Room, *ticking) {
	t.Helper()
	a := newAround()
	for i := range 60 {
		a.services["t1"] = append(a.services["t1"], service.Service{
			Slug: fmt.Sprintf("dienst-%d", i), Name: fmt.Sprintf("Dienst Nummer %d der Stadtverwaltung", i), Public: true,
			Workaround: service.Workaround{Text: fmt.Sprintf("Telefon 0611 %d, Zimmer %d", 1000+i*7919, i*31)},
		})
	}
	for i := range 20 {
		in := outage(incident.ID(fmt.Sprint("i", i)))
		var words strings.Builder
		for n := range 120 {
			fmt.Fprintf(&words, "Satz %d der Meldung %d über Wort%x. ", n, i, (n*7919+i*104729)%65521)
		}
		a.say("t1", in, publish.Statement{ID: publish.ID(fmt.Sprintf("s%d", i)), Kind: template.First, PublishedAt: noon}, fmt.Sprintf("Störung %d", i), words.String(), noon.Add(30*time.Minute))
	}
	a.fire("t1", "buergerportal")
	r, c := built(t, a)
	return a, r, c
}

// The first view of the copy comes with the first packets of a connection, on a
// quiet day and on a bad one: HTML, look and mark together.
func TestStillFirstView(t *testing.T) {
	_, bad, _ := busy(t)
	quiet, _ := built(t, newAround())
	for day, r := range map[string]*Room{"quiet": quiet, "bad": bad} {
		s := still(t, r)
		for _, name := range []string{"index.html", "en/index.html", "veraltet.html", "en/veraltet.html"} {
			body := s.file(name)
			if len(body) == 0 {
				t.Fatalf("%s: no %s", day, name)
			}
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			_, _ = z.Write(body)
			_ = z.Close()
			if b.Len() > FirstView {
				t.Errorf("%s, %s: %d bytes compressed, at most %d", day, name, b.Len(), FirstView)
			}
			t.Logf("%s, %s: %d bytes, %d compressed", day, name, len(body), b.Len())
		}
	}
	// What is not told in full is told by its title, and leads to the whole.
	d := fileDoc(t, still(t, bad), "index.html")
	if n := d.Find("article").Length() + d.Find("ul.past > li").Length(); n != 20 {
		t.Errorf("%d of 20 messages on the start page", n)
	}
}

// Nothing is loaded, nothing runs, every link leads to a file of the copy or to
// the page itself, from wherever the copy lies.
func TestStillStandsAlone(t *testing.T) {
	a, r, _ := busy(t)
	in := outage("i-ls")
	a.say("t1", in, publish.Statement{ID: "old", Kind: template.First, PublishedAt: noon.Add(-time.Minute), CorrectedBy: "new"}, "falsch", "falsch", noon)
	a.say("t1", in, publish.Statement{ID: "new", Kind: template.First, PublishedAt: noon, Corrects: "old", Version: 2, Correction: "berichtigt"}, "richtig", "richtig", noon)
	a.variants["new"] = append(a.variants["new"], publish.Variant{Audience: "citizens", Kind: "citizens", Format: template.Page, Language: template.LS, Title: "Das Portal geht nicht", Body: "Das Portal geht nicht."})
	rebuild(t, r)
	s := still(t, r)
	files := map[string]bool{}
	for _, f := range s.Files {
		if files[f.Path] || !safePath.MatchString(f.Path) {
			t.Errorf("%q is twice, or unsafe", f.Path)
		}
		files[f.Path] = true
	}
	for _, want := range []string{"leicht.html", "leicht-veraltet.html", "archiv.html", "en/archiv.html", "m/old.html", "m/old/1.html", "impressum.html", "feed.atom", "en/feed.atom", "feed.rss", "en/feed.rss", "cap.atom", "api/v2/status.json", "api/v2/summary.json"} {
		if !files[want] {
			t.Errorf("no %s", want)
		}
	}
	if s.Files[len(s.Files)-1].Path != "index.html" {
		t.Errorf("the last file is %s", s.Files[len(s.Files)-1].Path)
	}
	for _, f := range s.Files {
		switch path.Ext(f.Path) {
		case ".json":
			if !json.Valid(f.Body) {
				t.Errorf("%s is no JSON", f.Path)
			}
			continue
		case ".rss":
			if err := xml.Unmarshal(f.Body, new(rssFeed)); err != nil {
				t.Errorf("%s: %v", f.Path, err)
			}
			continue
		case ".atom":
			if err := xml.Unmarshal(f.Body, new(atomFeed)); err != nil {
				t.Errorf("%s: %v", f.Path, err)
			}
			continue
		}
		d := fileDoc(t, s, f.Path)
		if n := d.Find("script, iframe, img, form, object, embed, video, audio, base").Length(); n > 0 {
			t.Errorf("%s: %d parts that load or run", f.Path, n)
		}
		d.Find("link").Each(func(_ int, l *sel) {
			href, rel := l.AttrOr("href", ""), l.AttrOr("rel", "")
			if rel != "canonical" && rel != "alternate" && !strings.HasPrefix(href, "data:") {
				t.Errorf("%s loads %s", f.Path, href)
			}
		})
		if strings.Contains(string(f.Body), "url(") || strings.Contains(string(f.Body), "@import") || strings.Contains(string(f.Body), "http-equiv=\"refresh\"") {
			t.Errorf("%s loads by its style or reloads itself", f.Path)
		}
		d.Find("a[href], link[rel=alternate][type='application/atom+xml']").Each(func(_ int, l *sel) {
			u, err := url.Parse(l.AttrOr("href", ""))
			switch {
			case err != nil:
				t.Errorf("%s: %v", f.Path, err)
			case u.Scheme == "tel", u.Path == "" && u.Fragment != "", strings.HasPrefix(u.String(), musterstadt.PublicURL):
			case u.Scheme != "" || strings.HasPrefix(u.Path, "/"):
				t.Errorf("%s leads away: %s", f.Path, u)
			case !files[path.Join(path.Dir(f.Path), u.Path)]:
				t.Errorf("%s: broken link %s", f.Path, u)
			case u.Fragment != "" && fileDoc(t, s, path.Join(path.Dir(f.Path), u.Path)).Find("[id='"+u.Fragment+"']").Length() == 0:
				t.Errorf("%s: no place %s", f.Path, u)
			}
		})
	}
}

// The copy says of when it is and until when it holds; the twin of a start page
// that a host shows instead says that this has passed.
func TestStillTellsItsAge(t *testing.T) {
	a := newAround()
	r, c := built(t, a)
	s := still(t, r)
	if !s.AsOf.Equal(noon) || !s.Until.Equal(noon.Add(holds)) {
		t.Error(s.AsOf, s.Until)
	}
	text := fileDoc(t, s, "index.html").Find("main").Text()
	for _, want := range []string{"Stand: Sonntag, 22. November 2026, 14:05 Uhr", "Sie gilt bis Sonntag, 22. November 2026, 14:20 Uhr"} {
		if !strings.Contains(text, want) {
			t.Errorf("not told: %s in %s", want, text)
		}
	}
	if !strings.Contains(fileDoc(t, s, "en/index.html").Find("main").Text(), "It holds until Sunday, 22 November 2026, 14:20") {
		t.Error(fileDoc(t, s, "en/index.html").Find("main").Text())
	}
	if text := fileDoc(t, s, "veraltet.html").Find("main").Text(); !strings.Contains(text, "Diese Kopie ist veraltet: Sie galt bis Sonntag, 22. November 2026, 14:20 Uhr") {
		t.Error(text)
	}
	// Without a database the copy can still be made, and does not pretend to be
	// younger than what was read last.
	a.mu.Lock()
	a.gone = errors.New("away")
	a.mu.Unlock()
	c.set(noon.Add(time.Hour))
	if r.Rebuild(t.Context()) == nil {
		t.Error("the database is away")
	}
	if later := still(t, r); !later.Until.Equal(s.Until) {
		t.Error("an old copy claims to hold until", later.Until)
	}
}

// Who wants to know is told of new words, and not of a new minute.
func TestOnChange(t *testing.T) {
	a := newAround()
	r, c := built(t, a)
	var told []ident.Tenant
	r.OnChange(func(t ident.Tenant) { told = append(told, t) })
	c.set(noon.Add(time.Minute))
	rebuild(t, r)
	if len(told) > 0 {
		t.Error("told of a minute")
	}
	a.fire("t1", "buergerportal")
	rebuild(t, r)
	if !slices.Equal(told, []ident.Tenant{"t1"}) {
		t.Error(told)
	}
}
