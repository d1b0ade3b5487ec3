//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// updates: from one release to the next, and back.
var updates = []badDay{
	{"from release 1 to this one", fromReleaseOne},
}

// firstRelease is the commit of release 1; its data lie in
// internal/app/testdata/release1.
const firstRelease = "76db3bee"

// fromReleaseOne serves a town with the real program of release 1, then with
// this one. Each raises an alarm that arrives, and what was there before the
// update is saved. The way back to release 1 is not tried: it stumbles over
// columns that it does not know ([store.Open] tells later releases not to).
func fromReleaseOne(t *testing.T, r *built) {
	old := &built{bin: filepath.Join(t.TempDir(), "tuermer"), seed: r.seed}
	src := t.TempDir()
	if err := exec.CommandContext(t.Context(), "git", "cat-file", "-e", firstRelease+"^{commit}").Run(); err != nil {
		t.Skip("the history of the repository is not here")
	}
	for _, c := range []string{
		`cd "$(git rev-parse --show-toplevel)" && git archive ` + firstRelease + ` | tar x -C ` + src,
		`cd ` + src + ` && go build -buildvcs=false -o ` + old.bin + ` ./cmd/tuermer`,
	} {
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", c).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", c, err, out)
		}
	}
	mails, tg := newPost(t), newTargets(t)
	h := r.house(t, townYAML+smtpYAML(mails)+servicesYAML(3, tg.addr, once))
	for i, bin := range []string{old.bin, r.bin} {
		h.bin = bin
		p := h.serve()
		seen := tg.fail("/0" + string(rune('1'+i)))
		within(t, 20*time.Second, "the failing probe", func() bool { return isClosed(seen) })
		within(t, 60*time.Second, "the alarm of program "+string(rune('1'+i)), func() bool { return len(mails.find(ada, "gestört", dienst(i+1))) > 0 })
		p.endsWell()
		if log := p.log.tail(1 << 20); strings.Contains(log, "level=ERROR") {
			t.Errorf("program %d:\n%s", i+1, log)
		}
	}
	code, out, errs := h.once("audit", "verify")
	if code != 0 || !strings.Contains(out, "Die Kette hält") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	if saved, err := os.ReadDir(filepath.Join(h.data, "before-update")); err != nil || len(saved) != 1 {
		t.Errorf("saved before the update: %v, %v", saved, err)
	}
}
