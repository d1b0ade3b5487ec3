package intake

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// shown is what a system says of one thing, as it is documented of it, and of another.
type shown struct {
	problem, again, over, other Body // again: the problem as it is repeated
	// next is the thing's next problem where the system names its occurrences.
	next    *Body
	apart   bool // each occurrence is a thing of its own: two of them may be open at once
	mapping Mapping
}

func formBody(s string) Body { return Body{ContentType: form, Data: []byte(s)} }

func jsonBody(s string) Body { return Body{ContentType: "application/json", Data: []byte(s)} }

func letterOf(id, subject string) Body {
	return Body{ContentType: MailType, Data: []byte("From: prtg@rathaus.example\r\nMessage-ID: <" + id + "@rathaus.example>\r\nSubject: " + subject + "\r\n\r\nText\r\n")}
}

// every is the table of all formats: key, occurrence, repeat and end of each. A format
// that is missing here fails the tests below.
var every = map[Format]shown{
	PRTG: {
		problem: formBody("id=2041&device=SRV&sensor=Ping&statesince=26.11.2026 13:12:33 [2 s ago]&colorofstate=#d71920&status=Down&lastmessage=weg & aus"),
		again:   formBody("id=2041&device=SRV&sensor=Ping&statesince=26.11.2026 13:12:33 [9 m ago]&colorofstate=#d71920&status=Down ESCALATION&lastmessage=weg & aus"),
		over:    formBody("id=2041&device=SRV&sensor=Ping&statesince=26.11.2026 13:31:02&colorofstate=#b4cc38&status=Down ended (now: Up)&lastmessage=OK"),
		other:   formBody("id=2042&device=SRV&sensor=HTTP&colorofstate=#d71920&status=Down"),
	},
	Alertmanager: {
		problem: jsonBody(`{"version":"4","groupKey":"{}","truncatedAlerts":0,"status":"firing","receiver":"t","alerts":[{"status":"firing","labels":{"alertname":"Down","instance":"a"},"startsAt":"2026-11-26T12:00:00.5Z","endsAt":"0001-01-01T00:00:00Z","fingerprint":"aa"}]}`),
		again:   jsonBody(`{"version":"4","groupKey":"{}","truncatedAlerts":0,"status":"firing","receiver":"t","notification_reason":"repeat","externalURL":"http://am-2","alerts":[{"status":"firing","labels":{"alertname":"Down","instance":"a"},"startsAt":"2026-11-26T12:00:00.5Z","endsAt":"0001-01-01T00:00:00Z","fingerprint":"aa"}]}`),
		over:    jsonBody(`{"version":"4","groupKey":"{}","truncatedAlerts":0,"status":"firing","receiver":"t","alerts":[{"status":"resolved","labels":{"alertname":"Down","instance":"a"},"startsAt":"2026-11-26T12:00:00.5Z","endsAt":"2026-11-26T12:09:00Z","fingerprint":"aa"}]}`),
		other:   jsonBody(`{"version":"4","groupKey":"{}","status":"firing","receiver":"t","alerts":[{"status":"firing","labels":{"alertname":"Down","instance":"b"},"startsAt":"2026-11-26T12:00:00.5Z","fingerprint":"bb"}]}`),
		next:    new(jsonBody(`{"version":"4","groupKey":"{}","status":"firing","receiver":"t","alerts":[{"status":"firing","labels":{"alertname":"Down","instance":"a"},"startsAt":"2026-11-26T12:30:00Z","fingerprint":"aa"}]}`)),
	},
	Alerts: {
		problem: jsonBody(`[{"labels":{"alertname":"Down","instance":"a"},"annotations":{"summary":"weg"},"startsAt":"2026-11-26T12:00:00.5Z","endsAt":"2199-01-01T00:00:00Z"}]`),
		again:   jsonBody(`[{"labels":{"instance":"a","alertname":"Down"},"annotations":{"summary":"noch weg"},"startsAt":"2026-11-26T12:00:00.5Z","endsAt":"2199-01-01T00:01:00Z"}]`),
		over:    jsonBody(`[{"labels":{"alertname":"Down","instance":"a"},"startsAt":"2026-11-26T12:00:00.5Z","endsAt":"2020-01-01T00:00:00Z"}]`),
		other:   jsonBody(`[{"labels":{"alertname":"Down","instance":"b"},"startsAt":"2026-11-26T12:00:00.5Z"}]`),
		next:    new(jsonBody(`[{"labels":{"alertname":"Down","instance":"a"},"startsAt":"2026-11-26T12:30:00Z"}]`)),
	},
	Grafana: {
		problem: jsonBody(`{"receiver":"t","status":"firing","orgId":2,"state":"alerting","alerts":[{"status":"firing","labels":{"alertname":"Down"},"startsAt":"2026-11-26T13:00:00+01:00","fingerprint":"ff","valueString":"[ var='A' value=0 ]","silenceURL":"http://g/s"}]}`),
		again:   jsonBody(`{"receiver":"t","status":"firing","orgId":2,"state":"alerting","alerts":[{"status":"firing","labels":{"alertname":"Down"},"startsAt":"2026-11-26T12:00:00Z","fingerprint":"ff","valueString":"[ var='A' value=1 ]"}]}`),
		over:    jsonBody(`{"receiver":"t","status":"resolved","orgId":2,"state":"ok","alerts":[{"status":"resolved","labels":{"alertname":"Down"},"startsAt":"2026-11-26T13:00:00+01:00","endsAt":"2026-11-26T13:05:00+01:00","fingerprint":"ff"}]}`),
		other:   jsonBody(`{"receiver":"t","status":"firing","orgId":3,"state":"alerting","alerts":[{"status":"firing","labels":{"alertname":"Down"},"startsAt":"2026-11-26T13:00:00+01:00","fingerprint":"ff"}]}`),
		next:    new(jsonBody(`{"receiver":"t","status":"firing","orgId":2,"alerts":[{"status":"firing","labels":{"alertname":"Down"},"startsAt":"2026-11-26T13:30:00+01:00","fingerprint":"ff"}]}`)),
	},
	Kuma: {
		problem: jsonBody(`{"heartbeat":{"monitorID":4,"status":0,"time":"2026-11-26 12:00:01.123","msg":"timeout"},"monitor":{"id":4,"name":"Portal","pathName":"Web / Portal"},"msg":"[Portal] [Down] timeout"}`),
		again:   Body{Query: map[string][]string{"msg": {"[Portal] [Down] timeout"}, "heartbeat": {`{"monitorID":4,"status":0,"time":"2026-11-26 12:01:01.123","msg":"timeout"}`}, "monitor": {`{"id":4,"name":"Portal"}`}}},
		over:    formBody(`data=%7B%22heartbeat%22%3A%7B%22monitorID%22%3A4%2C%22status%22%3A1%2C%22time%22%3A%222026-11-26+12%3A05%3A01.123%22%7D%2C%22monitor%22%3A%7B%22id%22%3A4%2C%22name%22%3A%22Portal%22%7D%2C%22msg%22%3A%22up%22%7D`),
		other:   jsonBody(`{"heartbeat":{"monitorID":5,"status":0,"msg":"timeout"},"monitor":{"id":5,"name":"Portal"},"msg":"down"}`),
	},
	Gatus: {
		problem: formBody(`state=TRIGGERED&group=web&name=portal&url=https://portal.example&description=kaputt&errors=Get "https://x/?state=RESOLVED&b=2": timeout`),
		again:   jsonBody(`{"alert_triggered_or_resolved": "TRIGGERED", "endpoint_group": "web", "endpoint_name": "portal", "result_errors": "Get "x": \"y\""}`),
		over:    formBody(`state=RESOLVED&group=web&name=portal&url=https://portal.example&description=kaputt&errors=`),
		other:   formBody(`state=TRIGGERED&group=intern&name=portal`),
	},
	Zabbix: {
		problem: jsonBody(`{"event_source":"0","event_id":"901","event_value":"1","event_update_status":"0","event_date_time":"2026.11.26 13:00:33","event_name":"High CPU","event_nseverity":"4","trigger_id":"17","host_name":"srv1","trigger_url":"{TRIGGER.URL}"}`),
		again:   jsonBody(`{"event_source":"0","event_id":"901","event_value":"1","event_update_status":"0","event_date_time":"2026.11.26 13:00:33","event_name":"High CPU","event_nseverity":"4","trigger_id":"17","host_name":"srv1","event_opdata":"99 %"}`),
		over:    jsonBody(`{"event_source":"0","event_id":"901","event_value":"0","event_date_time":"2026.11.26 13:00:33","event_name":"High CPU","event_nseverity":"4","trigger_id":"17","host_name":"srv1"}`),
		other:   jsonBody(`{"event_id":"905","event_value":"1","event_name":"High CPU","trigger_id":"18","host_name":"srv2"}`),
		next:    new(jsonBody(`{"event_source":"0","event_id":"1002","event_value":"1","event_date_time":"2026.11.26 13:00:33","event_name":"High CPU","event_nseverity":"4","trigger_id":"17","host_name":"srv1"}`)),
		apart:   true,
	},
	Icinga: {
		problem: formBody("notification_type=PROBLEM&icinga_long_date_time=2026-11-26 13:00:33 %2B0100&host_name=srv1&host_state=UP&host_output=PING+OK&service_name=http&service_state=CRITICAL&service_output=refused"),
		again:   formBody("notification_type=PROBLEM&icinga_long_date_time=2026-11-26 13:30:33 %2B0100&host_name=srv1&host_state=UP&service_name=http&service_state=CRITICAL&service_output=refused"),
		over:    formBody("notification_type=RECOVERY&icinga_long_date_time=2026-11-26 13:40:33 %2B0100&host_name=srv1&host_state=UP&service_name=http&service_state=OK&service_output=200"),
		other:   formBody("notification_type=PROBLEM&host_name=srv1&host_state=DOWN"),
	},
	Checkmk: {
		problem: formBody("NOTIFY_WHAT=SERVICE&NOTIFY_NOTIFICATIONTYPE=PROBLEM&NOTIFY_HOSTNAME=h&NOTIFY_HOSTSTATE=UP&NOTIFY_HOSTPROBLEMID=0&NOTIFY_SERVICEDESC=Disk&NOTIFY_SERVICESTATE=CRITICAL&NOTIFY_SERVICEPROBLEMID=77"),
		again:   Body{ContentType: "multipart/form-data; boundary=x", Data: []byte(strings.ReplaceAll("--x\nContent-Disposition: form-data; name=\"event_id\"\n\n77\n--x\nContent-Disposition: form-data; name=\"host\"\n\nh\n--x\nContent-Disposition: form-data; name=\"service\"\n\nDisk\n--x\nContent-Disposition: form-data; name=\"state\"\n\nCRITICAL\n--x--\n", "\n", "\r\n"))},
		over:    formBody("NOTIFY_WHAT=SERVICE&NOTIFY_NOTIFICATIONTYPE=RECOVERY&NOTIFY_HOSTNAME=h&NOTIFY_HOSTSTATE=UP&NOTIFY_SERVICEDESC=Disk&NOTIFY_SERVICESTATE=OK&NOTIFY_SERVICEPROBLEMID=77"),
		other:   formBody("NOTIFY_WHAT=HOST&NOTIFY_NOTIFICATIONTYPE=PROBLEM&NOTIFY_HOSTNAME=h&NOTIFY_HOSTSTATE=DOWN&NOTIFY_HOSTPROBLEMID=12"),
		next:    new(formBody("NOTIFY_WHAT=SERVICE&NOTIFY_NOTIFICATIONTYPE=PROBLEM&NOTIFY_HOSTNAME=h&NOTIFY_SERVICEDESC=Disk&NOTIFY_SERVICESTATE=CRITICAL&NOTIFY_SERVICEPROBLEMID=78")),
	},
	Healthchecks: {
		problem: Body{Path: []string{"sicherung", "fail"}, Data: []byte("disk full")},
		again:   Body{Path: []string{"sicherung", "3"}, Query: map[string][]string{"rid": {"6b6ff4d2-0d61-4b9b-a3a5-1a1c2d3e4f50"}}},
		over:    Body{Path: []string{"sicherung"}},
		other:   Body{Path: []string{"8d0e1b3a-6a0f-4a34-8c64-0c7cf0a0a0a0", "fail"}},
	},
	Sentry: {
		problem: Body{Event: "metric_alert", Data: []byte(`{"action":"critical","data":{"description_title":"Errors high","metric_alert":{"id":"5","alert_rule":{"name":"r"}}}}`)},
		again:   Body{Event: "metric_alert", Data: []byte(`{"action":"critical","data":{"description_title":"Errors higher","metric_alert":{"id":5,"alert_rule":{"name":"r"}}}}`)},
		over:    Body{Event: "metric_alert", Data: []byte(`{"action":"resolved","data":{"description_title":"Errors high","metric_alert":{"id":"5","alert_rule":{"name":"r"}}}}`)},
		other:   Body{Event: "issue", Data: []byte(`{"action":"created","data":{"issue":{"id":"5","title":"KeyError"}}}`)},
	},
	PagerDuty: {
		problem: jsonBody(`{"routing_key":"x","event_action":"trigger","dedup_key":"d1","payload":{"summary":"Disk full","source":"srv9","severity":"critical"}}`),
		again:   jsonBody(`{"routing_key":"x","event_action":"trigger","dedup_key":"d1","payload":{"summary":"Disk still full","source":"srv9","severity":"critical"}}`),
		over:    jsonBody(`{"routing_key":"x","event_action":"resolve","dedup_key":"d1"}`),
		other:   jsonBody(`{"routing_key":"x","event_action":"trigger","dedup_key":"d2","payload":{"summary":"Disk full","source":"srv9","severity":"critical"}}`),
	},
	Mail: {
		problem: letterOf("1", "[PRTG] srv1 Ping Down (weg)"),
		again:   letterOf("2", "[PRTG] srv1 Ping Down ESCALATION (weg)"),
		over:    letterOf("3", "[PRTG] srv1 Ping Down ended (now: Up) (OK)"),
		other:   letterOf("4", "[PRTG] srv2 Ping Down (weg)"),
	},
	Generic: {
		problem: jsonBody(`{"melder":{"id":7,"lage":"Alarm","ort":"Keller"},"nr":"A-1"}`),
		again:   jsonBody(`{"melder":{"ort":"Keller","lage":"ALARM","id":7},"nr":"A-1"}`),
		over:    jsonBody(`{"melder":{"id":7,"lage":"ruhe","ort":"Keller"},"nr":"A-1"}`),
		other:   formBody("melder.id=8&melder.lage=Alarm&nr=A-1"),
		next:    new(jsonBody(`{"melder":{"id":7,"lage":"Alarm","ort":"Keller"},"nr":"A-2"}`)),
		mapping: Mapping{Key: "melder.id", State: "melder.lage", Title: "melder.ort", Episode: "nr", Up: []string{"Ruhe"}},
	},
}

