package statuspage

import (
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/town/service"
	"tuermer/web"
)

// sel is a part of a page.
type sel = goquery.Selection

func squash(s string) string { return strings.Join(strings.Fields(s), " ") }

func TestQuietPage(t *testing.T) {
	r, _ := built(t, newAround())
	doc := read(t, r, "/")
	if got := squash(doc.Find(".lage .say").Text()); got != "Alle 3 Dienste funktionieren." {
		t.Error(got)
	}
	if got := squash(doc.Find(".lage").Text()); !strings.Contains(got, "Stand: Sonntag, 22. November 2026, 14:05 Uhr.") {
		t.Error(got)
	}
	if doc.Find("title").Text() != "✓ Alle Dienste funktionieren – Musterstadt" {
		t.Error(doc.Find("title").Text())
	}
	if doc.Find("tbody tr").Length() != 3 || strings.Contains(doc.Text(), "Aktenverwaltung") {
		t.Error("the table does not hold the public services and only those")
	}
	if doc.Find("#bad").Length() != 0 || doc.Find("h1").Length() != 1 {
		t.Error("a quiet page has no broken services and one h1")
	}
}

// TestOutage is the thread of the main job as a citizen sees it.
func TestOutage(t *testing.T) {
	a := newAround()
	r, c := built(t, a)

	a.fire("t1", "buergerportal") // auto_public is checking by default
	rebuild(t, r)
	doc := read(t, r, "/")
	if got := doc.Find("#s-buergerportal .tm-state--checking").Text(); got != "wird geprüft" {
		t.Fatalf("after confirmation: %q", got)
	}
	if got := doc.Find(".say").First().Text(); got != "1 von 3 Diensten wird geprüft: Bürgerportal." {
		t.Error(got)
	}
	if got := doc.Find("#s-buergerportal td[data-label] a").AttrOr("href", ""); got != "tel:+49611000" {
		t.Errorf("number to dial: %q", got)
	}
	if strings.Contains(doc.Text(), "geheim") {
		t.Error("what the probe saw is no business of the public")
	}

	in := outage("i1")
	a.say("t1", in, publish.Statement{ID: "s1", Kind: template.First, PublishedAt: noon}, "Bürgerportal ist gestört", "Es geht nicht.\n\nMehr: https://status.musterstadt.example/", noon.Add(25*time.Minute))
	rebuild(t, r)
	doc = read(t, r, "/")
	if got := doc.Find("#s-buergerportal .tm-state--down").Text(); got != "gestört" {
		t.Errorf("after the first message: %q", got)
	}
	if got := squash(doc.Find(".lage").Text()); !strings.Contains(got, "Nächste Meldung bis 14:30 Uhr, auch wenn sich nichts geändert hat.") {
		t.Error(got)
	}
	if doc.Find(".late").Length() != 0 {
		t.Error("nothing is late yet")
	}
	if got := doc.Find("article.msg--open h3").Text(); got != "de: Bürgerportal ist gestört" {
		t.Error(got)
	}
	if doc.Find(`article[itemtype="https://schema.org/SpecialAnnouncement"] [itemprop=datePosted]`).Length() != 1 {
		t.Error("no SpecialAnnouncement")
	}
	if got := read(t, r, "/en/").Find("article h3").Text(); got != "en: Bürgerportal ist gestört" {
		t.Error(got)
	}

	// The announced time passes: the page says so without the database.
	a.mu.Lock()
	a.gone = fmt.Errorf("the database is away")
	a.mu.Unlock()
	c.set(noon.Add(26 * time.Minute))
	if err := r.Rebuild(t.Context()); err == nil {
		t.Error("a database that is away goes unnoticed")
	}
	doc = read(t, r, "/")
	if got := squash(doc.Find(".late").Text()); got != "Die für 14:30 Uhr angekündigte Meldung verspätet sich. Wir arbeiten weiter an der Störung." {
		t.Errorf("overdue: %q", got)
	}
	if read(t, r, "/m/s1").Find(".late").Length() != 1 {
		t.Error("the message's own page does not say that the next one is late")
	}
	a.mu.Lock()
	a.gone = nil
	a.mu.Unlock()

	a.calm("t1")
	in.Phase, in.RestoredAt = incident.Restored, noon.Add(40*time.Minute)
	c.set(noon.Add(40 * time.Minute))
	a.say("t1", in, publish.Statement{ID: "s2", Kind: template.Recovery, PublishedAt: c.Now()}, "Bürgerportal funktioniert wieder", "Es geht.", time.Time{})
	rebuild(t, r)
	doc = read(t, r, "/")
	if doc.Find("#s-buergerportal .tm-state--ok").Length() != 1 || doc.Find(".late").Length() != 0 {
		t.Error("after recovery the service is not shown as working")
	}
	if got := doc.Find("article.msg--done h3").Text(); got != "de: Bürgerportal funktioniert wieder" {
		t.Error(got)
	}
	c.set(noon.Add(26 * time.Hour))
	rebuild(t, r)
	if read(t, r, "/").Find("article").Length() != 0 {
		t.Error("a day later the message belongs to the archive")
	}
	if got := squash(read(t, r, "/archiv").Find(".past").Text()); !strings.Contains(got, "behoben") || !strings.Contains(got, "43 Minuten") {
		t.Error(got)
	}
	c.set(noon.Add(100 * 24 * time.Hour))
	rebuild(t, r)
	if read(t, r, "/archiv").Find(".past li").Length() != 0 {
		t.Error("the archive goes back further than 90 days")
	}
	if read(t, r, "/m/s1").Find("article").Length() != 2 {
		t.Error("the fixed link has died with the archive")
	}
}

