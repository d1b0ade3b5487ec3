package channel_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/channel"
)

func withAudit(w *storetest.World, changed func(ident.Tenant)) *channel.Room {
	return channel.New(channel.Options{
		Store: w.Store, Clock: clock.System{}, Vault: plainSealer{}, WaysChanged: changed,
		Audit: audit.New(audit.Options{Store: w.Store, Clock: clock.System{}}),
	})
}

func TestRelays(t *testing.T) {
	storetest.Each(t, []store.Migrations{audit.Migrations(), channel.Migrations()}, func(t *testing.T, w *storetest.World) {
		changed := 0
		r := withAudit(w, func(ident.Tenant) { changed++ })
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		relay := channel.Relay{Name: "zwei", Host: "mail.example", Port: 587, From: "lage@tuermer.example", Username: "u", TLS: "starttls", Password: []byte("hush"), Position: 2}
		must(r.SaveRelay(w.Ctx, relay))
		relay.Host, relay.Password = "mail2.example", nil // the password stays
		must(r.SaveRelay(w.Ctx, relay))
		must(r.SaveRelay(w.Ctx, channel.Relay{Name: "eins", Host: "192.0.2.7", Port: 25, From: "a@b.example", Position: 1}))
		got, err := r.Relays(w.Ctx)
		if err != nil || len(got) != 2 || got[0].Name != "eins" || got[1].Host != "mail2.example" || string(got[1].Password) != "hush" {
			t.Fatal(got, err)
		}
		must(r.SaveHook(w.Ctx, channel.Hook{Name: "h", URL: "https://hook.example/x", Secret: []byte("s")}))
		if hs, err := r.Hooks(w.Ctx); err != nil || len(hs) != 1 || string(hs[0].Secret) != "s" {
			t.Fatal(hs, err)
		}
		asked := &channel.Rest{Preset: "zulip", User: "bot@zulip.example", To: "EDV"}
		if f := fault.As(r.SaveHook(w.Ctx, channel.Hook{Name: "i", URL: "https://zulip.example/api/v1/messages", Form: channel.REST, Rest: asked})); f.Fields["secret"] == "" {
			t.Fatal("a service that wants a key is taken without", f)
		}
		must(r.SaveHook(w.Ctx, channel.Hook{Name: "i", URL: "https://zulip.example/api/v1/messages", Form: channel.REST, Rest: asked, Secret: []byte("k")}))
		if hs, err := r.Hooks(w.Ctx); err != nil || len(hs) != 2 || hs[0].Rest != nil || hs[1].Rest == nil || hs[1].Rest.To != "EDV" {
			t.Fatal(hs, err)
		}
		must(r.SaveHook(w.Ctx, channel.Hook{Name: "i", URL: "https://zulip.example/hook"})) // no request is left of the other form
		if hs, err := r.Hooks(w.Ctx); err != nil || hs[1].Rest != nil {
			t.Fatal(hs, err)
		}
		must(r.RemoveHook(w.Ctx, "i"))
		if f := fault.As(r.SaveRelay(w.Ctx, channel.Relay{Port: 99999, From: "x", TLS: "maybe"})); len(f.Fields) != 5 {
			t.Fatal(f.Fields)
		}
		if f := fault.As(r.SaveHook(w.Ctx, channel.Hook{Name: "x", URL: "ftp://x"})); f.Fields["url"] == "" {
			t.Fatal(f.Fields)
		}
		it := ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPerson, Roles: []string{"it"}})
		if err := r.SaveRelay(it, relay); fault.KindOf(err) != fault.Forbidden {
			t.Fatal(err)
		}
		if all, err := r.Relays(ident.WithTenant(w.Ctx, "t2")); err != nil || len(all) != 0 { // I19
			t.Fatal(all, err)
		}
		must(r.RemoveRelay(w.Ctx, "zwei"))
		must(r.RemoveHook(w.Ctx, "h"))
		if all, err := r.Relays(w.Ctx); err != nil || len(all) != 1 || changed != 9 {
			t.Fatal(all, err, changed)
		}
	})
}

