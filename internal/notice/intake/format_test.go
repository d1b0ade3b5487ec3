package intake

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tuermer/internal/notice/signal"
)

// what is the short form of a report: key|episode|state|severity|title|host|site.
func what(r Report) string {
	note := ""
	if r.Note {
		note = " (note)"
	}
	return strings.Join([]string{r.Key, r.Episode, string(r.State), string(r.Severity), r.Title, r.Host, r.Site}, "|") + note
}

const form = "application/x-www-form-urlencoded"

var documented = []struct {
	name   string
	format Format
	ct     string
	body   string
	want   []string
}{
	{
		"PRTG, our template, message with ampersand and equals sign", PRTG, form,
		"id=2041&device=SRV-DB01&sensor=Ping&group=Rathaus&probe=Lokal&host=10.1.2.3&priority=*****&statesince=26.11.2026 13:12:33&colorofstate=#d71920&linksensor=https://prtg.stadt.example/sensor.htm?id=2041&status=Down&lastmessage=Timeout (code: PE018) & retry=3",
		[]string{"2041||firing|critical|SRV-DB01 · Ping: Down|SRV-DB01|Rathaus"},
	},
	{"PRTG, ended", PRTG, form, "id=2041&device=SRV-DB01&sensor=Ping&status=Down ended (now: Up)&lastmessage=OK", []string{"2041||resolved|critical|SRV-DB01 · Ping: Down ended (now: Up)|SRV-DB01|"}},
	{"PRTG, ended in a warning", PRTG, form, "id=2041&device=D&sensor=S&status=Down ended (now: Warning)", []string{"2041||firing|warning|D · S: Down ended (now: Warning)|D|"}},
	{"PRTG in German", PRTG, form, "id=7&device=D&sensor=S&status=Fehler beendet (jetzt: OK)", []string{"7||resolved|critical|D · S: Fehler beendet (jetzt: OK)|D|"}},
	{"PRTG, escalation", PRTG, form, "id=7&device=D&sensor=S&status=Down ESCALATION", []string{"7||firing|critical|D · S: Down ESCALATION|D|"}},
	{"PRTG, acknowledged", PRTG, form, "id=7&device=D&sensor=S&status=Down (Acknowledged)", []string{"7||firing|critical|D · S: Down (Acknowledged)|D| (note)"}},
	{"PRTG, a word that nobody knows, in green", PRTG, form, "id=7&device=D&sensor=S&colorofstate=#b4cc38&status=Alles prima", []string{"7||resolved|critical|D · S: Alles prima|D|"}},
	{"PRTG, a word that nobody knows, in red", PRTG, form, "id=7&device=D&sensor=S&colorofstate=#d71920&status=Kaputt", []string{"7||firing|critical|D · S: Kaputt|D|"}},
	{"PRTG, a word that nobody knows, without colour", PRTG, form, "id=7&device=D&sensor=S&status=Hm", []string{"7||firing|critical|D · S: Hm|D|"}},
	{"PRTG, no id", PRTG, form, "device=D&sensor=S&status=Warning", []string{"D / S||firing|warning|D · S: Warning|D|"}},
	{"PRTG, escaped after all", PRTG, form, "id=7&device=SRV%20A%26B&sensor=S&status=Up", []string{"7||resolved|critical|SRV A&B · S: Up|SRV A&B|"}},
	{"PRTG, Windows-1252", PRTG, form, "id=7&device=B\xfcrgerb\xfcro&sensor=S&status=Ungew\xf6hnlich", []string{"7||firing|warning|Bürgerbüro · S: Ungewöhnlich|Bürgerbüro|"}},
	{
		"Alertmanager, one of two has recovered", Alertmanager, "application/json",
		`{"version":"4","groupKey":"{}:{alertname=\"Down\"}","truncatedAlerts":0,"status":"firing","receiver":"tuermer","groupLabels":{"alertname":"Down"},"externalURL":"http://am:9093","alerts":[
		{"status":"firing","labels":{"alertname":"Down","instance":"portal:443","severity":"warning","job":"web"},"annotations":{"summary":"Portal down"},"startsAt":"2026-11-26T13:00:00.1Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prom/graph","fingerprint":"aa11"},
		{"status":"resolved","labels":{"alertname":"Down","instance":"mail:25"},"annotations":{},"startsAt":"2026-11-26T12:00:00Z","endsAt":"2026-11-26T12:30:00Z","fingerprint":"bb22"}]}`,
		[]string{"aa11|2026-11-26T13:00:00.1Z|firing|warning|Portal down|portal:443|web", "bb22|2026-11-26T12:00:00Z|resolved|critical|Down · mail:25|mail:25|"},
	},
	{
		"Alertmanager, too long to be sent whole", Alertmanager, "application/json",
		`{"version":"4","groupKey":"g","truncatedAlerts":12,"status":"firing","receiver":"tuermer","groupLabels":{"site":"nord"},"alerts":[]}`,
		[]string{"group g||firing|critical|site=nord · tuermer||"},
	},
	{
		"Prometheus itself", Alerts, "application/json",
		`[{"labels":{"alertname":"Down","instance":"a"},"annotations":{},"startsAt":"2026-11-26T13:00:00Z","endsAt":"2026-11-26T13:04:00Z","generatorURL":"http://prom"}]`,
		[]string{"alertname=Down,instance=a|2026-11-26T13:00:00Z|firing|critical|Down · a|a|"},
	},
	{
		"Grafana, no data", Grafana, "application/json",
		`{"receiver":"t","status":"firing","orgId":1,"title":"[FIRING:1]","state":"alerting","message":"m","alerts":[{"status":"firing","labels":{"alertname":"DatasourceNoData"},"startsAt":"2026-11-26T13:00:00Z","fingerprint":"ff","valueString":"[ var='A' ]"}]}`,
		[]string{"ff|2026-11-26T13:00:00Z|firing|warning|DatasourceNoData||"},
	},
	{
		"Uptime Kuma, down", Kuma, "application/json",
		`{"heartbeat":{"monitorID":4,"status":0,"time":"2026-11-26 12:59:01.123","msg":"timeout","important":true},"monitor":{"id":4,"name":"Portal","pathName":"Web / Portal","url":"https://portal.example","hostname":null},"msg":"[Portal] [Down] timeout"}`,
		[]string{"monitor 4||firing|critical|Web / Portal||Web"},
	},
	{"Uptime Kuma, up, as a form", Kuma, form, "data=" + url.QueryEscape(`{"heartbeat":{"monitorID":4,"status":1,"msg":"200"},"monitor":{"id":4,"name":"Portal"},"msg":"up"}`), []string{"monitor 4||resolved|critical|Portal||"}},
	{"Uptime Kuma, a test", Kuma, "application/json", `{"heartbeat":null,"monitor":null,"msg":"Tuermer Testing"}`, []string{"message 148f24a14c7a9d62||firing|info|Tuermer Testing|| (note)"}},
	{"Gatus, our form", Gatus, form, `state=TRIGGERED&group=web&name=portal&url=https://portal.example&description=kaputt&errors=Get "https://x/?a=1&b=2": timeout`, []string{"web_portal||firing|critical|web · portal||web"}},
	{"Gatus, JSON that is none", Gatus, "application/json", `{"state": "RESOLVED", "group": "web", "name": "portal", "errors": "Get "x": \"y\""}`, []string{"web_portal||resolved|critical|web · portal||web"}},
	{
		"Zabbix, problem", Zabbix, "application/json",
		`{"event_id":"901","event_value":"1","event_update_status":"0","event_name":"High CPU","event_nseverity":"4","trigger_id":"17","host_name":"srv1","event_opdata":"98 %","trigger_url":"{TRIGGER.URL}"}`,
		[]string{"event 901|901|firing|critical|High CPU|srv1|"},
	},
	{"Zabbix, recovery", Zabbix, "application/json", `{"event_id":"901","event_value":"0","event_name":"High CPU","event_nseverity":"4","trigger_id":"17","host_name":"srv1"}`, []string{"event 901|901|resolved|critical|High CPU|srv1|"}},
	{"Zabbix, a comment", Zabbix, "application/json", `{"event_id":"901","event_value":"1","event_update_status":"1","event_name":"High CPU","event_nseverity":"2","trigger_id":"17"}`, []string{"event 901|901|firing|warning|High CPU|| (note)"}},
	{"Zabbix, a second problem of the trigger", Zabbix, "application/json", `{"event_id":"902","event_value":"1","event_name":"High CPU","event_nseverity":"4","trigger_id":"17","host_name":"srv1"}`, []string{"event 902|902|firing|critical|High CPU|srv1|"}},
	{"Zabbix, recovery that names its own event too", Zabbix, "application/json", `{"event_id":"901","event_recovery_id":"950","event_value":"0","event_name":"High CPU","event_nseverity":"4","trigger_id":"17"}`, []string{"event 901|901|resolved|critical|High CPU||"}},
	{"Zabbix, an older media type without the event", Zabbix, "application/json", `{"event_value":"1","event_name":"High CPU","event_nseverity":"4","trigger_id":"17"}`, []string{"trigger 17||firing|critical|High CPU||"}},
	{"Zabbix, and where the macro stays as written", Zabbix, "application/json", `{"event_id":"{EVENT.ID}","event_value":"0","event_name":"High CPU","event_nseverity":"4","trigger_id":"17"}`, []string{"trigger 17||resolved|critical|High CPU||"}},
	{"Zabbix, an event of no trigger", Zabbix, "application/json", `{"event_id":"7","event_value":"1","event_name":"Discovered","trigger_id":"*UNKNOWN*"}`, []string{"event 7|7|firing|critical|Discovered||"}},
	{"Icinga, problem", Icinga, form, "notification_type=PROBLEM&host_name=srv1&host_display_name=Server+1&service_name=http&service_state=CRITICAL&service_output=refused", []string{"srv1!http||firing|critical|Server 1 · http: CRITICAL|srv1|"}},
	{"Icinga, recovery of a host", Icinga, "application/json", `{"notification.type":"RECOVERY","host.name":"srv1","host.state":"UP"}`, []string{"srv1||resolved|critical|srv1: UP|srv1|"}},
	{"Icinga, a downtime begins", Icinga, form, "notification_type=DOWNTIMESTART&host_name=srv1&host_state=UP", []string{"srv1||resolved|critical|srv1: UP|srv1| (note)"}},
	{"Checkmk", Checkmk, form, "NOTIFY_WHAT=SERVICE&NOTIFY_NOTIFICATIONTYPE=PROBLEM&NOTIFY_HOSTNAME=h&NOTIFY_HOSTALIAS=Archiv&NOTIFY_SERVICEDESC=Disk&NOTIFY_SERVICESTATE=WARNING&NOTIFY_SERVICEPROBLEMID=77&NOTIFY_SERVICEOUTPUT=90%25", []string{"h!Disk|77|firing|warning|Archiv · Disk: WARNING|h|"}},
	{
		"Zammad's form for Checkmk", Checkmk, "multipart/form-data; boundary=x",
		"--x\r\nContent-Disposition: form-data; name=\"event_id\"\r\n\r\n123\r\n--x\r\nContent-Disposition: form-data; name=\"host\"\r\n\r\nh\r\n--x\r\nContent-Disposition: form-data; name=\"service\"\r\n\r\nDisk\r\n--x\r\nContent-Disposition: form-data; name=\"state\"\r\n\r\nOK\r\n--x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n40%\r\n--x--\r\n",
		[]string{"h!Disk|123|resolved|critical|h · Disk: OK|h|"},
	},
	{"Sentry, metric alert", Sentry, "application/json", `{"action":"warning","data":{"description_title":"Errors high","description_text":"t","web_url":"https://s/1","metric_alert":{"id":"5","alert_rule":{"name":"r"}}}}`, []string{"metric 5||firing|warning|Errors high||"}},
	{"Sentry, issue archived", Sentry, "application/json", `{"action":"archived","data":{"issue":{"id":"77","title":"KeyError","level":"error"}}}`, []string{"issue 77||resolved|warning|KeyError||"}},
	{"PagerDuty", PagerDuty, "application/json", `{"routing_key":"x","event_action":"trigger","dedup_key":"d1","payload":{"summary":"Disk full","source":"srv9","severity":"error","group":"nord"}}`, []string{"d1||firing|critical|Disk full|srv9|nord"}},
	{"PagerDuty, resolve", PagerDuty, "application/json", `{"event_action":"resolve","dedup_key":"d1"}`, []string{"d1||resolved|critical|d1||"}},
}

