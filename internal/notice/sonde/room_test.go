package sonde_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/notice/signal"
	"tuermer/internal/notice/sonde"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/fence"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/service"
)

// hands is a clock that a test sets.
type hands struct {
	mu  sync.Mutex
	now time.Time
}

func (h *hands) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return clock.Cut(h.now)
}

func (h *hands) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

type openSealer struct{}

func (openSealer) Seal(_ string, b []byte) ([]byte, error) { return b, nil }
func (openSealer) Open(_ string, b []byte) ([]byte, error) { return b, nil }

var rooms = []store.Migrations{audit.Migrations(), service.Migrations(), signal.Migrations(), monitor.Migrations(), sonde.Migrations()}

// world is the room behind a real site, with monitors that nobody probes.
type world struct {
	t        *testing.T
	ctx      context.Context
	clock    *hands
	reach    *atomic.Pointer[[]string] // where the towns' people may look, in words
	sondes   *sonde.Room
	monitors *monitor.Room
	signals  *signal.Room
	site     http.Handler
}

func newWorld(t *testing.T, w *storetest.World) *world {
	t.Helper()
	cat, err := i18n.NewCatalog(web.Texts(), service.Texts(), monitor.Texts(), sonde.Texts())
	if err != nil {
		t.Fatal(err)
	}
	c := &hands{now: time.Date(2026, 3, 2, 14, 0, 0, 0, time.UTC)}
	locale := func(context.Context) i18n.Locale {
		return i18n.Locale{Catalog: cat, Lang: i18n.DE, Zone: time.UTC, Now: c.Now()}
	}
	words := new(atomic.Pointer[[]string])
	words.Store(&[]string{"public", "private"})
	reach := func(context.Context, ident.Tenant) (fence.List, error) { return fence.Parse(*words.Load()) }
	au := audit.New(audit.Options{Store: w.Store, Clock: c})
	sv := service.New(service.Options{Store: w.Store, Clock: c, Audit: au})
	sg := signal.New(signal.Options{Store: w.Store, Clock: c})
	mo := monitor.New(monitor.RoomOptions{
		Store: w.Store, Clock: c, Audit: au, Vault: openSealer{}, Signals: sg, Services: sv, Catalog: cat, Locale: locale,
		Probers: monitor.Probers{}, Hints: w.Hints, Reach: reach,
	})
	so := sonde.New(sonde.Options{
		Store: w.Store, Clock: c, Audit: au, Signals: sg, Monitors: mo, Locale: locale, Hints: w.Hints,
		ServerURL: func(context.Context) string { return "https://lage.example" }, Reach: reach,
	})
	mo.SetVantages(so)
	site := web.NewSite(web.Options{Catalog: cat, Clock: c, Authenticate: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			tenant := r.Header.Get("X-Tenant")
			if tenant == "" {
				tenant = "t1"
			}
			ctx := ident.WithTenant(r.Context(), ident.Tenant(tenant))
			if role := r.Header.Get("X-Role"); role != "" {
				ctx = ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: "p", Name: "P", Roles: []string{role}})
			}
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}})
	so.Routes(site)
	so.API(web.NewAPI(site, "test"))
	if err := w.Jobs.Open(true); err != nil {
		t.Fatal(err)
	}
	return &world{t: t, ctx: w.Ctx, reach: words, clock: c, sondes: so, monitors: mo, signals: sg, site: site.Handler()}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// watch makes a monitor that sondes a and b look at.
func (w *world) watch(slug string, v monitor.Vantage) {
	w.t.Helper()
	w.must(w.monitors.Save(w.ctx, monitor.Monitor{Slug: slug, Spec: monitor.Spec{URL: "http://ziel.example/" + slug, Vantage: v}}))
}

// far is a sonde that a test speaks for.
type far struct {
	w    *world
	name string
	key  ed25519.PrivateKey
	off  time.Duration // its clock is ahead by that
}

func newKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// join adds a sonde and lets it join.
func (w *world) join(name string) *far {
	w.t.Helper()
	token, err := w.sondes.Add(w.ctx, name)
	w.must(err)
	f := &far{w: w, name: name, key: newKey(w.t)}
	if s := f.say("join", sonde.Joining(token, public(f.key))); s.Status != 200 || s.Name != name {
		w.t.Fatalf("join: %+v", s)
	}
	return f
}

