//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// keeping: backups of the program as it is delivered.
var keeping = []badDay{
	{"backup and restore killed thirty times", killKeeping},
}

// killKeeping kills backups of a running town and restores at random moments.
// After each kill there is a whole backup or none, the old install or the new
// one. An alarm that waited for the mail server when the backup was made went
// out since; after the restore it does not go out again.
func killKeeping(t *testing.T, r *built) {
	const kills = 15
	mails, tg := newPost(t), newTargets(t)
	h := r.house(t, townYAML+smtpYAML(mails)+servicesYAML(40, tg.addr, once))
	p := h.serve()
	dice := r.dice(t)
	key := filepath.Join(h.dir, "key.txt")
	whole := filepath.Join(h.dir, "whole.backup")
	must := func(args ...string) (out string, took time.Duration) {
		t.Helper()
		begin := time.Now()
		code, out, errs := h.once(args...)
		if code != 0 {
			t.Fatalf("%v: %s", args, errs)
		}
		return out, time.Since(begin)
	}
	// killed starts a command and kills it somewhere within the time it takes.
	killed := func(took time.Duration, args ...string) {
		t.Helper()
		c := h.command(args...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		pause(t, time.Duration(dice.Int64N(int64(took))))
		_ = c.Process.Kill() // it may be done
		_ = c.Wait()
	}
	elsewhere := func(file string) time.Duration {
		t.Helper()
		other := *h
		other.data = t.TempDir()
		begin := time.Now()
		if code, _, errs := other.once("restore", file, "--key", key); code != 0 {
			t.Fatalf("a backup that is there cannot be restored: %s", errs)
		}
		return time.Since(begin)
	}
	out, _ := must("backup-key", key)
	public := strings.TrimSpace(out)

	mails.down()
	seen := tg.fail("/01")
	within(t, 20*time.Second, "the failing probe", func() bool { return isClosed(seen) })
	token := h.token(bert)
	within(t, 20*time.Second, "alarms that wait", func() bool {
		_, body, err := p.call(token, "GET", "/api/v1/outbox?state=queued", "")
		return err == nil && strings.Count(fmt.Sprint(body), "Dienst 01") >= len(adas)
	})
	_, took := must("backup", whole, "--to", public)
	mails.up(t)
	within(t, 60*time.Second, "the alarms", func() bool {
		return len(mails.find(ada, "gestört", dienst(1))) > 0 && len(mails.find(adas[1], "gestört", dienst(1))) > 0
	})

	done := 0
	for i := range kills {
		file := filepath.Join(h.dir, fmt.Sprintf("%d.backup", i))
		killed(took, "backup", file, "--to", public)
		if _, err := os.Stat(file); err == nil {
			done++
			elsewhere(file)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(h.dir, ".tuermer-part-*")); len(left) > 0 {
		t.Errorf("kills left %v", left)
	}
	p.endsWell()
	sent := len(mails.find(ada, "gestört", dienst(1))) + len(mails.find(adas[1], "gestört", dienst(1)))

	took = elsewhere(whole)
	for range kills {
		killed(took, "restore", whole, "--key", key, "--replace")
		if out, _ := must("tenant", "list"); !strings.Contains(out, "musterstadt") {
			t.Fatalf("after a kill the town is gone: %s", out)
		}
	}
	if out, _ := must("restore", whole, "--key", key, "--replace"); !strings.Contains(out, "before-restore-") {
		t.Errorf("nobody says where the old install is: %s", out)
	}
	for _, what := range []string{"restore-ready-*", ".tuermer-restore-*"} {
		if left, _ := filepath.Glob(filepath.Join(h.data, what)); len(left) > 0 {
			t.Errorf("kills left %v", left)
		}
	}
	tg.heal()
	p = h.serve()
	within(t, 60*time.Second, "the recovery, told by the restored town", func() bool { return len(mails.find(ada, "läuft wieder", dienst(1))) > 0 })
	p.endsWell()
	if now := len(mails.find(ada, "gestört", dienst(1))) + len(mails.find(adas[1], "gestört", dienst(1))); now != sent {
		t.Errorf("%d alarms went out before the restore, %d in all", sent, now)
	}
	t.Logf("%d of %d killed backups were whole", done, kills)
}
