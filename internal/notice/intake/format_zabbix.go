package intake

import (
	"strconv"

	"tuermer/internal/notice/signal"
)

// Zabbix's webhook media type runs a script with parameters made of macros
// (https://www.zabbix.com/documentation/current/en/manual/config/notifications/media/webhook).
// Ours posts them as one flat JSON object; see [ZabbixMedia].

func parseZabbix(b Body, in Zone) ([]Report, error) {
	f, err := fields(b)
	if err != nil {
		return nil, err
	}
	get := func(names ...string) string {
		for _, n := range names {
			// A macro that Zabbix could not resolve stays as it was written.
			if v := f[n]; v != "" && v != "*UNKNOWN*" && (v[0] != '{' || v[len(v)-1] != '}') {
				return v
			}
		}
		return ""
	}
	// In the message of a recovery {EVENT.ID} is the problem that is over; the
	// recovery's own is {EVENT.RECOVERY.ID}.
	id, trigger := get("event_id", "eventid"), get("trigger_id", "triggerid")
	when := first(get("event_date_time"), join(" ", get("event_date"), get("event_time")))
	value := get("event_value", "value")
	r := Report{
		State: signal.Firing, Severity: zabbixSeverity(get("event_nseverity", "nseverity"), get("event_severity", "severity")),
		Title:  first(get("event_name"), get("alert_subject"), get("subject")),
		Detail: join(" – ", get("event_opdata", "opdata"), get("alert_message", "message")),
		Host:   get("host_name", "host", "host_ip"), Link: get("trigger_url", "url"), Since: moment(when, in),
	}
	switch { // a trigger may have many problems open at once, each with an end of its own
	case id != "":
		r.Key, r.Episode = "event "+id, id
		if trigger != "" {
			r.former = "trigger " + trigger
		}
	case trigger != "":
		r.Key = "trigger " + trigger
	default:
		return nil, ErrKeyless
	}
	if value == "0" {
		r.State = signal.Resolved
	}
	// An update tells of an acknowledgement or a comment, not of a new problem.
	r.Note = get("event_update_status", "update_status") == "1" && value != "0"
	return []Report{r}, nil
}

// zabbixSeverity reads 0 (not classified) to 5 (disaster), else the word.
func zabbixSeverity(number, word string) signal.Severity {
	n, err := strconv.Atoi(number)
	switch {
	case err != nil:
		return severityOf(first(word, "high"))
	case n <= 1:
		return signal.Info
	case n <= 3:
		return signal.Warning
	}
	return signal.Critical
}
