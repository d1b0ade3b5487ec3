//go:build linux

package main

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// farAway are the bad days of a server with sondes.
var farAway = []badDay{{"sondes survive kills on both sides", sondesSurvive}}

// sondesSurvive: a server behind a proxy that ends TLS, and two sondes, all of
// them processes of their own. One sonde and the server are killed; the outage
// that nobody could report meanwhile is in the history all the same, no result
// is missing and none is there twice.
func sondesSurvive(t *testing.T, r *built) {
	var broken atomic.Bool
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer target.Close()
	yaml := townYAML + "monitors:\n"
	for _, n := range []string{"a", "b"} {
		yaml += fmt.Sprintf("  - {slug: ziel-%s, url: %q, interval: 1s, timeout: 500ms, confirm: 2, vantage: {sondes: [%s], agree: 2}}\n", n, target.URL+"/"+n, n)
	}
	h := r.house(t, yaml)
	p := h.serve()

	// The proxy stays where it is while the server comes and goes behind it.
	var behind atomic.Pointer[url.URL]
	point := func() {
		u, err := url.Parse(p.staff)
		if err != nil {
			t.Fatal(err)
		}
		behind.Store(u)
	}
	point()
	front := httptest.NewTLSServer(&httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetURL(behind.Load())
			pr.Out.Host = pr.In.Host
			pr.SetXForwarded()
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			http.Error(w, "Bad Gateway", http.StatusBadGateway)
		},
	})
	defer front.Close()
	ca := filepath.Join(h.dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}

	begin := func(name, token string) *exec.Cmd {
		t.Helper()
		args := []string{"sonde", "run", "--server", front.URL, "--ca", ca, "--data", filepath.Join(h.dir, "sonde-"+name)}
		if token != "" {
			args = append(args, "--token", token)
		}
		c := exec.Command(h.bin, args...)
		c.Env = []string{"TUERMER_LANG=de", "HOME=" + h.dir, "NO_PROXY=*"}
		c.Stdout, c.Stderr = t.Output(), t.Output()
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
		return c
	}
	token := func(name string) string {
		code, out, errs := h.once("sonde", "add", "--name", name)
		if code != 0 || !strings.HasPrefix(out, "tuermer_sonde_") {
			t.Fatalf("sonde add: %d %q %q", code, out, errs)
		}
		return strings.TrimSpace(out)
	}
	a, b := begin("a", token("a")), begin("b", token("b"))
	admin := h.token(bert)
	type look struct {
		at time.Time
		ok bool
	}
	looks := func(name string) (out []look) {
		t.Helper()
		for after := ""; ; {
			list := p.must(admin, "GET", "/api/v1/sondes/"+name+"/results?limit=500&after="+after, "", 200)
			for _, x := range itemsOf(list) {
				s, _ := x["at"].(string)
				at, err := time.Parse(time.RFC3339Nano, s)
				if err != nil {
					t.Fatal(err)
				}
				ok, _ := x["ok"].(bool)
				out = append(out, look{at, ok})
			}
			next, _ := list["next"].(string)
			if next == "" {
				slices.Reverse(out)
				return out
			}
			after = next
		}
	}
	within(t, 40*time.Second, "both sondes report", func() bool { return len(looks("a")) > 4 && len(looks("b")) > 4 })

	p.kill()
	down := time.Now()
	pause(t, 2*time.Second)
	broken.Store(true) // nobody can be told
	pause(t, 4*time.Second)
	_ = b.Process.Kill()
	_ = b.Wait()
	killed := time.Now()
	broken.Store(false)
	pause(t, 3*time.Second)
	b = begin("b", "")
	pause(t, 2*time.Second)
	p = h.serve()
	point()
	up := time.Now()
	within(t, 90*time.Second, "all that was seen meanwhile is delivered", func() bool {
		for _, n := range []string{"a", "b"} {
			l := looks(n)
			if len(l) == 0 || l[len(l)-1].at.Before(up) {
				return false
			}
		}
		return true
	})

	for _, n := range []string{"a", "b"} {
		all := looks(n)
		bad := 0
		for i, l := range all {
			if !l.ok && l.at.After(down) && l.at.Before(up) {
				bad++
			}
			if i == 0 {
				continue
			}
			gap := l.at.Sub(all[i-1].at)
			if gap <= 0 {
				t.Errorf("%s: the same result twice at %s", n, l.at)
			}
			// Once a second; confirmations and a first look come sooner, a busy
			// machine later. Sonde b was dead for three seconds.
			dead := n == "b" && all[i-1].at.Before(killed.Add(time.Second)) && l.at.After(killed.Add(-time.Second))
			if gap > 2500*time.Millisecond && !dead {
				t.Errorf("%s: nothing between %s and %s", n, all[i-1].at, l.at)
			}
		}
		if bad < 2 {
			t.Errorf("%s: the outage while the server was dead is lost (%d of %d)", n, bad, len(all))
		}
	}
	if s := p.must(admin, "GET", "/api/v1/sondes/a", "", 200); s["spool_dropped"] != 0.0 || s["state"] != "heard" {
		t.Errorf("%v", s)
	}

	// Two sondes of one data folder are refused; a revoked one ends by itself.
	if code, _, errs := second(t, h, front.URL, ca, "a"); code != 1 || !strings.Contains(errs, "Datenordner") {
		t.Errorf("a second one: %d %s", code, errs)
	}
	if code, _, errs := h.once("sonde", "revoke", "a"); code != 0 {
		t.Fatalf("revoke: %d %s", code, errs)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Wait() }()
	select {
	case err := <-ended:
		if a.ProcessState.ExitCode() != 1 {
			t.Errorf("revoked: %v", err)
		}
	case <-time.After(40 * time.Second):
		t.Error("a revoked sonde goes on")
	}
	if err := b.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := b.Wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	p.endsWell()
}

// second tries to run a sonde beside one.
func second(t *testing.T, h *house, server, ca, name string) (code int, stdout, stderr string) {
	t.Helper()
	c := exec.Command(h.bin, "sonde", "run", "--server", server, "--ca", ca, "--data", filepath.Join(h.dir, "sonde-"+name))
	c.Env = []string{"TUERMER_LANG=de", "HOME=" + h.dir}
	out, err := c.CombinedOutput()
	if err == nil {
		return 0, "", string(out)
	}
	return c.ProcessState.ExitCode(), "", string(out)
}
