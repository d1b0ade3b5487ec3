//go:build linux

package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// several: more than one node on a database.
var several = []badDay{{"two nodes, PostgreSQL", twoNodes}}

// pauseFor is how long the node that watches stands still; TUERMER_PAUSE makes it
// two minutes, or what one likes. A lease lasts 15 s.
func pauseFor(t *testing.T) time.Duration {
	d := 25 * time.Second
	if s := os.Getenv("TUERMER_PAUSE"); s != "" {
		var err error
		if d, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// twoNodes: one watches, the other stands by and serves. The one that watches
// stands still, is killed, and is killed in the middle of an alarm: every outage
// wakes its people within a minute, nothing is lost, and at most what was in
// flight comes twice, recognisably.
func twoNodes(t *testing.T, r *built) {
	dice := r.dice(t)
	mails, tg := newPost(t), newTargets(t)
	yaml := townYAML + smtpYAML(mails) + servicesYAML(6, tg.addr, once)
	database := ownSchema(t)
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // it never fails
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(base64.StdEncoding.EncodeToString(raw)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var houses [2]*house
	var nodes [2]*process
	for i := range houses {
		houses[i] = r.house(t, yaml)
		houses[i].database, houses[i].env = database, []string{"TUERMER_KEY_FILE=" + key}
		nodes[i] = houses[i].serve()
	}
	token := houses[0].token(bert)
	watches := func(i int, n float64) bool { return nodes[i].figure("tuermer_monitor_watched") == n }
	within(t, 30*time.Second, "the first node watches alone", func() bool { return watches(0, 6) && watches(1, 0) })
	// What is changed on the other reaches it.
	nodes[1].must(token, "POST", "/api/v1/monitors/m06/pause", "", 200)
	within(t, 30*time.Second, "the first node hears of the pause", func() bool { return watches(0, 5) && watches(1, 0) })
	alarmed := func(i int) bool {
		for _, a := range adas {
			if len(mails.find(a, "gestört", dienst(i))) == 0 {
				return false
			}
		}
		return true
	}
	// It waits for the receipts, too: whoever is stopped between the server's yes
	// and its own note of it has that mail in flight.
	raise := func(i int, why string, lives *process) {
		t.Helper()
		begin := time.Now()
		tg.fail(fmt.Sprintf("/%02d", i))
		within(t, time.Minute, "the alarm "+why, func() bool { return alarmed(i) })
		t.Logf("%s: alarm after %s", why, time.Since(begin).Round(100*time.Millisecond))
		within(t, time.Minute, "the receipts of the alarm "+why, func() bool { return lives.told(token, i) == len(adas) })
	}
	raise(1, "with two nodes", nodes[0])

	// The node that watches stands still for longer than its lease.
	if err := nodes[0].cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	raise(2, "while the one that watches stands still", nodes[1])
	pause(t, pauseFor(t)-time.Since(stopped))
	if err := nodes[0].cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	within(t, 30*time.Second, "the one that stood still leaves it to the other", func() bool { return watches(0, 0) && watches(1, 5) })

	// The one that watches now is killed; what follows is the first one's.
	nodes[1].kill()
	nodes[1].quiet()
	mails.next()
	raise(3, "after kill -9 of the one that watched", nodes[0])
	within(t, 30*time.Second, "the first node watches again", func() bool { return watches(0, 5) })
	nodes[1] = houses[1].serve()

	// And in the middle of an alarm.
	mails.mu.Lock()
	mails.slow = jitter(dice, 100*time.Millisecond, 600*time.Millisecond)
	mails.mu.Unlock()
	seen := tg.fail("/04")
	begin := time.Now()
	within(t, 30*time.Second, "the outage is seen", func() bool { return isClosed(seen) })
	pause(t, moment(dice, time.Second))
	nodes[0].kill()
	nodes[0].quiet()
	mails.next()
	within(t, time.Minute, "the alarm in whose middle its node was killed", func() bool { return alarmed(4) })
	t.Logf("killed in the middle of an alarm: it was there after %s", time.Since(begin).Round(100*time.Millisecond))
	nodes[0] = houses[0].serve()
	for i := 1; i <= 4; i++ {
		within(t, time.Minute, "the receipts of "+dienst(i), func() bool { return nodes[1].told(token, i) == len(adas) })
	}
	if list := itemsOf(nodes[1].must(token, "GET", "/api/v1/alerts?limit=1000", "", 200)); len(list) != 4 {
		t.Errorf("%d alerts for 4 outages", len(list))
	}
	tg.heal()
	for i := 1; i <= 4; i++ {
		for _, a := range adas {
			within(t, time.Minute, "recovery of "+dienst(i), func() bool { return len(mails.find(a, "läuft wieder", dienst(i))) == 1 })
			alarms := mails.find(a, "gestört", dienst(i))
			if len(alarms) > 2 || len(alarms) == 2 && (i != 4 || alarms[0].id != alarms[1].id || alarms[0].life == alarms[1].life) {
				t.Errorf("%s at %s: %d alarms", dienst(i), a, len(alarms))
			}
		}
	}
	nodes[0].endsWell()
	holds(t, houses[1], nodes[1], token)
}