// TestFollowsMonitorsAgain: when all alerts of the incident are over, a service
// that may follow its monitors does, before anybody wrote the recovery.
func TestFollowsMonitorsAgain(t *testing.T) {
	a := newAround()
	in := outage("i1")
	in.Services = []string{"buergerportal", "kita"}
	in.Alerts = []incident.Linked{{Alert: "a1"}}
	a.say("t1", in, publish.Statement{ID: "s1", Kind: template.First, PublishedAt: noon}, "x", "y", time.Time{})
	r, _ := built(t, a)
	if read(t, r, "/").Find(".tm-state--down").Length() != 2 {
		t.Fatal("both services are said to be down")
	}
	a.incidents["t1"][0].Alerts[0].ClosedAt = noon
	rebuild(t, r)
	doc := read(t, r, "/")
	if doc.Find("#s-buergerportal .tm-state--ok").Length() != 1 {
		t.Error("the monitored service does not follow its monitors")
	}
	if doc.Find("#s-kita .tm-state--down").Length() != 1 {
		t.Error("a service that only people decide about changed by itself")
	}
}

func TestCorrection(t *testing.T) {
	a := newAround()
	in := outage("i1")
	a.say("t1", in, publish.Statement{ID: "s1", Kind: template.First, PublishedAt: noon, CorrectedBy: "s3"}, "Eins", "Nummer 0611 001", time.Time{})
	a.say("t1", in, publish.Statement{ID: "s2", Kind: template.Update, PublishedAt: noon.Add(time.Minute)}, "Zwei", "neu", time.Time{})
	a.say("t1", in, publish.Statement{ID: "s3", Kind: template.First, PublishedAt: noon.Add(2 * time.Minute), Version: 2, Corrects: "s1", Correction: "Die Telefonnummer war falsch."}, "Eins richtig", "Nummer 0611 000", time.Time{})
	r, _ := built(t, a)
	doc := read(t, r, "/m/s1")
	if got := doc.Find("article h3").Map(func(_ int, s *sel) string { return s.Text() }); !slices.Equal(got, []string{"de: Zwei", "de: Eins richtig"}) {
		t.Error(got)
	}
	fix := doc.Find("#m-s3 .fix")
	if !strings.Contains(squash(fix.Text()), "Berichtigt am 22. November 2026, 14:07 Uhr: Die Telefonnummer war falsch.") {
		t.Error(squash(fix.Text()))
	}
	old := fix.Find("a").AttrOr("href", "")
	doc = read(t, r, old)
	if doc.Find("article h3").Text() != "de: Eins" || doc.Find(".late a").AttrOr("href", "") != "/m/s1#m-s3" {
		t.Errorf("the earlier version at %s is not reachable as it was", old)
	}
	if rec := visit(t, r, "/en/m/s3"); rec.Code != http.StatusPermanentRedirect || rec.Header().Get("Location") != "/en/m/s1#m-s3" {
		t.Error(rec.Code, rec.Header())
	}
	// A correction that only staff can read corrects nothing in public.
	a.variants["s3"] = nil
	r, _ = built(t, a)
	if got := read(t, r, "/m/s1").Find("article").Length(); got != 2 {
		t.Errorf("%d messages", got)
	}
}

