//go:build linux

package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Other monitoring systems as Debian ships them speak to the program that runs, with
// what it has generated for them. Where one is missing the test says so and
// `script/setup peers` installs it.
var foreignPeers = []badDay{
	{"Prometheus and its Alertmanager report", prometheusReports},
	{"Icinga reports", icingaReports},
	{"Checkmk's script reports", checkmkReports},
	{"Zabbix' media type reports", zabbixMediaReports},
	{"Zabbix reports", zabbixReports},
	{"curl reports", curlReports},
	{"PRTG's and Gatus' texts report", formsReport},
}

// foreign starts another program; it is gone with the test.
func foreign(t *testing.T, program string, args ...string) (stop func()) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed (script/setup peers)", program)
	}
	cmd := exec.Command(path, args...)
	var said logbook
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &said, &said, 5*time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Skipf("%s does not start here: %v", program, err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
	}
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("%s said: %s", program, said.tail(2000))
		}
	})
	return stop
}

// port is one that nobody has.
func port(t *testing.T) string {
	t.Helper()
	l, err := listenSteady(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// addSource makes a source by the API and answers what to paste on the other side,
// with the address at which the program really listens in it.
func (p *process) addSource(token, name, format string) (url, paste string) {
	p.t.Helper()
	out := p.must(token, http.MethodPost, "/api/v1/sources", fmt.Sprintf(`{"title":%q,"name":%q,"format":%q}`, name, name, format), http.StatusCreated)
	url, _ = out["url"].(string)
	list, _ := out["paste"].([]any)
	if len(list) == 0 {
		p.t.Fatalf("%v", out)
	}
	first, _ := list[0].(map[string]any)
	paste, _ = first["text"].(string)
	here := strings.NewReplacer("http://lage.example", p.staff, "lage.example", strings.TrimPrefix(p.staff, "http://"))
	return here.Replace(url), here.Replace(paste)
}

// toldBy is how each thing stands of which a source has reported, and how often that
// has been told.
func (p *process) toldBy(token, source string) map[string][]string {
	p.t.Helper()
	out := map[string][]string{}
	list := p.must(token, http.MethodGet, "/api/v1/signals?limit=200", "", http.StatusOK)
	items, _ := list["items"].([]any)
	for _, i := range items {
		s, _ := i.(map[string]any)
		key, _ := s["key"].(string)
		if rest, ok := strings.CutPrefix(key, "intake:"+source+":"); ok {
			state, _ := s["state"].(string)
			out[rest] = append([]string{state}, out[rest]...)
		}
	}
	return out
}

func one(told map[string][]string, want ...string) bool {
	for _, states := range told {
		return len(told) == 1 && strings.Join(states, " ") == strings.Join(want, " ")
	}
	return len(want) == 0
}

// prometheusReports lets blackbox_exporter look at a target, Prometheus alarm, and
// report on two paths: to an Alertmanager whose receiver is the one that we print, and
// to us as to an Alertmanager.
func prometheusReports(t *testing.T, r *built) {
	for _, program := range []string{"prometheus", "prometheus-alertmanager", "prometheus-blackbox-exporter", "amtool"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed (script/setup peers)", program)
		}
	}
	var down atomic.Bool
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer target.Close()
	h := r.house(t, townYAML)
	p := h.serve()
	token := h.token(bert)
	_, receiver := p.addSource(token, "manager", "alertmanager")
	direct, section := p.addSource(token, "direkt", "alerts")
	file := func(name, text string) string {
		path := filepath.Join(h.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	exporter, manager, prometheus := port(t), port(t), port(t)
	am := file("alertmanager.yml", "route: {receiver: tuermer, group_wait: 0s, group_interval: 1s, repeat_interval: 1s}\n"+receiver)
	if out, err := exec.Command("amtool", "check-config", am).CombinedOutput(); err != nil {
		t.Fatalf("the receiver that we print: %v\n%s", err, out)
	}
	file("rules.yml", "groups:\n- name: x\n  interval: 500ms\n  rules:\n  - {alert: PortalDown, expr: probe_success == 0, labels: {severity: critical}, annotations: {summary: Portal antwortet nicht}}\n")
	prom := file("prometheus.yml", "global: {scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 500ms}\nrule_files: [rules.yml]\n"+
		strings.TrimRight(section, "\n")+"\n    - static_configs:\n        - targets: ['"+manager+"']\n"+
		"scrape_configs:\n- job_name: portal\n  metrics_path: /probe\n  params: {module: [http_2xx], target: ['"+target.URL+"']}\n  static_configs: [{targets: ['"+exporter+"']}]\n")
	if out, err := exec.Command("promtool", "check", "config", prom).CombinedOutput(); err != nil {
		t.Fatalf("the section that we print: %v\n%s", err, out)
	}
	foreign(t, "prometheus-blackbox-exporter", "--config.file="+file("blackbox.yml", "modules:\n  http_2xx: {prober: http, http: {preferred_ip_protocol: ip4}}\n"), "--web.listen-address="+exporter, "--timeout-offset=0.1")
	startManager := func() func() {
		return foreign(t, "prometheus-alertmanager", "--config.file="+am, "--storage.path="+filepath.Join(h.dir, "am"), "--web.listen-address="+manager, "--cluster.listen-address=")
	}
	stop := startManager()
	foreign(t, "prometheus", "--config.file="+prom, "--storage.tsdb.path="+filepath.Join(h.dir, "prom"), "--web.listen-address="+prometheus, "--rules.alert.resend-delay=1s", "--log.level=warn")
	within(t, 60*time.Second, "Prometheus answers", func() bool { c, err := net.Dial("tcp", prometheus); return err == nil && c.Close() == nil })

	down.Store(true)
	within(t, 60*time.Second, "both paths tell of the outage", func() bool {
		return one(p.toldBy(token, "direkt"), "firing") && one(p.toldBy(token, "manager"), "firing")
	})
	// It is repeated every second, and the Alertmanager is started anew meanwhile: it
	// stays one.
	times := func(source string) (n float64) {
		bodies, _ := p.must(token, http.MethodGet, "/api/v1/sources/"+source, "", http.StatusOK)["bodies"].([]any)
		for _, b := range bodies {
			b, _ := b.(map[string]any)
			x, _ := b["times"].(float64)
			n += x
			if problem, _ := b["problem"].(string); problem != "" {
				t.Errorf("%s: not understood: %v", source, b)
			}
		}
		return n
	}
	stop()
	stop = startManager()
	defer stop()
	was := times("manager")
	within(t, 60*time.Second, "it is repeated", func() bool { return times("manager") > was+1 && times("direkt") > 2 })
	if d, m := p.toldBy(token, "direkt"), p.toldBy(token, "manager"); !one(d, "firing") || !one(m, "firing") {
		t.Errorf("repeats: %v %v", d, m)
	}
	down.Store(false)
	defer func() {
		if t.Failed() {
			t.Logf("direkt %v, manager %v", p.toldBy(token, "direkt"), p.toldBy(token, "manager"))
		}
	}()
	within(t, 90*time.Second, "both paths tell that it is over", func() bool {
		return one(p.toldBy(token, "direkt"), "firing", "resolved") && one(p.toldBy(token, "manager"), "firing", "resolved")
	})

	// amtool, too, takes us for an Alertmanager.
	base, _, _ := strings.Cut(direct, "/api/v2")
	if out, err := exec.Command("amtool", "--alertmanager.url="+base, "alert", "add", "alertname=Probe", "instance=amtool").CombinedOutput(); err != nil {
		t.Errorf("amtool: %v %s", err, out)
	}
	within(t, 30*time.Second, "amtool's alert", func() bool { _, ok := p.toldBy(token, "direkt")["alertname=Probe,instance=amtool"]; return ok })
	p.endsWell()
}
