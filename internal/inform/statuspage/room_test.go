package statuspage

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/PuerkitoBio/goquery"
	"go.uber.org/goleak"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
)

func stateOf(t *testing.T, r *Room, ctx context.Context, slug string) Component {
	t.Helper()
	c, err := r.component(ctx, slug)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestHold(t *testing.T) {
	storetest.Each(t, migrations(), func(t *testing.T, w *storetest.World) {
		a, c := newAround(), &ticking{now: noon}
		r := newRoom(t, w, a, c, "")
		it := ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPerson, Person: "p1", Name: "Ada Beispiel", Roles: []string{"it"}})
		a.fire("t1", "buergerportal")
		if got := stateOf(t, r, it, "buergerportal"); got.State != Checking || got.Source != ByMonitor {
			t.Fatal(got)
		}
		if err := r.Hold(it, "buergerportal", Degraded, "Anmeldung geht, Zahlung nicht"); err != nil {
			t.Fatal(err)
		}
		got := stateOf(t, r, it, "buergerportal")
		if got.State != Degraded || got.Source != ByHand || got.Without != Checking || got.Hold == nil || got.Hold.Name != "Ada Beispiel" || !got.Hold.At.Equal(noon) {
			t.Fatalf("%+v", got)
		}
		rebuild(t, r)
		if read(t, r, "/").Find("#s-buergerportal .tm-state--degraded").Length() != 1 {
			t.Error("the page does not show the hold")
		}
		if strings.Contains(visit(t, r, "/").Body.String(), "Zahlung") {
			t.Error("the reason is public")
		}
		if err := r.Hold(it, "buergerportal", Maintenance, "zweiter Grund"); err != nil { // overrules
			t.Fatal(err)
		}
		if got := stateOf(t, r, it, "buergerportal"); got.State != Maintenance || got.Hold.Reason != "zweiter Grund" {
			t.Error(got)
		}
		// I19: another town sees and changes nothing of it.
		other := ident.WithTenant(it, "t2")
		a.services["t2"] = a.services["t1"][:1]
		if got := stateOf(t, r, other, "buergerportal"); got.State != Operational || got.Hold != nil {
			t.Error("t2 sees t1's hold", got)
		}
		if err := r.Release(other, "buergerportal"); !errors.Is(err, ErrNotHeld) {
			t.Error("t2 released t1's hold", err)
		}
		if err := r.Release(it, "buergerportal"); err != nil {
			t.Fatal(err)
		}
		if got := stateOf(t, r, it, "buergerportal"); got.State != Checking || got.Hold != nil {
			t.Error(got)
		}
		if err := r.Release(it, "buergerportal"); !errors.Is(err, ErrNotHeld) {
			t.Error(err)
		}

		reader := ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPerson, Roles: []string{"reader"}})
		if err := r.Hold(reader, "buergerportal", Down, "weil"); fault.KindOf(err) != fault.Forbidden {
			t.Error(err)
		}
		if err := r.Release(reader, "buergerportal"); fault.KindOf(err) != fault.Forbidden {
			t.Error(err)
		}
		if _, err := r.Components(ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPublic})); fault.KindOf(err) != fault.Forbidden {
			t.Error(err)
		}
		for name, err := range map[string]error{
			"state": r.Hold(it, "buergerportal", "kaputt", "weil"), "reason": r.Hold(it, "buergerportal", Down, " "),
		} {
			if fault.As(err).Fields[name] == "" {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := r.Hold(it, "intern", Down, "weil es so ist"); !errors.Is(err, ErrNotPublic) {
			t.Error(err)
		}
		// Every change is in the audit log.
		lines, err := audit.New(audit.Options{Store: w.Store, Clock: c}).List(w.Ctx, 0, 10)
		if err != nil || len(lines) != 3 {
			t.Fatal(len(lines), err)
		}
	})
}

