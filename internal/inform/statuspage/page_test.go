package statuspage

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"pgregory.net/rapid"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/storetest"
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
	if !strings.Contains(squash(fix.Text()), "Korrektur vom 22. November 2026, 14:07 Uhr: Die Telefonnummer war falsch.") {
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

// TestHTMLInjection: names, words and corrections stay text.
func TestHTMLInjection(t *testing.T) {
	const evil = `<script>alert(1)</script>"><img src=x onerror=alert(1)>`
	a := newAround()
	town := musterstadt
	town.Name = evil
	a.tenants[0] = town
	a.services["t1"][0] = service.Service{Slug: "buergerportal", Name: evil, Public: true, Workaround: service.Workaround{Text: evil + " https://x.example/\"onclick=alert(1)", Hours: evil, Deadline: evil}}
	a.fire("t1", "buergerportal")
	in := outage("i1")
	a.say("t1", in, publish.Statement{ID: "s1", Kind: template.Kind(evil), PublishedAt: noon, CorrectedBy: "s2"}, evil, evil+"\n\n]]>\x00\x01", noon)
	a.say("t1", in, publish.Statement{ID: "s2", Kind: template.First, PublishedAt: noon, Corrects: "s1", Version: 2, Correction: evil}, evil, evil, noon)
	r, _ := built(t, a)
	for path, d := range r.site.Load().towns["t1"].docs {
		if d.Location != "" || !strings.HasPrefix(d.mime[0], "text/html") {
			continue
		}
		if body := string(d.Plain); strings.Contains(body, "<script") || strings.Contains(body, "<img") {
			t.Errorf("%s: markup got in", path)
		}
		read(t, r, path).Find("*").Each(func(_ int, s *sel) {
			for _, attr := range s.Nodes[0].Attr {
				if strings.HasPrefix(attr.Key, "on") {
					t.Errorf("%s: attribute %s got in", path, attr.Key)
				}
			}
		})
	}
	var feed atomFeed
	if err := xml.Unmarshal(visit(t, r, "/feed.atom").Body.Bytes(), &feed); err != nil || len(feed.Entries) != 1 || feed.Entries[0].Content.Text != evil {
		t.Error("the feed does not keep the words", err)
	}
}

func TestFeed(t *testing.T) {
	r, _ := built(t, crowded())
	rec := visit(t, r, "/feed.atom")
	var f struct {
		XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
		ID      string   `xml:"id"`
		Title   string   `xml:"title"`
		Updated string   `xml:"updated"`
		Author  string   `xml:"author>name"`
		Entries []struct {
			ID      string `xml:"id"`
			Title   string `xml:"title"`
			Updated string `xml:"updated"`
			Link    struct {
				Href string `xml:"href,attr"`
			} `xml:"link"`
		} `xml:"entry"`
	}
	if err := xml.Unmarshal(rec.Body.Bytes(), &f); err != nil {
		t.Fatal(err)
	}
	if f.ID == "" || f.Title == "" || f.Author != "Musterstadt" || len(f.Entries) != maxEntries {
		t.Errorf("%+v", f)
	}
	ids := map[string]bool{}
	for _, e := range f.Entries {
		if _, err := time.Parse(time.RFC3339, e.Updated); err != nil || ids[e.ID] || e.Title == "" {
			t.Errorf("%+v", e)
		}
		ids[e.ID] = true
		if !strings.HasPrefix(e.Link.Href, "https://status.musterstadt.example/m/") {
			t.Error(e.Link.Href)
		}
	}
	if rec.Header().Get("Content-Type") != "application/atom+xml; charset=utf-8" || rec.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Error(rec.Header())
	}
	var m sitemap
	if err := xml.Unmarshal(visit(t, r, "/sitemap.xml").Body.Bytes(), &m); err != nil || len(m.URLs) == 0 {
		t.Error(err)
	}
}

