package intake

import "strings"

// paste is what to enter on the other side; Where is the key of the sentence
// that says at which place.
type paste struct {
	Where string
	Text  string
}

// howTo is what the operator pastes into the other system, with the address in
// it.
func howTo(f Format, url string) []paste {
	at := strings.NewReplacer("{URL}", url, "{BASE}", strings.TrimSuffix(url, "/"+string(f)))
	text := map[Format][]paste{
		PRTG: {{"prtg_url", "{URL}"}, {"prtg_body", PRTGTemplate}},
		Alertmanager: {{"alertmanager", `receivers:
  - name: tuermer
    webhook_configs:
      - url: "{URL}"
        send_resolved: true
`}},
		Alerts: {{"alerts", `alerting:
  alertmanagers:
    - scheme: https
      path_prefix: "PATH"
      static_configs:
        - targets: ["HOST"]
`}},
		Grafana: {{"grafana", "{URL}"}},
		Kuma:    {{"kuma", "{URL}"}},
		Gatus: {{"gatus", `alerting:
  custom:
    url: "{URL}"
    method: "POST"
    headers:
      Content-Type: application/x-www-form-urlencoded
    body: "` + GatusTemplate + `"
    default-alert:
      send-on-resolved: true
`}},
		Zabbix: {{"zabbix", zabbixMedia}},
		Icinga: {{"icinga", icingaCommand}},
		Checkmk: {{"checkmk", `#!/bin/sh
# Tuermer
# Meldet jede Benachrichtigung; liegt unter local/share/check_mk/notifications/tuermer
exec curl --silent --show-error --fail --max-time 20 --retry 3 \
  --data-urlencode "NOTIFY_WHAT=$NOTIFY_WHAT" \
  --data-urlencode "NOTIFY_NOTIFICATIONTYPE=$NOTIFY_NOTIFICATIONTYPE" \
  --data-urlencode "NOTIFY_HOSTNAME=$NOTIFY_HOSTNAME" \
  --data-urlencode "NOTIFY_HOSTALIAS=$NOTIFY_HOSTALIAS" \
  --data-urlencode "NOTIFY_HOSTSTATE=$NOTIFY_HOSTSTATE" \
  --data-urlencode "NOTIFY_HOSTOUTPUT=$NOTIFY_HOSTOUTPUT" \
  --data-urlencode "NOTIFY_HOSTPROBLEMID=$NOTIFY_HOSTPROBLEMID" \
  --data-urlencode "NOTIFY_SERVICEDESC=$NOTIFY_SERVICEDESC" \
  --data-urlencode "NOTIFY_SERVICESTATE=$NOTIFY_SERVICESTATE" \
  --data-urlencode "NOTIFY_SERVICEOUTPUT=$NOTIFY_SERVICEOUTPUT" \
  --data-urlencode "NOTIFY_SERVICEPROBLEMID=$NOTIFY_SERVICEPROBLEMID" \
  --data-urlencode "NOTIFY_NOTIFICATIONCOMMENT=$NOTIFY_NOTIFICATIONCOMMENT" \
  '{URL}'
`}},
		Healthchecks: {{"healthchecks", "{BASE}/healthchecks/NAME\n{BASE}/healthchecks/NAME/start\n{BASE}/healthchecks/NAME/fail\n{BASE}/healthchecks/NAME/$?"}},
		Sentry:       {{"sentry", "{URL}"}},
		PagerDuty:    {{"pagerduty", "{URL}"}},
		Mail:         {{"mail", "{URL}"}},
		Generic: {{"generic", `curl --fail --json '{"key":"usv-keller","state":"down","title":"USV im Keller läuft auf Batterie"}' '{URL}'
curl --fail --json '{"key":"usv-keller","state":"ok","title":"USV im Keller hat wieder Netz"}' '{URL}'`}},
	}[f]
	out := make([]paste, len(text))
	for i, p := range text {
		p.Text = at.Replace(p.Text)
		if f == Alerts {
			scheme, rest, _ := strings.Cut(url, "://")
			host, path, _ := strings.Cut(rest, "/")
			p.Text = strings.NewReplacer("https", scheme, "PATH", "/"+path, "HOST", host).Replace(p.Text)
		}
		out[i] = p
	}
	return out
}

// zabbixMedia is a media type to import under Alerts, Media types.
const zabbixMedia = `zabbix_export:
  version: '6.0'
  media_types:
    - name: Tuermer
      type: WEBHOOK
      parameters:
        - {name: event_id, value: '{EVENT.ID}'}
        - {name: event_value, value: '{EVENT.VALUE}'}
        - {name: event_update_status, value: '{EVENT.UPDATE.STATUS}'}
        - {name: event_name, value: '{EVENT.NAME}'}
        - {name: event_nseverity, value: '{EVENT.NSEVERITY}'}
        - {name: event_opdata, value: '{EVENT.OPDATA}'}
        - {name: trigger_id, value: '{TRIGGER.ID}'}
        - {name: trigger_url, value: '{TRIGGER.URL}'}
        - {name: host_name, value: '{HOST.NAME}'}
        - {name: host_ip, value: '{HOST.IP}'}
        - {name: alert_subject, value: '{ALERT.SUBJECT}'}
        - {name: alert_message, value: '{ALERT.MESSAGE}'}
        - {name: tuermer, value: '{URL}'}
      script: |
        var p = JSON.parse(value), to = p.tuermer, r = new HttpRequest();
        delete p.tuermer;
        r.addHeader('Content-Type: application/json');
        r.post(to, JSON.stringify(p));
        if (r.getStatus() !== 200) { throw 'Tuermer: ' + r.getStatus(); }
        return 'OK';
`

// icingaCommand is a command and its use for notifications, for Icinga 2.
const icingaCommand = `object NotificationCommand "tuermer" {
  command = [ "/usr/bin/curl", "--silent", "--fail", "--max-time", "20", "--retry", "3" ]
  arguments = {
    "type" = { key = "--data-urlencode", value = "notification_type=$notification.type$", order = 1, repeat_key = true }
    "host" = { key = "--data-urlencode", value = "host_name=$host.name$", order = 2 }
    "shown" = { key = "--data-urlencode", value = "host_display_name=$host.display_name$", order = 3 }
    "hstate" = { key = "--data-urlencode", value = "host_state=$host.state$", order = 4 }
    "hout" = { key = "--data-urlencode", value = "host_output=$host.output$", order = 5 }
    "service" = { key = "--data-urlencode", value = "service_name=$service.name$", order = 6, set_if = "$service.name$" }
    "sstate" = { key = "--data-urlencode", value = "service_state=$service.state$", order = 7, set_if = "$service.name$" }
    "sout" = { key = "--data-urlencode", value = "service_output=$service.output$", order = 8, set_if = "$service.name$" }
    "url" = { value = "{URL}", skip_key = true, order = 9 }
  }
}
`