// TestTownsApart is I19 for pages: each host shows its own town.
func TestI19_TownsApart(t *testing.T) {
	a := newAround()
	a.tenants = append(a.tenants, identity.Tenant{ID: "t2", Name: "Nebenort", Hosts: []string{"status.nebenort.example"}, Zone: "Europe/Berlin", Language: "en"})
	a.services["t2"] = []service.Service{{Slug: "bad", Name: "Freibad", Public: true}}
	a.say("t1", outage("i1"), publish.Statement{ID: "s1", Kind: template.First, PublishedAt: noon}, "Einsmeldung", "Eins", time.Time{})
	r, _ := built(t, a)
	one, two := r.site.Load().towns["t1"], r.site.Load().towns["t2"]
	for path, d := range two.docs {
		if strings.Contains(string(d.Plain), "Einsmeldung") || strings.Contains(string(d.Plain), "Musterstadt") {
			t.Errorf("t2 shows t1 at %s", path)
		}
	}
	for host, want := range map[string]string{
		"status.nebenort.example": "Nebenort", "STATUS.Nebenort.example:8421": "Nebenort", "status.musterstadt.example.": "Musterstadt",
	} {
		if rec := visit(t, r, "/", "Host", host); rec.Code != 200 || !strings.Contains(rec.Body.String(), "<h1>"+want) {
			t.Errorf("%s: %d", host, rec.Code)
		}
	}
	if rec := visit(t, r, "/", "Host", "fremd.example"); rec.Code != http.StatusNotFound {
		t.Error("a foreign name shows a town", rec.Code)
	}
	if d, ok := r.Lookup("status.musterstadt.example", "/"); !ok || d != one.docs["/"] {
		t.Error("Lookup finds something else")
	}
	// English is at home there, German has the prefix.
	doc, err := goquery.NewDocumentFromReader(visit(t, r, "/", "Host", "status.nebenort.example").Body)
	if err != nil || doc.Find("html").AttrOr("lang", "") != "en" || doc.Find(".langs a[lang=de]").AttrOr("href", "") != "/de/" {
		t.Error("the town's own language is not the first", err)
	}
	// A town that leaves takes its page along; the last one answers to every name.
	a.tenants = a.tenants[:1]
	rebuild(t, r)
	if rec := visit(t, r, "/", "Host", "fremd.example"); !strings.Contains(rec.Body.String(), "<h1>Musterstadt") {
		t.Error("the only town does not answer to every name")
	}
}

func TestBeforeTheFirstBuild(t *testing.T) {
	a := newAround()
	a.gone = errors.New("away")
	r := newRoom(t, storetest.SQLite(t, migrations()...), a, &ticking{now: noon}, "")
	rec := visit(t, r, "/")
	if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" || !strings.Contains(rec.Body.String(), "gleich wieder da") {
		t.Error(rec.Code, rec.Body)
	}
}

// TestWithoutDatabase: the page stands while the database is away, also over a
// restart, and goes on telling what only the clock knows.
func TestWithoutDatabase(t *testing.T) {
	dir := t.TempDir()
	a, c := newAround(), &ticking{now: noon}
	a.fire("t1", "buergerportal")
	a.say("t1", outage("i1"), publish.Statement{ID: "s1", Kind: template.First, PublishedAt: noon}, "Gestört", "Text", noon.Add(25*time.Minute))
	w := storetest.SQLite(t, migrations()...)
	r := newRoom(t, w, a, c, dir)
	if err := r.Start(w.Ctx); err != nil {
		t.Fatal(err)
	}
	before := visit(t, r, "/").Body.String()
	if err := w.Store.Close(); err != nil {
		t.Fatal(err)
	}
	r.Stop()
	if visit(t, r, "/").Body.String() != before {
		t.Error("the page changed when the database went away")
	}

	c.set(noon.Add(30 * time.Minute))
	again := newRoom(t, w, a, c, dir)
	if err := again.Start(w.Ctx); err != nil {
		t.Fatal("a database that is away keeps the page from starting: ", err)
	}
	defer again.Stop()
	doc := read(t, again, "/")
	if doc.Find("#s-buergerportal .tm-state--down").Length() != 1 || doc.Find(".late").Length() != 1 {
		t.Error("after a restart without the database the page has lost what it knew")
	}
	if got := doc.Find("time.stand").AttrOr("datetime", ""); got != "2026-11-22T13:05:00Z" {
		t.Error("the Stand pretends to be newer than it is: ", got)
	}
}

