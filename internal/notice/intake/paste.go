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
		Kuma:    {{"kuma", "{URL}"}, {"kuma_push", "{URL}/api/push/NAME?status=up&msg=OK&ping="}},
		Gatus: {{"gatus", `alerting:
  custom:
    url: "{URL}"
    method: "POST"
    headers:
      Content-Type: application/x-www-form-urlencoded
    body: "` + GatusTemplate + `"
    default-alert:
      send-on-resolved: true
`}, {"gatus_push", "{URL}/api/v1/endpoints/GRUPPE_NAME/external?success=false&error="}},
		Zabbix:       {{"zabbix", zabbixMedia}},
		Icinga:       {{"icinga", icingaCommand}},
		Checkmk:      {{"checkmk", checkmkScript}},
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

// zabbixMedia is a media type to import under Alerts, Media types. Without templates
// of messages Zabbix would send nothing, and with process_tags the script answers a
// tag, by which the event's menu there leads here.
const zabbixMedia = `zabbix_export:
  version: '6.0'
  media_types:
    - name: Tuermer
      type: WEBHOOK
      attempts: '10'
      attempt_interval: 30s
      parameters:
        - {name: event_source, value: '{EVENT.SOURCE}'}
        - {name: event_id, value: '{EVENT.ID}'}
        - {name: event_value, value: '{EVENT.VALUE}'}
        - {name: event_update_status, value: '{EVENT.UPDATE.STATUS}'}
        - {name: event_update_action, value: '{EVENT.UPDATE.ACTION}'}
        - {name: event_date_time, value: '{EVENT.DATE} {EVENT.TIME}'}
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
        return JSON.stringify({tags: {__tuermer: to.split('/in/')[0]}});
      timeout: 20s
      process_tags: 'YES'
      show_event_menu: 'YES'
      event_menu_name: Türmer
      event_menu_url: '{EVENT.TAGS.__tuermer}'
      message_templates:
        - {event_source: TRIGGERS, operation_mode: PROBLEM, subject: '{EVENT.NAME}', message: '{TRIGGER.DESCRIPTION}'}
        - {event_source: TRIGGERS, operation_mode: RECOVERY, subject: '{EVENT.NAME}', message: '{EVENT.DURATION}'}
        - {event_source: TRIGGERS, operation_mode: UPDATE, subject: '{EVENT.NAME}', message: '{USER.FULLNAME}: {EVENT.UPDATE.MESSAGE}'}
`

// checkmkScript keeps what we do not take in a folder of the site, and brings it with
// the next word, in the order in which it happened: Checkmk itself tries once. What an
// address refuses for good stays there, and does not stand in the way of the rest.
const checkmkScript = `#!/bin/sh
# Tuermer
# Ausfuehrbar nach local/share/check_mk/notifications/tuermer legen. Was Tuermer
# gerade nicht annimmt, wartet in var/tuermer und geht mit der naechsten Meldung mit.
umask 077
spool="${OMD_ROOT:-$HOME}/var/tuermer"
mkdir -p "$spool" || exit 2
mine="$spool/$(date +%s%N).$$"
for name in WHAT NOTIFICATIONTYPE NOTIFICATIONNUMBER NOTIFICATIONCOMMENT LONGDATETIME HOSTNAME HOSTALIAS HOSTADDRESS \
  HOSTSTATE LASTHOSTSTATE HOSTOUTPUT HOSTPROBLEMID HOSTURL SERVICEDESC SERVICESTATE SERVICEOUTPUT LONGSERVICEOUTPUT \
  SERVICEPROBLEMID SERVICEURL; do
  eval "value=\${NOTIFY_$name-}"
  value=$(printf '%s' "$value" | tr '\r\n\t' '   ' | sed 's/[\\"]/\\&/g')
  [ -z "$value" ] || printf 'data-urlencode = "NOTIFY_%s=%s"\n' "$name" "$value"
done > "$mine.new" && mv "$mine.new" "$mine.post" || exit 2
exec 9> "$spool/lock"
flock -w 40 9 || exit 1
for body in "$spool"/*.post; do
  [ -e "$body" ] || continue
  code=$(curl --silent --max-time 15 --output /dev/null --write-out '%{http_code}' --config "$body" '{URL}')
  case $code in
  2??) rm -f "$body" ;;
  4??) echo "Tuermer weist ab: $code" >&2; mv "$body" "$body.refused" ;;
  *) echo "Tuermer ist nicht zu erreichen: $code" >&2; exit 1 ;;
  esac
done
[ ! -e "$mine.post.refused" ] || exit 2
`

// icingaCommand is a command and its use for notifications, for Icinga 2.
const icingaCommand = `object NotificationCommand "tuermer" {
  command = [ "/usr/bin/curl", "--silent", "--fail", "--max-time", "15", "--retry", "5", "--retry-connrefused", "--retry-max-time", "45" ]
  arguments = {
    "type" = { key = "--data-urlencode", value = "notification_type=$notification.type$", order = 1, repeat_key = true }
    "date" = { key = "--data-urlencode", value = "icinga_long_date_time=$icinga.long_date_time$", order = 2 }
    "author" = { key = "--data-urlencode", value = "notification_author=$notification.author$", order = 3 }
    "comment" = { key = "--data-urlencode", value = "notification_comment=$notification.comment$", order = 4 }
    "host" = { key = "--data-urlencode", value = "host_name=$host.name$", order = 5 }
    "shown" = { key = "--data-urlencode", value = "host_display_name=$host.display_name$", order = 6 }
    "hstate" = { key = "--data-urlencode", value = "host_state=$host.state$", order = 7 }
    "hout" = { key = "--data-urlencode", value = "host_output=$host.output$", order = 8 }
    "service" = { key = "--data-urlencode", value = "service_name=$service.name$", order = 9 }
    "sshown" = { key = "--data-urlencode", value = "service_display_name=$service.display_name$", order = 10 }
    "sstate" = { key = "--data-urlencode", value = "service_state=$service.state$", order = 11 }
    "sout" = { key = "--data-urlencode", value = "service_output=$service.output$", order = 12 }
    "url" = { value = "{URL}", skip_key = true, order = 13 }
  }
}
`
