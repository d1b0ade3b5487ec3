package intake

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"

	"tuermer/internal/notice/signal"
)

// jsonNumber is the first number that is not zero, as text.
func jsonNumber(n ...int) string {
	for _, x := range n {
		if x != 0 {
			return strconv.Itoa(x)
		}
	}
	return ""
}

// pingKey is the form of a project's key at Healthchecks. A check of the project is
// named behind it, where another address has the word for what happened.
var pingKey = regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`)

// pingName is a check that is named by its project's key and its slug, and is no word.
func pingName(path []string) bool {
	if len(path) < 2 || !pingKey.MatchString(path[0]) {
		return false
	}
	_, err := strconv.Atoi(path[1])
	return err != nil && !slices.Contains([]string{"", "start", "fail", "log"}, path[1])
}

// parseHealthchecks reads pings as Healthchecks knows them
// (https://healthchecks.io/docs/http_api/): /{check} or /{ping key}/{slug}, and behind
// it /start, /fail, /log or an exit code. That a ping is missing is for a heartbeat of
// package monitor to find.
func parseHealthchecks(b Body, _ Zone) ([]Report, error) {
	if len(b.Path) == 0 || b.Path[0] == "" {
		return nil, ErrKeyless
	}
	check, title, rest := b.Path[0], b.Path[0], b.Path[1:]
	if pingName(b.Path) {
		check, title, rest = join("/", b.Path[0], b.Path[1]), b.Path[1], b.Path[2:]
	}
	r := Report{Key: "check " + check, Title: title, Detail: text(b.Data), State: signal.Resolved, Severity: signal.Critical}
	what := ""
	if len(rest) > 0 {
		what = rest[0]
	}
	switch what {
	case "":
	case "start", "log":
		r.Note = true
	case "fail":
		r.State = signal.Firing
	default:
		code, err := strconv.Atoi(what)
		if err != nil || code < 0 || code > 255 {
			return nil, ErrForm
		}
		if code != 0 {
			r.State = signal.Firing
		}
	}
	return []Report{r}, nil
}

// parseSentry reads Sentry's integration webhooks
// (https://docs.sentry.io/organization/integrations/integration-platform/webhooks/).
func parseSentry(b Body, _ Zone) ([]Report, error) {
	var s struct {
		Action string `json:"action"`
		Data   struct {
			Event struct {
				Issue string `json:"issue_id"`
				Title string `json:"title"`
				URL   string `json:"web_url"`
				Level string `json:"level"`
			} `json:"event"`
			Rule  string `json:"triggered_rule"`
			Issue struct {
				ID      json.Number `json:"id"`
				Title   string      `json:"title"`
				URL     string      `json:"web_url"`
				Link    string      `json:"permalink"`
				Level   string      `json:"level"`
				Culprit string      `json:"culprit"`
			} `json:"issue"`
			Alert struct {
				ID   json.Number `json:"id"`
				Rule struct {
					Name string `json:"name"`
				} `json:"alert_rule"`
			} `json:"metric_alert"`
			Title  string `json:"description_title"`
			Text   string `json:"description_text"`
			WebURL string `json:"web_url"`
		} `json:"data"`
	}
	if len(b.Data) == 0 {
		return nil, ErrEmpty
	}
	if err := json.Unmarshal(b.Data, &s); err != nil {
		return nil, ErrForm
	}
	d := s.Data
	r := Report{State: signal.Firing}
	if b.Event == "installation" { // sent once, when somebody sets it up there
		return []Report{{Key: "installation", Title: "Sentry: installation " + s.Action, State: signal.Firing, Severity: signal.Info, Note: true}}, nil
	}
	switch {
	case d.Event.Issue != "":
		r.Key, r.Title, r.Detail, r.Link, r.Severity = "issue "+d.Event.Issue, d.Event.Title, d.Rule, d.Event.URL, sentryLevel(d.Event.Level)
	case d.Alert.ID != "":
		r.Key, r.Title, r.Detail, r.Link, r.Severity = "metric "+d.Alert.ID.String(), first(d.Title, d.Alert.Rule.Name), d.Text, d.WebURL, severityOf(s.Action)
	case d.Issue.ID != "":
		r.Key, r.Title, r.Detail, r.Link, r.Severity = "issue "+d.Issue.ID.String(), d.Issue.Title, d.Issue.Culprit, first(d.Issue.URL, d.Issue.Link), sentryLevel(d.Issue.Level)
	default:
		return nil, ErrKeyless
	}
	switch s.Action {
	case "resolved", "archived", "ignored":
		r.State = signal.Resolved
	case "assigned":
		r.Note = true
	}
	return []Report{r}, nil
}

// sentryLevel reads the level of an event; an issue is no outage.
func sentryLevel(level string) signal.Severity {
	switch level {
	case "fatal":
		return signal.Critical
	case "info", "debug":
		return signal.Info
	}
	return signal.Warning
}

// parsePagerDuty reads events as PagerDuty's Events API v2 takes them
// (https://developer.pagerduty.com/docs/events-api-v2/overview/).
func parsePagerDuty(b Body, in Zone) ([]Report, error) {
	var e struct {
		Action  string `json:"event_action"`
		Dedup   string `json:"dedup_key"`
		Payload struct {
			Summary   string `json:"summary"`
			Source    string `json:"source"`
			Severity  string `json:"severity"`
			Timestamp string `json:"timestamp"`
			Component string `json:"component"`
			Group     string `json:"group"`
		} `json:"payload"`
		URL string `json:"client_url"`
	}
	if len(b.Data) == 0 {
		return nil, ErrEmpty
	}
	if err := json.Unmarshal(b.Data, &e); err != nil || e.Action == "" {
		return nil, ErrForm
	}
	p := e.Payload
	r := Report{
		Key: first(e.Dedup, join(" · ", p.Source, p.Component, p.Summary)), State: signal.Firing, Severity: severityOf(p.Severity),
		Title: p.Summary, Detail: join(" · ", p.Component, p.Group), Since: moment(p.Timestamp, in), Host: p.Source, Site: p.Group, Link: e.URL,
	}
	switch e.Action {
	case "trigger":
	case "resolve":
		r.State = signal.Resolved
	case "acknowledge":
		r.Note = true
	default:
		return nil, ErrForm
	}
	return []Report{r}, nil
}
