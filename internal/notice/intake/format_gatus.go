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
	gatusForm = regexp.MustCompile(`(^|&)(state|group|name|url|description|conditions|errors)=`)
	gatusJSON = regexp.MustCompile(`"([a-z_]+)"\s*:\s*"`)
)

func gatusFields(s string) map[string]string {
	out := map[string]string{}
	if strings.HasPrefix(strings.TrimSpace(s), "{") {
		marks := gatusJSON.FindAllStringSubmatchIndex(s, maxFields)
		for i, m := range marks {
			end := len(s)
			if i+1 < len(marks) {
				end = marks[i+1][0]
			}
			value := strings.TrimRight(s[m[1]:end], " \t\r\n},")
			out[s[m[2]:m[3]]] = strings.ReplaceAll(strings.TrimSuffix(value, `"`), `\"`, `"`)
		}
		return out
	}
	marks := gatusForm.FindAllStringSubmatchIndex(s, maxFields)
	for i, m := range marks {
		end := len(s)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		if name := s[m[4]:m[5]]; out[name] == "" {
			out[name] = prtgValue(s[m[1]:end])
		}
	}
	return out
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
	raw := text(b.Data)
	if strings.TrimSpace(raw) == "" {
		return nil, ErrEmpty
	}
	f := gatusFields(raw)
	name := first(f["name"], f["endpoint_name"], f["endpoint"])
	state := strings.ToUpper(first(f["state"], f["status"], f["alert_triggered_or_resolved"]))
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
	if strings.Contains(state, "RESOLVED") {
		r.State = signal.Resolved
	}
	return []Report{r}, nil
}
