//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// carried: the running copy outside, with the program as it is delivered.
var carried = []badDay{
	{"the machine is lost while the database is copied", loseTheMachine},
	{"no room for backups", noRoomForBackups},
}

// copiesOf answers how the copies stand.
func (p *process) copiesOf(token string) (through map[string]time.Time) {
	p.t.Helper()
	through = map[string]time.Time{}
	_, out, err := p.call(token, "GET", "/api/v1/backups", "")
	list, _ := out["copies"].([]any)
	for _, x := range list {
		c, _ := x.(map[string]any)
		at, _ := time.Parse(time.RFC3339Nano, fmt.Sprint(c["through"]))
		through[fmt.Sprint(c["name"])] = at
	}
	if err != nil {
		return nil
	}
	return through
}

// loseTheMachine kills a town again and again while people write, and throws its
// disk away. Elsewhere it comes back from the copy, with everything that was
// acknowledged before the moment until which the copy called itself complete. The
// foreign host reads nothing. At last the town goes on from there, and its copy
// begins anew.
func loseTheMachine(t *testing.T, r *built) {
	const kills = 3
	mails := newPost(t)
	h := r.house(t, "")
	out, away := filepath.Join(h.dir, "draussen"), filepath.Join(h.dir, "key.txt")
	if err := os.Mkdir(out, 0o700); err != nil {
		t.Fatal(err)
	}
	h.configure(townYAML + smtpYAML(mails))
	code, public, errs := h.once("backup-key", away)
	if code != 0 {
		t.Fatal(errs)
	}
	h.configure(townYAML + smtpYAML(mails) + fmt.Sprintf("backup: {to: [%s], replica: {every: 1s, targets: [{name: draussen, url: %s}]}}\n", strings.TrimSpace(public), out))
	dice := r.dice(t)
	acked := map[string]time.Time{}
	writer := func(p *process, token string, until time.Time) {
		for time.Now().Before(until) {
			title := fmt.Sprintf("Lage-%d", len(acked)+1)
			if status, _, err := p.call(token, "POST", "/api/v1/incidents", fmt.Sprintf(`{"title":%q}`, title)); err == nil && status == http.StatusCreated {
				acked[title] = time.Now()
			}
		}
	}
	lost := 0
	for i := range kills {
		p := h.serve()
		publisher, admin := h.token(ada), h.token(bert)
		writer(p, publisher, time.Now().Add(time.Second))
		begun := time.Now()
		var through time.Time
		within(t, 90*time.Second, "the copy", func() bool { through = p.copiesOf(admin)["draussen"]; return through.After(begun) })
		writer(p, publisher, time.Now().Add(moment(dice, 2*time.Second)))
		p.kill()
		killed := time.Now()
		sealedOnly(t, out, "Lage-", "musterstadt.example", "SQLite format")

		elsewhere := *h
		elsewhere.data, elsewhere.last = filepath.Join(t.TempDir(), "data"), nil
		if code, said, errs := elsewhere.once("restore", "--replica", out, "--key", away); code != 0 || !strings.Contains(said, "laufenden Kopie") {
			t.Fatalf("restore: %d %s %s", code, said, errs)
		}
		if code, said, errs := elsewhere.once("audit", "verify"); code != 0 || !strings.Contains(said, "Die Kette hält") {
			t.Errorf("audit verify: %d %s %s", code, said, errs)
		}
		h.data = elsewhere.data // the old disk is gone
		p = h.serve()
		publisher = h.token(ada)
		have, after := map[string]bool{}, ""
		for {
			page := p.must(publisher, "GET", "/api/v1/incidents?limit=1000"+after, "", 200)
			for _, x := range itemsOf(page) {
				have[fmt.Sprint(x["title"])] = true
			}
			next, _ := page["next"].(string)
			if next == "" {
				break
			}
			after = "&after=" + next
		}
		missing, newest := 0, time.Time{}
		for title, at := range acked {
			switch {
			case have[title] && at.After(newest):
				newest = at
			case !have[title] && at.Before(through):
				t.Errorf("kill %d: %s was acknowledged %s before the copy called itself complete, and is gone", i+1, title, through.Sub(at))
			case !have[title]:
				missing++
				delete(acked, title)
			}
		}
		if lost += missing; len(have) == 0 {
			t.Errorf("kill %d: nothing came back", i+1)
		}
		t.Logf("kill %d: %d incidents, %d of the last moments are lost; the newest that came back was acknowledged %s before the kill", i+1, len(have), missing, killed.Sub(newest).Round(time.Millisecond))
		p.endsWell()
	}
	if lines, _ := filepath.Glob(filepath.Join(out, "*")); len(lines) != kills+1 {
		t.Errorf("%d lines of copies, want one for each install: %v", len(lines), lines)
	}
	t.Logf("%d acknowledged incidents, %d lost in %d kills", len(acked)+lost, lost, kills)
}

