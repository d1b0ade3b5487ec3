package statuspage

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
)

// noon is the moment at which the tests begin.
var noon = time.Date(2026, 11, 22, 13, 5, 0, 0, time.UTC)

// ticking is a clock that tests move.
type ticking struct {
	mu  sync.Mutex
	now time.Time
}

func (c *ticking) Now() time.Time  { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *ticking) set(t time.Time) { c.mu.Lock(); defer c.mu.Unlock(); c.now = t }

// around are the rooms around the page, for one or several towns.
type around struct {
	mu         sync.Mutex
	gone       error // the database is away
	tenants    []identity.Tenant
	services   map[ident.Tenant][]service.Service
	firing     map[ident.Tenant][]signal.Trouble
	statements map[ident.Tenant][]publish.Statement
	variants   map[publish.ID][]publish.Variant
	promises   map[ident.Tenant][]publish.Promise
	incidents  map[ident.Tenant][]incident.Incident
}

func newAround() *around {
	a := &around{
		tenants:  []identity.Tenant{musterstadt},
		services: map[ident.Tenant][]service.Service{}, firing: map[ident.Tenant][]signal.Trouble{},
		statements: map[ident.Tenant][]publish.Statement{}, variants: map[publish.ID][]publish.Variant{},
		promises: map[ident.Tenant][]publish.Promise{}, incidents: map[ident.Tenant][]incident.Incident{},
	}
	a.services["t1"] = []service.Service{
		{Slug: "buergerportal", Name: "Bürgerportal", Article: "das", NameEN: "Citizens' portal", Public: true, Workaround: service.Workaround{Text: "Telefon 0611 000", TextEN: "Phone 0611 000", Hours: "heute bis 18 Uhr"}},
		{Slug: "kfz", Name: "Kfz-Zulassung", Public: true, AutoPublic: service.Confirmed},
		{Slug: "intern", Name: "Aktenverwaltung"},
		{Slug: "kita", Name: "Kita-Portal", Public: true, AutoPublic: service.Never},
	}
	return a
}

var musterstadt = identity.Tenant{
	ID: "t1", Slug: "musterstadt", Name: "Musterstadt", Hosts: []string{"status.musterstadt.example"},
	Zone: "Europe/Berlin", Language: "de", PublicURL: "https://status.musterstadt.example",
}

func get[T any](a *around, ctx context.Context, m map[ident.Tenant][]T) ([]T, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]T(nil), m[ident.TenantOf(ctx)]...), a.gone
}

func (a *around) Tenants(context.Context) ([]identity.Tenant, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tenants, a.gone
}

type servicesOf struct{ *around }

func (a servicesOf) List(ctx context.Context) ([]service.Service, error) {
	return get(a.around, ctx, a.services)
}

func (a servicesOf) Get(ctx context.Context, slug string) (service.Service, error) {
	all, err := a.List(ctx)
	for _, s := range all {
		if s.Slug == slug {
			return s, err
		}
	}
	return service.Service{}, ErrNotPublic
}

func (a *around) Troubles(ctx context.Context) ([]signal.Trouble, error) {
	return get(a, ctx, a.firing)
}

type statementsOf struct{ *around }

func (a statementsOf) List(ctx context.Context, _ publish.Filter) ([]publish.Statement, error) {
	return get(a.around, ctx, a.statements)
}

func (a statementsOf) Variants(_ context.Context, id publish.ID) ([]publish.Variant, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.variants[id], a.gone
}

func (a statementsOf) Due(ctx context.Context) ([]publish.Promise, error) {
	return get(a.around, ctx, a.promises)
}

type incidentsOf struct{ *around }

func (a incidentsOf) List(ctx context.Context, _ incident.Filter) ([]incident.Incident, error) {
	return get(a.around, ctx, a.incidents)
}

// fire makes a service fail.
func (a *around) fire(t ident.Tenant, slug string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.firing[t] = append(a.firing[t], signal.Trouble{Source: signal.Monitor, Service: slug, Severity: signal.Critical})
}

func (a *around) calm(t ident.Tenant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.firing, t)
}

// say publishes a statement to citizens in German and English.
func (a *around) say(t ident.Tenant, in incident.Incident, s publish.Statement, title, body string, next time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := false
	for i, old := range a.incidents[t] {
		if old.ID == in.ID {
			a.incidents[t][i], found = in, true
		}
	}
	if !found {
		a.incidents[t] = append(a.incidents[t], in)
	}
	s.Incident, s.Realm, s.State = in.ID, in.Realm, publish.StatePublished
	s.CreatedAt = s.PublishedAt
	if s.Version == 0 {
		s.Version = 1
	}
	a.statements[t] = append(a.statements[t], s)
	for _, l := range []template.Language{template.DE, template.EN} {
		for _, f := range []template.Format{template.Page, template.Mail} {
			a.variants[s.ID] = append(a.variants[s.ID],
				publish.Variant{Audience: "staff", Kind: plan.Staff, Format: f, Language: l, Title: "nurintern " + title, Body: "nurintern " + body, AsOf: s.PublishedAt},
				publish.Variant{Audience: "citizens", Kind: plan.Citizens, Format: f, Language: l, Title: string(l) + ": " + title, Body: body, AsOf: s.PublishedAt, Next: next},
			)
		}
	}
	a.promises[t] = nil
	if !next.IsZero() {
		a.promises[t] = []publish.Promise{{ID: "p-" + string(s.ID), Incident: in.ID, Audience: "citizens", Due: next, State: publish.PromiseOpen}}
	}
}

func outage(id incident.ID) incident.Incident {
	return incident.Incident{
		ID: id, Title: "interner Titel", Realm: incident.Live, Level: incident.Emergency, Phase: incident.Confirmed,
		Services: []string{"buergerportal", "intern"}, Since: noon.Add(-3 * time.Minute),
	}
}

func migrations() []store.Migrations {
	return []store.Migrations{audit.Migrations(), Migrations()}
}

func catalog(t testing.TB) *i18n.Catalog {
	t.Helper()
	c, err := i18n.NewCatalog(web.Texts(), Texts())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newRoom(t testing.TB, w *storetest.World, a *around, c *ticking, dir string) *Room {
	t.Helper()
	return New(Options{
		Store: w.Store, Clock: c, Hints: w.Hints, Catalog: catalog(t), Audit: audit.New(audit.Options{Store: w.Store, Clock: c}),
		Services: servicesOf{a}, Signals: a, Statements: statementsOf{a}, Incidents: incidentsOf{a}, Tenants: a, Dir: dir,
	})
}

// built is a room on SQLite whose pages are up.
func built(t testing.TB, a *around) (*Room, *ticking) {
	t.Helper()
	c := &ticking{now: noon}
	r := newRoom(t, storetest.SQLite(t, migrations()...), a, c, "")
	rebuild(t, r)
	return r, c
}

func rebuild(t testing.TB, r *Room) {
	t.Helper()
	if err := r.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// visit gets an address; headers come in pairs.
func visit(t testing.TB, r *Room, target string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	r.Handler().ServeHTTP(rec, req)
	return rec
}

// read is the page as a reader's document; it must be there.
func read(t testing.TB, r *Room, target string) *goquery.Document {
	t.Helper()
	rec := visit(t, r, target)
	if rec.Code != http.StatusOK {
		t.Fatalf("%s: status %d", target, rec.Code)
	}
	doc, err := goquery.NewDocumentFromReader(rec.Body)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func unzip(t testing.TB, b []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