// asAdmin asks the pages of the ways as an administrator.
func asAdmin(t *testing.T, r *channel.Room) func(method, path string, form url.Values) (int, *goquery.Document) {
	cat, err := i18n.NewCatalog(web.Texts(), channel.Texts())
	if err != nil {
		t.Fatal(err)
	}
	s := web.NewSite(web.Options{Catalog: cat, Clock: clock.System{}, Authenticate: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			next.ServeHTTP(rw, req.WithContext(ident.WithActor(ident.WithTenant(req.Context(), storetest.Tenant), ident.Actor{Kind: ident.KindPerson, Roles: []string{"admin"}})))
		})
	}})
	r.WayRoutes(s)
	return func(method, path string, form url.Values) (int, *goquery.Document) {
		req := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		s.Handler().ServeHTTP(rec, req)
		doc, err := goquery.NewDocumentFromReader(rec.Body)
		if err != nil {
			t.Fatal(err)
		}
		return rec.Code, doc
	}
}

// The page keeps what was typed, says what is wrong, and never shows a secret.
func TestWaysPage(t *testing.T) {
	w := storetest.SQLite(t, audit.Migrations(), channel.Migrations())
	r := withAudit(w, nil)
	if err := r.SaveRelay(w.Ctx, channel.Relay{Name: "eins", Host: "mail.example", Port: 25, From: "a@b.example", Password: []byte("top-secret")}); err != nil {
		t.Fatal(err)
	}
	do := asAdmin(t, r)
	code, doc := do("GET", "/channel/ways?relay=eins", nil)
	if html, err := doc.Html(); code != 200 || err != nil || strings.Contains(html, "top-secret") || doc.Find("#host").AttrOr("value", "") != "mail.example" {
		t.Fatal(code, err)
	}
	code, doc = do("POST", "/channel/ways/relay", url.Values{"name": {"neu"}, "host": {""}, "port": {"abc"}, "from": {"<script>"}})
	if code != 422 || doc.Find("#name").AttrOr("value", "") != "neu" || doc.Find(`#port[aria-invalid="true"]`).Length() != 1 || doc.Find("main script").Length() != 0 {
		t.Fatal(code, doc.Find("main").Text())
	}
	if code, _ := do("POST", "/channel/ways/test", url.Values{"to": {"me@example.org"}}); code != 303 {
		t.Fatal(code)
	}
	if items, err := r.List(w.Ctx, channel.Filter{Limit: 1}); err != nil || len(items) != 1 || items[0].To != "me@example.org" {
		t.Fatal(items, err)
	}
	// A service with a REST interface of its own: what could never be sent is said
	// and kept in the form; then it is saved, and its secret is shown nowhere.
	asked := url.Values{
		"hook_name": {"edv"}, "url": {"https://m.example/api"}, "form": {"rest"}, "hears": {"all"}, "secret": {"top-secret"},
		"rest_body": {`{"t":{{.Message}}}`}, "rest_header": {"X-Api-Key"}, "rest_id": {"message.id"},
	}
	code, doc = do("POST", "/channel/ways/hook", asked)
	if code != 422 || doc.Find("#rest_body").Text() != `{"t":{{.Message}}}` || doc.Find("#rest_body").AttrOr("aria-invalid", "") != "true" || doc.Find("details[open]").Length() != 1 {
		t.Fatal(code, doc.Text())
	}
	asked.Set("rest_body", `{"t":"{{.Message}}"}`)
	if code, _ = do("POST", "/channel/ways/hook", asked); code != 303 {
		t.Fatal(code)
	}
	hs, err := r.Hooks(w.Ctx)
	if err != nil || len(hs) != 1 || hs[0].Rest == nil || hs[0].Rest.Headers["X-Api-Key"] != "{{.Secret}}" || hs[0].Rest.Auth != "" || string(hs[0].Secret) != "top-secret" {
		t.Fatal(hs, err)
	}
	_, doc = do("GET", "/channel/ways", nil)
	if html, err := doc.Html(); err != nil || strings.Contains(html, "top-secret") || !strings.Contains(doc.Text(), "eigene REST-Schnittstelle, https://m.example/…") {
		t.Fatal(err)
	}
	// Whoever hears the page tells its forms, names and buttons apart.
	heard := map[string]bool{}
	doc.Find("main form button, main form label[for$=name]").Each(func(_ int, b *goquery.Selection) {
		if said := strings.Join(strings.Fields(b.Text()), " "); heard[said] {
			t.Error("twice on the page:", said)
		} else {
			heard[said] = true
		}
	})
	if len(heard) != 8 { // names of two forms, a user's, a test, two to save, two to remove
		t.Error(heard)
	}
	doc.Find("main form.tm-form").Each(func(_ int, f *goquery.Selection) {
		if by := f.AttrOr("aria-labelledby", "none"); doc.Find("#"+by).Length() != 1 {
			t.Error("a form without a name", by)
		}
	})
}

