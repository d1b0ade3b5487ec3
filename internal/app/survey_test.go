package app

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/learn/exercise"
)

// surveyLink finds the address of a survey in a text.
var surveyLink = regexp.MustCompile(`http://status\.example(/(?:en/)?umfrage/[A-Za-z0-9_-]+)`)

// The closing message of an exercise asks like a real one: each audience by a
// link of its own, English readers on the English form, which says that it is an
// exercise and takes the answer.
func TestSurveyOfAnExercise(t *testing.T) {
	a, ctx, _ := drillTown(t)
	e, err := a.exercise.Begin(ctx, exercise.Rehearsal, "ransomware")
	if err != nil {
		t.Fatal(err)
	}
	said, err := a.publish.List(ctx, publish.Filter{Incident: e.Incident, States: []publish.State{publish.StatePublished}})
	if err != nil {
		t.Fatal(err)
	}
	links := map[string]string{} // by audience and language
	asked := 0
	for _, s := range said {
		if s.Kind != template.Closing {
			continue
		}
		vs, err := a.publish.Variants(ctx, s.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range vs {
			if v.Format != template.Mail {
				continue
			}
			m := surveyLink.FindStringSubmatch(v.Body)
			if m == nil {
				t.Errorf("the closing message for %s in %s asks nobody:\n%s", v.Audience, v.Language, v.Body)
				continue
			}
			if english := strings.HasPrefix(m[1], "/en/"); english != (v.Language == template.EN) {
				t.Errorf("%s in %s leads to %s", v.Audience, v.Language, m[1])
			}
			key := v.Audience + " " + string(v.Language)
			links[key] = m[1]
			asked++
		}
	}
	if asked < 8 { // four audiences, German and English
		t.Fatalf("%d closing mails ask, want 8 or more", asked)
	}
	if strings.TrimPrefix(links["citizens de"], "/umfrage/") != strings.TrimPrefix(links["citizens en"], "/en/umfrage/") {
		t.Error("one audience has two surveys")
	}
	if links["citizens de"] == links["staff de"] {
		t.Error("two audiences share one survey")
	}
	if err := a.statuspage.Rebuild(ctx); err != nil {
		t.Fatal(err)
	}
	do := func(method, path string, form url.Values) *httptest.ResponseRecorder {
		req := httptest.NewRequest(method, "http://status.example"+path, strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		a.public.ServeHTTP(w, req)
		return w
	}
	for lang, words := range map[string]string{"citizens de": "ÜBUNG: Wie gut haben wir Sie informiert?", "citizens en": "ÜBUNG (exercise): How well did we inform you?"} {
		if w := do(http.MethodGet, links[lang], nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), words) {
			t.Errorf("%s: %d without %q", links[lang], w.Code, words)
		}
	}
	if w := do(http.MethodPost, links["citizens de"], url.Values{"clear": {"4"}}); w.Code != http.StatusSeeOther {
		t.Errorf("the answer was not taken: %d", w.Code)
	}
	got, err := a.review.Opinions(ctx, e.Incident)
	if err != nil || len(got) == 0 || got[0].Answers != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}