func TestDocumentedBodies(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	tested := map[Format]bool{Generic: true, Healthchecks: true, Mail: true}
	for _, c := range documented {
		tested[c.format] = true
		rs, err := Parse(c.format, Mapping{}, Body{ContentType: c.ct, Data: []byte(c.body)}, berlin)
		var got []string
		for _, r := range rs {
			got = append(got, what(r))
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q, %v\nwant %q", c.name, got, err, c.want)
		}
	}
	for _, f := range Formats() {
		if !tested[f] {
			t.Errorf("%s has no documented body", f)
		}
	}
	rs, err := Parse(PRTG, Mapping{}, Body{Data: []byte(documented[0].body)}, berlin)
	if err != nil || rs[0].Detail != "Timeout (code: PE018) & retry=3" || rs[0].Link != "https://prtg.stadt.example/sensor.htm?id=2041" ||
		!rs[0].Since.Equal(time.Date(2026, 11, 26, 12, 12, 33, 0, time.UTC)) {
		t.Errorf("%+v, %v", rs, err)
	}
}

// What our own template asks PRTG for is what we read.
func TestPRTGTemplateIsRead(t *testing.T) {
	for name := range prtgForm(PRTGTemplate) {
		if !slices.Contains([]string{"id", "device", "sensor", "group", "probe", "host", "priority", "since", "color", "link", "status", "message"}, name) {
			t.Error(name)
		}
	}
	if !strings.HasSuffix(PRTGTemplate, "lastmessage=%lastmessage") {
		t.Error("what may hold anything does not come last")
	}
}