// Each format keeps its promises: the same key in problem, repeat and end, and another
// one for another thing; the occurrence where it names one; and no part of a problem
// reads as its end (I20).
func TestEveryFormatHasKeyEpisodeAndEnd(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Formats() {
		s, ok := every[f]
		if !ok {
			t.Errorf("%s stands in no table", f)
			continue
		}
		read := func(name string, b Body) Report {
			rs, err := Parse(f, s.mapping, b, berlin)
			if err != nil || len(rs) != 1 || rs[0].Note {
				t.Fatalf("%s, %s: %+v, %v", f, name, rs, err)
			}
			rs[0].over(time.Date(2026, 11, 26, 13, 0, 0, 0, time.UTC))
			return rs[0]
		}
		problem, again, over, other := read("problem", s.problem), read("again", s.again), read("over", s.over), read("other", s.other)
		if problem.Key != again.Key || problem.Key != over.Key || problem.Key == other.Key {
			t.Errorf("%s: keys %q, %q, %q, other %q", f, problem.Key, again.Key, over.Key, other.Key)
		}
		if problem.State != "firing" || again.State != "firing" || over.State != "resolved" || other.State != "firing" {
			t.Errorf("%s: %s, %s, %s, other %s", f, problem.State, again.State, over.State, other.State)
		}
		if problem.Episode != again.Episode || problem.Episode != over.Episode || (problem.Episode != "") != (s.next != nil) {
			t.Errorf("%s: episodes %q, %q, %q", f, problem.Episode, again.Episode, over.Episode)
		}
		if s.next != nil {
			if next := read("next", *s.next); (next.Key == problem.Key) == s.apart || next.Episode == problem.Episode || next.Episode == "" {
				t.Errorf("%s: the next one is %q of %q", f, next.Episode, next.Key)
			}
		}
		for _, whole := range []Body{s.problem, s.again, s.other} {
			for n := range whole.Data {
				part := whole
				part.Data = whole.Data[:n]
				rs, err := Parse(f, s.mapping, part, berlin)
				if err == nil && slices.ContainsFunc(rs, func(r Report) bool { return r.State != "firing" }) && len(whole.Path) == 0 {
					t.Errorf("%s: half a problem is its end: %q", f, part.Data)
					break
				}
			}
		}
	}
}