func TestBrokenCopy(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "pages"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"t1.json": "{half", "t9.json": `{"Version":1,"Model":{"Town":{"ID":"t1"}}}`, "note.txt": "x"} {
		if err := os.WriteFile(filepath.Join(dir, "pages", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := newRoom(t, storetest.SQLite(t, migrations()...), newAround(), &ticking{now: noon}, dir)
	if err := r.load(); err == nil {
		t.Error("a broken copy is not told of")
	}
	rebuild(t, r)
	raw, err := os.ReadFile(filepath.Join(dir, "pages", "t1.json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decode(raw); err != nil {
		t.Error("the broken copy was not replaced", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "pages", "*.tmp"))
	if err != nil || len(left) != 0 {
		t.Error(left, err)
	}
}

// TestFullDisk: a folder that cannot be written costs the copy, not the page.
func TestFullDisk(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRoom(t, storetest.SQLite(t, migrations()...), newAround(), &ticking{now: noon}, file)
	rebuild(t, r)
	if visit(t, r, "/").Code != http.StatusOK {
		t.Error("no page")
	}
}

// TestFresh runs the room in virtual time: a hint flips the page within a
// second, a lost hint within a minute, and a storm costs a few builds.
func TestFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := storetest.SQLite(t, migrations()...)
		a := newAround()
		r := New(Options{
			Store: w.Store, Clock: clock.System{}, Hints: w.Hints, Catalog: catalog(t), Services: servicesOf{a}, Signals: a,
			Statements: statementsOf{a}, Incidents: incidentsOf{a}, Tenants: a,
		})
		if err := r.Start(w.Ctx); err != nil {
			t.Fatal(err)
		}
		defer r.Stop()
		if err := r.Start(w.Ctx); err != nil {
			t.Fatal(err)
		}
		shows := func() string { return read(t, r, "/").Find("#s-kfz .say-state").Text() }
		synctest.Wait()
		a.fire("t1", "kfz")
		w.Hints.Publish(bus.Hint{Tenant: "t1", Topic: "signal"})
		time.Sleep(time.Second)
		synctest.Wait()
		if got := shows(); got != "gestört" {
			t.Errorf("a second after the signal: %q", got)
		}
		a.calm("t1") // nobody says so
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if got := shows(); got != "funktioniert" {
			t.Errorf("a minute after a lost hint: %q", got)
		}
		at := r.site.Load()
		builds := 0
		for range 500 {
			w.Hints.Publish(bus.Hint{Tenant: "t1", Topic: "signal"})
			time.Sleep(2 * time.Millisecond)
			synctest.Wait()
			if now := r.site.Load(); now != at {
				at, builds = now, builds+1
			}
		}
		if builds == 0 || builds > 7 {
			t.Errorf("%d builds in a second of storm", builds)
		}
	})
}

// TestTogether reads while pages are rebuilt; it is for the race detector.
func TestTogether(t *testing.T) {
	a := crowded()
	r, c := built(t, a)
	h := r.Handler()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, path := range []string{"/", "/archiv?q=gebuehr", "/feed.atom", "/nowhere", "/en/m/n1"} {
					h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
				}
			}
		})
	}
	for i := range 20 {
		c.set(noon.Add(time.Duration(i) * time.Minute))
		rebuild(t, r)
	}
	close(stop)
	wg.Wait()
}

// console is a staff site with the room's pages and API, seen by somebody with
// the given roles.
func console(t *testing.T, r *Room, w *storetest.World, roles ...string) http.Handler {
	t.Helper()
	s := web.NewSite(web.Options{
		Catalog: r.o.Catalog, Clock: r.o.Clock, SignIn: "/identity/sign-in",
		Authenticate: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
				actor := ident.Actor{Kind: ident.KindPublic}
				if len(roles) > 0 {
					actor = ident.Actor{Kind: ident.KindPerson, Person: "p1", Name: "Ada Beispiel", Roles: roles}
				}
				next.ServeHTTP(rw, req.WithContext(ident.WithActor(ident.WithTenant(req.Context(), storetest.Tenant), actor)))
			})
		},
		Locale: func(*http.Request) (i18n.Lang, *time.Location) { return i18n.DE, time.UTC },
	})
	r.Routes(s)
	r.API(web.NewAPI(s, "test"))
	return s.Handler()
}

func send(h http.Handler, method, target, mime, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	req.Header.Set("Content-Type", mime)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec
}

const formType = "application/x-www-form-urlencoded"