func (f *far) request(act string, body []byte) *http.Request {
	d := sonde.Door{Key: f.key, Act: act, At: f.w.clock.Now(), Body: body}
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, d.Path(), bytes.NewReader(body))
	d.Request(r)
	return r
}

func (f *far) say(act string, body []byte) sonde.Said {
	f.w.t.Helper()
	return f.w.ask(f.request(act, body))
}

func (w *world) ask(r *http.Request) sonde.Said {
	w.t.Helper()
	out := httptest.NewRecorder()
	w.site.ServeHTTP(out, r)
	s, err := sonde.ReadSaid(out.Code, out.Body.Bytes())
	if err != nil {
		w.t.Fatalf("%s: %d %s", r.URL, out.Code, out.Body)
	}
	return s
}

// delivery is a batch by the sonde's own clock.
func (f *far) delivery(ps ...sonde.Report) []byte {
	b, err := json.Marshal(sonde.Delivery{Sent: f.now().UnixMilli(), Version: "test", Reports: ps})
	f.w.must(err)
	return b
}

func (f *far) now() time.Time { return f.w.clock.Now().Add(f.off) }

// sees is a result of this moment.
func (f *far) sees(slug string, s monitor.State) sonde.Report {
	p := sonde.Report{Monitor: slug, At: f.now().UnixMilli(), TookMS: 42, OK: s == monitor.Up, Reason: monitor.ReasonOK, State: s}
	if !p.OK {
		p.Reason = monitor.ReasonRefused
	}
	if s == monitor.Down {
		p.Since = f.now().Add(-6 * time.Second).UnixMilli()
	}
	return p
}

func (f *far) reports(ps ...sonde.Report) {
	f.w.t.Helper()
	if s := f.say("report", f.delivery(ps...)); s.Status != 200 {
		f.w.t.Fatalf("%s reports: %+v %s", f.name, s, s.Raw)
	}
}

func (w *world) firing() []signal.Signal {
	w.t.Helper()
	all, err := w.signals.Firing(w.ctx)
	w.must(err)
	return all
}

func (w *world) get(slug string) monitor.Monitor {
	w.t.Helper()
	m, err := w.monitors.Get(w.ctx, slug)
	w.must(err)
	return m
}

var ab = monitor.Vantage{Sondes: []string{"a", "b"}, Agree: 2}

// Two sondes see a failure that this machine, which was never asked, does not:
// they agree, it is an alarm, and it ends when both see it well again.
func TestSondesAgree(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, sw *storetest.World) {
		w := newWorld(t, sw)
		a, b := w.join("a"), w.join("b")
		w.watch("portal", ab)
		if s := a.say("watch", sonde.Watching(a.now(), "")); s.Status != 200 || s.ETag == "" || !slices.Equal(s.Slugs, []string{"portal"}) {
			t.Fatalf("%+v %s", s, s.Raw)
		} else if strings.Contains(string(s.Raw), "vantage") {
			t.Fatalf("it learns who else looks: %s", s.Raw)
		} else if again := a.say("watch", sonde.Watching(a.now(), s.ETag)); again.ETag != "" {
			t.Fatalf("the same assignment again: %+v", again)
		}
		a.reports(a.sees("portal", monitor.Up))
		b.reports(b.sees("portal", monitor.Up))
		w.clock.pass(time.Minute)
		a.reports(a.sees("portal", monitor.Down))
		if m := w.get("portal"); len(w.firing()) != 0 || !m.Standing.Disputed() || m.Held() != monitor.Suspect {
			t.Fatalf("%+v %+v", w.firing(), m.Standing)
		}
		if s := b.say("watch", sonde.Watching(b.now(), "")); !slices.Equal(s.Look, []string{"portal"}) {
			t.Fatalf("the other one is not asked to look now: %+v", s)
		}
		if s := b.say("watch", sonde.Watching(b.now(), "")); len(s.Look) != 0 {
			t.Fatalf("it is asked twice for one doubt: %+v", s)
		}
		b.reports(b.sees("portal", monitor.Down))
		all := w.firing()
		if len(all) != 1 || !strings.Contains(all[0].Detail, "Gestört von: a, b.") || !all[0].Since.Equal(w.clock.Now().Add(-6*time.Second)) {
			t.Fatalf("%+v", all)
		}
		w.clock.pass(time.Minute)
		a.reports(a.sees("portal", monitor.Up))
		if len(w.firing()) != 1 {
			t.Fatal("one of two ended it")
		}
		// A sonde that starts anew and is not sure yet takes nothing back.
		w.clock.pass(time.Second)
		b.reports(b.sees("portal", monitor.Suspect))
		if len(w.firing()) != 1 {
			t.Fatal("a sonde that is in doubt ended it")
		}
		b.reports(b.sees("portal", monitor.Up))
		if all := w.firing(); len(all) != 0 {
			t.Fatalf("%+v", all)
		}
	})
}

