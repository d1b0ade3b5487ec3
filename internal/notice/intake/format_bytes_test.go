package intake

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"
)

// Whatever a program of Windows puts before a body or writes it in, every format reads
// the same: a mark of the byte order, UTF-16, Windows-1252.
func TestEveryFormatReadsForeignBytes(t *testing.T) {
	wide := func(order binary.AppendByteOrder, mark string) func(string) string {
		return func(s string) string {
			out := []byte(mark)
			for _, u := range utf16.Encode([]rune(s)) {
				out = order.AppendUint16(out, u)
			}
			return string(out)
		}
	}
	for how, as := range map[string]func(string) string{
		"BOM":                      func(s string) string { return "\xef\xbb\xbf" + s },
		"BOM and spaces":           func(s string) string { return "\xef\xbb\xbf\r\n " + s },
		"UTF-16, the lesser first": wide(binary.LittleEndian, "\xff\xfe"),
		"UTF-16":                   wide(binary.BigEndian, "\xfe\xff"),
		"Windows-1252": func(s string) string {
			out, err := charmap.Windows1252.NewEncoder().String(s)
			if err != nil {
				t.Fatal(err)
			}
			return out
		},
	} {
		for _, f := range Formats() {
			s := every[f]
			for _, b := range []Body{s.problem, s.again, s.over, s.other} {
				if len(b.Data) == 0 || f == Mail || f == Healthchecks || strings.HasPrefix(b.ContentType, "multipart") {
					continue
				}
				b.Data = []byte(strings.NewReplacer("Down", "Döwn", "High CPU", "Höhe – €", "KeyError", "Schlüssel", "Disk full", "Größe", "Keller", "Käller", "portal", "pörtal").Replace(string(b.Data)))
				if f == PRTG || f == Kuma && strings.HasPrefix(string(b.Data), "data=") {
					b.Data = []byte(strings.ReplaceAll(string(b.Data), "Döwn", "Down"))
				}
				want, err := Parse(f, s.mapping, b, time.UTC)
				if err != nil {
					t.Fatal(f, err)
				}
				plain := string(b.Data)
				b.Data = []byte(as(plain))
				kept := string(b.Data)
				got, err := Parse(f, s.mapping, b, time.UTC)
				if err != nil || len(got) != len(want) || what(got[0]) != what(want[0]) || got[0].Detail != want[0].Detail {
					t.Errorf("%s, %s:\n got %+v, %v\nwant %+v\n%q", f, how, got, err, want, plain)
				}
				if string(b.Data) != kept {
					t.Errorf("%s, %s: the body is another", f, how)
				}
			}
		}
	}
	// A mark alone is nothing, and half a character of UTF-8 spoils itself alone.
	for _, f := range []Format{PRTG, Alertmanager, Alerts, Grafana, Gatus, Zabbix, Sentry, PagerDuty, Generic} {
		if rs, err := Parse(f, Mapping{}, Body{Data: []byte("\xef\xbb\xbf")}, nil); Problem(err) != "empty" {
			t.Errorf("%s: %v, %v", f, rs, err)
		}
	}
	rs, err := Parse(Generic, Mapping{}, jsonBody("{\"key\":\"a\",\"title\":\"Türmer f\xc3\"}"), nil)
	if err != nil || rs[0].Title != "Türmer fÃ" {
		t.Errorf("%+v, %v", rs, err)
	}
	// A zero between the characters, and no mark that says why, is told.
	if rs, err := Parse(Generic, Mapping{}, Body{Data: []byte(wide(binary.LittleEndian, "")(`{"key":"a"}`))}, nil); Problem(err) != "form" {
		t.Errorf("%+v, %v", rs, err)
	}
}