func TestConsole(t *testing.T) {
	w := storetest.SQLite(t, migrations()...)
	a := newAround()
	r := newRoom(t, w, a, &ticking{now: noon}, "")
	rebuild(t, r)
	h := console(t, r, w, "it")
	page := func(target string) *goquery.Document {
		rec := send(h, "GET", target, "", "")
		if rec.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", target, rec.Code, rec.Body)
		}
		doc, err := goquery.NewDocumentFromReader(rec.Body)
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	a.fire("t1", "kita")
	doc := page("/statuspage")
	if doc.Find("tbody tr").Length() != 3 || doc.Find(`a[href="https://status.musterstadt.example/"]`).Length() != 1 {
		t.Error("the list or the way to the page is missing")
	}
	if got := squash(doc.Find("#component-kita").Text()); !strings.Contains(got, "zeigt sie nicht von selbst") {
		t.Error("nobody reads why the page is silent: ", got)
	}
	if page("/statuspage/kita").Find("input[name=state]").Length() != len(States()) {
		t.Error("the form does not offer the states")
	}
	rec := send(h, "POST", "/statuspage/kita/hold", formType, url.Values{"state": {"down"}, "reason": {"x"}}.Encode())
	bad, err := goquery.NewDocumentFromReader(rec.Body)
	if err != nil || rec.Code != http.StatusUnprocessableEntity || bad.Find("#reason-error").Length() != 1 || bad.Find("#reason").Text() != "x" || bad.Find("input[checked]").AttrOr("value", "") != "down" {
		t.Error("a refused form does not come back as it was", rec.Code, err)
	}
	if rec := send(h, "POST", "/statuspage/kita/hold", formType, url.Values{"state": {"down"}, "reason": {"Bagger"}}.Encode()); rec.Code != http.StatusSeeOther {
		t.Fatal(rec.Code, rec.Body)
	}
	row := page("/statuspage").Find("#component-kita")
	if got := squash(row.Text()); !strings.Contains(got, "von Hand gesetzt durch Ada Beispiel: Bagger") || !strings.Contains(got, "Ohne Ihre Einstellung stünde dort: funktioniert.") {
		t.Error(got)
	}
	if action := row.Find("form").AttrOr("action", ""); send(h, "POST", action, formType, "").Code != http.StatusSeeOther {
		t.Error("release at", action)
	}
	if rec := send(h, "GET", "/statuspage/nirgends", "", ""); rec.Code != http.StatusNotFound {
		t.Error(rec.Code)
	}
	reader := console(t, r, w, "reader")
	if body := send(reader, "GET", "/statuspage", "", "").Body.String(); strings.Contains(body, "/statuspage/kita") {
		t.Error("a reader is offered what is not allowed")
	}
	if rec := send(reader, "GET", "/statuspage/kita", "", ""); rec.Code != http.StatusForbidden {
		t.Error(rec.Code)
	}
	if rec := send(console(t, r, w), "GET", "/statuspage", "", ""); rec.Code != http.StatusSeeOther {
		t.Error("a stranger reads the console", rec.Code)
	}
}

func TestAPI(t *testing.T) {
	w := storetest.SQLite(t, migrations()...)
	a := newAround()
	a.fire("t1", "kfz")
	r := newRoom(t, w, a, &ticking{now: noon}, "")
	h := console(t, r, w, "publisher")
	var list struct {
		Items []componentBody `json:"items"`
		Next  string          `json:"next"`
	}
	get := func(target string) {
		t.Helper()
		list.Items, list.Next = nil, ""
		rec := send(h, "GET", target, "", "")
		if err := json.Unmarshal(rec.Body.Bytes(), &list); err != nil || rec.Code != http.StatusOK {
			t.Fatal(rec.Code, rec.Body, err)
		}
	}
	get("/api/v1/components?limit=2")
	if len(list.Items) != 2 || list.Next != "kfz" || list.Items[1].State != Down || list.Items[1].Source != ByMonitor {
		t.Errorf("%+v", list)
	}
	get("/api/v1/components?after=kfz")
	if len(list.Items) != 1 || list.Items[0].Service != "kita" || list.Next != "" {
		t.Errorf("%+v", list)
	}
	rec := send(h, "POST", "/api/v1/components/kfz/hold", "application/json", `{"state":"maintenance","reason":"Umzug"}`)
	var one componentBody
	if err := json.Unmarshal(rec.Body.Bytes(), &one); err != nil || rec.Code != http.StatusOK || one.State != Maintenance || one.Without != Down || one.Hold == nil || one.Hold.By != "Ada Beispiel" {
		t.Error(rec.Code, rec.Body, err)
	}
	if rec := send(h, "POST", "/api/v1/components/kfz/release", "application/json", ""); rec.Code != http.StatusOK {
		t.Error(rec.Code, rec.Body)
	}
	if rec := send(h, "POST", "/api/v1/components/kfz/release", "application/json", ""); rec.Code != http.StatusNotFound {
		t.Error(rec.Code, rec.Body)
	}
	if rec := send(h, "POST", "/api/v1/components/kfz/hold", "application/json", `{"state":"kaputt","reason":"Umzug"}`); rec.Code != http.StatusUnprocessableEntity {
		t.Error(rec.Code, rec.Body)
	}
	if rec := send(console(t, r, w), "GET", "/api/v1/components", "", ""); rec.Code != http.StatusUnauthorized {
		t.Error(rec.Code)
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The rooms answer the ports as they are.
var (
	_ Statements = (*publish.Room)(nil)
	_ Incidents  = (*incident.Room)(nil)
	_ Services   = (*service.Room)(nil)
	_ Signals    = (*signal.Room)(nil)
	_ Tenants    = (*identity.Room)(nil)
	_ Audit      = (*audit.Room)(nil)
)
