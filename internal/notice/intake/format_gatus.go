package intake

import (
	"regexp"
	"strings"

	"tuermer/internal/notice/signal"
)

// Gatus' custom alert posts what its operator wrote, with placeholders in it
// (https://github.com/TwiN/gatus#configuring-custom-alerts). It escapes nothing
// but quotation marks in errors, so a JSON body may be no JSON. We ask for a
// form whose last field is free, and read what resembles JSON leniently.

// GatusTemplate is the body for Gatus' custom alert.
const GatusTemplate = "state=[ALERT_TRIGGERED_OR_RESOLVED]&group=[ENDPOINT_GROUP]&name=[ENDPOINT_NAME]&url=[ENDPOINT_URL]&description=[ALERT_DESCRIPTION]&errors=[RESULT_ERRORS]"

var (
	gatusForm = regexp.MustCompile(`(?:^|&)(state|group|name|url|description|conditions|errors)=`)
	gatusJSON = regexp.MustCompile(`"([a-z_]+)"\s*:\s*"`)
)

// gatusFields are the fields of a body, and whether it says twice how it stands, and
// not the same. Of a name that comes twice the first counts. Where errors come behind
// state and name, as in our form, all that follows is of the errors.
func gatusFields(s string) (out map[string]string, doubt bool) {
	out = map[string]string{}
	if strings.HasPrefix(strings.TrimSpace(s), "{") {
		for _, m := range marked(s, gatusJSON, func(name string) string { return name }, nil) {
			value := strings.TrimRight(m.value, " \t\r\n},")
			value = strings.ReplaceAll(strings.TrimSuffix(value, `"`), `\"`, `"`)
			if !m.again {
				out[m.name] = value
			} else if gatusState(map[string]string{m.name: value}) != "" {
				doubt = doubt || !gatusOver(value)
			}
		}
		return out, doubt
	}
	behind := func(name string, seen map[string]bool) bool { return name == "errors" && seen["state"] && seen["name"] }
	for _, m := range marked(s, gatusForm, func(name string) string { return name }, behind) {
		if !m.again {
			out[m.name] = prtgValue(m.value)
		} else if m.name == "state" {
			doubt = doubt || !gatusOver(m.value)
		}
	}
	return out, doubt
}

// gatusState is how it stands as the body says it.
func gatusState(f map[string]string) string {
	return first(f["state"], f["status"], f["alert_triggered_or_resolved"])
}

// gatusOver tells whether that is over.
func gatusOver(state string) bool {
	word, _, _ := strings.Cut(state, "&")
	word, _, _ = strings.Cut(word, `"`)
	return strings.Contains(strings.ToUpper(word), "RESOLVED")
}

// gatusPush reads what a script says of an external endpoint of Gatus
// (https://github.com/TwiN/gatus#external-endpoints):
// /api/v1/endpoints/{group}_{name}/external?success=false&error=timeout, as a script calls it.
func gatusPush(b Body) ([]Report, error) {
	key, said := b.Path[3], b.Query.Get("success")
	if said == "" {
		return nil, ErrForm
	}
	group, name, _ := strings.Cut(key, "_")
	r := Report{Key: key, State: signal.Firing, Severity: signal.Critical, Title: join(" · ", group, name), Detail: b.Query.Get("error"), Site: group}
	if said == "true" {
		r.State = signal.Resolved
	}
	return []Report{r}, nil
}

func parseGatus(b Body, _ Zone) ([]Report, error) {
	if p := b.Path; len(p) == 5 && p[0] == "api" && p[1] == "v1" && p[2] == "endpoints" && p[4] == "external" {
		return gatusPush(b)
	}
	raw := strings.TrimSpace(text(b.Data))
	if raw == "" {
		return nil, ErrEmpty
	}
	f, doubt := gatusFields(raw)
	name := first(f["name"], f["endpoint_name"], f["endpoint"])
	state := gatusState(f)
	if name == "" {
		return nil, ErrKeyless
	}
	if state == "" {
		return nil, ErrForm
	}
	r := Report{
		Key: join("_", first(f["group"], f["endpoint_group"]), name), State: signal.Firing, Severity: signal.Critical,
		Title: join(" · ", first(f["group"], f["endpoint_group"]), name), Detail: join(" – ", first(f["description"], f["alert_description"]), first(f["errors"], f["result_errors"]), first(f["conditions"], f["result_conditions"])),
		Site: first(f["group"], f["endpoint_group"]), Link: first(f["url"], f["endpoint_url"]),
	}
	if gatusOver(state) && !doubt {
		r.State = signal.Resolved
	}
	return []Report{r}, nil
}
