package app

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// systemd hears that the program is ready, that it lives while it answers, and
// nothing while it does not.
func TestNotifier(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	hear := func() string {
		t.Helper()
		buf := make([]byte, 100)
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	env := map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000"}
	n := newNotifier(func(k string) string { return env[k] })
	if n.watchdog != 30*time.Millisecond {
		t.Fatal(n.watchdog)
	}
	if err := n.say("READY=1"); err != nil || hear() != "READY=1" {
		t.Fatal(err)
	}
	var broken atomic.Bool
	failures := make(chan error, 1000)
	stop := n.watch(t.Context(), func(context.Context) error {
		if broken.Load() {
			return errors.New("hangs")
		}
		return nil
	}, func(err error) { failures <- err })
	for range 3 {
		if got := hear(); got != "WATCHDOG=1" {
			t.Fatal(got)
		}
	}
	broken.Store(true)
	if err := <-failures; err == nil || err.Error() != "hangs" {
		t.Error(err)
	}
	stop()
	// What was said before it broke may still lie there; after it, nothing is added.
	for {
		if err := c.SetReadDeadline(time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 100)); err != nil {
			break
		}
	}
	if len(failures) > 0 {
		t.Log(len(failures), "failures while it hung")
	}
	if none := newNotifier(func(string) string { return "" }); none.say("READY=1") != nil || none.watchdog != 0 {
		t.Error("without systemd there is nobody to tell")
	}
}

// Health answers for the program that serves, and fails when nothing does.
func TestHealth(t *testing.T) {
	a, err := New(t.Context(), Options{Dir: t.TempDir(), StaffAddr: "127.0.0.1:0", PublicAddr: "127.0.0.1:0", Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := (Commands{}).Health(t.Context(), Settings{Staff: a.StaffAddr()}); err != nil {
		t.Error(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := (Commands{}).Health(t.Context(), Settings{Staff: a.StaffAddr()}); err == nil {
		t.Error("a program that has ended answers")
	}
}