// A service that says no with 200, reads formatting, or takes little can be entered on
// the page as in the file; what is wrong is said at its field.
func TestWaysPageAsksForYes(t *testing.T) {
	w := storetest.SQLite(t, audit.Migrations(), channel.Migrations())
	r := withAudit(w, nil)
	do := asAdmin(t, r)
	asked := func(more url.Values) url.Values {
		out := url.Values{
			"hook_name": {"edv"}, "url": {"https://m.example/api"}, "form": {"rest"}, "hears": {"all"}, "secret": {"s"}, "rest_user": {"u"},
			"rest_body": {`{"t":"{{.Message}}"}`}, "rest_ok_path": {"status"}, "rest_ok": {"sent, queued,"}, "rest_markup": {"html"}, "rest_length": {"500"},
		}
		maps.Copy(out, more)
		return out
	}
	for preset, body := range map[string]string{"": `{"t":"{{.Message}}"}`, "zulip": ""} { // what is said beside a preset holds, too
		more := url.Values{"rest_preset": {preset}, "rest_to": {"EDV"}, "rest_body": {body}}
		if code, doc := do("POST", "/channel/ways/hook", asked(more)); code != 303 {
			t.Fatal(code, doc.Find("main").Text())
		}
		hs, err := r.Hooks(w.Ctx)
		if err != nil || len(hs) != 1 || hs[0].Rest == nil {
			t.Fatal(hs, err)
		}
		if got := hs[0].Rest; got.OKPath != "status" || !slices.Equal(got.OK, []string{"sent", "queued"}) || got.Markup != "html" || got.Length != 500 {
			t.Errorf("%q: %+v", preset, got)
		}
	}
	for field, more := range map[string]url.Values{
		"rest_ok_path": {"rest_ok": {""}}, "rest_markup": {"rest_markup": {"bbcode"}}, "rest_length": {"rest_length": {"viel"}},
	} {
		code, doc := do("POST", "/channel/ways/hook", asked(more))
		if wrong := doc.Find(`[aria-invalid="true"]`); code != 422 || wrong.Length() != 1 || wrong.AttrOr("id", "") != field {
			t.Error(field, code, wrong.Length(), wrong.AttrOr("id", ""))
		}
	}
}

// Where a webhook lies is shown, and the rest of its address is not: on no page
// and in no answer of the API.
func TestAddressOfWebhookStaysSecret(t *testing.T) {
	w := storetest.SQLite(t, audit.Migrations(), channel.Migrations())
	r := withAudit(w, nil)
	const secret = "T0AB-geheim"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(r.SaveHook(w.Ctx, channel.Hook{Name: "h", URL: "https://hook.example/" + secret + "?key=" + secret}))
	must(r.Send(w.Ctx, channel.Message{ID: "m", Kind: channel.Webhook, Class: channel.Alarm, To: "https://hook.example/" + secret, Text: "x", Payload: []byte("{}")}))
	hs, err := r.Hooks(w.Ctx)
	if err != nil || hs[0].Place() != "https://hook.example/…" || !strings.Contains(hs[0].URL, secret) {
		t.Fatal(hs, err)
	}
	if (channel.Hook{URL: "https://hook.example"}).Place() != "https://hook.example" {
		t.Error("a mere host is cut")
	}
	item, err := r.Get(w.Ctx, "m")
	if err != nil || item.To != "https://hook.example/…" {
		t.Fatal(item, err)
	}
	all, err := r.List(w.Ctx, channel.Filter{Limit: 5})
	if err != nil || len(all) != 1 || strings.Contains(all[0].To, secret) {
		t.Fatal(all, err)
	}
}