func TestHealthchecksPings(t *testing.T) {
	for path, want := range map[string]string{
		"job": "check job||resolved|critical|job||", "job/fail": "check job||firing|critical|job||", "job/3": "check job||firing|critical|job||",
		"job/0": "check job||resolved|critical|job||", "job/start": "check job||resolved|critical|job|| (note)",
	} {
		rs, err := Parse(Healthchecks, Mapping{}, Body{Path: strings.Split(path, "/")}, nil)
		if err != nil || what(rs[0]) != want {
			t.Errorf("%s: %v, %v", path, rs, err)
		}
	}
	for _, path := range []string{"", "job/x", "job/256", "job/-1"} {
		if rs, err := Parse(Healthchecks, Mapping{}, Body{Path: strings.Split(path, "/")}, nil); err == nil {
			t.Errorf("%s: %v", path, rs)
		}
	}
}

func TestGenericByMapping(t *testing.T) {
	m := Mapping{Key: "alarm.id", State: "alarm.zustand", Title: "alarm.name", Up: []string{"gut"}, Host: "anlage"}
	for body, want := range map[string]string{
		`{"anlage":"BMA 3","alarm":{"id":12,"zustand":"Gut","name":"Melder 7"}}`:   "12||resolved|critical|Melder 7|BMA 3|",
		`{"anlage":"BMA 3","alarm":{"id":12,"zustand":"Alarm","name":"Melder 7"}}`: "12||firing|critical|Melder 7|BMA 3|",
	} {
		rs, err := Parse(Generic, m, Body{Data: []byte(body)}, nil)
		if err != nil || what(rs[0]) != want {
			t.Errorf("%v, %v", rs, err)
		}
	}
	mail := Mapping{Title: "subject", Pattern: `^\[(?P<state>OK|ALARM)\] (?P<key>\S+): (?P<text>.*)$`}
	rs, err := Parse(Generic, mail, Body{Data: []byte(url.Values{"subject": {"[OK] usv-keller: Netz da"}}.Encode())}, nil)
	if err != nil || what(rs[0]) != "usv-keller||resolved|critical|[OK] usv-keller: Netz da||" || rs[0].Detail != "Netz da" {
		t.Errorf("%+v, %v", rs, err)
	}
	if _, err := Parse(Generic, mail, Body{Data: []byte("subject=Urlaub")}, nil); !errors.Is(err, ErrForm) {
		t.Error(err)
	}
	if err := (Mapping{Pattern: "(", Key: "a|b"}).Check(); err == nil {
		t.Error("a mapping that cannot be")
	}
}

