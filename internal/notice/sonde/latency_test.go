package sonde_test

import (
	"testing"
	"testing/synctest"
	"time"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/storetest"
)

// From the last look that the agreement needed to the alarm passes less than a
// second: a change waits for no company, neither on the sonde nor here. Two real
// sondes in virtual time; the way between the machines takes no time.
func TestAgreementIsPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, storetest.SQLite(t, rooms...))
		w.clock.now = time.Now()
		const step = 10 * time.Millisecond
		pass := func(d time.Duration, until func() bool) bool {
			for ; d > 0; d -= step {
				time.Sleep(step)
				w.clock.pass(step)
				if until != nil && until() {
					return true
				}
			}
			return false
		}
		line := &wire{site: w.site}
		sights := map[string]*outpost{}
		for _, name := range []string{"a", "b"} {
			token, err := w.sondes.Add(w.ctx, name)
			w.must(err)
			o := &outpost{t: t, dir: t.TempDir(), wire: line, key: newKey(t), eye: &eye{now: ahead{}.Now}}
			o.start(token)
			defer o.halt()
			sights[name] = o
		}
		// This machine looks at nothing here, so both sondes are needed.
		w.must(w.monitors.Save(w.ctx, monitor.Monitor{Slug: "portal", Spec: monitor.Spec{
			URL: "http://ziel.example/", Vantage: monitor.Vantage{Sondes: []string{"a", "b"}, Agree: 2},
		}}))
		pass(90*time.Second, nil)
		sights["a"].eye.see(true)
		if pass(70*time.Second, func() bool { return len(w.firing()) > 0 }) {
			t.Fatal("one of two alarms")
		}
		seen := func() time.Time {
			e := sights["b"].eye
			e.mu.Lock()
			defer e.mu.Unlock()
			return e.looks[len(e.looks)-1]
		}
		sights["b"].eye.see(true)
		if !pass(80*time.Second, func() bool { return len(w.firing()) > 0 }) {
			t.Fatal("both see it, and nobody is told")
		}
		took := time.Since(seen())
		t.Logf("from the last needed look to the alarm: %v", took)
		if took > time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
