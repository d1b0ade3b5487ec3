package statuspage

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
)

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

	// A minute later only the Stand has moved: start page and widget have a new tag, all
	// others are the same bytes.
	old := r.site.Load().towns["t1"].docs
	c.set(noon.Add(time.Minute))
	rebuild(t, r)
	for path, d := range r.site.Load().towns["t1"].docs {
		if same := d == old[path]; same == (path == "/" || path == "/en/" || strings.HasSuffix(path, "/widget")) && d.Location == "" {
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

// TestRSS: the same messages as in the other feed, in a form that old readers take.
func TestRSS(t *testing.T) {
	r, _ := built(t, crowded())
	var atom atomFeed
	if err := xml.Unmarshal(visit(t, r, "/en/feed.atom").Body.Bytes(), &atom); err != nil {
		t.Fatal(err)
	}
	rec := visit(t, r, "/en/feed.rss")
	var f struct {
		Version string `xml:"version,attr"`
		Title   string `xml:"channel>title"`
		Lang    string `xml:"channel>language"`
		Items   []struct {
			GUID  rssGUID `xml:"guid"`
			Link  string  `xml:"link"`
			At    string  `xml:"pubDate"`
			Words string  `xml:"description"`
		} `xml:"channel>item"`
	}
	if err := xml.Unmarshal(rec.Body.Bytes(), &f); err != nil {
		t.Fatal(err)
	}
	if f.Version != "2.0" || f.Title != atom.Title || f.Lang != "en" || len(f.Items) != len(atom.Entries) || len(f.Items) == 0 {
		t.Fatalf("%+v", f)
	}
	for i, x := range f.Items {
		at, err := time.Parse(time.RFC1123Z, x.At)
		if e := atom.Entries[i]; err != nil || stamp(at) != e.Updated || x.GUID.Text != e.ID || x.GUID.Permanent || x.Link != e.Links[0].Href || x.Words != e.Content.Text {
			t.Errorf("%d: %+v %v", i, x, err)
		}
	}
	if rec.Header().Get("Content-Type") != "application/rss+xml; charset=utf-8" {
		t.Error(rec.Header())
	}
	if read(t, r, "/en/").Find(`footer a[href="/en/feed.rss"]`).Length() != 1 {
		t.Error("the page leads to it")
	}
}