func TestSummary(t *testing.T) {
	a := newAround()
	a.fire("t1", "buergerportal")
	a.fire("t1", "kfz")
	a.say("t1", outage("i1"), publish.Statement{ID: "s1", Kind: template.Holding, PublishedAt: noon}, "Wir prüfen", "Text", noon.Add(time.Hour))
	r, _ := built(t, a)
	var s struct {
		Page struct {
			ID       string    `json:"id"`
			Name     string    `json:"name"`
			URL      string    `json:"url"`
			TimeZone string    `json:"time_zone"`
			Updated  time.Time `json:"updated_at"`
		} `json:"page"`
		Status struct{ Indicator, Description string } `json:"status"`

		Components []struct{ ID, Name, Status string } `json:"components"`
		Incidents  []struct {
			ID, Name, Status, Impact, Shortlink string

			Updates []struct{ ID, Status, Body string } `json:"incident_updates"`
		} `json:"incidents"`
		Maintenance []any `json:"scheduled_maintenances"`
	}
	if err := json.Unmarshal(visit(t, r, "/api/v2/summary.json").Body.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	if s.Page.ID != "t1" || s.Page.TimeZone != "Europe/Berlin" || s.Page.URL != "https://status.musterstadt.example" || s.Page.Updated.IsZero() {
		t.Errorf("%+v", s.Page)
	}
	if s.Status.Indicator != "major" || s.Status.Description != "1 von 3 Diensten ist gestört: Kfz-Zulassung. 1 weiterer wird geprüft: Bürgerportal." {
		t.Errorf("%+v", s.Status)
	}
	if got := fmt.Sprint(s.Components); got != "[{buergerportal Bürgerportal degraded_performance} {kfz Kfz-Zulassung major_outage} {kita Kita-Portal operational}]" {
		t.Error(got)
	}
	if len(s.Incidents) != 1 || s.Incidents[0].Status != "investigating" || s.Incidents[0].Impact != "major" || s.Incidents[0].Name != "de: Wir prüfen" || s.Incidents[0].Updates[0].Body != "Text" {
		t.Errorf("%+v", s.Incidents)
	}
	if s.Maintenance == nil {
		t.Error("a list is null")
	}
	for _, path := range []string{"status", "components", "incidents", "incidents/unresolved"} {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(visit(t, r, "/api/v2/"+path+".json").Body.Bytes(), &m); err != nil || m["page"] == nil {
			t.Error(path, err)
		}
	}
}

func TestHeaders(t *testing.T) {
	r, c := built(t, newAround())
	rec := visit(t, r, "/")
	h := rec.Header()
	etag, date := h.Get("ETag"), h.Get("Last-Modified")
	if !strings.HasPrefix(etag, `"`) || date == "" || h.Get("Set-Cookie") != "" || h.Get("Content-Security-Policy") == "" || h.Get("Vary") != "Accept-Encoding" || h.Get("Content-Language") != "de" {
		t.Error(h)
	}
	if !strings.Contains(h.Get("Cache-Control"), "must-revalidate") {
		t.Error(h.Get("Cache-Control"))
	}
	packed := visit(t, r, "/", "Accept-Encoding", "br, gzip;q=0.5")
	if packed.Header().Get("ETag") == etag || string(unzip(t, packed.Body.Bytes())) != rec.Body.String() {
		t.Error("the compressed page is not the same page under its own tag")
	}
	for name, headers := range map[string][]string{
		"tag": {"If-None-Match", etag}, "weak": {"If-None-Match", "W/" + etag}, "list": {"If-None-Match", `"x", ` + etag},
		"any": {"If-None-Match", "*"}, "date": {"If-Modified-Since", date}, "later": {"If-Modified-Since", noon.Add(time.Hour).Format(http.TimeFormat)},
		"packed": {"If-None-Match", packed.Header().Get("ETag"), "Accept-Encoding", "gzip"},
	} {
		if rec := visit(t, r, "/", headers...); rec.Code != http.StatusNotModified || rec.Body.Len() != 0 {
			t.Errorf("%s: %d", name, rec.Code)
		}
	}
	for name, headers := range map[string][]string{
		"other tag": {"If-None-Match", `"x"`, "If-Modified-Since", date}, "older": {"If-Modified-Since", noon.Add(-time.Hour).Format(http.TimeFormat)},
		"no date": {"If-Modified-Since", "yesterday"},
	} {
		if rec := visit(t, r, "/", headers...); rec.Code != http.StatusOK {
			t.Errorf("%s: %d", name, rec.Code)
		}
	}
	for _, refused := range []string{"gzip;q=0", "identity", "br", "*;q=0"} {
		if visit(t, r, "/", "Accept-Encoding", refused).Header().Get("Content-Encoding") != "" {
			t.Errorf("gzip for somebody who says %q", refused)
		}
	}
	head := httptest.NewRecorder()
	r.Handler().ServeHTTP(head, httptest.NewRequest(http.MethodHead, "/", nil))
	if head.Code != http.StatusOK || head.Body.Len() != 0 || head.Header().Get("ETag") != etag {
		t.Error(head.Code, head.Header())
	}
	post := httptest.NewRecorder()
	r.Handler().ServeHTTP(post, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x")))
	if post.Code != http.StatusMethodNotAllowed || post.Header().Get("Allow") != "GET, HEAD" {
		t.Error(post.Code)
	}
	lost := visit(t, r, "/en/nowhere")
	if lost.Code != http.StatusNotFound || !strings.Contains(lost.Body.String(), "There is no such page") {
		t.Error(lost.Code, lost.Body)
	}
	if visit(t, r, "/assets/public-0123456789.css").Code != http.StatusOK {
		t.Error("a page from before the update loses its stylesheet")
	}

	// A minute later only the Stand has moved: the start page has a new tag, all
	// others are the same bytes.
	old := r.site.Load().towns["t1"].docs
	c.set(noon.Add(time.Minute))
	rebuild(t, r)
	for path, d := range r.site.Load().towns["t1"].docs {
		if same := d == old[path]; same == (path == "/" || path == "/en/") && d.Location == "" {
			t.Errorf("%s kept: %t", path, same)
		}
	}
	if visit(t, r, "/").Header().Get("ETag") == etag {
		t.Error("the tag did not change with the page")
	}
}

func TestModifiedNeverRepeats(t *testing.T) {
	a, err := newDocument(nil, 200, "text/plain", []byte("a"), noon)
	if err != nil {
		t.Fatal(err)
	}
	b, err := newDocument(a, 200, "text/plain", []byte("b"), noon.Add(time.Millisecond))
	if err != nil || !b.Modified.After(a.Modified) {
		t.Error(a.Modified, b.Modified, err)
	}
}

func TestSpans(t *testing.T) {
	for line, want := range map[string][]span{
		"Telefon 0611 000 (heute)":           {{"Telefon ", ""}, {"0611 000", "tel:+49611000"}, {" (heute)", ""}},
		"+43 1 234567":                       {{"+43 1 234567", "tel:+431234567"}},
		"+49 (0)611 1234":                    {{"+49 (0)611 1234", "tel:+496111234"}},
		"Am 07.12.2026 um 08:30 in 01067 DD": {{"Am 07.12.2026 um 08:30 in 01067 DD", ""}},
		"Siehe https://a.example/b.":         {{"Siehe ", ""}, {"https://a.example/b", "https://a.example/b"}, {".", ""}},
		"110 und 112":                        {{"110 und 112", ""}},
		"":                                   nil,
	} {
		if got := spans(line, "+49"); !slices.Equal(got, want) {
			t.Errorf("%q: %q", line, got)
		}
	}
}

// TestSpansKeepText: whatever is linked, no character is lost or added.
func TestSpansKeepText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.StringMatching(`([a-z .,]|https?://[a-z.]{0,5}|[+0-9() /-]){0,40}`).Draw(t, "line")
		var b strings.Builder
		for _, s := range spans(line, "+49") {
			b.WriteString(s.Text)
		}
		if b.String() != line {
			t.Fatalf("%q became %q", line, b.String())
		}
	})
}

