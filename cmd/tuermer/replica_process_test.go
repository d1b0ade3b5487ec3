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
	"testing"
	"time"
)

// carried: the running copy outside, with the program as it is delivered.
var carried = []badDay{
	{"the machine is lost while the database is copied", loseTheMachine},
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