// What the page of the ways can do, the API can do; what is secret goes in and
// never out.
func TestWaysAPI(t *testing.T) {
	w := storetest.SQLite(t, audit.Migrations(), channel.Migrations())
	r := withAudit(w, nil)
	ask := desk(t, r)
	for _, c := range []struct {
		role, method, path, body string
		code                     int
		holds                    string
	}{
		{"it", "PUT", "/api/v1/relays/eins", `{"host":"mail.example","port":587,"from":"lage@tuermer.example"}`, 403, ""},
		{"it", "GET", "/api/v1/relays", "", 403, ""},
		{"it", "GET", "/api/v1/webhooks", "", 403, ""},
		{"admin", "PUT", "/api/v1/relays/eins", `{"host":"mail.example","port":0,"from":"x"}`, 422, "port"},
		{"admin", "PUT", "/api/v1/relays/eins", `{"host":"mail.example","port":587,"from":"lage@tuermer.example","username":"u","password":"hush-1"}`, 200, `"host":"mail.example"`},
		{"admin", "GET", "/api/v1/relays", "", 200, `"name":"eins"`},
		{"admin", "PUT", "/api/v1/webhooks/chat", `{"url":"https://chat.example/hook-path-1","secret":"hush-1","alerts":false}`, 422, "hears"},
		{"admin", "PUT", "/api/v1/webhooks/chat", `{"url":"https://chat.example/hook-path-1","secret":"hush-1","alerts":true}`, 200, `"place":"https://chat.example/…"`},
		{"admin", "GET", "/api/v1/webhooks", "", 200, `"alerts":true`},
		{"admin", "PUT", "/api/v1/webhooks/edv", `{"url":"https://m.example/hook-path-2","secret":"hush-2","alerts":true,"form":"rest"}`, 422, "rest_body"},
		{"admin", "PUT", "/api/v1/webhooks/edv", `{"url":"https://m.example/hook-path-2","secret":"hush-2","alerts":true,"form":"rest","rest":{"body":"{\"t\":\"{{.Text}}\"}","headers":{"X-Api-Key":"hush-2"}}}`, 422, "rest_header"},
		{"admin", "PUT", "/api/v1/webhooks/edv", `{"url":"https://m.example/hook-path-2","secret":"hush-2","alerts":true,"form":"rest","rest":{"body":"{\"t\":\"{{.Text}}\"}","headers":{"X-Api-Key":"{{.Secret}}"}}}`, 200, `"form":"rest"`},
		{"admin", "GET", "/api/v1/webhooks", "", 200, `"X-Api-Key":"{{.Secret}}"`},
		{"admin", "DELETE", "/api/v1/webhooks/edv", "", 204, ""},
		{"it", "DELETE", "/api/v1/webhooks/chat", "", 403, ""},
		{"admin", "DELETE", "/api/v1/webhooks/chat", "", 204, ""},
		{"admin", "DELETE", "/api/v1/relays/eins", "", 204, ""},
		{"admin", "GET", "/api/v1/relays", "", 200, `"items":[]`},
	} {
		var body []string
		if c.body != "" {
			body = []string{c.body}
		}
		out := ask(string(storetest.Tenant), c.role, c.method, c.path, body...)
		text := out.Body.String()
		if out.Code != c.code || !strings.Contains(text, c.holds) {
			t.Errorf("%s %s by %s: %d %s, want %d with %q", c.method, c.path, c.role, out.Code, text, c.code, c.holds)
		}
		if out.Code < 300 && (strings.Contains(text, "hush") || strings.Contains(text, "hook-path")) {
			t.Errorf("%s %s tells what is secret: %s", c.method, c.path, text)
		}
	}
}
