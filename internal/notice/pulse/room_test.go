package pulse

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is what stands around one install's room.
type house struct {
	mu       sync.Mutex
	now      time.Time
	tenant   identity.Tenant
	waiting  int64
	alarm    time.Time
	gone     error
	stats    monitor.Stats
	made     map[string]monitor.Monitor
	watchers []Watcher
	heard    []string // "/path note"
}

func (h *house) Now() time.Time { h.mu.Lock(); defer h.mu.Unlock(); return h.now }

func (h *house) Alarms(context.Context, time.Time) (int64, time.Time, error) {
	return h.waiting, h.alarm, h.gone
}

func (h *house) Create(_ context.Context, m monitor.Monitor) error {
	m.PingKey = "schluessel" + m.Slug
	h.made[m.Slug] = m
	return nil
}

func (h *house) Get(_ context.Context, slug string) (monitor.Monitor, error) {
	m, ok := h.made[slug]
	if !ok {
		return m, fault.New(fault.NotFound, "monitor.not_found")
	}
	return m, nil
}

func (h *house) Remove(_ context.Context, slug string) error { delete(h.made, slug); return nil }

func (h *house) EngineStats() monitor.Stats { return h.stats }

func (h *house) Tenants(context.Context) ([]identity.Tenant, error) {
	return []identity.Tenant{h.tenant}, h.gone
}

func (h *house) Current(context.Context) (identity.Tenant, error) { return h.tenant, nil }

// ServeHTTP is a watcher outside.
func (h *house) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard = append(h.heard, r.URL.Path+" "+string(body))
}

func (h *house) hears() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := h.heard
	h.heard = nil
	return out
}