// TestI17_PrivateNowhere: whatever incidents and statements there are, nothing
// of a private one, of an exercise, of a draft or of words for colleagues is in
// any document, and what is public is found.
func TestI17_PrivateNowhere(t *testing.T) {
	w := storetest.SQLite(t, migrations()...)
	rapid.Check(t, func(rt *rapid.T) {
		a := newAround()
		public := 0
		for i := range rapid.IntRange(0, 6).Draw(rt, "incidents") {
			in := outage(incident.ID(fmt.Sprint("i", i)))
			in.Private = rapid.Bool().Draw(rt, "private")
			if rapid.IntRange(0, 3).Draw(rt, "exercise") == 0 {
				in.Realm = incident.Exercise
			}
			in.Phase = rapid.SampledFrom(incident.Phases()).Draw(rt, "phase")
			word := "offenwort"
			if in.Private || in.Realm == incident.Exercise {
				word = "geheimwort"
			}
			for j := range rapid.IntRange(1, 3).Draw(rt, "messages") {
				s := publish.Statement{
					ID: publish.ID(fmt.Sprintf("s%d-%d", i, j)), PublishedAt: noon.Add(-time.Duration(j) * time.Hour),
					Kind: rapid.SampledFrom(template.Kinds()).Draw(rt, "kind"),
				}
				a.say("t1", in, s, word, word, noon.Add(time.Hour))
				if word == "offenwort" {
					public++
				}
			}
		}
		// A draft in the list, should a room ever answer more than it was asked.
		a.statements["t1"] = append(a.statements["t1"], publish.Statement{ID: "draft", Incident: "i0", Realm: incident.Live, State: publish.StateDraft})
		a.variants["draft"] = []publish.Variant{{Audience: "citizens", Kind: "citizens", Format: template.Page, Language: template.DE, Title: "geheimwort"}}
		r := newRoom(t, w, a, &ticking{now: noon}, "")
		if err := r.Rebuild(t.Context()); err != nil {
			rt.Fatal(err)
		}
		p := r.site.Load().towns["t1"]
		raw, err := encode(p.model)
		if err != nil {
			rt.Fatal(err)
		}
		docs := map[string][]byte{"disk": raw, "search": visit(t, r, "/archiv?q=wort").Body.Bytes()}
		for path, d := range p.docs {
			docs[path] = d.Plain
		}
		found := false
		for path, body := range docs {
			for _, never := range []string{"geheimwort", "nurintern", "interner Titel", "Aktenverwaltung"} {
				if strings.Contains(string(body), never) {
					rt.Fatalf("%s holds %q", path, never)
				}
			}
			found = found || strings.Contains(string(body), "offenwort")
		}
		if found != (public > 0) {
			rt.Fatalf("%d public messages, found: %t", public, found)
		}
	})
}

