package monitor_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/storetest"
)

// secretKinds are monitors that keep a secret, and where it stands.
var secretKinds = map[string]struct {
	spec    monitor.Spec
	secrets []string
}{
	"http": {monitor.Spec{
		URL: "https://portal.example/api", Username: "ada", Password: "geheim-wort", Headers: map[string]string{"X-Api-Key": "geheim-kopf", "Accept": "text/html"},
		Proxy: "http://proxy.example:3128", ProxyUsername: "p", ProxyPassword: "geheim-proxy",
	}, []string{"password", "headers.X-Api-Key"}},
	"bearer": {monitor.Spec{URL: "https://portal.example/", Bearer: "geheim-token"}, []string{"bearer"}},
	"grpc":   {monitor.Spec{Kind: monitor.GRPC, Host: "portal.example", Port: 443, Bearer: "geheim-token"}, []string{"bearer"}},
	"smtp":   {monitor.Spec{Kind: monitor.SMTP, Host: "portal.example", Port: 587, Username: "ada", Password: "geheim-wort", TLS: monitor.TLSSpec{Mode: "starttls"}}, []string{"password"}},
	"imap":   {monitor.Spec{Kind: monitor.IMAP, Host: "portal.example", Port: 993, Username: "ada", Password: "geheim-wort", TLS: monitor.TLSSpec{Mode: "tls"}}, []string{"password"}},
	"ldap":   {monitor.Spec{Kind: monitor.LDAP, Host: "portal.example", Username: "cn=ada", Password: "geheim-wort"}, []string{"password"}},
	"snmp":   {monitor.Spec{Kind: monitor.SNMP, Host: "portal.example", SNMP: monitor.SNMPSpec{OID: "1.3.6.1.2.1.1.5.0", Community: "geheim-gemeinde"}}, []string{"snmp.community"}},
}

// Whoever changes a monitor may use its secrets and not read them: a target of
// their own, a proxy of their own and a sonde of their own get none that is only
// stored. Whoever knows the secret enters it again.
func TestSecretsDoNotMove(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		d := newDesk(t, w)
		type spec = map[string]any
		for slug, c := range secretKinds {
			t.Run(slug, func(t *testing.T) {
				d.save(monitor.Monitor{Slug: slug, Spec: c.spec})
				// put writes what the API shows back, with a change.
				put := func(change func(body, spec map[string]any)) (int, []string) {
					t.Helper()
					var body map[string]any
					if err := json.Unmarshal(d.ask("admin", "GET", "/api/v1/monitors/"+slug, "").Body.Bytes(), &body); err != nil {
						t.Fatal(err)
					}
					for k := range body {
						if !slices.Contains([]string{"slug", "name", "service", "kind", "url", "host", "port", "spec"}, k) {
							delete(body, k)
						}
					}
					change(body, body["spec"].(map[string]any))
					raw, err := json.Marshal(body)
					if err != nil {
						t.Fatal(err)
					}
					out := d.ask("admin", "PUT", "/api/v1/monitors/"+slug, string(raw))
					if strings.Contains(out.Body.String(), "geheim-") {
						t.Errorf("a secret is shown: %s", out.Body)
					}
					var said struct {
						Errors []struct {
							Location string `json:"location"`
							Message  string `json:"message"`
						} `json:"errors"`
					}
					if err := json.Unmarshal(out.Body.Bytes(), &said); err != nil {
						t.Fatal(err)
					}
					var fields []string
					for _, e := range said.Errors {
						if strings.Contains(e.Message, "geheime Angabe neu ein") {
							fields = append(fields, strings.TrimPrefix(e.Location, "body."))
						}
					}
					slices.Sort(fields)
					return out.Code, slices.Compact(fields)
				}
				move := func(body, s spec) {
					for _, m := range []spec{body, s} {
						if v, ok := m["url"].(string); ok && v != "" {
							m["url"] = strings.Replace(v, "portal.example", "fremd.example", 1)
						}
						if v, ok := m["host"].(string); ok && v != "" {
							m["host"] = "fremd.example"
						}
					}
				}
				want := slices.Sorted(slices.Values(c.secrets))
				if code, _ := put(func(_, s spec) { s["confirm"] = 4 }); code != 200 {
					t.Fatalf("the same target: %d", code)
				}
				if code, fields := put(move); code != 422 || !slices.Equal(fields, want) {
					t.Errorf("another target: %d, blamed %v, want %v", code, fields, want)
				}
				if code, fields := put(func(body, s spec) { // only the short field, without a spec
					move(body, s)
					delete(body, "spec")
				}); code != 422 || !slices.Equal(fields, want) {
					t.Errorf("another target in short: %d, blamed %v", code, fields)
				}
				if code, _ := put(func(_, s spec) { s["vantage"] = spec{"sondes": []string{"fremd"}, "credentials": true} }); code != 422 {
					t.Errorf("another sonde: %d", code)
				}
				m, err := d.room.Get(w.Ctx, slug)
				if err != nil || strings.Contains(m.Spec.Target(), "fremd") || len(m.Spec.Vantage.Sondes) > 0 {
					t.Fatal(m.Spec, err)
				}
				// Who enters it again, be it the same, sends it there.
				again := func(body, s spec) {
					move(body, s)
					for path, v := range map[string]string{"password": c.spec.Password, "bearer": c.spec.Bearer} {
						if v != "" {
							s[path] = v
						}
					}
					if v := c.spec.SNMP.Community; v != "" {
						s["snmp"].(spec)["community"] = v
					}
					if h, ok := s["headers"].(spec); ok {
						h["X-Api-Key"] = c.spec.Headers["X-Api-Key"]
					}
				}
				if code, fields := put(again); code != 200 {
					t.Errorf("entered again: %d %v", code, fields)
				}
				if m, err = d.room.Get(w.Ctx, slug); err != nil || !strings.Contains(m.Spec.Target(), "fremd.example") {
					t.Error(m.Spec, err)
				}
			})
		}
	})
}

