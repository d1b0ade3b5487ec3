package incident_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
)

// visit is a browser without script in front of the room's pages and parts.
type visit struct {
	t     *testing.T
	site  http.Handler
	actor *ident.Actor
}

func browser(t *testing.T, r *incident.Room, w *world) *visit {
	t.Helper()
	catalog, err := i18n.NewCatalog(fs.FS(web.Texts()), incident.Texts())
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	v := &visit{t: t, actor: &ident.Actor{Kind: ident.KindPerson, Person: "p", Name: "P. Person", Roles: []string{"it"}}}
	s := web.NewSite(web.Options{
		Catalog: catalog, Clock: w,
		Locale: func(*http.Request) (i18n.Lang, *time.Location) { return i18n.DE, zone },
		Authenticate: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
				ctx := ident.WithActor(ident.WithTenant(req.Context(), storetest.Tenant), *v.actor)
				next.ServeHTTP(rw, req.WithContext(ctx))
			})
		},
	})
	r.Routes(s)
	r.API(web.NewAPI(s, "test"))
	// The parts as desk puts them together.
	s.Handle("GET /incident/{id}", func(rw http.ResponseWriter, req *http.Request) error {
		ctx, id := req.Context(), incident.ID(req.PathValue("id"))
		i, e1 := r.Get(ctx, id)
		facts, e2 := r.Facts(ctx, id)
		entries, e3 := r.Journal(ctx, id)
		if err := errors.Join(e1, e2, e3); err != nil {
			return err
		}
		var b strings.Builder
		err := errors.Join(
			incident.FactsCard(i, facts).Render(ctx, &b), incident.JournalCard(i, entries, nil).Render(ctx, &b),
			incident.PhaseCard(i, nil).Render(ctx, &b), incident.LevelCard(i, nil).Render(ctx, &b),
			incident.EndCard(i, []incident.Incident{i}, nil).Render(ctx, &b))
		if err != nil {
			return err
		}
		_, err = rw.Write([]byte("<main><p id=say>" + incident.Pre(ctx, i) + " " + incident.Say(ctx, i) + "</p>" + b.String() + "</main>"))
		return err
	})
	v.site = s.Handler()
	return v
}

func (v *visit) do(method, path, contentType, body string) *httptest.ResponseRecorder {
	v.t.Helper()
	req := httptest.NewRequestWithContext(context.Background(), method, "http://lage.example"+path, strings.NewReader(body))
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	rec := httptest.NewRecorder()
	v.site.ServeHTTP(rec, req)
	return rec
}

func (v *visit) page(path string, status int) *goquery.Document {
	v.t.Helper()
	rec := v.do(http.MethodGet, path, "", "")
	return v.read(path, rec, status)
}

