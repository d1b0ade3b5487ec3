package publish

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"tuermer/internal/inform/template"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

// page opens a page as who and reads it.
func (v *visit) page(who identity.PersonID, path string, status int) *goquery.Document {
	v.t.Helper()
	v.who = who
	return v.read(path, v.do(http.MethodGet, path, "", ""), status)
}

func (v *visit) read(path string, rec *httptest.ResponseRecorder, status int) *goquery.Document {
	v.t.Helper()
	if rec.Code != status {
		v.t.Fatalf("%s: %d, want %d\n%s", path, rec.Code, status, rec.Body)
	}
	doc, err := goquery.NewDocumentFromReader(rec.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	if main := doc.Find("main").Text(); strings.Contains(main, "publish.") {
		i := strings.Index(main, "publish.")
		v.t.Errorf("%s: a text is missing: %s", path, main[i:min(len(main), i+60)])
	}
	if n := doc.Find("h1").Length(); n != 1 {
		v.t.Errorf("%s: %d h1", path, n)
	}
	return doc
}

// post sends a form and follows it to where it leads.
func (v *visit) post(who identity.PersonID, path string, form url.Values) string {
	v.t.Helper()
	v.who = who
	rec := v.do(http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode())
	if rec.Code != http.StatusSeeOther {
		v.t.Fatalf("POST %s: %d\n%s", path, rec.Code, rec.Body)
	}
	return rec.Header().Get("Location")
}

// fields reads the composer's form as a browser would send it.
func fields(doc *goquery.Document, form string) url.Values {
	out := url.Values{}
	doc.Find(form).Find("input, textarea, select").Each(func(_ int, s *goquery.Selection) {
		name, _ := s.Attr("name")
		if name == "" {
			return
		}
		switch {
		case goquery.NodeName(s) == "textarea":
			out.Add(name, s.Text())
		case goquery.NodeName(s) == "select":
			val, ok := s.Find("option[selected]").Attr("value")
			if !ok {
				val, _ = s.Find("option").First().Attr("value")
			}
			out.Add(name, val)
		case s.AttrOr("type", "") == "checkbox" || s.AttrOr("type", "") == "radio":
			if _, on := s.Attr("checked"); on {
				out.Add(name, s.AttrOr("value", "on"))
			}
		default:
			out.Add(name, s.AttrOr("value", ""))
		}
	})
	return out
}

// The composer shows what each chosen audience needs and asks: beside the
// questions first, then with the variants of that audience, whose other formats
// are counted against their limits.
func TestComposerShowsNeeds(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	v := g.visit(t)
	g.opened("i1", "portal")
	g.town.plan[0].Profile = plan.Profile{Needs: "Wo sie ihren Antrag jetzt abgeben", Questions: []string{"Verpasse ich eine Frist?"}}
	doc := v.page("ada", "/publish/new?incident=i1&kind=first", 200)
	beside := doc.Find("aside .tm-asks--open")
	if text := beside.Text(); beside.Length() != 2 || !strings.Contains(text, "Wo sie ihren Antrag jetzt abgeben") || !strings.Contains(text, "Verpasse ich eine Frist?") {
		t.Errorf("beside the questions: %q", text)
	}
	if doc.Find(`aside a[href="/kit/profile/staff"]`).Length() == 0 {
		t.Error("an audience without an entry leads nowhere")
	}
	form := fields(doc, "#composer")
	for _, name := range []string{"what_happened", "severity", "measures"} {
		form.Set("facts."+name, "Wir prüfen es")
	}
	form.Set("act", "preview")
	doc = v.page("ada", strings.TrimSuffix(v.post("ada", "/publish/new", form), "#variants"), 200)
	card := doc.Find(`section[aria-labelledby="v-citizens"]`)
	if text := card.Find(".tm-asks--folded").Text(); !strings.Contains(text, "Verpasse ich eine Frist?") || doc.Find("aside").Length() != 0 {
		t.Errorf("with the variants: %q", text)
	}
	if text := card.Find(".tm-counts").Text(); !strings.Contains(text, "von 160") || !strings.Contains(text, "von 300") {
		t.Errorf("counters: %q", text)
	}
	if text := doc.Find(`section[aria-labelledby="v-staff"] .tm-asks--folded`).Text(); strings.Contains(text, "Frist") {
		t.Errorf("staff are said to ask what citizens ask: %q", text)
	}
}

// The whole way by forms alone: composer, submission, approval, delivery,
// correction.
func TestPages(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	v := g.visit(t)
	in := g.opened("i1", "portal")
	if err := g.follow(g.ctx, in.ID, true); err != nil {
		t.Fatal(err)
	}
	list := v.page("ada", "/publish", 200)
	if list.Find(`a[href="/publish/new?incident=i1"]`).Length() < 2 {
		t.Error("neither the incident nor what is due leads to the composer")
	}
	doc := v.page("ada", "/publish/new?incident=i1", 200)
	if got := doc.Find("h1").Text(); got != "Erstmeldung" {
		t.Errorf("suggested: %s", got)
	}
	form := fields(doc, "#composer")
	if form.Get("facts.workaround") != "Telefon 0611 000" || len(form["audiences"]) != 2 || form.Get("next.citizens") == "" {
		t.Errorf("not prefilled: %v", form)
	}
	form.Set("facts.what_happened", `Das Portal <script>alert(1)</script> antwortet nicht`)
	form.Set("unknown.severity", "on")
	form.Set("act", "preview")
	edit := v.post("ada", "/publish/new", form)
	doc = v.page("ada", strings.TrimSuffix(edit, "#variants"), 200)
	if doc.Find("script:not([src])").Length() != 0 {
		t.Error("somebody's script is on the page")
	}
	if text := doc.Find("#variants").Text(); !strings.Contains(text, "Was tun wir?") {
		t.Errorf("does not ask for what is missing: %s", text)
	}
	path := strings.TrimSuffix(edit, "#variants")
	form = fields(doc, "#composer")
	if form.Get("unknown.severity") != "on" || !strings.Contains(form.Get("facts.what_happened"), "<script>") {
		t.Errorf("not kept: %v", form)
	}
	// Submitting with a gap shows the form again, with what was typed.
	form.Set("act", "submit")
	v.who = "ada"
	doc = v.read(path, v.do(http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode()), 422)
	if doc.Find(`a[href="#facts.measures"]`).Length() != 1 || doc.Find(`[id="facts.measures-error"]`).Length() != 1 {
		t.Error("the gap is not shown at its field")
	}
	form = fields(doc, "#composer")
	form.Set("facts.what_happened", "Das Portal antwortet nicht")
	form.Set("facts.measures", "die Prüfung durch unseren Dienstleister")
	form.Set("next.citizens", noon.Add(40*time.Minute).Format(time.RFC3339))
	form.Set("act", "submit")
	to := v.post("ada", path, form)
	id := ID(strings.TrimPrefix(to, "/publish/"))
	s, err := g.Get(g.ctx, id)
	if err != nil || s.State != StateSubmitted || !s.Next["citizens"].Equal(noon.Add(40*time.Minute)) {
		t.Fatalf("%v: %+v", err, s)
	}
	own := v.page("ada", to, 200)
	if own.Find(`button[value="approve"]`).Length() != 0 || own.Find(`button[value="break_glass"]`).Length() != 1 || own.Find(`button[value="phone"]`).Length() != 1 {
		t.Error("the author's page")
	}
	doc = v.page("bert", to, 200)
	if text := doc.Find("main").Text(); !strings.Contains(text, "Statusseite, 6 Empfänger") || !strings.Contains(text, "Ada Beispiel bittet um Freigabe") {
		t.Errorf("who and to how many: %s", text)
	}
	form = fields(doc, `form[action="`+to+`"]`)
	form.Set("act", "return")
	v.who = "bert"
	doc = v.read(to, v.do(http.MethodPost, to, "application/x-www-form-urlencoded", form.Encode()), 422)
	if doc.Find("#note-error").Length() != 1 {
		t.Error("a note is asked for")
	}
	form.Set("act", "approve")
	if got := v.post("bert", to, form); got != to {
		t.Errorf("leads to %s", got)
	}
	g.sweep(t)
	doc = v.page("eva", to, 200)
	if text := doc.Find("#delivery").Text(); !strings.Contains(text, "6 Empfänger · 6 vom Mailserver angenommen") {
		t.Errorf("delivery: %s", text)
	}
	if n := doc.Find("#delivery tbody tr").Length(); n != 6 {
		t.Errorf("%d rows", n)
	}
	if doc.Find(`button[value="correct"]`).Length() != 0 {
		t.Error("a reader may correct")
	}
	edit = v.post("ada", to, url.Values{"act": {"correct"}, "correction": {"Die Nummer war falsch."}})
	if doc = v.page("ada", edit, 200); !strings.Contains(doc.Find("main").Text(), "Die Nummer war falsch.") {
		t.Error("the correction is not shown")
	}
	for _, path := range []string{"/publish", to} {
		v.page("ada", path+"?lang=en", 200)
	}
	v.page("eva", "/publish/nowhere", 404)
	if rec := v.do(http.MethodGet, "/publish/new", "", ""); rec.Code != 303 {
		t.Errorf("no incident: %d", rec.Code)
	}
}

// Drafts keep themselves; the answer carries the new revision.
func TestAutosave(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	v := g.visit(t)
	g.opened("i1", "portal")
	form := fields(v.page("ada", "/publish/new?incident=i1&kind=update", 200), "#composer")
	form.Set("act", "save")
	path := v.post("ada", "/publish/new", form)
	form = fields(v.page("ada", path, 200), "#composer")
	draft := strings.TrimSuffix(path, "/edit") + "/draft"
	for i, text := range []string{"Wir wissen", "Wir wissen mehr"} {
		form.Set("facts.progress", text)
		rec := v.do(http.MethodPost, draft, "application/x-www-form-urlencoded", form.Encode())
		if rec.Code != 200 {
			t.Fatalf("%d: %d %s", i, rec.Code, rec.Body)
		}
		doc, err := goquery.NewDocumentFromReader(rec.Body)
		if err != nil {
			t.Fatal(err)
		}
		form.Set("revision", doc.Find("#saved input[name=revision]").AttrOr("value", ""))
	}
	s, err := g.Get(g.ctx, ID(strings.TrimSuffix(strings.TrimPrefix(path, "/publish/"), "/edit")))
	if err != nil || s.Facts[template.SlotProgress].Text != "Wir wissen mehr" {
		t.Fatalf("%v: %+v", err, s.Facts)
	}
	// Somebody else was faster: nothing is overwritten by a key.
	form.Set("revision", "1")
	if rec := v.do(http.MethodPost, draft, "application/x-www-form-urlencoded", form.Encode()); rec.Code != 409 {
		t.Errorf("an old revision: %d", rec.Code)
	}
}

// The mail's link shows the text without sign-in; opening it changes nothing,
// the button approves, the second visit says that it is done.
func TestLinkPages(t *testing.T) {
	g := newRig(t, storetest.SQLite(t, rooms...))
	v := g.visit(t)
	in := g.opened("i1", "portal")
	s, err := g.CreateAndSubmit(g.as("ada"), in.ID, Content{Kind: template.First, Facts: first()}, "", false)
	if err != nil {
		t.Fatal(err)
	}
	path := "/p/" + token(t, g.mailsTo("bert@musterstadt.example")[0].Text, "p")
	for range 2 {
		doc := v.page("", path, 200)
		if doc.Find("form").AttrOr("action", "") != path || doc.Find(`button[value="approve"]`).Length() != 1 {
			t.Fatal("no button")
		}
		if doc.Find(`a[href^="/publish"]`).Length() != 0 {
			t.Error("the page leads into the console, which asks for sign-in")
		}
	}
	if s, _ = g.Get(g.ctx, s.ID); s.State != StateSubmitted {
		t.Fatal("looking approved it")
	}
	rec := v.do(http.MethodPost, path, "application/x-www-form-urlencoded", "act=approve")
	v.read(path, rec, 200)
	if s, _ = g.Get(g.ctx, s.ID); s.State != StatePublished || s.Approval.By != "bert" {
		t.Fatalf("%+v", s)
	}
	if doc := v.page("", path, 200); doc.Find("button").Length() != 0 {
		t.Error("there is still a button")
	}
	v.page("", "/p/forged", 403)
	glass, err := g.CreateAndSubmit(g.as("ada"), in.ID, Content{Kind: template.NoChange}, "", false)
	if err != nil {
		t.Fatal(err)
	}
	v.post("ada", href(glass.ID), url.Values{"act": {"break_glass"}, "reason": {"Niemand erreichbar"}})
	mails := g.mailsTo("bert@musterstadt.example")
	confirm := "/pc/" + token(t, mails[len(mails)-1].Text, "pc")
	if doc := v.page("", confirm, 200); doc.Find(`button[value="confirm"]`).Length() != 1 {
		t.Error("no button")
	}
	v.read(confirm, v.do(http.MethodPost, confirm, "", ""), 200)
	if glass, _ = g.Get(g.ctx, glass.ID); glass.Approval.ConfirmedByName != "Bert Kern" {
		t.Errorf("%+v", glass.Approval)
	}
	v.page("", confirm, 200)
}

// An incident's page says that the last words are waived, or how to waive them.
func TestWaiverPart(t *testing.T) {
	ctx := newRig(t, storetest.SQLite(t, rooms...)).as("ada")
	for _, one := range []struct {
		waiver *Waiver
		may    bool
		want   string
	}{{nil, true, "/publish/waive"}, {&Waiver{By: "Ada", Reason: "Fehlalarm"}, true, "publish.waived"}, {nil, false, ""}} {
		var b strings.Builder
		if err := WaiverPart("i1", one.waiver, one.may).Render(ctx, &b); err != nil || !strings.Contains(b.String(), one.want) || (one.want == "" && b.Len() > 0) {
			t.Errorf("%v: %s", err, b.String())
		}
	}
}

// Leichte Sprache needs fewer answers than German; it must not pose as the text
// that citizens read first.
func TestMainVariant(t *testing.T) {
	page := func(l template.Language) Variant {
		return Variant{Audience: "citizens", Kind: plan.Citizens, Format: template.Page, Language: l}
	}
	mail := Variant{Audience: "citizens", Kind: plan.Citizens, Format: template.Mail, Language: template.DE}
	ctx := newRig(t, storetest.SQLite(t, rooms...)).as("ada")
	if got := mainVariant(ctx, []Variant{page(template.LS), mail}); got != 1 {
		t.Error("Leichte Sprache before German")
	}
	if got := mainVariant(ctx, []Variant{page(template.LS), mail, page(template.EN), page(template.DE)}); got != 3 {
		t.Errorf("main is %d", got)
	}
	if !plainOnly([]Variant{page(template.LS)}) || plainOnly([]Variant{page(template.LS), mail}) {
		t.Error("plainOnly")
	}
}

// What is over is asked for in the past.
func TestQuestionsOfTheEnd(t *testing.T) {
	ctx := newRig(t, storetest.SQLite(t, rooms...)).as("ada")
	for k, want := range map[template.Kind]string{template.First: "Was tun wir?", template.Recovery: "Was wurde getan?", template.Closing: "Was wurde getan?"} {
		if got := questionText(ctx, k, template.SlotMeasure); got != want {
			t.Errorf("%s asks %q", k, got)
		}
	}
}