func FuzzHandler(f *testing.F) {
	r, _ := built(f, crowded())
	for _, s := range [][4]string{
		{"/", "", "", ""}, {"/archiv", "q=%00%ff&lang=en", "gzip;q=0.1", `W/"x"`}, {"/en/../m/n1", "lang=xx", "*", "*"},
		{"//", "q=" + strings.Repeat("a+", 600), "gzip, ,", ","}, {"/assets/public-", "", "", ""}, {"/assets/icon-.svg", "%", ";", `"`},
	} {
		f.Add(s[0], s[1], s[2], s[3])
	}
	h := r.Handler()
	f.Fuzz(func(t *testing.T, path, query, encoding, match string) {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.URL.Path, req.URL.RawQuery = path, query
		req.Header.Set("Accept-Encoding", encoding)
		req.Header.Set("If-None-Match", match)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		switch rec.Code {
		case http.StatusOK, http.StatusNotModified, http.StatusNotFound, http.StatusPermanentRedirect:
		default:
			t.Fatalf("status %d", rec.Code)
		}
		if rec.Header().Get("Set-Cookie") != "" || rec.Header().Get("Content-Security-Policy") == "" {
			t.Fatal(rec.Header())
		}
		if rec.Code == http.StatusOK && rec.Header().Get("Content-Encoding") == "" && strings.Contains(rec.Body.String(), "<script") {
			t.Fatal("markup got in")
		}
	})
}

// FuzzDecode: whatever lies on disk, the room says no or shows it.
func FuzzDecode(f *testing.F) {
	r, _ := built(f, crowded())
	raw, err := encode(r.site.Load().towns["t1"].model)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"Version":1,"Model":{"Town":{"ID":"x","Zone":"Nowhere/Land"}}}`))
	f.Add([]byte(`{"Version":1,"Model":{"Town":{"ID":"x"},"Incidents":[{"Messages":[{"ID":"a","CorrectedBy":"b"}]}]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := decode(raw)
		if err != nil {
			return
		}
		if _, err := r.render(t.Context(), m, nil, noon); err != nil {
			t.Fatal(err)
		}
	})
}

// nowhere is a response that costs nothing, so that the benchmark measures the
// handler.
type nowhere struct{ h http.Header }

func (n nowhere) Header() http.Header         { return n.h }
func (n nowhere) WriteHeader(int)             {}
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkHandler is one request for the start page of a town with 43 services.
func BenchmarkHandler(b *testing.B) {
	r, _ := built(b, crowded())
	h := r.Handler()
	for name, match := range map[string]string{"200": "", "304": visit(b, r, "/", "Accept-Encoding", "gzip").Header().Get("ETag")} {
		b.Run(name, func(b *testing.B) {
			req := httptest.NewRequest(http.MethodGet, "/", nil)
			req.Header.Set("Accept-Encoding", "gzip, deflate, br")
			if match != "" {
				req.Header.Set("If-None-Match", match)
			}
			w := nowhere{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, req)
			}
		})
	}
}

// BenchmarkBuild is reading and rendering everything after one message, and what
// a quiet minute costs.
func BenchmarkBuild(b *testing.B) {
	a := crowded()
	r, c := built(b, a)
	b.Run("change", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			a.services["t1"][0].Name = fmt.Sprint("Name ", i)
			rebuild(b, r)
		}
	})
	b.Run("minute", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			c.set(noon.Add(time.Duration(i%60) * time.Second))
			rebuild(b, r)
		}
	})
}