// A form that no program has escaped well is read all the same: escapes of Windows-1252,
// a semicolon, a percent sign that begins nothing.
func TestFormsAreReadAsTheyCome(t *testing.T) {
	for _, c := range []struct {
		format Format
		body   string
		want   string // key, title, detail
	}{
		{Icinga, "notification_type=PROBLEM&host_name=B%FCro&host_state=DOWN&host_output=90%+voll;+100%25", "Büro|Büro: DOWN|90% voll; 100%"},
		{Icinga, "notification_type=PROBLEM&host_name=B%C3%BCro&host_state=DOWN&host_output=%zz%", "Büro|Büro: DOWN|%zz%"},
		{Checkmk, "NOTIFY_WHAT=HOST&NOTIFY_NOTIFICATIONTYPE=PROBLEM&NOTIFY_HOSTNAME=h;1&NOTIFY_HOSTSTATE=DOWN&NOTIFY_HOSTOUTPUT=rta=1ms;2;5;0 pl=100%;80;90", "h;1|h;1: DOWN|rta=1ms;2;5;0 pl=100%;80;90"},
		{Zabbix, "event_id=9&event_value=1&event_name=gro%DF; sehr&event_opdata=98%&trigger_id=1", "event 9|groß; sehr|98%"},
		{Generic, "key=a;b&title=%FCber+50%&text=x;y&&=&z", "a;b|über 50%|x;y"},
		{Generic, "key=a&key=b&title=first&title=second", "a|first|"},
		{PRTG, "id=7&device=B%FCro&sensor=S&status=Down&lastmessage=100%", "7|Büro · S: Down|100%"},
		{Gatus, "state=TRIGGERED&group=B%FCro&name=portal&errors=50%", "Büro_portal|Büro · portal|50%"},
		{Kuma, "data=" + `{"heartbeat":{"status":0,"msg":"a;b 5%"},"monitor":{"id":4,"name":"Portal"}}`, "monitor 4|Portal|a;b 5%"},
	} {
		for _, ct := range []string{form, "text/plain", ""} {
			rs, err := Parse(c.format, Mapping{}, Body{ContentType: ct, Data: []byte(c.body)}, nil)
			if err != nil || rs[0].Key+"|"+rs[0].Title+"|"+rs[0].Detail != c.want || rs[0].State != "firing" {
				t.Errorf("%s, %s:\n got %+v, %v\nwant %s", c.format, c.body, rs, err, c.want)
			}
		}
	}
	// The address is read alike.
	q := formOf("key=a;b&title=%FCber+50%&state=down")
	rs, err := Parse(Generic, Mapping{}, Body{Query: q, Path: []string{"B\xfcro"}}, nil)
	if err != nil || what(rs[0]) != "a;b||firing|critical|über 50%||" {
		t.Errorf("%+v, %v", rs, err)
	}
	rs, err = Parse(Healthchecks, Mapping{}, Body{Path: []string{"B\xfcro", "fail"}}, nil)
	if err != nil || what(rs[0]) != "check Büro||firing|critical|Büro||" {
		t.Errorf("%+v, %v", rs, err)
	}
}

// Of a name that stands twice in JSON the last one counts, as every program reads it
// that writes such; of names that differ in case alone the one in small letters. Of a
// mapping's path the first counts. It is always the same one.
func TestNamesThatComeTwice(t *testing.T) {
	for range 50 { // a map has no order
		for _, c := range []struct {
			format Format
			body   string
			want   string
		}{
			{Zabbix, `{"event_id":"1","event_id":"2","event_value":"0","event_value":"1","trigger_id":"3"}`, "event 2 firing"},
			{Zabbix, `{"event_id":"1","EVENT_ID":"2","Event_Id":"3","event_value":"1"}`, "event 1 firing"},
			{Icinga, `{"host":{"name":"a"},"host.name":"b","host.state":"UP","host.state":"DOWN"}`, "b firing"},
			{PagerDuty, `{"event_action":"resolve","event_action":"trigger","dedup_key":"a","dedup_key":"b"}`, "b firing"},
			{Alertmanager, `{"status":"firing","alerts":[{"status":"resolved","status":"firing","fingerprint":"a","fingerprint":"b"}]}`, "b firing"},
			{Sentry, `{"action":"resolved","action":"critical","data":{"metric_alert":{"id":"5"}}}`, "metric 5 firing"},
			{Generic, `{"key":"a","key":"b","state":"down","state":"ok"}`, "a firing"},
		} {
			rs, err := Parse(c.format, Mapping{}, jsonBody(c.body), nil)
			if err != nil || rs[0].Key+" "+string(rs[0].State) != c.want {
				t.Fatalf("%s, %s: %+v, %v, want %s", c.format, c.body, rs, err, c.want)
			}
		}
	}
}

// What the page calls verbatim is what came, and not what it means.
func TestSeenIsVerbatim(t *testing.T) {
	for _, raw := range []string{
		`{"b":1.50,"a":2,"a":3,  "s":"\u00fc"}`, "{\n\t\"z\": 1 }\n", `id=7&device=A%26B`, `[1,  2]`, "",
	} {
		if got := (Seen{Body: Body{Data: []byte(raw)}}).Text(); got != raw {
			t.Errorf("%q is shown as %q", raw, got)
		}
	}
	if got := (Seen{Body: Body{Asked: "b=%FC;&a=1", Query: formOf("b=%FC;&a=1")}}).Text(); got != "b=%FC;&a=1" {
		t.Error(got)
	}
	// Whatever a page cannot show is named, and not left out.
	if got := (Seen{Body: Body{Data: []byte("a\x00b\xfcc\ufeff")}}).Text(); got != "a\u2400büc\ufeff" {
		t.Errorf("%q", got)
	}
}
