package monitor_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"mime/multipart"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/storetest"
)

// upload sends a file as a browser does.
func (d *desk) upload(role, path string, fields map[string]string, file []byte) *httptest.ResponseRecorder {
	d.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range fields {
		w.WriteField(k, v)
	}
	if file != nil {
		p, err := w.CreateFormFile("file", "sicherung")
		if err != nil {
			d.t.Fatal(err)
		}
		p.Write(file)
	}
	w.Close()
	r := httptest.NewRequest("POST", path, &b)
	r.Header.Set("X-Tenant", "t1")
	r.Header.Set("X-Role", role)
	r.Header.Set("Content-Type", w.FormDataContentType())
	out := httptest.NewRecorder()
	d.h.ServeHTTP(out, r)
	return out
}

// TestImportPages: the file is looked at first, nothing of its secrets comes
// back, and only then it is taken over; what is there already stays.
func TestImportPages(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		d := newDesk(t, w)
		d.start()
		raw, err := os.ReadFile("testdata/import/kuma.json")
		if err != nil {
			t.Fatal(err)
		}
		d.page("admin", "GET", "/monitor/new/import", "", 200)
		d.page("it", "GET", "/monitor/new/import", "", 403)
		if out := d.upload("it", "/monitor/new/import", map[string]string{"format": "kuma"}, raw); out.Code != 403 {
			t.Error(out.Code)
		}
		for _, c := range []struct {
			format string
			file   []byte
		}{{"kuma", nil}, {"kuma", []byte("quatsch")}, {"gatus", raw}, {"prtg", raw}} {
			if out := d.upload("admin", "/monitor/new/import", map[string]string{"format": c.format}, c.file); out.Code != 422 {
				t.Errorf("%s: %d", c.format, out.Code)
			}
		}
		d.save(monitor.Monitor{Slug: "usv", Name: "Andere USV", Spec: monitor.Spec{Kind: monitor.ICMP, Host: "192.0.2.99"}})
		out := d.upload("admin", "/monitor/new/import", map[string]string{"format": "kuma"}, raw)
		if out.Code != 200 {
			t.Fatal(out.Code, out.Body)
		}
		html := out.Body.String()
		doc, err := goquery.NewDocumentFromReader(strings.NewReader(html))
		if err != nil {
			t.Fatal(err)
		}
		text := doc.Find("main").Text()
		for _, want := range []string{"buergerportal", "gibt es schon", "Die Art „docker“", "13 Prüfungen übernehmen", "Noch ist nichts geändert", "1 Benachrichtigungsweg entfällt"} {
			if !strings.Contains(text, want) {
				t.Errorf("the preview lacks %q", want)
			}
		}
		if strings.Contains(text, "monitor.") {
			t.Error("a text key shows")
		}
		if all, _ := d.room.List(d.w.Ctx, monitor.Filter{}); len(all) != 1 {
			t.Fatalf("the preview stored %d monitors", len(all))
		}
		sealed := doc.Find("input[name=sealed]").AttrOr("value", "")
		if strings.Contains(html, "geheim") || sealed == "" {
			t.Error("a secret of the file is on the page")
		}
		if out := d.upload("admin", "/monitor/new/import", map[string]string{"format": "kuma", "apply": "yes", "sealed": sealed[:20]}, nil); out.Code != 422 {
			t.Errorf("a broken seal: %d", out.Code)
		}
		done := d.upload("admin", "/monitor/new/import", map[string]string{"format": "kuma", "apply": "yes", "sealed": sealed}, nil)
		if done.Code != 200 || !strings.Contains(done.Body.String(), "13 Prüfungen sind übernommen") || strings.Contains(done.Body.String(), "geheim") {
			t.Fatal(done.Code)
		}
		all, err := d.room.List(d.w.Ctx, monitor.Filter{})
		if err != nil || len(all) != 14 {
			t.Fatal(len(all), err)
		}
		m, err := d.room.Get(d.w.Ctx, "fachverfahren-meldewesen")
		if err != nil || m.Spec.Password != "geheim-wort" || m.Declared {
			t.Errorf("%+v %v", m, err)
		}
		if m, _ := d.room.Get(d.w.Ctx, "usv"); m.Spec.Host != "192.0.2.99" {
			t.Errorf("what was there is changed: %+v", m.Spec)
		}
		if m, _ := d.room.Get(d.w.Ctx, "ssh"); !m.Paused {
			t.Error("what rested runs")
		}
		// A second time everything is there.
		again := d.upload("admin", "/monitor/new/import", map[string]string{"format": "kuma"}, raw)
		if !strings.Contains(again.Body.String(), "0 werden Prüfungen, 14 gibt es schon") {
			t.Error("a second time something else is said")
		}
		// The API does the same.
		yaml, _ := os.ReadFile("testdata/import/gatus.yaml")
		for _, dry := range []bool{true, false} {
			body, _ := json.Marshal(map[string]any{"format": "gatus", "file": string(yaml), "dry_run": dry})
			out := d.ask("admin", "POST", "/api/v1/monitors/new/import", string(body))
			var got struct {
				Items []struct {
					Outcome, Slug string
					Remarks       []string
				}
				Left    []string
				Applied bool
			}
			if err := json.Unmarshal(out.Body.Bytes(), &got); err != nil || out.Code != 200 || got.Applied == dry || len(got.Items) != 19 || len(got.Left) != 2 {
				t.Fatal(out.Code, out.Body, err)
			}
			if strings.Contains(out.Body.String(), "geheim") {
				t.Error("the API answers with a secret")
			}
			if want := map[bool]string{true: "new", false: "created"}[dry]; got.Items[0].Outcome != want {
				t.Error(got.Items[0])
			}
		}
		if out := d.ask("it", "POST", "/api/v1/monitors/new/import", `{"format":"kuma","file":"{}"}`); out.Code != 403 {
			t.Error(out.Code)
		}
	})
}