// A request is good once, for its own purpose, near its moment, with its key.
func TestRequestsProveThemselves(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, sw *storetest.World) {
		w := newWorld(t, sw)
		a := w.join("a")
		w.watch("portal", monitor.Vantage{Sondes: []string{"a"}, Agree: 1})
		body := a.delivery(a.sees("portal", monitor.Up))
		good := a.request("report", body)
		again := good.Clone(context.Background())
		again.Body = http.NoBody
		if s := w.ask(good); s.Status != 200 {
			t.Fatalf("%+v", s)
		}
		refused := func(what, want string, r *http.Request) {
			t.Helper()
			if s := w.ask(r); s.Refused != want || s.Status < 400 {
				t.Errorf("%s: %d %q, want %q", what, s.Status, s.Refused, want)
			}
		}
		withBody := func(r *http.Request, b []byte) *http.Request {
			c := httptest.NewRequestWithContext(context.Background(), http.MethodPost, r.URL.Path, bytes.NewReader(b))
			c.Header = r.Header.Clone()
			return c
		}
		refused("a captured request", "replay", withBody(good, body))
		refused("another body", "unknown", withBody(a.request("report", body), a.delivery(a.sees("portal", monitor.Down))))
		for _, h := range []string{"Tuermer-Sonde", "Tuermer-Time", "Tuermer-Nonce", "Tuermer-Signature"} {
			r := withBody(a.request("report", body), body)
			r.Header.Del(h)
			refused("without "+h, "unknown", r)
			r = withBody(a.request("report", body), body)
			r.Header.Set(h, strings.Repeat("f", 32))
			refused("with another "+h, "unknown", r)
		}
		other := sonde.Door{Key: a.key, Act: "watch", At: w.clock.Now(), Body: body}
		r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/sonde/link/report", bytes.NewReader(body))
		other.Request(r)
		refused("a request for something else", "unknown", r)
		late := sonde.Door{Key: a.key, Act: "report", At: w.clock.Now().Add(-3 * time.Minute), Body: body}
		r = httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/sonde/link/report", bytes.NewReader(body))
		late.Request(r)
		refused("an old request", "clock", r)
		stranger := &far{w: w, name: "x", key: newKey(t)}
		refused("a stranger", "unknown", stranger.request("report", body))
		r = a.request("report", body)
		r.Header.Set("X-Tenant", "t2")
		refused("the key at another town (I19)", "unknown", r)
		refused("too much at once", "unknown", a.request("report", bytes.Repeat([]byte(" "), sonde.MaxBody+1)))
		refused("nonsense", "body", a.request("report", []byte(`{"sent":1,"reports":[{"m":"A B"}]}`)))
		refused("a wrong token", "token", stranger.request("join", sonde.Joining(sonde.TokenPrefix+"x", public(stranger.key))))

		must := w.must
		must(w.sondes.Revoke(w.ctx, "a"))
		refused("revoked", "revoked", a.request("report", a.delivery()))
		got, err := w.sondes.Get(w.ctx, "a")
		if must(err); got.State() != sonde.Revoked || got.RefusedAt.IsZero() {
			t.Errorf("the console does not know that it was tried: %+v", got)
		}
		// What proves nothing is paced, by the address that it comes from.
		n := 0
		for range 60 {
			if w.ask(stranger.request("report", body)).Refused == "pace" {
				n++
			}
		}
		if n == 0 {
			t.Error("a stranger may ask for ever")
		}
	})
}

