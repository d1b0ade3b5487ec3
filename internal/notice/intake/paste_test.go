package intake

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// What the operator pastes on the other side has the address in it, and the programs
// there read it. Where one is not installed, script/setup peers brings it.
func TestPastesAreRead(t *testing.T) {
	got := make(chan Body, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		got <- Body{ContentType: r.Header.Get("Content-Type"), Data: data}
		_, _ = io.WriteString(w, "OK")
	}))
	defer srv.Close()
	const secret = "tin_abcdefghijklmnopqrstuvwxyz"
	at := func(f Format) string {
		if f == Mail {
			return secret + "@lage.example"
		}
		return srv.URL + "/in/" + secret + "/" + string(f)
	}
	for _, f := range Formats() {
		all := howTo(f, at(f))
		if len(all) == 0 || !slices.ContainsFunc(all, func(p paste) bool { return strings.Contains(p.Text, secret) }) {
			t.Errorf("%s: the secret is in none of %v", f, all)
		}
		for _, p := range all {
			if strings.ContainsAny(p.Text, "\x00") || strings.Contains(p.Text, "{URL}") || strings.Contains(p.Text, "{BASE}") {
				t.Errorf("%s: %s", f, p.Text)
			}
		}
	}
	// for YAML's own sake
	for f, wrap := range map[Format]string{Alertmanager: "route: {receiver: tuermer}\n", Alerts: "", Gatus: "", Zabbix: ""} {
		var v map[string]any
		if err := yaml.Unmarshal([]byte(wrap+howTo(f, at(f))[0].Text), &v); err != nil || len(v) == 0 {
			t.Errorf("%s: %v", f, err)
		}
	}
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} { // icinga2 reads as another user
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	check := func(program string, args ...string) {
		t.Helper()
		path, err := exec.LookPath(program)
		if err != nil {
			t.Logf("%s is not installed (script/setup peers)", program)
			return
		}
		if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", program, err, out)
		}
	}
	check("amtool", "check-config", file("alertmanager.yml", "route: {receiver: tuermer}\n"+howTo(Alertmanager, at(Alertmanager))[0].Text, 0o600))
	check("promtool", "check", "config", file("prometheus.yml", howTo(Alerts, at(Alerts))[0].Text, 0o600))
	check("icinga2", "daemon", "-C", "-c", file("icinga2.conf", icingaCheck+howTo(Icinga, at(Icinga))[0].Text, 0o644), "-DPidPath="+dir+"/pid", "-DVarsPath="+dir+"/vars", "-DModAttrPath="+dir+"/attr", "-DObjectsPath="+dir+"/objects", "-DStatePath="+dir+"/state")

	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	script := file("tuermer", howTo(Checkmk, at(Checkmk))[0].Text, 0o700)
	check("sh", "-n", script)
	run := func(f Format, cmd *exec.Cmd) []Report {
		t.Helper()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", f, err, out)
		}
		select {
		case b := <-got:
			rs, err := Parse(f, Mapping{}, b, nil)
			if err != nil {
				t.Fatalf("%s: %v: %s", f, err, b.Data)
			}
			return rs
		case <-time.After(30 * time.Second):
			t.Fatalf("%s: nothing came", f)
			return nil
		}
	}
	cmd := exec.Command(script)
	cmd.Env = append(os.Environ(), "OMD_ROOT="+dir, "NOTIFY_WHAT=SERVICE", "NOTIFY_NOTIFICATIONTYPE=PROBLEM", "NOTIFY_HOSTNAME=srv1", "NOTIFY_SERVICEDESC=Disk /", "NOTIFY_SERVICESTATE=CRITICAL",
		"NOTIFY_SERVICEOUTPUT=90 % & \"voll\"", "NOTIFY_SERVICEPROBLEMID=7")
	if r := run(Checkmk, cmd)[0]; what(r) != "srv1!Disk /|7|firing|critical|srv1 · Disk /: CRITICAL|srv1|" || r.Detail != `90 % & "voll"` {
		t.Errorf("%+v", r)
	}
	for i, want := range []string{"usv-keller||firing|critical|USV im Keller läuft auf Batterie||", "usv-keller||resolved|critical|USV im Keller hat wieder Netz||"} {
		line := strings.Split(howTo(Generic, at(Generic))[0].Text, "\n")[i]
		// Debian 12's curl knows --json; an older one would not.
		if r := run(Generic, exec.Command("sh", "-c", line))[0]; what(r) != want {
			t.Errorf("%+v", r)
		}
	}
}

// icingaCheck is as much around a command as Icinga needs to read it.
const icingaCheck = `const NodeName = "x"
object CheckCommand "dummy" { command = [ "/bin/false" ] }
object User "ada" { }
object Host "srv1" { check_command = "dummy" }
object Notification "n" { host_name = "srv1", command = "tuermer", users = [ "ada" ] }
`
