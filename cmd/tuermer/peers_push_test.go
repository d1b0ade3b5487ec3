//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// What we print for systems that push is run by what runs it there: Icinga's daemon, a
// shell, a JavaScript engine, curl. Each tells of a problem and of its end.

// icingaReports lets Debian's Icinga 2 look at a host and a service, and notify by the
// command that we print: the service's problem is the service's, though its host is up.
func icingaReports(t *testing.T, r *built) {
	for _, program := range []string{"icinga2", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed (script/setup peers)", program)
		}
	}
	h := r.house(t, townYAML)
	p := h.serve()
	token := h.token(bert)
	_, command := p.addSource(token, "icinga", "icinga")
	dir, err := os.MkdirTemp("", "icinga")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil { // it runs as another user
		t.Fatal(err)
	}
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+".new", []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file("host", "0", 0o644)
	file("service", "0", 0o644)
	check := file("check", "#!/bin/sh\ntouch \"$1.looked\"\necho \"Ausgabe & 'Rest' = 1\"\nexit $(cat \"$1\")\n", 0o755)
	config := `const NodeName = "x"
object CheckerComponent "checker" { }
object NotificationComponent "notification" { }
object CheckCommand "look" {
  command = [ "` + check + `", "` + dir + `/$what$" ]
}
template Host "often" { check_interval = 1s, retry_interval = 1s, max_check_attempts = 1, enable_flapping = false }
template Service "often" { check_interval = 1s, retry_interval = 1s, max_check_attempts = 1, enable_flapping = false }
object User "ada" { }
object Host "srv1" { import "often", check_command = "look", display_name = "Server 1", vars.what = "host" }
object Service "http" { import "often", host_name = "srv1", check_command = "look", display_name = "Webseite", vars.what = "service" }
object Notification "h" { host_name = "srv1", command = "tuermer", users = [ "ada" ], interval = 0 }
object Notification "s" { host_name = "srv1", service_name = "http", command = "tuermer", users = [ "ada" ], interval = 2s }
` + command
	args := []string{"daemon", "-c", file("icinga2.conf", config, 0o644), "-x", "information"}
	for _, name := range []string{"DataDir", "LogDir", "CacheDir", "SpoolDir", "InitRunDir"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Join(path, "x"), 0o777); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-D"+name+"="+path)
	}
	if out, err := exec.Command("chmod", "-R", "a+rwX", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	stop := foreign(t, "icinga2", args...)
	defer stop()
	states := func(key string) string { return strings.Join(p.toldBy(token, "icinga")[key], " ") }
	within(t, 60*time.Second, "Icinga has seen that all is well", func() bool {
		_, err := os.Stat(filepath.Join(dir, "host.looked"))
		_, err2 := os.Stat(filepath.Join(dir, "service.looked"))
		return err == nil && err2 == nil
	})
	file("service", "2", 0o644)
	within(t, 60*time.Second, "the service's problem", func() bool { return states("srv1!http") == "firing" })
	file("service", "0", 0o644)
	within(t, 60*time.Second, "its end", func() bool { return states("srv1!http") == "firing resolved" })
	file("host", "2", 0o644)
	within(t, 60*time.Second, "the host's problem", func() bool { return states("srv1") == "firing" })
	file("host", "0", 0o644)
	within(t, 60*time.Second, "its end", func() bool { return states("srv1") == "firing resolved" })
	p.understood(token, "icinga")
	p.endsWell()
}

// understood fails the test where something of a source was not understood.
func (p *process) understood(token, source string) {
	p.t.Helper()
	bodies, _ := p.must(token, http.MethodGet, "/api/v1/sources/"+source, "", http.StatusOK)["bodies"].([]any)
	for _, b := range bodies {
		b, _ := b.(map[string]any)
		if problem, _ := b["problem"].(string); problem != "" {
			p.t.Errorf("%s: not understood: %v", source, b)
		}
	}
	if len(bodies) == 0 {
		p.t.Errorf("%s has said nothing", source)
	}
}