// The one-time token is good for one key, and for that one again.
func TestToken(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, sw *storetest.World) {
		w := newWorld(t, sw)
		token, err := w.sondes.Add(w.ctx, "a")
		w.must(err)
		one, two := &far{w: w, key: newKey(t)}, &far{w: w, key: newKey(t)}
		for range 2 { // the answer may have been lost
			if s := one.say("join", sonde.Joining(token, public(one.key))); s.Status != 200 {
				t.Fatalf("%+v", s)
			}
		}
		if s := two.say("join", sonde.Joining(token, public(two.key))); s.Refused != "token" {
			t.Fatalf("used twice: %+v", s)
		}
		if _, err := w.sondes.Add(w.ctx, "a"); fault.KindOf(err) != fault.Conflict {
			t.Fatal(err)
		}
		reader := ident.WithActor(w.ctx, ident.Actor{Kind: ident.KindPerson, Roles: []string{"it"}})
		if _, err := w.sondes.Add(reader, "b"); fault.KindOf(err) != fault.Forbidden {
			t.Fatal(err)
		}
		// A machine that lost its key gets another; the old key is good until then.
		token, err = w.sondes.Renew(w.ctx, "a")
		w.must(err)
		if s := one.say("watch", sonde.Watching(one.now(), "")); s.Status != 200 {
			t.Fatalf("%+v", s)
		}
		if s := two.say("join", sonde.Joining(token, public(two.key))); s.Status != 200 {
			t.Fatalf("%+v", s)
		}
		if s := one.say("watch", sonde.Watching(one.now(), "")); s.Refused != "unknown" {
			t.Fatalf("the lost key is still good: %+v", s)
		}
		// A token grows old.
		token, err = w.sondes.Add(w.ctx, "b")
		w.must(err)
		w.clock.pass(sonde.TokenLasts)
		if s := one.say("join", sonde.Joining(token, public(one.key))); s.Refused != "token" {
			t.Fatalf("%+v", s)
		}
		// Who was revoked may be added again, with nothing of the old key.
		w.must(w.sondes.Revoke(w.ctx, "a"))
		token, err = w.sondes.Add(w.ctx, "a")
		w.must(err)
		if s := one.say("join", sonde.Joining(token, public(one.key))); s.Status != 200 {
			t.Fatalf("%+v", s)
		}
		if s := two.say("watch", sonde.Watching(two.now(), "")); s.Refused != "unknown" {
			t.Fatalf("%+v", s)
		}
	})
}

// A batch that is delivered twice is taken once; what is none of the sonde's
// business is passed over; a wrong clock is made up for.
func TestDeliveries(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, sw *storetest.World) {
		w := newWorld(t, sw)
		a := w.join("a")
		a.off = -37 * time.Minute // far behind
		w.watch("portal", monitor.Vantage{Sondes: []string{"a"}, Agree: 2})
		w.watch("other", monitor.Vantage{})
		var ps []sonde.Report
		for i := range 5 {
			p := a.sees("portal", monitor.Up)
			p.At -= int64(i) * 60_000
			ps = append(ps, p)
		}
		slices.Reverse(ps)
		ps = append(ps, a.sees("other", monitor.Down), a.sees("nobody", monitor.Down))
		for range 3 {
			a.reports(ps...)
		}
		got, err := w.sondes.Results(w.ctx, "a", "", time.Time{}, "", 100)
		w.must(err)
		if len(got) != 5 || !got[0].At.Equal(w.clock.Now()) || !got[4].At.Equal(w.clock.Now().Add(-4*time.Minute)) {
			t.Fatalf("%d %+v", len(got), got)
		}
		s, err := w.sondes.Get(w.ctx, "a")
		if w.must(err); s.Clock != 37*time.Minute {
			t.Fatalf("clock: %s", s.Clock)
		}
		// The way alone is no wrong clock, and a late delivery changes no verdict.
		a.off -= 3 * time.Second
		w.clock.pass(time.Minute)
		a.reports(a.sees("portal", monitor.Down))
		old := a.sees("portal", monitor.Up)
		old.At -= 120_000
		a.reports(old)
		seen, err := w.sondes.Sightings(w.ctx, "portal", []string{"a"})
		w.must(err)
		if len(seen) != 1 || seen[0].State != monitor.Down || w.clock.Now().Sub(seen[0].At) != 3*time.Second {
			t.Fatalf("%+v", seen)
		}
		if s, err = w.sondes.Get(w.ctx, "a"); err != nil || s.Clock != 37*time.Minute {
			t.Fatal(s.Clock, err)
		}
		// Nothing is seen in the future, and what is too old is not kept.
		future, ancient := a.sees("portal", monitor.Up), a.sees("portal", monitor.Up)
		future.At += 3_600_000
		ancient.At -= 30 * 24 * 3_600_000
		a.reports(future, ancient)
		got, err = w.sondes.Results(w.ctx, "a", "", time.Time{}, "", 100)
		if w.must(err); len(got) != 8 || got[0].At.After(w.clock.Now()) {
			t.Fatalf("%d %+v", len(got), got[0])
		}
	})
}

