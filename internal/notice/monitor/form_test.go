package monitor_test

import (
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/storetest"
)

// typed is what somebody fills in for each kind: good values, and one that is
// refused, with the field that must be blamed.
var typed = map[monitor.Kind]struct {
	good       url.Values
	bad, field string
}{
	monitor.HTTP: {url.Values{
		"url": {"https://portal.example/api"}, "expect.status": {"200-299, 401"}, "expect.body": {"Willkommen"}, "expect.regex": {"ok|gut"},
		"expect.json": {"status = UP\ndata.0"}, "expect.headers": {"Content-Type: json"}, "expect.within": {"2s"}, "expect.certificate": {"21"},
		"method": {"POST"}, "headers": {"Accept: text/html\nX-Api-Key: geheim-kopf"}, "body": {"a=1\nb=2"}, "redirects": {"0"}, "same_host": {"yes"},
		"proxy": {"socks5://proxy.example:1080"}, "proxy_username": {"p"}, "proxy_password": {"geheim-proxy"}, "http2": {"yes"},
		"username": {"ada"}, "password": {"geheim-wort"}, "tls.min": {"1.3"}, "tls.server_name": {"innen.example"}, "tls.insecure": {"yes"},
	}, "ftp://portal.example", "url"},
	monitor.TCP:      {url.Values{"host": {"ssh.example"}, "port": {"22"}, "send": {"hallo "}, "expect.body": {"SSH-2.0"}}, "kein host", "host"},
	monitor.TLS:      {url.Values{"host": {"mail.example"}, "port": {"25"}, "tls.mode": {"smtp"}, "expect.certificate": {"30"}}, "-", "expect.certificate"},
	monitor.ICMP:     {url.Values{"host": {"192.0.2.1"}}, "kein host", "host"},
	monitor.DNS:      {url.Values{"host": {"www.example"}, "dns.type": {"MX"}, "dns.server": {"192.0.2.53"}, "expect.records": {"10 mail.example.\n20 mx.example."}, "dns.dnssec": {"yes"}, "expect.rcode": {"NOERROR"}}, "a b", "dns.server"},
	monitor.SMTP:     {url.Values{"host": {"mail.example"}, "port": {"587"}, "tls.mode": {"starttls"}, "username": {"ada"}, "password": {"geheim-wort"}}, "99999", "port"},
	monitor.IMAP:     {url.Values{"host": {"mail.example"}, "tls.mode": {"tls"}, "port": {"993"}, "expect.body": {"bereit"}}, "quatsch", "tls.mode"},
	monitor.Domain:   {url.Values{"host": {"musterstadt.example"}, "expect.domain": {"45"}, "rdap": {"https://rdap.example/"}}, "rdap.example", "rdap"},
	monitor.LDAP:     {url.Values{"host": {"ldap.example"}, "username": {"cn=ada"}, "password": {"geheim-wort"}}, "", "host"},
	monitor.SIP:      {url.Values{"host": {"tk.example"}, "tls.mode": {"tcp"}, "expect.status": {"200"}}, "2yy", "expect.status"},
	monitor.SNMP:     {url.Values{"host": {"usv.example"}, "snmp.oid": {"1.3.6.1.2.1.1.5.0"}, "snmp.community": {"geheim-gemeinde"}, "expect.body": {"usv"}}, "x.y", "snmp.oid"},
	monitor.GRPC:     {url.Values{"host": {"api.example"}, "port": {"443"}, "grpc_service": {"amt.v1"}, "bearer": {"geheim-token"}}, "0", "port"},
	monitor.Postgres: {url.Values{"host": {"db.example"}}, "", "host"},
	monitor.MySQL:    {url.Values{"host": {"db.example"}, "port": {"3307"}}, "viele", "port"},
	monitor.MSSQL:    {url.Values{"host": {"db.example"}}, "a/b", "host"},
}

// shown is the value of a field as the form shows it.
func shown(doc *goquery.Document, name string) string {
	at := doc.Find(`[id="` + name + `"]`)
	switch {
	case at.Is("textarea"):
		return strings.TrimSpace(at.Text())
	case at.Is("select"):
		return at.Find("option[selected]").AttrOr("value", "")
	case at.Is("fieldset"):
		return at.Find("input[checked]").AttrOr("value", "")
	}
	return at.AttrOr("value", "")
}

