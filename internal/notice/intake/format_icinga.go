package intake

import (
	"strings"

	"tuermer/internal/notice/signal"
)

// Icinga 2's NotificationCommand and Checkmk's notification script speak of
// hosts and services in the words of Nagios. Ours post a form; the names of the
// fields are those of Icinga's macros with underscores, and Checkmk's without
// NOTIFY_. Zammad's form for Checkmk (event_id, host, service, state, text) is
// read too.

// nagiosState reads the state of a host or service.
func nagiosState(state string) (signal.State, signal.Severity, bool) {
	switch strings.ToUpper(strings.TrimSpace(state)) {
	case "OK", "UP":
		return signal.Resolved, signal.Critical, true
	case "WARNING", "WARN":
		return signal.Firing, signal.Warning, true
	case "UNKNOWN", "UNKN":
		return signal.Firing, signal.Warning, true
	case "CRITICAL", "CRIT", "DOWN", "UNREACHABLE", "UNREACH":
		return signal.Firing, signal.Critical, true
	}
	return signal.Firing, signal.Critical, false
}

// nagiosNote tells of the types of notification that are no news of a state.
func nagiosNote(kind string) bool {
	kind = strings.ToUpper(kind)
	for _, p := range []string{"ACKNOWLEDGEMENT", "DOWNTIME", "CUSTOM", "FLAPPING"} {
		if strings.HasPrefix(kind, p) {
			return true
		}
	}
	return false
}

func nagios(kind, host, service, state, output, link string) (Report, error) {
	if host == "" {
		return Report{}, ErrKeyless
	}
	if kind == "" && state == "" {
		return Report{}, ErrForm
	}
	r := Report{
		Key: join("!", host, service), Host: host, Detail: output, Link: link,
		Title: join(": ", join(" · ", host, service), state),
	}
	r.State, r.Severity, _ = nagiosState(state)
	switch kind = strings.ToUpper(kind); {
	case strings.HasPrefix(kind, "RECOVERY"):
		r.State = signal.Resolved
	case strings.HasPrefix(kind, "PROBLEM") && r.State == signal.Resolved:
		// The state is that of something else, as when a service's own is missing.
		r.State, r.Severity = signal.Firing, signal.Critical
	}
	r.Note = nagiosNote(kind)
	return r, nil
}

func parseIcinga(b Body, in Zone) ([]Report, error) {
	f, err := fields(b)
	if err != nil {
		return nil, err
	}
	get := func(name string) string {
		return first(f[name], f[strings.ReplaceAll(name, "_", ".")], f[strings.ReplaceAll(name, "_", "")])
	}
	r, err := nagios(first(get("notification_type"), f["type"]), first(get("host_name"), f["host"]), first(get("service_name"), f["service"]),
		first(get("service_state"), get("host_state"), f["state"]), first(get("service_output"), get("host_output"), f["output"]), first(f["url"], f["link"]))
	if err != nil {
		return nil, err
	}
	if name := first(get("host_display_name"), get("service_display_name")); name != "" {
		r.Title = join(": ", join(" · ", first(get("host_display_name"), r.Host), first(get("service_display_name"), get("service_name"))), first(get("service_state"), get("host_state")))
	}
	r.Since = moment(first(get("icinga_long_date_time"), f["date"]), in)
	r.Detail = join(" – ", r.Detail, join(": ", get("notification_author"), get("notification_comment")))
	return []Report{r}, nil
}

// problemID is the number of a problem. The recovery bears zero or the same; zero
// means the one at hand.
func problemID(id string) string {
	if id == "0" {
		return ""
	}
	return id
}

func parseCheckmk(b Body, in Zone) ([]Report, error) {
	f, err := fields(b)
	if err != nil {
		return nil, err
	}
	get := func(name string) string { return first(f["notify_"+name], f[name]) }
	if get("hostname") == "" { // Zammad's form
		r, err := nagios("", f["host"], f["service"], f["state"], f["text"], "")
		r.Episode = problemID(f["event_id"])
		return []Report{r}, err
	}
	r, err := nagios(get("notificationtype"), get("hostname"), get("servicedesc"), first(get("servicestate"), get("hoststate")),
		join(" – ", first(get("serviceoutput"), get("hostoutput")), first(get("longserviceoutput"), get("longhostoutput")), get("notificationcomment")), first(get("serviceurl"), get("hosturl")))
	if err != nil {
		return nil, err
	}
	if alias := get("hostalias"); alias != "" {
		r.Title = join(": ", join(" · ", alias, get("servicedesc")), first(get("servicestate"), get("hoststate")))
	}
	r.Episode = problemID(get("hostproblemid"))
	if get("servicedesc") != "" {
		r.Episode = problemID(get("serviceproblemid"))
	}
	r.Since = moment(first(get("longdatetime"), get("shortdatetime")), in)
	return []Report{r}, nil
}