// Every exports the table to the tests of the room.
func Every(f Format) (problem, again, over, other Body, next *Body, apart bool, m Mapping) {
	s := every[f]
	return s.problem, s.again, s.over, s.other, s.next, s.apart, s.mapping
}

// A clock that may mean two moments means none: what is put in order by a wrong one
// would pass for old, and wake nobody (I20).
func TestI20_DoubtfulClocksTellNothing(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for said, want := range map[string]string{
		"26.11.2026 13:12:33":       "2026-11-26T12:12:33Z",
		"2026.11.26 13:00:33":       "2026-11-26T12:00:33Z",
		"2026-11-26 13:12:33 +0100": "2026-11-26T12:12:33Z",
		"11/26/2026 1:12:33 PM":     "2026-11-26T12:12:33Z",
		"11/11/2026 13:12:33":       "2026-11-11T12:12:33Z",
		"05/11/2026 13:12:33":       "", // in May, or in November?
		"5/11/2026 1:12:33 PM":      "",
		"26/11/2026 13:12:33":       "",
		"25.10.2026 01:59:59":       "2026-10-24T23:59:59Z",
		"25.10.2026 02:10:00":       "", // in summer time, or an hour later?
		"2026-10-25 02:59:59":       "",
		"2026-10-25 02:10:00 +0100": "2026-10-25T01:10:00Z",
		"2026-10-25T02:10:00+02:00": "2026-10-25T00:10:00Z",
		"25.10.2026 03:00:00":       "2026-10-25T02:00:00Z",
		"29.03.2026 03:10:00":       "2026-03-29T01:10:00Z",
		"01.01.1970 00:00:00":       "",
		"gestern":                   "",
	} {
		got := ""
		if m := moment(said, berlin); !m.IsZero() {
			got = m.Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", said, got, want)
		}
	}
}

