package intake

import (
	"encoding/json"
	"sort"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/notice/signal"
)

// Alertmanager's webhook, version 4
// (https://prometheus.io/docs/alerting/latest/configuration/#webhook_config),
// what Prometheus itself posts to /api/v2/alerts, and Grafana's webhook, which
// has the first one's shape. Each alert of a group is one report: the group
// stays firing while one of its alerts has recovered.

type promAlert struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    string            `json:"startsAt"`
	EndsAt      string            `json:"endsAt"`
	Generator   string            `json:"generatorURL"`
	Fingerprint string            `json:"fingerprint"`
	Dashboard   string            `json:"dashboardURL"`
	Panel       string            `json:"panelURL"`
	Values      string            `json:"valueString"`
}

type promGroup struct {
	Version   string            `json:"version"`
	GroupKey  string            `json:"groupKey"`
	Truncated int               `json:"truncatedAlerts"`
	Status    string            `json:"status"`
	Receiver  string            `json:"receiver"`
	Labels    map[string]string `json:"groupLabels"`
	External  string            `json:"externalURL"`
	Alerts    []promAlert       `json:"alerts"`
	// Grafana's own.
	OrgID int    `json:"orgId"`
	Title string `json:"title"`
	State string `json:"state"`
}

// goTime reads RFC 3339 as Go writes it; the zero time of Go means "not yet".
func goTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(s))
	if err != nil || t.IsZero() {
		return time.Time{}, err
	}
	return t.UTC(), nil
}

// labelKey names an alert by all its labels, as Prometheus does. What could be taken
// for two labels is quoted.
func labelKey(labels map[string]string) string {
	names := make([]string, 0, len(labels))
	for n := range labels {
		names = append(names, n)
	}
	sort.Strings(names)
	var parts []string
	for _, n := range names {
		v := labels[n]
		if strings.ContainsAny(v, `,="`) {
			v = strconv.Quote(v)
		}
		parts = append(parts, n+"="+v)
	}
	return strings.Join(parts, ",")
}

func (a promAlert) report(resolved bool) Report {
	r := Report{
		Key: first(a.Fingerprint, labelKey(a.Labels)), State: signal.Firing, Severity: severityOf(first(a.Labels["severity"], "critical")),
		Title:  first(a.Annotations["summary"], a.Annotations["title"], join(" · ", a.Labels["alertname"], a.Labels["instance"])),
		Detail: first(a.Annotations["description"], a.Annotations["message"], a.Values),
		Host:   first(a.Labels["instance"], a.Labels["host"], a.Labels["node"]), Site: first(a.Labels["site"], a.Labels["datacenter"], a.Labels["job"]),
		Link: first(a.Panel, a.Dashboard, a.Generator),
	}
	if t, err := goTime(a.StartsAt); err != nil {
		r.Episode = a.StartsAt // a beginning that is no moment still tells one from another
	} else if !t.IsZero() {
		r.Since, r.Episode = t, t.Format(time.RFC3339Nano)
	}
	if resolved {
		r.State = signal.Resolved
	}
	return r
}

func parseGroup(b Body) (promGroup, error) {
	var g promGroup
	if len(b.Data) == 0 {
		return g, ErrEmpty
	}
	if err := json.Unmarshal(b.Data, &g); err != nil || len(g.Alerts) == 0 && g.Truncated == 0 {
		return g, ErrForm
	}
	return g, nil
}

// reports are those of the alerts, and one of the group where it was too long
// to be sent whole: what was cut off may be worse than what was not.
func (g promGroup) reports(of func(promAlert) Report) []Report {
	var out []Report
	for _, a := range g.Alerts {
		out = append(out, of(a))
	}
	if g.Truncated > 0 {
		state := signal.Firing
		if g.Status == "resolved" {
			state = signal.Resolved
		}
		out = append(out, Report{
			Key: "group " + first(g.GroupKey, labelKey(g.Labels), g.Receiver), State: state, Severity: signal.Critical,
			Title: join(" · ", labelKey(g.Labels), g.Receiver), Detail: "truncatedAlerts", Link: g.External,
		})
	}
	return out
}

func parseAlertmanager(b Body, _ Zone) ([]Report, error) {
	g, err := parseGroup(b)
	if err != nil {
		return nil, err
	}
	return g.reports(func(a promAlert) Report { return a.report(a.Status == "resolved") }), nil
}

func parseGrafana(b Body, _ Zone) ([]Report, error) {
	g, err := parseGroup(b)
	if err != nil {
		return nil, err
	}
	return g.reports(func(a promAlert) Report {
		r := a.report(a.Status == "resolved" || a.Status == "ok")
		if g.OrgID > 1 { // the first one is everybody's, and has always gone without
			r.Key = "org " + strconv.Itoa(g.OrgID) + " " + r.Key
		}
		switch a.Labels["alertname"] {
		case "DatasourceNoData", "DatasourceError": // it does not know itself
			r.Severity = signal.Warning
		}
		return r
	}), nil
}

// parseAlerts reads what Prometheus, vmalert and Loki post to an Alertmanager:
// a list of alerts without status, of which those whose end lies in the past
// have recovered. Whether it does is for the receiver's clock; an end that is
// set by a firing alert is that of its next report and lies ahead.
func parseAlerts(b Body, _ Zone) ([]Report, error) {
	if len(b.Data) == 0 {
		return nil, ErrEmpty
	}
	var alerts []promAlert
	if err := json.Unmarshal(b.Data, &alerts); err != nil || len(alerts) == 0 {
		return nil, ErrForm
	}
	var out []Report
	for _, a := range alerts {
		r := a.report(false)
		r.ends, _ = goTime(a.EndsAt) // an end that is no moment is none
		out = append(out, r)
	}
	return out, nil
}