func TestWorkaroundEnds(t *testing.T) {
	a := newAround()
	a.services["t1"][0].Workaround.ValidUntil = noon.Add(time.Hour)
	a.fire("t1", "buergerportal")
	r, c := built(t, a)
	if read(t, r, "/").Find("td a").Length() != 1 {
		t.Fatal("the workaround is not offered")
	}
	a.gone = fmt.Errorf("away")
	c.set(noon.Add(time.Hour))
	if err := r.Rebuild(t.Context()); err == nil {
		t.Fatal("no error")
	}
	if read(t, r, "/").Find("td a").Length() != 0 {
		t.Error("an expired workaround is still offered")
	}
}

func TestSentences(t *testing.T) {
	a := newAround()
	a.services["t1"] = nil
	for i := range 8 {
		a.services["t1"] = append(a.services["t1"], service.Service{Slug: fmt.Sprint("s", i), Name: fmt.Sprint("D", i), Public: true, AutoPublic: service.Confirmed})
	}
	for i := range 5 {
		a.fire("t1", fmt.Sprint("s", i))
	}
	a.services["t1"][5].AutoPublic, a.services["t1"][6].AutoPublic = service.Checking, service.Checking
	a.fire("t1", "s5")
	a.fire("t1", "s6")
	r, _ := built(t, a)
	for path, want := range map[string]string{
		"/":    "5 von 8 Diensten sind gestört. 2 weitere werden geprüft: D5 und D6.",
		"/en/": "5 of 8 services are not working. 2 more are being checked: D5 and D6.",
	} {
		if got := read(t, r, path).Find(".say").First().Text(); got != want {
			t.Error(got)
		}
	}
	a.services["t1"] = a.services["t1"][:1]
	rebuild(t, r)
	if got := read(t, r, "/").Find(".say").First().Text(); got != "D0: gestört." {
		t.Error(got)
	}
	a.services["t1"] = nil
	rebuild(t, r)
	if got := read(t, r, "/").Find(".say").First().Text(); !strings.Contains(got, "sobald") {
		t.Error(got)
	}
}

// TestEveryPage reads all pages in both languages and follows every link.
func TestEveryPage(t *testing.T) {
	a := crowded()
	r, _ := built(t, a)
	p := r.site.Load().towns["t1"]
	foreign := regexp.MustCompile(`(?:src|href|action|content)="(?:https?:)?//[^"]*"`)
	for path, d := range p.docs {
		if d.Location != "" {
			if _, ok := p.docs[strings.Split(d.Location, "#")[0]]; !ok {
				t.Errorf("%s leads nowhere: %s", path, d.Location)
			}
			continue
		}
		body := string(d.Plain)
		if !strings.HasPrefix(d.mime[0], "text/html") {
			continue
		}
		for _, bad := range []string{"<script", " style=", "<style", "javascript:", "statuspage.", "%!", "{0}"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s holds %q", path, bad)
			}
		}
		for _, f := range foreign.FindAllString(body, -1) {
			if !strings.Contains(f, "https://status.musterstadt.example") {
				t.Errorf("%s names a foreign address: %s", path, f)
			}
		}
		doc := read(t, r, path)
		if doc.Find("h1").Length() != 1 || doc.Find("main#main").Length() != 1 || doc.Find("title").Text() == "" {
			t.Errorf("%s is no whole page", path)
		}
		doc.Find("a[href], link[href]").Each(func(_ int, s *sel) {
			to := strings.TrimPrefix(s.AttrOr("href", ""), "https://status.musterstadt.example")
			if strings.HasPrefix(to, "tel:") || strings.HasPrefix(to, "#") {
				return
			}
			if code := visit(t, r, strings.Split(to, "#")[0]).Code; code != http.StatusOK && code != http.StatusPermanentRedirect {
				t.Errorf("%s links to %q: %d", path, to, code)
			}
		})
	}
	for _, path := range []string{"/leicht", "/impressum", "/en/datenschutz", "/barrierefreiheit", "/en/archiv", "/sitemap.xml", "/robots.txt"} {
		if p.docs[path] == nil {
			t.Errorf("%s is missing", path)
		}
	}
	if got := read(t, r, "/impressum").Find(".late").Text(); !strings.HasPrefix(got, "Entwurf") {
		t.Error("a draft does not say that it is one: ", got)
	}
	if got := read(t, r, "/leicht").Find("article").Text(); !strings.Contains(got, "Geht nicht.") || !strings.Contains(got, "Entwurf") {
		t.Error(got)
	}
	// The language switch keeps the place, by address and by ?lang=.
	doc := read(t, r, "/archiv")
	if got := doc.Find(`.langs a[lang=en]`).AttrOr("href", ""); got != "/en/archiv" {
		t.Error(got)
	}
	if read(t, r, "/archiv?lang=en").Find("html").AttrOr("lang", "") != "en" {
		t.Error("?lang=en is not heard")
	}
	if got := doc.Find("link[rel=canonical]").AttrOr("href", ""); got != "https://status.musterstadt.example/archiv" {
		t.Error(got)
	}
}

