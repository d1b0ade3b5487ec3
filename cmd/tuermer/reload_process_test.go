//go:build linux

package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// reloads are what happens to a running program when its file changes.
var reloads = []badDay{{"reload", reload}}

const reloadYAML = `
town: {name: Musterstadt, slug: musterstadt, domains: [musterstadt.example]}
people:
  - {name: Bert Kern, email: bert@musterstadt.example, alternative: bert@posteo.example, roles: [admin, it]}
`

// reload: the command's answer and its exit code, the signal, and a data folder
// whose path is longer than a socket's may be.
func reload(t *testing.T, r *built) {
	h := r.house(t, reloadYAML)
	h.data = h.dir + "/" + strings.Repeat("d", 120)
	if code, _, errs := h.once("reload"); code != 1 || !strings.Contains(errs, "läuft kein Türmer") {
		t.Fatalf("nobody serves: %d %q", code, errs)
	}
	p := h.serve()
	if info, err := os.Stat(h.data + "/serve.sock"); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("socket: %v %v", info, err)
	}
	h.configure(reloadYAML + "  - {name: Carla Neu, email: carla@musterstadt.example}\n")
	if code, out, errs := h.once("reload"); code != 0 || !strings.Contains(out, "people: neu carla@musterstadt.example") {
		t.Fatalf("reload: %d %q %q", code, out, errs)
	}
	h.configure(reloadYAML + "  - {name: Carla Neu, email: carla}\n")
	if code, _, errs := h.once("reload"); code != 1 || !strings.Contains(errs, "keine E-Mail-Adresse") {
		t.Fatalf("a faulty file: %d %q", code, errs)
	}
	h.configure(reloadYAML + "  - {name: Dora Neu, email: dora@musterstadt.example}\n")
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(60 * time.Second); !strings.Contains(p.log.tail(1<<20), "dora@musterstadt.example"); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("SIGHUP was not heard")
		}
	}
	p.kill()
	if code, _, errs := h.once("reload"); code != 1 || !strings.Contains(errs, "läuft kein Türmer") {
		t.Fatalf("a killed program's socket: %d %q", code, errs)
	}
	h.serve() // over the socket that was left behind
	if code, out, errs := h.once("reload"); code != 0 || !strings.Contains(out, "Nichts hat sich geändert") {
		t.Fatalf("after the kill: %d %q %q", code, out, errs)
	}
}