// checkmkReports runs the script that we print with the environment that Checkmk's
// documentation names. While the program is down the script keeps what it has to say.
func checkmkReports(t *testing.T, r *built) {
	for _, program := range []string{"sh", "curl", "flock"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	h := r.house(t, townYAML)
	p := h.serve()
	token := h.token(bert)
	_, text := p.addSource(token, "checkmk", "checkmk")
	site := t.TempDir()
	script := filepath.Join(site, "tuermer")
	notify := func(env ...string) error {
		// The address is that of the program that runs now.
		if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(script)
		cmd.Env = append([]string{
			"PATH=" + os.Getenv("PATH"), "OMD_ROOT=" + site, "NOTIFY_WHAT=SERVICE", "NOTIFY_HOSTNAME=srv1", "NOTIFY_HOSTSTATE=UP", "NOTIFY_HOSTPROBLEMID=0",
			"NOTIFY_HOSTOUTPUT=Packet received via smart PING", "NOTIFY_HOSTALIAS=Archiv \"Nord\"", "NOTIFY_LONGDATETIME=Thu Nov 26 13:12:33 CET 2026", "NOTIFY_CONTACTNAME=check-mk-notify",
		}, env...)
		out, err := cmd.CombinedOutput()
		if len(out) > 0 {
			t.Logf("the script says: %s", out)
		}
		return err
	}
	problem := func(service string, id int) error {
		return notify("NOTIFY_NOTIFICATIONTYPE=PROBLEM", "NOTIFY_SERVICEDESC="+service, "NOTIFY_SERVICESTATE=CRITICAL", fmt.Sprintf("NOTIFY_SERVICEPROBLEMID=%d", id),
			"NOTIFY_SERVICEOUTPUT=90 % & \"voll\" \\ 'ganz'", "NOTIFY_LONGSERVICEOUTPUT=erste Zeile\nzweite Zeile")
	}
	over := func(service string) error {
		return notify("NOTIFY_NOTIFICATIONTYPE=RECOVERY", "NOTIFY_SERVICEDESC="+service, "NOTIFY_SERVICESTATE=OK", "NOTIFY_SERVICEPROBLEMID=0", "NOTIFY_SERVICEOUTPUT=40 %")
	}
	told := func(key string) string { return strings.Join(p.toldBy(token, "checkmk")[key], " ") }
	if err := problem("Disk /", 7); err != nil {
		t.Fatal(err)
	}
	within(t, 30*time.Second, "the problem", func() bool { return told("srv1!Disk /") == "firing" })
	// The program is down: what happens is kept, in order.
	p.kill()
	if over("Disk /") == nil || problem("Load", 8) == nil || over("Load") == nil || problem("Disk /", 9) == nil {
		t.Error("the script says that it was taken")
	}
	waiting := func() []string {
		all, err := filepath.Glob(filepath.Join(site, "var", "tuermer", "*.post"))
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if n := len(waiting()); n != 4 {
		t.Errorf("%d wait, want 4", n)
	}
	was := p.staff
	p = h.serve()
	text = strings.ReplaceAll(text, was, p.staff)
	if err := over("Disk /"); err != nil || len(waiting()) != 0 {
		t.Errorf("%v, and %d wait", err, len(waiting()))
	}
	within(t, 30*time.Second, "what was kept", func() bool {
		return told("srv1!Disk /") == "firing resolved firing resolved" && told("srv1!Load") == "firing resolved"
	})
	p.understood(token, "checkmk")
	// Revoked: what is refused for good stays, and does not stand in the way.
	p.must(token, http.MethodPost, "/api/v1/sources/checkmk/revoke", "", http.StatusOK)
	if problem("Load", 10) == nil {
		t.Error("a refusal passes for a yes")
	}
	refused, err := filepath.Glob(filepath.Join(site, "var", "tuermer", "*.refused"))
	if err != nil || len(refused) != 1 || len(waiting()) != 0 {
		t.Errorf("%v, %v", refused, err)
	}
	p.endsWell()
}

// zabbixEngine is what Zabbix gives to a media type's script: the object HttpRequest,
// whose calls wait for their answers, and the parameters as JSON in value.
const zabbixEngine = `
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
let text = '';
class HttpRequest {
  constructor() { this.headers = []; this.status = 0; }
  addHeader(h) { this.headers.push(h); }
  getStatus() { return this.status; }
  post(url, data) {
    const args = ['--silent', '--max-time', '20', '--data-binary', '@-', '--output', '-', '--write-out', '\n%{http_code}'];
    for (const h of this.headers) { args.push('--header', h); }
    const out = spawnSync('curl', [...args, url], { input: data, encoding: 'utf8' }).stdout;
    const at = out.lastIndexOf('\n');
    this.status = Number(out.slice(at + 1));
    text = out.slice(0, at);
    return text;
  }
}
const script = fs.readFileSync(process.argv[2], 'utf8'), value = fs.readFileSync(0, 'utf8');
process.stdout.write(String(new Function('value', 'HttpRequest', script)(value, HttpRequest)));
`

// zabbixMedium is as much of a media type as is run here.
type zabbixMedium struct {
	Script     string `yaml:"script"`
	Parameters []struct {
		Name  string `yaml:"name"`
		Value string `yaml:"value"`
	} `yaml:"parameters"`
}

func readMedia(t *testing.T, text string) zabbixMedium {
	t.Helper()
	var export struct {
		Export struct {
			Types []zabbixMedium `yaml:"media_types"`
		} `yaml:"zabbix_export"`
	}
	if err := yaml.Unmarshal([]byte(text), &export); err != nil || len(export.Export.Types) != 1 {
		t.Fatalf("%v in\n%s", err, text)
	}
	return export.Export.Types[0]
}

// zabbixMediaReports takes the script and the parameters out of the media type that we
// print, fills in the macros as Zabbix does, and runs it.
func zabbixMediaReports(t *testing.T, r *built) {
	for _, program := range []string{"node", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	h := r.house(t, townYAML)
	p := h.serve()
	token := h.token(bert)
	_, text := p.addSource(token, "zabbix", "zabbix")
	media := readMedia(t, text)
	engine, script := filepath.Join(h.dir, "engine.js"), filepath.Join(h.dir, "script.js")
	for path, text := range map[string]string{engine: zabbixEngine, script: media.Script} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(macros map[string]string) map[string]any {
		t.Helper()
		params := map[string]string{}
		for _, x := range media.Parameters {
			params[x.Name] = x.Value
			for macro, v := range macros {
				params[x.Name] = strings.ReplaceAll(params[x.Name], macro, v)
			}
		}
		value, err := json.Marshal(params)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("node", engine, script)
		cmd.Stdin = strings.NewReader(string(value))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("the script: %v\n%s", err, out)
		}
		var said map[string]any
		if err := json.Unmarshal(out, &said); err != nil {
			t.Fatalf("with process_tags the script has to answer JSON: %v\n%s", err, out)
		}
		return said
	}
	macros := map[string]string{
		"{EVENT.SOURCE}": "0", "{EVENT.ID}": "901", "{EVENT.VALUE}": "1", "{EVENT.UPDATE.STATUS}": "0", "{EVENT.DATE}": "2026.11.26", "{EVENT.TIME}": "13:12:33",
		"{EVENT.NAME}": `Platte "C:" ist voll & mehr`, "{EVENT.NSEVERITY}": "4", "{EVENT.OPDATA}": "98 %", "{TRIGGER.ID}": "17", "{HOST.NAME}": "srv1", "{HOST.IP}": "192.0.2.7",
		"{TRIGGER.URL}": "", "{ALERT.SUBJECT}": "Platte voll", "{ALERT.MESSAGE}": "Zeile 1\nZeile 2",
	}
	said := run(macros)
	tags, _ := said["tags"].(map[string]any)
	if back, _ := tags["__tuermer"].(string); back != p.staff {
		t.Errorf("the event leads back to %q, not to %q", back, p.staff)
	}
	told := func(key string) string { return strings.Join(p.toldBy(token, "zabbix")[key], " ") }
	within(t, 30*time.Second, "the problem", func() bool { return told("event 901") == "firing" })
	macros["{EVENT.UPDATE.STATUS}"] = "1" // somebody has acknowledged it
	run(macros)
	macros["{EVENT.UPDATE.STATUS}"], macros["{EVENT.VALUE}"] = "0", "0"
	run(macros)
	within(t, 30*time.Second, "its end", func() bool { return told("event 901") == "firing resolved" })
	p.understood(token, "zabbix")
	p.endsWell()
}

// curlReports runs what we print for scripts, and pings as jobs send them.
func curlReports(t *testing.T, r *built) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	h := r.house(t, townYAML)
	p := h.serve()
	token := h.token(bert)
	_, lines := p.addSource(token, "skript", "generic")
	_, pings := p.addSource(token, "jobs", "healthchecks")
	run := func(line string) {
		t.Helper()
		if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s", line, err, out)
		}
	}
	down, up, ok := strings.Cut(lines, "\n")
	if !ok {
		t.Fatal(lines)
	}
	run(down)
	within(t, 30*time.Second, "the problem", func() bool { return one(p.toldBy(token, "skript"), "firing") })
	run(up)
	within(t, 30*time.Second, "its end", func() bool { return one(p.toldBy(token, "skript"), "firing", "resolved") })

	addresses := strings.Split(strings.ReplaceAll(pings, "NAME", "sicherung"), "\n")
	i := slices.IndexFunc(addresses, func(a string) bool { return strings.HasSuffix(a, "$?") })
	if i < 0 {
		t.Fatal(pings)
	}
	// As it stands behind a job: its exit code is in the address.
	run(`sh -c 'exit 3'; curl --fail --silent -m 20 "` + addresses[i] + `"`)
	within(t, 30*time.Second, "the job's failure", func() bool { return one(p.toldBy(token, "jobs"), "firing") })
	run(`true; curl --fail --silent -m 20 "` + addresses[i] + `"`)
	within(t, 30*time.Second, "its success", func() bool { return one(p.toldBy(token, "jobs"), "firing", "resolved") })
	p.understood(token, "skript")
	p.understood(token, "jobs")
	p.endsWell()
}