func newHouse(t *testing.T, w *storetest.World, tenant ident.Tenant) (*house, *Room) {
	t.Helper()
	h := &house{now: noon, tenant: identity.Tenant{ID: tenant, Name: "Stadt " + string(tenant)}, made: map[string]monitor.Monitor{}}
	c, err := i18n.NewCatalog(web.Texts(), Texts())
	if err != nil {
		t.Fatal(err)
	}
	v, err := vault.Load(vault.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r := New(Options{
		Store: w.Store, Clock: h, Audit: audit.New(audit.Options{Store: w.Store, Clock: h}), Vault: v, Outbox: h, Monitors: h, Tenants: h,
		Locale: func(context.Context) i18n.Locale {
			return i18n.Locale{Catalog: c, Lang: i18n.DE, Zone: time.UTC, Now: h.Now()}
		},
		Watchers: func(context.Context) []Watcher { return h.watchers },
		Networks: func(context.Context) ([]netip.Prefix, error) {
			return []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16")}, nil
		},
		Facts:  func() Facts { return Facts{Hosts: []netip.Addr{addr("10.20.3.4")}} },
		Client: client, Held: client,
	})
	return h, r
}

func migrations() []store.Migrations { return []store.Migrations{audit.Migrations(), Migrations()} }

func (h *house) ctx(t *testing.T, roles ...string) context.Context {
	return ident.WithActor(ident.WithTenant(t.Context(), h.tenant.ID), ident.Actor{Kind: ident.KindPerson, Person: "p", Name: "Bert", Roles: roles})
}

// beat is one sweep a minute later.
func (h *house) beat(t *testing.T, r *Room) {
	t.Helper()
	h.mu.Lock()
	h.now = h.now.Add(Every)
	now := h.now
	h.mu.Unlock()
	if _, err := r.sweep(t.Context(), now); err != nil {
		t.Fatal(err)
	}
}

// A watcher hears start, then success, and never success while something is
// wrong: neither with alarms that wait, nor with an engine that stands, nor
// without a database.
func TestTellsTheTruth(t *testing.T) {
	storetest.Each(t, migrations(), func(t *testing.T, w *storetest.World) {
		h, r := newHouse(t, w, "t1")
		srv := httptest.NewServer(h)
		defer srv.Close()
		h.watchers = []Watcher{{"Wache", srv.URL + "/uuid/"}}
		h.alarm = noon.Add(-time.Hour)
		h.beat(t, r)
		if got := h.hears(); len(got) != 2 || !strings.HasPrefix(got[0], "/uuid/start ") || !strings.HasPrefix(got[1], "/uuid Türmer: alles in Ordnung. Letzter zugestellter Alarm:") {
			t.Fatalf("%q", got)
		}
		h.waiting = 1
		h.beat(t, r)
		if got := h.hears(); len(got) != 1 || got[0] != "/uuid/fail Alarme warten seit mehr als fünf Minuten. Letzter zugestellter Alarm: Sonntag, 22. November 2026, 12:00 Uhr." {
			t.Fatalf("%q", got)
		}
		h.waiting, h.stats = 0, monitor.Stats{Monitors: 3}
		for range 63 {
			h.beat(t, r)
		}
		got := h.hears()
		if last := got[len(got)-1]; !strings.HasPrefix(last, "/uuid/fail Seit langem") {
			t.Fatalf("%q", last)
		}
		h.stats.Stored = 1
		h.beat(t, r)
		if got := h.hears(); len(got) != 1 || !strings.HasPrefix(got[0], "/uuid Türmer: alles in Ordnung") {
			t.Fatalf("%q", got)
		}
		o, err := r.Overview(h.ctx(t, "reader"))
		if err != nil || !o.Verdict.OK() || len(o.Watchers) != 1 || o.Watchers[0].Told.At.IsZero() || len(o.Inside) != 1 {
			t.Fatalf("%+v %v", o, err)
		}
		// The database goes: the watchers are those that were known.
		if err := w.Store.Close(); err != nil {
			t.Fatal(err)
		}
		h.gone = errors.New("away")
		h.beat(t, r)
		if got := h.hears(); len(got) != 1 || !strings.HasPrefix(got[0], "/uuid/fail Die Datenbank nimmt keine Einträge an.") {
			t.Fatalf("%q", got)
		}
	})
}

// A watcher that is away, hangs or refuses keeps nothing back and is named.
func TestWatcherAway(t *testing.T) {
	h, r := newHouse(t, storetest.SQLite(t, migrations()...), "t1")
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	h.watchers = []Watcher{{"weg", "http://127.0.0.1:1/x"}, {"falsch", srv.URL + "/geheim"}}
	h.beat(t, r)
	o, err := r.Overview(h.ctx(t, "reader"))
	if err != nil || o.Watchers[0].Told.Err != "unreachable" || o.Watchers[1].Told.Err != "status 404" {
		t.Errorf("%+v %v", o.Watchers, err)
	}
}

// One side invites, the other accepts: both have a check for the other and
// report to it. The invitation is good once, for its town, and for a week.
func TestMutualWatch(t *testing.T) {
	storetest.Each(t, migrations(), func(t *testing.T, w *storetest.World) {
		a, ra := newHouse(t, w, "a")
		b, rb := newHouse(t, w, "b")
		front := func(h *house, r *Room) *httptest.Server {
			return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if token, ok := strings.CutPrefix(req.URL.Path, "/pulse/accept/"); ok {
					req.SetPathValue("token", token)
					ctx := ident.WithActor(ident.WithTenant(req.Context(), h.tenant.ID), ident.Actor{Kind: ident.KindPublic})
					if err := r.postAccept(w, req.WithContext(ctx)); err != nil {
						w.WriteHeader(fault.Status(fault.KindOf(err)))
					}
					return
				}
				h.ServeHTTP(w, req)
			}))
		}
		fa, fb := front(a, ra), front(b, rb)
		defer fa.Close()
		defer fb.Close()
		a.tenant.StaffURL, b.tenant.StaffURL = fa.URL, fb.URL
		if _, err := ra.Invite(a.ctx(t, "it"), "Bstadt"); !errors.Is(err, ErrForbidden) {
			t.Error(err)
		}
		code, err := ra.Invite(a.ctx(t, "admin"), "Bstadt")
		if err != nil {
			t.Fatal(err)
		}
		if err := rb.Join(b.ctx(t, "publisher"), "Astadt", code); !errors.Is(err, ErrForbidden) {
			t.Error(err)
		}
		if err := rb.Join(b.ctx(t, "admin"), "Astadt", code[:len(code)-3]+"xxx"); err == nil || len(b.made) > 0 {
			t.Error("a broken invitation left something behind", err)
		}
		if err := rb.Join(b.ctx(t, "admin"), "Astadt", " "+code[:20]+"\n"+code[20:]); err != nil {
			t.Fatal(err)
		}
		a.beat(t, ra)
		b.beat(t, rb)
		if got := b.hears(); len(got) != 1 || !strings.HasPrefix(got[0], "/ping/schluesseltuermer-") {
			t.Errorf("b hears %q", got)
		}
		if got := a.hears(); len(got) != 1 || !strings.HasPrefix(got[0], "/ping/schluesseltuermer-") {
			t.Errorf("a hears %q", got)
		}
		for _, h := range []*house{a, b} {
			if len(h.made) != 1 {
				t.Fatalf("%s has %d checks", h.tenant.ID, len(h.made))
			}
			for _, m := range h.made {
				if m.Spec.Kind != monitor.Heartbeat || !strings.HasPrefix(m.Name, "Türmer in ") {
					t.Errorf("%+v", m)
				}
			}
		}
		// Ill is told as ill.
		a.waiting = 1
		a.beat(t, ra)
		if got := b.hears(); len(got) != 1 || !strings.Contains(got[0], "/fail Alarme warten") {
			t.Errorf("b hears %q", got)
		}
		// Once is enough: the second answer is refused and leaves nothing.
		if err := rb.Join(b.ctx(t, "admin"), "Nochmal", code); err == nil || len(b.made) != 1 {
			t.Errorf("the invitation was good twice: %v, %d", err, len(b.made))
		}
		o, err := rb.Overview(b.ctx(t, "reader"))
		if err != nil || len(o.Peers) != 1 || !o.Peers[0].Accepted || o.Peers[0].Name != "Astadt" {
			t.Errorf("%+v %v", o.Peers, err)
		}
		late, err := ra.Invite(a.ctx(t, "admin"), "Cstadt")
		if err != nil {
			t.Fatal(err)
		}
		a.mu.Lock()
		a.now = a.now.Add(8 * 24 * time.Hour)
		a.mu.Unlock()
		if err := rb.Join(b.ctx(t, "admin"), "Spät", late); err == nil {
			t.Error("an invitation of last week is good")
		}
		if err := rb.Remove(b.ctx(t, "it"), o.Peers[0].ID); !errors.Is(err, ErrForbidden) {
			t.Error(err)
		}
		if err := rb.Remove(b.ctx(t, "admin"), o.Peers[0].ID); err != nil || len(b.made) != 0 {
			t.Error(err, b.made)
		}
		if err := rb.Remove(a.ctx(t, "admin"), o.Peers[0].ID); fault.KindOf(err) != fault.NotFound {
			t.Error("another town's peer:", err) // I19
		}
	})
}