func (v *visit) read(path string, rec *httptest.ResponseRecorder, status int) *goquery.Document {
	v.t.Helper()
	if rec.Code != status {
		v.t.Fatalf("%s: %d\n%s", path, rec.Code, rec.Body)
	}
	doc, err := goquery.NewDocumentFromReader(rec.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	if strings.Contains(doc.Find("main").Text(), "incident.") {
		v.t.Errorf("%s: a text is missing: %s", path, doc.Find("main").Text())
	}
	seen := map[string]bool{}
	doc.Find("main [id]").Each(func(_ int, s *goquery.Selection) {
		id, _ := s.Attr("id")
		if seen[id] {
			v.t.Errorf("%s: id %q twice", path, id)
		}
		seen[id] = true
	})
	return doc
}

func (v *visit) post(path string, form url.Values, status int) *httptest.ResponseRecorder {
	v.t.Helper()
	rec := v.do(http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode())
	if rec.Code != status {
		v.t.Fatalf("POST %s: %d\n%s", path, rec.Code, rec.Body)
	}
	return rec
}

func text(s *goquery.Selection) string { return strings.Join(strings.Fields(s.Text()), " ") }

func TestPages(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	r, w := setup(t, sw)
	v := browser(t, r, w)
	if got := text(v.page("/incident", 200).Find("main")); !strings.Contains(got, "Zurzeit gibt es keinen Vorfall.") {
		t.Fatal(got)
	}
	v.page("/incident/new", 200)
	doc := v.read("refused", v.post("/incident", url.Values{"title": {" "}, "level": {"emergency"}}, 422), 422)
	if _, kept := doc.Find(`input[value="emergency"]`).Attr("checked"); !kept || !strings.Contains(text(doc.Find("main")), "Bitte geben Sie dem Vorfall einen Titel.") {
		t.Fatal(text(doc.Find("main")))
	}
	rec := v.post("/incident", url.Values{"title": {"<b>Portal</b> gestört"}, "level": {"disruption"}, "flags": {"confirmed"}}, 303)
	at := rec.Header().Get("Location")
	first := "/incident/" + string(open(t, r, sw.Ctx, incident.OpenRequest{Alerts: []string{"a1"}}).ID)
	doc = v.page("/incident", 200)
	if doc.Find("main b").Length() != 0 || doc.Find(".tm-item").Length() != 2 {
		t.Fatal(text(doc.Find("main")))
	}

	v.post(at+"/phase", url.Values{"phase": {"monitoring"}, "remark": {"Leitung getauscht"}}, 303)
	w.refuse = fault.New(fault.Conflict, "incident.no_gate")
	v.post(at+"/phase", url.Values{"phase": {"restored"}}, 409)
	v.post(at+"/phase", url.Values{"phase": {"reviewed"}}, 409)
	w.refuse = nil
	v.read("phase", v.post(at+"/phase", url.Values{"phase": {"gone"}}, 422), 422)
	v.post(at+"/level", url.Values{"level": {"crisis"}}, 303)
	v.read("level", v.post(at+"/level", url.Values{"level": {"dire"}}, 422), 422)
	v.post(at+"/journal", url.Values{"entry": {"Anbieter ruft zurück\r\n<i>um 16 Uhr</i>"}}, 303)
	doc = v.read("note", v.post(at+"/journal", url.Values{"entry": {" "}}, 422), 422)
	if !strings.Contains(text(doc.Find("main")), "Bitte schreiben Sie etwas.") {
		t.Fatal(text(doc.Find("main")))
	}
	v.page(at+"/facts/new", 200)
	v.post(at+"/facts/new", url.Values{"text": {"Netzteil defekt"}, "certainty": {"assumed"}, "source": {"Anbieter"}, "embargo": {"2026-11-23T08:00"}}, 303)
	doc = v.read("fact", v.post(at+"/facts/new", url.Values{"text": {"Typed"}, "certainty": {"sure"}, "embargo": {"morgen"}}, 422), 422)
	if !strings.Contains(text(doc.Find("main")), "Bitte geben Sie Datum und Uhrzeit an.") || text(doc.Find("textarea")) != "Typed" {
		t.Fatal(text(doc.Find("main")))
	}
	doc = v.page(at, 200)
	for _, want := range []string{
		"Vorfall · Stufe Krise · Phase: wird beobachtet seit 14:02 Uhr", "Netzteil defektAnbieter · 14:02 Uhr gesperrt bis 23.11. 08:00 Uhr",
		"Anbieter ruft zurück <i>um 16 Uhr</i>", "bestätigt → wird beobachtet. Grund: Leitung getauscht", "Läuft wieder", "Warum ist es ein Fehlalarm?",
	} {
		if !strings.Contains(text(doc.Find("main")), want) {
			t.Errorf("no %q in %s", want, text(doc.Find("main")))
		}
	}
	edit, _ := doc.Find(".tm-fact a").Attr("href")
	doc = v.page(edit, 200)
	if value, _ := doc.Find("#embargo").Attr("value"); value != "2026-11-23T08:00" || text(doc.Find("textarea")) != "Netzteil defekt" {
		t.Fatal(value)
	}
	change := url.Values{"version": {"1"}, "text": {"Netzteil getauscht"}, "certainty": {"confirmed"}, "flags": {"hold"}}
	v.post(edit, change, 303)
	// Somebody was faster: the text is kept, and saving once more works.
	doc = v.read("old", v.post(edit, change, 422), 422)
	if version, _ := doc.Find("[name=version]").Attr("value"); version != "2" || text(doc.Find("textarea")) != "Netzteil getauscht" {
		t.Fatal(version)
	}
	v.page(strings.Replace(edit, "/facts/", "/facts/x", 1), 404)
	v.read("dismiss", v.post(at+"/dismiss", url.Values{"reason": {""}}, 422), 422)
	v.post(at+"/merge", url.Values{"into": {strings.TrimPrefix(first, "/incident/")}}, 303)
	v.post(first+"/dismiss", url.Values{"reason": {"Wartung war angekündigt"}}, 303)
	v.post(first+"/reopen", url.Values{"reason": {"doch"}}, 409)
	if got := text(v.page(at+"/journal", 200).Find("main")); !strings.Contains(got, "Geprüft: nichts wurde verändert.") || !strings.Contains(got, "1 · Sonntag, 22. November 2026, 14:02 Uhr · P. Person") {
		t.Fatal(got)
	}
	err := sw.Store.InTx(sw.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewRaw("UPDATE incident_entry SET text = 'x' WHERE tenant_id = 't1' AND seq = 2").Exec(ctx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := text(v.page(at+"/journal", 200).Find("main")); !strings.Contains(got, "Die Prüfung scheitert an Eintrag 2.") {
		t.Fatal(got)
	}
	if n := v.page("/incident?ended=1", 200).Find(".tm-item").Length(); n != 2 {
		t.Errorf("%d have ended", n)
	}
	if n := v.page("/incident", 200).Find(".tm-item").Length(); n != 0 {
		t.Errorf("%d are current", n)
	}
	if n := v.page("/incident?all=1", 200).Find(".tm-item").Length(); n != 2 {
		t.Fatal(n)
	}
	// Rules are for administrators.
	v.post("/incident/rules", url.Values{"minutes": {"5"}}, 403)
	v.actor.Roles = []string{"admin"}
	v.page("/incident/rules", 200)
	v.post("/incident/rules", url.Values{"mode": {"after"}, "minutes": {"5"}}, 303)
	v.post("/incident/rules", url.Values{"mode": {"never"}, "service": {"mail"}}, 303)
	v.read("rules", v.post("/incident/rules", url.Values{"mode": {"after"}, "minutes": {"soon"}}, 422), 422)
	v.read("rules", v.post("/incident/rules", url.Values{"mode": {"never"}, "service": {"rome"}}, 422), 422)
	if got := text(v.page("/incident/rules", 200).Find("table")); !strings.Contains(got, "nach 5 Minuten") || !strings.Contains(got, "nie") {
		t.Error(got)
	}
	v.post("/incident/rules/drop", url.Values{"service": {"mail"}}, 303)
	// A reader reads and has no buttons.
	v.actor.Roles = []string{"reader"}
	if n := v.page(at, 200).Find("form").Length(); n != 0 {
		t.Error(n)
	}
	v.page("/incident/new", 403)
	v.post(at+"/journal", url.Values{"entry": {"x"}}, 403)
	v.actor.Kind = ident.KindPublic
	if rec := v.do(http.MethodGet, "/incident", "", ""); rec.Code != 401 {
		t.Error(rec.Code)
	}
}

func TestAPI(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	r, w := setup(t, sw)
	v := browser(t, r, w)
	call := func(method, path, body string, status int) map[string]any {
		t.Helper()
		kind := ""
		if body != "" {
			kind = "application/json"
		}
		rec := v.do(method, "/api/v1/incidents"+path, kind, body)
		if rec.Code != status {
			t.Fatalf("%s %s: %d %s", method, path, rec.Code, rec.Body)
		}
		var out map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	items := func(m map[string]any) []any {
		t.Helper()
		out, ok := m["items"].([]any)
		if !ok {
			t.Fatal(m)
		}
		return out
	}
	if n := len(items(call("GET", "", "", 200))); n != 0 {
		t.Fatal(n)
	}
	one := call("POST", "", `{"alerts":["a1"]}`, 201)
	id, _ := one["id"].(string)
	if one["phase"] != "candidate" || one["level"] != "disruption" || one["impact"] != "minor" || one["opened_by"] != "P. Person" {
		t.Fatal(one)
	}
	call("POST", "", `{"alerts":["a1"]}`, 409)
	call("POST", "", `{}`, 422)
	call("POST", "", `{"title":"x","services":["rome"]}`, 422)
	if got := call("POST", "/"+id+"/phase", `{"phase":"confirmed"}`, 200); got["public"] != "investigating" {
		t.Fatal(got)
	}
	call("POST", "/"+id+"/phase", `{"phase":"reviewed"}`, 409)
	call("POST", "/"+id+"/level", `{"level":"emergency"}`, 200)
	fact := call("POST", "/"+id+"/facts", `{"text":"Netzteil","certainty":"assumed"}`, 201)
	fid, _ := fact["id"].(string)
	call("POST", "/"+id+"/facts/"+fid, `{"text":"Netzteil defekt","certainty":"confirmed","version":1}`, 200)
	call("POST", "/"+id+"/facts/"+fid, `{"text":"zu spät","certainty":"confirmed","version":1}`, 409)
	if got := items(call("GET", "/"+id+"/facts", "", 200)); len(got) != 1 {
		t.Fatal(got)
	}
	call("POST", "/"+id+"/journal", `{"text":"Notiz"}`, 201)
	page := call("GET", "/"+id+"/journal?limit=2&after=1", "", 200)
	if len(items(page)) != 2 || page["next"] != "3" {
		t.Fatal(page)
	}
	if got := call("PATCH", "/"+id, `{"title":"Neu","private":true}`, 200); got["title"] != "Neu" || got["private"] != true || got["public"] != nil {
		t.Fatal(got)
	}
	other := call("POST", "", `{"title":"zwei","realm":"live"}`, 201)
	oid, _ := other["id"].(string)
	call("POST", "/"+oid+"/merge", `{"into":"`+id+`"}`, 200)
	call("POST", "/"+id+"/phase", `{"phase":"restored","reason":"läuft"}`, 200)
	call("POST", "/"+id+"/reopen", `{"reason":"doch nicht"}`, 200)
	call("POST", "/"+id+"/dismiss", `{"reason":"Fehlalarm"}`, 200)
	call("GET", "/none", "", 404)
	if got := items(call("GET", "/rules", "", 200)); len(got) != 0 {
		t.Fatal(got)
	}
	call("PUT", "/rules", `{"service":"","after_seconds":300}`, 403)
	call("GET", "/none/facts", "", 404)
	w.now = w.now.Add(time.Second)
	if got := items(call("GET", "?current=true", "", 200)); len(got) != 0 {
		t.Fatal(got)
	}
	if got := call("GET", "?limit=1", "", 200); got["next"] == nil {
		t.Fatal(got)
	}
	v.actor.Kind, v.actor.Scopes = ident.KindToken, []string{"alerts"}
	call("GET", "", "", 403)
}