// A sonde that falls silent is a finding of its own: it blames no monitor, its
// voice stops counting, and the voice of this machine is enough then (I20).
func TestSilence(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, sw *storetest.World) {
		w := newWorld(t, sw)
		a, b := w.join("a"), w.join("b")
		w.watch("portal", ab)
		w.must(w.sondes.Start(w.ctx))
		defer w.sondes.Stop()
		b.reports(b.sees("portal", monitor.Up))
		a.reports(a.sees("portal", monitor.Down))
		if len(w.firing()) != 0 {
			t.Fatalf("%+v", w.firing())
		}
		w.clock.pass(sonde.SilentAfter - time.Second)
		w.must(w.sondes.Sweep(w.ctx))
		if len(w.firing()) != 0 {
			t.Fatalf("too early: %+v", w.firing())
		}
		a.reports(a.sees("portal", monitor.Down))
		w.clock.pass(2 * time.Second)
		w.must(w.sondes.Sweep(w.ctx))
		titles := func() (out []string) {
			for _, s := range w.firing() {
				out = append(out, s.Title)
			}
			slices.Sort(out)
			return out
		}
		if got := titles(); !slices.Equal(got, []string{"Sonde „b“ ist stumm", "portal antwortet nicht"}) {
			t.Fatalf("%v", got)
		}
		for _, s := range w.firing() {
			if strings.HasPrefix(s.Title, "Sonde") && (s.Service != "" || s.Severity != signal.Warning || s.Key != "sonde:b") {
				t.Fatalf("%+v", s)
			}
		}
		// It is back and sees the portal well: its own finding is over, and the
		// alarm stays, since the other still sees a failure.
		b.reports(b.sees("portal", monitor.Up))
		if got := titles(); !slices.Equal(got, []string{"portal antwortet nicht"}) {
			t.Fatalf("%v", got)
		}
		// Revoked while silent: that is over, too.
		w.clock.pass(2 * sonde.SilentAfter)
		w.must(w.sondes.Sweep(w.ctx))
		if got := titles(); len(got) != 3 {
			t.Fatalf("%v", got)
		}
		w.must(w.sondes.Revoke(w.ctx, "b"))
		if got := titles(); !slices.Equal(got, []string{"Sonde „a“ ist stumm", "portal antwortet nicht"}) {
			t.Fatalf("%v", got)
		}
	})
}

// Secrets go to a sonde only where the monitor says so.
func TestCredentialsStay(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, rooms...))
	a := w.join("a")
	m := monitor.Monitor{Slug: "geheim", Spec: monitor.Spec{URL: "http://ziel.example/", Bearer: "sesam", Vantage: monitor.Vantage{Sondes: []string{"a"}}}}
	if err := w.monitors.Save(w.ctx, m); fault.KindOf(err) != fault.Invalid {
		t.Fatalf("nobody said that the sonde gets the token: %v", err)
	}
	m.Spec.Vantage.Credentials = true
	w.must(w.monitors.Save(w.ctx, m))
	if s := a.say("watch", sonde.Watching(a.now(), "")); !strings.Contains(string(s.Raw), "sesam") {
		t.Fatalf("%s", s.Raw)
	}
}