// sealedOnly looks for words in everything that lies outside.
func sealedOnly(t *testing.T, dir string, words ...string) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		n++
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		for _, w := range words {
			if bytes.Contains(raw, []byte(w)) {
				t.Errorf("%s can be read outside: it holds %q", path, w)
			}
		}
		return err
	})
	if err != nil || n < 3 {
		t.Errorf("%d files outside, %v", n, err)
	}
}

// noRoomForBackups: the disk for backups, on which the running copy lies too, is
// full. Each says so in words, nothing half stays, check is red, and alarms go out
// as ever. When there is room again, both catch up.
func noRoomForBackups(t *testing.T, r *built) {
	mails, tg := newPost(t), newTargets(t)
	h := r.house(t, "")
	small, key := filepath.Join(h.dir, "klein"), filepath.Join(h.dir, "key.txt")
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=8m,mode=0700"); err != nil {
		t.Skipf("needs the right to mount a small tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(small, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	town := townYAML + smtpYAML(mails) + servicesYAML(2, tg.addr, once)
	h.configure(town)
	code, public, errs := h.once("backup-key", key)
	if code != 0 {
		t.Fatal(errs)
	}
	folder, out := filepath.Join(small, "sicherung"), filepath.Join(small, "kopie")
	if err := os.Mkdir(out, 0o700); err != nil {
		t.Fatal(err)
	}
	h.configure(town + fmt.Sprintf("backup: {to: [%s], at: \"02:30\", folder: %s, replica: {every: 1s, targets: [{name: klein, url: %s}]}}\n", strings.TrimSpace(public), folder, out))
	p := h.serve()
	publisher, admin := h.token(ada), h.token(bert)
	state := func() (out map[string]any) {
		_, out, _ = p.call(admin, "GET", "/api/v1/backups", "")
		return out
	}
	files := func() int { list, _ := state()["items"].([]any); return len(list) }
	within(t, 90*time.Second, "the first backup and copy", func() bool { return files() == 1 && !p.copiesOf(admin)["klein"].IsZero() })

	filler := filepath.Join(small, "voll")
	f, err := os.OpenFile(filler, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	_ = f.Close()
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	p.must(admin, "POST", "/api/v1/backups", "", http.StatusOK)
	within(t, 60*time.Second, "a word about the backup", func() bool { return strings.Contains(fmt.Sprint(state()["failed"]), "kein Platz mehr") })
	p.must(publisher, "POST", "/api/v1/incidents", `{"title":"Es wird eng"}`, http.StatusCreated)
	within(t, 60*time.Second, "a word about the copy", func() bool { return strings.Contains(fmt.Sprint(state()["copies"]), "reason:full") })
	if code, said, errs := h.once("backup", filepath.Join(small, "hand.backup"), "--to", strings.TrimSpace(public)); code != exitFailure || !strings.Contains(errs, "Der Datenträger ist voll") {
		t.Errorf("a backup by hand: %d %s %s", code, said, errs)
	}
	if _, said, errs := h.once("check"); !strings.Contains(said+errs, "kein Platz mehr") {
		t.Errorf("check says nothing of it: %s %s", said, errs)
	}
	for _, what := range []string{"*.backup", ".tuermer-part-*", "sicherung/.tuermer-part-*", "sicherung/*.new"} {
		if left, _ := filepath.Glob(filepath.Join(small, what)); len(left) > 0 {
			t.Errorf("left half: %v", left)
		}
	}
	seen := tg.fail("/01")
	within(t, 30*time.Second, "the outage is seen", func() bool { return isClosed(seen) })
	within(t, 60*time.Second, "the alarm", func() bool { return len(mails.find(ada, "gestört", dienst(1))) > 0 })
	if status, _, err := fetch(t.Context(), p.public+"/"); err != nil || status != http.StatusOK {
		t.Errorf("the public page: %d %v", status, err)
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	free := time.Now()
	p.must(admin, "POST", "/api/v1/backups", "", http.StatusOK)
	within(t, 180*time.Second, "the next backup and copy", func() bool {
		return files() == 2 && state()["failed"] == nil && p.copiesOf(admin)["klein"].After(free)
	})
	p.endsWell()
}
