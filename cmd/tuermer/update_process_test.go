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
	{"one release back and forth", oneReleaseBack},
}

// firstRelease is the commit of release 1; its data lie in
// internal/app/testdata/release1.
const firstRelease = "76db3bef"

// oneReleaseBack serves a town with this program, then with the release before
// on the data that this one left, then with this one again. Each raises an alarm
// that arrives, and none loses what the others wrote.
func oneReleaseBack(t *testing.T, r *built) {
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
	for i, bin := range []string{r.bin, old.bin, r.bin} {
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
	if left, err := os.ReadDir(filepath.Join(h.data, "before-update")); err == nil && len(left) > 0 {
		t.Errorf("a new town was saved before an update: %v", left)
	}
}