// The console and the API: add, look, revoke; only administrators.
func TestPages(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, rooms...))
	page := func(role, method, path, body string, want int) string {
		t.Helper()
		r := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
		r.Header.Set("X-Role", role)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if strings.HasPrefix(body, "{") {
			r.Header.Set("Content-Type", "application/json")
		}
		out := httptest.NewRecorder()
		w.site.ServeHTTP(out, r)
		text := out.Body.String()
		if out.Code != want || strings.Contains(text, ">sonde.") || strings.Contains(text, "{0}") {
			t.Fatalf("%s %s: %d, want %d\n%s", method, path, out.Code, want, text)
		}
		return text
	}
	has := func(text string, words ...string) {
		t.Helper()
		for _, x := range words {
			if !strings.Contains(text, x) {
				t.Errorf("%q is missing in\n%s", x, text)
			}
		}
	}
	has(page("reader", "GET", "/sonde", "", 200), "Noch keine Sonde")
	page("reader", "POST", "/sonde", "name=a", 403)
	has(page("admin", "POST", "/sonde", "name=", 422), "Name")
	has(page("admin", "POST", "/sonde", "name=A+B", 422), "Name")
	has(page("admin", "POST", "/sonde", "name=kassel", 200), sonde.TokenPrefix, "tuermer sonde run --server https://lage.example")
	has(page("admin", "POST", "/sonde", "name=kassel", 422), "schon eine andere Sonde")
	has(page("reader", "GET", "/sonde", "", 200), "kassel", "wartet auf Anmeldung")
	a := w.join("a")
	w.watch("portal", monitor.Vantage{Sondes: []string{"a"}})
	a.off = 10 * time.Minute
	a.reports(a.sees("portal", monitor.Down))
	one := page("admin", "GET", "/sonde/a", "", 200)
	has(one, "portal", "gestört", "42 ms", "geht 10 Minuten vor", "Widerrufen")
	w.clock.pass(time.Second)
	a.reports(a.sees("portal", monitor.Up))
	first := page("reader", "GET", "/api/v1/sondes/a/results?limit=1", "", 200)
	has(first, `"ok":true`, `"next":"1772460001000.portal"`)
	has(page("reader", "GET", "/api/v1/sondes/a/results?monitor=portal&after=1772460001000.portal", "", 200), `"ok":false`, `"took_ms":42`)
	page("reader", "GET", "/api/v1/sondes/a/results?after=x", "", 422)
	page("reader", "GET", "/api/v1/sondes/nobody/results", "", 404)
	if strings.Contains(page("reader", "GET", "/sonde/a", "", 200), "/sonde/a/revoke") {
		t.Error("a reader is offered to revoke")
	}
	has(page("admin", "GET", "/sonde/a/revoke", "", 200), "ab sofort abgewiesen", "1 Prüfung")
	page("reader", "POST", "/sonde/a/revoke", "", 403)
	has(page("admin", "POST", "/sonde/a/renew", "", 200), sonde.TokenPrefix)
	page("admin", "POST", "/sonde/a/revoke", "", 303)
	has(page("reader", "GET", "/sonde/a", "", 200), "widerrufen")
	page("admin", "GET", "/sonde/nobody", "", 404)

	has(page("admin", "POST", "/api/v1/sondes", `{"name":"b"}`, 201), sonde.TokenPrefix)
	has(page("reader", "GET", "/api/v1/sondes?limit=1", "", 200), `"items":[{"name":"a"`, `"next":"a"`)
	has(page("reader", "GET", "/api/v1/sondes?after=a", "", 200), `"name":"b"`, `"state":"waiting"`)
	has(page("reader", "GET", "/api/v1/sondes/b", "", 200), `"spool_waiting":0`)
	has(page("admin", "POST", "/api/v1/sondes/b/renew", "", 200), sonde.TokenPrefix)
	page("reader", "POST", "/api/v1/sondes/b/revoke", "", 403)
	has(page("admin", "POST", "/api/v1/sondes/b/revoke", "", 200), `"state":"revoked"`)
}