// Nothing that is no body of a format passes for one.
func TestMalformedBodies(t *testing.T) {
	for _, f := range Formats() {
		for _, body := range []string{"", " ", "{", "[]", "null", "{}", "hello", "\x00\xff", "=&=", "<xml/>", `{"alerts":[]}`} {
			rs, err := Parse(f, Mapping{}, Body{Data: []byte(body)}, nil)
			if err == nil {
				t.Errorf("%s: %q gives %+v", f, body, rs)
			}
		}
	}
}

// Whatever arrives, parsers neither panic nor answer what cannot be stored or
// shown.
func FuzzParse(f *testing.F) {
	formats := Formats()
	for _, c := range documented {
		f.Add(slices.Index(formats, c.format), c.ct, c.body, "job/fail")
	}
	f.Add(len(formats)-1, "application/json", `[{"key":"a","state":"ok"}]`, "")
	for i, format := range formats {
		for _, b := range []Body{every[format].problem, every[format].over} {
			path := strings.Join(b.Path, "/")
			f.Add(i, b.ContentType, string(b.Data), path)
			f.Add(i, b.ContentType, "\xef\xbb\xbf\r\n"+string(b.Data), path)
			f.Add(i, b.ContentType, "\xff\xfe"+string(b.Data), path)
		}
		for _, body := range []string{
			"id=7&device=B%FCro&sensor=S&status=OK beendet (nun: Fehler)&lastmessage=100%",
			`state=TRIGGERED&group=&name=portal&errors=Get "https://x/?a=1&group=web&state=RESOLVED": timeout`,
			`{"state": "TRIGGERED", "name": "portal", "errors": "a "state": "RESOLVED""}`,
			"key=a;b&title=%FCber+50%&text=x;y&&=&z", `{"event_id":"1","EVENT_ID":"2","event_value":"0","event_value":"1","trigger_id":"3"}`,
			"{\"key\":\"a\",\"title\":\"T\xfcrmer f\xc3\"}", `{"action":"created","data":{"comment":"x","issue_id":7,"comment_id":"1"}}`,
		} {
			f.Add(i, form, body, "B\xfcro/fail")
		}
	}
	f.Fuzz(func(t *testing.T, which int, ct, body, path string) {
		format := formats[(which%len(formats)+len(formats))%len(formats)]
		rs, err := Parse(format, Mapping{List: "x", Pattern: ""}, Body{ContentType: ct, Data: []byte(body), Path: strings.Split(path, "/")}, nil)
		if (err == nil) == (len(rs) == 0) {
			t.Fatalf("%v, %v", rs, err)
		}
		for _, r := range rs {
			if r.Key == "" || r.Title == "" || len(r.Key) > maxKey || len(r.Title) > maxTitle || len(r.Detail) > maxDetail || len(r.Episode) > maxKey {
				t.Fatalf("%+v", r)
			}
			for _, s := range []string{r.Key, r.Title, r.Detail, r.Host, r.Site, r.Episode} {
				if !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\r\n\u202e") {
					t.Fatalf("%q", s)
				}
			}
			if r.State != signal.Firing && r.State != signal.Resolved {
				t.Fatal(r.State)
			}
		}
	})
}