// The beginning that an alert names is its occurrence, whenever that was, and also
// where it is no moment; only the zero time of Go is none.
func TestAlertsAreToldApartByTheirBeginning(t *testing.T) {
	for began, want := range map[string]string{
		"1999-12-31T23:59:59Z":      "1999-12-31T23:59:59Z",
		"1970-01-01T00:00:00Z":      "1970-01-01T00:00:00Z",
		"2345-01-01T00:00:00+01:00": "2344-12-31T23:00:00Z",
		"2026-11-26 13:00":          "2026-11-26 13:00",
		"0001-01-01T00:00:00Z":      "",
		"":                          "",
	} {
		rs, err := Parse(Alerts, Mapping{}, jsonBody(`[{"labels":{"alertname":"A"},"startsAt":"`+began+`","endsAt":"1999-01-01T00:00:00Z"}]`), nil)
		if err != nil {
			t.Fatal(err)
		}
		rs[0].over(time.Date(2026, 11, 26, 13, 0, 0, 0, time.UTC))
		if rs[0].Episode != want || rs[0].State != "resolved" {
			t.Errorf("%q: %+v", began, rs[0])
		}
	}
	// Two alerts whose labels read alike when they are strung together are two.
	rs, err := Parse(Alerts, Mapping{}, jsonBody(`[{"labels":{"a":"1,b=2"}},{"labels":{"a":"1","b":"2"}}]`), nil)
	if err != nil || rs[0].Key == rs[1].Key || rs[1].Key != "a=1,b=2" {
		t.Errorf("%+v, %v", rs, err)
	}
	// The first organisation of Grafana has always gone without its number.
	rs, err = Parse(Grafana, Mapping{}, jsonBody(`{"orgId":1,"alerts":[{"status":"firing","fingerprint":"ff"}]}`), nil)
	if err != nil || rs[0].Key != "ff" {
		t.Errorf("%+v, %v", rs, err)
	}
}

// What tells that somebody has set the other system up is no outage.
func TestSentryInstallationIsNoOutage(t *testing.T) {
	rs, err := Parse(Sentry, Mapping{}, Body{Event: "installation", Data: []byte(`{"action":"created","data":{"installation":{"status":"installed"}}}`)}, nil)
	if err != nil || len(rs) != 1 || !rs[0].Note {
		t.Errorf("%+v, %v", rs, err)
	}
}
