package template_test

import (
	"bytes"
	"context"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"tuermer/internal/inform/template"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/audit"
)

// desk puts the room behind a real site; the headers of a request say who comes.
type desk struct {
	t *testing.T
	h http.Handler
}

func newDesk(t *testing.T) desk {
	t.Helper()
	w := storetest.SQLite(t, audit.Migrations(), template.Migrations())
	cat, err := i18n.NewCatalog(web.Texts(), template.Texts())
	if err != nil {
		t.Fatal(err)
	}
	shipped, err := template.Default()
	if err != nil {
		t.Fatal(err)
	}
	r := template.NewRoom(template.Options{Store: w.Store, Clock: clock.System{}, Audit: audit.New(audit.Options{Store: w.Store, Clock: clock.System{}}), Shipped: shipped})
	site := web.NewSite(web.Options{Catalog: cat, Clock: clock.System{}, Large: template.LargeBodies(), Authenticate: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := ident.WithTenant(r.Context(), "t1")
			if who := r.Header.Get("X-Who"); who != "" {
				name, role, _ := strings.Cut(who, " ")
				ctx = ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: name, Name: name, Roles: strings.Fields(role)})
			}
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}})
	r.Routes(site)
	r.API(web.NewAPI(site, "test"))
	return desk{t, site.Handler()}
}

func (d desk) ask(who, method, path, kind string, body []byte, status int) *httptest.ResponseRecorder {
	d.t.Helper()
	req := httptest.NewRequestWithContext(context.Background(), method, path, bytes.NewReader(body))
	req.Header.Set("X-Who", who)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	out := httptest.NewRecorder()
	d.h.ServeHTTP(out, req)
	if out.Code != status {
		d.t.Fatalf("%s %s as %q: %d, want %d\n%s", method, path, who, out.Code, status, out.Body)
	}
	return out
}