// TestFormOfEveryKind: each kind can be entered, comes back as typed when it is
// refused, and shows no secret.
func TestFormOfEveryKind(t *testing.T) {
	d := newDesk(t, storetest.SQLite(t, rooms...))
	for _, k := range monitor.Kinds() {
		if k == monitor.Heartbeat {
			continue
		}
		t.Run(string(k), func(t *testing.T) {
			c, ok := typed[k]
			if !ok {
				t.Fatal("nobody types this kind")
			}
			d.page("admin", "GET", "/monitor/new?kind="+string(k), "", 200)
			form := url.Values{"kind": {string(k)}, "name": {"P " + string(k)}, "interval": {"60s"}, "timeout": {"10s"}, "confirm": {"3"}, "whole": {"yes"}}
			maps.Copy(form, c.good)
			was := form[c.field]
			form.Set(c.field, c.bad)
			doc := d.page("admin", "POST", "/monitor/new", form.Encode(), 422)
			if doc.Find(`[id="`+c.field+`-error"]`).Length() != 1 {
				t.Errorf("%s is not blamed: %s", c.field, doc.Find("main").Text())
			}
			if doc.Find("main input:not([id]):not([type=hidden])").Length() > 0 {
				t.Error("an input without id has no label")
			}
			for name, v := range c.good {
				got := shown(doc, name)
				if secret := strings.Contains(v[0], "geheim") && name != "headers"; secret && got != "" {
					t.Errorf("%s is shown as %q", name, got)
				} else if name != c.field && !secret && got != strings.TrimSpace(v[0]) && name != "headers" && name != "send" {
					t.Errorf("%s comes back as %q, typed %q", name, got, v[0])
				}
			}
			form[c.field] = was
			slug := "p-" + string(k)
			if out := d.ask("admin", "POST", "/monitor/new", form.Encode()); out.Code != 303 {
				t.Fatal(out.Code, out.Body)
			}
			m, err := d.room.Get(d.w.Ctx, slug)
			if err != nil {
				t.Fatal(err)
			}
			first := m.Spec
			doc = d.page("admin", "GET", "/monitor/"+slug+"/edit", "", 200)
			html, _ := doc.Html()
			if strings.Contains(html, "geheim-") {
				t.Error("the form shows a secret")
			}
			if page, _ := d.page("reader", "GET", "/monitor/"+slug, "", 200).Html(); strings.Contains(page, "geheim-") {
				t.Error("the page shows a secret")
			}
			// What the form shows, sent back as it stands, changes nothing.
			again := url.Values{"kind": {string(k)}, "name": {m.Name}, "interval": {"60s"}, "timeout": {"10s"}, "confirm": {"3"}, "whole": {"yes"}}
			for name := range c.good {
				if v := shown(doc, name); v != "" || !slices.Contains([]string{"password", "bearer", "proxy_password", "snmp.community"}, name) {
					again.Set(name, v)
				}
			}
			if out := d.ask("admin", "POST", "/monitor/"+slug+"/edit", again.Encode()); out.Code != 303 {
				t.Fatal(out.Code, out.Body)
			}
			if m, err = d.room.Get(d.w.Ctx, slug); err != nil {
				t.Fatal(err)
			}
			a, _ := first.Normalize()
			b, _ := m.Spec.Normalize()
			if k == monitor.TCP {
				b.Send = a.Send // blanks at the end are not shown by this test's reader
			}
			if !reflect.DeepEqual(a, b) {
				t.Errorf("was %+v\nis  %+v", a, b)
			}
		})
	}
	s, err := d.room.Get(d.w.Ctx, "p-http")
	if err != nil {
		t.Fatal(err)
	}
	if h := s.Spec.Headers; h["X-Api-Key"] != "geheim-kopf" || s.Spec.Password != "geheim-wort" || s.Spec.ProxyPassword != "geheim-proxy" || s.Spec.Expect.JSON["status"] != "UP" {
		t.Errorf("%+v", s.Spec)
	}
	if _, ok := s.Spec.Expect.JSON["data.0"]; !ok || s.Spec.Redirects == nil || *s.Spec.Redirects != 0 || !s.Spec.SameHost || !s.Spec.HTTP2 {
		t.Errorf("%+v", s.Spec)
	}
	// Taking the name away takes the password away.
	f := url.Values{"kind": {"smtp"}, "name": {"P"}, "host": {"mail.example"}, "interval": {"60s"}, "timeout": {"10s"}, "confirm": {"3"}, "username": {""}, "password": {""}, "whole": {"yes"}}
	if out := d.ask("admin", "POST", "/monitor/p-smtp/edit", f.Encode()); out.Code != 303 {
		t.Fatal(out.Code, out.Body)
	}
	if m, _ := d.room.Get(d.w.Ctx, "p-smtp"); m.Spec.Password != "" || m.Spec.Username != "" {
		t.Errorf("%+v", m.Spec)
	}
	// And what lies outside of the networks is refused at its field.
	f.Set("host", "169.254.169.254")
	if doc := d.page("admin", "POST", "/monitor/p-smtp/edit", f.Encode(), 422); doc.Find("#host-error").Length() != 1 || shown(doc, "host") != "169.254.169.254" {
		t.Error("metadata can be entered")
	}
}