// formsReport posts what we print for those that fill in a text: PRTG's action and
// Gatus' custom alert, with their placeholders filled and nothing escaped, as they do.
func formsReport(t *testing.T, r *built) {
	h := r.house(t, townYAML)
	p := h.serve()
	token := h.token(bert)
	post := func(to, body string) {
		t.Helper()
		res, err := http.Post(to, "", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%d for %s", res.StatusCode, body)
		}
	}
	prtg, _ := p.addSource(token, "prtg", "prtg")
	_, template := p.pasteOf(token, "prtg2", "prtg", "status=%status")
	gatus, _ := p.addSource(token, "gatus", "gatus")
	_, custom := p.pasteOf(token, "gatus2", "gatus", "[ALERT_TRIGGERED_OR_RESOLVED]")
	_, custom, _ = strings.Cut(custom, `body: "`)
	custom, _, _ = strings.Cut(custom, `"`)
	for i, want := range []string{"firing", "firing resolved"} {
		status := []string{"Down", "Down ended (now: Up)"}[i]
		post(prtg, strings.NewReplacer("%sensorid", "2041", "%device", "SRV & WEB", "%sensor", "HTTP", "%group", "Rathaus", "%probe", "Lokal", "%host", "192.0.2.1", "%priority", "*****",
			"%statesince", []string{"26.11.2026 13:12:33", "26.11.2026 13:31:02"}[i], "%colorofstate", []string{"#d71920", "#b4cc38"}[i],
			"%linksensor", "https://prtg.example/sensor.htm?id=2041&tabid=1", "%status", status, "%lastmessage", "a=b & status=Up").Replace(template))
		state := []string{"TRIGGERED", "RESOLVED"}[i]
		post(gatus, strings.NewReplacer("[ALERT_TRIGGERED_OR_RESOLVED]", state, "[ENDPOINT_GROUP]", "web", "[ENDPOINT_NAME]", "portal", "[ENDPOINT_URL]", "https://portal.example/?a=1&b=2",
			"[ALERT_DESCRIPTION]", "kaputt", "[RESULT_ERRORS]", `Get "https://portal.example/?state=RESOLVED": timeout`).Replace(custom))
		within(t, 30*time.Second, want, func() bool {
			words := strings.Fields(want)
			return one(p.toldBy(token, "prtg"), words...) && one(p.toldBy(token, "gatus"), words...)
		})
	}
	p.understood(token, "prtg")
	p.understood(token, "gatus")
	p.endsWell()
}

// pasteOf makes a source and answers the text to paste in which words stand.
func (p *process) pasteOf(token, name, format, words string) (address, text string) {
	p.t.Helper()
	out := p.must(token, http.MethodPost, "/api/v1/sources", fmt.Sprintf(`{"title":%q,"name":%q,"format":%q}`, name, name, format), http.StatusCreated)
	address, _ = out["url"].(string)
	list, _ := out["paste"].([]any)
	for _, x := range list {
		x, _ := x.(map[string]any)
		if text, _ := x["text"].(string); strings.Contains(text, words) {
			return address, text
		}
	}
	p.t.Fatalf("%q stands in none of %v", words, list)
	return "", ""
}
