package statuspage

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/service"
)

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
		{"/", "", "", ""},
		{"/archiv", "q=%00%ff&lang=en", "gzip;q=0.1", `W/"x"`},
		{"/en/../m/n1", "lang=xx", "*", "*"},
		{"//", "q=" + strings.Repeat("a+", 600), "gzip, ,", ","},
		{"/assets/public-", "", "", ""},
		{"/assets/icon-.svg", "%", ";", `"`},
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