// TestPresets: each preset leads to monitors that can be probed, says which
// answer is wrong, and makes all or none.
func TestPresets(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		d := newDesk(t, w)
		d.start()
		d.page("it", "GET", "/monitor/new/from", "", 403)
		d.page("admin", "GET", "/monitor/new/from/unsinn", "", 404)
		links := d.page("admin", "GET", "/monitor/new/from", "", 200).Find("main .tm-list a").Length()
		if links != len(monitor.Presets()) || links != 9 {
			t.Errorf("%d presets", links)
		}
		for _, c := range []struct {
			id         string
			good       url.Values
			field, bad string
			slugs      string
		}{
			{"website", url.Values{"url": {"https://www.musterstadt.example/"}, "text": {"Willkommen"}}, "url", "www.musterstadt.example", "website website-zertifikat"},
			{"online", url.Values{"url": {"https://portal.example/"}, "health": {"https://portal.example/health"}}, "health", "x", "online-dienst online-dienst-zustand"},
			{"mail", url.Values{"host": {"mail.example"}, "imap": {"imap.example"}, "domain": {"musterstadt.example"}}, "imap", "a b", "mail-annahme mail-mx-eintrag mail-postfaecher mail-zertifikat"},
			{"dns", url.Values{"domain": {"musterstadt.example"}, "servers": {"192.0.2.53\nns2.example"}}, "servers", "a/b", "dns-192-0-2-53 dns-ns2-example"},
			{"vpn", url.Values{"host": {"vpn.example"}, "port": {"443"}, "portal": {"https://vpn.example/"}}, "port", "99999", "vpn-ping vpn-port vpn-portal"},
			{"app", url.Values{"url": {"melden.example:8080"}, "database": {"postgres"}, "database_host": {"db.example"}}, "database_host", "", "fachverfahren fachverfahren-datenbank"},
			{"phone", url.Values{"host": {"tk.example"}, "mode": {"tcp"}}, "mode", "quic", "telefonanlage-ping telefonanlage-sip"},
			{"certificates", url.Values{"hosts": {"portal.example\nmail.example:25"}, "days": {"30"}}, "days", "0", "zertifikate-mail-example-25 zertifikate-portal-example"},
			{"backup", url.Values{"rhythm": {"daily"}, "grace": {"3h"}}, "grace", "bald", "datensicherung"},
		} {
			t.Run(c.id, func(t *testing.T) {
				doc := d.page("admin", "GET", "/monitor/new/from/"+c.id, "", 200)
				form := url.Values{"name": {doc.Find("#name").AttrOr("value", "")}, "service": {"portal"}}
				maps.Copy(form, c.good)
				before, _ := d.room.List(d.w.Ctx, monitor.Filter{})
				was := form[c.field]
				form.Set(c.field, c.bad)
				doc = d.page("admin", "POST", "/monitor/new/from/"+c.id, form.Encode(), 422)
				if doc.Find(`[id="`+c.field+`-error"]`).Length() != 1 {
					t.Errorf("%s is not blamed: %s", c.field, doc.Find("main").Text())
				}
				for k, v := range c.good {
					if k != c.field && shown(doc, k) != v[0] {
						t.Errorf("%s comes back as %q", k, shown(doc, k))
					}
				}
				if after, _ := d.room.List(d.w.Ctx, monitor.Filter{}); len(after) != len(before) {
					t.Error("a refused preset has made monitors")
				}
				form[c.field] = was
				out := d.ask("admin", "POST", "/monitor/new/from/"+c.id, form.Encode())
				if out.Code != 303 {
					t.Fatal(out.Code, out.Body)
				}
				d.page("admin", "GET", out.Header().Get("Location"), "", 200)
				after, err := d.room.List(d.w.Ctx, monitor.Filter{})
				if err != nil {
					t.Fatal(err)
				}
				known := map[string]bool{}
				for _, m := range before {
					known[m.Slug] = true
				}
				var made []string
				for _, m := range after {
					if known[m.Slug] {
						continue
					}
					made = append(made, m.Slug)
					if _, wrong := m.Spec.Normalize(); len(wrong) > 0 || m.Service != "portal" {
						t.Errorf("%s: %v %q", m.Slug, wrong, m.Service)
					}
				}
				if got := strings.Join(made, " "); got != c.slugs {
					t.Errorf("made %q, want %q", got, c.slugs)
				}
			})
		}
		// By the API, a second time: other slugs, the same monitors.
		body := `{"name":"Website","service":"portal","values":{"url":"https://www.musterstadt.example/"}}`
		if out := d.ask("admin", "POST", "/api/v1/monitors/new/from/website", body); out.Code != 201 || !strings.Contains(out.Body.String(), `"slug":"website-2"`) {
			t.Error(out.Code, out.Body)
		}
		if out := d.ask("it", "POST", "/api/v1/monitors/new/from/website", body); out.Code != 403 {
			t.Error(out.Code)
		}
		if out := d.ask("reader", "GET", "/api/v1/monitors/new/presets", ""); out.Code != 200 || strings.Count(out.Body.String(), `"id":`) != 9 || strings.Contains(out.Body.String(), "monitor.preset") {
			t.Error(out.Code, out.Body)
		}
		// What lies outside of the networks is told at its question.
		f := url.Values{"name": {"VPN"}, "host": {"169.254.169.254"}}
		if doc := d.page("admin", "POST", "/monitor/new/from/vpn", f.Encode(), 422); doc.Find("#host-error").Length() != 1 {
			t.Error(doc.Find("main").Text())
		}
	})
}