// crowded is a town with 40 services and a year of trouble.
func crowded() *around {
	a := newAround()
	for i := range 40 {
		a.services["t1"] = append(a.services["t1"], service.Service{Slug: fmt.Sprint("dienst-", i), Name: fmt.Sprintf("Dienst der Verwaltung Nummer %d", i), Public: true})
	}
	a.fire("t1", "buergerportal")
	a.fire("t1", "kfz")
	for i := range 30 {
		in := outage(incident.ID(fmt.Sprint("past", i)))
		in.Phase, in.Since = incident.Closed, noon.Add(-time.Duration(i+2)*3*24*time.Hour)
		in.RestoredAt = in.Since.Add(time.Hour)
		id := publish.ID(fmt.Sprint("p", i))
		a.say("t1", in, publish.Statement{ID: id, Kind: template.First, PublishedAt: in.Since}, fmt.Sprint("Störung ", i), "Text zur Gebühr "+string(id), time.Time{})
		a.say("t1", in, publish.Statement{ID: id + "-r", Kind: template.Recovery, PublishedAt: in.RestoredAt}, "Wieder da", "Text", time.Time{})
	}
	in := outage("now")
	body := strings.Repeat("Das Bürgerportal ist seit 14:02 Uhr nicht erreichbar. Anträge, die Sie vorher abgeschickt haben, sind angekommen.\n\n", 4)
	a.say("t1", in, publish.Statement{ID: "n1", Kind: template.First, PublishedAt: noon.Add(-time.Hour)}, "Bürgerportal ist gestört", body, noon.Add(time.Hour))
	a.say("t1", in, publish.Statement{ID: "n2", Kind: template.Update, PublishedAt: noon}, "Ursache gefunden", body, noon.Add(time.Hour))
	a.variants["n2"] = append(a.variants["n2"], publish.Variant{
		Audience: "citizens", Kind: "citizens", Format: template.Page, Language: template.LS, Title: "Portal", Body: "Geht nicht.", Review: template.DraftUnchecked,
	})
	return a
}

// TestSize holds the first view of a town with 43 services to 14 KB compressed
// with its stylesheet, and the stylesheet to 5 KB.
func TestSize(t *testing.T) {
	r, _ := built(t, crowded())
	css := visit(t, r, r.assets.css, "Accept-Encoding", "gzip")
	index := visit(t, r, "/", "Accept-Encoding", "gzip")
	if css.Code != http.StatusOK || index.Header().Get("Content-Encoding") != "gzip" {
		t.Fatal(css.Code, index.Header())
	}
	t.Logf("first view: %d + %d bytes", index.Body.Len(), css.Body.Len())
	if css.Body.Len() > 5<<10 {
		t.Errorf("stylesheet: %d bytes", css.Body.Len())
	}
	if n := index.Body.Len() + css.Body.Len(); n > 14<<10 {
		t.Errorf("first view: %d bytes", n)
	}
	src, err := fs.ReadFile(web.Source, "src/public.css")
	if err != nil || string(unzip(t, css.Body.Bytes())) != string(src) {
		t.Error("the stylesheet is not the one of web/src", err)
	}
}

func TestSearch(t *testing.T) {
	r, _ := built(t, crowded())
	for query, want := range map[string]int{"GEBUEHR p7": 1, "gebühr": 29, "nirgends": 0, "Störung": 29} {
		doc := read(t, r, "/archiv?q="+strings.ReplaceAll(query, " ", "+"))
		if got := doc.Find(".past li").Length(); got != want {
			t.Errorf("%q: %d hits, want %d", query, got, want)
		}
		if doc.Find("#q").AttrOr("value", "") != query {
			t.Error("the field forgets what was typed")
		}
	}
	rec := visit(t, r, "/archiv?q=%3Cscript%3Ealert(1)%3C/script%3E")
	if strings.Contains(rec.Body.String(), "<script") {
		t.Error("the query gets into the page")
	}
}