func (d desk) page(who, path string) *goquery.Document {
	d.t.Helper()
	out := d.ask(who, http.MethodGet, path, "", nil, http.StatusOK)
	if html := out.Body.String(); strings.Contains(html, " style=") || strings.Contains(html, "template.") {
		d.t.Errorf("%s shows a text key or an inline style", path)
	}
	doc, err := goquery.NewDocumentFromReader(out.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	if n := doc.Find("h1").Length(); n != 1 {
		d.t.Errorf("%s has %d h1", path, n)
	}
	return doc
}

func (d desk) post(who, path string, form url.Values, status int) *httptest.ResponseRecorder {
	d.t.Helper()
	return d.ask(who, http.MethodPost, path, "application/x-www-form-urlencoded", []byte(form.Encode()), status)
}

const (
	ada  = "Ada publisher"
	bert = "Bert approver"
	eva  = "Eva reader"
)

func TestPages(t *testing.T) {
	d := newDesk(t)
	doc := d.page(eva, "/template")
	if say := doc.Find(".tm-head__say").Text(); !strings.Contains(say, "Texte") {
		t.Errorf("%q", say)
	}
	if n := doc.Find("tbody tr").Length(); n != len(template.Kinds()) {
		t.Errorf("the matrix has %d rows", n)
	}
	if doc.Find(`a[href="/template/new"]`).Length() != 0 {
		t.Error("a reader is offered to write")
	}
	doc = d.page(eva, "/template?kind=first&audience=citizens&channel=page&language=de-LS&scenario=-")
	rows := doc.Find("tbody tr")
	if rows.Length() != 1 || !strings.Contains(rows.Text(), "Entwurf – nicht geprüft") || !strings.Contains(rows.Text(), "noch nie") {
		t.Errorf("%d rows: %s", rows.Length(), rows.Text())
	}
	if doc = d.page(eva, "/template?q=Loesegeld"); !strings.Contains(doc.Find("tbody").Text(), "Schadsoftware") {
		t.Error("the search finds no umlauts")
	}
	if doc = d.page(eva, "/template?q=gibtesnicht"); !strings.Contains(doc.Text(), "Kein Text passt") {
		t.Error("nothing found is not said")
	}
	doc = d.page(eva, "/template?channel=page&page=2")
	if doc.Find(`a[rel="prev"]`).Length() != 1 || doc.Find(`a[rel="next"]`).Length() != 1 {
		t.Error("the second page leads nowhere")
	}

	const id = "/template/B-P1-page-de"
	doc = d.page(eva, id)
	if text := doc.Find(".tm-paper").First().Text(); !strings.Contains(text, "Bürgerportal") || strings.ContainsAny(text, "{}") {
		t.Errorf("the example is not filled: %s", text)
	}
	if doc.Find("form[action='"+id+"']").Length() != 0 {
		t.Error("a reader is offered to act")
	}
	d.post(eva, id+"/edit", url.Values{"body": {"x"}, "title": {"x"}}, http.StatusForbidden)

	// A slot that does not exist comes back with its place.
	out := d.post(ada, id+"/edit", url.Values{"title": {"{Dienst}"}, "body": {"Guten Tag, {Unsinn}"}}, http.StatusUnprocessableEntity)
	if !strings.Contains(out.Body.String(), "Unsinn") || !strings.Contains(out.Body.String(), "Eine Lücke ist nicht lesbar") {
		t.Error(out.Body.String())
	}
	look := d.post(ada, id+"/edit", url.Values{"act": {"look"}, "title": {"{Dienst}"}, "body": {"Der Server {ist|sind} down, {Dienst_nom} auch."}}, http.StatusOK)
	if !strings.Contains(look.Body.String(), "verstehen nicht alle") {
		t.Error("the check does not hint at jargon")
	}
	d.post(ada, id+"/edit", url.Values{"title": {"{Dienst} fehlt"}, "body": {"{Dienst_nom} {ist|sind} gestört. Stand {Stand}"}}, http.StatusSeeOther)
	if doc = d.page(ada, id); !strings.Contains(doc.Text(), "wartet auf Freigabe") || doc.Find(`button[value="approve"]`).Length() != 0 {
		t.Error("the author may approve, or the draft is not shown")
	}
	doc = d.page(bert, id)
	version := doc.Find(`input[name="version"]`).AttrOr("value", "")
	if doc.Find(`button[value="approve"]`).Length() != 1 || version == "" {
		t.Fatal("the second person has no button")
	}
	d.post(bert, id, url.Values{"act": {"approve"}, "version": {version}}, http.StatusSeeOther)
	if doc = d.page(eva, id); !strings.Contains(doc.Find(".tm-head__say").Text(), "Freigegeben von Bert") {
		t.Error(doc.Find(".tm-head").Text())
	}
	d.post(ada, id, url.Values{"act": {"retire"}}, http.StatusSeeOther)

	const easy = "/template/B-P0-page-de-LS"
	out = d.post(ada, easy, url.Values{"act": {"sign"}, "group": {" "}}, http.StatusUnprocessableEntity)
	if !strings.Contains(out.Body.String(), "Nennen Sie die Prüfgruppe") {
		t.Error("a signature without a group")
	}
	d.post(ada, easy, url.Values{"act": {"sign"}, "group": {"Prüfgruppe <Nord>"}}, http.StatusSeeOther)
	d.post(ada, easy, url.Values{"act": {"rehearse"}}, http.StatusSeeOther)
	if doc = d.page(eva, easy); !strings.Contains(doc.Text(), "Prüfgruppe <Nord>") || strings.Contains(doc.Find("dl").Text(), "noch nie") {
		t.Error(doc.Find("dl").Text())
	}

	// The file goes out and comes back through the browser.
	file := d.ask(eva, http.MethodGet, "/template/export?kind=first&audience=citizens", "", nil, http.StatusOK)
	if file.Header().Get("Content-Disposition") == "" {
		t.Error("the file has no name")
	}
	var form bytes.Buffer
	m := multipart.NewWriter(&form)
	part, err := m.CreateFormFile("file", "v.json")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(file.Body.String(), "Was geschehen ist", "Was passiert ist", 1)
	if text == file.Body.String() {
		t.Fatal("nothing was changed")
	}
	if _, err := part.Write([]byte(text)); err != nil || m.Close() != nil {
		t.Fatal(err)
	}
	out = d.ask(ada, http.MethodPost, "/template/import", m.FormDataContentType(), form.Bytes(), http.StatusOK)
	if !strings.Contains(out.Body.String(), "Ein Text wartet jetzt als Entwurf") {
		t.Error(out.Body.String())
	}
}

func TestAPI(t *testing.T) {
	d := newDesk(t)
	get := func(who, path string, into any) {
		t.Helper()
		out := d.ask(who, http.MethodGet, path, "", nil, http.StatusOK)
		if err := json.Unmarshal(out.Body.Bytes(), into); err != nil {
			t.Fatal(err)
		}
	}
	type item struct {
		ID, Phase, Kind, Audience, Channel, Language, Review, Body string
		Version                                                    int
		ApprovedBy                                                 string `json:"approved_by"`
	}
	type list struct {
		Items []item
		Next  string
	}
	// The whole grid in pages of 1,000, each text once.
	seen := map[string]item{}
	after, pages := "", 0
	for {
		var l list
		get(eva, "/api/v1/templates?limit=1000&after="+url.QueryEscape(after), &l)
		for _, x := range l.Items {
			if _, twice := seen[x.ID]; twice || x.Phase == "" || x.Kind == "" || x.Audience == "" || x.Channel == "" || x.Language == "" || x.Version < 1 || x.Review == "" {
				t.Fatalf("%+v", x)
			}
			seen[x.ID] = x
		}
		pages++
		if after = l.Next; after == "" {
			break
		}
	}
	if pages < 2 || len(seen) < 150 {
		t.Errorf("%d texts on %d pages", len(seen), pages)
	}
	var l list
	get(eva, "/api/v1/templates?phase=P0&audience=citizens&channel=sms&language=de&scenario=-", &l)
	if len(l.Items) != 1 || l.Items[0].ID != "B-P0-sms-de" || l.Items[0].Body != "" {
		t.Errorf("%+v", l.Items)
	}
	var one item
	get(eva, "/api/v1/templates/B-P0-sms-de", &one)
	if !strings.Contains(one.Body, "{Kommune_kurz}") {
		t.Errorf("%+v", one)
	}
	d.ask(eva, http.MethodGet, "/api/v1/templates/nichts", "", nil, http.StatusNotFound)

	body := `{"kind":"holding","audience":"citizens","channel":"sms","language":"de","body":"{Kommune_kurz}: {Dienst_kurz} gestört. Mehr {bis NaechsteMeldung}: {KurzLink}"}`
	post := func(who, path, body string, status int) []byte {
		t.Helper()
		kind := ""
		if body != "" {
			kind = "application/json"
		}
		return d.ask(who, http.MethodPost, path, kind, []byte(body), status).Body.Bytes()
	}
	post(eva, "/api/v1/templates", body, http.StatusForbidden)
	if out := string(post(ada, "/api/v1/templates", strings.Replace(body, "Kommune_kurz", "Unsinn", 1), http.StatusUnprocessableEntity)); !strings.Contains(out, "body.body") {
		t.Error(out)
	}
	post(ada, "/api/v1/templates", body, http.StatusCreated)
	post(ada, "/api/v1/templates/B-P0-sms-de/approve", "", http.StatusForbidden)
	post(bert, "/api/v1/templates/B-P0-sms-de/approve", `{"version":7}`, http.StatusConflict)
	post(bert, "/api/v1/templates/B-P0-sms-de/approve", `{"version":2}`, http.StatusOK)
	get(eva, "/api/v1/templates/B-P0-sms-de", &one)
	if one.Version != 2 || one.Review != "approved" || one.ApprovedBy != "Bert" {
		t.Errorf("%+v", one)
	}
	post(ada, "/api/v1/templates/B-P0-sms-de-LS/sign", `{"group":"Prüfgruppe"}`, http.StatusOK)
	post(ada, "/api/v1/templates/B-P0-sms-de-LS/rehearse", "", http.StatusOK)
	post(ada, "/api/v1/templates/B-P0-sms-de/retire", "", http.StatusOK)

	// The whole library out and in again: more than a mebibyte.
	file := d.ask(eva, http.MethodGet, "/api/v1/templates/export", "", nil, http.StatusOK).Body.String()
	var done struct {
		Drafted []string
		Same    int
	}
	if err := json.Unmarshal(post(ada, "/api/v1/templates/import", file, http.StatusOK), &done); err != nil || done.Same != len(seen) || len(done.Drafted) != 0 {
		t.Errorf("%d the same, %d drafted, %v; the file has %d bytes", done.Same, len(done.Drafted), err, len(file))
	}
	post(ada, "/api/v1/templates/import", `{"format":"anders"}`, http.StatusUnprocessableEntity)

	var checked struct {
		Score        float64
		OfferedScore float64 `json:"offered_score"`
		Hints        []struct{ Code, Found, Offer, Reason string }
		Offered      string
		HintsBefore  *int     `json:"hints_before"`
		ScoreBefore  *float64 `json:"score_before"`
	}
	out := post(ada, "/api/v1/language-check", `{"text":"Der Login wurde abgeschaltet.","before":"Seitens der Stadt wurde bezüglich des Accounts der Login abgeschaltet."}`, http.StatusOK)
	if err := json.Unmarshal(out, &checked); err != nil {
		t.Fatal(err)
	}
	if checked.HintsBefore == nil || checked.ScoreBefore == nil || *checked.HintsBefore <= len(checked.Hints) || len(checked.Hints) < 2 || checked.Offered != "Der Anmeldung wurde abgeschaltet." || checked.Score <= 0 || checked.OfferedScore <= 0 {
		t.Errorf("%s", out)
	}
	post(eva, "/api/v1/language-check", `{"text":"Guten Tag."}`, http.StatusForbidden)
	out = post(ada, "/api/v1/language-check", `{"text":"Es ist falsch, dass Daten weg sind 😀","kind":"correction","crisis":true}`, http.StatusOK)
	for _, code := range []string{`"fact_first"`, `"humour"`} {
		if !strings.Contains(string(out), code) {
			t.Errorf("no %s in %s", code, out)
		}
	}
}