// Who holds the key reads how we are; nobody else does, and not with another
// town's key.
func TestState(t *testing.T) {
	h, r := newHouse(t, storetest.SQLite(t, migrations()...), "t1")
	h.tenant.StaffURL = "https://lage.example"
	if _, err := r.StateURL(h.ctx(t, "it")); !errors.Is(err, ErrForbidden) {
		t.Error(err)
	}
	address, err := r.StateURL(h.ctx(t, "admin"))
	if err != nil {
		t.Fatal(err)
	}
	key := address[strings.LastIndexByte(address, '/')+1:]
	get := func(tenant ident.Tenant, key string) (map[string]any, error) {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.SetPathValue("key", key)
		rec := httptest.NewRecorder()
		if err := r.getState(rec, req.WithContext(ident.WithTenant(req.Context(), tenant))); err != nil {
			return nil, err
		}
		out := map[string]any{}
		return out, json.Unmarshal(rec.Body.Bytes(), &out)
	}
	if got, err := get("t1", key); err != nil || got["alive"] != true || got["ok"] != false {
		t.Error("before the first self-check:", got, err)
	}
	h.alarm = noon
	h.beat(t, r)
	if got, err := get("t1", key); err != nil || got["ok"] != true || got["last_alarm_delivered"] != "2026-11-22T13:00:00Z" {
		t.Error(got, err)
	}
	h.mu.Lock()
	h.now = h.now.Add(time.Hour)
	h.mu.Unlock()
	if got, err := get("t1", key); err != nil || got["ok"] != false {
		t.Error("a self-check of an hour ago counts:", got, err)
	}
	for _, c := range [][2]string{{"t2", key}, {"t1", key[:len(key)-2]}, {"t1", ""}} {
		if _, err := get(ident.Tenant(c[0]), c[1]); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%q: %v", c, err)
		}
	}
}