// The form says the same at the field, and keeps what was typed.
func TestFormAsksForTheSecretAgain(t *testing.T) {
	d := newDesk(t, storetest.SQLite(t, rooms...))
	d.save(monitor.Monitor{Slug: "portal", Spec: secretKinds["http"].spec}, monitor.Monitor{Slug: "post", Spec: secretKinds["smtp"].spec})
	send := func(slug string, change url.Values, status int) map[string]string {
		t.Helper()
		doc := d.page("admin", "GET", "/monitor/"+slug+"/edit", "", 200)
		form := url.Values{"interval": {"60s"}, "timeout": {"10s"}, "confirm": {"3"}, "whole": {"yes"}}
		for _, name := range []string{"name", "url", "host", "port", "tls.mode", "username", "headers", "proxy", "proxy_username", "method", "expect.status", "redirects"} {
			if v := shown(doc, name); v != "" {
				form.Set(name, v)
			}
		}
		form.Set("password", "") // a browser sends it empty
		maps.Copy(form, change)
		if status == 303 {
			if out := d.ask("admin", "POST", "/monitor/"+slug+"/edit", form.Encode()); out.Code != 303 {
				t.Fatal(out.Code, out.Body)
			}
			return nil
		}
		said := map[string]string{}
		doc = d.page("admin", "POST", "/monitor/"+slug+"/edit", form.Encode(), status)
		for _, name := range []string{"password", "headers", "proxy_password"} {
			if text := strings.TrimSpace(doc.Find(`[id="` + name + `-error"]`).Text()); text != "" {
				said[name] = text
			}
		}
		if host := change.Get("host"); host != "" && shown(doc, "host") != host {
			t.Errorf("the host comes back as %q", shown(doc, "host"))
		}
		return said
	}
	const words = "Bitte geben Sie diese geheime Angabe neu ein"
	if said := send("post", url.Values{"host": {"fremd.example"}}, 422); len(said) != 1 || !strings.Contains(said["password"], words) {
		t.Errorf("%v", said)
	}
	if said := send("post", url.Values{"port": {"2525"}}, 422); len(said) != 1 {
		t.Errorf("another port: %v", said)
	}
	send("post", url.Values{"host": {"fremd.example"}, "password": {"geheim-wort"}}, 303)
	if said := send("portal", url.Values{"url": {"http://portal.example/api"}}, 422); len(said) != 2 || said["headers"] == "" || said["password"] == "" {
		t.Errorf("without TLS: %v", said)
	}
	if said := send("portal", url.Values{"proxy": {"http://fremd.example:3128"}}, 422); len(said) != 3 || said["proxy_password"] == "" {
		t.Errorf("through another proxy: %v", said)
	}
	send("portal", url.Values{"url": {"https://PORTAL.example:443/anders"}}, 303)
	send("portal", url.Values{
		"url": {"https://fremd.example/"}, "password": {"geheim-neu"}, "headers": {"Accept: text/html\nX-Api-Key: geheim-kopf"},
	}, 303)
	m, err := d.room.Get(d.w.Ctx, "portal")
	if err != nil || m.Spec.Password != "geheim-neu" || m.Spec.Headers["X-Api-Key"] != "geheim-kopf" || m.Spec.ProxyPassword != "geheim-proxy" {
		t.Errorf("%+v %v", m.Spec, err)
	}
}
